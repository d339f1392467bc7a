"""Evaluation sets by name: validation documents and minimal pairs, as text for any tokenizer.

Nano's own come from its grammar. The real Pythia can be measured on them too, which tells how hard
they are for a model that knows English, not how well Pythia learnt what it was trained on. BLiMP
(Warstadt et al. 2020) is the other way round: English at large, for which nano's lexicon is far too
small. Pairs of one's own come from a file.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import tree_digest
from pythia_utils.base.http import FetchError
from pythia_utils.evaluation.archives import ARCHIVES
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.evaluation.pair_files import FORMATS, pairs_of_rows, read_pairs
from pythia_utils.nano import grammar as nano_grammar
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import named_file, suite
from pythia_utils.suites.hub.files import HubFiles

BLIMP_REPOSITORY = "nyu-mll/blimp"  # a data set of the Hub: a Parquet file a paradigm
BLIMP_REVISION = "877fba0801ffb7cbd8c39c1ff314a46f053f6036"
BLIMP_PAIRS = 1000  # in each paradigm
_KNOWN = ("nano", "blimp")
NANO_PAIRS = 200  # of each of nano's phenomena, if not told otherwise; it can draw more


def minimal_pairs(n: int = NANO_PAIRS, seed: int = 0) -> list[MinimalPair]:
    """`n` minimal pairs of each of nano's phenomena, of word combinations that training never holds.

    Raises:
        UsageError: more pairs than a phenomenon has.
    """
    return list(_of_nano(n, seed))


@functools.lru_cache(maxsize=4)
def _of_nano(n: int, seed: int) -> tuple[MinimalPair, ...]:
    """Drawn once: many pages of a run ask for the same."""
    return tuple(
        pair
        for name in nano_grammar.PHENOMENA
        for pair in nano_grammar.minimal_pairs(name, n, seed)
    )


def load_pairs(
    source: str | Path, n: int | None = None, seed: int = 0, suite_name: str = ""
) -> list[MinimalPair]:
    """Load the minimal pairs of an evaluation set, those of a paradigm together.

    Args:
        source: `nano`, `blimp` (from the Hub, kept in its cache), or the path of a .jsonl, .csv or .tsv
            file, or of a folder or an archive (.zip, .tar.xz, ...) of such files, such as BLiMP's own.
        n: pairs of each paradigm, or all where it has fewer; None for all (of nano, which can draw
            any number, 200). With one seed, the first m of n are the same for every n.
        seed: of the drawing.
        suite_name: whose models are asked, if it matters: nano's pairs are none for a suite trained on a
            text from elsewhere, in which their words hardly stand.

    Returns:
        The pairs: two sentences each, with their paradigm, phenomenon and field.

    Raises:
        UsageError: unknown source, a row that is not a pair, or more of nano's pairs than exist.
        FetchError: BLiMP is neither in the Hub's cache nor to be had.
    """
    if n is not None and n < 1:
        raise UsageError(f"n is {n}; expected at least 1 minimal pair of each paradigm")
    if source == "nano" and suite_name and suite(suite_name).is_of_text:
        raise UsageError(
            f"nano's minimal pairs are made of words that {suite_name}'s text hardly has; "
            "expected pairs_from=blimp, or a file of pairs"
        )
    if source == "nano":
        return minimal_pairs(NANO_PAIRS if n is None else n, seed)
    return _drawn(_blimp() if source == "blimp" else _from_path(source), n, seed)


def set_name(source: str | Path) -> str:
    """What records call an evaluation set: `nano`, `blimp`, or a file's name and a digest of its contents."""
    if source in _KNOWN:
        return source
    path = named_file(source)
    return f"{path.name} {tree_digest(path)[:8]}"


def _from_path(source: str | Path) -> list[MinimalPair]:
    name = str(source)
    if (
        "/" in name
        or name.endswith((*ARCHIVES, *FORMATS, ".gz"))
        or Path(name).expanduser().exists()
    ):
        path = named_file(source)
        return read_pairs(path if path.exists() else source)  # as it was given, in the message
    raise unknown("set of minimal pairs", name, _KNOWN, where="(nor a file's path)")


def _drawn(pairs: Sequence[MinimalPair], n: int | None, seed: int) -> list[MinimalPair]:
    """The first `n` of each paradigm, shuffled: so a smaller draw is a part of every larger one."""
    paradigms: dict[str, list[MinimalPair]] = {}
    for pair in pairs:
        paradigms.setdefault(pair.paradigm, []).append(pair)
    if n is not None:
        for name, own in paradigms.items():
            random.Random(f"{name} {seed}").shuffle(own)
    return [pair for own in paradigms.values() for pair in own[:n]]


def _blimp() -> list[MinimalPair]:
    """BLiMP from the Hub, at a pinned revision, checked to be whole."""
    import pyarrow.parquet as pq

    try:
        folder = blimp_files().bring()
    except FetchError as error:
        raise FetchError(
            f"BLiMP could not be had from the Hub: {error}; without it, name a folder or an archive of "
            "its files instead of 'blimp'"
        ) from None
    pairs = []
    for file in sorted(folder.glob("**/*.parquet")):
        pairs += pairs_of_rows(pq.read_table(file).to_pylist(), file.parent.name)
    found = Counter(pair.paradigm for pair in pairs)
    for name in dict.fromkeys([*blimp_paradigms(), *found]):
        if found[name] != (BLIMP_PAIRS if name in blimp_paradigms() else 0):
            raise UsageError(
                f"BLiMP in {folder} has {found[name]} pairs of {name}; expected {BLIMP_PAIRS} of "
                f"each of its {len(blimp_paradigms())} paradigms: delete that folder and try again"
            )
    return pairs


def blimp_files() -> HubFiles:
    """BLiMP's files on the Hub: one a paradigm. The revision is a commit, so it cannot have changed."""
    patterns = tuple(f"{name}/*.parquet" for name in blimp_paradigms())
    return HubFiles(BLIMP_REPOSITORY, BLIMP_REVISION, patterns)
