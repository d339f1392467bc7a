"""Errors of means and correlations over items that are not independent: they share a twin or a word.

Two pairs of sentences about one verb are no two votes on what models know of verbs. The variance of a
sum over linked items is Σ e_a e_b over all a, b that share a label, e being what each item adds to the
deviation: errors clustered in several ways at once (Cameron, Gelbach and Miller 2011), which
for items that join two words each are dyadic errors (Aronow, Samii and Assenova 2015).
How far such an error can be trusted depends on the number of clusters and on how unequal they are:
`effective_clusters`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from pythia_utils.analysis.stats import wilson_interval

# A word of more than this share of the items is part of a construction, as *this* is of agreement with
# demonstratives and *is* of agreement with verbs: it was not drawn from many words of its kind.
COMMON = 0.2
FEWEST = 10  # words or units that a correlation needs
_CHUNK = 1000  # units whose links are held in memory at once


def effective_clusters(labels: Sequence, alike: bool = True) -> float:
    """How many equal clusters would be as good as these, of sizes n.

    Args:
        labels: (items,) of their clusters.
        alike: whether items of a cluster are wholly alike, the worst case: (Σ n²)² / Σ n⁴ (Carter, Schnepel
            and Steigerwald 2017). Else, where they are a little alike, (Σ n)² / Σ n² (Kish 1965).

    Returns:
        The number of clusters if all are of one size.
    """
    codes, _ = pd.factorize(np.asarray(labels))
    sizes = np.bincount(codes[codes >= 0]).astype(float)
    sizes = sizes**2 if alike else sizes
    return float(np.sum(sizes) ** 2 / np.sum(sizes**2))


def linked_squares(
    totals: np.ndarray, units: Sequence, labels: Sequence[Sequence]
) -> float | np.ndarray:
    """Σ e_a e_b over all units a, b that share a label; each shares one with itself.

    Not less than Σ e_a², the sum for units without links: where the estimate is lower it is noise.

    Args:
        totals: (..., items) float, what each item adds to the deviation of a sum.
        units: (items,) a label that is always shared, such as the twin.
        labels: columns of (items,) labels; the same label in two columns is the same thing, so that
            a word links pairs wherever it stands.

    Returns:
        (...), a number for one sum.
    """
    unit, _ = pd.factorize(np.asarray(units))
    totals = np.asarray(totals, dtype=float)
    flat = totals.reshape(-1, totals.shape[-1])
    sums = np.stack([np.bincount(unit, row) for row in flat], axis=1)  # (units, sums)
    alone = np.sum(sums**2, axis=0)
    squares = np.maximum(alone, _over_links(sums, unit, labels)) if labels else alone
    return float(squares[0]) if totals.ndim == 1 else squares.reshape(totals.shape[:-1])


def _over_links(sums: np.ndarray, unit: np.ndarray, labels: Sequence[Sequence]) -> np.ndarray:
    codes, names = pd.factorize(np.concatenate([_texts(column) for column in labels]))
    where = (np.ones(len(codes)), (np.tile(unit, len(labels)), codes))
    belongs = csr_array(where, shape=(len(sums), len(names)))
    linked = np.zeros(sums.shape[1])
    for start in range(0, len(sums), _CHUNK):
        part = slice(start, start + _CHUNK)
        links = (belongs[part] @ belongs.T).tocsr()
        links.data[:] = 1
        linked += np.sum(sums[part] * (links @ sums), axis=0)
    return linked


def _texts(labels: Sequence) -> np.ndarray:
    """Labels as texts, objects of Python: for a few hundred the fastest there is."""
    return np.array(list(map(str, np.asarray(labels, dtype=object))), dtype=object)


def _drawn(labels: Sequence[Sequence], units: Sequence) -> list[np.ndarray]:
    """The columns of labels without those that are too common to have been drawn: there a unit is alone."""
    columns, alone = [], "\0" + _texts(units)
    for column in labels:
        names = _texts(column)
        codes, _ = pd.factorize(names)
        common = np.bincount(codes)[codes] > COMMON * len(names)
        if not common.all():
            columns.append(np.where(common, alone, names))
    return columns


def degrees_of_freedom(units: Sequence, labels: Sequence[Sequence], alike: bool = False) -> float:
    """One less than the effective clusters of the column that has fewest, one at least."""
    fewest = min(effective_clusters(column, alike) for column in (units, *labels))
    return max(fewest - 1, 1.0)


def effective_n(
    correct: Sequence, units: Sequence, labels: Sequence[Sequence] = ()
) -> float | np.ndarray:
    """How many independent answers a share of linked ones is worth (Kish 1965).

    n over the design effect: the variance of the share with links over that without. Both are taken
    with two units more, one all right and one all wrong, since a share of 0 or 1, or twins that always
    cancel, would have no variance (as Agresti and Coull 1998 add two successes and two failures). The
    variance has the factor G / (G - 1) of the effective clusters, G, and (t(n - 1) / t(G - 1))² allows for
    few of them (Korn and Graubard 1998): the Wilson interval of this n is as wide as the clusters make it.

    Args:
        correct: (..., n) answers, of one model or of several to the same questions.
        units: (n,) labels of those that belong together always, such as twins.
        labels: columns of further labels, such as words; very common ones link nothing (`COMMON`).

    Returns:
        (...), n itself where every answer is a unit of its own and there are no labels.
    """
    from scipy.stats import t

    y, labels = np.asarray(correct, dtype=float), _drawn(labels, units)
    n = y.shape[-1]
    unit, names = pd.factorize(np.asarray(units))
    size = round(n / len(names))  # answers in one of the two units more
    both = np.broadcast_to(np.repeat([1.0, 0.0], size), (*y.shape[:-1], 2 * size))
    y = np.concatenate([y, both], axis=-1)
    unit = np.concatenate([unit, np.repeat([len(names), len(names) + 1], size)])
    more = [np.concatenate([c, np.repeat(["+", "-"], size)]) for c in labels]
    e, dof = y - y.mean(axis=-1, keepdims=True), degrees_of_freedom(units, labels)
    linked = linked_squares(e, unit, more) * (dof + 1) / dof
    alone = np.sum(e**2, axis=-1) * n / max(n - 1, 1)
    few = t.ppf(0.975, max(n - 1, 1)) / t.ppf(0.975, dof)
    found = n * alone / linked * few**2
    return float(found) if y.ndim == 1 else found


def linked_proportion(
    correct: Sequence, units: Sequence, labels: Sequence[Sequence] = ()
) -> tuple[float | np.ndarray, ...]:
    """A share with the Wilson interval of its `effective_n`.

    Args:
        correct, units, labels: as of `effective_n`.

    Returns:
        The share, its standard error (half the interval's width over the normal quantile), low, high: a
        number each, or of several models (...).
    """
    from scipy.special import ndtri

    share, n = np.mean(np.asarray(correct), axis=-1), effective_n(correct, units, labels)
    low, high = wilson_interval(share * n, np.maximum(n, 1.0))
    found = share, (high - low) / (2 * float(ndtri(0.975))), low, high
    return tuple(map(float, found)) if np.ndim(share) == 0 else found


def linked_mean(
    values: Sequence, units: Sequence, labels: Sequence[Sequence] = ()
) -> tuple[float | np.ndarray, float | np.ndarray, float]:
    """A mean over linked items with its standard error and degrees of freedom.

    Made for differences on the same items, such as one model's answers less another's: a paired
    comparison, in which what both find easy or hard cancels.

    Args:
        values: (..., n) float, one mean's items or several's.
        units, labels: as of `effective_n`.

    Returns:
        Mean, error (a number each, or of several means (...)) and degrees of freedom; the error of one unit
        is nan.
    """
    x, labels = np.asarray(values, dtype=float), _drawn(labels, units)
    count, freedom = len(np.unique(units)), degrees_of_freedom(units, labels)
    mean = x.mean(axis=-1)
    if count < 2:
        error = np.full_like(mean, np.nan)
    else:
        squares = linked_squares(x - mean[..., None], units, labels) * (freedom + 1) / freedom
        error = np.sqrt(squares) / x.shape[-1]
    return (float(mean), float(error), freedom) if x.ndim == 1 else (mean, error, freedom)


def as_of_a_normal(stderr: float | np.ndarray, dof: float) -> float | np.ndarray:
    """The error whose normal 95% interval is as wide as Student's of `stderr` with `dof`: for records."""
    from scipy.stats import norm, t

    return stderr * float(t.ppf(0.975, dof) / norm.ppf(0.975))


def rank_correlation(
    x: Sequence[float],
    y: Sequence[float],
    groups: Sequence | None = None,
    units: Sequence | None = None,
    labels: Sequence[Sequence] = (),
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Spearman's rank correlation r within groups, with an interval that allows for linked items.

    Ranks are taken and centred within each group, so that differences between groups add nothing.
    The error of r is linearised: with standardised ranks u, v the influence of an item is
    u v - r (u² + v²)/2 (Devlin, Gnanadesikan and Kettenring 1975, section 2), and influences of linked
    items are summed as `linked_squares` does. The interval is tanh(atanh r ± t se / (1 - r²)), t of
    `degrees_of_freedom`.

    Args:
        x, y: (n,) values.
        groups: (n,) labels; all one group if None.
        units: (n,) labels of items that are not independent; each its own if None.
        labels: columns of further labels, such as words.
        confidence: two-sided.

    Returns:
        r and the ends of its interval; nan where x or y is constant within every group, or where
        there are fewer than `FEWEST` units, or one column of labels takes fewer values.
    """
    from scipy.stats import t

    n, nothing = len(x), (float("nan"),) * 3
    groups = np.zeros(n) if groups is None else pd.factorize(np.asarray(groups))[0]
    units = np.arange(n) if units is None else np.asarray(units)
    if min(len(set(_texts(column))) for column in (units, *labels)) < FEWEST:
        return nothing
    u, v = _centred_ranks(x, groups), _centred_ranks(y, groups)
    if min(u.std(), v.std()) < 1e-12:
        return nothing
    u, v = u / np.sqrt(np.mean(u**2)), v / np.sqrt(np.mean(v**2))
    r = float(np.clip(np.mean(u * v), -1 + 1e-9, 1 - 1e-9))
    count = len(np.unique(units))
    squares = linked_squares(u * v - r * (u**2 + v**2) / 2, units, labels) * count / (count - 1)
    freedom = degrees_of_freedom(
        units, labels, alike=True
    )  # a liking for a word is one in all its items
    half = t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(squares) / n / (1 - r**2)
    return r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))


def _centred_ranks(values: Sequence[float], groups: np.ndarray) -> np.ndarray:
    ranks = pd.Series(np.asarray(values, dtype=float)).groupby(groups).rank(pct=True)
    return (ranks - ranks.groupby(groups).transform("mean")).to_numpy()
