"""What the suite's published results show when they are compared: sizes, variants, versions, steps.

All functions work on accuracies as `accuracies` gives them. The standard errors that were published are
errors over test items. Effects of size and of deduplication are measured on the runs instead, one a size
and variant: what is asked is whether other runs would show them, not whether other items would.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis.discoveries import adjusted, with_finds
from pythia_utils.analysis.order_tests import linear_trend
from pythia_utils.analysis.published.summary import summary
from pythia_utils.analysis.stats import mean_and_stderr, with_student_interval

TASKS = {  # titles, in the order of the page
    "lambada_openai": "LAMBADA",
    "arc_easy": "ARC, easy",
    "arc_challenge": "ARC, challenge",
    "piqa": "PIQA",
    "sciq": "SciQ",
    "winogrande": "WinoGrande",
    "wsc": "WSC",
    "logiqa": "LogiQA",
    "mmlu": "MMLU, 57 subjects",
}
# One answer in four, or in two. A word to be guessed has no chance to speak of.
CHANCE = {
    "ARC, easy": 0.25,
    "ARC, challenge": 0.25,
    "SciQ": 0.25,
    "LogiQA": 0.25,
    TASKS["mmlu"]: 0.25,
}
CHANCE |= {"PIQA": 0.5, "WinoGrande": 0.5, "WSC": 0.5, "BLiMP (v0)": 0.5}
SAME_BATCH = ("70m", "1b", "2.8b", "6.9b", "12b")  # sizes that v0 and v1 trained on equal batches


def accuracies(version: str, shots: int = 0, step: int | None = None) -> pd.DataFrame:
    """Accuracies of the tasks in `TASKS`, in their order, then by size, variant and step.

    Args:
        version: `v0` or `v1`.
        shots: examples in the prompt, 0 or 5.
        step: only that step.

    Returns:
        Columns as of `summary.summary`, and task (its title).
    """
    frame = summary(shots=shots, version=version)
    frame = frame[(frame["metric"] == "accuracy") & frame["subset"].isin(TASKS)]
    if step is not None:
        frame = frame[frame["step"] == step]
    place = frame["subset"].map(list(TASKS).index)
    ordered = frame.assign(task=frame["subset"].map(TASKS), place=place)
    order = ["place", "n_params", "variant", "step"]
    return ordered.sort_values(order, ignore_index=True).drop(columns="place")


def evaluation_counts() -> pd.DataFrame:
    """How many models and checkpoints were evaluated, by version and shots."""
    table = summary().drop_duplicates(["version", "shots", "model", "step"])
    table = table.assign(version=table["version"].replace("", "v1"))
    return table.groupby(["version", "shots"], as_index=False).agg(
        models=("model", "nunique"),
        steps=("step", "nunique"),
        first=("step", "min"),
        last=("step", "max"),
        evaluations=("model", "size"),
    )


def equal_results() -> pd.DataFrame:
    """Where two models' results are equal to the last digit, steps 0 and 1 aside: model, shots, steps."""
    table = summary()
    table = table[(table["same_as"] != "") & (table["step"] > 1)]
    table = table.drop_duplicates(["shots", "model", "step"]).groupby(
        ["model", "shots"], sort=False
    )
    steps = table["step"].agg(lambda steps: ", ".join(f"{step:,}" for step in steps))
    return steps.rename("steps").reset_index()


def falls(frame: pd.DataFrame, sigmas: float = 3.0) -> pd.DataFrame:
    """Models that end clearly below their own best.

    Args:
        frame: one task's accuracies over training.
        sigmas: how many standard errors of the difference. The best of some twenty steps is high by
            chance too, by about two of its own errors, so less than 3 would name too many.

    Returns:
        Columns model, step (of the best), fall (the difference in accuracy), sigmas.
    """
    by_model = frame.sort_values("step").groupby("model", sort=False)
    ends = by_model.last()
    best = frame.loc[by_model["value"].idxmax()].set_index("model").loc[ends.index]
    fall = best["value"] - ends["value"]
    ratio = fall / np.hypot(best["stderr"], ends["stderr"])
    table = pd.DataFrame({"step": best["step"], "fall": fall, "sigmas": ratio}).reset_index()
    return table[table["sigmas"] > sigmas].reset_index(drop=True)


def size_effect(frame: pd.DataFrame) -> pd.DataFrame:
    """What ten times the size adds to the accuracy, at one step: the slope over sizes, a run each.

    Least squares of the accuracy on log10 of the parameters (`order_tests.linear_trend`): the interval is
    that of the scatter of the runs about the line. The line is a summary; curves that level off are none.

    Args:
        frame: accuracies of one variant.

    Returns:
        Columns task, value, low, high, dof, found (`discoveries.with_finds`), in order of appearance.
    """
    rows = []
    for task, own in frame.groupby("task", sort=False):
        trend = linear_trend(own["value"], np.log10(own["n_params"]))
        rows.append((task, trend.slope, trend.low, trend.high, trend.dof))
    return with_finds(pd.DataFrame(rows, columns=["task", "value", "low", "high", "dof"]))


def variant_effect(frame: pd.DataFrame) -> pd.DataFrame:
    """The deduplicated minus the standard variant: the mean over the pairs of runs, a pair a size.

    The interval is Student's t of the pairs' differences. It holds what differs between two runs, their
    data and all the rest, and so it is far wider than one over test items would be.

    Args:
        frame: accuracies of both variants at one step.

    Returns:
        Columns task, value, stderr, n (pairs of runs), low, high, dof, found (`discoveries.with_finds`).
    """
    variants = [frame[frame["variant"] == name] for name in ("deduped", "standard")]
    pairs = variants[0].merge(variants[1], on=["size", "task"], suffixes=("", "_standard"))
    rows = []
    for task, own in pairs.groupby("task", sort=False):
        value, stderr = mean_and_stderr(own["value"] - own["value_standard"])
        row = {"task": task, "value": value, "stderr": stderr, "n": len(own)}
        rows.append(row | {"dof": len(own) - 1.0})
    return with_finds(with_student_interval(pd.DataFrame(rows)))


def distances(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """How far apart two models of each size are, at each step that both were tested at.

    The root mean square, over tasks, of (a - b) / sqrt(se_a² + se_b²). It is 0 for one and the same
    model, and about 1 for two that are equally good and err on different items (`distance_range`).
    Models that differ in skill lie further apart, models that err on the same items nearer.

    Args:
        one, other: accuracies, as `summary` gives them, of one model a size, such as the two
            variants, or v0 and v1.

    Returns:
        Columns size, n_params, model (of `one`), step, distance and tasks (how many), by size and step.
    """
    keys = ["size", "n_params", "step", "subset"]
    both = one.merge(other[[*keys, "value", "stderr"]], on=keys, suffixes=("", "_other"))
    variance = both["stderr"] ** 2 + both["stderr_other"] ** 2
    # A task that both get all wrong has no error, and no difference.
    square = (both["value"] - both["value_other"]) ** 2 / variance.where(variance > 0, 1)
    groups = square.groupby([both[key] for key in ("size", "n_params", "model", "step")])
    table = groups.agg(["mean", "size"]).set_axis(["distance", "tasks"], axis="columns")
    table["distance"] **= 0.5
    return table.reset_index().sort_values(["n_params", "step"], ignore_index=True)


def distance_range(tasks: int, confidence: float = 0.95) -> tuple[float, float]:
    """The central range of `distances` for two equally good models that err on different items.

    Then `tasks` times the squared distance is a chi-squared variable of `tasks` degrees of freedom
    (the differences of accuracies being normal, with known errors).
    """
    from scipy.stats import chi2

    tail = (1 - confidence) / 2
    low, high = (chi2.ppf([tail, 1 - tail], tasks) / tasks) ** 0.5
    return float(low), float(high)


def variant_distances(version: str, shots: int = 0, first: int = 1000) -> pd.DataFrame:
    """`distances` of the two variants of each size, from step `first` on."""
    frame = accuracies(version, shots)
    frame = frame[frame["step"] >= first]
    return distances(*(frame[frame["variant"] == name] for name in ("standard", "deduped")))


def version_distances(step: int) -> pd.DataFrame:
    """`distances` of v1 from v0 at a step, of the sizes that both trained alike.

    Returns:
        Also the variant, and found: whether the pair is further apart than chance makes two equally good
        models, false discoveries over all pairs held at 5%.
    """
    from scipy.stats import chi2

    tables = []
    for variant in ("standard", "deduped"):
        pair = [accuracies(version, step=step) for version in ("v1", "v0")]
        chosen = [f[(f["variant"] == variant) & f["size"].isin(SAME_BATCH)] for f in pair]
        tables.append(distances(*chosen).assign(variant=variant))
    table = pd.concat(tables).sort_values("n_params", kind="stable", ignore_index=True)
    p_values = chi2.sf(table["tasks"] * table["distance"] ** 2, table["tasks"])
    return table.assign(found=adjusted(p_values) <= 0.05)
