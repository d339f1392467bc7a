"""Computed sentences and tables of the chapter on geometry and of its cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from pythia_utils.analysis import select, show
from pythia_utils.analysis.geometry import tables
from pythia_utils.analysis.geometry.names import STREAM
from pythia_utils.analysis.words import span
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import Checkpoint, find_model

if TYPE_CHECKING:
    from IPython.display import Markdown

    from pythia_utils.analysis.show import Table

_WHICH = {"start": "step 0", "half": "about half of the steps", "before": "the checkpoint before"}
_NOTHING = "These records hold nothing to tell here."


# --- a cell's -------------------------------------------------------------------------------------


def weights_in_words(checkpoint: Checkpoint, earlier: Mapping[str, Checkpoint]) -> str:
    """What the weights of a cell are compared with. Markdown, with a blank after it."""
    parts = [f"{_WHICH[name]} ({one.revision})" for name, one in earlier.items()]
    told = f"compared with {', '.join(parts)}" if parts else "compared with no earlier checkpoint"
    return f"{markdown(checkpoint.model.name)} {checkpoint.revision}, {told}. "


def states_in_words(frame: pd.DataFrame) -> str:
    """How alike a checkpoint is to other models, and to its own tokens in another order. Markdown."""
    if frame["metric"].eq("cka_shuffled").sum() == 0:
        return "No hidden states were asked for."
    floor = frame.loc[frame["metric"] == "cka_shuffled", "value"].abs().max()
    told = (
        f"With its tokens in another order no layer has a CKA of more than {floor:.3f} with itself."
    )
    rows = tables.same_layer(tables.between(frame))
    parts = [
        f"{markdown(other)} ({tables.RELATIONS[by]}) {span(own['value'])}"
        for (other, by), own in rows.groupby(["other", "by"], sort=False)
        if by in tables.RELATIONS
    ]
    return told + (
        f" Over layers, CKA with the same layer of {'; of '.join(parts)}." if parts else ""
    )


# --- the chapter's --------------------------------------------------------------------------------


def _by_kind(rows: pd.DataFrame) -> str:
    parts = [
        f"{markdown(kind)} {span(own['value'])}" for kind, own in rows.groupby("kind", sort=False)
    ]
    return "; ".join(parts)


def growth_in_words(growth: pd.DataFrame) -> str:
    """Norms at the last step over those at step 0, by kind, as a range over models. Markdown."""
    last = select.near_the_end(growth[growth["step"] > 0])
    if last.empty:
        return "No model was measured at step 0 and later."
    n = last["model"].nunique()
    return (
        f"At step {select.step_in_words(last)}, over {n} model{'s' * (n != 1)}, norms are so many times those "
        f"of step 0: {_by_kind(last)}."
    )


def turn_in_words(norms: pd.DataFrame) -> str:
    """Whether the mean norm is greatest at the end, of each model measured at three steps or more."""
    falls, n = [], 0
    for model, own in norms.groupby("model", sort=False):
        own = own.sort_values("step")
        if len(own) < 3:
            continue
        n += 1
        peak = own.loc[own["value"].idxmax()]
        if peak["step"] < own["step"].iloc[-1]:
            falls.append(f"{markdown(model)} after step {peak['step']:,}")
    if not n:
        return "No model was measured at three steps or more."
    which = f": {_few(falls)}" if falls else ""
    told = f"In {len(falls)} of {n} models the mean norm is greatest before the last step, and falls again"
    return f"{told}{which}."


def _few(parts: list[str], most: int = 6) -> str:
    more = len(parts) - most
    return ", ".join(parts[:most]) + (f", and {more} more" if more > 0 else "")


def rank_in_words(shares: pd.DataFrame) -> str:
    """Effective rank as a share, by kind: untrained and at the last step, as ranges over models. Markdown."""
    start, last = shares[shares["step"] == 0], select.near_the_end(shares[shares["step"] > 0])
    if start.empty or last.empty:
        return "No model was measured at step 0 and later."
    return (
        f"Of the directions that there are, untrained matrices use: {_by_kind(start)}. At step "
        f"{select.step_in_words(last)}: {_by_kind(last)}."
    )


def start_in_words(cosines: pd.DataFrame) -> str:
    """The cosine of all weights to those of step 0 at the last step, by size. Markdown."""
    last = select.near_the_end(cosines)
    if last.empty:
        return "No model was compared with its step 0."
    last = last.assign(size=[find_model(name).size for name in last["model"]]).sort_values(
        "n_params"
    )
    parts = [
        f"{markdown(size)} {span(own['value'])}" for size, own in last.groupby("size", sort=False)
    ]
    step = select.step_in_words(last)
    return f"The cosine of all weights to those of step 0, at step {step}, by size: {'; '.join(parts)}."


def anisotropy_in_words(rows: pd.DataFrame) -> str:
    """When the states of the last layer point one way most, and how much before and after. Markdown."""
    curves = _curves(rows[rows["what"] == "stream, last layer"])
    if not curves:
        return "No model's hidden states were measured at step 0 and at two later steps."
    start, peak, end = _ends_and(pd.Series.max, curves)
    return (
        f"What the last layer leaves has an anisotropy of {span(start)} at step 0, and of {span(end)} at "
        f"the end. It is greatest at {_steps([curve.idxmax() for curve in curves])}: {span(peak)}."
    )


def entropy_in_words(rows: pd.DataFrame) -> str:
    """Where the matrix entropy begins, is least, and ends. Markdown."""
    curves = _curves(rows)
    if not curves:
        return "No model's hidden states were measured at step 0 and at two later steps."
    start, least, end = _ends_and(pd.Series.min, curves)
    return (
        f"Ours begins at {span(start)} nats, is least at {_steps([curve.idxmin() for curve in curves])} with "
        f"{span(least)}, and ends at {span(end)}."
    )


def _curves(rows: pd.DataFrame) -> list[pd.Series]:
    """Of each model measured at step 0 and at two later ones the values by step."""
    groups = rows.sort_values("step").groupby("model", sort=False)
    curves = [own.set_index("step")["value"].dropna() for _, own in groups]
    return [curve for curve in curves if len(curve) >= 3 and curve.index[0] == 0]


def _ends_and(extreme: Callable, curves: list[pd.Series]) -> tuple[pd.Series, pd.Series, pd.Series]:
    values = zip(*((c.iloc[0], extreme(c), c.iloc[-1]) for c in curves), strict=True)
    return tuple(map(pd.Series, values))


def _steps(steps: list[int]) -> str:
    """`step 16 (3 of 4 models), 32 (1)`."""
    counts = pd.Series(steps).value_counts()
    first, *others = counts.items()
    told = [f"step {first[0]:,} ({first[1]} of {len(steps)} models)"]
    return ", ".join(told + [f"{step:,} ({n})" for step, n in others])


def relations_in_words(rows: pd.DataFrame) -> str:
    """CKA with each kind of relative at the last step, by depth. Markdown."""
    if rows.empty:
        return "Nothing was compared here."
    last = rows[rows["step"] == rows["step"].max()]
    parts = []
    for what, own in last.groupby("what", sort=False):
        values = own.set_index("place")["value"].reindex(list(tables.PLACES)).dropna()
        told = ", ".join(f"{place} {value:.2f}" for place, value in values.items())
        parts.append(f"{what}: {told} ({own['seeds'].max()} pairs)")
    return f"Mean CKA at step {last['step'].max():,}, by depth. With {'; with '.join(parts)}."


def seeds_in_words(records: pd.DataFrame) -> str:
    """States and weights of two seeds, before training and at the end. Markdown."""
    rows = tables.same_layer(tables.between(records))
    rows = rows[rows["by"] == "seed"]
    cosines = tables.cosines_to_models(records)
    cosines = cosines[cosines["by"] == "seed"]
    if not (rows["step"] == 0).any() or cosines.empty or rows["step"].max() == 0:
        return "No two seeds were compared before training and later."
    last = rows["step"].max()
    start, end = rows[rows["step"] == 0]["value"], rows[rows["step"] == last]["value"]
    apart = cosines[cosines["step"] == last]["value"]
    n = len(rows[rows["step"] == last][["model", "other"]].drop_duplicates())
    return (
        f"Over {n} pairs of models that began with other weights, and all layers: CKA is {span(start)} "
        f"before training and {span(end)} at step {last:,}. The cosine of their weights is then "
        f"{span(apart)}."
    )


def found_in_words(found: pd.DataFrame) -> str:
    """How often a layer is found again in another seed, untrained and at the end, beside guessing. Markdown."""
    start, last = found[found["step"] == 0], found[found["step"] == found["step"].max()]
    if start.empty or last.equals(start):
        return "No two seeds were compared before training and later."
    guess = (1 / last["layers"]).mean()
    return (
        f"Of all layers, {start['value'].mean():.0%} are found again in another seed before training and "
        f"{last['value'].mean():.0%} at step {last['step'].max():,}; guessing finds {guess:.0%}."
    )


def settled_table(found: pd.DataFrame) -> Table | Markdown:
    """When models stopped changing, of `tables.settled`: a row a size and variant."""
    rows, label = [], "least CKA with half of its steps"
    sizes = found.assign(size=[find_model(name).size for name in found["model"]])
    for (size, variant), own in sizes.groupby(["size", "variant"], sort=False):
        steps = own["step"].dropna()
        since = f"{span(steps, '.0f')} ({len(steps)})" if len(steps) else "–"
        row = {"size": size, "text": variant, "models": len(own), "stopped since step": since}
        rows.append(
            row
            | {"still changing": int(own["step"].isna().sum()), label: span(own["value"], ".3f")}
        )
    return show.table(pd.DataFrame(rows))


def settled_in_words(found: pd.DataFrame, alike: float = tables.ALIKE) -> str:
    """In how many models the change has ended. Markdown."""
    if found.empty:
        return "No model was compared with half of its steps twice."
    still, n = int(found["step"].isna().sum()), len(found)
    return (
        f"By this definition {n - still} of {n} models have stopped changing by the last step, and {still} are "
        f"still changing: every layer must keep a CKA of {alike} or more with its half. The least of any layer "
        f"at the last step is {span(found['value'], '.3f')}."
    )


def layers_measured(records: pd.DataFrame) -> str:
    """Of how many layers the weights were read, where that is not all. Markdown; empty if all were."""
    rows = tables.by_matrix(records, "frobenius").dropna(subset="layer")
    few = []
    for model, own in rows[rows["kind"] != STREAM].groupby("model", sort=False):
        read, depth = own["layer"].nunique(), find_model(model).n_layers
        if read < depth:
            few.append(f"{markdown(model)} {read} of {depth}")
    return f"Layers whose weights were read: {_few(few)}." if few else ""
