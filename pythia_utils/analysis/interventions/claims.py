"""What the chapter on interventions states of our own suites, as questions to the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.interventions.names import CHANGED, KEPT, TOUCHED, UNTOUCHED
from pythia_utils.analysis.interventions.tables import against_base, at_the_end, by_tellings
from pythia_utils.nano.interventions import CHANGE_FACTS, SWAP_GENDER

KNOWS = 0.75  # of the pairs on gender: a base with less has little to unlearn
SAME = 0.05  # shares that lie no further apart count as the same


def _ends(records: pd.DataFrame, intervention: str, metric: str, subset: str) -> pd.DataFrame:
    """A row a model with an intervention: its value and its base's at the last step that both have."""
    rows = at_the_end(against_base(records))
    chosen = (rows["metric"] == metric) & (rows["subset"] == subset)
    return rows[chosen & (rows["intervention"] == intervention)]


def _of_all(holds: pd.Series) -> bool | None:
    return bool(holds.all()) if len(holds) else None


def _follows_the_pronouns(records: pd.DataFrame) -> bool | None:
    ends = _ends(records, SWAP_GENDER, "agrees", TOUCHED)
    ends = ends[ends["base_value"] >= KNOWS]
    return _of_all(ends["difference"] <= -0.2)


def _keeps_the_rest(records: pd.DataFrame) -> bool | None:
    ends = _ends(records, SWAP_GENDER, "agrees", UNTOUCHED)
    return _of_all(ends["difference"].abs() <= SAME)


def _keeps_the_facts(records: pd.DataFrame) -> bool | None:
    ends = _ends(records, SWAP_GENDER, "old", CHANGED)
    return _of_all(ends["difference"].abs() <= SAME)


def _learns_anew(records: pd.DataFrame) -> bool | None:
    ends = _ends(records, CHANGE_FACTS, "new", CHANGED)
    return _of_all(ends["difference"] > 0)


def _by_tellings(records: pd.DataFrame) -> bool | None:
    rows = by_tellings(against_base(records))
    ends = (
        rows[rows["intervention"] == CHANGE_FACTS].groupby("model")["value"].agg(["first", "last"])
    )
    return _of_all(ends["last"] > ends["first"])


def _forgets_more(records: pd.DataFrame) -> bool | None:
    """The old answers of changed facts fall by more than those of the facts that were kept."""
    changed = _ends(records, CHANGE_FACTS, "old", CHANGED).set_index("model")["difference"]
    kept = _ends(records, CHANGE_FACTS, "old", KEPT).set_index("model")["difference"]
    return _of_all(changed < kept.reindex(changed.index) - SAME)


def _facts_leave_grammar(records: pd.DataFrame) -> bool | None:
    ends = [_ends(records, CHANGE_FACTS, "agrees", subset) for subset in (TOUCHED, UNTOUCHED)]
    return _of_all(pd.concat(ends)["difference"].abs() <= SAME)


_FOUND = {
    "interventions-pronouns": (
        "Each model that agreed with a pronoun's gender in three of four pairs does so less often "
        "after the pronouns were swapped, by at least a fifth of all pairs.",
        _follows_the_pronouns,
    ),
    "interventions-grammar": (
        "Swapped pronouns leave pairs without such a pronoun as they are, to within five in a hundred.",
        _keeps_the_rest,
    ),
    "interventions-not-facts": (
        "Swapped pronouns leave the answers to facts as they are, to within five in a hundred.",
        _keeps_the_facts,
    ),
    "interventions-new-answers": (
        "Each model gives the new answers more often than its base once facts are told anew.",
        _learns_anew,
    ),
    "interventions-tellings": (
        "New answers that were told most often since the fork are given more often than those told least.",
        _by_tellings,
    ),
    "interventions-old-answers": (
        "Old answers of changed facts are lost more often than those of kept facts, by over five in a hundred.",
        _forgets_more,
    ),
    "interventions-not-grammar": (
        "Changed facts leave all pairs as they are, to within five in a hundred.",
        _facts_leave_grammar,
    ),
}
CLAIMS = tuple(Claim(name, "interventions", text, holds) for name, (text, holds) in _FOUND.items())
