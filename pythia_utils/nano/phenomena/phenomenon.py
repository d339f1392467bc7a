"""What a phenomenon is: a name for people, and a function that draws two sentences with a slot each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pythia_utils.nano.held_out import Words
from pythia_utils.nano.phrases import Rng, Twins


@dataclass(frozen=True)
class Phenomenon:
    """A contrast of English grammar that a model may or may not know.

    Attributes:
        name: identifier, as in `minimal_pairs(name, n)`.
        title: for people.
        field: BLiMP's field of linguistics: morphology, syntax, semantics or syntax-semantics.
        example: one pair as "good/*bad" within its sentence.
        unseen: the words that training never combines and each pair does.
        share: percentage of training sentences that are its good halves.
        twins: draws words and returns two frames in which good and bad change places, or None where
            the words drawn do not go together.
    """

    name: str
    title: str
    field: str
    example: str
    unseen: str
    share: int
    twins: Callable[[Rng, Words], Twins | None]

    def draw(self, rng: Rng, words: Words) -> Twins:
        """The first twins that go together."""
        while (twins := self.twins(rng, words)) is None:
            pass
        return twins


def phenomenon(title: str, field: str, example: str, unseen: str, share: int) -> Callable:
    """Make the decorated function a `Phenomenon` of its own name."""

    def named(twins: Callable[[Rng, Words], Twins | None]) -> Phenomenon:
        return Phenomenon(twins.__name__, title, field, example, unseen, share, twins)

    return named
