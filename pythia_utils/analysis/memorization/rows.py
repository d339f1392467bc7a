"""What a cell of this experiment records: rows for `records.record`, of shares, losses and tests.

The unit of a share of training sequences is the text: one sequence, drawn by lot, stands for each.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.analysis.memorization import ordinary, texts
from pythia_utils.analysis.memorization.kinds import OFTEN

READS = (0, 1, 2, OFTEN, 32)  # lower ends of the classes in which reads of a text are counted

_SEEN = {True: "seen", False: "unseen"}  # names of subsets


def of_sequences(table: pd.DataFrame) -> list[dict]:
    """What is recorded of training sequences.

    Args:
        table: of `measure.sequences`.

    Returns:
        memorized, the share of texts, of subsets `all`, `seen`, `unseen`, `block-7`; and where it is known
        how often training had read the continuation: `read-6` (from 6 times up to the next of `READS`),
        `recite`, `reconstruct`, `recollect` (of what was read), `unseen-met` and `unseen-new` (of sequences
        that were not yet read, those whose continuation was read elsewhere, and those of which it was not).
        memorized_sequences, subsets `all`, `seen`, `unseen`: the share of sequences.
        texts_of_memorized: how many texts the memorized sequences are. A row of metric `memorized_item` for
        each memorized text: `sequence-1234` is training position 1234.
    """
    chosen = table[table["chosen"]]
    rows = [_share("all", chosen)]
    rows += [_share(_SEEN[seen], part) for seen, part in chosen.groupby("seen")]
    if "times" in table:
        rows += _by_reads(chosen)
    rows += [_share(f"block-{block}", part) for block, part in chosen.groupby("block")]
    parts = {"all": table} | {_SEEN[seen]: part for seen, part in table.groupby("seen")}
    rows += [_share(name, part) | {"metric": "memorized_sequences"} for name, part in parts.items()]
    recited = table[table["memorized"]]
    rows.append(_row("texts_of_memorized", "all", recited["text"].nunique(), None, len(recited)))
    return rows + _items("sequence", chosen["position"][chosen["memorized"]])


def _by_reads(chosen: pd.DataFrame) -> list[dict]:
    times = chosen["times"].to_numpy()
    classes = np.array(READS)[np.searchsorted(READS, times, side="right") - 1]
    rows = [_share(f"read-{least}", part) for least, part in chosen.groupby(classes)]
    kinds = texts.kinds(times, chosen["copying"].to_numpy())
    read = times > 0
    rows += [_share(kind, part) for kind, part in chosen[read].groupby(kinds[read])]
    unseen, met = chosen[~chosen["seen"]], read[~chosen["seen"].to_numpy()]
    return rows + [
        _share(f"unseen-{'met' if is_met else 'new'}", part) for is_met, part in unseen.groupby(met)
    ]


def of_planted(table: pd.DataFrame) -> list[dict]:
    """What is recorded of the planted documents.

    Args:
        table: of `measure.planted`.

    Returns:
        memorized, matched and loss (nats a token) of subsets `copies-16` (placed anywhere), `decile-3`,
        `scattered-3` and `never-0`. document_loss of each document of two copies or more that was placed
        anywhere, so that variants can be compared on the same texts: `copies-16-document-77`. A row of
        metric `memorized_item` for each memorized document: `document-77`.
    """
    rows = []
    found = table["placement"].str.extract(r"(?P<kind>decile|scattered)-(?P<number>\d)")
    kind = found["kind"].mask(table["placement"] == "never", "never").fillna("copies")
    number = found["number"].astype(float).fillna(table["copies"]).astype(int)
    for (name, value), part in table.groupby([kind, number]):
        subset = f"{name}-{value}"
        rows.append(_share(subset, part))
        rows += [_mean(metric, subset, part[metric]) for metric in ("matched", "loss")]
    single = table[(kind == "copies") & (table["copies"] > 1)]
    rows += [
        _row("document_loss", f"copies-{each.copies}-document-{each.content}", each.loss, None, 1)
        for each in single.itertuples()
    ]
    kept = table[table["memorized"] & (table["content"] >= 0)]
    return rows + _items("document", kept["content"])


def of_ordinary(table: pd.DataFrame) -> list[dict]:
    """What is recorded of ordinary sequences.

    Args:
        table: of `measure.ordinary`.

    Returns:
        age_gain (nats a token) of subsets `age-8`, `age-16` ...: `ordinary.gains_by_age`; and
        order_correlation of subsets `read` and `unread`: `ordinary.order_correlations`.
    """
    if table.empty:
        return []
    ages, ranks = ordinary.gains_by_age(table), ordinary.order_correlations(table)
    rows = [_row("age_gain", f"age-{r.age}", r.value, r.stderr, r.n) for r in ages.itertuples()]
    return rows + [
        _row("order_correlation", r.which, r.value, None, r.n) for r in ranks.itertuples()
    ]


def _mean(metric: str, subset: str, values: pd.Series) -> dict:
    return _row(metric, subset, *stats.mean_and_stderr(values), len(values))


def _share(subset: str, part: pd.DataFrame) -> dict:
    k, n = int(part["memorized"].sum()), len(part)
    return _row("memorized", subset, k / n, stats.proportion_stderr(k, n), n)


def _items(kind: str, numbers: pd.Series) -> list[dict]:
    return [_row("memorized_item", f"{kind}-{number}", 1, None, 1) for number in numbers]


def _row(metric: str, subset: str, value: float, stderr: float | None, n: int) -> dict:
    return {"metric": metric, "subset": subset, "value": value, "stderr": stderr, "n": n}
