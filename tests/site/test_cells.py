"""What the page of a cell shows beside its notebook: which pages are near, parameters, records."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from helpers.commands import ROOT
from helpers.hostile import TEXTS

from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.records import stem
from pythia_utils.site.cells import parameters
from pythia_utils.site.cells import records as shown
from pythia_utils.site.cells.navigation import Navigation
from pythia_utils.site.cells.neighbours import Neighbours
from pythia_utils.site.cells.page import Page
from pythia_utils.suites.catalog import find_model

CONFIG = load_config(ROOT)
FORK = "pico-57k-swap-gender-from750"


def page(
    model: str, step: int, experiment: str = "grammar", given: str = "", error: str = ""
) -> Page:
    source = Path("runs", find_model(model).suite, experiment, model, f"{stem(step, given)}.ipynb")
    return Page(experiment, model, step, source, given, error)


PAGES = [
    *(page("pico-57k", step) for step in (0, 512, 750, 1000)),
    *(
        page(name, 512)
        for name in ("pico-7k", "pico-57k-deduped", "pico-57k-seed1", "pico-7k-seed1")
    ),
    *(page(FORK, step) for step in (782, 1000)),
    page("pico-57k", 512, given="pairs=400"),
    page("pico-57k", 512, "loss"),
    page("pico-7k", 512, "loss"),
    page("pico-57k", 512, "loss", given="documents=8"),
]
NEARBY = Neighbours(PAGES)
HERE = PAGES[1]


def names(pages: list[Page]) -> list[str]:
    return [f"{p.experiment} {p.model} {p.stem}" for p in pages]


# --- neighbours


def test_steps_are_of_the_same_model_and_parameters():
    assert [p.step for p in NEARBY.steps(HERE)] == [0, 512, 750, 1000]
    assert [p.step for p in NEARBY.around(HERE)] == [0, 750]
    assert NEARBY.around(PAGES[0]) == (None, HERE)
    assert NEARBY.around(page("pico-57k", 512, given="pairs=400")) == (None, None)


@pytest.mark.parametrize(
    ("what", "models"),
    [
        ("size", ["pico-57k", "pico-7k"]),
        ("text", ["pico-57k", "pico-57k-deduped"]),
        ("seed", ["pico-57k", "pico-57k-seed1"]),
        ("release", ["pico-57k"]),
    ],
)
def test_models_near_differ_in_one_thing(what, models):
    assert [p.model for p in NEARBY.differing_in(what, HERE)] == models


def test_a_fork_is_beside_its_base_and_leads_to_where_it_began():
    fork, at_its_end = page(FORK, 782), page(FORK, 1000)
    assert NEARBY.before_intervention(fork) == page("pico-57k", 750)
    assert NEARBY.interventions(page("pico-57k", 750)) == [fork]
    assert NEARBY.interventions(HERE) == []
    assert [p.model for p in NEARBY.differing_in("text", at_its_end)] == ["pico-57k", FORK]


def test_of_another_experiment_the_usual_run_is_near():
    assert names(NEARBY.experiments(HERE)) == [
        "grammar pico-57k step000512",
        "loss pico-57k step000512",
    ]
    assert len(NEARBY.parameters(HERE)) == 2
    alone = page("pico-57k-seed1", 512)
    assert NEARBY.experiments(alone) == [alone]


# --- their links


def nav(pages: list[Page], here: Page) -> str:
    return Navigation(CONFIG, Neighbours(pages)).above(here)


def rows(text: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>(.+?)</dt><dd>(.+?)</dd>", text))


def test_links_lead_from_page_to_page_and_the_page_itself_is_marked():
    found = rows(nav(PAGES, HERE))
    assert list(found) == ["Step", "Size", "Training text", "Seed", "Same checkpoint", "Parameters"]
    assert found["Step"].count("<a ") == 3
    assert '<strong aria-current="page">512</strong>' in found["Step"]
    assert 'href="../pico-57k-deduped/step000512.html">deduped' in found["Training text"]
    assert 'href="../../loss/pico-57k/step000512.html">Validation loss' in found["Same checkpoint"]
    assert 'href="step000512%40pairs=400.html">pairs=400' in found["Parameters"]
    forks = rows(nav(PAGES, page("pico-57k", 750)))
    assert f'href="../{FORK}/step000782.html">{FORK}' in forks["Goes on as"]


def test_a_row_is_there_only_if_it_leads_somewhere():
    alone = page("pico-57k-seed1", 512)
    assert list(rows(nav([alone], alone))) == ["Step"]
    assert Navigation(CONFIG, Neighbours([alone])).foot(alone) == ""


def test_of_154_steps_all_are_there_and_few_are_in_the_open():
    pages = [page("pythia-70m", step) for step in find_model("pythia-70m").steps]
    text = Navigation(CONFIG, Neighbours(pages)).above(pages[20])
    before, folded = text.split("<details>")
    assert before.count("<a ") == 2 + 2
    assert folded.count("<a ") == len(pages) - 1 == 153
    assert len(text) < 10_000


def test_what_failed_says_so_and_why():
    bad = page("pico-57k", 0, error='ValueError: "<b>"')
    found = nav([bad, HERE], HERE)
    assert '>0</a> <abbr title="ValueError: &quot;&lt;b&gt;&quot;">failed</abbr>' in found


def test_the_foot_leads_to_the_step_before_and_after():
    text = Navigation(CONFIG, NEARBY).foot(HERE)
    assert re.findall(r'rel="(\w+)" href="(\w+).html"', text) == [
        ("prev", "step000000"),
        ("next", "step000750"),
    ]
    assert 'rel="next"' not in Navigation(CONFIG, NEARBY).foot(PAGES[3])


# --- parameters

SOURCE = """suite: str = "pico"  # whose
model: str = "pico-57k"
step: int = 1000  # of training
pairs: int = 2_00  # a # sign
layers: list[int] | None = None
plain = [1,
         2]  # two lines
"""


def cells(text: str) -> list[list[str]]:
    found = re.findall(r"<tr.*?</tr>", text.partition("<tbody>")[2])
    return [[re.sub("<.*?>", "", c) for c in re.findall(r"<t[hd].*?</t[hd]>", r)] for r in found]


def test_the_table_has_all_parameters_and_who_has_set_each():
    given = {"suite": "nano", "model": "nano-57k", "step": 512, "pairs": 400, "plain": [3]}
    assert cells(parameters.table(SOURCE, given, ["pairs"])) == [
        ["suite", "&#x27;nano&#x27;", "whose", "the grid"],
        ["model", "&#x27;nano-57k&#x27;", "", "the grid"],
        ["step", "512", "of training", "the grid"],
        ["pairs", "400", "a # sign", "this run: -p"],
        ["layers", "None", "", "default"],
        ["plain", "[3]", "two lines", "experiments.yml"],
    ]
    assert cells(parameters.table("", {"step": 1}, ())) == [["step", "1", "", "the grid"]]
    assert cells(parameters.table("a = (", {}, ())) == []


@pytest.mark.parametrize("name", CONFIG.experiments)
def test_every_parameter_of_every_notebook_has_a_meaning(name):
    from pythia_utils.site.notebooks import read_notebook

    notebook = read_notebook(CONFIG.experiments[name].notebook)
    found = parameters.declared(parameters.source_of(notebook))
    assert len(found) >= 3
    assert [each.name for each in found if not each.meaning] == []


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_parameter_holds_is_text(text):
    table = parameters.table(f"x: str = ''  # {' '.join(text.split())}", {"x": text}, ())
    assert "window" not in re.sub("&lt;.*?&gt;", "", "".join(re.findall("<[^>]*>", table)))
    assert "\n\n" not in table  # which would end the HTML
    assert table.count("<tr") == 2


# --- records


OF_THE_RUN = ["suite", "variant", "n_params", "tokens_seen", "experiment"]


@pytest.fixture
def run(tmp_path) -> Page:
    source = tmp_path / "pico/grammar/pico-57k/step000512.ipynb"
    source.parent.mkdir(parents=True)
    model = records.identity(find_model("pico-57k").checkpoint(512), "grammar")
    rows = [
        {"metric": 'a, "b"\nc', "subset": "ä", "value": 0.1 + 0.2, "stderr": 1e-17, "n": 3},
        {"metric": "x", "subset": "all", "value": None, "stderr": None, "n": None},
        {"metric": "tokens", "subset": "all", "value": 207170414058, "stderr": None, "n": 1},
    ]
    frame = pd.DataFrame([model | row for row in rows])
    records.write(source.with_suffix(".parquet"), frame)
    return replace(HERE, source=source)


def test_a_csv_holds_every_row_and_all_that_differs_between_rows(run, tmp_path):
    text, count = shown.csv(run)
    (tmp_path / "it.csv").write_text(text)
    read = pd.read_csv(
        tmp_path / "it.csv", keep_default_na=False, na_values={"value": "", "stderr": ""}
    )
    stored = pd.read_parquet(run.records)
    assert count == len(read) == 3
    assert "207170414058,,1" in text
    assert list(read) == [name for name in records.COLUMNS if name not in OF_THE_RUN]
    read["n"] = pd.to_numeric(read["n"]).astype("float64")
    pd.testing.assert_frame_equal(read, stored[list(read)], check_dtype=False, rtol=5e-7, atol=0)
    assert len(stored[OF_THE_RUN].drop_duplicates()) == 1
    assert shown.csv_path(run) == "cells/pico/grammar/pico-57k/step000512.csv"


def test_no_records_or_bad_ones_are_no_csv(run):
    assert shown.csv(replace(run, error="it failed")) is None
    run.records.write_bytes(b"PAR1 no more")
    assert shown.csv(run) is None
    run.records.unlink()
    assert shown.csv(run) is None


def test_the_table_of_records_says_what_the_sign_means(capsys):
    known = {"experiment": "grammar", "suite": "pico", "model": "pico-57k", "step": 512}
    for stderr, told in ((0.5, True), (None, False)):
        rows = [{"metric": "m", "value": 1.0, "stderr": stderr}]
        with pytest.MonkeyPatch.context() as patch:
            seen: list[dict] = []
            patch.setattr("IPython.display.display", lambda bundle, raw, s=seen: s.append(bundle))
            records.record(rows, **known)
        assert ("one standard error" in seen[0]["text/html"]) is told
        assert seen[0]["text/html"].count("<caption>") == told
