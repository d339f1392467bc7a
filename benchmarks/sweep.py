"""A sweep over checkpoints against a loop of `from_pretrained`: `python benchmarks/sweep.py`.

The plain alternative is what the suite's README shows, `from_pretrained(..., revision="step3000")` for
each step. Both do the same work at each checkpoint (forward passes of a model of pythia-14m's shape,
float32 on the CPU, one thread), in a process of their own, in turn; results must be equal. The Hub is a
server on this machine that is as slow as an ordinary line. What bounds each line:

- Cold: the sweep fetches the next checkpoint while the caller works, so that it takes the longer of the
  two, and not their sum. At best it needs half of the loop's time, where both are equal; with much more
  work, or much more to fetch, the ratio goes to one. Fetching takes processor time too: on few cores
  the work itself gets slower meanwhile.
- Warm: nothing is fetched. The loop builds a model anew and asks the Hub for the commit; the sweep copies
  weights and asks nothing. The work itself is the same.
- Swap: one pass over the file's bytes and one over the model's, with the conversion to float32: memory
  bandwidth. Reading: one pass over a file that the system holds in memory.
- Memory: the sweep has one model and maps the next file; the loop for a moment two models, where the
  caller's variable still holds the last one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPO, MODEL = "EleutherAI/pythia-14m", "pythia-14m"
SHAPE = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4}
SHAPE |= {"intermediate_size": 512, "vocab_size": 50304, "max_position_embeddings": 2048}
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoints", type=int, default=12)
    parser.add_argument("--rate", type=float, default=30.0, help="of the Hub, MB/s")
    parser.add_argument("--latency", type=float, default=0.03, help="before each answer, seconds")
    parser.add_argument("--work", type=int, default=10, help="forward passes at each checkpoint")
    parser.add_argument("--rounds", type=int, default=2, help="of which the fastest counts")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.checkpoints, options.work)
        return
    row("measure", "this project", "plain", "ratio")
    bench_sweep(options)
    bench_swap()


def row(what: str, ours: object, plain: object = "", ratio: object = "") -> None:
    print(f"{what:<58} {ours!s:>14} {plain!s:>14} {ratio!s:>7}", flush=True)


def steps_of(count: int) -> list[int]:
    from pythia_utils.suites.catalog import find_model

    return list(find_model(MODEL).steps[:count])


# --- whole sweeps ---------------------------------------------------------------------------------


def bench_sweep(options: argparse.Namespace) -> None:
    sys.path.insert(0, str(ROOT / "tests"))
    from hub_server import checkpoint_files, serve_hub

    steps = steps_of(options.checkpoints)
    revisions = {f"step{step}": checkpoint_files(step, **SHAPE) for step in steps}
    size = sum(len(content) for files in revisions.values() for content in files.values()) / 1e6
    found: dict = {}
    with serve_hub({REPO: revisions}, latency=options.latency) as hub:
        hub.bytes_per_second = options.rate * 1e6
        for _ in range(options.rounds):
            for key, facts in one_round(hub, options).items():
                found[key] = min(found.get(key, facts), facts, key=lambda each: each["seconds"])
    sums = [found[key]["sum"] for key in found]
    assert sums == sums[:1] * len(sums), "the ways differ in what they compute"
    work = found["warm", "sweep"]["work"]
    row(
        f"{len(steps)} checkpoints of {size / len(steps):.0f} MB; work at all of them (s)",
        f"{work:.1f}",
    )
    row(f"  the line alone, {options.rate:.0f} MB/s (s)", f"{size / options.rate:.1f}")
    for temperature in ("cold", "warm"):
        ours, plain = found[temperature, "sweep"], found[temperature, "loop"]
        compare(f"{temperature} cache: wall time (s)", ours, plain, "seconds", ".1f")
        compare(f"{temperature} cache: besides the work (s)", ours, plain, "besides", ".1f")
        compare(f"{temperature} cache: peak memory (MB)", ours, plain, "peak", ".0f")
        compare(f"{temperature} cache: requests", ours, plain, "requests", "d")
        row(f"{temperature} cache: MB fetched", f"{ours['MB']:.0f}", f"{plain['MB']:.0f}")
    row(
        "  memory after the imports, before any model (MB)", f"{found['warm', 'sweep']['base']:.0f}"
    )


def one_round(hub, options: argparse.Namespace) -> dict:
    """Both ways in turn, each with an empty cache of its own, and again with what is in it then."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for temperature in ("cold", "warm"):
            for way in ("sweep", "loop"):
                asked, sent = len(hub.requests), hub.sent
                found[temperature, way] = run(way, hub.env(Path(folder) / way), options) | {
                    "requests": len(hub.requests) - asked,
                    "MB": (hub.sent - sent) / 1e6,
                }
    return found


def compare(what: str, ours: dict, plain: dict, key: str, form: str) -> None:
    ratio = f"{ours[key] / plain[key]:.2f}" if plain[key] else ""
    row(what, f"{ours[key]:{form}}", f"{plain[key]:{form}}", ratio)


def run(way: str, env: dict[str, str], options: argparse.Namespace) -> dict:
    """What a process of its own measures; imports apart."""
    command = [sys.executable, __file__, "--child", way, "--work", str(options.work)]
    command += ["--checkpoints", str(options.checkpoints)]
    home = {"PYTHIA_HOME": str(Path(env["HF_HOME"]) / "home"), "OMP_NUM_THREADS": "1"}
    paths = {"PYTHONPATH": str(ROOT), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    env = os.environ | env | home | paths
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def child(way: str, count: int, passes: int) -> None:
    """One way over all checkpoints, in this process; prints what it measured."""
    import torch
    from transformers import GPTNeoXForCausalLM  # noqa: F401

    import pythia_utils  # noqa: F401

    torch.set_num_threads(1)
    ids = torch.arange(128)[None]
    base, started, working, total = peak(), time.perf_counter(), 0.0, []
    for network in {"sweep": swept, "loop": looped}[way](steps_of(count)):
        begin = time.perf_counter()
        with torch.no_grad():
            for _ in range(passes):
                logits = network(ids).logits
        total.append(logits.double().sum().item())
        working += time.perf_counter() - begin
    seconds = time.perf_counter() - started
    facts = {"seconds": seconds, "work": working, "besides": seconds - working}
    print(json.dumps(facts | {"peak": peak(), "base": base, "sum": total}))


def peak() -> float:
    """Most memory that this process has held, MB."""
    status = Path("/proc/self/status")
    if status.exists():  # `ru_maxrss` counts the parent before this program was started
        return int(status.read_text(encoding="utf-8").split("VmHWM:")[1].split()[0]) / 1e3
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def swept(steps: list[int]):
    from pythia_utils import sweep

    for _, network in sweep(MODEL, steps, device="cpu", dtype="float32"):
        yield network


def looped(steps: list[int]):
    import torch
    from transformers import GPTNeoXForCausalLM

    for step in steps:
        model = GPTNeoXForCausalLM.from_pretrained(
            REPO, revision=f"step{step}", dtype=torch.float32
        )
        yield model.eval()


# --- one swap -------------------------------------------------------------------------------------


def bench_swap() -> None:
    """Time to put a checkpoint into a model, beside the time to read its file and to build a model."""
    import torch
    from hub_server import checkpoint_files
    from transformers.utils import logging

    from pythia_utils.suites import weights
    from pythia_utils.suites.catalog import find_model

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in checkpoint_files(0, **SHAPE).items():
            (folder / file).write_bytes(content)
        path = folder / "model.safetensors"
        model = find_model(MODEL)
        network = weights.build(folder, model, torch.float32)
        state = weights.read(folder)
        times = {
            "read": best(path.read_bytes),
            "ready": best(lambda: weights.read(folder, whole=True)),
            "swap": best(lambda: weights.swap(network, state)),
            "build": best(lambda: weights.build(folder, model, torch.float32)),
        }
        size = path.stat().st_size / 1e6
    row(
        f"swap {size:.0f} MB of float16 into float32 (ms), against reading",
        *ratio(times, "swap", "read"),
    )
    row("  read ahead and mapped (ms), against reading", *ratio(times, "ready", "read"))
    row("  swap (ms), against from_pretrained of that folder", *ratio(times, "swap", "build"))


def ratio(times: dict[str, float], ours: str, plain: str) -> tuple[str, str, str]:
    both = f"{1e3 * times[ours]:.1f}", f"{1e3 * times[plain]:.1f}"
    return *both, f"{times[ours] / times[plain]:.2f}"


def best(function) -> float:
    """Seconds of the fastest of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
