"""The file of a suite of one's own: a mistake is one line, and no other suite suffers from it."""

from __future__ import annotations

import pytest

from pythia_utils.base.errors import UsageError
from pythia_utils.suites import catalog
from pythia_utils.suites.own.file import read_file
from pythia_utils.suites.own.pattern import Pattern

GOOD = "  - {name: a, repo: me/mine, revisions: 'step{step}', tokens_per_step: 8}\n"


def written(folder, models: str = GOOD, head: str = "name: my\ntraining_data: unknown\n"):
    path = folder / "my.yml"
    path.write_text(f"{head}models:\n{models}")
    return path


def model(**changed: object) -> str:
    entry = {"name": "a", "repo": "me/mine", "revisions": "'step{step}'", "tokens_per_step": 8}
    entry |= changed
    told = ", ".join(f"{key}: {value}" for key, value in entry.items() if value is not None)
    return f"  - {{{told}}}\n"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (model(nmae="b"), "models[0]: unknown key 'nmae'; nearest: name"),
        (model(name="'a b'"), "models[0].name: expected a name of letters"),
        (
            model(repo="mine"),
            "models[0].repo: expected a repository such as owner/name, not 'mine'",
        ),
        (model(repo=None), "models[0]: expected one of repo and folder, not none"),
        (model(folder="x"), "models[0]: expected one of repo and folder, not repo and folder"),
        (model(repo=None, folder="nowhere"), "there is no folder '"),
        (
            model(revisions="main"),
            "models[0].revisions: 'main'; expected one {step}, as in step{step}",
        ),
        (model(revisions="'../{step}'"), "'../{step}'; expected one {step}"),
        (model(revisions="'{step}-{step}'"), "'{step}-{step}'; expected one {step}"),
        (model(revisions="'/x/{step}'"), "'/x/{step}'; expected one {step}"),
        (model(revisions=None), "models[0].revisions is missing"),
        (
            model(tokens_per_step=None),
            "nothing tells how many tokens a step reads; expected tokens_per_step",
        ),
        (
            model(tokens_per_step=0),
            "models[0].tokens_per_step: expected a whole number from 1, not 0",
        ),
        (model(steps="[1, 1]"), "models[0].steps: 1 is twice in the list"),
        (model(steps="[-1]"), "models[0].steps[0]: expected a whole number from 0"),
        (GOOD + GOOD, "is twice in the list"),
        (GOOD + model(name="A", seed=2), "models[1].name: A is the name of two models"),
        ("  []\n", "models: expected a list of at least one"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path, models, message):
    with pytest.raises(UsageError) as error:
        read_file(written(tmp_path, models))
    assert message in str(error.value)
    assert str(error.value).startswith("my.yml")
    assert "\n" not in str(error.value)


def test_what_it_says_of_data_may_not_be_left_out(tmp_path):
    with pytest.raises(UsageError, match=r"my\.yml: training_data is missing"):
        read_file(written(tmp_path, head="name: my\n"))


@pytest.mark.parametrize("taken", ["pico", "pythia-70m"])
def test_a_name_that_the_book_has_is_refused(tmp_path, monkeypatch, taken):
    is_suite = taken == "pico"
    path = written(
        tmp_path,
        GOOD if is_suite else model(name=taken),
        f"name: {taken if is_suite else 'my'}\ntraining_data: unknown\n",
    )
    monkeypatch.setenv("PYTHIA_SUITES", str(path))
    with pytest.raises(UsageError, match=rf"{taken} is the name of a \w+ of the book"):
        catalog.suite_names()


def test_two_files_may_not_share_a_name(tmp_path, monkeypatch):
    path = written(tmp_path)
    (tmp_path / "other.yml").write_text(path.read_text().replace("name: my\n", "name: other\n"))
    monkeypatch.setenv("PYTHIA_SUITES", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"other.yml: a is the name of a suite or a model of .*my.yml"
    ):
        catalog.suite_names()


def test_files_are_named_or_lie_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    assert "my" not in catalog.suite_names()
    (tmp_path / "suites.d").mkdir()
    path = written(tmp_path / "suites.d")
    assert catalog.suite_names()[-1] == "my"
    monkeypatch.setenv("PYTHIA_SUITES", str(path))  # the same file twice is one
    assert catalog.suite_names().count("my") == 1
    path.write_text(path.read_text().replace("name: my\n", "name: ours\n"))
    assert catalog.suite_names()[-1] == "ours"
    monkeypatch.setenv("PYTHIA_SUITES", str(tmp_path / "nowhere.yml"))
    with pytest.raises(UsageError, match=r"there is no suite file .*nowhere.yml"):
        catalog.suite_names()


def test_models_are_looked_up_only_when_they_are_asked_for(tmp_path, monkeypatch):
    """A repository that cannot be reached is no fault of other suites."""
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PYTHIA_SUITES", str(written(tmp_path)))
    assert catalog.find_model("pico-7k").name == "pico-7k"
    assert len(catalog.suite_table()) == len(catalog.model_names()) - 1
    with pytest.raises(UsageError, match="unknown model 'b' in suite my; choose from: a"):
        catalog.find_model("b", "my")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("step{step}", "step3000", (3000, None)),
        ("step{step}", "step000100", (100, None)),
        ("step{step}", "step3000-tokens7B", None),
        ("step{step}", "xstep3000", None),
        ("checkpoint-{step}", "checkpoint-500", (500, None)),
        ("stage1-step{step}-tokens{n}B", "stage1-step10000-tokens21B", (10_000, 21_000_000_000)),
        ("stage1-step{step}-tokens{n}B", "stage2-step10000-tokens21B", None),
        ("step{step}-tokens{n}B", "step5-tokens0.5B", (5, 500_000_000)),
        ("step{step}/hf", "step7/hf", (7, None)),
        ("a.b{step}", "axb7", None),
    ],
)
def test_patterns(pattern, name, expected):
    assert Pattern.parse("x", pattern).read(name) == expected
