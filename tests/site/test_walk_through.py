"""*Add an experiment*, followed to the letter: its files, its commands, and what it says is to be seen.

The page is read as its reader does. "Make a new notebook, `X`" makes X. Each block of the section is a cell,
with the words after "Tags:" in the paragraph above as its tags. The YAML goes to the end of its file as it is.
Commands are run in the order of the page, and the text below a command is what it must say (`…` is anything).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import copy_of_the_book
from helpers.commands import ROOT, pythia

from pythia_utils.nano import interventions
from pythia_utils.suites import catalog

PAGE = (ROOT / "book/add-experiment.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBERS = {"one": 1, "two": 2, "four": 4, "eight": 8}
NAME = "word_order"


@dataclass(frozen=True)
class Block:
    """A block of the page: its language, what is in it, and the paragraph above it."""

    language: str
    text: str
    above: str


def section(beginning: str) -> str:
    """The text of the section whose heading begins so; headings within blocks are none."""
    hidden = FENCE.sub(lambda block: "." * len(block[0]), PAGE)
    starts = [match.start() for match in re.finditer(r"^## ", hidden, re.MULTILINE)]
    (found,) = [n for n, start in enumerate(starts) if PAGE[start + 3 :].startswith(beginning)]
    return PAGE[starts[found] : [*starts, len(PAGE)][found + 1]]


def blocks(text: str) -> Iterator[Block]:
    end = 0
    for match in FENCE.finditer(text):
        above = text[end : match.start()].strip().split("\n\n")[-1]
        yield Block(match[1], match[2], above)
        end = match.end()


def told(pattern: str, text: str) -> tuple[int, ...]:
    """The numbers that a sentence tells in words: `NUMBER` in the pattern stands for each."""
    words = "|".join(NUMBERS)
    pattern = pattern.replace(" ", r"\s+").replace("NUMBER", f"({words})")
    found = re.search(pattern, text)
    assert found, pattern
    return tuple(NUMBERS[word] for word in found.groups())


# --- the files


def cell(block: Block) -> dict:
    _, _, tags = block.above.partition("Tags:")
    metadata = {"tags": re.findall(r"`([\w-]+)`", tags)} if tags else {}
    made = {"metadata": metadata, "source": block.text.rstrip("\n")}
    if block.language == "markdown":
        return made | {"cell_type": "markdown"}
    assert block.language == "python", block
    return made | {"cell_type": "code", "outputs": [], "execution_count": None}


def write_notebook(project: Path, text: str) -> Path:
    """The notebook of a section, as JupyterLab would save it."""
    path = project / re.search(r"Make (?:a new|another) notebook, `(.*?)`", text)[1]
    assert not path.exists()
    cells = [cell(block) | {"id": f"cell-{n}"} for n, block in enumerate(blocks(text))]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}}
    path.write_text(json.dumps(whole | {"cells": cells}))
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The book's files, with what the page says to write."""
    project = copy_of_the_book(tmp_path_factory.mktemp("walk") / "book")
    for number in ("1.", "2."):
        write_notebook(project, section(number))
    entry = section("3.")
    (block,) = blocks(entry)
    path = project / re.search(r"at the end of `(.*?)`", entry)[1]
    path.write_text(path.read_text() + block.text)
    return project


# --- the commands


@dataclass(frozen=True)
class Said:
    """A block of commands: what they were, what each answered, and what the page says that they do."""

    commands: list[str]
    answers: list[subprocess.CompletedProcess]
    shown: list[str]


@pytest.fixture(scope="module")
def followed(project, trained_home) -> list[Said]:
    """The section's commands as they were run; of the last block, the whole grid, what it would run."""
    found: list[Said] = []
    text = section("4.")
    last = [block for block in blocks(text) if block.language == "bash"][-1]
    for block in blocks(text):
        if block.language == "text":
            found[-1].shown.append(block.text)
            continue
        assert block.language == "bash", block
        commands = block.text.splitlines()
        if block == last:
            assert commands.pop() == "pythia book"
            commands = [f"{line} --dry-run" for line in commands]
        found.append(Said(commands, [run(line, project, trained_home) for line in commands], []))
    return found


def run(line: str, project: Path, home: Path) -> subprocess.CompletedProcess:
    program, *arguments = shlex.split(line)
    assert program == "pythia"
    return pythia(*arguments, cwd=project, home=home)


def test_commands_say_what_the_page_shows(followed):
    assert sum(len(said.shown) for said in followed) == 3
    for said in followed:
        answer = "".join(done.stdout + done.stderr for done in said.answers)
        for line in "".join(said.shown).splitlines():
            wanted = ".*".join(map(re.escape, line.split("…")))
            assert re.search(rf"^{wanted}$", answer, re.MULTILINE), (line, answer)


def test_commands_end_well_but_for_the_mistake(followed):
    pairs = [pair for said in followed for pair in zip(said.commands, said.answers, strict=True)]
    codes = {line: done.returncode for line, done in pairs}
    assert {line: code for line, code in codes.items() if code} == {
        f"pythia run {NAME} --profile tiny -p documnets=3": 2
    }


def test_the_usual_grid_is_as_large_as_the_page_says(followed):
    models, steps = told("NUMBER models at NUMBER steps, and build the whole", section("4."))
    runs = [line for line in followed[-1].answers[0].stdout.splitlines() if f"/{NAME}/" in line]
    assert len(runs) == models * steps


# --- what is to be seen


def outputs(path: Path) -> list[dict]:
    cells = json.loads(path.read_text())["cells"]
    return [out for cell in cells for out in cell.get("outputs", ())]


def test_the_notebook_that_ran_shows_each_thing_once(followed, project):
    text = section("4.")
    path = project / re.search(r"Look at the notebook that was run, `(.*?)`", text)[1]
    figures, tables, rows = told(
        r"It has NUMBER figure, the histogram of\s+four margins; NUMBER table of NUMBER rows", text
    )
    found = outputs(path)
    assert {out["output_type"] for out in found} == {"display_data"}  # no value of a last line
    assert sum("image/png" in out["data"] for out in found) == figures
    shown = [out["data"]["text/html"] for out in found if "text/html" in out["data"]]
    assert len(shown) == tables
    assert "".join(shown[0]).count("<tr") == 1 + rows
    assert "Watermark" in "".join(found[-1]["data"]["text/markdown"])


def test_the_site_is_as_the_page_says(followed, project):
    text = section("4.")
    site = project / re.search(r"the site's front page, `(.*?)`", text)[1]
    chapter = (site.parent / f"experiments/{NAME}.html").read_text(encoding="utf-8")
    assert site.is_file()
    assert re.search(r"<nav.*Word order</a>", site.read_text(encoding="utf-8"), re.DOTALL)
    models, steps = told("the heatmap, NUMBER models by NUMBER steps", text)
    links = set(re.findall(rf"cells/pico/{NAME}/(\S+?)/(\S+?)\.html", chapter))
    assert (len({m for m, _ in links}), len({s for _, s in links})) == (models, steps)
    (figures,) = told("and NUMBER figure below it", text)
    shown = outputs(project / f"runs/pico/{NAME}/chapter.ipynb")
    assert sum("image/png" in out["data"] for out in shown) == figures
    assert len(re.findall(r'<img [^>]*src="[./]*_images/', chapter)) == figures
    (runs,) = told("lists the NUMBER runs", text)
    listed = (site.parent / "runs.html").read_text(encoding="utf-8")
    assert len(set(re.findall(rf'href="cells/pico/{NAME}/[^"#]+', listed))) == runs
    assert "not on this site" in chapter


# --- the intervention


def test_the_intervention_of_the_page_does_what_it_says(monkeypatch):
    (function, *_) = [b for b in blocks(section("An intervention")) if b.language == "python"]
    monkeypatch.setattr(interventions, "INTERVENTIONS", dict(interventions.INTERVENTIONS))
    exec(function.text, vars(interventions))
    change = interventions.INTERVENTIONS["no-colours"].make(None)
    assert (
        change("The favourite colour of Mira is blue.") == "The favourite colour of Mira is grey."
    )


def test_the_line_of_the_page_lists_its_models_with_their_suite(tmp_path):
    """Below the last line of `models:`, as it stands."""
    (line,) = [b.text for b in blocks(section("An intervention")) if b.language == "yaml"]
    shutil.copytree(catalog.data_dir() / "suites", tmp_path / "suites")
    text = (tmp_path / "suites/pico.yml").read_text()
    listed = re.search(r"^models:\n(?:  .*\n)+", text, re.MULTILINE)
    after = yaml.safe_load(text[: listed.end()] + line + text[listed.end() :])["models"]
    before = yaml.safe_load(text)["models"]
    assert after[:-1] == before
    assert set(after[-1]) == set(before[-1])
    assert after[-1]["interventions"] == ["no-colours"]
