"""The rows that a cell records of what it tested."""

from __future__ import annotations

import pandas as pd
import pytest

from pythia_utils.analysis.memorization import rows


def values(found: list[dict], metric: str = "memorized") -> dict[str, tuple]:
    return {row["subset"]: (row["value"], row["n"]) for row in found if row["metric"] == metric}


def sequences() -> pd.DataFrame:
    """Six sequences of five texts: the third and the fourth are one, judged by the fourth."""
    return pd.DataFrame(
        {
            "position": [0, 1, 100, 101, 200, 201],
            "block": [0, 0, 1, 1, 2, 2],
            "seen": [True, True, True, True, False, False],
            "text": [0, 1, 2, 2, 3, 4],
            "chosen": [True, True, False, True, True, True],
            "memorized": [True, False, True, True, True, False],
            "times": [1, 3, 40, 40, 6, 0],
            "copying": [False, True, False, False, False, True],
        }
    )


def test_texts_are_counted_and_not_sequences():
    found = rows.of_sequences(sequences())
    assert values(found) == {
        "all": (3 / 5, 5),
        "seen": (2 / 3, 3),
        "unseen": (1 / 2, 2),
        "block-0": (1 / 2, 2),
        "block-1": (1, 1),
        "block-2": (1 / 2, 2),
        "read-0": (0, 1),
        "read-1": (1, 1),
        "read-2": (0, 1),
        "read-6": (1, 1),
        "read-32": (1, 1),
        "recite": (1, 2),
        "recollect": (1, 1),
        "reconstruct": (0, 1),
        "unseen-met": (1, 1),
        "unseen-new": (0, 1),
    }
    shares = {"all": (4 / 6, 6), "seen": (3 / 4, 4), "unseen": (1 / 2, 2)}
    assert values(found, "memorized_sequences") == shares
    assert values(found, "texts_of_memorized") == {"all": (3, 4)}
    items = set(values(found, "memorized_item"))
    assert items == {"sequence-0", "sequence-101", "sequence-200"}


def test_without_counts_of_reads_there_are_no_classes_of_them():
    found = values(rows.of_sequences(sequences().drop(columns="times")))
    assert set(found) == {"all", "seen", "unseen", "block-0", "block-1", "block-2"}


def documents() -> pd.DataFrame:
    """Three documents for each decile, others scattered or anywhere, and a control of two."""
    made = [(t * 3 + i, 16, f"decile-{t}", 5.0 - t) for t in range(10) for i in range(3)]
    made += [(90, 2, "anywhere", 4.0), (91, 16, "anywhere", 1.0), (92, 16, "anywhere", 2.0)]
    made += [(93, 1, "anywhere", 6.0), (94, 16, "scattered-3", 3.0)]
    made += [(-1, 0, "never", 6.0), (-1, 0, "never", 8.0)]
    table = pd.DataFrame(made, columns=["content", "copies", "placement", "loss"])
    table["memorized"] = table["content"].isin([27, 91, -1])
    return table.assign(matched=table["memorized"].astype(float))


def test_rows_of_planted_documents():
    found = rows.of_planted(documents())
    subsets = {"copies-1", "copies-2", "copies-16", *(f"decile-{t}" for t in range(10))}
    assert set(values(found)) == subsets | {"scattered-3", "never-0"}
    assert values(found)["copies-16"] == (0.5, 2)
    assert values(found, "loss")["never-0"] == (7, 2)
    assert values(found, "loss")["copies-16"] == (1.5, 2)
    assert values(found, "loss")["decile-9"] == (-4, 3)
    assert values(found, "document_loss") == {
        "copies-2-document-90": (4, 1),
        "copies-16-document-91": (1, 1),
        "copies-16-document-92": (2, 1),
    }
    # A control cannot be memorized; if it is recited nonetheless, it is no item to predict.
    assert set(values(found, "memorized_item")) == {"document-27", "document-91"}


def test_rows_of_ordinary_sequences():
    table = pd.DataFrame({"position": range(30), "age": [16] * 10 + [8] * 10 + [0] * 10})
    table["change"] = table["age"] / 10 + table["position"] / 1000
    found = rows.of_ordinary(table)
    gains = values(found, "age_gain")
    assert gains["age-8"] == (pytest.approx(0.8 - 0.010), 10)
    assert gains["age-16"] == (pytest.approx(1.6 - 0.020), 10)
    assert set(values(found, "order_correlation")) == {"read", "unread"}
    assert rows.of_ordinary(table[:0]) == []
