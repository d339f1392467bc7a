"""What has been trained, where it lies, and whether today's recipe made it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pythia_utils.base.schemas import parse
from pythia_utils.base.sources import code_fingerprint
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import checkpoint_path, is_available, suite_folder
from pythia_utils.training_data.corpus import Corpus


def recipe(model: Model) -> str:
    """SHA-256 of all that decides the weights but the device: shape, settings, corpus, training code."""
    family = suite(model.suite)
    facts = {
        "model": repr(model),
        "steps": model.steps,
        "training": family.training,
        "corpus": Corpus(family).manifest.get("sha256"),
        "code": code_fingerprint([Path(__file__).with_name("train.py")]),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def model_folder(model: Model) -> Path:
    """Where a model's checkpoints and its trainer state are."""
    return suite_folder(model.suite) / model.name


def wanted_steps(model: Model, until: int | None) -> list[int]:
    """The checkpoints of a run that stops at `until`."""
    return [step for step in model.steps if until is None or step <= until]


def is_trained(model: Model, until: int | None = None) -> bool:
    """Whether every checkpoint up to `until` is on disk, made by today's recipe."""
    checkpoints = [model.checkpoint(step) for step in wanted_steps(model, until)]
    return all(map(is_available, checkpoints)) and _made_by(checkpoints[-1]) == recipe(model)


def _made_by(checkpoint) -> str | None:
    try:
        path = checkpoint_path(checkpoint) / "checkpoint.json"
        return parse(path.read_bytes(), {"recipe": str})["recipe"]
    except (OSError, ValueError):
        return None


def remove_stale(model: Model) -> bool:
    """Remove checkpoints that another recipe trained. Returns whether there were any."""
    current = recipe(model)
    made = [_made_by(c) for c in model.checkpoints if is_available(c)]
    stale = any(digest != current for digest in made)
    if stale:
        shutil.rmtree(model_folder(model))
    return stale
