"""A Hub of stand-ins for the real Pythia: its shapes, tokenizer and files, random weights, made-up text.

    with serve() as hub:
        run_or_fail("run", "--profile", "hub", cwd=project, home=home, env=hub.env(cache))

- `pythia-14m` and `pythia-31m` at steps 0, 512 and 143000, `pythia-14m-seed1` at the last; in float16, as
  safetensors, in shards, as .bin with the old buffers. `pythia-31m` has no step512: whoever asks for it
  gets the Hub's refusal. The profile `hub`, of few cells, has the first two.
- The batches of both variants of the Pile, at the addresses and in the form of the real ones, 600 GB
  each: one made-up batch again and again.
- WikiText in short; BLiMP whole, with made-up sentences. Only words of one text are used, one token each.

The tokenizer is the real one where `PYTHIA_REFERENCE` has it, else a small one of the same form.
"""

from __future__ import annotations

import functools
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from helpers.commands import ROOT
from helpers.hub_server import Files, HubServer, checkpoint_files, repeated, serve_hub, shape_of
from helpers.texts import WIKITEXT, wikitext_repository
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pythia_utils.evaluation import sets
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.remote_shards import HUB_DATASETS
from pythia_utils.training_data.shards import HUB_LAST_SHARD, HUB_SHARD_BYTES, shard_name

REFERENCE = Path(os.environ.get("PYTHIA_REFERENCE", ROOT / "../shared/reference"))
STEPS = (0, 512, 143000)
FAULTY = ("pythia-31m", 512)  # its revision is not there
PROFILE = "hub"
# Few cells at parameters that take seconds; of the experiments that are not named, none.
GRID = {
    "suite": "pythia",
    "models": ["pythia-14m"],
    "steps": list(STEPS),
    "also": [{"models": ["pythia-31m"], "steps": [512, 143000]}],
}
OWN = {
    "grammar": {"parameters": {"pairs_from": "blimp", "pairs": 2, "counted": 10_000, "hardest": 1}},
    "facts": {
        "models": ["pythia-14m"],
        "steps": [0, 143000],
        "parameters": {"facts_file": "data/capitals.csv", "batches": 1},
    },
    "induction": {
        "models": ["pythia-14m"],
        "steps": [0, 143000],
        "parameters": {"sequences": 4, "rows": 2},
    },
    "memorization": {"parameters": {"sample": 40, "blocks": 4, "places": 4}},
    "ngrams": {
        "models": ["pythia-14m"],
        "steps": [0, 143000],
        "parameters": {"rows": 4, "length": 16, "batches": 1},
    },
    "training_data": {
        "models": ["pythia-14m"],
        "steps": [512, 143000],
        "parameters": {"rows": 1},
    },
}


@contextmanager
def serve() -> Iterator[HubServer]:
    """Serve all of it until the block ends."""
    with serve_hub(
        {**_models(), **_batches(), **_blimp(), **wikitext_repository(30 * WIKITEXT)}
    ) as hub:
        yield hub


def add_profile(project: Path) -> None:
    """Give a copy of the book the profile `hub`."""
    path = project / "experiments.yml"
    config = yaml.safe_load(path.read_text())
    config["profiles"][PROFILE] = GRID | {"experiments": list(OWN)}
    for name, own in OWN.items():
        config["experiments"][name].setdefault("profiles", {})[PROFILE] = own
    path.write_text(yaml.safe_dump(config, sort_keys=False))


# --- checkpoints ----------------------------------------------------------------------------------


def _models() -> dict[str, dict[str, Files]]:
    forms = {"pythia-14m": "safetensors", "pythia-31m": "sharded", "pythia-14m-seed1": "bin"}
    found = {}
    for name, form in forms.items():
        steps = STEPS[-1:] if "seed" in name else STEPS
        chosen = [step for step in steps if (name, step) != FAULTY]
        found[f"EleutherAI/{name}"] = {f"step{step}": _files(name, step, form) for step in chosen}
    return found


def _files(name: str, step: int, form: str) -> Files:
    """A checkpoint of the model's real shape."""
    model = find_model(name)
    files = checkpoint_files(step, form, old_buffers=form == "bin", **shape_of(model))
    return files | {"tokenizer.json": tokenizer().to_str().encode()}


@functools.cache
def tokenizer() -> Tokenizer:
    """Byte-level BPE with end-of-text as its first token."""
    real = REFERENCE / "20B_tokenizer.json"
    if real.is_file():
        return Tokenizer.from_file(str(real))
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>", "<|padding|>"]
    how = {"vocab_size": 3000, "initial_alphabet": alphabet, "special_tokens": special}
    made.train_from_iterator([_text()], trainers.BpeTrainer(**how))
    return made


def _text() -> str:
    """Some English, which is ours."""
    return "\n".join((ROOT / "book" / name).read_text() for name in ("reading.md", "rerun.md"))


@functools.cache
def _words() -> dict[str, int]:
    """Words that are one token behind a blank, and their tokens."""
    words = dict.fromkeys(re.findall(r"(?<= )[a-z]{3,}(?= )", _text()))
    tokens = {word: tokenizer().encode(f" {word}").ids for word in words}
    return {word: ids[0] for word, ids in tokens.items() if len(ids) == 1}


# --- what training reads --------------------------------------------------------------------------


def _batches() -> dict[str, dict[str, Files]]:
    """Both data sets, each as 21 shards of its one batch again and again."""
    model = find_model("pythia-14m")
    rows, width = model.batch_size, model.seq_length + 1
    total = model.total_steps * rows * width * 2
    found = {}
    for seed, repo in enumerate(HUB_DATASETS.values()):
        block, files = _batch(rows, width, seed).tobytes(), {}
        for number in range(HUB_LAST_SHARD + 1):
            start = number * HUB_SHARD_BYTES
            size = min(HUB_SHARD_BYTES, total - start)
            files[shard_name("document", number, HUB_LAST_SHARD)] = repeated(block, size, start)
        found[f"datasets/{repo}"] = {"main": files}
    return found


def _batch(rows: int, width: int, seed: int) -> np.ndarray:
    """uint16 (rows, width): documents of words, the first of them the commonest, by Zipf's rule."""
    rng, words = np.random.default_rng(seed), np.array([*_words().values()])
    places = np.minimum(rng.zipf(1.3, (rows, width)), len(words)) - 1
    tokens = words[places].astype("<u2")
    tokens[rng.random((rows, width)) < 1 / 200] = 0  # end-of-text
    return tokens


# --- BLiMP ----------------------------------------------------------------------------------------


def _blimp() -> dict[str, dict[str, Files]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, words = np.random.default_rng(0), np.array([*_words()])
    files: Files = {"README.md": b"BLiMP"}
    for paradigm, (phenomenon, field) in blimp_paradigms().items():
        drawn = words[rng.integers(0, len(words), (sets.BLIMP_PAIRS, 5))]
        common = {"UID": paradigm, "linguistics_term": phenomenon, "field": field}
        rows = [common | _pair(number, row) for number, row in enumerate(drawn)]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        files[f"{paradigm}/train-00000-of-00001.parquet"] = file.getvalue()
    return {f"datasets/{sets.BLIMP_REPOSITORY}": {sets.BLIMP_REVISION: files}}


def _pair(number: int, words: np.ndarray) -> dict[str, str]:
    """Two sentences that differ in their last word; the number makes each one of its kind."""
    beginning = f"{number} {' '.join(words[:3])}"
    good, bad = (f"{beginning} {word}." for word in (words[3], f"{words[4]}s"))
    return {"sentence_good": good, "sentence_bad": bad}
