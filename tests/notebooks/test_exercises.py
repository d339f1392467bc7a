"""Exercises: each graded, with a hint and a solution, and solutions that are code run and say something.

Code runs over made-up records of many models, as `made_records` writes them; what opens a network runs over
records of the two that are trained here. It knows what it would know at the end of its page's notebook.
"""

from __future__ import annotations

import re

import pytest
from helpers import made_records
from helpers.exercises import EXERCISE, NOTEBOOKS, cells, exercises

from pythia_utils.grid import parts
from pythia_utils.suites.catalog import suite as find_suite

ALL = [exercise for path in NOTEBOOKS for exercise in exercises(path)]
CODE = [exercise for exercise in ALL if exercise.code]
LEVELS = ["Easy", "Medium", "Hard"]
MEANS = {"on paper", "on the page", "code", "command", "training"}
SUITES = ("pico", "pythia")
STEPS = (0, 16, 64, 128, 256, 512, 750, 1000)
MANY = ["pico-7k", "pico-14k", "pico-14k-seed1", "pico-57k", "pico-57k-seed1", "pico-57k-deduped"]
OF_PYTHIA = ["pythia-70m", "pythia-160m"]
OPENS_A_NETWORK = re.compile(r"\b(?:load|sweep|read_tensors)\(")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
class TestExercises:
    def test_all_have_level_time_hint_and_solution(self, path):
        """What does not have them all is not taken for an exercise, and is left over."""
        for _, text in cells(path):
            rest = EXERCISE.sub("", text).removeprefix("## Exercises\n").strip()
            assert re.fullmatch(r"(?:Code of a solution goes .*?`suite`\.)?", rest)
        for own in exercises(path):
            assert own.parts["solved"] == own.label
            assert own.parts["how"] in MEANS
            assert own.parts["minutes"].endswith(("0", "5"))

    @pytest.mark.parametrize("name", SUITES)
    def test_a_suite_has_three_or_more_from_easy_to_hard(self, path, name):
        kinds = find_suite(name).kinds
        own = [each for each in exercises(path) if parts.is_for(kinds, each.tags)]
        levels = [LEVELS.index(each.parts["level"]) for each in own]
        assert len(own) >= 3
        assert levels == sorted(levels)
        assert len(set(levels)) > 1
        assert len({each.label for each in own}) == len(own)


def test_labels_stand_once():
    labels = [exercise.label for exercise in ALL]
    assert len(set(labels)) == len(labels)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Records of several sizes and seeds at many steps, of every experiment."""
    folder = tmp_path_factory.mktemp("many")
    for experiment in made_records.MADE:
        made_records.write(folder, experiment, [(m, s) for m in MANY for s in STEPS], together=True)
    at = [(model, step) for model in OF_PYTHIA for step in (64000, 143000)]
    for experiment in ("memorization", "facts"):
        made_records.write(folder, experiment, at, together=True)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Records of the two networks that tests have, which are trained to step 16."""
    folder = tmp_path_factory.mktemp("few")
    for experiment in ("induction", "geometry"):
        made_records.write(folder, experiment, [("pico-14k", 0), ("pico-14k", 16)], together=True)
    return folder


@pytest.mark.parametrize("exercise", CODE, ids=lambda exercise: exercise.label)
def test_the_code_of_a_solution_runs_and_tells(exercise, many, few, home, monkeypatch, capsys):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    runs = few if OPENS_A_NETWORK.search(exercise.code) else many
    monkeypatch.setenv("PYTHIA_RUNS", str(runs))
    suite = "pythia" if any(tag.startswith("not-") for tag in exercise.tags) else "pico"
    known = {"suite": suite, "model": "pico-7k", "steps": [0, 16]}
    exec(compile(exercise.code, exercise.label, "exec"), known)
    assert capsys.readouterr().out.strip() or plt.get_fignums()
    plt.close("all")


def test_solutions_in_code_check_themselves_where_they_can():
    """Most end in what must be true of any records; the others print what theirs hold."""
    assert sum("assert " in exercise.code for exercise in CODE) >= len(CODE) / 2
    assert {exercise.notebook.stem for exercise in CODE} == {path.stem for path in NOTEBOOKS}


def test_references_to_exercises_lead_somewhere():
    """Sphinx lets a label pass that this site does not have: another site may."""
    known = {exercise.label for exercise in ALL}
    pages = [*NOTEBOOKS[0].parents[1].glob("*.md"), *NOTEBOOKS]
    named = {
        label
        for path in pages
        for label in re.findall(r"\{ref\}`[^`]*?\b(ex-[\w-]+)>?`", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert named <= known
