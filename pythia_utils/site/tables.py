"""Pages and parts of pages that staging generates: lists, tables, the table of contents."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from pythia_utils.base.markup import code, markdown
from pythia_utils.grid.config import Experiment
from pythia_utils.site.cells.page import Page
from pythia_utils.suites import catalog
from pythia_utils.suites.errata import errata_to_mark, steps_in_words

_CROSS = "✗"
_COLUMNS = 24  # of a table; more steps are a list
_LISTED = 10  # failures that stand in the open


def table_of_contents(
    template: str,
    experiments: Sequence[Experiment],
    pages: Sequence[str],
    models: Sequence[str],
) -> str:
    """`book/_toc.yml`, its patterns replaced by pages in their order: experiments.yml's, and the models'."""
    chapters = [experiment.name for experiment in experiments if experiment.chapter]
    for folder, names in (("experiments", chapters), ("pages", pages), ("models", models)):
        pattern = re.compile(rf"^( *)- glob: {folder}/\*\n", re.MULTILINE)
        files = [f"- file: {folder}/{name}" for name in names]
        template = pattern.sub(
            lambda match, files=files: "".join(f"{match[1]}{file}\n" for file in files), template
        )
    return template


def _chapter_link(experiment: Experiment) -> str:
    return f"[{markdown(experiment.title)}](/experiments/{experiment.name}.ipynb)"


def shown_suite(suite: catalog.Suite, pages: Sequence[Page]) -> str:
    """For inclusion: whose runs the site shows, and how many."""
    models, steps = ({getattr(page, name) for page in pages} for name in ("model", "step"))
    counts = (
        f"{_counted(models, 'model')}, {_counted(steps, 'training step')}, {_counted(pages, 'run')}"
    )
    return f"**This site is of the suite *{markdown(suite.title)}*:** {counts}.\n"


def _counted(things: Collection, name: str) -> str:
    return f"{len(things):,} {name}{'s' * (len(things) != 1)}"


def all_runs(suite: catalog.Suite, experiments: Sequence[Experiment], pages: Sequence[Page]) -> str:
    """The page of all cells: a table for each experiment, models down and steps across.

    Where there are many steps each model has a list of them in a box that opens.
    """
    parts = [
        "# All runs",
        f"Each number below is a training step. It leads to a page: one notebook, executed for one "
        f"model of the suite *{markdown(suite.title)}* as it was after that step. {len(pages):,} pages in all.",
    ]
    for experiment in experiments:
        here = [page for page in pages if page.experiment == experiment.name]
        parts.append(f"## {markdown(experiment.title)}")
        if experiment.chapter:
            parts.append(f"Chapter: {_chapter_link(experiment)}.")
        parts += _runs_of(here) if here else ["Not run for this suite."]
    if any(_CROSS in part for part in parts):
        parts.append(f"{_CROSS} A checkpoint with a known erratum: {{doc}}`/suites` has them all.")
    return "\n\n".join(parts) + "\n"


def _runs_of(pages: Sequence[Page]) -> list[str]:
    """The runs of one experiment, those that failed once more with the reason."""
    own = {(page.model, page.step): page for page in pages if not page.parameters}
    parts = [_runs(own)] if own else []
    if others := [page for page in pages if page.parameters]:
        parts.append("With other parameters:\n\n" + "\n".join(map(_run_item, others)))
    if broken := [page for page in pages if page.error]:
        parts += failed_runs([(_run_item(page), page.error) for page in broken])
    return parts


def failed_runs(broken: Sequence[tuple[str, str]]) -> list[str]:
    """What failed and why: a list of items, with each one's error, in a box that opens if it is long."""
    listed = "\n".join(f"{item}: {markdown(error)}" for item, error in broken)
    count = len(broken)
    if count <= _LISTED:
        return [f"Failed, and so in no figure:\n\n{listed}"]
    return [folded(f"{count:,} runs failed, and are in no figure", listed)]


def folded(title: str, text: str) -> str:
    """A box that opens."""
    return f"::::{{dropdown}} {title}\n{text}\n::::"


def _run_item(page: Page) -> str:
    told = f"{markdown(page.model)}, step {page.step}"
    told += f": {code(page.parameters)}" if page.parameters else ""
    return f"- [{told}]({page.path})"


def _runs(pages: dict[tuple[str, int], Page]) -> str:
    models = list(dict.fromkeys(model for model, _ in pages))
    measured = {catalog.find_model(m): [s for model, s in pages if model == m] for m in models}
    faults = errata_to_mark(measured)
    steps = sorted({step for _, step in (*pages, *faults)})
    links = {m: [_step_link(pages, faults, m, step) for step in steps] for m in models}
    if len(steps) <= _COLUMNS:
        rows = [[markdown(model), *own] for model, own in links.items()]
        return table(["model", "step", *[""] * (len(steps) - 1)], rows, "runs")
    return "\n\n".join(_folded_runs(model, own, pages) for model, own in links.items())


def _folded_runs(model: str, links: Sequence[str], pages: dict[tuple[str, int], Page]) -> str:
    """The runs of a model at many steps."""
    own = [page for (name, _), page in pages.items() if name == model]
    failed = sum(bool(page.error) for page in own)
    ends = f"steps {min(p.step for p in own):,} to {max(p.step for p in own):,}"
    title = f"{markdown(model)}: {len(own):,} runs, {ends}"
    return folded(title + f"; {failed:,} failed" * bool(failed), " · ".join(filter(None, links)))


def _step_link(pages: dict, faults: dict, model: str, step: int) -> str:
    page, fault = pages.get((model, step)), faults.get((model, step))
    parts = [f"[{step}]({page.path})"] if page else []
    if page and page.error:
        parts.append(_abbreviation("failed", f"step {step}: {page.error}"))
    if fault is not None:
        parts.append(_abbreviation(_CROSS, f"step {step}: {fault}"))
    return " ".join(parts)


def _abbreviation(shown: str, meaning: str) -> str:
    """A word with what it means beside it, for a table's cell."""
    # The role's text: what is shown, and in brackets what it means; the table is cut at bars before.
    return "{abbr}" + code(f"{shown} ({meaning})").replace("|", "\\|")


def table(header: list[str], rows: list[list[str]], kind: str) -> str:
    """A table of Markdown cells with the style of that name: `runs`, `suite` or `errata`."""
    lines = ["| " + " | ".join(row) + " |" for row in [header, ["---"] * len(header), *rows]]
    return "\n".join([f":::{{table}}\n:class: {kind}\n", *lines, ":::"])


def suite_tables(shown: catalog.Suite) -> str:
    """For inclusion: the sizes of every suite, the one that is shown first, then ours, and Pythia's errata."""
    known = [catalog.suite(name) for name in catalog.built_in_suites()]
    parts = [f"### {markdown(shown.title)}", own_table(shown)] if shown.kind == "own" else []
    for suite in sorted(known, key=lambda suite: _place(suite, shown)):
        origin = "published by EleutherAI" if suite.kind == "hub" else "trained by this project"
        title = markdown(suite.title)
        parts += [f"### {title}, {origin}", _protocol(suite), _sizes_table(suite)]
        if suite.errata:
            parts += [f"### {title}: checkpoints with a known erratum", _errata_table(suite)]
    return "\n\n".join(parts) + "\n"


def own_table(suite: catalog.Suite) -> str:
    """The models of a suite of your own: what they are, what they read, and where they lie."""
    header = [
        "model",
        "architecture",
        "layers",
        "width",
        "heads",
        "without embeddings",
        "all parameters",
    ]
    header += ["checkpoints", "trained on"]
    rows = []
    for m in suite.models.values():
        shape = (m.n_layers, m.d_model, m.n_heads, m.non_embedding_params, m.total_params)
        steps = f"{len(m.steps)}: {m.steps[0]:,} to {m.steps[-1]:,}"
        texts = (m.name, m.own.kind, *(f"{number:,}" for number in shape), steps, m.trained_on)
        rows.append([*map(markdown, texts)])
    return table(header, rows, "suite")


def _place(suite: catalog.Suite, shown: catalog.Suite) -> tuple:
    return suite.name != shown.name, suite.kind == "hub", suite.is_of_text, len(suite.models)


def _protocol(suite: catalog.Suite) -> str:
    training, model = suite.training, next(iter(suite.models.values()))
    tokens = training["batch_size"] * training["seq_length"]
    steps = ", ".join(str(step) for step in model.steps[:4])
    others = {m.version: len(m.steps) for m in suite.models.values() if m.version}
    others = "".join(f"; {markdown(version)} has {count}" for version, count in others.items())
    forks = sum(model.fork is not None for model in suite.models.values())
    more = f" Of these, {forks} more go on in a changed text." if forks else ""
    return (
        f"{len(suite.models) - forks} models; {training['total_steps']:,} training steps of "
        f"{tokens:,} tokens ({training['batch_size']:,} sequences of {training['seq_length']:,}). "
        f"{len(model.steps)} checkpoints each: steps {steps}, … {model.steps[-1]:,}{others}.{more}"
    )


def _sizes_table(suite: catalog.Suite) -> str:
    header = ["size", "layers", "width", "heads", "non-embedding", "all parameters", "peak rate"]
    models = [model for model in suite.models.values() if not model.fork]
    variants = dict.fromkeys(model.variant for model in models) | {"deduped": None}
    variants.pop("standard")
    header += [*map(markdown, variants), "seeds"]
    versions = sorted({model.version for model in suite.models.values()} - {""})
    rows = []
    for size in dict.fromkeys(model.size for model in models):
        group = [model for model in models if model.size == size]
        m = group[0]
        shape = (m.n_layers, m.d_model, m.n_heads, m.non_embedding_params, m.total_params)
        seeds = len({(model.weight_seed, model.data_seed) for model in group})
        kinds = [variant in {model.variant for model in group} for variant in variants]
        released = [version in {model.version for model in group} for version in versions]
        row = [
            markdown(size),
            *(f"{number:,}" for number in shape),
            rate(m.learning_rate),
            *map(_yes, kinds),
            str(seeds),
        ]
        rows.append([*row, *map(_yes, released)])
    return table([*header, *map(markdown, versions)], rows, "suite")


def _yes(there: bool) -> str:
    return "yes" if there else "–"


def rate(value: float) -> str:
    """A learning rate: `2.5e-4`."""
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def _errata_table(suite: catalog.Suite) -> str:
    rows = []
    for erratum in suite.errata:
        models = "all but v0" if len(erratum.models) > 3 else ", ".join(erratum.models)
        steps = steps_in_words(catalog.find_model(erratum.models[0]), erratum.steps)
        rows.append([*map(markdown, (models, steps, erratum.text, erratum.source))])
    return table(["models", "steps", "what is odd", "source"], rows, "errata")
