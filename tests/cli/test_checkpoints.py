"""`pythia fetch` and `pythia suites --steps`: what they print, ask and refuse."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, flipped, serve_hub, sha256, status

from pythia_utils.base.http import Retry
from pythia_utils.cli import main, options
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.hub import api

MODEL, REPO = "pythia-14m", "EleutherAI/pythia-14m"
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def files():
    return {f"step{step}": checkpoint_files(step) for step in (0, 1, 2)}


@pytest.fixture
def server(files, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(api, "RETRY", Retry(attempts=2, wait=0.01, longest_wait=1))
    with serve_hub({REPO: files, "EleutherAI/pythia-2.8b": {"step0": files["step0"]}}) as server:
        server.cache = server.use(monkeypatch, tmp_path / "hf")
        yield server


@pytest.fixture
def pythia(monkeypatch, capsys):
    """The command in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["pythia", *arguments])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        return exit_.value.code, *capsys.readouterr()

    return run


# --- fetch ----------------------------------------------------------------------------------------


def test_fetch_says_how_much_and_prints_where_it_is(server, pythia, files):
    code, out, err = pythia("fetch", MODEL, "--step", "0", "--steps", "2,0")
    assert code == 0
    assert "2 checkpoints of pythia-14m:" in err
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == ["step0", "step2"]
    for revision, commit, folder in rows:
        assert server.commit(REPO, revision).startswith(commit)
        assert (Path(folder) / WEIGHTS).read_bytes() == files[revision][WEIGHTS]
    server.requests.clear()
    _, again, err = pythia("fetch", MODEL, "--steps", "0,2")
    assert again == out
    assert "0 bytes to fetch, of" in err
    assert server.sent_of("/resolve/") == server.sent_of("/cdn/") == 0


def test_fetch_as_json_gives_the_hashes(server, pythia, files):
    code, out, _ = pythia("fetch", MODEL, "--step", "1", "--json")
    [row] = json.loads(out)
    assert code == 0
    assert (row["step"], row["revision"], row["commit"]) == (
        1,
        "step1",
        server.commit(REPO, "step1"),
    )
    assert row["files"][WEIGHTS] == sha256(files["step1"][WEIGHTS])


def test_the_estimate_counts_shared_files_once(server, pythia, files):
    server.repos[REPO] |= {"step4": files["step0"], "step8": files["step0"]}
    _, _, err = pythia("fetch", MODEL, "--steps", "0,4,8")
    size = sum(map(len, files["step0"].values()))
    assert f"3 checkpoints of pythia-14m: {size / 1000:.3g} kB to fetch" in err
    assert server.sent_of("/resolve/") + server.sent_of("/cdn/") == size


def test_more_than_ten_gigabytes_are_asked_for(server, pythia, monkeypatch):
    monkeypatch.setattr(options, "ASK_ABOVE", 100)
    code, out, err = pythia("fetch", MODEL, "--step", "0")
    assert (code, out) == (2, "")
    assert "more than 100 bytes; to fetch it, add --yes" in err
    assert server.sent_of("/cdn/") == 0
    assert pythia("fetch", MODEL, "--step", "0", "--yes")[0] == 0
    for answer, code in {"n": 130, "y": 0}.items():
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda _, answer=answer: answer)
        assert pythia("fetch", MODEL, "--step", "1")[0] == code


def test_all_steps(server, pythia, files, monkeypatch):
    steps = find_model("pythia-410m-seed9").steps
    server.repos["EleutherAI/pythia-410m-seed9"] = {
        f"step{step}": files["step0"] for step in steps if step != 40000
    }
    code, out, err = pythia("fetch", "pythia-410m-seed9", "--steps", "all", "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 153
    assert "step 40000: the weights are missing (P#202); left out" in err
    code, _, err = pythia("fetch", "pythia-410m-seed9", "--step", "40000")
    assert code == 2
    assert "missing (P#202); nearest" in err


def test_a_budget_drops_earlier_fetches_and_refuses_the_impossible(server, pythia, files):
    size = sum(map(len, files["step0"].values()))
    assert pythia("fetch", MODEL, "--step", "0")[0] == 0
    assert pythia("fetch", MODEL, "--step", "1", "--disk-budget", str(int(1.3 * size)))[0] == 0
    assert len(list(server.cache.glob(f"*/snapshots/*/{WEIGHTS}"))) == 1
    code, _, err = pythia("fetch", MODEL, "--steps", "0,1,2", "--disk-budget", str(int(1.3 * size)))
    assert code == 2
    assert "all of these together need" in err


def test_known_bad_checkpoints_warn_or_are_refused(server, pythia):
    code, _, err = pythia("fetch", "pythia-2.8b", "--step", "0")
    assert code == 0
    assert [line for line in err.splitlines() if line.startswith("pythia: warning: ")] == [
        "pythia: warning: pythia-2.8b step 0: holds the same weights as `main`, byte for byte "
        "(76 revisions do) (P#205)"
    ]
    code, out, err = pythia("fetch", "pythia-2.8b", "--step", "0", "--strict")
    assert (code, out) == (2, "")
    assert "refused, as asked (strict)" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pythia-14n", "--steps", "0"], "unknown model 'pythia-14n'; nearest: pythia-14m"),
        ([MODEL], "which checkpoints? expected --steps, such as 0,512 or 0-3000, or all"),
        ([MODEL, "--step", "3"], "unknown step 3 of pythia-14m; nearest: 1, 2, 4"),
        ([MODEL, "--steps", "1,x"], "--steps 'x': expected steps such as 0,512 or 0-3000, or all"),
        (
            [MODEL, "--step", "0", "--disk-budget", "x"],
            "--disk-budget 'x': expected a number and a unit",
        ),
        (["pico-7k", "--step", "0"], "trained here; run: pythia train pico --models pico-7k"),
    ],
)
def test_mistakes_are_one_line_and_code_2(server, pythia, arguments, message):
    code, out, err = pythia("fetch", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "path", "message"),
    [
        (status(503), "/api/", "status 503; gave up"),
        (status(429, retry_after="900"), "/api/", "asks to wait 900 s"),
        (flipped, "/cdn/", "is corrupt"),
    ],
)
def test_trouble_with_the_hub_is_one_line_and_code_1(server, pythia, fault, path, message):
    server.inject(fault, path=path, times=None)
    code, out, err = pythia("fetch", MODEL, "--step", "0")
    assert (code, out) == (1, "")
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err


def test_progress_and_an_interrupt_that_loses_nothing(server, files):
    """In a process of its own: Ctrl-C ends it within seconds, and the next call has what it needs."""
    size = len(files["step0"][WEIGHTS])
    server.bytes_per_second = size / 20
    code = (
        "from huggingface_hub import constants; constants.DOWNLOAD_CHUNK_SIZE = 1000;"
        "from pythia_utils.base.progress import Bar; Bar.every = .1;"
        "from pythia_utils.cli import main; main.main()"
    )
    command = [sys.executable, "-c", code, "fetch", MODEL, "--step", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ)
    deadline = time.monotonic() + 60
    while f"/{WEIGHTS}?signed" not in "".join(request.path for request in server.requests):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "pythia: interrupted"
    assert " left" in err
    assert not list(server.cache.glob("*/blobs/*.incomplete"))
    server.bytes_per_second = None
    server.requests.clear()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert server.sent_of("/config.json") == 0  # was whole, and is not fetched again
    assert (Path(done.stdout.split("\t")[2].strip()) / WEIGHTS).read_bytes() == files["step0"][
        WEIGHTS
    ]


def test_a_missing_revision_stops_nothing_else(server, pythia, monkeypatch):
    code, out, err = pythia("fetch", MODEL, "--steps", "0,4,2,8")
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == ["step0", "step2"]
    *_, heading, first, second = err.splitlines()
    assert heading == "not fetched:"
    assert first.split(maxsplit=2)[:2] == [MODEL, "step4"]
    assert second.split(maxsplit=2)[:2] == [MODEL, "step8"]
    assert second.endswith("step8: the repository has no such revision")
    # What is there, offline, is told as before; what is not, too.
    server.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pythia("fetch", MODEL, "--steps", "0,2")[:2] == (0, out)
    code, _, err = pythia("fetch", MODEL, "--steps", "0,1")
    assert (code, err.splitlines()[-1].split()) == (1, f"{MODEL} step1 not in the cache".split())
    assert server.requests == []


def test_one_that_is_corrupt_stops_nothing_else(server, pythia):
    server.inject(
        flipped, path=server.commit(REPO, "step1") + "/" + WEIGHTS + "?signed", times=None
    )
    code, out, err = pythia("fetch", MODEL, "--steps", "0-2")
    assert (code, [line.split("\t")[0] for line in out.splitlines()]) == (1, ["step0", "step2"])
    assert "is corrupt" in err.splitlines()[-1]


def test_a_hub_that_is_away_is_not_asked_for_every_checkpoint(server, pythia):
    server.inject(status(429, retry_after="900"), path="/api/", times=None)
    code, out, err = pythia("fetch", MODEL, "--steps", "0-20000")
    assert (code, out) == (1, "")
    assert "asks to wait 900 s" in err
    assert "not tried, for the Hub is not to be reached" in err
    assert len(server.requests) < 30 < len(err.splitlines())


def test_main_is_the_last_step_and_a_tokenizer_is_brought_for_who_has_none(
    server, pythia, files, monkeypatch
):
    bare = {name: content for name, content in files["step0"].items() if "tokenizer" not in name}
    server.repos["EleutherAI/pythia-160m-data-seed2"] = {"step143000": bare}
    text = files["step0"]["tokenizer.json"]
    server.repos["EleutherAI/gpt-neox-20b"] = {"main": {"tokenizer.json": text}}
    code, out, err = pythia("fetch", "pythia-160m-data-seed2", "--steps", "main")
    assert code == 0, err
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        "step143000",
        "EleutherAI/gpt-neox-20b",
    ]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert pythia("fetch", "pythia-160m-data-seed2", "--steps", "main")[0] == 0


# --- steps ----------------------------------------------------------------------------------------


def test_steps_of_a_model_with_what_is_odd_of_them(pythia):
    code, out, _ = pythia("suites", "--steps", "pythia-12b", "--json")
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 154
    assert all(list(row) == ["step", "revision", "erratum"] for row in rows)
    odd = {row["step"]: row["erratum"] for row in rows if row["erratum"]}
    assert list(odd) == [0, 1, 50000, 58000]
    assert odd[50000] == "serves the final model's first shard (P#206)"
    code, text, _ = pythia("suites", "pythia-12b", "--steps")
    assert len(text.splitlines()) == 154
    assert "step50000   serves the final model's first shard (P#206)" in text


def test_steps_of_ours_and_of_a_former_name(pythia):
    rows = json.loads(pythia("suites", "--steps", "--json", "pico-7k")[1])
    assert rows[3] == {"step": 4, "revision": "step4", "erratum": None}
    _, out, err = pythia("suites", "--steps", "pythia-19m")
    assert err == "pythia-19m is now pythia-70m\n"
    assert len(out.splitlines()) == 154


def test_some_steps_of_a_model(pythia):
    _, out, _ = pythia("suites", "pico-7k", "--steps", "0,16-64")
    assert out.split() == ["step0", "step16", "step32", "step64"]
    code, out, err = pythia("suites", "pico-7k", "--steps", "9-15")
    assert (code, out) == (2, "")
    assert "pico-7k has none of them; nearest: 8, 16" in err


def test_fetch_takes_ranges_and_leaves_out_what_has_no_weights(server, pythia, files):
    server.repos["EleutherAI/pythia-410m-seed9"] = {
        f"step{step}": files["step0"] for step in (0, 39000, 41000)
    }
    _, out, err = pythia("fetch", "pythia-410m-seed9", "--steps", "0,39000-41000")
    assert [line.split()[0] for line in out.splitlines()] == ["step0", "step39000", "step41000"]
    assert "step 40000: the weights are missing (P#202); left out" in err


@pytest.mark.parametrize("names", [[], ["pico-7k", "pico-14k"]])
def test_steps_want_one_model(pythia, names):
    code, _, err = pythia("suites", "--steps", *names)
    assert code == 2
    assert "--steps is for one model" in err
