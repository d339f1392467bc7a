"""The tokenizer of a checkpoint that has none of its own: all models of Pythia share one, GPT-NeoX-20B's.

What the Hub's cache has of any of them is taken without asking; else that of GPT-NeoX-20B is fetched, 2 MB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError
from pythia_utils.base.progress import say
from pythia_utils.suites.catalog import Checkpoint, Model, suite
from pythia_utils.suites.hub.files import HubFiles, cached_file
from pythia_utils.suites.identity import source_of

NAME = "tokenizer.json"
SHARED = {
    "pythia": "EleutherAI/gpt-neox-20b"
}  # suites whose models share a tokenizer, and whose it is


def tokenizer_folder(checkpoint: Checkpoint, folder: Path) -> Path:
    """The folder with the tokenizer of a checkpoint whose files are in `folder`: that, or the family's.

    Raises:
        UsageError: it has none, and those of its suite share none.
        FetchError: the family's cannot be had.
    """
    if (folder / NAME).is_file():
        return folder
    if checkpoint.model.suite not in SHARED:
        raise UsageError(f"{source_of(checkpoint)}: no {NAME}; `sweep` does without")
    found = cached_tokenizer(checkpoint.model) or _shared(checkpoint.model).bring() / NAME
    say(
        f"{source_of(checkpoint)} has no tokenizer; all {checkpoint.model.suite} models share {found}"
    )
    return found.parent


def tokenizer_file(model: Model) -> Path:
    """A model's `tokenizer.json`, whichever checkpoint it is from; fetched if the Hub's cache has none.

    Raises:
        FetchError: it cannot be had.
    """
    if found := cached_tokenizer(model):
        return found
    *others, last = tokenizer_sources(model)
    for files in others:
        with suppress(FetchError):
            return files.bring() / NAME
    return last.bring() / NAME


def cached_tokenizer(model: Model) -> Path | None:
    """What the cache has of the model's own repository, else of any that shares its tokenizer, if anything."""
    return next(filter(None, (cached_file(name, NAME) for name in _repositories(model))), None)


def tokenizer_sources(model: Model) -> list[HubFiles]:
    """Where on the Hub the tokenizer may be, the wanted first: the model's own, and the shared."""
    own = HubFiles(str(model.repo_id), "main", (NAME,), "model")
    return [own, _shared(model)] if model.suite in SHARED else [own]


def _shared(model: Model) -> HubFiles:
    return HubFiles(SHARED[model.suite], "main", (NAME,), "model")


def _repositories(model: Model) -> Iterator[str]:
    yield str(model.repo_id)
    if model.suite in SHARED:
        yield SHARED[model.suite]
        yield from (str(each.repo_id) for each in suite(model.suite).models.values())
