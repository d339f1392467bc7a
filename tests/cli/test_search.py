"""`pythia batch --find`: every place where training reads a text, wherever the data lie."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers.commands import pythia
from helpers.range_server import serve

from pythia_utils.analysis.training_data.batches import open_tokenizer, tokens_of
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.source import open_source

STEPS = 6


@pytest.fixture
def corpus(home):
    return open_source("pico-7k")


@pytest.fixture
def tokenizer(home):
    return open_tokenizer(find_model("pico-7k"))


def find(text: str, steps: str, *more: str, home):
    return pythia("batch", "--model", "pico-7k", "--find", text, "--steps", steps, *more, home=home)


def places(corpus, tokens: list[int], steps) -> list[list[int]]:
    """The plain search: step, row, position of the row in the training, offset."""
    found = []
    for step in steps:
        for row, sequence in enumerate(corpus.batch(step).tolist()):
            for offset in range(len(sequence) - len(tokens) + 1):
                if sequence[offset : offset + len(tokens)] == tokens:
                    found.append([step, row, step * corpus.batch_size + row, offset])
    return found


def some_text(corpus, tokenizer) -> tuple[str, list[int]]:
    """Three words that step 2 reads."""
    text = tokenizer.decode(corpus.batch(2)[1, 20:32].tolist()).split("<|endoftext|>")[-1]
    text = " ".join(text.split()[1:3])
    return text, tokenizer.encode(text).ids


def shards_of(corpus) -> dict[str, bytes]:
    rows = corpus.sequences(0, STEPS * corpus.batch_size)
    data = rows.astype("<u2").tobytes()
    half = len(data) // 2
    return {
        "/document-00000-of-00001.bin": data[:half],
        "/document-00001-of-00001.bin": data[half:],
    }


def test_places_are_those_of_a_plain_search(home, corpus, tokenizer):
    text, tokens = some_text(corpus, tokenizer)
    done = find(text, "0-5,100-102", home=home)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first.split("\t") == ["step", "row", "position", "offset"]
    expected = places(corpus, tokens, [*range(6), *range(100, 103)])
    assert [list(map(int, line.split("\t"))) for line in lines] == expected
    assert any(place[:2] == [2, 1] for place in expected)
    assert f"9 steps of pico-7k: tokens {tokens}; 18.6 kB to read" in done.stderr


def test_json_names_text_tokens_and_source(home, corpus, tokenizer):
    text, tokens = some_text(corpus, tokenizer)
    done = find(text, "2", "--json", "--quiet", home=home)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["model"], told["source"]) == ("pico-7k", "pico/corpus/standard")
    assert (told["text"], told["tokens"], told["steps_searched"]) == (text, tokens, 1)
    assert [list(place.values()) for place in told["places"]] == places(corpus, tokens, [2])
    assert list(told["places"][0]) == ["step", "row", "position", "offset"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_nothing_found_is_a_line_and_code_1(home, form):
    done = find("dog dog dog dog", "0-3", *form, home=home)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "'dog dog dog dog' is not in these steps"
    assert json.loads(done.stdout)["places"] == [] if form else done.stdout == ""


def test_a_preshuffled_folder_and_a_server_give_the_same(home, corpus, tokenizer, tmp_path):
    text, _ = some_text(corpus, tokenizer)
    shards = shards_of(corpus)
    for name, data in shards.items():
        (tmp_path / name.lstrip("/")).write_bytes(data)
    ours = find(text, "0-5", home=home)
    folder = find(text, "all", "--source", str(tmp_path), home=home)
    assert (folder.stdout, folder.returncode) == (ours.stdout, 0)
    assert "to read" in folder.stderr
    with serve(shards) as server:
        url = server.url + next(iter(shards))
        remote = find(text, "0-5", "--source", url, home=home)
        assert (remote.stdout, remote.returncode) == (ours.stdout, 0), remote.stderr
        size = STEPS * corpus.batch_bytes
        assert f"{size / 1000:.3g} kB to fetch" in remote.stderr


def test_much_is_asked_for_before_it_is_fetched(home, tmp_path):
    """Pythia's own data: 143,000 batches of 4 MB."""
    file = home / "suites/pico/corpus/tokenizer.json"
    arguments = ("batch", "--model", "pythia-70m", "--find", "dog", "--steps", "all")
    done = pythia(*arguments, "--tokenizer", str(file), home=home)
    assert (done.returncode, done.stdout) == (2, "")
    told, mistake = done.stderr.splitlines()
    assert told.startswith("143000 steps of pythia-70m: tokens ")
    assert told.endswith("600 GB to fetch")
    assert "to fetch it, add --yes" in mistake


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Zürich", "0"), "cannot search for 'Zürich': the tokenizer reads"),
        (("", "0"), "cannot search for ''"),
        ((" dog" * 130, "0"), "cannot search for 130 tokens; expected 1 to 129"),
        (("dog", "1000"), "unknown step 1000 of pico-7k"),
        (("dog", "0", "--decode"), "expected no --rows, --decode or --output with it"),
        (("dog", "0", "--rows", "2"), "expected no --rows"),
        (("dog", "0", "--output", "x.npy"), "expected no --rows"),
    ],
)
def test_mistakes_are_one_line_and_code_2(home, arguments, message):
    done = find(*arguments, home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_tokens_of_a_text(tokenizer):
    assert tokens_of("The dog", tokenizer) == tokenizer.encode("The dog").ids
    assert tokens_of("<|endoftext|>", tokenizer) == [0]
    with pytest.raises(UsageError, match="the tokenizer reads"):
        tokens_of("日本", tokenizer)
    assert np.all(np.array(tokens_of("sleeps.", tokenizer)) > 0)
