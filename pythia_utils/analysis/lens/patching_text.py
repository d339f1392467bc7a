"""What patching found, as tables and sentences for readers; right whatever the numbers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis.lens import patching_tables as tables
from pythia_utils.analysis.words import interval, readable
from pythia_utils.base.markup import markdown

if TYPE_CHECKING:
    from pythia_utils.analysis.lens.patching_pairs import Asked

_SPACE = "\u00a0"
_SHOWN = 8  # parts of a phenomenon that a table lists


def asked_in_words(asked: Asked) -> str:
    """How many sentences of which kind are read, and how many cannot be, and why."""
    counts = asked.table["phenomenon"].value_counts(sort=False)
    kinds = [f"{n} of {markdown(readable(name))}" for name, n in counts.items()]
    left = len(asked.left_out)
    why = asked.left_out["why"].value_counts()
    reasons = "; ".join(f"{text} ({n})" for text, n in why.head(3).items())
    more = f", among the reasons: {reasons}" if len(why) > 3 else f": {reasons}"
    told = f" {left} more are left out{more if left else ''}." if left else " None is left out."
    read = f"Sentences that are read: {', '.join(kinds)}." if kinds else "No sentence can be read."
    return read + told


def margins_table(records: pd.DataFrame) -> pd.DataFrame:
    """The mean margins of one checkpoint as texts: a row a phenomenon."""
    found = tables.margins(records)
    names = {
        "margin_tempted": "margin, tempted",
        "margin_twin": "margin, twin",
        "attraction_nats": "attraction (the difference)",
    }
    found = found.assign(text=[_interval(row) for _, row in found.iterrows()])
    table = found.pivot_table("text", "subset", "metric", aggfunc="first", sort=False)
    table = table.reindex(columns=list(names)).rename(columns=names)
    table = table.rename(index=readable).rename_axis(index="phenomenon", columns=None)
    return table.reset_index()


def _interval(row: pd.Series) -> str:
    return interval(row).replace(" ", _SPACE)


def parts_table(records: pd.DataFrame) -> pd.DataFrame:
    """The parts of one checkpoint that restore most, as texts, with what their loss and another noun do."""
    restored = tables.single(tables.parts(records))
    broken, another = (
        tables.parts(records, metric).set_index(["phenomenon", "part"])
        for metric in ("broken", "moved_by_another")
    )
    rows = []
    for phenomenon, part in restored.groupby("phenomenon", sort=False):
        for row in part.nlargest(_SHOWN, "value").to_dict("records"):
            at = (phenomenon, row["part"])
            rows.append(
                {
                    "phenomenon": readable(phenomenon),
                    "part": row["part"],
                    "restores": _interval(row) + ("" if row["found"] else " (may be none)"),
                    "breaks": _interval(broken.loc[at]),
                    "another noun moves (nats)": _interval(another.loc[at]),
                }
            )
    return pd.DataFrame(rows)


def found_in_words(records: pd.DataFrame) -> str:
    """Of one checkpoint: is there attraction, and which head and MLP carry it."""
    found = tables.carriers(records).set_index("phenomenon")
    told = tables.margins(records)
    sentences = []
    for row in told[told["metric"] == "attraction_nats"].to_dict("records"):
        name, whole = markdown(readable(row["subset"])), interval(row)
        if row["subset"] not in found.index:
            why = f"the attraction is {whole} nats, not above zero with its 95% interval"
            sentences.append(f"In {name} there is nothing to attribute: {why}.")
            continue
        own = found.loc[row["subset"]]
        usual = f"the mean over {own['heads']} heads is {own['usual']:.2f}"
        chosen = f"chosen on other sentences, {own['of_another']:.2f}; {usual}"
        sentences.append(
            f"In {name} the attraction is {whole} nats (95% interval). Of the heads, {own['head']} restores "
            f"most: {interval(own)} of it ({chosen}). Of the MLPs, {own['mlp']}: {own['mlp_value']:.2f}. "
            f"{_together(own['interaction'])}"
        )
    return " ".join(sentences) or "No sentences were read, so nothing is attributed."


def _together(interaction: float) -> str:
    total = 1 - interaction
    if total > 1.1:
        passed = "some pass on what others gave them, and each is counted"
        return f"All single parts add up to {total:.2f}: {passed}."
    if total < 0.9:
        return f"All single parts add up to {total:.2f}: the rest takes several of them at once."
    return f"All single parts add up to {total:.2f}."


def carriers_table(found: pd.DataFrame) -> pd.DataFrame:
    """`patching_tables.carriers` for readers."""
    rows = found.to_dict("records")
    return pd.DataFrame(
        {
            "phenomenon": readable(row["phenomenon"]),
            "model": row["model"],
            "step": f"{row['step']:,}",
            "attraction (nats)": f"{row['attraction']:.2f}",
            "head": row["head"].removeprefix("head "),
            "it restores": _interval(row),
            "chosen on others": _number(row["of_another"]),
            "mean head": f"{row['usual']:.2f}",
            "MLP": row["mlp"].removeprefix("mlp "),
            "that restores": f"{row['mlp_value']:.2f}",
        }
        for row in rows
    )


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.2f}"


def carriers_in_words(found: pd.DataFrame) -> str:
    """In how many checkpoints the best head is more than one at random, and whether it stays the same."""
    if found.empty:
        return "No model of these records has an attraction above zero, so nothing is attributed."
    last = tables.at_the_end(found)
    ahead = (last["of_another"] >= 2 * last["usual"]).sum()
    told = f"At the last step at which there is attraction, in {ahead} of {len(last)} models and phenomena"
    several = found.groupby(["model", "phenomenon"])["head"].agg(["nunique", "size"])
    several = several[several["size"] > 1]
    stays = f"{(several['nunique'] == 1).sum()} of {len(several)}"
    again = f" In {stays} that have several such steps it is the same head at all of them."
    return (
        f"{told} one head, chosen on other sentences, restores at least twice what a head at random does."
        + (again if len(several) else "")
    )


def recoveries_table(found: pd.DataFrame) -> pd.DataFrame:
    """`patching_tables.recoveries` for readers: before and after, in nats."""

    def both(row: dict, name: str) -> str:
        return f"{row[f'{name}_before']:+.2f} → {row[f'{name}_after']:+.2f}"

    def head(row: dict, when: str) -> str:
        return f"{row[f'head_{when}'].removeprefix('head ')} ({row[f'moved_{when}']:+.2f})"

    return pd.DataFrame(
        {
            "phenomenon": readable(row["phenomenon"]),
            "model": row["model"],
            "steps": f"{row['before']:,} → {row['after']:,}",
            "tempted": both(row, "tempted"),
            "twin": both(row, "twin"),
            "attraction": both(row, "attraction"),
            "head that moves most": f"{head(row, 'before')} → {head(row, 'after')}",
        }
        for row in found.to_dict("records")
    )


def recoveries_in_words(found: pd.DataFrame) -> str:
    """What changed in the models that came to be right: the attraction, or what stands against it."""
    n, models = len(found), found["model"].drop_duplicates()
    if not n:
        return (
            "No model of these records is wrong at one step, with its whole interval, and right at its last: "
            "there is no recovery to look into."
        )
    weaker = (found["attraction_after"] < found["attraction_before"]).sum()
    gains = found["twin_after"] - found["twin_before"]
    outgrown = (gains > found["attraction_before"] - found["attraction_after"]).sum()
    same = (found["head_before"] == found["head_after"]).sum()
    who = f"{n} {'case' if n == 1 else 'cases'}, in {len(models)} {'model' if len(models) == 1 else 'models'}"
    return (
        f"{who}, of a phenomenon in which a model was wrong with its whole interval and is right in the mean "
        f"at its last step ({found['surely'].sum()} with its whole interval). In {weaker} of {n} the "
        f"attraction is weaker after than before. In {outgrown} of {n} the margin of the twin, in which "
        f"nothing tempts, has gained more than the attraction has lost. In {same} of {n} the head that moves "
        "most is the same."
    )
