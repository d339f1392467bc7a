"""What `memorized` decides, against transformers' own greedy generation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import memorization
from pythia_utils.evaluation.memorization import memorized

VOCAB, PROMPT, CONTINUATION = 40, 6, 9


def tiny(seed=0):
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        eos_token_id=None,
    )
    return GPTNeoXForCausalLM(config).eval()


@pytest.fixture(scope="module")
def sequences():
    return np.random.default_rng(0).integers(VOCAB, size=(24, PROMPT + CONTINUATION))


@pytest.fixture(scope="module")
def learnt(sequences):
    """A network that recites some of the sequences and knows others in part."""
    model = tiny().train()
    ids = torch.from_numpy(sequences)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(110):
        loss = model(input_ids=ids[:16], labels=ids[:16]).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def generated(model, rows, prompt=PROMPT, continuation=CONTINUATION):
    """Where transformers' own greedy decoding agrees: bool (n, continuation)."""
    rows = torch.as_tensor(rows)[:, : prompt + continuation]
    out = model.generate(rows[:, :prompt], max_new_tokens=continuation, do_sample=False)
    return (out == rows)[:, prompt:].numpy()


@pytest.fixture(scope="module")
def spoilt(sequences):
    """A memorized sequence as often as its continuation is long, each time with another token changed."""
    rows = np.repeat(sequences[:1], CONTINUATION, axis=0)
    places = PROMPT + np.arange(CONTINUATION)
    rows[np.arange(CONTINUATION), places] = (rows[0, places] + 1) % VOCAB
    return rows


def verdicts(model, rows, prompt=PROMPT, continuation=CONTINUATION, **options):
    return memorized(model, rows, prompt, continuation, **options)["memorized"].to_numpy()


def test_verdicts_are_those_of_greedy_generation(learnt, sequences):
    found = verdicts(learnt, sequences)
    assert found.tolist() == generated(learnt, sequences).all(axis=1).tolist()
    assert 3 <= found.sum() <= 20


def test_one_wrong_token_anywhere_is_found(learnt, sequences, spoilt):
    assert verdicts(learnt, sequences[:1]).all()
    assert not verdicts(learnt, spoilt).any()


def test_a_random_model_recites_what_it_generates_itself(sequences):
    model = tiny(1)
    prompts = torch.from_numpy(sequences[:, :PROMPT])
    own = model.generate(prompts, max_new_tokens=CONTINUATION, do_sample=False)
    assert verdicts(model, own).all()
    assert not verdicts(model, sequences).any()


def test_the_matched_share_is_that_of_greedy_generation(learnt, sequences, spoilt):
    rows = np.concatenate([sequences, spoilt])
    frame = memorized(learnt, rows, PROMPT, CONTINUATION, matched=True)
    same = generated(learnt, rows)
    np.testing.assert_allclose(frame["matched"], same.mean(axis=1))
    assert frame["memorized"].tolist() == same.all(axis=1).tolist()


@pytest.mark.parametrize("batch_tokens", [1, 40, 10_000])
def test_batch_size_and_order_change_no_verdict(learnt, sequences, spoilt, batch_tokens):
    rows = np.concatenate([sequences, spoilt])
    back = verdicts(learnt, rows[::-1], batch_tokens=batch_tokens)[::-1]
    assert back.tolist() == verdicts(learnt, rows).tolist()


@pytest.mark.parametrize(("prompt", "continuation"), [(1, 1), (1, 14), (14, 1)])
def test_any_prompt_and_continuation(learnt, sequences, prompt, continuation):
    expected = generated(learnt, sequences, prompt, continuation).all(axis=1)
    assert verdicts(learnt, sequences, prompt, continuation).tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_of_equal_logits_the_first_is_decoded(sequences, dtype):
    """Greedy decoding takes the lowest id of equals, and so a model without opinions says 0."""
    model = tiny().to(dtype)
    torch.nn.init.zeros_(model.get_output_embeddings().weight)
    rows = sequences.copy()
    rows[::2, PROMPT:] = 0
    assert verdicts(model, rows).tolist() == generated(model, rows).all(axis=1).tolist()
    assert verdicts(model, rows).tolist() == [True, False] * (len(rows) // 2)


def test_close_leads_are_decoded_step_by_step(learnt, sequences, spoilt, monkeypatch):
    """With every lead called close, decoding alone decides: the verdicts must not change."""
    rows = np.concatenate([sequences, spoilt])
    expected = verdicts(learnt, rows).tolist()
    monkeypatch.setitem(memorization.CLOSE, torch.float32, 1e9)
    assert verdicts(learnt, rows).tolist() == expected


def test_bfloat16_verdicts_are_those_of_greedy_generation(learnt, sequences, spoilt):
    half = tiny().to(torch.bfloat16)
    half.load_state_dict(learnt.state_dict())
    rows = np.concatenate([sequences, spoilt])
    assert verdicts(half, rows).tolist() == generated(half, rows).all(axis=1).tolist()


def test_no_sequences_give_no_rows(learnt):
    assert memorized(learnt, []).columns.tolist() == ["memorized"]
    assert len(memorized(learnt, [], matched=True)) == 0


def test_what_is_over_is_not_looked_at(learnt, sequences):
    longer = np.pad(sequences, ((0, 0), (0, 3)))
    assert verdicts(learnt, longer).tolist() == verdicts(learnt, sequences).tolist()


def test_bad_input_is_told(learnt, sequences):
    with pytest.raises(UsageError, match="sequence 1 has 4 tokens; 15 needed"):
        memorized(learnt, [sequences[0], sequences[1][:4]], PROMPT, CONTINUATION)
    with pytest.raises(UsageError, match="prompt of 0 tokens; expected 1 or more"):
        memorized(learnt, sequences, 0, 3)
    with pytest.raises(UsageError, match="a model of Linear; expected a causal language model"):
        memorized(torch.nn.Linear(1, 1), sequences)
