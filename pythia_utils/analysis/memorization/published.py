"""What others have published of Pythia's memorization, as the chapter's table, figure and sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as distributions

from pythia_utils.analysis import published_tables, stats
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model

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


def parabola(part: pd.DataFrame) -> np.polynomial.Polynomial:
    """log memorized as a parabola in log n_params, by least squares: its slope is the exponent there."""
    x, y = (np.log(part[column].to_numpy(float)) for column in ("n_params", "memorized"))
    return np.polynomial.Polynomial.fit(x, y, 2)


def bends(table: pd.DataFrame) -> pd.DataFrame:
    """Whether the counts follow one power of size, or a power that changes with it.

    A parabola of log count on log size, by least squares; its slope at a size is the exponent there. Where
    the interval of the curvature, Student's t with n - 3 degrees of freedom, excludes 0 no single exponent
    describes the counts.

    Args:
        table: of `counts`.

    Returns:
        A row a variant: variant, smallest, largest (models), exponent_small, exponent_large (at them);
        value, low, high (change of the exponent from the one to the other, 95%).
    """
    rows = []
    for variant, part in table.groupby("variant", sort=False):
        part = part.sort_values("n_params")
        x, y = np.log(part["n_params"].to_numpy(float)), np.log(part["memorized"].to_numpy(float))
        centre, span = x.mean(), x[-1] - x[0]
        (curve, slope, _), covariance = np.polyfit(x - centre, y, 2, cov=True)
        ends = slope + 2 * curve * (x[[0, -1]] - centre)
        half = distributions.t.ppf(0.975, len(x) - 3) * 2 * span * covariance[0, 0] ** 0.5
        change = 2 * curve * span
        names = part["model"].iloc[[0, -1]]
        rows.append((variant, *names, *ends, change, change - half, change + half))
    columns = ["variant", "smallest", "largest", "exponent_small", "exponent_large"]
    return pd.DataFrame(rows, columns=[*columns, "value", "low", "high"])


def growth(frame: pd.DataFrame) -> str:
    """How Pythia's published counts grow with size, and differ between the variants. Markdown."""
    both = frame.pivot_table("memorized", "size", "variant").dropna()
    fewer = 1 - both["deduped"] / both["standard"]
    return (
        f"Counts grow with size. {' '.join(map(_bend, bends(frame).itertuples()))} At the same size "
        f"deduplicated models have memorized {fewer.min():.0%} to {fewer.max():.0%} fewer."
    )


def _bend(row) -> str:
    """One row of `bends` as sentences."""
    shown = row.low > 0 or row.high < 0
    return (
        f"The local exponent of {markdown(row.variant)} models is {row.exponent_small:.3f} at "
        f"{markdown(row.smallest)} and {row.exponent_large:.3f} at {markdown(row.largest)}, a change of "
        f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        f"{'' if shown else ', which so few sizes cannot tell from none'}."
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


def early(target: str = "pythia-12b-deduped") -> str:
    """How well other sizes and earlier steps tell what the largest model has memorized, as published. Markdown.

    Correlations of Biderman et al. (2023, "Emergent and predictable memorization", section 4): of whether a
    sequence is memorized between sizes at the end, and of the share of its tokens between steps.

    Args:
        target: the model whose end is to be told.
    """
    frame = published_tables.read(TABLE)
    of_size = frame[frame["metric"] == "memorized_indicator_pearson_r"]
    base = target.removesuffix("-deduped")
    of_size = of_size[of_size["subset"] == f"with {base}"].sort_values("n_params")
    of_step = frame[
        (frame["metric"] == "memorization_score_pearson_r") & (frame["model"] == target)
    ]
    of_step = of_step[of_step["subset"] == f"with step {find_model(target).total_steps}"]
    sizes, steps = of_size.iloc[[0, -1]], of_step.sort_values("step").iloc[[0, -1]]
    by_size = [f"{row.value:.2f} of {markdown(row.model)}" for row in sizes.itertuples()]
    by_step = [f"{row.value:.2f} at step {row.step:,}" for row in steps.itertuples()]
    return (
        f"As published of all that was read: whether {markdown(target)} has memorized a sequence in the end "
        f"correlates with whether a smaller deduplicated model has, by {' to '.join(by_size)}; and its own "
        f"scores with its final ones, by {' to '.join(by_step)}. Source: {published_tables.source(TABLE)}; "
        "read by eye from printed numbers."
    )


def beside(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Whether published shares lie within the intervals of a sample's, and what only others counted. Markdown.

    Args:
        ours: `tables.of_read` of records of Pythia.
        theirs: of `counts`, of every step.
    """
    both = theirs.merge(ours, on=["model", "step"], suffixes=("_published", ""))
    alone = theirs.merge(ours[["model", "step"]], how="left", indicator=True)
    alone = alone[alone["_merge"] == "left_only"]
    names = "; ".join(
        f"at step {step:,} {', '.join(part['model'].map(markdown))}"
        for step, part in alone.groupby("step")
    )
    within = both["value_published"].between(both["low"], both["high"]).sum()
    text = (
        f"Of {len(both)} checkpoints that others counted and that are sampled here, the published share lies "
        f"within the sample's interval at {within}."
        if len(both)
        else "None of the checkpoints that others counted is sampled here."
    )
    return text + (f" Published, and not measured here: {names}." if names else "")


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
