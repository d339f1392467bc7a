"""SLURM for `pythia run`: jobs that are dask workers, by dask-jobqueue, from one YAML file of settings."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import UsageError, first_line, unknown
from pythia_utils.engine import gpus
from pythia_utils.engine.dask_schedulers import LOOPBACK, DaskScheduler, require

if TYPE_CHECKING:
    from distributed import SpecCluster

# What we add to dask-jobqueue's settings: jobs to ask for, and each job's GPUs and their memory.
_OURS = {"jobs": 1, "gpus": 0, "gpu_memory": "80GB"}


def scheduler(settings: Path | None, jobs: int | None = None) -> DaskScheduler:
    """Jobs of a SLURM cluster, each a dask worker that ends with the run.

    Args:
        settings: YAML of dask-jobqueue's settings; also `jobs`, `gpus` (of a job) and `gpu_memory`.
        jobs: instead of the file's.

    Raises:
        UsageError: no such file, an unknown setting, or a package that is not installed.
    """
    ours, theirs = _settings(settings)
    count = jobs or ours["jobs"]

    def start() -> SpecCluster:
        if shutil.which("sbatch") is None:
            raise UsageError("--scheduler slurm: there is no sbatch here; run it on a login node")
        cluster = _slurm_cluster(theirs, ours["gpus"])
        cluster.scale(jobs=count)
        return cluster

    return DaskScheduler(start, ours["gpus"], ours["gpu_memory"])


def job_script(settings: Path | None) -> str:
    """The script that each job of `scheduler` runs. The scheduler's address in it is an example.

    Raises:
        UsageError: as `scheduler`.
    """
    ours, theirs = _settings(settings)
    with _slurm_cluster(theirs, ours["gpus"]) as cluster:
        return cluster.job_script()


def _settings(path: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Our settings, and those for dask-jobqueue, from a YAML file; names are checked."""
    import yaml

    if path is None:
        raise UsageError("--scheduler slurm needs --cluster-config FILE, with cores and memory")
    require("distributed", "dask_jobqueue")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--cluster-config {path}: {first_line(error)}") from None
    if not isinstance(given, dict):
        raise UsageError(f"--cluster-config {path}: expected `name: value` lines")
    known = _slurm_names() | set(_OURS)
    for name in given:
        if name not in known:
            raise unknown("setting", name, sorted(known), where=f"in {path}")
    if missing := sorted({"cores", "memory"} - set(given)):
        raise UsageError(f"{path}: {missing[0]!r} is missing: what a job asks SLURM for")
    return _our_settings(path, given), given


def _our_settings(path: Path, given: dict[str, Any]) -> dict[str, int]:
    """Take ours out of what is given; `gpu_memory` becomes a number of bytes."""
    from dask.utils import parse_bytes

    ours = {name: given.pop(name, default) for name, default in _OURS.items()}
    for name in ("jobs", "gpus"):
        if type(ours[name]) is not int or ours[name] < 0:
            raise UsageError(f"{path}: {name} must be a whole number, not {ours[name]!r}")
    try:
        return ours | {"gpu_memory": parse_bytes(ours["gpu_memory"])}
    except (ValueError, AttributeError):
        size = ours["gpu_memory"]
        raise UsageError(f"{path}: gpu_memory must be a size such as 80GB, not {size!r}") from None


def _slurm_names() -> set[str]:
    """The names of dask-jobqueue's settings that a file may have."""
    from dask_jobqueue.core import Job, JobQueueCluster
    from dask_jobqueue.slurm import SLURMJob

    signatures = [inspect.signature(c.__init__) for c in (SLURMJob, Job, JobQueueCluster)]
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = {name for s in signatures for name, p in s.parameters.items() if p.kind is plain}
    return names - {"self", "scheduler", "scheduler_cls", "job_cls", "loop", "asynchronous"}


def _slurm_cluster(settings: dict[str, Any], gpus_each: int) -> SpecCluster:
    from dask_jobqueue import SLURMCluster

    extra = list(settings.get("worker_extra_args") or [])
    extra += ["--resources", f"{gpus.RESOURCE}={gpus_each}"] if gpus_each else []
    options = {"dashboard_address": f"{LOOPBACK}:0"} | (settings.get("scheduler_options") or {})
    ours = {"worker_extra_args": extra, "scheduler_options": options}
    try:
        return SLURMCluster(**{"processes": 1} | settings | ours)
    except (ValueError, TypeError, OSError) as error:
        raise UsageError(f"SLURM cluster: {first_line(error)}") from None
