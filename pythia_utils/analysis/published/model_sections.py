"""What others published of one real model, for its page: a section a table, with curves and tables by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.analysis.published import model_charts, model_rows
from pythia_utils.analysis.published.model_rows import Row
from pythia_utils.base.markup import NO_MATHS, html, markdown
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.relatives import main_models

_DIGITS = 5  # as many as `summary.csv` has, the tables four


@dataclass(frozen=True)
class Section:
    """One table's numbers of a model and its relatives.

    Attributes:
        title: completes "Published: ...".
        told: what was measured and whose the numbers are, in Markdown.
        places: chapters and pages of the book that draw them: `experiments/loss`.
        chart: HTML; empty where nothing has three steps.
        tables: captions and the HTML of tables, one a run and number of examples.
        count: how many numbers.
    """

    title: str
    told: str
    places: tuple[str, ...]
    chart: str
    tables: tuple[tuple[str, str], ...]
    count: int


@dataclass(frozen=True)
class Numbers:
    """All that was published of a model and its relatives.

    Attributes:
        sections: in the order of `data/published/sources.yml`, the suite's own evaluations first.
        csv: every number, a row each; empty if there is none.
    """

    sections: tuple[Section, ...]
    csv: str

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(section.count for section in self.sections)


def by_model() -> dict[str, Numbers]:
    """Of every main model of Pythia, by its name."""
    return {model.name: numbers(model) for model in main_models(suite("pythia"))}


def numbers(main: Model) -> Numbers:
    """What others published of a main model, its earlier release, its seeds and its interventions."""
    frame = model_rows.of_model(main)
    if frame.empty:
        return Numbers((), "")
    tables = _grouped(frame.itertuples(index=False), "table")
    sections = tuple(_section(name, rows, main) for name, rows in tables.items())
    return Numbers(sections, frame[list(model_rows.COLUMNS)].to_csv(index=False))


def _grouped(rows: Iterable[Row], name: str) -> dict[Any, list[Row]]:
    """The rows by the values of a column, in order of appearance."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, name), []).append(row)
    return groups


def _section(name: str, rows: Sequence[Row], main: Model) -> Section:
    about = published_tables.about(name)
    title = about["title"]
    described = f"{title}: curves of {main.name} and its relatives over training steps"
    return Section(
        title=title,
        told=_told(name, about["measured"]),
        places=tuple(about["shown_in"]),
        chart=model_charts.curves(rows, described),
        tables=tuple(_tables(rows)),
        count=len(rows),
    )


def _told(name: str, measured: str) -> str:
    """What was measured, as a sentence, and the citation with the place where the numbers were read."""
    papers: dict[str, list[str]] = {}
    for each in published_tables.sources(name):
        papers.setdefault(each.key, []).append(each.place)
    cited = "; ".join(
        f"{{cite:t}}`{key}` ({'; '.join(map(markdown, places))})" for key, places in papers.items()
    )
    sentence = measured.strip()
    return f"What was measured: {sentence}. Source: {cited}."


def _tables(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """A table a run; of all runs together where each has one number a measure, or one measure."""
    measures, lines = _grouped(rows, "measure"), _grouped(rows, "line")
    cells = {(row.line, row.measure): _cell(row, with_step=True) for row in rows}
    if len(cells) == len(rows) and len(lines) > 1:
        yield "Each run, at a step of its own", _html("run", [*lines], [*measures], cells)
    elif len(measures) == 1 and len(lines) > 1:
        yield _captioned(next(iter(measures)), rows, "line")
    else:
        yield from (_captioned(line, own, "measure") for line, own in lines.items())


def _captioned(name: str, rows: Sequence[Row], column: str) -> tuple[str, str]:
    """Steps down, or across where there are fewer of them than columns."""
    cells = {(f"{row.step:,}", getattr(row, column)): _cell(row) for row in rows}
    steps = [f"{step:,}" for step in sorted({row.step for row in rows})]
    columns = [*_grouped(rows, column)]
    if len(columns) > len(steps):
        turned = {(column, step): cell for (step, column), cell in cells.items()}
        table = _html("by step", columns, steps, turned)
    else:
        table = _html("step", steps, columns, cells)
    return name, table


def _cell(row: Row, with_step: bool = False) -> str:
    beside = [f"at step {row.step:,}"] if with_step else []
    beside += [f"{_number(row.low)} to {_number(row.high)}"] if pd.notna(row.low) else []
    return _number(row.value) + "".join(f" <small>{text}</small>" for text in beside)


def _number(value: float) -> str:
    """With the digits that were published; of counts, with commas."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.{_DIGITS}g}"


def _html(
    corner: str, down: Sequence[str], across: Sequence[str], cells: Mapping[tuple[str, str], str]
) -> str:
    """Names as text; what was not measured is blank."""
    head = "".join(f'<th scope="col">{html(name)}</th>' for name in (corner, *across))
    rows = []
    for name in down:
        own = "".join(f"<td>{cells.get((name, other), '')}</td>" for other in across)
        rows.append(f'<tr><th scope="row">{html(name)}</th>{own}</tr>')
    kind = f'class="published {NO_MATHS}"'
    return f"<table {kind}><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
