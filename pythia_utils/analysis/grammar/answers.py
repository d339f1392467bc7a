"""Which pairs a checkpoint gets right, kept in its records, so that models are compared pair by pair.

Two models that answer the same pairs find the same ones hard. The difference of their accuracies is the mean
of the pairs' differences, and its error is that of this mean: smaller, as a rule, than if each model had had
pairs of its own. An accuracy alone does not tell; the answers do, one bit a pair.
"""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import pandas as pd
from scipy.stats import t

from pythia_utils.analysis.clusters import linked_mean
from pythia_utils.analysis.discoveries import with_finds
from pythia_utils.analysis.grammar.pair_words import words_of
from pythia_utils.nano.grammar import PHENOMENA, minimal_pairs

_WITHIN = " > "
LONGEST = 1000  # pairs of a paradigm whose answers are kept: beyond that errors are small anyhow


def as_records(scores: pd.DataFrame) -> list[dict]:
    """A row a paradigm: metric `answers`, subset `PARADIGM HEX`, value and n the right ones and all.

    HEX holds a bit a pair, in the order of the set, 1 for right, filled with zeros up to a whole digit. Of a
    phenomenon that has several paradigms they are called `PHENOMENON > PARADIGM`.

    Args:
        scores: columns phenomenon, correct, and paradigm unless each phenomenon is one. Paradigms of more than
            `LONGEST` pairs are left out.
    """
    by = ["phenomenon", "paradigm"] if "paradigm" in scores else ["phenomenon"]
    groups, rows = {name: part["correct"] for name, part in scores.groupby(by, sort=False)}, []
    times = Counter(phenomenon for phenomenon, *_ in groups)
    for (phenomenon, *paradigm), part in groups.items():
        if len(part) <= LONGEST:
            name = _WITHIN.join([phenomenon, *paradigm]) if times[phenomenon] > 1 else phenomenon
            subset = f"{name} {np.packbits(part.to_numpy(bool)).tobytes().hex()}"
            rows.append({"metric": "answers", "subset": subset, "value": int(part.sum())})
            rows[-1] |= {"n": len(part)}
    return rows


def from_records(records: pd.DataFrame) -> dict[str, np.ndarray]:
    """The answers of one checkpoint, bool (pairs,), by the names of `as_records`, whose reverse this is."""
    found = {}
    for subset, n in zip(records["subset"], records["n"], strict=True):
        name, bits = subset.rsplit(" ", 1)
        found[name] = np.unpackbits(np.frombuffer(bytes.fromhex(bits), np.uint8))[: int(n)] > 0
    return found


def size_gain(records: pd.DataFrame, models: list[str]) -> tuple[pd.DataFrame, str]:
    """Final accuracy of the largest model minus that of the smallest, on the same pairs.

    The interval is Student's t of the pairs' differences, twins and pairs about one word being linked
    (`clusters.linked_mean`). Paradigms of a phenomenon weigh the same, and are taken as they are: the error of
    their mean is that of independent ones, with the degrees of freedom of the one that has fewest.

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
    parts: dict[str, list[tuple[float, float, float]]] = {}
    for name in before:
        if name in after and len(before[name]) == len(after[name]):
            paired = _paired(name, before[name], after[name], measured_on)
            parts.setdefault(name.partition(_WITHIN)[0], []).append(paired)
    rows = [(name, *_mean_gain(own)) for name, own in parts.items()]
    table = with_finds(pd.DataFrame(rows, columns=columns))
    title = f"{large} minus {small} at step {final['step'].iloc[0]:,}"
    return table.sort_values("value", ascending=False, ignore_index=True), title


def _paired(
    name: str, before: np.ndarray, after: np.ndarray, measured_on: str
) -> tuple[float, float, float]:
    """The mean difference of a paradigm's pairs, its error, and its degrees of freedom."""
    twins, labels = _links(name, len(before), measured_on)
    return linked_mean(after.astype(float) - before, twins, labels)


def _mean_gain(parts: list[tuple[float, float, float]]) -> tuple[float, float, float, float]:
    """Over paradigms: the mean difference, the ends of its 95% interval, and its degrees of freedom."""
    values, errors, dofs = np.array(parts).T
    value, dof = values.mean(), dofs.min()
    half = t.ppf(0.975, dof) * np.sqrt(np.sum(errors**2)) / len(parts)
    return value, value - half, value + half, dof


@functools.cache
def _links(name: str, n: int, measured_on: str) -> tuple[np.ndarray, list[list[str]]]:
    """Twins and words of nano's pairs, which can be drawn again; pairs of other sets stand for themselves."""
    if measured_on != "nano" or name not in PHENOMENA:
        return np.arange(n), []
    words = words_of(minimal_pairs(name, n))
    return np.arange(n) // 2, [words["first_word"], words["second_word"]]
