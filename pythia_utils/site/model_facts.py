"""What a real model is, as tables of its page: shape, training, checkpoints, errata, other runs of its size.

Everything follows from `data/suites/`, as `pythia config` and the loader have it; nothing is typed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from pythia_utils.base import yaml
from pythia_utils.base.markup import code, markdown
from pythia_utils.base.units import show_size
from pythia_utils.site.tables import rate, table
from pythia_utils.suites.catalog import Erratum, Model
from pythia_utils.suites.errata import fault, steps_in_words
from pythia_utils.suites.neox_config import neox_yaml

HUB = "https://huggingface.co/"
BYTES = 2  # of a parameter: the published weights have 16 bits
_DTYPES = {"float16": "float16, with a scaled loss", "bfloat16": "bfloat16"}
_TEXTS = {"standard": "the Pile", "deduped": "the Pile without near-duplicates"}
_SEEDS = {
    "seed": "other first weights and another order of the data",
    "weight-seed": "other first weights alone",
    "data-seed": "another order of the data alone",
}
_SAFE_STEPS = (3000, 66000)  # to show how one is loaded: the first that is what its name says


def download_size(model: Model) -> str:
    """Of one checkpoint: computed from the shape."""
    return show_size(BYTES * model.total_params)


def example_step(model: Model) -> int:
    """A step without a known fault."""
    return next(step for step in _SAFE_STEPS if not fault(model.checkpoint(step)))


def shape(model: Model) -> str:
    """Layers, width, heads and parameters."""
    rows = {
        "parameters": f"{model.total_params:,}",
        "of these, not embeddings": f"{model.non_embedding_params:,}",
        "layers": f"{model.n_layers}",
        "width": f"{model.d_model:,}",
        "attention heads": f"{model.n_heads}, each {model.d_model // model.n_heads} wide",
        "width inside the MLP": f"{model.intermediate:,}",
        "vocabulary": f"{model.vocab_size:,} rows, padded: the tokenizer has fewer",
        "longest text": f"{model.seq_length:,} tokens",
        "rotary positions": f"on {model.rotary_pct:.0%} of each head",
        "class": code("GPTNeoXForCausalLM"),
    }
    return _pairs("shape", rows)


def training(model: Model) -> str:
    """The settings with which it was trained."""
    own = yaml.parse(neox_yaml(model), model.name)
    adam = own["optimizer"]["params"]
    betas = " and ".join(map(str, adam["betas"]))
    tokens = model.total_steps * model.tokens_per_step
    rows = {
        "text": f"{_TEXTS[model.variant]} {{cite:p}}`gao2020pile`",
        "batch": f"{model.batch_size:,} x {model.seq_length:,} = {model.tokens_per_step:,} tokens",
        "steps": f"{model.total_steps:,}",
        "tokens read": f"{tokens:,}",
        "optimiser": f"Adam, betas {betas}, epsilon {adam['eps']:g}",
        "learning rate": f"{rate(adam['lr'])} at its peak, {own['lr-decay-style']} to {rate(own['min_lr'])}",
        "warm-up": f"{own['warmup']:.0%} of the steps",
        "weight decay": f"{own['weight-decay']}",
        "gradients": f"clipped at a norm of {own['gradient_clipping']:g}",
        "dropout": f"{own['hidden-dropout']:g}",
        "initialisation": code(own["init_method"]),
        "that of output layers": code(own["output_layer_init_method"]),
        "precision": _DTYPES[model.dtype],
        "seed": f"{own['seed']}, of the weights and of the order of the data",
    }
    return _pairs("setting", rows)


def _pairs(name: str, rows: dict[str, str]) -> str:
    return table([name, ""], [[key, value] for key, value in rows.items()], "facts")


def errata(models: Sequence[Model]) -> str:
    """What is known to be odd about checkpoints of a model and its relatives; empty if nothing is."""
    hits: dict[Erratum, list[Model]] = {}
    for model in models:
        for erratum in model.errata:
            hits.setdefault(erratum, []).append(model)
    rows = [
        [_together(own), *map(markdown, (_at(own[0], each), each.text, each.source))]
        for each, own in hits.items()
    ]
    return table(["models", "steps", "what is odd", "source"], rows, "errata") if rows else ""


def _together(models: Sequence[Model]) -> str:
    """By name, or the first and how many others there are on its page."""
    if len(models) <= 2:
        return " and ".join(code(model.name) for model in models)
    return f"{code(models[0].name)} and {len(models) - 1} others below"


def _at(model: Model, erratum: Erratum) -> str:
    return steps_in_words(model, [step for step in model.steps if step in erratum.steps])


def others(models: Sequence[Model]) -> str:
    """A table of a main model's relatives, a row a kind."""
    kinds: dict[tuple, list[Model]] = {}
    for model in models:
        kinds.setdefault((model.version, model.variant, _kind_of_seed(model)), []).append(model)
    rows = [
        [_names(own), _apart(own[0]), f"{len(own[0].steps)}", _ends(own[0])]
        for own in kinds.values()
    ]
    return table(["models", "what sets them apart", "checkpoints", "revisions"], rows, "errata")


def _kind_of_seed(model: Model) -> str:
    return model.seed_name.rstrip("0123456789")


def _names(models: Sequence[Model]) -> str:
    """Links to the Hub: `pythia-70m-seed1, 2, 3`."""
    places = [f"{HUB}{model.repo_id}" for model in models]
    shown = [
        models[0].name,
        *(model.seed_name.lstrip("abcdefghijklmnopqrstuvwxyz-") for model in models[1:]),
    ]
    return ", ".join(
        f"[{markdown(name)}]({place})" for name, place in zip(shown, places, strict=True)
    )


def _apart(model: Model) -> str:
    if model.trained_on:
        return f"went on in a changed text: {markdown(model.trained_on)}"
    if model.seed_name:
        return _SEEDS[_kind_of_seed(model)]
    told = f"the first release, {markdown(model.version)}"
    if model.total_steps == model.steps[-1]:
        return told
    return (
        f"{told}, in {model.total_steps:,} steps of {model.batch_size:,} sequences. Its revisions are named so "
        "that each has read as many tokens as the one of that name above"
    )


def _ends(model: Model) -> str:
    return f"{code(model.revision(model.steps[0]))} to {code(model.revision(model.steps[-1]))}"
