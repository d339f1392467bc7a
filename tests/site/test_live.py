"""The models in the page, in a real browser, against PyTorch on the same checkpoints."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.live_page import load_weights, make_site, open_engine
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.evaluation import ablation, lens, sets, validation
from pythia_utils.evaluation.hooks import hooked
from pythia_utils.evaluation.minimal_pairs import pair_tokens, score_minimal_pairs
from pythia_utils.nano.documents import DOMAINS
from pythia_utils.site import live
from pythia_utils.suites.checkpoints import load
from pythia_utils.suites.portable import portable

MODEL, STEPS = "pico-14k", (0, 4, 16)
TEXTS = ("The key near the boxes today is old.", "12 + 30 = 42.", "", "Ünbekannt 🦆 x")
# Shapes that no model of ours has: part of a head turned, MLP behind attention, another norm and base.
SHAPES = {
    "partial": {"num_attention_heads": 2, "rotary_pct": 0.25},
    "sequential": {"num_attention_heads": 1, "use_parallel_residual": False},
    "deep": {"num_attention_heads": 4, "num_hidden_layers": 3, "layer_norm_eps": 1e-3},
}


@pytest.fixture(scope="module")
def made(trained_home, tmp_path_factory):
    """The folder of a page with pico's trained models."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        yield make_site(tmp_path_factory.mktemp("live"), "pico")


@pytest.fixture(scope="module")
def engine(browser, made):
    """A page in which the scripts can be called."""
    page = browser.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    open_engine(page, made)
    for step in STEPS:
        load_weights(page, made / f"_static/checkpoints/{MODEL}/step{step}.js")
    yield page
    assert faults == []
    page.close()


def asked(engine, model: str, step: int, expression: str, argument=None):
    """What a script says with `network`, `tokenizer` and `argument` at hand."""
    return engine.evaluate(
        f"""([model, step, argument]) => {{
              const {{ config }} = globalThis.shapes?.[model] ? {{ config: shapes[model] }}
                : live.models.models.find(({{ name }}) => name === model);
              const net = network(model, step, config);
              return ({expression});
            }}""",
        [model, step, argument],
    )


EVERYTHING = """argument.map((ids) => {
  const memory = net.memory(), patterns = [], streams = [];
  const watch = { pattern: (layer, head, weights) => patterns.push([layer, head, Array.from(weights)]) };
  for (const token of ids) {
    const depths = net.read(token, memory, watch);
    streams.push(depths.map((stream) => Array.from(net.logProbabilities(stream))));
  }
  return { patterns, streams };
})"""


def agree(engine, name: str, step: int, network, rows: list[list[int]]) -> None:
    """Log-probabilities of every depth and place, and attention, are torch's."""
    found = asked(engine, name, step, EVERYTHING, rows)
    last = lens.readout(network)
    for ids, own in zip(rows, found, strict=True):
        streams, patterns = [], {}
        with (
            torch.inference_mode(),
            hooked(
                network,
                residual=lambda layer, s, kept=streams: kept.append(s[0]),
                patterns=lambda layer, p, kept=patterns: kept.update({layer: p[0]}),
            ),
        ):
            logits = network(torch.tensor([ids])).logits[0]
        depths = torch.stack([last.logits(stream).log_softmax(-1) for stream in streams], dim=1)
        there = torch.tensor(own["streams"])
        assert (there - depths).abs().max() < 1e-3
        assert (there[:, -1] - logits.log_softmax(-1)).abs().max() < 1e-3
        for layer, head, weights in own["patterns"]:
            expected = patterns[layer][head, len(weights) - 1, : len(weights)]
            assert (torch.tensor(weights) - expected).abs().max() < 1e-4


# ---- tokens


def texts() -> list[str]:
    """A thousand and more: of each domain of the corpus, and what nobody foresaw."""
    own = list(itertools.chain(*(validation.validation_documents(d, 160) for d in DOMAINS)))
    words = [
        "The",
        "boxes",
        "don't",
        "we'll",
        "x²y",
        "½",
        "1234",
        "naïve",
        "日本",
        "🦆🦆",
        "<|endoftext|>",
    ]
    blanks = [
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "\u00a0",
        "\u2003",
        "\u3000",
        "\u200b",
        "\ufeff",
        "\x85",
    ]
    odd = [f"{a}{b}{c}" for a, b, c in itertools.product(words, blanks, words)]
    return [
        *own,
        *odd,
        *words,
        *blanks,
        "",
        "<|padding|>.",
        "a<|endoftext|> b",
        "\x00\x07",
        "e\u0301",
        "'S 'll",
    ]


def test_a_thousand_texts_have_the_same_tokens(engine, home):
    _, tokenizer = load(MODEL, 16)
    asked_for = texts()
    assert len(asked_for) > 1000
    expected = tokenizer(asked_for, add_special_tokens=False)["input_ids"]
    found = engine.evaluate("(texts) => texts.map((text) => tokenizer.encode(text))", asked_for)
    wrong = [
        text for text, one, other in zip(asked_for, expected, found, strict=True) if one != other
    ]
    assert wrong == []
    assert sum(ids.count(0) for ids in expected) > 100  # the unknown were among them


def test_tokens_become_the_text_again(engine, home):
    _, tokenizer = load(MODEL, 16)
    rows = tokenizer(["The boxes are 12.", "a, b; 🦆", "<|endoftext|>So"])["input_ids"]
    found = engine.evaluate("(rows) => rows.map((ids) => tokenizer.decode(ids))", rows)
    assert found == tokenizer.batch_decode(rows, clean_up_tokenization_spaces=False)


# ---- numbers


@pytest.mark.parametrize("step", STEPS)
def test_a_trained_model_says_what_it_says_in_torch(engine, home, step):
    network, tokenizer = load(MODEL, step, device="cpu")
    rows = [[0, *tokenizer(text, add_special_tokens=False)["input_ids"]] for text in TEXTS]
    agree(engine, MODEL, step, network, rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_other_shapes_of_gpt_neox_do_too(engine, tmp_path, shape):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 50}
    config = GPTNeoXConfig(**(sizes | SHAPES[shape]), max_position_embeddings=64)
    network = GPTNeoXForCausalLM(config).eval()
    for weight in network.parameters():  # fresh ones have norms of 1 and biases of 0
        weight.data += 0.2 * torch.randn_like(weight)
    network.half().save_pretrained(tmp_path)
    network.float()  # of the rounded weights
    script = tmp_path / "weights.js"
    script.write_bytes(live.as_script(shape, 1, live.read_weights(tmp_path)))
    load_weights(engine, script)
    shown = live.read_config(tmp_path)
    assert (shown["rotary"], shown["parallel"]) == {"partial": (4, True), "deep": (2, True)}.get(
        shape, (8, False)
    )
    engine.evaluate("([name, config]) => (globalThis.shapes ??= {})[name] = config", [shape, shown])
    rows = torch.randint(0, 50, (2, 20)).tolist()
    agree(engine, shape, 1, network, rows)


def test_pairs_are_decided_alike(engine, home):
    network, tokenizer = load(MODEL, 16, device="cpu")
    pairs = sets.minimal_pairs(10)
    expected = score_minimal_pairs(network, tokenizer, pairs)["margin"].to_numpy()
    rows = [list(halves) for halves in pair_tokens(tokenizer, pairs)]
    score = "argument.map(([one, other]) => live.logProbability(net, one) - live.logProbability(net, other))"
    found = np.array(asked(engine, MODEL, 16, score, rows))
    assert len(pairs) > 100
    assert np.abs(found - expected).max() < 1e-3
    clear = np.abs(expected) > 1e-3
    assert ((found > 0) == (expected > 0))[clear].all()


def test_what_the_page_shows_of_a_text_hangs_together(engine, home):
    _, tokenizer = load(MODEL, 16)
    ids = tokenizer(TEXTS[0])["input_ids"]
    look = asked(engine, MODEL, 16, "live.look(net, argument, { shown: 5 })", ids)
    total = asked(engine, MODEL, 16, "live.logProbability(net, argument)", ids)
    assert sum(look["nats"]) == pytest.approx(-total, abs=1e-4)
    assert [cell["nats"] for cell in look["lens"][-1][:-1]] == pytest.approx(look["nats"], abs=1e-6)
    assert [cell["token"] for cell in look["lens"][-1]] == [best[0][0] for best in look["next"]]
    for best in look["next"]:
        assert [p for _, p in best] == sorted((p for _, p in best), reverse=True)
    assert [len(row) for row in look["patterns"][0][0]] == list(range(1, len(ids) + 2))


def test_heads_that_are_off_say_what_the_hook_lets_them_say(engine, home):
    network, tokenizer = load(MODEL, 16, device="cpu")
    rows = validation.stream(tokenizer, 8 * 20, "pico").reshape(8, 20)
    means = ablation.mean_outputs(network, rows)
    ids = tokenizer(TEXTS[0])["input_ids"]
    off = [(1, 0), (0, 0)]
    with torch.inference_mode(), ablation.ablated(network, off, means):
        logits = network(torch.tensor([[0, *ids]])).logits[0].log_softmax(-1)
    expected = -logits[torch.arange(len(ids)), torch.tensor(ids)]
    switched = """live.look(net, argument.ids, {
      off: argument.off, means: live.meanOutputs(net, argument.rows) }).nats"""
    told = {"ids": ids, "off": [f"{layer}.{head}" for layer, head in off], "rows": rows.tolist()}
    found = np.array(asked(engine, MODEL, 16, switched, told))
    assert np.abs(found - expected.numpy()).max() < 1e-3
    whole = np.array(asked(engine, MODEL, 16, "live.look(net, argument).nats", ids))
    assert np.abs(found - whole).max() > 1e-2


def test_at_temperature_0_it_writes_what_torch_writes(engine, home):
    network, tokenizer = load(MODEL, 16, device="cpu")
    ids = tokenizer("The teacher")["input_ids"]
    written = network.generate(
        torch.tensor([[0, *ids]]), max_new_tokens=20, do_sample=False, pad_token_id=1
    )[0].tolist()[1 + len(ids) :]
    found = asked(
        engine, MODEL, 16, "live.write(net, argument, { temperature: 0, count: 20 })", ids
    )
    assert found == list(itertools.takewhile(bool, written))


def test_a_seed_draws_the_same_and_a_token_as_often_as_it_is_likely(engine, home):
    _, tokenizer = load(MODEL, 16)
    ids = tokenizer("The teacher")["input_ids"]
    write = "argument.seeds.map((seed) => live.write(net, argument.ids, { seed, count: argument.count }))"
    long = asked(engine, MODEL, 16, write, {"ids": ids, "seeds": [1, 1, 2], "count": 12})
    assert long[0] == long[1] != long[2]
    first = asked(engine, MODEL, 16, write, {"ids": ids, "seeds": list(range(1000)), "count": 1})
    ((token, p), *_) = asked(engine, MODEL, 16, "live.look(net, argument).next.at(-1)", ids)
    share = np.mean([row == [token] for row in first])
    assert abs(share - p) < 4 * (p * (1 - p) / 1000) ** 0.5


# ---- files


def test_every_number_of_16_bits_arrives(engine, tmp_path):
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    script = tmp_path / "all.js"
    script.write_bytes(live.as_script("every", 0, every))
    load_weights(engine, script)
    found = engine.evaluate("() => Array.from(got['every 0'])")
    assert found == list(range(1 << 16))
    numbers = engine.evaluate(
        "() => Array.from({length: 1 << 16}, (_, half) => String(live.number(half)))"
    )
    assert [float(text) for text in numbers[:31744]] == every[:31744].astype(float).tolist()
    assert (numbers[0xFC00], numbers[0x7C01]) == ("-Infinity", "NaN")


def test_files_are_written_once_and_those_of_other_models_removed(made, home):
    from pythia_utils.suites import catalog

    static = made / "_static"
    files = sorted((static / "checkpoints").rglob("*.js"))
    before = [path.stat().st_mtime_ns for path in files]
    stray = static / "checkpoints" / "pico-999k" / "step1.js"
    stray.parent.mkdir()
    stray.write_text("live.receive()")
    live.publish(catalog.suite("pico"), static)
    assert not stray.parent.exists()
    assert [path.stat().st_mtime_ns for path in files] == before
    names = {path.parent.name for path in files} - {"checkpoints"}
    assert names == {"pico-7k", "pico-14k", "pico-7k-deduped"}


def test_a_suite_without_trained_models_has_an_empty_list(tmp_path, home):
    from pythia_utils.suites import catalog

    live.publish(catalog.suite("pythia"), tmp_path)
    text = (tmp_path / "checkpoints/models.js").read_text()
    assert '"models": []' in text
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["models.js"]


def test_models_travel_whole_and_within_their_room(home):
    from pythia_utils.suites import catalog

    suite = catalog.suite("pico")
    everything = portable(suite)
    assert list(everything) == ["pico-7k", "pico-14k", "pico-7k-deduped"]
    size = {n: sum(2 * p.model.total_params for p in points) for n, points in everything.items()}
    assert list(portable(suite, size["pico-7k"] * 2)) == ["pico-7k", "pico-7k-deduped"]
    assert portable(suite, size["pico-7k"] - 1) == {}


@pytest.mark.parametrize("suite", ["pico", "nano"])
def test_the_whole_suites_have_room_for_a_model_of_57k_at_every_step(suite, monkeypatch):
    from pythia_utils.suites import catalog
    from pythia_utils.suites import portable as rule

    monkeypatch.setattr(rule, "is_available", lambda point: True)
    chosen = rule.portable(catalog.suite(suite))
    assert len(chosen[f"{suite}-57k"]) == len(catalog.suite(suite).models[f"{suite}-57k"].steps)
    assert rule.usual(chosen) == f"{suite}-57k"
    weights = sum(2 * p.model.total_params for points in chosen.values() for p in points)
    assert weights <= 12_000_000


def test_a_network_or_tokenizer_of_another_kind_is_refused(tmp_path, home):
    from pythia_utils.base.errors import UsageError

    folder = Path(home) / "suites/pico/pico-7k/step16"
    for name, old, new in (
        ("config.json", '"gelu"', '"relu"'),
        ("tokenizer.json", '"individual_digits": true', '"individual_digits": false'),
    ):
        text = (folder / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new))
    with pytest.raises(UsageError, match="no network"):
        live.read_config(tmp_path)
    with pytest.raises(UsageError, match="tokenizer"):
        live.read_vocabulary(tmp_path)
