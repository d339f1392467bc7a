"""A model x step grid as a table of coloured cells, each a link to the notebook that measured it.

It is HTML and nothing else: links that a keyboard, a middle click and a reader of screens know, on paper and
without scripts. The site's style sheet sizes the cells, and its script adds the arrow keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from pythia_utils.analysis import alt_text
from pythia_utils.analysis.figure import Frame, as_csv, show_framed, slug
from pythia_utils.analysis.palettes import luminance
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import NO_MATHS, address, html, plain
from pythia_utils.grid.failures import failures
from pythia_utils.grid.records import runs_dir, stem
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.errata import errata_to_mark

_DENSE = 40  # steps; of more the cells are narrow, and hide their numbers
_LABELS = 14  # steps that are named above a dense table's columns
_NORMAL_95 = 1.959964  # standard errors to each side of a 95% interval
_STOPS = 9  # colours of the scale's picture
_MARKS = {"erratum": ("✗", "known erratum"), "failed": ("!", "run failed")}


@dataclass
class Cell:
    """A place of the grid.

    Attributes:
        value: what was measured; NaN if nothing was, or no number came out.
        told: what a reader who points at it learns, in one line.
        page: the address of its page; empty if there is none.
        mark: a key of the marks, or empty.
    """

    value: float = math.nan
    told: str = ""
    page: str = ""
    mark: str = ""


@or_words
def grid_heatmap(
    frame: pd.DataFrame, title: str, scheme: str = "viridis", reverse: bool = False
) -> None:
    """Show a model × step table of coloured cells that lead to the executed notebooks.

    A deduplicated model stands below the other of its size. A mark shows a checkpoint with a known erratum,
    measured or left out, and a run that failed. Pointing at a cell tells value, 95% interval and n, as far as
    the frame has them, or what is wrong.

    Args:
        frame: records of one metric and subset: columns suite, experiment, parameters, model, step, value;
            and if there are any: n, stderr, or low and high.
        title: what the colour is, with its unit.
        scheme: matplotlib colour map.
        reverse: low values get the strong colour.
    """
    by = {"model": "model", "step": "step"}
    shown = [c for c in ("model", "step", "value", "low", "high", "stderr", "n") if c in frame]
    told = Frame(
        alt_text.crossed(frame, "Table of coloured cells that lead to runs", title, by),
        caption=f"{alt_text.sentence(title)}: a cell leads to the run that measured it.",
        name=slug(title),
        csv=as_csv(frame[shown]),
    )
    show_framed({"text/html": grid_table(frame, title, scheme, reverse)}, told)


def grid_table(
    frame: pd.DataFrame, title: str, scheme: str = "viridis", reverse: bool = False
) -> str:
    """The HTML that `grid_heatmap` shows."""
    cells = _cells(frame, title)
    steps = sorted({step for _, step in cells})
    models = sorted({model for model, _ in cells}, key=_place)
    values = [cell.value for cell in cells.values() if math.isfinite(cell.value)]
    show, colour = _number(values), _scale(values, scheme, reverse)
    rows = [
        _row(model, [cells.get((model, step)) for step in steps], show, colour) for model in models
    ]
    dense = " dense" if len(steps) > _DENSE else ""
    head = "".join(_heading(step, named) for step, named in zip(steps, _named(steps), strict=True))
    legend = _legend(values, show, colour) + _legend_of_marks(cell.mark for cell in cells.values())
    return (
        f'<div class="grid-table{dense}" style="--steps:{len(steps)}" role="region" '
        f'aria-label="{html(plain(title))}">'
        f'<table class="{NO_MATHS}"><caption>{html(plain(title))}{legend}</caption>'
        f'<thead><tr><th scope="col">model \\ step</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _place(name: str) -> tuple:
    """Smaller models first; of one size standard ones, then deduplicated ones; the usual seed before others."""
    model = find_model(name)
    return model.non_embedding_params, model.variant != "standard", model.version, model.seed_name


# --- what is in the cells -------------------------------------------------------------------------


def _cells(frame: pd.DataFrame, title: str) -> dict[tuple[str, int], Cell]:
    """The cells by model and step: what was measured, then what is wrong."""
    cells = {
        (row.model, row.step): Cell(float(row.value), _told(row, title), _page(row))
        for row in frame.itertuples()
    }
    measured = {find_model(name): part["step"] for name, part in frame.groupby("model")}
    for place, text in errata_to_mark(measured).items():
        _mark(cells.setdefault(place, Cell(told=_where(*place))), "erratum", text)
    for place, error, page in _failed(frame):
        cell = cells.setdefault(place, Cell(told=_where(*place)))
        cell.page = page
        _mark(cell, "failed", error)
    return cells


def _mark(cell: Cell, kind: str, text: str) -> None:
    cell.mark, cell.told = kind, f"{cell.told}; {_MARKS[kind][1]}: {text}"


def _where(model: str, step: int) -> str:
    return f"{model}, step {step:,}"


def _told(row: object, title: str) -> str:
    """`pico-7k, step 16: accuracy 0.625, 95% interval 0.603 to 0.647, n = 1,920`."""
    parts = [f"{_where(row.model, row.step)}: {title} {row.value:.3f}"]
    low, high = getattr(row, "low", math.nan), getattr(row, "high", math.nan)
    if not _is_known(low) and _is_known(getattr(row, "stderr", math.nan)):
        half = _NORMAL_95 * row.stderr
        low, high = row.value - half, row.value + half
    if _is_known(low):
        parts.append(f"95% interval {low:.3f} to {high:.3f}")
    if _is_known(count := getattr(row, "n", math.nan)):
        parts.append(f"n = {int(count):,}")
    return ", ".join(parts)


def _is_known(number: object) -> bool:
    return pd.notna(number) and math.isfinite(number)


def _page(row: object) -> str:
    """The address of a record's page. In a book the chapter stands in experiments/, its cells beside that."""
    name = f"{stem(row.step, row.parameters)}.html"
    return address("..", "cells", row.suite, row.experiment, row.model, name)


def _failed(frame: pd.DataFrame) -> Iterable[tuple[tuple[str, int], str, str]]:
    """The usual runs of a grid that failed: place, error, address of the page that tells."""
    grids = frame[["suite", "experiment"]].drop_duplicates()
    for suite, experiment in grids.itertuples(index=False):
        for each in failures(runs_dir(), suite, experiment):
            if not each.parameters:
                name = f"{stem(each.step)}.html"
                page = address("..", "cells", suite, experiment, each.model, name)
                yield (each.model, each.step), each.error, page


# --- how they look --------------------------------------------------------------------------------


def _row(
    model: str, cells: Sequence[Cell | None], show: Callable[[float], str], colour: Callable
) -> str:
    inside = "".join(_drawn(cell, show, colour) if cell else "<td></td>" for cell in cells)
    return f'<tr><th scope="row">{html(plain(model))}</th>{inside}</tr>'


def _drawn(cell: Cell, show: Callable[[float], str], colour: Callable[[float], str]) -> str:
    """A link on its colour; without a page a word that tells what it means."""
    there = math.isfinite(cell.value)
    text = show(cell.value) if there else "" if cell.mark else "–"
    text += f"<sup>{_MARKS[cell.mark][0]}</sup>" if cell.mark else ""
    style = ""
    if there:
        ground = colour(cell.value)
        style = f' style="background:{ground};color:{text_colour(ground)}"'
    told = html(plain(cell.told))
    if cell.page:
        return f'<td{style}><a href="{html(cell.page)}" title="{told}">{text}</a></td>'
    return f'<td{style}><abbr title="{told}">{text}</abbr></td>'


def _heading(step: int, named: bool) -> str:
    """The head of a column; where there is no room for its name it is there for readers of screens."""
    name = _short(step)
    return f'<th scope="col">{name if named else f"<span>{name}</span>"}</th>'


def _named(steps: Sequence[int]) -> list[bool]:
    """Which columns show their names: all of a few; of many some, evenly, the first and the last among them."""
    if len(steps) <= _DENSE:
        return [True] * len(steps)
    last = len(steps) - 1
    places = {round(last * k / (_LABELS - 1)) for k in range(_LABELS)}
    return [place in places for place in range(len(steps))]


def _short(step: int) -> str:
    """`512`, `1,000`, `143k`."""
    return f"{step / 1000:g}k" if step >= 10_000 else f"{step:,}"


def _number(values: Sequence[float]) -> Callable[[float], str]:
    """How the numbers of a table are written: alike, in about four characters."""
    largest = max(map(abs, values), default=0.0)
    if all(value == int(value) for value in values) and largest < 10_000:
        return lambda value: f"{value:.0f}"
    if largest >= 10_000:
        return lambda value: f"{value / 1000:.3g}k"
    if largest < 0.001:
        return lambda value: f"{value:.1e}"
    digits = 2 - max(math.floor(math.log10(largest)), -3)  # three significant ones, two below 0.1
    digits = min(digits, 2) if largest >= 0.1 else digits - 1
    return lambda value: f"{value:.{max(digits, 0)}f}"


def _scale(values: Sequence[float], scheme: str, reverse: bool) -> Callable[[float], str]:
    """The colour of a value, `#rrggbb`; the least and the largest have the ends of the colour map."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    colours = colormaps[scheme].reversed() if reverse else colormaps[scheme]
    low, span = min(values, default=0.0), max(values, default=1.0) - min(values, default=0.0)
    return lambda value: to_hex(colours((value - low) / span if span else 0.5))


def text_colour(ground: str) -> str:
    """Black or white, whichever contrasts more with a colour `#rrggbb`: 4.5:1 at the least, whatever it is."""
    return "#000" if luminance(ground) > (1.05 * 0.05) ** 0.5 - 0.05 else "#fff"


def _legend(values: Sequence[float], show: Callable[[float], str], colour: Callable) -> str:
    """The scale of the colours, its ends named."""
    if not values:
        return ""
    low, high = min(values), max(values)
    stops = ",".join(colour(low + (high - low) * k / (_STOPS - 1)) for k in range(_STOPS))
    bar = f'<span class="grid-bar" style="background:linear-gradient(to right,{stops})"></span>'
    return f'<span class="grid-scale">{show(low)}{bar}{show(high)}</span>'


def _legend_of_marks(marks: Iterable[str]) -> str:
    there = set(marks)
    told = [f"{sign} {name}" for mark, (sign, name) in _MARKS.items() if mark in there]
    return f'<span class="grid-marks">{" · ".join(told)}</span>' if told else ""
