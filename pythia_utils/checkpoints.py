"""Open a checkpoint of any suite: a local folder of ours, or a revision on the Hub, by one call.

Local suites live in `PYTHIA_HOME/suites/<suite>/<model>/step<N>/`, in the layout that
`from_pretrained` reads: `model.safetensors`, `config.json` and the tokenizer's files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.errors import UsageError
from pythia_utils.provenance import file_digest
from pythia_utils.suites import Checkpoint, find_model

if TYPE_CHECKING:
    import torch
    from transformers import GPTNeoXForCausalLM, PreTrainedTokenizerFast

WEIGHTS = "model.safetensors"


def home() -> Path:
    """The folder of everything we train: `PYTHIA_HOME`, or `pythia-book/` in the platform's cache folder."""
    if folder := os.environ.get("PYTHIA_HOME"):
        return Path(folder).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pythia-book", appauthor=False))


def suite_folder(suite: str) -> Path:
    """Where a local suite's corpus, tokenizer and models are."""
    return home() / "suites" / suite


def checkpoint_path(checkpoint: Checkpoint) -> Path:
    """The folder of a local suite's checkpoint, whether it has been trained or not."""
    model = checkpoint.model
    return suite_folder(model.suite) / model.name / checkpoint.revision


def is_available(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint can be opened: the Hub's always (it is fetched), ours once it is trained."""
    return checkpoint.model.repo_id is not None or (checkpoint_path(checkpoint) / WEIGHTS).is_file()


def checkpoint_digest(checkpoint: Checkpoint, digest: Callable[[Path], str] = file_digest) -> str:
    """What identifies the weights: SHA-256 of our file; `repo@revision` for the Hub's.

    Raises:
        UsageError: a checkpoint of ours that has not been trained.
    """
    if checkpoint.model.repo_id is not None:
        return f"{checkpoint.model.repo_id}@{checkpoint.revision}"
    return digest(_require(checkpoint) / WEIGHTS)


def _require(checkpoint: Checkpoint) -> Path:
    folder = checkpoint_path(checkpoint)
    if not is_available(checkpoint):
        model = checkpoint.model
        raise UsageError(
            f"{model.name} step {checkpoint.step} is not trained yet ({folder} has no {WEIGHTS}); "
            f"run: pythia train {model.suite} --models {model.name}"
        )
    return folder


def pick_device(device: str = "auto") -> str:
    """`auto` is the GPU where there is one, else the CPU."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _pick_dtype(dtype: str, device: str, trained_in: str) -> torch.dtype:
    """`auto`: float32 on the CPU; on a GPU bfloat16 for models trained so, else float16."""
    import torch

    if dtype != "auto":
        return getattr(torch, dtype)
    if device == "cpu":
        return torch.float32
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(trained_in, torch.float32)


def load(
    model: str, step: int, suite: str | None = None, device: str = "auto", dtype: str = "auto"
) -> tuple[GPTNeoXForCausalLM, PreTrainedTokenizerFast]:
    """A checkpoint's model, in evaluation mode, and its tokenizer.

    Args:
        model: a name such as `pico-57k` or `pythia-70m-deduped`; old names are understood.
        step: the training step, one of the model's checkpoints.
        suite: the suite's name; inferred from the model's name if None.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        dtype: `auto`, `float32`, `bfloat16`, `float16`.

    Returns:
        Transformers' own `GPTNeoXForCausalLM` and `PreTrainedTokenizerFast`.

    Raises:
        UsageError: unknown model, suite or step, or one of ours that is not trained yet.
    """
    checkpoint = find_model(model, suite).checkpoint(step)
    if checkpoint.model.repo_id is None:
        source, revision, local = str(_require(checkpoint)), "main", True
    else:
        source, revision, local = checkpoint.model.repo_id, checkpoint.revision, False

    from transformers import GPTNeoXForCausalLM, PreTrainedTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()  # a bar for a file that is read in milliseconds
    device = pick_device(device)
    where = {"revision": revision, "local_files_only": local}
    network = GPTNeoXForCausalLM.from_pretrained(
        source, dtype=_pick_dtype(dtype, device, checkpoint.model.dtype), **where
    )
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source, **where)
    return network.to(device).eval(), tokenizer
