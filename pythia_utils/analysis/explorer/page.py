"""The explorer as a page shows it: its numbers, what is to be known of each series, and the place of its parts.

The scripts and the style sheet are in `book/_static/explorer/`; without them the page says what there is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from pythia_utils.analysis.curve_look import DASHES
from pythia_utils.analysis.explorer.pack import pack
from pythia_utils.analysis.palettes import on_dark, size_palette
from pythia_utils.analysis.show import or_words
from pythia_utils.base.markup import NO_MATHS, html, vega
from pythia_utils.suites.catalog import find_model

_SCRIPTS = ("columns", "choice", "chart", "page")
_DASHES = {"standard": DASHES["-"], "deduped": DASHES[":"]}
_OTHER = DASHES["-."]
_SEED = re.compile(r", seed \d+$")


@or_words
def show(runs: pd.DataFrame, suite: str, published: pd.DataFrame) -> None:
    """Show the explorer in a notebook's output.

    Args:
        runs: of `numbers.of_runs`.
        suite: whose runs these are.
        published: of `numbers.of_published`.
    """
    from IPython.display import HTML, display

    own, theirs = f"this site's runs of {suite}", "Pythia, as published by others"
    display(HTML(page({"runs": (own, runs), "published": (theirs, published)})))


def page(shown: Mapping[str, tuple[str, pd.DataFrame]]) -> str:
    """The page's HTML.

    Args:
        shown: for each frame of numbers a key for the page's address, and its title and rows.
    """
    data = {
        key: {
            "title": title,
            "about": about(frame),
            "packed": pack(_packable(frame)),
        }
        for key, (title, frame) in shown.items()
    }
    parts = "".join(
        f'<{tag} class="explorer-{name}"{more}></{tag}>'
        for tag, name, more in (
            ("div", "controls", ""),
            ("p", "notice", ' role="alert"'),
            ("p", "told", ' aria-live="polite"'),
            ("div", "chart", ""),
            ("div", "steps", ""),
        )
    )
    table = '<div class="explorer-numbers" tabindex="0" role="region" aria-label="The numbers at the step">'
    table += '<table class="explorer-table"></table></div>'
    folder = "../_static/explorer"
    scripts = "".join(f'<script src="{folder}/{name}.js"></script>' for name in _SCRIPTS)
    return (
        f'<link rel="stylesheet" href="{folder}/explorer.css">'
        f"<noscript>{contents(shown)}</noscript>"
        f'<div class="explorer {NO_MATHS}"><script type="application/json">{vega(data)}</script>'
        f"{parts}{table}</div>{scripts}"
    )


def _packable(frame: pd.DataFrame) -> pd.DataFrame:
    """What the page holds of the rows; counts are whole, -1 where there is none."""
    return frame.drop(columns="model").assign(n=frame["n"].fillna(-1).astype("int64"))


def about(frame: pd.DataFrame) -> dict[str, dict]:
    """What the page needs to know of each series, by its name.

    Returns:
        `kind` (size and training: what is switched on and off as one), `usual` (whether it is the usual
        seed, or over seeds), `n_params` (without embeddings), `order` (of the kinds), `light` and `dark`
        (colours on a white and on a dark page) and `dash` (of its line).
    """
    models = dict(zip(frame["series"], frame["model"], strict=True))
    colours = size_palette(sorted(set(models.values())))
    told = {series: _about(series, name, colours[name]) for series, name in models.items()}
    kinds = sorted(
        {(one["n_params"], one["dash"] != DASHES["-"], one["kind"]) for one in told.values()}
    )
    places = {kind: place for place, (_, _, kind) in enumerate(kinds)}
    return {series: one | {"order": places[one["kind"]]} for series, one in told.items()}


def _about(series: str, name: str, colour: str) -> dict:
    model = find_model(name)
    training = _SEED.sub("", series.removeprefix(name)).removeprefix(", ")
    variant = training or ("" if model.variant == "standard" else model.variant)
    return {
        "kind": " ".join(filter(None, (model.size, variant, model.version))),
        "usual": model.has_usual_seed and not _SEED.search(series),
        "n_params": model.non_embedding_params,
        "light": colour,
        "dark": on_dark(colour),
        "dash": _DASHES.get(variant or "standard", _OTHER),
    }


def contents(shown: Mapping[str, tuple[str, pd.DataFrame]]) -> str:
    """What there is to explore, as a list: for readers without scripts."""
    lists = [f"<p>{html(title)}:</p><ul>{_items(frame)}</ul>" for title, frame in shown.values()]
    return f"<p>The explorer needs JavaScript. It holds:</p>{''.join(lists)}"


def _items(frame: pd.DataFrame) -> str:
    counts = frame.groupby("source").agg(rows=("value", "size"), metrics=("metric", "nunique"))
    return "".join(
        f"<li>{html(name)}: {row.rows:,} numbers of {row.metrics} kinds</li>"
        for name, row in counts.iterrows()
    )
