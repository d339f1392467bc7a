"""`pythia batch` and `pythia config`: the same tokens from every source, in every form; clear mistakes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.commands import ROOT, pythia, run_or_fail
from helpers.range_server import serve, whole_file

from pythia_utils.analysis.training_data.batches import open_tokenizer
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.neox_config import hf_config, neox_yaml
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset
from pythia_utils.training_data.source import open_source

STEPS = 6  # in the preshuffled copy of pico's own data
LAST = 2  # number of its last shard, which is shorter


@pytest.fixture
def corpus(home):
    """What pico-7k reads, straight from its corpus."""
    return open_source("pico-7k")


@pytest.fixture
def shards(corpus) -> dict[str, bytes]:
    """The first batches as Pythia's are published: rows in training order, cut into shards by bytes."""
    rows = corpus.sequences(0, STEPS * corpus.batch_size)
    data = rows.astype("<u2").tobytes()
    size = len(data) * 2 // 5
    return {
        f"/document-{i:05d}-of-{LAST:05d}.bin": data[i * size : (i + 1) * size]
        for i in range(LAST + 1)
    }


@pytest.fixture
def folder(shards, tmp_path):
    path = tmp_path / "shards"
    path.mkdir()
    for name, data in shards.items():
        (path / name.lstrip("/")).write_bytes(data)
    return path


def batch(*arguments: str, home):
    return run_or_fail("batch", "--model", "pico-7k", *arguments, cwd=home, home=home)


@pytest.fixture
def hostile(tmp_path):
    """Rows of a data set, and a tokenizer whose tokens give orders to a terminal."""
    from tokenizers import Tokenizer, models

    words = {f"\x1b[{n}m\r{n}\u00e9\n": n for n in range(1024)}
    own = tmp_path / "orders.json"
    Tokenizer(models.WordLevel(words, unk_token=next(iter(words)))).save(str(own))
    rows = np.arange(1, 8 * 129 + 1).reshape(8, 129) % 1023 + 1
    write_indexed_dataset(tmp_path / "rows", rows, np.uint16)
    text = " ".join(list(words)[token] for token in rows[0])
    source = [
        "--source",
        str(tmp_path / "rows"),
        "--tokenizer",
        str(own),
        "--decode",
        "--rows",
        "1",
    ]
    return ["batch", "--model", "pico-7k", "--step", "0", *source], text


def on_a_terminal(arguments: list[str]) -> str:
    """What a command writes to stdout where that is a terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "pythia_utils.cli.main", *arguments]
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, cwd=ROOT)
    os.close(theirs)
    pieces = []
    with contextlib.suppress(OSError):  # at the end
        while piece := os.read(ours, 1 << 16):
            pieces.append(piece)
    os.close(ours)
    assert process.wait() == 0
    return b"".join(pieces).decode()


class TestText:
    """`click.echo` took colours out of it in a pipe, and let a terminal obey them."""

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_in_a_pipe_it_is_the_text(self, hostile, encoding):
        arguments, text = hostile
        command = [sys.executable, "-m", "pythia_utils.cli.main", *arguments]
        env = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(command, capture_output=True, env=env, cwd=ROOT, check=True)
        head, _, rest = done.stdout.partition(b"\n")
        assert head == b"--- step 0, row 0 (sequence 0 of the training)"
        assert rest == text.encode() + b"\n"

    def test_on_a_terminal_nothing_is_obeyed(self, hostile):
        arguments, text = hostile
        shown = on_a_terminal(arguments).replace("\r\n", "\n")
        assert "\x1b" not in shown
        assert text.replace("\x1b", "\\x1b").replace("\r", "\\r") in shown


class TestSources:
    def test_json_holds_the_batch_and_where_it_is_from(self, home, corpus):
        shown = json.loads(batch("--step", "3", "--json", home=home).stdout)
        assert [row["tokens"] for row in shown["rows"]] == corpus.batch(3).tolist()
        assert [row["row"] for row in shown["rows"]] == list(range(8))
        assert [row["position"] for row in shown["rows"]] == list(range(24, 32))
        assert (shown["model"], shown["step"], shown["source"]) == (
            "pico-7k",
            3,
            "pico/corpus/standard",
        )

    @pytest.mark.parametrize("step", range(STEPS))
    def test_a_preshuffled_folder_gives_the_same(self, home, corpus, folder, step):
        done = batch("--step", str(step), "--source", str(folder), "--json", home=home)
        shown = json.loads(done.stdout)
        assert [row["tokens"] for row in shown["rows"]] == corpus.batch(step).tolist()

    def test_a_web_server_gives_the_same(self, home, corpus, shards):
        first = next(iter(shards))
        with serve(shards) as server:
            done = batch("--step", "2", "--source", server.url + first, "--json", home=home)
        shown = json.loads(done.stdout)
        assert [row["tokens"] for row in shown["rows"]] == corpus.batch(2).tolist()

    def test_a_server_that_does_not_deliver_is_a_failure_not_a_mistake(self, home, shards):
        with serve(shards) as server:
            server.faults += [whole_file] * 4
            url = server.url + next(iter(shards))
            arguments = ("batch", "--model", "pico-7k", "--step", "2", "--source", url)
            done = pythia(*arguments, home=home)
        assert done.returncode == 1
        assert "ignores byte ranges" in done.stderr
        assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)


class TestForms:
    def test_array(self, home, corpus, tmp_path):
        file = tmp_path / "batch.npy"
        done = batch("--step", "5", "--output", str(file), home=home)
        assert done.stdout.strip() == str(file)
        np.testing.assert_array_equal(np.load(file), corpus.batch(5))

    def test_table(self, home, corpus, tmp_path):
        file = tmp_path / "batch.parquet"
        batch("--step", "5", "--rows", "3", "--decode", "--output", str(file), home=home)
        table = pd.read_parquet(file)
        assert list(table) == ["step", "row", "position", "tokens", "text"]
        assert table["step"].tolist() == [5, 5, 5]
        assert table["position"].tolist() == [40, 41, 42]
        np.testing.assert_array_equal(np.stack(table["tokens"]), corpus.batch(5)[:3])

    def test_screen_shows_few_rows_or_as_many_as_asked_for(self, home, corpus):
        lines = batch("--step", "0", "--rows", "2", home=home).stdout.splitlines()
        assert [list(map(int, line.split())) for line in lines] == corpus.batch(0)[:2].tolist()

    def test_text_marks_every_end_of_a_document(self, home, corpus):
        done = batch("--step", "1", "--decode", home=home)
        assert done.stdout.count("<|endoftext|>") == np.count_nonzero(corpus.batch(1) == 0)
        assert done.stdout.count("--- step 1, row ") == 8
        assert "(sequence 8 of the training)" in done.stdout

    def test_text_is_what_the_tokenizer_says(self, home, corpus, tmp_path):
        own = tmp_path / "mine.json"
        own.write_bytes((home / "suites" / "pico" / "corpus" / "tokenizer.json").read_bytes())
        tokenizer = open_tokenizer(find_model("pico-7k"))
        arguments = ("--step", "1", "--decode", "--tokenizer", str(own), "--json")
        for row in json.loads(batch(*arguments, home=home).stdout)["rows"]:
            without_marks = row["text"].replace("<|endoftext|>\n", "")
            kept = [token for token in row["tokens"] if token]
            assert without_marks.split() == tokenizer.decode(kept).split()


class TestConfig:
    def test_neox_is_yaml_on_the_screen(self):
        done = pythia("config", "pythia-160m")
        assert yaml.safe_load(done.stdout) == yaml.safe_load(neox_yaml(find_model("pythia-160m")))
        assert done.stdout.startswith("# pythia-160m: ")

    def test_former_names_are_understood_and_told(self):
        done = pythia("config", "pythia-125m")
        assert done.returncode == 0
        assert "pythia-125m is now pythia-160m" in done.stderr

    def test_hf_goes_to_a_file(self, tmp_path):
        done = pythia(
            "config", "nano-57k", "--format", "hf", "--output", "config.json", cwd=tmp_path
        )
        assert done.stdout.strip() == "config.json"
        assert json.loads((tmp_path / "config.json").read_text()) == hf_config(
            find_model("nano-57k")
        )


MISTAKES = [
    (["batch", "--model", "pico-7k"], "Missing option '--steps'"),
    (["batch", "--model", "pico-7k", "--steps", "0-3"], "4 steps; expected one, or --find"),
    (["batch", "--model", "pico-7", "--step", "0"], "unknown model 'pico-7'; nearest: pico-7k"),
    (["batch", "--model", "pico-7k", "--step", "1000"], "nearest: 997, 998, 999"),
    (["batch", "--model", "pico-7k", "--step", "-1"], "expected steps such as 0,512"),
    (["batch", "--model", "pico-7k", "--step", "0", "--source", "/no/such/set"], "/no/such/set"),
    (["batch", "--model", "pico-7k", "--step", "0", "--output", "b.csv"], ".npy or .parquet"),
    (["batch", "--model", "pico-7k", "--step", "0", "--output", "no/b.npy"], "there is no folder"),
    (
        ["batch", "--model", "pico-7k", "--step", "0", "--output", "b.npy", "--decode"],
        "holds no text",
    ),
    (["batch", "--model", "pico-7k", "--step", "0", "--output", "b.npy", "--json"], "one of them"),
    (["batch", "--model", "pico-7k", "--step", "0", "--rows", "0"], "--rows"),
    (
        ["batch", "--model", "pico-7k", "--step", "0", "--decode", "--tokenizer", "no.json"],
        "no.json",
    ),
    (["config", "pythia-71m"], "unknown model 'pythia-71m'"),
    (["config", "pythia-70m", "--format", "json"], "--format"),
    (["config", "pythia-70m", "--gpus", "3"], "3 GPUs cannot share"),
    (["config", "pythia-70m", "--gpus", "3", "--format", "hf"], "--gpus is for --format neox"),
    (["config", "pythia-70m", "--output", "no/such/c.yml"], "there is no folder"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(trained_home, tmp_path, arguments, message):
    done = pythia(*arguments, home=trained_home, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert (done.stdout, len(done.stderr.splitlines())) == ("", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["batch", "config"])
def test_help_shows_examples(command):
    done = pythia(command, "-h")
    assert done.returncode == 0
    assert f"Examples:\n    pythia {command} " in done.stdout
