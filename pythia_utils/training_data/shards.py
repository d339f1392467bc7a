"""The shards of a preshuffled data set: their names and sizes, and reading them from a local folder.

A set is one long row of bytes, cut into files of one size (the last is shorter) that are numbered:
`document-00000-of-00020.bin` to `document-00020-of-00020.bin`. Rows of tokens may cross the cuts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import local_path
from pythia_utils.training_data.indexed_dataset import FileFormatError

HUB_LAST_SHARD = 20  # document-00000-of-00020.bin .. document-00020-of-00020.bin: 21 shards
HUB_SHARD_BYTES = 30_000_000_000
SHARD_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<last>\d{5})\.bin$")


@dataclass(frozen=True)
class Layout:
    """Names and sizes of the shards of a set.

    Attributes:
        last: number of the last shard; the first is 0.
        shard_bytes: of every shard but the last.
        last_bytes: of the last; None if not known.
        stem: names are `{stem}-00000-of-{last:05d}.bin`; with `single`, `{stem}.bin`.
        single: the shards were merged to one file.
    """

    last: int
    shard_bytes: int
    last_bytes: int | None = None
    stem: str = "document"
    single: bool = False

    def name(self, shard: int) -> str:
        """File name of a shard."""
        return f"{self.stem}.bin" if self.single else shard_name(self.stem, shard, self.last)

    def bytes(self) -> int | None:
        """Of all shards together; None if not known."""
        return None if self.last_bytes is None else self.last * self.shard_bytes + self.last_bytes

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Bytes `[start, stop)` of the whole as (shard, first byte in it, length), in order."""
        pieces = []
        while start < stop:
            shard = min(start // self.shard_bytes, self.last)
            end = stop if shard == self.last else min(stop, (shard + 1) * self.shard_bytes)
            pieces.append((shard, start - shard * self.shard_bytes, end - start))
            start = end
        return pieces

    def size_of(self, shard: int) -> int | None:
        """Bytes of one shard; None if not known."""
        return self.last_bytes if shard == self.last else self.shard_bytes


HUB_LAYOUT = Layout(HUB_LAST_SHARD, HUB_SHARD_BYTES)


def shard_name(stem: str, shard: int, last: int) -> str:
    """`document-00003-of-00020.bin`: the last number is the last shard's, not their count."""
    return f"{stem}-{shard:05d}-of-{last:05d}.bin"


class Shards(Protocol):
    """Where the shards lie."""

    layout: Layout

    @property
    def name(self) -> str:
        """What messages call them."""
        ...

    @property
    def identity(self) -> str:
        """Names these very bytes, for the cache; empty if they need none."""
        ...

    def read(self, shard: int, start: int, length: int) -> bytes:
        """Exactly these bytes of a shard."""
        ...

    def provenance(self) -> dict[str, str]:
        """Where the bytes are from."""
        ...


class LocalShards:
    """Shards in a folder. One `.bin` file of another name holds them merged.

    Of a set published by EleutherAI some shards suffice: how they are cut is known.

    Args:
        path: their folder; or, where other sets lie in it too, the beginning of their names, or one
            of the files.

    Raises:
        UsageError: no shard is there, or they are of more than one set, or of unequal sizes.
    """

    identity = ""

    def __init__(self, path: str | Path) -> None:
        path = local_path(path)
        self.folder, stem = (path, None) if path.is_dir() else (path.parent, _stem(path.name))
        self.layout = _local_layout(self.folder, stem)

    @property
    def name(self) -> str:
        return str(self.folder)

    @property
    def index(self) -> Path:
        """The `.idx` file that may lie beside them."""
        return self.folder / f"{self.layout.stem}.idx"

    def read(self, shard: int, start: int, length: int) -> bytes:
        """Exactly these bytes of a shard.

        Raises:
            UsageError: the shard is missing.
            FileFormatError: it ends before.
        """
        path = self.folder / self.layout.name(shard)
        try:
            with open(path, "rb") as file:
                file.seek(start)
                data = file.read(length)
        except FileNotFoundError:
            raise UsageError(f"{path} is missing; the sequences asked for are in it") from None
        if len(data) != length:
            found = f"the end after {len(data)}"
            raise FileFormatError(path, start + len(data), f"{length} bytes from {start}", found)
        return data

    def provenance(self) -> dict[str, str]:
        return {"source": str(self.folder)}


def _stem(name: str) -> str:
    """What the names of a set's files begin with, of one of them, or as it is."""
    shard = SHARD_NAME.match(name)
    return shard["stem"] if shard else re.sub(r"\.(bin|idx)$", "", name)


def _local_layout(folder: Path, stem: str | None = None) -> Layout:
    files = [path for path in sorted(folder.glob("*.bin")) if stem in (None, _stem(path.name))]
    if stem is not None and not files:
        shard = shard_name(stem, 0, HUB_LAST_SHARD)
        raise UsageError(f"{folder / stem}.bin is missing, and so are shards such as {shard}")
    named = [(path, match) for path in files if (match := SHARD_NAME.match(path.name))]
    if len(files) == 1 and not named:
        return Layout(0, 1, files[0].stat().st_size, files[0].stem, single=True)
    if not named:
        example = shard_name("document", 0, HUB_LAST_SHARD)
        raise UsageError(f"{folder} holds no shard; expected files like {example}")
    sets = {(match["stem"], int(match["last"])) for _, match in named}
    if len(sets) > 1:
        names = ", ".join(sorted(shard_name(stem, 0, last) for stem, last in sets))
        raise UsageError(f"{folder} holds shards of more than one set: {names}, ...")
    ((stem, last),) = sets
    sizes = {int(match["number"]): path.stat().st_size for path, match in named}
    return Layout(last, _common_size(folder, stem, last, sizes), sizes.get(last), stem)


def _common_size(folder: Path, stem: str, last: int, sizes: dict[int, int]) -> int:
    """Bytes of each shard but the last: the published sets', or what complete ones tell.

    A shard's place in the set depends on the sizes of all before it, so a missing or half-copied
    one would shift all later rows.
    """
    missing = [number for number in range(last + 1) if number not in sizes]
    full = [number for number in sorted(sizes) if number != last]
    size = HUB_SHARD_BYTES if missing or not full else sizes[full[0]]
    if missing and last != HUB_LAST_SHARD:
        path = folder / shard_name(stem, missing[0], last)
        raise UsageError(f"{path} is missing; expected all {last + 1} shards of the set")
    for number in full:
        if sizes[number] != size:
            path = folder / shard_name(stem, number, last)
            raise UsageError(
                f"{path} has {sizes[number]} bytes; expected {size}, as all but the last"
            )
    return size
