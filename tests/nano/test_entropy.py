"""The entropy of nano's generators: a mean over draws, and what a predictor pays that reads on and on."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.nano import documents, entropy

SEED = 1234


@pytest.mark.parametrize("domain", entropy.KNOWN)
def test_the_mean_over_drawn_documents_is_the_entropy(domain):
    drawn = itertools.islice(documents.documents(domain, SEED, "a test"), 4000)
    nats = np.array([entropy.document_nats(domain, each.text, SEED) for each in drawn])
    error = nats.std(ddof=1) / math.sqrt(len(nats))
    assert error < 0.01 * nats.mean()
    assert abs(nats.mean() - entropy.expected_nats(domain, SEED)) < 4 * error


@pytest.mark.parametrize("domain", ["arithmetic", "facts"])
def test_the_frequencies_of_drawn_parts_are_their_probabilities(domain):
    """An estimate that knows no formula: counts of what the generator says."""
    assert sum(map(math.exp, (-n for n in entropy.part_nats(domain, SEED).values()))) == (
        pytest.approx(1)
    )
    drawn = itertools.islice(documents.documents(domain, SEED, "a test"), 6000)
    counts = Counter(part for each in drawn for part in each.text.removesuffix(".").split(". "))
    total = counts.total()
    for part, nats in entropy.part_nats(domain, SEED).items():
        expected = total * math.exp(-nats)
        assert abs(counts[part.removesuffix(".")] - expected) < 6 * math.sqrt(expected)


def sequential_echo_nats(said: list[str]) -> float:
    """Symbol by symbol: the next by all periods and numbers of times that what was read allows."""
    nats, size = 0.0, len(documents.SYMBOLS)
    for place, symbol in enumerate(said):
        seen, weights, following = said[:place], 0.0, 0.0
        for period, times in itertools.product(entropy.PERIODS, entropy.TIMES):
            repeats = all(seen[i] == seen[i % period] for i in range(period, place))
            if place > period * times or not repeats:
                continue
            weight = float(size) ** -min(place, period)
            weights += weight
            if place < period:
                following += weight / size
            elif place < period * times:
                following += weight * (symbol == seen[place % period])
        nats -= math.log(following / weights)
    return nats


def test_echo_costs_what_a_predictor_pays_that_reads_symbol_by_symbol():
    drawn = itertools.islice(documents.documents("echo", SEED, "a test"), 60)
    for said in (each.text.split(" ") for each in drawn):
        found = entropy.document_nats("echo", " ".join(said), SEED)
        assert found == pytest.approx(sequential_echo_nats(said), abs=1e-6)


def sequential_successors_nats(said: list[str]) -> float:
    """Symbol by symbol: the next by all numbers of keys, and either a new symbol or what is known."""
    symbols, nats = len(documents.SUCCESSOR_SYMBOLS), 0.0
    chances = dict.fromkeys(entropy.KEYS, 1 / len(entropy.KEYS))
    after: dict[str, str] = {}
    for key, value in zip(said[::2], said[1::2], strict=True):
        free = symbols - 2 * len(after)
        for keys in chances:
            new = (keys - len(after)) / keys / free / (free - 1)
            chances[keys] *= 1 / keys if after.get(key) == value else new
        after[key] = value
    nats = -math.log(sum(chances.values()))
    longer = np.mean([length >= len(said) / 2 for length in entropy.PAIRS])
    return nats - math.log(longer)


def test_successors_cost_what_a_predictor_pays_that_reads_symbol_by_symbol():
    drawn = itertools.islice(documents.documents("successors", SEED, "a test"), 200)
    for said in (each.text.split(" ") for each in drawn):
        found = entropy.document_nats("successors", " ".join(said), SEED)
        assert found == pytest.approx(sequential_successors_nats(said), abs=1e-9)


def test_a_part_of_known_probability():
    """0 is drawn twice in one of 2,500 pairs; 1 and 0 in two."""
    costs = entropy.part_nats("arithmetic", SEED)
    assert costs["0 + 0 = 0."] == pytest.approx(math.log(5000))
    assert costs["1 - 0 = 1."] == pytest.approx(math.log(2500))
    assert len(costs) == 50 * 51
    six = " ".join(["1 - 0 = 1."] * 6)
    assert entropy.document_nats("arithmetic", six, SEED) == pytest.approx(6 * math.log(2500))
    ten = " ".join(["1 - 0 = 1."] * 10)
    longest = 10 * math.log(2500) + math.log(5)
    assert entropy.document_nats("arithmetic", ten, SEED) == pytest.approx(longest)


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("echo", "a b c d e f g h"),
        ("echo", "? b c d e f g h ? b c d e f g h"),
        ("successors", " ".join(["a b"] * 9)),
        ("successors", " ".join(["a b"] * 9 + ["a c"])),
        ("successors", " ".join(["a b"] * 9 + ["b c"])),
        ("successors", " ".join(["a b"] * 10 + ["a"])),
        ("successors", " ".join(["a z"] * 10)),
        ("arithmetic", "1 + 1 = 3."),
        ("facts", "Nobody lives in Arden."),
        ("grammar", "The dog sleeps."),
    ],
)
def test_another_text_or_domain_is_refused(domain, text):
    with pytest.raises(UsageError, match=r"no document of|domain"):
        entropy.document_nats(domain, text, SEED)
