"""The loss of a cell and the laws of a chapter: known answers, and sentences that follow the numbers."""

import math

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.loss import laws, measures, published, text
from pythia_utils.evaluation import likelihood, validation
from pythia_utils.nano import entropy
from pythia_utils.nano.documents import DOMAINS
from pythia_utils.suites.catalog import find_model, suite


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


def test_the_excess_is_the_loss_less_what_the_best_predictor_pays(monkeypatch):
    """A model that pays one nat a token more than the best predictor, document by document."""

    def scored(model, tokenizer, texts):
        domain = next(d for d in DOMAINS if texts[0] in validation.validation_documents(d, 8))
        least = validation.least_nats(domain, texts)
        tokens = np.array([len(text.split()) for text in texts])
        nats = tokens * 2.0 if least is None else least + tokens
        return pd.DataFrame({"nats": nats, "tokens": tokens, "bytes": tokens})

    monkeypatch.setattr(likelihood, "document_losses", scored)
    table = measures.losses(None, None, 8)
    excess = table[table["metric"] == "excess"].set_index("subset")
    assert set(excess.index) == set(entropy.KNOWN)
    assert excess["value"].to_numpy() == pytest.approx(1)
    assert excess["stderr"].to_numpy() == pytest.approx(0, abs=1e-12)  # paired by document


def test_shares_count_copies_where_they_belong():
    """Copies are of grammar and of stories; 4% of pico's corpus are planted sequences."""
    of = suite("pico").corpus["shares"]
    shares = validation.domain_shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["echo"] == pytest.approx(of["echo"] / 0.96)
    copied = of["grammar"] + of["stories"] + of["duplicates"]
    assert shares["grammar"] + shares["stories"] == pytest.approx(copied / 0.96)
    assert shares["grammar"] / shares["stories"] == pytest.approx(of["grammar"] / of["stories"])


def runs(gap=0.1) -> pd.DataFrame:
    """Two seeds of two sizes at two steps, `gap` above a floor of 1.5 on echo."""
    rows = []
    for name in ("pico-7k", "pico-7k-seed1", "pico-57k", "pico-57k-seed1", "pico-7k-deduped"):
        model = find_model(name)
        for step in (512, 1000):
            at = {"model": name, "variant": model.variant, "step": step, "stderr": 0.01, "n": 9}
            at |= {"n_params": model.non_embedding_params, "tokens_seen": step * 1024}
            value = 1.5 + gap + (step == 512) + 0.2 * name.endswith("seed1")
            rows.append(at | {"metric": "loss", "subset": "echo", "value": value})
            rows.append(at | {"metric": "excess", "subset": "echo", "value": value - 1.5})
            rows.append(at | {"metric": "loss", "subset": "all", "value": value})
    return pd.DataFrame(rows)


def test_what_stands_above_the_floor_is_told_over_sizes_and_seeds():
    told = text.above_floor(runs())
    assert "over 4 models of all sizes and seeds: echo 0.10 to 0.30." in told
    assert "no model at any step is below it; the nearest is 0.100 above" in told
    assert "the lowest is below it" in text.above_floor(runs(gap=-0.05))
    assert "no standard model's loss" in text.above_floor(runs().iloc[:0])


def test_the_final_table_is_over_seeds_at_the_last_step():
    frame = runs()
    html = text.final_table(frame[frame["subset"] == "all"]).source
    assert html.count("<tr>") == 1 + 3  # 7k, 57k and 7k deduped
    assert "at step 1,000" in html
    assert "1.700" in html  # the mean of 1.6 and 1.8


def test_the_table_of_domains_tells_which_floors_are_known():
    html = text.domains_table({"echo": 1.5}).source
    assert "1.500" in html
    assert html.count("not known") == len(DOMAINS) - 1


def made(off=0.0, seeds=("", "-seed1")) -> tuple[dict, dict]:
    """A forecast for losses of a known law, the largest size `off` from it."""
    names = [f"pico-{size}{seed}" for size in ("7k", "14k", "57k", "224k") for seed in seeds]
    rng, rows = np.random.default_rng(0), []
    for model in map(find_model, names):
        for step in (32, 128, 256, 512, 1000):
            n, tokens = model.non_embedding_params, step * 1024
            value = (1.8 + 30 * n**-0.4 + 400 * tokens**-0.5) * np.exp(rng.normal(0, 0.003))
            value *= 1 + off * (model.size == "224k")
            rows.append((model.name, "standard", n, step, tokens, "all", value))
    columns = ["model", "variant", "n_params", "step", "tokens_seen", "subset", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    return laws.forecasts(frame, {}), laws.without_floor(frame)


def test_the_verdict_follows_the_held_out_points():
    found, bare = made()
    assert "forecast of the larger size holds: 2 of 2" in text.verdict(found)
    assert "224k at step 1,000; measured:" in text.verdict(found)
    assert "nats off and not" in text.without_floor(found, bare)
    assert "2 of 2" in text.verdict_table(found).source
    assert "24" in text.law_table(found).source
    found, _ = made(off=0.2)
    assert "larger size does not hold: 0 of 2" in text.verdict(found)
    assert "nats too low" in text.verdict(found)


def test_without_other_seeds_a_forecast_is_told_and_not_judged():
    found, bare = made(seeds=("",))
    assert "no interval to judge it by" in text.verdict(found)
    assert "no interval" in text.verdict_table(found).source
    assert "do not decide" not in text.without_floor(found, bare)
    assert "nan" not in text.verdict(found) + text.law_table(found).source


def test_too_few_records_are_told():
    assert "too few sizes or steps" in text.verdict({})
    assert "too few sizes or steps" in text.without_floor({}, {})


def test_the_published_law_says_that_it_has_no_interval():
    told = text.published(published.curves_forecast())
    assert "pythia-1.4b-v0 at step 143,000; published: 2.068" in told
    assert "no interval" in told


def test_the_line_without_a_floor_is_told_with_both_exponents():
    told = text.line_without_floor(laws.line_without_floor())
    assert "gives the exponent 0.03, not 0.30" in told
