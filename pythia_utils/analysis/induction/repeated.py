"""Which repeated sequences a model is tested on: an alphabet, a period and a gap, written `successors 6+8`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pythia_utils.base.errors import UsageError, quoted, unknown
from pythia_utils.evaluation.inference import context_of
from pythia_utils.evaluation.likelihood import first_token
from pythia_utils.evaluation.repeats import ALPHABETS, Repeats, alphabet, draw
from pythia_utils.suites.catalog import suite as find_suite

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The first is the one that heads are scored and ablated on, and its alphabet that of the headline. Documents of
# `successors` repeat after no fixed time and have few different symbols; those of `echo` repeat after 8 to 20.
MADE_TEXT = (
    *("successors 8", "successors 6", "successors 10", "successors 6+8"),
    *("symbols 20", "symbols 28", "symbols 14+12", "words 10"),
)
OTHERS = ("vocabulary 25", "vocabulary 100", "vocabulary 25+75")
# Periods of echo documents to copy, and one gap: training has 8 to 20 symbols and no gap.
ECHO = ((8, 0), (14, 0), (20, 0), (26, 0), (14, 12))
REFERENCE = 1  # seed of sequences that only give heads' mean outputs
_FORM = re.compile(r"([a-z]+) ([0-9]{1,5})(?:\+([0-9]{1,5}))?")


@dataclass(frozen=True)
class Test:
    """One kind of sequences.

    Attributes:
        alphabet: a name of `repeats.ALPHABETS`.
        period, gap: tokens.
    """

    alphabet: str
    period: int
    gap: int = 0

    @property
    def name(self) -> str:
        """As records call it: `successors 6`, `successors 6+8`."""
        return f"{self.alphabet} {length_name(self.period, self.gap)}"

    @property
    def length(self) -> int:
        """Tokens of a sequence, the one that begins it among them."""
        return 1 + 2 * self.period + self.gap

    def draw(self, tokenizer: PreTrainedTokenizerBase, n: int, seed: int = 0) -> Repeats:
        """`n` such sequences, of the tokenizer's tokens."""
        ids, begin = alphabet(tokenizer, self.alphabet), first_token(tokenizer)
        return draw(ids, self.period, self.gap, n, begin, seed)


def length_name(period: int, gap: int) -> str:
    """`14`, `14+12`: a period, and a gap if there is one."""
    return f"{period}+{gap}" if gap else f"{period}"


def chosen(
    suite: str, named: Sequence[str] = (), model: PreTrainedModel | None = None
) -> list[Test]:
    """The tests that are named, or of the usual ones of a suite those that a model can read.

    Raises:
        UsageError: an unknown suite, something that names no test, or one that is named twice.
    """
    tests = [parse(name) for name in named or _usual(suite)]
    if model is not None and not named:
        tests = [test for test in tests if test.length <= context_of(model)]
    if twice := [test.name for test in tests if tests.count(test) > 1]:
        raise UsageError(f"sequences {twice[0]!r} are named twice; expected each once")
    return tests


def named(names: Sequence[str]) -> str:
    """What records call the tests: `random tokens`, the suite's usual ones, or their names."""
    return ", ".join(parse(name).name for name in names) or "random tokens"


def _usual(suite: str) -> Sequence[str]:
    return MADE_TEXT if "made-text" in find_suite(suite).kinds else OTHERS


def parse(name: str) -> Test:
    """A test by its name.

    Raises:
        UsageError: it is none.
    """
    found = _FORM.fullmatch(name.strip())
    if not found:
        raise UsageError(
            f"sequences {quoted(name)}; expected an alphabet and a period, such as 'words 10', or with a gap "
            "'words 10+5'"
        )
    if found[1] not in ALPHABETS:
        raise unknown("alphabet", found[1], ALPHABETS)
    return Test(found[1], int(found[2]), int(found[3] or 0))


def echo(
    tokenizer: PreTrainedTokenizerBase, period: int, gap: int, n: int, seed: int = 0
) -> np.ndarray:
    """Documents as those of the domain `echo`, said twice: int64 (n, 1 + 2 period + gap).

    Symbols may come several times in what is said, as they do in training. With a gap, other symbols stand
    between.

    Raises:
        UsageError: a symbol that the tokenizer has no token for.
    """
    rng, ids = np.random.default_rng([seed, period, gap]), alphabet(tokenizer, "symbols")
    said, between = rng.choice(ids, (n, period)), rng.choice(ids, (n, gap))
    begin = np.full((n, 1), first_token(tokenizer))
    return np.concatenate([begin, said, between, said], axis=1)
