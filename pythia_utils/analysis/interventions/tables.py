"""From the records of experiment `interventions` to what its chapter shows: each model beside its base."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds
from pythia_utils.analysis.interventions.names import CHANGED, KEPT, TOUCHED, UNTOUCHED
from pythia_utils.nano.interventions import INTERVENTIONS
from pythia_utils.suites.catalog import Model, find_model, suite

_KEYS = ["metric", "subset"]
# What is compared: a name for each metric and subset.
OURS = {
    ("agrees", TOUCHED): "pairs on a pronoun's gender: the old one preferred",
    ("agrees", UNTOUCHED): "pairs without such a pronoun: right",
    ("old", CHANGED): "changed facts: the old answer",
    ("new", CHANGED): "changed facts: the new answer",
    ("old", KEPT): "kept facts: right",
}
PYTHIAS = {("feminine", "all"): "log-odds of the feminine pronoun, nats"}


def base_of(model: Model) -> str | None:
    """The model that one of an intervention is compared with; None of a model without one.

    Ours goes on from it. Pythia's go on from runs of the first release (see `data/suites/pythia.yml`).
    """
    if model.fork:
        return model.fork.base
    if not model.variant.startswith("intervention"):
        return None
    others = suite(model.suite).models.values()
    alike = (m for m in others if (m.size, m.variant, m.version) == (model.size, "deduped", "v0"))
    return next((m.name for m in alike), None)


def intervention_of(model: Model) -> str:
    """What was done to a model's text, in a word; empty if nothing was."""
    if model.fork:
        return model.fork.intervention
    return model.variant if base_of(model) else ""


def fork_step(model: Model) -> int:
    """From which step on its text is another: ours say it, Pythia's begin one checkpoint after it."""
    return model.fork.step if model.fork else 2 * model.steps[0] - model.steps[1]


def against_base(records: pd.DataFrame) -> pd.DataFrame:
    """Every number of a model with an intervention, and that of its base at the same step.

    Returns:
        The rows of models with an intervention, labelled by seed, in the order in which interventions are
        registered, sizes grow and seeds are counted; with columns base, intervention, from_step,
        since (steps since then), base_value and base_stderr (nan where the base has no such checkpoint or
        it was not measured), difference, and stderr_of_difference (that of independent items, so rather too
        large: both answered the same).
    """
    models = {name: find_model(name) for name in records["model"].unique()}
    forked = {name: model for name, model in models.items() if base_of(model)}
    own = records[records["model"].isin(list(forked))].reset_index(drop=True)
    told = {"base": base_of, "intervention": intervention_of, "from_step": fork_step}
    for column, of in told.items():
        kind = "int64" if column == "from_step" else "str"  # of no rows, too
        own[column] = pd.Series([of(forked[name]) for name in own["model"]], dtype=kind)
    base = records[["model", "step", *_KEYS, "value", "stderr"]]
    base = base.rename(columns={"model": "base", "value": "base_value", "stderr": "base_stderr"})
    own = seeds.label(own).merge(base, on=["base", "step", *_KEYS], how="left")
    own["since"] = own["step"] - own["from_step"]
    own["difference"] = own["value"] - own["base_value"]
    own["stderr_of_difference"] = np.hypot(own["stderr"], own["base_stderr"])
    place = {name: number for number, name in enumerate(INTERVENTIONS)}
    own["place"] = own["intervention"].map(place).fillna(len(place))
    own["other"] = own["seed"] != seeds.USUAL
    order = ["place", "from_step", "n_params", "other", "seed", "step"]
    return own.sort_values(order, kind="stable", ignore_index=True).drop(columns=["place", "other"])


def named(rows: pd.DataFrame, names: dict[tuple[str, str], str]) -> pd.DataFrame:
    """The rows of some metrics and subsets, with a column what that names them, in the order of `names`."""
    place = {key: number for number, key in enumerate(names)}
    keys = list(zip(rows["metric"], rows["subset"], strict=True))
    rows = rows.assign(what=[names.get(key) for key in keys], place=[place.get(k) for k in keys])
    return rows[rows["what"].notna()].sort_values("place", kind="stable").drop(columns="place")


def at_the_end(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `against_base`, the last step of each model at which its base was measured too."""
    rows = rows[rows["base_value"].notna()]
    return rows[rows["step"] == rows.groupby("model")["step"].transform("max")]


def effects(rows: pd.DataFrame) -> pd.DataFrame:
    """What each intervention changed, over seeds: models of one size less their bases.

    Args:
        rows: of `at_the_end`, `named`.

    Returns:
        A row for each intervention, step that it starts at, size and measure: value, the mean difference;
        seeds, lowest, highest, low and high (Student's interval over seeds), as `seeds.over`.
    """
    by = ["intervention", "from_step", "size", "n_params", "what"]
    groups = rows.assign(value=rows["difference"]).groupby(by[:-1], sort=False)
    ordered = pd.concat([part for _, part in groups]) if len(rows) else rows.assign(value=[])
    return seeds.over(ordered, by)


def by_time(rows: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """How each number moves since the fork, from that of the base at the fork.

    Args:
        rows: of `against_base`.
        records: in which the bases are.

    Returns:
        The rows, and one of each model for since 0; columns model, since, value, metric, subset, size,
        seed, intervention, from_step.
    """
    columns = ["model", "intervention", "from_step", "base", "size", "seed", "n_params"]
    models = rows[columns].drop_duplicates()
    at = records[["model", "step", *_KEYS, "value"]].rename(
        columns={"model": "base", "step": "from_step"}
    )
    start = models.merge(at, on=["base", "from_step"]).assign(since=0)
    wanted = [*columns, "since", *_KEYS, "value"]
    return pd.concat([start[wanted], rows[wanted]], ignore_index=True)


def by_tellings(rows: pd.DataFrame) -> pd.DataFrame:
    """The shares of changed facts answered anew, by how often they were told so since the fork.

    Args:
        rows: of `against_base`.

    Returns:
        The rows of the last step of each model, with columns told (the class) and least, in order.
    """
    found = rows[(rows["metric"] == "new") & rows["subset"].str.match(r"told \d")]
    found = found[found["step"] == found.groupby("model")["step"].transform("max")]
    told = found["subset"].str.removeprefix("told ").str.removesuffix(" since")
    least = told.str.extract(r"^(\d+)", expand=False).astype(int)
    return found.assign(told=told, least=least).sort_values(
        "least", kind="stable", ignore_index=True
    )


def table(effect: pd.DataFrame) -> pd.DataFrame:
    """`effects` as a chapter shows them."""
    shown = {
        "intervention": effect["intervention"],
        "from step": effect["from_step"],
        "size": effect["size"],
        "measure": effect["what"],
        "mean change": effect["value"],
        "least": effect["lowest"],
        "most": effect["highest"],
        "seeds": effect["seeds"],
    }
    return pd.DataFrame(shown)


def untold(ends: pd.DataFrame) -> pd.Series:
    """How often bases give the new answers of changed facts, which nobody told them.

    Args:
        ends: of `at_the_end`.
    """
    new = ends[(ends["metric"] == "new") & (ends["subset"] == CHANGED)]
    return new.drop_duplicates("base")["base_value"]
