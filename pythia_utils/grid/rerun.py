"""The command that runs a cell again: `pythia run grammar --model pico-57k --steps 512 -p pairs=400`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pythia_utils.grid.cells import IDENTITY
from pythia_utils.grid.config import Config, Experiment
from pythia_utils.grid.expand import (
    assignments,
    explicit_parameters,
    explicit_text,
    usual_parameters,
)
from pythia_utils.grid.records import stem
from pythia_utils.suites.models import Model

USUAL_PROFILE = "quick"  # what `pythia run` takes if nobody says


@dataclass(frozen=True)
class Rerun:
    """How to run a cell again.

    Attributes:
        command: for a shell, in the project's folder.
        explicit: the parameters that it gives.
        is_exact: whether it runs this very cell; else what experiments.yml says of it has changed since.
    """

    command: str
    explicit: dict[str, Any]
    is_exact: bool = True


def rerun(
    config: Config, experiment: Experiment, model: Model, step: int, name: str, ran: Mapping
) -> Rerun:
    """How to run a cell again, with the fewest words.

    Args:
        config: from `load_config`.
        experiment: whose notebook it is.
        model: the checkpoint's.
        step: the checkpoint's.
        name: of its files, without ending, as `records.stem` gives it.
        ran: the parameters with which it ran.
    """
    own = {key: value for key, value in ran.items() if key not in IDENTITY}
    for profile in _profiles(config, model.suite):
        usual = usual_parameters(config, experiment, profile, None, [model.name])
        explicit = explicit_parameters(experiment.notebook, usual, own)
        if usual | explicit == own and stem(step, explicit_text(explicit)) == name:
            return Rerun(_command(experiment, model, step, profile, explicit), explicit)
    profile = next(_of_suite(config, model.suite), USUAL_PROFILE)
    return Rerun(_command(experiment, model, step, profile, {}), {}, is_exact=False)


def _profiles(config: Config, suite: str) -> Iterator[str]:
    """Those to try: the one that need not be said, then the suite's, then all others."""
    every = [USUAL_PROFILE, *_of_suite(config, suite), *config.profiles]
    yield from (name for name in dict.fromkeys(every) if name in config.profiles)


def _of_suite(config: Config, suite: str) -> Iterator[str]:
    yield from (name for name, grid in config.profiles.items() if grid["suite"] == suite)


def _command(
    experiment: Experiment, model: Model, step: int, profile: str, explicit: dict[str, Any]
) -> str:
    words = ["pythia", "run", experiment.name, "--model", model.name, "--steps", str(step)]
    words += ["--profile", profile] if profile != USUAL_PROFILE else []
    for assignment in assignments(explicit):
        words += ["-p", assignment]
    return shlex.join(words)
