"""A checkpoint's tensors: built into a model by `from_pretrained`, or swapped into one that is there."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in

if TYPE_CHECKING:
    import torch
    from transformers import GPTNeoXForCausalLM

# In the suite's own files, and no weights: causal masks, and frequencies that follow from the shape.
_DERIVED = re.compile(r"attention\.(bias|masked_bias|rotary_emb\.inv_freq)$")
_CHUNK = 1 << 22
# While it builds, `from_pretrained` changes transformers and torch for the whole process (default
# dtype, initialisation, tying): two at a time may leave it so.
_BUILDING = threading.Lock()


class WeightsError(OSError):
    """Files that are there and do not hold the weights of this model. The command exits with 1."""


def build(folder: Path, dtype: torch.dtype, spread: bool = False) -> GPTNeoXForCausalLM:
    """The model in a folder, every weight of it from the files; in evaluation mode, on the CPU.

    Args:
        folder: in `from_pretrained` layout.
        dtype: to convert to.
        spread: over all GPUs, and the CPU's memory for the rest, by accelerate.

    Raises:
        WeightsError: files that cannot be read, or lack some weight.
    """
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    extra = {"device_map": "auto"} if spread else {}
    state = read(folder)
    try:
        config = GPTNeoXConfig.from_pretrained(folder, local_files_only=True)
        with _BUILDING:
            network, info = GPTNeoXForCausalLM.from_pretrained(
                None,
                config=config,
                state_dict=state,
                dtype=dtype,
                output_loading_info=True,
                **extra,
            )
    except Exception as failure:  # of the configuration, shapes, memory: each has its own
        raise WeightsError(f"{folder}: {_first_line(failure)}") from failure
    _check_names(folder, info["missing_keys"], info["unexpected_keys"])
    return network.eval()


def read(folder: Path, whole: bool = False) -> dict[str, torch.Tensor]:
    """A checkpoint's tensors by the model's names, in the stored dtype, on the CPU.

    Tensors are mapped from the files, without a copy where the format allows it.

    Args:
        folder: in `from_pretrained` layout; where it has an index, that says which file has which.
        whole: read the files to their end, so that they are in memory when they are wanted.

    Raises:
        WeightsError: files that cannot be read.
    """
    from transformers.modeling_utils import load_state_dict

    try:
        if (weights := weights_in(folder)) is None:
            raise WeightsError(f"{folder}: no complete weights")
    except CorruptFileError as failure:
        raise WeightsError(f"{folder}: {failure}") from None
    state = {}
    for name in weights.files:
        try:
            if whole:
                _warm(folder / name)
            part = load_state_dict(folder / name, weights_only=True)
        except Exception as failure:  # of safetensors, pickle, zip: each has its own
            raise WeightsError(f"{folder / name}: {_first_line(failure)}") from failure
        state |= {key: part[key] for key in part if weights.places.get(key, name) == name}
    return {
        re.sub(r"^embed_out\.", "lm_head.", name): tensor
        for name, tensor in state.items()
        if not _DERIVED.search(name)
    }


def _warm(path: Path) -> None:
    buffer = bytearray(_CHUNK)
    with open(path, "rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def swap(network: GPTNeoXForCausalLM, state: dict[str, torch.Tensor]) -> None:
    """Overwrite a model's weights in place, converted to its dtype, on its device.

    Args:
        network: keeps its parameters' memory; buffers follow from the shape and stay.
        state: as `read` gives it.

    Raises:
        WeightsError: not this model's names and shapes, or weights that are not in memory; the model
            is then as before.
    """
    import torch

    own = network.state_dict()
    missing = own.keys() - state.keys()
    if network.config.tie_word_embeddings:
        missing -= {"lm_head.weight"}
    _check_names("the checkpoint", missing, state.keys() - own.keys())
    for name, tensor in state.items():
        if own[name].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, the model's {tuple(own[name].shape)}"
            raise WeightsError(f"the checkpoint's {name} has the shape {shapes}")
        if own[name].is_meta:
            raise WeightsError(f"{name} is not in memory; a sweep needs a model that fits")
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def _check_names(where: object, missing, unexpected) -> None:
    if missing:
        raise WeightsError(f"{where} lacks {len(missing)} weights, such as {min(missing)}")
    if unexpected:
        raise WeightsError(
            f"{where} has {len(unexpected)} unknown weights, such as {min(unexpected)}"
        )


def _first_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines() or [type(failure).__name__]
    return f"weights cannot be read ({type(failure).__name__}: {lines[0][:200]})"
