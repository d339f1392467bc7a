"""Which heads the gain hangs on: ablated one by one on half of the sequences, together on the other half.

1. Each head alone is ablated (`evaluation.ablation`), and what that takes of the content gain is its effect.
2. The heads found are those that alone take a quarter of the gain or more: induction needs two heads at least,
   and without either there is none. Where they leave much of it together, because others step in, heads of a
   smaller clear effect join them, the greatest first, until little is left.
3. On sequences that were not looked at so far, the heads found are ablated, and beside them as many others.

The means that stand in for heads come from sequences of their own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.analysis.induction.names import LEAST
from pythia_utils.analysis.stats import mean_and_stderr
from pythia_utils.base.progress import Bar
from pythia_utils.evaluation.ablation import Head, ablated, all_heads, mean_outputs
from pythia_utils.evaluation.repeats import Repeats, content_gain

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CLEAR = 2.0  # standard errors of a clear effect
ALONE = 0.25  # of the gain: a head that takes so much by itself is one of those found
REMOVED = 0.8  # of the gain: heads that take so much together are enough
MOST = 8  # heads that are found at most, and no more than half of all
SETS = 20  # of other heads, at most
Gain = Callable[[Sequence[Head]], np.ndarray]  # with these ablated: (sequences,), nats


@dataclass(frozen=True, eq=False)
class Search:
    """What ablation says of each head, on the first half of the sequences.

    Attributes:
        gain: of the whole network: float64 (sequences,), nats a token.
        effects: what ablating a head alone takes of it: by head, float64 (sequences,).
        found: the heads that the gain hangs on, the greatest effect first; none where there is no gain.
    """

    gain: np.ndarray
    effects: dict[Head, np.ndarray]
    found: list[Head]


@dataclass(frozen=True, eq=False)
class Trial:
    """What is left of the gain on the second half, each float64 (sequences,), nats a token.

    Attributes:
        whole: without any ablation.
        without_found: without the heads found.
        without_others: without as many others: the mean over `sets` sets of them.
        without_worst: without the set of others that takes most.
        sets: sets of other heads that were tried; 0 if there are not as many others.
    """

    whole: np.ndarray
    without_found: np.ndarray
    without_others: np.ndarray
    without_worst: np.ndarray
    sets: int


def has_gain(gain: np.ndarray) -> bool:
    """Whether a gain is there to be taken away: clearly above `LEAST`."""
    mean, stderr = mean_and_stderr(gain)
    return bool(mean - CLEAR * stderr > LEAST)


def gain_of(model: PreTrainedModel, repeats: Repeats, reference: Repeats) -> Gain:
    """The content gain on some sequences with heads ablated, as a function of these heads."""
    means = mean_outputs(model, reference.fresh)

    def gain(heads: Sequence[Head]) -> np.ndarray:
        with ablated(model, heads, means):
            return content_gain(model, repeats)

    return gain


def search(model: PreTrainedModel, gain: Gain) -> Search:
    """Ablate every head by itself, and find those that the gain hangs on.

    Args:
        model: a GPT-NeoX network.
        gain: of `gain_of`, for the first half of the sequences.

    Where the network has no gain no head is tried: `effects` and `found` are empty.
    """
    whole = gain([])
    if not has_gain(whole):
        return Search(whole, {}, [])
    heads = all_heads(model)
    effects = {}
    with Bar(len(heads), "ablation", "head", keep=False) as bar:
        for head in heads:
            effects[head] = whole - gain([head])
            bar.advance(1)
    return Search(whole, effects, _enough(whole, effects, gain))


def _enough(whole: np.ndarray, effects: dict[Head, np.ndarray], gain: Gain) -> list[Head]:
    """The heads that take `ALONE` of the gain, and the next ones by effect up to `REMOVED` together."""
    told = {head: mean_and_stderr(own) for head, own in effects.items()}
    clear = [head for head, (mean, stderr) in told.items() if mean > CLEAR * stderr]
    clear = sorted(clear, key=lambda head: -told[head][0])[: min(MOST, len(effects) // 2)]
    least = sum(told[head][0] >= ALONE * whole.mean() for head in clear)
    for count in range(max(1, least), len(clear)):
        if gain(clear[:count]).mean() <= (1 - REMOVED) * whole.mean():
            return clear[:count]
    return clear


def trial(model: PreTrainedModel, gain: Gain, found: Sequence[Head], seed: int = 0) -> Trial:
    """Ablate the heads found, and sets of as many others, on sequences that the search did not see.

    Args:
        model: the network.
        gain: of `gain_of`, for the second half of the sequences.
        found: of `search`, at least one head.
        seed: of the draw of other heads, where there are more sets than `SETS`.
    """
    whole, without = gain([]), gain(found)
    left = [gain(heads) for heads in other_sets(all_heads(model), found, seed)]
    nothing = np.full(len(whole), np.nan)
    worst = min(left, key=lambda own: own.mean(), default=nothing)
    return Trial(whole, without, np.mean(left, axis=0) if left else nothing, worst, len(left))


def other_sets(heads: Sequence[Head], found: Sequence[Head], seed: int = 0) -> list[list[Head]]:
    """Sets of as many heads as were found, without any of these: all, or `SETS` of them drawn by chance."""
    others = [head for head in heads if head not in found]
    size = len(found)
    if math.comb(len(others), size) <= SETS:
        return [list(own) for own in itertools.combinations(others, size)]
    rng, drawn = np.random.default_rng(seed), set()
    while len(drawn) < SETS:
        drawn.add(tuple(sorted(rng.choice(len(others), size, replace=False).tolist())))
    return [[others[place] for place in own] for own in sorted(drawn)]
