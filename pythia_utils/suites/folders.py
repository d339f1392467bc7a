"""Where local suites live, `PYTHIA_HOME/suites/<suite>/<model>/step<N>/`, and what is there."""

from __future__ import annotations

from pathlib import Path

from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.home import home

WEIGHTS = "model.safetensors"


def suite_folder(suite: str) -> Path:
    """Where a local suite's corpus, tokenizer and models are."""
    return home() / "suites" / suite


def corpus_folder(suite: str) -> Path:
    """The folder of a local suite's corpus."""
    return suite_folder(suite) / "corpus"


def changed_folder(suite: str, intervention: str, variant: str) -> Path:
    """The folder of what an intervention makes of a variant of a local suite's corpus."""
    return suite_folder(suite) / "interventions" / intervention / variant


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint of a local suite, whether it has been trained or not, or of your own."""
    model = checkpoint.model
    if model.own and model.own.folder:
        return model.own.folder / checkpoint.revision
    return suite_folder(model.suite) / model.name / checkpoint.revision


def is_available(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint can be opened: the Hub's always (it is fetched), ours once it is trained.

    One of a folder of your own while it lies there.
    """
    if checkpoint.model.is_trained_here:
        return (checkpoint_path(checkpoint) / WEIGHTS).is_file()
    # Of your own only those are known that were whole when they were looked up.
    return checkpoint.model.repo_id is not None or checkpoint_path(checkpoint).is_dir()
