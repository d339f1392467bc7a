"""A minimal pair: what nano's grammar draws, what files of others hold, and what models are asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MinimalPair:
    """An acceptable sentence and one that differs from it a little and is not acceptable.

    Attributes:
        phenomenon: what the pair tests: one of nano's, one of BLiMP's 12, a user's own.
        good: the acceptable sentence.
        bad: the other.
        field: of linguistics: morphology, syntax, semantics or syntax-semantics; empty if not told.
        paradigm: the construction, one of BLiMP's 67; elsewhere the phenomenon itself.
        combination: of nano's own, the two lemmas that training never combines; else None.
    """

    phenomenon: str
    good: str
    bad: str
    field: str = ""
    paradigm: str = ""
    combination: tuple[str, str] | None = None
