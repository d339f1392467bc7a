"""Nano's corpus on disk: tokens in Megatron's format, and the ground truth of what training repeats.

The `standard` variant holds the documents of every domain, extra copies of some of them
(`duplicates`) and sequences of random words planted a known number of times at known places of
training (`memorization`). `deduped` holds each distinct document once; it is therefore read for
more than one epoch, as the deduplicated Pile is. Order and batches are GPT-NeoX's, from `training_data.order`.
A corpus of `kind: text` holds a text from elsewhere (`nano.english`) and has `standard` alone: no copies,
facts or planted sequences.

Files in `PYTHIA_HOME/suites/<suite>/corpus/`:
  tokenizer.json                       byte-level BPE, trained on the corpus
  <variant>.bin, <variant>.idx         the documents' tokens, each document ended by end-of-text
  <variant>.documents.parquet          a row a document: domain, content, copies, placement, tokens
  <variant>.occurrences.parquet        a row for every time training reads a document: step, whole
  facts.parquet                        every fact, its rank and how often one epoch tells it; not of a text
  validation.parquet                   of a text: the chapters that no training holds
  manifest.json                        recipe, counts and digests; written last
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pythia_utils.base.files import atomic_folder, file_digest, restore_folder
from pythia_utils.base.sources import code_fingerprint, imported_sources
from pythia_utils.nano import corpus_files, english
from pythia_utils.nano import documents as texts
from pythia_utils.nano.corpus_files import Entry, positions, train_tokenizer, write_variant
from pythia_utils.suites.catalog import Suite
from pythia_utils.training_data.corpus import COPIES, END_OF_TEXT, MEMORIZATION_LENGTH, Corpus
from pythia_utils.training_data.indexed_dataset import IndexedDataset

TOKENIZER_DOCUMENTS = 1_500  # a domain


DECILE_COPIES = 16  # of the sequences whose copies all stand in one decile of training
SLOTS_A_SET = sum(COPIES) + 10 * DECILE_COPIES


def recipe(suite: Suite) -> dict:
    """What decides every byte of the corpus: settings and code. Equal recipes give equal files."""
    text = "english" if suite.is_of_text else "documents"
    code = imported_sources(
        f"import pythia_utils.nano.{text}\nimport pythia_utils.training_data.order"
    )
    own = [Path(__file__), Path(corpus_files.__file__)]
    sizes = {key: suite.training[key] for key in ("total_steps", "batch_size", "seq_length")}
    return {
        "corpus": suite.corpus,
        "training": sizes,
        "code": code_fingerprint([*code, *own]),
    }


def is_current(corpus: Corpus) -> bool:
    """Whether a corpus is there, made by today's code and settings."""
    return corpus.manifest.get("recipe") == recipe(corpus.suite)


def make_corpus(suite: Suite) -> Corpus:
    """Make the corpus of a local suite, unless the one on disk was made by this very recipe.

    Another recipe's stays until the new one is whole.
    """
    corpus = Corpus(suite)
    restore_folder(corpus.folder)
    if not is_current(corpus):
        with atomic_folder(corpus.folder) as folder:
            _make(suite, folder)
    return corpus


def _make(suite: Suite, folder: Path) -> None:
    (_make_of_text if suite.is_of_text else _make_of_domains)(suite, folder)
    manifest = json.dumps(_manifest(suite, folder), indent=1)
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")


def _make_of_text(suite: Suite, folder: Path) -> None:
    chapters, held_out = english.split(suite.corpus)
    tokenizer = train_tokenizer(suite, chapters, folder / "tokenizer.json")
    end = tokenizer.token_to_id(END_OF_TEXT)
    tokens = [[*encoding.ids, end] for encoding in tokenizer.encode_batch_fast(chapters)]
    entries = [Entry(np.array(ids, np.uint16), english.DOMAIN, i) for i, ids in enumerate(tokens)]
    write_variant(suite, folder, "standard", entries)
    english.write_validation(folder, held_out)


def _make_of_domains(suite: Suite, folder: Path) -> None:
    sample = _tokenizer_sample(suite.corpus["seed"])
    tokenizer = train_tokenizer(suite, sample, folder / "tokenizer.json")
    entries = _fill_domains(suite, tokenizer)
    entries += _memorization_slots(suite, first_content=len(entries))
    entries += _duplicates(suite, entries)
    _plant_memorization(suite, entries, tokenizer)
    _write_facts(suite, entries, folder / "facts.parquet")
    write_variant(suite, folder, "standard", entries)
    write_variant(suite, folder, "deduped", _distinct(entries))


def training_tokens(suite: Suite) -> int:
    """Tokens that a run reads, counting the one after the last."""
    training = suite.training
    return training["total_steps"] * training["batch_size"] * training["seq_length"] + 1


# --- documents ------------------------------------------------------------------------------------


def _tokenizer_sample(seed: int) -> Iterator[str]:
    for domain in texts.DOMAINS:
        stream = texts.documents(domain, seed, "tokenizer")
        for _ in range(TOKENIZER_DOCUMENTS):
            yield next(stream).text


def _encoded(
    tokenizer, stream: Iterator[texts.Document], seen: set[str], budget: int
) -> Iterator[tuple[texts.Document, np.ndarray]]:
    """Documents of a stream that are not in `seen`, with their tokens, until `budget` tokens are reached."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    while True:
        chunk = [next(stream) for _ in range(256)]
        encodings = tokenizer.encode_batch_fast([document.text for document in chunk])
        for document, encoding in zip(chunk, encodings, strict=True):
            if budget <= 0:
                return
            if document.text not in seen:
                seen.add(document.text)
                tokens = np.array([*encoding.ids, end], dtype=np.uint16)
                budget -= len(tokens)
                yield document, tokens


def _fill_domains(suite: Suite, tokenizer) -> list[Entry]:
    """Distinct documents of every domain up to its share of the tokens; none that validation holds."""
    seed = suite.corpus["seed"]
    entries: list[Entry] = []
    for domain in texts.DOMAINS:
        budget = round(suite.corpus["shares"][domain] * training_tokens(suite))
        seen = set(texts.validation_texts(domain, seed))
        for document, tokens in _encoded(
            tokenizer, texts.documents(domain, seed, "train"), seen, budget
        ):
            entries.append(Entry(tokens, domain, len(entries), document.facts))
    return entries


def _memorization_slots(suite: Suite, first_content: int) -> list[Entry]:
    """Empty documents of the right length: order depends on lengths alone, so content can come later."""
    budget = suite.corpus["shares"]["memorization"] * training_tokens(suite)
    blank = np.zeros(MEMORIZATION_LENGTH + 1, dtype=np.uint16)
    slots = int(budget // len(blank))
    return [Entry(blank, "memorization", first_content + i) for i in range(slots)]


def _duplicates(suite: Suite, entries: list[Entry]) -> list[Entry]:
    """Extra copies of grammar and story documents: 1, 3, 7 or 15 more of each chosen one.

    They fill what the other domains left of the run's tokens, so that training reads to the end.
    """
    rng = random.Random(f"duplicates {suite.corpus['seed']}")
    originals = [entry for entry in entries if entry.domain in ("grammar", "stories")]
    rng.shuffle(originals)
    missing = training_tokens(suite) - sum(len(entry.tokens) for entry in entries)
    copies: list[Entry] = []
    while missing > 0:
        extra = [originals.pop()] * rng.choice((1, 3, 7, 15))
        copies += extra
        missing -= sum(len(entry.tokens) for entry in extra)
    return copies


def _plant_memorization(suite: Suite, entries: list[Entry], tokenizer) -> None:
    """Give every memorization slot its content, by where in training it will be read.

    Most slots belong to sequences of 1 to 64 copies placed anywhere (`anywhere`), and to sequences
    of 16 copies within one decile of training (`decile-0` .. `decile-9`); the rest are read once, or, behind the last batch, never.
    """
    rng = random.Random(f"memorization {suite.corpus['seed']}")
    words = _word_ids(tokenizer)
    places = positions(suite, [len(entry.tokens) for entry in entries])
    slots = [i for i, entry in enumerate(entries) if entry.domain == "memorization"]
    step = dict(zip(places["document"], places["step"], strict=True))
    free = {decile: [] for decile in range(10)}
    unread = [slot for slot in slots if slot not in step]  # they stand behind the last batch
    for slot in rng.sample(slots, len(slots)):
        if slot in step:
            free[step[slot] * 10 // suite.training["total_steps"]].append(slot)

    plan = [(f"decile-{t}", DECILE_COPIES, [t]) for t in range(10)]
    plan += [("anywhere", copies, list(range(10))) for copies in COPIES]
    sets = max(1, len(slots) // SLOTS_A_SET)
    for placement, copies, deciles in plan * sets:
        pool = [(decile, slot) for decile in deciles for slot in free[decile]]
        chosen = rng.sample(pool, min(copies, len(pool)))
        for decile, slot in chosen:
            free[decile].remove(slot)
        _fill(entries, [slot for _, slot in chosen], words, rng, placement)
    for slot in sorted([*itertools.chain.from_iterable(free.values()), *unread]):
        _fill(entries, [slot], words, rng, "anywhere")


def _fill(entries: list[Entry], slots: list[int], words: list[int], rng, placement: str) -> None:
    """Plant one new random sequence in all `slots`."""
    sequence = np.array([*rng.choices(words, k=MEMORIZATION_LENGTH), 0], dtype=np.uint16)
    for slot in slots:
        entries[slot].tokens = sequence
        entries[slot].content = entries[slots[0]].content
        entries[slot].placement = placement


def _word_ids(tokenizer) -> list[int]:
    """Tokens that are a space and at least three letters: whole words, nearly all."""
    ids = tokenizer.get_vocab().items()
    return sorted(
        i for token, i in ids if token.startswith("Ġ") and token[1:].isalpha() and len(token) > 3
    )


def _distinct(entries: list[Entry]) -> list[Entry]:
    """One document of each content."""
    return list({entry.content: entry for entry in entries}.values())


def _write_facts(suite: Suite, entries: list[Entry], path: Path) -> None:
    told = Counter(rank for entry in entries for rank in entry.facts)
    rows = [
        {"rank": f.rank, "person": f.person, "relation": f.relation, "answer": f.answer}
        | {"mentions": told[f.rank]}
        for f in texts.make_facts(suite.corpus["seed"])
    ]
    pd.DataFrame(rows).to_parquet(path)


def _manifest(suite: Suite, folder: Path) -> dict:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {str(path.relative_to(folder)): file_digest(path) for path in files}
    variants = sorted({model.variant for model in suite.models.values()})
    tokens = {variant: int(IndexedDataset(folder / variant).sizes.sum()) for variant in variants}
    return {"recipe": recipe(suite), "tokens": tokens, "sha256": digests}
