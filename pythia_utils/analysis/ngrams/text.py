"""The tables and computed sentences of the chapter on n-gram stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import show
from pythia_utils.analysis.words import listed

if TYPE_CHECKING:
    from IPython.display import Markdown

    from pythia_utils.analysis.show import Table


def steps_over_seeds(steps: pd.Series) -> str:
    """Steps of several runs: `16`, `16 (3), 32 (1)` with the number of runs, or `4,000 to 143,000`."""
    counts = steps.astype(int).value_counts().sort_index()
    if len(counts) == 1:
        return f"{counts.index[0]:,}"
    if len(counts) == 2:
        return ", ".join(f"{step:,} ({n})" for step, n in counts.items())
    return f"{counts.index[0]:,} to {counts.index[-1]:,}"


def stages(extreme: pd.DataFrame, caption: str = "") -> Table | Markdown:
    """The steps of `phases.extrema` or of published peaks: a row a size and variant, a column an n."""
    rows = []
    for (n_params, variant, size), own in extreme.groupby(["n_params", "variant", "size"]):
        steps = own.groupby("subset")["step"].apply(steps_over_seeds)
        runs = own.groupby("subset").size().max()
        rows.append(
            {"order": n_params, "size": size, "variant": variant, "runs": runs} | steps.to_dict()
        )
    frame = pd.DataFrame(rows)
    return show.table(frame.drop(columns="order", errors="ignore"), caption=caption)


def depth(extreme: pd.DataFrame) -> Table | Markdown:
    """How low and how broad the minima are: the range over all runs, a row an n."""
    rows = []
    for name, own in extreme.groupby("subset"):
        still = (own["step"] == own["end"]).sum()
        rows.append(
            {
                "n-grams": name,
                "least, nats": f"{own['value'].min():.2f} to {own['value'].max():.2f}",
                "within 5% of it, steps": f"{own['first'].min():,} to {own['last'].max():,}",
                "least at the last step": f"{still} of {len(own)} runs",
            }
        )
    return show.table(pd.DataFrame(rows))


def order_in_words(order: pd.DataFrame) -> str:
    """In how many runs the minima come in the order of n; `order` is of `phases.by_order`."""
    if order.empty:
        return "No model was measured at enough steps to tell when it was closest to what."
    gaps = order.diff(axis=1).iloc[:, 1:]
    kept, n = int((gaps >= 0).all(axis=1).sum()), len(order)
    told = listed(f"{name}s: {_steps(order[name])}" for name in order)
    return (
        f"In {kept} of {n} runs the steps of the least divergence come in the order of n, or at the same "
        f"step. They are, over all runs: {told}."
    )


def _steps(steps: pd.Series) -> str:
    low, high = int(steps.min()), int(steps.max())
    return f"step {low:,}" if low == high else f"steps {low:,} to {high:,}"


def passed(found: pd.DataFrame) -> Table | Markdown:
    """The n-grams' own loss, and from which measured step on models of each size do better."""
    rows = []
    for (variant, name), own in found.groupby(["variant", "subset"], sort=False):
        row = {"variant": variant, "n-grams": name, "their loss, nats": own["ngram_loss"].iloc[0]}
        for size, runs in own.groupby("size", sort=False):
            never = int(runs["step"].isna().sum())
            steps = [steps_over_seeds(runs["step"].dropna())] if never < len(runs) else []
            row[size] = "; ".join([*steps, *([f"not in {never} of {len(runs)}"] if never else [])])
        rows.append(row)
    frame = pd.DataFrame(rows).fillna("–")  # a size of which one variant was not measured
    return show.table(frame, {"their loss, nats": "{:.3f}"})


def coverage(known: pd.DataFrame) -> str:
    """How many contexts of the held-out text the counted text has: of each n but the first."""
    shares = known.groupby("subset")["value"].mean().drop("1-gram", errors="ignore")
    if shares.empty:
        return "These records do not say how many contexts were counted."
    told = listed(f"{share:.0%} for {name}s" for name, share in shares.items())
    return (
        f"The counted text has the context of this share of the held-out positions: {told}. Elsewhere the "
        "estimate is that of the next shorter n-grams."
    )
