"""experiments.yml: what it expands to, and the one line for each thing that can be wrong in it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.commands import ROOT

from pythia_utils.base.errors import UsageError
from pythia_utils.grid import expand as grid_expand
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import chapters, expand, parse_parameters
from pythia_utils.grid.notebooks import check_parameters
from pythia_utils.suites import catalog
from pythia_utils.suites.errata import CheckpointWarning

NOTEBOOKS = ROOT / "tests" / "data" / "notebooks"
PROJECT = ROOT
YAML = """\
profiles:
  tiny: {suite: pico, models: [pico-7k, pico-14k], steps: [0, 16]}
  quick: {suite: pico, models: [pico-57k], steps: all}
  full: {suite: nano, models: all, steps: all}
experiments:
  measure:
    title: A measurement
    notebook: notebooks/measure.ipynb
    chapter: notebooks/chapter.ipynb
    heatmap: {metric: number, subset: all}
    parameters: {scale: 2.0}
    profiles:
      tiny: {parameters: {scale: 3, labels: [a, b]}, steps: [1]}
  plain: {title: No records, notebook: notebooks/plain.ipynb}
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project in a folder of its own."""
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    (tmp_path / "experiments.yml").write_text(YAML)
    return tmp_path


def load(root, old="", new=""):
    """The configuration after an edit."""
    assert old in YAML
    (root / "experiments.yml").write_text(YAML.replace(old, new, 1))
    return load_config(root)


def test_a_profile_may_be_for_some_experiments(root):
    config = load(root, "steps: all}", "steps: all, experiments: [plain]}")
    assert {cell.experiment for cell in expand(config, profile="quick")} == {"plain"}
    assert {cell.experiment for cell in expand(config, profile="tiny")} == {"measure", "plain"}
    named = expand(config, ["measure"], profile="quick")  # who names one gets it
    assert {cell.experiment for cell in named} == {"measure"}


def test_a_profile_expands_to_cells_with_stable_ids(root):
    cells = expand(load_config(root), profile="tiny")
    assert [cell.id for cell in cells] == [
        "pico/measure/pico-7k/step000001",
        "pico/measure/pico-14k/step000001",
        "pico/plain/pico-7k/step000000",
        "pico/plain/pico-7k/step000016",
        "pico/plain/pico-14k/step000000",
        "pico/plain/pico-14k/step000016",
    ]
    first = cells[0]
    identity = {"suite": "pico", "model": "pico-7k", "step": 1}
    assert first.parameters == identity | {"scale": 3, "labels": ["a", "b"]}
    assert first.output == root / "runs/pico/measure/pico-7k/step000001.ipynb"
    assert first.records == first.output.with_suffix(".parquet")
    assert first.checkpoint == catalog.find_model("pico-7k").checkpoint(1)
    assert len({cell.output for cell in cells}) == len(cells)


def whole(suite: str) -> dict[str, catalog.Model]:
    """A suite's models but those of interventions, which are asked for by name."""
    return {name: m for name, m in catalog.suite(suite).models.items() if not m.fork}


def test_all_means_every_model_and_each_models_own_steps(root):
    cells = expand(load_config(root), ["plain"], profile="full")
    expected = [(m.name, step) for m in whole("nano").values() for step in m.steps]
    assert [(c.parameters["model"], c.parameters["step"]) for c in cells] == expected


ALSO = "also: [{models: [pico-57k-*], steps: [64, 128]}, {models: [pico-7k-seed1], steps: [4]}]"


def test_a_grid_may_have_more_models_at_steps_of_their_own(root):
    config = load(root, "models: [pico-57k], steps: all", f"models: [pico-57k], steps: [0], {ALSO}")
    others = ("pico-57k-deduped", "pico-57k-seed1", "pico-57k-weight-seed1", "pico-57k-data-seed1")
    expected = [("pico-57k", 0)]
    expected += [(name, step) for name in others for step in (64, 128)] + [("pico-7k-seed1", 4)]

    def chosen(**options) -> list[tuple[str, int]]:
        return [
            (c.parameters["model"], c.parameters["step"])
            for c in expand(config, ["plain"], **options)
        ]

    assert chosen() == expected
    assert chosen(steps=[4]) == list(dict.fromkeys((name, 4) for name, _ in expected))
    assert chosen(models=["pico-*k-seed1"], steps=[0]) == [
        (f"pico-{size}-seed1", 0) for size in ("7k", "14k", "57k", "224k")
    ]


def test_an_experiment_with_models_of_its_own_has_no_others(root):
    text = YAML.replace("steps: [0, 16]}", f"steps: [0, 16], {ALSO}}}", 1)
    (root / "experiments.yml").write_text(text)
    assert len(expand(load_config(root), ["measure"], profile="tiny")) == 2 + 4 * 2 + 1
    own = text.replace("steps: [1]}", "models: [pico-7k], steps: [1]}", 1)
    (root / "experiments.yml").write_text(own)
    assert len(expand(load_config(root), ["measure"], profile="tiny")) == 1


def test_the_command_line_overrides_the_profile(root):
    config = load_config(root)
    cells = expand(config, ["measure"], models=["pico-224k"], steps=[4, 4], parameters={"scale": 5})
    assert [cell.id for cell in cells] == ["pico/measure/pico-224k/step000004@scale=5"]
    assert cells[0].parameters["scale"] == 5
    assert expand(config, steps=[4]) == [c for c in expand(config) if c.parameters["step"] == 4]
    # What click gives for an option that was not used changes nothing.
    assert expand(config, (), models=(), steps=()) == expand(config)


def test_a_parameter_goes_to_the_experiments_that_have_it(root):
    own = {"scale": 5.0, "word": "x"}
    write_notebook(root / "notebooks" / "wordy.ipynb", 'word: str = ""')
    entry = "  wordy: {title: Words, notebook: notebooks/wordy.ipynb}\n"
    (root / "experiments.yml").write_text(YAML + entry)
    config = load_config(root)
    cells = expand(config, steps=[4], models=["pico-7k"], parameters=own)
    assert [cell.id.removeprefix("pico/") for cell in cells] == [
        "measure/pico-7k/step000004@scale=5.0",
        "plain/pico-7k/step000004",  # as usual, for it has neither
        "wordy/pico-7k/step000004@word=x",
    ]
    assert [set(own) & set(cell.parameters) for cell in cells] == [{"scale"}, set(), {"word"}]
    with pytest.raises(UsageError) as caught:
        expand(config, parameters={"scal": 5})
    files = "notebooks/measure.ipynb, notebooks/plain.ipynb, notebooks/wordy.ipynb"
    assert str(caught.value) == f"unknown parameter 'scal' of {files}; nearest: scale"
    with pytest.raises(UsageError, match=r"'scale' of notebooks/measure.ipynb must be float"):
        expand(config, parameters={"scale": "x"})


def write_notebook(path: Path, parameters: str) -> None:
    source = f'suite: str = ""\nmodel: str = ""\nstep: int = 0\n{parameters}'
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": ["parameters"]}}
    path.write_text(json.dumps({"cells": [cell]}))


def test_all_models_are_those_of_the_suite(root):
    config = load_config(root)

    def models(**options) -> set[str]:
        return {c.parameters["model"] for c in expand(config, ["plain"], steps=[16], **options)}

    assert models(models=["all"]) == set(whole("pico"))
    assert models(models=["all"], profile="full") == set(whole("nano"))
    assert models(models=("all",), suite="nano") == set(whole("nano"))
    assert models(models=["all", "pico-7k"]) == set(whole("pico"))
    with pytest.raises(UsageError, match="unknown model 'nano-7k'"):
        models(models=["all", "nano-7k"])


def test_a_models_name_tells_its_suite_and_former_names_are_understood(root):
    cells = expand(load_config(root), ["plain"], models=["pythia-19m", "nano-57k"], steps=[16])
    assert [cell.id for cell in cells] == [
        "pythia/plain/pythia-70m/step000016",
        "nano/plain/nano-57k/step000016",
    ]


def test_another_suite_needs_models(root):
    config = load_config(root)
    with pytest.raises(UsageError, match=r"for suite 'nano' give --profile full, or --model"):
        expand(config, suite="nano", profile="tiny")
    assert len(expand(config, ["plain"], suite="nano", models="all", steps=[0])) == len(
        whole("nano")
    )


def test_runs_can_be_elsewhere(root, monkeypatch):
    monkeypatch.setenv("PYTHIA_RUNS", str(root / "other"))
    assert expand(load_config(root))[0].runs == root / "other"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            {"experiments": ["mesure"]},
            "unknown experiment 'mesure' in experiments.yml; nearest: mea",
        ),
        ({"profile": "tinny"}, "unknown profile 'tinny' in experiments.yml; nearest: tiny"),
        ({"models": ["pico-58k"]}, "unknown model 'pico-58k'; nearest: "),
        ({"suite": "pica"}, "unknown suite 'pica'; nearest: pico"),
        ({"steps": [3]}, "unknown step 3 of pico-57k; nearest: 1, 2, 4"),
        (
            {"parameters": {"scales": 1}},
            "unknown parameter 'scales' of notebooks/measure.ipynb, notebooks/plain.ipynb; near",
        ),
        ({"parameters": {"scale": "much"}}, "must be float, not 'much' (str)"),
        ({"parameters": {"labels": [1]}}, "must be list[str], not [1] (list)"),
        ({"parameters": {"step": 2}}, "'step' is filled in by the grid"),
    ],
)
def test_wrong_use_is_one_line(root, call, message):
    with pytest.raises(UsageError) as caught:
        expand(load_config(root), **call)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "heatmap:",
            "heatmp:",
            "experiments.yml: experiments.measure: unknown key 'heatmp'; nearest: heatmap",
        ),
        (
            "subset: all",
            "subsets: all",
            "experiments.measure.heatmap: unknown key 'subsets'; nearest: subset",
        ),
        (
            "      tiny:",
            "      tinny:",
            "unknown profile 'tinny' in experiments.yml: experiments.measure",
        ),
        (
            "experiments:",
            "experiment:",
            "experiments.yml: unknown key 'experiment'; nearest: exp",
        ),
        (
            "[pico-7k,",
            "[pico-8k,",
            "experiments.yml: profiles.tiny: unknown model 'pico-8k' in suite p",
        ),
        ("[0, 16]", "[0, 17]", "experiments.yml: profiles.tiny: unknown step 17 of pico-7k"),
        ("[0, 16]", "16", "experiments.yml: profiles.tiny.steps: expected `all` or a list of"),
        (
            "steps: [1]",
            "steps: [3]",
            "experiments.yml: experiments.measure.profiles.tiny: unknown step",
        ),
        (
            "suite: nano",
            "suite: nan",
            "experiments.yml: profiles.full: unknown suite 'nan'; nearest: na",
        ),
        ("[pico-57k]", "[pico-58*]", "experiments.yml: profiles.quick: unknown model 'pico-58*'"),
        (
            "steps: [0, 16]",
            "steps: [0], also: [{models: [pico-7k]}]",
            "experiments.yml: profiles.tiny.also[0].steps is missing",
        ),
        ("steps: [0, 16]", "steps: [0], also: {}", "profiles.tiny.also: expected a list"),
        (
            "steps: [0, 16]",
            "steps: [0], also: [{models: [pico-7k], steps: [3]}]",
            "experiments.yml: profiles.tiny.also[0]: unknown step 3 of pico-7k",
        ),
        (", steps: [0, 16]", "", "experiments.yml: profiles.tiny.steps is missing"),
        (
            "steps: [0, 16]",
            "steps: [0], experiments: [mesure]",
            "unknown experiment 'mesure' in experiments.yml: profiles.tiny; nearest: measure",
        ),
        ("title: No records, ", "", "experiments.yml: experiments.plain.title is missing"),
        ("  plain:", "  measure:", "experiments.yml line 6: 'measure' is twice in the block"),
        ("  plain:", "  Plain Text:", "experiments.yml: experiments: 'Plain Text' is no name; exp"),
        ("{scale: 2.0}", "[scale]", "experiments.measure.parameters: expected a mapping"),
        ("{scale: 2.0}", "{model: x}", "'model' is filled in by the grid"),
        ("{scale: 2.0}", "{scale: 2.0", "experiments.yml line "),
        (
            "{scale: 2.0}",
            "{scale: 'http://u:p@h/'}",
            "'scale' is an address with a password; put user",
        ),
        (
            "notebooks/plain.ipynb",
            "[a]",
            "experiments.plain.notebook: expected a line of text, not ['a']",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_its_place(root, old, new, message):
    with pytest.raises(UsageError) as caught:
        load(root, old, new)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


OUTSIDE = ("../x.ipynb", "/etc/x.ipynb", "notebooks/../../x.ipynb", "elsewhere/x.ipynb")
NO_LINE = (None, "", "  ", "two\nlines.ipynb", "\x1b[31m.ipynb", 1, ["a.ipynb"], {"a": "b"})


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        *(
            (place, value, "is not in")
            for place in ("notebook", "chapter", "page's notebook")
            for value in OUTSIDE
        ),
        *(
            (place, value, "expected ")
            for place in ("notebook", "chapter", "title", "page's notebook")
            for value in NO_LINE
        ),
        *(
            (place, "x" * 999 + ".ipynb", "expected at most 200 characters")
            for place in ("chapter", "title")
        ),
        ("chapter", "notebooks", "expected a notebook (.ipynb), not 'notebooks'"),
        ("heatmap", {"metric": "a\nb", "subset": "all"}, "heatmap.metric: expected a line"),
    ],
)
def test_what_a_page_is_made_of_is_a_line_and_lies_in_the_project(root, place, value, message):
    (root / "elsewhere").symlink_to(root.parent)
    source = yaml.safe_load((root / "experiments.yml").read_text())
    source["pages"] = {"a_page": {"notebook": "notebooks/measure.ipynb", "models": ["pico-7k"]}}
    kind, _, place = place.rpartition(" ")
    entry = source["pages"]["a_page"] if kind else source["experiments"]["measure"]
    entry[place] = value
    (root / "experiments.yml").write_text(yaml.safe_dump(source))
    with pytest.raises(UsageError) as caught:
        load_config(root)
    told = str(caught.value)
    assert message in told
    assert told.startswith("experiments.yml: ")
    assert f".{place}" in told
    assert len(told) < 250
    assert "\n" not in told


@pytest.mark.parametrize("key", ["two\nlines", "<script>", "x" * 61, "../x", "", 1, None])
@pytest.mark.parametrize("kind", ["experiments", "pages"])
def test_a_name_that_is_no_part_of_an_address_is_one_line(root, kind, key):
    source = yaml.safe_load((root / "experiments.yml").read_text())
    source.setdefault(kind, {})[key] = {"title": "T", "notebook": "notebooks/measure.ipynb"}
    (root / "experiments.yml").write_text(yaml.safe_dump(source))
    with pytest.raises(UsageError, match=r"is no name; expected up to 60 a-z") as caught:
        load_config(root)
    assert "\n" not in str(caught.value)


EMPTY = (None, [], {}, 0, "", False)


@pytest.mark.parametrize("value", EMPTY, ids=repr)
@pytest.mark.parametrize(
    "place",
    [
        "pages",
        "pages/start/models",
        "profiles/tiny/models",
        "profiles/tiny/steps",
        "experiments/measure/parameters",
        "experiments/measure/heatmap",
        "experiments/measure/profiles",
        "experiments/measure/profiles/tiny/steps",
        "experiments/measure/profiles/tiny/models",
        "experiments/measure/chapter",
    ],
)
def test_what_is_there_and_holds_nothing_is_refused(root, place, value):
    """An empty list of models is a mistake, not a grid of no runs; only a mapping may be empty."""
    source = yaml.safe_load((root / "experiments.yml").read_text())
    page = {"notebook": "notebooks/measure.ipynb", "models": ["pico-7k"]}
    source |= {"pages": {"start": page}}
    source["experiments"]["measure"]["profiles"] = {"tiny": {}}
    *above, last = place.split("/")
    holder = source
    for key in above:
        holder = holder[key]
    holder[last] = value
    (root / "experiments.yml").write_text(yaml.safe_dump(source))
    if value == {} and last in ("pages", "parameters", "profiles"):
        load_config(root)
    else:
        with pytest.raises(UsageError, match=r"experiments\.yml: .*(expected|missing)") as caught:
            load_config(root)
        assert last in str(caught.value)


@pytest.mark.parametrize("name", ["../pyproject.toml", "/etc/passwd", "x" * 9999, "a\nb", 3])
def test_a_page_shows_no_file_outside_of_the_data(root, name):
    source = yaml.safe_load((root / "experiments.yml").read_text())
    source["pages"] = {"a_page": {"notebook": "notebooks/measure.ipynb", "data": [name]}}
    (root / "experiments.yml").write_text(yaml.safe_dump(source))
    with pytest.raises(UsageError, match=r"^experiments\.yml: pages\.a_page") as caught:
        load_config(root)
    assert "\n" not in str(caught.value)


def test_no_file_at_all(tmp_path):
    with pytest.raises(UsageError, match=r"has no experiments\.yml"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("untagged", r"untagged\.ipynb has no cell tagged 'parameters'"),
        ("absent", r"there is no notebook .*absent\.ipynb"),
        ("chapter", r"unknown parameter 'model' of notebooks/chapter\.ipynb; choose from: suite"),
    ],
)
def test_notebooks_that_the_grid_cannot_use(root, name, message):
    with pytest.raises(UsageError, match=message):
        expand(load(root, "notebooks/plain.ipynb", f"notebooks/{name}.ipynb"), ["plain"])


def test_a_file_that_is_no_notebook(root):
    (root / "notebooks/plain.ipynb").write_text("{}")
    with pytest.raises(UsageError, match="is not a notebook"):
        expand(load_config(root), ["plain"])


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", [1], [1.0, True, "1", None]),
        ("float", [1, 1.5], [True, "1.5", None]),
        ("bool", [True], [1, "true"]),
        ("str", ["x"], [1, None, ["x"]]),
        ("'str'", ["x"], [1]),
        ("str | None", ["x", None], [1]),
        ("Optional[int]", [1, None], ["x"]),
        ("list[int]", [[], [1, 2]], [1, ["x"]]),
        ("list[list[int]]", [[[1]]], [[1]]),
        ("dict[str, int]", [{"a": 1}], [[1]]),
        ("Literal['a', 'b']", ["a"], ["c", 1]),
        ("Path", ["anything", 1], []),
    ],
)
def test_types_are_those_of_the_annotations(tmp_path, annotation, good, bad):
    notebook = tmp_path / "n.ipynb"
    notebook.write_text(
        '{"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, '
        f'"source": ["x: {annotation} = None"]}}]}}'
    )

    for value in good:
        check_parameters(notebook, {"x": value})
    for value in bad:
        with pytest.raises(UsageError, match="parameter 'x'"):
            check_parameters(notebook, {"x": value})


def test_without_an_annotation_the_default_tells_the_type(tmp_path):
    notebook = tmp_path / "n.ipynb"
    source = '["a = -1\\n", "b = None\\n", "c = range(3)"]'
    notebook.write_text(
        '{"cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, '
        f'"source": {source}}}]}}'
    )
    check_parameters(notebook, {"a": 2, "b": "x", "c": 1})
    with pytest.raises(UsageError, match="must be int, not 'x'"):
        check_parameters(notebook, {"a": "x"})


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["code", "code"], "2 (code, code)"),
        (["code", "markdown", "code"], "3 (code, markdown, code)"),
        (["markdown", "code"], "2 (markdown, code)"),
        (["markdown"], "1 (markdown)"),
    ],
)
def test_one_cell_declares_the_parameters(tmp_path, kinds, told):
    """Papermill puts what is asked for behind the first: the defaults of a second would win."""
    notebook = tmp_path / "double.ipynb"
    tagged = {"metadata": {"tags": ["parameters"]}, "source": "x: int = 1"}
    plain = {"cell_type": "code", "metadata": {}, "source": "print(x)"}
    notebook.write_text(json.dumps({"cells": [*({"cell_type": k} | tagged for k in kinds), plain]}))
    with pytest.raises(UsageError, match=re.escape(f"{told}; expected one, of code")) as error:
        check_parameters(notebook, {"x": 2})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["https://user:secret@host/set", ["a", "http://token@host"]])
def test_a_password_is_no_parameter(root, value):
    """It would be in the notebook, the ledger and the page."""
    with pytest.raises(UsageError, match=r"'scale' is an address with a password") as caught:
        expand(load_config(root), ["measure"], profile="tiny", parameters={"scale": value})
    assert not [word for word in ("secret", "token") if word in str(caught.value)]


def test_parameters_of_the_command_line_are_yaml():
    items = ["a=1", "b=0.5", "c=1e-3", "d=true", "e=text", "f=[1, 2]", "g=", "h=a=b"]
    assert parse_parameters(items) == {
        "a": 1, "b": 0.5, "c": 0.001, "d": True, "e": "text", "f": [1, 2], "g": None, "h": "a=b"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("pairs=0200", "parameter 'pairs=0200': 0200 is ambiguous in YAML; write 200, or"),
        ("pairs=2_000", "write 2000, or"),
        ("fast=on", "write true, or"),
        ("x=!!binary aGk=", "the tag !!binary is not read"),
        ("x=!!timestamp 2024-01-01", "the tag !!timestamp is not read"),
    ],
)
def test_a_parameter_that_yaml_readers_understand_differently_is_refused(item, message):
    with pytest.raises(UsageError) as caught:
        parse_parameters([item])
    assert message in str(caught.value)


@pytest.mark.parametrize("item", ["a", "=1", "a b=1", "a=[1"])
def test_a_parameter_that_is_no_assignment(item):
    with pytest.raises(UsageError) as caught:
        parse_parameters([item])
    assert item in str(caught.value)


def test_chapters_read_the_records_that_are_there(root):
    config = load_config(root)
    (chapter,) = chapters(config, "pico")  # `plain` has no chapter
    assert (chapter.id, chapter.kind) == ("pico/measure/chapter", "chapter")
    assert chapter.parameters == {"suite": "pico"}
    assert chapter.inputs == ()
    assert chapter.checkpoint is None
    for cell in expand(config, ["measure"]):
        cell.records.parent.mkdir(parents=True, exist_ok=True)
        cell.records.write_bytes(b"")
        (cell.records.parent / ".partial-0.parquet").write_bytes(b"")
    (chapter,) = chapters(config, "pico")
    assert chapter.inputs == tuple(cell.records for cell in expand(config, ["measure"]))


@pytest.mark.filterwarnings("ignore::pythia_utils.suites.errata.CheckpointWarning")
def test_this_projects_own_file_is_valid():
    config = load_config(PROJECT)
    for profile in config.profiles:
        assert expand(config, profile=profile)
    for suite in {profile["suite"] for profile in config.profiles.values()}:
        assert grid_expand.chapters(config, suite)


SMALL = [
    f"pythia-{size}{variant}" for size in ("70m", "160m", "410m") for variant in ("", "-deduped")
]
SMALL_STEPS = {0, 16, 64, 128, 256, 512, 1000, 2000, 4000, 16000, 64000, 143000}


def test_the_profiles_of_the_real_models():
    config = load_config(PROJECT)
    small = [c for c in expand(config, profile="pythia-small") if c.experiment == "grammar"]
    assert {cell.parameters["model"] for cell in small} == set(SMALL)
    assert len(small) == 72
    assert {cell.parameters["step"] for cell in small} == SMALL_STEPS
    sizes = {"70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b"}
    with pytest.warns(CheckpointWarning):
        cells = expand(config, profile="pythia")
    changed = [cell for cell in cells if cell.experiment == "interventions"]
    models = {cell.parameters["model"] for cell in cells if cell not in changed}
    assert sum("-intervention-" in m for m in {c.parameters["model"] for c in changed}) == 5
    assert models >= {f"pythia-{size}{variant}" for size in sizes for variant in ("", "-deduped")}
    assert models >= {"pythia-14m", "pythia-31m"}
    assert not [name for name in models if "seed" in name or name.endswith("-v0")]
    steps = {cell.parameters["step"] for cell in cells if cell.parameters["model"] == "pythia-12b"}
    assert len(steps) == 154 - 2  # without the errata
    for cell in [*cells, *small]:
        asked = {
            "grammar": {"pairs_from": "blimp"},
            "memorization": {"prompt": 32, "continuation": 32},
            "ngrams": {"batches": 10},
            "interventions": {"pairs_from": "data/pronouns.csv"},
        }.get(cell.experiment, {})
        assert cell.parameters | asked == cell.parameters
        assert cell.explicit == ""


# --- pages ----------------------------------------------------------------------------------------

PAGES = "pages:\n  start: {notebook: notebooks/page.ipynb, models: [pico-14k, pico-7k, nano-7k]}\n"


@pytest.fixture
def with_page(root):
    """The project with a page that runs; nothing is trained."""
    (root / "experiments.yml").write_text(YAML + PAGES)
    source = (root / "notebooks/measure.ipynb").read_text()
    (root / "notebooks/page.ipynb").write_text(source)
    return root


def train(root: Path, model: str, step: int, weights: bytes = b"weights") -> Path:
    path = root / f"home/suites/pico/{model}/step{step}/model.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(weights)
    return path


def test_a_page_runs_once_a_suite_on_the_first_of_its_models_that_is_trained(with_page):
    config = load_config(with_page)
    page = chapters(config, "pico")[-1]
    assert (page.id, page.kind) == ("pico/start/chapter", "chapter")
    assert page.inputs == ()  # so it is not run yet
    files = (train(with_page, "pico-7k", 0), train(with_page, "pico-7k", 16))
    page = chapters(config, "pico")[-1]
    assert page.parameters == {"suite": "pico", "model": "pico-7k"}
    assert page.inputs == files
    assert page.output == with_page / "runs/pico/start/chapter.ipynb"
    train(with_page, "pico-14k", 0)
    assert chapters(config, "pico")[-1].parameters["model"] == "pico-14k"
    assert [cell.experiment for cell in chapters(config, "pythia")] == ["measure"]
    assert [cell.experiment for cell in chapters(config, "pico", ["measure"])] == ["measure"]


def test_a_page_is_stale_when_a_checkpoint_changes_or_comes(with_page):
    config = load_config(with_page)
    train(with_page, "pico-7k", 0)
    prints = [chapters(config, "pico")[-1].fingerprint()]
    train(with_page, "pico-7k", 0, b"others")
    prints.append(chapters(config, "pico")[-1].fingerprint())
    train(with_page, "pico-7k", 16)
    prints.append(chapters(config, "pico")[-1].fingerprint())
    assert len(set(prints)) == 3
    train(with_page, "pico-57k", 0)  # another model's
    assert chapters(config, "pico")[-1].fingerprint() == prints[-1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  start:", "  measure:", "pages.measure: an experiment has this name"),
        ("  start:", "  Start here:", "pages: 'Start here' is no name; expected"),
        (
            "pico-14k",
            "pico-15k",
            "experiments.yml: pages.start: unknown model 'pico-15k'; nearest: pico-",
        ),
        (
            "models: [pico-14k, pico-7k, nano-7k]",
            "models: all",
            "pages.start.models: expected a list of at least",
        ),
        (
            "notebook: notebooks/page.ipynb",
            "notebook: 3",
            "notebook: expected a line of text, not 3",
        ),
        ("notebook:", "notebok:", "unknown key 'notebok'"),
        (
            ", models: [pico-14k, pico-7k, nano-7k]",
            "",
            "pages.start: expected one of data, models, records, not none",
        ),
    ],
)
def test_a_mistake_in_a_page_is_one_line(with_page, old, new, message):
    assert old in PAGES
    (with_page / "experiments.yml").write_text(YAML + PAGES.replace(old, new))
    with pytest.raises(UsageError) as error:
        load_config(with_page)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# --- parameters given for one run -----------------------------------------------------------------


def explicit(root, **parameters) -> str:
    (cell,) = expand(
        load_config(root), ["measure"], None, ["pico-7k"], [1], "tiny", parameters=parameters
    )
    return cell.explicit


def test_parameters_that_change_something_make_other_cells(root):
    (cell,) = expand(
        load_config(root), ["measure"], None, ["pico-7k"], [1], "tiny", {"note": "x", "scale": 5.0}
    )
    assert cell.id == "pico/measure/pico-7k/step000001@note=x,scale=5.0"
    assert cell.output.name == "step000001@note=x,scale=5.0.ipynb"
    assert cell.records.name == "step000001@note=x,scale=5.0.parquet"
    assert cell.parameters["labels"] == ["a", "b"]


def test_what_holds_anyway_is_no_other_cell(root):
    usual = expand(load_config(root), ["measure"], profile="tiny")
    # As experiments.yml has it for this profile, and as the notebook has it.
    again = expand(
        load_config(root), ["measure"], profile="tiny", parameters={"scale": 3, "note": None}
    )
    assert [(c.id, c.parameters) for c in again] == [(c.id, c.parameters) for c in usual]


def test_explicit_parameters_are_told_apart(root):
    values = ["x", "1", "a,b=c", "a b", "null", "true", "1e3", "ä"]
    found = [explicit(root, note=value) for value in values]
    assert len(set(found)) == len(values)
    assert found[:3] == ["note=x", 'note="1"', 'note="a,b=c"']
    assert explicit(root, labels=["b", "a"]) == 'labels=["b", "a"]'
