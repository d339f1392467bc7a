"""What other projects measured on the real Pythia checkpoints: the tables of `data/published/`, one reader.

`data/published/sources.yml` says whose numbers each table holds, and README.md beside it how they were
made of them. They stand beside our own figures and never in one statistic with them.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base import yaml
from pythia_utils.base.errors import unknown
from pythia_utils.suites.catalog import data_file, find_model

if TYPE_CHECKING:
    import pandas as pd

# What a table can have. A file leaves out a column that would be blank in every row, and says in its
# header what would be the same in every row.
COLUMNS = ("model", "variant", "seed", "step", "metric", "subset")
COLUMNS += ("value", "low", "high", "n_seeds", "stderr", "n")
_WHOLE = ("seed", "n_seeds", "n")
_REAL = ("value", "low", "high", "stderr")
EVERY_ROW = "# every row: "
EVALUATIONS = "evaluations"
_OF_THE_MODEL = {"suite": "suite", "version": "version", "size": "size"}
_OF_THE_MODEL |= {"n_params": "non_embedding_params"}


@dataclass(frozen=True)
class Source:
    """Whose numbers they are.

    Attributes:
        key: of the paper, in `book/references.bib`.
        paper: authors, year and, where they have several of one year, a short title.
        repository: `owner/name` on GitHub, or an address.
        commit: 40 hex digits, or a sentence that says why there is none.
        licence: as the repository states it; `none stated` where it does not.
    """

    key: str
    paper: str
    repository: str
    commit: str
    licence: str

    @property
    def place(self) -> str:
        """Where the numbers were read: `EleutherAI/basin-volume at 418bd99, licence: Apache-2.0`."""
        commit = f" at {self.commit[:7]}" if len(self.commit) == 40 else ""
        return f"{self.repository}{commit}, licence: {self.licence}"


def folder() -> Path:
    """Where the tables are."""
    return data_file("published")


@functools.cache
def _listed() -> dict[str, dict]:
    return yaml.read(folder() / "sources.yml")


def names() -> list[str]:
    """The tables there are."""
    return list(_listed()["tables"])


def about(name: str) -> dict:
    """What `sources.yml` says of a table: title, measured, shown_in, sources, archive; of some over, aggregate.

    Of `EVALUATIONS`, too, the suite's own, whose numbers `published.summary` reads: they have no archive.

    Raises:
        UsageError: there is no such table.
    """
    tables = _listed()["tables"] | {EVALUATIONS: _listed()[EVALUATIONS]}
    if name not in tables:
        raise unknown("published table", name, tables)
    return dict(tables[name])


def sources(name: str) -> tuple[Source, ...]:
    """Whose numbers a table holds.

    Raises:
        UsageError: there is no such table.
    """
    return tuple(Source(**_listed()["sources"][each]) for each in about(name)["sources"])


def units() -> dict[str, str]:
    """The unit of each metric, in words."""
    return dict(_listed()["units"])


def source(name: str) -> str:
    """The citation for a caption: `Scherlis and Belrose 2025 (EleutherAI/basin-volume at ...)`.

    Raises:
        UsageError: there is no such table.
    """
    places: dict[str, list[str]] = {}
    for each in sources(name):
        places.setdefault(each.paper, []).append(each.place)
    return "; ".join(f"{paper} ({'; '.join(own)})" for paper, own in places.items())


def read(name: str) -> pd.DataFrame:
    """One published table, a row a number.

    Args:
        name: one of `names()`. `checkpoint_defects` holds facts, not numbers: it has columns model,
            variant, steps, defect, source and errata (listed in the suite's errata, or why not).

    Returns:
        Columns model (the package's name; of interventions, of the model that was trained on), variant
        (`standard`, `deduped`, `unknown` where the source does not say, or an intervention), seed (blank
        where there is one model or a row is over seeds), step (the Hub's), metric, subset (`all` where
        there is one), value, low and high (the range over what `about(name)["over"]` says), n_seeds,
        stderr (over test items, as published), n (items; blank where the source gives none), and of the
        model suite, version (`v0` or empty), size, n_params (non-embedding) and tokens_seen.

    Raises:
        UsageError: there is no such table.
    """
    about(name)
    return _read(name).copy()


@functools.cache
def _read(name: str) -> pd.DataFrame:
    import pandas as pd

    path = folder() / f"{name}.csv"
    header = _header(path)
    whole = dict.fromkeys(_WHOLE, "Int64")
    frame = pd.read_csv(path, skiprows=len(header), dtype=whole)
    return _completed(frame.assign(**_every_row(header))) if "value" in frame else frame


def _header(path: Path) -> list[str]:
    """The lines above the columns' names. No comments below: an issue's number is written `#205`."""
    with path.open(encoding="utf-8") as lines:
        return list(itertools.takewhile(lambda line: line.startswith("#"), lines))


def _every_row(header: list[str]) -> dict[str, str | int]:
    (line,) = [line for line in header if line.startswith(EVERY_ROW)] or [""]
    pairs = [
        each.split("=", 1) for each in line.removeprefix(EVERY_ROW).strip().split("; ") if each
    ]
    return {column: int(text) if column in _WHOLE else text for column, text in pairs}


def _completed(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that the file leaves out, and those that follow from the model."""
    models = {name: find_model(name) for name in frame["model"].unique()}
    types = dict.fromkeys(_WHOLE, "Int64") | dict.fromkeys(_REAL, "float64")
    frame = frame.reindex(columns=list(COLUMNS)).astype(types)
    variants = frame["model"].map({name: model.variant for name, model in models.items()})
    frame["variant"] = frame["variant"].astype("object").fillna(variants).astype("str")
    frame["subset"] = frame["subset"].astype("object").fillna("all").astype("str")
    for column, attribute in _OF_THE_MODEL.items():
        values = {name: getattr(model, attribute) for name, model in models.items()}
        frame[column] = frame["model"].map(values)
    keys = zip(frame["model"], frame["step"], strict=True)
    frame["tokens_seen"] = [models[name].checkpoint(step).tokens_seen for name, step in keys]
    return frame
