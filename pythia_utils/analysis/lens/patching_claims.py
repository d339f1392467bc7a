"""What the chapter states of the attraction error, as questions to the records of one seed."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.lens import patching_tables as tables
from pythia_utils.analysis.lens.names import AGREEMENT

CLEAR = 0.25  # nats of attraction that are worth asking who carries them
SEVERAL = 10  # heads of a network in which one may stand out


def _clear(records: pd.DataFrame) -> pd.DataFrame:
    """Who carries a clear attraction across a prepositional phrase, in networks of several heads."""
    found = tables.carriers(records)
    kept = (found["attraction"] >= CLEAR) & (found["heads"] >= SEVERAL)
    return found[kept & (found["phenomenon"] == AGREEMENT[0])]


def _of_all(holds: pd.Series) -> bool | None:
    return bool(holds.all()) if len(holds) else None


def _nothing_before_training(records: pd.DataFrame) -> bool | None:
    rows = tables.margins(records[records["step"] == 0])
    rows = rows[rows["metric"] == "attraction_nats"]
    return _of_all(rows["value"].abs() <= 4 * rows["stderr"])


def _one_head(records: pd.DataFrame) -> bool | None:
    last = tables.at_the_end(_clear(records))
    return _of_all(last["of_another"] >= 3 * last["usual"])


def _same_head(records: pd.DataFrame) -> bool | None:
    heads = _clear(records).groupby("model")["head"].agg(["nunique", "size"])
    return _of_all(heads.loc[heads["size"] > 1, "nunique"] == 1)


def _first_mlp(records: pd.DataFrame) -> bool | None:
    last = tables.at_the_end(_clear(records))
    return _of_all((last["mlp"] == "mlp 0") & (last["mlp_value"] >= 0.5))


def _not_another_noun(records: pd.DataFrame) -> bool | None:
    last = tables.at_the_end(_clear(records)).set_index(["model", "step"])
    by_other = tables.parts(records, "moved_by_another")
    by_other = by_other[by_other["phenomenon"] == AGREEMENT[0]]
    most = by_other["value"].abs().groupby([by_other["model"], by_other["step"]]).max()
    return _of_all(most.reindex(last.index) <= 0.25 * last["value"] * last["attraction"])


def _outgrown(records: pd.DataFrame) -> bool | None:
    found = tables.recoveries(records)
    gained = found["twin_after"] - found["twin_before"]
    return _of_all(gained > found["attraction_before"] - found["attraction_after"])


_FOUND = {
    "patching-untrained": (
        "Before training, the attractor's number moves no answer.",
        _nothing_before_training,
    ),
    "patching-one-head": (
        "At the last step, in networks of ten or more heads, one head restores at least three times what "
        "the mean head does, on sentences that it was not chosen by.",
        _one_head,
    ),
    "patching-same-head": (
        "In networks of ten or more heads, it is the same head at every step with a clear attraction.",
        _same_head,
    ),
    "patching-first-mlp": (
        "There, of the MLPs the first one restores most, at least half.",
        _first_mlp,
    ),
    "patching-not-another-noun": (
        "There, the run on another noun of the same number moves the answer, through whatever part, by no more "
        "than a quarter of what the head moves.",
        _not_another_noun,
    ),
    "patching-outgrown": (
        "Where a model was wrong and came to be right, what speaks for the right verb has gained more than the "
        "attraction has lost.",
        _outgrown,
    ),
}
CLAIMS = tuple(Claim(name, "lens", text, holds) for name, (text, holds) in _FOUND.items())
