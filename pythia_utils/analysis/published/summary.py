"""Means of the suite's published results, which ship with the book as `data/published/summary.csv`.

A row is one measure of one checkpoint: BLiMP's mean over its 67 paradigms, by field and by
phenomenon; LAMBADA; each other task; MMLU's mean over its 57 subjects. `data/published/make_summary.py`
makes the file from the published results themselves.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.base.errors import unknown
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.suites.catalog import data_file, suite

if TYPE_CHECKING:
    import pandas as pd


def summary_path() -> Path:
    """The file that ships with the package."""
    return data_file("published/summary.csv")


def source() -> str:
    """The repository and the commit that the file's first line cites: `owner/name@0123456`."""
    with summary_path().open(encoding="utf-8") as file:
        repository, commit = re.search(r"(\S+/\S+) at ([0-9a-f]{40})", next(file)).groups()
    return f"{repository}@{commit[:7]}"


@functools.cache
def _summary() -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_csv(summary_path(), comment="#", dtype={"n": "Int64"})
    frame["same_as"] = frame["same_as"].fillna("")
    pythia = suite("pythia")
    models = {name: pythia.model(name) for name in frame["model"].unique()}
    for column in ("suite", "variant", "version", "size"):
        frame[column] = frame["model"].map({n: getattr(m, column) for n, m in models.items()})
    counts = {name: model.non_embedding_params for name, model in models.items()}
    frame["n_params"] = frame["model"].map(counts)
    keys = zip(frame["model"], frame["step"], strict=True)
    frame["tokens_seen"] = [models[name].checkpoint(step).tokens_seen for name, step in keys]
    return with_normal_interval(frame)


def summary(
    subset: str | None = None, shots: int | None = None, version: str | None = None
) -> pd.DataFrame:
    """The published means, a row a measure of a checkpoint.

    Args:
        subset: only that task or group: `lambada_openai`, `blimp`, `blimp/syntax`, `mmlu`.
        shots: only evaluations with 0 or 5 examples in the prompt.
        version: only `v0` or `v1`.

    Returns:
        Columns model, step (the Hub's), shots, metric, subset, value, stderr (nan where none was
        published), n, same_as, suite, variant, version (`v0` or empty), size, n_params, tokens_seen,
        and low and high, the 95% interval over test items.

    Raises:
        UsageError: there is no such subset.
    """
    frame = _summary()
    if subset is not None:
        if subset not in set(frame["subset"]):
            raise unknown("published measure", subset, frame["subset"].unique())
        frame = frame[frame["subset"] == subset]
    if shots is not None:
        frame = frame[frame["shots"] == shots]
    if version is not None:
        frame = frame[frame["version"] == version.removeprefix("v1")]
    return frame.reset_index(drop=True)


def blimp(level: str) -> pd.DataFrame:
    """BLiMP's published trajectories (v0, zero-shot), `subset` being the bare name.

    Args:
        level: `field` (4) or `phenomenon` (12).

    Raises:
        UsageError: another level.
    """
    levels = ("phenomenon", "field")
    if level not in levels:
        raise unknown("level of BLiMP", level, levels)
    names = {labels[levels.index(level)] for labels in blimp_paradigms().values()}
    frame = summary(shots=0, version="v0")
    bare = frame["subset"].str.removeprefix("blimp/")
    chosen = frame["subset"].str.startswith("blimp/") & bare.isin(names)
    return frame.assign(subset=bare)[chosen].reset_index(drop=True)
