"""The mix of domains over training: is it the same from the first step to the last?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.base.errors import UsageError
from pythia_utils.nano import documents as nano_documents

DOMAINS = (*nano_documents.DOMAINS, "memorization")


def domains_of(pieces: pd.DataFrame) -> tuple[str, ...]:
    """The domains of a corpus some of whose pieces these are: `DOMAINS`, or the one of a text from elsewhere.

    Pieces without a column `domain` count as of `DOMAINS`.
    """
    there = set(pieces.get("domain", ()))
    return DOMAINS if there <= set(DOMAINS) else tuple(sorted(there))


def tokens_by_domain(pieces: pd.DataFrame) -> pd.DataFrame:
    """Tokens of each of `domains_of` the pieces (columns) in each sequence (rows: step, row)."""
    table = pieces.pivot_table("length", ["step", "row"], "domain", "sum", fill_value=0)
    return table.reindex(columns=pd.Index(domains_of(pieces)), fill_value=0)


# --- over the whole training ----------------------------------------------------------------------


def domain_counts(pieces: pd.DataFrame, total_steps: int, parts: int = 10) -> pd.DataFrame:
    """Documents of each of `DOMAINS` (columns) that each part of training reads (rows, from 0)."""
    begun = pieces[pieces["begins"]]
    part = (begun["step"] * parts // total_steps).rename("part")
    return pd.crosstab(part, begun["domain"]).reindex(columns=pd.Index(DOMAINS), fill_value=0)


def domain_shares(counts: pd.DataFrame, total_steps: int) -> pd.DataFrame:
    """`domain_counts` as shares of each part's documents, for `plots.trajectories`.

    Returns:
        Columns step (the middle of the part), domain, value, low and high (Wilson's 95% interval).
    """
    n = counts.sum(axis=1).to_numpy()
    middle = (counts.index.to_numpy() + 0.5) * total_steps / len(counts)
    lines = []
    for domain in counts:
        line = pd.DataFrame({"step": middle, "domain": domain})
        lines.append(stats.with_wilson_interval(line, counts[domain], n))
    return pd.concat(lines, ignore_index=True)


@dataclass(frozen=True)
class Homogeneity:
    """Whether the rows of a table of counts share one mix of columns: Pearson's chi-squared test.

    Attributes:
        chi_squared, dof, p_value: the test. Under one mix chi_squared is about dof.
        cramer_v: effect size, sqrt(chi_squared / (n (min(rows, columns) - 1))), from 0 to 1.
        by_chance: what it is where chi_squared equals dof.
        gap: largest distance of a share in a row from that of the whole.
        gap_row, gap_column: where that is.
    """

    chi_squared: float
    dof: int
    p_value: float
    cramer_v: float
    by_chance: float
    gap: float
    gap_row: int
    gap_column: str


def homogeneity(counts: pd.DataFrame) -> Homogeneity:
    """Test a table of counts of independent things, rows by columns, for one mix in all rows.

    Raises:
        UsageError: fewer than two rows or columns that hold anything.
    """
    counts = counts.loc[counts.sum(axis=1) > 0, counts.sum() > 0]
    if min(counts.shape) < 2:
        raise UsageError(f"one mix needs two rows and columns to compare; got {counts.shape}")
    from scipy.stats import chi2_contingency

    test = chi2_contingency(counts, correction=False)
    scale = counts.to_numpy().sum() * (min(counts.shape) - 1)
    shares = counts.div(counts.sum(axis=1), axis=0)
    gaps = (shares - counts.sum() / counts.to_numpy().sum()).abs()
    column = gaps.max().idxmax()
    v, by_chance = np.sqrt([test.statistic / scale, test.dof / scale]).tolist()
    where = (float(gaps[column].max()), gaps[column].idxmax(), column)
    return Homogeneity(test.statistic, test.dof, test.pvalue, v, by_chance, *where)


def read_before(pieces: pd.DataFrame, total_steps: int, parts: int = 50) -> pd.DataFrame:
    """The share of documents read in each part of training whose text was read before.

    Returns:
        Columns step (the middle of the part), value, low and high (Wilson's 95% interval).
    """
    begun = pieces[pieces["begins"]]
    part = begun["step"] * parts // total_steps
    again = (begun["earlier"] > 0).groupby(part).agg(["sum", "size"])
    middle = pd.DataFrame({"step": (again.index.to_numpy() + 0.5) * total_steps / parts})
    return stats.with_wilson_interval(middle, again["sum"], again["size"])
