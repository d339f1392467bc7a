"""The records of experiment `memorization` as the chapter's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.analysis.order_tests import equivalence, trend_of
from pythia_utils.analysis.select import final
from pythia_utils.suites.catalog import find_model


def with_intervals(records: pd.DataFrame) -> pd.DataFrame:
    """Records with columns low and high, 95%: Wilson's for shares memorized, else Student's t of the mean.

    The interval of a matched share is cut to [0, 1]; it has no width where all documents are alike.
    """
    frame, n = stats.with_student_interval(records), records["n"].to_numpy(float)
    matched, shares = records["metric"] == "matched", records["metric"] == "memorized"
    frame.loc[matched, ["low", "high"]] = frame.loc[matched, ["low", "high"]].clip(0, 1)
    low, high = stats.wilson_interval(frame["value"][shares] * n[shares], n[shares])
    frame.loc[shares, "low"], frame.loc[shares, "high"] = low, high
    return frame


def numbered(records: pd.DataFrame, kind: str, metric: str = "memorized") -> pd.DataFrame:
    """The records of subsets `kind-0`, `kind-1`, ...: with their number, sorted by it, and intervals."""
    part = records[records["metric"] == metric]
    number = part["subset"].str.extract(rf"^{kind}-(\d+)$", expand=False)
    part = part.assign(number=number)[number.notna()].astype({"number": int})
    return with_intervals(part.sort_values(["n_params", "variant", "model", "step", "number"]))


def counts(records: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Columns number, memorized (int), tested (int): counts of the subsets `kind-…`, over all given cells."""
    part = numbered(records, kind)
    part = part.assign(memorized=part["value"] * part["n"].astype(float), tested=part["n"])
    both = part.groupby("number")[["memorized", "tested"]].sum().reset_index()
    return both.astype({"memorized": float}).round().astype(int)


def against(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """Shares memorized of two sets of records, and their difference, by model and step.

    Args:
        first: records of metric `memorized`, one a model and step.
        second: what to compare with, likewise.
        names: what the two are.

    Returns:
        Columns model, step, one of each name (`3 of 1,000`), difference (second minus first), low, high
        (Newcombe, 95%); of the models and steps that both have.
    """
    both = first.merge(second, on=["model", "step"])
    rows = []
    for row in both.itertuples():
        n = (row.n_x, row.n_y)
        k = (round(row.value_x * row.n_x), round(row.value_y * row.n_y))
        shown = [f"{count} of {tested:,}" for count, tested in zip(k, n, strict=True)]
        rows.append((row.model, row.step, *shown, *stats.difference_interval(k, n)))
    columns = ["model", "step", *names, "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def variants(shares: pd.DataFrame) -> pd.DataFrame:
    """`against` of each deduplicated model and the standard one of its size, at the last step of all."""
    now = shares[shares["step"] == shares["step"].max()]
    by_size = now.assign(model=[find_model(name).size for name in now["model"]])
    both = [by_size[by_size["variant"] == variant] for variant in ("deduped", "standard")]
    table = against(*both, ("deduplicated", "standard"))
    return table.rename(columns={"model": "size"})


def gains(records: pd.DataFrame, kind: str) -> pd.DataFrame:
    """How much a planted document's continuation gains from having been read, by `numbered` subsets.

    The loss of the control, sequences of the same words that were never planted, minus that of the
    documents, at the same checkpoint: an estimate of counterfactual memorization (Lesci et al. 2024,
    section 3) with a randomized control. Errors of the two means are independent.

    Returns:
        Columns model, variant, n_params, step, number, value (nats a token), stderr, n, low, high (95%).
    """
    key = ["model", "step"]
    control = numbered(records, "never", "loss").set_index(key)[["value", "stderr"]]
    loss = numbered(records, kind, "loss").join(control.add_prefix("control_"), on=key)
    loss["value"] = loss["control_value"] - loss["value"]
    loss["stderr"] = np.hypot(loss["stderr"], loss["control_stderr"])
    columns = ["model", "variant", "n_params", "step", "metric", "number", "value", "stderr", "n"]
    return with_intervals(loss[columns])


def gain_trends(records: pd.DataFrame, bound: float) -> pd.DataFrame:
    """How the gain of the deciles' documents depends on their decile, at each model's last step.

    The slope of the gain is that of the loss, turned round: all documents have one control.

    Args:
        records: of the experiment.
        bound: for the test of equivalence, nats a token from the start of training to its end.

    Returns:
        A row a model: model, variant, slope with low and high (95%), p_value (of no slope),
        p_equivalent (of one beyond the bound), equivalent.
    """
    rows = []
    for row in final(records[records["metric"] == "position_trend"]).itertuples():
        trend = trend_of(-row.value, row.stderr, row.n - 2)
        test = equivalence(trend, bound)
        rows.append(
            {"model": row.model, "variant": row.variant}
            | {"slope": trend.slope, "low": trend.low, "high": trend.high}
            | {"p_value": trend.p_value, "p_equivalent": test.p_value}
            | {"equivalent": test.equivalent}
        )
    return pd.DataFrame(rows)


def predictions(records: pd.DataFrame, model: str) -> pd.DataFrame:
    """How well each checkpoint's memorized items tell those that `model` has memorized in the end.

    The measures of Biderman et al. (2023, "Emergent and predictable memorization", section 3): of the
    items that a checkpoint has memorized, the share that the final model has, too (precision); of those
    that the final model has, the share that the checkpoint has (recall). Only checkpoints of the same
    variant that were tested on as many sequences are compared.

    Returns:
        Columns model, step, metric (`precision`, `recall`), value, low, high (Wilson, 95%), n. Without
        a row where n is 0, and without any if `model` has no records.
    """
    tested = records[(records["metric"] == "memorized") & (records["subset"] == "all")]
    items = records[records["metric"] == "memorized_item"].groupby(["model", "step"])["subset"]
    sets = {key: set(names) for key, names in items}
    rows, target = [], tested[tested["model"] == model].sort_values("step").tail(1)
    truth = set().union(*(sets.get((model, step), set()) for step in target["step"]))
    alike = tested["variant"].isin(target["variant"]) & tested["n"].isin(target["n"])
    for row in tested[alike].itertuples():
        found = sets.get((row.model, row.step), set())
        for metric, whole in {"precision": found, "recall": truth}.items():
            if whole:
                rows.append((row.model, row.step, metric, len(found & truth), len(whole)))
    frame = pd.DataFrame(rows, columns=["model", "step", "metric", "hits", "n"])
    return stats.with_wilson_interval(frame, frame["hits"], frame["n"])
