"""What a cell records: gains by repetition, the heads' scores, what a gain hangs on, in-context learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.analysis import stats
from pythia_utils.analysis.induction import causal, in_context, repeated
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.ablation import Head
from pythia_utils.evaluation.attention import SCORES, head_scores
from pythia_utils.evaluation.repeats import KINDS, Losses, Repeats, last_nats, losses

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GAINS = ("content_gain", "in_order_gain", "cache_gain")
FEWEST = 4  # sequences, of which one half finds heads and the other tests them
Rows = list[dict]


def head_name(layer: int, head: int) -> str:
    """What records call a head, as a subset; both are counted from 0."""
    return f"layer {layer}, head {head}"


def _row(metric: str, subset: str, values: np.ndarray) -> dict:
    """The mean over sequences, which are the items."""
    value, stderr = stats.mean_and_stderr(values)
    return {
        "metric": metric,
        "subset": subset,
        "value": value,
        "stderr": stderr,
        "n": len(values),
    }


def drawn(
    tokenizer: PreTrainedTokenizerBase, tests: Sequence[repeated.Test], n: int
) -> list[Repeats]:
    """`n` sequences of each test.

    Raises:
        UsageError: fewer than four, or an alphabet or a length that does not do.
    """
    if n < FEWEST:
        raise UsageError(f"{n} sequences of each kind; expected {FEWEST} or more")
    return [test.draw(tokenizer, n) for test in tests]


def gains(
    model: PreTrainedModel, tests: Sequence[repeated.Test], repeats: Sequence[Repeats]
) -> Rows:
    """Losses and gains of every test, and the means of the gains over those of the first one's alphabet.

    The tests draw different sequences: their mean has the error of a mean of independent estimates
    (`stats.weighted_mean`).
    """
    rows, headline = [], []
    for test, own in zip(tests, repeats, strict=True):
        found = losses(model, own)
        told = _gains(test.name, found)
        headline += told if test.alphabet == tests[0].alphabet else []
        rows += told + [_row(f"loss_{kind}", test.name, found.of(kind)) for kind in KINDS]
    return [_mean(metric, headline) for metric in GAINS] + rows


def _gains(name: str, found: Losses) -> Rows:
    return [_row(metric, name, getattr(found, metric)) for metric in GAINS]


def _mean(metric: str, rows: Rows) -> dict:
    own = [row for row in rows if row["metric"] == metric]
    value, stderr = stats.weighted_mean([r["value"] for r in own], [r["stderr"] for r in own])
    n = sum(row["n"] for row in own)
    return {"metric": metric, "subset": "all", "value": value, "stderr": stderr, "n": n}


def echoes(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, n: int) -> Rows:
    """The loss in the second copy of echo documents, without its first token, by period and gap."""
    rows = []
    for period, gap in repeated.ECHO:
        copy = last_nats(model, repeated.echo(tokenizer, period, gap, n), period - 1)
        rows.append(_row("echo_loss", repeated.length_name(period, gap), copy.mean(axis=1)))
    return rows


def heads(model: PreTrainedModel, repeats: Repeats) -> Rows:
    """All scores of all heads (`evaluation.attention`)."""
    scores = head_scores(model, repeats)
    _, layers, width = scores.prefix_matching.shape
    places = [(layer, head) for layer in range(layers) for head in range(width)]
    return [
        _row(name, head_name(*place), getattr(scores, name)[:, place[0], place[1]])
        for name in SCORES
        for place in places
    ]


def ablations(
    model: PreTrainedModel, repeats: Repeats, reference: Repeats
) -> tuple[list[Head], Rows]:
    """Find the heads that the content gain hangs on, and test them on sequences that found none of them.

    Args:
        model: a GPT-NeoX network.
        repeats: the first half finds, the second tests.
        reference: sequences of the same length, for the heads' mean outputs.

    Returns:
        The heads found, the greatest effect first, and rows: `ablation`, what each head alone takes of it;
        `found`, the place of each head found; `gain_left` and `share_left` of the second half, without
        the heads found, without as many others, and without the worst set of others; `other_sets`.
    """
    half = len(repeats.in_order) // 2
    parts = repeats.part(slice(half)), repeats.part(slice(half, None))
    finding, testing = (causal.gain_of(model, part, reference) for part in parts)
    search = causal.search(model, finding)
    rows = [_row("ablation", head_name(*head), own) for head, own in search.effects.items()]
    rows += [
        {"metric": "found", "subset": head_name(*head), "value": place, "n": half}
        for place, head in enumerate(search.found, start=1)
    ]
    if search.found:
        rows += _trial(causal.trial(model, testing, search.found))
    return search.found, rows


def _trial(trial: causal.Trial) -> Rows:
    left = {"heads found": trial.without_found}
    if trial.sets:
        left |= {"as many others": trial.without_others, "worst others": trial.without_worst}
    rows = [_row("gain_left", "no head", trial.whole)]
    for name, own in left.items():
        rows.append(_row("gain_left", name, own))
        if trial.whole.sum() > 0:
            value, stderr = stats.ratio_and_stderr(own, trial.whole)
            share = {"metric": "share_left", "subset": name, "value": value, "stderr": stderr}
            rows.append(share | {"n": len(own)})
    return [*rows, {"metric": "other_sets", "value": trial.sets, "n": len(trial.whole)}]


def context(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, suite: str, texts: str, n: int
) -> Rows:
    """The in-context learning score, and the two losses that it is between (`in_context`)."""
    ids = in_context.rows(model, tokenizer, suite, texts, n)
    early, late = in_context.early_and_late(model, ids)
    return [
        _row("in_context", "all", late - early),
        _row("loss_early", "all", early),
        _row("loss_late", "all", late),
    ]
