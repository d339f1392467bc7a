"""The computed sentences and the table of the chapter on loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import show
from pythia_utils.analysis.stats import PowerLaw
from pythia_utils.analysis.words import interval
from pythia_utils.base.markup import markdown
from pythia_utils.nano.documents import SYMBOLS

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

_TOO_FEW = "This run has fewer than three {}: too few for a law with an interval."


def final_table(overall: pd.DataFrame) -> Styler:
    """The loss of every model at the last step, by size."""
    last = overall["step"].max()
    final = overall[overall["step"] == last].sort_values(["n_params", "variant"])
    counts, losses = ["n_params", "tokens_seen"], ["value", "low", "high"]
    formats = dict.fromkeys(counts, "{:,}") | dict.fromkeys(losses, "{:.3f}")
    caption = f"Validation loss at step {last:,}, with 95% intervals over documents."
    return show.table(final[["model", *counts, *losses]], formats, caption)


def copying(losses: pd.DataFrame) -> str:
    """Whether the best loss on echo is below that of a model which knows its symbols and does not copy."""
    echo = losses[losses["subset"] == "echo"]
    if echo.empty:
        return "These records hold no standard model's loss on echo."
    best, guess = echo.loc[echo["value"].idxmin()], math.log(len(SYMBOLS))
    verdict = "not clearly below it: no model copies here"
    if best["high"] < guess:
        verdict = "below it: this model copies"
    return (
        f"A model that knows the {len(SYMBOLS)} echo symbols and does not copy has a loss of at least about "
        f"ln {len(SYMBOLS)} = {guess:.2f}. The lowest of this run is {interval(best)} "
        f"({markdown(best['model'])}, step {best['step']:,}), {verdict}."
    )


def law_in_size(law: PowerLaw | None) -> str:
    """The exponent of `laws.in_size`."""
    if law is None:
        return _TOO_FEW.format("sizes")
    return (
        f"On this run $\\alpha = {law.exponent:.3f}$, 95% interval [{law.low:.3f}, {law.high:.3f}], "
        f"from {law.n} sizes ($R^2 = {law.r_squared:.3f}$)."
    )


def law_in_tokens(points: pd.DataFrame, law: PowerLaw | None) -> str:
    """The exponent of `laws.in_tokens`, and how far the points are off the line."""
    if law is None:
        return _TOO_FEW.format("checkpoints after the warm-up")
    off = (points["value"] / law.predict(points["tokens_seen"]) - 1).abs().max()
    return (
        f"For {markdown(points['model'].iloc[0])}: exponent {interval(vars(law), 'exponent', '.3f')}, {law.n} "
        f"checkpoints from step {points['step'].min()} on. The points are up to {off:.0%} off the line. Where "
        "they bend away from it together, one power law does not describe the whole of training."
    )
