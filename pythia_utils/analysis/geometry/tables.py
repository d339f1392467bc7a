"""From records to what the chapter on geometry shows: matrices, layers, and pairs of steps and of models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds
from pythia_utils.analysis.geometry.compared import relation
from pythia_utils.analysis.geometry.names import STREAM
from pythia_utils.suites.catalog import find_model

ALIKE = (
    0.95  # CKA of two checkpoints between which, by the chapter's definition, little has changed
)


def _parts(records: pd.DataFrame, metric: str, pattern: str) -> pd.DataFrame:
    """The rows of a metric, with the parts of their subset as columns, numbers as such; others left out."""
    rows = records[records["metric"] == metric]
    parts = rows["subset"].str.extract(f"^{pattern}$")
    for name in set(parts) & {"layer", "other_layer", "other_step"}:
        parts[name] = parts[name].astype("Int64")
    return rows.join(parts.dropna(how="all"), how="inner")


def by_matrix(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of each matrix, or of the residual stream: columns kind, and layer, NA where it has none."""
    rows = _parts(records, metric, r"(?P<kind>.+?)(?:, layer (?P<layer>\d+))?")
    return rows[rows["kind"] != "all"]


def of_kind(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The mean over layers of a metric of the weights: a row a model, step and kind."""
    rows = by_matrix(records, metric)
    return _mean(rows[rows["kind"] != STREAM], ["kind"])


def _mean(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    page = [name for name in ("suite", "experiment", "parameters") if name in rows]
    keys = [*page, "model", "variant", "n_params", "step", *by]
    return rows.groupby(keys, sort=False, as_index=False)["value"].mean()


def growth(records: pd.DataFrame) -> pd.DataFrame:
    """Frobenius norms over those of step 0, the mean over layers: a row a model, step and kind.

    Models without a record of step 0 are left out.
    """
    rows = by_matrix(records, "frobenius")
    start = rows[rows["step"] == 0].set_index(["model", "subset"])["value"]
    keys = pd.MultiIndex.from_frame(rows[["model", "subset"]])
    rows = rows.assign(value=rows["value"].to_numpy() / start.reindex(keys).to_numpy())
    return _mean(rows.dropna(subset="value"), ["kind"])


def rank_share(records: pd.DataFrame) -> pd.DataFrame:
    """Effective rank over the number of singular values, the mean over layers: a row a model, step and kind."""
    rows = by_matrix(records, "effective_rank")
    return _mean(rows.assign(value=rows["value"] / rows["n"].astype(float)), ["kind"])


def of_all(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric of all matrices together."""
    return records[(records["metric"] == metric) & (records["subset"] == "all")]


# --- over steps -----------------------------------------------------------------------------------


def over_steps(records: pd.DataFrame) -> pd.DataFrame:
    """CKA of each layer between steps of one model: columns step, other_step and layer."""
    return _parts(records, "cka_steps", r"step (?P<other_step>\d+), layer (?P<layer>\d+)")


def doublings(records: pd.DataFrame) -> pd.DataFrame:
    """CKA of each layer with itself at half of the steps: a row a model, step and layer.

    Half: the checkpoint that the cell names in `step_of_half`.
    """
    half = records[records["metric"] == "step_of_half"].set_index(["model", "step"])["value"]
    rows = over_steps(records)
    keys = pd.MultiIndex.from_frame(rows[["model", "step"]])
    return rows[rows["other_step"].to_numpy(float) == half.reindex(keys).to_numpy()]


def least_alike(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each model and step the layer whose CKA is least."""
    if rows.empty:
        return rows
    return rows.loc[rows.groupby(["model", "step"], sort=False)["value"].idxmin()]


def settled(records: pd.DataFrame, alike: float = ALIKE) -> pd.DataFrame:
    """When each model stopped changing: from when on every layer stays like itself at half of the steps.

    Args:
        records: of any models and steps.
        alike: the CKA that counts as no change.

    Returns:
        A row a model measured at two steps or more after step 0: model, variant, n_params; step, the first
        measured one from which on the least CKA of its layers is `alike` or more at every later one, nan if it
        is less at the last; last, the last step measured; value, the least CKA there.
    """
    rows = []
    for keys, own in least_alike(doublings(records)).groupby(
        ["model", "variant", "n_params"], sort=False
    ):
        own = own.sort_values("step")
        if len(own) < 2:
            continue
        moving = own["step"][own["value"] < alike]
        after = own["step"][own["step"] > (moving.max() if len(moving) else -1)]
        first = after.min() if len(after) else np.nan
        rows.append((*keys, first, own["step"].iloc[-1], own["value"].iloc[-1]))
    return pd.DataFrame(rows, columns=["model", "variant", "n_params", "step", "last", "value"])


def step_map(rows: pd.DataFrame) -> pd.DataFrame:
    """CKA of one layer of a model, step by other step: 1 with itself, nan where no cell compared the two.

    Of the other steps those that most steps were compared with.

    Args:
        rows: of `over_steps`, of one model and layer.
    """
    pairs = rows[["step", "other_step", "value"]]
    swapped = pairs.rename(columns={"step": "other_step", "other_step": "step"})
    steps = sorted(rows["step"].unique())
    itself = pd.DataFrame({"step": steps, "other_step": steps, "value": 1.0})
    table = pd.concat([pairs, swapped, itself]).pivot_table(
        index="step", columns="other_step", values="value"
    )
    table = table.loc[steps]
    return table.loc[:, table.notna().mean() > 0.75]


def most_measured(rows: pd.DataFrame) -> str | None:
    """The model measured at most steps, of several the largest; None of no rows."""
    if rows.empty:
        return None
    count = rows.groupby(["n_params", "model"])["step"].nunique()
    return count.reset_index().sort_values(["step", "n_params"])["model"].iloc[-1]


# --- between models -------------------------------------------------------------------------------


def between(records: pd.DataFrame) -> pd.DataFrame:
    """CKA of each layer with each layer of another model at the same step.

    Returns:
        With columns other, layer, other_layer, and by: what the two differ by (`compared.relation`).
    """
    pattern = r"(?P<other>.+), layer (?P<layer>\d+) by layer (?P<other_layer>\d+)"
    rows = _parts(records, "cka_models", pattern)
    pairs = set(zip(rows["model"], rows["other"], strict=True))
    by = {pair: relation(*pair) for pair in pairs}
    return rows.assign(by=[by[pair] for pair in zip(rows["model"], rows["other"], strict=True)])


def one_pair(records: pd.DataFrame) -> pd.DataFrame:
    """The rows of `between` of the largest model that was compared with another seed, and of the first such."""
    rows = between(records)
    rows = rows[rows["by"] == "seed"]
    if rows.empty:
        return rows
    own = rows[rows["model"] == most_measured(rows)]
    return own[own["other"] == own["other"].iloc[0]]


def cosines_to_models(records: pd.DataFrame) -> pd.DataFrame:
    """The cosine of all weights with those of another model of the same shape: columns other, and by."""
    rows = _parts(records, "cosine_to_model", r"(?P<other>.+)")
    by = [relation(*pair) for pair in zip(rows["model"], rows["other"], strict=True)]
    return rows.assign(by=by)


PLACES = ("embedding", "middle", "last")
RELATIONS = {
    "seed": "another seed",
    "order": "another order, same start",
    "text": "another text, same seed",
    "size": "the next size, same seed",
}
OWN_START = "itself at step 0"


def places(records: pd.DataFrame) -> pd.DataFrame:
    """CKA with relatives and with the own start, at three depths, over all pairs that were compared.

    Args:
        records: of any models and steps.

    Returns:
        A row a relation (column what, in words), step and place (`embedding`: the stream that the first layer
        reads; `middle`: after half of the layers; `last`): value, the mean; low and high, the range; seeds,
        how many pairs.
    """
    rows = between(records)
    rows = rows[rows["by"].isin(RELATIONS)].assign(what=rows["by"].map(RELATIONS))
    theirs = rows["other"].map(_depths(rows["other"]))
    rows = at_places(rows)
    rows = rows[rows["place"] == _place(rows["other_layer"], theirs.reindex(rows.index))]
    start = over_steps(records).query("other_step == 0")
    both = pd.concat([rows, at_places(start.assign(what=OWN_START))])
    both = both.assign(
        what=pd.Categorical(both["what"], [*RELATIONS.values(), OWN_START]),
        place=pd.Categorical(both["place"], PLACES),
    ).sort_values(["place", "what", "step"])
    found = seeds.over(both.dropna(subset="value"), ["place", "what", "step"])
    found = found.astype({"what": "str", "place": "str"})
    return found.assign(low=found["lowest"], high=found["highest"])


def at_places(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of layers that are one of `PLACES` of their model, with that as column place."""
    depth = rows["model"].map(_depths(rows["model"]))
    return rows.assign(place=_place(rows["layer"], depth)).dropna(subset="place")


def _depths(models: pd.Series) -> dict[str, int]:
    return {name: find_model(name).n_layers for name in models.unique()}


def _place(layer: pd.Series, depth: pd.Series) -> pd.Series:
    """Which of `PLACES` each layer is of a model of that depth; None of others. One layer has no middle."""
    layer, depth = layer.astype(int), depth.astype(int)
    found = pd.Series(None, index=layer.index, dtype=object)
    found[layer == depth // 2] = "middle"
    found[layer == 0] = "embedding"
    found[layer == depth] = "last"
    return found


def same_layer(rows: pd.DataFrame) -> pd.DataFrame:
    """Of pairs of models of one depth the CKA of equal layers."""
    return rows[(rows["layer"] == rows["other_layer"]) & (rows["by"] != "size")]


def found_again(records: pd.DataFrame) -> pd.DataFrame:
    """How often a layer's most alike layer in another seed is the equal one: a row a model, other and step.

    The sanity check of Kornblith et al. (2019). Guessing finds one in as many as there are layers.

    Returns:
        Columns model, other, step, variant, n_params, value (the share), layers (how many).
    """
    rows = between(records)
    rows = rows[(rows["by"] == "seed") & rows["value"].notna()]
    keys = ["model", "other", "step", "variant", "n_params"]
    if rows.empty:
        return pd.DataFrame(columns=[*keys, "value", "layers"])
    best = rows.loc[rows.groupby([*keys, "layer"])["value"].idxmax()]
    best = best.assign(value=(best["layer"] == best["other_layer"]).astype(float))
    groups = best.groupby(keys, as_index=False, sort=False)
    return groups.agg(value=("value", "mean"), layers=("layer", "size"))


# --- hidden states --------------------------------------------------------------------------------


def anisotropy(records: pd.DataFrame) -> pd.DataFrame:
    """Mean cosines of embeddings, of the stream that the first layer reads, and of what the last one leaves.

    Returns:
        Columns model, step, value, and what.
    """
    rows = by_matrix(records, "anisotropy")
    last = rows["model"].map(_depths(rows["model"]))
    names = rows["kind"].where(rows["kind"] != STREAM).astype(object)
    names[(rows["kind"] == STREAM) & (rows["layer"] == last)] = "stream, last layer"
    names[(rows["kind"] == STREAM) & (rows["layer"] == last // 2)] = "stream, middle"
    order = {name: at for at, name in enumerate(("embedding", "unembedding", *_STREAMS))}
    rows = rows.assign(what=names).dropna(subset="what")
    return rows.assign(at=rows["what"].map(order)).sort_values("at", kind="stable")


_STREAMS = ("stream, middle", "stream, last layer")


def entropy(records: pd.DataFrame) -> pd.DataFrame:
    """The mean over layers of the matrix entropy of a row's tokens, nats: a row a model and step."""
    return _mean(by_matrix(records, "matrix_entropy"), [])
