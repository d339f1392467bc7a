"""From `experiments.yml` to cells: one for each experiment, model and step of a profile."""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pythia_utils.base import yaml
from pythia_utils.base.errors import UsageError, quoted
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.config import (
    BookPage,
    Config,
    Experiment,
    own_parameters,
)
from pythia_utils.grid.failures import failures
from pythia_utils.grid.notebooks import (
    check_parameters,
    defaults,
    parameter_names,
    unknown_parameter,
)
from pythia_utils.grid.records import record_files, runs_dir, stem
from pythia_utils.grid.selection import checkpoints_of, models_of, parts
from pythia_utils.suites import catalog
from pythia_utils.suites.catalog import Checkpoint, Model, find_model
from pythia_utils.suites.devices import asked_device, asked_dtype
from pythia_utils.suites.errata import heed_errata, without_errata
from pythia_utils.suites.folders import WEIGHTS, checkpoint_path


def page_cell(root: Path, runs: Path, page: BookPage, suite: str) -> Cell | None:
    """The page on its data, its records, or its first model that is trained; None if the suite has none.

    Of the Hub's models it is the first that has records, at some of their steps: their checkpoints are those
    that a run has fetched or will fetch.
    """
    place = f"{suite}/{page.name}/chapter"
    records = tuple(f for name in page.records for f in record_files(runs, name, suite))
    if page.data or records:
        what = (page.name, page.notebook, {"suite": suite})
        return Cell(place, *what, root, runs, page.data or records, kind="chapter", **_opened())
    models = page.models_of(suite)
    if not models:
        return None
    files = {model.name: _weights(model) or _recorded(runs, model) for model in models}
    name = next((name for name in files if files[name]), models[0].name)
    steps = {"steps": _some_steps(files[name])} if find_model(name).repo_id else {}
    what = (page.name, page.notebook, {"suite": suite, "model": name} | steps)
    return Cell(place, *what, root, runs, files[name], kind="chapter", **_opened())


def _opened() -> dict[str, str]:
    """On which device, and in which dtype, cells open checkpoints: what the environment says."""
    return {"device": asked_device(), "dtype": asked_dtype()}


def _recorded(runs: Path, model: Model) -> tuple[Path, ...]:
    """The records of the usual runs of a model on the Hub."""
    found = runs.glob(f"{model.suite}/*/{model.name}/step*.parquet") if model.repo_id else ()
    return tuple(sorted(path for path in found if path.stem.removeprefix("step").isdigit()))


def _some_steps(records: Iterable[Path]) -> list[int]:
    """Up to eight of the steps that records are of, the first and the last too, evenly by log2(1 + step)."""
    steps = sorted({int(path.stem.removeprefix("step")) for path in records})
    times = [math.log2(1 + step) for step in steps]
    ends = (times[0], times[-1]) if times else (0, 0)
    wanted = (ends[0] + (ends[1] - ends[0]) * i / 7 for i in range(8))
    return sorted({min(steps, key=lambda s: abs(math.log2(1 + s) - t)) for t in wanted if steps})


def _weights(model: Model) -> tuple[Path, ...]:
    """The weight files of a model's checkpoints that are trained here."""
    paths = (checkpoint_path(checkpoint) / WEIGHTS for checkpoint in model.checkpoints)
    return tuple(path for path in paths if path.is_file())


def expand(
    config: Config,
    experiments: Iterable[str] | None = None,
    suite: str | None = None,
    models: Iterable[str] | None = None,
    steps: Iterable[int] | Callable[[Model], Iterable[int]] | None = None,
    profile: str = "quick",
    parameters: dict[str, Any] | None = None,
    runs: Path | None = None,
    strict: bool = False,
) -> list[Cell]:
    """The cells of a grid: experiments x models x steps, in that order.

    Checkpoints with a known erratum are left out, unless `steps` lists them; then they give a warning.

    Args:
        config: from `load_config`.
        experiments: names; all of the profile if None or empty.
        suite: another suite than the profile's; then `models` must be given. Of one of your own that has no
            profile it is all models, and all steps that there are, if none are given; the experiments must be.
        models: instead of the profile's, if any: names and patterns; or `all`, also among them.
        steps: instead of the profile's, if any: numbers, `all`, or a function that lists the
            steps of a model.
        profile: name of a profile in experiments.yml.
        parameters: for those of the notebooks that have them. Where they differ from those of
            experiments.yml and from the notebook's defaults, the cells are others than the usual ones,
            with names that say so.
        runs: the folder of runs; `records.runs_dir(config.root)` by default.
        strict: refuse named checkpoints with a known erratum.

    Raises:
        UsageError: an unknown name; a parameter that no notebook declares, or one declares otherwise;
            a faulty checkpoint with `strict`, or one without weights.
    """
    runs = runs_dir(config.root) if runs is None else Path(runs).absolute()
    own = own_parameters("--parameter", {"parameters": parameters})
    if whole := _whole_suite(config, suite, models):
        models, steps = models or "all", steps or "all"
        experiments = experiments or _none_named(config, whole)
    _check_suite(config, profile, suite, models)
    places = list(_places(config, experiments, suite, models, steps, profile, own))
    sound = _sound([at for *_, at in places], bool(steps) and steps != "all", strict)
    cells = [
        _cell(config.root, runs, experiment, at, usual, explicit)
        for experiment, usual, explicit, at in places
        if at in sound
    ]
    for cell in cells:
        check_parameters(cell.notebook, cell.parameters)
    return cells


def _places(
    config: Config,
    experiments: Any,
    suite: str | None,
    models: Any,
    steps: Any,
    profile: str,
    own: dict,
) -> Iterator[tuple[Experiment, dict, dict, Checkpoint]]:
    """Every experiment, its usual and explicit parameters and a checkpoint, known errata included."""
    chosen_experiments = _experiments(config, experiments or config.experiments_of(profile))
    _check_names(own, [experiment.notebook for experiment in chosen_experiments])
    for experiment in chosen_experiments:
        grid = config.grid(experiment, profile)
        usual = usual_parameters(config, experiment, profile, suite, models)
        explicit = explicit_parameters(experiment.notebook, usual, own)
        # A model's name tells its suite; the profile's matters only where names do not.
        scope = suite or (grid["suite"] if not models or "all" in models else None)
        for part in [grid] if models else parts(grid):
            chosen = models_of(models or part["models"], scope)
            for checkpoint in checkpoints_of(chosen, steps or part["steps"]):
                yield experiment, usual, explicit, checkpoint


def usual_parameters(
    config: Config, experiment: Experiment, profile: str, suite: str | None, models: Any
) -> dict[str, Any]:
    """What experiments.yml gives an experiment; a profile's are for its own suite. Arguments as `expand`."""
    if _whole_suite(config, suite, models):
        return experiment.parameters
    return experiment.parameters | config.grid(experiment, profile).get("parameters", {})


def _sound(checkpoints: list[Checkpoint], named: bool, strict: bool) -> set[Checkpoint]:
    """The checkpoints to run: those a user named, or else those without a known erratum."""
    if not named:
        return set(without_errata(checkpoints))
    heed_errata(list(dict.fromkeys(checkpoints)), strict)
    return set(checkpoints)


def _experiments(config: Config, names: Iterable[str] | None) -> list[Experiment]:
    return [config.experiment(name) for name in dict.fromkeys(names or config.experiments)]


def _whole_suite(config: Config, suite: str | None, models: Any) -> str | None:
    """The name of a suite of your own, told or a model's, that no profile is a grid of; None of others."""
    if suite is None and models and "all" not in models and "*" not in (first := models[0]):
        suite = catalog.find_model(first).suite
    if suite is None or suite.lower() in catalog.built_in_suites():
        return None
    if suite.lower() not in catalog.suite_names():
        catalog.suite(suite)  # says which there are
    has_profile = any(grid["suite"] == suite.lower() for grid in config.profiles.values())
    return None if has_profile else suite.lower()


def _none_named(config: Config, suite: str) -> list[str]:
    raise UsageError(
        f"suite {suite!r} has no profile; name the experiments, of {', '.join(config.experiments)}"
    )


def _check_suite(config: Config, profile: str, suite: str | None, models: Any) -> None:
    """A profile's models are of one suite: for another they must be chosen."""
    grid = config.profile(profile)
    if suite is None or models or catalog.suite(suite).name == grid["suite"]:
        return
    others = [name for name, other in config.profiles.items() if other["suite"] == suite.lower()]
    hint = f"--profile {' or '.join(others)}, or " if others else ""
    raise UsageError(
        f"profile {profile!r} is a grid of suite {grid['suite']!r}; "
        f"for suite {suite!r} give {hint}--model and --steps"
    )


def _check_names(own: dict, notebooks: list[Path]) -> None:
    """Each parameter given for one run must be one of some notebook of it."""
    declared = {name for notebook in notebooks for name in parameter_names(notebook)} if own else {}
    for name in own:
        if name not in declared:
            raise unknown_parameter(name, list(dict.fromkeys(notebooks)))


def explicit_parameters(notebook: Path, usual: dict, own: dict) -> dict[str, Any]:
    """Of the parameters given for one run, those that this notebook has and that change something."""
    declared = parameter_names(notebook) if own else []
    known = (defaults(notebook) if own else {}) | usual
    return {
        name: value
        for name, value in own.items()
        if name in declared and value != known.get(name, ...)
    }


def explicit_text(parameters: dict[str, Any]) -> str:
    """Parameters in one line, as part of a cell's name: `pairs=400,pairs_from=blimp`."""
    return ",".join(assignments(parameters))


def assignments(parameters: dict[str, Any]) -> list[str]:
    """What `parse_parameters` reads as these parameters: `["pairs=400", "pairs_from=blimp"]`.

    Texts stand as they are where YAML reads them so, other values as JSON.
    """
    return [f"{name}={_plain(value)}" for name, value in sorted(parameters.items())]


def _plain(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[\w./~:+-]+", value):
        with suppress(UsageError):  # a text such as 0200, which YAML must not read
            if yaml.parse(value, "a parameter") == value:
                return value
    return json.dumps(value, default=str)


def _cell(
    root: Path, runs: Path, experiment: Experiment, at: Checkpoint, usual: dict, explicit: dict
) -> Cell:
    text = explicit_text(explicit)
    name = f"{at.model.suite}/{experiment.name}/{at.model.name}/{stem(at.step, text)}"
    values = {"suite": at.model.suite, "model": at.model.name, "step": at.step} | usual | explicit
    what = (experiment.name, experiment.notebook, values, root, runs)
    return Cell(name, *what, explicit=text, **_opened())


def _chapter(root: Path, runs: Path, experiment: Experiment, suite: str) -> Cell:
    name = f"{suite}/{experiment.name}/chapter"
    inputs = tuple(record_files(runs, experiment.name, suite))
    if inputs:  # what failed is marked in the chapter's heatmap
        inputs += tuple(each.path for each in failures(runs, suite, experiment.name))
    what = (experiment.name, experiment.chapter, {"suite": suite})
    return Cell(name, *what, root, runs, inputs, kind="chapter", **_opened())


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
    name = catalog.suite(suite).name
    found = []
    for experiment in _experiments(config, experiments):
        if experiment.chapter is not None:
            found.append(_chapter(config.root, runs, experiment, name))
    if not experiments:
        cells = (page_cell(config.root, runs, page, name) for page in config.pages.values())
        found += [cell for cell in cells if cell]
    for cell in found:
        check_parameters(cell.notebook, cell.parameters)
    return found


def parse_parameters(items: Iterable[str]) -> dict[str, Any]:
    """`["sequences=4", "fast=true"]` to `{"sequences": 4, "fast": True}`: values are YAML.

    Raises:
        UsageError: an item that is not `name=value`.
    """
    parsed = {}
    for item in items:
        name, equals, value = item.partition("=")
        name, where = name.strip(), f"parameter {quoted(item)}"
        if not equals or not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(f"{where}: expected name=value, such as sequences=64")
        if name in parsed:
            raise UsageError(f"{where}: {name} is given twice; expected one value")
        parsed[name] = yaml.parse(value, where)
    return parsed
