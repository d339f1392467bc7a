"""The loss of a cell and the laws of a chapter: known answers, and sentences that follow the numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.loss import laws, measures, text
from pythia_utils.evaluation import likelihood, validation
from pythia_utils.nano.documents import DOMAINS, SYMBOLS
from pythia_utils.suites.catalog import find_model


def test_a_model_that_finds_all_tokens_alike_has_the_logarithm_of_their_number(monkeypatch):
    def scored(model, tokenizer, texts):
        tokens = np.array([len(text.split()) for text in texts])
        size = [len(text.encode()) for text in texts]
        return pd.DataFrame({"nats": tokens * math.log(512), "tokens": tokens, "bytes": size})

    monkeypatch.setattr(likelihood, "document_losses", scored)
    table = measures.losses(None, None, 4)
    loss = table[table["metric"] == "loss"].set_index("subset")
    assert list(loss.index) == [*validation.domain_shares(), "all"]
    assert set(loss.index) == {*DOMAINS, "all"}
    assert loss["value"].to_numpy() == pytest.approx(math.log(512))
    assert loss["stderr"].to_numpy() == pytest.approx(0, abs=1e-12)
    assert (loss.loc["all", "n"], loss.loc["echo", "n"]) == (4 * len(DOMAINS), 4)
    bits = table[table["metric"] == "bits_per_byte"].set_index("subset")["value"]
    shares = validation.domain_shares()
    assert bits["all"] == pytest.approx(sum(shares[d] * bits[d] for d in shares))


def overall(names, steps, exponent=0.1) -> pd.DataFrame:
    """Losses that are exact powers of size and of tokens."""
    rows = []
    for name in names:
        model = find_model(name)
        for step in steps:
            tokens = step * model.tokens_per_step
            value = 10 * model.non_embedding_params**-exponent * max(tokens, 1) ** -exponent
            rows.append((name, model.variant, model.non_embedding_params, step, tokens, value))
    columns = ["model", "variant", "n_params", "step", "tokens_seen", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(low=frame["value"], high=frame["value"], stderr=0.0)


NAMES = ["nano-7k", "nano-14k", "nano-57k", "nano-57k-deduped", "nano-57k-seed1"]


def test_the_law_in_size_is_that_of_standard_models_of_the_usual_seed():
    points, law = laws.in_size(overall(NAMES, [0, 256, 3000]))
    assert list(points["model"]) == NAMES[:3]
    assert law.exponent == pytest.approx(0.1)
    assert "$\\alpha = 0.100$" in text.law_in_size(law)


def test_the_law_in_tokens_begins_behind_the_warm_up():
    frame = overall(NAMES, [0, 16, 256, 1000, 3000])
    points, law = laws.in_tokens(frame)
    assert set(points["model"]) == {"nano-57k"}
    assert points["step"].min() > 16
    assert law.exponent == pytest.approx(0.1)
    told = text.law_in_tokens(points, law)
    assert told.startswith(
        "For nano-57k: exponent 0.100 [0.100, 0.100], 3 checkpoints from step 256 on."
    )
    assert "up to 0% off" in told


def test_too_few_points_are_told():
    assert laws.in_size(overall(NAMES[:2], [0, 3000]))[1] is None
    assert laws.in_tokens(overall(NAMES, [0, 3000]))[1] is None
    assert "fewer than three sizes" in text.law_in_size(None)
    assert "fewer than three checkpoints" in text.law_in_tokens(pd.DataFrame(), None)


@pytest.mark.parametrize(
    ("gap", "verdict"), [(0.5, "this model copies"), (-0.01, "no model copies")]
)
def test_copying_shows_below_the_loss_of_guessing_among_the_symbols(gap, verdict):
    guess = math.log(len(SYMBOLS))
    row = {"model": "pico-7k", "step": 1000, "subset": "echo", "value": guess - gap, "stderr": 0.02}
    low, high = guess - gap - 0.04, guess - gap + 0.04
    frame = pd.DataFrame([row | {"low": low, "high": high}])
    assert verdict in text.copying(frame)
    assert f"{guess - gap:.2f} [{low:.2f}, {high:.2f}]" in text.copying(frame)
    assert f"ln {len(SYMBOLS)} = {guess:.2f}" in text.copying(frame)


def test_the_final_table_has_the_last_step_alone():
    html = text.final_table(overall(NAMES, [0, 3000])).to_html()
    assert html.count("nano-57k-deduped") == 1
    assert "at step 3,000" in html
