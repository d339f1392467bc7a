"""What benchmarks share: random networks of a suite's shapes, fair times, parts with limits, tables."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from pythia_utils.base.files import atomic_write
from pythia_utils.base.progress import say
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.neox_config import hf_config

Row = tuple[str, ...]
LONG = 10  # seconds that rounds may take together


def network(model: str, device: str, dtype: torch.dtype, seed: int = 0):
    """Random weights of a model's shape, whose logits are as far apart as a trained one's (std 2).

    They are in their dtype from the first, so that they never take more memory than they will.
    """
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    torch.manual_seed(seed)
    config = GPTNeoXConfig.from_dict(hf_config(find_model(model)))
    with torch.device(device):
        made = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    torch.nn.init.normal_(made.get_output_embeddings().weight, std=2 / config.hidden_size**0.5)
    return made.requires_grad_(False)


# --- time and memory ------------------------------------------------------------------------------


def timed(function: Callable[[], object], device: str) -> float:
    """Seconds of one call, with what it leaves for the device to do.

    Of one thread on a CPU only its own: what other programs take of the machine is not counted.
    """
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    _wait(device)
    start = clock()
    function()
    _wait(device)
    return clock() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def best(*functions: Callable[[], object], device: str, rounds: int = 3) -> list[float]:
    """Seconds of each one's fastest round. They take turns, so that a busy moment hits all.

    A round before them, in which kernels are chosen, is not counted; of long ones one alone is.
    """
    found: list[list[float]] = []
    while len(found) < 2 or (len(found) <= rounds and sum(map(sum, found)) < LONG):
        found.append([timed(function, device) for function in functions])
    return [min(times) for times in zip(*found[1:], strict=True)]


def giga(size: float) -> str:
    return f"{size / 1e9:.2f} GB"


@contextmanager
def free_afterwards(device: str) -> Iterator[None]:
    """Nothing of before is counted, and nothing is left."""
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        yield
    finally:
        if device == "cuda":
            torch.cuda.empty_cache()


def peak(device: str) -> str:
    """What PyTorch has reserved at most; CUDA itself takes some hundred MB more."""
    return giga(torch.cuda.max_memory_reserved()) if device == "cuda" else "-"


# --- parts ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some rows of a table, and how many seconds they may take."""

    name: str
    rows: Callable[[], Iterable[Row]]
    seconds: float = float("inf")


class TimeIsUp(Exception):
    """Raised in the midst of whatever is being measured."""


def run_parts(
    parts: Iterable[Part], minutes: float, keep: Callable[[Row], None], since: float | None = None
) -> None:
    """Hand over each row as soon as it is measured.

    A part that fails, or takes longer than it may, ends in a row that says so, and the next begins. When all
    minutes are up, a last row says that. They count from now, or since that time of `time.monotonic`.
    """
    end = (since or time.monotonic()) + 60 * minutes
    for part in parts:
        left = end - time.monotonic()
        if left <= 0:
            keep((f"(the rest: {minutes:g} minutes were up)",))
            return
        try:
            with _limit(min(part.seconds, left)):
                for row in part.rows():
                    keep(row)
        except TimeIsUp:
            keep((f"({part.name}: stopped after {min(part.seconds, left):.3g} s)",))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            why = str(error).strip().splitlines() or [""]
            keep((f"({part.name}: failed, {type(error).__name__}: {why[-1][:200]})",))


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _time_is_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, min(seconds, 1e6))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _time_is_up(*_: object) -> None:
    raise TimeIsUp


# --- tables ---------------------------------------------------------------------------------------


class Table:
    """Rows that are said as they come."""

    def __init__(self, script: str, device: str, columns: Row) -> None:
        self.head, self.columns = where(script, device), columns
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        say(" | ".join(row))
        self.rows.append(row)

    def text(self) -> str:
        """Markdown: where, with what, and the table."""
        width = len(self.columns)
        full = [(*row, *[""] * (width - len(row))) for row in (self.columns, *self.rows)]
        lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in full]
        lines.insert(1, "|---" + "|---:" * (width - 1) + "|")
        return "\n".join([self.head, "", *lines])


def write(file: Path | None, *tables: Table) -> str:
    """All tables that have rows, as text, which is also written into a file, if one is given."""
    text = "\n\n".join(table.text() for table in tables if table.rows)
    if file:
        with atomic_write(file) as path:
            path.write_text(text + "\n", encoding="utf-8")
    return text


def where(script: str, device: str) -> str:
    """On what, with which PyTorch, by which script."""
    from transformers import __version__ as transformers

    cards = torch.cuda.device_count() if device == "cuda" else 0
    name = torch.cuda.get_device_name() if cards else _cpu()
    many = f" ({cards} of them)" if cards > 1 else ""
    versions = f"torch {torch.__version__}, transformers {transformers}"
    return f"Measured on {name}{many}, {versions}, by `python benchmarks/{script}`."


def _cpu() -> str:
    threads = torch.get_num_threads()
    return f"a CPU ({threads} thread{'s' if threads > 1 else ''})"
