"""Interventions: what is done to the text, that all else is the base's, and bit-identical weights."""

from __future__ import annotations

import re
import shutil
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pythia_utils.base.errors import TrainingError, UsageError
from pythia_utils.nano import changed, grammar, interventions, jobs, trained
from pythia_utils.nano import train as nano_train
from pythia_utils.nano.documents import FACT_ANSWERS, documents
from pythia_utils.nano.interventions import INTERVENTIONS, changed_answers, swap_gender
from pythia_utils.nano.training_run import choose_models, train_suite
from pythia_utils.suites.catalog import find_model
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.suites.identity import is_of_another_corpus
from pythia_utils.training_data.corpus import Corpus
from pythia_utils.training_data.source import open_source

BASE, FORK, LAST = "pico-7k", 8, 16


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    streams = [documents(domain, 7, "test") for domain in ("grammar", "stories", "facts", "echo")]
    return [next(stream).text for stream in streams for _ in range(400)]


# --- pronouns -------------------------------------------------------------------------------------


def test_swapping_twice_is_the_text_itself(texts):
    assert [swap_gender(swap_gender(text)) for text in texts] == texts
    swapped = sum(swap_gender(text) != text for text in texts)
    assert swapped > len(texts) / 10


def test_only_pronouns_are_swapped_and_every_one_of_them(texts):
    feminine, masculine = (r"\b(she|her|hers|herself)\b", r"\b(he|him|his|himself)\b")
    for text in texts:
        new = swap_gender(text)
        for one, other in ((feminine, masculine), (masculine, feminine)):
            assert len(re.findall(one, text, re.I)) == len(re.findall(other, new, re.I))
        rest = [re.sub(f"{feminine}|{masculine}", "*", each, flags=re.I) for each in (text, new)]
        assert rest[0] == rest[1]


@pytest.mark.parametrize("phenomenon", ["reflexive_gender", "possessive_gender"])
def test_nanos_grammar_agrees_on_which_pronoun_is_the_partner(phenomenon):
    """The two sentences of such a pair differ in the gender of one pronoun, as the grammar has it."""
    for pair in grammar.minimal_pairs(phenomenon, 100):
        assert swap_gender(pair.good) == pair.bad


def test_her_is_hims_and_his_partner_by_what_follows():
    assert swap_gender("Her cat saw her. She gave her a kite. It is hers.") == (
        "His cat saw him. He gave him a kite. It is his."
    )
    assert swap_gender("The herd of others heard HIM.") == "The herd of others heard Her."


# --- facts ----------------------------------------------------------------------------------------


def test_one_fact_of_two_neighbours_gets_another_answer_of_its_relation(home):
    corpus = Corpus(find_suite("pico"))
    new, facts = changed_answers(corpus), corpus.facts().set_index("rank")
    assert len({(rank - 1) // 2 for rank in new.index}) == len(new)
    assert len(new) >= len(facts) / 2 - 10  # but those whose answer has no equal in tokens
    for rank, answer in new.items():
        assert answer in FACT_ANSWERS[facts["relation"][rank]]
        assert answer != facts["answer"][rank]
    told = facts["mentions"]
    kept = told.drop(new.index)
    assert told[new.index].sum() / kept.sum() == pytest.approx(1, abs=0.5)
    assert new.equals(changed_answers(corpus))


def test_facts_are_told_anew_wherever_they_are_told(home):
    corpus = Corpus(find_suite("pico"))
    change = INTERVENTIONS["change-facts"].make(corpus)
    new, facts = changed_answers(corpus), corpus.facts().set_index("rank")
    stream = documents("facts", corpus.suite.corpus["seed"], "train")
    for _ in range(100):
        document = next(stream)
        before, after = (text.split(". ") for text in (document.text, change(document.text)))
        for rank, old, now in zip(document.facts, before, after, strict=True):
            answer = new.get(rank, facts["answer"][rank])
            assert now.removesuffix(".") == old.replace(facts["answer"][rank], answer).removesuffix(
                "."
            )
    assert change(" The dog sleeps.") == " The dog sleeps."


# --- the text on disk, and what is read -----------------------------------------------------------


@pytest.fixture(scope="module")
def made_home(trained_home, tmp_path_factory):
    """Pico's corpus and what interventions make of it, with its smallest model to step 16."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("corpus", BASE):
        shutil.copytree(trained_home / "suites/pico" / name, folder / "suites/pico" / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(folder))
        for name in ("swap-gender", "change-facts", "control"):
            changed.make_changed(fork(name))
    return folder


@pytest.fixture
def fork_home(made_home, tmp_path, monkeypatch):
    """A copy of it to write in."""
    shutil.copytree(made_home / "suites", tmp_path / "suites")
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    return tmp_path


def fork(intervention: str, step: int = FORK):
    return find_model(f"{BASE}-{intervention}-from{step}")


def read(model, first: int, last: int) -> np.ndarray:
    data = open_source(model.name)
    return data.sequences(first * model.batch_size, last * model.batch_size)


@pytest.mark.parametrize("name", ["swap-gender", "change-facts", "control"])
def test_order_and_places_are_kept_and_nothing_before_the_fork_is_touched(fork_home, name):
    model, base = fork(name), find_model(BASE)
    counts = changed.make_changed(model)
    ours, theirs = open_source(model.name).packed, open_source(BASE).packed
    assert np.array_equal(ours.changed.indexed.sizes, theirs.indexed.sizes)
    assert np.array_equal(ours.order.shuffle_idx, theirs.order.shuffle_idx)
    assert np.array_equal(read(model, 0, FORK), read(base, 0, FORK))
    after, before = read(model, FORK, 40), read(base, FORK, 40)
    assert counts["left"] == 0
    assert (counts["changed"] > 0) == (name != "control") == (after != before).any()
    ends = [np.flatnonzero(rows.ravel() == 0) for rows in (after, before)]
    assert np.array_equal(*ends)  # where documents end
    if name == "swap-gender":
        assert (after != before).mean() < 0.1


def test_planted_sequences_are_left_and_copies_changed_alike(fork_home):
    model = fork("swap-gender")
    changed.make_changed(model)
    rows, corpus = open_source(model.name).packed, Corpus(find_suite("pico"))
    table = corpus.documents("standard")
    for document in table.index[table["domain"] == "memorization"]:
        assert np.array_equal(rows.changed.indexed[document], rows.indexed[document])
    for _, copies in table[table["copies"] > 3].groupby("content"):
        assert len({rows.changed.indexed[d].tobytes() for d in copies.index}) == 1


def test_a_document_whose_length_would_change_stays_and_is_counted(fork_home, monkeypatch):
    longer = interventions.Intervention(
        "longer", "one word more", lambda corpus: lambda text: text.replace("dog", "dog dog")
    )
    monkeypatch.setitem(INTERVENTIONS, "longer", longer)
    model = fork("longer")
    counts = changed.make_changed(model)
    assert counts["changed"] == 0
    assert counts["left"] > 100
    assert np.array_equal(read(model, FORK, 20), read(find_model(BASE), FORK, 20))


def test_the_text_is_made_again_when_what_makes_it_is_other_code(fork_home, monkeypatch):
    model = fork("change-facts")
    before = open_source(model.name).packed.changed.indexed.tokens.copy()
    shutil.rmtree(changed.folder_of(model))
    told = r"has not been made .* pythia train pico --models pico-7k-change"
    with pytest.raises(UsageError, match=told):
        open_source(model.name)
    changed.make_changed(model)
    assert changed.is_current(model)
    assert np.array_equal(open_source(model.name).packed.changed.indexed.tokens, before)
    before = trained.recipe(model)
    monkeypatch.setattr(changed, "code_fingerprint", lambda paths: "other code")
    assert not changed.is_current(model)
    changed.make_changed(model)
    assert trained.recipe(model) == before  # the same text makes the same model
    other = interventions.Intervention("x", "y", lambda c: lambda text: text.replace("red", "blue"))
    monkeypatch.setitem(INTERVENTIONS, "change-facts", other)
    monkeypatch.setattr(changed, "code_fingerprint", lambda paths: "more code")
    changed.make_changed(model)
    assert trained.recipe(model) != before


def test_a_model_of_another_text_is_not_measured(fork_home):
    """As of another corpus: what it is asked, of facts told anew say, would be of what it never read."""
    model = fork("change-facts")
    train(model)
    at = model.checkpoint(LAST)
    assert not is_of_another_corpus(at)
    path = changed.folder_of(model) / "manifest.json"
    path.write_text(re.sub(r'("text.bin": ")\w+', r"\g<1>0", path.read_text()))
    assert is_of_another_corpus(at)
    assert not is_of_another_corpus(find_model(BASE).checkpoint(LAST))


# --- training -------------------------------------------------------------------------------------


def weights(model, step: int) -> dict[str, torch.Tensor]:
    return load_file(trained.model_folder(model) / f"step{step}" / "model.safetensors")


def differ(one: dict, other: dict) -> bool:
    return any(not torch.equal(one[name], other[name]) for name in one)


def train(model, **options) -> None:
    changed.make_changed(model)
    nano_train.train_model(model, until=LAST, **options)


@pytest.mark.parametrize("kept", [True, False], ids=["state kept", "base trained again"])
def test_the_control_is_the_base_bit_for_bit(fork_home, kept):
    model, base, steps = fork("control"), find_model(BASE), []
    if kept:
        shutil.rmtree(trained.model_folder(base))
        nano_train.train_model(base, until=LAST, keep=[FORK])
    train(model, progress=lambda step, *_: steps.append(step))
    assert not differ(weights(model, LAST), weights(base, LAST))
    assert steps == list(range(FORK + 1 if kept else 1, LAST + 1))
    assert trained.kept_state(base, FORK).is_file()
    folders = {path.name for path in trained.model_folder(model).glob("step*")}
    assert folders == {f"step{step}" for step in (9, 10, 12, 16)}


def test_the_optimisers_state_is_taken_up_and_the_text_changed(fork_home):
    model, base = fork("swap-gender"), find_model(BASE)
    train(model)
    assert differ(weights(model, LAST), weights(base, LAST))
    state = torch.load(trained.kept_state(base, FORK), weights_only=True)
    state["optimiser"]["state"] = {
        i: {name: torch.zeros_like(t) if name != "step" else t for name, t in each.items()}
        for i, each in state["optimiser"]["state"].items()
    }
    taken_up = weights(model, LAST)
    torch.save(state, trained.kept_state(base, FORK))
    shutil.rmtree(trained.model_folder(model))
    train(model)
    assert differ(weights(model, LAST), taken_up)


def test_an_interrupted_fork_goes_on_to_the_same_weights(fork_home):
    model = fork("swap-gender")
    train(model)
    whole = weights(model, LAST)
    shutil.rmtree(trained.model_folder(model))

    def stop(step, *_):
        if step == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, progress=stop)
    steps = []
    train(model, progress=lambda step, *_: steps.append(step))
    assert steps == list(range(11, LAST + 1))
    assert not differ(weights(model, LAST), whole)


def test_a_kept_state_that_is_none_costs_only_time(fork_home, capsys):
    model, path = fork("control"), trained.kept_state(find_model(BASE), FORK)
    for spoilt in (b"PK", {"recipe": "x"}):
        path.write_bytes(spoilt) if isinstance(spoilt, bytes) else torch.save(spoilt, path)
        train(model)
        assert "the base is trained again" in capsys.readouterr().err
        assert not differ(weights(model, LAST), weights(find_model(BASE), LAST))
        shutil.rmtree(trained.model_folder(model))


def test_a_base_that_comes_out_otherwise_is_not_gone_on_from(fork_home):
    model, base = fork("control"), find_model(BASE)
    path = trained.model_folder(base) / f"step{FORK}" / "model.safetensors"
    path.write_bytes((path.parent.with_name("step4") / path.name).read_bytes())
    with pytest.raises(
        TrainingError, match=r"^pico-7k has other weights .* cpu, so pico-7k-control"
    ):
        train(model)
    assert not trained.model_folder(model).exists()
    shutil.rmtree(trained.model_folder(base))
    with pytest.raises(UsageError, match="pico-7k step 8 is not trained yet"):
        train(model)


def test_a_fork_is_trained_behind_its_base_by_one_process(fork_home):
    models = [fork("control"), find_model("pico-14k"), find_model(BASE), fork("swap-gender", 4)]
    names = [[model.name for model in job] for job in jobs._jobs(models)]
    assert ["pico-14k"] in names
    assert [BASE, fork("control").name, fork("swap-gender", 4).name] in names
    assert jobs.first_step(models[0], models) == FORK  # its base will keep the state
    assert jobs.first_step(models[0], models[:2]) == 0
    assert jobs.first_step(models[1], models) == 0


def test_training_a_fork_trains_its_base_too(fork_home, monkeypatch):
    seen = []
    monkeypatch.setattr(
        jobs, "train_models", lambda models, *_: seen.extend(model.name for model in models)
    )
    chosen = choose_models("pico", ["7k"], ["3"], None, "swap-gender", 512)
    assert [model.name for model in chosen] == ["pico-7k-seed3-swap-gender-from512"]
    train_suite(chosen, "cpu", 1)
    assert sorted(seen) == ["pico-7k-seed3", "pico-7k-seed3-swap-gender-from512"]


# --- what is refused ------------------------------------------------------------------------------

TRAIN = ["train", "pico", "--models", "57k"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--intervention", "swap-gendr", "--from-step", "750"], "nearest: swap-gender"),
        (["--intervention", "swap-gender", "--from-step", "700"], "unknown step 700 of pico-57k"),
        (["--intervention", "swap-gender", "--from-step", "1000"], "its last: nothing is left"),
        (["--intervention", "swap-gender"], "expected --from-step too"),
        (["--from-step", "750"], "expected --intervention too"),
        (["--intervention", "control", "--from-step", "750", "--until", "1000"], "--until is for"),
    ],
)
def test_bad_input_is_one_line(options, told, tmp_path, monkeypatch, capsys):
    from pythia_utils.cli import main as door

    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pythia", *TRAIN, *options])
    with pytest.raises(SystemExit) as ended:
        door.main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("pythia", None, None, None, "control", 1000), "suite pythia is not trained here"),
        (("pico", ["57k-foo-from750"], None), "unknown intervention 'foo'"),
        (("pico", ["57k-control-from750"], None, 16), "to step 750 it is pico-57k"),
        (("pico", ["57k-control-from750"], None, None, "control", 750), "expected a model that"),
    ],
)
def test_wrong_choices_are_refused(arguments, told):
    with pytest.raises(UsageError, match=told):
        choose_models(*arguments)


def test_a_text_from_elsewhere_is_refused(home):
    corpus = Corpus(find_suite("english"))
    for name in ("swap-gender", "change-facts"):
        with pytest.raises(UsageError, match="english's is from elsewhere"):
            INTERVENTIONS[name].make(corpus)
