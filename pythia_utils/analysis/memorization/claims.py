"""What the chapter on memorization states, as questions to the records of one seed.

Each looks at the largest size, unless it is about sizes; records without the cells that it needs do not tell.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pythia_utils.analysis import select
from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.memorization import deciles, kinds, order_text, tables
from pythia_utils.analysis.memorization.text import ALPHA
from pythia_utils.suites.catalog import find_model


def _at_the_end(records: pd.DataFrame) -> pd.DataFrame:
    """The standard models' records at the end of training; none of models that were not measured there."""
    standard = records[records["variant"] == "standard"]
    if standard.empty:
        return standard
    done = {name: find_model(name).total_steps for name in standard["model"].unique()}
    return standard[standard["step"] == standard["model"].map(done)]


def _largest(records: pd.DataFrame) -> pd.DataFrame:
    return tables.largest_size(records) if len(records) else records


def _in_the_middle(records: pd.DataFrame) -> pd.DataFrame:
    """The largest standard model's records of what was read once, at its checkpoint nearest to half-way."""
    own = _largest(records[records["variant"] == "standard"])
    own = own[own["metric"].isin(["age_gain", "order_correlation"])]
    if own.empty:
        return own
    half = find_model(own["model"].iloc[0]).total_steps / 2
    steps = own["step"][own["metric"] == "age_gain"]
    return own[own["step"] == steps.iloc[(steps - half).abs().argmin()]] if len(steps) else own[:0]


def _gain(records: pd.DataFrame, largest: bool = True) -> pd.DataFrame:
    own = _at_the_end(records)
    return tables.gains(_largest(own) if largest else own, "copies")


def _with_copies(records: pd.DataFrame) -> bool | None:
    gains = _gain(records).sort_values("number")
    if gains["number"].nunique() < 2:
        return None
    return gains["value"].iloc[-1] > gains["high"].iloc[0]


def _with_size(records: pd.DataFrame) -> bool | None:
    """Of 8 and 16 copies, where neither nothing nor everything is remembered."""
    gains = _gain(records, largest=False)
    means = gains[gains["number"].isin((8, 16))].groupby("n_params")["value"].mean()
    return None if len(means) < 2 else means.iloc[-1] > means.iloc[0]


def _with_reads(records: pd.DataFrame) -> bool | None:
    counts = tables.counts(_largest(_at_the_end(records)), "read")
    if counts["memorized"].sum() < 3:
        return None
    often = counts["number"] >= kinds.OFTEN
    shares = [
        part["memorized"].sum() / part["tested"].sum() for part in (counts[often], counts[~often])
    ]
    return shares[0] > shares[1]


def _same_texts(records: pd.DataFrame) -> bool | None:
    table = tables.same_texts(records)
    if table.empty:
        return None
    return (table.loc[table.groupby("model")["number"].idxmax(), "low"] > 0).all()


def _of_deciles(holds: Callable[[pd.Series], bool]) -> Callable[[pd.DataFrame], bool | None]:
    def asked(records: pd.DataFrame) -> bool | None:
        table = deciles.table(tables.gains(_largest(_at_the_end(records)), "decile"))
        return None if table.empty else bool(holds(table.iloc[0]))

    return asked


def _fresh(records: pd.DataFrame) -> bool | None:
    recent, _ = _ends(records)
    return None if recent.empty else bool((recent["low"] > 0).all())


def _fading(records: pd.DataFrame) -> bool | None:
    recent, old = _ends(records)
    return None if old.empty else recent["value"].mean() > old["value"].mean()


def _ends(records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    ages = tables.ages(_in_the_middle(records))
    return order_text.ends_of_ages(ages) if len(ages) else (ages, ages)


def _order(records: pd.DataFrame) -> bool | None:
    found = tables.correlations(_in_the_middle(records))
    if found.empty:
        return None
    return bool(((found["value"] > 0) & (found["p_value"] < ALPHA)).all())


# --- of a sample of any training data -------------------------------------------------------------


def _shares_at_the_end(records: pd.DataFrame) -> pd.DataFrame:
    """Shares of sequences at each model's last step (nearly) of all, by size and variant."""
    rows = select.near_the_end(records)
    found = (rows["metric"] == "memorized_sequences") & (rows["subset"] == "all")
    return rows[found].pivot_table("value", "n_params", "variant")


def _grows_with_size(records: pd.DataFrame) -> bool | None:
    standard = _shares_at_the_end(records).get("standard", pd.Series(dtype=float)).dropna()
    told = len(standard) > 1 and standard.any()
    return bool(standard.iloc[-1] > standard.iloc[0]) if told else None


def _less_of_deduplicated(records: pd.DataFrame) -> bool | None:
    both = _shares_at_the_end(records).reindex(columns=["standard", "deduped"]).dropna()
    return bool(both["deduped"].mean() < both["standard"].mean()) if both.any(axis=None) else None


def _read_more_than_unread(records: pd.DataFrame) -> bool | None:
    rows = records[records["metric"] == "memorized"]
    hits = rows["value"] * rows["n"].astype(float)
    parts = [rows["subset"] == name for name in ("seen", "unseen")]
    if not (all(part.any() for part in parts) and hits.any()):
        return None
    read, unread = (hits[part].sum() / rows["n"][part].sum() for part in parts)
    return bool(read > unread)


def _claim(name: str, text: str, holds: Callable[[pd.DataFrame], bool | None]) -> Claim:
    return Claim(f"memorization-{name}", "memorization", text, holds)


CLAIMS = (
    _claim(
        "copies", "The more copies of a planted text, the more of it is remembered.", _with_copies
    ),
    _claim(
        "size", "A larger model remembers more of texts that it reads 8 to 16 times.", _with_size
    ),
    _claim(
        "reads", "Texts read more than five times are recited more often than others.", _with_reads
    ),
    _claim("same-text", "The same text is remembered better where it has copies.", _same_texts),
    _claim(
        "decile",
        "With equally many copies, it matters in which decile of training a text is read.",
        _of_deciles(lambda row: row["p_flat"] < ALPHA),
    ),
    _claim(
        "late",
        "What is read in the last three deciles is remembered better than what is read in the first three.",
        _of_deciles(lambda row: row["late"] > row["early"]),
    ),
    _claim(
        "fresh", "Half-way, one reading of a sequence, 9 to 16 steps ago, lowers its loss.", _fresh
    ),
    _claim("fading", "That trace of one reading fades.", _fading),
    _claim("order", "Half-way, ranks of improvement tell the order of training.", _order),
)
# What was published of all of Pythia's sequences (Biderman et al. 2023), asked of a sample; and the control.
OF_A_SAMPLE = (
    _claim(
        "sample-size",
        "The largest model has memorized a greater share than the smallest.",
        _grows_with_size,
    ),
    _claim(
        "sample-deduplicated",
        "Deduplicated models have memorized a smaller share than standard ones of their sizes.",
        _less_of_deduplicated,
    ),
    _claim(
        "sample-control",
        "Models recite a greater share of texts that they have read than of texts still to be read.",
        _read_more_than_unread,
    ),
)
