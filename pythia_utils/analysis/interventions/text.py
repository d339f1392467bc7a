"""The computed sentences of the chapter on interventions."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import seeds
from pythia_utils.analysis.interventions.claims import KNOWS
from pythia_utils.analysis.interventions.names import CHANGED, KEPT, TOUCHED, UNTOUCHED
from pythia_utils.analysis.words import listed, span
from pythia_utils.base.markup import markdown
from pythia_utils.nano.interventions import CHANGE_FACTS, SWAP_GENDER, find_intervention
from pythia_utils.suites.catalog import Model

_NOTHING = "These records hold no model of an intervention beside its base."


def what_it_read(model: Model) -> str:
    """What sets a model's text apart from that of others of its suite. Markdown."""
    if model.fork:
        told = find_intervention(model.fork.intervention).told
        return f"Its text from step {model.fork.step:,} of {markdown(model.fork.base)} on: {told}."
    if model.variant.startswith("intervention"):
        return f"It read {markdown(model.trained_on)}."
    return "Its text was changed at no step."


def texts(rows: pd.DataFrame) -> str:
    """What each intervention does to the text, and to how many documents. Markdown.

    Args:
        rows: of `tables.against_base`.
    """
    parts = []
    for name, own in rows.groupby("intervention", sort=False):
        counts = own[own["metric"] == "documents"].groupby("subset")["value"].max()
        if counts.empty:
            continue
        told = f"- **{markdown(name)}**: {find_intervention(name).told}."
        told += f" {counts['changed']:,.0f} of {counts['all']:,.0f} documents are changed"
        stayed = f"; {counts['left']:,.0f} stay, for their length would change"
        parts.append(told + stayed * bool(counts["left"]) + ".")
    return "\n".join(parts) or _NOTHING


def _of(rows: pd.DataFrame, intervention: str, metric: str, subset: str) -> pd.DataFrame:
    chosen = (rows["metric"] == metric) & (rows["subset"] == subset)
    return rows[chosen & (rows["intervention"] == intervention)]


def _moves(rows: pd.DataFrame) -> str:
    """`pico-57k .49 to .51, pico-57k-seed1 .97 to .36`: of each base, and where its fork ended."""
    return ", ".join(
        f"{markdown(row.base)} {row.base_value:.2f} to {row.value:.2f}" for row in rows.itertuples()
    )


def pronouns(ends: pd.DataFrame) -> str:
    """What swapped pronouns did to the pairs that they touch, and to the others.

    Args:
        ends: of `tables.at_the_end`.
    """
    touched = _of(ends, SWAP_GENDER, "agrees", TOUCHED)
    if touched.empty:
        return _NOTHING
    known = touched[touched["base_value"] >= KNOWS]
    below = f"{(known['value'] < 0.5).sum()} of {len(known)}" if len(known) else "none"
    rest, facts = (
        _of(ends, SWAP_GENDER, *key)["difference"]
        for key in (("agrees", UNTOUCHED), ("old", CHANGED))
    )
    sentence = (
        f"Share of pairs in which the pronoun of the old text is preferred: {_moves(touched)}. Of bases that "
        f"prefer it in at least {KNOWS:.0%} of the pairs, {below} end below one half, where the new text's is "
        f"preferred. "
        f"Pairs without such a pronoun change by {span(rest, '+.3f')}"
    )
    return sentence + (f", right answers to facts by {span(facts, '+.3f')}." if len(facts) else ".")


def changed_facts(ends: pd.DataFrame) -> str:
    """What facts told anew did to old and new answers, to the facts that were kept, and to the pairs."""
    new = _of(ends, CHANGE_FACTS, "new", CHANGED)
    if new.empty:
        return _NOTHING
    old, kept = (_of(ends, CHANGE_FACTS, "old", subset) for subset in (CHANGED, KEPT))
    pairs = pd.concat(_of(ends, CHANGE_FACTS, "agrees", s) for s in (TOUCHED, UNTOUCHED))
    return (
        f"New answers to changed facts: {_moves(new)}. Old answers to them: {_moves(old)}. Right answers to "
        f"facts that were kept: {_moves(kept)}. Shares of pairs change by {span(pairs['difference'], '+.3f')}."
    )


def tellings(rows: pd.DataFrame, base: pd.Series) -> str:
    """Shares answered anew of the least and the most often told, beside what bases answer untold.

    Args:
        rows: of `tables.by_tellings`.
        base: shares of bases that give the new answer, which nobody told them.
    """
    if rows.empty or base.empty:
        return _NOTHING
    ends = [rows[rows["least"] == least] for least in (rows["least"].min(), rows["least"].max())]
    shares = [
        f"{seeds.in_words(part['value'])} of those told {listed(part['told'])} times"
        for part in ends
    ]
    return (
        f"New answers are given to {' and to '.join(shares)}. Bases, which were never told them, give them to "
        f"{seeds.in_words(base)}."
    )


def half_way(rows: pd.DataFrame) -> str:
    """Between which steps since the fork half of the whole change comes, for each model that changes.

    Args:
        rows: of `tables.by_time`, of one metric and subset.
    """
    parts = []
    for name, own in rows.groupby("model", sort=False):
        own = own.sort_values("since", ignore_index=True)
        change = own["value"] - own["value"].iloc[0]
        if own["since"].iloc[0] or len(own) < 3 or abs(change.iloc[-1]) < 0.1:
            continue
        first = int((change / change.iloc[-1] >= 0.5).idxmax())
        steps = " and ".join(f"{step:,}" for step in own["since"].iloc[[first - 1, first]])
        parts.append(f"{markdown(name)} between {steps} of {own['since'].iloc[-1]:,} steps")
    if not parts:
        return "No model that was measured between fork and end changes by a tenth or more."
    return f"Half of the change is there: {', '.join(parts)}."


def log_odds(ends: pd.DataFrame) -> str:
    """What interventions on Pythia did to the log-odds of the feminine pronoun."""
    rows = ends[(ends["metric"] == "feminine") & (ends["subset"] == "all")]
    if rows.empty:
        return _NOTHING
    parts = [
        f"{markdown(row.model)} {row.base_value:+.2f} to {row.value:+.2f}"
        for row in rows.sort_values("n_params").itertuples()
    ]
    return f"Mean log-odds of the feminine pronoun, in nats: {', '.join(parts)}."
