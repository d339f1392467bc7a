"""Numbers in sentences: one way to write an interval, a p-value and a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    import pandas as pd


def interval(row: Mapping[str, float], value: str = "value", digits: str = ".2f") -> str:
    """A value with its ends, `0.83 [0.72, 0.91]`, of a row with columns low and high."""
    return f"{row[value]:{digits}} [{row['low']:{digits}}, {row['high']:{digits}}]"


def span(values: pd.Series, digits: str = ".2f") -> str:
    """From the least of some values to the greatest: `0.24 to 0.74`, or `0.24` where they are written alike."""
    low, high = f"{values.min():{digits}}", f"{values.max():{digits}}"
    return low if low == high else f"{low} to {high}"


def p_value(p: float) -> str:
    """`p = 0.023`, or `p < 0.001`."""
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def readable(name: str) -> str:
    """A name of the code as words: `filler_gap` is `filler gap`."""
    return str(name).replace("_", " ").replace("subject verb", "subject-verb")


def without_suite(model: str) -> str:
    """A model's name where its suite is known and room is scarce: `70m-deduped` of `pythia-70m-deduped`."""
    return model.removeprefix(f"{find_model(model).suite}-")


def listed(names: Iterable[str], none: str = "none") -> str:
    """Names of the data as a list in a sentence of Markdown, each once; `none` if there are none."""
    return ", ".join(markdown(name) for name in dict.fromkeys(map(readable, names))) or none
