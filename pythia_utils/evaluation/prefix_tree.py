"""Token sequences that begin alike, laid out so that what they share is run through a network once.

The sequences form a tree: a node is a token after a given beginning. A row holds a few branches, one
after the other; each node's position is its depth, and it attends only to the nodes above it. So a
network computes for each node what it would for the sequence alone, to rounding. Sorted sequences have
their common beginnings side by side, and rows are filled in that order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import additive, require_causal, takes_trees
from pythia_utils.evaluation.inference import device_of, hidden_states

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PATHS = 500  # that are laid out at once
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

    def states(self, model: PreTrainedModel, rows: Sequence[int]) -> torch.Tensor:
        """A network's hidden states of the nodes of some rows, in their order: (nodes, d_model)."""
        if not takes_trees(model, self.width):
            return self._states_of_branches(model, rows)
        device = device_of(model)
        mask = additive(self.sees[rows].to(device), model)
        where = {"position_ids": self.depths[rows].to(device), "attention_mask": mask}
        return hidden_states(model, self.ids[rows], **where).flatten(0, 1)

    def _states_of_branches(self, model: PreTrainedModel, rows: Sequence[int]) -> torch.Tensor:
        """The same, of a network that takes no mask of ours: each branch by itself, whatever they share."""
        found = [self._states_of_row(model, row) for row in rows]
        return torch.cat(found)

    def _states_of_row(self, model: PreTrainedModel, row: int) -> torch.Tensor:
        depths, sees = self.depths[row], self.sees[row]
        ends = sees.sum(dim=0) == 1  # that no other node sees
        paths = [sees[end].nonzero().flatten() for end in ends.nonzero().flatten().tolist()]
        paths = [path[depths[path].argsort()] for path in paths]
        ids = torch.nn.utils.rnn.pad_sequence([self.ids[row, path] for path in paths], True)
        states = hidden_states(model, ids)  # padding is on the right: nothing before it sees it
        result = states.new_zeros(self.width, states.shape[-1])
        for path, found in zip(paths, states, strict=True):
            result[path.to(states.device)] = found[: len(path)]
        return result


def require_mask(model: PreTrainedModel) -> None:
    """Refuse a model to which a tree cannot be given.

    Raises:
        UsageError: another kind of model, or a GPT-NeoX whose attention takes no mask. Of other classes it is
            tried out, and what they cannot share they are given apart.
    """
    config = require_causal(model).config
    attention = config._attn_implementation
    if config.model_type == "gpt_neox" and attention not in ("sdpa", "eager"):
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
    nodes = np.concatenate([np.empty(0, np.int64), *paths.values()])
    lengths = np.fromiter(map(len, paths), np.int64, len(paths))
    ids.flat[nodes] = np.fromiter(chain.from_iterable(paths), np.int64, len(nodes))
    depths.flat[nodes] = np.arange(len(nodes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    for part in _padded(nodes, lengths):
        _let_see(sees, part)
    return PrefixTree(torch.from_numpy(ids), torch.from_numpy(depths), torch.from_numpy(sees))


def _padded(nodes: np.ndarray, lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Paths as rows, a few at a time: int64 (paths, longest), -1 after a path's end."""
    ends = np.cumsum(lengths)
    for start in range(0, len(lengths), _PATHS):
        own = lengths[start : start + _PATHS]
        begin = ends[start] - lengths[start]
        rows = np.full((len(own), own.max()), -1)
        rows[np.arange(own.max()) < own[:, None]] = nodes[begin : begin + own.sum()]
        yield rows


def _let_see(sees: np.ndarray, paths: np.ndarray) -> None:
    """Let each node of some paths attend to itself and to those before it on its path."""
    longest, width = paths.shape[1], sees.shape[-1]
    above, below = np.tril_indices(longest)[::-1]
    seen, seer = paths[:, above], paths[:, below]
    there = seer >= 0
    seer, seen = seer[there], seen[there]
    sees[seer // width, seer % width, seen % width] = True


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two sequences begin with in common."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
