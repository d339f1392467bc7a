"""Train a whole local suite: what is there already, what is stale, and one model a process at a time.

On the CPU one thread a process and a process a core is fastest at this size: matrices this small
gain nothing from a second thread. Nothing here imports torch; the worker processes do.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import queue
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pythia_utils.base.errors import TrainingError, UsageError, first_line
from pythia_utils.nano import trained
from pythia_utils.suites.catalog import Model

_REPORT_SECONDS = 0.3
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt, in glibc's malloc.h


@dataclass(frozen=True)
class Report:
    """Where one model's training is: step, loss of that step's batch (nats a token), tokens a second."""

    model: str
    step: int
    loss: float
    tokens_per_second: float


@dataclass(frozen=True)
class _Failure:
    """What ended a worker, in one line, and if nobody expected it the traceback."""

    line: str
    trace: str = ""


def cost(model: Model) -> float:
    """Time a step, in units of the smallest model's: a constant plus the work of the layers."""
    return 1 + model.non_embedding_params / 60_000


def first_step(model: Model, models: list[Model]) -> int:
    """Where the training of a model begins among these: a fork's where its base ends, if that is known then."""
    if model.fork is None:
        return 0
    base = trained.base_of(model)
    known = base in models or trained.kept_state(base, model.fork.step).is_file()
    return model.fork.step if known else 0


def _jobs(models: list[Model]) -> list[list[Model]]:
    """What one process trains in a row: a model, and behind it those that go on from it; the longest first."""
    jobs: dict[str, list[Model]] = {}
    for model in sorted(models, key=lambda model: model.fork is not None):
        jobs.setdefault(model.fork.base if model.fork else model.name, []).append(model)

    def work(job: list[Model]) -> float:
        return sum(cost(m) * (m.steps[-1] - first_step(m, job)) for m in job)

    return sorted(jobs.values(), key=work, reverse=True)


def train_models(
    models: list[Model],
    device: str = "cpu",
    workers: int = 1,
    until: int | None = None,
    report: Callable[[Report], None] = lambda _: None,
) -> None:
    """Train `models`, the slowest first, `workers` at a time, each in a process of its own.

    A model of an intervention is trained behind its base, by the same process.

    Args:
        models: of one local suite whose corpus has been made, and the texts of their interventions. The base
            of each of these is among them or trained.
        device: `cpu`, `cuda`, ...
        workers: processes; one thread each on the CPU.
        until: stop after this step; a later call goes on.
        report: called in this process, a few times a second.

    Raises:
        TrainingError: a worker died, or could not go on; what it had saved stays, and the next call goes
            on from there.
        RuntimeError: a fault of ours, with the worker's traceback.
    """
    context = multiprocessing.get_context("spawn")
    tasks, reports = context.Queue(), context.Queue()
    jobs = _jobs(models)
    for job in jobs:
        tasks.put([(model.suite, model.name) for model in job])
    workers = max(1, min(workers, len(jobs)))
    for _ in range(workers):
        tasks.put(None)
    arguments = (tasks, reports, device, until, os.getpid())
    processes = [context.Process(target=_work, args=arguments, daemon=True) for _ in range(workers)]
    try:
        for process in processes:
            process.start()
        _follow(processes, reports, report)
    finally:
        _end(processes)


def _end(processes: list) -> None:
    for process in processes:
        if process.is_alive():
            process.kill()
        if process.pid:
            process.join()


def _follow(processes: list, reports, report: Callable[[Report], None]) -> None:
    """Pass reports on until every worker has ended well."""
    while True:
        alive = any(process.is_alive() for process in processes)
        failed = [p.exitcode for p in processes if p.exitcode not in (None, 0)]
        try:
            # A worker says why it ends before it does.
            told = reports.get(timeout=0 if failed else 0.2)
        except queue.Empty:
            if failed:
                raise TrainingError(
                    f"a training process ended with exit code {failed[0]}"
                ) from None
            if not alive:
                return
            continue
        if isinstance(told, _Failure):
            raise (
                RuntimeError(f"{told.line}\n{told.trace}")
                if told.trace
                else TrainingError(told.line)
            )
        report(told)


def _work(tasks, reports, device: str, until: int | None, parent: int) -> None:
    """A worker process: train models until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    if device.startswith("cuda"):
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when CUDA starts
    _keep_freed_memory()
    import torch

    from pythia_utils.nano.train import train_model
    from pythia_utils.suites.catalog import find_model

    torch.set_num_threads(1)
    # On a GPU sums would else be taken in any order, and the same seed give other weights.
    torch.use_deterministic_algorithms(device.startswith("cuda"))
    while (job := tasks.get()) is not None:
        models = [find_model(name, family) for family, name in job]
        keep = {model.fork.step for model in models if model.fork}
        for model in models:
            try:
                report = _reporter(model.name, reports, parent)
                train_model(model, device, until, report, () if model.fork else keep)
            except Exception as failure:
                reports.put(_why(model.name, failure))
                raise SystemExit(1) from None


def _keep_freed_memory() -> None:
    """Let the C library keep what a step frees for the next one: a tenth of the time, where it is glibc.

    Else each tensor of some size is memory that the system gives page by page, and takes back.
    """
    with suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, 1 << 25)  # the most that glibc takes
        set_option(_M_TRIM_THRESHOLD, 1 << 30)


def _why(name: str, failure: Exception) -> _Failure:
    import torch

    line = first_line(failure)
    if isinstance(failure, UsageError | TrainingError):
        return _Failure(line)
    kind = type(failure).__name__
    if isinstance(failure, OSError | MemoryError | torch.OutOfMemoryError):
        return _Failure(f"{name}: {kind}: {line}")
    return _Failure(f"{name}: {kind}: {line}", traceback.format_exc())


def _reporter(name: str, reports, parent: int) -> Callable[[int, float, float], None]:
    """A progress callback that sends a report now and then, and ends an orphan."""
    last = 0.0

    def progress(step: int, loss: float, rate: float, final: bool) -> None:
        nonlocal last
        now = time.monotonic()
        if final or now - last > _REPORT_SECONDS:
            last = now
            reports.put(Report(name, step, loss, rate))
            if os.getppid() != parent:
                os._exit(1)

    return progress
