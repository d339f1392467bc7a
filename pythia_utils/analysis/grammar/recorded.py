"""What records say of counting, for chapters: they draw what `baselines` measured, and count nothing."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.stats import with_normal_interval

# The wrong rule that each attractor tempts to.
WRONG_RULES = {
    "subject_verb_agreement_attractor": "agree with the nearest noun",
    "subject_verb_agreement_relative": "agree with the nearest noun",
    "binding_domain": "refer to the main clause's subject",
}


def levels(table: pd.DataFrame, metric: str = "accuracy_of_ngrams") -> dict[str, float]:
    """What counting reaches for each phenomenon.

    Args:
        table: of `baselines.table`, or records of models of one variant: all of them read the same text.
        metric: its accuracy, or `attraction_of_ngrams`.

    Returns:
        By phenomenon; empty where nothing was counted.
    """
    name = "subset" if "subset" in table else "phenomenon"
    own = table[(table["metric"] == metric) & (table[name] != "all")]
    return own.groupby(name, sort=False)["value"].mean().to_dict()


def attraction(records: pd.DataFrame) -> pd.DataFrame:
    """Records of the attractor's effect with 95% intervals: less that of counting where that was counted."""
    above = records[records["metric"] == "attraction_above_ngrams"]
    plain = records[records["metric"] == "attraction"]
    return with_normal_interval(above if len(above) else plain)
