"""A suite of your own: from its file, and from what lies where the file points, to models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pythia_utils.suites.home import home
from pythia_utils.suites.models import Model
from pythia_utils.suites.own import config, revisions
from pythia_utils.suites.own.pattern import Pattern
from pythia_utils.suites.own.revisions import Found
from pythia_utils.suites.own.run import OwnRun

_DTYPES = ("float32", "bfloat16", "float16")
_GIVEN = ("batch_size", "seq_length", "seed")


def own_model(file: Path, source: dict[str, Any], entry: dict[str, Any]) -> Model:
    """The model of an entry of a suite file: its steps and its shape are looked up.

    Raises:
        UsageError: no such checkpoints, or none that transformers knows; with the file and the model.
    """
    where, kept = f"{file.name}: {entry['name']}", home() / "own"
    folder = Path(entry["folder"]) if "folder" in entry else None
    found = _checkpoints(where, entry, folder, kept)
    steps = tuple(found.names)
    if folder:
        content = config.read_config(where, folder / found.names[steps[-1]] / config.FILE)
    else:
        content = config.fetch_config(where, entry["repo"], found.names[steps[-1]], kept)
    shape = config.shape_of(where, content, kept)
    per_step = entry.get("tokens_per_step") or entry.get("batch_size", 0) * entry.get(
        "seq_length", 0
    )
    told = json.dumps([source["training_data"], entry], sort_keys=True)
    run = OwnRun(
        told,
        file,
        folder,
        shape.kind,
        found.names,
        {step: found.tokens.get(step, step * per_step) for step in steps},
        shape.parameters,
        {key: entry[key] for key in _GIVEN if key in entry},
        entry.get("tokenizer", ""),
    )
    return Model(**_fields(source, entry, shape), steps=steps, total_steps=steps[-1], own=run)


def _checkpoints(where: str, entry: dict, folder: Path | None, kept: Path) -> Found:
    pattern, steps = Pattern.parse(where, entry["revisions"]), entry.get("steps")
    if folder:
        names = revisions.in_folder(folder, pattern)
        return revisions.choose(f"{where}: {folder}", pattern, names, steps)
    if steps and not pattern.has_tokens:  # all is told: the Hub need not be asked
        names = [pattern.name(step) for step in steps]
    else:
        names = revisions.on_hub(entry["repo"], kept)
    return revisions.choose(f"{where}: {entry['repo']}", pattern, names, steps)


def _fields(source: dict, entry: dict, shape: config.Shape) -> dict[str, Any]:
    """Of `Model`, what does not depend on which checkpoints there are."""
    usual = source["models"][0].get("seed", 0)
    data = entry.get("training_data", source["training_data"])
    return {
        "name": entry["name"],
        "suite": source["name"],
        "variant": entry.get("variant", "standard"),
        "version": "",
        # Without a size of its own no model is taken for another seed of one of the same size.
        "size": entry.get("size", entry["name"]),
        "weight_seed": entry.get("seed", usual),
        "data_seed": entry.get("seed", usual),
        "usual_seed": usual,
        "n_layers": shape.n_layers,
        "d_model": shape.d_model,
        "n_heads": shape.n_heads,
        "vocab_size": shape.vocab_size,
        "rotary_pct": 0.0,
        "learning_rate": 0.0,
        "batch_size": entry.get("batch_size", 0),
        "seq_length": entry.get("seq_length", shape.context),
        "dtype": shape.dtype if shape.dtype in _DTYPES else "float32",
        "repo_id": entry.get("repo"),
        "trained_on": data,
    }
