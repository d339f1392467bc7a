"""From the records of experiment `induction` to what its chapter shows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds, select
from pythia_utils.analysis.induction.names import LEAST, SCORES
from pythia_utils.analysis.learning_curves import stays_above
from pythia_utils.analysis.stats import with_normal_interval, with_student_interval

GAINS = {
    "cache_gain": "cache gain",
    "in_order_gain": "in-order gain",
    "content_gain": "content gain",
}
ALL_SCORES = (*SCORES, "ablation")  # what is known of every head
HEAD = r"layer (?P<layer>\d+), head (?P<head>\d+)"
ABLATIONS = {
    "no head": "no head ablated",
    "heads found": "the heads found",
    "as many others": "as many others",
    "worst others": "the worst set of as many others",
}
_KEYS = ["model", "variant", "n_params", "step"]


def of(records: pd.DataFrame, metric: str, subset: str = "all") -> pd.DataFrame:
    """The records of one metric and subset with normal intervals over sequences, labelled by seed."""
    rows = records[(records["metric"] == metric) & (records["subset"] == subset)]
    return with_normal_interval(seeds.label(rows.reset_index(drop=True)))


def gains(records: pd.DataFrame) -> pd.DataFrame:
    """The three gains over the headline's sequences, one after the other: a column `gain` names them."""
    parts = [of(records, metric).assign(gain=name) for metric, name in GAINS.items()]
    return pd.concat(parts, ignore_index=True)


def by_test(records: pd.DataFrame, metric: str = "content_gain") -> pd.DataFrame:
    """A metric by kind of sequence, without the mean of them: column `test`, in the order of the records."""
    rows = records[(records["metric"] == metric) & (records["subset"] != "all")]
    rows = with_normal_interval(seeds.label(rows.reset_index(drop=True)))
    return rows.rename(columns={"subset": "test"})


def heads(records: pd.DataFrame) -> pd.DataFrame:
    """A row for each head of each model and step: layer, head, its scores, and `found`.

    `ablation` is nan where there was no gain to ablate; `found` is the head's place among those found, 0 if
    it is none of them.
    """
    rows = records[records["metric"].isin([*ALL_SCORES, "found"])]
    places = rows["subset"].str.extract(HEAD).astype(int)
    rows = rows.assign(layer=places["layer"], head=places["head"])
    table = rows.pivot_table(
        index=[*_KEYS, "layer", "head"], columns="metric", values="value", observed=True
    )
    table = table.reindex(columns=[*ALL_SCORES, "found"]).reset_index().rename_axis(columns=None)
    return table.assign(found=table["found"].fillna(0).astype(int))


def best_heads(records: pd.DataFrame, metric: str = "prefix_matching") -> pd.DataFrame:
    """The greatest value of a score over all heads of each model and step, labelled by seed."""
    rows = records[records["metric"] == metric]
    best = rows.groupby(_KEYS, as_index=False)["value"].max()
    return seeds.label(best)


def onsets(records: pd.DataFrame, share: float = 0.5) -> pd.DataFrame:
    """The step from which each model's content gain, and its best head's score, stay above half of their last.

    Between measured steps a curve is a straight line in log2(1 + step) (`learning_curves.stays_above`). A gain
    that is not clearly there at the last step (`LEAST`) has no onset, nor has the score beside it.

    Returns:
        A row a model measured at two steps or more, by size and seed: model, variant, size, seed, n_params,
        gain (the last), low, high, gain_onset, score (the best head's prefix matching, the last), score_onset.
    """
    gain, score = of(records, "content_gain"), best_heads(records)
    rows = []
    for model, own in gain.groupby("model", sort=False):
        own = own.sort_values("step")
        if len(own) < 2:
            continue
        last, best = own.iloc[-1], score[score["model"] == model].sort_values("step")
        row = {name: last[name] for name in _ONSETS[:5]}
        row |= {"gain": last["value"], "low": last["low"], "high": last["high"]}
        row |= {"score": best["value"].iloc[-1], "gain_onset": np.nan, "score_onset": np.nan}
        if last["low"] > LEAST:
            for name, curve in (("gain", own), ("score", best)):
                level = share * curve["value"].iloc[-1]
                row[f"{name}_onset"] = stays_above(curve["step"], curve["value"], level)
        rows.append(row)
    return pd.DataFrame(rows, columns=_ONSETS)


_ONSETS = ["model", "variant", "size", "seed", "n_params", "gain", "low", "high"]
_ONSETS += ["gain_onset", "score", "score_onset"]


def trials(records: pd.DataFrame) -> pd.DataFrame:
    """What is left of the gain when heads are ablated: column `ablated`, Student's intervals over sequences."""
    rows = records[records["metric"] == "gain_left"]
    rows = with_student_interval(seeds.label(rows.reset_index(drop=True)))
    return rows.assign(ablated=rows["subset"].map(ABLATIONS))


def shares_left(records: pd.DataFrame) -> pd.DataFrame:
    """What share of the gain is left at each model's last measured step where heads were found.

    Returns:
        A row a model: model, size, seed, step, found (the heads' names), whole (the gain, nats), and the
        shares `heads found`, `as many others` and `worst others` (nan without others).
    """
    tried = records[records["metric"] == "share_left"]
    last = select.final(tried)
    rows = []
    for (model, step), own in last.groupby(["model", "step"], sort=False):
        cell = records[(records["model"] == model) & (records["step"] == step)]
        found = cell[cell["metric"] == "found"].sort_values("value")["subset"]
        whole = cell[(cell["metric"] == "gain_left") & (cell["subset"] == "no head")]["value"].iloc[
            0
        ]
        shares = own.set_index("subset")["value"].reindex(list(ABLATIONS)[1:])
        row = {"model": model, "step": step, "found": "; ".join(found), "whole": whole}
        rows.append(row | shares.to_dict())
    columns = ["model", "step", "found", "whole", *list(ABLATIONS)[1:]]
    return seeds.label(pd.DataFrame(rows, columns=columns))


def ranks(records: pd.DataFrame) -> pd.DataFrame:
    """Of the heads found at each model's last step that has some: their places among all heads by each score.

    Returns:
        A row a head found: model, step, layer, head, found (its place by ablation), heads (how many there
        are), of each score its value and `<score>_place` (1 is the greatest).
    """
    table = heads(records)
    with_some = table[table.groupby(["model", "step"])["found"].transform("max") > 0]
    last = select.final(with_some)
    cells = last.groupby(["model", "step"])
    places = {
        f"{score}_place": cells[score].rank(ascending=False, method="min") for score in SCORES
    }
    last = last.assign(**places, heads=cells["head"].transform("size"))
    found = last[last["found"] > 0].sort_values(["n_params", "model", "found"])
    return found.reset_index(drop=True)


def echo(records: pd.DataFrame) -> pd.DataFrame:
    """Losses in the copy of echo documents: columns period, gap and `document`, by these."""
    rows = records[records["metric"] == "echo_loss"]
    lengths = rows["subset"].str.extract(r"^(\d+)(?:\+(\d+))?$").fillna("0").astype(int)
    rows = rows.assign(period=lengths[0], gap=lengths[1], document=rows["subset"])
    rows = with_normal_interval(seeds.label(rows.reset_index(drop=True)))
    return rows.sort_values(["n_params", "model", "step", "gap", "period"], ignore_index=True)
