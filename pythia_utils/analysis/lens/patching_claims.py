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


def _first_mlp(records: pd.DataFrame) -> bool | None:
    last = tables.at_the_end(_clear(records))
    return _of_all((last["mlp"] == "mlp 0") & (last["mlp_value"] >= 0.5))


def _not_another_noun(records: pd.DataFrame) -> bool | None:
    last = tables.at_the_end(_clear(records)).set_index(["model", "step"])
    by_other = tables.parts(records, "moved_by_another")
    by_other = by_other[by_other["phenomenon"] == AGREEMENT[0]]
    most = by_other["value"].abs().groupby([by_other["model"], by_other["step"]]).max()
    return _of_all(most.reindex(last.index) <= 0.5 * last["value"] * last["attraction"])


def _surer_of_the_twin(records: pd.DataFrame) -> bool | None:
    found = tables.recoveries(records)
    return _of_all(found["twin_after"] > found["twin_before"])


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
    "patching-first-mlp": (
        "There, of the MLPs the first one restores most, at least half.",
        _first_mlp,
    ),
    "patching-not-another-noun": (
        "There, the run on another noun of the same number moves the answer, through whatever part, by no "
        "more than half of what the head moves.",
        _not_another_noun,
    ),
    "patching-surer": (
        "Where a model was wrong and came to be right, it has become surer of the twin, too.",
        _surer_of_the_twin,
    ),
}
CLAIMS = tuple(Claim(name, "lens", text, holds) for name, (text, holds) in _FOUND.items())
