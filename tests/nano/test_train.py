"""Training: the protocol's numbers, and bit-identical weights whatever interrupts it."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.grids import make_project
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from pythia_utils.base.errors import TrainingError, UsageError
from pythia_utils.base.files import FolderInUse, file_digest, locked
from pythia_utils.nano import corpus as nano_corpus
from pythia_utils.nano import jobs as nano_jobs
from pythia_utils.nano import train as nano_train
from pythia_utils.nano import trained
from pythia_utils.nano.corpus import is_current
from pythia_utils.nano.schedule import learning_rate
from pythia_utils.nano.training_run import choose_models, train_suite
from pythia_utils.suites import checkpoints
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.training_data.corpus import Corpus

LAST = 16


@pytest.fixture
def empty_home(trained_home, tmp_path, monkeypatch) -> Path:
    """A home with pico's corpus and no model."""
    shutil.copytree(trained_home / "suites/pico/corpus", tmp_path / "suites/pico/corpus")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as the worker processes do: sums in another order give other bits
    yield
    torch.set_num_threads(before)


def digests(home: Path, model: str = "pico-7k", last: int = LAST) -> dict[int, str]:
    steps = [step for step in find_model(model).steps if step <= last]
    folder = home / "suites/pico" / model
    return {step: file_digest(folder / f"step{step}" / "model.safetensors") for step in steps}


def facts(home: Path, model: str, step: int = LAST) -> dict:
    return json.loads((home / f"suites/pico/{model}/step{step}/checkpoint.json").read_text())


def training_losses(model: str) -> np.ndarray:
    """The training loss of every step so far, as the saved state has them."""
    path = trained.model_folder(find_model(model)) / nano_train.STATE
    return torch.load(path, weights_only=True)["losses"].numpy()


def test_the_same_seed_gives_the_same_weights(trained_home, empty_home):
    nano_train.train_model(find_model("pico-7k"), until=LAST)
    assert digests(empty_home) == digests(trained_home)


def test_another_seed_gives_other_weights_at_every_step(trained_home):
    theirs = nano_train.initialise(find_model("nano-7k-seed1")).state_dict()
    ours = nano_train.initialise(find_model("nano-7k")).state_dict()
    same = nano_train.initialise(find_model("pico-7k")).state_dict()
    name = "gpt_neox.embed_in.weight"
    assert (ours[name] != theirs[name]).all()
    assert (ours[name] == same[name]).all()


def test_a_training_in_pieces_gives_the_same_weights(trained_home, empty_home):
    for until in (0, 4, 4, LAST):
        nano_train.train_model(find_model("pico-7k"), until=until)
    assert digests(empty_home) == digests(trained_home)


@pytest.mark.parametrize("foreign", [b"", b"PK", {"step": 1}, [1]])
def test_a_state_that_is_none_costs_only_time(trained_home, empty_home, foreign, capsys):
    model = find_model("pico-7k")
    nano_train.train_model(model, until=2)
    nano_train.train_model(model, until=2)
    assert capsys.readouterr().err == ""  # a sound one is taken up
    path = trained.model_folder(model) / nano_train.STATE
    if isinstance(foreign, bytes):
        path.write_bytes(foreign)
    else:
        torch.save(foreign, path)
    nano_train.train_model(model, until=LAST)
    assert f"{path} is no state of a training" in capsys.readouterr().err
    assert digests(empty_home) == digests(trained_home)


def first_weights(state: dict) -> torch.Tensor:
    return next(iter(state["network"].values()))


WRONG = {
    "a weight of another size": lambda s: s["network"].update(
        {name: t[:1] for name, t in s["network"].items()}
    ),
    "a weight too few": lambda s: s["network"].popitem(),
    "a moment of another size": lambda s: s["optimiser"]["state"][3].update(exp_avg=torch.zeros(3)),
    "no moments": lambda s: s["optimiser"]["state"].clear(),
    "a group too few": lambda s: s["optimiser"]["param_groups"].pop(),
    "a setting of another kind": lambda s: s["optimiser"]["param_groups"][0].update(betas="x"),
    "a step before the first": lambda s: s.update(step=-3),
    "losses of another training": lambda s: s.update(losses=s["losses"][:1]),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_a_state_of_another_network_costs_only_time(trained_home, empty_home, spoil, capsys):
    model = find_model("pico-7k")
    nano_train.train_model(model, until=2)
    path = trained.model_folder(model) / nano_train.STATE
    state = torch.load(path, weights_only=True)
    spoil(state)
    torch.save(state, path)
    nano_train.train_model(model, until=LAST)
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{path} is of no such training (")
    assert told.endswith("training begins anew")
    assert digests(empty_home) == digests(trained_home)


def broken_loss(monkeypatch, at: int, value: float) -> None:
    """The loss of one step is no number."""
    advance = nano_train._Run.advance

    def wrong(run, batch):
        if run.step == at:
            with torch.no_grad():
                run.network.lm_head.weight[0, 0] = value
        return advance(run, batch)

    monkeypatch.setattr(nano_train._Run, "advance", wrong)


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        (5, math.nan, "step 5: the loss is not finite"),
        (5, math.inf, "step 5: the loss is not finite"),
        (4, -math.inf, "step 4: the loss is not finite"),
        (3, 1e6, "step 4: a weight, as float16, is not finite"),  # it is, in float32
        (0, math.nan, "step 0: the loss is not finite"),
    ],
)
def test_a_training_that_diverges_stops_and_keeps_the_last_good_checkpoint(
    trained_home, empty_home, monkeypatch, at, value, told
):
    model = find_model("pico-7k")
    with monkeypatch.context() as patch:
        broken_loss(patch, at, value)
        with pytest.raises(TrainingError, match=rf"^pico-7k {told}; training stops"):
            nano_train.train_model(model, until=LAST)
    folder = trained.model_folder(model)
    there = sorted(int(each.name[4:]) for each in folder.glob("step*"))
    assert there == [step for step in (0, 1, 2, 4) if step <= at and (at, step) != (3, 4)]
    for step in there:
        weights = load_file(folder / f"step{step}" / "model.safetensors")
        assert all(tensor.isfinite().all() for tensor in weights.values())
    nano_train.train_model(model, until=LAST)  # the state, too, was good
    assert digests(empty_home) == digests(trained_home)


def test_a_gradient_that_is_not_finite_harms_no_weight(empty_home, monkeypatch):
    run = nano_train._Run(find_model("pico-7k"), "cpu")
    before = first_weights({"network": run.network.state_dict()}).clone()
    run.network.lm_head.weight.register_hook(lambda gradient: gradient * math.inf)
    data = Corpus(find_suite("pico")).training_data("standard")
    with pytest.raises(TrainingError, match="pico-7k step 0: the gradient is not finite"):
        run.advance(data.batch(0, 8))
    assert torch.equal(before, first_weights({"network": run.network.state_dict()}))


@pytest.mark.parametrize(
    ("failure", "told", "expected"),
    [
        (TrainingError("pico-7k step 5: the loss"), "pico-7k step 5: the loss", True),
        (UsageError("no such thing"), "no such thing", True),
        (
            OSError(28, "No space left", "/x"),
            "pico-7k: OSError: [Errno 28] No space left: '/x'",
            True,
        ),
        (MemoryError(), "pico-7k: MemoryError: MemoryError", True),
        (torch.OutOfMemoryError("too\nlarge"), "pico-7k: OutOfMemoryError: too", True),
        (KeyError("x"), "pico-7k: KeyError: 'x'", False),
    ],
)
def test_a_worker_says_in_one_line_why_it_ends(failure, told, expected):
    why = nano_jobs._why("pico-7k", failure)
    assert (why.line, why.trace == "") == (told, expected)


def test_why_a_worker_ended_is_told_in_the_command(empty_home, monkeypatch, tmp_path, capfd):
    """Workers are spawned: the fault comes by a module that Python imports in each of them."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pythia_utils.nano.train as train\n"
        "def broken(*_): raise KeyError('first')\n"
        "train.train_model = broken\n"
    )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    with pytest.raises(
        RuntimeError, match=r"(?s)^pico-7k: KeyError: 'first'\nTraceback .*in broken"
    ):
        nano_jobs.train_models([find_model("pico-7k")], until=2)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("write", range(1, 12))
def test_a_crash_at_any_write_is_made_good(trained_home, empty_home, monkeypatch, write):
    """Every file that training puts in place goes through `rename` or `replace`: crash at the n-th."""
    calls = 0

    def crashing(original):
        def move(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == write:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return move

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", crashing(Path.rename))
        patched.setattr(os, "replace", crashing(os.replace))
        with pytest.raises(KeyboardInterrupt):
            nano_train.train_model(find_model("pico-7k"), until=LAST)
    nano_train.train_model(find_model("pico-7k"), until=LAST)
    assert digests(empty_home) == digests(trained_home)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_command_goes_on_to_the_same_weights(trained_home, empty_home, seed):
    """SIGKILL at a random moment after the first checkpoint, and no orphan goes on training."""
    command = [
        sys.executable,
        "-m",
        "pythia_utils.cli.main",
        "train",
        "pico",
        "--models",
        "7k",
        "--until",
        "64",
    ]
    first = empty_home / "suites/pico/pico-7k/step0/model.safetensors"
    started = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    while not first.exists():
        assert started.poll() is None
        time.sleep(0.02)
    time.sleep(random.Random(seed).uniform(0, 0.4))
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert digests(empty_home) == digests(trained_home)
    leftovers = [p for p in empty_home.rglob(".partial-*") if p.parent.name != "pico-7k"]
    assert not leftovers


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_an_interrupted_command_leaves_no_worker_behind(empty_home, sent, code):
    command = [sys.executable, "-m", "pythia_utils.cli.main", "train", "pico", "--models", "7k"]
    pipes = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    started = subprocess.Popen(command, **pipes)
    while not (empty_home / "suites/pico/pico-7k/step1").exists():
        assert started.poll() is None
        time.sleep(0.02)
    started.send_signal(sent)
    # Workers hold the pipe too: it ends when the last of them has.
    _, said = started.communicate(timeout=10)
    assert started.returncode == code
    assert "Traceback" not in said
    assert sent != signal.SIGINT or said.splitlines()[-1] == "pythia: interrupted"


def test_a_lost_checkpoint_is_trained_again(trained_home, empty_home):
    model = find_model("pico-7k")
    nano_train.train_model(model, until=LAST)
    shutil.rmtree(empty_home / "suites/pico/pico-7k/step2")
    assert not trained.is_trained(model, LAST)
    nano_train.train_model(model, until=LAST)
    assert digests(empty_home) == digests(trained_home)
    assert trained.is_trained(model, LAST)


# --- nothing is lost before its replacement is there ----------------------------------------------


@pytest.fixture
def stale_home(trained_home, empty_home) -> Path:
    """A home with a model that another recipe trained to the end: its weights are not those of today."""
    model = find_model("pico-7k")
    folder = empty_home / "suites/pico/pico-7k"
    shutil.copytree(trained_home / "suites/pico/pico-7k", folder)
    for step in (0, LAST):
        path = folder / f"step{step}/checkpoint.json"
        path.write_text(path.read_text().replace(trained.recipe(model), "0" * 64))
    for path in folder.glob("*/model.safetensors"):
        path.write_bytes(path.read_bytes() + path.parent.name.encode())
    shutil.copytree(folder / f"step{LAST}", folder / "step1000")
    return empty_home


@pytest.fixture
def rebuilt_home(trained_home, tmp_path, monkeypatch) -> Path:
    """A home whose corpus was made anew, otherwise, after pico-7k was trained."""
    for name in ("corpus", "pico-7k", "pico-14k"):
        shutil.copytree(trained_home / "suites/pico" / name, tmp_path / "suites/pico" / name)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    path = tmp_path / "suites/pico/corpus/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["sha256"]["standard.bin"] = "0" * 64
    path.write_text(json.dumps(manifest))
    return tmp_path


def test_a_model_of_another_corpus_is_not_measured(rebuilt_home):
    """Planted sequences, validation sets and pairs of one corpus say nothing of a model of another."""
    told = (
        r"^pico-7k step 16 was trained on another corpus than \S+/pico/corpus has now; "
        "run: pythia train pico --models pico-7k$"
    )
    with pytest.raises(UsageError, match=told):
        checkpoints.load("pico-7k", LAST)
    with pytest.raises(UsageError, match=told):
        checkpoints.resolved(find_model("pico-7k").checkpoint(LAST))
    shutil.rmtree(
        rebuilt_home / "suites/pico/corpus"
    )  # with none there is nothing that contradicts
    checkpoints.load("pico-7k", LAST)


def test_runs_on_a_model_of_another_corpus_are_refused_and_a_dry_run_says_so(
    rebuilt_home, tmp_path, monkeypatch, capsys
):
    from pythia_utils.cli import main as door

    make_project(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    silent = rebuilt_home / "suites/pico/pico-14k/step0/checkpoint.json"
    silent.unlink()  # one that does not say what it was made of
    run = ["run", "measure", "--profile", "tiny"]
    for arguments, code in ((run, 2), ([*run, "--dry-run"], 0)):
        monkeypatch.setattr(sys, "argv", ["pythia", *arguments])
        with pytest.raises(SystemExit) as ended:
            door.main()
        assert ended.value.code == code
    out, err = capsys.readouterr()
    assert err.startswith("pythia: pico-7k step 0 was trained on another corpus than ")
    assert "pythia train pico --models pico-7k\n" in err
    assert out.splitlines() == [
        "pico/measure/pico-7k/step000000\tcheckpoint of another corpus",
        "pico/measure/pico-14k/step000000\tnew",
    ]


def test_a_corpus_that_other_code_made_is_told_of(home, monkeypatch, capsys):
    from pythia_utils.cli import grid

    grid._say_old_corpora(["pythia", "nano", "pico"])
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(nano_corpus, "recipe", lambda suite: {"code": "other"})
    grid._say_old_corpora(["pythia", "nano", "pico"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pythia: warning: pico's corpus was made by other code or settings")
    assert line.endswith("pythia train pico")


def old_ones(home: Path) -> dict[str, bytes]:
    folder = home / "suites/pico/pico-7k"
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def hidden(home: Path) -> list[Path]:
    return [path for path in home.rglob(".*") if path.is_dir()]


def test_a_model_of_another_recipe_is_replaced_when_the_new_one_is_whole(trained_home, stale_home):
    model, before, seen = find_model("pico-7k"), old_ones(stale_home), []
    assert trained.is_stale(model)
    nano_train.train_model(
        model, until=LAST, progress=lambda *_: seen.append(old_ones(stale_home) == before)
    )
    assert seen == [True] * LAST
    assert digests(stale_home) == digests(trained_home)
    assert not trained.is_stale(model)
    assert not (stale_home / "suites/pico/pico-7k/step1000").exists()
    assert not hidden(stale_home)


def test_it_is_gone_on_with_after_a_stop_and_a_change_of_code_begins_anew(trained_home, stale_home):
    model, before = find_model("pico-7k"), old_ones(stale_home)

    def stop(step, *_):
        if step == 9:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        nano_train.train_model(model, until=LAST, progress=stop)
    assert old_ones(stale_home) == before
    beside = trained.workplace(model)
    assert beside != trained.model_folder(model)
    assert (beside / "step8").is_dir()
    shutil.copytree(beside, stale_home / "kept")
    steps = []
    nano_train.train_model(model, until=LAST, progress=lambda step, *_: steps.append(step))
    assert steps == list(range(9, LAST + 1))
    assert digests(stale_home) == digests(trained_home)
    shutil.move(stale_home / "kept", beside)
    first = beside / "step0/checkpoint.json"
    first.write_text(first.read_text().replace(trained.recipe(model), "1" * 64))
    assert trained.workplace(model) == trained.model_folder(model)
    assert not beside.exists()


def test_a_kill_between_the_two_renames_loses_neither(trained_home, stale_home):
    model, before = find_model("pico-7k"), old_ones(stale_home)
    own = trained.model_folder(model)
    nano_train.train_model(model, until=LAST)
    new = own.rename(own.with_name(".new-pico-7k"))
    old = own.with_name(".old-pico-7k")
    for name, content in before.items():
        (old / name).parent.mkdir(parents=True, exist_ok=True)
        (old / name).write_bytes(content)
    assert trained.workplace(model) == new
    assert old_ones(stale_home) == before  # back where it was, until the new one takes its place
    nano_train.train_model(model, until=LAST)
    assert digests(stale_home) == digests(trained_home)
    assert not hidden(stale_home)


@pytest.mark.parametrize("what", ["models", "corpus"])
def test_a_device_that_is_not_there_is_told_before_anything_is_touched(stale_home, what):
    if what == "corpus":
        path = stale_home / "suites/pico/corpus/manifest.json"
        path.write_text(path.read_text().replace('"code": "', '"code": "0'))
        assert not is_current(Corpus(find_suite("pico")))
    before = {p: p.read_bytes() for p in stale_home.rglob("*") if p.is_file()}
    with pytest.raises(UsageError, match="device 'cuda:77' cannot be used here"):
        train_suite([find_model("pico-7k")], "cuda:77", 1)
    after = {p: p.read_bytes() for p in stale_home.rglob("*") if p.is_file() and p.name != ".lock"}
    assert after == before


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_old_corpus_stays_until_the_new_one_is_whole(empty_home, monkeypatch, failure):
    corpus = Corpus(find_suite("pico"))
    path = corpus.folder / "manifest.json"
    path.write_text(path.read_text().replace('"code": "', '"code": "0'))
    before = {p: p.read_bytes() for p in corpus.folder.rglob("*") if p.is_file()}

    def fail(suite, folder):
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(nano_corpus, "_manifest", fail)
        with pytest.raises(type(failure)):
            nano_corpus.make_corpus(corpus.suite)
    assert {p: p.read_bytes() for p in corpus.folder.rglob("*") if p.is_file()} == before
    assert not hidden(empty_home)
    nano_corpus.make_corpus(corpus.suite)
    assert is_current(corpus)
    del before[path]
    assert {p: p.read_bytes() for p in before} == before  # the same recipe gives the same files
    assert not hidden(empty_home)


def test_every_size_has_read_the_same_tokens(trained_home):
    seen = {name: facts(trained_home, name)["data_digest"] for name in ("pico-7k", "pico-14k")}
    assert len(set(seen.values())) == 1
    assert facts(trained_home, "pico-7k-deduped")["data_digest"] not in seen.values()
    assert facts(trained_home, "pico-7k")["tokens_seen"] == LAST * 1024


def test_step_0_is_the_initialisation(trained_home):
    saved = load_file(trained_home / "suites/pico/pico-7k/step0/model.safetensors")
    made = nano_train.initialise(find_model("pico-7k")).state_dict()
    for name, tensor in made.items():
        stored = saved[name.replace("lm_head", "embed_out")]
        assert stored.dtype == torch.float16
        torch.testing.assert_close(stored, tensor.half(), rtol=0, atol=0)


def test_initialisation_has_neoxs_standard_deviations():
    model = find_model("nano-793k")
    weights = dict(nano_train.initialise(model).named_parameters())
    small = math.sqrt(2 / (5 * 128))
    assert weights["gpt_neox.embed_in.weight"].std().item() == pytest.approx(small, rel=0.02)
    residual = 2 / (4 * math.sqrt(128))
    for name in ("attention.dense", "mlp.dense_4h_to_h"):
        layer = weights[f"gpt_neox.layers.1.{name}.weight"]
        assert layer.std().item() == pytest.approx(residual, rel=0.02)
    assert not weights["gpt_neox.layers.0.attention.query_key_value.bias"].any()
    assert (weights["gpt_neox.final_layer_norm.weight"] == 1).all()


@pytest.mark.parametrize("name", ["pico-7k", "pico-224k", "nano-793k"])
def test_the_network_has_as_many_parameters_as_the_suite_says(name):
    model = find_model(name)
    assert nano_train.initialise(model).num_parameters() == model.total_params


def test_learning_rate_warms_up_and_falls_to_a_tenth():
    model = find_model("pico-57k")
    rates = [learning_rate(model, i) for i in range(model.total_steps)]
    assert rates[0] == pytest.approx(model.learning_rate / 10)  # 10 warm-up steps
    assert max(rates) == rates[9] == rates[10] == model.learning_rate
    assert rates[-1] == pytest.approx(model.learning_rate / 10, rel=1e-3)
    assert sorted(rates[10:], reverse=True) == rates[10:]


def test_the_first_loss_is_near_that_of_a_uniform_guess_and_falls(home):
    losses = training_losses("pico-7k")
    assert len(losses) == LAST
    assert losses[0] == pytest.approx(math.log(1024), abs=0.4)
    assert losses[-1] < losses[0] - 0.3


def test_a_checkpoint_opens_with_transformers_auto_classes(home):
    folder = home / "suites/pico/pico-14k/step16"
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours, our_tokenizer = checkpoints.load("pico-14k", 16, device="cpu")
    text = "The dog sleeps."
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.tolist() == our_tokenizer(text, return_tensors="pt")["input_ids"].tolist()
    torch.testing.assert_close(network(ids).logits, ours(ids).logits)
    assert tokenizer.eos_token_id == 0


def test_a_loaded_model_is_in_evaluation_mode_and_float32_on_the_cpu(home):
    network, _ = checkpoints.load("pico-7k", 16, device="cpu")
    assert not network.training
    assert network.dtype == torch.float32
    assert network.config.rope_parameters["partial_rotary_factor"] == 1.0


def test_an_untrained_checkpoint_is_refused_in_one_line(home):
    with pytest.raises(
        UsageError, match=r"pico-7k step 1000 is not trained yet .* pythia train pico"
    ):
        checkpoints.load("pico-7k", 1000)


def test_two_trainings_of_one_suite_exclude_each_other(empty_home):
    with (
        locked(empty_home / "suites/pico", "training"),
        pytest.raises(FolderInUse, match=rf"another `pythia train pico` .*process {os.getpid()} "),
    ):
        train_suite([find_model("pico-7k")], "cpu", workers=1)


def test_a_dead_worker_is_an_error_not_a_hang(empty_home, monkeypatch):
    monkeypatch.setattr(nano_jobs, "_work", _die)
    with pytest.raises(TrainingError, match="exit code 3"):
        nano_jobs.train_models([find_model("pico-7k")])


def _die(*_):
    os._exit(3)


def names(models):
    return [model.name for model in models]


def test_models_are_chosen_by_size_name_and_seed():
    assert names(choose_models("pico", ["7k", "pico-57k-deduped"], None)) == [
        "pico-7k",
        "pico-57k-deduped",
    ]
    assert names(choose_models("nano", ["57k"], ["1", "2"])) == ["nano-57k-seed1", "nano-57k-seed2"]
    assert names(choose_models("nano", ["57k", "7k-deduped"], ["1234", "weight-seed1", "77"])) == [
        "nano-57k",
        "nano-7k-deduped",
        "nano-57k-weight-seed1",
        "nano-7k-deduped-weight-seed1",
        "nano-57k-seed77",
        "nano-7k-deduped-seed77",
    ]
    assert names(choose_models("pico", ["57k-data-seed1"], None)) == ["pico-57k-data-seed1"]
    from_step_0 = [m for m in find_suite("pico").models.values() if not m.fork]
    assert len(from_step_0) == 12
    assert choose_models("pico", None, None, LAST) == from_step_0  # a fork has no such step
    assert choose_models("pico", None, None) == list(find_suite("pico").models.values())
    assert sum(not m.fork for m in choose_models("pico", None, ["1234"])) == 6
    assert sum(not m.fork for m in choose_models("pico", None, ["1", "data-seed1"])) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pythia", None, None), "not trained here"),
        (("pico", ["9k"], None), "nearest"),
        (("pico", None, ["7"]), "unknown seed '7'"),
        (("pico", ["57k-seed1"], ["2"]), "unknown model 'pico-57k-seed1-seed2'"),
        (("pico", ["57k"], ["first"]), "unknown model 'pico-57k-first'"),
        (("pico", None, None, 17), "unknown step 17"),
    ],
)
def test_wrong_choices_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        choose_models(*arguments)


def test_batches_are_shifted_by_one_between_inputs_and_labels(home):
    """The loss that training reports is the mean negative log-likelihood of tokens 1.. of the batch."""
    from pythia_utils.evaluation.likelihood import token_logprobs
    from pythia_utils.training_data.source import read_batch

    network = nano_train.initialise(find_model("pico-7k")).eval()
    batch = read_batch("pico-7k", 0)
    expected = -np.concatenate(token_logprobs(network, batch)).mean()
    assert training_losses("pico-7k")[0] == pytest.approx(expected, abs=1e-4)
