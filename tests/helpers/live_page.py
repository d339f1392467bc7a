"""A page with the scripts of book/_static/live/ and nothing of Sphinx: to ask models in a browser at once."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers.commands import ROOT

from pythia_utils.site import live
from pythia_utils.suites import catalog

ENGINE = ("space", "tokenizer", "weights", "network", "questions", "worker")
_SOURCES = ROOT / "book" / "_static"


def make_site(folder: Path, suite: str) -> Path:
    """A folder with the scripts, and the models of a suite that are trained."""
    static = folder / "_static"
    shutil.copytree(_SOURCES / "live", static / "live")
    shutil.copy(_SOURCES / "live.js", static / "live.js")
    live.publish(catalog.suite(suite), static)
    return folder


def write_page(folder: Path, name: str, body: str = "") -> Path:
    """A page as the site has it: `body` within an article, the style sheet of the book."""
    style = (_SOURCES / "book.css").read_text(encoding="utf-8")
    path = folder / f"{name}.html"
    path.write_text(
        f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>t</title><style>{style}</style>'
        f'<main class="bd-article"><h1>t</h1><div class="cell_output">{body}</div></main>'
        '<script src="_static/live.js"></script></html>',
        encoding="utf-8",
    )
    return path


def open_engine(page, folder: Path) -> None:
    """Open a page that has the computing scripts and the vocabulary, and keeps the weights it gets in `got`."""
    page.goto(write_page(folder, "engine").as_uri())
    for name in ENGINE:
        page.add_script_tag(url=(folder / f"_static/live/{name}.js").as_uri())
    page.evaluate(
        """() => {
             globalThis.got = {};
             live.receive = (model, step, text) => (got[`${model} ${step}`] = live.halves(text));
             live.receiveModels = (models) => (live.models = models);
             live.receiveVocabulary = (told) => (globalThis.tokenizer = new live.Tokenizer(told));
             globalThis.network = (model, step, config) => {
               const halves = got[`${model} ${step}`];
               return new live.Network(config, live.unpack(halves, config, live.checksum(halves)));
             };
           }"""
    )
    for name in ("models", "vocabulary"):
        page.add_script_tag(url=(folder / f"_static/checkpoints/{name}.js").as_uri())


def load_weights(page, script: Path) -> None:
    """Load a checkpoint's script into such a page."""
    page.add_script_tag(url=script.as_uri())
