"""Where local suites live, `PYTHIA_HOME/suites/<suite>/<model>/step<N>/`, and what is there."""

from __future__ import annotations

import os
from pathlib import Path

from pythia_utils.base.files import local_path
from pythia_utils.suites.catalog import Checkpoint

WEIGHTS = "model.safetensors"


def home() -> Path:
    """The folder of everything we train: `PYTHIA_HOME`, or `pythia-book/` in the platform's cache folder.

    Absolute: kernels work in another folder.
    """
    if folder := os.environ.get("PYTHIA_HOME"):
        return local_path(folder)
    import platformdirs

    return Path(platformdirs.user_cache_dir("pythia-book", appauthor=False))


def suite_folder(suite: str) -> Path:
    """Where a local suite's corpus, tokenizer and models are."""
    return home() / "suites" / suite


def corpus_folder(suite: str) -> Path:
    """The folder of a local suite's corpus."""
    return suite_folder(suite) / "corpus"


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """The folder of a local suite's checkpoint, whether it has been trained or not."""
    model = checkpoint.model
    return suite_folder(model.suite) / model.name / checkpoint.revision


def is_available(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint can be opened: the Hub's always (it is fetched), ours once it is trained."""
    return checkpoint.model.repo_id is not None or (checkpoint_path(checkpoint) / WEIGHTS).is_file()
