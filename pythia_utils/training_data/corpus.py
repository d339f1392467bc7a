"""A local suite's corpus on disk, opened: documents, order, and the ground truth of what repeats.

`nano.corpus` makes it, and describes its files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pythia_utils.base.errors import UsageError
from pythia_utils.base.schemas import parse
from pythia_utils.suites.catalog import Suite
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.suites.folders import corpus_folder
from pythia_utils.training_data.indexed_dataset import IndexedDataset
from pythia_utils.training_data.order import Order, PackedDataset, build_order

END_OF_TEXT = "<|endoftext|>"  # id 0; ends every document, and stands for the unknown
PADDING = "<|padding|>"
VARIANTS = ("standard", "deduped")


# A memorization document is 32 random words: nothing but memory predicts its second half.
MEMORIZATION_LENGTH = 32
COPIES = (1, 2, 4, 8, 16, 32, 64)  # of the sequences placed anywhere in training

_MANIFEST = {"recipe": dict, "tokens": {str: int}, "sha256": {str: str}}


@dataclass(frozen=True)
class Corpus:
    """A corpus on disk."""

    suite: Suite

    @property
    def folder(self) -> Path:
        return corpus_folder(self.suite.name)

    @property
    def manifest(self) -> dict:
        """What is there and what made it; empty if there is no whole corpus."""
        try:
            return parse((self.folder / "manifest.json").read_bytes(), _MANIFEST)
        except (OSError, ValueError):
            return {}

    def tokenizer_file(self) -> Path:
        return self.folder / "tokenizer.json"

    def indexed(self, variant: str) -> IndexedDataset:
        """The documents of a variant."""
        return IndexedDataset(self.folder / variant)

    def training_data(self, variant: str, seed: int | None = None) -> PackedDataset:
        """The samples of a variant, (seq_length + 1,) tokens each, in the order of training.

        Args:
            variant: `standard` or `deduped`.
            seed: of the order; by default the suite's.
        """
        indexed = self.indexed(variant)
        indexed.verify()  # before memory is taken for what the sizes say
        return PackedDataset(indexed, order(self.suite, indexed.sizes, seed))

    def documents(self, variant: str) -> pd.DataFrame:
        """Ground truth, a row a document in the order of the file."""
        return pd.read_parquet(self.folder / f"{variant}.documents.parquet")

    def occurrences(self, variant: str) -> pd.DataFrame:
        """Ground truth, a row for each time that training reads a document, in the suite's own order."""
        return pd.read_parquet(self.folder / f"{variant}.occurrences.parquet")

    def facts(self) -> pd.DataFrame:
        """Ground truth of the facts domain, a row a fact.

        Raises:
            UsageError: the corpus is a text from elsewhere.
        """
        if self.suite.is_of_text:
            raise UsageError(
                f"{self.suite.name}'s text tells no facts that we know and have counted"
            )
        return pd.read_parquet(self.folder / "facts.parquet")


def open_corpus(suite_name: str) -> Corpus:
    """The corpus of a local suite.

    Raises:
        UsageError: a suite that has none, or one whose corpus has not been made.
    """
    suite = find_suite(suite_name)
    if suite.kind != "local":
        raise UsageError(f"suite {suite.name} has no corpus of ours; expected a suite trained here")
    corpus = Corpus(suite)
    if not corpus.manifest:
        raise UsageError(
            f"{suite.name} has no corpus in {corpus.folder}; run: pythia train {suite.name}"
        )
    return corpus


# --- order and files ------------------------------------------------------------------------------


def order(suite: Suite, sizes: Iterable[int], seed: int | None = None) -> Order:
    """GPT-NeoX's order of documents of these sizes, in tokens; by default of the suite's seed."""
    training = suite.training
    seed = training["seed"] if seed is None else seed
    samples = training["total_steps"] * training["batch_size"]
    return build_order(np.asarray(sizes), training["seq_length"], samples, seed)
