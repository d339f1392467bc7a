"""The card of the chapter on geometry: whether two seeds come to see text alike, and when models settle."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.card_figures import Drawn, curves
from pythia_utils.analysis.geometry import tables
from pythia_utils.analysis.in_short import InShort, counted, ends, smallest_and_largest, value
from pythia_utils.analysis.words import span
from pythia_utils.base.markup import markdown

_WORDS = ("seed", "step", "checkpoint", "token")


def in_short(runs: pd.DataFrame) -> InShort:
    """The card, of the chapter's records."""
    rows = tables.same_layer(tables.between(runs))
    rows = rows[rows["by"] == "seed"]
    cosines = tables.of_all(runs, "cosine_to_start")
    told = [*_alike(rows), *_weights(runs)] or _start(ends(cosines))
    sentences = [*told, *_settled(tables.settled(runs))]
    return InShort(sentences or [_NOTHING], _drawn(runs, cosines), _WORDS)


_NOTHING = "These records hold no model that was compared with another, or with itself."


def _drawn(runs: pd.DataFrame, cosines: pd.DataFrame) -> Drawn | None:
    """CKA of two seeds over training; where none were compared, the cosine to the start."""
    places = tables.places(runs)
    seeds = places[places["what"] == tables.RELATIONS["seed"]]
    if len(seeds):
        return curves(seeds, "CKA of two seeds", "place")
    return curves(cosines[cosines["variant"] == "standard"], "cosine of the weights to step 0")


def _alike(rows: pd.DataFrame) -> list[str]:
    start, last = rows[rows["step"] == 0]["value"], rows["step"].max()
    end = rows[rows["step"] == last]["value"]
    if start.empty or not last or end.empty:
        return []
    closer = end.mean() > start.mean()
    n = len(rows[rows["step"] == last][["model", "other"]].drop_duplicates())
    return [
        f"Models that began with other weights come to see text {'more' if closer else 'less'} alike: over "
        f"all layers the CKA of their states is {start.mean():.2f} before training and {end.mean():.2f} at "
        f"step {last:,} ({end.min():.2f} to {end.max():.2f} over {counted(n, 'pair')} of models); 1 is alike."
    ]


def _weights(runs: pd.DataFrame) -> list[str]:
    cosines = tables.cosines_to_models(runs)
    own = cosines[cosines["by"] == "seed"]
    own = own[own["step"] == own["step"].max()]["value"]
    return [f"Their weights have a cosine of {span(own)}."] if len(own) else []


def _start(last: pd.DataFrame) -> list[str]:
    last = last[last["step"] > 0]
    if last.empty:
        return []
    parts = [f"{value(own)} in {markdown(size)}" for size, own in smallest_and_largest(last)]
    return [f"The cosine of the last weights to those of step 0 is {' and '.join(parts)}."]


def _settled(found: pd.DataFrame) -> list[str]:
    if found.empty:
        return []
    stopped = int(found["step"].notna().sum())
    return [
        f"{stopped} of {counted(len(found), 'model')} had stopped changing by the last step: every "
        "layer then has "
        f"a CKA of {tables.ALIKE} or more with itself at half of the steps."
    ]
