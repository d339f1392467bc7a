"""The audit against a Hub with the known errata of the real suite, and more; and against our folders."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers import hub_server as bad
from helpers.hub_server import serve_hub
from safetensors.torch import save

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError, Retry
from pythia_utils.cli.main import cli
from pythia_utils.suites import folders
from pythia_utils.suites.audit import audit
from pythia_utils.suites.audit_facts import EMBEDDING
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.hub import api

WIDTH, TOKENS = 8, 40
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SOME = [0, 8, 512, *range(10000, 70000, 5000), 142000, 143000]  # quicker than all 154


@functools.cache
def trajectory(model: str, seed: int = 0) -> dict[int, dict[str, torch.Tensor]]:
    """A random walk through training: the tensors that an audit samples, by step; step 0 = step 1."""
    rng, found = np.random.default_rng(seed), find_model(model)
    last = f"gpt_neox.layers.{found.n_layers - 1}.mlp.dense_4h_to_h.bias"
    embedding, walk = rng.normal(size=(TOKENS, WIDTH)), {}
    for step, gap in zip(found.steps, np.diff(found.steps, prepend=0), strict=True):
        if step > 1:
            embedding = embedding + rng.normal(size=embedding.shape) * np.sqrt(gap / 1000)
        small = rng.normal(size=WIDTH) if step > 1 else np.zeros(WIDTH)
        walk[step] = {
            EMBEDDING: torch.tensor(embedding, dtype=torch.float16),
            "gpt_neox.final_layer_norm.weight": torch.tensor(1 + small, dtype=torch.float16),
            last: torch.tensor(small, dtype=torch.float16),
        }
    return walk


def single(tensors: dict) -> dict[str, bytes]:
    return {"config.json": b"{}", SINGLE: save(tensors)}


def sharded(tensors: dict) -> dict[str, bytes]:
    """The embedding in the first file, the rest in the second."""
    parts = [{EMBEDDING: tensors[EMBEDDING]}, {k: v for k, v in tensors.items() if k != EMBEDDING}]
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    places = {key: name for name, part in zip(names, parts, strict=True) for key in part}
    files = {name: save(part) for name, part in zip(names, parts, strict=True)}
    return files | {"config.json": b"{}", INDEX: json.dumps({"weight_map": places}).encode()}


def good(model: str, form=single) -> dict[str, dict[str, bytes]]:
    """Every revision of a model as it should be, and `main`."""
    branches = {f"step{step}": form(tensors) for step, tensors in trajectory(model).items()}
    return branches | {"main": dict(branches[f"step{find_model(model).steps[-1]}"])}


@pytest.fixture
def serving(monkeypatch, tmp_path):
    """Serve one model's branches at HF_ENDPOINT; retries take no time."""
    running = []

    def serve(model: str, branches: dict):
        context = serve_hub({f"EleutherAI/{model}": branches})
        running.append(context)
        server = context.__enter__()
        server.use(monkeypatch, tmp_path / "cache")
        monkeypatch.setattr(api, "RETRY", Retry(sleep=lambda seconds: None))
        return server

    yield serve
    for context in running:
        context.__exit__(None, None, None)


def told(report, status: str) -> list[tuple]:
    return [(f.kind, f.steps) for f in report.findings if f.status == status]


# --- a sound model --------------------------------------------------------------------------------


def test_a_sound_model_and_what_it_costs(serving):
    server = serving("pythia-70m", good("pythia-70m"))
    report = audit("pythia-70m")
    assert told(report, "expected") == [("equal", (0, 1))]
    assert len(report.findings) == 1
    assert len(report.facts) == 155
    # step 0 = step 1 and main = step 143000 are sampled once: header's length, header, 3 tensors
    assert (report.cost.questions, report.cost.ranges) == (156, 153 * 5)
    assert report.cost.bytes == server.sent_of("/cdn/")
    header = int.from_bytes(server.repos["EleutherAI/pythia-70m"]["main"][SINGLE][:8], "little")
    assert report.cost.bytes == 153 * (8 + header + 32 * WIDTH * 2 + 2 * WIDTH * 2)


def test_without_tensors_no_file_is_opened(serving):
    server = serving("pythia-70m", good("pythia-70m"))
    report = audit("pythia-70m", tensors=False)
    assert told(report, "expected") == [("equal", (0, 1))]
    assert not any("/resolve/" in request.path for request in server.requests)


# --- the known errata -----------------------------------------------------------------------------


def branches_of_2_8b() -> dict[str, dict[str, bytes]]:
    branches = good("pythia-2.8b")
    errata = [e for e in find_model("pythia-2.8b").errata if e.kind == "wrong"]
    other = single(trajectory("pythia-2.8b", seed=5)[64000])
    branches["main"] = single(trajectory("pythia-2.8b", seed=6)[143000])
    for erratum, files in zip(errata, (branches["main"], other), strict=True):
        for step in erratum.steps:
            branches[f"step{step}"] = dict(files)
    return branches


def test_the_86_wrong_revisions_of_2_8b_are_found_and_known(serving):
    serving("pythia-2.8b", branches_of_2_8b())
    report = audit("pythia-2.8b")
    first, second = (e.steps for e in find_model("pythia-2.8b").errata if e.kind == "wrong")
    assert (len(first), len(second)) == (76, 10)
    known = told(report, "known")
    assert ("equal", first) in known
    assert ("equal", second) in known
    assert ("main", (143000,)) in known
    assert report.new == ()
    assert {finding.source for finding in report.findings} == {"P#205"}


@pytest.mark.parametrize(("extra", "like"), [(141000, "main"), (142000, "step54000")])
def test_one_more_wrong_revision_of_2_8b_is_new(serving, extra, like):
    branches = branches_of_2_8b()
    branches[f"step{extra}"] = dict(branches[like])
    serving("pythia-2.8b", branches)
    report = audit("pythia-2.8b", tensors=False)
    assert told(report, "new") == [("equal", (extra,))]
    assert "the same weights as " in report.new[0].text


def test_the_shared_shards_of_12b_are_known_and_another_is_new(serving):
    branches, shard = good("pythia-12b", sharded), "model-00001-of-00002.safetensors"
    for step in (50000, 58000):
        branches[f"step{step}"][shard] = branches["main"][shard]
    server = serving("pythia-12b", branches)
    report = audit("pythia-12b", steps=[*SOME, 58000])
    assert told(report, "known") == [("shared", (50000, 58000))]
    assert report.new == ()
    server.repos["EleutherAI/pythia-12b"]["step60000"][shard] = branches["main"][shard]
    report = audit("pythia-12b", steps=[49000, 50000, 58000, 59000, 60000])
    assert told(report, "new") == [("shared", (60000,))]
    assert shard in report.new[0].text


@pytest.mark.parametrize(("seed", "step"), [(9, 40000), (6, 88000), (2, 111000)])
def test_the_missing_weights_of_410m_are_known_and_others_new(serving, seed, step):
    model = f"pythia-410m-seed{seed}"
    branches = good(model)
    branches[f"step{step}"] = {"config.json": b"{}"}
    branches["step3000"] = {"config.json": b"{}"}
    del branches["step4000"], branches["step6000"]
    serving(model, branches)
    report = audit(model, tensors=False)
    assert told(report, "known") == [("missing", (step,))]
    assert told(report, "new") == [("missing", (3000,)), ("missing", (4000, 6000))]


def test_an_erratum_that_was_mended_is_noted(serving):
    serving("pythia-410m-seed9", good("pythia-410m-seed9"))
    report = audit("pythia-410m-seed9", steps=[39000, 40000], tensors=False)
    assert told(report, "note") == [("erratum", (40000,))]
    assert report.new == ()


# --- faults that nobody knows ---------------------------------------------------------------------


def test_a_mislabelled_checkpoint_of_another_run_breaks_continuity(serving):
    branches = good("pythia-70m")
    branches["step30000"] = single(trajectory("pythia-70m", seed=3)[30000])
    serving("pythia-70m", branches)
    report = audit("pythia-70m", steps=SOME)
    assert told(report, "new") == [("break", (30000,))]
    assert audit("pythia-70m", steps=SOME, tensors=False).new == ()  # its hash is its own


def test_the_same_tensors_in_other_files_are_found_by_their_sample(serving):
    branches = good("pythia-70m")
    again = save(trajectory("pythia-70m")[50000], {"format": "pt"})
    branches["step60000"] = {"config.json": b"{}", SINGLE: again}
    branches["main"] = {
        **branches["main"],
        SINGLE: save(trajectory("pythia-70m")[143000], {"a": "b"}),
    }
    serving("pythia-70m", branches)
    report = audit("pythia-70m")
    assert told(report, "new") == [
        ("equal", (50000, 60000))
    ]  # and main is not: it may be saved anew
    assert "sampled tensors" in report.new[0].text
    hashes = audit("pythia-70m", steps=SOME, tensors=False)
    assert hashes.new == ()
    assert told(hashes, "note") == [("main", (143000,))]


def test_main_with_other_weights_is_new(serving):
    branches = good("pythia-70m")
    branches["main"] = single(trajectory("pythia-70m", seed=1)[143000])
    serving("pythia-70m", branches)
    assert told(audit("pythia-70m", steps=[142000, 143000]), "new") == [("main", (143000,))]


def early(**others: int) -> dict[str, dict[str, bytes]]:
    """Revisions of pythia-70m, some with the weights of another step."""
    branches, walk = good("pythia-70m"), trajectory("pythia-70m")
    return branches | {name: single(walk[step]) for name, step in others.items()}


@pytest.mark.parametrize(
    ("branches", "new"),
    [
        (early(step1=2), [("equal", (1, 2))]),  # the first step's learning rate is 0: 1 is not 2
        (early(step2=0), [("equal", (0, 1, 2))]),
        (early(step1=4, step2=0), [("equal", (0, 2)), ("equal", (1, 4))]),
        (early() | {"step1": single(trajectory("pythia-70m", seed=4)[4])}, [("unlike", (0, 1))]),
        (early() | {"step0": single(trajectory("pythia-70m", seed=4)[0])}, [("unlike", (0, 1))]),
    ],
)
def test_the_first_steps_are_as_the_learning_rate_leaves_them(serving, branches, new):
    """0 at the first step, so step1 is step0, and step2 is neither."""
    serving("pythia-70m", branches)
    report = audit("pythia-70m", steps=[0, 1, 2, 4, 8, 512, 1000])
    assert told(report, "new") == new
    assert ("equal", (0, 1)) not in told(report, "expected")


def test_by_hashes_alone_it_is_not_known_whether_the_first_steps_differ(serving):
    branches = good("pythia-70m")
    again = save(trajectory("pythia-70m")[0], {"format": "pt"})
    branches["step1"] = {"config.json": b"{}", SINGLE: again}
    serving("pythia-70m", branches)
    hashes = audit("pythia-70m", steps=[0, 1, 2], tensors=False)
    assert (hashes.new, told(hashes, "note")) == ((), [("unlike", (0, 1))])
    assert told(audit("pythia-70m", steps=[0, 1, 2]), "expected") == [("equal", (0, 1))]
    assert audit("pythia-70m", steps=[1, 2]).findings == ()


def test_damaged_files(serving):
    branches = good("pythia-70m")
    whole = branches["step2000"][SINGLE]
    broken = {name: tensor.clone() for name, tensor in trajectory("pythia-70m")[5000].items()}
    broken[EMBEDDING][0, 0] = float("nan")
    branches["step1000"][SINGLE] = whole[: len(whole) // 3]
    branches["step2000"][SINGLE] = whole[:-1]
    branches["step3000"][SINGLE] = bytes([whole[0] ^ 1]) + whole[1:]
    branches["step4000"] = single({"other": torch.zeros(TOKENS * WIDTH + 20)})
    branches["step5000"] = single(broken)
    smaller = dict(trajectory("pythia-70m")[7000])
    smaller[EMBEDDING] = smaller[EMBEDDING][:31].clone()
    branches["step7000"] = single(smaller)
    serving("pythia-70m", branches)
    steps = [0, 512, *range(1000, 9000, 1000), 143000]
    report = audit("pythia-70m", steps=steps)
    damaged = {step: f.text for f in report.new for step in f.steps if f.kind == "damaged"}
    assert sorted(damaged) == [1000, 2000, 3000, 4000, 5000, 7000]
    says = ["header", "header", "header", "no tensor", "not finite", "another shape"]
    assert all(part in damaged[step] for part, step in zip(says, sorted(damaged), strict=True))
    assert len(report.new) == 6
    hashes = audit("pythia-70m", steps=steps, tensors=False)
    assert told(hashes, "new") == [("damaged", (1000,))]  # by its size


def test_two_revisions_alike_are_both_named(serving):
    branches = good("pythia-70m")
    branches["step8"] = dict(branches["step60000"])
    serving("pythia-70m", branches)
    assert told(audit("pythia-70m", steps=SOME), "new") == [("equal", (8, 60000))]


def test_bin_files_are_compared_by_hash_and_not_sampled(serving):
    branches = good("pythia-70m")
    for step, name in ((7000, "a"), (8000, "a"), (9000, "b")):
        branches[f"step{step}"] = {"config.json": b"{}", "pytorch_model.bin": name.encode() * 500}
    branches["step7000"][SINGLE] = save(trajectory("pythia-70m")[7000])
    serving("pythia-70m", branches)
    report = audit("pythia-70m", steps=[6000, 7000, 8000, 9000, 10000])
    assert told(report, "new") == [("equal", (7000, 8000))]
    assert "(.bin files)" in report.new[0].text
    assert told(report, "note") == [("tensors", (8000, 9000))]


def test_main_itself_missing_or_damaged(serving):
    branches = good("pythia-70m")
    branches["main"] = {"config.json": b"{}"}
    server = serving("pythia-70m", branches)
    (finding,) = audit("pythia-70m", steps=[142000, 143000]).new
    assert finding.text.startswith("main: its weights are missing")
    server.repos["EleutherAI/pythia-70m"]["main"][SINGLE] = branches["step1000"][SINGLE][:-5]
    (finding,) = audit("pythia-70m", steps=[142000, 143000]).new
    assert finding.kind == "damaged"
    assert finding.text.startswith("main: ")


# --- the Hub's manners ----------------------------------------------------------------------------


def test_a_busy_hub_is_waited_for(serving):
    server = serving("pythia-70m", good("pythia-70m"))
    server.inject(bad.status(429, retry_after="7"), "/refs", times=2)
    server.inject(bad.status(429, retry_after="7"), "/revision/", times=3)
    server.inject(bad.status(429, retry_after="7"), "/resolve/", times=3)
    waits = []
    api.RETRY = Retry(sleep=waits.append)
    report = audit("pythia-70m", steps=[0, 1, 2])
    assert report.new == ()
    assert len(waits) == 8
    assert min(waits) >= 7


def test_a_hub_that_is_down_and_a_repository_that_is_not_there(serving):
    server = serving("pythia-70m", good("pythia-70m"))
    with pytest.raises(FetchError, match="EleutherAI/pythia-14m: no such repository"):
        audit("pythia-14m")
    server.inject(bad.status(503), "/revision/", times=None)
    with pytest.raises(FetchError, match="status 503; gave up after 5 tries"):
        audit("pythia-70m")


# --- our own suites, the command ------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """`pico-7k` as if it had been trained, every checkpoint on its way."""
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    for step, tensors in trajectory("pico-7k").items():
        folder = folders.checkpoint_path(find_model("pico-7k").checkpoint(step))
        folder.mkdir(parents=True)
        shifted = {name: tensor + (step == 1) for name, tensor in tensors.items()}
        (folder / SINGLE).write_bytes(save(shifted if step < 2 else tensors))
    return tmp_path / "suites" / "pico" / "pico-7k"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_of_ours_that_is_not_finite_is_found_wherever_it_is(trained, value):
    """Here in a tensor that is not sampled, and in a row of the embedding beyond the sampled ones."""
    tensors = trajectory("pico-7k")
    wrong = torch.zeros(3, dtype=torch.float16)
    wrong[1] = value
    extra = {"gpt_neox.layers.0.attention.dense.bias": wrong}
    (trained / "step256" / SINGLE).write_bytes(save(tensors[256] | extra))
    rows = tensors[512][EMBEDDING].clone()
    rows[-1, 0] = value
    (trained / "step512" / SINGLE).write_bytes(save(tensors[512] | {EMBEDDING: rows}))
    found = [f for f in audit("pico-7k", steps=[8, 256, 512]).new if f.kind == "damaged"]
    assert [f.steps for f in found] == [(256, 512)]
    assert found[0].text == "some of its weights are not finite"


def run(*arguments: str):
    return CliRunner().invoke(cli, ["audit", *arguments, "--quiet"])


def test_our_own_models(trained):
    for step in (0, 1):  # ours differ: the warm-up starts above 0
        tensors = trajectory("pico-7k")[0]
        shifted = {name: tensor + 0.001 * step for name, tensor in tensors.items()}
        (trained / f"step{step}" / SINGLE).write_bytes(save(shifted))
    assert audit("pico-7k").findings == ()
    assert audit("pico-7k", steps=[512, 0]).facts[0].step == 0
    first = (trained / "step1" / SINGLE).read_bytes()
    (trained / "step1" / SINGLE).write_bytes((trained / "step0" / SINGLE).read_bytes())
    assert told(audit("pico-7k"), "new") == [("equal", (0, 1))]
    (trained / "step1" / SINGLE).write_bytes(first)
    wrong = trained / "step256" / SINGLE
    wrong.write_bytes((trained / "step512" / SINGLE).read_bytes())
    assert told(audit("pico-7k"), "new") == [("equal", (256, 512))]
    wrong.write_bytes(save(trajectory("pico-7k", seed=1)[256]))
    assert told(audit("pico-7k"), "new") == [("break", (256,))]
    wrong.write_bytes(wrong.read_bytes()[:-1])
    assert told(audit("pico-7k"), "new") == [("damaged", (256,))]
    wrong.unlink()
    (finding,) = audit("pico-7k").new
    assert (finding.kind, finding.steps, finding.text) == ("missing", (256,), "it is not trained")
    with pytest.raises(UsageError, match="pico-14k is not trained yet"):
        audit("pico-14k")


def test_where_there_is_no_terminal_there_are_no_bars(trained):
    done = CliRunner().invoke(cli, ["audit", "pico-7k", "--steps", "0,2"])
    assert (done.exit_code, done.stderr) == (0, "")
    done = CliRunner().invoke(cli, ["audit", "pico-14k"])
    assert (type(done.exception), done.stderr) == (UsageError, "")


def test_the_command_prints_a_table_and_exits_with_1_if_something_is_new(trained, tmp_path):
    (trained / "step1" / SINGLE).unlink()
    done = run("pico-7k", "--steps", "0, 2-16")
    assert done.exit_code == 0
    assert done.output == "5 revisions of pico-7k: no fault found\n"
    file = tmp_path / "report.json"
    done = run("pico-7k", "--steps", "0, 2-16", "--json", "--output", str(file))
    assert (done.exit_code, done.output) == (0, f"{file}\n")
    assert json.loads(file.read_text())["new"] == 0
    done = run("pico-7k", "--steps", "0-16")
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].split() == ["status", "kind", "steps", "what", "was", "found", "source"]
    assert lines[1].split() == ["new", "missing", "1", "it", "is", "not", "trained"]
    assert lines[2] == "6 revisions of pico-7k: 1 new"
    done = run("pico-7k", "--json")
    report = json.loads(done.output)
    assert done.exit_code == 1
    assert report["findings"][0]["steps"] == [1]
    assert [one["revision"] for one in report["revisions"]][:3] == ["step0", "step1", "step2"]
    assert len(report["revisions"][0]["files"][SINGLE]) == 64


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pico-8k"], "unknown model 'pico-8k'; nearest: pico-"),
        (["pico-7k", "--steps", "3"], "unknown step 3 of pico-7k; nearest: 1, 2, 4"),
        (["pico-7k", "--steps", "0..8"], "'0..8': expected steps such as 0,512"),
        (["pico-7k", "--steps", "8-0"], "'8-0': expected steps such as 0,512"),
        (["pico-7k", "--output", "/no/such/folder/x.json"], "there is no folder /no/such/folder"),
    ],
)
def test_wrong_use_is_told_in_one_line(trained, arguments, says):
    done = run(*arguments)
    assert isinstance(done.exception, UsageError)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
