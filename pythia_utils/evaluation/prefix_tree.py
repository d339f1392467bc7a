"""Token sequences that begin alike, laid out so that what they share is run through a network once.

The sequences form a tree: a node is a token after a given beginning. A row holds a few branches, one
after the other; each node's position is its depth, and it attends only to the nodes above it. So a
network computes for each node what it would for the sequence alone, to rounding. Sorted sequences have
their common beginnings side by side, and rows are filled in that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.inference import device_of, hidden_states, require_gpt_neox

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM

# Nodes in a row, if no sequence is longer: wider ones share little more, and attend to more.
ROW = 64


@dataclass(frozen=True)
class PrefixTree:
    """Rows of nodes, padded at their ends.

    Attributes:
        ids: token ids, int64 (rows, width).
        depths: how many tokens stand before each, int64 (rows, width).
        sees: bool (rows, width, width): whether the node of the second index attends to that of the third.
    """

    ids: torch.Tensor
    depths: torch.Tensor
    sees: torch.Tensor

    @property
    def width(self) -> int:
        """Nodes in a row, padding included."""
        return self.ids.shape[1]

    def states(self, model: GPTNeoXForCausalLM, rows: Sequence[int]) -> torch.Tensor:
        """A network's hidden states of the nodes of some rows, in their order: (nodes, d_model)."""
        device, dtype = device_of(model), model.dtype
        unseen = self.sees[rows].to(device).logical_not()
        mask = torch.zeros(unseen.shape, dtype=dtype, device=device)
        mask.masked_fill_(unseen, torch.finfo(dtype).min)
        where = {"position_ids": self.depths[rows].to(device), "attention_mask": mask[:, None]}
        return hidden_states(model, self.ids[rows], **where).flatten(0, 1)


def require_mask(model: GPTNeoXForCausalLM) -> None:
    """Refuse a model to which a tree cannot be given.

    Raises:
        UsageError: another class of model, or an attention that takes no mask.
    """
    attention = require_gpt_neox(model).config._attn_implementation
    if attention not in ("sdpa", "eager"):
        raise UsageError(f"attention {attention!r} takes no mask; expected 'sdpa' or 'eager'")


def within(nodes: np.ndarray, first: int, end: int) -> slice:
    """Which of the sorted nodes are at least `first` and below `end`."""
    return slice(*np.searchsorted(nodes, [first, end]).tolist())


def build_tree(sequences: Sequence[Sequence[int]]) -> tuple[PrefixTree, list[np.ndarray]]:
    """The tree of some sequences of one token or more.

    Returns:
        The tree, and for each sequence, in order, its nodes: int64 (length,), row * width + column.
    """
    distinct = sorted({tuple(sequence) for sequence in sequences})
    width = max(ROW, max(map(len, distinct), default=0))
    paths: dict[tuple[int, ...], np.ndarray] = {}
    before: tuple[int, ...] = ()
    path = np.empty(0, np.int64)
    end = 0  # the first node that is free
    for sequence in distinct:
        shared = common_prefix(before, sequence)
        free = -end % width if end else width
        if len(sequence) - shared > free:
            end, shared = end + free, 0
        fresh = np.arange(end, end + len(sequence) - shared)
        path = np.concatenate([path[:shared], fresh])
        paths[sequence], before, end = path, sequence, end + len(fresh)
    return _lay_out(paths, width, -(-end // width)), [paths[tuple(s)] for s in sequences]


def _lay_out(paths: dict[tuple[int, ...], np.ndarray], width: int, rows: int) -> PrefixTree:
    ids = np.zeros((rows, width), np.int64)
    depths = np.zeros((rows, width), np.int64)
    sees = np.zeros((rows, width, width), bool)
    # Padding sees itself: softmax needs something.
    sees[:, np.arange(width), np.arange(width)] = True
    for sequence, path in paths.items():
        row, columns = path[0] // width, path % width
        ids[row, columns] = sequence
        depths[row, columns] = np.arange(len(path))
        sees[row, columns[:, None], columns] |= np.tri(len(path), dtype=bool)
    return PrefixTree(torch.from_numpy(ids), torch.from_numpy(depths), torch.from_numpy(sees))


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
