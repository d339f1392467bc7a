"""How fast scoring is, beside the tools that one would take instead: `python benchmarks/scoring.py`.

Results are compared before times: accuracies of each paradigm with lm-evaluation-harness's, verdicts on
memorization with those of greedy generation. All weights are random, of Pythia's shapes; the tokenizer is
Pythia's and the pairs are BLiMP's, both from the folder PYTHIA_REFERENCE. What bounds each:

- Minimal pairs, a process per checkpoint: the harness's own start, imports and requests, and then what
  bounds one process.
- Minimal pairs, one process: arithmetic. Ours has less of it: a shared beginning is run once, the
  vocabulary is projected onto only where two sentences differ, in blocks that stay in the cache.
- Memorization: one pass over the prompt against that and 31 more steps, each with the vocabulary.
- Rate: arithmetic of the model's matrices on tokens that are not padding, over the rate of a large
  matrix product alone. What is lacking is attention, norms, activations and the softmax's exponentials.

Needs the extra `bench` (lm-eval). A GPU, where there is one, adds larger shapes in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's package, wherever the benchmark is started

from pythia_utils.evaluation import likelihood, memorization, minimal_pairs  # noqa: E402
from pythia_utils.evaluation.sets import load_pairs  # noqa: E402
from pythia_utils.suites.catalog import data_dir, find_model  # noqa: E402
from pythia_utils.suites.neox_config import hf_config  # noqa: E402

REFERENCE = Path(os.environ.get("PYTHIA_REFERENCE", ROOT.parent / "shared" / "reference"))
PROMPT = CONTINUATION = 32
CLOSE = 1e-2  # nats; a margin that rounding could turn


def main() -> None:
    options = _options()
    if options.worker:
        return WORKERS[options.worker](Path(options.folder), options)
    if not (REFERENCE / "blimp.tar.xz").is_file():
        sys.exit(f"no blimp.tar.xz in {REFERENCE}; set PYTHIA_REFERENCE to the reference data")
    threads = torch.get_num_threads()
    print(f"CPU: {threads} threads, float32, {matmul_rate('cpu', torch.float32) / 1e9:.0f} GFLOP/s")
    row("measure", "this project", "the other", "ratio", "target")
    if "pairs" in options.parts:
        bench_pairs(options)
    if "memorized" in options.parts:
        bench_memorized(options.shape, options.sequences, "cpu", torch.float32)
    if "rate" in options.parts:
        for shape in options.rate_shapes.split(","):
            bench_rate(shape, options.pairs, "cpu", torch.float32)
    if "gpu" in options.parts:
        bench_gpu(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = ["pairs", "memorized", "rate", "gpu"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--checkpoints", type=int, default=12, help="to sweep over")
    parser.add_argument("--pairs", type=int, default=50, help="of each of BLiMP's 67 paradigms")
    parser.add_argument("--sequences", type=int, default=2000, help="to test for memorization")
    parser.add_argument("--shape", default="14m", help="of the sweep and of memorization")
    parser.add_argument("--rate-shapes", default="70m,160m", help="by commas")
    parser.add_argument("--batch-size", default="64", help="of lm-evaluation-harness")
    parser.add_argument("--worker", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def row(
    what: str, ours: object = "", other: object = "", ratio: object = "", target: str = ""
) -> None:
    print(f"{what:<64} {ours!s:>14} {other!s:>14} {ratio!s:>7} {target:>7}", flush=True)


def seconds(function: Callable[[], object], device: str = "cpu") -> tuple[float, object]:
    start = time.perf_counter()
    result = function()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


def best(*measured: Callable[[], object], device: str = "cpu", rounds: int = 3) -> list[float]:
    """Seconds of the fastest round of each; they take turns, so that a busy moment hits all."""
    times = [[seconds(function, device)[0] for function in measured] for _ in range(rounds)]
    return np.min(times, axis=0).tolist()


# --- models ---------------------------------------------------------------------------------------


def network(shape: str, seed: int = 0, device: str = "cpu", dtype: torch.dtype = torch.float32):
    """A random network of a Pythia shape, whose logits are as far apart as a trained one's (std 2)."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    torch.manual_seed(seed)
    config = GPTNeoXConfig(**hf_config(find_model(f"pythia-{shape}")))
    with torch.device(device):
        model = GPTNeoXForCausalLM(config).eval()
    torch.nn.init.normal_(model.get_output_embeddings().weight, std=2 / config.hidden_size**0.5)
    return model.to(dtype)


def tokenizer():
    from transformers import PreTrainedTokenizerFast

    end = "<|endoftext|>"
    file = str(REFERENCE / "20B_tokenizer.json")
    return PreTrainedTokenizerFast(tokenizer_file=file, eos_token=end, bos_token=end)


def save_checkpoints(folder: Path, options: argparse.Namespace) -> list[Path]:
    from transformers.utils import logging

    logging.disable_progress_bar()
    folders = [folder / f"step{step}" for step in range(options.checkpoints)]
    for seed, path in enumerate(folders):
        network(options.shape, seed).save_pretrained(path)
        tokenizer().save_pretrained(path)
    return folders


def swapped(folder: Path, device: str = "cpu") -> Iterator[tuple[str, object]]:
    """Each checkpoint's name, and one network with its weights: the sweep of a user of either tool."""
    from safetensors.torch import load_file
    from transformers import GPTNeoXForCausalLM

    paths = sorted(folder.glob("step*"))
    model = GPTNeoXForCausalLM.from_pretrained(paths[0], dtype="float32").to(device).eval()
    for path in paths:
        weights = load_file(path / "model.safetensors")
        weights["lm_head.weight"] = weights.pop("embed_out.weight")  # the file's name for it
        model.load_state_dict(weights)
        yield path.name, model


# --- minimal pairs --------------------------------------------------------------------------------


def bench_pairs(options: argparse.Namespace) -> None:
    """A sweep as it is run: whole processes, from their start to the accuracies of every checkpoint."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints = save_checkpoints(folder, options)
        write_blimp_tasks(folder, options.pairs)
        ours, _ = seconds(lambda: run_worker("ours", folder, options))
        once, _ = seconds(lambda: run_worker("theirs", folder, options))
        each, _ = seconds(lambda: [run_harness(path, folder, options) for path in checkpoints])
        found = {
            who: json.loads((folder / f"{who}.json").read_text(encoding="utf-8")) for who in WORKERS
        }
        separate = {path.name: harness_accuracies(path) for path in checkpoints}
    compare_accuracies(found["ours"], found["theirs"])
    compare_accuracies(found["ours"], separate)
    size = f"{options.checkpoints} checkpoints x {67 * options.pairs} BLiMP pairs, {options.shape}"
    row(f"{size}, equal accuracies:")
    for what, other, target in (
        ("lm_eval started for each (s)", each, "5"),
        ("lm-eval in one process (s)", once, "1.5"),
    ):
        row(f"  against {what}", f"{ours:.1f}", f"{other:.1f}", f"{other / ours:.1f}", target)


def run_worker(who: str, folder: Path, options: argparse.Namespace) -> None:
    words = ["--worker", who, "--folder", str(folder), "--pairs", str(options.pairs)]
    run([__file__, *words, "--batch-size", options.batch_size])


def run_harness(checkpoint: Path, tasks: Path, options: argparse.Namespace) -> None:
    words = ["--model", "hf", "--model_args", f"pretrained={checkpoint},dtype=float32"]
    words += ["--include_path", str(tasks), "--tasks", "blimp_pairs", "--device", "cpu"]
    words += ["--batch_size", options.batch_size, "--output_path", str(checkpoint / "results")]
    run(["-m", "lm_eval", "run", *words])


def run(words: list[str]) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, *words], env=env, capture_output=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr[-3000:]}")


def write_blimp_tasks(folder: Path, pairs: int) -> None:
    """Our task file with BLiMP's paradigms for nano's phenomena."""
    shipped = data_dir() / "lm_eval_tasks"
    shutil.copy(shipped / "pairs.py", folder)
    text = (
        (shipped / "nano_grammar.yaml")
        .read_text(encoding="utf-8")
        .replace("nano_grammar", "blimp_pairs")
    )
    source = json.dumps({"source": str(REFERENCE / "blimp.tar.xz"), "n": pairs})[1:-1]
    names = dict.fromkeys(pair.paradigm for pair in load_pairs(REFERENCE / "blimp.tar.xz", 1))
    tasks = [f'  - {{task: {n}, dataset_kwargs: {{"paradigm": {n}, {source}}}}}' for n in names]
    head = text[: text.index("\ntask:\n")]
    (folder / "blimp_pairs.yaml").write_text(
        "\n".join([head, "task:", *tasks, ""]), encoding="utf-8"
    )


def blimp(pairs: int | None) -> list:
    """So many pairs of each paradigm that a model can answer."""
    return minimal_pairs.answerable(tokenizer(), load_pairs(REFERENCE / "blimp.tar.xz", pairs))[0]


def worker_ours(folder: Path, options: argparse.Namespace) -> None:
    pairs = blimp(options.pairs)
    prepared = minimal_pairs.prepare_pairs(tokenizer(), pairs)
    paradigms = [pair.paradigm for pair in pairs]
    found = {}
    for name, model in swapped(folder):
        scores = prepared.score(model)
        close = scores["margin"].abs() < CLOSE
        groups = scores.assign(close=close).groupby(paradigms)
        found[name] = groups[["correct", "close"]].mean().to_dict("index")
    (folder / "ours.json").write_text(json.dumps(found), encoding="utf-8")


def worker_theirs(folder: Path, options: argparse.Namespace) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder))
    harness, found = None, {}
    for name, model in swapped(folder):
        harness = harness or HFLM(
            pretrained=model, tokenizer=tokenizer(), batch_size=int(options.batch_size)
        )
        out = simple_evaluate(
            harness, tasks=["blimp_pairs"], task_manager=manager, log_samples=False
        )
        found[name] = _accuracies(out["results"])
    (folder / "theirs.json").write_text(json.dumps(found), encoding="utf-8")


WORKERS = {"ours": worker_ours, "theirs": worker_theirs}


def harness_accuracies(checkpoint: Path) -> dict[str, float]:
    (file,) = checkpoint.glob("results/**/results_*.json")
    return _accuracies(json.loads(file.read_text(encoding="utf-8"))["results"])


def _accuracies(results: dict) -> dict[str, float]:
    accuracies = {name: result["acc,none"] for name, result in results.items()}
    return {name.partition("::")[2]: value for name, value in accuracies.items() if "::" in name}


def compare_accuracies(ours: dict, theirs: dict) -> None:
    """Equal, but for pairs whose margin is so small that rounding may turn it."""
    for checkpoint, paradigms in ours.items():
        assert paradigms.keys() == theirs[checkpoint].keys()
        for name, mine in paradigms.items():
            off = abs(mine["correct"] - theirs[checkpoint][name])
            assert off <= mine["close"] + 1e-9, (checkpoint, name, mine, theirs[checkpoint][name])


# --- memorization ---------------------------------------------------------------------------------


def bench_memorized(shape: str, count: int, device: str, dtype: torch.dtype) -> None:
    """Against greedy generation in batches of 1024, as the suite's own evaluation does it.

    That one turns the key-value cache off, which costs it some more; here it has the cache.
    """
    model = network(shape, device=device, dtype=dtype)
    sequences = to_recite(model, count)
    for warm_up in (verdicts, recited_by_generation):
        warm_up(model, sequences[:8])
    ours, found = seconds(lambda: verdicts(model, sequences), device)
    theirs, generated = seconds(lambda: recited_by_generation(model, sequences), device)
    assert np.array_equal(found, generated)
    what = f"memorization of {count} x {PROMPT + CONTINUATION} tokens, {shape} {_name(dtype)}"
    row(f"{what}, {generated.sum()} memorized, equal verdicts:")
    row("  against generating (s)", f"{ours:.2f}", f"{theirs:.1f}", f"{theirs / ours:.1f}", "8")


def to_recite(model, count: int) -> np.ndarray:
    """Random sequences; one in fifty as the model continues them, and as many so but for one token."""
    rng = np.random.default_rng(0)
    sequences = rng.integers(1, 50_000, size=(count, PROMPT + CONTINUATION))
    known = count // 50
    prompts = torch.from_numpy(sequences[: 2 * known, :PROMPT]).to(model.device)
    sequences[: 2 * known] = generate(model, prompts).cpu().numpy()
    spoilt = np.arange(known, 2 * known)
    sequences[spoilt, rng.integers(PROMPT, PROMPT + CONTINUATION, known)] += 1
    return sequences


def generate(model, prompts: torch.Tensor) -> torch.Tensor:
    total = PROMPT + CONTINUATION
    ones = torch.ones_like(prompts)
    return model.generate(
        prompts, attention_mask=ones, do_sample=False, max_length=total, min_length=total
    )


@torch.inference_mode()
def recited_by_generation(model, sequences: np.ndarray, batch: int = 1024) -> np.ndarray:
    found = []
    for rows in torch.from_numpy(sequences).split(batch):
        rows = rows.to(model.device)
        same = generate(model, rows[:, :PROMPT])[:, PROMPT:] == rows[:, PROMPT:]
        found.append(same.float().mean(dim=1).cpu() == 1)
    return torch.cat(found).numpy()


def verdicts(model, sequences: np.ndarray) -> np.ndarray:
    return memorization.memorized(model, sequences, PROMPT, CONTINUATION)["memorized"].to_numpy()


# --- rate -----------------------------------------------------------------------------------------


def bench_rate(shape: str, pairs: int, device: str, dtype: torch.dtype) -> None:
    """Floating-point operations of the model's matrices a second, over those of a matrix product."""
    model = network(shape, device=device, dtype=dtype)
    prepared = minimal_pairs.prepare_pairs(tokenizer(), blimp(pairs))
    texts = np.random.default_rng(0).integers(1, 50_000, size=(48, 257))
    nodes = int(prepared.tree.sees.any(dim=2).sum()) - _padding(prepared.tree)
    measures = {
        "minimal pairs": (lambda: prepared.score(model), nodes, len(prepared.normalized)),
        "log-likelihoods": (lambda: likelihood.token_logprobs(model, texts), 48 * 256, 48 * 256),
    }
    for what, (function, tokens, projected) in measures.items():
        took, product = best(function, lambda: matmul(device, dtype), device=device)
        flops = 2 * (body_parameters(model) * tokens + model.lm_head.weight.numel() * projected)
        rate, limit = flops / took / 1e9, MATMUL_FLOPS / product / 1e9
        name = f"GFLOP/s of {what}, {shape} {_name(dtype)} | of a matrix product"
        row(name, f"{rate:.0f}", f"{limit:.0f}", f"{rate / limit:.0%}", "60%")


def _padding(tree) -> int:
    """Nodes at the rows' ends that stand for nothing: token 0 at depth 0, but for each row's first."""
    return int(((tree.depths == 0) & (tree.ids == 0)).sum()) - len(tree.ids)


def body_parameters(model) -> int:
    """Entries of the matrices that each token is multiplied with, without the vocabulary's."""
    return sum(p.numel() for p in model.gpt_neox.layers.parameters() if p.dim() == 2)


MATMUL_SIZE = 2048
MATMUL_FLOPS = 2 * MATMUL_SIZE**3 * 10


def matmul(device: str, dtype: torch.dtype) -> None:
    a = torch.ones(MATMUL_SIZE, MATMUL_SIZE, device=device, dtype=dtype)
    out = torch.empty_like(a)
    for _ in range(10):
        torch.mm(a, a, out=out)


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    (took,) = best(lambda: matmul(device, dtype), device=device)
    return MATMUL_FLOPS / took


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# --- on a GPU -------------------------------------------------------------------------------------


def bench_gpu(options: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        row("on a GPU: there is none here; nothing measured")
        return
    print(f"GPU: {torch.cuda.get_device_name()}, bfloat16")
    for shape in ("160m", "410m", "1b"):
        bench_memorized(shape, options.sequences, "cuda", torch.bfloat16)
        bench_rate(shape, options.pairs, "cuda", torch.bfloat16)
        bench_pairs_on_gpu(shape, options)


def bench_pairs_on_gpu(shape: str, options: argparse.Namespace) -> None:
    """One checkpoint in one process, both warm; accuracies agree to the share of margins below a nat."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    model = network(shape, device="cuda", dtype=torch.bfloat16)
    pairs = blimp(options.pairs)
    prepared = minimal_pairs.prepare_pairs(tokenizer(), pairs)
    with tempfile.TemporaryDirectory() as folder:
        write_blimp_tasks(Path(folder), options.pairs)
        harness = HFLM(pretrained=model, tokenizer=tokenizer(), batch_size=256)
        manager = TaskManager(include_path=folder)

        def harness_run() -> dict:
            return simple_evaluate(
                harness, tasks=["blimp_pairs"], task_manager=manager, log_samples=False
            )

        theirs_accuracy = np.mean(list(_accuracies(harness_run()["results"]).values()))
        scores = prepared.score(model)
        off = abs(scores["correct"].mean() - theirs_accuracy)
        assert off <= (scores["margin"].abs() < 1).mean(), off
        ours, theirs = best(lambda: prepared.score(model), harness_run, device="cuda")
    what = f"{len(pairs)} BLiMP pairs, {shape} bfloat16 (s)"
    row(what, f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.1f}", "1.5")


if __name__ == "__main__":
    main()
