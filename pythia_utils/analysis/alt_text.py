"""Text alternatives of figures, made of what they draw: kind, axes, range, and what is to be read.

Each function gives one to four sentences for readers who do not see the figure, of some 400 characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pythia_utils.analysis.words import readable
from pythia_utils.base.markup import plain

_LONGEST = 400  # characters
_PLURALS = {"phenomenon": "phenomena", "lens": "lenses", "class": "classes", "stretch": "stretches"}
_NAMELESS = {
    "subset",
    "what",
    "of",
    "kind",
    "panel",
    "line",
    "label",
    "reads",
}  # columns of things of any kind
_SHORT = 60  # characters of a list of panels
_NAMED = 6  # things that are named one by one; of more the highest and the lowest


def lines(
    frame: pd.DataFrame,
    what: str,
    along: str,
    series: str,
    panels: str | None = None,
    x: str = "step",
    value: str = "value",
    kind: str = "Line chart",
) -> str:
    """Of values along an axis, a line for each thing; what it reads at the axis' end.

    Args:
        frame: what is drawn: the columns that are named.
        what: the value, with its unit.
        along: what the axis is, in words: `training step, log scale`.
        series: column that names the lines.
        panels: column whose values get a panel each.
        x: column of the axis.
        value: column of the values.
        kind: of figure.
    """
    told = [f"{kind} of {what} against {along}: {count(frame[series], 'line', series)}"]
    if panels:
        told[0] += f", in {count(frame[panels], 'panel', panels)}"
    told.append(_range(frame[value]))
    last = frame[frame[x] == frame.groupby(series)[x].transform("max")]
    means = last.groupby(series, sort=False)[value].mean()
    ends = {_number(end) for end in last[x]}
    step = "step " if x == "step" else ""
    where = f"At the end ({step}{ends.pop()})" if len(ends) == 1 else "At each line's end"
    averaged = ", means over panels" if panels and len(set(frame[panels])) > 1 else ""
    told.append(f"{where}{averaged}, {_listed(means)}")
    return _sentences(told)


def rows(frame: pd.DataFrame, what: str, names: str, value: str = "value", kind: str = "") -> str:
    """Of a value for each row of a figure, with its interval if it has one; the order of the rows.

    Args:
        frame: what is drawn: the columns that are named; low and high where there is an interval.
        what: the value, with its unit.
        names: column that names the rows.
        value: column of the values.
        kind: of figure; by default points, with intervals if there are such.
    """
    kind = kind or ("Points with intervals" if "low" in frame else "Points")
    told = [f"{kind} of {what}: {count(frame[names], 'row', names)}", _range(frame[value])]
    told.append(_listed(frame.groupby(names, sort=False)[value].mean(), intervals(frame, names)))
    return _sentences(told)


def intervals(frame: pd.DataFrame, names: str) -> dict[str, str]:
    """The interval of each row in words, by its name; of names that have one row."""
    if not {"low", "high"} <= set(frame):
        return {}
    once = frame[~frame[names].duplicated(keep=False)]
    ends = zip(once[names], once["low"], once["high"], strict=True)
    return {str(name): f" [{_number(low)}, {_number(high)}]" for name, low, high in ends}


def crossed(
    frame: pd.DataFrame, kind: str, what: str, by: Mapping[str, str], value: str = "value"
) -> str:
    """Of a value for each of some things by others: how many there are, and where it is highest and lowest.

    Args:
        frame: a row a mark: the columns that are named.
        kind: of figure: `Map of coloured squares`.
        what: the value, with its unit.
        by: columns, and what one of their values is called.
        value: column of the values.
    """
    counts = [_several(frame[column].nunique(), noun) for column, noun in by.items()]
    told = [f"{kind} of {what}, by {', '.join(counts)}", _range(frame[value])]
    known = frame.reset_index(drop=True).dropna(subset=value)
    for end, find in (("Highest", "idxmax"), ("Lowest", "idxmin")):
        if len(known):
            row = known.loc[getattr(known[value].astype(float), find)()]
            at = ", ".join(_place(row[column], noun) for column, noun in by.items())
            told.append(f"{end}: {_number(row[value])} at {at}")
    return _sentences(told)


def spread(values: Sequence[float], what: str, kind: str = "Histogram") -> str:
    """Of how values are spread: their number, median, middle half and ends."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return _sentences([f"{kind} of {what}: no values"])
    low, quarter, median, three, high = map(_number, np.quantile(known, [0, 0.25, 0.5, 0.75, 1]))
    told = f"{kind} of {what}, {len(known):,} values: median {median}"
    return _sentences(
        [told, f"Half lie between {quarter} and {three}, all between {low} and {high}"]
    )


def together(*sentences: str) -> str:
    """Some sentences as one alternative; a point ends each."""
    return _sentences(sentences)


def of_axes(figure: Figure) -> str:
    """Of a figure that nobody described: what its axes and its legend say."""
    told = []
    for axes in figure.axes:
        labels = [axes.get_title(), axes.get_ylabel(), axes.get_xlabel()]
        named = [*filter(None, map(plain, labels)), *axes.get_legend_handles_labels()[1][:_NAMED]]
        told += [", ".join(named)] if named else []
    panels = _several(len(figure.axes), "panel")
    return _sentences([f"Figure of {panels}: {'; '.join(told) or 'without labels'}"])


# --- parts ----------------------------------------------------------------------------------------


def count(values: pd.Series, thing: str, column: str) -> str:
    """`4 lines, one a model`; of a few, or of things without a name of their kind, their names."""
    names = [_name(name) for name in dict.fromkeys(values)]
    told = _several(len(names), thing)
    if len(names) == 1 or (thing == "panel" and len(", ".join(names)) < _SHORT):
        return f"{told} ({', '.join(names)})"
    return f"{told}, one a {noun(column)}" if noun(column) else told


def number(value: float) -> str:
    """A number in three digits, thousands apart: `0.512`, `1,000`, `12.3 million`."""
    return _number(value)


def span(values: pd.Series) -> str:
    """`0.2 to 0.7`, or `0.2` of values that are one."""
    low, high = _number(values.min()), _number(values.max())
    return low if low == high else f"{low} to {high}"


def sentence(text: str) -> str:
    """A label as the beginning of a sentence.

    >>> sentence("loss (nats a token)")
    'Loss (nats a token)'
    """
    return text[:1].upper() + text[1:]


def _number(value: float) -> str:
    value = float(value)
    if not np.isfinite(value):
        return "unknown" if np.isnan(value) else "beyond the axis"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} million"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def noun(column: str) -> str:
    """What a value of a column is called; empty if its name tells nothing."""
    return "" if column in _NAMELESS else readable(column)


def _range(values: pd.Series) -> str:
    known = values[np.isfinite(values.astype(float))]
    if known.empty:
        return "No value is known"
    return f"Values: {span(known)}"


def _listed(means: pd.Series, behind: dict[str, str] | None = None) -> str:
    """`a: 0.5; b: 0.7`, in their order; of many the highest and the lowest."""
    behind = behind or {}
    told = {
        name: f"{_name(name)}: {_number(mean)}{behind.get(str(name), '')}"
        for name, mean in means.items()
    }
    if len(told) <= _NAMED:
        return "; ".join(told.values())
    return f"highest {told[means.idxmax()]}; lowest {told[means.idxmin()]}"


def _several(count: int, noun: str) -> str:
    """`1 phenomenon`, `3 phenomena`, `3 kinds of place`."""
    head, of, rest = noun.partition(" of ")
    plural = _PLURALS.get(head, f"{head}s")
    return f"{count} {head if count == 1 else plural}{of}{rest}"


def _place(name: object, noun: str) -> str:
    told = _number(name) if isinstance(name, Real) else _name(name)
    return told if told.startswith(noun) else f"{noun} {told}"


def _name(name: object) -> str:
    return plain(readable(str(name)))


def _sentences(parts: Sequence[str]) -> str:
    """The parts as sentences, as many whole ones as there is room for."""
    told = ""
    for part in parts:
        sentence = part if part.endswith(".") else f"{part}."
        if told and len(told) + len(sentence) >= _LONGEST:
            break
        told = f"{told} {sentence}".strip()
    return told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
