"""A checkpoint's tensors: built into a model by `from_pretrained`, or swapped into one that is there."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import first_line
from pythia_utils.suites.hub.weight_files import CorruptFileError, weights_in
from pythia_utils.suites.neox_config import hf_config

if TYPE_CHECKING:
    import torch
    from transformers import GPTNeoXConfig, PreTrainedModel

    from pythia_utils.suites.catalog import Model

# In the suite's own files, and no weights: causal masks, and frequencies that follow from the shape.
_DERIVED = re.compile(r"(attention\.(bias|masked_bias)|rotary_emb\.inv_freq)$")
_CHUNK = 1 << 22
# Settings of a configuration that decide what is computed of the weights.
_SHAPE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
_SHAPE += ("intermediate_size", "hidden_act", "layer_norm_eps", "rope_parameters")
_SHAPE += ("attention_bias", "use_parallel_residual", "tie_word_embeddings")
_SHAPE += ("max_position_embeddings",)
# While it builds, `from_pretrained` changes transformers and torch for the whole process (default
# dtype, initialisation, tying): two at a time may leave it so.
_BUILDING = threading.Lock()


class WeightsError(OSError):
    """Files that are there and do not hold the weights of this model. The command exits with 1."""


def prepare() -> None:
    """What transformers does before it builds a first model: rules of all its classes, a fifth of a second."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    get_checkpoint_conversion_mapping("gpt_neox")


def build(folder: Path, model: Model, dtype: torch.dtype, spread: bool = False) -> PreTrainedModel:
    """The model in a folder, every weight of it from the files; in evaluation mode, on the CPU.

    They are converted to `dtype`, and with `spread` lie on all GPUs, the rest in the CPU's memory, by
    accelerate. Nothing is allocated for those of another shape.

    Raises:
        WeightsError: files that cannot be read, lack some weight, or are of another model.
    """
    import torch
    from transformers import GPTNeoXForCausalLM

    if model.own:
        return _build_own(folder, dtype, spread)
    config, state = read_config(folder, model), read(folder)
    extra = {"device_map": "auto"} if spread else {}
    try:
        with _BUILDING:
            with torch.device("meta"):
                own = GPTNeoXForCausalLM(config).state_dict()
            _check_state(folder, own, state)
            network = GPTNeoXForCausalLM.from_pretrained(
                None, config=config, state_dict=state, dtype=dtype, **extra
            )
    except WeightsError:
        raise
    except Exception as failure:  # of memory, of accelerate: each has its own
        raise WeightsError(f"{folder}: {_reason(failure)}") from failure
    return network.eval()


def _build_own(folder: Path, dtype: torch.dtype, spread: bool) -> PreTrainedModel:
    """A model of whatever architecture its configuration names, of those that transformers itself has."""
    from transformers import AutoModelForCausalLM

    from pythia_utils.suites.own import config as own

    config = own.known_config(folder, own.read_config(str(folder), folder / own.FILE))
    kind = AutoModelForCausalLM._model_mapping[type(config)]
    extra = {"device_map": "auto"} if spread else {}
    try:
        with _BUILDING:
            network, found = kind.from_pretrained(
                None,
                config=config,
                state_dict=read(folder),
                dtype=dtype,
                output_loading_info=True,
                **extra,
            )
    except WeightsError:
        raise
    except Exception as failure:  # of memory, of accelerate: each has its own
        raise WeightsError(f"{folder}: {_reason(failure)}") from failure
    for fault in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if names := sorted(map(str, found[fault])):
            what = fault.replace("_keys", " weights")
            raise WeightsError(f"{folder}: {len(names)} {what}, such as {names[0]}")
    return network.eval()


def read_config(folder: Path, model: Model) -> GPTNeoXConfig:
    """The configuration in a folder, which must tell the model's class and shape.

    Raises:
        WeightsError: it is missing, cannot be read, or is another model's.
    """
    from transformers import GPTNeoXConfig

    config = parse_config(folder)
    wanted = GPTNeoXConfig.from_dict(hf_config(model))
    for name in _SHAPE:
        if (found := getattr(config, name)) != (known := getattr(wanted, name)):
            path = folder / "config.json"
            raise WeightsError(f"{path}: {name} is {found}, and {model.name} has {known}")
    return config


def parse_config(folder: Path) -> GPTNeoXConfig:
    """The configuration in a folder, of whatever model of the class.

    Raises:
        WeightsError: it is missing, cannot be read, or is another class's.
    """
    from transformers import GPTNeoXConfig

    path = folder / "config.json"
    try:
        source = json.loads(path.read_bytes())
        kind = source.get("model_type")
        config = GPTNeoXConfig.from_dict(source)
    except FileNotFoundError:
        raise WeightsError(f"{path} is missing") from None
    except Exception as failure:  # of JSON, of the class's own checks
        raise WeightsError(f"{path}: {_reason(failure)}") from failure
    if kind != "gpt_neox":
        raise WeightsError(f"{path} is of a model of class {kind!r}; expected 'gpt_neox'")
    return config


def read(folder: Path, whole: bool = False) -> dict[str, torch.Tensor]:
    """A checkpoint's tensors by the model's names, in the stored dtype, on the CPU.

    Tensors are mapped from the files, without a copy where the format allows it.

    With `whole` the files are read to their end, so that they are in memory when they are wanted.

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
            raise WeightsError(f"{folder / name}: {_reason(failure)}") from failure
        places = weights.places or dict.fromkeys(part, name)
        state |= {key: part[key] for key in part if places.get(key) == name}
    if lost := weights.places.keys() - state.keys():
        where = weights.places[min(lost)]
        raise WeightsError(f"{folder / where} lacks {min(lost)}, which the index places there")
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


def swap(network: PreTrainedModel, state: dict[str, torch.Tensor]) -> None:
    """Overwrite a model's weights in place, converted to its dtype, on its device.

    The parameters keep their memory; buffers follow from the shape and stay.

    Raises:
        WeightsError: not this model's names and shapes, or weights that are not in memory; the model
            is then as before.
    """
    import torch

    own = network.state_dict()
    if network.config.tie_word_embeddings:
        state = {"lm_head.weight": own["lm_head.weight"]} | state
    _check_state("the checkpoint", own, state)
    for name in state:
        if own[name].is_meta:
            raise WeightsError(f"{name} is not in memory; a sweep needs a model that fits")
    with torch.no_grad():
        for name, tensor in state.items():
            own[name].copy_(tensor)


def _check_state(where: object, own: dict, state: dict) -> None:
    """Raise unless a checkpoint's tensors have the names and shapes of the model's own."""
    if missing := own.keys() - state.keys():
        raise WeightsError(f"{where} lacks {len(missing)} weights, such as {min(missing)}")
    if more := state.keys() - own.keys():
        raise WeightsError(f"{where} has {len(more)} unknown weights, such as {min(more)}")
    for name, tensor in state.items():
        if own[name].shape != tensor.shape:
            shapes = f"{tuple(tensor.shape)}, the model's {tuple(own[name].shape)}"
            raise WeightsError(f"{where}: {name} has the shape {shapes}")


def _reason(failure: Exception) -> str:
    return f"weights cannot be read ({type(failure).__name__}: {first_line(failure)[:200]})"
