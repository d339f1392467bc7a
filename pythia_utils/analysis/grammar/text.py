"""What `acquisition` found, as tables and sentences for readers; right whatever the numbers are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pythia_utils.analysis.grammar.recorded import WRONG_RULES
from pythia_utils.analysis.learning_curves import at_shared_steps, milestones, step_in_words
from pythia_utils.analysis.words import interval, listed, p_value, readable, without_suite
from pythia_utils.base.markup import markdown
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import find_model

# In the cells of a table: an interval is not broken into lines.
_SPACE = "\u00a0"
_SIDE_BY_SIDE = 5  # columns of steps with intervals that fit in a page


def phenomena_table() -> pd.DataFrame:
    """Nano's phenomena as a chapter lists them, with an example and what training never holds together."""
    rows = [
        (p.title, p.field, p.example, readable(name), p.unseen) for name, p in PHENOMENA.items()
    ]
    columns = ["phenomenon", "field", "example", "in figures", "never together in training"]
    return pd.DataFrame(rows, columns=columns)


def milestone_table(milestones: pd.DataFrame, name: str = "onset") -> pd.DataFrame:
    """Steps with intervals as texts, a row a phenomenon, a column a model.

    Nothing means that the phenomenon is not among that model's, `by 66,000` that it had happened at the first
    measured step; the rest tells `step_in_words`. Of more models than fit in a page with their intervals these
    are left out, as the figure has them, and the suite out of the names.

    Args:
        milestones: of `learning_curves.milestones`.
        name: `onset` or `plateau`.
    """
    low, high = ("low", "high") if name == "onset" else (f"{name}_low", f"{name}_high")
    steps = milestones[[name, low, high, "last", "first"]].itertuples(index=False)
    many = milestones["model"].nunique() > _SIDE_BY_SIDE
    texts = [_milestone(*row, many) for row in steps]
    if milestones.empty:
        return pd.DataFrame({"phenomenon": ["no model was measured at two steps"]})
    table = milestones.assign(text=texts, phenomenon=milestones["subset"].map(readable))
    table = table.pivot_table("text", "phenomenon", "model", aggfunc="first", sort=False)
    if many:
        table = table.rename(columns=without_suite)
    return table.fillna("").rename_axis(index=None, columns=None)


def _milestone(step: float, low: float, high: float, last: float, first: int, briefly: bool) -> str:
    if first > 0 and step <= first:
        return f"by {first:,}"
    ends = (np.inf, np.inf) if briefly else (low, high)
    return _unbroken(step_in_words(step, *ends, last))


def onsets_over_seeds(curves: pd.DataFrame) -> pd.DataFrame:
    """How far the onsets of a size's seeds lie apart, as texts: a row a phenomenon, a column a size.

    Args:
        curves: of `acquisition.curves`, of models that differ in size and seed alone. Compared at the steps
            that all share.

    Returns:
        Such as `3 of 4 seeds: 128 – 256`: those that reach the threshold, and their first and last onset, `by
        64` if it is reached at the first step. Sizes whose curves are of one seed are left out.
    """
    alike = at_shared_steps(curves)
    frame = milestones(alike, None)
    frame = frame.assign(size=[find_model(name).size for name in frame["model"]])
    several = frame.groupby("size")["model"].transform("nunique") > 1
    rows = [
        {
            "phenomenon": readable(subset),
            "size": size,
            "text": _range_of(part["onset"], alike["step"].min()),
        }
        for (subset, size), part in frame[several].groupby(["subset", "size"], sort=False)
    ]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).pivot_table(
        "text", "phenomenon", "size", aggfunc="first", sort=False
    )
    return table.fillna("").rename_axis(index=None, columns=None)


def _range_of(onsets: pd.Series, first: int) -> str:
    reached = onsets.dropna().round().astype(int)
    told = f"{len(reached)} of {len(onsets)} seed{'s' * (len(onsets) != 1)}"
    if reached.empty:
        return told
    ends = [f"by {end:,}" if end <= first else f"{end:,}" for end in (reached.min(), reached.max())]
    return f"{told}: {' – '.join(dict.fromkeys(ends))}"


def _unbroken(interval: str) -> str:
    return interval.replace(", ", f",{_SPACE}")


def phase_table(named: pd.DataFrame) -> pd.DataFrame:
    """Phases below chance, of `named_phases`, as texts; the deepest first."""
    rows = named.itertuples()
    return pd.DataFrame(
        {
            "phenomenon": readable(row.subset),
            "model": row.model,
            "steps": f"{row.first:,} – {row.last:,}",
            "deepest accuracy": f"{row.value:.2f} [{row.low:.2f},{_SPACE}{row.high:.2f}] at {row.deepest:,}",
            "gain without the attractor": "–" if np.isnan(row.gain) else f"{row.gain:+.2f}",
            "the model follows": row.follows,
            "overcome": _unbroken(
                step_in_words(row.overcome, row.overcome_low, row.overcome_high, row.end)
            ),
        }
        for row in rows
    )


def phases_in_words(named: pd.DataFrame) -> str:
    """How many phases below chance there are, how deep, and how many have a name."""
    if named.empty:
        return "No accuracy of these runs is below chance."
    n, deepest = len(named), named.iloc[0]
    by_rule = named["follows"].isin(WRONG_RULES.values()).sum()
    return (
        f"{n} {'phase' if n == 1 else 'phases'} below chance, in {listed(named['subset'])}. The deepest: "
        f"{markdown(deepest['model'])} at step {deepest['deepest']:,}, {interval(deepest)}. In {by_rule} of "
        f"{n} the accuracy rises if the attractor alone changes its number: there the model follows the rule "
        f"named. {np.isfinite(named['overcome_high']).sum()} of {n} are overcome by the last step, with their "
        "whole interval: the accuracy stays at or above chance."
    )


def agreement_in_words(agreements: pd.DataFrame, what: str) -> str:
    """The first row of `agreements` as a sentence: do the orders of `what` agree?"""
    if agreements.empty or np.isnan(agreements["rho"].iloc[0]):
        return f"These runs are too few, or learn too little, to compare orders across {what}."
    row = agreements.iloc[0]
    agree = row["p_adjusted"] < 0.05
    verdict = "agree" if agree else "do not agree more than unrelated ones may"
    return (
        f"Across {row['orders']} {what} the orders of {row['items']} phenomena {verdict}: mean rank "
        f"correlation {interval(row, 'rho')}, Kendall's W {row['w']:.2f}, permutation "
        f"{p_value(row['p_value'])}, {p_value(row['p_adjusted'])} with {len(agreements)} such comparisons."
    )


def published_in_words(milestones: pd.DataFrame, phases: pd.DataFrame, first: int) -> str:
    """What onsets and plateaus can say of curves whose first step, `first`, is late in learning."""
    n = len(milestones)
    early, never = (milestones["onset"] <= first).sum(), milestones["onset"].isna().sum()
    settled = (milestones["plateau"] <= first).sum()
    below = f"in {listed(phases['subset'])}" if len(phases) else "none"
    return (
        f"The first published step is {first:,}. By then {early} of {n} curves are above .75 to stay, "
        f"and {settled} within .02 of their level in the second half of training; {never} never come "
        "to stay above .75. Onsets before the first score cannot be put in order. "
        f"Phases below chance, both variants: {len(phases)}, {below}. A mean over paradigms hides "
        "more than it shows there: some of its paradigms may be far below, others above."
    )


def counting_in_words(levels: Mapping[str, float]) -> str:
    """What the best n-gram models answer, or that nothing was counted.

    Args:
        levels: of `recorded.levels`: accuracy by phenomenon.
    """
    if not levels:
        return (
            "N-grams were **not counted** here: that takes a suite trained here, whose text is at hand. "
            "A table of word sequences might reach some of these accuracies; nothing here tells."
        )
    values = pd.Series(levels)
    return (
        f"The best n-gram models are right in {values.min():.2f} to {values.max():.2f} of the pairs of a "
        f"phenomenon, in {markdown(readable(values.idxmax()))} most."
    )


def above_in_words(final: pd.DataFrame) -> str:
    """How many phenomena of each size are above counting in every seed, and in none.

    Args:
        final: records of `accuracy_above_ngrams` at one step, with size (`seeds.label`), low and high.
    """
    if final.empty:
        return "Nothing was counted, so nothing can be said about what lies above counting."
    sentences = []
    for size, part in final.groupby("size", sort=False):
        above = (part["low"] > 0).groupby(part["subset"])
        seeds, n = part["model"].nunique(), part["subset"].nunique()
        each = "in its one seed" if seeds == 1 else f"in each of {seeds} seeds"
        sentences.append(
            f"{markdown(size)}: {above.all().sum()} of {n} phenomena are above counting {each}, with the "
            f"interval over pairs, and {(~above.any()).sum()} in none."
        )
    return " ".join(sentences)


def frequency_in_words(bias: pd.DataFrame) -> str:
    """When being right follows word frequency most, and what is left of it at the end.

    Args:
        bias: that correlation, in all: columns model, step, value, low, high.
    """
    if bias.empty:
        return "These runs counted no frequencies."
    most = bias.loc[bias["value"].idxmax()]
    last = bias[bias["step"] == bias["step"].max()]
    free = ((last["low"] <= 0) & (last["high"] >= 0)).sum()
    return (
        f"It is highest at step {most['step']:,} ({markdown(most['model'])}: "
        f"{interval(most)}). At step {last['step'].iloc[0]:,} it lies between "
        f"{last['value'].min():.2f} and {last['value'].max():.2f}; the interval holds zero for {free} of "
        f"{len(last)} models."
    )


def agreement_table(agreements: pd.DataFrame) -> pd.DataFrame:
    """`agreements` as texts; a dash where an order has no differences."""
    rows = agreements.itertuples() if len(agreements) else ()
    return pd.DataFrame(
        {
            "what differs": row.compared,
            "models": row.orders,
            "phenomena": row.items,
            "ρ [95% interval]": _dash(f"{row.rho:.2f} [{row.low:.2f},{_SPACE}{row.high:.2f}]"),
            "W": _dash(f"{row.w:.2f}"),
            "p": _small(row.p_value),
            "p, adjusted": _small(row.p_adjusted),
        }
        for row in rows
    )


def _small(p: float) -> str:
    return f"<{_SPACE}.001" if p < 0.001 else _dash(f"{p:.3f}")


def _dash(text: str) -> str:
    return "–" if "nan" in text else text


def beside_table(both: pd.DataFrame, suite: str) -> pd.DataFrame:
    """`beside_blimp` for readers."""
    table = both.rename(index=readable, columns={"ours": suite, "pythia": "Pythia (v0)"})
    return table.rename_axis(index="phenomenon of BLiMP").reset_index()


def seeds_in_words(heights: pd.DataFrame) -> str:
    """By how much seeds of one size differ in mean accuracy over training, if there are several."""
    if heights.empty:
        return "No model of these runs was measured at two steps: there is no curve to compare."
    models = [find_model(name) for name in heights.index]
    level = heights.mean(axis=1).to_numpy()
    groups = pd.Series(level).groupby([f"{m.size} {m.variant}" for m in models], sort=False)
    several = groups.agg(["size", "min", "max"]).query("size > 1")
    if several.empty:
        return (
            "This compares one seed of each size. Nothing here tells how much another would differ."
        )
    widest = (several["max"] - several["min"]).idxmax()
    low, high = several.loc[widest, ["min", "max"]]
    return (
        f"Seeds of one size differ by up to {high - low:.3f} in this mean ({markdown(widest)}, {low:.3f} to "
        f"{high:.3f}): a gain below that may be luck."
    )
