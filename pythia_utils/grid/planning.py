"""Which cells must run, and in which order.

`plan` compares each cell with the ledger and tells in words why it must run: `new`, `notebook
changed`, `package changed (base/units.py)`, `libraries changed (torch 2.13.0 -> 2.14.0)`, `data changed
(blimp.csv)`, `file changed (my-pairs.csv)`, `checkpoint changed`, `corpus changed`, `failed before`,
`output missing`, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from pythia_utils.base import files
from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import DigestCache
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.ledger import Ledger
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.folders import is_available
from pythia_utils.suites.hub.commits import current_commits
from pythia_utils.suites.identity import is_of_another_corpus, require

RERUN = ("failed", "stale", "all")
NO_CHECKPOINT = "checkpoint missing"
OTHER_CORPUS = "checkpoint of another corpus"
# Parts of a fingerprint whose names say what has changed, and the words for them.
_NAMED = {"parameters": "parameters", "package": "package", "data": "data", "files": "file"}


def plan(
    cells: Iterable[Cell], ledger: Ledger, rerun: str | None = None, dry_run: bool = False
) -> list[tuple[Cell, str | None]]:
    """Each cell with the reason why it must run, in words, or None if it need not.

    The Hub is asked, if it can be, for the commits of its checkpoints: once a repository. The cells that
    are given back know them.

    Args:
        cells: from `expand.expand` or `expand.chapters`.
        ledger: the history to compare with.
        rerun: by default all that is not up to date runs; `failed` and `stale` take only those;
            `all` runs everything again.
        dry_run: name checkpoints that are missing, or of another corpus, as a reason instead of raising.

    Raises:
        UsageError: some cell's checkpoint is not trained yet, or was on another corpus.
    """
    if rerun not in (None, *RERUN):
        raise unknown("value of --rerun", rerun, RERUN)
    cells = _at_commits(list(cells))
    unfit = _unfit(cells)
    if unfit and not dry_run:
        _refuse([cell for cell in cells if cell.id in unfit], unfit)
    entries, cache = ledger.last(), DigestCache(ledger.path.with_name(files.DIGESTS_FILE))
    memo: dict = {}
    planned = []
    for cell in cells:
        reason = unfit.get(cell.id)
        if reason is None:
            reason = _reason(cell, entries.get(cell.id), rerun, memo, cache)
        chosen = rerun in (None, "all", state(reason))
        planned.append((cell, reason if chosen else None))
    cache.save()
    return planned


def state(reason: str | None) -> str:
    """A reason in one word: `done`, `missing`, `failed` or `stale`."""
    words = {None: "done", "new": "missing", NO_CHECKPOINT: "missing", "failed before": "failed"}
    return words.get(reason, "stale")


def running_order(cells: Iterable[Cell]) -> list[Cell]:
    """Largest models first; all notebooks of a checkpoint one after the other; chapters last.

    What takes longest starts first, and a checkpoint is fetched, and read into the memory that the
    system keeps for files, once.
    """
    return sorted(cells, key=_place)


def _place(cell: Cell) -> tuple[int, int, str, int]:
    if (checkpoint := cell.checkpoint) is None:
        return (1, 0, "", 0)
    return (0, -checkpoint.model.total_params, checkpoint.model.name, checkpoint.step)


def _at_commits(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, those on the Hub's checkpoints with the commits that it tells now."""
    revisions = {cell.id: (c.model.repo_id, c.revision) for cell in cells if (c := cell.checkpoint)}
    commits = current_commits({repo_id for repo_id, _ in revisions.values() if repo_id})
    at = {name: commits[revision] for name, revision in revisions.items() if revision in commits}
    return [replace(cell, commit=at[cell.id]) if cell.id in at else cell for cell in cells]


def _unfit(cells: Sequence[Cell]) -> dict[str, str]:
    """Why some cells, by their ids, cannot run: the checkpoint is missing, or not of today's corpus."""
    checkpoints = {cell.checkpoint_name: cell.checkpoint for cell in cells if cell.checkpoint}
    faults = {name: _fault_of(checkpoint) for name, checkpoint in checkpoints.items()}
    found = {cell.id: faults.get(cell.checkpoint_name) for cell in cells}
    return {name: fault for name, fault in found.items() if fault}


def _fault_of(checkpoint: Checkpoint) -> str | None:
    if not is_available(checkpoint):
        return NO_CHECKPOINT
    ours = checkpoint.model.is_trained_here
    return OTHER_CORPUS if ours and is_of_another_corpus(checkpoint) else None


def _refuse(cells: Sequence[Cell], unfit: dict[str, str]) -> None:
    missing = [cell for cell in cells if unfit[cell.id] == NO_CHECKPOINT]
    if missing and missing[0].checkpoint.model.is_trained_here:
        raise _not_trained(missing)
    require(cells[0].checkpoint)


def _not_trained(cells: Sequence[Cell]) -> UsageError:
    checkpoints = list(dict.fromkeys(cell.checkpoint for cell in cells))
    first = f"{checkpoints[0].model.name} {checkpoints[0].revision}"
    rest = f" (nor are {len(checkpoints) - 1} other checkpoints)" if len(checkpoints) > 1 else ""
    run = " and ".join(dict.fromkeys(f"pythia train {c.model.suite}" for c in checkpoints))
    return UsageError(f"{first} is not trained yet{rest}; run: {run}")


def _reason(
    cell: Cell, entry: dict | None, rerun: str | None, memo: dict, cache: DigestCache
) -> str | None:
    if entry is None:
        return "new"
    if rerun == "all":
        return "forced"
    if entry["status"] != "done":
        return "failed before"
    parts = _without_news(cell.parts(memo, cache.digest), entry["parts"])
    # Equal parts make equal fingerprints; comparing them first spares thousands of digests.
    if parts != entry["parts"] and cell.fingerprint(parts) != entry["fingerprint"]:
        return _difference(parts, entry["parts"])
    return _fault(cell, entry, cache)


def _without_news(parts: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    """The parts, with the checkpoint's commit as it was where nothing tells it now: that is no change."""
    new = parts["inputs"].get("checkpoint", "")
    known = old.get("inputs", {}).get("checkpoint", "")
    if not new or not known.startswith(f"{new}@"):
        return parts
    return parts | {"inputs": parts["inputs"] | {"checkpoint": known}}


def _fault(cell: Cell, entry: dict, cache: DigestCache) -> str | None:
    """What is wrong with the files of a cell that has run: one is gone, or not as it was written."""
    expected = {cell.output: entry.get("notebook_sha256")}
    if entry["rows"] is not None:
        expected[cell.records] = entry.get("records_sha256")
    try:
        digests = {path: cache.digest(path) for path in expected}
    except OSError:
        return "output missing"
    same = all(wanted in (None, digests[path]) for path, wanted in expected.items())
    return None if same else "output changed"


def _difference(new: dict[str, Any], old: dict[str, Any]) -> str:
    """Which parts of two fingerprints differ: `notebook changed, package changed (base/units.py)`."""
    reasons = ["notebook changed"] if new["notebook"] != old.get("notebook") else []
    for part, word in _NAMED.items():
        if changed := _changed(new[part], old.get(part, {})):
            reasons.append(f"{word} changed ({', '.join(changed)})")
    versions = new["libraries"], old.get("libraries", {})
    if changed := _changed(*versions):
        shown = (" -> ".join(each.get(n, "none") for each in versions[::-1]) for n in changed)
        both = (f"{name} {text}" for name, text in zip(changed, shown, strict=True))
        reasons.append(f"libraries changed ({', '.join(both)})")
    reasons += [f"{name} changed" for name in _changed(new["inputs"], old.get("inputs", {}))]
    return ", ".join(reasons) or "changed"


def _changed(new: dict, old: dict) -> list[str]:
    absent = object()
    return sorted(k for k in new | old if new.get(k, absent) != old.get(k, absent))
