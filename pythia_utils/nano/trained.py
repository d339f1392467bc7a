"""What has been trained, where it lies, and whether today's recipe made it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from pythia_utils.base.files import replace_folder, restore_folder
from pythia_utils.base.schemas import parse
from pythia_utils.base.sources import code_fingerprint
from pythia_utils.nano import changed
from pythia_utils.suites.catalog import Checkpoint, Model, find_model, suite
from pythia_utils.suites.folders import checkpoint_path, is_available, suite_folder
from pythia_utils.suites.neox_config import hf_config
from pythia_utils.training_data.corpus import Corpus


def recipe(model: Model) -> str:
    """SHA-256 of all that decides the weights but the device: shape, settings, corpus, training code.

    Of a fork its base's too, and the text that it reads.
    """
    family = suite(model.suite)
    facts = {
        "model": repr(model),
        "steps": model.steps,
        "config": hf_config(model),
        "training": family.training,
        "corpus": Corpus(family).manifest.get("sha256"),
        "code": code_fingerprint(Path(__file__).with_name(f"{n}.py") for n in ("train", "state")),
    }
    if model.fork:
        facts["base"] = recipe(base_of(model))
        facts["changed text"] = changed.text_digest(model)
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def base_of(model: Model) -> Model:
    """The model that a fork goes on from."""
    return find_model(model.fork.base, model.suite)


def kept_state(model: Model, step: int) -> Path:
    """The file with all that is needed to go on from one checkpoint of a model, where that is kept."""
    return model_folder(model) / f"trainer_state-step{step}.pt"


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


def is_stale(model: Model) -> bool:
    """Whether a checkpoint is there that another recipe made."""
    current = recipe(model)
    return any(_made_by(c) != current for c in model.checkpoints if is_available(c))


def workplace(model: Model) -> Path:
    """Where a model is trained: its folder, or one beside it while that holds another recipe's checkpoints.

    What an earlier training left beside it is gone on with, if today's recipe made it.
    """
    own, beside = model_folder(model), _beside(model)
    restore_folder(own)
    if beside.is_dir() and _recipe_in(beside / model.checkpoints[0].revision) != recipe(model):
        shutil.rmtree(beside)
    return beside if beside.is_dir() or is_stale(model) else own


def put_in_place(model: Model) -> None:
    """Let what was trained beside a model's folder, if anything, take its place."""
    if _beside(model).is_dir():
        replace_folder(_beside(model), model_folder(model))


def _beside(model: Model) -> Path:
    return suite_folder(model.suite) / f".new-{model.name}"


def _made_by(checkpoint: Checkpoint) -> str | None:
    return _recipe_in(checkpoint_path(checkpoint))


def _recipe_in(folder: Path) -> str | None:
    try:
        return parse((folder / "checkpoint.json").read_bytes(), {"recipe": str})["recipe"]
    except (OSError, ValueError):
        return None
