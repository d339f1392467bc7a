"""What is seen inside a network, and what is changed there, beside a forward pass that is written out.

The networks are converted from GPT-NeoX's own files, of the real form: rotary on a quarter of a head.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import neox_files
from helpers.plain_neox import PlainNeox, Seen
from transformers import GPTNeoXForCausalLM

from pythia_utils.evaluation import ablation, lens, lens_answers, patching, repeats
from pythia_utils.evaluation.attention import SCORES, head_scores
from pythia_utils.evaluation.hooks import hooked
from pythia_utils.suites.neox_checkpoint import open_neox, to_hugging_face

CLOSE = 1e-5  # what float32 may be off the written pass, in float64
THEIRS = 1e-4
SHAPES = {
    "parallel": neox_files.Shape(layers=2, heads=2, width=32),
    "sequential": neox_files.Shape(layers=2, heads=2, width=32, parallel_residual=False),
}


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> dict[str, Path]:
    """Checkpoints in transformers' layout, made from GPT-NeoX's."""
    folder = tmp_path_factory.mktemp("neox")
    for name, shape in SHAPES.items():
        parts = neox_files.random_parts(shape, 2)
        own = neox_files.save(folder / f"{name}-neox", parts, neox_files.settings(shape, 2))
        to_hugging_face(open_neox(own), folder / name)
    return {name: folder / name for name in SHAPES}


def opened(path: Path) -> GPTNeoXForCausalLM:
    return GPTNeoXForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


@pytest.fixture(params=SHAPES)
def network(request, converted) -> GPTNeoXForCausalLM:
    return opened(converted[request.param])


@pytest.fixture
def plain(network) -> PlainNeox:
    return PlainNeox(network)


@pytest.fixture
def rows() -> repeats.Repeats:
    return repeats.draw(np.arange(1, 64), period=5, gap=2, n=2, begin=0)


def close(found, expected, what: object = "", within: float = CLOSE) -> None:
    """So near, as a share of what is larger than 1."""
    off = {"atol": within, "rtol": within}
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), **off, err_msg=str(what))


KINDS = ("residual", "patterns", "values", "heads", "attention", "mlps")


@torch.inference_mode()
def seen_by_hooks(network, ids: torch.Tensor) -> dict[str, dict[int, torch.Tensor]]:
    found: dict[str, dict[int, torch.Tensor]] = {kind: {} for kind in KINDS}
    with hooked(network, **{kind: own.__setitem__ for kind, own in found.items()}):
        found["logits"] = network(ids).logits
    return found


def test_hooks_show_what_a_pass_that_is_written_out_computes(network, plain, rows):
    found = seen_by_hooks(network, torch.from_numpy(rows.in_order))
    for place, row in enumerate(rows.in_order):
        expected = plain.run(row)
        close(found["logits"][place], expected.logits)
        for kind in ("residual", "attention", "mlps"):
            for layer, tensor in enumerate(getattr(expected, kind)):
                close(found[kind][layer][place], tensor, (kind, layer))
        for (layer, head), tensor in expected.patterns.items():
            close(found["patterns"][layer][place, head], tensor, ("pattern", layer, head))
        for kind in ("values", "heads"):
            for (layer, head), tensor in getattr(expected, kind).items():
                close(found[kind][layer][place, :, head], tensor, (kind, layer, head))


def scores_of(plain: PlainNeox, seen: Seen, rows: repeats.Repeats, row: np.ndarray) -> dict:
    """As `evaluation/attention.py` defines them, of one sequence: each by (layer, head)."""
    expected = [(at, at - rows.distance + 1) for at in range(1 + rows.distance, len(row) - 1)]
    found = {name: {} for name in SCORES}
    for place, pattern in seen.patterns.items():
        found["prefix_matching"][place] = np.mean([pattern[pair] for pair in expected])
        found["previous_token"][place] = np.mean([pattern[to, to - 1] for to in range(2, len(row))])
        found["first_token"][place] = np.mean([pattern[to, 0] for to in range(1, len(row))])
        raised = []
        for to, at in expected:
            write = plain.output(*place) @ seen.values[place][at]
            scale = (seen.residual[-1][to].var(unbiased=False) + plain.config.layer_norm_eps).sqrt()
            normed = (
                (write - write.mean()) / scale * plain.weights["gpt_neox.final_layer_norm.weight"]
            )
            logits = plain.unembedding @ normed
            raised.append(logits[row[at]] - logits[rows.alphabet].mean())
        found["copying"][place] = np.mean(raised)
    return found


def test_scores_of_heads_are_those_of_the_definitions(network, plain, rows):
    found = head_scores(network, rows)
    for place, row in enumerate(rows.in_order):
        for name, by_head in scores_of(plain, plain.run(row), rows, row).items():
            for head, value in by_head.items():
                close(getattr(found, name)[place][head], value, (name, head))


def test_ablated_heads_say_what_they_say_on_average(network, plain, rows):
    runs = [plain.run(row) for row in rows.in_order]
    chosen = [(0, 1), (1, 0)]
    means = {head: torch.stack([run.heads[head] for run in runs]).mean(0) for head in chosen}
    with ablation.ablated(network, chosen, ablation.mean_outputs(network, rows.in_order)):
        found = network(torch.from_numpy(rows.in_order)).logits.detach()
    for place, row in enumerate(rows.in_order):
        close(found[place], plain.run(row, heads=means).logits)


def test_a_lens_reads_each_depth_as_the_last(network, plain, rows):
    texts = rows.in_order
    found = lens_answers.answers(network, [lens.LOGIT_LENS], texts).sums[0]
    for place, row in enumerate(texts):
        logits = [plain.logits(stream[:-1]).log_softmax(-1) for stream in plain.run(row).residual]
        final = logits[-1]
        for depth, own in enumerate(logits):
            expected = {
                "kl": (final.exp() * (final - own)).sum(),
                "entropy": -(own.exp() * own).sum(),
                "loss": -own.gather(1, torch.tensor(row[1:])[:, None]).sum(),
                "agreement": (own.argmax(1) == final.argmax(1)).sum(),
            }
            for measure, value in expected.items():
                got = found[lens_answers.MEASURES.index(measure), depth, place]
                close(got, value, (measure, depth))


def test_patched_parts_say_what_they_say_in_the_other_run(network, plain):
    own, other = [0, 5, 9, 2, 44], [0, 5, 31, 2, 44]
    good, bad = 7, 8
    patches = patching.head_patches(network) | patching.mlp_patches(network)
    texts = patching.Texts([own], [other], [good], [bad])
    found = patching.patched_margins(network, texts, list(patches.values()))[:, 0]
    there = plain.run(other)
    for part, value in zip(patches, found, strict=True):
        replaced = (
            {"heads": {part: there.heads[part]}}
            if isinstance(part, tuple)
            else {"mlps": {part: there.mlps[part]}}
        )
        logits = plain.run(own, **replaced).logits[-1]
        close(value, logits[good] - logits[bad], part)
    assert np.ptp(found) > 0.1  # they differ, so that one could be taken for another


# --- TransformerLens ------------------------------------------------------------------------------


@torch.inference_mode()
def kept_by_transformer_lens(path: Path, ids: torch.Tensor):
    """All that TransformerLens' own network keeps of a pass, around a network that nothing else uses."""
    from tokenizers import Tokenizer, models
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<|endoftext|>": 0}, unk_token="<|endoftext|>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<|endoftext|>")
    # The name is one that it knows the form of; nothing is fetched.
    bridge = TransformerBridge.boot_transformers(
        "EleutherAI/pythia-70m", hf_model=opened(path), tokenizer=tokenizer
    )
    return bridge, bridge.run_with_cache(ids)


NAMES = {
    "patterns": "pattern",
    "values": "v",
    "heads": "z",
    "attention": "attn_out",
    "mlps": "mlp_out",
    "residual": "resid_pre",
}


def their_scores(bridge, cache, layer: int, ids: torch.Tensor, rows: repeats.Repeats) -> dict:
    """Of a layer, from TransformerLens' activations and matrices: each (sequences, heads)."""
    pattern = cache["pattern", layer]
    queries = torch.arange(1 + rows.distance, ids.shape[1] - 1)
    keys = queries - rows.distance + 1
    write = cache["v", layer][:, keys].transpose(1, 2) @ bridge.blocks[layer].attn.W_O
    scale = cache["ln_final.hook_scale"][:, queries][:, None]
    write = (write - write.mean(-1, keepdim=True)) / scale * bridge.ln_final.weight
    logits = write @ bridge.W_U  # (sequences, heads, positions, vocabulary)
    own = ids[:, None, keys, None].expand(*logits.shape[:-1], 1)
    raised = logits.gather(-1, own)[..., 0] - logits[..., rows.alphabet].mean(-1)
    return {
        "prefix_matching": pattern[:, :, queries, keys].mean(-1),
        "previous_token": pattern.diagonal(-1, dim1=2, dim2=3)[..., 1:].mean(-1),
        "first_token": pattern[:, :, 1:, 0].mean(-1),
        "copying": raised.mean(-1).detach(),
    }


@pytest.mark.parametrize("form", SHAPES)
def test_hooks_and_scores_are_transformer_lens_s(form, converted, rows):
    pytest.importorskip("transformer_lens", reason="not installed (extra `bench`)")
    ids = torch.from_numpy(rows.in_order)
    bridge, (logits, cache) = kept_by_transformer_lens(converted[form], ids)
    network = opened(converted[form])
    found, scores = seen_by_hooks(network, ids), head_scores(network, rows)
    close(found["logits"], logits, "logits", THEIRS)
    for layer in range(network.config.num_hidden_layers):
        for kind, name in NAMES.items():
            close(found[kind][layer], cache[name, layer], (kind, layer), THEIRS)
        for name, values in their_scores(bridge, cache, layer, ids, rows).items():
            close(getattr(scores, name)[:, layer], values, (name, layer), THEIRS)
