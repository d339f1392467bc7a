"""Batches that fit in memory, and the tree of sequences that begin alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from pythia_utils.evaluation import inference, likelihood, memorization
from pythia_utils.evaluation.prefix_tree import ROW, build_tree, common_prefix


class Memory:
    """Work that fails, as PyTorch does, on batches of more padded tokens than there is room for."""

    def __init__(self, lengths, room, error):
        self.lengths, self.room, self.error = lengths, room, error
        self.done, self.sizes = [], []

    def __call__(self, batch):
        size = len(batch) * max(self.lengths[i] for i in batch)
        if size > self.room:
            raise self.error
        self.done += batch
        self.sizes.append(size)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
]


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=40), st.integers(1, 100), st.integers(30, 100))
def test_each_sequence_is_done_once_whatever_fits(lengths, budget, room):
    work = Memory(lengths, room, OUT_OF_MEMORY[0])
    inference.run_in_batches(lengths, budget, work)
    assert sorted(work.done) == list(range(len(lengths)))
    assert [lengths[i] for i in work.done] == sorted(lengths, reverse=True)
    assert all(size <= max(budget, max(lengths)) for size in work.sizes)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
def test_the_batch_is_halved_until_it_fits(error):
    work = Memory([10] * 32, 50, error)
    inference.run_in_batches([10] * 32, 320, work)
    assert work.sizes == [40] * 8


def test_a_sequence_that_does_not_fit_alone_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        inference.run_in_batches([60, 10], 100, Memory([60, 10], 50, OUT_OF_MEMORY[0]))


def test_other_errors_are_not_taken_for_want_of_memory():
    with pytest.raises(RuntimeError, match="shapes"):
        inference.run_in_batches([10] * 4, 40, Memory([10] * 4, 20, RuntimeError("shapes differ")))


def test_a_gpus_free_memory_sets_the_batch(monkeypatch):
    """Of 1000 tokens' worth of free memory half is used, never more tokens than help."""
    model = tiny()
    a_token = inference.token_bytes(model.config, 4)
    monkeypatch.setattr(GPTNeoXForCausalLM, "device", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300 * a_token)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100 * a_token)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (800 * a_token, 0))
    assert inference.tokens_that_fit(model) == 500
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 50, 0))
    assert inference.tokens_that_fit(model) == inference.GPU_TOKENS
    monkeypatch.setenv("PYTHIA_BATCH_SHARE", "0.5")  # a second try after memory ran out
    assert inference.tokens_that_fit(model) == inference.GPU_TOKENS // 2


def test_scores_survive_want_of_memory(monkeypatch):
    """A network that runs out of memory on more than 12 tokens gives the same results."""
    model = tiny()
    rows = np.random.default_rng(0).integers(30, size=(9, 6))
    expected = likelihood.token_logprobs(model, rows)
    forward = model.gpt_neox.forward

    def small(input_ids, **others):
        if input_ids.numel() > 12:
            raise OUT_OF_MEMORY[0]
        return forward(input_ids=input_ids, **others)

    monkeypatch.setattr(model.gpt_neox, "forward", small)
    np.testing.assert_allclose(likelihood.token_logprobs(model, rows), expected, atol=1e-5)
    assert len(memorization.memorized(model, rows, 4, 2)) == 9


def tiny():
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return GPTNeoXForCausalLM(config).eval()


token_lists = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), max_size=30)


@settings(deadline=None)
@given(token_lists)
def test_a_tree_holds_each_sequence_as_a_path(sequences):
    tree, paths = build_tree(sequences)
    ids, depths = tree.ids.flatten().numpy(), tree.depths.flatten().numpy()
    for sequence, path in zip(sequences, paths, strict=True):
        assert ids[path].tolist() == sequence
        assert depths[path].tolist() == list(range(len(sequence)))
        row = path[0] // tree.width
        assert tree.sees[row, path[-1] % tree.width].nonzero().flatten().tolist() == sorted(
            (path % tree.width).tolist()
        )


@settings(deadline=None)
@given(token_lists)
def test_a_beginning_stands_once_in_a_row(sequences):
    tree, paths = build_tree(sequences)
    beginnings = {}
    for sequence, path in zip(sequences, paths, strict=True):
        for depth, node in enumerate(path.tolist()):
            key = node // tree.width, tuple(sequence[: depth + 1])
            assert beginnings.setdefault(key, node) == node


def test_a_sequence_longer_than_a_row_widens_all():
    tree, (long, short) = build_tree([list(range(ROW + 9)), [0, 1, 5]])
    assert tree.width == ROW + 9
    assert len(long) == ROW + 9
    assert long[0] // tree.width != short[0] // tree.width


def test_a_common_prefix_is_counted():
    assert common_prefix([1, 2, 3], [1, 2, 4]) == 2
    assert common_prefix([1, 2], [1, 2, 4]) == 2
    assert common_prefix([], [1]) == 0
