"""The computed sentences and the tables of the chapter on loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import seeds, select, show
from pythia_utils.analysis.loss import laws
from pythia_utils.analysis.loss.forecast import Forecast
from pythia_utils.analysis.stats import PowerLaw
from pythia_utils.analysis.words import interval, listed
from pythia_utils.base.markup import code, markdown
from pythia_utils.evaluation import text_names, validation
from pythia_utils.suites.catalog import find_model

if TYPE_CHECKING:
    from pythia_utils.analysis.show import Table

HOLDS = {
    "grammar": "unrelated sentences of nano's grammar",
    "stories": "short stories with consistent characters",
    "echo": "random symbols, said again two to four times",
    "successors": "two or three symbols in random order, each followed by its successor of this document",
    "facts": "invented persons' homes, jobs and colours, the frequent ones told often",
    "arithmetic": "sums and differences below 50",
    "english": "chapters of the King James Version of the Bible",
}
SETS = {  # texts by name (`evaluation.text_names`), as pages call them
    "wikitext": "the test set of WikiText-2 (Merity and others 2017), articles of Wikipedia",
    "pile-val": "the validation set of the Pile (Gao and others 2020), which was not trained on, without "
    "five of its parts that were removed from the Hub for copyright",
    "pile-10k": "the first ten thousand documents of the Pile (Gao and others 2020), **which Pythia has read**",
    validation.NANO: "documents of our own program that were not trained on",
    "own": "chapters that training did not hold",
}
UNITS = {  # of losses on real text
    "loss": "nats a token",
    "bits_per_byte": "bits a byte",
    "word_perplexity": "word perplexity",
    "byte_perplexity": "byte perplexity",
}
_UNITS_CAPTION = "The last step of each model; ± one standard error over documents."
_TOO_FEW = "These records hold too few sizes or steps after the warm-up for a law with a hold-out."


def measured_in_words(losses: pd.DataFrame, measured_on: str, stride: int = 0) -> str:
    """What a cell's losses (`measures.measured`) were measured on, and what was left out. Markdown."""
    rows = losses[losses["subset"] == "all"].set_index("metric")
    told = f"Measured on {set_in_words(measured_on)}: {rows.loc['loss', 'n']:,} documents"
    if "tokens" not in rows.index:
        return f"{told} in all."
    ahead = f"{stride:,} tokens ahead of" if stride else "after"
    told += f", {int(rows.loc['tokens', 'value']):,} tokens. "
    told += f"A document longer than the model's context is read in windows, each {ahead} the one before it."
    empty = int(rows.loc["empty", "value"])
    if rows.loc["loss", "n"] == 1:
        told += (
            " One document says nothing about how others would vary: there is no standard error."
        )
    return told + (f" {empty:,} more documents hold no text and were left out." if empty else "")


def texts_in_words(runs: pd.DataFrame) -> str:
    """What the records of a chapter were measured on, and how much of it. Markdown."""
    (measured_on,) = runs["measured_on"].unique()
    told = f"**The text.** The models are measured on {set_in_words(measured_on)}"
    counts = runs[(runs["metric"] == "tokens") & (runs["subset"] == "all")]
    if len(counts):
        n, tokens = int(counts["n"].max()), int(counts["value"].max())
        told += f": {n:,} document{'s' * (n != 1)}, {tokens:,} tokens"
    return f"{told}."


def parts_in_words(loss: pd.DataFrame) -> str:
    """Which part of the text the largest model predicts best and worst at its last step. Markdown."""
    own = loss[loss["subset"] != "all"]
    if own.empty:
        return "The text is not divided into parts: there is one curve of each model."
    own = select.final(own[own["model"] == select.largest(own)])
    low, high = own.loc[own["value"].idxmin()], own.loc[own["value"].idxmax()]
    return (
        f"Of {len(own)} parts {markdown(low['model'])} predicts {markdown(low['subset'])} best "
        f"({low['value']:.2f} nats a token at step {low['step']:,}) and {markdown(high['subset'])} worst "
        f"({high['value']:.2f})."
    )


def set_in_words(measured_on: str) -> str:
    """What the texts are that records call so. Markdown."""
    name = measured_on.partition(" ")[0]
    known = name in SETS and measured_on in (name, *map(text_names.set_name, text_names.HUB_TEXTS))
    return f"{SETS[name]} ({code(measured_on)})" if known else code(measured_on)


def domains_table(floors: Mapping[str, float], suite: str = validation.NANO) -> Table:
    """What each domain holds, its share in the mean, and the least loss that any model can have on it."""
    shares = validation.domain_shares(suite)
    rows = [(domain, HOLDS[domain], shares[domain], floors.get(domain)) for domain in shares]
    names = ["domain", "what it holds", "share in the mean", "least possible loss"]
    frame = pd.DataFrame(rows, columns=names)
    frame["least possible loss"] = frame["least possible loss"].map(
        lambda nats: "not known" if pd.isna(nats) else f"{nats:.3f}"
    )
    return show.table(frame, {"share in the mean": "{:.0%}"})


def final_table(overall: pd.DataFrame) -> Table:
    """The loss at the last step of each size and variant, over its seeds."""
    found = seeds.spread(select.final(overall)).sort_values(["variant", "n_params"])
    found = found.sort_values("variant", key=lambda v: v != "standard", kind="stable")
    columns = {"size": "size", "variant": "variant", "n_params": "parameters", "step": "step"}
    columns |= {"seeds": "seeds", "value": "mean loss", "lowest": "lowest", "highest": "highest"}
    caption = "Loss at the last step: mean, lowest and highest over the seeds of each size."
    steps = found["step"].unique()
    if len(steps) == 1:
        del columns["step"]
        caption = caption.replace("the last step", f"step {steps[0]:,}")
    formats = dict.fromkeys(["parameters", "step"], "{:,}")
    formats |= dict.fromkeys(["mean loss", "lowest", "highest"], "{:.3f}")
    return show.table(found[[*columns]].rename(columns=columns), formats, caption)


def units_table(runs: pd.DataFrame) -> Table:
    """The loss of each model at its last step in every unit that was recorded, with standard errors."""
    own = select.final(runs[(runs["subset"] == "all") & runs["metric"].isin(UNITS)])
    own = own.sort_values(["variant", "n_params", "model"], ascending=[False, True, True])
    rows = []
    for (model, step), part in own.groupby(["model", "step"], sort=False):
        cells = {row.metric: _with_error(row.value, row.stderr) for row in part.itertuples()}
        told = {UNITS[metric]: cells[metric] for metric in UNITS if metric in cells}
        rows.append({"model": model, "step": step} | told)
    return show.table(pd.DataFrame(rows).fillna("–"), {"step": "{:,}"}, _UNITS_CAPTION)


def _with_error(value: float, stderr: float) -> str:
    if pd.isna(value):
        return "–"
    digits = 0 if value >= 1000 else 3
    return f"{value:,.{digits}f}" + (f" ± {stderr:,.{digits}f}" if pd.notna(stderr) else "")


def above_floor(runs: pd.DataFrame) -> str:
    """How far the standard models end above the least possible loss, and whether any is below it."""
    excess = runs[(runs["metric"] == "excess") & (runs["variant"] == "standard")]
    if excess.empty:
        return "These records hold no standard model's loss beside a known entropy."
    ends = select.final(excess)
    spans = [
        f"{markdown(domain)} {part['value'].min():.2f} to {part['value'].max():.2f}"
        for domain, part in ends.groupby("subset", sort=False)
    ]
    lowest = excess.loc[excess["value"].idxmin()]
    below = "no model at any step is below it" if lowest["value"] > 0 else "the lowest is below it"
    return (
        f"At step {ends['step'].max():,} the standard models are above the least possible loss by, in nats a "
        f"token, over {ends['model'].nunique()} models of all sizes and seeds: {', '.join(spans)}. Of "
        f"{len(excess)} measured losses {below}; the nearest is {lowest['value']:.3f} above "
        f"(standard error {lowest['stderr']:.3f}; {markdown(lowest['model'])} on {markdown(lowest['subset'])})."
    )


def law_table(found: Mapping[str, Forecast]) -> Table:
    """The fitted laws: floor, exponents, and what of it is known and not fitted."""
    rows = []
    for domain, each in found.items():
        own = each.parameters.set_index("parameter")
        known = own.loc["floor", "low"] == own.loc["floor", "high"]
        cells = [with_ends(own.loc[name]) for name in ("size_exponent", "token_exponent")]
        level = f"{own.loc['floor', 'value']:.3f} (known)" if known else with_ends(own.loc["floor"])
        rows.append((domain, level, *cells, len(each.fitted)))
    names = ["domain", "floor E", "exponent of size", "exponent of tokens", "points"]
    caption = "The law, fitted to all but the held-out points; 95% intervals over training runs."
    return show.table(pd.DataFrame(rows, columns=names), caption=caption)


def verdict_table(found: Mapping[str, Forecast]) -> Table:
    """Of each domain the forecast for the largest size at the last step, and what was measured."""
    rows = []
    for domain, end in ((domain, held_end(each)) for domain, each in found.items()):
        measured = seeds.in_words(end["value"], 3)
        off = end["forecast"].iloc[0] / end["value"].mean() - 1
        rows.append((domain, _said(end.iloc[0]), measured, f"{off:+.1%}", _inside(end)))
    names = ["domain", "forecast", "measured", "off by", "inside the interval"]
    caption = "The largest size at the last step: neither was fitted."
    return show.table(pd.DataFrame(rows, columns=names), caption=caption)


def verdict(found: Mapping[str, Forecast]) -> str:
    """Whether the forecast of the mean loss holds: of the size that was held out, and of later training."""
    if "all" not in found:
        return _TOO_FEW
    each = found["all"]
    end, later = held_end(each), each.held[~each.held["larger"]]
    miss = end["forecast"].iloc[0] - end["value"].mean()
    sentences = [
        f"For the loss on all text the law forecasts {_said(end.iloc[0])} for {_sizes(end)} at step "
        f"{end['step'].iloc[0]:,}; measured: {seeds.in_words(end['value'], 3)}. "
        f"{_judged(end, 'the larger size')} It is {abs(miss):.3f} nats too {'low' if miss < 0 else 'high'}.",
    ]
    if len(later):
        sentences.append(
            f"For the last quarter of training of the sizes that were fitted ({_sizes(later)}) it is "
            f"{(later['forecast'] / later['value'] - 1).abs().max():.1%} off at most. "
            f"{_judged(later, 'later steps')}"
        )
    return " ".join(sentences)


def without_floor(found: Mapping[str, Forecast], bare: Mapping[str, Forecast]) -> str:
    """What the law without a floor forecasts for the same points, and whether they tell the two apart."""
    if "all" not in found or "all" not in bare:
        return _TOO_FEW
    end, other = held_end(found["all"]), held_end(bare["all"])
    off = [abs(each["forecast"].iloc[0] - each["value"].mean()) for each in (end, other)]
    nearer = "farther from" if off[1] > off[0] else "nearer to"
    told = (
        f"A law without a floor, fitted to the same points, forecasts {_said(other.iloc[0])}: {off[1]:.3f} "
        f"nats off and not {off[0]:.3f}, {nearer} what was measured."
    )
    if end["inside"].all() and other["inside"].all():
        told += (
            " Both intervals hold the measured losses: these runs do not decide between the two."
        )
    return told


def line_without_floor(line: PowerLaw) -> str:
    """What a straight line makes of losses whose true exponent is known."""
    return (
        f"Losses made by $L = 2 + 9 / D^{{{laws.TRUE_EXPONENT:.2f}}}$ show why the floor matters: a straight "
        f"line in logarithms through {line.n} of them gives the exponent {line.exponent:.2f}, not "
        f"{laws.TRUE_EXPONENT:.2f}, and calls it good ($R^2 = {line.r_squared:.2f}$)."
    )


def published(each: Forecast) -> str:
    """What the same law, fitted to Pythia's published curves, says of the largest of them."""
    return (
        f"The same law with the same hold-out, fitted to these curves alone, forecasts {_missed(each)}. "
        "There is one run of each size and each value was read off a figure to about .5%: no interval is given."
    )


def published_words(each: Forecast) -> str:
    """What the same law, fitted to Pythia's published losses on WikiText, says of the largest of them."""
    return (
        f"Fitted to the published losses on WikiText alone, the law forecasts {_missed(each)} nats a word. Its "
        f"floor is {each.surface.floor:.2f} nats a word. There is one run of each size: no interval is given."
    )


def _missed(each: Forecast) -> str:
    """The forecast of the largest model, and what was published of it."""
    end = held_end(each).iloc[0]
    return (
        f"{end['forecast']:.3f} for {markdown(end['model'])} at step {end['step']:,}; published: "
        f"{end['value']:.3f}"
    )


def held_end(each: Forecast) -> pd.DataFrame:
    """The largest size at its last step, a row a seed."""
    larger = each.held[each.held["larger"]]
    return larger[larger["step"] == larger["step"].max()]


def _sizes(points: pd.DataFrame) -> str:
    return listed(dict.fromkeys(find_model(name).size for name in points["model"]))


def _said(row: pd.Series) -> str:
    return with_ends(row, "forecast")


def with_ends(row: pd.Series, value: str = "value") -> str:
    """`3.302 [3.251, 3.360]`, or the value alone where the row has no interval."""
    return f"{row[value]:.3f}" if pd.isna(row["low"]) else interval(row, value, ".3f")


def _inside(points: pd.DataFrame) -> str:
    if points["low"].isna().any():
        return "one seed of each size: no interval"
    return f"{points['inside'].sum()} of {len(points)}"


def _judged(points: pd.DataFrame, what: str) -> str:
    """Whether the forecast of these points holds."""
    if points["low"].isna().any():
        return "With one seed of each size there is no interval to judge it by."
    inside, n = int(points["inside"].sum()), len(points)
    if inside == n:
        return f"The forecast of {what} holds: {n} of {n} are inside the interval."
    holds = "does not hold" if inside < n / 2 else "holds in part"
    return f"The forecast of {what} {holds}: {inside} of {n} are inside the interval."
