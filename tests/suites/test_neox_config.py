"""Training configurations: consistent with the suite, with one another and with transformers."""

from __future__ import annotations

import json
import math

import pytest
import yaml

from pythia_utils.base.errors import UsageError
from pythia_utils.suites import neox_config
from pythia_utils.suites.catalog import Model, data_dir, find_model, suite, suite_names

PUBLISHED_TOTALS = {
    "pythia-14m": 14_067_712,
    "pythia-31m": 30_494_720,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
}
EVERY = [model for each in suite_names() for model in suite(each).models.values()]
MODELS = [model for model in EVERY if not model.trained_on and not model.fork]  # others are refused
EVERY_MODEL = [model.name for model in MODELS if model.weight_seed == model.data_seed]
# What GPT-NeoX works out by itself: it overwrites these keys, so a value of ours would mean nothing
# (megatron/neox_arguments/arguments.py, `calculate_derived`).
DERIVED = {"gas", "batch_size", "clip_grad", "lr", "optimizer_type", "precision", "global_num_gpus"}
DERIVED |= {"zero_stage", "zero_reduce_scatter", "zero_contiguous_gradients", "is_pipe_parallel"}
DERIVED |= {"zero_reduce_bucket_size", "zero_allgather_bucket_size", "dynamic_loss_scale"}
TOKENIZER_SIZE = 50_277  # of the tokenizer that all Pythia models share, with the added tokens


def batch_of_neox(config: dict, gpus: int) -> int:
    """The sequences of one step as GPT-NeoX computes them (`calculate_derived`, its own key names).

    The GPUs that remain after the two parallelisms each hold a copy of the model; the accumulation is 1
    where `gradient_accumulation_steps` does not say otherwise.
    """
    settings = {key.replace("-", "_"): value for key, value in config.items()}
    parallel = max(settings.get("pipe_parallel_size", 0), 1) * settings.get(
        "model_parallel_size", 1
    )
    assert gpus % parallel == 0
    assert settings.get("train_batch_size") is None
    accumulated = settings.get("gradient_accumulation_steps", 1)
    return settings["train_micro_batch_size_per_gpu"] * accumulated * (gpus // parallel)


def written(model: Model, gpus: int | None = None) -> dict:
    """What GPT-NeoX reads of the file that we write."""
    return yaml.safe_load(neox_config.neox_yaml(model, gpus))


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_the_model_of_config_json_has_the_published_parameters(name):
    import torch
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    config = json.loads(json.dumps(neox_config.hf_config(find_model(name))))
    with torch.device("meta"):
        network = GPTNeoXForCausalLM(GPTNeoXConfig.from_dict(config))
    assert network.num_parameters() == PUBLISHED_TOTALS[name]
    assert network.config.rope_parameters["partial_rotary_factor"] == 0.25
    assert network.config.rope_parameters["rope_theta"] == 10_000


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_batches_vocabulary_and_checkpoints_are_the_suites(name):
    model = find_model(name)
    config = written(model)
    assert batch_of_neox(config, neox_config.parallelism(model).gpus) == model.batch_size
    assert not DERIVED & {key.replace("-", "_") for key in config}

    multiple = config["make-vocab-size-divisible-by"] * config["model-parallel-size"]
    tokens = TOKENIZER_SIZE if model.suite == "pythia" else model.vocab_size
    assert math.ceil(tokens / multiple) * multiple == model.vocab_size

    regular = range(config["checkpoint-factor"], model.total_steps + 1, config["checkpoint-factor"])
    saved = {*config["extra-save-iters"], *regular}
    assert {model.checkpoint(step).true_step for step in model.steps} <= saved
    assert config["min_lr"] <= config["optimizer"]["params"]["lr"] == model.learning_rate
    assert config["seed"] == model.weight_seed == model.data_seed


def test_160m_is_as_published():
    # EleutherAI/pythia, models/160M/pythia-160m.yml, without paths, logging and the launcher.
    expected = {
        "pipe-parallel-size": 1,
        "model-parallel-size": 1,
        "num-layers": 12,
        "hidden-size": 768,
        "num-attention-heads": 12,
        "seq-length": 2048,
        "max-position-embeddings": 2048,
        "pos-emb": "rotary",
        "rotary-pct": 0.25,
        "no-weight-tying": True,
        "gpt-j-residual": True,
        "output-layer-parallelism": "column",
        "attention-config": [[["flash"], 12]],
        "scaled-upper-triang-masked-softmax-fusion": True,
        "bias-gelu-fusion": True,
        "init_method": "small_init",
        "output_layer_init_method": "wang_init",
        "optimizer": {"type": "Adam", "params": {"lr": 6e-4, "betas": [0.9, 0.95], "eps": 1e-8}},
        "min_lr": 6e-5,
        "train_micro_batch_size_per_gpu": 32,
        "gradient_accumulation_steps": 1,  # there as `gas`, which GPT-NeoX overwrites
        "data-impl": "mmap",
        "checkpoint-activations": True,
        "gradient_clipping": 1.0,
        "weight-decay": 0.1,
        "hidden-dropout": 0,
        "attention-dropout": 0,
        "train-iters": 143_000,
        "lr-decay-iters": 143_000,
        "lr-decay-style": "cosine",
        "warmup": 0.01,
        "checkpoint-factor": 1000,
        "extra-save-iters": [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
        "tokenizer-type": "HFTokenizer",
    }
    config = written(find_model("pythia-160m"))
    assert {key: config.get(key) for key in expected} == expected


@pytest.mark.parametrize("name", PUBLISHED_TOTALS)
def test_initialisation_and_precision_follow_the_size(name):
    model = find_model(name)
    config = written(model)
    source = yaml.safe_load((data_dir() / "suites" / "pythia.yml").read_text())
    settings = source["training"] | source["sizes"][model.size]
    assert config["init_method"] == settings["init"]
    assert config["output_layer_init_method"] == settings["output_init"]
    assert config["fp16"]["enabled"] is True
    assert (config["fp16"].get("type") == "bfloat16") == (name == "pythia-1b")


def test_version_0_differs_where_its_training_did():
    old = written(find_model("pythia-1.4b-v0"))
    assert (old["train-iters"], old["checkpoint-factor"]) == (71_500, 500)
    assert old["extra-save-iters"] == []
    assert "attention-config" not in old
    assert written(find_model("pythia-12b-v0"))["min_lr"] == 0
    assert written(find_model("pythia-2.8b-v0"))["min_lr"] == pytest.approx(1.6e-5)


def test_deduped_models_read_the_deduplicated_pile():
    paths = {
        name: written(find_model(name))["train-data-paths"]
        for name in ("pythia-70m", "pythia-70m-deduped")
    }
    assert paths["pythia-70m"] != paths["pythia-70m-deduped"]


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_another_number_of_gpus_keeps_the_batch_or_is_refused(name):
    model = find_model(name)
    published = neox_config.parallelism(model)
    for gpus in (1, 2, 3, 4, 8, 16, 64, 96, 128, 512, 2048):
        copies, rest = divmod(gpus, published.model_parallel)
        if rest or model.batch_size % copies:
            with pytest.raises(UsageError, match=f"{gpus} GPUs cannot share"):
                written(model, gpus)
            continue
        config = written(model, gpus)
        assert batch_of_neox(config, gpus) == model.batch_size
        assert 1 <= config["train_micro_batch_size_per_gpu"] <= published.micro_batch


@pytest.mark.parametrize("size", ["160m", "6.9b", "12b"])
def test_eight_gpus_train_pythia_on_batches_of_1024(size):
    config = written(find_model(f"pythia-{size}"), 8)
    assert batch_of_neox(config, 8) == 1024
    assert config["gradient_accumulation_steps"] > 1


def test_the_rule_can_tell_a_wrong_batch():
    config = written(find_model("pythia-160m"), 8)
    config["gas"] = config.pop("gradient_accumulation_steps")
    assert batch_of_neox(config, 8) == 256


@pytest.mark.parametrize(
    ("name", "gpus"),
    [
        ("pythia-70m", 3),
        ("pythia-12b", 2),
        ("pythia-6.9b", 7),
        ("pythia-70m", 0),
        ("pythia-1b", -8),
    ],
)
def test_gpus_that_cannot_share_a_batch_are_refused(name, gpus):
    with pytest.raises(UsageError, match=f"{gpus} GPUs cannot share the 1024 sequences"):
        written(find_model(name), gpus)


def test_two_seeds_cannot_be_told_to_gpt_neox():
    with pytest.raises(UsageError, match="pythia-160m-weight-seed2: GPT-NeoX has one seed"):
        written(find_model("pythia-160m-weight-seed2"))


def test_the_template_holds_every_value_and_no_other_dollar():
    for name in ("pythia-1b", "pythia-70m-v0", "nano-57k-seed1"):
        assert "$" not in neox_config.neox_yaml(find_model(name))


def test_what_read_other_data_than_are_published_has_no_training_configuration():
    models = [model for model in EVERY if model.trained_on]
    assert len(models) == 5
    for model in models:
        with pytest.raises(UsageError, match=f"how {model.name} was trained is not known here"):
            neox_config.neox_yaml(model)
        assert neox_config.hf_config(model)["hidden_size"] == model.d_model  # its shape is
