"""BLiMP's paradigms (Warstadt et al. 2020): what each tests. Its pairs are read by `evaluation.sets`."""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping

from pythia_utils.suites.catalog import data_file


@functools.cache
def blimp_paradigms() -> Mapping[str, tuple[str, str]]:
    """BLiMP's 67 paradigms: the phenomenon (of 12) and the field (of 4) of each, as its files say.

    One phenomenon lies in two fields: of the seven paradigms of negative polarity items the files
    count two as `syntax-semantics`, the others as `semantics`.
    """
    lines = data_file("blimp.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return {row["paradigm"]: (row["phenomenon"], row["field"]) for row in rows}
