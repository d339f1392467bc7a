"""From records of patching to what chapter and notebook show: parts, margins, and recoveries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select
from pythia_utils.analysis.discoveries import with_finds
from pythia_utils.analysis.lens.names import BEST, BETWEEN, INTERACTION, USUAL
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.grid.records import identity
from pythia_utils.suites.catalog import Checkpoint

_MARGINS = ("margin_tempted", "margin_twin", "attraction_nats")
_AT_BOTH = ("tempted", "twin", "attraction", "head", "moved")
_RECOVERED = [
    "model",
    "size",
    "seed",
    "variant",
    "n_params",
    "phenomenon",
    "before",
    "after",
    "surely",
]
_RECOVERED += [f"{name}_{when}" for when in ("before", "after") for name in _AT_BOTH]
_PART = (
    r"^(?P<kind>head|mlp|attention|stream) (?P<layer>\d+)(?:\.(?P<head>\d+))?(?: (?P<place>\w+))?$"
)


def of_checkpoint(rows: pd.DataFrame, checkpoint: Checkpoint) -> pd.DataFrame:
    """Rows of `patching.measured` as if they had been recorded, for a notebook that shows before it records."""
    return rows.assign(**identity(checkpoint, "lens"))


def margins(records: pd.DataFrame) -> pd.DataFrame:
    """Both margins and the attraction, labelled by seed, with 95% intervals: a row a metric and phenomenon."""
    rows = records[records["metric"].isin(_MARGINS)].reset_index(drop=True)
    return with_normal_interval(seeds.label(rows))


def parts(records: pd.DataFrame, metric: str = "restored") -> pd.DataFrame:
    """What each part does, labelled by seed, with 95% intervals.

    Args:
        records: of any models and steps.
        metric: restored, broken, moved or moved_by_another.

    Returns:
        The records with columns phenomenon, part, kind (head, mlp, attention or stream; nan of parts
        together), layer, head, place, low and high.
    """
    rows = records[records["metric"] == metric].reset_index(drop=True)
    names = rows["subset"].str.rsplit(BETWEEN, n=1, expand=True).reindex(columns=[0, 1])
    rows = rows.assign(phenomenon=names[0], part=names[1])
    rows = pd.concat([rows, rows["part"].astype(str).str.extract(_PART)], axis=1)
    numbers = {name: pd.to_numeric(rows[name]) for name in ("layer", "head")}
    return with_normal_interval(seeds.label(rows.assign(**numbers)))


def single(found: pd.DataFrame) -> pd.DataFrame:
    """Of `parts` the heads and MLPs, with `found`: which are not zero, as a family at each checkpoint."""
    rows = found[found["kind"].isin(["head", "mlp"])]
    each = [
        with_finds(part) for _, part in rows.groupby(["model", "step", "phenomenon"], sort=False)
    ]
    return pd.concat(each) if each else rows.assign(found=False)


def carriers(records: pd.DataFrame) -> pd.DataFrame:
    """Who carries the attraction at each checkpoint where there is one.

    Returns:
        A row for each model, step and phenomenon, in order of size and step: size, seed, variant, n_params;
        attraction (nats); head (the name of the one that restores most) and its value, low, high; of_another
        (the best head, chosen on the other half of the items), usual (the mean over heads), heads (their
        number); mlp, the MLP that restores most, and mlp_value; interaction.
    """
    restored = parts(records)
    whole = margins(records)
    whole = whole[whole["metric"] == "attraction_nats"].set_index(["model", "step", "subset"])
    rows = []
    for (model, step, phenomenon), part in restored.groupby(["model", "step", "phenomenon"]):
        value = part.set_index("part")["value"]
        heads, mlps = (part[part["kind"] == kind] for kind in ("head", "mlp"))
        best, mlp = (own.loc[own["value"].idxmax()] for own in (heads, mlps))
        kept = {name: best[name] for name in ("size", "seed", "variant", "n_params")}
        kept |= {name: best[name] for name in ("value", "low", "high")}
        rows.append(
            {"model": model, "step": step, "phenomenon": phenomenon, **kept}
            | {"attraction": whole["value"][model, step, phenomenon], "head": best["part"]}
            | {"of_another": value.get(BEST, np.nan), "usual": value[USUAL], "heads": len(heads)}
            | {"mlp": mlp["part"], "mlp_value": mlp["value"], "interaction": value[INTERACTION]}
        )
    columns = ["model", "step", "phenomenon", "size", "seed", "variant", "n_params", "attraction"]
    columns += ["head", "value", "low", "high", "of_another", "usual", "heads", "mlp", "mlp_value"]
    table = pd.DataFrame(rows, columns=[*columns, "interaction"])
    order = ["phenomenon", "n_params", "variant", "model", "step"]
    return table.sort_values(order, ascending=[True, True, False, True, True], ignore_index=True)


def recoveries(records: pd.DataFrame) -> pd.DataFrame:
    """Every model that was wrong and came to be right: at its worst step, and at its last one.

    Wrong: the mean margin of the tempted sentences is below zero with its interval. Right: it is above,
    `surely` if with its interval. Sentences come in both numbers, so that a liking for one form adds nothing
    to this mean.

    Returns:
        A row for each model and phenomenon: size, seed, variant; before, after (steps); surely; tempted_before,
        twin_before, attraction_before, and the same _after (nats); head_before, head_after, the head that moves
        most, with moved_before, moved_after (nats; the head being each step's own).
    """
    told = margins(records)
    moved = parts(records, "moved")
    moved = moved[moved["kind"] == "head"].set_index(["model", "phenomenon", "step"]).sort_index()
    rows = []
    for (model, phenomenon), own in told.groupby(["model", "subset"], sort=False):
        tempted = own[own["metric"] == "margin_tempted"].sort_values("step")
        wrong, last = tempted[tempted["high"] < 0], tempted.iloc[-1]
        if wrong.empty or last["value"] <= 0:
            continue
        steps = {"before": int(wrong.loc[wrong["value"].idxmin(), "step"]), "after": last["step"]}
        row = {name: last[name] for name in ("model", "size", "seed", "variant", "n_params")}
        row |= {"phenomenon": phenomenon, **steps, "surely": last["low"] > 0}
        values = own.set_index(["metric", "step"])["value"]
        for when, step in steps.items():
            names = ("tempted", "twin", "attraction")
            row |= {f"{n}_{when}": values[m, step] for n, m in zip(names, _MARGINS, strict=True)}
            heads = moved.loc[(model, phenomenon, step)]
            best = heads.loc[heads["value"] == heads["value"].max()].iloc[0]
            row |= {f"head_{when}": best["part"], f"moved_{when}": best["value"]}
        rows.append(row)
    return pd.DataFrame(rows, columns=_RECOVERED)


def at_the_end(table: pd.DataFrame) -> pd.DataFrame:
    """Of `carriers` or `parts` each model's and phenomenon's last step that is there."""
    last = table.groupby(["model", "phenomenon"])["step"].transform("max")
    return table[table["step"] == last]


def of_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of one phenomenon, the first by name: of nano's, across a prepositional phrase."""
    return table[table["phenomenon"] == table["phenomenon"].min()]


def of_usual_seed(records: pd.DataFrame) -> pd.DataFrame:
    """The records of standard models of the usual seed, the smallest first."""
    standard = records[records["variant"] == "standard"]
    return select.usual_seed(standard).sort_values(["n_params", "step"], kind="stable")
