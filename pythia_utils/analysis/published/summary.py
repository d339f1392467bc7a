"""Means of the suite's published results, which ship with the book as `data/published/summary.csv`.

A row is one measure of one checkpoint: BLiMP's mean over its 67 paradigms, by field and by
phenomenon; LAMBADA; each other task; MMLU's mean over its 57 subjects. `pythia published --summary`
makes the file from the published results themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.analysis.published.origin import COMMIT, LICENCE, REPOSITORY
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.base.errors import unknown
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.suites.catalog import data_file, suite

if TYPE_CHECKING:
    import pandas as pd

_KEY = ["model", "step", "shots"]
_COLUMNS = [*_KEY, "metric", "subset", "value", "stderr", "n", "same_as"]
# The metric that stands for a task; LAMBADA has two. CrowS-Pairs measures bias and has no accuracy.
_TASKS = {
    "lambada_openai": ("accuracy", "perplexity"),
    "wikitext": ("word_perplexity",),
    "crows_pairs_english": ("pct_stereotype",),
    "crows_pairs_french": ("pct_stereotype",),
} | dict.fromkeys(
    ("arc_challenge", "arc_easy", "logiqa", "piqa", "sciq", "winogrande", "wsc"), ("accuracy",)
)
_HEADER = f"""\
# Means of the published evaluations of the Pythia suite: {REPOSITORY} at {COMMIT}, {LICENCE}.
# Biderman et al. 2023, arXiv:2304.01373. Files read: sha256 {{digest}}.
# Made by: pythia published --summary --output data/published/summary.csv
# step: the Hub's revision. subset: a task, or `blimp/` and a field or phenomenon. stderr: over test items.
"""


def summarise(records: pd.DataFrame) -> pd.DataFrame:
    """Means over the tasks of `evaluations.read`'s records.

    A mean over paradigms or subjects gives each the same weight, and its standard error is
    sqrt(Σ se²) / k: that of drawing other items, the k paradigms being fixed. Every checkpoint was
    tested on the same items, so differences between checkpoints are surer than these errors say.

    Returns:
        Columns model, step, shots, metric, subset, value, stderr, n (items in all) and same_as.
    """
    import pandas as pd

    shots = records["experiment"].str.extract(r"-(\d+)shot", expand=False).astype(int)
    frame = records.assign(shots=shots)
    parts = [
        frame[(frame["subset"] == task) & (frame["metric"] == metric)]
        for task, metrics in _TASKS.items()
        for metric in metrics
    ]
    parts += [_mean(frame[frame["subset"].isin(tasks)], name) for name, tasks in _groups(records)]
    order = ["n_params", "variant", "model", "shots", "step"]
    table = pd.concat([part for part in parts if len(part)])
    return table.sort_values(order, kind="stable", ignore_index=True)[_COLUMNS]


def _groups(records: pd.DataFrame) -> Iterator[tuple[str, set[str]]]:
    """The tasks that make up each mean, by the mean's name."""
    paradigms = blimp_paradigms()
    yield "blimp", {f"blimp_{name}" for name in paradigms}
    for level in (1, 0):
        for group in sorted({labels[level] for labels in paradigms.values()}):
            own = {f"blimp_{name}" for name, labels in paradigms.items() if labels[level] == group}
            yield f"blimp/{group}", own
    tasks = records["subset"].unique()
    yield "mmlu", {task for task in tasks if task.startswith("hendrycksTest-")}


def _mean(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The mean accuracy over the tasks in `frame`, for each checkpoint and number of shots."""
    accuracies = frame[frame["metric"] == "accuracy"]
    groups = accuracies.assign(variance=accuracies["stderr"] ** 2).groupby(_KEY, sort=False)
    columns = {column: (column, "first") for column in ("n_params", "variant", "same_as")}
    table = groups.agg(
        value=("value", "mean"), total=("variance", "sum"), n=("n", "sum"), **columns
    )
    table["stderr"] = table.pop("total") ** 0.5 / groups.size()
    return table.reset_index().assign(metric="accuracy", subset=name)


def summary_text(summary: pd.DataFrame, digest: str) -> str:
    """The file's text: a header that cites the source, values of five digits, errors of three."""
    errors = [f"{error:.3g}" if error == error else "" for error in summary["stderr"]]
    table = summary.assign(stderr=errors).to_csv(
        index=False, float_format="%.5g", lineterminator="\n"
    )
    return _HEADER.format(digest=digest) + table


def summary_path() -> Path:
    """The file that ships with the package."""
    return data_file("published/summary.csv")


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
