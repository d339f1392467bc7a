"""The card of the chapter on interventions: what changed with the text, and what stayed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.card_figures import dots
from pythia_utils.analysis.in_short import InShort, counted
from pythia_utils.analysis.interventions.names import CHANGED, KEPT, TOUCHED, UNTOUCHED
from pythia_utils.analysis.words import span
from pythia_utils.nano.interventions import CHANGE_FACTS, SWAP_GENDER

_WORDS = ("checkpoint", "step", "minimal pair", "seed")
_ROWS = {  # of the figure, by intervention, metric and subset
    (SWAP_GENDER, "agrees", TOUCHED): "pronouns swapped: the old pronoun",
    (SWAP_GENDER, "agrees", UNTOUCHED): "pronouns swapped: other pairs right",
    (CHANGE_FACTS, "new", CHANGED): "facts changed: the new answer",
    (CHANGE_FACTS, "old", KEPT): "facts changed: kept facts right",
}
_NOTHING = "These records hold no model of an intervention beside its base."


def in_short(ends: pd.DataFrame) -> InShort:
    """The card, of interventions of ours.

    Args:
        ends: of `tables.at_the_end`.
    """
    rows = _named(ends)
    sentences = [*_pronouns(rows), *_facts(rows)]
    drawn = dots(rows, "share of pairs, or of answers", before="the base")
    return InShort(sentences or [_NOTHING], drawn, _WORDS)


def _named(ends: pd.DataFrame) -> pd.DataFrame:
    keys = zip(ends["intervention"], ends["metric"], ends["subset"], strict=True)
    rows = ends.assign(what=[_ROWS.get(key) for key in keys])
    order = {name: at for at, name in enumerate(_ROWS.values())}
    return rows[rows["what"].notna()].sort_values(
        "what", key=lambda names: names.map(order), kind="stable"
    )


def _of(rows: pd.DataFrame, *key: str) -> pd.DataFrame:
    return rows[rows["what"] == _ROWS[key]]


def _pronouns(rows: pd.DataFrame) -> list[str]:
    touched, rest = (_of(rows, SWAP_GENDER, "agrees", subset) for subset in (TOUCHED, UNTOUCHED))
    if touched.empty:
        return []
    told = (
        f"Where the end of training was read with *he* and *she* exchanged, models prefer the old pronoun in "
        f"{_mean(touched['value'])} of the pairs that hold one; without the change in "
        f"{_mean(touched['base_value'])} (means of {counted(len(touched), 'run')})."
    )
    others = [f"Their answers to all other pairs change by {span(rest['difference'], '+.3f')}."]
    others *= bool(len(rest))
    return [told, *others]


def _facts(rows: pd.DataFrame) -> list[str]:
    new, kept = _of(rows, CHANGE_FACTS, "new", CHANGED), _of(rows, CHANGE_FACTS, "old", KEPT)
    if new.empty:
        return []
    told = (
        f"Facts that are told anew get the new answer in {_mean(new['value'])} of cases, from "
        f"{_mean(new['base_value'])}"
    )
    stays = f"; right answers to facts that were kept change by {span(kept['difference'], '+.2f')}"
    return [f"{told}{stays * bool(len(kept))}."]


def _mean(values: pd.Series) -> str:
    return f"{values.mean():.0%}"


def of_pronouns(ends: pd.DataFrame) -> InShort:
    """The card, of interventions of others, on pairs that differ in a pronoun's gender.

    Args:
        ends: of `tables.at_the_end`.
    """
    rows = ends[(ends["metric"] == "feminine")]
    whole = rows[rows["subset"] == "all"].sort_values("n_params", kind="stable")
    if whole.empty:
        return InShort([_NOTHING], None, _WORDS)
    drawn = dots(
        whole.assign(what=whole["size"]), "log-odds of the feminine pronoun (nats)", 0, "the base"
    )
    more = int((whole["difference"] > 0).sum())
    told = (
        f"After the changed text the feminine pronoun has become likelier in {more} of "
        f"{counted(len(whole), 'model')}: "
        f"its log-odds change by {span(whole['difference'], '+.2f')} nats at the last step, on average "
        "over all pairs."
    )
    return InShort([told], drawn, _WORDS)
