"""What a cell records: of weights of which all is known, of networks and their copies; which bytes it reads."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from helpers.hub_server import checkpoint_files, serve_hub
from safetensors.torch import save_file
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.analysis.geometry import measures, reading
from pythia_utils.analysis.geometry.matrices import matrices
from pythia_utils.analysis.geometry.names import named, some
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.residual_states import layer_grams, residual_states
from pythia_utils.suites import checkpoints
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.hub.remote_tensors import HubTensors, MissingWeightsError
from pythia_utils.suites.tensors import LoadedTensors, LocalTensors

MODEL = "pythia-14m"
REPO = f"EleutherAI/{MODEL}"
LAYERS = 2


def of(rows: list[dict], subset: str) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in rows if row["subset"] == subset}


@pytest.fixture
def made(tmp_path):
    """Folders with an embedding, a matrix of one layer, an unembedding and a bias, and the tensors."""

    def make(name: str, **changed: torch.Tensor) -> LocalTensors:
        tensors = {
            "gpt_neox.embed_in.weight": torch.eye(6, 4),
            "gpt_neox.layers.0.mlp.dense_h_to_4h.weight": 3 * torch.eye(8, 4),
            "gpt_neox.layers.0.mlp.dense_h_to_4h.bias": torch.ones(8),
            "embed_out.weight": torch.ones(6, 4),
        }
        folder = tmp_path / name
        folder.mkdir()
        save_file(
            {key: changed.get(key, value) for key, value in tensors.items()},
            folder / "model.safetensors",
        )
        return LocalTensors(folder)

    return make


def test_weights_of_which_all_is_known(made):
    rows, spectra = measures.weights(made("now"), {"start": made("same")})
    assert list(spectra) == ["embedding", "MLP in, layer 0", "unembedding"]  # no bias
    assert spectra["MLP in, layer 0"].tolist() == pytest.approx([3] * 4)
    layer = of(rows, "MLP in, layer 0")
    assert layer["frobenius"] == pytest.approx(6)
    assert layer["spectral"] == pytest.approx(3)
    assert layer["effective_rank"] == layer["stable_rank"] == pytest.approx(4)
    assert of(rows, "unembedding")["effective_rank"] == pytest.approx(1, abs=1e-3)
    assert of(rows, "unembedding")["anisotropy"] == pytest.approx(1)
    assert of(rows, "embedding")["anisotropy"] == pytest.approx(
        0
    )  # of four tokens; two have no direction
    every = of(rows, "all")
    assert every["frobenius"] == pytest.approx(math.sqrt(4 + 36 + 24))
    assert every["mean_frobenius"] == pytest.approx((2 + 6) / 2)  # without the unembedding
    assert every["cosine_to_start"] == pytest.approx(1)
    assert every["distance_from_start"] == 0


def test_a_known_shift_is_the_distance_and_the_angle(made):
    name = "gpt_neox.layers.0.mlp.dense_h_to_4h.weight"
    shift = torch.zeros(8, 4)
    shift[5, 1] = 2.5  # at a right angle to the matrix, whose length is 6
    now = made("now", **{name: 3 * torch.eye(8, 4) + shift})
    rows, _ = measures.weights(now, {"before": made("past")})
    layer = of(rows, "MLP in, layer 0")
    assert layer["distance_from_before"] == pytest.approx(2.5 / 6)
    assert layer["cosine_to_before"] == pytest.approx(6 / math.hypot(6, 2.5))
    assert of(rows, "embedding")["cosine_to_before"] == pytest.approx(1)
    assert of(rows, "all")["distance_from_before"] == pytest.approx(2.5 / 8)  # their length is 8


def test_weights_that_are_no_numbers_are_named(made):
    broken = made("now", **{"embed_out.weight": torch.full((6, 4), torch.nan)})
    with pytest.raises(NotFiniteError, match=r"embed_out\.weight has a weight that is not finite"):
        measures.weights(broken, {})


def test_the_initial_norm_is_the_published_one():
    """GPT-NeoX's initial weights have known variances, so the mean norm at step 0 can be computed.

    Small init: 2 / (5 d); of what writes into the stream 4 / (layers² d) (wang init). Over all matrices but the
    unembedding that is the published 22.3 of ten seeds of 160m: our mean is over the same matrices as theirs.
    """
    from pythia_utils.analysis.geometry import published

    model = find_model("pythia-160m")
    d, layers = model.d_model, model.n_layers
    small, wang = math.sqrt(2 / (5 * d)), 2 / (layers * math.sqrt(d))
    layer = [small * d * math.sqrt(3), wang * d, small * d * 2, wang * d * 2]
    norms = [*layer * layers, small * math.sqrt(model.vocab_size * d)]
    assert published.norms()["value"].iloc[0] == pytest.approx(np.mean(norms), rel=0.002)


def test_names_of_gpt_neox_and_of_others():
    assert named("gpt_neox.layers.11.attention.dense.weight").subset == "attention out, layer 11"
    assert named("embed_out.weight").subset == "unembedding"
    other = named("transformer.h.3.attn.c_attn.weight")
    assert (other.kind, other.layer) == ("transformer.h.attn.c_attn", 3)


def test_some_are_spread_evenly():
    assert some(range(36), 4) == {0, 12, 23, 35}
    assert some([3, 1], 0) == some([3, 1], 5) == {1, 3}
    assert some(range(9), 1) == {0}


# --- from the Hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    repos = {
        REPO: {
            "step0": checkpoint_files(0, num_hidden_layers=6),
            "step1": checkpoint_files(1, "sharded", old_buffers=True, num_hidden_layers=6),
            "step2": checkpoint_files(2, "bin", old_buffers=True, num_hidden_layers=6),
        }
    }
    with serve_hub(repos) as running:
        running.use(monkeypatch, tmp_path / "cache")
        monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
        yield running


def checkpoint(step: int):
    return find_model(MODEL).checkpoint(step)


def test_only_the_bytes_of_the_matrices_asked_for_are_moved(hub):
    """Two of six layers: the headers, and these matrices of both checkpoints; nothing lies in the cache."""
    sources = {step: reading.opened(checkpoint(step), tensors_only=True) for step in (0, 1)}
    assert all(isinstance(source, HubTensors) for source in sources.values())
    rows, spectra = measures.weights(sources[1], {"start": sources[0]}, layers=LAYERS)
    assert {subset for subset in spectra if "layer" in subset} == {
        f"{kind}, layer {layer}"
        for kind in ("attention in", "attention out", "MLP in", "MLP out")
        for layer in (0, 5)
    }
    moved = 0
    for step, source in sources.items():
        files = hub.repos[REPO][f"step{step}"]
        for name in set(source.places.values()):
            moved += 8 + int.from_bytes(files[name][:8], "little")
        moved += len(files.get("model.safetensors.index.json", b""))
        for matrix in matrices(source, LAYERS):
            moved += math.prod(source.shape(matrix.name)) * 2  # float16
    traffic = sum(source.revision.reader.traffic.bytes for source in sources.values())
    assert traffic == moved
    whole = sum(
        len(d) for s in (0, 1) for n, d in hub.repos[REPO][f"step{s}"].items() if "safetensors" in n
    )
    assert moved < 0.7 * whole
    told = reading.in_words(sources[1], [sources[0]])
    assert "2 checkpoints" in told
    assert "Nothing was put on the disk" in told
    assert not checkpoints.hub_cache().holds(REPO, "step1")
    assert reading.stamp(checkpoint(1), sources[1]).endswith("read by ranges")
    assert {row["metric"] for row in rows} >= {"cosine_to_start", "effective_rank"}


def test_a_checkpoint_without_safetensors_is_fetched_unless_tensors_alone_are_wanted(hub):
    with pytest.raises(MissingWeightsError, match="only safetensors are read tensor by tensor"):
        reading.opened(checkpoint(2), tensors_only=True)
    source = reading.opened(checkpoint(2), tensors_only=False)
    assert isinstance(source, LoadedTensors)
    assert len(matrices(source)) == 6 * 4 + 2  # old buffers are none
    assert reading.in_words(source, []) == ""
    stored = torch.load(io.BytesIO(hub.repos[REPO]["step2"]["pytorch_model.bin"]))
    assert torch.equal(
        source.read("embed_out.weight", slice(3, 5)), stored["embed_out.weight"][3:5]
    )


def test_what_the_cache_has_is_not_asked_for_again(hub):
    checkpoints.checkpoint_folder(checkpoint(0))
    before = hub.sent_of("/")
    source = reading.opened(checkpoint(0), tensors_only=True)
    assert isinstance(source, LocalTensors)
    assert len(measures.weights(source, {})[1]) == 26
    assert hub.sent_of("/") == before


def test_layers_below_zero_are_refused(made):
    with pytest.raises(UsageError, match="layers -1: expected how many"):
        matrices(made("now"), -1)


# --- hidden states


@pytest.fixture(scope="module")
def network():
    return neox(0)


def neox(seed: int, width: int = 16) -> GPTNeoXForCausalLM:
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=50,
        hidden_size=width,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=32,
    )
    return GPTNeoXForCausalLM(config).eval()


TEXT = np.random.default_rng(0).integers(1, 50, (8, 12))


def test_the_stream_is_transformers_own_hidden_states(network):
    stream = residual_states(network, TEXT)
    with torch.no_grad():
        own = network(torch.from_numpy(TEXT), output_hidden_states=True).hidden_states
    assert stream.shape == (LAYERS + 1, 8, 11, 16)  # without the first token
    for layer in range(LAYERS):
        assert torch.allclose(stream[layer], own[layer][:, 1:], atol=1e-6)
    normed = network.gpt_neox.final_layer_norm(stream[-1])
    assert torch.allclose(normed, own[-1][:, 1:], atol=1e-5)


def test_a_network_is_itself_and_the_floor_is_zero(network):
    stream = residual_states(network, TEXT)
    grams = layer_grams(stream)
    assert grams.shape == (4, LAYERS + 1, 22, 22)
    rows = measures.with_steps(grams, [(5, network)], TEXT)
    assert [row["subset"] for row in rows] == [f"step 5, layer {layer}" for layer in range(3)]
    assert [row["value"] for row in rows] == pytest.approx([1] * 3)
    same = measures.with_model(grams, network, "twin", network, TEXT)
    assert of(same, "twin")["cosine_to_model"] == pytest.approx(1)
    assert of(same, "twin, layer 1 by layer 1")["cka_models"] == pytest.approx(1)
    assert len(same) == 9 + 1
    own = measures.states(stream, grams)
    floor = [row["value"] for row in own if row["metric"] == "cka_shuffled"]
    assert max(map(abs, floor)) < 0.2  # of some two hundred tokens
    assert len([row for row in own if row["metric"] == "cka_layers"]) == 3


def test_another_width_is_compared_by_its_states_and_not_by_its_weights(network):
    grams = layer_grams(residual_states(network, TEXT))
    rows = measures.with_model(grams, network, "wide", neox(1, 32), TEXT)
    assert {row["metric"] for row in rows} == {"cka_models"}
    turned = measures.with_model(grams, network, "other", neox(1), TEXT)
    assert abs(of(turned, "other")["cosine_to_model"]) < 0.2


def test_rows_that_make_no_batch_and_states_that_are_no_numbers(network):
    with pytest.raises(UsageError, match="3 rows of text; expected a multiple of 2"):
        layer_grams(residual_states(network, TEXT[:3]))
    with pytest.raises(UsageError, match="row 0: 40 tokens to read; the context"):
        residual_states(network, np.ones((2, 40), int))
    broken = neox(0)
    broken.gpt_neox.layers[1].mlp.dense_4h_to_h.weight.data.fill_(torch.nan)
    broken.name_or_path = "toy step 3"
    with pytest.raises(NotFiniteError, match="hidden states of toy step 3: a hidden state is not"):
        residual_states(broken, TEXT)
