"""What `pythia fetch` brings: checkpoints, tokenizers, files of data sets, rows of training data.

With HF_HUB_OFFLINE nothing is asked: an item is there as a whole, or it is told that it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pythia_utils.base.http import FetchError, GaveUpError
from pythia_utils.base.units import show_size
from pythia_utils.cli.fetching import CHECKPOINT, FILE, RANGE, TOKENIZER, Item, Plan, Report, Row
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.suites.hub.files import HubFiles
from pythia_utils.suites.hub.hugging_face import is_offline
from pythia_utils.suites.shared_tokenizer import NAME, SHARED, cached_tokenizer, tokenizer_sources

if TYPE_CHECKING:
    from pythia_utils.suites.hub.cache import HubCache, Snapshot
    from pythia_utils.training_data.noted import Span

_T = TypeVar("_T")
_AT_A_TIME = 8  # questions to the Hub


# --- checkpoints ----------------------------------------------------------------------------------


def add_checkpoints(plan: Plan, cache: HubCache, checkpoints: Iterable[Checkpoint]) -> None:
    """Plan to bring checkpoints, and a tokenizer for those that have none: the Hub is asked for each."""
    chosen = list(dict.fromkeys(checkpoints))
    make = _cached_checkpoint if is_offline() else _described_checkpoint
    without: dict[Model, None] = {}
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        asked = [
            pool.submit(plan.patience.attempt, partial(make, cache, checkpoint, without))
            for checkpoint in chosen
        ]
        for checkpoint, future in zip(chosen, asked, strict=True):
            with plan.telling(_name(checkpoint)):
                plan.items.append(future.result())
    add_tokenizers(plan, [model for model in without if model.suite in SHARED])


def _name(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.model.name} {checkpoint.revision}"


def _described_checkpoint(
    cache: HubCache, checkpoint: Checkpoint, without: dict[Model, None]
) -> Item:
    """The item; a model that has no tokenizer is noted."""
    from pythia_utils.suites.hub import api

    revision = api.describe(checkpoint.model.repo_id, checkpoint.revision)
    files = {file.etag: file.size for file in revision.needed()}  # reads an index of weights
    if NAME not in revision.files:
        without[checkpoint.model] = None

    def bring(report: Report) -> Row:
        cache.progress = report
        return _checkpoint_row(checkpoint, cache.fetch(revision))

    return _checkpoint_item(checkpoint, files, cache.missing(revision), bring)


def _cached_checkpoint(cache: HubCache, checkpoint: Checkpoint, without: dict[Model, None]) -> Item:
    """The same where the Hub must not be asked."""
    found = cache.cached(str(checkpoint.model.repo_id), checkpoint.revision)
    sizes = {hash_: (found.folder / name).stat().st_size for name, hash_ in found.hashes.items()}
    row = _checkpoint_row(checkpoint, found)
    if NAME not in found.hashes:
        without[checkpoint.model] = None
    return _checkpoint_item(checkpoint, sizes, {}, lambda _report: row)


def _checkpoint_item(
    checkpoint: Checkpoint,
    parts: dict[str, int],
    missing: dict[str, int],
    bring: Callable[[Report], Row],
) -> Item:
    what = (_name(checkpoint), CHECKPOINT, checkpoint.model.name)
    return Item(*what, parts, missing, bring)


def _checkpoint_row(checkpoint: Checkpoint, found: Snapshot) -> Row:
    where = {"commit": found.commit, "folder": str(found.folder), "files": found.hashes}
    what = {"model": checkpoint.model.name, "step": checkpoint.step}
    return what | {"revision": checkpoint.revision} | where


# --- tokenizers ---------------------------------------------------------------------------------


def add_tokenizers(plan: Plan, models: Iterable[Model]) -> None:
    """Plan to bring the tokenizers of models, of whichever checkpoint; one serves those that share it."""
    for model in {SHARED.get(each.suite, each.name): each for each in models}.values():
        plan.add(f"tokenizer of {model.name}", partial(_tokenizer_item, model))


def _tokenizer_item(model: Model) -> Item:
    if found := cached_tokenizer(model):
        row = {"tokenizer": model.name, "folder": str(found.parent)}
        parts = {str(found): found.stat().st_size}
        return Item(
            f"tokenizer of {model.name}", TOKENIZER, model.name, parts, {}, lambda _report: row
        )
    *others, last = tokenizer_sources(model)
    for files in others:
        try:
            return _file_item(files, TOKENIZER)
        except GaveUpError:
            raise
        except FetchError:  # this one has none
            continue
    return _file_item(last, TOKENIZER)


# --- files ----------------------------------------------------------------------------------------


def add_files(plan: Plan, wanted: Iterable[HubFiles]) -> None:
    """Plan to bring files of data sets, or a tokenizer."""
    for files in dict.fromkeys(wanted):
        plan.add(files.repo_id, lambda files=files: _file_item(files))


def _file_item(files: HubFiles, kind: str = FILE) -> Item:
    if folder := files.cached():
        paths = (path for pattern in files.patterns for path in folder.glob(pattern))
        parts = {str(path): path.stat().st_size for path in paths}
        row = _files_row(files, folder, kind)
        return Item(files.repo_id, kind, files.repo_id, parts, {}, lambda _report: row)
    if is_offline():
        raise FetchError("not in the cache")
    revision = files.describe()
    missing = {file.etag: file.size for file in files.missing(revision)}

    def bring(report: Report) -> Row:
        return _files_row(files, files.fetch(revision, report), kind)

    parts = {file.etag: file.size for file in files.wanted(revision)}
    return Item(files.repo_id, kind, files.repo_id, parts, missing, bring)


def _files_row(files: HubFiles, folder: Path, kind: str) -> Row:
    named = {"tokenizer" if kind == TOKENIZER else "repository": files.repo_id}
    return named | {"commit": files.commit, "folder": str(folder)}


# --- rows of training data ------------------------------------------------------------------------


def add_rows(plan: Plan, spans: Iterable[Span]) -> None:
    """Plan to bring rows of training data, an item a data set, and the maps by which a seed's are found."""
    sets: dict[tuple, list[Span]] = {}
    for span in dict.fromkeys(spans):
        sets.setdefault((span.rows.origin.name, span.rows.row_bytes), []).append(span)
    for (what, _), of_one in sets.items():
        with plan.telling(what):
            item = plan.patience.attempt(partial(_rows_item, what, of_one))
            if item.missing and (maps := getattr(of_one[0].rows.origin, "files", None)):
                add_files(plan, [maps])
            plan.items.append(item)


def _rows_item(what: str, spans: list[Span]) -> Item:
    rows = spans[0].rows
    places = {rows.key(span.start, span.stop): span for span in spans}
    missing = {key: span.size for key, span in places.items() if not rows.cache.keep(key)}
    if missing and is_offline():
        total = show_size(sum(missing.values()))
        raise FetchError(f"{len(missing)} of {len(places)} pieces ({total}) are not in the cache")

    def keep(span: Span) -> int:
        rows.keep(span.start, span.stop)
        return span.size

    def bring(report: Report) -> Row:
        with ThreadPoolExecutor(rows.at_a_time) as pool:
            for size in _first_failure(pool, keep, [places[key] for key in missing]):
                report(size)
        where = {"pieces": len(places), "folder": str(rows.cache.folder / "kept")}
        return {"training_data": rows.origin.provenance()["source"]} | where

    parts = {key: span.size for key, span in places.items()}
    return Item(what, RANGE, what, parts, missing, bring)


def _first_failure(
    pool: ThreadPoolExecutor, work: Callable[[Any], _T], items: list
) -> Iterator[_T]:
    """`pool.map`, but that nothing more is begun when one has failed, or the caller has had enough."""
    futures = [pool.submit(work, item) for item in items]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
