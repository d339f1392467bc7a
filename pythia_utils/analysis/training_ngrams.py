"""N-gram models of what a model read in training: counted once, kept, and opened by every page that asks.

Suites trained here: every sequence that training read. Pythia's: ten batches spread evenly over training, 21
million tokens, for counting all 300 billion is another project's work; that takes a minute and three
gigabytes of memory. Its greater n are therefore those of a small sample, in which most contexts are new.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.evaluation import ngrams
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.suites.catalog import Model, find_model
from pythia_utils.suites.folders import home
from pythia_utils.training_data.source import TrainingData, open_source

ORDER = 5  # the greatest n; lower ones are in the same counts
BATCHES = 10  # that are counted where training is too long for all of it
_log = logging.getLogger(__name__)


def spread(steps: int, batches: int, shift: float = 0.5) -> list[int]:
    """Training steps, evenly over the first `steps`: each at this place (0 to 1) of its equal stretch.

    Fewer than `batches` where there are fewer steps.
    """
    return sorted({int((index + shift) * steps / batches) for index in range(batches)})


def training_rows(
    data: TrainingData, step: int | None = None, batches: int | None = None
) -> np.ndarray:
    """What training read before a step.

    Args:
        data: opened.
        step: the run's own steps before which to count; None for the whole of training.
        batches: how many to take, spread evenly; None for all.

    Returns:
        Token ids, int64 (rows, seq_length + 1). The first of a row is only an input: it was, or is, the
        target of another row.

    Raises:
        UsageError: no such step, or no batches asked for; and as `TrainingData.batch` does.
    """
    stop = data.total_steps if step is None else step
    if not 0 <= stop <= data.total_steps or (batches is not None and batches < 1):
        raise UsageError(
            f"{'all' if batches is None else batches} batches before step {stop} of {data.name}; "
            f"expected at least one, and steps up to {data.total_steps}"
        )
    if batches is None:
        return data.sequences(0, stop * data.batch_size)
    return np.concatenate(list(some_batches(data, stop, batches)))


def some_batches(data: TrainingData, stop: int, batches: int) -> Iterator[np.ndarray]:
    """The batches that stand for all before step `stop`, one after another."""
    return (data.batch(each) for each in spread(stop, batches))


def how_many(model: Model, batches: int | None = None) -> int | None:
    """How many batches are counted: as given, else `BATCHES` of a model of the Hub, None for all of ours."""
    return BATCHES if batches is None and model.repo_id is not None else batches


@functools.lru_cache(maxsize=1)
def fitted(
    model: str, order: int = ORDER, step: int | None = None, batches: int | None = None
) -> NgramModel:
    """The n-gram model of what a model read in training.

    Counts are kept in `PYTHIA_HOME/ngrams`, by a digest of the very tokens and of the code that counts, and in
    this process; of one model, order, step and number of batches the newest alone.

    Args:
        model: name; of this book's suites, or Pythia's, whose batches are then fetched.
        order: the greatest n.
        step: checkpoint before which training is counted; None for the whole of it.
        batches: how many to count, spread evenly; None for all of a suite trained here, and for `BATCHES`
            of Pythia's.

    Raises:
        UsageError: an unknown model, one without data, nothing read before that step.
        FetchError: the Hub does not deliver.
    """
    named = find_model(model)
    batches = how_many(named, batches)
    stop = None if step is None else named.checkpoint(step).true_step
    rows = training_rows(open_source(model), stop, batches)
    kept = f"{model}-{order}-{'all' if stop is None else stop}-{batches or 'all'}-"
    return _kept(kept, rows, order, named.vocab_size)


def _kept(name: str, rows: np.ndarray, order: int, vocab_size: int) -> NgramModel:
    """The model of these rows: opened where it was kept, else counted and kept."""
    folder = home() / "ngrams"
    path = folder / f"{name}{_digest(rows, order, vocab_size)}.npz"
    if path.is_file():
        try:
            return NgramModel.load(path)
        except UsageError as failure:
            _log.warning("%s; it is counted again", failure)
    model = NgramModel.fit(rows, order, vocab_size, context_only=1)
    _keep(model, path, name)
    return model


def _keep(model: NgramModel, path: Path, name: str) -> None:
    """Store a model in place of any of the same name. A full disk is no error."""
    try:
        with atomic_write(path) as temporary:
            model.save(temporary)
        for other in path.parent.glob(f"{name}*.npz"):
            if other != path:
                other.unlink(missing_ok=True)
    except OSError as failure:
        _log.warning("%s: the counts are not kept (%s)", path.parent, failure)


def _digest(rows: np.ndarray, order: int, vocab_size: int) -> str:
    """Of what is counted and how: 16 hex digits."""
    digest = hashlib.sha256(f"{order} {vocab_size} {rows.shape}".encode())
    digest.update(Path(ngrams.__file__).read_bytes())
    digest.update(np.ascontiguousarray(rows))
    return digest.hexdigest()[:16]
