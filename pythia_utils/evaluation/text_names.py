"""The texts that there are to measure the loss on, and what records call them; nothing is fetched here.

Apart from `text_sets`, which reads them: what shows records does not depend on how files come from the Hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pythia_utils.base.errors import unknown
from pythia_utils.base.files import tree_digest
from pythia_utils.evaluation.pair_files import missing
from pythia_utils.evaluation.text_files import FORMATS


@dataclass(frozen=True)
class HubTexts:
    """A data set of the Hub: one file at one commit.

    Attributes:
        repository: its name.
        commit: 40 hex digits.
        file: its path there.
    """

    repository: str
    commit: str
    file: str


WIKITEXT = "wikitext"
HUB_TEXTS = {
    WIKITEXT: HubTexts(
        "Salesforce/wikitext",
        "b08601e04326c79dfdd32d625aee71d232d685c3",
        "wikitext-2-raw-v1/test-00000-of-00001.parquet",
    ),
    "pile-val": HubTexts(
        "monology/pile-uncopyrighted",
        "3be90335b66f24456a5d6659d9c8d208c0357119",
        "val.jsonl.zst",  # held out of training; five parts were taken off for their copyright
    ),
    "pile-10k": HubTexts(
        "NeelNanda/pile-10k",
        "127bfedcd5047750df5ccf3a12979a47bfa0bafa",
        "data/train-00000-of-00001-4746b8785c874cc7.parquet",  # training text
    ),
}


def set_name(texts: str) -> str:
    """What records call a set: the name and the commit's beginning, or a file's name and that of its digest.

    Raises:
        UsageError: unknown name.
    """
    if texts in HUB_TEXTS:
        return f"{texts} {HUB_TEXTS[texts].commit[:8]}"
    path = path_of(texts)
    return f"{path.name} {tree_digest(path)[:8]}"


def path_of(texts: str) -> Path:
    """The path that a text names: it is no name of `HUB_TEXTS`.

    Raises:
        UsageError: there is nothing.
    """
    path = Path(texts).expanduser()
    if path.exists():
        return path
    if "/" in texts or path.name.endswith((*FORMATS, ".gz", ".zst")):
        raise missing(path)
    raise unknown("set of texts", texts, HUB_TEXTS, where="(nor a file's path)")
