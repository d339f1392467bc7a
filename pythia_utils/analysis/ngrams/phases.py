"""From records to phases: the step at which a model is closest to the n-grams of each length."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import seeds

NEAR = 0.05  # a value within this share of the least is near it
ENOUGH = 4  # measured steps of a curve of which a least value is told


def extrema(curves: pd.DataFrame, greatest: bool = False) -> pd.DataFrame:
    """Of each model and n the measured step at which its curve is least, or greatest.

    Args:
        curves: records of one metric: columns model, variant, n_params, step, subset, value.
        greatest: for a correlation; a divergence is told where it is least.

    Returns:
        A row a model and n, of models measured at `ENOUGH` steps or more: model, variant, n_params, size,
        seed, subset, step, value; first and last, the earliest and the latest step whose value is within
        5% of it; begin and end (the first and the last measured step). Without models that were first
        measured after all of theirs (`_seen`).
    """
    frame = seeds.label(curves).dropna(subset="value")
    keys = ["model", "variant", "n_params", "size", "seed", "subset"]
    rows = [
        (*key, *_extremum(curve.sort_values("step"), greatest))
        for key, curve in frame.groupby(keys, sort=False)
        if curve["step"].nunique() >= ENOUGH
    ]
    columns = [*keys, "step", "value", "first", "last", "begin", "end"]
    found = _seen(pd.DataFrame(rows, columns=columns))
    return found.sort_values(["n_params", "subset"], kind="stable")


def _seen(found: pd.DataFrame) -> pd.DataFrame:
    """The models that something was seen of: not all of it at a first measured step after step 0.

    So is a model whose early checkpoints are faulty: what it did before nobody knows.

    Args:
        found: columns model, step, begin.
    """
    behind = (found["step"] == found["begin"]) & (found["begin"] > 0)
    return found[~behind.groupby(found["model"]).transform("all")]


def _extremum(curve: pd.DataFrame, greatest: bool) -> tuple[int, float, int, int, int, int]:
    """Step and value, the first and last step near it, and the first and last of all."""
    values, steps = curve["value"].to_numpy(), curve["step"].to_numpy()
    place = values.argmax() if greatest else values.argmin()
    near = steps[abs(values - values[place]) <= NEAR * abs(values[place])]
    at = (int(steps[place]), float(values[place]), int(near[0]), int(near[-1]))
    return *at, int(steps[0]), int(steps[-1])


def by_order(extreme: pd.DataFrame) -> pd.DataFrame:
    """The steps of `extrema`, a row a model and a column an n; models without all n left out."""
    steps = extreme.pivot_table(index="model", columns="subset", values="step")
    return steps.dropna().astype(int)


def passed(loss: pd.DataFrame) -> pd.DataFrame:
    """From which measured step on a model predicts new text better than the n-grams do.

    Args:
        loss: records of metric `loss`: of subset `model`, and of each n.

    Returns:
        A row a model and n: model, variant, n_params, size, seed, subset, ngram_loss; step, the first one
        from which on its loss is below that of the n-grams (nan if it ends above), begin, end. Without models
        that were first measured after all of these steps.
    """
    frame, rows = seeds.label(loss), []
    keys = ["model", "variant", "n_params", "size", "seed"]
    for key, own in frame.groupby(keys, sort=False):
        table = own.pivot_table(index="step", columns="subset", values="value")
        for name in table.columns.drop("model", errors="ignore"):
            above = table.index[table["model"] >= table[name]]
            after = table.index[table.index > (above.max() if len(above) else -1)]
            first = after.min() if len(after) else float("nan")
            ends = (table.index.min(), table.index.max())
            rows.append((*key, name, table[name].mean(), first, *ends))
    columns = [*keys, "subset", "ngram_loss", "step", "begin", "end"]
    return _seen(pd.DataFrame(rows, columns=columns)).sort_values("n_params", kind="stable")


def mean_of_seeds(records: pd.DataFrame) -> pd.DataFrame:
    """A line for each size and variant, its value the mean over seeds, low and high their range.

    Steps that not all seeds of a size have are left out: a mean of others would jump there. `model` names the
    first seed, by whose size a line is coloured.
    """
    frame = seeds.spread(records)
    kinds = ["variant", "version", "size"]
    models = seeds.label(records).groupby(kinds)["model"].first()
    keys = pd.MultiIndex.from_frame(frame[kinds])
    frame = frame.assign(model=models.reindex(keys).to_numpy())
    frame = frame.assign(low=frame["lowest"], high=frame["highest"])
    most = frame.groupby(kinds)["seeds"].transform("max")
    return frame[frame["seeds"] == most]
