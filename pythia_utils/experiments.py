"""The grid: `experiments.yml` becomes cells, one for each experiment, model and step.

A profile is a grid (a suite, its models, its steps), an experiment may override it, and so may the
command line. Whatever is wrong in any of them is found here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_utils import suites
from pythia_utils.book_pages import BookPage, page_cell, read_page
from pythia_utils.cells import IDENTITY, Cell, check_parameters
from pythia_utils.errata import heed_errata, without_faults
from pythia_utils.errors import UsageError, unknown
from pythia_utils.records import record_files, runs_dir
from pythia_utils.suites import Checkpoint, Model
from pythia_utils.yaml_checks import check_keys, check_name, mapping, parse

FILE = "experiments.yml"
_GRID = {"models", "steps"}
_EXPERIMENT = {"title", "notebook", "chapter", "heatmap", "parameters", "profiles"}


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
        profiles: by profile, what differs there: `models`, `steps`, `parameters`.
    """

    name: str
    title: str
    notebook: Path
    chapter: Path | None
    heatmap: dict[str, str] | None
    parameters: dict[str, Any]
    profiles: dict[str, dict]


@dataclass(frozen=True)
class Config:
    """experiments.yml, validated. `profiles` holds each grid's `suite`, `models` and `steps`."""

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


def load_config(root: Path) -> Config:
    """Read and check `experiments.yml` of a project.

    Raises:
        UsageError: no such file, or an unknown key, profile, model or step in it: one line each.
    """
    root = Path(root).absolute()
    if not (root / FILE).is_file():
        raise UsageError(f"{root} has no {FILE}; run pythia in the book's own folder")
    source = parse((root / FILE).read_text(encoding="utf-8"), FILE)
    required = {"profiles", "experiments"}
    check_keys(FILE, source, required | {"pages"}, required)
    entries = mapping(f"{FILE}: experiments", source["experiments"])
    experiments = {name: _experiment(root, name, entry) for name, entry in entries.items()}
    others = mapping(f"{FILE}: pages", source.get("pages") or {}).items()
    pages = {name: read_page(FILE, root, name, entry, experiments) for name, entry in others}
    config = Config(root, mapping(f"{FILE}: profiles", source["profiles"]), experiments, pages)
    _check_profiles(config)
    return config


def _experiment(root: Path, name: str, entry: Any) -> Experiment:
    where = f"{FILE}: experiments.{name}"
    check_name(where, name)
    check_keys(where, entry, _EXPERIMENT, {"title", "notebook"})
    for key in ("title", "notebook", "chapter"):
        if not isinstance(entry.get(key, ""), str):
            raise UsageError(f"{where}.{key}: expected text, not {entry[key]!r}")
    heatmap = entry.get("heatmap")
    if heatmap is not None:
        check_keys(f"{where}.heatmap", heatmap, {"metric", "subset"}, {"metric", "subset"})
    parameters = _own_parameters(where, entry)
    profiles = mapping(f"{where}.profiles", entry.get("profiles") or {})
    for profile, overrides in profiles.items():
        check_keys(f"{where}.profiles.{profile}", overrides, _GRID | {"parameters"})
        _own_parameters(f"{where}.profiles.{profile}", overrides)
    chapter = root / entry["chapter"] if entry.get("chapter") else None
    notebook = root / entry["notebook"]
    return Experiment(name, entry["title"], notebook, chapter, heatmap, parameters, profiles)


def _own_parameters(where: str, entry: dict) -> dict[str, Any]:
    parameters = mapping(f"{where}.parameters", entry.get("parameters") or {})
    if taken := set(parameters) & set(IDENTITY):
        raise UsageError(f"{where}.parameters: {min(taken)!r} is filled in by the grid; remove it")
    return parameters


def _check_profiles(config: Config) -> None:
    """Build every grid once, so that a wrong name is found now and not at its first use."""
    for name, grid in config.profiles.items():
        check_keys(f"{FILE}: profiles.{name}", grid, {"suite"} | _GRID, {"suite"} | _GRID)
        _check_grid(f"{FILE}: profiles.{name}", grid)
    for experiment in config.experiments.values():
        for name, overrides in experiment.profiles.items():
            where = f"{FILE}: experiments.{experiment.name}.profiles"
            if name not in config.profiles:
                raise unknown("profile", name, config.profiles, where=f"in {where}")
            _check_grid(f"{where}.{name}", config.profiles[name] | overrides)


def _check_grid(where: str, grid: dict) -> None:
    try:
        suites.suite(grid["suite"])
        list(_checkpoints(_models(grid["models"], grid["suite"]), grid["steps"]))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def expand(
    config: Config,
    experiments: Iterable[str] | None = None,
    suite: str | None = None,
    models: Iterable[str] | None = None,
    steps: Iterable[int] | None = None,
    profile: str = "quick",
    parameters: dict[str, Any] | None = None,
    runs: Path | None = None,
    strict: bool = False,
) -> list[Cell]:
    """The cells of a grid: experiments x models x steps, in that order.

    Checkpoints with a known fault are left out, unless `steps` names them; then they give a warning.

    Args:
        config: from `load_config`.
        experiments: names; all if None or empty.
        suite: another suite than the profile's; then `models` must be given.
        models: instead of the profile's, if any: names, or `all`.
        steps: instead of the profile's, if any: numbers, or `all`.
        profile: name of a profile in experiments.yml.
        parameters: for the notebooks; they override those of experiments.yml.
        runs: the folder of runs; `records.runs_dir(config.root)` by default.
        strict: refuse named checkpoints with a known fault.

    Raises:
        UsageError: an unknown name, or a parameter that a notebook does not declare so; a faulty
            checkpoint with `strict`, or one without weights.
    """
    runs = runs_dir(config.root) if runs is None else Path(runs).absolute()
    own = _own_parameters("--parameter", {"parameters": parameters})
    _check_suite(config, profile, suite, models)
    places = list(_places(config, experiments, suite, models, steps, profile, own))
    sound = _sound([at for _, _, at in places], bool(steps) and steps != "all", strict)
    cells = [
        _cell(config.root, runs, experiment, at, values)
        for experiment, values, at in places
        if at in sound
    ]
    for cell in cells:
        check_parameters(cell)
    return cells


def _places(
    config: Config,
    experiments: Any,
    suite: str | None,
    models: Any,
    steps: Any,
    profile: str,
    own: dict,
) -> Iterator[tuple[Experiment, dict, Checkpoint]]:
    """Every experiment, its parameters and a checkpoint, known faults included."""
    for experiment in _experiments(config, experiments):
        override = experiment.profiles.get(profile, {})
        grid = config.profile(profile) | override
        values = experiment.parameters | override.get("parameters", {}) | own
        # A model's name tells its suite; the profile's matters only where names do not.
        scope = suite or (grid["suite"] if not models or models == "all" else None)
        chosen = _models(models or grid["models"], scope)
        for checkpoint in _checkpoints(chosen, steps or grid["steps"]):
            yield experiment, values, checkpoint


def _sound(checkpoints: list[Checkpoint], named: bool, strict: bool) -> set[Checkpoint]:
    """The checkpoints to run: those a user named, or else those without a known fault."""
    if not named:
        return set(without_faults(checkpoints))
    heed_errata(list(dict.fromkeys(checkpoints)), strict)
    return set(checkpoints)


def _experiments(config: Config, names: Iterable[str] | None) -> list[Experiment]:
    return [config.experiment(name) for name in dict.fromkeys(names or config.experiments)]


def _check_suite(config: Config, profile: str, suite: str | None, models: Any) -> None:
    """A profile's models are of one suite: for another they must be chosen."""
    grid = config.profile(profile)
    if suite is None or models or suites.suite(suite).name == grid["suite"]:
        return
    others = [name for name, other in config.profiles.items() if other["suite"] == suite.lower()]
    hint = f"--profile {' or '.join(others)}, or " if others else ""
    raise UsageError(
        f"profile {profile!r} is a grid of suite {grid['suite']!r}; "
        f"for suite {suite!r} give {hint}--model and --step"
    )


def _models(chosen: Iterable[str], suite: str | None) -> list[Model]:
    if chosen == "all":
        return list(suites.suite(suite).models.values())
    return list(dict.fromkeys(suites.find_model(name, suite) for name in _names(chosen)))


def _checkpoints(models: list[Model], steps: Iterable[int]) -> Iterator[Checkpoint]:
    for model in models:
        if steps == "all":
            yield from model.checkpoints
        else:
            yield from (model.checkpoint(step) for step in dict.fromkeys(_names(steps)))


def _names(value: Any) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise UsageError(f"expected a list or `all`, not {value!r}")
    return value


def _cell(root: Path, runs: Path, experiment: Experiment, at: Checkpoint, values: dict) -> Cell:
    name = f"{at.model.suite}/{experiment.name}/{at.model.name}/step{at.step:06d}"
    identity = {"suite": at.model.suite, "model": at.model.name, "step": at.step}
    return Cell(name, experiment.name, experiment.notebook, identity | values, root, runs)


def _chapter(root: Path, runs: Path, experiment: Experiment, suite: str) -> Cell:
    name = f"{suite}/{experiment.name}/chapter"
    inputs = tuple(record_files(runs, experiment.name, suite))
    what = (experiment.name, experiment.chapter, {"suite": suite})
    return Cell(name, *what, root, runs, inputs, kind="chapter")


def chapters(
    config: Config,
    suite: str,
    experiments: Iterable[str] | None = None,
    runs: Path | None = None,
) -> list[Cell]:
    """The chapters of a suite, one an experiment that has any, over the records there are now.

    Call it after the cells have run. A chapter without `inputs` has nothing to tell yet. If no
    experiments are named, the book's other pages are among them; their inputs are checkpoints.

    Raises:
        UsageError: an unknown name, or a chapter that does not declare `suite`.
    """
    runs = runs_dir(config.root) if runs is None else Path(runs).absolute()
    name = suites.suite(suite).name
    found = []
    for experiment in _experiments(config, experiments):
        if experiment.chapter is not None:
            found.append(_chapter(config.root, runs, experiment, name))
    if not experiments:
        cells = (page_cell(config.root, runs, page, name) for page in config.pages.values())
        found += [cell for cell in cells if cell]
    for cell in found:
        check_parameters(cell)
    return found


def parse_parameters(assignments: Iterable[str]) -> dict[str, Any]:
    """`["sequences=4", "fast=true"]` to `{"sequences": 4, "fast": True}`: values are YAML.

    Raises:
        UsageError: an item that is not `name=value`.
    """
    parsed = {}
    for item in assignments:
        name, equals, value = item.partition("=")
        if not equals or not name.strip().isidentifier():
            raise UsageError(f"parameter {item!r}: expected name=value, such as sequences=64")
        parsed[name.strip()] = parse(value, f"parameter {item!r}")
    return parsed
