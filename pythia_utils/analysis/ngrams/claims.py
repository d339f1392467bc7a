"""What the chapter on n-gram stages states, each asked of the models of one seed."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pythia_utils.analysis.claims import Claim
from pythia_utils.analysis.ngrams import phases

_EXPERIMENT = "ngrams"


def _in_order(metric: str, names: tuple[str, ...], strictly: bool, greatest: bool = False):
    """Whether every model's extremes of these n come one after the other, or at least none before."""

    def holds(records: pd.DataFrame) -> bool | None:
        steps = _steps(records, metric, names, greatest)
        if steps.empty:
            return None
        gaps = steps.diff(axis=1).iloc[:, 1:]
        return bool((gaps > 0).all(axis=None) if strictly else (gaps >= 0).all(axis=None))

    return holds


def _steps(
    records: pd.DataFrame, metric: str, names: tuple[str, ...], greatest: bool = False
) -> pd.DataFrame:
    own = records[(records["metric"] == metric) & records["subset"].isin(names)]
    return phases.by_order(phases.extrema(own, greatest)).reindex(columns=list(names))


def _closest_never_falls(records: pd.DataFrame) -> bool | None:
    curves = records[records["metric"] == "closest"].sort_values("step")
    curves = curves[curves.groupby("model")["step"].transform("nunique") >= phases.ENOUGH]
    if curves.empty:
        return None
    return all(own["value"].is_monotonic_increasing for _, own in curves.groupby("model"))


def _leaves_unigrams(records: pd.DataFrame) -> bool | None:
    return _of_every_model(
        records[(records["metric"] == "kl") & (records["subset"] == "1-gram")],
        lambda curve: curve["value"].iloc[-1] > curve["value"].iloc[0],
    )


def _of_every_model(curves: pd.DataFrame, holds: Callable[[pd.DataFrame], bool]) -> bool | None:
    """Whether it holds of each model's curve from step 0; None without such a curve."""
    curves = curves[curves.groupby("model")["step"].transform("min") == 0].sort_values("step")
    curves = curves[curves.groupby("model")["step"].transform("nunique") > 1]
    return all(holds(own) for _, own in curves.groupby("model")) if len(curves) else None


def _beats_every_ngram(records: pd.DataFrame) -> bool | None:
    found = phases.passed(records[records["metric"] == "loss"])
    found = found[found["end"] > 0]
    return None if found.empty else bool(found["step"].notna().all())


def _sizes_together(records: pd.DataFrame) -> bool | None:
    steps = _steps(records, "kl", ("1-gram", "2-gram"))
    if len(steps) < 2:
        return None
    return bool((steps.max() <= 2 * steps.min()).all())


CLAIMS = (
    Claim(
        "unigrams-then-bigrams-then-trigrams",
        _EXPERIMENT,
        "Every model is closest to the unigrams of its corpus first, then to the bigrams, then to the "
        "trigrams.",
        _in_order("kl", ("1-gram", "2-gram", "3-gram"), strictly=True),
    ),
    Claim(
        "longer-ngrams-not-before-trigrams",
        _EXPERIMENT,
        "No model is closest to 4-grams before trigrams, or to 5-grams before 4-grams.",
        _in_order("kl", ("3-gram", "4-gram", "5-gram"), strictly=False),
    ),
    Claim(
        "closest-n-grows",
        _EXPERIMENT,
        "The n whose n-grams a model is closest to never falls during training.",
        _closest_never_falls,
    ),
    Claim(
        "unigrams-are-left-behind",
        _EXPERIMENT,
        "At its last step every model is further from the unigrams than before training.",
        _leaves_unigrams,
    ),
    Claim(
        "better-than-every-ngram",
        _EXPERIMENT,
        "At its last step every model predicts held-out text better than the n-grams of every length do.",
        _beats_every_ngram,
    ),
    Claim(
        "stages-at-like-steps",
        _EXPERIMENT,
        "The steps at which two sizes are closest to unigrams differ by no more than a factor of two, and "
        "so for bigrams.",
        _sizes_together,
    ),
    Claim(
        "same-order-of-correlations",
        _EXPERIMENT,
        "Every model's correlation with unigram log-probabilities peaks first, then that with bigrams, then "
        "that with trigrams.",
        _in_order("pearson_r", ("1-gram", "2-gram", "3-gram"), strictly=True, greatest=True),
    ),
    Claim(
        "same-order-backwards",
        _EXPERIMENT,
        "By the divergence in the other direction, too, every model is closest to unigrams before bigrams.",
        _in_order("kl_reverse", ("1-gram", "2-gram"), strictly=True),
    ),
)
