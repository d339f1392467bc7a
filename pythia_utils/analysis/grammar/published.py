"""What others published of Pythia on BLiMP, beside our own figures and never in one statistic with them."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.claims import table as asked_of
from pythia_utils.analysis.words import interval, readable
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.suites.catalog import find_model

_SEEDS = "blimp_over_seeds"
_WHOLE = "blimp"


def over_seeds() -> pd.DataFrame:
    """BLiMP's phenomena over ten seeds of one size: columns of `published_tables.read`, subset the bare name.

    `value` is the mean over seeds, `low` and `high` their range.
    """
    frame = published_tables.read(_SEEDS)
    bare = frame["subset"].str.removeprefix(f"{_WHOLE}/")
    phenomena = {phenomenon for phenomenon, _ in blimp_paradigms().values()}
    return frame.assign(subset=bare)[bare.isin(phenomena)].reset_index(drop=True)


def seeds_source() -> str:
    """Whose numbers `over_seeds` are, for a caption."""
    return published_tables.source(_SEEDS)


def seeds_in_words(frame: pd.DataFrame) -> str:
    """On which phenomena the published seeds lie closest together, and furthest apart, at the last step."""
    last = frame[frame["step"] == frame["step"].max()].set_index("subset")
    reach = (last["high"] - last["low"]).sort_values()
    near, far = (
        f"{readable(name)} ({last.loc[name, 'low']:.2f} to {last.loc[name, 'high']:.2f})"
        for name in (reach.index[0], reach.index[-1])
    )
    step, n, model = last.iloc[0][["step", "n_seeds", "model"]]
    return (
        f"At step {step:,} the {n} seeds of {model} lie closest together in {near} and furthest apart in "
        f"{far}. Published: {seeds_source()}."
    )


def beside(own: pd.DataFrame, first_release: pd.DataFrame) -> pd.DataFrame:
    """The mean over BLiMP's paradigms as measured here, as published of the first release, and over its seeds.

    Three measurements side by side, of the same size and data at the same step: other training runs, other
    code, maybe fewer pairs. Nothing is computed of two of them.

    Args:
        own: records of accuracy `all`, measured on BLiMP, with low and high.
        first_release: the published means of v0: columns size, variant, step, value, low, high.

    Returns:
        A row a model of the usual seed that is among the published: size, variant, step (the last that both
        have), and three texts: what was measured here, of the first release, and over its seeds.
    """
    seeds = published_tables.read(_SEEDS).query("subset == @_WHOLE")
    rows = []
    for model, part in own.groupby("model", sort=False):
        known = find_model(model)
        if not known.has_usual_seed:
            continue
        place = {"size": known.size, "variant": known.variant}
        theirs = _of(first_release, place)
        step = max(set(part["step"]) & set(theirs.index), default=None)
        if step is not None:
            mine = part.set_index("step").loc[step]
            drawn = _of(seeds, place).reindex([step]).iloc[0]
            texts = {"here": interval(mine), "first release (v0)": interval(theirs.loc[step])}
            rows.append(
                place | {"step": f"{step:,}"} | texts | {"seeds, mean [range]": _or_dash(drawn)}
            )
    return pd.DataFrame(rows)


def claims_beside(
    claims: Iterable[Claim], own: pd.DataFrame, first_release: pd.DataFrame
) -> pd.DataFrame:
    """In which seeds of these records, and of the published first release, each claim holds.

    Args:
        own: tidy records.
        first_release: the published accuracies by phenomenon, of `published.summary.blimp`.
    """
    theirs = first_release.assign(metric="accuracy")
    here, there = (asked_of(claims, records) for records in (own, theirs))
    return here.assign(**{"published (v0)": there["holds in"]})


def _of(frame: pd.DataFrame, place: dict[str, str]) -> pd.DataFrame:
    """The rows of a size and variant, by step."""
    return frame[
        (frame["size"] == place["size"]) & (frame["variant"] == place["variant"])
    ].set_index("step")


def _or_dash(row: pd.Series) -> str:
    return "–" if pd.isna(row["value"]) else interval(row)
