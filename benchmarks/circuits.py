"""What looking inside a network costs: `python benchmarks/circuits.py`.

Results are compared before times. All weights are random, of a suite's shapes. Parts, each of which can be
asked for alone (`--parts`), and what bounds them:

- hooks: a forward with hooks of each kind over a plain one, to the last hidden state. A hook that only looks
  costs a call in Python, some microseconds a layer: seen where a layer's own arithmetic is as short. Attention
  weights need attention that makes them (`eager`), which has its own price: bytes, the square of the length.
- libraries: one figure, the prefix-matching score of every head, by our hooks, TransformerLens and nnsight.
  All run the same modules on the same weights; the rest is Python, and copies of weights and activations. The
  package keeps its own hooks: figures are equal and a forward takes as long, but TransformerLens copies the
  weights of queries, keys and values, takes seconds to import, and cannot leave the vocabulary out; nnsight
  gains nothing over hooks, and is one more dependency.
- scores: all heads' scores by one forward and sums over all heads at once, over TransformerLens' way: keep
  every activation, then a loop over layers and heads. Bound by calls in Python for small networks, by the
  forward's arithmetic for large ones, where both run the same.
- lens: a tuned lens for every depth of a checkpoint, reading the text included: arithmetic, of which that of
  the vocabulary is the most.
- patching: every head's replacement, many in one forward, over a forward for each: arithmetic, which is saved
  below the layer of the replacement and where the versions begin alike; calls in Python for small networks.
- devices: how far scores and lenses in each precision, on the device, are from those in float32 on the CPU.

Where a library is not installed its rows say so (extra `bench`). On a GPU: `--device cuda --shapes
pythia-160m,pythia-410m`, or `gpu.py`, which has these parts too.
"""

from __future__ import annotations

import argparse
import copy
import functools
import gc
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's package, wherever the benchmark is started

from measured import Part, Row, Table, best, network, run_parts, timed, write  # noqa: E402

from pythia_utils.evaluation import patching, repeats, tuned_lens  # noqa: E402
from pythia_utils.evaluation.attention import SCORES, head_scores  # noqa: E402
from pythia_utils.evaluation.hooks import d_head, hooked, n_heads, n_layers  # noqa: E402
from pythia_utils.evaluation.inference import context_of, device_of, hidden_states  # noqa: E402
from pythia_utils.evaluation.lens import LOGIT_LENS  # noqa: E402
from pythia_utils.evaluation.lens_answers import answers  # noqa: E402

COLUMNS = ("measure", "ours", "the other", "ratio", "target")
KINDS = ("residual", "heads", "attention", "mlps")
PERIOD, GAP, SEQUENCES = 24, 8, 32
CLOSE = 1e-4  # how far scores may be apart, in float32
LIMITS = {"libraries": 300}  # seconds of a part; processes that import large libraries take longer


def main() -> None:
    options = _options()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.shapes)))
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU that torch can use")
    table = Table("circuits.py", options.device, COLUMNS)

    def keep(row: Row) -> None:
        table.add(row)
        write(options.write, table)

    shapes = options.shapes.split(",")
    run_parts(parts(shapes, options.device, options.parts), options.minutes, keep)
    print(table.text())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cpu")
    parser.add_argument("--shapes", default="pico-57k,pythia-14m,pythia-70m", help="by commas")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=10, help="after which it ends")
    parser.add_argument("--write", type=Path, help="the table also into a file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def parts(shapes: list[str], device: str, names: list[str]) -> Iterator[Part]:
    """All that is measured, shape by shape: small ones first."""
    for shape in shapes:
        for name in names:
            rows = functools.partial(PARTS[name], shape, device)
            yield Part(f"{shape}: {name}", rows, seconds=LIMITS.get(name, 90))


def attentive(shape: str, device: str, dtype: torch.dtype):
    """A random network whose heads choose: fresh weights would attend evenly, and all scores would be equal."""
    model = network(shape, device, dtype)
    for layer in model.base_model.layers:
        torch.nn.init.normal_(
            layer.attention.query_key_value.weight, std=2 / model.config.hidden_size**0.5
        )
    return model


def usual_dtype(device: str) -> torch.dtype:
    return torch.bfloat16 if device == "cuda" else torch.float32


def name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def milli(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def drawn(model, n: int = SEQUENCES, size: int = 400) -> repeats.Repeats:
    """Repeated sequences of random tokens, of an alphabet of so many."""
    return repeats.draw(np.arange(10, 10 + size), PERIOD, GAP, n, begin=0)


# --- hooks ----------------------------------------------------------------------------------------


def bench_hooks(shape: str, device: str) -> Iterator[Row]:
    """A forward with hooks that look at each tensor and do nothing with it, over a forward without."""
    dtype = usual_dtype(device)
    model = network(shape, device, dtype)
    length = min(context_of(model), 512 if device == "cuda" else 128)
    rows = (8192 if device == "cuda" else 2048) // length
    ids = torch.randint(1, 900, (rows, length), device=device)

    def run(*kinds: str) -> Callable[[], object]:
        looks = dict.fromkeys(kinds, lambda layer, tensor: None)

        def call() -> object:
            with torch.inference_mode(), hooked(model, **looks):
                return hidden_states(model, ids)

        return call

    wanted = [(), *((kind,) for kind in KINDS), KINDS]
    plain, *times = best(*(run(*kinds) for kinds in wanted), device=device, rounds=9)
    what = f"{shape} {name_of(dtype)}, a forward of {rows} x {length} tokens"
    for kinds, took in zip(wanted[1:], times, strict=True):
        name = f"{what}, hooks on {kinds[0] if len(kinds) == 1 else 'all of these'}"
        yield name, milli(took), milli(plain), f"{took / plain:.2f}", "1.3"
    with attention(model, "eager"):
        eager, took = best(run(), run("patterns"), device=device, rounds=9)
    yield f"{what}, eager over the usual", milli(eager), milli(plain), f"{eager / plain:.2f}"
    name = f"{what}, hooks on patterns, over eager"
    yield name, milli(took), milli(eager), f"{took / eager:.2f}", "1.3"
    plain, took = best(run(), run("patterns"), device=device, rounds=9)
    name = f"{what}, hooks on patterns, over the usual"
    yield name, milli(took), milli(plain), f"{took / plain:.2f}"


@contextmanager
def attention(model, implementation: str) -> Iterator[None]:
    before = model.config._attn_implementation
    model.set_attn_implementation(implementation)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


# --- libraries ------------------------------------------------------------------------------------


def matching(pattern: torch.Tensor) -> torch.Tensor:
    """Attention from each token of the copy but its last to the one behind its first occurrence: (heads,)."""
    keys = torch.arange(2, PERIOD + 1, device=pattern.device)
    return pattern[:, :, keys - 1 + PERIOD + GAP, keys].float().mean((0, 2))


@torch.inference_mode()
def by_hooks(run: Callable, model, ids: torch.Tensor) -> torch.Tensor:
    found: dict[int, torch.Tensor] = {}
    with hooked(model, patterns=lambda layer, p: found.__setitem__(layer, matching(p))):
        run(model, ids)
    return torch.stack(list(found.values()))


def whole(model, ids: torch.Tensor) -> object:
    return model(input_ids=ids, use_cache=False)


def bridge(model):
    """TransformerLens' network around this one."""
    from transformer_lens.model_bridge import TransformerBridge

    return TransformerBridge.boot_transformers(
        "EleutherAI/pythia-70m",  # a name that it knows; nothing is fetched
        hf_model=model,
        tokenizer=a_tokenizer(),
        device=device_of(model),
        dtype=model.dtype,
    )


def a_tokenizer():
    """Without one TransformerLens would fetch one. It is not used: token ids are given."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"<|endoftext|>": 0, "a": 1}, unk_token="<|endoftext|>"))
    end = "<|endoftext|>"  # of one that has a first token, TransformerLens would fetch another form
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end)


@torch.inference_mode()
def by_transformer_lens(network_there, ids: torch.Tensor) -> torch.Tensor:
    found: list[torch.Tensor] = []
    hooks = [
        (lambda name: name.endswith("attn.hook_pattern"), lambda p, hook: found.append(matching(p)))
    ]
    network_there.run_with_hooks(ids, fwd_hooks=hooks, return_type=None)
    return torch.stack(found)


def traced(model):
    """nnsight's around this one, whose attention makes its weights."""
    from nnsight import NNsight

    model.set_attn_implementation("eager")
    return NNsight(model)


@torch.inference_mode()
def by_nnsight(network_there, ids: torch.Tensor) -> torch.Tensor:
    with network_there.trace(ids, use_cache=False):
        found = list().save()  # noqa: C408  (a literal has no `save`)
        for layer in network_there.gpt_neox.layers:
            found.append(matching(layer.attention.output[1]))
    return torch.stack(found)


# TransformerLens cannot leave the vocabulary out, so the others have it too.
WAYS = {
    "own hooks": (lambda model: model, functools.partial(by_hooks, whole)),
    "own hooks, without the vocabulary": (
        lambda model: model,
        functools.partial(by_hooks, hidden_states),
    ),
    "transformer_lens": (bridge, by_transformer_lens),
    "nnsight": (traced, by_nnsight),
}


def bench_libraries(shape: str, device: str) -> Iterator[Row]:
    """Agreement and time in this process, memory in one of each."""
    dtype = usual_dtype(device)
    ids = torch.from_numpy(drawn(None).in_order).to(device)
    what = f"{shape} {name_of(dtype)}, {len(ids)} x {ids.shape[1]} tokens, prefix matching of all heads"
    calls, wrapping, held = {}, {}, {}
    for way, (wrap, score) in WAYS.items():
        if "own" not in way and not importlib.util.find_spec(way):
            yield (f"{what}, by {way}: not installed",)
            continue
        model = attentive(shape, device, dtype)
        start, before = time.perf_counter(), allocated(device)
        wrapped = wrap(model)
        wrapping[way] = time.perf_counter() - start
        held[way] = allocated(device) - before
        calls[way] = functools.partial(score, wrapped, ids)
    times = dict(zip(calls, best(*calls.values(), device=device, rounds=7), strict=True))
    expected = calls["own hooks"]()
    for way, call in calls.items():
        off = float((call() - expected).abs().max())
        assert off < (CLOSE if dtype == torch.float32 else 0.05), f"{way} is off by {off:.3g}"
        ratio = f"{times[way] / times['own hooks']:.2f}"
        said = f"{what}, by {way} (off by {off:.1e}; {milli(wrapping[way])} to wrap it)"
        yield said, milli(times["own hooks"]), milli(times[way]), ratio
        if device == "cuda":
            yield f"{shape}, by {way}: memory to wrap it", "", f"{held[way] / 1e6:.1f} MB"
    for way in calls if device == "cpu" else ():
        yield memory_of(way, shape)


def allocated(device: str) -> int:
    return torch.cuda.memory_allocated() if device == "cuda" else 0


def memory_of(way: str, shape: str) -> Row:
    """Of a process that does only this, on its CPU."""
    command = [sys.executable, __file__, "--worker", way, "--shapes", shape]
    env = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, encoding="utf-8", check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    name = f"{shape}, by {way}: memory that it holds beside the network, and seconds to import it"
    return name, "", f"{found['memory'] / 1e6:.1f} MB, {found['import']:.1f} s"


def worker(way: str, shape: str) -> dict[str, float]:
    """Bytes held when it is done, above those of a plain forward, and seconds to import the library."""
    start = time.process_time()
    if "own" not in way:
        importlib.import_module(f"{way}.model_bridge" if way == "transformer_lens" else way)
    imported = time.process_time() - start
    model = network(shape, "cpu", torch.float32)
    ids = torch.from_numpy(drawn(None).in_order)
    with torch.inference_mode():
        whole(model, ids)
    before = psutil.Process().memory_info().rss
    wrap, score = WAYS[way]
    there = wrap(model)
    score(there, ids)
    gc.collect()
    return {"memory": psutil.Process().memory_info().rss - before, "import": imported}


WORKERS = {way: functools.partial(worker, way) for way in WAYS}


# --- scores ---------------------------------------------------------------------------------------


def bench_scores(shape: str, device: str) -> Iterator[Row]:
    """Against keeping every activation and a loop over layers and heads, in the style of TransformerLens."""
    dtype = usual_dtype(device)
    model = attentive(shape, device, dtype)
    rows = drawn(model)
    ours = functools.partial(head_scores, model, rows)
    looped = functools.partial(scores_in_a_loop, model, kept_by_hooks, rows)
    others = {"our hooks": looped}
    if importlib.util.find_spec("transformer_lens"):
        there = bridge(attentive(shape, device, dtype))
        others["TransformerLens"] = functools.partial(
            scores_in_a_loop, model, functools.partial(kept_by_transformer_lens, there), rows
        )
    found = ours()
    offs = {}
    for name, other in others.items():
        for score, values in other().items():
            off = np.abs(getattr(found, score) - values).max()
            offs[name] = max(off, offs.get(name, 0))
        assert offs[name] < (CLOSE if dtype == torch.float32 else 0.1), offs
    ids = torch.from_numpy(rows.in_order).to(device)
    keeping = [functools.partial(other.args[1], model, ids) for other in others.values()]
    took, *times = best(ours, *others.values(), *keeping, device=device, rounds=5)
    heads = n_layers(model) * n_heads(model)
    for (name, off), other, kept in zip(offs.items(), times, times[len(offs) :], strict=False):
        what = f"{shape} {name_of(dtype)}, scores of {heads} heads, over a loop on what {name} kept"
        said = f"{what} (off by {off:.1e}; {milli(kept)} to keep it)"
        yield said, milli(took), milli(other), f"{other / took:.1f}", "5"


@torch.inference_mode()
def kept_by_hooks(model, ids: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    kept: dict[str, list] = {"patterns": [], "values": [], "residual": []}
    with hooked(model, **{kind: lambda _, x, k=kind: kept[k].append(x) for kind in kept}):
        model(ids)
    return kept | {"residual": kept["residual"][-1:]}


@torch.inference_mode()
def kept_by_transformer_lens(there, model, ids: torch.Tensor) -> dict[str, list[torch.Tensor]]:
    _, cache = there.run_with_cache(ids)
    layers = range(there.cfg.n_layers)
    return {
        "patterns": [cache["pattern", layer] for layer in layers],
        "values": [cache["v", layer] for layer in layers],
        "residual": [cache["resid_post", there.cfg.n_layers - 1]],
    }


@torch.inference_mode()
def scores_in_a_loop(model, keep: Callable, rows: repeats.Repeats) -> dict[str, np.ndarray]:
    """The scores as one writes them down: of one head after another, (sequences, layers, heads)."""
    ids = torch.from_numpy(rows.in_order).to(model.device)
    kept = keep(model, ids)
    shape = (len(ids), n_layers(model), n_heads(model))
    found = {name: torch.empty(shape) for name in SCORES}
    keys = torch.arange(2, rows.period + 1, device=ids.device)
    queries = keys - 1 + rows.distance
    norm, head_of = model.base_model.final_layer_norm, model.get_output_embeddings().weight.float()
    alphabet = torch.from_numpy(rows.alphabet).to(ids.device)
    scale = (kept["residual"][0][:, queries].float().var(-1, unbiased=False) + norm.eps).sqrt()
    for layer in range(shape[1]):
        for head in range(shape[2]):
            pattern = kept["patterns"][layer][:, head].float()
            matched = pattern[:, queries, keys].mean(-1)
            found["prefix_matching"][:, layer, head] = matched.cpu()
            previous = pattern.diagonal(-1, dim1=1, dim2=2)[:, 1:].mean(-1)
            found["previous_token"][:, layer, head] = previous.cpu()
            found["first_token"][:, layer, head] = pattern[:, 1:, 0].mean(-1).cpu()
            read = kept["values"][layer][:, keys][:, :, head].float()
            write = read @ output_of(model, layer, head)
            write = (write - write.mean(-1, keepdim=True)) / scale[..., None] * norm.weight.float()
            own = (write * head_of[ids[:, keys]]).sum(-1)
            raised = own - (write @ head_of[alphabet].T).mean(-1)
            found["copying"][:, layer, head] = raised.mean(-1).cpu()
    return {name: values.numpy() for name, values in found.items()}


def output_of(model, layer: int, head: int) -> torch.Tensor:
    """A head's output matrix: float32 (d_head, d_model)."""
    width = d_head(model)
    weight = model.base_model.layers[layer].attention.dense.weight
    return weight[:, head * width : (head + 1) * width].T.float()


# --- lens -----------------------------------------------------------------------------------------


def bench_lens(shape: str, device: str) -> Iterator[Row]:
    """Read text, train a map for every depth, read other text through both lenses."""
    dtype = usual_dtype(device)
    model = network(shape, device, dtype)
    rng = np.random.default_rng(0)
    text = rng.integers(1, model.config.vocab_size, (64, 129))[:, : context_of(model)]
    other = rng.integers(1, model.config.vocab_size, (16, 129))[:, : context_of(model)]

    def per_checkpoint() -> object:
        trained = tuned_lens.train(model, tuned_lens.read(model, text))
        return answers(model, [LOGIT_LENS, trained.lens], other)

    took = timed(per_checkpoint, device)
    what = f"{shape} {name_of(dtype)}, tuned lens of a checkpoint, {n_layers(model)} depths"
    yield f"{what}, {text.size:,} tokens", f"{took:.2f} s", "", "", "10 s"


# --- patching -------------------------------------------------------------------------------------


def bench_patching(shape: str, device: str) -> Iterator[Row]:
    """Sentences that differ in their third token, a head at a time, and all heads' in few forwards."""
    dtype = usual_dtype(device)
    model = attentive(shape, device, dtype)
    rng = np.random.default_rng(0)
    own = rng.integers(1, 900, (16, 10))
    other = own.copy()
    other[:, 2] = other[:, 2] % 899 + 1
    texts = patching.Texts(own, other, [5] * len(own), [6] * len(own))
    patches = patching.head_patches(model)

    def at_once() -> np.ndarray:
        return patching.patched_margins(model, texts, list(patches.values()))

    def one_by_one() -> np.ndarray:
        return patched_one_by_one(model, texts, list(patches))

    found, expected = at_once(), one_by_one()
    off = np.abs(found - expected).max()
    assert off < (1e-3 if dtype == torch.float32 else 0.3), off
    took, loop = best(at_once, one_by_one, device=device)
    what = f"{shape} {name_of(dtype)}, patching {len(patches)} heads in {len(own)} texts"
    name = f"{what}, over a forward each (off by {off:.1e})"
    yield name, milli(took), milli(loop), f"{loop / took:.1f}"


@torch.inference_mode()
def patched_one_by_one(model, texts, heads: list[tuple[int, int]]) -> np.ndarray:
    """A forward of all texts for each head: (heads, texts)."""
    own, other = (
        torch.tensor(np.array(part), device=model.device) for part in (texts.own, texts.other)
    )
    kept: dict[int, torch.Tensor] = {}
    with hooked(model, heads=kept.__setitem__):
        hidden_states(model, other)
    margins = []
    for layer, head in heads:

        def replace(at: int, z: torch.Tensor, layer=layer, head=head) -> torch.Tensor | None:
            if at != layer:
                return None
            z = z.clone()
            z[:, :, head] = kept[layer][:, :, head]
            return z

        with hooked(model, heads=replace):
            last = hidden_states(model, own)[:, -1]
        logits = model.get_output_embeddings()(last).double()
        rows = range(len(last))
        margins.append((logits[rows, texts.good] - logits[rows, texts.bad]).cpu().numpy())
    return np.stack(margins)


# --- devices --------------------------------------------------------------------------------------


def bench_devices(shape: str, device: str) -> Iterator[Row]:
    """Of the same weights, rounded to each precision: how far figures are from those in float32 on the CPU."""
    base = attentive(shape, "cpu", torch.float32)
    rows = drawn(base, n=8)
    text = np.random.default_rng(0).integers(1, base.config.vocab_size, (8, 65))
    expected = figures(base, rows, text)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        found = figures(copy.deepcopy(base).to(device, dtype), rows, text)
        for name, values in found.items():
            off = np.abs(values - expected[name])
            assert np.isfinite(values).all(), f"{name} in {name_of(dtype)}"
            size = np.abs(expected[name]).max()
            said = (
                f"{shape}, {name} on {device} in {name_of(dtype)}: largest difference, of at most"
            )
            yield said, f"{off.max():.1e}", f"{size:.2g}", f"{off.max() / size:.1e}"


def figures(model, rows: repeats.Repeats, text: np.ndarray) -> dict[str, np.ndarray]:
    scores = head_scores(model, rows)
    found = {name: getattr(scores, name).mean(0) for name in SCORES}
    sums = answers(model, [LOGIT_LENS], text)
    found["logit lens: loss"] = sums.sums[0, 2].sum(-1) / sums.positions.sum()
    return found


PARTS: dict[str, Callable[[str, str], Iterator[Row]]] = {
    "hooks": bench_hooks,
    "libraries": bench_libraries,
    "scores": bench_scores,
    "lens": bench_lens,
    "patching": bench_patching,
    "devices": bench_devices,
}

if __name__ == "__main__":
    main()
