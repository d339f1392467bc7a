"""The numbers of a chart: a frame's columns in short, rounded, as CSV."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pythia_utils.analysis.curve_look import Look
from pythia_utils.analysis.words import readable
from pythia_utils.base.markup import plain

# The row of a point, also where a reader points at the region to which it is nearest: Vega-Lite's own
# tooltips of text do not know such regions.
ROW = "(datum.datum || datum)"


def rows_of(frame: pd.DataFrame, look: Look) -> pd.DataFrame:
    """What is drawn, in short: m(odel), s(tep), v(alue), and where there are l(ow), h(igh), n, p(anel),
    r(eference), b(aseline), x where bars stand beside the step."""
    rows = pd.DataFrame({"m": frame[look.series].map(plain), "s": frame["step"].map(whole)})
    if look.panels:
        rows["p"] = frame[look.panels].map(_panel_name)
    digits = digits_of(frame["value"])
    for short, name in (("v", "value"), ("l", "low"), ("h", "high")):
        if name in frame and frame[name].notna().any():
            rows[short] = frame[name].astype(float).round(digits)
    # Of some curves `n` is what their linked pairs are worth: readers are told how many pairs there are.
    asked = "pairs" if "pairs" in frame else "n"
    if asked in frame and frame[asked].notna().any():
        rows["n"] = frame[asked].map(whole)
    panel = frame[look.panels] if look.panels else pd.Series("", frame.index)
    for short, levels in (("r", look.reference), ("b", look.baseline)):
        if levels is not None:
            level = panel.map(levels) if isinstance(levels, Mapping) else levels
            rows[short] = pd.Series(level, frame.index).astype(float).round(digits + 1)
    if look.bars:
        rows["x"] = _beside(rows, list(look.styles), look.log)
    return rows.dropna(subset="v")


def _panel_name(name: object) -> str:
    return plain(readable(str(name)))


def whole(value: float) -> float | int | None:
    """A step or a count: mostly whole; None where there is none."""
    if pd.isna(value):
        return None
    return int(value) if float(value).is_integer() else round(float(value), 2)


def digits_of(values: pd.Series) -> int:
    """Behind the point: three significant ones of the largest value, and of what lies between the ends.

    Numbers are rounded once: tooltips write as many as the chart holds.
    """
    sizes = [float(values.abs().max()), float(values.max() - values.min())]
    found = [2 - math.floor(math.log10(size)) for size in sizes if size and math.isfinite(size)]
    return int(np.clip(max(found, default=3), 0, 8))


def _beside(rows: pd.DataFrame, names: Sequence[str], log: bool) -> pd.Series:
    """Steps moved to the sides, each line by its own distance, as the picture has them."""
    time = rows["s"].astype(float)
    time = np.log2(1 + time) if log else time
    places = np.sort(time.unique())
    width = 0.35 * np.diff(places).min() if len(places) > 1 and len(names) > 1 else 0
    shifts = dict(
        zip(map(plain, names), np.linspace(-width / 2, width / 2, len(names)), strict=True)
    )
    moved = time + rows["m"].map(shifts)
    return (2**moved - 1 if log else moved).round(4)


def csv_data(rows: pd.DataFrame) -> dict:
    """The rows as CSV, which is half as long as JSON."""
    kinds = {name: "number" for name in rows if name not in ("m", "p")}
    kinds |= {name: "string" for name in ("m", "p") if name in rows}
    text = rows.to_csv(index=False, lineterminator="\n")
    return {"values": text, "format": {"type": "csv", "parse": kinds}}


def words_of(rows: pd.DataFrame) -> list[dict]:
    """Only what is to be shown; and the interval as the words of a tooltip."""
    found = [{"filter": "shown === null || indexof(shown, datum.m) >= 0"}]
    if "l" in rows:
        form = number_format(rows["v"])
        words = f"format(datum.l, '{form}') + ' to ' + format(datum.h, '{form}')"
        known = "isValid(datum.l) && isValid(datum.h)"
        found.append({"calculate": f"{known} ? {words} : 'not known'", "as": "i"})
    return found


def number_format(values: pd.Series) -> str:
    """How D3 is to write such values: the largest with three significant digits."""
    return f",.{digits_of(values)}f"


def told_of_nearest(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """A tooltip: names, and expressions for what they are, of `ROW`."""
    return {"expr": "{" + ", ".join(f"{json.dumps(name)}: {told}" for name, told in pairs) + "}"}
