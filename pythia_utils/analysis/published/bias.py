"""Published answers to CrowS-Pairs and WinoBias, of models as trained and after an intervention on pronouns.

Biderman et al. (2023, section 4.1) went on with the training of deduplicated models from a late step, with
masculine pronouns made feminine in all that followed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.analysis.words import interval
from pythia_utils.base.markup import markdown

TABLE, WINOBIAS = "crows_pairs", "winobias"
AS_TRAINED = "as trained"
TRAINING = {
    "deduped": AS_TRAINED,
    "deduped-intervention-7pct": "pronouns changed in the last 7%",
    "deduped-intervention-21pct": "pronouns changed in the last 21%",
}


def pairs_on_gender(version: str = "") -> pd.DataFrame:
    """Shares of pairs on gender whose stereotyped sentence is the likelier one.

    Args:
        version: of the models, `v0` or empty for today's.

    Returns:
        The published rows, by size and step, with columns training (how), low and high (95%, over pairs).
    """
    frame = published_tables.read(TABLE).query("subset == 'gender' and version == @version")
    frame = frame.assign(training=frame["variant"].map(TRAINING))
    return with_normal_interval(frame.sort_values(["n_params", "training", "step"]))


def winobias() -> pd.DataFrame:
    """WinoBias: exact match on pro- less that on anti-stereotypical sentences, by size, training and step.

    Returns:
        The published rows with columns training (how), low and high (95%, over items).
    """
    frame = published_tables.read(WINOBIAS)
    frame = frame.assign(training=frame["variant"].map(TRAINING))
    return with_normal_interval(frame.sort_values(["n_params", "training", "step"]))


def since_changed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows from the first step on at which some model with an intervention was asked."""
    first = rows.loc[rows["training"] != AS_TRAINED, "step"].min()
    return rows[rows["step"] >= first]


def differences(rows: pd.DataFrame) -> pd.DataFrame:
    """What each intervention changed at the last step: its share less that of the model as it was trained.

    The interval takes the errors over pairs as independent, though both answer the same: it is rather too wide.

    Args:
        rows: of `pairs_on_gender` or `winobias`.

    Returns:
        Columns model, training, step, value, stderr, low, high.
    """
    last = rows[rows["step"] == rows.groupby("model")["step"].transform("max")]
    base = last[last["training"] == AS_TRAINED][["model", "step", "value", "stderr"]]
    both = last[last["training"] != AS_TRAINED].merge(
        base, on=["model", "step"], suffixes=("", "_base")
    )
    both["value"] -= both["value_base"]
    both["stderr"] = np.hypot(both["stderr"], both["stderr_base"])
    columns = ["model", "training", "step", "value", "stderr"]
    return with_normal_interval(both[columns])


def in_words(table: pd.DataFrame, name: str = TABLE) -> str:
    """What the interventions changed, as published. Markdown.

    Args:
        table: of `differences`.
        name: the published table that it is of.
    """
    if table.empty:
        return "The published table holds no model with and without an intervention at one step."
    parts = [
        f"{markdown(row['model'])}, {row['training']}: {interval(row, digits='+.3f')}"
        for _, row in table.iterrows()
    ]
    clear = ((table["low"] > 0) | (table["high"] < 0)).sum()
    within = (table["value"].abs() < table["stderr"]).sum()
    return (
        f"Changed less as trained, at step {table['step'].max():,}: {'; '.join(parts)}. The interval excludes "
        f"0 in {clear} of {len(table)}; the change is less than a standard error in {within} of {len(table)}. "
        f"Source: {published_tables.source(name)}."
    )
