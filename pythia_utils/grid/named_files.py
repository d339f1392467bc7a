"""Files that a notebook's parameters name: `pairs_from=my-pairs.csv`, `source=FOLDER`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import local_path, tree_digest
from pythia_utils.suites.catalog import find_model, named_file, suite_names

# What experiments know by name, though a folder may be called so, too.
_SETS = ("blimp", "wikitext", "pile-val", "pile-10k")
_ENDINGS = ("", ".bin", ".idx")  # a data set of tokens is named without its two endings


def file_digests(
    parameters: Mapping[str, Any], root: Path, digest: Callable[[Path], str]
) -> dict[str, str]:
    """Digests of the files and folders that parameters name, by the name given.

    A text counts as a file's name if there is such a file; addresses and names of suites, models and
    evaluation sets do not.

    Args:
        parameters: of a notebook, those that choose its checkpoint left out.
        root: the folder in which the notebook runs.
        digest: SHA-256 of a file; of a folder's files each is asked for.

    Raises:
        OSError: a file cannot be read.
    """
    return {
        name + ending: tree_digest(path, digest)
        for value in parameters.values()
        for name in _texts(value)
        if not _is_name(name)
        for ending in _ENDINGS
        if os.path.exists(
            path := named_file(name + ending, root)
        )  # false, too, of what no file is called
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _is_name(text: str) -> bool:
    if not text or "://" in text or "\0" in text or text in (*_SETS, *suite_names()):
        return True
    try:
        local_path(text)
    except UsageError:
        return True
    try:
        return bool(find_model(text))
    except UsageError:
        return False
