"""The book's headline numbers, one of each run: the same measure at the end of training, over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select
from pythia_utils.analysis.stability.components import SOURCES, Components, components
from pythia_utils.grid import records


@dataclass(frozen=True)
class Headline:
    """One number of a run: a metric and subset of an experiment's records, under a name for readers."""

    name: str
    experiment: str
    metric: str
    subset: str = "all"


HEADLINES = (
    Headline("validation loss (nats a token)", "loss", "loss"),
    Headline("loss on echo (nats a token)", "loss", "loss", "echo"),
    Headline("accuracy on minimal pairs", "grammar", "accuracy"),
    Headline(
        "accuracy across an attractor", "grammar", "accuracy", "subject_verb_agreement_attractor"
    ),
    Headline("facts answered, of eight", "facts", "accuracy"),
    Headline("tested texts memorized", "memorization", "memorized"),
)
ITEMS = "items"


def read(suite: str, experiments: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The records, by experiment, of those of `experiments` that have been run on a suite."""
    folder = records.runs_dir()
    there = [name for name in experiments if records.record_files(folder, name, suite)]
    return {name: records.one_set(records.read_all(name, suite)) for name in there}


def values(runs: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every headline of every standard run at its size's last common step, where a size has two seeds.

    Args:
        runs: tidy records by experiment, as `read` gives them.

    Returns:
        A row a headline and run: headline, model, size, group (the size), seed, weight_seed, data_seed, step,
        value, stderr (over test items; nan if it is not known).
    """
    found = [
        _of(headline, runs[headline.experiment])
        for headline in HEADLINES
        if headline.experiment in runs
    ]
    columns = ["headline", "model", "size", "group", "seed", "weight_seed", "data_seed"]
    columns += ["n_params", "step", "value", "stderr"]
    return pd.concat(
        [pd.DataFrame(columns=columns), *(f for f in found if len(f))], ignore_index=True
    )[columns]


def _of(headline: Headline, frame: pd.DataFrame) -> pd.DataFrame:
    chosen = (frame["metric"] == headline.metric) & (frame["subset"] == headline.subset)
    chosen &= frame["value"].notna()
    own = seeds.label(select.final(frame[chosen & (frame["variant"] == "standard")]))
    last = own.groupby("size")["step"].transform("max")
    own = own[own["step"] == last]
    own = own[own["version"] == ""]
    own = own[own.groupby("size")["model"].transform("nunique") > 1]
    return own.assign(headline=headline.name, group=own["size"])


def table(found: pd.DataFrame) -> pd.DataFrame:
    """The sources of variation of each headline.

    Args:
        found: from `values`.

    Returns:
        A row a headline and source (`weights`, `order`, `rest`, `items`): headline, source, sd, low, high (nan
        of `items`), runs, sizes. Headlines whose runs do not tell sources apart are left out. `items` is the
        error that another choice of test items of this number would make, from the errors over items.
    """
    rows = []
    for name, own in found.groupby("headline", sort=False):
        parts = components(own)
        if parts is not None:
            rows += _rows(name, parts, own["stderr"])
    return pd.DataFrame(rows, columns=["headline", "source", "sd", "low", "high", "runs", "sizes"])


def _rows(name: str, parts: Components, stderr: pd.Series) -> list[dict]:
    common = {"headline": name, "runs": parts.runs, "sizes": parts.sizes}
    own = [
        {"source": s, "sd": parts.sd[s], "low": parts.low[s], "high": parts.high[s]}
        for s in SOURCES
    ]
    errors = stderr.dropna().astype(float)
    if len(errors):
        sd = float(np.sqrt(np.mean(errors**2)))
        own.append({"source": ITEMS, "sd": sd, "low": np.nan, "high": np.nan})
    return [common | row for row in own]


def beside_items(sources: pd.DataFrame) -> pd.DataFrame:
    """How many times the error over items a new training run's standard deviation is.

    Args:
        sources: from `table`.

    Returns:
        A row a headline: headline, runs_sd (of all three sources together), items_sd, ratio.
    """
    wide = sources.pivot_table(index="headline", columns="source", values="sd", sort=False)
    if wide.empty or ITEMS not in wide:
        return pd.DataFrame(columns=["headline", "runs_sd", "items_sd", "ratio"])
    runs = np.sqrt((wide[list(SOURCES)] ** 2).sum(axis="columns"))
    frame = pd.DataFrame({"runs_sd": runs, "items_sd": wide[ITEMS], "ratio": runs / wide[ITEMS]})
    return frame.dropna().reset_index()
