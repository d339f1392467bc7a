"""Configurations to train a model again: as GPT-NeoX reads them, or as transformers does.

`neox_yaml` writes what EleutherAI/pythia publishes as `models/*/pythia-*.yml`, under the same keys, with
values from the suite's own file: one source for the shape that we analyse and the one that you train.
"""

from __future__ import annotations

from dataclasses import dataclass

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import suite_folder

VOCAB_MULTIPLE = (
    128  # GPT-NeoX pads the vocabulary to a multiple of this times the model parallelism
)
_DEFAULT_INIT = ("6.9b", "12b")  # start from GPT-NeoX's default initialisation (P#135)
_PILE = {
    "standard": "pile_20B_tokenizer_text_document",
    "deduped": "pile_0.87_deduped_text_document",
}


@dataclass(frozen=True)
class Layout:
    """How a model is spread over GPUs. None of it changes what the model learns from, or in what order.

    Attributes:
        gpus: in all.
        model_parallel: GPUs that share one copy of the weights; decides how far the vocabulary is padded.
        micro_batch: sequences at once on one GPU.
        zero_stage: what ZeRO spreads over the copies: 0 nothing, 1 the optimiser's state.
    """

    gpus: int
    model_parallel: int
    micro_batch: int
    zero_stage: int = 1

    def accumulation(self, batch_size: int) -> int:
        """Micro-batches whose gradients are summed for one step (`gas`)."""
        return batch_size * self.model_parallel // (self.gpus * self.micro_batch)


# As the comments and the settings of the published configurations have it.
_PUBLISHED = {
    "14m": Layout(32, 1, 32, zero_stage=0),
    "31m": Layout(32, 1, 32, zero_stage=0),
    "70m": Layout(32, 1, 32),
    "160m": Layout(32, 1, 32),
    "410m": Layout(32, 1, 32),
    "1b": Layout(64, 1, 16),
    "1.4b": Layout(64, 1, 16),
    "2.8b": Layout(64, 1, 16),
    "6.9b": Layout(128, 2, 8),
    "12b": Layout(256, 4, 8),
}


def layout(model: Model, gpus: int | None = None) -> Layout:
    """The published layout of a Pythia model, one GPU for ours; on `gpus` GPUs if given.

    Raises:
        UsageError: this many GPUs cannot make up the model's batch.
    """
    published = _PUBLISHED.get(model.size) if model.suite == "pythia" else None
    usual = published or Layout(1, 1, model.batch_size, zero_stage=0)
    gpus = usual.gpus if gpus is None else gpus
    copies, rest = divmod(gpus, usual.model_parallel)
    if gpus < 1 or rest or model.batch_size % copies:
        raise UsageError(
            f"{gpus} GPUs cannot share the {model.batch_size} sequences of a batch of {model.name}; "
            f"expected {usual.model_parallel} times a divisor of {model.batch_size}"
        )
    share = model.batch_size // copies
    micro_batch = max(n for n in range(1, usual.micro_batch + 1) if share % n == 0)
    return Layout(gpus, usual.model_parallel, micro_batch, usual.zero_stage)


def neox_config(model: Model, gpus: int | None = None) -> dict:
    """All settings of GPT-NeoX for one model, under GPT-NeoX's names.

    Args:
        model: of any suite.
        gpus: how many GPUs there are; by default as many as trained the published model. The batch stays
            the same: gradients are accumulated over more or fewer micro-batches.

    Raises:
        UsageError: so many GPUs cannot make up the batch.
    """
    return {key: value for part in _sections(model, gpus).values() for key, value in part.items()}


def neox_yaml(model: Model, gpus: int | None = None) -> str:
    """The same as YAML, with a heading and a comment before each group of settings."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Lists on one line, as people write them."""

    seq = "tag:yaml.org,2002:seq"
    Dumper.add_representer(list, lambda d, items: d.represent_sequence(seq, items, flow_style=True))
    parts = [_heading(model)]
    for comment, settings in _sections(model, gpus).items():
        text = yaml.dump(settings, Dumper=Dumper, sort_keys=False, default_flow_style=False)
        parts.append(f"# {comment}\n{text}")
    return "\n".join(parts)


def _heading(model: Model) -> str:
    lines = [f"{model.name}: GPT-NeoX v1.0 configuration, {model.total_params:,} parameters."]
    if model.suite == "pythia":
        lines.append(
            "Change the paths of data and tokenizer to yours, and --gpus to what you have."
        )
    else:
        lines += [
            "Trained here in float32 by `pythia train`. GPT-NeoX asks for half a percent more sequences",
            "than it reads: where the corpus is one epoch long, that begins a second, in another order.",
        ]
    return "".join(f"# {line}\n" for line in lines)


def _sections(model: Model, gpus: int | None) -> dict[str, dict]:
    spread = layout(model, gpus)
    training = suite(model.suite).training
    return {
        f"parallelism (for {spread.gpus} GPUs)": {
            "pipe-parallel-size": 1,
            "model-parallel-size": spread.model_parallel,
        },
        "model": _architecture(model, training),
        "optimiser": _optimiser(model, training, spread),
        f"a batch of {model.batch_size} sequences": {
            "train_micro_batch_size_per_gpu": spread.micro_batch,
            "gas": spread.accumulation(model.batch_size),
            "data-impl": "mmap",
            "seed": model.seed,  # of initial weights and of the order of the data
        },
        "memory": {
            "checkpoint-activations": True,
            "checkpoint-num-layers": 1,
            "partition-activations": True,
            "synchronize-each-layer": True,
        },
        "precision": _precision(model),
        "duration and checkpoints": _duration(model, training),
        "data and tokenizer": _data(model),
    }


def _architecture(model: Model, training: dict) -> dict:
    settings = {
        "num-layers": model.n_layers,
        "hidden-size": model.d_model,
        "num-attention-heads": model.n_heads,
        "seq-length": model.seq_length,
        "max-position-embeddings": model.seq_length,
        "norm": "layernorm",
        "pos-emb": "rotary",
        "rotary-pct": model.rotary_pct,
        "no-weight-tying": True,
        "gpt-j-residual": True,
        "output-layer-parallelism": "column",
        "make-vocab-size-divisible-by": VOCAB_MULTIPLE,
        "scaled-upper-triang-masked-softmax-fusion": True,
        "bias-gelu-fusion": True,
        "hidden-dropout": 0,
        "attention-dropout": 0,
    }
    if model.suite == "pythia" and not model.version:  # v0 was trained without flash attention
        settings["attention-config"] = [[["flash"], model.n_layers]]
    default = model.suite == "pythia" and model.size in _DEFAULT_INIT
    settings["init_method"] = "normal" if default else training["init"]
    settings["output_layer_init_method"] = "scaled_normal" if default else training["output_init"]
    return settings


def _optimiser(model: Model, training: dict, spread: Layout) -> dict:
    bucket = 1_260_000_000 if spread.model_parallel > 1 else 500_000_000
    # In v0 the two largest models decayed to 0 (changelog of EleutherAI/pythia, April 2023).
    to_zero = model.version == "v0" and spread.model_parallel > 1
    floor = 0.0 if to_zero else float(f"{training['min_lr'] * model.learning_rate:.6g}")
    betas, eps = list(training["betas"]), training["eps"]
    return {
        "optimizer": {
            "type": "Adam",
            "params": {"lr": model.learning_rate, "betas": betas, "eps": eps},
        },
        "min_lr": floor,
        "lr-decay-style": training["schedule"],
        "lr-decay-iters": model.total_steps,
        "warmup": training["warmup"],
        "gradient_clipping": training["clip"],
        "weight-decay": training["weight_decay"],
        "zero_optimization": {
            "stage": spread.zero_stage,
            "allgather_partitions": True,
            "allgather_bucket_size": bucket,
            "overlap_comm": True,
            "reduce_scatter": True,
            "reduce_bucket_size": bucket,
            "contiguous_gradients": True,
            "cpu_offload": False,
        },
    }


def _precision(model: Model) -> dict:
    """GPT-NeoX v1.0 takes bfloat16 as a type of `fp16`; ours train in float32, its default."""
    if model.repo_id is None:
        return {"fp16": {"enabled": False}}
    if model.dtype == "bfloat16":
        return {"fp16": {"enabled": True, "type": "bfloat16"}}
    return {
        "fp16": {
            "fp16": True,
            "enabled": True,
            "loss_scale": 0,  # dynamic
            "loss_scale_window": 1000,
            "initial_scale_power": 12,
            "hysteresis": 2,
            "min_loss_scale": 1,
        }
    }


def _duration(model: Model, training: dict) -> dict:
    last, before = model.steps[-1], model.steps[-2]
    # Revisions count in the suite's batches; this model's may be larger.
    own = model.total_steps / last
    every = round((last - before) * own)
    early = [round(step * own) for step in model.steps if step * own % every or step == 0]
    return {
        "train-iters": model.total_steps,
        "checkpoint-factor": every,
        "extra-save-iters": early,
        "eval-interval": model.total_steps,
        "eval-iters": 10,
        "log-interval": 10,
        "steps_per_print": 10,
        "wall_clock_breakdown": True,
        "distributed-backend": "nccl",
    }


def _data(model: Model) -> dict:
    """Paths: the names that the published files have, in `data/`; of our corpus its own folder."""
    folder = suite_folder(model.suite) / "corpus"
    ours = model.repo_id is None
    prefix = str(folder / model.variant) if ours else f"data/{_PILE[model.variant]}"
    return {
        "train-data-paths": [prefix],
        "valid-data-paths": [prefix],
        "test-data-paths": [prefix],
        "tokenizer-type": "HFTokenizer",
        "vocab-file": str(folder / "tokenizer.json") if ours else "data/20B_tokenizer.json",
    }


def hf_config(model: Model) -> dict:
    """The model's `config.json`, as transformers' `GPTNeoXConfig` and the Hub's own files name it."""
    return {
        "architectures": ["GPTNeoXForCausalLM"],
        "model_type": "gpt_neox",
        "vocab_size": model.vocab_size,
        "hidden_size": model.d_model,
        "num_hidden_layers": model.n_layers,
        "num_attention_heads": model.n_heads,
        "intermediate_size": model.intermediate,
        "hidden_act": "gelu",
        "rotary_pct": model.rotary_pct,
        "rotary_emb_base": 10000,
        "max_position_embeddings": model.seq_length,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": True,
        "use_cache": True,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "torch_dtype": model.dtype,
    }
