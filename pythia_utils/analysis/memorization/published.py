"""What others have published of Pythia's memorization, as the chapter's table, figure and sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import published_tables, stats
from pythia_utils.analysis.words import p_value
from pythia_utils.base.markup import markdown

TABLE = "memorization"
_COUNTS = "memorized_sequences"


def counts(final: bool = True) -> pd.DataFrame:
    """Pythia's published counts of memorized training sequences (data/published/memorization.csv).

    A sequence counts if greedy decoding after its first 32 tokens gives the next 32. All sequences that
    the checkpoint has read were tested.

    Args:
        final: of the final checkpoints alone; else of every checkpoint that was counted.

    Returns:
        Columns model, variant, size, n_params (non-embedding), step, memorized, tested, value (the share),
        low, high (Wilson, 95%).
    """
    frame = published_tables.read(TABLE).query("metric == @_COUNTS")
    if final:
        frame = frame[frame["step"] == frame["step"].max()]
    columns = ["model", "variant", "size", "n_params", "step", "value", "n"]
    frame = frame[columns].rename(columns={"value": "memorized", "n": "tested"})
    frame = frame.astype({"memorized": int, "tested": int}).reset_index(drop=True)
    return stats.with_wilson_interval(frame, frame["memorized"], frame["tested"])


@dataclass(frozen=True)
class Bend:
    """log y as a parabola in log x: a power law whose exponent changes.

    Attributes:
        beta: float64 (3,), of 1, log x and log² x.
        low, high: the least and the largest x that was fitted.
        p_straight: of a power law with one exponent (t test of the last coefficient).
    """

    beta: np.ndarray
    low: float
    high: float
    p_straight: float

    def predict(self, x: np.ndarray) -> np.ndarray:
        log = np.log(np.asarray(x, dtype=float))
        return np.exp(self.beta[0] + self.beta[1] * log + self.beta[2] * log**2)

    def exponent(self, x: float) -> float:
        """The local exponent d log y / d log x."""
        return float(self.beta[1] + 2 * self.beta[2] * np.log(x))


def bend(x: pd.Series, y: pd.Series) -> Bend:
    """The parabola through at least four points in logarithms, by least squares."""
    from scipy.stats import t

    log_x, log_y = np.log(x.to_numpy(float)), np.log(y.to_numpy(float))
    design = np.column_stack([np.ones_like(log_x), log_x, log_x**2])
    beta = np.linalg.lstsq(design, log_y)[0]
    dof = len(log_x) - 3
    scatter = np.sum((log_y - design @ beta) ** 2) / dof
    error = np.sqrt(scatter * np.linalg.pinv(design.T @ design)[2, 2])
    p = 2 * float(t.sf(abs(beta[2]) / error, dof))
    return Bend(beta, float(x.min()), float(x.max()), p)


def bends(frame: pd.DataFrame) -> dict[str, Bend]:
    """The curve of each variant's final counts over size."""
    parts = frame.groupby("variant", sort=False)
    return {variant: bend(part["n_params"], part["memorized"]) for variant, part in parts}


def growth(frame: pd.DataFrame, curves: dict[str, Bend]) -> str:
    """How Pythia's published counts grow with size, and differ between the variants. Markdown."""
    laws = [
        f"from {curve.exponent(curve.low):.3f} at the smallest size to {curve.exponent(curve.high):.3f} at the "
        f"largest ({markdown(variant)}; {'a bend' if curve.p_straight < 0.05 else 'no bend shown'}, "
        f"{p_value(curve.p_straight)})"
        for variant, curve in curves.items()
    ]
    both = frame.pivot_table("memorized", "size", "variant").dropna()
    fewer = 1 - both["deduped"] / both["standard"]
    return (
        f"Counts grow with size. The local exponent goes {' and '.join(laws)}. At the same size deduplicated "
        f"models have memorized {fewer.min():.0%} to {fewer.max():.0%} fewer."
    )


def over_steps(frame: pd.DataFrame) -> str:
    """How the share of what was read grows over training, of models counted at several steps. Markdown."""
    lines = []
    for model, part in frame.groupby("model", sort=False):
        if len(part) > 1:
            shares = [
                f"{r.value:.2%} at step {r.step:,}" for r in part.sort_values("step").itertuples()
            ]
            lines.append(f"{markdown(model)} has memorized {', '.join(shares)}")
    return f"Of the sequences read so far {'; '.join(lines)}."


def census(frame: pd.DataFrame) -> str:
    """What the counts cannot be uncertain of, and what they could tell of position. Markdown.

    Args:
        frame: of `counts`.
    """
    k, n = frame["memorized"], frame["tested"]
    error = 1.96 * np.sqrt((1 - k / n) / k)
    trend = (
        np.exp(1.96 * np.sqrt(12 / k)) - 1
    )  # of the rate over training: see `events_for_equivalence`
    return (
        f"If each of the {n.max():,} sequences had been memorized independently with one probability, a "
        f"repetition of training would vary by the binomial error, 95% of the time by less than "
        f"{error.max():.1%} of each count: narrower than the points. With so many, a change of the rate from "
        f"the start of training to its end would be found four times in five from {trend.min():.1%} on in "
        f"the largest counts, and from {trend.max():.1%} in the smallest."
    )


def of_sample(frame: pd.DataFrame, sequences: int) -> str:
    """How many of a sample are to be expected memorized, at the two ends of the sizes. Markdown."""
    ends = frame.sort_values("value").iloc[[0, -1]]
    parts = [
        f"about {r.value * sequences:.0f} by the final {markdown(r.model)}"
        for r in ends.itertuples()
    ]
    return (
        f"On Pythia memorized sequences are rare: by its published counts, of {sequences:,} training sequences "
        f"{' and '.join(parts)}."
    )
