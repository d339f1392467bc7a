"""The command `pythia audit`. Same manners as in `cli`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.cli.options import examples
from pythia_utils.suites.catalog import Model, find_model, renamed


@click.command(
    "audit",
    epilog=examples(
        "pythia audit pico-57k",
        "pythia audit pythia-70m --no-tensors",
        "pythia audit pythia-12b --steps 49000-59000 --json audit.json",
    ),
)
@click.argument("name", metavar="MODEL")
@click.option(
    "--steps",
    metavar="STEPS",
    help="Only these checkpoints: steps by commas, and first-last for all from first to last.",
)
@click.option(
    "--json", "file", metavar="FILE", help="Write the report there too; - prints it only."
)
@click.option(
    "--no-tensors", is_flag=True, help="Compare hashes only: no ranges are read from weight files."
)
@click.option("--quiet", is_flag=True, help="No progress.")
def audit_command(
    name: str, steps: str | None, file: str | None, no_tensors: bool, quiet: bool
) -> None:
    """Compare all revisions of a model, without downloading them.

    Finds revisions and weights that are missing, damaged files, revisions that equal another or share
    files with it, and steps that lie off the way of training. Faults that are known (see `pythia
    suites`) are told as such. Exit code 1: something was found that is not known.
    """
    from pythia_utils.suites.audit import audit

    model = find_model(name)
    if notice := renamed(name):
        click.echo(notice, err=True)
    target = _checked_target(file)
    report = audit(model.name, _steps(model, steps), not no_tensors, quiet=quiet)
    text = json.dumps(report.to_json(), indent=1)
    if target:
        with atomic_write(target) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    click.echo(text if file == "-" else report.table())
    if report.new:
        raise click.exceptions.Exit(1)


def _checked_target(file: str | None) -> Path | None:
    if file is None or file == "-":
        return None
    path = Path(file)
    if not path.absolute().parent.is_dir() or path.is_dir():
        raise UsageError(f"--json {file}: expected the name of a file in a folder that is there")
    return path


def _steps(model: Model, text: str | None) -> list[int] | None:
    """`0,512,1000-3000` as the model's checkpoints; None for all."""
    if text is None or text.strip() == "all":
        return None
    chosen: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = (end.strip() for end in part.partition("-"))
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f"--steps {part!r}: expected a step, or first-last, such as 1000-3000")
        ends = [model.checkpoint(int(end)).step for end in (first, last if dash else first)]
        chosen += [step for step in model.steps if ends[0] <= step <= ends[1]]
    if not chosen:
        raise UsageError(f"--steps {text!r} names no checkpoint of {model.name}")
    return chosen
