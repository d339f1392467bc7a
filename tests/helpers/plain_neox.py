"""GPT-NeoX read out loud: one text, layer by layer and head by head, from a network's weights alone.

No module of transformers runs here, no hook is set, nothing is batched: loops over heads and positions, in
float64. It is slow, and it is what faster code must agree with. (`neox_files` has one of GPT-NeoX's own files.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Head = tuple[int, int]  # layer, and head in it


@dataclass
class Seen:
    """All that passes between the parts, float64, of a text of so many tokens.

    Attributes:
        residual: before each layer and behind the last: (length, d_model).
        patterns, values, heads: of each head: (length, length), to by from; what it reads where it attends,
            (length, d_head); what it has read, before the output matrix, (length, d_head).
        attention, mlps: what each layer's parts add: (length, d_model).
        logits: (length, vocabulary).
    """

    residual: list[Tensor] = field(default_factory=list)
    patterns: dict[Head, Tensor] = field(default_factory=dict)
    values: dict[Head, Tensor] = field(default_factory=dict)
    heads: dict[Head, Tensor] = field(default_factory=dict)
    attention: list[Tensor] = field(default_factory=list)
    mlps: list[Tensor] = field(default_factory=list)
    logits: Tensor | None = None


class PlainNeox:
    """A network's weights by name, and its settings."""

    def __init__(self, network) -> None:
        self.weights = {name: w.detach().double() for name, w in network.state_dict().items()}
        self.config = network.config
        self.width = network.config.hidden_size // network.config.num_attention_heads

    def run(
        self,
        ids: Sequence[int],
        heads: Mapping[Head, Tensor] | None = None,
        mlps: Mapping[int, Tensor] | None = None,
    ) -> Seen:
        """Read a text; what is given of heads' outputs and of MLPs' stands in the place of what they say."""
        seen, replaced = Seen(), (heads or {}, mlps or {})
        stream = torch.stack([self.weights["gpt_neox.embed_in.weight"][token] for token in ids])
        for layer in range(self.config.num_hidden_layers):
            seen.residual.append(stream)
            stream = self._layer(layer, stream, seen, *replaced)
        seen.residual.append(stream)
        seen.logits = self.logits(stream)
        return seen

    def logits(self, stream: Tensor) -> Tensor:
        """The final norm and the unembedding of a stream of any depth: (length, vocabulary)."""
        return self._norm("gpt_neox.final_layer_norm", stream) @ self.unembedding.T

    @property
    def unembedding(self) -> Tensor:
        return self.weights["lm_head.weight"]

    def output(self, layer: int, head: int) -> Tensor:
        """The columns of the output matrix that are a head's: (d_model, d_head)."""
        dense = self.weights[f"gpt_neox.layers.{layer}.attention.dense.weight"]
        return dense[:, head * self.width : (head + 1) * self.width]

    def _layer(self, layer: int, stream: Tensor, seen: Seen, heads, mlps) -> Tensor:
        name = f"gpt_neox.layers.{layer}"
        normed = self._norm(f"{name}.input_layernorm", stream)
        added = self.weights[f"{name}.attention.dense.bias"].expand_as(stream)
        for head in range(self.config.num_attention_heads):
            said = self._head(layer, head, normed, seen)
            said = seen.heads[layer, head] = heads.get((layer, head), said)
            added = added + said @ self.output(layer, head).T
        beside = stream if self.config.use_parallel_residual else stream + added
        inner = self._linear(
            f"{name}.mlp.dense_h_to_4h", self._norm(f"{name}.post_attention_layernorm", beside)
        )
        inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
        mlp = mlps.get(layer, self._linear(f"{name}.mlp.dense_4h_to_h", inner))
        seen.attention.append(added)
        seen.mlps.append(mlp)
        return stream + added + mlp

    def _head(self, layer: int, head: int, normed: Tensor, seen: Seen) -> Tensor:
        """Position by position: weights over all that came before, and what they bring together."""
        mixed = self._linear(f"gpt_neox.layers.{layer}.attention.query_key_value", normed)
        own = mixed[:, 3 * head * self.width : 3 * (head + 1) * self.width]
        query, key, value = own.split(self.width, dim=1)
        pattern = torch.zeros(len(normed), len(normed), dtype=torch.float64)
        for to in range(len(normed)):
            scores = torch.stack(
                [
                    self._turned(query[to], to) @ self._turned(key[at], at) / self.width**0.5
                    for at in range(to + 1)
                ]
            )
            pattern[to, : to + 1] = scores.exp() / scores.exp().sum()
        seen.patterns[layer, head], seen.values[layer, head] = pattern, value
        return pattern @ value

    def _turned(self, vector: Tensor, position: int) -> Tensor:
        """Its first numbers in pairs, half a turned part away from each other, turned by the position."""
        rope = self.config.rope_parameters
        half = int(self.width * rope["partial_rotary_factor"]) // 2
        turned = vector.clone()
        for i in range(half):
            angle = torch.tensor(position * rope["rope_theta"] ** (-i / half), dtype=torch.float64)
            one, two = vector[i], vector[i + half]
            turned[i] = one * angle.cos() - two * angle.sin()
            turned[i + half] = two * angle.cos() + one * angle.sin()
        return turned

    def _norm(self, name: str, stream: Tensor) -> Tensor:
        centred = stream - stream.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + self.config.layer_norm_eps).sqrt()
        return centred / scale * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def _linear(self, name: str, stream: Tensor) -> Tensor:
        return stream @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
