"""Runs of stub notebooks that are killed at random moments. Usage: killed_runs.py PROJECT TRIALS

Trial `n` works in PROJECT/runs-n and is killed after a time that its number alone decides, as a part
of what a whole run takes here. One process imports the package and forks each trial.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pandas  # noqa: F401 (forks should find imported what they need)
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
import stub_kernels

from pythia_utils import kernels, runner
from pythia_utils.experiments import expand, load_config
from pythia_utils.ledger import Ledger
from pythia_utils.runs_lock import locked


def run(project: Path, runs: Path) -> None:
    with locked(runs):
        cells = expand(load_config(project), ["measure"], profile="full", runs=runs)
        runner.run(cells[:12], Ledger(runs / "ledger.jsonl"), workers=2, quiet=True)


def trial(project: Path, runs: Path, kill_after: float | None = None) -> float:
    """Fork a run; kill it or wait for it. Returns the seconds that it had."""
    started = time.monotonic()
    if (child := os.fork()) == 0:
        run(project, runs)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return time.monotonic() - started


def main(project: Path, trials: int) -> None:
    kernels.execute = stub_kernels.execute
    trial(project, project / "runs-whole")  # the first is slower: it imports what is left
    whole = trial(project, project / "runs-whole-2")
    for number in range(trials):
        moment = random.Random(number).uniform(0.05, 1.05)
        trial(project, project / f"runs-{number}", moment * whole)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
