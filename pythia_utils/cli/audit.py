"""The command `pythia audit`. Same manners as in `cli`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pythia_utils.cli.options import (
    NAME,
    Steps,
    examples,
    model_named,
    output_option,
    steps_option,
    write,
)


@click.command(
    "audit",
    epilog=examples(
        "pythia audit pico-57k",
        "pythia audit pythia-70m --no-tensors",
        "pythia audit pythia-12b --steps 49000-59000 --json --output audit.json",
    ),
)
@click.argument("name", type=NAME, metavar="MODEL")
@steps_option("Only these checkpoints.")
@click.option("--json", "as_json", is_flag=True, help="The whole report, instead of a table.")
@output_option("Write the report there. Default: to stdout.")
@click.option(
    "--no-tensors", is_flag=True, help="Compare hashes only: no ranges are read from weight files."
)
@click.option("--quiet", is_flag=True, help="No progress.")
def audit_command(
    name: str,
    steps: Steps | None,
    as_json: bool,
    output: Path | None,
    no_tensors: bool,
    quiet: bool,
) -> None:
    """Compare all revisions of a model, without downloading them.

    Finds revisions and weights that are missing, damaged files, revisions that equal another or share
    files with it, and steps that lie off the way of training. Faults that are known (see `pythia
    suites`) are told as such. Exit code 1: something was found that is not known.
    """
    from pythia_utils.suites.audit import audit

    model = model_named(name)
    chosen = steps and steps.among(model.steps, model.name)
    report = audit(model.name, chosen, not no_tensors, quiet=quiet)
    text = json.dumps(report.to_json(), indent=1) if as_json else report.table()
    write(text + "\n", output)
    if report.new:
        raise click.exceptions.Exit(1)
