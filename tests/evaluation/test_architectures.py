"""Networks of other architectures: our numbers are those of transformers' own forward, or they are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import architectures

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.causal import takes_trees
from pythia_utils.evaluation.choices import prepare_choices
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.likelihood import first_token, token_logprobs
from pythia_utils.evaluation.memorization import memorized
from pythia_utils.evaluation.minimal_pairs import score_minimal_pairs
from pythia_utils.nano.minimal_pair import MinimalPair

MEASURED = ("gpt_neox", "llama", "olmo2", "gpt2", "gptj", "mistral", "bloom")
PAIRS = [
    ("the cat is here", "the cat are here"),
    ("the cats are here", "the cats is here"),
    ("a dog", "a dogs"),
]


@pytest.fixture(scope="module")
def networks():
    return {kind: architectures.network(kind) for kind in architectures.SHAPES}


def own_logprobs(network, row) -> np.ndarray:
    """By the class's own forward, alone and without padding."""
    ids = torch.tensor([row])
    with torch.inference_mode():
        logs = network(input_ids=ids).logits[0, :-1].float().log_softmax(dim=1)
    return logs.gather(1, ids[0, 1:, None])[:, 0].numpy()


@pytest.mark.parametrize("kind", MEASURED)
def test_log_probabilities_are_those_of_its_own_forward(networks, kind):
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, architectures.WORDS, n).tolist() for n in (2, 7, 31, 12)]
    for row, found in zip(rows, token_logprobs(networks[kind], rows), strict=True):
        np.testing.assert_allclose(found, own_logprobs(networks[kind], row), atol=1e-5)


@pytest.mark.parametrize("kind", MEASURED)
def test_minimal_pairs_are_differences_of_whole_sentences(networks, kind):
    tokenizer = architectures.tokenizer()
    pairs = [MinimalPair("agreement", *halves) for halves in PAIRS]
    scores = score_minimal_pairs(networks[kind], tokenizer, pairs)
    for row in scores.itertuples():
        ids = [[first_token(tokenizer), *tokenizer(s)["input_ids"]] for s in (row.good, row.bad)]
        good, bad = (own_logprobs(networks[kind], one).sum(dtype=float) for one in ids)
        assert row.margin == pytest.approx(good - bad, abs=2e-5)


def test_branches_share_a_row_only_where_a_mask_of_ours_is_heeded(networks):
    """Bloom has no positions to be told, and Mistral would look back beyond its window of five tokens."""
    assert {k for k in MEASURED if not takes_trees(networks[k], 64)} == {"bloom", "mistral"}
    assert takes_trees(networks["mistral"], 5)


@pytest.mark.parametrize("kind", MEASURED)
def test_memorized_is_what_greedy_decoding_gives(networks, kind):
    network = networks[kind]
    prompts = torch.tensor(np.random.default_rng(1).integers(1, architectures.WORDS, (6, 5)))
    given = prompts
    with torch.inference_mode():
        for _ in range(6):
            best = network(input_ids=given).logits[:, -1].argmax(dim=1, keepdim=True)
            given = torch.cat([given, best], dim=1)
    rows = given.numpy().copy()
    rows[3:, -1] = (rows[3:, -1] + 1) % architectures.WORDS  # the last token is another
    assert memorized(network, rows, 5, 6)["memorized"].tolist() == [True] * 3 + [False] * 3


def test_choices_are_those_of_log_probabilities(networks):
    tokenizer = architectures.tokenizer()
    prepared = prepare_choices(tokenizer, ["the cat", "a dog"], [["is", "are"], ["was", "were"]])
    for kind in ("llama", "gpt2", "bloom"):
        expected = prepared.score_by(lambda rows, k=kind: token_logprobs(networks[k], rows))
        np.testing.assert_allclose(prepared.score(networks[kind]), expected, atol=2e-5)


def test_logits_that_are_capped_are_refused(networks):
    with pytest.raises(UsageError, match="Gemma2ForCausalLM: its logits are not an unembedding"):
        token_logprobs(networks["gemma2"], [[1, 2, 3]])


def test_weights_that_give_no_numbers_are_told_as_such(networks):
    """And the next weights in the same network are tried anew."""
    network = architectures.network("llama")
    sound = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        network.model.layers[0].mlp.down_proj.weight.fill_(torch.nan)
    with pytest.raises(NotFiniteError):
        token_logprobs(network, [[1, 2, 3]])
    network.load_state_dict(sound)
    expected = own_logprobs(networks["llama"], [1, 2, 3])
    np.testing.assert_allclose(token_logprobs(network, [[1, 2, 3]])[0], expected, atol=1e-5)


def test_half_precision_hides_no_cap():
    network = architectures.network("gemma2").to(torch.bfloat16)
    with pytest.raises(UsageError, match=r"final_logit_softcapping is 30\.0"):
        token_logprobs(network, [[1, 2, 3]])


def test_what_keeps_no_keys_and_values_cannot_be_asked_to_recite(networks):
    with pytest.raises(UsageError, match="MambaForCausalLM cannot go on from keys and values"):
        memorized(networks["mamba"], [[1, 2, 3, 4]], 2, 2)


def test_another_kind_of_model_is_refused():
    with pytest.raises(UsageError, match="a model of Linear; expected a causal language model"):
        token_logprobs(torch.nn.Linear(2, 2), [[1, 2]])
