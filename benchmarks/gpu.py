"""What a GPU makes of this project, in at most 8 minutes: `python benchmarks/gpu.py --write`.

Prints two tables; `--write` puts them into `gpu.md` beside this file, where the last ones stand.
All weights are random, of Pythia's shapes, and made on the device, in bfloat16; nothing is fetched.

- Rate: arithmetic of the matrices that a measure needs on its tokens, over that of one large matrix product
  in the same dtype, measured in the same run. What is lacking is attention, norms and activations, the
  exponentials of the softmax, and padding. Memorization is counted as one pass over the prompts, which
  settles nearly all random sequences.
- Memory: the most that PyTorch has reserved, beside what a grid reckons for a cell with such a model
  (`engine/gpus.py`: room for weights, activations and CUDA itself). Batches are as large as half of the
  free memory allows, so a cell that is alone may take more.
- Looking inside: the parts of `circuits.py`, of smaller shapes.
- Grid: a notebook a cell, which loads a checkpoint and measures likelihoods, in warm kernels. Their server
  never opens the GPU; each fork does, and says so. (`grid.py` has cold kernels beside warm ones.)
- Spread: a model cut by accelerate over all GPUs, because each may hold but a part, beside the same model on
  one. It needs two.

Each row is printed, and written, as soon as it is measured; a part that fails or takes too long says so, and
the next begins. `--device cpu --shapes 14m --looked-into ""` tries the script without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's package, wherever the benchmark is started

import circuits  # noqa: E402  (beside this file, as are the next two)
from grid import pico_cells, run_all  # noqa: E402
from measured import (  # noqa: E402
    Part,
    Row,
    Table,
    best,
    free_afterwards,
    giga,
    network,
    peak,
    run_parts,
    write,
)

from pythia_utils.engine import gpus  # noqa: E402
from pythia_utils.evaluation import likelihood, memorization, minimal_pairs  # noqa: E402
from pythia_utils.evaluation.sets import minimal_pairs as nano_pairs  # noqa: E402
from pythia_utils.suites.catalog import find_model  # noqa: E402

FILE = Path(__file__).with_name("gpu.md")
COLUMNS = ("measure", "seconds", "amount a second", "rate", "of a product", "memory", "reckoned")
PROMPT = CONTINUATION = 32
CODE = """\
import torch
from transformers import GPTNeoXForCausalLM
from pythia_utils.evaluation.likelihood import token_logprobs
network = GPTNeoXForCausalLM.from_pretrained({folder!r}, dtype=torch.{dtype}).to({device!r}).eval()
rows = torch.randint(1, 50_000, (8, 129)).numpy()
found = token_logprobs(network, rows)
print("measured on", network.device.type, len(found))"""


@dataclass(frozen=True)
class Amounts:
    """How much is measured: enough to fill a GPU, or little for a CPU."""

    pairs: int  # of each of nano's phenomena
    rows: int  # texts
    length: int  # tokens of each
    sequences: int  # to test for memorization
    product: int  # rows and columns of the matrices of the plain product


AMOUNTS = {"cuda": Amounts(400, 128, 1025, 20_000, 8192), "cpu": Amounts(2, 4, 65, 40, 1024)}


def main() -> None:
    options = _options()
    device = options.device
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit(
            "no GPU that torch can use; --device cpu --shapes 14m tries the script without one"
        )
    begun = time.monotonic()
    tables = Table("gpu.py", device, COLUMNS), Table("gpu.py", device, circuits.COLUMNS)

    def keep(table: Table, row: Row) -> None:
        table.add(row)
        write(options.write, *tables)

    # The short ones first: what takes long is what may be cut.
    looked = [name for name in options.looked_into.split(",") if name]
    inside = circuits.parts([f"pythia-{name}" for name in looked], device, list(circuits.PARTS))
    run_parts(inside, options.minutes / 2, partial(keep, tables[1]))
    others = measures(options, AMOUNTS[device])
    run_parts(others, options.minutes, partial(keep, tables[0]), since=begun)
    print(write(None, *tables))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--shapes", default="160m,410m,1b,6.9b", help="by commas")
    parser.add_argument("--looked-into", default="160m,410m", help="shapes of circuits.py")
    parser.add_argument("--cells", type=int, default=6, help="of the grid; 0 for none")
    parser.add_argument("--minutes", type=float, default=8, help="after which it ends")
    parser.add_argument(
        "--write", type=Path, nargs="?", const=FILE, help="also into a file; by default gpu.md"
    )
    return parser.parse_args()


def measures(options: argparse.Namespace, amounts: Amounts) -> Iterator[Part]:
    """All parts but those of `circuits.py`, the smallest shape and the grid first."""
    device = options.device
    dtype = circuits.usual_dtype(device)
    yield Part("a matrix product", partial(bench_product, device, dtype, amounts))
    first, *others = options.shapes.split(",")
    shape = partial(Part, seconds=90)
    yield shape(first, partial(bench_shape, first, device, dtype, amounts))
    if options.cells:
        grid = partial(bench_grid, first, device, dtype, options.cells)
        yield Part("the grid", grid, seconds=180)
    for name in others:
        yield shape(name, partial(bench_shape, name, device, dtype, amounts))
    last = options.shapes.split(",")[-1]
    yield shape("spread", partial(bench_spread, last, device, dtype, amounts))


# --- rates ----------------------------------------------------------------------------------------


def bench_product(device: str, dtype: torch.dtype, amounts: Amounts) -> Iterator[Row]:
    limit = product_rate(device, dtype, amounts.product)
    yield (f"a product of {amounts.product:,} x {amounts.product:,}", "", "", _tera(limit), "100%")


def product_rate(device: str, dtype: torch.dtype, size: int) -> float:
    """Floating-point operations a second of a plain product of two large matrices."""
    a = torch.randn(size, size, device=device, dtype=dtype)
    out = torch.empty_like(a)

    def multiply() -> None:
        for _ in range(10):
            torch.mm(a, a, out=out)

    return 10 * 2 * size**3 / best(multiply, device=device)[0]


def _tera(rate: float) -> str:
    return f"{rate / 1e12:.3g} TFLOP/s"


def reckoned(shape: str) -> str:
    """What a grid reckons for a cell with such a model: of GPUs of one byte it would need as many as bytes."""
    checkpoint = find_model(f"pythia-{shape}").checkpoint(0)
    cell = SimpleNamespace(checkpoint=checkpoint, device="auto", dtype="auto")
    return giga(gpus.demand(cell, 1))


# --- measures of one model ------------------------------------------------------------------------


def bench_shape(shape: str, device: str, dtype: torch.dtype, amounts: Amounts) -> Iterator[Row]:
    with free_afterwards(device):
        model = network(f"pythia-{shape}", device, dtype)
        check(model)
        body = sum(p.numel() for p in model.gpt_neox.layers.parameters() if p.dim() == 2)
        head = model.get_output_embeddings().weight.numel()
        for what, count, function, tokens, projected in work(model, amounts):
            with free_afterwards(device):
                (took,) = best(function, device=device)
                taken = peak(device)
            limit = product_rate(device, dtype, amounts.product)  # now: clocks change with the heat
            rate = 2 * (body * tokens + head * projected) / took
            row = (f"{shape}: {what}", f"{took:.3f}", f"{count / took:,.0f}", _tera(rate))
            yield (*row, f"{rate / limit:.0%}", taken, reckoned(shape))


def work(model, amounts: Amounts) -> Iterator[tuple[str, int, Callable[[], object], int, int]]:
    """Of each measure: its name, how many, the call, tokens through the layers, and through the vocabulary."""
    rng = np.random.default_rng(0)
    pairs = nano_pairs(amounts.pairs)
    prepared = minimal_pairs.prepare_pairs(tokenizer(pairs), pairs)
    tree = prepared.tree
    padding = int(((tree.depths == 0) & (tree.ids == 0)).sum()) - len(tree.ids)
    nodes = int(tree.sees.any(dim=2).sum()) - padding
    normalized = len(prepared.normalized)
    yield (
        f"{len(pairs):,} minimal pairs",
        len(pairs),
        lambda: prepared.score(model),
        nodes,
        normalized,
    )
    texts = rng.integers(1, 50_000, size=(amounts.rows, amounts.length))
    read = texts.size - len(texts)
    name = f"likelihoods of {read:,} tokens"
    yield name, read, lambda: likelihood.token_logprobs(model, texts), read, read
    count = amounts.sequences
    rows = rng.integers(1, 50_000, size=(count, PROMPT + CONTINUATION))

    def recite() -> object:
        return memorization.memorized(model, rows, PROMPT, CONTINUATION)

    yield f"memorization of {count:,} sequences", count, recite, count * PROMPT, count


def tokenizer(pairs: list):
    """A token a word of these pairs; their sentences are about as long as BLiMP's."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word for pair in pairs for text in (pair.good, pair.bad) for word in text.split()}
    known = {word: number for number, word in enumerate(["<|endoftext|>", *sorted(words)])}
    made = Tokenizer(models.WordLevel(known, unk_token="<|endoftext|>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>")


@torch.inference_mode()
def check(model) -> None:
    """Before times: likelihoods are the model's own, as far as its dtype goes."""
    ids = torch.randint(1, 50_000, (1, 33), generator=torch.Generator().manual_seed(0))
    logits = model(input_ids=ids[:, :-1].to(model.device)).logits.float().log_softmax(-1).cpu()
    direct = logits[0].gather(-1, ids[0, 1:, None])[:, 0]
    (found,) = likelihood.token_logprobs(model, ids.numpy())
    off = float((torch.from_numpy(found) - direct).abs().max())
    assert off < (0.2 if model.dtype == torch.bfloat16 else 1e-3), f"off by {off:.3g} nats"


# --- the grid -------------------------------------------------------------------------------------


def bench_grid(shape: str, device: str, dtype: torch.dtype, n: int) -> Iterator[Row]:
    """Whole cells in warm kernels, the start of their server included; all must have measured on the device."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    with tempfile.TemporaryDirectory(prefix="pythia-gpu-") as name:
        folder, home = Path(name), os.environ.get("PYTHIA_HOME")
        os.environ["PYTHIA_HOME"] = str(folder / "home")
        try:
            with free_afterwards(device):  # else the cells would have less
                network(f"pythia-{shape}", device, dtype).save_pretrained(folder / "model")
            said = {"folder": str(folder / "model"), "dtype": str(dtype).removeprefix("torch.")}
            cells = pico_cells(folder / "grid", CODE.format(device=device, **said), n)
            start = time.perf_counter()
            run_all(cells, 1, warm=True)
            took = time.perf_counter() - start
            check_outputs(cells, device)
            yield f"{shape}: {n} cells of a grid", f"{took:.1f}", f"{n / took:.2f}"
        finally:
            os.environ.pop("PYTHIA_HOME") if home is None else os.environ.update(PYTHIA_HOME=home)


def check_outputs(cells: list, device: str) -> None:
    for cell in cells:
        outputs = json.loads(cell.output.read_text(encoding="utf-8"))["cells"][-1]["outputs"]
        said = "".join(line for each in outputs for line in each.get("text", ""))
        assert f"measured on {device} 8" in said, said


# --- several GPUs ---------------------------------------------------------------------------------


def bench_spread(shape: str, device: str, dtype: torch.dtype, amounts: Amounts) -> Iterator[Row]:
    """A model of which each GPU may hold its share and a little more, beside the same on one."""
    cards = torch.cuda.device_count() if device == "cuda" else 0
    if cards < 2:
        yield (f"{shape}: spread over GPUs: not measured, it needs two",)
        return
    from accelerate import dispatch_model, infer_auto_device_map

    texts = np.random.default_rng(0).integers(1, 50_000, size=(16, amounts.length))
    with free_afterwards(device):
        model = network(f"pythia-{shape}", device, dtype)
        whole = likelihood.token_logprobs(model, texts)
        (alone,) = best(lambda: likelihood.token_logprobs(model, texts), device=device)
        share = 1.2 * sum(p.numel() * p.itemsize for p in model.parameters()) / cards
        limits = dict.fromkeys(range(cards), int(share))
        places = infer_auto_device_map(model, limits, no_split_module_classes=["GPTNeoXLayer"])
        spread = dispatch_model(model.cpu(), places)
        assert len({p.device for p in spread.parameters()}) > 1, places
        found = likelihood.token_logprobs(spread, texts)
        off = max(float(np.abs(a - b).max()) for a, b in zip(whole, found, strict=True))
        assert off < 0.5, f"off by {off:.3g} nats"
        (took,) = best(lambda: likelihood.token_logprobs(spread, texts), device=device)
    tokens = texts.size - len(texts)
    name = f"{shape}: likelihoods of {tokens:,} tokens"
    yield f"{name}, on one GPU", f"{alone:.3f}", f"{tokens / alone:,.0f}"
    yield f"{name}, spread over {cards}", f"{took:.3f}", f"{tokens / took:,.0f}"


if __name__ == "__main__":
    main()
