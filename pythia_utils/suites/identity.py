"""What a result was measured on, in digests: a checkpoint, a corpus, what a suite's file says."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.files import file_digest
from pythia_utils.base.schemas import parse
from pythia_utils.suites.catalog import Checkpoint, Model, Suite, suite
from pythia_utils.suites.folders import (
    WEIGHTS,
    changed_folder,
    checkpoint_path,
    corpus_folder,
    is_available,
)
from pythia_utils.suites.hub.hugging_face import cached_commit
from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in

# Beside the weights, all that opening a checkpoint in a folder reads.
_OPENED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
_OPENED += ("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt")
_OPENED += ("tokenizer.model",)


def require(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint of ours, or of your own.

    Raises:
        UsageError: it has not been trained, or was on another corpus than the suite has now: what is asked
            of it, of planted sequences say, would be of what it never read. One of your own is not there.
    """
    folder, model = checkpoint_path(checkpoint), checkpoint.model
    if model.own:
        weight_files(checkpoint)
        return folder
    what, run = (
        f"{model.name} step {checkpoint.step}",
        f"pythia train {model.suite} --models {model.name}",
    )
    if not is_available(checkpoint):
        raise UsageError(f"{what} is not trained yet ({folder} has no {WEIGHTS}); run: {run}")
    if is_of_another_corpus(checkpoint):
        corpus = corpus_folder(model.suite)
        raise UsageError(f"{what} was trained on another corpus than {corpus} has now; run: {run}")
    return folder


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """The files with the weights of a checkpoint in a folder.

    Raises:
        UsageError: they are not there, or not whole.
    """
    folder = checkpoint_path(checkpoint)
    try:
        if found := weights_in(folder):
            return [folder / name for name in found.files]
        raise FileNotFoundError(f"{folder} has no complete weights")
    except (CorruptFileError, OSError) as failure:
        what = f"{checkpoint.model.name} step {checkpoint.step}"
        raise UsageError(f"{what}: {first_line(failure)}") from None


def is_of_another_corpus(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint of ours says that it was trained on other data than the suite's corpus has now.

    Not if either is silent: weights may have come without the corpus.
    """
    try:
        content = (checkpoint_path(checkpoint) / "checkpoint.json").read_bytes()
        made_of = parse(content, {"corpus?": (str, type(None))}).get("corpus")
    except (OSError, ValueError):
        return False
    return None not in (made_of, now := text_digest(checkpoint.model)) and made_of != now


def source_of(checkpoint: Checkpoint) -> str:
    """Where a checkpoint is from: `repository@revision`, or `model@revision` of ours."""
    model = checkpoint.model
    return f"{model.repo_id or model.name}@{checkpoint.revision}"


def checkpoint_digest(
    checkpoint: Checkpoint,
    digest: Callable[[Path], str] = file_digest,
    commit: str | None = None,
) -> str:
    """What identifies a checkpoint before it is opened: SHA-256 of our files; of the Hub's the commit.

    The Hub is not asked: if its commit is not known, that of the shared cache is taken.

    Returns:
        Of the Hub's `repository@revision@commit`, without the commit if nothing tells it.

    Raises:
        UsageError: a checkpoint of ours that has not been trained.
    """
    if (repo_id := checkpoint.model.repo_id) is not None:
        commit = commit or cached_commit(repo_id, checkpoint.revision)
        return source_of(checkpoint) + (f"@{commit}" if commit else "")
    folder = require(checkpoint)
    weights = weight_files(checkpoint)
    own = checkpoint.model.own
    places = [folder, Path(own.tokenizer)] if own and own.tokenizer else [folder]
    others = [place / name for place in places for name in _OPENED if (place / name).is_file()]
    return _digest([f"{path.name} {digest(path)}" for path in (*weights, *others)])


def corpus_digest(name: str) -> str | None:
    """Digest of a local suite's corpus, from its manifest; None if there is none."""
    try:
        manifest = parse((corpus_folder(name) / "manifest.json").read_bytes(), dict)
    except (OSError, ValueError):
        return None
    return _digest(manifest.get("sha256", manifest))


def text_digest(model: Model) -> str | None:
    """Digest of what a model trained here reads: its suite's corpus, and of a fork the changed text too.

    Returns:
        None if there is no corpus, or no such text.
    """
    corpus = corpus_digest(model.suite)
    if corpus is None or model.fork is None:
        return corpus
    folder = changed_folder(model.suite, model.fork.intervention, model.reads)
    try:
        changed = parse((folder / "manifest.json").read_bytes(), {"sha256": {str: str}})
    except (OSError, ValueError):
        return None
    return _digest([corpus, changed["sha256"]])


def suite_digest(name: str) -> str:
    """Digest of all that a suite's file says; comments and layout aside."""
    known = suite(name)
    models = [[repr(model), model.steps] for model in known.models.values()]
    errata = [repr(erratum) for erratum in known.errata]
    return _digest([known.kind, known.title, known.training, known.corpus, models, errata])


def description_digest(checkpoint: Checkpoint) -> str:
    """Digest of what a suite's file says of one checkpoint: other models and their errata are not in it."""
    model = checkpoint.model
    known = suite(model.suite)
    if model.own:  # further checkpoints, of a run that goes on, change nothing
        return _digest([model.own.entry, model.suite, checkpoint.step])
    errata = [(erratum.kind, erratum.text, erratum.source) for erratum in checkpoint.errata]
    return _digest([_common_digest(known), _model_text(model), errata])


@functools.cache
def _common_digest(known: Suite) -> str:
    return _digest([known.kind, known.title, known.training, known.corpus])


@functools.cache
def _model_text(model: Model) -> str:
    return f"{model} to step {model.steps[-1]}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
