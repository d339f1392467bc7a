"""Checkpoints of GPT-NeoX, written and run by hand: what `megatron/mpu` does on each GPU, in a few lines.

Nothing here asks the package how a model is cut up; it is told by the parallel layers themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Of a tiny model, and whether its attention and MLP read the same residual stream."""

    layers: int = 2
    width: int = 32
    heads: int = 4
    vocab: int = 64
    rotary_pct: float = 0.25
    parallel_residual: bool = True
    tied: bool = False

    @property
    def head(self) -> int:
        return self.width // self.heads

    @property
    def turned(self) -> int:
        return int(self.head * self.rotary_pct)

    def frequencies(self) -> torch.Tensor:
        return 1.0 / (10000 ** (torch.arange(0, self.turned, 2).float() / self.turned))


def settings(shape: Shape, parts: int) -> str:
    """What the training's YAML says, as GPT-NeoX's own files are written: JSON with comments."""
    lines = {
        "pipe-parallel-size": 1,
        "model-parallel-size": parts,
        "num-layers": shape.layers,
        "hidden-size": shape.width,
        "num-attention-heads": shape.heads,
        "seq-length": 48,
        "max-position-embeddings": 48,
        "norm": '"layernorm"',
        "pos-emb": '"rotary"',
        "rotary-pct": shape.rotary_pct,
        "no-weight-tying": str(not shape.tied).lower(),
        "gpt-j-residual": str(shape.parallel_residual).lower(),
        "optimizer": '{"type": "Adam", "params": {"lr": 0.001, "eps": 1.0e-8}}',
    }
    body = "".join(f'  "{name}": {value},\n' for name, value in lines.items())
    return "{\n  # as published\n" + body + "}\n"


def random_parts(shape: Shape, parts: int, dtype: torch.dtype = torch.float32) -> list[dict]:
    """The files of each part by layer number, random, as so many GPUs would have them.

    A part has its share of the vocabulary, of the heads and of the MLP's inner units. What is in all parts
    is the same in all; biases that the parts sum up are not.
    """
    draw = torch.Generator().manual_seed(parts)

    def random(*size: int) -> torch.Tensor:
        return (0.3 * torch.randn(*size, generator=draw)).to(dtype)

    common = {
        shape.layers + 3: {"norm.weight": 1 + random(shape.width), "norm.bias": random(shape.width)}
    }
    for layer in range(shape.layers):
        common[layer + 2] = _in_all_parts(shape, random)
    return [_part(shape, parts, random, common) for _ in range(parts)]


def _in_all_parts(shape: Shape, random: Callable[..., torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of a transformer layer; the last biases, too, where they are added after the parts are summed."""
    width = shape.width
    frequencies = shape.frequencies().to(random(1).dtype)
    found = {"attention.rotary_emb.inv_freq": frequencies}
    for name in ("input_layernorm", "post_attention_layernorm"):
        found |= {f"{name}.weight": 1 + random(width), f"{name}.bias": random(width)}
    if not shape.parallel_residual:
        found |= {
            f"{name}.bias": random(width) for name in ("attention.dense", "mlp.dense_4h_to_h")
        }
    return found


def _part(
    shape: Shape, parts: int, random: Callable[..., torch.Tensor], common: dict[int, dict]
) -> dict[int, dict]:
    width, rows, share = shape.width, shape.vocab // parts, shape.width // parts
    own = {0: {"word_embeddings.weight": random(rows, width)}}
    if not shape.tied:
        own[shape.layers + 4] = {"final_linear.weight": random(rows, width)}
    for layer in range(shape.layers):
        own[layer + 2] = {
            "attention.query_key_value.weight": random(3 * share, width),
            "attention.query_key_value.bias": random(3 * share),
            "attention.dense.weight": random(width, share),
            "attention.dense.bias": random(width),
            "mlp.dense_h_to_4h.weight": random(4 * share, width),
            "mlp.dense_h_to_4h.bias": random(4 * share),
            "mlp.dense_4h_to_h.weight": random(width, 4 * share),
            "mlp.dense_4h_to_h.bias": random(width),
        }
    return {number: own.get(number, {}) | common.get(number, {}) for number in own | common}


def save(folder: Path, parts: list[dict], text: str | None = None) -> Path:
    """Write the files of all parts as DeepSpeed does; with the settings in `configs/`."""
    folder.mkdir(parents=True)
    for part, own in enumerate(parts):
        for layer, tensors in own.items():
            torch.save(tensors, folder / f"layer_{layer:02d}-model_{part:02d}-model_states.pt")
    if text is not None:
        (folder / "configs").mkdir()
        (folder / "configs" / "tiny.yml").write_text(text)
    return folder


def load(folder: Path, parts: int) -> list[dict]:
    """The files of each part, by layer number."""
    found = []
    for part in range(parts):
        paths = sorted(folder.glob(f"layer_*-model_{part:02d}-model_states.pt"))
        found.append({int(path.name[6:8]): torch.load(path, weights_only=True) for path in paths})
    return found


# --- the forward pass of all GPUs -----------------------------------------------------------------


def logits(shape: Shape, parts: list[dict], ids: torch.Tensor) -> torch.Tensor:
    """What GPT-NeoX computes on as many GPUs, (positions, vocabulary) for (positions,) tokens."""
    rows = shape.vocab // len(parts)
    hidden = torch.zeros(len(ids), shape.width)
    for part, own in enumerate(parts):  # VocabParallelEmbedding: tokens of other parts are masked
        local = ids - part * rows
        mine = (local >= 0) & (local < rows)
        table = own[0]["word_embeddings.weight"].float()
        hidden = hidden + table[local.clamp(0, rows - 1)] * mine[:, None]
    for layer in range(shape.layers):
        hidden = _block(shape, [own[layer + 2] for own in parts], hidden)
    hidden = _norm(hidden, parts[0][shape.layers + 3], "norm")
    last = (0, "word_embeddings") if shape.tied else (shape.layers + 4, "final_linear")
    outputs = [F.linear(hidden, own[last[0]][f"{last[1]}.weight"].float()) for own in parts]
    return torch.cat(outputs, dim=-1)


def _block(shape: Shape, parts: list[dict], hidden: torch.Tensor) -> torch.Tensor:
    """`ParallelTransformerLayer.forward`: the two kinds of residual reduce at different places."""
    if shape.parallel_residual:
        output = torch.zeros_like(hidden)
        for own in parts:
            attended = _attention(shape, own, _norm(hidden, own, "input_layernorm"))
            attended = attended + own["attention.dense.bias"].float()
            inner = _mlp(own, _norm(hidden, own, "post_attention_layernorm"))
            output = output + attended + inner + own["mlp.dense_4h_to_h.bias"].float()
        return hidden + output
    normed = _norm(hidden, parts[0], "input_layernorm")
    reduced = sum(_attention(shape, own, normed) for own in parts)
    hidden = hidden + reduced + parts[0]["attention.dense.bias"].float()
    normed = _norm(hidden, parts[0], "post_attention_layernorm")
    reduced = sum(_mlp(own, normed) for own in parts)
    return hidden + reduced + parts[0]["mlp.dense_4h_to_h.bias"].float()


def _norm(hidden: torch.Tensor, own: dict, name: str) -> torch.Tensor:
    weight, bias = own[f"{name}.weight"].float(), own[f"{name}.bias"].float()
    return F.layer_norm(hidden, hidden.shape[-1:], weight, bias, eps=1e-5)


def _linear(own: dict, name: str, values: torch.Tensor) -> torch.Tensor:
    return F.linear(values, own[f"{name}.weight"].float(), own[f"{name}.bias"].float())


def _attention(shape: Shape, own: dict, normed: torch.Tensor) -> torch.Tensor:
    """A part's heads; each head's queries, keys and values stand together. Without the last bias."""
    mixed = _linear(own, "attention.query_key_value", normed)
    heads = mixed.view(len(normed), -1, 3 * shape.head).transpose(0, 1)
    query, key, value = heads.chunk(3, dim=-1)
    query, key = _turned(shape, query), _turned(shape, key)
    scores = query @ key.transpose(-1, -2) / shape.head**0.5
    later = torch.ones(len(normed), len(normed)).triu(1).bool()
    context = scores.masked_fill(later, -torch.inf).softmax(-1) @ value
    return F.linear(context.transpose(0, 1).flatten(1), own["attention.dense.weight"].float())


def _turned(shape: Shape, values: torch.Tensor) -> torch.Tensor:
    angles = torch.outer(torch.arange(values.shape[1]).float(), shape.frequencies())
    angles = torch.cat([angles, angles], dim=-1)
    front, rest = values[..., : shape.turned], values[..., shape.turned :]
    first, second = front.chunk(2, dim=-1)
    turned = front * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()
    return torch.cat([turned, rest], dim=-1)


def _mlp(own: dict, normed: torch.Tensor) -> torch.Tensor:
    inner = F.gelu(_linear(own, "mlp.dense_h_to_4h", normed))
    return F.linear(inner, own["mlp.dense_4h_to_h.weight"].float())
