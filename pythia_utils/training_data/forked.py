"""What a run reads that goes on from another with a changed text: the base's, and from a step on the other.

The changed text (`nano.changed` makes it) has as many documents as the corpus, each of as many tokens. So one
order serves both, and every token keeps its place in training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pythia_utils.base.errors import UsageError
from pythia_utils.base.schemas import parse
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import changed_folder
from pythia_utils.training_data.corpus import Corpus
from pythia_utils.training_data.indexed_dataset import IndexedDataset
from pythia_utils.training_data.order import Order, PackedDataset

TEXT = "text"  # the stem of the changed text's files
MANIFEST = "manifest.json"
_SHAPE = {"recipe": dict, "sha256": {str: str}, "documents": {str: int}}


class ForkedDataset(PackedDataset):
    """Training sequences in one order, of one text up to a position and of another from there on.

    Args:
        indexed: the documents before.
        changed: those after, of the same sizes.
        order: of both.
        first: training position of the first sequence of the changed text.

    Raises:
        UsageError: as `PackedDataset`: the changed text is of other sizes.
    """

    def __init__(
        self, indexed: IndexedDataset, changed: IndexedDataset, order: Order, first: int
    ) -> None:
        super().__init__(indexed, order)
        self.changed, self.first = PackedDataset(changed, order), first

    def __getitem__(self, index: int) -> np.ndarray:
        return self.changed[index] if index >= self.first else super().__getitem__(index)

    def _block(self, start: int, stop: int) -> np.ndarray:
        at = min(max(start, self.first), stop)
        before = [super()._block(start, at)] if start < at else []
        behind = [self.changed._block(at, stop)] if at < stop else []
        return np.concatenate([*before, *behind])


def manifest(folder: Path) -> dict:
    """What a changed text is and what made it; empty if there is no whole one."""
    try:
        return parse((folder / MANIFEST).read_bytes(), _SHAPE)
    except (OSError, ValueError):
        return {}


def training_rows(model: Model) -> PackedDataset:
    """The samples that a model trained here reads, in its order.

    Raises:
        UsageError: its corpus, or the text that its intervention reads, has not been made.
    """
    data = Corpus(suite(model.suite)).training_data(model.reads, model.data_seed)
    if model.fork is None:
        return data
    folder = changed_folder(model.suite, model.fork.intervention, model.reads)
    if not manifest(folder):
        run = f"pythia train {model.suite} --models {model.name}"
        raise UsageError(
            f"what {model.name} reads has not been made (nothing in {folder}); run: {run}"
        )
    changed = IndexedDataset(folder / TEXT)
    return ForkedDataset(data.indexed, changed, data.order, model.fork.step * model.batch_size)
