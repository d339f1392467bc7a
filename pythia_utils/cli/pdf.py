"""The command `pythia pdf`."""

from __future__ import annotations

import click

from pythia_utils.cli.grid import root
from pythia_utils.cli.options import NAME, examples


@click.command("pdf", epilog=examples("pythia pdf", "pythia pdf --paper letter"))
@click.option(
    "--paper",
    type=click.Choice(("a4", "letter")),
    default="a4",
    show_default=True,
    help="Its size.",
)
@click.option(
    "--browser", type=NAME, metavar="PROGRAM", help="Default: the first Chromium there is."
)
def pdf_command(paper: str, browser: str | None) -> None:
    """Print the chapters of the site that `pythia book` built last as one PDF. Prints its path.

    Needs Chromium or Chrome. Pages of single runs, code and what the site folds away are not in it.
    """
    from pythia_utils.site.printed.book import print_book

    click.echo(print_book(root(), paper, browser))
