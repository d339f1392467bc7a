"""Every published number of one real model and its relatives, in one form, whatever table it is from."""

from __future__ import annotations

import functools
import math
import re
from typing import Any

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.published import bias
from pythia_utils.analysis.published.comparisons import TASKS
from pythia_utils.analysis.published.summary import summary
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.suites.catalog import Model, find_model, suite
from pythia_utils.suites.relatives import relatives

# What a model's file for download has.
COLUMNS = ("run", "step", "tokens_seen", "table", "shots", "metric", "subset", "value", "unit")
COLUMNS += ("low", "high", "range_over", "stderr", "n", "n_seeds", "same_as", "source")
_NGRAM = re.compile(r"(pile|openwebtext)_(\d)gram")
_CORPORA = {"pile": "Pile", "openwebtext": "OpenWebText"}
Row = Any  # a named tuple of these and of what `of_model` adds
_TITLES = TASKS | {"wikitext": "WikiText", "blimp": "BLiMP", "all": ""}
_TITLES |= {
    "crows_pairs_english": "CrowS-Pairs, English",
    "crows_pairs_french": "CrowS-Pairs, French",
}


def of_model(main: Model) -> pd.DataFrame:
    """What others published of a main model, its earlier release, its seeds and its interventions.

    Returns:
        A row a number, in the order of `published_tables.names()` after the suite's own evaluations:
        `COLUMNS`, and measure (metric and subset in words), line (the run, and how many examples the prompt
        had), bottom and top (`low` and `high`, or an interval of 95% by `stderr`). A run is named as on the
        Hub, with words where a source names none. `stderr` is over test items.
    """
    names = [main.name, *(model.name for model in relatives(suite(main.suite), main))]
    frame = everything()
    return frame[frame["model"].isin(names)].drop(columns="model").reset_index(drop=True)


@functools.cache
def everything() -> pd.DataFrame:
    """Every published number: the columns of `of_model`, and model, the name of the table's row."""
    numbers = [name for name in published_tables.names() if "value" in published_tables.read(name)]
    parts = [_evaluations(), *map(_table, numbers)]
    frame = pd.concat([part.astype({"shots": "Int64"}) for part in parts], ignore_index=True)
    units = published_tables.units()
    frame["unit"] = frame["metric"].map(units)
    named = frame[["metric", "subset"]].drop_duplicates()
    words = {(m, s): _in_words(m, s) for m, s in named.itertuples(index=False)}
    pairs = zip(frame["metric"], frame["subset"], strict=True)
    frame["measure"] = [words[pair] for pair in pairs]
    frame["line"] = frame["run"] + frame["shots"].map(_examples)
    interval = with_normal_interval(frame)
    for end, own in (("bottom", "low"), ("top", "high")):
        frame[end] = frame[own].astype(float).fillna(interval[own])
    return frame[["model", *COLUMNS, "measure", "line", "bottom", "top"]]


def _examples(shots: int) -> str:
    return "" if pd.isna(shots) else f", {shots}-shot"


def _evaluations() -> pd.DataFrame:
    """The suite's own: their interval is only another writing of their error."""
    frame = summary().assign(table=published_tables.EVALUATIONS, run=lambda own: own["model"])
    frame = frame.assign(low=math.nan, high=math.nan, range_over="", n_seeds=pd.NA)
    return frame.assign(source=_keys(published_tables.EVALUATIONS))


def _table(name: str) -> pd.DataFrame:
    frame, over = published_tables.read(name), published_tables.about(name).get("over", "")
    frame = frame.assign(table=name, shots=pd.NA, same_as="", source=_keys(name))
    frame["range_over"] = frame["low"].notna().map({True: over, False: ""})
    of_a_run = [frame[column] for column in ("model", "variant", "seed", "n_seeds")]
    frame["run"] = [_run(*row) for row in zip(*of_a_run, strict=True)]
    return frame


def _keys(name: str) -> str:
    """The papers' keys in the book's bibliography."""
    return " ".join(dict.fromkeys(each.key for each in published_tables.sources(name)))


@functools.cache
def _run(model: str, variant: str, seed: int, n_seeds: int) -> str:
    """Of which run a row is: `pythia-410m-seed3`; `pythia-410m, mean of 10 seeds`."""
    if pd.notna(n_seeds) and n_seeds > 1:
        return f"{model}, mean of {n_seeds} seeds"
    if variant in bias.TRAINING and bias.TRAINING[variant] != bias.AS_TRAINED:
        return f"{model}, {bias.TRAINING[variant]}"
    if variant != find_model(model).variant:
        return f"{model}, variant {variant}"
    return model if pd.isna(seed) or seed == 0 else f"{model}-seed{seed}"


def _in_words(metric: str, subset: str) -> str:
    """`LAMBADA: perplexity`; the metric alone where there is one subset."""
    named = _NGRAM.sub(lambda match: f"{_CORPORA[match[1]]}, {match[2]}-gram", subset)
    of = _TITLES.get(subset, named.replace("blimp/", "BLiMP, ").replace("_", " "))
    what = metric.replace("_", " ")
    return f"{of}: {what}" if of else what
