"""SLURM for `pythia run`: jobs that are dask workers, by dask-jobqueue, from one YAML file of settings."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from dask_jobqueue import SLURMCluster
from distributed import Status

from pythia_utils.base import schemas, yaml
from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.schemas import like, line, whole
from pythia_utils.base.units import parse_size
from pythia_utils.engine import gpus
from pythia_utils.engine.dask_schedulers import LOOPBACK, DaskScheduler
from pythia_utils.suites.folders import home

# What we add to dask-jobqueue's settings: jobs to ask for, and each job's GPUs and their memory.
_OURS = {"jobs": 1, "gpus": 0, "gpu_memory": "80GB"}
# Settings that dask-jobqueue takes as they are, and would fail over much later, or not at all.
_LINES = ("account", "interface", "queue", "local_directory", "python", "shared_temp_directory")
_LISTS = ("job_extra_directives", "job_script_prologue", "worker_extra_args", "env_extra")
_TIME = like(r"(\d+-)?\d+(:\d+){0,2}|[A-Za-z]+", "a time as SLURM writes it, such as 04:00:00")
_SHAPE = {"cores?": whole(1, 10_000), "processes?": whole(1, 10_000), "memory?": (str, int)}
_SHAPE |= {"walltime?": _TIME, "jobs?": whole(0, 10_000), "gpus?": whole(0, 10_000)}
_SHAPE |= {"scheduler_options?": {"port?": whole(0, 65_535)}, "security?": (bool, dict)}
_SHAPE |= {"nanny?": bool} | {f"{name}?": line() for name in _LINES}
_SHAPE |= {f"{name}?": [line()] for name in _LISTS}


def scheduler(settings: Path | None, jobs: int | None = None) -> DaskScheduler:
    """Jobs of a SLURM cluster, each a dask worker that ends with the run, and all of them under TLS.

    The certificates are made for this run, and lie in `shared_temp_directory`, readable by their owner
    alone: by default in the folder of everything we train.

    Args:
        settings: YAML of what `dask_jobqueue.SLURMCluster` takes; also `jobs`, `gpus` (of a job) and
            `gpu_memory`.
        jobs: instead of the file's.

    Raises:
        UsageError: no such file, or a fault in what is ours; on entering it, dask-jobqueue's own.
    """
    ours, theirs = _settings(settings)

    def start() -> SLURMCluster:
        if shutil.which("sbatch") is None:
            raise UsageError("--scheduler slurm: there is no sbatch here; run it on a login node")
        cluster = _cluster(theirs, ours["gpus"])
        cluster.scale(jobs=jobs or ours["jobs"])
        return cluster

    return DaskScheduler(start, ours["gpus"], ours["gpu_memory"])


def job_script(settings: Path | None) -> str:
    """The script that each job of `scheduler` runs. Nothing is started: the address in it is none.

    Raises:
        UsageError: as `scheduler`.
    """
    ours, theirs = _settings(settings)

    async def script() -> str:
        cluster = _cluster(theirs, ours["gpus"], asynchronous=True)  # would start when awaited
        cluster.status = Status.closed
        return cluster.job_script()

    return asyncio.run(script())


def _settings(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our settings, checked, and those for dask-jobqueue, which checks them itself."""
    if path is None:
        raise UsageError("--scheduler slurm needs --cluster-config FILE, with cores and memory")
    where = f"--cluster-config {path}"
    source = yaml.read(path, where)
    schemas.check(where, source, dict)
    given = {name: value for name, value in source.items() if value is not None}
    schemas.check(where, given, _SHAPE)
    ours = {name: given.pop(name, default) for name, default in _OURS.items()}
    if given.pop("security", True) is not True:
        raise UsageError(
            f"{where}: security must be true: who reaches a scheduler runs code as you"
        )
    try:
        return ours | {"gpu_memory": parse_size(ours["gpu_memory"])}, given
    except UsageError as error:
        raise UsageError(f"{where}: gpu_memory: {error}") from None


def _cluster(settings: dict[str, Any], gpus_each: int, asynchronous: bool = False) -> SLURMCluster:
    """The cluster, without a job yet: a worker a job, that knows its GPUs."""
    try:
        shared = settings.get("shared_temp_directory") or _certificates()
        extra = list(settings.get("worker_extra_args") or [])
        extra += ["--resources", f"{gpus.RESOURCE}={gpus_each}"] if gpus_each else []
        options = {
            "dashboard_address": f"{LOOPBACK}:0",
            **(settings.get("scheduler_options") or {}),
            "protocol": "tls://",
        }
        ours = {"worker_extra_args": extra, "scheduler_options": options, "security": True}
        ours |= {"protocol": "tls://", "shared_temp_directory": str(shared)}
        ours |= {"asynchronous": asynchronous}
        return SLURMCluster(**{"processes": 1} | settings | ours)
    except Exception as error:  # of any kind: the settings go to SLURM's, dask's and asyncio's code
        told = first_line(error).partition(" Very likely")[0].removesuffix(", for example:")
        raise UsageError(f"SLURM cluster: {told}") from None


def _certificates() -> Path:
    """A folder that jobs see too, on most clusters."""
    folder = home() / "certificates"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
