"""What a cell of the grid costs, and how a grid grows: `python benchmarks/grid.py`.

Each part can be left out or made smaller: `--cells 0`, `--scaling 0`, `--grids 1000`.

- Cells: the same notebook, which imports torch and transformers and runs one forward of a small
  model, by plain `papermill` in a loop, as in a shell, and by this project, with cold and with warm
  kernels. Warm includes the start of the server. What bounds them: imports for cold ones (seconds
  each), starting and ending IPython for warm ones.
- Scaling: cells that only compute, on one worker and on two. Cores bound it.
- Grids: expanding experiments.yml, planning before and after a run of everything, and reading the
  records, for grids of real Pythia's checkpoints that pretend to have run. Files bound the reading.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from pythia_utils.engine import runner
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.engine.preload import kernel_pool
from pythia_utils.grid import config as experiments
from pythia_utils.grid import expand, planning, records
from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.suites.errata import CheckpointWarning
from pythia_utils.suites.folders import checkpoint_path

ROOT = Path(__file__).resolve().parents[1]
PARAMETERS = (
    'suite: str = "pico"  # suite\nmodel: str = "pico-7k"  # model\nstep: int = 0  # step\n'
)
FORWARD = """\
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
config = GPTNeoXConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                       intermediate_size=64)
network = GPTNeoXForCausalLM(config).eval()
with torch.inference_mode():
    print(network(input_ids=torch.arange(32)[None]).logits.shape)"""
COMPUTE = "total = 0\nfor number in range(60_000_000): total += number\nprint(total)"
RECORDS = 12  # of a cell of a pretended grid
SIZES = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
MODELS = [f"pythia-{size}{variant}" for variant in ("", "-deduped") for size in SIZES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=30, help="notebooks that import and run")
    parser.add_argument("--loop-cells", type=int, help="by plain papermill; as many by default")
    parser.add_argument("--scaling", type=int, default=8, help="notebooks that only compute")
    parser.add_argument("--grids", type=int, nargs="*", default=[1000, 5000, 25000], help="sizes")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    warnings.simplefilter("ignore", CheckpointWarning)  # that faulty checkpoints are left out
    with tempfile.TemporaryDirectory(prefix="pythia-grid-") as folder:
        os.environ["PYTHIA_HOME"] = f"{folder}/home"
        if options.cells:
            bench_cells(Path(folder), options.cells, options.loop_cells or options.cells)
        if options.scaling:
            bench_scaling(Path(folder), options.scaling)
        if options.grids:
            bench_grids(Path(folder), options.grids)


def row(what: str, *values: object) -> None:
    print(f"{what:<44}" + "".join(f"{value!s:>14}" for value in values), flush=True)


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


# --- cells ----------------------------------------------------------------------------------------


def make_project(root: Path, names: list[str], code: str, profile: str) -> None:
    """A project of experiments that all run one notebook."""
    root.mkdir(parents=True, exist_ok=True)
    tagged = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [tagged, nbformat.v4.new_code_cell(code)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    nbformat.write(notebook, root / "cell.ipynb")
    entries = [f"  {name}: {{title: Bench, notebook: cell.ipynb}}" for name in names]
    text = ["profiles:", f"  quick: {profile}", "experiments:", *entries]
    (root / "experiments.yml").write_text("\n".join(text) + "\n", encoding="utf-8")


def pico_cells(root: Path, code: str, n: int) -> list:
    """`n` cells over checkpoints of a few bytes, which nothing opens."""
    make_project(root, ["bench"], code, "{suite: pico, models: all, steps: all}")
    cells = expand.expand(experiments.load_config(root))[:n]
    for model in suite("pico").models.values():
        for checkpoint in model.checkpoints:
            path = checkpoint_path(checkpoint) / "model.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{model.name} {checkpoint.step}", encoding="utf-8")
    return cells


def run_all(cells: list, workers: int, warm: bool) -> None:
    ledger = Ledger(cells[0].root / "ledger.jsonl")
    outcomes = runner.run(cells, ledger, workers, quiet=True, options=KernelOptions(warm=warm))
    if failures := runner.failure_table(outcomes):
        sys.exit(failures)


def papermill_loop(cells: list) -> None:
    for cell in cells:
        command = [sys.executable, "-m", "papermill", "-k", "python3", "--no-progress-bar"]
        command += [str(cell.notebook), str(cell.root / "out.ipynb")]
        for name, value in cell.parameters.items():
            command += ["-p", name, str(value)]
        subprocess.run(command, check=True, capture_output=True)


def start_server() -> None:
    with kernel_pool() as pool:
        pool.server(dict(os.environ))


def bench_cells(folder: Path, n: int, n_loop: int) -> None:
    cells = pico_cells(folder / "cells", FORWARD, n)
    run_all(cells[:1], 1, warm=False)  # files are in memory from here on, for all
    loop = timed(lambda: papermill_loop(cells[:n_loop])) / min(n, n_loop)
    row(f"a cell, of {n}", "seconds", "times faster")
    row("papermill in a loop", f"{loop:.2f}", "1.0")
    server = timed(start_server)
    row("(starting the server of warm ones, once)", f"{server:.2f}")
    for workers in (1, 2):
        for warm in (False, True):
            seconds = timed(lambda w=workers, h=warm: run_all(cells, w, h)) / len(cells)
            name = f"{'warm' if warm else 'cold'}, {workers} worker{'s'[: workers - 1]}"
            row(name, f"{seconds:.2f}", f"{loop / seconds:.1f}")


def bench_scaling(folder: Path, n: int) -> None:
    cells = pico_cells(folder / "scaling", COMPUTE, n)
    one, two = (timed(lambda w=workers: run_all(cells, w, warm=True)) for workers in (1, 2))
    row(f"{n} cells that only compute", "seconds", "times faster")
    row("1 worker", f"{one:.1f}", "1.0")
    row("2 workers", f"{two:.1f}", f"{one / two:.2f}")


# --- grids ----------------------------------------------------------------------------------------


def bench_grids(folder: Path, sizes: list[int]) -> None:
    row("seconds for a grid of cells", *(f"{size:,}" for size in sizes), "growth")
    columns = [bench_grid(folder / f"grid{size}", size) for size in sizes]
    for name in columns[0]:
        seconds = [column[name] for column in columns]
        # Of the exponent: 1 is proportional to the number of cells.
        power = np.polyfit(np.log(sizes), np.log(seconds), 1)[0] if len(sizes) > 1 else np.nan
        row(name, *(f"{value:.2f}" for value in seconds), f"n^{power:.2f}")


def bench_grid(root: Path, size: int) -> dict[str, float]:
    """Seconds of each operation on a grid of `size` cells."""
    checkpoints = [c for name in MODELS for c in find_model(name).checkpoints]
    sound = sum(all(e.kind == "expected" for e in c.errata) for c in checkpoints)
    names = [f"bench{i}" for i in range(-(-size // sound))]
    profile = f"{{suite: pythia, models: [{', '.join(MODELS)}], steps: all}}"
    make_project(root, names, FORWARD, profile)
    config = experiments.load_config(root)
    ledger = Ledger(root / "runs" / "ledger.jsonl")
    seconds = {"expand": timed(lambda: expand.expand(config))}
    cells = expand.expand(config)[:size]
    seconds["plan, nothing has run"] = timed(lambda: planning.plan(cells, ledger))
    pretend(cells, ledger)
    due: list = []
    again = "plan, everything has run"
    seconds[again] = timed(lambda: due.extend(r for _, r in planning.plan(cells, ledger) if r))
    assert not due, f"a grid that has run is due again: {due[0]}"
    seconds["read records"] = timed(lambda: read_all(names, root))
    return seconds


def pretend(cells: list, ledger: Ledger) -> None:
    """Files and ledger as if all cells had run: `RECORDS` rows each, and an empty notebook."""
    memo: dict = {}
    for cell in cells:
        parts = cell.parts(memo)
        frame = pd.DataFrame(
            {name: [cell.parameters.get(name, "x")] * RECORDS for name in records.COLUMNS}
        )
        frame[["metric", "subset"]] = [["accuracy", f"part {i}"] for i in range(RECORDS)]
        frame["experiment"] = cell.experiment
        frame[["n_params", "tokens_seen", "n"]] = 1
        frame[["value", "stderr"]] = 0.5
        records.write(cell.records, frame)
        cell.output.touch()
        fingerprint = cell.fingerprint(parts)
        ledger.append(
            Outcome(cell.id, "done", 1.0, None, cell.output, fingerprint, parts, rows=RECORDS)
        )


def read_all(names: list[str], root: Path) -> None:
    for name in names:
        records.read(name, runs=root / "runs")


if __name__ == "__main__":
    main()
