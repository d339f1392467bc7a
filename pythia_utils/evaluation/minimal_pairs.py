"""Which sentence of a minimal pair a model finds likelier, with no work that the answer does not need.

A pair's margin, log p(good) - log p(bad), is a sum of logits less a sum of normalisers. What both
sentences begin with cancels in it; so does the normaliser of the first token that differs, whose two
logits suffice. The vocabulary is projected onto at the positions after that alone, and what any sentences
begin with in common goes through the network once (`prefix_tree`).

Pairs are prepared once for a tokenizer, and then scored with any number of its models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import torch
from scipy.sparse import coo_array, csr_array

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.inference import (
    device_of,
    log_normalizers,
    measuring,
    require_context,
    run_in_batches,
    target_logits,
    token_ids,
    tokens_that_fit,
)
from pythia_utils.evaluation.likelihood import first_token
from pythia_utils.evaluation.prefix_tree import PrefixTree, build_tree, require_mask, within

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# Of each tokenizer, the tokens of the sentences that it has been asked for.
_KNOWN: WeakKeyDictionary[PreTrainedTokenizerBase, dict[str, list[int]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class PreparedPairs:
    """Minimal pairs as tokens, laid out for scoring. Made by `prepare_pairs`.

    Attributes:
        table: a row a pair: phenomenon, good, bad.
        tree: all sentences but their last tokens, after the end-of-text token.
        scored: node and token of each logit that a margin holds, int64 (2, logits), in the order of nodes.
        logit_weights: how often each stands in each margin, sparse (pairs, logits).
        normalized: node of each normalizer that a margin holds, int64 (normalizers,), in order.
        normalizer_weights: how often each stands in each margin, sparse (pairs, normalizers).
        lengths: tokens of each pair that a network reads at once, those of its longer sentence.
    """

    table: pd.DataFrame
    tree: PrefixTree
    scored: np.ndarray
    logit_weights: csr_array
    normalized: np.ndarray
    normalizer_weights: csr_array
    lengths: np.ndarray

    def score(self, model: PreTrainedModel, batch_tokens: int | None = None) -> pd.DataFrame:
        """As `score_minimal_pairs`, for a model of the tokenizer that the pairs were prepared with.

        Args:
            model: a causal network.
            batch_tokens: tokens in one forward pass; from the memory if None. Changes no result.
        """
        (margin,) = self.margins(
            model, lambda rows: [self.tree.states(model, rows)], 1, batch_tokens
        )
        return self.table.assign(margin=margin, correct=margin > 0)

    @torch.inference_mode()
    def margins(
        self,
        model: PreTrainedModel,
        states: Callable[[list[int]], Iterable[torch.Tensor]],
        ways: int,
        batch_tokens: int | None = None,
    ) -> np.ndarray:
        """log p(good) - log p(bad) by hidden states that may be others than the model's last.

        Args:
            model, batch_tokens: as of `score`; its unembedding is what they are put through.
            states: of some rows of the tree, one way after another: (nodes, d_model), in the nodes' order.
            ways: how many there are.

        Returns:
            float64 (ways, pairs), nats.
        """
        require_mask(model)
        token_ids(model, [self.tree.ids.numpy(), self.scored[1]], "what pairs hold,")
        require_context(model, self.lengths.tolist(), "pair")
        device = device_of(model)
        logits = torch.zeros(ways, self.scored.shape[1], device=device)
        normalizers = torch.zeros(ways, len(self.normalized), device=device)

        def fill(rows: list[int]) -> None:
            # All rows are as wide: a batch is a run of nodes.
            first, end = rows[0] * self.tree.width, (rows[-1] + 1) * self.tree.width
            scored = within(self.scored[0], first, end)
            nodes, tokens = torch.from_numpy(self.scored[:, scored]).to(device)
            normalized = within(self.normalized, first, end)
            others = torch.from_numpy(self.normalized[normalized]).to(device)
            for way, hidden in enumerate(states(rows)):
                logits[way, scored] = target_logits(model, hidden[nodes - first], tokens)
                normalizers[way, normalized] = log_normalizers(model, hidden[others - first])

        budget = batch_tokens or tokens_that_fit(model)
        with measuring("minimal pairs", model):
            run_in_batches([self.tree.width] * len(self.tree.ids), budget, fill)
        margin = logits.double().cpu().numpy() @ self.logit_weights.T
        return margin - normalizers.double().cpu().numpy() @ self.normalizer_weights.T


def answerable(tokenizer: PreTrainedTokenizerBase, pairs: Sequence) -> tuple[list, list]:
    """The pairs that a model can answer, and those that none can: both sentences are the same tokens.

    BLiMP has seven of the second kind, whose sentences are equal. To count them as wrong, or as right,
    would say something of the model that is true of the pair alone.
    """
    kinds: tuple[list, list] = ([], [])
    for pair, (good, bad) in zip(pairs, pair_tokens(tokenizer, pairs), strict=True):
        kinds[good == bad].append(pair)
    return kinds


def pair_tokens(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence
) -> list[tuple[list[int], list[int]]]:
    """The token ids of the two sentences of each pair, kept as long as the tokenizer is."""
    known = _KNOWN.setdefault(tokenizer, {})
    sentences = [text for pair in pairs for text in (pair.good, pair.bad)]
    if new := [text for text in dict.fromkeys(sentences) if text not in known]:
        known |= zip(new, tokenizer(new, add_special_tokens=False)["input_ids"], strict=True)
    return [(known[pair.good], known[pair.bad]) for pair in pairs]


def _check(pairs: Sequence, tokens: Sequence[tuple[list[int], list[int]]]) -> None:
    for index, (pair, halves) in enumerate(zip(pairs, tokens, strict=True)):
        for which, ids in zip(("good", "bad"), halves, strict=True):
            if not ids:
                text = getattr(pair, which)
                raise UsageError(f"pair {index}: its {which} sentence {text!r} is empty")
        if halves[0] == halves[1]:
            raise UsageError(
                f"pair {index} cannot be answered: {pair.good!r} and {pair.bad!r} are the same tokens; "
                "`answerable` leaves such pairs out"
            )


def prepare_pairs(tokenizer: PreTrainedTokenizerBase, pairs: Sequence) -> PreparedPairs:
    """Minimal pairs, tokenized and laid out once for all checkpoints that share a tokenizer.

    Args:
        tokenizer: the models'.
        pairs: objects with `phenomenon`, `good` and `bad`.

    Raises:
        UsageError: a sentence without a token, or a pair whose sentences are the same tokens.
    """
    tokens_of = pair_tokens(tokenizer, pairs)
    _check(pairs, tokens_of)
    ids = [row for halves in tokens_of for row in halves]
    first = first_token(tokenizer)
    tree, paths = build_tree([[first, *row[:-1]] for row in ids])
    nodes = np.concatenate([np.empty(0, np.int64), *paths])
    tokens = np.fromiter((token for row in ids for token in row), np.int64)
    sentence = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
    pair, sign = sentence // 2, 1.0 - 2.0 * (sentence % 2)
    several = tokens.max(initial=0) + 1  # node and token as one number: sorted in no time
    edges, edge = np.unique(nodes * several + tokens, return_inverse=True)
    scored, logit_weights = _weights(
        np.stack(np.divmod(edges, several)), edge, pair, sign, len(pairs)
    )
    positions = np.unique(nodes, return_inverse=True)
    normalized, normalizer_weights = _weights(*positions, pair, sign, len(pairs))
    lengths = np.array([len(row) for row in ids], np.int64).reshape(-1, 2).max(axis=1)
    names = ("phenomenon", "good", "bad")
    table = pd.DataFrame({name: [getattr(pair, name) for pair in pairs] for name in names})
    return PreparedPairs(
        table, tree, scored, logit_weights, normalized, normalizer_weights, lengths
    )


def _weights(
    values: np.ndarray, index: np.ndarray, pair: np.ndarray, sign: np.ndarray, pairs: int
) -> tuple[np.ndarray, csr_array]:
    """How often each value stands in each pair's margin, and those values alone that stand in one."""
    matrix = coo_array((sign, (pair, index)), shape=(pairs, values.shape[-1])).tocsr()
    matrix.eliminate_zeros()  # what stands in both sentences
    kept = np.unique(matrix.indices)
    return values[..., kept], matrix[:, kept]


def score_minimal_pairs(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence
) -> pd.DataFrame:
    """Tell whether the model finds the acceptable sentence of each pair the likelier one.

    The measure of BLiMP (Warstadt et al. 2020, section 4): full-sentence log-likelihood, no length
    normalisation. A tie, a margin of exactly 0, is not a correct answer, so a model that finds all
    sentences equally likely is right on none: say how many ties there are. The end-of-text token
    stands before the first word, as in lm-evaluation-harness, so that the first word counts too. For
    many models of one tokenizer prepare the pairs once: `prepare_pairs(tokenizer, pairs).score(model)`.

    Args:
        model: a causal network.
        tokenizer: its tokenizer.
        pairs: objects with `phenomenon`, `good` and `bad`.

    Returns:
        A row a pair, in order: phenomenon, good, bad, margin (log p(good) - log p(bad), nats, float64),
        correct (margin > 0).

    Raises:
        UsageError: a pair that no model can answer (`answerable`), a sentence without a token or longer
            than the model's context, a model of another class, an attention that takes no mask.
        NotFiniteError: the network gives NaN or infinity; the message names its checkpoint.
    """
    return prepare_pairs(tokenizer, pairs).score(model)
