"""The computed sentences of the chapter on memorization: every number in them comes from its tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import order_tests
from pythia_utils.analysis.memorization.published import bends
from pythia_utils.analysis.stats import PowerLaw
from pythia_utils.analysis.words import interval, p_value
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model

NO_TRUTH = "These data have no planted documents, and what is repeated in them is not recorded."
NO_COPIES = (
    "Nothing tells what copies do here: there are no planted documents, or no standard model of the usual "
    "seed."
)


def copies(shares: pd.DataFrame, gains: pd.DataFrame, model: str) -> str:
    """What a model recites by number of copies, and what a single copy leaves.

    Args:
        shares: `tables.numbered(…, "copies")` of one step a model.
        gains: `tables.gains(…, "copies")` of the same.
        model: one of theirs.
    """
    rows = shares[shares["model"] == model].sort_values("number", ascending=False)
    if rows.empty:
        return NO_COPIES
    parts = [f"of {r.number} copies, {round(r.value * r.n)} of {r.n}" for r in rows.itertuples()]
    parts = [*parts[:3], parts[-1].replace("of 1 copies", "of one copy")]
    once = gains[(gains["model"] == model) & (gains["number"] == 1)].iloc[0]
    return (
        f"{markdown(model)} recites planted documents as follows: {'; '.join(parts)}. "
        f"A single copy left a gain of {interval(once)} nats a token on average."
    )


def position(counts: pd.DataFrame, model: str, bound: float) -> str:
    """Dispersion, trend and equivalence of the memorized sequences along training.

    Args:
        counts: `tables.counts(…, "block")` of the model's last step.
        model: its name.
        bound: ratio of rates at the two ends of training that counts as equal.
    """
    k, n = counts["memorized"], counts["tested"]
    if not 0 < k.sum() < n.sum():
        found = f"{markdown(model)} has memorized {k.sum():,}"
        return f"Of {n.sum():,} tested sequences {found}: nothing varies here."
    spread = order_tests.dispersion(k, n)
    trend = order_tests.share_trend(k, n, (counts["number"] + 0.5) / len(counts))
    same = order_tests.equivalence(trend, np.log(bound))
    ratio, low, high = np.exp([trend.slope, trend.low, trend.high])
    events = order_tests.events_for_equivalence(bound)
    shown = "is shown to be equal" if same.equivalent else "is **not** shown to be equal"
    return (
        f"{markdown(model)} has memorized {k.sum():,} of {n.sum():,} tested sequences.\n\n"
        f"- **Dispersion.** The index is {spread.index:.2f} ({p_value(spread.p_value)}). The standard "
        f"deviation of the stretches' rates is {spread.spread:.0%} of their mean "
        f"[{spread.low:.0%}, {spread.high:.0%}].\n"
        f"- **Trend.** From the start to the end of training the odds change by a factor of {ratio:.2f} "
        f"[{low:.2f}, {high:.2f}] ({p_value(trend.p_value)}).\n"
        f"- **Equivalence.** The rate {shown} within a ratio of {bound} ({p_value(same.p_value)}). If it "
        f"is equal, about {events:,} memorized sequences would show it four times in five."
    )


def texts(classes: pd.DataFrame, model: str, least: int = 32) -> str:
    """How many of the memorized training sequences hold an often repeated text.

    Args:
        classes: `tables.counts(…, "text")` of the model's last step.
        model: its name.
        least: copies that are often.
    """
    if classes.empty:
        return NO_TRUTH
    often = classes[classes["number"] >= least].sum()
    return (
        f"Of the {classes['memorized'].sum()} memorized training sequences of {markdown(model)}, "
        f"{often['memorized']} hold a text that training reads {least} times or more. Such sequences are "
        f"{often['tested'] / classes['tested'].sum():.1%} of all that were tested."
    )


def experiment(trends: pd.DataFrame, counts: pd.DataFrame, model: str) -> str:
    """Whether the decile of training matters to planted documents.

    Args:
        trends: of `tables.gain_trends`.
        counts: `tables.counts(…, "decile")` of the model's last step.
        model: its name.
    """
    if trends.empty or model not in set(trends["model"]):
        return (
            NO_TRUTH if counts.empty else "No checkpoint here has read three deciles of training."
        )
    own = trends.set_index("model").loc[model]
    share = order_tests.share_trend(
        counts["memorized"], counts["tested"], (counts["number"] + 0.5) / 10
    )
    kept = [f"{r.memorized} of {r.tested}" for r in counts.iloc[[0, -1]].itertuples()]
    lines = [
        f"From the start of training to its end the gain of {markdown(model)} changes by "
        f"{interval(own, 'slope')} nats a token ({p_value(own['p_value'])}). It recites "
        f"{' and '.join(kept)} documents of the first and the last decile (trend over all ten: "
        f"{p_value(share.p_value)}). {_verdict(own)}"
    ]
    for row in trends[trends["variant"] == "deduped"].itertuples():
        within = "within" if row.equivalent else "not shown to be within"
        lines.append(
            f"Placebo {markdown(row.model)}: {row.slope:+.2f} [{row.low:.2f}, {row.high:.2f}], {within} the "
            f"bound ({p_value(row.p_equivalent)})."
        )
    return "\n\n".join(lines)


def _verdict(trend: pd.Series) -> str:
    if trend["low"] > 0:
        return "**Here the place in training matters**: what is read late is remembered better."
    if trend["high"] < 0:
        return "**Here the place in training matters**: what is read early is remembered better."
    if trend["equivalent"]:
        return "Here the place in training does not matter by more than the bound."
    return "Here neither an effect of the place nor its absence is shown."


def forgetting(course: pd.DataFrame) -> str:
    """How much of the gain of the first decile's documents is left: of one model's gains by decile."""
    first = course[course["number"] == 0].sort_values("step")
    if first.empty:
        return NO_TRUTH
    if first["step"].nunique() < 2:
        return "One checkpoint tells nothing of forgetting."
    top, end = first.loc[first["value"].idxmax()], first.iloc[-1]
    return (
        f"Documents of the first decile reach a gain of {interval(top)} nats a token at step {top['step']:,}; "
        f"{interval(end)} are left at step {end['step']:,}."
    )


def early(found: pd.DataFrame, model: str) -> str:
    """How much of what a model memorizes in the end it has memorized halfway.

    Args:
        found: of `tables.predictions`.
        model: the one whose end is predicted.
    """
    own = found[(found["metric"] == "recall") & (found["model"] == model)].sort_values("step")
    if own.empty:
        return f"{markdown(model)} has memorized no item that could be predicted."
    half = own[own["step"] <= own["step"].max() / 2].iloc[-1]
    return (
        f"At step {half['step']:,} {markdown(model)} has memorized {half['value']:.0%} "
        f"[{half['low']:.0%}, {half['high']:.0%}] of the {half['n']} items that it has memorized in the end."
    )


def published(frame: pd.DataFrame, fits: dict[str, PowerLaw]) -> str:
    """How Pythia's published counts grow with size, and differ between the variants."""
    laws = [
        f"{-fit.exponent:.3f} [{-fit.high:.3f}, {-fit.low:.3f}] ({markdown(v)})"
        for v, fit in fits.items()
    ]
    sizes = frame.assign(size=[find_model(name).size for name in frame["model"]])
    both = sizes.pivot_table("memorized", "size", "variant").dropna()
    fewer = 1 - both["deduped"] / both["standard"]
    return (
        f"One power of size for all sizes would have exponents {' and '.join(laws)}: 95% intervals from the "
        f"scatter about the line. {' '.join(map(_bend, bends(frame).itertuples()))} At the same size "
        f"deduplicated models have memorized {fewer.min():.0%} to {fewer.max():.0%} fewer."
    )


def _bend(row) -> str:
    """One row of `published.bends` as sentences."""
    shown = row.low > 0 or row.high < 0
    return (
        f"But it may change with size: a parabola through the counts of {markdown(row.variant)} models has "
        f"{row.exponent_small:.3f} at {markdown(row.smallest)} and {row.exponent_large:.3f} at "
        f"{markdown(row.largest)}, a change of {row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
        f"{'' if shown else ', which so few sizes cannot tell from none'}."
    )
