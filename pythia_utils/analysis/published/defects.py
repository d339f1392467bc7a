"""Checkpoints that others reported to be wrong, beside the errata of the suite, and why they differ.

The reports are facts of `data/published/checkpoint_defects.csv`; its column `errata` says how each stands to
`data/suites/pythia.yml`. Here that is not taken on trust: the checkpoints that a report names are looked up.
"""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import Checkpoint, find_model, suite
from pythia_utils.suites.errata import steps_in_words

SUITE = "pythia"
TABLE = "checkpoint_defects"
_AGREES = "as reported"


def named(models: str, steps: str) -> set[Checkpoint]:
    """The checkpoints that a report names, of those that the suite has; none where it names no steps.

    Args:
        models: `all models`, names with commas or slashes between them, ends of names after the first
            (`pythia-410m-seed9 / seed6`); what stands in brackets is no name.
        steps: numbers and ranges with commas or semicolons between them, `1 and later`; for names with slashes
            a part for each (`40000 / 88000`).
    """
    names = _names(models)
    texts = steps.split(" / ") if " / " in models else [steps] * len(names)
    found = zip(names, texts, strict=True)
    return {each for name, text in found for each in _at(name, text)}


def _names(models: str) -> list[str]:
    if models == "all models":
        return [name for name, model in suite(SUITE).models.items() if not model.version]
    first, *others = re.split(r"\s*[/,]\s*", re.sub(r"\s*\(.*\)", "", models))
    if others and others[0].isdigit():  # `-seed1,2`
        return [first, *(re.sub(r"\d+$", each, first) for each in others)]
    base = first.rpartition("-")[0]
    return [first, *(each if "-" in each else f"{base}-{each}" for each in others)]


def _at(name: str, text: str) -> list[Checkpoint]:
    """The checkpoints of a model at the steps that a text names."""
    model = find_model(name)
    later = re.fullmatch(r"(\d+) and later", text)
    ends = re.findall(r"(\d+)(?:-(\d+))?", text)
    spans = [(int(a), int(b or a)) for a, b in ends]
    if later:
        spans = [(int(later[1]), model.total_steps)]
    return [c for c in model.checkpoints for first, last in spans if first <= c.step <= last]


def table() -> pd.DataFrame:
    """The reports beside the errata.

    Returns:
        A row a report: models, steps, reported, issues (as they stand there); checkpoints (how many it names),
        listed (how many of these the errata name), kind (of these errata), why (what explains a difference; `as
        reported` where there is none).
    """
    reports = published_tables.read(TABLE)
    rows = [_row(report) for report in reports.itertuples()]
    return pd.DataFrame(rows)


def _row(report) -> dict:
    there = named(report.model, report.steps)
    kinds = Counter(erratum.kind for each in there for erratum in _own(each, report.source))
    why = report.errata.partition(": ")[2] or _AGREES
    return {
        "models": report.model,
        "steps": re.sub(r"[,;]\s*", ", ", report.steps),
        "reported": report.defect,
        "issues": ", ".join(re.findall(r"#\d+", report.source)),
        "checkpoints": len(there),
        "listed": sum(kinds.values()),
        "kind": ", ".join(sorted(kinds)) or "nothing",
        "why": why,
    }


def _own(checkpoint: Checkpoint, source: str) -> list:
    """The errata of a checkpoint that cite the first issue of a report: at most one."""
    issue = re.search(r"#\d+", source)[0]
    return [each for each in checkpoint.errata if each.source == f"P{issue}"][:1]


def unreported() -> dict[str, list[int]]:
    """Checkpoints with an erratum that no report here names, by model: steps."""
    reports = published_tables.read(TABLE)
    found = set().union(*(named(r.model, r.steps) for r in reports.itertuples()))
    rest: dict[str, list[int]] = {}
    for model in suite(SUITE).models.values():
        steps = [c.step for c in model.checkpoints if c.errata and c not in found]
        if steps:
            rest[model.name] = steps
    return rest


def in_words(rows: pd.DataFrame, rest: dict[str, list[int]]) -> str:
    """How many reports the errata follow, which not, and errata without a report. Markdown.

    Args:
        rows: of `table`.
        rest: of `unreported`.
    """
    none = rows["listed"].eq(0)
    whole = rows["listed"].eq(rows["checkpoints"]) & ~none
    text = (
        f"Of {len(rows)} reports the errata name all checkpoints of {whole.sum()}, some of "
        f"{(~whole & ~none).sum()} and none of {none.sum()}. "
    )
    if not rest:
        return text + "No erratum is without a report here."
    parts = [f"{markdown(n)} at {steps_in_words(find_model(n), own)}" for n, own in rest.items()]
    return f"{text}Errata that no report here names: {'; '.join(parts)}."
