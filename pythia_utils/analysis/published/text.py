"""The computed sentences of the page on the suite's published results."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis.published.comparisons import falls
from pythia_utils.analysis.words import interval, listed
from pythia_utils.base.markup import markdown

NUMERICAL_NOISE = 0.1  # standard errors: what one set of weights, run twice, may differ by


def last_word(lambada: pd.DataFrame) -> str:
    """When standard models learn LAMBADA, whether larger ones do sooner, how both ends end, which get worse.

    Args:
        lambada: the task's accuracies of the standard models.
    """
    best, worst = (lambada.groupby("step")["value"].agg(which) for which in ("max", "min"))
    ends = lambada[lambada["step"] == lambada["step"].max()].sort_values("n_params").iloc[[0, -1]]
    small, large = (
        f"{markdown(row['model'])} {interval(row, digits='.3f')}" for _, row in ends.iterrows()
    )
    fallen = [
        f"{markdown(r.model)} by {r.fall:.3f} since step {r.step:,}"
        for r in falls(lambada).itertuples()
    ]
    return (
        f"Up to step {best.index[best < 0.01].max():,} no standard model has one answer in a hundred right; "
        f"from step {worst.index[worst > 0.01].min():,} on all have. {_sooner(lambada)} "
        f"At the end: {small}; {large}. Models that "
        f"end more than three standard errors below their best: {'; '.join(fallen) or 'none'}."
    )


def _sooner(lambada: pd.DataFrame) -> str:
    """Whether larger models are ahead at the first step at which one knows anything, and from when on."""
    table = lambada.pivot_table(index="step", columns="n_params", values="value")
    names = lambada.drop_duplicates("n_params").set_index("n_params")["model"]
    first = table[table.max(axis=1) > 0.01].iloc[0]
    ordered = (table.diff(axis=1).iloc[:, 1:] > 0).all(axis=1)
    disordered = ordered.index[~ordered].max()
    later = ordered.index[ordered.index > disordered]
    until = f"from step {later.min():,} on" if len(later) else "not even at the last step"
    if first.is_monotonic_increasing:
        start = (
            f"Larger models are ahead from step {first.name:,} on, the first at which any knows it."
        )
    else:
        start = (
            f"Larger models are **not** ahead at step {first.name:,}, the first at which any knows it: "
            f"{markdown(names[first.idxmax()])} has the most, {first.max():.3f}, and "
            f"{markdown(names[first.index[-1]])} {first.iloc[-1]:.3f}."
        )
    return f"{start} That each has more right than all smaller ones holds {until}."


def same_answer(wsc: pd.DataFrame) -> str:
    """How many final models share one score on WSC."""
    modal = wsc["value"].mode()[0]
    return (
        f"A caution about **WSC**: it has {wsc['n'].iloc[0]} items, and {(wsc['value'] == modal).sum()} of the "
        f"{len(wsc)} final models score exactly {modal:.3f}. A score that so different models share is what "
        "giving the same answer each time would earn. It says nothing about skill."
    )


def grammar(phenomena: pd.DataFrame) -> str:
    """BLiMP's mean at both ends, and the phenomena that fall or lie below chance.

    Args:
        phenomena: of `summary.blimp`, both variants.
    """
    standard = phenomena[phenomena["variant"] == "standard"]
    means = standard.pivot_table(index="subset", columns="step", values="value")
    first, last = means.columns[[0, -1]]
    fallen = means.index[means[last] < means[first]]
    below = phenomena[phenomena["high"] < 0.5]["subset"].value_counts()
    lowest = [f"{name} ({count})" for name, count in below.items()]  # `listed` escapes them
    return (
        f"Mean over phenomena and standard models: {means[first].mean():.3f} at step {first:,}, "
        f"{means[last].mean():.3f} at the end. Phenomena whose mean ends lower than it began: "
        f"{listed(fallen)}. Phenomena that some model has below chance, interval and all, and at how many of "
        f"{len(phenomena) // len(means)} checkpoints: {listed(lowest)}."
    )


def deduplication(effect: pd.DataFrame) -> str:
    """Which tasks' effects of a variant are finds, of `comparisons.variant_effect`."""
    clear = effect[effect["found"]]
    alone = ((effect["low"] > 0) | (effect["high"] < 0)).sum()
    names = "; ".join(
        f"{markdown(row['task'])} ({interval(row, digits='+.3f')})" for _, row in clear.iterrows()
    )
    return (
        f"Finds, false discoveries held at 5%: {names or 'none'}, of {len(effect)} tasks. Taken alone, the "
        f"intervals of {alone} exclude zero; with {len(effect)} of them side by side some would by chance. "
        f"They are over {effect['n'].min()} to {effect['n'].max()} pairs of runs, one a size, so they "
        "include whatever else differs between two runs. They cannot separate it from the effect of the data: "
        "each size was trained once in each variant."
    )


def alike(apart: pd.DataFrame, expected: tuple[float, float], size: str) -> str:
    """Until when the two variants of one size are as near as one model, and how far apart the others are.

    Args:
        apart: of `comparisons.variant_distances`.
        expected: of `comparisons.distance_range`.
        size: the odd one.
    """
    odd = apart[apart["size"] == size].set_index("step")["distance"]
    rest = apart[apart["size"] != size]["distance"]
    same = odd.index[odd < NUMERICAL_NOISE].max()
    until, after = odd.loc[:same].max(), odd.loc[same + 1 :]
    return (
        f"v1's {markdown(size)} is different. Up to step {same:,} its variants are at most {until:.2f} "
        "apart, as much as numerical noise makes of one set of weights. Later "
        f"{after.min():.2f} to {after.max():.2f}; the band begins at {expected[0]:.2f}. The other "
        f"seven sizes have {rest.mean():.2f} on average, and {rest.min():.2f} at least."
    )


def versions(distances: pd.DataFrame) -> str:
    """Which pairs of v0 and v1 are further apart than chance, of `comparisons.version_distances`."""
    far = distances[distances["found"]]["model"].map(markdown)
    return (
        "Pairs further apart than chance makes them, false discoveries held at 5%: "
        f"{', '.join(far) or 'none'}, of {len(distances)}. There, training again with other software and "
        "settings changed more than other test items would. A difference of that size between two models is "
        "no evidence of what sets them apart."
    )
