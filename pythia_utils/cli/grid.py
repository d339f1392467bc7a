"""The commands about the grid: `pythia run`, `pythia status`, `pythia records`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import locked
from pythia_utils.base.progress import say
from pythia_utils.base.terminal import show
from pythia_utils.base.units import duration, show_size
from pythia_utils.cli import before_run
from pythia_utils.cli.options import (
    COUNT,
    NAME,
    PLACE,
    Steps,
    examples,
    output_option,
    steps_option,
    write,
)
from pythia_utils.engine import runner, schedulers
from pythia_utils.engine.kernels.options import KernelOptions
from pythia_utils.grid import expand, ledger, planning, records, status
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.config import FILE, Config, load_config
from pythia_utils.suites.catalog import Model
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.suites.errata import without_errata


def root() -> Path:
    """The project's folder: here or above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder
    raise UsageError(f"no {FILE} in {here} or above; go to a checkout of the book")


def _grid_options(command: Callable) -> Callable:
    """The options that choose cells: the same for every command that is about the grid."""
    options = [
        click.argument("names", nargs=-1, type=NAME, metavar="[EXPERIMENT]..."),
        click.option(
            "--profile",
            type=NAME,
            default="quick",
            show_default=True,
            help="The grid, from experiments.yml.",
        ),
        click.option("--suite", type=NAME, help="Another suite than the profile's; needs --model."),
        click.option(
            "--model",
            "models",
            type=NAME,
            multiple=True,
            help="Only this model, or those of a pattern such as 'pico-57k*', or all of the suite; "
            "may be repeated.",
        ),
        steps_option("Only these checkpoints."),
        click.option(
            "-p",
            "--parameter",
            multiple=True,
            metavar="NAME=VALUE",
            help="For the notebooks that have it; may be repeated.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def cells_asked(
    names, profile, suite, models, steps, parameter, strict=False
) -> tuple[Config, list[Cell]]:
    config = load_config(root())
    values = expand.parse_parameters(parameter)
    among = steps and _Among(steps)
    chosen = (names or None, suite, models or None, among)
    cells = expand.expand(config, *chosen, profile, values, strict=strict)
    if among:
        among.check()
    return config, cells


class _Among:
    """The steps that were asked for, of each model those that it has; each must be one of some model."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._models: dict[Model, None] = {}

    def __call__(self, model: Model) -> list[int]:
        """A model's; faulty ones only where their very number was asked for."""
        self._models[model] = None
        asked = [model.checkpoint(step) for step in self._steps.of(model.steps)]
        named = {c for c in asked if self._steps.names(c.step, model.steps[-1])}
        sound = set(without_errata(c for c in asked if c not in named))
        return [c.step for c in asked if c in sound | named]

    def check(self) -> None:
        """Raise UsageError where what was asked for is no step of any model."""
        known = sorted({step for model in self._models for step in model.steps})
        names = [model.name for model in self._models]
        whose = names[0] if len(names) == 1 else f"these {len(names)} models"
        self._steps.among(known, whose)


# --- run ------------------------------------------------------------------------------------------


@click.command(
    "run",
    epilog=examples(
        "pythia run --profile quick",
        "pythia run grammar --model pico-57k --steps 512",
        "pythia run grammar --model pico-57k --steps 0,64-512 -p pairs=400",
        "pythia run --profile full --dry-run",
        "pythia run --profile full --rerun failed --verbose",
        "pythia run --timeout 10m --memory-limit 4GB",
        "pythia run grammar --suite pythia --model pythia-70m --steps 3000 -p pairs_from=blimp",
        "pythia run loss --suite pythia --model pythia-70m --steps 3000 -p texts=essays.jsonl",
        "pythia run --profile pythia-small --dry-run",
        "pythia run --profile pythia-small --device cuda:1",
        "pythia run loss grammar --profile pythia --model all --steps 512-143000 --disk-budget 200GB",
        "pythia run --profile full --scheduler local:4",
        "pythia run --profile pythia --disk-budget 2TB --scheduler slurm --cluster-config cluster.yml",
        "pythia run --profile full --scheduler tcp://10.0.0.7:8786",
    ),
)
@_grid_options
@click.option(
    "--workers",
    type=COUNT,
    help="Notebooks at a time; with slurm, jobs. Default: one a core.",
)
@click.option(
    "--scheduler",
    "where",
    type=NAME,
    default="threads",
    show_default=True,
    metavar="WHERE",
    help="threads; local:N (N worker processes); slurm; or the address of a dask scheduler, "
    "tcp://HOST:PORT. All but threads need the extra `cluster`.",
)
@click.option(
    "--cluster-config",
    "settings",
    type=PLACE,
    callback=lambda _context, _option, name: name and Path(name),
    help="YAML file with dask-jobqueue's settings, for slurm.",
)
@click.option(
    "--rerun",
    type=click.Choice(planning.RERUN),
    help="Only runs that failed, or only those that are stale; or all, up to date or not. "
    "Default: whatever is not up to date.",
)
@click.option("--strict", is_flag=True, help="Refuse a step that is named and known to be faulty.")
@click.option(
    "--timeout", type=NAME, metavar="TIME", help="That a notebook's cell may take. Default: 1h."
)
@click.option(
    "--memory-limit", type=NAME, metavar="SIZE", help="That a notebook may hold, such as 4GB."
)
@click.option(
    "--disk-budget",
    "budget",
    type=NAME,
    metavar="SIZE",
    help="Most that checkpoints fetched by this program may take, such as 200GB: each is dropped when the "
    "last notebook that needs it is done. What another program fetched stays.",
)
@click.option(
    "--device",
    type=NAME,
    help="On which checkpoints are opened: cpu, cuda, cuda:1; auto: a GPU if there is one, several for a "
    "model that needs them. Default: auto, or PYTHIA_DEVICE.",
)
@click.option(
    "--dtype",
    type=NAME,
    help="In which they are opened: float32, bfloat16, float16; auto: float32 on the CPU, on a GPU what "
    "the model was trained in. Default: auto, or PYTHIA_DTYPE.",
)
@click.option("--cold", is_flag=True, help="Start each kernel from nothing: slower, same results.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="List what would run, and why, what it would fetch and take; with slurm, print the script of its "
    "jobs.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--verbose", is_flag=True, help="A line for each run, too.")
def run_command(
    names, profile, suite, models, steps, parameter, workers, where, settings, rerun, strict,
    timeout, memory_limit, budget, device, dtype, cold, dry_run, quiet, verbose,
) -> None:  # fmt: skip
    """Run notebooks over a model x step grid. A cell whose result would be the same is not run."""
    if quiet and verbose:
        raise UsageError("--quiet shows no progress and --verbose more of it; expected one of them")
    config, cells = cells_asked(names, profile, suite, models, steps, parameter, strict)
    options = KernelOptions.parse(cold, timeout, memory_limit)
    scheduler = schedulers.choose(where, workers, settings)
    budget = before_run.disk_budget(budget, where)
    cells = before_run.opened_as(cells, device, dtype, scheduler)
    if dry_run:
        script = _job_script(settings) if where == "slurm" else ""
        _list_due(cells, config.root, rerun, quiet, budget)
        if script:
            show(script)
        return
    _say_old_corpora({cell.checkpoint.model.suite for cell in cells})
    how = {"options": options, "workers": workers, "verbose": verbose, "scheduler": scheduler}
    with locked(records.runs_dir(config.root), "run"):
        history = ledger_of(config.root)
        planned = planning.plan(cells, history, rerun)
        if before_run.fetched_here(where, budget):
            how["fetching"] = before_run.plan_fetching(planned, budget, quiet)
        run_due(planned, history, quiet, budget=budget, **how)


def _say_old_corpora(suites: Iterable[str]) -> None:
    """Tell of corpora that other code made: the sentences we ask about are made by today's."""
    from pythia_utils.nano.corpus import is_current
    from pythia_utils.training_data.corpus import Corpus

    for name in sorted(suites):
        corpus = Corpus(find_suite(name))
        if corpus.manifest and not is_current(corpus):
            told = f"pythia: warning: {name}'s corpus was made by other code or settings than today's tests"
            say(f"{told}; to make it and its models anew: pythia train {name}")


def _job_script(settings: Path | None) -> str:
    from pythia_utils.engine import slurm

    return slurm.job_script(settings)


def _list_due(
    cells: list[Cell], folder: Path, rerun: str | None, quiet: bool, budget: int | None
) -> None:
    history = ledger_of(folder)
    planned = planning.plan(cells, history, rerun, dry_run=True)
    for cell, reason in planned:
        if reason:
            show(f"{cell.id}\t{reason}")
    _say_due(planned, quiet)
    before_run.plan_fetching(planned, budget, quiet)
    if not quiet:
        before_run.say_cost(planned, history)


def _say_due(planned: Sequence[tuple[Cell, str | None]], quiet: bool) -> None:
    if not quiet:
        say(f"{sum(reason is not None for _, reason in planned)} of {len(planned)} runs due")


def ledger_of(folder: Path) -> ledger.Ledger:
    """The history of a project's runs."""
    return ledger.Ledger(records.runs_dir(folder) / ledger.FILE)


def run_due(
    planned: Sequence[tuple[Cell, str | None]],
    history: ledger.Ledger,
    quiet: bool = False,
    **how: Any,
) -> list[str]:
    """Run the cells of a plan that have a reason, and tell their ids; `how` is for `runner.run`.

    Exits with 1 or 130 where that did not go well.
    """
    _say_due(planned, quiet)
    outcomes = runner.run([cell for cell, reason in planned if reason], history, quiet=quiet, **how)
    if table := runner.failure_table(outcomes):
        say(f"\nfailed:\n{table}")
    if code := runner.exit_code(outcomes):
        raise click.exceptions.Exit(code)
    return [outcome.cell_id for outcome in outcomes]


# --- status ---------------------------------------------------------------------------------------


@click.command(
    "status",
    epilog=examples(
        "pythia status",
        "pythia status grammar --profile full --steps 0-512",
        "pythia status --profile full --all",
        "pythia status --json | python -m json.tool",
    ),
)
@_grid_options
@click.option("--all", "everything", is_flag=True, help="List the runs that are done, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: totals, cost, all runs.")
def status_command(names, profile, suite, models, steps, parameter, everything, as_json) -> None:
    """Tell what is done, stale, failed or missing, and what the next run would cost."""
    config, cells = cells_asked(names, profile, suite, models, steps, parameter)
    history = ledger_of(config.root)
    found = status.survey(cells, history)
    totals, (seconds, unknown_cells) = status.count(found), status.cost(found, history)
    if as_json:
        next_run = {"seconds": round(seconds, 1), "cells_of_unknown_cost": unknown_cells}
        rows = [each.row() for each in found]
        click.echo(json.dumps({"totals": totals, "next_run": next_run, "cells": rows}))
        return
    for each in found:
        if everything or each.state != "done":
            show(_status_line(each))
    show(f"{len(found)} runs: " + ", ".join(f"{n} {name}" for name, n in totals.items()))
    show(f"next run: {status.cost_text(len(found) - totals['done'], seconds, unknown_cells)}")


def _status_line(one: status.Status) -> str:
    row = one.row()
    parts = [one.state, one.cell.id]
    parts += [duration(row["seconds"])] if row["seconds"] else []
    parts += [show_size(row["peak_memory_bytes"])] if row["peak_memory_bytes"] else []
    parts += [row["device"]] if row["device"] else []
    return "\t".join([*parts, row["error"] or row["reason"] or ""]).rstrip()


# --- records --------------------------------------------------------------------------------------


@click.command(
    "records",
    epilog=examples(
        "pythia records --experiment grammar > grammar.csv",
        "pythia records --experiment grammar --suite nano --format parquet --output grammar.parquet",
        "pythia records --experiment loss --steps 0-512 | head -3",
    ),
)
@click.option("--experiment", type=NAME, required=True, help="Whose numbers.")
@click.option(
    "--suite", type=NAME, help="Only this suite's. Default: of every suite that has been run."
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "parquet"]), help="Default: csv, or by --output."
)
@steps_option("Only numbers of these steps.")
@output_option("Write them there. Default: to stdout.")
def records_command(experiment, suite, form, steps, output) -> None:
    """Write the numbers of an experiment: one row a metric, model and step."""
    config = load_config(root())
    config.experiment(experiment)
    if suite is not None:
        suite = find_suite(suite).name
    form = form or ("parquet" if output and output.suffix == ".parquet" else "csv")
    if form == "parquet" and output is None and sys.stdout.isatty():
        raise UsageError("--format parquet is not for a screen; expected --output FILE")
    frame = records.read_all(experiment, suite, records.runs_dir(config.root))
    if steps:
        known = sorted(frame["step"].unique().tolist())
        frame = frame[frame["step"].isin(steps.among(known, f"the records of {experiment}"))]
    write(records.to_bytes(frame) if form == "parquet" else frame.to_csv(index=False), output)
