"""What others measured of Pythia's loss, beside ours and in no statistic with it: curves, laws, a table.

Of the suite's own evaluations (`analysis.published.summary`, which a chapter hands over) these are
WikiText's word perplexity, of the first release, and that of LAMBADA's last words, of the second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import published_tables, select, show
from pythia_utils.analysis.loss.forecast import Forecast, forecast
from pythia_utils.evaluation import text_names
from pythia_utils.suites.catalog import find_model, suite

if TYPE_CHECKING:
    from pythia_utils.analysis.show import Table

WORDS = {  # by the summary's names: metric and title
    "wikitext": ("word_perplexity", "WikiText, every word"),
    "lambada_openai": ("perplexity", "LAMBADA, last words"),
}
_RELEASES = {"": "second", "v0": "first"}


def curves() -> pd.DataFrame:
    """Pythia's published losses on the Pile: its curves, and of models without one the final loss.

    Rows that read a fit drawn over a curve are left out (`data/published/README.md`).
    """
    frame = published_tables.read("loss_curves").drop(columns=["low", "high"])
    curves = frame[frame["subset"] == "curve"]
    final = frame[(frame["subset"] == "final model") & ~frame["model"].isin(curves["model"])]
    return pd.concat([curves, final]).sort_values(["n_params", "step"])


def curves_forecast() -> Forecast:
    """The law, fitted to the published curves alone; one seed of each size, so without an interval."""
    found = curves()
    return forecast(_warm(found[found["subset"] == "curve"]))


def words(summary: pd.DataFrame) -> pd.DataFrame:
    """Published losses in nats a word, the logarithm of perplexities, of standard models after the warm-up.

    Args:
        summary: of the suite's evaluations.

    Returns:
        A row a model, step and set, with the summary's columns: subset is the set's title, value the loss. On
        WikiText it is of the first release, on LAMBADA of the second.
    """
    parts = []
    for name, (metric, title) in WORDS.items():
        own = summary[(summary["subset"] == name) & (summary["metric"] == metric)]
        own = own[(own["shots"] == 0) & (own["variant"] == "standard")]
        version = "v0" if name == "wikitext" else ""
        own = _warm(own[own["version"] == version])
        parts.append(own.assign(subset=title, value=np.log(own["value"])))
    table = pd.concat(parts).drop(columns=["low", "high"], errors="ignore")
    return table.sort_values(["subset", "n_params", "step"], ascending=[False, True, True])


def words_forecast(summary: pd.DataFrame) -> Forecast:
    """The law, fitted to the published losses on WikiText alone, in nats a word; without an interval."""
    table = words(summary)
    return forecast(table[table["subset"] == WORDS["wikitext"][1]])


def _warm(frame: pd.DataFrame) -> pd.DataFrame:
    training = suite("pythia").training
    return frame[frame["step"] > training["warmup"] * training["total_steps"]]


def beside(runs: pd.DataFrame, summary: pd.DataFrame) -> Table:
    """Of each size and variant the last step that both have: our word perplexity, and the published one.

    Args:
        runs: records of Pythia, on whatever text; on another than WikiText there is nothing to compare.
        summary: of the suite's evaluations.
    """
    ours = runs[(runs["metric"] == "word_perplexity") & (runs["subset"] == "all")]
    ours = ours[ours["measured_on"] == text_names.set_name(text_names.WIKITEXT)]
    models = {name: find_model(name) for name in ours["model"].unique()}
    ours = ours[ours["model"].map({n: m.has_usual_seed for n, m in models.items()}).astype(bool)]
    ours = ours.assign(
        **{
            k: ours["model"].map({n: getattr(m, k) for n, m in models.items()})
            for k in ("size", "version")
        }
    )
    theirs = summary[(summary["subset"] == "wikitext") & (summary["metric"] == "word_perplexity")]
    keys = ["size", "variant", "step"]
    both = ours.merge(theirs[[*keys, "value", "version"]], on=keys, suffixes=("", "_published"))
    both = select.final(both).sort_values(["variant", "n_params"], ascending=[False, True])
    columns = {"size": "size", "variant": "variant", "step": "step", "value": "measured here"}
    columns |= {"stderr": "standard error", "value_published": "published"}
    table = both[[*columns]].rename(columns=columns)
    table.insert(3, "release measured here", both["version"].map(_RELEASES))
    return show.table(
        table,
        {"step": "{:,}"},
        "Word perplexity on WikiText, by the rules of lm-evaluation-harness. Published: the first release.",
    )
