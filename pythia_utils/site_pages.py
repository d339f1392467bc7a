"""The text of every page that staging makes: executed notebooks made ready, and generated Markdown.

Nothing here touches a file but to read notebooks; `pythia_utils.site` writes what it returns.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_utils import suites
from pythia_utils.experiments import Experiment


class SiteError(Exception):
    """The site cannot be built; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True)
class Page:
    """The executed notebook of one cell of the grid.

    Attributes:
        experiment: the experiment's name.
        model: the model's name.
        step: the checkpoint's step.
        source: `runs/<suite>/<experiment>/<model>/stepNNNNNN.ipynb`.
    """

    experiment: str
    model: str
    step: int
    source: Path

    @property
    def path(self) -> str:
        """Its place among the staged files; the same below the site's folder, as .html."""
        return "cells/" + "/".join(self.source.parts[-4:])


def read_notebook(path: Path) -> dict:
    """A notebook's JSON.

    Raises:
        SiteError: the file is not a notebook.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        notebook["cells"], notebook["metadata"]
    except (ValueError, KeyError, TypeError) as error:
        raise SiteError(f"{path} is not a notebook: {error}") from None
    return notebook


def chapter(source: Path) -> str:
    """The staged text of a chapter."""
    return _dump(_tidy(read_notebook(source)))


def cell_page(page: Page, pages: Sequence[Page], experiment: Experiment) -> str:
    """The staged text of a cell: model and step in its title, links to its neighbours below."""
    notebook = _tidy(read_notebook(page.source))
    # Orphans stay out of the sidebar; hundreds of like pages would bury the chapters in the search.
    notebook["metadata"] |= {"orphan": True, "nosearch": True}
    title, rest = _split_title(notebook["cells"], experiment.title)
    heading = _markdown("page-title", f"# {title}: {page.model}, step {page.step}")
    links = _markdown("page-navigation", _navigation(page, pages, experiment))
    notebook["cells"] = [heading, links, *rest]
    return _dump(notebook)


def _tidy(notebook: dict) -> dict:
    """Drop papermill's heading comment, as the page has a title for it; tag the watermark's cell."""
    for cell in notebook["cells"]:
        tags = cell.setdefault("metadata", {}).setdefault("tags", [])
        source = "".join(cell["source"])
        if "injected-parameters" in tags:
            cell["source"] = re.sub(r"\A# Parameters\n", "", source)
        elif cell["cell_type"] == "code" and re.search(r"^[\w.]*watermark\(", source, re.MULTILINE):
            cell["metadata"]["tags"] = list(dict.fromkeys([*tags, "watermark", "remove-input"]))
    return notebook


def _split_title(cells: list[dict], default: str) -> tuple[str, list[dict]]:
    """The notebook's heading, and its cells without it."""
    first = cells[0] if cells else {}
    text = "".join(first["source"]) if first.get("cell_type") == "markdown" else ""
    match = re.match(r"\s*# +(?P<title>[^\n]+)\n*", text)
    if not match:
        return default, cells
    remaining = text[match.end() :]
    return match["title"].strip(), ([first | {"source": remaining}] if remaining else []) + cells[
        1:
    ]


def _markdown(identity: str, text: str) -> dict:
    return {"cell_type": "markdown", "id": identity, "metadata": {}, "source": text}


def _dump(notebook: dict) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _navigation(page: Page, pages: Sequence[Page], experiment: Experiment) -> str:
    """Links to the chapter, to this model's steps before and after, and to other sizes at this step."""
    alike = [other for other in pages if other.experiment == page.experiment]
    up = "../../../.."
    book = [f"Chapter: [{experiment.title}]({up}/experiments/{experiment.name}.ipynb)"]
    book = book if experiment.chapter else []
    lines = [" · ".join([*book, f"[All runs]({up}/runs.md)"]), _step_links(page, alike)]
    sizes = [other for other in alike if other.step == page.step and _same_run(other, page)]
    if len(sizes) > 1:
        lines.append(" · ".join(_size_link(other, page) for other in sizes))
    body = "\\\n".join(lines)
    return f'<nav class="page-nav" aria-label="Nearby runs">\n\n{body}\n\n</nav>'


def _step_links(page: Page, alike: list[Page]) -> str:
    steps = sorted(other.step for other in alike if other.model == page.model)
    here = steps.index(page.step)
    links = [f"[← step {step}](step{step:06d}.ipynb)" for step in steps[max(here - 1, 0) : here]]
    links += [f"**step {page.step}**"]
    links += [f"[step {step} →](step{step:06d}.ipynb)" for step in steps[here + 1 : here + 2]]
    return " · ".join(links)


def _same_run(one: Page, other: Page) -> bool:
    """Whether their models differ in nothing but their size."""
    kinds = [(m.variant, m.version, m.seed) for m in map(_model, (one, other))]
    return kinds[0] == kinds[1]


def _model(page: Page) -> suites.Model:
    return suites.find_model(page.model)


def _size_link(other: Page, page: Page) -> str:
    if other.model == page.model:
        return f"**{other.model}**"
    return f"[{other.model}](../{other.model}/step{other.step:06d}.ipynb)"


def table_of_contents(template: str, experiments: Sequence[Experiment]) -> str:
    """`book/_toc.yml` with the chapters, for which it has a pattern, in the order of experiments.yml."""
    pattern = re.compile(r"^( *)- glob: _executed/experiments/\*$", re.MULTILINE)
    files = [f"- file: _executed/experiments/{e.name}" for e in experiments if e.chapter]
    return pattern.sub(lambda match: "\n".join(match[1] + file for file in files), template)


def chapter_list(experiments: Sequence[Experiment]) -> str:
    """A Markdown list of the chapters, for inclusion."""
    return "".join(f"- {_chapter_link(e)}\n" for e in experiments if e.chapter)


def _chapter_link(experiment: Experiment) -> str:
    return f"{{doc}}`{experiment.title} </_executed/experiments/{experiment.name}>`"


def all_runs(suite: suites.Suite, experiments: Sequence[Experiment], pages: Sequence[Page]) -> str:
    """The page of all cells: a table for each experiment, models down and steps across."""
    parts = [
        "# All runs",
        f"Each number below is a training step. It leads to a page: one notebook, executed for one "
        f"model of the suite *{suite.title}* as it was after that step. {len(pages)} pages in all.",
    ]
    for experiment in experiments:
        own = {(p.model, p.step): p.path for p in pages if p.experiment == experiment.name}
        parts.append(f"## {experiment.title}")
        if experiment.chapter:
            parts.append(f"Chapter: {_chapter_link(experiment)}.")
        parts.append(_runs_table(own) if own else "Not run for this suite.")
    return "\n\n".join(parts) + "\n"


def _runs_table(paths: dict[tuple[str, int], str]) -> str:
    models = list(dict.fromkeys(model for model, _ in paths))
    steps = sorted({step for _, step in paths})
    rows = [[model, *(_step_link(paths, model, step) for step in steps)] for model in models]
    return _table(["model", "step", *[""] * (len(steps) - 1)], rows, "runs")


def _step_link(paths: dict, model: str, step: int) -> str:
    path = paths.get((model, step))
    return f"[{step}]({path})" if path else ""


def _table(header: list[str], rows: list[list[str]], kind: str) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]
    return "\n".join([f":::{{table}}\n:class: {kind}\n", *lines, ":::"])


def suite_tables(shown: suites.Suite) -> str:
    """For inclusion: the sizes of every suite, those trained here first, and Pythia's errata."""
    known = [suites.suite(name) for name in suites.suite_names()]
    parts = [f"The runs on this site are of the suite *{shown.title}*."]
    for suite in sorted(known, key=lambda suite: (suite.kind == "hub", len(suite.models))):
        origin = "published by EleutherAI" if suite.kind == "hub" else "trained by this project"
        parts += [f"### {suite.title}, {origin}", _protocol(suite), _sizes_table(suite)]
        if suite.errata:
            parts += [f"### {suite.title}: checkpoints with a known fault", _errata_table(suite)]
    return "\n\n".join(parts) + "\n"


def _protocol(suite: suites.Suite) -> str:
    training, model = suite.training, next(iter(suite.models.values()))
    tokens = training["batch_size"] * training["seq_length"]
    steps = ", ".join(str(step) for step in model.steps[:4])
    return (
        f"{len(suite.models)} models; {training['total_steps']:,} training steps of {tokens:,} tokens "
        f"({training['batch_size']:,} sequences of {training['seq_length']:,}). "
        f"{len(model.steps)} checkpoints each: steps {steps}, … {model.steps[-1]:,}."
    )


def _sizes_table(suite: suites.Suite) -> str:
    header = ["size", "layers", "width", "heads", "parameters without embeddings", "all parameters"]
    header += ["peak learning rate", "models"]
    rows = []
    for size in dict.fromkeys(model.size for model in suite.models.values()):
        group = [model for model in suite.models.values() if model.size == size]
        m = group[0]
        shape = (m.n_layers, m.d_model, m.n_heads, m.non_embedding_params, m.total_params)
        rows.append([size, *(f"{number:,}" for number in shape), _rate(m), _kinds(group)])
    return _table(header, rows, "suite")


def _rate(model: suites.Model) -> str:
    """`2.5e-4`."""
    digits, exponent = f"{model.learning_rate:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def _kinds(models: list[suites.Model]) -> str:
    """What there is of one size: `standard, deduped, 9 more seeds, v0`."""
    current = [model for model in models if not model.version]
    kinds = list(dict.fromkeys(model.variant for model in current))
    if more := len({model.seed for model in current}) - 1:
        kinds.append(f"{more} more seeds")
    return ", ".join(kinds + sorted({model.version for model in models} - {""}))


def _errata_table(suite: suites.Suite) -> str:
    rows = []
    for erratum in suite.errata:
        models = "all but v0" if len(erratum.models) > 3 else ", ".join(erratum.models)
        shown = ", ".join(str(step) for step in erratum.steps[:4])
        steps = shown if len(erratum.steps) <= 4 else f"{shown}, … ({len(erratum.steps)} steps)"
        rows.append([models, steps, erratum.text, erratum.source])
    return _table(["models", "steps", "what is odd", "source"], rows, "errata")
