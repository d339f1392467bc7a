"""What has run: the outcome of a cell, and the ledger that keeps all outcomes.

The ledger is a file of JSON lines, one an outcome, with the fingerprint of the cell by parts. It is
only ever appended to, and the last whole line of a cell counts: no clock is asked for the order.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pythia_utils.base.errors import naming
from pythia_utils.base.schemas import Choice, parse

FILE = "ledger.jsonl"
_MAYBE = type(None)
# What a line must say, and what it may; all of `parts` may be missing in the lines of older versions.
_PARTS = {"notebook?": str, "parameters?": dict, "inputs?": {str: str}, "libraries?": {str: str}}
_PARTS |= {"package?": {str: str}, "data?": {str: str}, "files?": {str: str}}
_SCHEMA = {"cell_id": str, "status": str, "seconds": float, "fingerprint": (str, _MAYBE)}
_SCHEMA |= {"parts": Choice(_MAYBE, _PARTS), "rows": (int, _MAYBE), "error?": (str, _MAYBE)}
_SCHEMA |= {"peak_memory_bytes?": (int, _MAYBE), "device?": (str, _MAYBE)}
_SCHEMA |= {"finished?": (str, _MAYBE)}
_SCHEMA |= {"notebook_sha256?": (str, _MAYBE), "records_sha256?": (str, _MAYBE)}
# Every line starts so; it spares parsing lines that a later one has replaced.
_CELL_ID = re.compile(rb'\{"cell_id": "([^"\\]+)"')


@dataclass(frozen=True)
class Outcome:
    """What became of one cell. Plain values only: it travels between processes and machines.

    Attributes:
        cell_id: the cell's id.
        status: `done`, `failed` or `interrupted`.
        seconds: wall time.
        error: one line, None if done.
        output: the executed notebook, or the one kept from a failure; None if there is neither.
        fingerprint: of the cell as it was run.
        parts: what the fingerprint was made of.
        rows: number of records; None if the notebook makes none.
        peak_memory_bytes: the most that the kernel and its children held; None if not known.
        device: `cpu` or the GPU's name; None if not known.
        notebook_sha256: digest of the executed notebook; None if there is none.
        records_sha256: digest of the records' file; None if there is none.
        files: contents of the files to keep, by suffix, on their way from a worker; else empty.
    """

    cell_id: str
    status: str
    seconds: float = 0.0
    error: str | None = None
    output: Path | None = None
    fingerprint: str | None = None
    parts: dict[str, Any] | None = None
    rows: int | None = None
    peak_memory_bytes: int | None = None
    device: str | None = None
    notebook_sha256: str | None = None
    records_sha256: str | None = None
    files: dict[str, bytes] = field(default_factory=dict, repr=False)


class Ledger:
    """The history of runs, one JSON line an outcome, only ever appended to.

    A kill can tear the last line; such a line is ignored, and the next one starts on its own. The file
    is read once, when it is first asked about; then this object knows what it appends itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._last: dict[str, dict] | None = None

    def append(self, outcome: Outcome) -> None:
        """Add a line, by one write: another process that appends does not get in between."""
        entry = asdict(outcome) | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
        del entry["output"], entry["files"]
        line = json.dumps(entry).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+b", buffering=0) as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            with naming(self.path):
                written = file.write(line)
            if written != len(line):
                raise OSError(f"{self.path} has no room for another line: is the disk full?")
        if self._last is not None:
            self._last[outcome.cell_id] = json.loads(line)

    def last(self) -> dict[str, dict]:
        """The last whole entry of each cell, by its id."""
        if self._last is None:
            self._last = self._read()
        return self._last

    def _read(self) -> dict[str, dict]:
        if not self.path.is_file():
            return {}
        entries: dict[str, dict] = {}
        for line in reversed(self.path.read_bytes().splitlines()):
            start = _CELL_ID.match(line)
            if start and start[1].decode(errors="replace") in entries:
                continue
            with suppress(ValueError):  # a line of another shape is ignored, as a torn one is
                entry = parse(line, _SCHEMA)
                if entry["parts"] is not None or entry["status"] != "done":
                    entries.setdefault(entry["cell_id"], entry)
        return entries
