"""What the chapter on geometry states of our own suites, as questions to the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.geometry import tables
from pythia_utils.analysis.geometry.names import EMBEDDINGS


def _all(holds: pd.Series) -> bool | None:
    return bool(holds.all()) if len(holds) else None


def _ends(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The value at step 0 and at each model's last step: columns start, end, where there are both."""
    rows = rows.assign(last=rows.groupby("model")["step"].transform("max"))
    start = rows[rows["step"] == 0].groupby(by)["value"].mean().rename("start")
    last = rows[(rows["step"] == rows["last"]) & (rows["last"] > 0)]
    end = last.groupby(by)["value"].mean().rename("end")
    return pd.concat([start, end], axis=1, join="inner")


def _seeds_come_closer(records: pd.DataFrame) -> bool | None:
    rows = tables.same_layer(tables.between(records))
    ends = _ends(rows[rows["by"] == "seed"], ["model", "other", "layer"])
    return _all(ends["end"] > ends["start"])


def _their_weights_do_not(records: pd.DataFrame) -> bool | None:
    rows = select.final(tables.cosines_to_models(records))
    rows = rows.assign(value=rows["value"].abs())
    seed, order = (rows[rows["by"] == by].groupby("model")["value"] for by in ("seed", "order"))
    both = pd.concat([seed.max().rename("seed"), order.min().rename("order")], axis=1, join="inner")
    return _all(both["seed"] < both["order"] / 2)


def _like_itself_before_another(records: pd.DataFrame) -> bool | None:
    own = select.final(tables.doublings(records)).groupby(["model", "step"])["value"].mean()
    rows = tables.same_layer(tables.between(records))
    others = rows[rows["by"] == "seed"].groupby(["model", "step", "other"])["value"].mean()
    most = others.groupby(["model", "step"]).max()
    both = pd.concat([own.rename("own"), most.rename("other")], axis=1, join="inner")
    return _all(both["own"] > both["other"])


def _gain_of_the_start(records: pd.DataFrame) -> pd.DataFrame:
    """By how much models that began alike are more alike at the end than others: columns embedding, last."""
    rows = select.final(tables.at_places(tables.same_layer(tables.between(records))))
    mean = rows.groupby(["model", "place", "by"])["value"].mean()
    order, seed = (mean[mean.index.get_level_values("by") == by] for by in ("order", "seed"))
    gain = order.droplevel("by").sub(seed.droplevel("by")).dropna().reset_index(name="value")
    table = gain.pivot_table(index="model", columns="place", values="value")
    return table.reindex(columns=["embedding", "last"]).dropna()


def _the_start_stays_in_the_embedding(records: pd.DataFrame) -> bool | None:
    return _all(_gain_of_the_start(records)["embedding"] > 0)


def _less_so_in_the_last_layer(records: pd.DataFrame) -> bool | None:
    gain = _gain_of_the_start(records)
    return _all(gain["last"] < gain["embedding"])


def _larger_keep_their_angle(records: pd.DataFrame) -> bool | None:
    rows = select.near_the_end(tables.of_all(records, "cosine_to_start"))
    rows = rows[rows["variant"] == "standard"].sort_values("n_params")
    steps = rows["value"].diff().dropna()
    return _all(steps > 0)


def _unembedding_first(records: pd.DataFrame) -> bool | None:
    """Its effective rank falls most and its norm grows most, of all kinds, in every model."""
    rank = _ends(tables.rank_share(records), ["model", "kind"])
    norm = tables.growth(records)
    norm = norm[norm["step"] > 0]
    if rank.empty or norm.empty or not set(EMBEDDINGS) <= set(norm["kind"]):
        return None
    fall = rank["end"] - rank["start"]
    fall = fall.reset_index(name="value").pivot_table(index="model", columns="kind", values="value")
    rise = select.final(norm).pivot_table(index="model", columns="kind", values="value")
    return _all(fall.idxmin(axis=1) == "unembedding") and _all(rise.idxmax(axis=1) == "unembedding")


def _one_way_early(records: pd.DataFrame) -> bool | None:
    """Between step 0 and the last there is one at which the anisotropy is greater than at both."""
    rows = tables.anisotropy(records)
    table = rows[rows["what"] == "stream, last layer"].pivot_table(
        index="model", columns="step", values="value"
    )
    rises = [_between_is_greatest(own.dropna()) for _, own in table.iterrows()]
    return _all(pd.Series([each for each in rises if each is not None], dtype=bool))


def _between_is_greatest(own: pd.Series) -> bool | None:
    if len(own) < 3 or own.index[0] != 0:
        return None
    return bool(own.iloc[1:-1].max() > max(own.iloc[0], own.iloc[-1]))


def _layers_are_found_again(records: pd.DataFrame) -> bool | None:
    ends = _ends(tables.found_again(records), ["model"])
    if ends.empty:
        return None
    return bool(ends["end"].mean() > ends["start"].mean())


_FOUND = {
    "geometry-seeds-alike": (
        "In every layer, models that began with other weights are more alike at the end than before training.",
        _seeds_come_closer,
    ),
    "geometry-weights-apart": (
        "The weights of models that began differently stay apart: at the end their cosine is less than half of "
        "that of models that began alike and read the text in another order.",
        _their_weights_do_not,
    ),
    "geometry-own-half": (
        "At the end a model is more like itself at half of its steps than like another seed, on average over "
        "layers.",
        _like_itself_before_another,
    ),
    "geometry-order": (
        "Models that began with the same weights and read the text in another order stay more alike in the "
        "embedding than models that began with other weights.",
        _the_start_stays_in_the_embedding,
    ),
    "geometry-last-layer": (
        "After the last layer it matters less than in the embedding whether two models began with the same "
        "weights.",
        _less_so_in_the_last_layer,
    ),
    "geometry-layers-found": (
        "A layer's most alike layer in another seed is the equal one more often at the end than before "
        "training.",
        _layers_are_found_again,
    ),
    "geometry-angle": (
        "The larger the model, the greater is the cosine of its weights to those it began with.",
        _larger_keep_their_angle,
    ),
    "geometry-unembedding": (
        "Of all kinds of matrices the unembedding grows most, and its effective rank falls most.",
        _unembedding_first,
    ),
    "geometry-one-way": (
        "On the way, the states that the last layer leaves point more one way than before training, and than "
        "at the end.",
        _one_way_early,
    ),
}
CLAIMS = tuple(Claim(name, "geometry", text, holds) for name, (text, holds) in _FOUND.items())
