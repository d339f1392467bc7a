"""The files of a corpus: its tokenizer, and a variant's documents with the table of what they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pythia_utils.base.files import atomic_write
from pythia_utils.suites.catalog import Suite
from pythia_utils.training_data.corpus import END_OF_TEXT, PADDING, order
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset
from pythia_utils.training_data.order import document_occurrences


@dataclass
class Entry:
    """A document to be: its tokens, where it comes from, and which distinct content it is."""

    tokens: np.ndarray
    domain: str
    content: int
    facts: tuple[int, ...] = ()
    placement: str = ""


def train_tokenizer(suite: Suite, texts: Iterable[str], path: Path):
    """Byte-level BPE without the 256-byte alphabet (most bytes never occur); digits stand alone.

    Args:
        suite: whose corpus says how large the vocabulary is.
        texts: to train on.
        path: of `tokenizer.json`, which is written.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=END_OF_TEXT))
    # A space before the first word, so that a word is one token wherever it stands.
    words = pre_tokenizers.ByteLevel(add_prefix_space=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, digits])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=suite.corpus["vocab_size"],
        special_tokens=[END_OF_TEXT, PADDING],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    with atomic_write(path) as temporary:
        tokenizer.save(str(temporary))
    return tokenizer


def positions(suite: Suite, sizes: Iterable[int]) -> pd.DataFrame:
    """A row for each copy of a document that training reads, in file order.

    Columns: document; step, in which most of it is read; whole, if one sample holds all of it.
    """
    sizes = np.asarray(sizes)
    batch_size = suite.training["batch_size"]
    occurrences = document_occurrences(order(suite, sizes), sizes)
    frame = pd.DataFrame(occurrences._asdict())[["document", "entry", "position", "length"]]
    frame = frame[frame["position"] < suite.training["total_steps"] * batch_size]
    longest = frame.sort_values(["entry", "length"]).drop_duplicates("entry", keep="last")
    longest = longest.assign(
        step=longest["position"] // batch_size,
        whole=longest["length"] == sizes[longest["document"]],
    )
    return longest.sort_values(["document", "step"])[["document", "step", "whole"]].reset_index(
        drop=True
    )


def write_variant(suite: Suite, folder: Path, variant: str, entries: list[Entry]) -> None:
    """Write a variant's documents, what each is, and where training reads it."""
    copies = Counter(entry.content for entry in entries)
    table = pd.DataFrame(
        {
            "document": np.arange(len(entries)),
            "domain": [entry.domain for entry in entries],
            "content": [entry.content for entry in entries],
            "copies": [copies[entry.content] for entry in entries],
            "placement": [entry.placement for entry in entries],
            "tokens": [len(entry.tokens) for entry in entries],
        }
    )
    write_indexed_dataset(folder / variant, (entry.tokens for entry in entries), np.uint16)
    table.to_parquet(folder / f"{variant}.documents.parquet")
    read = positions(suite, [len(entry.tokens) for entry in entries])
    read.to_parquet(folder / f"{variant}.occurrences.parquet")
