"""The models that run in a reader's browser: their weights, tokenizer and shapes as scripts of the site.

    _static/checkpoints/models.js               which there are, their shapes, steps and checksums
    _static/checkpoints/vocabulary.js           the suite's tokenizer
    _static/checkpoints/pico-57k/step16.js      a checkpoint: each character of a string is a weight of 16 bits

Scripts are what a browser loads from a host and from the disk alike. A character of UTF-16 has two bytes, and
so has a weight in half precision: the text needs no more room than the weights. Its first character, the mark
of UTF-16, tells browsers so whatever a host says of the file's encoding.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write, within
from pythia_utils.base.progress import say
from pythia_utils.base.schemas import parse
from pythia_utils.suites.folders import WEIGHTS, checkpoint_path
from pythia_utils.suites.portable import portable, usual

if TYPE_CHECKING:
    from pythia_utils.suites.catalog import Checkpoint, Suite

FOLDER = "checkpoints"  # in the site's `_static/`
_MARK = "\ufeff"
# What ends a string of JavaScript, or a line. Halves of characters (0xD800 to 0xDFFF) no text may hold alone.
_UNSAFE = [ord(character) for character in '"\\\n\r']
_CONFIG = {
    "hidden_size": int,
    "num_hidden_layers": int,
    "num_attention_heads": int,
    "intermediate_size": int,
    "vocab_size": int,
    "max_position_embeddings": int,
    "layer_norm_eps": float,
    "use_parallel_residual": bool,
    "hidden_act": str,
    "rope_parameters": {str: object},
}
_OF_A_LAYER = ("input_layernorm", "post_attention_layernorm", "attention.query_key_value")
_OF_A_LAYER += ("attention.dense", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h")


def publish(suite: Suite, static: Path) -> None:
    """Write the scripts of a suite's models to a site's static files; remove those of others.

    A file that holds the same already is left alone. A suite without such models has a list of none.

    Args:
        suite: that the site shows.
        static: the site's `_static/`.

    Raises:
        UsageError: a checkpoint or tokenizer is of a kind that the site's scripts do not know.
    """
    folder = static / FOLDER
    if not within(folder, static):
        raise UsageError(f"{folder} leads out of {static}; remove the link")
    kept = set()
    for name, data in _files(suite):
        path = folder / name
        kept.add(path)
        if not path.is_file() or path.read_bytes() != data:
            with atomic_write(path) as partial:
                partial.write_bytes(data)
    _remove_others(folder, kept)


def _remove_others(folder: Path, kept: set[Path]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file() and path not in kept:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            shutil.rmtree(path)


def _files(suite: Suite) -> Iterator[tuple[str, bytes]]:
    """Each script's place and bytes, the list of models last.

    A model that cannot be read is told, and left out.
    """
    models, chosen = [], {}
    for name, points in portable(suite).items():
        try:
            scripts, told = _model(points)
        except UsageError as problem:
            say(f"{name} will not run in the page: {problem}")
            continue
        yield from scripts.items()
        models.append(told)
        chosen[name] = points
    if chosen:
        vocabulary = read_vocabulary(checkpoint_path(next(iter(chosen.values()))[-1]))
        yield "vocabulary.js", _call("receiveVocabulary", vocabulary)
    told = {"suite": suite.name, "usual": usual(chosen) if chosen else None, "models": models}
    yield "models.js", _call("receiveModels", told)


def _model(points: Sequence[Checkpoint]) -> tuple[dict[str, bytes], dict]:
    """The scripts of a model's checkpoints by their places, and the model as these know it."""
    name = points[0].model.name
    weights = {point: read_weights(checkpoint_path(point)) for point in points}
    scripts = {f"{name}/{p.revision}.js": as_script(name, p.step, w) for p, w in weights.items()}
    checksums = [zlib.adler32(each.tobytes()) for each in weights.values()]
    return scripts, {
        "name": name,
        "steps": [point.step for point in points],
        "checksums": checksums,
        "config": read_config(checkpoint_path(points[-1])),
    }


def _call(function: str, told: dict) -> bytes:
    return f"live.{function}({json.dumps(told)});\n".encode()


def as_script(model: str, step: int, weights: np.ndarray) -> bytes:
    """A checkpoint as a script: `live.receive("pico-57k", 16, "...")` in UTF-16, little-endian.

    Args:
        model, step: of the checkpoint.
        weights: float16 (weights,).
    """
    begin = f'{_MARK}live.receive({json.dumps(model)}, {step}, "'.encode("utf-16-le")
    return begin + _escaped(weights) + '");\n'.encode("utf-16-le")


def _escaped(weights: np.ndarray) -> bytes:
    """Weights as characters; what a string may not hold as it is, is written as `\\ud800`."""
    units = weights.astype("<f2").view("<u2")
    unsafe = np.flatnonzero(np.isin(units, _UNSAFE) | (units & 0xF800 == 0xD800))
    parts = np.split(units, unsafe)
    escapes = (f"\\u{units[place]:04x}".encode("utf-16-le") for place in unsafe)
    rest = (escape + part[1:].tobytes() for escape, part in zip(escapes, parts[1:], strict=True))
    return b"".join([parts[0].tobytes(), *rest])


def read_weights(folder: Path) -> np.ndarray:
    """All weights of a checkpoint in the order in which the site's scripts take them: float16 (weights,).

    Args:
        folder: with `model.safetensors` and `config.json`.

    Raises:
        UsageError: weights that are too large for half precision, or a file that is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    names = list(_names(read_config(folder)["layers"]))
    try:
        tensors = load_file(folder / WEIGHTS)
        flat = np.concatenate([tensors[name].ravel() for name in names])
    except (OSError, SafetensorError, KeyError) as failure:
        raise UsageError(f"{folder / WEIGHTS} is damaged ({failure}); train it again") from None
    halves = flat.astype(np.float16)
    if not np.isfinite(halves).all():
        raise UsageError(f"{folder} has weights that 16 bits do not hold")
    return halves


def _names(layers: int) -> Iterator[str]:
    """The tensors in the order of `live.layout`, in book/_static/live/weights.js."""
    parts = [f"layers.{layer}.{part}" for layer in range(layers) for part in _OF_A_LAYER]
    yield "gpt_neox.embed_in.weight"
    for part in (*parts, "final_layer_norm"):
        yield from (f"gpt_neox.{part}.weight", f"gpt_neox.{part}.bias")
    yield "embed_out.weight"


def read_config(folder: Path) -> dict:
    """A network's shape, by the names that the site's scripts have for it.

    Raises:
        UsageError: a setting that they do not know.
    """
    try:
        told = parse((folder / "config.json").read_bytes(), _CONFIG)
    except (OSError, ValueError) as failure:
        raise UsageError(f"{folder / 'config.json'}: {failure}") from None
    rope = told["rope_parameters"]
    if told["hidden_act"] != "gelu" or rope["rope_type"] != "default":
        raise UsageError(f"{folder} is no network that the site's scripts can run")
    head = told["hidden_size"] // told["num_attention_heads"]
    return {
        "layers": told["num_hidden_layers"],
        "width": told["hidden_size"],
        "heads": told["num_attention_heads"],
        "inner": told["intermediate_size"],
        "vocabulary": told["vocab_size"],
        "context": told["max_position_embeddings"],
        "rotary": int(head * rope["partial_rotary_factor"]),
        "theta": rope["rope_theta"],
        "epsilon": told["layer_norm_eps"],
        "parallel": told["use_parallel_residual"],
    }


_WORDS = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}
_PLAIN_BPE = {"dropout": None, "continuing_subword_prefix": None, "end_of_word_suffix": None}
_PLAIN_BPE |= {"fuse_unk": False, "byte_fallback": False, "ignore_merges": False}


def read_vocabulary(folder: Path) -> dict:
    """A checkpoint's tokenizer: tokens by id, merges in order, special tokens, the id of the unknown one.

    Raises:
        UsageError: it cuts texts in a way that the site's scripts do not know.
    """
    try:
        told = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise UsageError(f"{folder / 'tokenizer.json'}: {failure}") from None
    model, cut = told["model"], told["pre_tokenizer"]
    plain = all(model.get(key, value) == value for key, value in _PLAIN_BPE.items())
    if not plain or told["normalizer"] or cut.get("pretokenizers") != [_WORDS, _DIGITS]:
        raise UsageError(f"{folder} has a tokenizer that the site's scripts do not know")
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {
        "tokens": tokens,
        "merges": model["merges"],
        "special": [added["content"] for added in told["added_tokens"]],
        "unknown": model["vocab"][model["unk_token"]],
    }
