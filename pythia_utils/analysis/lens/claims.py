"""What the chapter on where the answer forms states, each asked of the models of one seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.lens import tables
from pythia_utils.analysis.lens.names import ALL

_ERRORS = 3  # standard errors that the last depth lies above the least of the steps before
LOCAL, DISTANT = "argument_structure", "reflexive_number"


def _standard(records: pd.DataFrame) -> pd.DataFrame:
    return records[records["variant"] == "standard"]


def _at_the_end(table: pd.DataFrame) -> pd.DataFrame:
    """A row a model, a column a depth, at each model's last step, if that is a trained one."""
    last = select.final(table)
    return last[last["step"] > 0].pivot_table("value", "model", "depth", observed=True)


def _tuned_is_closer(records: pd.DataFrame) -> bool | None:
    kl = tables.by_depth(_standard(records), "kl")
    kl = kl[kl["depth"] < kl["layers"]]
    both = kl.pivot_table("value", ["model", "step", "depth"], "lens")
    return None if both.empty else bool((both["tuned"] < both["logit"]).all())


def _every_layer_brings_the_answer(records: pd.DataFrame) -> bool | None:
    kl = tables.by_depth(_standard(records), "kl")
    return _never_rises(-_at_the_end(kl[kl["lens"] == "tuned"]))


def _never_rises(falling: pd.DataFrame) -> bool | None:
    """Whether each row of a table by depth grows from column to column; models differ in their layers."""
    steps = falling.diff(axis=1).iloc[:, 1:]
    return None if steps.empty else bool(((steps > 0) | steps.isna()).all(axis=None))


def _missing_at_the_end(records: pd.DataFrame) -> pd.DataFrame:
    table = tables.missing(_standard(records))
    return _at_the_end(table[table["lens"] == "tuned"])


def _embedding_tells_most(records: pd.DataFrame) -> bool | None:
    found = _missing_at_the_end(records)
    return None if found.empty else bool((found[0] < 2 / 3).all())


def _answer_moves_deeper(records: pd.DataFrame) -> bool | None:
    """Whether every model's mean depth is greater at its last step than at its least of trained ones."""
    own = _standard(records)
    own = own[(own["metric"] == "formation_depth") & (own["step"] > 0)]
    own = own.dropna(subset=["value", "stderr"]).sort_values("step")
    several = own[own.groupby("model")["step"].transform("nunique") > 1]
    if several.empty:
        return None
    return all(_is_deeper(part) for _, part in several.groupby("model"))


def _is_deeper(steps: pd.DataFrame) -> bool:
    """Whether the last of some steps is above the least; that was chosen, so one standard error is little."""
    last, least = steps.iloc[-1], steps.iloc[steps["value"].argmin()]
    apart = _ERRORS * np.hypot(last["stderr"], least["stderr"])
    return bool(last["value"] - least["value"] > apart)


def _grammar_at_the_end(records: pd.DataFrame) -> pd.DataFrame:
    table = tables.by_depth(_standard(records), "accuracy")
    return _at_the_end(table[(table["lens"] == "tuned") & (table["of"] == ALL)])


def _every_layer_brings_grammar(records: pd.DataFrame) -> bool | None:
    return _never_rises(_grammar_at_the_end(records))


def _grammar_needs_layers(records: pd.DataFrame) -> bool | None:
    """Whether the embedding's share of the accuracy above chance is less than its share of the answer."""
    accuracy, missing = _grammar_at_the_end(records), _missing_at_the_end(records)
    if accuracy.empty or missing.empty:
        return None
    final = accuracy.ffill(axis=1).iloc[:, -1]
    share = (accuracy[0] - 0.5) / (final - 0.5)
    return bool((share < 1 - missing[0])[final > 0.5].all())


def _distant_is_decided_later(records: pd.DataFrame) -> bool | None:
    decided = tables.decided(tables.accuracy(select.final(_standard(records))))
    depths = decided.pivot_table("depth", "model", "of") if len(decided) else decided
    if not {LOCAL, DISTANT} <= set(depths):
        return None
    both = depths[[LOCAL, DISTANT]].dropna()
    return None if both.empty else bool((both[LOCAL] <= both[DISTANT]).all())


def _claim(name: str, text: str, holds) -> Claim:
    return Claim(name, "lens", text, holds)


CLAIMS = (
    _claim(
        "tuned-lens-is-closer",
        "At every depth before the last, and at every step, the tuned lens is closer to the final answer than "
        "the logit lens.",
        _tuned_is_closer,
    ),
    _claim(
        "every-layer-brings-the-answer",
        "At the end of training every layer brings the tuned lens nearer to the final answer.",
        _every_layer_brings_the_answer,
    ),
    _claim(
        "embedding-tells-most",
        "At the end of training the embedding alone, through the tuned lens, is less than two thirds as far "
        "from the final answer as the best answer that does not see the text.",
        _embedding_tells_most,
    ),
    _claim(
        "answer-moves-deeper",
        "The answer forms at a greater mean depth at the end of training than at its shallowest before, by "
        "more than three standard errors of the difference.",
        _answer_moves_deeper,
    ),
    _claim(
        "every-layer-brings-grammar",
        "At the end of training the mean accuracy on minimal pairs rises with every layer.",
        _every_layer_brings_grammar,
    ),
    _claim(
        "grammar-needs-layers",
        "Of the accuracy above chance that a model ends with, the embedding alone has a smaller share than of "
        "the final answer.",
        _grammar_needs_layers,
    ),
    _claim(
        "distant-is-decided-later",
        "Where both are off chance, argument structure is decided at no greater depth than the number of "
        "reflexives.",
        _distant_is_decided_later,
    ),
)
