"""Pythia's own heads, as Trott (2025) and Tigges and others (2024) published them."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.base.markup import markdown

TABLES = ("induction_seeds", "attention", "ioi_circuit")


def best_heads() -> pd.DataFrame:
    """The greatest prefix-matching score of all heads: of each of nine seeds, by size and step.

    Columns as of `published_tables.read`, with `line` (the seed, which names a curve).
    """
    table = published_tables.read("induction_seeds").sort_values(["n_params", "seed", "step"])
    return table.assign(line="seed " + table["seed"].astype(str))


def jump(table: pd.DataFrame) -> pd.DataFrame:
    """Between which two measured steps the best head rises most, over all seeds of a model together.

    Args:
        table: of `best_heads`.

    Returns:
        A row a model: model, seeds, before and after (steps), highest_before (of all seeds at the former),
        lowest_after (of all at the latter), rise (the least of any seed).
    """
    rows = []
    for model, own in table.groupby("model", sort=False):
        by_seed = own.pivot_table(index="step", columns="seed", values="value").dropna()
        rises = by_seed.diff().min(axis=1)  # of the seed that rises least
        after = rises.idxmax()
        before = by_seed.index[by_seed.index.get_loc(after) - 1]
        ends = by_seed.loc[before].max(), by_seed.loc[after].min()
        rows.append((model, by_seed.shape[1], int(before), int(after), *ends, rises.max()))
    columns = ["model", "seeds", "before", "after", "highest_before", "lowest_after", "rise"]
    return pd.DataFrame(rows, columns=columns)


def jump_in_words(table: pd.DataFrame, least: float = 0.3) -> str:
    """Where all seeds of a model rise at once by more than `least`, and which models do nowhere. Markdown.

    Args:
        table: of `best_heads`.
    """
    found = jump(table)
    at_once = found[found["rise"] > least]
    told = [
        f"in all {row.seeds} seeds of {markdown(row.model)} the best head goes from at most "
        f"{row.highest_before:.3f} at step {row.before:,} to at least {row.lowest_after:.3f} at step "
        f"{row.after:,}"
        for row in at_once.itertuples()
    ]
    others = found[found["rise"] <= least]
    ends = table.groupby("model")["step"].max()
    told += [
        f"{markdown(row.model)} was measured up to step {ends[row.model]:,}, and no head passes "
        f"{table.loc[table['model'] == row.model, 'value'].max():.3f} there"
        for row in others.itertuples()
    ]
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}."


def sink_in_words(model: str = "pythia-410m") -> str:
    """How attention to the first token grows over training, of the best head and in the mean. Markdown."""
    table = published_tables.read("attention")
    own = table[(table["model"] == model) & (table["metric"] == "attention_to_first")]
    mean, best = (
        own[own["subset"] == name].sort_values("step") for name in ("mean over heads", "best head")
    )
    first, last = mean.iloc[0], mean.iloc[-1]
    most = mean.loc[mean["value"].idxmax()]
    flat = mean[mean["value"] < 1.1 * first["value"]]["step"].max()
    return (
        f"In {markdown(model)} the mean over all heads of the attention to the first token is "
        f"{first['value']:.2f} before training and no more than a tenth higher up to step {flat:,}; it reaches "
        f"{most['value']:.2f} at step {most['step']:,} and ends at {last['value']:.2f}. One head gives "
        f"the first token {best['value'].iloc[-1]:.2f} of its attention at step {last['step']:,} (means over "
        f"{int(last['n_seeds'])} seeds)."
    )


def circuit_in_words() -> str:
    """How many edges the circuit for indirect objects has early and late in training. Markdown."""
    table = published_tables.read("ioi_circuit").sort_values("step")
    least, last = table.loc[table["value"].idxmin()], table.iloc[-1]
    return (
        f"The circuit by which {markdown(last['model'])} finds the indirect object of a sentence has "
        f"{least['value']:,.0f} edges in the mean over the checkpoints up to step {least['step']:,}, and "
        f"{last['value']:,.0f} in those up to step {last['step']:,}."
    )


def sources() -> str:
    """Whose numbers these are, for a caption."""
    return "; ".join(dict.fromkeys(published_tables.source(name) for name in TABLES))
