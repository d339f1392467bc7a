"""Names that records of lenses and of patching share with their readers. No torch: chapters import it."""

from __future__ import annotations

LENSES = ("logit", "tuned")
CONSTANT = "constant"  # the best answer that does not see the text
ALL = "all"

AGREEMENT = ("subject_verb_agreement_attractor", "subject_verb_agreement_relative")
BETWEEN = ": "  # a phenomenon and a part in a record's subset
EVERYTHING, INTERACTION = "everything", "interaction"
BEST, USUAL = "best head", "mean head"


def name(lens: str, depth: int, of: str = "") -> str:
    """The subset of a record: `tuned 2`, or of some pairs `anaphor_agreement tuned 2`."""
    return f"{of} {lens} {depth}".strip()


def place(subset: str) -> tuple[str, str, int]:
    """The reverse of `name`: what it is of (empty of text), the lens, and the depth."""
    *of, lens, depth = subset.rsplit(" ", 2)
    return " ".join(of), lens, int(depth)
