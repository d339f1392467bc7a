"""The computed sentences and tables of the notebook and the chapter on induction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select, show
from pythia_utils.analysis.induction.names import ECHO_PERIODS, LEAST, SCORES
from pythia_utils.analysis.learning_curves import step_in_words
from pythia_utils.analysis.words import interval, listed, readable, span
from pythia_utils.base.markup import markdown
from pythia_utils.nano.documents import SYMBOLS

if TYPE_CHECKING:
    from IPython.display import Markdown

    from pythia_utils.analysis.induction.repeated import Test
    from pythia_utils.analysis.show import Table
    from pythia_utils.evaluation.ablation import Head

HALF = 0.5  # nats: what counts as a gain that one can see
ROWS = 20  # of a table on a page
CHANCE = math.log(len(SYMBOLS))  # nats: the loss of guessing among the symbols


# --- one checkpoint -------------------------------------------------------------------------------


def tested(tests: Sequence[Test], n: int) -> str:
    """What sequences a cell draws. Markdown."""
    names = ", ".join(markdown(test.name) for test in tests)
    return (
        f"{n} sequences of each of {len(tests)} kinds: {names} (alphabet, period, and gap if there is one). "
        f"Heads are scored and ablated on *{markdown(tests[0].name)}*."
    )


def found(heads: Sequence[Head], rows: pd.DataFrame) -> str:
    """Which heads one checkpoint's gain hangs on, and what ablating them leaves on new sequences. Markdown."""
    if not len(heads):
        return (
            f"On the first half of the sequences the content gain is not clearly above {LEAST:g} nats: there "
            "is nothing to ablate, and no head is tried."
        )
    left = rows[rows["metric"] == "gain_left"].set_index("subset")["value"]
    shares = rows[rows["metric"] == "share_left"].set_index("subset")["value"]
    names = "; ".join(f"layer {layer}, head {head}" for layer, head in heads)
    told = f"The gain hangs on {names}. On the other half of the sequences it is {left['no head']:.2f} nats"
    if "heads found" in shares:
        told += f"; without the heads found {shares['heads found']:.0%} of it are left"
    if "as many others" in shares:
        told += f", without as many others {shares['as many others']:.0%}"
    return f"{told}."


# --- the chapter ----------------------------------------------------------------------------------


def headline(gain: pd.DataFrame) -> str:
    """The content gain at the last step, by size, and how many runs have half a nat or more. Markdown.

    Args:
        gain: of `tables.of(records, "content_gain")`.
    """
    last = select.near_the_end(gain)
    if last.empty:
        return "These records hold no gains."
    parts = [
        f"**{markdown(size)}**: {seeds.in_words(own['value'])}, half a nat or more in "
        f"{int((own['value'] >= HALF).sum())} of {len(own)}"
        for size, own in last.sort_values("n_params").groupby("size", sort=False)
    ]
    return f"Content gain at step {select.step_in_words(last)}, nats a token, by size: {'; '.join(parts)}."


def other_alphabets(rows: pd.DataFrame) -> str:
    """How far the gain at the last step carries to other alphabets and lengths, over models. Markdown.

    Args:
        rows: of `tables.by_test`.
    """
    last = select.near_the_end(rows)
    if last.empty:
        return "These records hold no gains."
    order = list(dict.fromkeys(last["test"]))
    parts = []
    for test in order:
        parts.append(f"{markdown(test)} {span(last[last['test'] == test]['value'])}")
    return f"Content gain at step {select.step_in_words(last)} over all models: {'; '.join(parts)}."


def onset_table(table: pd.DataFrame, last: int) -> Table | Markdown:
    """When the gain and the best head's score set in: `tables.onsets`, with the last measured step."""
    none = float("nan"), float("nan")

    def told(step: float, there: bool) -> str:
        return step_in_words(step, *none, last) if there else "no gain"

    there = table["low"] > LEAST
    shown = pd.DataFrame(
        {
            "model": table["model"],
            "content gain at the end": [interval(row, "gain") for _, row in table.iterrows()],
            "its half, from step": [
                told(*pair) for pair in zip(table["gain_onset"], there, strict=True)
            ],
            "best prefix matching at the end": table["score"],
            "its half, from step ": [
                told(*pair) for pair in zip(table["score_onset"], there, strict=True)
            ],
        }
    )
    return _table(shown, {}, "Gains in nats with normal 95% intervals over sequences.")


def echo(rows: pd.DataFrame) -> str:
    """What is paid in the copy of echo documents, within the periods of training and beyond. Markdown.

    Args:
        rows: of `tables.echo`.
    """
    last = select.near_the_end(rows)
    if last.empty:
        return "These records hold no echo documents."
    low, high = ECHO_PERIODS
    within = last["period"].between(low, high)
    parts = {
        f"periods of {low} to {high}, as in training": last[within & (last["gap"] == 0)],
        "longer periods": last[~within],
        "with a gap": last[last["gap"] > 0],
    }
    told = "; ".join(f"{name}: {span(own['value'])}" for name, own in parts.items() if len(own))
    return (
        f"Loss in the copy at step {select.step_in_words(last)}, nats a token over all models: {told}. "
        f"Guessing among the {len(SYMBOLS)} symbols costs {CHANCE:.2f}."
    )


def causal(shares: pd.DataFrame, models: int) -> str:
    """What is left of the gain without the heads found, and without as many others. Markdown.

    Args:
        shares: of `tables.shares_left`.
        models: how many were measured.
    """
    if shares.empty:
        return f"In none of {models} models is there a gain to ablate."
    told = f"{len(shares)} of {models} models have a gain to ablate. Without the heads found "
    told += f"{span(shares['heads found'], '.0%')} of it are left on new sequences"
    others = shares["as many others"].dropna()
    if len(others):
        told += f"; without as many others {span(others, '.0%')}"
        told += f", without the worst set of others {span(shares['worst others'].dropna(), '.0%')}"
    return f"{told}."


def causal_table(shares: pd.DataFrame) -> Table | Markdown:
    """The same, a row a model."""
    names = {"heads found": "left without them", "as many others": "left without as many others"}
    names |= {"worst others": "left without the worst others"}
    told = {
        name: [f"{share:.0%}" if np.isfinite(share) else "–" for share in shares[name]]
        for name in names
    }
    shown = shares[["model", "step", "found", "whole"]].assign(**told)
    shown = shown.rename(columns={"found": "heads found", **names, "whole": "gain, nats"})
    return _table(shown, {"step": "{:,}", "gain, nats": "{:.2f}"})


def ranks_table(ranks: pd.DataFrame) -> Table | Markdown:
    """The heads found with their scores, and their places among all heads of their model by each."""
    shown = pd.DataFrame(
        {
            "model": ranks["model"],
            "head": [f"layer {row.layer}, head {row.head}" for row in ranks.itertuples()],
            "gain lost alone, nats": ranks["ablation"],
        }
    )
    for score in SCORES:
        places = zip(ranks[score], ranks[f"{score}_place"], ranks["heads"], strict=True)
        shown[readable(score)] = [f"{value:.2f} ({int(at)} of {n})" for value, at, n in places]
    return _table(shown, {"gain lost alone, nats": "{:.2f}"})


def _table(frame: pd.DataFrame, formats: dict[str, str], caption: str = "") -> Table | Markdown:
    """As many rows as a page has room for; the caption tells of the others."""
    if len(frame) > ROWS:
        caption = f"{caption} {ROWS} of {len(frame)} rows, the smallest models first.".strip()
    return show.table(frame.head(ROWS), formats, caption)


def ranks(table: pd.DataFrame) -> str:
    """In how many models the head of the greatest score is among those found, for each score. Markdown.

    Args:
        table: of `tables.ranks`.
    """
    if table.empty:
        return "No heads were found, so there are no scores of theirs."
    best = {score: table[table[f"{score}_place"] == 1] for score in SCORES}
    parts = [f"{readable(score)} in {own['model'].nunique()}" for score, own in best.items()]
    told = (
        f"Of {table['model'].nunique()} models with heads found, the head of the greatest score of all heads "
        f"is among those found for {', '.join(parts)}."
    )
    for score in ("prefix_matching", "previous_token"):
        if len(own := best[score]):
            told += f" By {readable(score)} these heads have {span(own[score])}."
    return told


def in_context(score: pd.DataFrame) -> str:
    """The in-context learning score at the last step, by size. Markdown.

    Args:
        score: of `tables.of(records, "in_context")`.
    """
    last = select.near_the_end(score)
    if last.empty:
        return "These records hold no in-context learning score."
    parts = [
        f"**{markdown(size)}** {seeds.in_words(own['value'])}"
        for size, own in last.sort_values("n_params").groupby("size", sort=False)
    ]
    return f"At step {select.step_in_words(last)}, nats, by size: {'; '.join(parts)}."


def models_shown(heads: pd.DataFrame) -> str:
    """Of which models the interactive map tells. Markdown."""
    models = listed(heads["model"])
    return f"In the map, those measured at most steps first, then those of the greatest gain: {models}."
