"""The command `pythia book`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from pythia_utils.base.files import locked
from pythia_utils.base.progress import say
from pythia_utils.cli.grid import ledger_of, root
from pythia_utils.cli.options import COUNT, NAME, commas, examples
from pythia_utils.engine import runner
from pythia_utils.grid import records, status
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.config import load_config
from pythia_utils.grid.ledger import Ledger

_TOLD = 10  # failed runs that are named


@click.command(
    "book",
    epilog=examples(
        "pythia book",
        "pythia book --suite nano",
        "pythia book --suite pythia --experiments grammar,memorization",
    ),
)
@click.option(
    "--suite", type=NAME, default="pico", show_default=True, help="Whose runs the site shows."
)
@click.option(
    "--experiments",
    type=NAME,
    metavar="NAME,...",
    help="Chapters of the site. Default: of all experiments that have records.",
)
@click.option("--workers", type=COUNT, help="Chapters at a time. Default: one a core.")
def book_command(suite: str, experiments: str | None, workers: int | None) -> None:
    """Run the chapters over the records, and build the website. Prints the path to open.

    A chapter without records is not in the site. A run that failed does not stop it: its place says so.
    A chapter that fails has a page that tells why, and the command exits with 1.
    """
    from pythia_utils.analysis.published import model_sections
    from pythia_utils.site import build, contents

    names = commas(experiments)
    config = load_config(root())
    with locked(records.runs_dir(config.root), "run"):
        shown = contents.choose(config, suite, names)
        history = ledger_of(config.root)
        found = status.survey_suite(
            config, shown.suite.name, history, shown.names if names else None
        )
        broken = _run_chapters(found.chapters(), history, workers)
        front, failed = build.publish(shown, found.after(history), model_sections.by_model())
    _say_failed(failed)
    click.echo(front)
    if broken:
        raise click.exceptions.Exit(1)


def _run_chapters(
    planned: Sequence[tuple[Cell, str | None]], history: Ledger, workers: int | None
) -> bool:
    """Run those that have a reason; whether some failed. Exits with 130 if it was interrupted."""
    due = [cell for cell, reason in planned if reason]
    say(f"{len(due)} of {len(planned)} runs due")
    outcomes = runner.run(due, history, workers=workers)
    if table := runner.failure_table(outcomes):
        say(f"\nfailed, and told so on their pages:\n{table}")
    code = runner.exit_code(outcomes)
    if code == 130:
        raise click.exceptions.Exit(code)
    return bool(code)


def _say_failed(failed: Mapping[str, str]) -> None:
    """Tell of the runs whose pages say that they failed."""
    if not failed:
        return
    what = "1 run has" if len(failed) == 1 else f"{len(failed):,} runs have"
    say(f"{what} failed; the site marks them:")
    for place, error in list(failed.items())[:_TOLD]:
        say(f"  {Path(place).with_suffix('').relative_to('cells')}: {error}")
    if len(failed) > _TOLD:
        say(f"  ... and {len(failed) - _TOLD:,} more")
