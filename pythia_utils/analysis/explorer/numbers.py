"""Every number that the explorer shows: those of a suite's runs, and the published ones of Pythia.

They are two frames of the same columns and never one: a page shows either.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.base.errors import UsageError
from pythia_utils.base.markup import address
from pythia_utils.grid import records
from pythia_utils.suites.catalog import find_model

COLUMNS = ("source", "metric", "subset", "series", "step", "value", "stderr", "low", "high", "n")
COLUMNS += ("page",)
_ORDER = ["source", "metric", "subset", "n_params", "series", "step"]
_NONE = float("nan")


def of_runs(suite: str, runs: Path | None = None) -> pd.DataFrame:
    """All records of a suite, of whatever experiments have been run.

    Args:
        suite: its name.
        runs: the folder of runs; `records.runs_dir()` by default.

    Returns:
        Columns `COLUMNS` and `model`, a row a number: the source is the experiment (with parameters of a
        run's own, or on another evaluation set, these follow it), the series the model; `stderr` is of
        the value, NaN where there is none, `n` the items, NaN where they were not counted; `low` and
        `high` are NaN. The page is where the run is told, below the site's `cells/`.

    Raises:
        UsageError: nothing has been run, or a file of records is damaged.
    """
    folder = records.runs_dir() if runs is None else Path(runs)
    names = sorted({path.parents[1].name for path in folder.glob(f"{suite}/*/*/step*.parquet")})
    if not names:
        raise UsageError(f"no records of suite {suite!r} in {folder}; run: pythia run")
    frame = pd.concat([records.read_all(name, suite, folder) for name in names])
    pages = _named(frame, partial(_page, suite), "experiment", "model", "step", "parameters")
    frame = frame.assign(series=frame["model"], page=pages, source=_sources(frame))
    return _sorted(frame.assign(low=_NONE, high=_NONE))


def _keys(frame: pd.DataFrame, *columns: str) -> list[tuple]:
    return list(zip(*(frame[column] for column in columns), strict=True))


def _named(frame: pd.DataFrame, name: Callable[..., str], *columns: str) -> list[str]:
    """A name a row, made once of equal ones."""
    keys = _keys(frame, *columns)
    names = {key: name(*key) for key in set(keys)}
    return [names[key] for key in keys]


def _page(suite: str, experiment: str, model: str, step: int, parameters: str) -> str:
    return address(suite, experiment, model, f"{records.stem(step, parameters)}.html")


def _sources(frame: pd.DataFrame) -> list[str]:
    """`grammar`; `grammar on blimp`, `grammar with pairs=400` where there is more than one kind of it."""
    sets = frame[["experiment", "measured_on", "parameters"]].drop_duplicates()
    several = sets["experiment"].value_counts() > 1

    def name(experiment: str, measured_on: str, parameters: str) -> str:
        on = f" on {measured_on}" if several[experiment] and measured_on not in records.OWN else ""
        return f"{experiment}{on}{f' with {parameters}' if parameters else ''}"

    return _named(frame, name, *sets.columns)


def of_published(evaluations: pd.DataFrame) -> pd.DataFrame:
    """All published numbers of Pythia that the book holds.

    Args:
        evaluations: the means of the suite's own evaluations, `analysis.published.summary.summary()`.

    Returns:
        As `of_runs`. The source is the table's title; a series is a model, one seed or one intervention
        of it. Where `low` and `high` are given they are a published range, over what the table says.
    """
    shots = evaluations["shots"].map("evaluations of the suite's authors, {}-shot".format)
    frames = [evaluations.drop(columns=["low", "high"]).assign(source=shots)]
    for name in published_tables.names():
        table = published_tables.read(name)
        if "value" in table:
            frames.append(table.assign(source=published_tables.about(name)["title"]))
    frame = pd.concat(frames, ignore_index=True)
    names = [_series(*key) for key in _keys(frame, "model", "variant", "seed")]
    models = {name: find_model(name) for name in frame["model"].unique()}
    counts = frame["model"].map({n: model.non_embedding_params for n, model in models.items()})
    return _sorted(frame.assign(series=names, page="", n_params=counts))


def _series(model: str, variant: str, seed: object) -> str:
    """`pythia-70m`; one run of several, or another training: `pythia-70m, seed 3`, `pythia-70m, swapped`."""
    known = (find_model(model).variant, "unknown")
    name = model if variant in known else f"{model}, {variant}"
    return name if pd.isna(seed) else f"{name}, seed {int(seed)}"


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """In the order in which a page names them: the subset of everything first."""
    whole = frame["subset"].where(frame["subset"] != "all", "")
    ordered = frame.assign(subset=whole).sort_values(_ORDER, kind="stable", ignore_index=True)
    ordered["subset"] = ordered["subset"].where(ordered["subset"] != "", "all")
    return ordered[[*COLUMNS, "model"]].astype({"n": "float64"})
