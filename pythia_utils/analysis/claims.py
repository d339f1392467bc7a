"""Findings that a chapter states, each as a question to the records of one seed: does it hold there?

A sentence of the book that another seed would make false is a defect. So each experiment lists what it
found in `analysis/<experiment>/claims.py`; its chapter shows in how many seeds each holds, and a seed that
nobody looked at before can be asked the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pythia_utils.analysis import seeds

_UNTOLD = "cannot be told here"


@dataclass(frozen=True)
class Claim:
    """One finding.

    Attributes:
        name: of letters and dashes, unique in the book.
        experiment: whose records it is about.
        text: one sentence, without numbers that were measured.
        holds: says of the records of one seed's models (all sizes, both variants) whether it is so; None
            if these records cannot tell.
    """

    name: str
    experiment: str
    text: str
    holds: Callable[[pd.DataFrame], bool | None]


def verdicts(claims: Iterable[Claim], records: pd.DataFrame) -> pd.DataFrame:
    """What each seed says of each claim.

    Args:
        claims: of the experiment that the records are of.
        records: its tidy records, of any models and steps. Rows without a value tell nothing.

    Returns:
        A row for each claim and seed: claim (its name), text, seed, holds (True, False or None).
    """
    rows = [
        {"claim": claim.name, "text": claim.text, "seed": seed, "holds": _answer(claim, part)}
        for seed, part in seeds.each(records[records["value"].notna()])
        for claim in claims
    ]
    frame = pd.DataFrame(rows, columns=["claim", "text", "seed", "holds"])
    return frame.astype({"holds": object})


def _answer(claim: Claim, records: pd.DataFrame) -> bool | None:
    answer = claim.holds(records)
    if not isinstance(answer, bool | np.bool_ | None):  # nan would count as True
        raise TypeError(f"claim {claim.name} answers {answer!r}; expected True, False or None")
    return None if answer is None else bool(answer)


def table(claims: Iterable[Claim], records: pd.DataFrame) -> pd.DataFrame:
    """The claims as a chapter shows them.

    Returns:
        A row a claim, in their order: finding (the sentence), holds in (`4 of 4 seeds`; `cannot be told
        here` without records that tell), not in (the seeds that say otherwise, empty if none).
    """
    claims = list(claims)
    found = verdicts(claims, records)
    rows = []
    for claim in claims:
        told = found[(found["claim"] == claim.name) & found["holds"].notna()]
        against = told["seed"][~told["holds"].astype(bool)]
        n = len(told)
        holds = f"{n - len(against)} of {n} seed{'s' * (n != 1)}" if n else _UNTOLD
        rows.append({"finding": claim.text, "holds in": holds, "not in": ", ".join(against)})
    return pd.DataFrame(rows, columns=["finding", "holds in", "not in"])


def told(found: pd.DataFrame) -> pd.DataFrame:
    """Of `table` the claims that some seed can tell: for suites that have not what others were found on."""
    return found[found["holds in"] != _UNTOLD]
