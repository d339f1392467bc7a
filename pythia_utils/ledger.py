"""What has run, and so what must run now: outcomes, the ledger that keeps them, and the plan.

The ledger is a file of JSON lines, one an outcome, with the fingerprint of the cell by parts. `plan`
compares each cell with its last line and tells in words why it must run: `new`, `notebook changed`,
`package changed (scoring.py)`, `checkpoint changed`, `failed before`, `output missing`, ...
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pythia_utils.cells import Cell
from pythia_utils.checkpoints import is_available
from pythia_utils.errors import UsageError, unknown


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
    """

    cell_id: str
    status: str
    seconds: float = 0.0
    error: str | None = None
    output: Path | None = None
    fingerprint: str | None = None
    parts: dict[str, Any] | None = None
    rows: int | None = None


class Ledger:
    """The history of runs, one JSON line an outcome, only ever appended to.

    A kill can tear the last line; such a line is ignored, and the next one starts on its own.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, outcome: Outcome) -> None:
        """Add a line, by one write: another process that appends does not get in between."""
        entry = asdict(outcome) | {"finished": datetime.now(UTC).isoformat(timespec="seconds")}
        del entry["output"]
        line = json.dumps(entry).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a+b", buffering=0) as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)

    def last(self) -> dict[str, dict]:
        """The last entry of each cell, by its id."""
        if not self.path.is_file():
            return {}
        entries = {}
        for line in self.path.read_bytes().splitlines():
            try:
                entry = json.loads(line)
                entries[entry["cell_id"]] = entry
            except (ValueError, KeyError, TypeError):
                continue
        return entries


def plan(
    cells: Iterable[Cell], ledger: Ledger, rerun: str | None = None, dry_run: bool = False
) -> list[tuple[Cell, str | None]]:
    """Each cell with the reason why it must run, in words, or None if it is up to date.

    Args:
        cells: from `experiments.expand` or `experiments.chapters`.
        ledger: the history to compare with.
        rerun: `all` runs everything again.
        dry_run: name missing checkpoints as a reason instead of raising.

    Raises:
        UsageError: some cell's checkpoint is not trained yet.
    """
    if rerun not in (None, "all"):
        raise unknown("value of --rerun", rerun, ["all"])
    cells = list(cells)
    missing = {cell.id for cell in cells if cell.checkpoint and not is_available(cell.checkpoint)}
    if missing and not dry_run:
        raise _not_trained([cell for cell in cells if cell.id in missing])
    entries, memo = ledger.last(), {}
    planned = []
    for cell in cells:
        if cell.id in missing:
            planned.append((cell, "checkpoint missing"))
        else:
            planned.append((cell, _reason(cell, entries.get(cell.id), rerun, memo)))
    return planned


def _not_trained(cells: Sequence[Cell]) -> UsageError:
    checkpoints = list(dict.fromkeys(cell.checkpoint for cell in cells))
    first = f"{checkpoints[0].model.name} {checkpoints[0].revision}"
    rest = f" (nor are {len(checkpoints) - 1} other checkpoints)" if len(checkpoints) > 1 else ""
    run = " and ".join(dict.fromkeys(f"pythia train {c.model.suite}" for c in checkpoints))
    return UsageError(f"{first} is not trained yet{rest}; run: {run}")


def _reason(cell: Cell, entry: dict | None, rerun: str | None, memo: dict) -> str | None:
    if entry is None:
        return "new"
    if rerun == "all":
        return "forced"
    if entry["status"] != "done":
        return "failed before"
    parts = cell.parts(memo)
    if cell.fingerprint(parts) != entry["fingerprint"]:
        return _difference(parts, entry["parts"])
    has_records = entry["rows"] is not None
    if not cell.output.is_file() or (has_records and not cell.records.is_file()):
        return "output missing"
    return None


def _difference(new: dict[str, Any], old: dict[str, Any]) -> str:
    """Which parts of two fingerprints differ: `notebook changed, package changed (scoring.py)`."""
    reasons = ["notebook changed"] if new["notebook"] != old.get("notebook") else []
    for part in ("parameters", "package"):
        if changed := _changed(new[part], old.get(part, {})):
            reasons.append(f"{part} changed ({', '.join(changed)})")
    reasons += [f"{name} changed" for name in _changed(new["inputs"], old.get("inputs", {}))]
    return ", ".join(reasons) or "changed"


def _changed(new: dict, old: dict) -> list[str]:
    absent = object()
    return sorted(k for k in new | old if new.get(k, absent) != old.get(k, absent))
