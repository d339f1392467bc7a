"""The records of experiment `memorization` as the chapter's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pythia_utils.analysis import order_tests, stats
from pythia_utils.analysis.memorization.deciles import equivalence
from pythia_utils.analysis.memorization.kinds import KINDS
from pythia_utils.analysis.seeds import label
from pythia_utils.analysis.select import largest
from pythia_utils.suites.catalog import find_model

SHARES = ("memorized", "memorized_sequences")  # metrics that are shares of texts, and of sequences


def with_intervals(records: pd.DataFrame) -> pd.DataFrame:
    """Records with columns low and high, 95%: Wilson's for shares memorized, else Student's t of the mean.

    The interval of a matched share is cut to [0, 1]; it has no width where all documents are alike.
    """
    frame, n = stats.with_student_interval(records), records["n"].to_numpy(float)
    matched, shares = records["metric"] == "matched", records["metric"].isin(SHARES)
    frame.loc[matched, ["low", "high"]] = frame.loc[matched, ["low", "high"]].clip(0, 1)
    low, high = stats.wilson_interval(frame["value"][shares] * n[shares], n[shares])
    frame.loc[shares, "low"], frame.loc[shares, "high"] = low, high
    return frame


def by_copies(cell: pd.DataFrame) -> pd.DataFrame:
    """One cell's rows of documents that were planted anywhere, and of the control, with a label."""
    part = cell[cell["subset"].str.fullmatch(r"copies-\d+|never-0")]
    label = part["subset"].str.replace("-", " ").replace("never 0", "control")
    return part.assign(label=label)


def by_age(cell: pd.DataFrame) -> pd.DataFrame:
    """One cell's rows of metric `age_gain`, the newest class first, with a label."""
    part = cell[cell["metric"] == "age_gain"]
    return part.assign(label="at most " + part["subset"].str.removeprefix("age-") + " steps ago")


def largest_size(records: pd.DataFrame) -> pd.DataFrame:
    """The records of the largest size, standard if there is any: all its seeds."""
    model = find_model(largest(records))
    models = {name: find_model(name) for name in records["model"].unique()}
    alike = [n for n, m in models.items() if (m.size, m.variant) == (model.size, model.variant)]
    return records[records["model"].isin(alike)]


def numbered(records: pd.DataFrame, kind: str, metric: str = "memorized") -> pd.DataFrame:
    """The records of subsets `kind-0`, `kind-1`, ...: with their number, sorted by it, and intervals."""
    part = records[records["metric"] == metric]
    number = part["subset"].str.extract(rf"^{kind}-(\d+)$", expand=False)
    part = part.assign(number=number)[number.notna()].astype({"number": int})
    return with_intervals(part.sort_values(["n_params", "variant", "model", "step", "number"]))


def of_read(
    records: pd.DataFrame, metric: str = "memorized_sequences", least: int = 200
) -> pd.DataFrame:
    """The share memorized of what each checkpoint had read at the tested places, with intervals.

    Args:
        records: of any cells.
        metric: one of `SHARES`.
        least: checkpoints that had read fewer of the tested are left out: their shares say nothing.

    Returns:
        The records with columns low, high, sorted by size, variant, model and step.
    """
    found = (records["metric"] == metric) & (records["subset"] == "seen") & (records["n"] >= least)
    order = ["n_params", "variant", "model", "step"]
    return with_intervals(records[found].sort_values(order, ignore_index=True))


def counts(records: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Columns number, memorized (int), tested (int): counts of the subsets `kind-…`, over all given cells."""
    part = numbered(records, kind)
    part = part.assign(memorized=part["value"] * part["n"].astype(float), tested=part["n"])
    both = part.groupby("number")[["memorized", "tested"]].sum().reset_index()
    return both.astype({"memorized": float}).round().astype(int)


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


def kinds(records: pd.DataFrame) -> pd.DataFrame:
    """Recited, reconstructed and recollected texts, of those of each kind that were read, by model.

    Args:
        records: one step a model.

    Returns:
        Columns model and one for each kind (`3 of 200`), of the kinds that there are.
    """
    part = records[(records["metric"] == "memorized") & records["subset"].isin(KINDS)]
    count = (part["value"] * part["n"].astype(float)).round().astype(int)
    shown = [f"{k} of {n:,}" for k, n in zip(count, part["n"], strict=True)]
    wide = part.assign(shown=shown).pivot_table("shown", "model", "subset", "first", sort=False)
    columns = [kind for kind in KINDS if kind in wide]
    return wide[columns].fillna("none of this kind").reset_index().rename_axis(columns=None)


def same_texts(records: pd.DataFrame) -> pd.DataFrame:
    """How much more a standard model gains from a text than the deduplicated one of its size and seed.

    The same planted documents, each against itself: the standard corpus holds so many copies of it, the
    deduplicated one a single copy. The interval is Student's over documents, paired; with it goes the
    error of the two controls, as if they were independent.

    Returns:
        Columns model (the standard one), step, number (of copies), value (nats a token), stderr, n, low,
        high (95%); at the last step that both have.
    """
    keys = ["size", "seed", "step"]
    pattern = r"^copies-(?P<number>\d+)-document-(?P<content>\d+)$"
    own = label(records[records["metric"] == "document_loss"])
    own = own.join(own["subset"].str.extract(pattern))
    control = label(numbered(records, "never", "loss"))[[*keys, "variant", "value", "stderr"]]
    own = own.merge(control, on=[*keys, "variant"], suffixes=("", "_control"))
    own["gain"] = own["value_control"] - own["value"]
    sides = [own[own["variant"] == variant] for variant in ("standard", "deduped")]
    both = sides[0].merge(sides[1], on=[*keys, "number", "content"], suffixes=("", "_deduped"))
    both = both[both["step"] == both.groupby(["size", "seed"])["step"].transform("max")]
    rows = [
        (*key, *_paired(part))
        for key, part in both.astype({"number": int}).groupby(["model", "step", "number"])
    ]
    frame = pd.DataFrame(rows, columns=["model", "step", "number", "value", "stderr", "n"])
    return stats.with_student_interval(frame)


def _paired(part: pd.DataFrame) -> tuple[float, float, int]:
    """Mean difference of the two gains of the same documents, its error and their number."""
    value, error = stats.mean_and_stderr(part["gain"] - part["gain_deduped"])
    controls = part[["stderr_control", "stderr_control_deduped"]].iloc[0]
    return value, float(np.sqrt(error**2 + np.sum(controls**2))), len(part)


def ages(records: pd.DataFrame) -> pd.DataFrame:
    """What one reading of an ordinary sequence has left, by how many steps ago it was.

    Returns:
        The records of metric `age_gain`, sorted, with columns number (the class: at most so many steps),
        low, high (95%).
    """
    return numbered(records, "age", "age_gain")


def correlations(records: pd.DataFrame, which: str = "read") -> pd.DataFrame:
    """The rank test of the order at each checkpoint.

    Args:
        records: of the experiment.
        which: `read`, or the placebo `unread`.

    Returns:
        Columns model, step, value (Spearman's r), n, p_value (two-sided, of no correlation: the t
        approximation to its distribution under all orders).
    """
    found = (records["metric"] == "order_correlation") & (records["subset"] == which)
    part = records.loc[found, ["model", "step", "value", "n"]].astype({"n": float})
    t = part["value"] * np.sqrt((part["n"] - 2) / (1 - part["value"] ** 2))
    return part.assign(p_value=2 * student.sf(t.abs(), part["n"] - 2)).astype({"n": int})


def places(records: pd.DataFrame, ratio: float) -> pd.DataFrame:
    """Whether the rate of memorized texts depends on the stretch of training, as asked of Pythia.

    Args:
        records: one step a model.
        ratio: of the rates at both ends of training that counts as equal.

    Returns:
        A row a model: model, memorized, tested (texts), index and p_dispersion (`order_tests.dispersion`),
        change (the factor of the odds from the first stretch to the last), low, high (95%), p_trend,
        p_equivalent, power, says (`deciles.equivalence`); without models that memorized nothing or all.
    """
    rows = []
    for model, part in records.groupby("model", sort=False):
        found = counts(part, "block")
        k, n = found["memorized"], found["tested"]
        if len(found) < 3 or not 0 < k.sum() < n.sum():
            continue
        spread = order_tests.dispersion(k, n)
        trend = order_tests.share_trend(k, n, (found["number"] + 0.5) / len(found))
        change = dict(
            zip(
                ("change", "low", "high"), np.exp([trend.slope, trend.low, trend.high]), strict=True
            )
        )
        row = {"model": model, "memorized": k.sum(), "tested": n.sum(), "index": spread.index}
        row |= {"p_dispersion": spread.p_value} | change | {"p_trend": trend.p_value}
        rows.append(row | equivalence(trend, np.log(ratio)))
    columns = ["model", "memorized", "tested", "index", "p_dispersion", "change", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "p_trend", "p_equivalent", "power", "says"])


def predictions(records: pd.DataFrame, model: str) -> pd.DataFrame:
    """How well each checkpoint's memorized items tell those that `model` has memorized in the end.

    The measures of Biderman et al. (2023, "Emergent and predictable memorization", section 3): of the
    items that a checkpoint has memorized, the share that the final model has, too (precision); of those
    that the final model has, the share that the checkpoint has (recall). Only checkpoints of models that
    read the same data in the same order, and were tested on as many texts, are compared.

    Returns:
        Columns model, step, metric (`precision`, `recall`), value, low, high (Wilson, 95%), n. Without
        a row where n is 0, and without any if `model` has no records.
    """
    tested = label(records[(records["metric"] == "memorized") & (records["subset"] == "all")])
    items = records[records["metric"] == "memorized_item"].groupby(["model", "step"])["subset"]
    sets = {key: set(names) for key, names in items}
    rows, target = [], tested[tested["model"] == model].sort_values("step").tail(1)
    truth = set().union(*(sets.get((model, step), set()) for step in target["step"]))
    same = ["variant", "data_seed", "n"]
    for row in tested.merge(target[same].drop_duplicates(), on=same).itertuples():
        found = sets.get((row.model, row.step), set())
        for metric, whole in {"precision": found, "recall": truth}.items():
            if whole:
                rows.append((row.model, row.step, metric, len(found & truth), len(whole)))
    frame = pd.DataFrame(rows, columns=["model", "step", "metric", "hits", "n"])
    return stats.with_wilson_interval(frame, frame["hits"], frame["n"])
