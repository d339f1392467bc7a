"""A model's tensors as GPT-NeoX numbers, names and cuts them up, and as transformers names them.

GPT-NeoX saves its pipeline a stage a file (`megatron/model/gpt2_model.py`): 0 is the input embedding,
1 and L + 2 are functions without weights, 2 to L + 1 the L transformer layers, L + 3 the last norm,
L + 4 the unembedding. With model parallelism each tensor is one of these (`megatron/mpu/layers.py`):

- cut into rows, those of the output: the embeddings along the vocabulary, `query_key_value` and
  `dense_h_to_4h` with their biases ("column parallel", for GPT-NeoX multiplies by the transpose). A head's
  queries, keys and values stand together, so that a part has whole heads: putting parts one after another
  is right, in transformers' order too.
- cut into columns, those of the input: `attention.dense.weight` and `mlp.dense_4h_to_h.weight` ("row
  parallel").
- the biases of these two. With `gpt_j_residual` each part adds its own and then the parts are summed
  (`megatron/model/transformer.py`: `output = residual + self.reduce(output)`), so the model's bias is the
  sum. Without it the sum comes first, and the bias, the same in all parts, is added once. GPT-NeoX's
  converters sum in both cases, which is right for Pythia and a bias too large by as many times as there
  are parts for the others.
- whole in each part, and kept alike by equal gradients: the norms. GPT-NeoX's converters take the mean,
  which rounds where eight parts agree; here one of those that agree is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.neox.architecture import Architecture

if TYPE_CHECKING:
    import torch

FREQUENCIES = "attention.rotary_emb.inv_freq"  # in each transformer layer's file, and no weight


class Cut(Enum):
    """How the parts of a tensor make it up."""

    ROWS = "cut into rows"
    COLUMNS = "cut into columns"
    SUM = "a sum of all parts"
    WHOLE = "the same in all parts"


@dataclass(frozen=True)
class Tensor:
    """One tensor of a layer.

    Attributes:
        name: in GPT-NeoX's file of the layer.
        pretrained: in files that `from_pretrained` reads.
        shape: of all of it.
        cut: into parts.
    """

    name: str
    pretrained: str
    shape: tuple[int, ...]
    cut: Cut

    def part_shape(self, parts: int) -> tuple[int, ...]:
        """The shape of one of so many parts."""
        rows, *columns = self.shape
        if self.cut is Cut.ROWS:
            return (rows // parts, *columns)
        return (rows, columns[0] // parts) if self.cut is Cut.COLUMNS else self.shape


@dataclass(frozen=True)
class Layer:
    """What one file of each part holds. `rotates`: the frequencies of its rotation as well."""

    number: int
    tensors: tuple[Tensor, ...]
    rotates: bool = False


def layers(model: Architecture) -> list[Layer]:
    """The layers that have weights, in order; tied embeddings are in the first alone."""
    table = (model.vocab_size, model.hidden_size)
    end = model.num_layers + 3
    found = [_single(0, "word_embeddings.weight", "gpt_neox.embed_in.weight", table)]
    found += [_block(model, number) for number in range(model.num_layers)]
    norm = [_norm("norm", "gpt_neox.final_layer_norm", kind, model) for kind in ("weight", "bias")]
    found.append(Layer(end, tuple(norm)))
    if model.no_weight_tying:
        found.append(_single(end + 1, "final_linear.weight", "embed_out.weight", table))
    return found


def _single(number: int, name: str, pretrained: str, shape: tuple[int, ...]) -> Layer:
    return Layer(number, (Tensor(name, pretrained, shape, Cut.ROWS),))


def _norm(name: str, pretrained: str, kind: str, model: Architecture) -> Tensor:
    return Tensor(f"{name}.{kind}", f"{pretrained}.{kind}", (model.hidden_size,), Cut.WHOLE)


def _block(model: Architecture, number: int) -> Layer:
    width, inner = model.hidden_size, model.intermediate_size
    bias = Cut.SUM if model.gpt_j_residual else Cut.WHOLE
    rows = [
        ("attention.query_key_value", (3 * width, width), Cut.ROWS, Cut.ROWS),
        ("attention.dense", (width, width), Cut.COLUMNS, bias),
        ("mlp.dense_h_to_4h", (inner, width), Cut.ROWS, Cut.ROWS),
        ("mlp.dense_4h_to_h", (width, inner), Cut.COLUMNS, bias),
    ]
    before = f"gpt_neox.layers.{number}"
    found = [
        _norm(name, f"{before}.{name}", kind, model)
        for name in ("input_layernorm", "post_attention_layernorm")
        for kind in ("weight", "bias")
    ]
    for name, shape, of_weight, of_bias in rows:
        for kind, form, cut in (("weight", shape, of_weight), ("bias", shape[:1], of_bias)):
            found.append(Tensor(f"{name}.{kind}", f"{before}.{name}.{kind}", form, cut))
    return Layer(number + 2, tuple(found), rotates=True)


def check_parts(model: Architecture, parts: int) -> None:
    """Raise UsageError unless a model can be cut into so many parts, each of whole heads."""
    for what, size in (
        ("attention heads", model.num_attention_heads),
        ("rows of the embedding", model.vocab_size),
        ("columns of the MLP", model.intermediate_size),
    ):
        if size % parts:
            raise UsageError(
                f"{parts} parts cannot share {size:,} {what}; expected a divisor of it"
            )


def agree(parts: Sequence[torch.Tensor]) -> bool:
    """Whether tensors are the same."""
    import torch

    return all(torch.equal(parts[0], part) for part in parts[1:])


def merge(tensor: Tensor, parts: Sequence[torch.Tensor], average: bool = False) -> torch.Tensor:
    """The whole of a tensor, in the dtype of its parts.

    A sum is rounded once. With `average`, parts that should be the same and are not give their mean.

    Raises:
        UsageError: they are not the same, without `average`.
    """
    import torch

    if len(parts) == 1:
        return parts[0]
    if tensor.cut in (Cut.ROWS, Cut.COLUMNS):
        return torch.cat(list(parts), dim=0 if tensor.cut is Cut.ROWS else 1)
    if tensor.cut is Cut.WHOLE and agree(parts):
        return parts[0]
    # In the order of the parts, and not from 0: minus nothing stays minus nothing.
    total = parts[0].double()
    for part in parts[1:]:
        total = total + part.double()
    if tensor.cut is Cut.SUM:
        return total.to(parts[0].dtype)
    if not average:
        raise UsageError(_differ(tensor, parts))
    return (total / len(parts)).to(parts[0].dtype)


def _differ(tensor: Tensor, parts: Sequence[torch.Tensor]) -> str:
    most = max(float((part.double() - parts[0].double()).abs().max()) for part in parts)
    return (
        f"{tensor.name} is not the same in all parts: they differ by up to {most:.3g}; are they of one "
        "checkpoint? --average takes the mean"
    )


def split(tensor: Tensor, whole: torch.Tensor, parts: int) -> list[torch.Tensor]:
    """The parts of a tensor, copies; `merge` gives back its very bits.

    Of a sum the first part has all and the others have minus nothing, which any number may be added to
    unchanged. (GPT-NeoX's converter divides by the parts, and small numbers of float16 lose bits.) In
    training it is the same: all parts get the same gradient, and biases do not decay.
    """
    import torch

    if tensor.cut in (Cut.ROWS, Cut.COLUMNS):
        pieces = whole.chunk(parts, dim=0 if tensor.cut is Cut.ROWS else 1)
        return [piece.clone(memory_format=torch.contiguous_format) for piece in pieces]
    rest = torch.full_like(whole, -0.0) if tensor.cut is Cut.SUM else whole
    return [whole.clone(), *(rest.clone() for _ in range(parts - 1))]
