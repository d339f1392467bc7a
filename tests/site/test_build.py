"""The site's gate and staging, on a small made-up book; its build, on the same book."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml
from click.testing import CliRunner
from helpers.commands import ROOT, is_running, wait_until

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import FolderInUse, locked
from pythia_utils.cli import main
from pythia_utils.engine import runner
from pythia_utils.grid import config as experiments
from pythia_utils.grid import status
from pythia_utils.grid.ledger import FILE, Ledger
from pythia_utils.grid.records import runs_dir
from pythia_utils.site import build, chapters, contents, links, tables
from pythia_utils.site.notebooks import SiteError
from pythia_utils.suites import catalog

MODELS = ("pico-7k", "pico-14k", "pico-7k-deduped")
STEPS = (0, 16, 512)
EXPERIMENTS = {"loss": "Validation loss", "grammar": "Grammar"}


def markdown(*lines: str) -> dict:
    return {"cell_type": "markdown", "id": "text", "metadata": {}, "source": "\n".join(lines)}


def code(source: str, outputs: list[dict] | None = None, tags: tuple[str, ...] = ()) -> dict:
    return {
        "cell_type": "code",
        "id": "code",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": outputs or [],
        "execution_count": 1,
    }


def shown(**data: object) -> dict:
    beside = {"application/vnd.pythia.records+json": {"version": 1}}
    return {"output_type": "display_data", "metadata": {}, "data": beside | data}


def write_notebook(path: Path, cells: list[dict], **metadata: object) -> Path:
    numbered = [cell | {"id": f"{cell['id']}-{i}"} for i, cell in enumerate(cells)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel, **metadata},
        "cells": numbered,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook))
    return path


def cell_notebook(experiment: str, model: str, step: int) -> list[dict]:
    parameters = f'# Parameters\nsuite = "pico"\nmodel = "{model}"\nstep = {step}\n'
    return [
        markdown(
            "# Measured at one checkpoint",
            "",
            f"The [chapter](../book/experiments/{experiment}.ipynb) has them all; $x^2$.",
            "The [quickstart](../book/pages/quickstart.ipynb) is for newcomers.",
        ),
        code(parameters, tags=("injected-parameters",)),
        code(
            "1 + 1",
            [shown(**{"text/html": "<table class='dataframe'><tr><td>2</td></tr></table>"})],
        ),
        code("provenance.watermark()", [shown(**{"text/markdown": "**Watermark:** python `3`"})]),
    ]


def heatmap(experiment: str) -> dict:
    values = [
        {
            "model": model,
            "step": step,
            "value": step / 512,
            "page": f"../cells/pico/{experiment}/{model}/step{step:06d}.html",
        }
        for model in MODELS
        for step in STEPS
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.4.1.json",
        "data": {"values": values},
        "mark": {"type": "rect", "cursor": "pointer"},
        "encoding": {
            "x": {"field": "step", "type": "ordinal"},
            "y": {"field": "model", "type": "nominal"},
            "color": {"field": "value", "type": "quantitative"},
            "href": {"field": "page", "type": "nominal"},
        },
    }
    script = f'<script type="application/json">{json.dumps(spec)}</script>'
    return shown(**{"text/html": f'<div class="vega-chart">{script}</div>'})


def chapter_notebook(experiment: str) -> list[dict]:
    return [
        markdown(
            f"# {EXPERIMENTS[experiment]}",
            "",
            "See {doc}`/suites`, [how to read it](../reading.md), {cite:p}`biderman2023pythia`,",
            f"[the notebook](../../notebooks/{experiment}.ipynb), [all](../runs.md).",
            "$L = -\\log p$",
        ),
        code("figures.grid_heatmap(grid)", [heatmap(experiment)]),
        markdown(*exercise(f"ex-{experiment}-one"), "", *exercise(f"ex-{experiment}-two")),
        code("provenance.watermark()", [shown(**{"text/markdown": "**Watermark:** python `3`"})]),
    ]


def exercise(label: str) -> list[str]:
    question = ["::::{exercise} Count", f":label: {label}", "", "*Easy · 5 minutes · on paper*", ""]
    hint = ["How many?", "", ":::{admonition} Hint", ":class: dropdown", "", "Few.", ":::", "::::"]
    solution = ["", f":::{{solution}} {label}", ":class: dropdown", "", "Two.", ":::"]
    return question + hint + solution


def page_notebook() -> list[dict]:
    return [
        markdown("# Quickstart", "", "[Loss](../experiments/loss.ipynb), [all](../runs.md)."),
        code("provenance.watermark()", [shown(**{"text/markdown": "**Watermark:** python `3`"})]),
    ]


def make_book(root: Path) -> Path:
    """A project with two experiments, run for three models at three steps."""
    ignored = shutil.ignore_patterns("vendor", "experiments", "__pycache__")
    shutil.copytree(ROOT / "book", root / "book", ignore=ignored)
    shutil.rmtree(root / "book/pages")
    shutil.copy(ROOT / "_config.yml", root)
    entries = {
        name: {
            "title": title,
            "notebook": f"notebooks/{name}.ipynb",
            "chapter": f"book/experiments/{name}.ipynb",
        }
        for name, title in EXPERIMENTS.items()
    }
    tiny = {"suite": "pico", "models": list(MODELS), "steps": list(STEPS)}
    pages = {"quickstart": {"notebook": "book/pages/quickstart.ipynb", "models": ["pico-7k"]}}
    config = {"profiles": {"tiny": tiny}, "experiments": entries, "pages": pages}
    (root / "experiments.yml").write_text(yaml.safe_dump(config, sort_keys=False))
    declared = code('suite: str = "pico"\nmodel: str = "pico-7k"', tags=("parameters",))
    write_notebook(root / "book/pages/quickstart.ipynb", [markdown("# Not run"), declared])
    write_notebook(root / "runs/pico/quickstart/chapter.ipynb", page_notebook())
    for name in EXPERIMENTS:
        grid = code('suite = "pico"\nmodel = "pico-7k"\nstep = 0', tags=("parameters",))
        write_notebook(root / f"notebooks/{name}.ipynb", [grid])
        suite = code('suite = "pico"', tags=("parameters",))
        write_notebook(root / f"book/experiments/{name}.ipynb", [suite])
        write_notebook(root / f"runs/pico/{name}/chapter.ipynb", chapter_notebook(name))
        for model in MODELS:
            for step in STEPS:
                path = root / f"runs/pico/{name}/{model}/step{step:06d}.ipynb"
                write_notebook(path, cell_notebook(name, model, step))
                path.with_suffix(".parquet").touch()
    return root


@pytest.fixture
def book(tmp_path, monkeypatch) -> Path:
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    return make_book(tmp_path)


def read(root: Path, suite: str, names: list[str] | None = None) -> tuple:
    """What the command reads before it builds: what the site shows, and where the suite stands."""
    config = experiments.load_config(root)
    shown = contents.choose(config, suite, names)
    only = shown.names if names else None
    return shown, status.survey_suite(config, suite, Ledger(runs_dir(root) / FILE), only)


def stage(root: Path, suite: str, names: list[str] | None = None) -> list:
    return build.stage(*read(root, suite, names))


def publish(root: Path, suite: str) -> Path:
    return build.publish(*read(root, suite))[0]


def staged(book: Path, name: str) -> dict:
    return json.loads((book / build.STAGED / name).read_text())


def texts(notebook: dict) -> str:
    return "\n".join("".join(cell["source"]) for cell in notebook["cells"])


CELL = "cells/pico/loss/pico-14k/step000016.ipynb"


def cell_of(notebook: dict, identity: str) -> dict:
    (found,) = [cell for cell in notebook["cells"] if cell["id"] == identity]
    return found


def title_of(notebook: dict) -> str:
    """The first that its page shows."""
    first = next(c for c in notebook["cells"] if "remove-cell" not in c["metadata"].get("tags", ()))
    return first["source"]


def of_suite(root: Path, name: str) -> contents.Contents:
    """The same contents, as if of another suite."""
    return replace(
        contents.choose(experiments.load_config(root), "pico"), suite=catalog.suite(name)
    )


def test_what_is_not_for_the_suite_is_not_on_its_page(book):
    """Of a page that shows its source as well, since it was not run."""
    tags = {"metadata": {"tags": ["only-ours"]}}
    source = write_notebook(
        book / "book/experiments/loss.ipynb", [markdown("# Loss"), markdown("Ours.") | tags]
    )
    shown = {
        name: chapters.chapter(source, source, "experiments/loss.ipynb", of_suite(book, name))
        for name in ("pico", "pythia")
    }
    assert ["Ours." in text for text in shown.values()] == [True, False]


# --- what failed


def error(name: str = "ValueError", value: str = "first line\nno such token") -> dict:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": ["at /home/me"]}


def fail(book: Path, model: str = "pico-14k", step: int = 16, told: str = "KeyError: 'x'") -> Path:
    """Let a run of `loss` be one that failed, as the runner keeps it; the path of its notebook."""
    path = book / f"runs/pico/loss/{model}/step{step:06d}.failed.ipynb"
    cells = cell_notebook("loss", model, step)
    cells[2] = code("1 + 1", [shown(**{"text/plain": "before"}), error()])
    cells[3]["execution_count"], cells[3]["outputs"] = None, []
    pointer = markdown("An Exception was encountered at [3]")
    pointer["metadata"] = {"tags": ["papermill-error-cell-tag"]}
    meta = {"papermill": {"exception": True}, "pythia": {"error": told}}
    write_notebook(path, [pointer, *cells], **meta)
    path.with_name(f"step{step:06d}.ipynb").unlink(missing_ok=True)
    path.with_name(f"step{step:06d}.parquet").unlink(missing_ok=True)
    return path


def test_a_run_that_failed_has_a_page_that_says_why_and_shows_what_ran_before(book):
    fail(book)
    pages = stage(book, "pico")
    page = staged(book, CELL)
    text = texts(page)
    assert title_of(page).endswith("`pico-14k`, step 16")
    assert 'href="step000512.html"' in text
    assert ":::{admonition} This run failed" in text
    assert "KeyError: 'x'" in text
    assert "in no figure" in text
    assert "`pythia run loss --model pico-14k --steps 16 --profile tiny`" in text
    assert "Exception was encountered" not in text
    assert "watermark" not in text  # it did not come to that
    outputs = [out for cell in page["cells"] for out in cell.get("outputs", ())]
    assert [out["output_type"] for out in outputs] == ["display_data"]
    assert [(page.path, page.error) for page in pages if page.error] == [(CELL, "KeyError: 'x'")]


def test_the_list_of_runs_marks_what_failed_and_says_why(book):
    fail(book, told="OSError: a | b")
    stage(book, "pico")
    runs = (book / build.STAGED / "runs.md").read_text()
    assert f"[16]({CELL}) {{abbr}}`failed (step 16: OSError: a \\| b)`" in runs
    assert f"- [pico-14k, step 16]({CELL}): OSError: a \\| b\n" in runs


def test_many_failures_are_listed_in_a_box(book):
    for model in MODELS[:2]:
        for step in (*STEPS, 4, 8, 1000):
            fail(book, model, step)
    stage(book, "pico")
    runs = (book / build.STAGED / "runs.md").read_text()
    assert "{dropdown} 12 runs failed, and are in no figure" in runs
    assert runs.count(": KeyError: 'x'\n") == 12


def test_of_a_run_that_went_well_before_the_page_says_whose_numbers_are_drawn(book):
    path = fail(book)
    path.with_name("step000016.parquet").touch()
    stage(book, "pico")
    assert "numbers of an earlier run" in texts(staged(book, CELL))


def test_an_error_in_a_notebook_that_nobody_marked_is_told_too(book):
    place = book / "runs/pico/loss/pico-14k/step000016.ipynb"
    write_notebook(place, [code("fail()", [error()])])
    stage(book, "pico")
    assert "ValueError: first line no such token" in texts(staged(book, CELL))


def test_an_output_that_no_page_can_show_is_a_fault(book):
    write_notebook(book / "runs/pico/loss/pico-14k/step000016.ipynb", [code("1", [shown()])])
    stage(book, "pico")
    page = staged(book, CELL)
    assert "holds only application/vnd.pythia.records+json" in texts(page)
    assert not [out for cell in page["cells"] for out in cell.get("outputs", ())]


def test_what_is_no_notebook_is_told_on_its_page(book):
    (book / "runs/pico/loss/pico-14k/step000016.ipynb").write_text("{")
    stage(book, "pico")
    assert "step000016.ipynb is not a notebook" in texts(staged(book, CELL))


def test_a_chapter_that_failed_has_its_title_and_the_error(book):
    cells = [*chapter_notebook("loss")[:1], code("1 / 0", [error("ZeroDivisionError", "by 0")])]
    meta = {"papermill": {"exception": True}}
    write_notebook(book / "runs/pico/loss/chapter.failed.ipynb", cells, **meta)
    stage(book, "pico")
    page = staged(book, "experiments/loss.ipynb")
    assert title_of(page) == "# Validation loss"
    assert "ZeroDivisionError: by 0" in cell_of(page, "failed")["source"]
    assert "`pythia book --suite pico`" in cell_of(page, "failed")["source"]
    assert not [out for cell in page["cells"] for out in cell.get("outputs", ())]


def test_failures_of_another_suite_are_not_on_the_site(book):
    write_notebook(book / "runs/nano/loss/nano-7k/step000000.failed.ipynb", [])
    assert not [page for page in stage(book, "pico") if page.error]


@pytest.mark.parametrize("name", [".partial-0a1b2c3d4e5f", ".partial-1.ipynb", ".partial-1.md"])
def test_what_a_killed_writer_left_is_no_page_and_stops_nothing(book, name):
    places = ("runs/pico/loss/pico-7k", "runs/pico/loss", "_build/source/cells/pico")
    stage(book, "pico")
    for place in places:
        (book / place / name).write_text('{"cells": [')
    assert len(stage(book, "pico")) == len(EXPERIMENTS) * len(MODELS) * len(STEPS)
    assert not list((book / build.STAGED).rglob(".partial-*"))


# --- a site from some experiments


def test_a_site_from_some_experiments_has_no_other_chapter_run_or_status(book):
    stage(book, "pico", ["grammar"])
    folder = book / build.STAGED
    assert [path.name for path in (folder / "experiments").iterdir()] == ["grammar.ipynb"]
    assert [path.name for path in (folder / "cells/pico").iterdir()] == ["grammar"]
    assert "experiments/loss" not in (folder / "_toc.yml").read_text()
    for name in ("runs.md", "status.md", "parts/gallery.md"):
        text = (folder / name).read_text()
        assert "Grammar" in text
        assert "Validation loss" not in text


def test_a_link_to_a_chapter_that_is_not_there_leads_to_the_repository_and_says_so(book):
    stage(book, "pico", ["grammar"])
    source = f"{links.REPOSITORY}/blob/main/book/experiments/loss.ipynb"
    page = texts(staged(book, "pages/quickstart.ipynb"))
    assert f"[Loss]({source}) (not on this site), [all](../runs.md)." in page
    stage(book, "pico")
    assert "[Loss](../experiments/loss.ipynb), " in texts(staged(book, "pages/quickstart.ipynb"))


def test_a_chapter_without_records_is_not_in_the_book_and_stops_nobody(book):
    for path in (book / "runs/pico/grammar").glob("*/*.parquet"):
        path.unlink()
    (book / "runs/pico/grammar/chapter.ipynb").unlink()
    stage(book, "pico")
    assert "grammar" not in (book / build.STAGED / "_toc.yml").read_text()


def test_an_experiment_that_is_named_and_has_no_records_is_told_with_the_command(book):
    config = experiments.load_config(book)
    shutil.rmtree(book / "runs/pico/grammar")
    with pytest.raises(UsageError, match=r"'grammar' has no records.*run grammar --profile tiny"):
        contents.choose(config, "pico", ["grammar", "loss"])
    with pytest.raises(UsageError, match=r"no records of suite 'nano'.*--suite nano --model MODEL"):
        contents.choose(config, "nano")
    with pytest.raises(UsageError, match="nearest: loss"):
        contents.choose(config, "pico", ["los"])


def test_a_page_about_records_is_there_if_one_of_its_experiments_is(book):
    config = experiments.load_config(book)
    pages = {
        name: experiments.BookPage(name, book / f"{name}.ipynb", records=(name,))
        for name in EXPERIMENTS
    }
    chosen = contents.choose(replace(config, pages=pages), "pico", ["loss"])
    assert [page.name for page in chosen.pages] == ["loss"]


# --- staging


def test_a_cell_page_says_its_model_and_step_in_its_title(book):
    stage(book, "pico")
    first = title_of(staged(book, CELL))
    assert first == "# Measured at one checkpoint: `pico-14k`, step 16"


def test_a_notebook_without_a_heading_gets_its_experiments_title(book):
    write_notebook(book / "runs/pico/loss/pico-14k/step000016.ipynb", [code("1")])
    stage(book, "pico")
    assert title_of(staged(book, CELL)) == "# Validation loss: `pico-14k`, step 16"


def test_cell_pages_are_orphans_and_chapters_are_not(book):
    stage(book, "pico")
    assert staged(book, CELL)["metadata"]["orphan"] is True
    assert "orphan" not in staged(book, "experiments/loss.ipynb")["metadata"]


def test_every_link_between_pages_leads_to_a_staged_page(book):
    stage(book, "pico")
    pages = list((book / build.STAGED).rglob("*.ipynb"))
    links = []
    for page in pages:
        text = texts(json.loads(page.read_text()))
        targets = re.findall(r"\]\(([^):#]+\.(?:ipynb|md))\)", text)
        written = re.findall(r'href="([^":#]+)\.html"', text)
        assert len(written) > 5 or "cells" not in page.parts
        links += [(page.parent / target).resolve() for target in targets]
        links += [(page.parent / target).resolve() for target in written]
    assert [at for at in links if not (at.is_file() or any(at.parent.glob(f"{at.name}.*")))] == []


def test_a_link_of_the_source_is_made_right_for_the_place_of_the_page(book):
    stage(book, "pico")
    assert "[chapter](../../../../experiments/loss.ipynb)" in texts(staged(book, CELL))
    chapter = texts(staged(book, "experiments/loss.ipynb"))
    assert "(../reading.md)" in chapter
    assert "[all](../runs.md)" in chapter
    assert f"({links.REPOSITORY}/blob/main/notebooks/loss.ipynb)" in chapter


def test_a_link_to_nothing_is_named(book):
    write_notebook(book / "runs/pico/loss/chapter.ipynb", [markdown("# L", "[x](../../gone.md)")])
    with pytest.raises(SiteError, match=r"loss\.ipynb links to \.\./\.\./gone\.md"):
        stage(book, "pico")


def test_parameters_lose_papermills_comment_and_watermarks_are_tagged(book):
    stage(book, "pico")
    cells = staged(book, CELL)["cells"]
    (parameters,) = [c for c in cells if "injected-parameters" in c["metadata"].get("tags", ())]
    assert parameters["source"].startswith("suite = ")
    assert "remove-cell" in parameters["metadata"]["tags"]  # there is a table of them
    assert {"watermark", "remove-input"} <= set(cells[-2]["metadata"]["tags"])


def test_staging_again_touches_nothing(book):
    stage(book, "pico")
    before = {p: p.stat().st_mtime_ns for p in (book / build.STAGED).rglob("*")}
    stage(book, "pico")
    assert {p: p.stat().st_mtime_ns for p in (book / build.STAGED).rglob("*")} == before


def test_a_changed_run_changes_only_its_own_page(book):
    stage(book, "pico")
    before = {p: p.stat().st_mtime_ns for p in (book / build.STAGED).rglob("*.*")}
    write_notebook(book / "runs/pico/loss/pico-14k/step000016.ipynb", [markdown("# New")])
    stage(book, "pico")
    changed = {p for p, mtime in before.items() if p.stat().st_mtime_ns != mtime}
    assert changed == {book / build.STAGED / CELL}


def test_the_status_page_tells_of_each_experiment_and_page(book):
    stage(book, "pico")
    text = (book / build.STAGED / "status.md").read_text()
    for title in (*EXPERIMENTS.values(), "Quickstart"):
        assert f"\n## {title}\n" in text
    assert "| **all** | 0 | 0 | 0 | 21 |" in text  # files lie there, but nothing says that they ran


def test_pages_whose_run_is_gone_are_removed(book):
    stage(book, "pico")
    shutil.rmtree(book / "runs/pico/loss/pico-14k")
    pages = stage(book, "pico")
    assert not (book / build.STAGED / CELL).parent.exists()
    assert {page.model for page in pages if page.experiment == "loss"} == set(MODELS) - {"pico-14k"}
    assert "pico/loss/pico-14k" not in (book / build.STAGED / "runs.md").read_text()


def test_staging_removes_links_and_not_what_they_lead_to(book, tmp_path_factory):
    mine = tmp_path_factory.mktemp("mine")
    (mine / "thesis.md").write_text("precious")
    stage(book, "pico")
    (book / build.STAGED / "folder").symlink_to(mine)
    (book / build.STAGED / "thesis.md").symlink_to(mine / "thesis.md")
    stage(book, "pico")
    assert not [path for path in (book / build.STAGED).rglob("*") if path.is_symlink()]
    shutil.rmtree(book / build.STAGED)
    (book / build.STAGED).symlink_to(mine)
    with pytest.raises(SiteError, match=r"leads out of .*; remove the link"):
        stage(book, "pico")
    assert (mine / "thesis.md").read_text() == "precious"


def test_a_chapter_that_was_not_run_stops_staging_with_the_command_to_run(book):
    (book / "runs/pico/grammar/chapter.ipynb").unlink()
    with pytest.raises(SiteError, match=r"chapter of 'grammar'.*pythia book --suite pico"):
        stage(book, "pico")


def test_a_page_that_runs_is_staged_and_linked_like_a_chapter(book):
    stage(book, "pico")
    page = staged(book, "pages/quickstart.ipynb")
    assert "[Loss](../experiments/loss.ipynb), [all](../runs.md)" in texts(page)
    assert "orphan" not in page["metadata"]
    assert "watermark" in page["cells"][-1]["metadata"]["tags"]
    assert "[quickstart](../../../../pages/quickstart.ipynb)" in texts(staged(book, CELL))
    assert "## Quickstart\n" in (book / build.STAGED / "status.md").read_text()


def test_a_page_that_was_not_run_stops_staging_and_one_of_other_suites_is_shown_as_it_is(book):
    (book / "runs/pico/quickstart/chapter.ipynb").unlink()
    with pytest.raises(SiteError, match=r"page 'quickstart'.*pythia train pico --models pico-7k"):
        stage(book, "pico")
    config = yaml.safe_load((book / "experiments.yml").read_text())
    config["pages"]["quickstart"]["models"] = ["nano-7k"]
    (book / "experiments.yml").write_text(yaml.safe_dump(config))
    stage(book, "pico")
    assert title_of(staged(book, "pages/quickstart.ipynb")) == "# Not run"


def test_a_book_without_such_pages_has_none_in_its_contents():
    template = (ROOT / "book/_toc.yml").read_text()
    contents = yaml.safe_load(tables.table_of_contents(template, [], [], ["one"]))
    assert contents["parts"][0]["chapters"][0] == {"file": "suites"}
    contents = yaml.safe_load(tables.table_of_contents(template, [], ["one", "two"], ["three"]))
    files = [entry["file"] for entry in contents["parts"][0]["chapters"]]
    assert files[:3] == ["pages/one", "pages/two", "suites"]


def test_an_unknown_suite_is_a_usage_error(book):
    with pytest.raises(UsageError, match="nearest: pico"):
        contents.choose(experiments.load_config(book), "picoo")


def test_the_contents_list_chapters_in_the_order_of_experiments_yml(book):
    stage(book, "pico")
    contents = yaml.safe_load((book / build.STAGED / "_toc.yml").read_text())
    files = [entry["file"] for part in contents["parts"] for entry in part["chapters"]]
    chapters = [f"experiments/{name}" for name in EXPERIMENTS]
    assert [file for file in files if "experiments/" in file] == chapters


def test_all_runs_has_a_link_for_every_page_and_no_other(book):
    pages = stage(book, "pico")
    links = re.findall(r"\]\((cells/[^)]+)\)", (book / build.STAGED / "runs.md").read_text())
    assert sorted(links) == sorted(page.path for page in pages)


def test_runs_with_other_parameters_are_listed_and_apart(book):
    usual = book / "runs/pico/loss/pico-7k" / "step000512.ipynb"
    for name in ("pairs_from=my-pairs.csv", "note=5"):
        shutil.copy(usual, usual.with_name(f"step000512@{name}.ipynb"))
    shutil.copy(usual, usual.with_name("step000512@note=5.failed.ipynb"))
    pages = stage(book, "pico")
    place = "cells/pico/loss/pico-7k/step000512@pairs_from=my-pairs.csv.ipynb"
    runs = (book / build.STAGED / "runs.md").read_text()
    assert f"- [pico-7k, step 512: `pairs_from=my-pairs.csv`]({place})" in runs
    assert len([page for page in pages if page.parameters]) == 2
    text = (book / build.STAGED / place).read_text()
    assert "step 512, `pairs_from=my-pairs.csv`" in text
    assert 'href="step000512.html">usual</a>' in texts(json.loads(text))
    assert "step000000" not in text  # neighbours have the same parameters
    assert "my-pairs" not in (book / build.STAGED / CELL).read_text()


def test_runs_may_lie_elsewhere(book, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    (book / "runs").rename(elsewhere)
    monkeypatch.setenv("PYTHIA_RUNS", str(elsewhere))
    assert len(stage(book, "pico")) == len(EXPERIMENTS) * len(MODELS) * len(STEPS)


def test_suite_tables_tell_every_size_once_and_whose_it_is():
    text = tables.suite_tables(catalog.suite("pico"))
    for name, origin in (
        ("Pico", "trained by this project"),
        ("Pythia", "published by EleutherAI"),
    ):
        assert f"### {name}, {origin}" in text
    (row,) = re.findall(r"^\| 12b .*$", text, re.MULTILINE)
    assert "11,846,072,320" in row
    assert "1.2e-4" in row
    assert "P#205" in text


# --- building


def test_missing_scripts_are_asked_for_before_anything_is_built(book):
    with pytest.raises(SiteError, match=r"python book/fetch_assets\.py"):
        build.build(book)
    assert not (book / "_build").exists()


def fetch_assets():
    spec = importlib.util.spec_from_file_location("fetch_assets", ROOT / "book/fetch_assets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_scripts_that_a_build_needs_are_those_that_are_fetched():
    assert {asset.path.name for asset in fetch_assets().ASSETS} == set(build.SCRIPTS)


def test_fetching_does_nothing_when_all_is_there(monkeypatch):
    module = fetch_assets()
    if not all(asset.is_there() for asset in module.ASSETS):
        pytest.skip("the scripts have not been fetched")
    monkeypatch.setattr(module, "fetch", lambda asset: pytest.fail(f"fetched {asset.package}"))
    assert module.main() == 0


@pytest.fixture(scope="module")
def small_site(tmp_path_factory) -> Path:
    """The made-up book, staged and built; the folder of the project."""
    if not (ROOT / build.VENDOR).is_dir():
        pytest.skip("the scripts have not been fetched")
    root = make_book(tmp_path_factory.mktemp("book"))
    shutil.copytree(ROOT / build.VENDOR, root / build.VENDOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHIA_RUNS", raising=False)
        assert publish(root, "pico") == root / "_build/html/index.html"
    return root


def test_a_build_holds_every_page_and_links_nothing_from_other_hosts(small_site):
    html = small_site / "_build/html"
    pages = list((html / "cells").rglob("*.html"))
    assert len(pages) == len(EXPERIMENTS) * len(MODELS) * len(STEPS)
    for page in html.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe)[^>]+src=\"(https?:)?//", page.read_text())
        loaded += re.findall(r"<link[^>]+stylesheet[^>]+href=\"(https?:)?//", page.read_text())
        assert loaded == [], page


def test_big_scripts_load_only_where_they_are_used(small_site):
    html = small_site / "_build/html"
    assert not re.search(r"src=\"[^\"]*vega", (html / "experiments/loss.html").read_text())
    assert "tex-svg" not in (html / "references.html").read_text()
    assert "tex-svg" in (html / "suites.html").read_text()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_exercises_count_from_one_on_each_page_and_fold_their_solutions(small_site, experiment):
    page = (small_site / f"_build/html/experiments/{experiment}.html").read_text()
    assert re.findall(r"Exercise (\d) </span> \(Count\)", page) == ["1", "2"]
    folded = re.findall(r'class="([^"]*)"', page)
    folded = [set(c.split()) for c in folded if {"dropdown", "admonition"} <= set(c.split())]
    assert ["solution" in each for each in folded] == [False, True, False, True]
    names = re.findall(r' id="([^"]+)"', page)
    assert len(names) == len(set(names))


def test_what_this_site_has_not_is_named_without_a_link(small_site):
    page = (small_site / "_build/html/teach.html").read_text()
    there = re.search(r'<a [^>]*href="experiments/grammar\.html"[^>]*><span[^>]*>Grammar<', page)
    assert there
    for away in ("Induction", "Seeds and stability", "The hardest pairs"):
        assert re.search(rf"(?<!<)<span[^>]*>{away}</span>(?!</a>)", page)
        assert not re.search(rf"<a [^>]*><span[^>]*>{away}<", page)


def test_a_function_is_shown_as_its_docstring_is_written(small_site):
    page = (small_site / "_build/html/api.html").read_text()
    entry = page.partition('id="pythia_utils.training_data.source.read_batch"')[2]
    entry = re.sub("<[^>]+>", "", entry.partition("doctest")[0])
    assert "Token ids: a row a sequence" in entry
    fields = re.findall("(Parameters|Returns|Return type|Raises):", entry)
    assert fields == ["Parameters", "Returns", "Return type", "Raises"]


def test_building_again_renders_only_what_changed(small_site, capsys, monkeypatch):
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    page = small_site / "_build/html" / CELL.replace(".ipynb", ".html")
    other = page.with_name("step000000.html")
    before = page.stat().st_mtime_ns, other.stat().st_mtime_ns
    source = small_site / "runs/pico/loss/pico-14k/step000016.ipynb"
    write_notebook(source, [markdown("# Measured anew at one checkpoint")])
    publish(small_site, "pico")
    assert page.stat().st_mtime_ns != before[0]
    assert other.stat().st_mtime_ns == before[1]
    assert "<title>Measured anew at one checkpoint: pico-14k, step 16" in page.read_text()


def test_a_changed_style_sheet_reaches_the_site_though_no_page_has_changed(small_site, monkeypatch):
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    style = small_site / "book/_static/book.css"
    style.write_text(style.read_text() + "\n/* new */\n")
    publish(small_site, "pico")
    bundle = (small_site / "_build/html/_static/bundle.css").read_text()
    assert "/* new */" in bundle
    assert "--pst-color-primary" in bundle  # the theme's are still there


def test_a_page_whose_run_is_gone_leaves_the_site(small_site, monkeypatch):
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    gone = small_site / "runs/pico/grammar/pico-7k-deduped"
    pages = [
        small_site / "_build/html/cells/pico/grammar/pico-7k-deduped",
        small_site / "_build/html/_sources/cells/pico/grammar/pico-7k-deduped",
    ]
    assert all(page.is_dir() for page in pages)
    shutil.rmtree(gone)
    publish(small_site, "pico")
    assert not any(page.exists() for page in pages)
    assert (pages[0].parent / "pico-7k").is_dir()


def test_a_warning_stops_the_build_each_time_and_is_shown(small_site, monkeypatch):
    monkeypatch.delenv("PYTHIA_RUNS", raising=False)
    source = small_site / "runs/pico/loss/pico-7k/step000016.ipynb"
    good = source.read_text()
    write_notebook(source, [markdown("# Bad", "", "{doc}`/nowhere`")])
    stage(small_site, "pico")
    for _ in range(2):
        with pytest.raises(SiteError, match=r"step000016\.ipynb.*nowhere"):
            build.build(small_site)
    source.write_text(good)
    os.utime(source)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_jupyter_book_ends_with_the_command(small_site, end):
    script = "import sys\nfrom pathlib import Path\nfrom pythia_utils.site import build\n"
    script += "build.build(Path(sys.argv[1]))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", script, str(small_site)], env=env) as command:
        assert wait_until(lambda: psutil.Process(command.pid).children(), 30)
        (child,) = psutil.Process(command.pid).children()
        command.send_signal(end)
        command.wait()
        assert wait_until(lambda: not is_running(child.pid), 5)


# --- one at a time


def test_a_second_build_in_a_folder_is_refused_whatever_its_runs(book, tmp_path, monkeypatch):
    def at_work(*_):
        monkeypatch.setenv("PYTHIA_RUNS", str(elsewhere))
        with pytest.raises(FolderInUse, match=r"another book works in .*_build"):
            publish(book, "pico")
        raise SiteError("seen")

    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(book / "runs", elsewhere)
    monkeypatch.setattr(build, "stage", at_work)
    with pytest.raises(SiteError, match="seen"):
        publish(book, "pico")


def test_one_lock_covers_chapters_staging_and_build(book, monkeypatch):
    def is_held(*_, **__):
        with pytest.raises(FolderInUse, match="another run works in"), locked(book / "runs", "run"):
            pass
        held.append(True)
        return [] if len(held) == 1 else (book, {})

    held: list[bool] = []
    monkeypatch.chdir(book)
    monkeypatch.setattr(runner, "run", is_held)
    monkeypatch.setattr(build, "publish", is_held)
    done = CliRunner().invoke(main.cli, ["book"], catch_exceptions=False)
    assert (done.exit_code, held) == (0, [True, True])
