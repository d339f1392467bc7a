"""Figures of the scaling law: what was fitted, what it forecasts, and then what was held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pythia_utils.analysis import alt_text, palettes, plots
from pythia_utils.analysis.figure import framed
from pythia_utils.analysis.loss.forecast import Forecast
from pythia_utils.base.markup import mathtext
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MANY = 200  # points, which are then drawn small


def parts(loss: pd.DataFrame) -> Figure | None:
    """Loss of standard models by part of the text, a panel each; None of a text without parts."""
    own = loss[(loss["subset"] != "all") & (loss["variant"] == "standard")]
    return plots.trajectories(own, "loss (nats a token)", panels="subset") if len(own) else None


def forecasts(found: Mapping[str, Forecast], show_held: bool) -> Figure:
    """A panel a domain: loss against tokens, both logarithmic, in the colour of each size.

    Filled points were fitted, one a run; lines are the law, dashed where it forecasts, with the interval
    of a run as a band. Open points are those held out.

    Args:
        found: the law of each domain.
        show_held: draw the held-out points as well, or only what is said of them.
    """
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    size = (7.2, 4) if len(found) == 1 else (2.9 * columns, 2.5 * rows + 0.5)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axes, (domain, each) in zip(grid.flat, found.items(), strict=False):
        _panel(axes, each, show_held)
        axes.set_title(plots.shown_name(domain), fontsize=8.5, fontweight="normal")
    for axes in grid.flat[len(found) :]:
        axes.set_visible(False)
    figure.supxlabel("training tokens seen (log scale)", fontsize="medium")
    figure.supylabel("loss (nats a token, log scale)", fontsize="medium")
    plots.legend_above(figure, _legend(found, show_held))
    drawn = _drawn(found, show_held)
    names = {"domain": "domain", "size": "size", "kind": "kind of point"}
    shown = "; open points were held out" * show_held
    return framed(
        figure,
        alt_text.crossed(drawn, "Points and curves", "loss, nats a token, over tokens read", names),
        f"Loss over tokens read: points were fitted, lines are the law, dashed where it forecasts{shown}.",
        name="held-out" if show_held else "forecast",
        data=drawn,
    )


def _drawn(found: Mapping[str, Forecast], show_held: bool) -> pd.DataFrame:
    """The points of a figure of forecasts, and what the law says of those held out."""
    rows = []
    for domain, each in found.items():
        fitted, held = each.fitted.assign(kind="fitted"), each.held.assign(kind="held out")
        said = held.drop(columns="value").rename(columns={"forecast": "value"})
        kinds = [fitted, said.assign(kind="forecast"), *([held] if show_held else [])]
        rows += [kind.assign(domain=domain) for kind in kinds]
    drawn = pd.concat(rows, ignore_index=True)
    drawn["size"] = [find_model(name).size for name in drawn["model"]]
    return drawn[["domain", "model", "size", "tokens_seen", "kind", "value"]]


def _panel(axes: Axes, found: Forecast, show_held: bool) -> None:
    colours = _colours(found)
    dot = 3.5 if len(found.fitted) <= _MANY else 1.5
    for n_params, part in found.fitted.groupby("n_params"):
        axes.plot(part["tokens_seen"], part["value"], "o", ms=dot, color=colours[n_params])
        span = np.geomspace(part["tokens_seen"].min(), part["tokens_seen"].max(), 30)
        axes.plot(span, found.surface.predict(n_params, span), color=colours[n_params], lw=1)
    for n_params, part in found.held.groupby("n_params"):
        said = part.sort_values("tokens_seen").drop_duplicates("tokens_seen")
        span = _ahead(found, n_params)
        law = found.surface.predict(n_params, span)
        axes.plot(span, law, "--", color=colours[n_params], lw=1)
        errors = plots.interval_errors(said.rename(columns={"value": "_", "forecast": "value"}))
        bar = {"fmt": "none", "ecolor": colours[n_params], "elinewidth": 5, "alpha": 0.35}
        axes.errorbar(said["tokens_seen"], said["forecast"], yerr=errors, **bar)
        if show_held:
            open_point = {"mfc": "white", "mec": colours[n_params], "mew": dot / 3, "ms": dot + 1}
            axes.plot(part["tokens_seen"], part["value"], "o", **open_point)
    axes.set(xscale="log", yscale="log")
    axes.yaxis.set_major_formatter("{x:.3g}")
    axes.yaxis.set_minor_formatter("{x:.3g}")
    axes.tick_params(axis="y", which="both", labelsize=8)


def _ahead(found: Forecast, n_params: int) -> np.ndarray:
    """Tokens at which the law of a size is a forecast: from where its fitted points end, or all."""
    fitted, held = (part[part["n_params"] == n_params] for part in (found.fitted, found.held))
    first = held["tokens_seen"].min() if fitted.empty else fitted["tokens_seen"].max()
    return np.geomspace(first, held["tokens_seen"].max(), 30)


def _colours(found: Forecast) -> dict[int, tuple]:
    names = pd.concat([found.fitted, found.held]).drop_duplicates("n_params")
    palette = palettes.size_palette(list(names["model"]))
    return {n: palette[m] for n, m in zip(names["n_params"], names["model"], strict=True)}


def _legend(found: Mapping[str, Forecast], show_held: bool) -> dict[str, Line2D]:
    first = next(iter(found.values()))
    names = pd.concat([first.fitted, first.held]).drop_duplicates("n_params")
    colours = _colours(first)
    sizes = {
        mathtext(find_model(row.model).size): Line2D([], [], color=colours[row.n_params])
        for row in names.sort_values("n_params").itertuples()
    }
    grey = {"color": "0.4", "ls": "none", "marker": "o", "ms": 5}
    kinds = {"fitted": Line2D([], [], **grey), "forecast": Line2D([], [], color="0.4", ls="--")}
    if show_held:
        kinds["held out"] = Line2D([], [], **grey, mfc="white")
    return sizes | kinds
