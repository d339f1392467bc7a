"""Seeds of one size: which runs differ by a seed alone, and how far their numbers lie apart.

A seed decides two things, and suites vary them together and apart (van der Wal et al. 2025): the initial
weights, and the order of the training data. What holds for one seed of a model says little of the next.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from pythia_utils.suites.catalog import find_model

USUAL = "usual"  # the name here of a suite's first seed


def name(model: str) -> str:
    """A model's seed in a word: `usual`, `seed1`, `weight-seed1`, `data-seed1`; of another version `v0` too."""
    found = find_model(model)
    return "-".join(filter(None, (found.version, found.seed_name))) or USUAL


def label(records: pd.DataFrame) -> pd.DataFrame:
    """The records with columns size, version, seed (`name`), weight_seed and data_seed."""
    models = {each: find_model(each) for each in records["model"].unique()}
    fields = ("size", "version", "weight_seed", "data_seed")
    columns = {
        f: records["model"].map({n: getattr(m, f) for n, m in models.items()}) for f in fields
    }
    return records.assign(**columns, seed=records["model"].map({n: name(n) for n in models}))


def each(records: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The records of each seed's models, of all sizes and both variants, the usual seed first."""
    names = records["model"].map({model: name(model) for model in records["model"].unique()})
    for seed in sorted(names.unique(), key=lambda seed: (seed != USUAL, seed)):
        yield seed, records[names == seed]


def over(rows: pd.DataFrame, by: list[str], level: float = 0.95) -> pd.DataFrame:
    """What rows of several seeds have in common, and how far they lie apart.

    Args:
        rows: a row a seed (or a run) of each combination of `by`: column value.
        by: columns.
        level: of the interval.

    Returns:
        A row for each combination, in order of appearance: value, the mean; seeds, how many have a value;
        lowest and highest; sd (nan of one); low and high, Student's interval for the mean of seeds like these
        (nan of one).
    """
    values = rows.groupby(by, sort=False, observed=True, dropna=False)["value"]
    found = values.agg(value="mean", seeds="count", lowest="min", highest="max", sd="std")
    reach = stats.t.ppf((1 + level) / 2, (found["seeds"] - 1).clip(lower=1))
    reach = reach * found["sd"] / np.sqrt(found["seeds"])
    return found.assign(low=found["value"] - reach, high=found["value"] + reach).reset_index()


def spread(records: pd.DataFrame) -> pd.DataFrame:
    """`over` the seeds of a size, of tidy records of one experiment.

    Returns:
        A row for each variant, version, size, step, metric and subset, with n_params and tokens_seen.
    """
    by = ["variant", "version", "size", "n_params", "step", "tokens_seen", "metric", "subset"]
    return over(label(records), by)


def in_words(values: pd.Series, digits: int = 2) -> str:
    """`0.24 to 0.74 over 4 seeds`, `0.24 in each of 4 seeds`, or the one value that there is."""
    low, high = f"{values.min():.{digits}f}", f"{values.max():.{digits}f}"
    if len(values) == 1:
        return f"{low} (one seed)"
    return (
        f"{low} to {high} over {len(values)} seeds"
        if low != high
        else f"{low} in each of {len(values)} seeds"
    )
