"""Pages of the book that run and are no experiments, such as the quickstart: once a suite, as a chapter does.

`experiments.yml` lists them under `pages`: a notebook, and the models to run it on, or the data that it
shows.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_utils import suites
from pythia_utils.cells import Cell
from pythia_utils.checkpoints import WEIGHTS, checkpoint_path
from pythia_utils.errors import UsageError, unknown
from pythia_utils.suites import Model
from pythia_utils.yaml_checks import check_keys, check_name


@dataclass(frozen=True)
class BookPage:
    """A page of the book that runs and is no experiment: once a suite, on one of its models or on data.

    Attributes:
        name: its key; part of addresses.
        notebook: declares the parameters `suite` and, if it is run on models, `model`.
        models: names, of several suites; of those of a suite the first that is trained is taken.
        data: files of the package's data folder that a page on no model shows.
    """

    name: str
    notebook: Path
    models: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()

    def models_of(self, suite: str) -> list[Model]:
        """Those of a suite, in order."""
        found = [suites.find_model(name) for name in self.models]
        return [model for model in found if model.suite == suite]


def read_page(file: str, root: Path, name: str, entry: Any, taken: Container[str]) -> BookPage:
    """An entry of `pages` of a file, checked.

    Raises:
        UsageError: an unknown key, model or file, or a name that an experiment has taken.
    """
    where = f"{file}: pages.{name}"
    check_name(where, name)
    check_keys(where, entry, {"notebook", "models", "data"}, {"notebook"})
    if name in taken:
        raise UsageError(f"{where}: an experiment has this name; expected another")
    if not isinstance(entry["notebook"], str):
        raise UsageError(f"{where}.notebook: expected text, not {entry['notebook']!r}")
    if len(entry) != 2:
        both = (
            "'models' and 'data' are both there"
            if "data" in entry
            else "'models' is missing, 'data' too"
        )
        raise UsageError(f"{where}: {both}; expected one of them")
    (kind,) = entry.keys() - {"notebook"}
    if not isinstance(entry[kind], list):
        raise UsageError(f"{where}.{kind}: expected a list, not {entry[kind]!r}")
    check = _model_name if kind == "models" else _data_file
    try:
        checked = tuple(check(item) for item in entry[kind])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return BookPage(name, root / entry["notebook"], **{kind: checked})


def _model_name(name: str) -> str:
    return suites.find_model(name).name


def _data_file(name: str) -> Path:
    folder = suites.data_dir()
    path = folder / str(name)
    if path.is_file():
        return path
    there = (each.relative_to(folder).as_posix() for each in folder.rglob("*.*"))
    raise unknown("data file", name, sorted(there))


def page_cell(root: Path, runs: Path, page: BookPage, suite: str) -> Cell | None:
    """The page on its data, or on the first of its models that is trained; None if the suite has none."""
    place = f"{suite}/{page.name}/chapter"
    if page.data:
        what = (page.name, page.notebook, {"suite": suite})
        return Cell(place, *what, root, runs, page.data, kind="chapter")
    models = page.models_of(suite)
    if not models:
        return None
    files = {model.name: _weights(model) for model in models}
    name = next((name for name in files if files[name]), models[0].name)
    what = (page.name, page.notebook, {"suite": suite, "model": name})
    return Cell(place, *what, root, runs, files[name], kind="chapter")


def _weights(model: Model) -> tuple[Path, ...]:
    """The weight files of a model's checkpoints that are trained here."""
    paths = (checkpoint_path(checkpoint) / WEIGHTS for checkpoint in model.checkpoints)
    return tuple(path for path in paths if path.is_file())
