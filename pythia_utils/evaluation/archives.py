"""The files of a folder or an archive, read where they lie: each of them whole, or an error."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pythia_utils.base.errors import UsageError

ARCHIVES = (".tar.xz", ".tar.gz", ".tgz", ".tar", ".zip")
# What the libraries raise for a file that is cut, damaged, foreign or locked by a password.
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error)
_BROKEN += (EOFError, RuntimeError, NotImplementedError)


def read_files(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Path and contents of the wanted files, in the order of their names; nothing is extracted to disk.

    Args:
        path: a file, a folder, or an archive with one of the endings `ARCHIVES`. What ends in `.gz` is
            unpacked.
        wanted: whether a file of this name is read. Hidden files are not, in folders and archives.

    Raises:
        UsageError: an archive that is not whole.
    """
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.is_file() and _is_wanted(file.name, wanted):
                yield str(file), _unpacked(str(file), file.read_bytes())
    elif path.name.endswith(ARCHIVES):
        members = _of_zip if path.name.endswith(".zip") else _of_tar
        with _Whole(path):
            files = sorted(members(path, wanted))
        for name, content in files:
            yield f"{path}/{name}", _unpacked(f"{path}/{name}", content)
    else:
        yield str(path), _unpacked(str(path), path.read_bytes())


class _Whole:
    """A block in which an archive proves to be broken ends in one line."""

    def __init__(self, name: object) -> None:
        self.name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _BROKEN):
            reason = (str(error).splitlines() or ["it breaks off"])[0].rstrip(":")
            raise UsageError(f"{self.name} is not a whole archive: {reason}") from None


def _is_wanted(name: str, wanted: Callable[[str], bool]) -> bool:
    # Archives made on a Mac hold `__MACOSX/._name` beside each file.
    return wanted(name) and not Path(name).name.startswith(".")


def _unpacked(name: str, content: bytes) -> bytes:
    if not name.endswith(".gz"):
        return content
    with _Whole(name):
        return gzip.decompress(content)


def _of_zip(path: Path, wanted: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        return [(name, archive.read(name)) for name in names if _is_wanted(name, wanted)]


def _of_tar(path: Path, wanted: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        # In the order of the archive: going back would unpack it from its start again.
        files = [
            (member.name, archive.extractfile(member).read())
            for member in archive
            if member.isfile() and _is_wanted(member.name, wanted)
        ]
        _require_end(archive)
    return files


def _require_end(archive: tarfile.TarFile) -> None:
    """See the block of zeros that ends an archive: tarfile takes whatever it cannot read for the end.

    Then read on to the end of the stream, where a compressed one has its checksum.
    """
    archive.fileobj.seek(archive.offset)
    end = archive.fileobj.read(tarfile.BLOCKSIZE)
    if len(end) < tarfile.BLOCKSIZE or end.strip(b"\0"):
        raise tarfile.ReadError(f"it breaks off, or is damaged, at byte {archive.offset:,}")
    while archive.fileobj.read(1 << 20):
        pass
