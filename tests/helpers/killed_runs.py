"""Runs of stub notebooks that are killed at random moments. Usage: killed_runs.py PROJECT TRIALS

Trial `n` works in PROJECT/runs-n. Its number alone decides after how many finished cells it is killed,
and how soon after. One process imports the package and forks each trial.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas  # noqa: F401 (forks should find imported what they need)
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
from helpers import stub_kernels

from pythia_utils.base.files import locked
from pythia_utils.engine import runner
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.ledger import Ledger

CELLS = 12


def run(project: Path, runs: Path) -> None:
    with locked(runs, "run"):
        cells = expand(load_config(project), ["measure"], profile="full", runs=runs)
        runner.run(cells[:CELLS], Ledger(runs / "ledger.jsonl"), workers=2, quiet=True)


def trial(project: Path, number: int) -> None:
    """Fork a run, and kill it some moment after so many lines of the ledger as the number decides."""
    runs, chance = project / f"runs-{number}", random.Random(number)
    lines, moment = chance.randrange(CELLS), chance.uniform(0, 0.02)
    if (child := os.fork()) == 0:
        try:
            run(project, runs)
        finally:
            os._exit(0)
    while _lines(runs) < lines and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.001)
    time.sleep(moment)
    with suppress(ProcessLookupError, ChildProcessError):  # it may just have come to its end
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _lines(runs: Path) -> int:
    try:
        return (runs / "ledger.jsonl").read_bytes().count(b"\n")
    except OSError:
        return 0


def main(project: Path, trials: int) -> None:
    KernelPool.run = stub_kernels.run
    for number in range(trials):
        trial(project, number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
