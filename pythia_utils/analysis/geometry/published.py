"""What others published of the geometry of the real Pythia: norms over seeds, layers, the volume of a basin."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.base.markup import markdown

_VOLUMES = {"naive": "plain", "adam-preconditioned": "with Adam's preconditioner"}


def source(table: str) -> str:
    """Whose numbers a table holds, for a caption."""
    return f"Published: {published_tables.source(table)}."


def norms() -> pd.DataFrame:
    """Mean Euclidean norm of the weight matrices, over seeds: model, step, value, low, high."""
    frame = published_tables.read("weight_norms")
    return frame[frame["metric"] == "l2_norm"].sort_values("step", ignore_index=True)


def norms_in_words() -> str:
    """Where the mean norm begins, is greatest, and ends, and how far the seeds lie apart."""
    rows = norms()
    start, peak, end = rows.iloc[0], rows.loc[rows["value"].idxmax()], rows.iloc[-1]
    apart = ((rows["high"] - rows["low"]) / rows["value"]).max()
    return (
        f"{source('weight_norms')} The mean norm of the matrices of {markdown(start['model'])} is "
        f"{start['value']:.1f} at step {start['step']:,}, greatest at step {peak['step']:,} with "
        f"{peak['value']:.1f}, and {end['value']:.1f} at the end. The {start['n_seeds']} seeds are "
        f"never further apart than {apart:.0%} of it."
    )


def entropy() -> pd.DataFrame:
    """Matrix entropy of a sentence's tokens, mean over layers, nats, of the size measured over training."""
    rows = _of_most_steps(published_tables.read("layer_geometry"), "sentence_entropy")
    return rows[rows["subset"] == "mean over layers"]


def _of_most_steps(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    rows = frame[frame["metric"] == metric]
    model = rows.groupby("model")["step"].nunique().idxmax()
    return rows[rows["model"] == model].sort_values("step", ignore_index=True)


def entropy_in_words() -> str:
    """The early dip of the entropy (by step 1000), its recovery, and where it ends."""
    rows = entropy()
    early = rows[rows["step"] <= 1000]
    low = early.loc[early["value"].idxmin()]
    after = rows[rows["step"] > low["step"]]
    high, first, end = after.loc[after["value"].idxmax()], rows.iloc[0], rows.iloc[-1]
    return (
        f"{source('layer_geometry')} {markdown(first['model'])} begins at {first['value']:.2f} nats, is at "
        f"{low['value']:.2f} at step {low['step']:,}, back at {high['value']:.2f} at step {high['step']:,}, "
        f"and ends at {end['value']:.2f}."
    )


def quality() -> pd.DataFrame:
    """How well the best layer and the mean layer serve as features for other tasks: series in column what."""
    rows = _of_most_steps(published_tables.read("layer_quality"), "mteb_score")
    return rows.assign(what=rows["subset"])


def quality_in_words() -> str:
    """Which layer is the best, early and at the end, and how far it is above the mean of all."""
    frame = published_tables.read("layer_quality")
    best = _of_most_steps(frame, "mteb_best_layer")
    first = best[best["value"] > 0].iloc[0]
    last = quality().groupby("what")["value"].last()
    before = best.loc[best["step"] < first["step"], "step"].max()
    return (
        f"{source('layer_quality')} Of {markdown(first['model'])} the embedding serves best up to step "
        f"{before:,}; from step {first['step']:,} on it is a later layer, at the end layer "
        f"{best['value'].iloc[-1]:.0f}, with {last['best layer']:.3f} where the mean over layers is "
        f"{last['mean over layers']:.3f}."
    )


def volume() -> pd.DataFrame:
    """Log-volume of the basin, millions of nats: series in column what."""
    frame = published_tables.read("basin_volume")
    frame = frame.assign(what=frame["subset"].map(_VOLUMES), value=frame["value"] / 1e6)
    return frame.sort_values(["what", "step"])


def volume_in_words() -> str:
    """When the basin is widest, and how it changes from then on."""
    parts = []
    for what, rows in volume().groupby("what", sort=False):
        widest, last = rows.loc[rows["value"].idxmax()], rows.iloc[-1]
        parts.append(
            f"{what}, it is widest at step {widest['step']:,} ({widest['value']:.0f} million nats) and "
            f"{'narrowest' if last['value'] == rows['value'].min() else 'narrower'} at the end "
            f"({last['value']:.0f} million)"
        )
    model = markdown(volume()["model"].iloc[0])
    return f"{source('basin_volume')} The basin of {model}: {'; '.join(parts)}."
