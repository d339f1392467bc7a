"""Configurations to train a model again: as GPT-NeoX reads them, or as transformers does.

`neox_yaml` writes what EleutherAI/pythia publishes as `models/*/pythia-*.yml`, under the same keys: the
template `data/neox_config.yml`, filled with the values of the suite's own file. So there is one source for
the shape that we analyse and the one that you train.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import Model, data_file, suite
from pythia_utils.suites.folders import suite_folder
from pythia_utils.suites.neox.architecture import Architecture

_DEFAULT_INIT = ("6.9b", "12b")  # start from GPT-NeoX's default initialisation (P#135)
_PILE = {
    "standard": "pile_20B_tokenizer_text_document",
    "deduped": "pile_0.87_deduped_text_document",
}


@dataclass(frozen=True)
class Parallelism:
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
        """Micro-batches whose gradients are summed for one step (`gradient_accumulation_steps`)."""
        return batch_size * self.model_parallel // (self.gpus * self.micro_batch)


# As the comments and the settings of the published configurations have it.
_PUBLISHED = {
    "14m": Parallelism(32, 1, 32, zero_stage=0),
    "31m": Parallelism(32, 1, 32, zero_stage=0),
    "70m": Parallelism(32, 1, 32),
    "160m": Parallelism(32, 1, 32),
    "410m": Parallelism(32, 1, 32),
    "1b": Parallelism(64, 1, 16),
    "1.4b": Parallelism(64, 1, 16),
    "2.8b": Parallelism(64, 1, 16),
    "6.9b": Parallelism(128, 2, 8),
    "12b": Parallelism(256, 4, 8),
}


def parallelism(model: Model, gpus: int | None = None) -> Parallelism:
    """The published layout of a Pythia model, one GPU for ours; on `gpus` GPUs if given.

    Raises:
        UsageError: this many GPUs cannot make up the model's batch.
    """
    published = _PUBLISHED.get(model.size) if model.suite == "pythia" else None
    usual = published or Parallelism(1, 1, model.batch_size, zero_stage=0)
    gpus = usual.gpus if gpus is None else gpus
    copies, rest = divmod(gpus, usual.model_parallel)
    if gpus < 1 or rest or model.batch_size % copies:
        raise UsageError(
            f"{gpus} GPUs cannot share the {model.batch_size} sequences of a batch of {model.name}; "
            f"expected {usual.model_parallel} times a divisor of {model.batch_size}"
        )
    share = model.batch_size // copies
    micro_batch = max(n for n in range(1, usual.micro_batch + 1) if share % n == 0)
    return Parallelism(gpus, usual.model_parallel, micro_batch, usual.zero_stage)


def neox_yaml(model: Model, gpus: int | None = None) -> str:
    """All settings of GPT-NeoX for one model, as YAML with a heading and comments.

    Args:
        model: of any suite.
        gpus: how many GPUs there are; by default as many as trained the published model. The batch stays
            the same: gradients are accumulated over more or fewer micro-batches.

    Raises:
        UsageError: so many GPUs cannot make up the batch, or the model's seeds are two: GPT-NeoX has one; or
            how it was trained is not known here.
    """
    require_known(model)
    text = data_file("neox_config.yml").read_text(encoding="utf-8")
    values = _values(model, parallelism(model, gpus))
    if values["attention"] is None:
        text = text.replace("attention-config: $attention\n", "")
    template = Template(text)
    filled = template.substitute({n: _as_yaml(values[n]) for n in template.get_identifiers()})
    return f"{_heading(model)}\n{filled}"


def _as_yaml(value: object) -> str:
    """A value on one line, as YAML reads it back."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=float("inf"))
    return text.removesuffix("...\n").rstrip("\n")


def require_known(model: Model) -> None:
    """Refuse a model of which nobody can tell how it was trained.

    Raises:
        UsageError: one of a suite of your own, one whose data are not published, or one that goes on from
            another.
    """
    if model.fork:
        base = model.fork.base
        raise UsageError(
            f"{model.name} is no run of its own ({model.fork.in_words}); expected {base}"
        )
    if model.trained_on:
        raise UsageError(
            f"how {model.name} was trained is not known here: it read {model.trained_on}"
        )


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


def _values(model: Model, spread: Parallelism) -> dict[str, object]:
    """What the template's names stand for; `attention` is None where GPT-NeoX's default is meant."""
    if model.weight_seed != model.data_seed:
        raise UsageError(
            f"{model.name}: GPT-NeoX has one seed; expected a model whose weights and data order share it"
        )
    training = suite(model.suite).training
    flash = model.suite == "pythia" and not model.version  # v0 was trained without
    default = model.suite == "pythia" and model.size in _DEFAULT_INIT
    init = ("normal", "scaled_normal") if default else (training["init"], training["output_init"])
    return {
        **training,
        **vars(model),
        "seed": model.weight_seed,
        **vars(spread),
        **_duration(model),
        **_data(model),
        "accumulation": spread.accumulation(model.batch_size),
        "attention": [[["flash"], model.n_layers]] if flash else None,
        "init": init[0],
        "output_init": init[1],
        "min_lr": _lowest_rate(model, training, spread),
        "bucket": 1_260_000_000 if spread.model_parallel > 1 else 500_000_000,
        "precision": _precision(model),
    }


def _lowest_rate(model: Model, training: dict, spread: Parallelism) -> float:
    """Where the schedule ends: in v0 the two largest models decayed to 0 (changelog of EleutherAI/pythia)."""
    if model.version == "v0" and spread.model_parallel > 1:
        return 0.0
    return float(f"{training['min_lr'] * model.learning_rate:.6g}")


def _precision(model: Model) -> dict:
    """GPT-NeoX v1.0 takes bfloat16 as a type of `fp16`; ours train in float32, its default."""
    if model.repo_id is None:
        return {"enabled": False}
    if model.dtype == "bfloat16":
        return {"enabled": True, "type": "bfloat16"}
    scale = {"loss_scale": 0, "loss_scale_window": 1000, "initial_scale_power": 12}  # 0: dynamic
    return {"fp16": True, "enabled": True, **scale, "hysteresis": 2, "min_loss_scale": 1}


def _duration(model: Model) -> dict:
    last, before = model.steps[-1], model.steps[-2]
    # Revisions count in the suite's batches; this model's may be larger.
    own = model.total_steps / last
    every = round((last - before) * own)
    early = [round(step * own) for step in model.steps if step * own % every or step == 0]
    return {"save_every": every, "early_saves": early}


def _data(model: Model) -> dict:
    """Paths: the names that the published files have, in `data/`; of our corpus its own folder."""
    if model.repo_id is not None:
        return {"data": f"data/{_PILE[model.variant]}", "tokenizer": "data/20B_tokenizer.json"}
    folder = suite_folder(model.suite) / "corpus"
    return {"data": str(folder / model.variant), "tokenizer": str(folder / "tokenizer.json")}


def architecture(model: Model) -> Architecture:
    """What decides the computation of a model of any suite."""
    return Architecture(
        vocab_size=model.vocab_size,
        num_layers=model.n_layers,
        hidden_size=model.d_model,
        num_attention_heads=model.n_heads,
        max_position_embeddings=model.seq_length,
        intermediate_size=model.intermediate,
        rotary_pct=model.rotary_pct,
        gpt_j_residual=True,
        no_weight_tying=True,
    )


def hf_config(model: Model) -> dict:
    """The model's `config.json`, as transformers' `GPTNeoXConfig` and the Hub's own files name it."""
    return architecture(model).to_hugging_face(model.dtype)
