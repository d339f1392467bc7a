"""Which pairs a checkpoint gets right, kept in its records, so that models are compared pair by pair.

Two models that answer the same pairs find the same ones hard. The difference of their accuracies is the mean
of the pairs' differences, and its error is that of this mean: smaller, as a rule, than if each model had had
pairs of its own. An accuracy alone does not tell; the answers do, one bit a pair.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
from scipy.stats import t

from pythia_utils.analysis.clusters import linked_mean
from pythia_utils.analysis.discoveries import with_finds
from pythia_utils.analysis.grammar.pair_words import words_of
from pythia_utils.nano.grammar import PHENOMENA, minimal_pairs

LONGEST = 1000  # pairs of a phenomenon whose answers are kept: beyond that errors are small anyhow


def as_records(scores: pd.DataFrame) -> list[dict]:
    """A row a phenomenon: metric `answers`, subset `PHENOMENON HEX`, value and n the right ones and all.

    HEX holds a bit a pair, in the order of the set, 1 for right, filled with zeros up to a whole digit.

    Args:
        scores: columns phenomenon, correct. Phenomena of more than `LONGEST` pairs are left out.
    """
    rows = []
    for name, part in scores.groupby("phenomenon", sort=False)["correct"]:
        if len(part) <= LONGEST:
            subset = f"{name} {np.packbits(part.to_numpy(bool)).tobytes().hex()}"
            rows.append({"metric": "answers", "subset": subset, "value": int(part.sum())})
            rows[-1] |= {"n": len(part)}
    return rows


def from_records(records: pd.DataFrame) -> dict[str, np.ndarray]:
    """The answers of one checkpoint, bool (pairs,), by phenomenon: the reverse of `as_records`."""
    found = {}
    for subset, n in zip(records["subset"], records["n"], strict=True):
        name, bits = subset.rsplit(" ", 1)
        found[name] = np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8))[: int(n)] > 0
    return found


def size_gain(records: pd.DataFrame, models: list[str]) -> tuple[pd.DataFrame, str]:
    """Final accuracy of the largest model minus that of the smallest, on the same pairs.

    The interval is Student's t of the pairs' differences, twins and pairs about one word being linked
    (`clusters.linked_mean`).

    Args:
        records: those of metric `answers`, of one evaluation set.
        models: of one seed and variant.

    Returns:
        Columns subset, value, low, high, dof, found (`discoveries.with_finds`), the largest gain first; and
        a title that names the models. Empty where the last step is one of a single size.
    """
    columns = ["subset", "value", "low", "high", "dof"]
    own = records[records["model"].isin(models)]
    final = own[own["step"] == own["step"].max()].sort_values("n_params", kind="stable")
    if final["n_params"].nunique() < 2:
        return pd.DataFrame(columns=[*columns, "found"]), ""
    small, large = final["model"].iloc[0], final["model"].iloc[-1]
    before, after = (from_records(final[final["model"] == name]) for name in (small, large))
    measured_on = final["measured_on"].iloc[0]
    rows = [
        (name, *_paired(name, before[name], after[name], measured_on))
        for name in before
        if name in after and len(before[name]) == len(after[name])
    ]
    table = with_finds(pd.DataFrame(rows, columns=columns))
    title = f"{large} minus {small} at step {final['step'].iloc[0]:,}"
    return table.sort_values("value", ascending=False, ignore_index=True), title


def _paired(
    name: str, before: np.ndarray, after: np.ndarray, measured_on: str
) -> tuple[float, float, float, float]:
    """The mean difference, the ends of its 95% interval, and its degrees of freedom."""
    twins, labels = _links(name, len(before), measured_on)
    value, stderr, dof = linked_mean(after.astype(float) - before, twins, labels)
    half = t.ppf(0.975, dof) * stderr
    return value, value - half, value + half, dof


@functools.cache
def _links(name: str, n: int, measured_on: str) -> tuple[np.ndarray, list[list[str]]]:
    """Twins and words of nano's pairs, which can be drawn again; pairs of other sets stand for themselves."""
    if measured_on != "nano" or name not in PHENOMENA:
        return np.arange(n), []
    words = words_of(minimal_pairs(name, n))
    return np.arange(n) // 2, [words["first_word"], words["second_word"]]
