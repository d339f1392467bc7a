"""What a model's training reads, and when: one way to ask, wherever the data lie.

`read_batch("pythia-70m", 3000)` is the batch of training step 3000. Steps count from 0, and
checkpoint `stepN` has seen steps 0 to N - 1. A source is a model's name (ours: the corpus it was
trained on; the Hub's: its preshuffled data set, or the tokenized Pile in the order of its own seed, by
byte ranges), the address or folder of a preshuffled set's shards, or the prefix of an indexed data set.
Documents are put in GPT-NeoX's order; rows of a preshuffled set are in it already, by whichever path they
are named.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.http import shown_url
from pythia_utils.base.units import show_size
from pythia_utils.suites.catalog import Model, find_model, model_names, suite
from pythia_utils.training_data.batch_cache import BatchCache
from pythia_utils.training_data.indexed_dataset import (
    FileFormatError,
    IndexedDataset,
    checked_index,
    read_index,
)
from pythia_utils.training_data.order import PackedDataset, build_order, neox_num_samples
from pythia_utils.training_data.preshuffled import Preshuffled
from pythia_utils.training_data.remote_shards import (
    HUB_DATASETS,
    HttpShards,
    HubShards,
    batches_folder,
    hub_address,
)
from pythia_utils.training_data.reordered import (
    LAYOUT,
    SEEDS,
    TOKENS,
    Reordered,
    SeedOrder,
    patient_reader,
)
from pythia_utils.training_data.rows import TOKEN, Rows
from pythia_utils.training_data.shards import LocalShards

UNKNOWN = "unknown"  # as a suite's file says it
_LARGE_ORDER, _MANY_EPOCHS = 10**9, 1000  # bytes; a run of both is over the wrong data


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Training sequences in order, and how they are dealt to steps.

    Attributes:
        name: of the model, or the source as it was given.
        rows: the sequences.
        batch_size: sequences a step.
        seq_length: tokens of a sequence but one: the last is only a label.
        total_steps: steps that can be read.
        model: whose training this is; None if no model was named.
    """

    name: str
    rows: PackedDataset | Rows
    batch_size: int
    seq_length: int
    total_steps: int
    model: Model | None = None
    origin: dict[str, str] = field(default_factory=dict)

    @property
    def packed(self) -> PackedDataset | None:
        """The documents and their order, where they are known: not for preshuffled sets."""
        return self.rows if isinstance(self.rows, PackedDataset) else None

    @property
    def batch_bytes(self) -> int:
        """Bytes that a batch takes where the data lie."""
        token = TOKEN if self.packed is None else self.packed.indexed.dtype
        return self.batch_size * (self.seq_length + 1) * token.itemsize

    @property
    def is_remote(self) -> bool:
        """Whether batches are fetched from a server."""
        return self.packed is None and self.rows.cache is not None

    def batch(self, step: int) -> np.ndarray:
        """int64 (batch_size, seq_length + 1): what training step `step` reads.

        Raises:
            OutOfRangeError: there is no such step.
            UsageError: a shard is missing, or the tokens are not this model's.
            FetchError: the server does not deliver.
        """
        step = checked_index(step, self.total_steps, f"step of {self.name}:")
        return self._checked(self.rows.batch(step, self.batch_size))

    def sequences(self, start: int, stop: int) -> np.ndarray:
        """int64 (stop - start, seq_length + 1): training positions start..stop. Raises as `batch`."""
        return self._checked(self.rows.sequences(start, stop))

    def _checked(self, tokens: np.ndarray) -> np.ndarray:
        # Rows read at a wrong place would most likely show here.
        wrong = tokens[tokens < 0]
        if self.model and not wrong.size and tokens.size:
            wrong = tokens[tokens >= self.model.vocab_size]
        if wrong.size:
            raise UsageError(f"{self.name} holds token {wrong[0]}; {self._expected}")
        return tokens

    @property
    def _expected(self) -> str:
        if self.model is None:
            return "expected 0 or more"
        last = self.model.vocab_size - 1
        return f"{self.model.name} knows tokens 0 to {last}: not its training data"

    def provenance(self) -> dict[str, str]:
        """Where the sequences are from, to be recorded beside a result; of the Hub, the commit too."""
        return self.rows.origin.provenance() if self.packed is None else dict(self.origin)


# --- opening --------------------------------------------------------------------------------------


def open_source(
    source: str | Path | TrainingData,
    *,
    model: str | None = None,
    revision: str | None = None,
    seed: int | None = None,
    seq_length: int | None = None,
    batch_size: int | None = None,
    steps: int | None = None,
    cache: BatchCache | None = None,
) -> TrainingData:
    """Open what training reads. Nothing large is read yet.

    Args:
        source: a model's name; the http(s) address of a folder of shards, or of one shard, whose
            name then tells their number; a local set, by its folder, its prefix or one of its files
            (put in GPT-NeoX's order if its `.idx` tells of documents other than rows of seq_length + 1
            tokens); or a `TrainingData`, which is returned as it is.
        model: whose settings and vocabulary hold, where the source is not itself a model.
        revision: of a data set on the Hub: branch, tag or commit; by default `main`.
        seed, seq_length, batch_size, steps: of the run, where they are not the model's: a sequence has
            seq_length + 1 tokens, a step batch_size sequences.
        cache: for batches that are fetched; by default in `PYTHIA_HOME/batches`.

    Returns:
        The sequences in the order of training, to be read by step or by training position.

    Raises:
        UsageError: an unknown source, one that is not there or not whole, or a setting that nothing
            tells; a model whose data nobody can open here.
        FetchError: the server does not deliver.
    """
    if isinstance(source, TrainingData):
        return source
    named = _model_of(source)
    given = {"seed": seed, "seq_length": seq_length, "batch_size": batch_size, "steps": steps}
    given = {key: value for key, value in given.items() if value is not None}
    settings = _Settings(find_model(model) if model else named, given)
    return _open(source, named, settings, revision, cache or BatchCache(batches_folder()))


def _open(
    source: str | Path,
    named: Model | None,
    settings: _Settings,
    revision: str | None,
    cache: BatchCache,
) -> TrainingData:
    if named is not None and named.trained_on:
        raise unopened(named)
    if named is not None and named.is_trained_here:
        return _open_corpus(named, settings)
    if named is not None:
        return _open_hub(named, settings, revision, cache)
    if "://" in str(source):
        return _open_shards(
            _shards_at(str(source), settings, cache), shown_url(str(source)), settings, cache
        )
    return _open_local(source, settings)


def unopened(model: Model) -> UsageError:
    """What to say of a model whose training data nobody can open here."""
    what = (
        "not known"
        if model.trained_on == UNKNOWN
        else f"{model.trained_on}, which cannot be opened here"
    )
    return UsageError(
        f"what {model.name} read in training is {what}; expected a source of its own: the folder, prefix or "
        "address of its batches"
    )


def _shards_at(url: str, settings: _Settings, cache: BatchCache) -> HubShards | HttpShards:
    """What lies at an address. Of the published sets nothing has to be asked: how they are cut is known."""
    place = hub_address(url)
    if place and place[0] in HUB_DATASETS.values() and settings.get("steps"):
        return HubShards(place[0], place[1], folder=cache.folder)
    return HttpShards(url)


@dataclass(frozen=True)
class _Settings:
    """Settings of a run: as given, else the model's."""

    model: Model | None
    given: dict[str, int]

    def get(self, name: str) -> int | None:
        value = self.given.get(name, self._of_model(name))
        if value is not None and value < (0 if name == "seed" else 1):
            raise UsageError(f"{name} is {value}; expected at least {0 if name == 'seed' else 1}")
        return value

    def _of_model(self, name: str) -> int | None:
        if self.model is not None and self.model.own and name != "steps":
            return self.model.own.given.get(name)  # what its file does not say is not known
        fields = {"steps": "total_steps", "seed": "data_seed"}
        return getattr(self.model, fields.get(name, name), None)

    def need(self, name: str, source: object) -> int:
        value = self.get(name)
        if value is None:
            own = self.model.own if self.model else None
            where = f"write it into {own.file.name}" if own else "give it, or a model that has it"
            raise UsageError(f"{source} does not tell its {name}; {where}")
        return value


def _model_of(source: str | Path) -> Model | None:
    """The model that `source` names, if it does and is not an address or a path."""
    if isinstance(source, Path):
        return None
    if not isinstance(source, str):
        kind = type(source).__name__
        raise UsageError(f"{kind} is no source; expected a model's name, an address or a path")
    try:
        return find_model(source)
    except UsageError:
        return None


def _open_corpus(model: Model, settings: _Settings) -> TrainingData:
    from pythia_utils.training_data.corpus import open_corpus
    from pythia_utils.training_data.forked import training_rows

    _refuse_settings(model, settings)
    corpus = open_corpus(model.suite)
    origin = {"source": f"{model.suite}/corpus/{model.reads}"}
    digests = corpus.manifest.get("sha256", {})
    if digest := digests.get(f"{model.reads}.bin"):
        origin["revision"] = digest
    if model.fork:
        origin["intervention"] = model.fork.in_words
    rows = training_rows(model)
    return TrainingData(
        model.name, rows, model.batch_size, model.seq_length, model.total_steps, model, origin
    )


def _refuse_settings(model: Model, settings: _Settings) -> None:
    """A model's training was one run: another batch size would tell of a run that never was."""
    if settings.given or settings.model is not model:
        what = ", ".join(settings.given) or "model"
        raise UsageError(f"{model.name} has settings of its own; {what} cannot be given with it")


def _open_hub(
    model: Model, settings: _Settings, revision: str | None, cache: BatchCache
) -> TrainingData:
    _refuse_settings(model, settings)
    if model.data_seed != suite(model.suite).training["seed"]:
        return _open_seed(model, revision, cache)
    shards = HubShards(HUB_DATASETS[model.variant], revision or "main", folder=cache.folder)
    return _open_shards(shards, model.name, settings, cache)


def _open_seed(model: Model, revision: str | None, cache: BatchCache) -> TrainingData:
    """The data of a model that read them in the order of its own seed."""
    if model.variant != "standard" or model.data_seed not in SEEDS:
        raise UsageError(
            f"{model.name} read the {model.variant} data in the order of seed {model.data_seed}; published "
            f"are those of seeds {SEEDS[0]} to {SEEDS[-1]} of the standard data: expected a source of its own"
        )
    shards = HubShards(TOKENS, revision or "main", LAYOUT, cache.folder, patient_reader())
    count = model.total_steps * model.batch_size
    rows = Reordered(SeedOrder(model.data_seed, shards), count, cache, model.seq_length)
    shape = (model.batch_size, model.seq_length, model.total_steps)
    return TrainingData(model.name, rows, *shape, model)


def _open_shards(shards, name: str, settings: _Settings, cache: BatchCache | None) -> TrainingData:
    """Shards are in the order of training; how many rows make a step is the run's."""
    if "seed" in settings.given:
        raise UsageError(f"{name} is stored in the order of training; no seed can be given with it")
    batch_size = settings.need("batch_size", name)
    seq_length, steps = settings.need("seq_length", name), settings.get("steps")
    rows = Preshuffled(shards, seq_length, steps and steps * batch_size, cache)
    held = len(rows) // batch_size
    return TrainingData(name, rows, batch_size, seq_length, held, settings.model)


def _open_local(source: str | Path, settings: _Settings) -> TrainingData:
    """Rows in the order of training, or documents: their index tells, not how the path is spelled."""
    try:
        shards = LocalShards(source)
    except UsageError as failure:
        if _looks_like_a_path(source):
            raise
        names = model_names()
        where = "(no model, address, folder or prefix)"
        raise unknown("source", str(source), names, where) from failure
    if not shards.index.is_file() or _are_rows(shards, settings.need("seq_length", source) + 1):
        return _open_shards(shards, str(source), settings, None)
    if not shards.layout.single:
        raise UsageError(
            f"{shards.folder} holds documents that are not in the order of training, cut into "
            f"shards; merge them to {shards.layout.stem}.bin, to be put in order"
        )
    return _open_indexed(shards.index, str(source), settings)


def _are_rows(shards: LocalShards, width: int) -> bool:
    """Whether documents are rows of `width` tokens, as in a preshuffled set, all of them there."""
    index, held = read_index(shards.index), shards.layout.bytes()
    if index.dtype != TOKEN or not index.is_rows_of(width):
        return False
    if held not in (None, index.end):
        raise FileFormatError(shards.index, 17, f"rows of {held} bytes in all", index.end)
    return True


def _open_indexed(path: Path, name: str, settings: _Settings) -> TrainingData:
    indexed = IndexedDataset(path)
    seq_length, batch_size = (settings.need(key, name) for key in ("seq_length", "batch_size"))
    steps, seed = settings.need("steps", name), settings.need("seed", name)
    samples = _num_samples(settings, steps, batch_size)
    indexed.verify()  # before memory is taken for what the sizes say
    _refuse_endless(indexed, samples, seq_length)
    order = build_order(indexed.sizes, seq_length, samples, seed)
    origin = {"source": str(indexed.data_path), "order": f"seed {seed}"}
    rows = PackedDataset(indexed, order)
    return TrainingData(name, rows, batch_size, seq_length, steps, settings.model, origin)


def _num_samples(settings: _Settings, steps: int, batch_size: int) -> int:
    """Samples that the run asked for; the number decides how many epochs are shuffled together."""
    ours = settings.model is not None and settings.model.is_trained_here
    return steps * batch_size if ours else neox_num_samples(steps, batch_size)


def _refuse_endless(indexed: IndexedDataset, samples: int, seq_length: int) -> None:
    """A large run over small data is a mistake, and its order may not fit the memory."""
    epochs = -(-samples * seq_length // max(len(indexed.tokens), 1))
    needed = 16 * epochs * len(indexed) + 12 * samples  # see `build_order`
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory or (needed > _LARGE_ORDER and epochs > _MANY_EPOCHS):
        raise UsageError(
            f"{indexed.data_path} has {len(indexed.tokens)} tokens, the run reads them {epochs} "
            f"times: its order needs {show_size(needed)}; expected other data, or a shorter run"
        )


def _looks_like_a_path(source: str | Path) -> bool:
    text = str(source)
    there = any(Path(text + suffix).exists() for suffix in ("", ".idx", ".bin"))
    return isinstance(source, Path) or there or "/" in text or text.endswith((".idx", ".bin"))


def read_batch(source: str | Path | TrainingData, step: int, **settings) -> np.ndarray:
    """Read the batch of one training step.

    Checkpoint `stepN` has seen the batches of steps 0 to N - 1; step N is the first that it has not.

    Args:
        source: as for `open_source`. To read many batches, open it once and call its `batch`.
        step: from 0; the run's own steps, also for models whose checkpoints count otherwise.
        settings: as for `open_source`.

    Returns:
        Token ids: a row a sequence, int64 (batch_size, seq_length + 1). Inputs are `[:, :-1]`, labels
        `[:, 1:]`.

    Raises:
        UsageError: see `open_source` and `TrainingData.batch`.
        FetchError: the server does not deliver.
    """
    return open_source(source, **settings).batch(step)
