"""What a run's `config.json` says: its architecture, its shape, and how many parameters that comes to.

Only classes of transformers itself are used: code that lies beside weights is never run.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import UsageError, first_line, quoted
from pythia_utils.base.files import atomic_write
from pythia_utils.base.http import FetchError, PassingError
from pythia_utils.base.schemas import parse
from pythia_utils.suites.hub import api, hugging_face

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

FILE = "config.json"
_LARGEST = 1_000_000  # bytes
_MOST_LAYERS = 1_000
_COUNTS = {"parameters": [int]}


@dataclass(frozen=True)
class Shape:
    """Of a network. 0 for what an architecture does not have.

    Attributes:
        kind: transformers' name of the architecture.
        context: positions that it can read.
        dtype: of the stored weights.
        parameters: without embeddings, and all.
    """

    kind: str
    n_layers: int
    d_model: int
    n_heads: int
    vocab_size: int
    context: int
    dtype: str
    parameters: tuple[int, int]


def shape_of(where: str, source: dict[str, Any], kept: Path) -> Shape:
    """The shape that a configuration tells. Parameters are counted once, and the count is kept.

    Raises:
        UsageError: an architecture that transformers does not have, or no causal language model.
    """
    counts = _counted(where, source, kept)

    def number(*names: str) -> int:
        text = source.get("text_config") or {}
        found = (each.get(name) for name in names for each in (source, text))
        return next((value for value in found if isinstance(value, int)), 0)

    dtype = source.get("dtype") or source.get("torch_dtype") or "float32"
    return Shape(
        str(source.get("model_type")),
        number("num_hidden_layers", "n_layer", "n_layers"),
        number("hidden_size", "n_embd", "d_model"),
        number("num_attention_heads", "n_head", "n_heads"),
        number("vocab_size"),
        number("max_position_embeddings", "n_positions", "seq_length", "max_seq_len"),
        str(dtype).removeprefix("torch."),
        counts,
    )


def read_config(where: str, path: Path) -> dict[str, Any]:
    """A `config.json`.

    Raises:
        UsageError: it is none.
    """
    try:
        return _parsed(path.read_bytes())
    except (OSError, ValueError) as failure:
        raise UsageError(f"{where}: {path}: {first_line(failure)}") from None


def fetch_config(where: str, repo_id: str, revision: str, kept: Path) -> dict[str, Any]:
    """The `config.json` of a revision of the Hub: kept from before, in the cache, or fetched.

    Raises:
        UsageError: it cannot be had.
    """
    file = kept / f"{repo_id.replace('/', '--')}.config.json"
    if file.is_file():
        return read_config(where, file)
    commit = hugging_face.cached_commit(repo_id, revision)
    cache = hugging_face.cache_folder()
    if commit and (path := hugging_face.snapshot(cache, repo_id, commit) / FILE).is_file():
        return read_config(where, path)
    try:
        content = _fetched(repo_id, revision)
        source = _parsed(content)
    except (FetchError, PassingError, ValueError) as failure:
        raise UsageError(f"{where}: {repo_id}@{revision}: {first_line(failure)}") from None
    with atomic_write(file) as temporary:
        temporary.write_bytes(content)
    return source


def _fetched(repo_id: str, revision: str) -> bytes:
    found = api.describe(repo_id, revision)
    if FILE not in found.files or not 0 < found.files[FILE].size <= _LARGEST:
        raise FetchError(f"there is no {FILE}")
    return found.reader.read(found.url(FILE), 0, found.files[FILE].size).data


def _parsed(content: bytes) -> dict[str, Any]:
    return parse(content, {"model_type": str})


# --- counting -------------------------------------------------------------------------------------


def _counted(where: str, source: dict[str, Any], kept: Path) -> tuple[int, int]:
    text = json.dumps(source, sort_keys=True, default=str)
    file = kept / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.parameters.json"
    try:
        without, total = parse(file.read_bytes(), _COUNTS)["parameters"]
    except (OSError, ValueError):
        without, total = count_parameters(empty_network(where, known_config(where, source)))
        with atomic_write(file) as temporary:
            temporary.write_text(json.dumps({"parameters": [without, total]}), encoding="utf-8")
    return without, total


def known_config(where: object, source: dict[str, Any]) -> PretrainedConfig:
    """A configuration of transformers' own class.

    Raises:
        UsageError: transformers has no such architecture, or no causal model of it, or refuses the values.
    """
    from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING

    kind = source.get("model_type")
    if kind not in CONFIG_MAPPING:
        code = "; code beside weights is never run" if "auto_map" in source else ""
        raise UsageError(f"{where}: transformers has no architecture {kind!r}{code}")
    try:
        config = CONFIG_MAPPING[kind].from_dict(source)
    except Exception as failure:  # of the class's own checks: each has its own
        raise UsageError(f"{where}: {FILE}: {first_line(failure)}") from None
    layers = getattr(config.get_text_config(), "num_hidden_layers", 0)
    if not isinstance(layers, int) or layers > _MOST_LAYERS:  # which would take hours to count
        raise UsageError(
            f"{where}: {FILE}: {quoted(layers)} layers; expected at most {_MOST_LAYERS:,}"
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UsageError(f"{where}: transformers has no causal language model of class {kind!r}")
    return config


def empty_network(where: object, config: PretrainedConfig) -> PreTrainedModel:
    """The network of a configuration, without memory for its weights.

    Raises:
        UsageError: it cannot be built.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as failure:  # of the class's own: each has its own
        raise UsageError(f"{where}: {FILE}: {first_line(failure)}") from None


def count_parameters(network: PreTrainedModel) -> tuple[int, int]:
    """Parameters without embeddings (of tokens and positions, and the output's), and all; a tied one once."""
    import torch

    tables = [m.weight for m in network.modules() if isinstance(m, torch.nn.Embedding)]
    if (head := network.get_output_embeddings()) is not None:
        tables.append(head.weight)
    own = {id(parameter): parameter.numel() for parameter in network.parameters()}
    total = sum(own.values())
    return total - sum(own.get(key, 0) for key in {id(table) for table in tables}), total
