"""What a site shows: the experiments of one suite that have records, or those that were asked for.

A chapter without records has nothing to tell: it is not in the book, and stops nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.grid.config import BookPage, Config, Experiment
from pythia_utils.grid.records import record_files, runs_dir
from pythia_utils.suites import catalog


@dataclass(frozen=True)
class Contents:
    """What a site shows.

    Attributes:
        config: of the project.
        suite: whose runs.
        experiments: those whose chapters, runs and status it has, in the order of experiments.yml.
        pages: the other pages that run.
    """

    config: Config
    suite: catalog.Suite
    experiments: tuple[Experiment, ...]
    pages: tuple[BookPage, ...]

    @property
    def folder(self) -> Path:
        """The suite's runs."""
        return runs_dir(self.config.root) / self.suite.name

    @property
    def names(self) -> list[str]:
        """Of the experiments and of the pages that run."""
        return [each.name for each in (*self.experiments, *self.pages)]

    @property
    def notebooks(self) -> set[Path]:
        """The sources of its chapters and pages."""
        chapters = {each.chapter for each in self.experiments if each.chapter}
        return chapters | {page.notebook for page in self.pages}


def choose(config: Config, suite: str, names: Sequence[str] | None = None) -> Contents:
    """What a suite's site shows.

    Args:
        config: of the project.
        suite: its name.
        names: of the experiments; by default all that have records.

    Raises:
        UsageError: an unknown name, an experiment without records, or no records at all.
    """
    shown, runs = catalog.suite(suite), runs_dir(config.root)
    wanted = {config.experiment(name).name for name in names or ()}
    there = [
        each for each in config.experiments.values() if record_files(runs, each.name, shown.name)
    ]
    if lacking := wanted - {each.name for each in there}:
        raise _not_run(config, shown.name, min(lacking))
    if not there:
        raise _not_run(config, shown.name)
    experiments = tuple(each for each in there if not wanted or each.name in wanted)
    return Contents(config, shown, experiments, _pages(config, experiments))


def _pages(config: Config, experiments: Sequence[Experiment]) -> tuple[BookPage, ...]:
    """The pages that run: of those about records, the ones about some of these experiments'."""
    here = {each.name for each in experiments}
    return tuple(p for p in config.pages.values() if not p.records or here & {*p.records})


def _not_run(config: Config, suite: str, experiment: str = "") -> UsageError:
    what = f"experiment {experiment!r} has" if experiment else "there are"
    profiles = [name for name, grid in config.profiles.items() if grid["suite"] == suite]
    of_it = [p for p in profiles if not experiment or experiment in config.experiments_of(p)]
    how = f"--profile {' or '.join(of_it)}" if of_it else f"--suite {suite} --model MODEL"
    run = " ".join(filter(None, ("pythia run", experiment, how)))
    return UsageError(f"{what} no records of suite {suite!r}; run first: {run}")
