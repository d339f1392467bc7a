"""What decides the computation of a model, as GPT-NeoX's settings say it and as `config.json` does.

GPT-NeoX's names and defaults are those of its v1.0, with which Pythia was trained
(`megatron/neox_arguments/neox_args.py`); they did not change since. It can be told of models that
transformers' `GPTNeoXForCausalLM` cannot be: those are refused, never taken for what they are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import UsageError, quoted
from pythia_utils.base.schemas import check, number, whole

if TYPE_CHECKING:
    import torch
    from transformers import GPTNeoXConfig

_LARGEST = 10_000_000
_SETTINGS = {
    "num_layers": whole(1, 1_000),
    "hidden_size": whole(1, _LARGEST),
    "num_attention_heads": whole(1, 10_000),
    "max_position_embeddings": whole(1, _LARGEST),
    "intermediate_size?": whole(1, _LARGEST),
    "rotary_pct?": number(0, 1),
    "rotary_emb_base?": number(1),
    "gpt_j_residual?": bool,
    "no_weight_tying?": bool,
    "layernorm_epsilon?": number(0, 1),
    "init_method_std?": number(0),
    "model_parallel_size?": whole(1, 1_000),
}
# Settings that transformers' class has no word for: what it computes, and GPT-NeoX's default.
_FIXED = {
    "pos_emb": ("rotary", "learned"),
    "norm": ("layernorm", "layernorm"),
    "activation": ("gelu", "gelu"),
    "mlp_type": ("regular", "regular"),
    "gpt_j_tied": (False, False),
    "use_bias_in_attn_linear": (True, True),
    "use_bias_in_norms": (True, True),
}


@dataclass(frozen=True)
class Architecture:
    """A model's shape and what it computes, by the names of GPT-NeoX's settings.

    Attributes:
        vocab_size: rows of the embeddings, those that pad the vocabulary included.
        intermediate_size: width of the MLP; 4 x `hidden_size` in v1.0.
        rotary_pct: share of each head that is rotated.
        gpt_j_residual: attention and MLP read the same residual stream ("parallel residual").
        no_weight_tying: the unembedding is a matrix of its own.
        init_method_std: of weights, at the start of training; computes nothing.
    """

    vocab_size: int
    num_layers: int
    hidden_size: int
    num_attention_heads: int
    max_position_embeddings: int
    intermediate_size: int
    rotary_pct: float = 1.0
    rotary_emb_base: float = 10000
    gpt_j_residual: bool = False
    no_weight_tying: bool = False
    layernorm_epsilon: float = 1e-5
    init_method_std: float = 0.02

    def rotary_frequencies(self) -> torch.Tensor:
        """`inv_freq`, the angle a position by which each pair of a head's dimensions is turned: float32."""
        import torch

        turned = int(self.hidden_size // self.num_attention_heads * self.rotary_pct)
        return 1.0 / (self.rotary_emb_base ** (torch.arange(0, turned, 2).float() / turned))

    # --- GPT-NeoX ---------------------------------------------------------------------------------

    @classmethod
    def from_neox(cls, settings: Mapping[str, Any], vocab_size: int, where: str) -> Architecture:
        """Of GPT-NeoX's settings, in which `-` and `_` are one.

        Args:
            settings: what its YAML files hold.
            vocab_size: rows of the embedding; settings do not say it.
            where: the settings' file, for messages.

        Raises:
            UsageError: one is missing or no such value, or means what transformers' class cannot do.
        """
        known = with_underscores(settings, where)
        check(where, known, _SETTINGS)
        for name, (wanted, default) in _FIXED.items():
            if (found := known.get(name, default)) != wanted:
                said = f"is {quoted(found, 60)}" + " by default" * (name not in known)
                hint = f"transformers' GPT-NeoX has only {quoted(wanted)}"
                raise UsageError(f"{where}: {name} {said}; {hint}")
        if known["hidden_size"] % known["num_attention_heads"]:
            told = f"hidden_size {known['hidden_size']} is no multiple of num_attention_heads"
            raise UsageError(f"{where}: {told} {known['num_attention_heads']}")
        given = {f.name: known[f.name] for f in fields(cls) if f.name in known}
        usual = {"intermediate_size": 4 * known["hidden_size"]}
        return cls(**usual | given | {"vocab_size": vocab_size})

    def to_neox(self, parts: int) -> dict[str, Any]:
        """GPT-NeoX's settings for the model in so many parts; training's are not among them.

        The vocabulary is padded to a multiple of `make_vocab_size_divisible_by` times the parts: here to
        the very rows that there are, of whatever tokenizer that fits them.
        """
        own = {
            n: v for n, v in asdict(self).items() if n not in ("vocab_size", "intermediate_size")
        }
        return own | {
            "seq_length": self.max_position_embeddings,
            "pos_emb": "rotary",
            "norm": "layernorm",
            "pipe_parallel_size": 1,
            "model_parallel_size": parts,
            "make_vocab_size_divisible_by": self.vocab_size // parts,
        }

    # --- transformers -----------------------------------------------------------------------------

    @classmethod
    def from_hugging_face(cls, config: GPTNeoXConfig, where: str) -> Architecture:
        """Of a configuration of transformers.

        Raises:
            UsageError: it asks for what GPT-NeoX's checkpoints have no word for.
        """
        rotary = config.rope_parameters
        for name, found, wanted in (
            ("hidden_act", config.hidden_act, "gelu"),
            ("attention_bias", config.attention_bias, True),
            ("rope_type", rotary["rope_type"], "default"),
            ("intermediate_size", config.intermediate_size, 4 * config.hidden_size),
        ):
            if found != wanted:
                raise UsageError(
                    f"{where}: {name} is {quoted(found)}; GPT-NeoX v1.0 has {wanted!r}"
                )
        return cls(
            vocab_size=config.vocab_size,
            num_layers=config.num_hidden_layers,
            hidden_size=config.hidden_size,
            num_attention_heads=config.num_attention_heads,
            max_position_embeddings=config.max_position_embeddings,
            intermediate_size=config.intermediate_size,
            rotary_pct=rotary["partial_rotary_factor"],
            rotary_emb_base=rotary["rope_theta"],
            gpt_j_residual=config.use_parallel_residual,
            no_weight_tying=not config.tie_word_embeddings,
            layernorm_epsilon=config.layer_norm_eps,
            init_method_std=config.initializer_range,
        )

    def to_hugging_face(self, dtype: str) -> dict[str, Any]:
        """`config.json`, as transformers' `GPTNeoXConfig` and the Hub's own files name it.

        Args:
            dtype: of the stored weights, such as `float16`.
        """
        return {
            "architectures": ["GPTNeoXForCausalLM"],
            "model_type": "gpt_neox",
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_attention_heads,
            "intermediate_size": self.intermediate_size,
            "hidden_act": "gelu",
            "rotary_pct": self.rotary_pct,
            "rotary_emb_base": self.rotary_emb_base,
            "max_position_embeddings": self.max_position_embeddings,
            "initializer_range": self.init_method_std,
            "layer_norm_eps": self.layernorm_epsilon,
            "use_parallel_residual": self.gpt_j_residual,
            "use_cache": True,
            "tie_word_embeddings": not self.no_weight_tying,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "torch_dtype": dtype,
        }


def with_underscores(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Settings by their names with `_` alone.

    Raises:
        UsageError: one is there twice, once with `-`.
    """
    check(where, settings, {str: object})
    named = {name.replace("-", "_"): value for name, value in settings.items()}
    if len(named) < len(settings):
        twice = next(n for n in settings if "-" in n and n.replace("-", "_") in settings)
        raise UsageError(f"{where}: {twice} is there twice, once with _")
    return named
