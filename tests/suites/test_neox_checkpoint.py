"""GPT-NeoX's checkpoints: parts put together and cut up right, there and back to the bit, mistakes told."""

from __future__ import annotations

import gc
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers import neox_files
from helpers.hub_server import checkpoint_files
from helpers.neox_files import Shape
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoTokenizer, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.neox.architecture import Architecture
from pythia_utils.suites.neox.layers import Cut, Tensor, merge, split
from pythia_utils.suites.neox_checkpoint import (
    open_neox,
    open_pretrained,
    to_hugging_face,
    to_neox,
)

PARTS = (1, 2, 4)
IDS = torch.tensor([3, 60, 17, 17, 0, 33, 48, 5, 21, 3, 60])


def made(folder: Path, parts: int = 2, dtype=torch.float32, **shape) -> Path:
    """A random checkpoint of GPT-NeoX in so many parts."""
    own = Shape(**shape)
    tensors = neox_files.random_parts(own, parts, dtype)
    return neox_files.save(folder, tensors, neox_files.settings(own, parts))


def converted(folder: Path, target: Path, **options) -> Path:
    to_hugging_face(open_neox(folder), target, **options)
    return target


def network(folder: Path) -> GPTNeoXForCausalLM:
    """As a user opens it, in float32; nothing may be lacking or left over."""
    model, about = GPTNeoXForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True
    )
    assert not any(about[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval()


@torch.inference_mode()
def logits(folder: Path) -> torch.Tensor:
    return network(folder)(input_ids=IDS[None]).logits[0]


def same(first: dict, second: dict) -> None:
    """The same names, dtypes and bits; minus nothing is not nothing."""
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.dtype == second[name].dtype, name
        pair = (each.contiguous().flatten().view(torch.uint8) for each in (tensor, second[name]))
        assert torch.equal(*pair), name


# --- parts ----------------------------------------------------------------------------------------


TOLD = torch.arange(32)[:, None] * 100.0 + torch.arange(32)  # 1203 is row 12, column 3
NORMS = [f"{name}_layernorm" for name in ("input", "post_attention")]


def told(height: int, width: int) -> torch.Tensor:
    """A matrix whose entries say where they are in the whole."""
    return TOLD[:height, :width]


def part_by_hand(part: int, parts: int) -> dict[int, dict]:
    """One part of a model of 1 layer, width 8, 4 heads and 16 words: what GPT-NeoX's GPU has of it."""

    def share(size: int) -> slice:
        return slice(part * size // parts, (part + 1) * size // parts)

    norms = {f"{name}.{kind}": TOLD[:8, 0] for name in NORMS for kind in ("weight", "bias")}
    block = norms | {
        # Head 0 has rows 0 to 5 of the 24: its 2 queries, 2 keys and 2 values.
        "attention.query_key_value.weight": told(24, 8)[share(24)],
        "attention.query_key_value.bias": TOLD[:24, 0][share(24)],
        "attention.dense.weight": told(8, 8)[:, share(8)],
        "attention.dense.bias": TOLD[:8, 0] * (part + 1),
        "mlp.dense_h_to_4h.weight": told(32, 8)[share(32)],
        "mlp.dense_h_to_4h.bias": TOLD[:32, 0][share(32)],
        "mlp.dense_4h_to_h.weight": told(8, 32)[:, share(32)],
        "mlp.dense_4h_to_h.bias": TOLD[:8, 0] * 10**part,
    }
    return {
        0: {"word_embeddings.weight": told(16, 8)[share(16)]},
        2: block,
        4: {"norm.weight": TOLD[:8, 0], "norm.bias": TOLD[:8, 0]},
        5: {"final_linear.weight": -told(16, 8)[share(16)]},
    }


@pytest.mark.parametrize(("parts", "first", "second"), [(1, 1, 1), (2, 3, 11), (4, 10, 1111)])
def test_every_number_of_the_parts_lands_in_its_place(tmp_path, parts, first, second):
    """The sums of the biases: 1 + 2 + 3 + 4 times, and 1 + 10 + 100 + 1000 times what one part has."""
    shape = Shape(layers=1, width=8, heads=4, vocab=16, rotary_pct=1.0)
    tensors = [part_by_hand(part, parts) for part in range(parts)]
    source = neox_files.save(tmp_path / "step", tensors, neox_files.settings(shape, parts))
    layer = "gpt_neox.layers.0"
    expected = {
        "gpt_neox.embed_in.weight": told(16, 8),
        "embed_out.weight": -told(16, 8),
        "gpt_neox.final_layer_norm.weight": TOLD[:8, 0],
        "gpt_neox.final_layer_norm.bias": TOLD[:8, 0],
        f"{layer}.attention.query_key_value.weight": told(24, 8),
        f"{layer}.attention.query_key_value.bias": TOLD[:24, 0],
        f"{layer}.attention.dense.weight": told(8, 8),
        f"{layer}.attention.dense.bias": TOLD[:8, 0] * first,
        f"{layer}.mlp.dense_h_to_4h.weight": told(32, 8),
        f"{layer}.mlp.dense_h_to_4h.bias": TOLD[:32, 0],
        f"{layer}.mlp.dense_4h_to_h.weight": told(8, 32),
        f"{layer}.mlp.dense_4h_to_h.bias": TOLD[:8, 0] * second,
    }
    expected |= {f"{layer}.{n}.{kind}": TOLD[:8, 0] for n in NORMS for kind in ("weight", "bias")}
    same(load_file(converted(source, tmp_path / "out") / "model.safetensors"), expected)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(
    "kind", [{}, {"parallel_residual": False}, {"tied": True}, {"rotary_pct": 1.0, "layers": 3}]
)
def test_the_whole_computes_what_the_gpus_did_together(tmp_path, parts, kind):
    """Against the parallel layers, each GPU's share worked out by itself."""
    shape = Shape(**kind)
    tensors = neox_files.random_parts(shape, parts)
    source = neox_files.save(tmp_path / "step", tensors, neox_files.settings(shape, parts))
    ours = logits(converted(source, tmp_path / "out"))
    theirs = neox_files.logits(shape, tensors, IDS)
    assert theirs.std() > 1
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_bias_added_by_all_gpus_is_summed_and_one_added_after_them_is_not():
    parts = [torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])]
    tensor = Tensor("attention.dense.bias", "", (2,), Cut.SUM)
    assert merge(tensor, parts).tolist() == [11, 22]
    alike = Tensor("attention.dense.bias", "", (2,), Cut.WHOLE)
    assert merge(alike, [parts[0], parts[0]]).tolist() == [1, 2]


def test_parts_that_agree_are_not_averaged():
    """The mean of eight numbers that are one is another: their sum is rounded on the way."""
    norm = (1 + torch.arange(1024) / 1024).half()
    assert (sum([norm] * 8) / 8 != norm).float().mean() > 0.3
    alike = Tensor("norm.weight", "", (1024,), Cut.WHOLE)
    assert torch.equal(merge(alike, [norm] * 8), norm)


def test_parts_that_differ_are_refused_or_averaged(tmp_path):
    source = made(tmp_path / "step", parts=2)
    file = source / "layer_03-model_01-model_states.pt"
    tensors = torch.load(file)
    tensors["input_layernorm.bias"] += 0.25
    torch.save(tensors, file)
    with pytest.raises(
        UsageError, match=r"layer 3: input_layernorm.bias .* by up to 0.25;.*--average"
    ):
        open_neox(source)
    found = open_neox(source, average=True)
    name = "gpt_neox.layers.1.input_layernorm.bias"
    assert found.averaged == [name]
    to_hugging_face(found, tmp_path / "out")
    mean = load_file(tmp_path / "out" / "model.safetensors")[name]
    torch.testing.assert_close(mean, tensors["input_layernorm.bias"] - 0.125)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("parts", PARTS)
def test_split_and_merge_are_inverse_for_every_number_of_float16(cut, parts):
    """All finite bit patterns: what is too small to be divided, and minus nothing, among them."""
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(torch.float16)
    values = bits[bits.isfinite()]
    values = (
        values[: len(values) // 64 * 64].view(64, -1) if cut in (Cut.ROWS, Cut.COLUMNS) else values
    )
    tensor = Tensor("", "", tuple(values.shape), cut)
    pieces = split(tensor, values, parts)
    assert [tuple(piece.shape) for piece in pieces] == [tensor.part_shape(parts)] * parts
    same({"": merge(tensor, pieces)}, {"": values})


# --- there and back -------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_round_trip_from_transformers_is_bit_identical(tmp_path, parts, dtype):
    shape = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 128}
    source = tmp_path / "hf"
    source.mkdir()
    form = {"float16": "bin", "bfloat16": "sharded", "float32": "safetensors"}[dtype]
    for name, content in checkpoint_files(3, form, dtype, old_buffers=True, **shape).items():
        (source / name).write_bytes(content)
    there = tmp_path / "global_step512"
    to_neox(open_pretrained(source), there, parts)
    back = converted(there, tmp_path / "back")
    same(open_pretrained(back).state, open_pretrained(source).state)
    assert torch.equal(logits(back), logits(source))
    kept = json.loads((back / "config.json").read_text())
    first = json.loads((source / "config.json").read_text())
    assert kept["torch_dtype"] == dtype
    for name in ("vocab_size", "layer_norm_eps", "max_position_embeddings", "initializer_range"):
        assert kept[name] == first[name], name


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("tied", [False, True])
def test_a_round_trip_from_neox_is_bit_identical(tmp_path, parts, tied):
    """Of parts that are split as we split them; of any others the sums are kept, not their shares."""
    shape = Shape(tied=tied)
    first = made(tmp_path / "first", 1, torch.float16, tied=tied)
    hugging_face = converted(first, tmp_path / "hf")
    there, again = tmp_path / "global_step1", tmp_path / "global_step2"
    to_neox(open_pretrained(hugging_face), there, parts)
    to_neox(open_pretrained(converted(there, tmp_path / "hf2")), again, parts)
    for one, other in zip(*(neox_files.load(each, parts) for each in (there, again)), strict=True):
        assert one.keys() == other.keys()
        for number in one:
            same(one[number], other[number])
    if parts == 1:
        (before,), (after,) = neox_files.load(first, 1), neox_files.load(there, 1)
        for number in before:
            same(before[number], after[number])
    whole = neox_files.logits(shape, neox_files.load(first, 1), IDS)
    cut = neox_files.logits(shape, neox_files.load(there, parts), IDS)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-4)


def test_files_are_as_large_as_their_tensors(tmp_path):
    """A view that is saved takes all that it is a view of with it."""
    source = converted(made(tmp_path / "step", 2, width=128, heads=4), tmp_path / "hf")
    to_neox(open_pretrained(source), tmp_path / "global_step0", 4)
    weights = open_pretrained(source).size
    written = sum(path.stat().st_size for path in (tmp_path / "global_step0").glob("layer_*"))
    assert weights < written < 1.2 * weights


def test_what_deepspeed_looks_for_is_there(tmp_path):
    source = converted(made(tmp_path / "step", 1), tmp_path / "hf")
    to_neox(open_pretrained(source), tmp_path / "global_step512", 2)
    names = {path.name for path in (tmp_path / "global_step512").iterdir()}
    layers = {
        f"layer_{n:02d}-model_{p:02d}-model_states.pt" for n in (0, 2, 3, 5, 6) for p in (0, 1)
    }
    assert names == layers | {"configs", "mp_rank_00_model_states.pt", "mp_rank_01_model_states.pt"}
    state = torch.load(tmp_path / "global_step512" / "mp_rank_01_model_states.pt")
    assert (state["iteration"], state["mp_world_size"], state["module"]) == (512, 2, {})


def test_weights_above_a_size_are_several_files_with_an_index(tmp_path):
    source = made(tmp_path / "step", 2)
    one, several = tmp_path / "one", tmp_path / "several"
    converted(source, one)
    converted(source, several, shard=30_000)
    files = sorted(several.glob("*.safetensors"))
    assert len(files) > 2
    assert all(path.stat().st_size < 35_000 for path in files)
    index = json.loads((several / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == open_neox(source).size
    for path in files:
        with safe_open(path, "pt") as file:  # safetensors' own reader checks the layout
            assert file.metadata() == {"format": "pt"}
            held = {name for name, where in index["weight_map"].items() if where == path.name}
            assert set(file.keys()) == held
    same(open_pretrained(several).state, load_file(one / "model.safetensors"))
    assert torch.equal(logits(several), logits(one))


def test_a_layer_is_in_memory_at_a_time(tmp_path):
    source = made(tmp_path / "step", 2, layers=12, width=128)
    found = open_neox(source)
    layer = max(sum(t.size for t in found.planned if f"layers.{n}." in t.name) for n in range(12))

    def held() -> int:
        gc.collect()
        kept = {
            t.untyped_storage().data_ptr(): t.nbytes
            for t in gc.get_objects()
            if type(t) is torch.Tensor
        }
        return sum(kept.values())

    most = []
    gc.freeze()  # what other tests have left is not looked through again and again
    try:
        before = held()
        to_hugging_face(found, tmp_path / "out", told=lambda _: most.append(held() - before))
    finally:
        gc.unfreeze()
    assert len(most) == len(found.planned)
    assert found.size > 10 * layer
    assert layer / 2 < max(most) < 2 * layer  # a layer's parts, and one tensor of them whole


# --- what stands beside the weights ---------------------------------------------------------------


def test_a_tokenizer_is_put_beside_the_weights(tmp_path):
    files = checkpoint_files(0)
    given = tmp_path / "given.json"
    given.write_bytes(files["tokenizer.json"])
    target = converted(made(tmp_path / "step"), tmp_path / "out", tokenizer=given)
    assert (target / "tokenizer.json").read_bytes() == given.read_bytes()
    opened = AutoTokenizer.from_pretrained(target)
    assert opened("the cat")["input_ids"] == [20, 8, 5, 27, 3, 1, 20]
    assert (opened.eos_token, opened.eos_token_id) == ("<|endoftext|>", 0)
    assert json.loads((target / "config.json").read_text())["eos_token_id"] == 0


def test_the_configuration_names_the_token_that_ends_a_text_of_this_tokenizer(tmp_path):
    given = tmp_path / "given.json"
    tokenizer = json.loads(checkpoint_files(0)["tokenizer.json"])
    words = tokenizer["model"]["vocab"]
    words["<|endoftext|>"], words["a"] = words["a"], 0
    tokenizer["added_tokens"] = []
    given.write_text(json.dumps(tokenizer))
    target = converted(made(tmp_path / "step"), tmp_path / "out", tokenizer=given)
    model = network(target)
    assert words["<|endoftext|>"] == 1
    assert model.config.eos_token_id == model.config.bos_token_id == 1


def test_the_configuration_may_be_given_in_files(tmp_path):
    shape = Shape()
    source = neox_files.save(tmp_path / "step", neox_files.random_parts(shape, 1))
    text = neox_files.settings(shape, 1)
    (tmp_path / "model.yml").write_text(text.replace('"num-layers": 2,', ""))
    (tmp_path / "more.yml").write_text("num_layers: 2\nlayernorm_epsilon: 1.0e-6\n")
    found = open_neox(source, [tmp_path / "model.yml", tmp_path / "more.yml"])
    assert (found.model.num_layers, found.model.layernorm_epsilon) == (2, 1e-6)


def test_our_own_settings_of_a_training_tell_each_pythia_model():
    import yaml

    from pythia_utils.suites.catalog import suite
    from pythia_utils.suites.neox_config import architecture, neox_yaml

    for model in suite("pythia").models.values():
        if model.weight_seed == model.data_seed and model.variant in ("standard", "deduped"):
            said = yaml.safe_load(neox_yaml(model))
            assert Architecture.from_neox(said, model.vocab_size, "") == architecture(model)


def test_old_files_that_are_no_zip_are_read(tmp_path):
    """As torch before 1.6 wrote them; they cannot be mapped."""
    source = made(tmp_path / "step", 2)
    expected = load_file(converted(source, tmp_path / "new") / "model.safetensors")
    for path in source.glob("layer_*"):
        torch.save(torch.load(path), path, _use_new_zipfile_serialization=False)
    same(load_file(converted(source, tmp_path / "old") / "model.safetensors"), expected)


# --- mistakes -------------------------------------------------------------------------------------


class Code:
    """A pickle of it makes a file when it is read, if one lets it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def edited(folder: Path, name: str, change) -> None:
    tensors = torch.load(folder / name, weights_only=False)
    change(tensors)
    torch.save(tensors, folder / name)


def block(layer: int, part: int = 0) -> str:
    return f"layer_{layer:02d}-model_{part:02d}-model_states.pt"


WRONG = {
    "a part is missing": (
        lambda f: (f / block(3, 1)).unlink(),
        r"layer_03-model_01-model_states.pt is missing",
    ),
    "a layer too many": (
        lambda f: shutil.copy(f / block(3), f / block(4)),
        r"layer_04-model_00.* of a layer that the model of the settings does not have",
    ),
    "the other part's shape": (
        lambda f: edited(
            f, block(2, 1), lambda t: t.update({"mlp.dense_h_to_4h.bias": torch.ones(3)})
        ),
        r"layer_02-model_01.*mlp.dense_h_to_4h.bias has the shape \(3,\); .* expected \(64,\)",
    ),
    "a tensor is missing": (
        lambda f: edited(f, block(2), lambda t: t.pop("attention.dense.bias")),
        r"layer_02-model_00.* lacks attention.dense.bias",
    ),
    "an unknown tensor": (
        lambda f: edited(f, block(2), lambda t: t.update({"mlp.linear1.weight": torch.ones(1)})),
        r"unknown tensor 'mlp.linear1.weight' in .*layer_02-model_00",
    ),
    "another dtype in a part": (
        lambda f: edited(f, block(5, 1), lambda t: t.update({k: v.half() for k, v in t.items()})),
        r"layer_05-model_01.*norm.weight is torch.float16, of layer_05-model_00.* torch.float32",
    ),
    "whole numbers": (
        lambda f: [
            edited(f, block(5, p), lambda t: t.update({k: v.int() for k, v in t.items()}))
            for p in (0, 1)
        ],
        r"norm.weight holds torch.int32",
    ),
    "other frequencies": (
        lambda f: edited(f, block(2), lambda t: t["attention.rotary_emb.inv_freq"].mul_(2)),
        r"inv_freq is not that of rotary_pct 0.25 and rotary_emb_base 10000",
    ),
    "no pickle": (
        lambda f: (f / block(2)).write_bytes(b"no checkpoint"),
        r"layer_02-model_00-model_states.pt .*",
    ),
    "half a file": (
        lambda f: (f / block(2)).write_bytes((f / block(2)).read_bytes()[:2000]),
        r"layer_02-model_00-model_states.pt .*",
    ),
    "a list": (lambda f: torch.save([1], f / block(2)), r"expected tensors by name"),
    "no settings": (lambda f: shutil.rmtree(f / "configs"), r"has no configs/; expected --config"),
    "no heads in the settings": (
        lambda f: replace(f, '"num-attention-heads": 4,', ""),
        r"tiny.yml: num_attention_heads is missing",
    ),
    "heads that do not fit": (
        lambda f: replace(f, '"num-attention-heads": 4,', '"num-attention-heads": 5,'),
        r"tiny.yml: hidden_size 32 is no multiple of num_attention_heads 5",
    ),
    "more layers in the settings": (
        lambda f: replace(f, '"num-layers": 2,', '"num-layers": 3,'),
        r"layer_04-model_00-model_states.pt is missing",
    ),
    "more parts in the settings": (
        lambda f: replace(f, '"model-parallel-size": 2,', '"model-parallel-size": 4,'),
        r"is in 2 parts; model_parallel_size is 4",
    ),
    "learned positions": (
        lambda f: replace(f, '"pos-emb": "rotary",', ""),
        r"pos_emb is 'learned' by default; transformers' GPT-NeoX has only 'rotary'",
    ),
    "another norm": (
        lambda f: replace(f, '"layernorm"', '"rmsnorm"'),
        r"norm is 'rmsnorm'; transformers' GPT-NeoX has only 'layernorm'",
    ),
    "said twice": (
        lambda f: (f / "configs" / "z.yml").write_text("num_layers: 2\n"),
        r"z.yml: num_layers is set in another file as well",
    ),
    "no mapping": (
        lambda f: (f / "configs" / "tiny.yml").write_text("- 1\n"),
        r"expected GPT-NeoX's settings",
    ),
}


def replace(folder: Path, before: str, after: str) -> None:
    path = folder / "configs" / "tiny.yml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_hold_together_is_told_in_one_line(tmp_path, name):
    source = made(tmp_path / "step", 2)
    spoil, message = WRONG[name]
    spoil(source)
    with pytest.raises(UsageError, match=message) as told:
        open_neox(source)
    assert len(str(told.value).splitlines()) == 1
    assert str(tmp_path) in str(told.value)


def test_no_code_of_a_file_is_run(tmp_path):
    source = made(tmp_path / "step", 1)
    edited(source, block(2), lambda t: t.update({"evil": Code(tmp_path / "ran")}))
    with pytest.raises(UsageError, match=r"layer_02-model_00.* no code of a file is run") as told:
        open_neox(source)
    assert len(str(told.value).splitlines()) == 1
    assert not (tmp_path / "ran").exists()


def test_nothing_is_left_when_writing_fails(tmp_path):
    source = made(tmp_path / "step", 1)
    found = open_neox(source)
    (source / block(3)).unlink()  # after it was looked at
    with pytest.raises(UsageError):
        to_hugging_face(found, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step"]


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path):
    source = made(tmp_path / "step", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="is not empty"):
        converted(source, tmp_path / "out")
    with pytest.raises(UsageError, match="there is no folder"):
        converted(source, tmp_path / "no" / "out")
    (tmp_path / "out" / "mine").unlink()
    assert network(converted(source, tmp_path / "out")).config.hidden_size == 32


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UsageError, match="to write, and 1 kB are free"):
        converted(made(tmp_path / "step", 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mistakes_on_the_way_back(tmp_path):
    source = open_pretrained(converted(made(tmp_path / "step", 1), tmp_path / "hf"))
    with pytest.raises(UsageError, match=r"expected such as .*/global_step0"):
        to_neox(source, tmp_path / "checkpoint")
    with pytest.raises(UsageError, match="3 parts cannot share 4 attention heads"):
        to_neox(source, tmp_path / "global_step0", 3)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    for name, value, message in (
        ("hidden_act", "gelu_new", "hidden_act is 'gelu_new'; GPT-NeoX v1.0 has 'gelu'"),
        ("num_hidden_layers", 3, "lacks gpt_neox.layers.2.attention.dense.bias"),
        ("num_hidden_layers", 1, "unknown tensor 'gpt_neox.layers.1"),
        ("vocab_size", 60, r"has the shape \(64, 32\).* expected \(60, 32\)"),
    ):
        (tmp_path / "hf" / "config.json").write_text(json.dumps(config | {name: value}))
        with pytest.raises(UsageError, match=message):
            open_pretrained(tmp_path / "hf")


def test_a_tokenizer_that_is_none_or_too_large_is_refused(tmp_path):
    source = open_neox(made(tmp_path / "step", 1, vocab=8))
    given = tmp_path / "given.json"
    given.write_text("{}")
    with pytest.raises(UsageError, match=r"given.json is not a tokenizer"):
        to_hugging_face(source, tmp_path / "out", given)
    given.write_bytes(checkpoint_files(0)["tokenizer.json"])
    with pytest.raises(UsageError, match="30 tokens, and the model's vocabulary 8"):
        to_hugging_face(source, tmp_path / "out", given)
    with pytest.raises(UsageError, match="there is no file"):
        to_hugging_face(source, tmp_path / "out", tmp_path / "nowhere.json")
    assert not (tmp_path / "out").exists()
