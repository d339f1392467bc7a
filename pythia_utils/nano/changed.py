"""What an intervention makes of a corpus, on disk: the same documents in the same order, of the same lengths.

Files in `PYTHIA_HOME/suites/<suite>/interventions/<intervention>/<variant>/`:
  text.bin, text.idx     all documents, changed or not
  manifest.json          recipe, digests, and how many documents there are, were changed, and could not be
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from pythia_utils.base.files import atomic_folder, file_digest, restore_folder
from pythia_utils.base.sources import code_fingerprint, imported_sources
from pythia_utils.nano.interventions import Change, find_intervention
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import changed_folder
from pythia_utils.suites.identity import corpus_digest
from pythia_utils.training_data.corpus import END_OF_TEXT, Corpus
from pythia_utils.training_data.forked import MANIFEST, TEXT, manifest
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset

PLANTED = "memorization"  # the domain of random words, which are no text


def folder_of(model: Model) -> Path:
    """Where the text lies that a model of an intervention reads."""
    return changed_folder(model.suite, model.fork.intervention, model.reads)


def recipe(model: Model) -> dict:
    """What decides every byte of the changed text: the corpus, the intervention, and the code of both."""
    code = imported_sources("import pythia_utils.nano.interventions")
    return {
        "corpus": corpus_digest(model.suite),
        "intervention": model.fork.intervention,
        "code": code_fingerprint([*code, Path(__file__)]),
    }


def is_current(model: Model) -> bool:
    """Whether the text is there, made by today's code of today's corpus."""
    return manifest(folder_of(model)).get("recipe") == recipe(model)


def text_digest(model: Model) -> dict | None:
    """SHA-256 of the files of the text that a model of an intervention reads; None if there is none."""
    return manifest(folder_of(model)).get("sha256")


def make_changed(model: Model) -> dict[str, int]:
    """Make the text that a model of an intervention reads, unless it is there.

    Returns:
        Counts of documents: `all`, `changed`, and `left`, those that stay as they were because the new text
        would have another number of tokens.

    Raises:
        UsageError: no such intervention, or none for this text.
    """
    corpus, place = Corpus(suite(model.suite)), folder_of(model)
    change = find_intervention(model.fork.intervention).make(corpus)
    restore_folder(place)
    if not is_current(model):
        with atomic_folder(place) as folder:
            _make(model, corpus, change, folder)
    return manifest(place)["documents"]


def _make(model: Model, corpus: Corpus, change: Change, folder: Path) -> None:
    documents, left = changed_documents(corpus, model.reads, change)
    indexed = corpus.indexed(model.reads)
    write_indexed_dataset(
        folder / TEXT, (documents.get(i, indexed[i]) for i in range(len(indexed))), np.uint16
    )
    digests = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    counts = {"all": len(indexed), "changed": len(documents), "left": len(left)}
    told = {"recipe": recipe(model), "sha256": digests, "documents": counts}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1), encoding="utf-8")


def changed_documents(
    corpus: Corpus, variant: str, change: Change
) -> tuple[dict[int, np.ndarray], list[int]]:
    """The documents that an intervention changes.

    Copies of a document are changed alike, and tokenized once.

    Args:
        corpus: whose documents.
        variant: `standard` or `deduped`.
        change: of a text.

    Returns:
        Tokens by document, uint16, the end-of-text among them; and the documents whose changed text has
        another number of tokens, or whose own is not read back as it was written: they stay.
    """
    from tokenizers import Tokenizer

    tokenizer, indexed = Tokenizer.from_file(str(corpus.tokenizer_file())), corpus.indexed(variant)
    end = tokenizer.token_to_id(END_OF_TEXT)
    domains = corpus.documents(variant)["domain"].to_numpy()
    own = {i: indexed[i][:-1].tolist() for i in np.flatnonzero(domains != PLANTED).tolist()}
    texts = dict(zip(own, tokenizer.decode_batch(list(own.values())), strict=True))
    new = {text: change(text) for text in dict.fromkeys(texts.values())}
    wanted = [text for pair in new.items() if pair[0] != pair[1] for text in pair]
    encoded = tokenizer.encode_batch_fast(wanted)
    ids = {text: one.ids for text, one in zip(wanted, encoded, strict=True)}
    documents, left = {}, []
    for i, text in texts.items():
        if new[text] == text:
            continue
        tokens = ids[new[text]]
        if ids[text] == own[i] and len(tokens) == len(own[i]):
            documents[i] = np.array([*tokens, end], np.uint16)
        else:
            left.append(i)
    return documents, left
