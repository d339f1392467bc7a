"""Patching: all parts are the other run, none is no change, and a part that alone decides is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.one_head import LAYERS, network, one_head_decides
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXForCausalLM

from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import patching
from pythia_utils.evaluation.hooks import hooked
from pythia_utils.evaluation.inference import NotFiniteError
from pythia_utils.evaluation.patching import PLACES, Patch, Texts, joint, patched_margins

OWN = [[0, 5, 9, 2], [0, 7, 3, 4, 1, 6], [0, 8, 2], [3, 1, 1, 4, 4]]
OTHER = [[0, 5, 1, 2], [0, 9, 3, 8, 1, 6], [0, 8, 7], [2, 1, 1, 4, 4]]
TEXTS = Texts(OWN, OTHER, good=[1, 2, 3, 4], bad=[5, 6, 7, 8])
CHANGED = {"everywhere": [0, 1, 2, 3], "changed": [2], "between": [], "last": [3]}  # of the first


@pytest.fixture(params=[True, False], ids=["parallel", "sequential"])
def model(request) -> GPTNeoXForCausalLM:
    return network(request.param)


def margins(model, rows) -> np.ndarray:
    found = []
    for row, good, bad in zip(rows, TEXTS.good, TEXTS.bad, strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([row])).logits[0, -1]
        found.append(float(logits[good] - logits[bad]))
    return np.array(found)


def every_part(model) -> dict[str, Patch]:
    parts = {f"head {k}": p for k, p in patching.head_patches(model).items()}
    parts |= {f"mlp {k}": p for k, p in patching.mlp_patches(model).items()}
    layers = range(model.config.num_hidden_layers + 1)
    parts |= {
        f"{place} {k}": Patch(residual=frozenset([k]), place=place)
        for k in layers
        for place in PLACES
    }
    return parts | {"embedding": Patch(embedding=True)}


def close(found, expected) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_nothing_patched_is_the_run_itself_and_everything_the_other(model):
    """The stream at any depth, and all parts at once, where the last token differs too."""
    heads, mlps = patching.head_patches(model).values(), patching.mlp_patches(model).values()
    everything = joint([*heads, *mlps, Patch(embedding=True)])
    streams = [Patch(residual=frozenset([layer])) for layer in range(LAYERS + 1)]
    found = patched_margins(model, TEXTS, [Patch(), everything, *streams])
    own, other = margins(model, OWN), margins(model, OTHER)
    assert abs(own - other).min() > 0.01
    close(found[0], own)
    close(found[1:], np.tile(other, (LAYERS + 2, 1)))


def test_what_a_run_is_given_of_itself_changes_nothing(model):
    parts = list(every_part(model).values())
    found = patched_margins(model, Texts(OWN, OWN, TEXTS.good, TEXTS.bad), parts)
    close(found, np.tile(margins(model, OWN), (len(parts), 1)))


def slowly(model, own, other, patch, places) -> torch.Tensor:
    """The logits behind one text: one patch, one plain forward pass of all of it."""
    seen = {name: {} for name in ("heads", "mlps", "residual")}
    with hooked(model, **{name: found.__setitem__ for name, found in seen.items()}):
        model(torch.tensor([other]))

    def swap(name, wanted):
        def look(layer, x):
            x = x.clone()
            for which in wanted:
                if name == "heads" and which[0] == layer:
                    x[:, places, which[1]] = seen[name][layer][:, places, which[1]]
                elif which == layer:
                    x[:, places] = seen[name][layer][:, places]
            return x

        return look

    looks = {name: swap(name, getattr(patch, name)) for name in seen}
    with torch.inference_mode(), hooked(model, **looks):
        return model(torch.tensor([own])).logits[0, -1]


def test_each_patch_is_what_a_pass_of_its_own_gives(model):
    parts = {name: part for name, part in every_part(model).items() if name != "embedding"}
    found = patched_margins(model, TEXTS, list(parts.values()))
    assert np.ptp(found[:, 0]) > 0.1
    for (name, patch), values in zip(parts.items(), found, strict=True):
        logits = slowly(model, OWN[0], OTHER[0], patch, CHANGED[patch.place])
        assert values[0] == pytest.approx(float(logits[1] - logits[5]), abs=2e-5), name


def test_batches_and_passes_change_nothing(model, monkeypatch):
    parts = list(every_part(model).values())
    expected = patched_margins(model, TEXTS, parts)
    close(patched_margins(model, TEXTS, parts, batch_tokens=1), expected)
    monkeypatch.setattr(patching, "_AT_ONCE", 4)
    close(patched_margins(model, TEXTS, parts), expected)
    model.set_attn_implementation("eager")
    close(patched_margins(model, TEXTS, parts), expected)


@pytest.mark.parametrize(("layer", "head"), [(0, 1), (2, 0)])
def test_the_head_that_alone_decides_is_found(layer, head):
    model = one_head_decides(layer, head)
    texts = Texts(OWN[:2], OTHER[:2], TEXTS.good[:2], TEXTS.bad[:2])  # their last tokens are alike
    parts = every_part(model)
    found = dict(zip(parts, patched_margins(model, texts, list(parts.values())), strict=True))
    own, other = margins(model, OWN)[:2], margins(model, OTHER)[:2]
    for name, values in found.items():
        if name.startswith(("head", "mlp")):
            close(values, other if name == f"head {(layer, head)}" else own)
    close(found[f"changed {layer}"], other)  # before the head the noun's own place holds it
    close(found[f"last {layer}"], own)
    close(found[f"changed {layer + 1}"], own)  # behind it the last place does
    close(found[f"last {layer + 1}"], other)


def test_half_precision_patches_the_same(model):
    parts = list(every_part(model).values())
    expected = patched_margins(model, TEXTS, parts)
    found = patched_margins(model.bfloat16(), TEXTS, parts)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_what_cannot_be_patched_is_told_in_one_line():
    model = network()
    for own, other in (([[1, 2]], [[1, 2, 3]]), ([[]], [[]])):
        with pytest.raises(UsageError, match=r"text 0: \d and \d tokens; patching needs as many"):
            patched_margins(model, Texts(own, other, [1], [2]), [Patch()])
    with pytest.raises(UsageError, match="text 0: 13 tokens to read"):
        patched_margins(model, Texts([[1] * 13], [[2] * 13], [1], [2]), [Patch()])
    with pytest.raises(UsageError, match="answer 0 holds token 99"):
        patched_margins(model, Texts([[1]], [[2]], [99], [2]), [Patch()])
    with pytest.raises(UsageError, match="place 'noun'; expected one of everywhere, changed"):
        patched_margins(model, TEXTS, [Patch(place="noun")])
    other = GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=16))
    with pytest.raises(UsageError, match="GPT2LMHeadModel; looking inside needs GPT-NeoX"):
        patched_margins(other, TEXTS, [Patch()])


def test_weights_that_give_no_numbers_are_no_result():
    model = network()
    model.name_or_path = "made, step 3"
    with torch.no_grad():
        model.get_output_embeddings().weight[1, 0] = float("nan")
    with pytest.raises(NotFiniteError, match="patching of made, step 3: a logit is not finite"):
        patched_margins(model, TEXTS, [Patch()])


def test_no_texts_are_no_margins():
    assert patched_margins(network(), Texts([], [], [], []), [Patch()]).shape == (1, 0)
