"""Pages of the book that run and are no experiments, such as the quickstart: once a suite, as a chapter does.

`experiments.yml` lists them under `pages`: a notebook, and the models to run it on.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_utils import suites
from pythia_utils.cells import Cell
from pythia_utils.checkpoints import WEIGHTS, checkpoint_path
from pythia_utils.errors import UsageError
from pythia_utils.suites import Model
from pythia_utils.yaml_checks import check_keys, check_name


@dataclass(frozen=True)
class BookPage:
    """A page of the book that runs and is no experiment: once a suite, on one of its models.

    Attributes:
        name: its key; part of addresses.
        notebook: declares the parameters `suite` and `model`.
        models: names, of several suites; of those of a suite the first that is trained is taken.
    """

    name: str
    notebook: Path
    models: tuple[str, ...]

    def models_of(self, suite: str) -> list[Model]:
        """Those of a suite, in order."""
        found = [suites.find_model(name) for name in self.models]
        return [model for model in found if model.suite == suite]


def read_page(file: str, root: Path, name: str, entry: Any, taken: Container[str]) -> BookPage:
    """An entry of `pages` of a file, checked.

    Raises:
        UsageError: an unknown key or model, or a name that an experiment has taken.
    """
    where, keys = f"{file}: pages.{name}", {"notebook", "models"}
    check_name(where, name)
    check_keys(where, entry, keys, keys)
    if name in taken:
        raise UsageError(f"{where}: an experiment has this name; expected another")
    if not isinstance(entry["notebook"], str):
        raise UsageError(f"{where}.notebook: expected text, not {entry['notebook']!r}")
    if not isinstance(entry["models"], list):
        raise UsageError(f"{where}.models: expected a list, not {entry['models']!r}")
    try:
        models = tuple(suites.find_model(model).name for model in entry["models"])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return BookPage(name, root / entry["notebook"], models)


def page_cell(root: Path, runs: Path, page: BookPage, suite: str) -> Cell | None:
    """The page on the first of its models that is trained; None if the suite has none of them."""
    models = page.models_of(suite)
    if not models:
        return None
    files = {model.name: _weights(model) for model in models}
    name = next((name for name in files if files[name]), models[0].name)
    what = (page.name, page.notebook, {"suite": suite, "model": name})
    return Cell(f"{suite}/{page.name}/chapter", *what, root, runs, files[name], kind="chapter")


def _weights(model: Model) -> tuple[Path, ...]:
    """The weight files of a model's checkpoints that are trained here."""
    paths = (checkpoint_path(checkpoint) / WEIGHTS for checkpoint in model.checkpoints)
    return tuple(path for path in paths if path.is_file())
