"""The computed sentences and the tables of the chapter on where the answer forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select, show
from pythia_utils.analysis.lens.names import CONSTANT
from pythia_utils.analysis.lens.tables import by_depth, missing
from pythia_utils.analysis.words import listed, readable, span
from pythia_utils.base.markup import markdown

if TYPE_CHECKING:
    from IPython.display import Markdown

    from pythia_utils.analysis.show import Table
    from pythia_utils.evaluation.tuned_lens import Trained


def trained_in_words(found: Trained) -> str:
    """How the training of a tuned lens went, on the text kept aside. Markdown."""
    parts = [
        f"depth {depth}: {first:.2f} to {best:.2f} nats" + (f" (step {at})" if at else "")
        for depth, (first, best, at) in enumerate(
            zip(found.first.tolist(), found.best.tolist(), found.at.tolist(), strict=True)
        )
    ]
    same = [depth for depth, at in enumerate(found.at.tolist()) if at == 0]
    told = f"Divergence on text kept aside, logit lens to tuned lens: {'; '.join(parts)}."
    if same:
        depths = listed(map(str, same))
        told += f" At depth {depths} no step was better than none, and the map is the identity."
    return told


def formation_in_words(runs: pd.DataFrame) -> str:
    """Where the answer forms at the end of training, over seeds. Markdown."""
    own = _standard(runs, "formation_depth")
    if own.empty:
        return "No standard model's last step was measured here."
    last = seeds.label(select.near_the_end(own)).sort_values("n_params", kind="stable")
    parts = [
        f"{markdown(size)} {seeds.in_words(part['value'])}"
        for size, part in last.groupby("size", sort=False)
    ]
    return f"At step {select.step_in_words(last)} the answer forms at this mean depth: {'; '.join(parts)}."


def embedding_in_words(runs: pd.DataFrame) -> str:
    """How much of the final answer the embedding alone tells at the end, through each lens. Markdown."""
    table = missing(runs[runs["variant"] == "standard"])
    table = table[(table["depth"] == 0) & table["value"].notna()]
    if table.empty:
        return "No standard model was measured here."
    last = select.near_the_end(table)
    shares = {lens: 1 - part["value"] for lens, part in last.groupby("lens")}
    logit = f"reads {span(shares['logit'], '.0%')} of it"
    if shares["logit"].max() <= 0:
        logit = "is further from the final answer than the constant one is"
    return (
        f"At the end of training the tuned lens reads {span(shares['tuned'], '.0%')} of the way from the "
        f"constant answer to the final one off the embedding alone, over all sizes and seeds; the "
        f"logit lens {logit}."
    )


def _standard(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    chosen = (runs["metric"] == metric) & (runs["variant"] == "standard") & runs["value"].notna()
    return runs[chosen]


def last_step_table(runs: pd.DataFrame) -> Table | Markdown:
    """What the tuned lens reads at the last step of each size's usual seed: a row a depth."""
    own = select.usual_seed(runs[runs["variant"] == "standard"])
    rows = []
    for model in own.sort_values("n_params", kind="stable")["model"].unique():
        part = select.final(own[own["model"] == model])
        rows += _rows_of(model, part)
    formats = {"loss": "{:.2f}", "same token": "{:.0%}", "entropy": "{:.2f}"}
    return show.table(pd.DataFrame(rows), formats)


def _rows_of(model: str, part: pd.DataFrame) -> list[dict]:
    tables = {metric: by_depth(part, metric) for metric in ("kl", "loss", "entropy", "agreement")}
    found = {m: t.set_index(["lens", "depth"]) for m, t in tables.items()}
    depths = sorted(tables["kl"]["depth"].unique())
    shown = (
        depths
        if len(depths) <= 6
        else [depths[i] for i in np.linspace(0, len(depths) - 1, 6).astype(int)]
    )
    rows = []
    for depth in shown:
        row = {"model": model, "layers done": f"{depth} of {depths[-1]}"}
        for lens in ("logit", "tuned"):
            value, error = found["kl"].loc[(lens, depth), ["value", "stderr"]]
            row[f"divergence, {lens}"] = _with_error(value, error)
        tuned = {m: t.loc[("tuned", depth), "value"] for m, t in found.items()}
        row |= {
            "same token": tuned["agreement"],
            "loss": tuned["loss"],
            "entropy": tuned["entropy"],
        }
        rows.append(row)
    return rows


def _with_error(value: float, error: float) -> str:
    return f"{value:.2f}" + (f" ± {error:.2f}" if np.isfinite(error) else "")


def text_in_words(runs: pd.DataFrame) -> str:
    """What the lenses were compared on. Markdown."""
    own = runs[(runs["metric"] == "kl") & (runs["subset"] == CONSTANT)]
    if own.empty:
        return "Nothing was measured here."
    n, value = int(own["n"].max()), select.near_the_end(own)["value"]
    return (
        f"Errors are over {n:,} held-out documents or sequences. At the end of training the constant answer "
        f"is {value.min():.2f} to {value.max():.2f} nats from the final ones."
    )


def decided_table(decisions: pd.DataFrame) -> Table | Markdown:
    """From which depth on each phenomenon is answered as at the end: a row each, a column a size.

    Args:
        decisions: of `tables.decided`, of one step of each model.
    """
    labelled = seeds.label(decisions).sort_values("n_params", kind="stable")
    order = labelled.groupby("of", sort=False)["place"].mean().sort_values(kind="stable").index
    rows = []
    for phenomenon in order:
        row = {"phenomenon": readable(phenomenon)}
        own = labelled[labelled["of"] == phenomenon]
        for size, part in own.groupby("size", sort=False):
            row[f"{size}, {int(part['layers'].iloc[0])} layers"] = _depths(part)
        rows.append(row)
    return show.table(pd.DataFrame(rows))


def _depths(part: pd.DataFrame) -> str:
    """`1`, `1 (2), 2 (1)` with the number of seeds, or that none has decided."""
    counts = part["depth"].dropna().astype(int).value_counts().sort_index()
    if counts.empty:
        return "–"
    told = [f"{depth} ({n})" if len(part) > 1 else f"{depth}" for depth, n in counts.items()]
    return ", ".join(told)


def decided_in_words(decisions: pd.DataFrame) -> str:
    """Which phenomena are decided first and last, as a mean over models. Markdown."""
    told = decisions[decisions["depth"].notna()]
    several = told.groupby("of").filter(
        lambda part: len(part) > len(decisions["model"].unique()) / 2
    )
    means = several.groupby("of", sort=False)["place"].mean().sort_values(kind="stable")
    if len(means) < 2 or means.iloc[0] == means.iloc[-1]:
        return "Too few phenomena are off chance in most of these models to say which is decided first."
    first, last = means.index[0], means.index[-1]
    return (
        f"Of the phenomena that most of these models have decided, {markdown(readable(first))} is decided at "
        f"the least mean depth ({means.iloc[0]:.2f} of the layers), {markdown(readable(last))} at the greatest "
        f"({means.iloc[-1]:.2f})."
    )
