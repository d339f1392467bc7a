"""`experiments.yml`, read and checked: profiles, experiments, and pages of the book that are no experiment.

A profile is a grid of models and steps; an experiment may have others in it. A page, such as the
quickstart, runs once a suite: on one of its models, on data that it shows, or over records of experiments.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_utils.base import schemas, yaml
from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.base.http import holds_password
from pythia_utils.base.schemas import Choice, Only, Several, line, one_of
from pythia_utils.grid.cells import IDENTITY
from pythia_utils.grid.selection import ALSO, checkpoints_of, models_of
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import Model


@dataclass(frozen=True)
class BookPage:
    """A page of the book that runs and is no experiment: once a suite. One of the three says on what.

    Attributes:
        name: its key; part of addresses.
        notebook: declares the parameters `suite` and, if it is run on models, `model`.
        models: names, of several suites; of those of a suite the first that is trained is taken, on the
            Hub the first that has records.
        data: files of the package's data folder that the page shows.
        records: experiments whose records of the suite it reads.
    """

    name: str
    notebook: Path
    models: tuple[str, ...] = ()
    data: tuple[Path, ...] = ()
    records: tuple[str, ...] = ()

    def models_of(self, suite: str) -> list[Model]:
        """Those of a suite, in order."""
        found = [catalog.find_model(name) for name in self.models]
        return [model for model in found if model.suite == suite]


def read_page(
    file: str, root: Path, name: str, entry: Any, experiments: Container[str]
) -> BookPage:
    """An entry of `pages` of a file, checked.

    Raises:
        UsageError: an unknown key, model or file, or a name that an experiment has taken.
    """
    where = f"{file}: pages.{name}"
    schemas.check(where, entry, _PAGE)
    if name in experiments:
        raise UsageError(f"{where}: an experiment has this name; expected another")
    notebook = _notebook(root, f"{where}.notebook", entry["notebook"])
    if len(entry) != 2:
        there = ", ".join(kind for kind in _ON if kind in entry) or "none"
        raise UsageError(f"{where}: expected one of {', '.join(_ON)}, not {there}")
    (kind,) = entry.keys() - {"notebook"}
    checks = {"models": _model_name, "data": _data_file, "records": _known(experiments)}
    check = checks[kind]
    try:
        checked = tuple(check(item) for item in entry[kind])
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
    return BookPage(name, notebook, **{kind: checked})


def _known(experiments: Container[str]) -> Callable[[str], str]:
    def check(name: str) -> str:
        if name not in experiments:
            raise unknown("experiment", name, experiments)
        return name

    return check


def _model_name(name: str) -> str:
    return catalog.find_model(name).name


def _data_file(name: str) -> Path:
    folder = catalog.data_dir()
    path = _inside(folder, "a data file", name)
    if path.is_file():
        return path
    there = (each.relative_to(folder).as_posix() for each in folder.rglob("*.*"))
    raise unknown("data file", name, sorted(there))


FILE = "experiments.yml"
_LINE = line(200)  # that a heading, a message and a file system bear
_ALL = one_of("all")
_MODELS, _STEPS = Choice(_ALL, Several(_LINE)), Choice(_ALL, Several(int))
_PARAMETERS = {str: object}  # what each may be, its notebook says
_ALSO = {f"{ALSO}?": [Only({"models": _MODELS, "steps": _STEPS})]}
_OVERRIDES = Only({"models?": _MODELS, "steps?": _STEPS, "parameters?": _PARAMETERS} | _ALSO)
_PROFILE = Only({"suite": _LINE, "models": _MODELS, "steps": _STEPS} | _ALSO)
_PROFILE["experiments?"] = Several(_LINE)
_ON = ("data", "models", "records")  # one of them is what a page is about
_PAGE = Only({"notebook": _LINE} | {f"{kind}?": Several(_LINE) for kind in _ON})
_EXPERIMENT = Only(
    {
        "title": _LINE,
        "notebook": _LINE,
        "part?": _LINE,
        "chapter?": _LINE,
        "heatmap?": Only({"metric": _LINE, "subset": _LINE}),
        "parameters?": _PARAMETERS,
        "profiles?": {str: _OVERRIDES},
    }
)
_CONFIG = Only(
    {
        "profiles": {_LINE: _PROFILE},
        "experiments": {schemas.name: _EXPERIMENT},
        "pages?": {schemas.name: _PAGE},
    }
)


@dataclass(frozen=True)
class Experiment:
    """One entry of experiments.yml.

    Attributes:
        name: its key; part of ids, paths and addresses.
        title: for headings.
        notebook: the cell notebook.
        chapter: the chapter's notebook, None if it has none yet.
        heatmap: `metric` and `subset` of the number that the model x step heatmap shows, or None.
        parameters: of the notebook, in every profile.
        profiles: by profile, what differs there: `models`, `steps`, `also`, `parameters`.
        part: of the book, under which the front page lists the chapter; empty if none is named.
    """

    name: str
    title: str
    notebook: Path
    chapter: Path | None
    heatmap: dict[str, str] | None
    parameters: dict[str, Any]
    profiles: dict[str, dict]
    part: str = ""


@dataclass(frozen=True)
class Config:
    """experiments.yml, validated.

    `profiles` holds each grid's `suite`, `models`, `steps`, `also`, and its `experiments` if not all.
    """

    root: Path
    profiles: dict[str, dict]
    experiments: dict[str, Experiment]
    pages: dict[str, BookPage]

    def experiment(self, name: str) -> Experiment:
        """The experiment of that name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.experiments:
            raise unknown("experiment", name, self.experiments, where=f"in {FILE}")
        return self.experiments[name]

    def title(self, name: str) -> str:
        """The heading of an experiment, or the name of a page as words."""
        known = self.experiments.get(name)
        return known.title if known else name.replace("_", " ").capitalize()

    def profile(self, name: str) -> dict:
        """The profile of that name.

        Raises:
            UsageError: there is none.
        """
        if name not in self.profiles:
            raise unknown("profile", name, self.profiles, where=f"in {FILE}")
        return self.profiles[name]

    def experiments_of(self, profile: str) -> list[str]:
        """Names of the experiments that a profile is for: all, if it does not say.

        Raises:
            UsageError: there is no such profile.
        """
        return list(self.profile(profile).get("experiments", self.experiments))

    def grid(self, experiment: Experiment, profile: str) -> dict[str, Any]:
        """A profile's grid as it is for one experiment, whose own models leave out the profile's `also`."""
        own = experiment.profiles.get(profile, {})
        usual = self.profile(profile)
        if "models" in own:
            usual = {key: value for key, value in usual.items() if key != ALSO}
        return usual | own


def load_config(root: Path) -> Config:
    """Read and check `experiments.yml` of a project.

    Raises:
        UsageError: no such file, or an unknown key, profile, model or step in it: one line each.
    """
    root = Path(root).absolute()
    if not (root / FILE).is_file():
        raise UsageError(f"{root} has no {FILE}; run pythia in the book's own folder")
    source = yaml.read(root / FILE, FILE)
    schemas.check(FILE, source, _CONFIG)
    entries, others = source["experiments"], source.get("pages", {})
    experiments = {name: _experiment(root, name, entry) for name, entry in entries.items()}
    pages = {name: read_page(FILE, root, name, entry, entries) for name, entry in others.items()}
    config = Config(root, source["profiles"], experiments, pages)
    _check_profiles(config)
    return config


def _experiment(root: Path, name: str, entry: dict) -> Experiment:
    where = f"{FILE}: experiments.{name}"
    notebook, chapter = (
        _notebook(root, f"{where}.{key}", entry[key]) if key in entry else None
        for key in ("notebook", "chapter")
    )
    parameters = own_parameters(where, entry)
    profiles = entry.get("profiles", {})
    for profile, overrides in profiles.items():
        own_parameters(f"{where}.profiles.{profile}", overrides)
    heatmap, title, part = entry.get("heatmap"), entry["title"].strip(), entry.get("part", "")
    return Experiment(name, title, notebook, chapter, heatmap, parameters, profiles, part.strip())


def _notebook(root: Path, where: str, value: str) -> Path:
    """The path of a notebook of the project."""
    path = _inside(root, where, value)
    if path.suffix != ".ipynb":
        raise UsageError(f"{where}: expected a notebook (.ipynb), not {quoted(value)}")
    return path


def _inside(folder: Path, where: str, value: str) -> Path:
    """A path below a folder. Raises UsageError for one that leads out of it, also by a link."""
    path = Path(os.path.normpath(folder / value.strip()))
    real = Path(os.path.realpath(path))  # of a link to itself, too
    if not (path.is_relative_to(folder) and real.is_relative_to(os.path.realpath(folder))):
        raise UsageError(f"{where}: {quoted(value)} is not in {folder}")
    return path


def own_parameters(where: str, entry: dict) -> dict[str, Any]:
    parameters = entry.get("parameters") or {}
    if taken := set(parameters) & set(IDENTITY):
        raise UsageError(f"{where}.parameters: {min(taken)!r} is filled in by the grid; remove it")
    for name, value in parameters.items():
        if holds_password(str(value)):
            hint = "put user and password into ~/.netrc, for parameters are recorded and published"
            raise UsageError(f"{where}.parameters: {name!r} is an address with a password; {hint}")
    return parameters


def _check_profiles(config: Config) -> None:
    """Build every grid once, so that a wrong name is found now and not at its first use."""
    for name, grid in config.profiles.items():
        _check_grid(f"{FILE}: profiles.{name}", grid)
        for wanted in grid.get("experiments", ()):
            if wanted not in config.experiments:
                where = f"in {FILE}: profiles.{name}"
                raise unknown("experiment", wanted, config.experiments, where=where)
    for experiment in config.experiments.values():
        for name in experiment.profiles:
            where = f"{FILE}: experiments.{experiment.name}.profiles"
            if name not in config.profiles:
                raise unknown("profile", name, config.profiles, where=f"in {where}")
            _check_grid(f"{where}.{name}", config.grid(experiment, name))


def _check_grid(where: str, grid: dict) -> None:
    _check_part(where, grid)
    for index, part in enumerate(grid.get(ALSO, ())):
        _check_part(f"{where}.{ALSO}[{index}]", part | {"suite": grid["suite"]})


def _check_part(where: str, grid: dict) -> None:
    try:
        catalog.suite(grid["suite"])
        list(checkpoints_of(models_of(grid["models"], grid["suite"]), grid["steps"]))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None
