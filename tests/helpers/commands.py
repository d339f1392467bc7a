"""The command line as a user calls it, and processes that tests wait for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pythia(
    *arguments: str, cwd: Path = ROOT, home: Path | None = None, env: Mapping[str, str] = {}
) -> subprocess.CompletedProcess:
    """Run the command line as a user would; a failure is returned, not raised."""
    env = os.environ | ({"PYTHIA_HOME": str(home)} if home else {}) | env
    env.pop("PYTHIA_RUNS", None)
    command = [sys.executable, "-m", "pythia_utils.cli.main", *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def run_or_fail(
    *arguments: str, cwd: Path, home: Path, env: Mapping[str, str] = {}
) -> subprocess.CompletedProcess:
    done = pythia(*arguments, cwd=cwd, home=home, env=env)
    assert done.returncode == 0, f"pythia {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}"
    return done


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()
