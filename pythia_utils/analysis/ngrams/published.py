"""Pythia's own n-gram phases, as Michaelov, Levy and Bergen (2025) published them."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.words import listed, span

_FAR = 5  # a seed this many times the median distance from the median is away from the others


def source() -> str:
    """Whose numbers they are, for a caption."""
    return published_tables.source("ngram_correlation")


def correlations() -> pd.DataFrame:
    """Pearson's r with log-probabilities by n-grams of the Pile, mean and range over seeds, by size."""
    return _of_the_pile("ngram_correlation").sort_values(["subset", "n_params", "step"])


def peaks() -> pd.DataFrame:
    """Of each model, seed and n the step at which that r is greatest."""
    return _of_the_pile("ngram_peaks").sort_values(["n_params", "seed", "subset"])


def _of_the_pile(table: str) -> pd.DataFrame:
    """A published table with `1-gram` for `pile_1gram`; n-grams of other text left out."""
    frame = published_tables.read(table)
    frame = frame[frame["subset"].str.startswith("pile_")]
    names = frame["subset"].str.removeprefix("pile_").str.replace("gram", "-gram")
    return frame.assign(subset=names)


def leaving(subset: str = "1-gram") -> pd.DataFrame:
    """How far each seed of 410m is from the median of all, late in training.

    Returns:
        A row a seed and step of the second half of training: seed, step, value, away (its distance from the
        median of the seeds) and far: whether that is more than five times the median distance.
    """
    frame = _of_the_pile("ngram_seeds")
    frame = frame[(frame["subset"] == subset) & (frame["step"] > frame["step"].max() / 2)]
    steps = frame.groupby("step")["value"]
    away = (frame["value"] - steps.transform("median")).abs()
    usual = away.groupby(frame["step"]).transform("median")
    return frame.assign(away=away, far=away > _FAR * usual)[
        ["seed", "step", "value", "away", "far"]
    ].reset_index(drop=True)


def leaving_in_words() -> str:
    """Which seeds leave the others, and by how much."""
    found = leaving()
    parts = []
    for step, own in found.groupby("step"):
        far, near = own[own["far"]], own[~own["far"]]
        names = listed(f"seed {seed}" for seed in far["seed"])
        parts.append(
            f"At step {step:,} r with unigrams is {span(near['value'], '.3f')} in {len(near)} seeds, and "
            + (
                f"{span(far['value'], '.3f')} in the others ({names})."
                if len(far)
                else "no seed is away."
            )
        )
    return " ".join(parts)
