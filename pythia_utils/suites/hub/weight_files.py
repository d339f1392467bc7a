"""Which files hold a checkpoint's weights: its index says so, where there is one, not the files' names.

A folder may hold two sets of shards, or shards with names of their own: everything that opens weights
asks here, so that all of it opens the same ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

SINGLES = ("model.safetensors", "pytorch_model.bin")  # the wanted first; `.index.json` if cut up


class CorruptFileError(OSError):
    """A file that is not what its format demands. Nothing of it is used."""


@dataclass(frozen=True)
class WeightFiles:
    """A complete set of weights.

    Attributes:
        files: names of the files with tensors.
        index: name of the index that names them; None for a single file.
        places: the file of each tensor, by the tensor's name; empty for a single file.
    """

    files: tuple[str, ...]
    index: str | None
    places: dict[str, str]

    @property
    def suffix(self) -> str:
        """`.safetensors` or `.bin`."""
        return Path(self.files[0]).suffix


def choose_weights(names: Container[str], read: Callable[[str], bytes]) -> WeightFiles | None:
    """The weights to open of the files that are there; None if no set is complete.

    Raises:
        CorruptFileError: an index that is none.
    """
    for single in SINGLES:
        if single in names:
            return WeightFiles((single,), None, {})
        if (index := f"{single}.index.json") in names:
            places = parse_index(read(index), index)
            files = tuple(sorted(set(places.values())))
            if all(file in names for file in files):
                return WeightFiles(files, index, places)
    return None


def weights_in(folder: Path) -> WeightFiles | None:
    """The same of a folder."""
    names = {path.name for path in folder.glob("*") if path.exists()}
    return choose_weights(names, lambda name: (folder / name).read_bytes())


def parse_index(text: bytes, where: str) -> dict[str, str]:
    """File names by tensor, from the index of a checkpoint in several files.

    Raises:
        CorruptFileError: it is no such index, or names a file outside its own folder.
    """
    try:
        places = dict(json.loads(text)["weight_map"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise CorruptFileError(f"{where} has no weight_map") from None
    suffix = Path(where.removesuffix(".index.json")).suffix
    for name, file in places.items():
        if not re.fullmatch(rf"[A-Za-z0-9_][A-Za-z0-9_.-]*\{suffix}", str(file)):
            raise CorruptFileError(f"{where}: {name} is in {file!r}, which is no {suffix} file")
    if not places:
        raise CorruptFileError(f"{where} names no tensors")
    return places
