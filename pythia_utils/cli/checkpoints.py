"""The commands about the Hub's checkpoints: `pythia fetch`, and the steps of `pythia suites --steps`."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.sources import all_modules
from pythia_utils.base.terminal import aligned, show
from pythia_utils.base.units import parse_size, show_size
from pythia_utils.cli.fetch_items import add_checkpoints, add_files, add_rows, add_tokenizers
from pythia_utils.cli.fetching import CHECKPOINT, Plan, Row
from pythia_utils.cli.grid import cells_asked
from pythia_utils.cli.options import NAME, Steps, ask_above, examples, model_named, steps_option
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.notebooks import defaults, read_code
from pythia_utils.suites import checkpoints as opening
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.suites.errata import heed_errata, in_words, require_weights, with_weights

if TYPE_CHECKING:
    from pythia_utils.analysis.needs import Needs
    from pythia_utils.suites.hub.cache import HubCache

USUAL_PROFILE = "pythia-small"


# --- steps ----------------------------------------------------------------------------------------


def steps_table(model: Model, steps: Steps) -> list[dict]:
    """A dict for each of these checkpoints: `step`, `revision`, and `erratum`, one line or None."""
    chosen = [model.checkpoint(step) for step in steps.among(model.steps, model.name)]
    return [{"step": c.step, "revision": c.revision, "erratum": in_words(c.errata)} for c in chosen]


def steps_text(rows: list[dict]) -> str:
    """The same for the screen, a line a checkpoint."""
    return aligned([(row["revision"], row["erratum"] or "") for row in rows])


# --- fetch ----------------------------------------------------------------------------------------


@click.command(
    "fetch",
    epilog=examples(
        "pythia fetch pythia-70m --steps 3000",
        "pythia fetch pythia-70m-deduped --steps 0,512,main",
        "pythia fetch pythia-160m --steps 0,1000-10000 --disk-budget 20GB",
        "pythia fetch pythia-14m --steps all --yes",
        "pythia fetch --for grammar,memorization --profile pythia-small",
        "pythia fetch pythia-70m --steps 3000 --for all -p pairs_from=blimp",
        "HF_HUB_OFFLINE=1 pythia fetch --for all    # is all there that the runs will need?",
    ),
)
@click.argument("name", type=NAME, metavar="[MODEL]", required=False)
@steps_option("The checkpoints.")
@click.option(
    "--for",
    "experiments",
    type=NAME,
    multiple=True,
    metavar="EXPERIMENTS",
    help="All that runs of these experiments will need: checkpoints, tokenizers, training batches, evaluation "
    "sets. Names with commas between them, or all.",
)
@click.option(
    "--profile",
    type=NAME,
    help=f"With --for: the grid, from experiments.yml. Default: {USUAL_PROFILE}.",
)
@click.option(
    "-p", "--parameter", multiple=True, metavar="NAME=VALUE", help="With --for: as for run."
)
@click.option(
    "--disk-budget",
    type=NAME,
    metavar="SIZE",
    help="Most that checkpoints fetched by this program may take, such as 20GB or 4GiB: those not used for "
    "longest are dropped first, never another program's.",
)
@click.option("--yes", is_flag=True, help="Do not ask, however much it is.")
@click.option("--strict", is_flag=True, help="Refuse checkpoints that are known to be wrong.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a thing brought, in a list.")
@click.option("--quiet", is_flag=True, help="No progress.")
def fetch_command(
    name, steps, experiments, profile, parameter, disk_budget, yes, strict, as_json, quiet
) -> None:
    """Bring checkpoints from the Hub into the cache that all Hugging Face tools share.

    With --for, all that runs of experiments will need: HF_HUB_OFFLINE=1 pythia run then asks for nothing.

    Each file is verified by its hash. What is there already is not fetched again: a fetch that was cut
    off goes on with the files that were not whole. Asks before it fetches more than 10 GB. Prints what
    is there now, and where. What cannot be had stops nothing else; it is told in the end, and the exit code is
    1. With HF_HUB_OFFLINE nothing is fetched, and what is missing is told.
    """
    budget = None if disk_budget is None else parse_size(disk_budget, "--disk-budget")
    cache, plan, chosen = opening.hub_cache(budget=budget), Plan(), []
    if experiments or profile:
        cells = _cells_for(name, steps, experiments, profile, parameter, strict)
        _add_needs(plan, cache, _needs_of(plan, cells))
    elif parameter:
        raise UsageError("-p is for the notebooks of experiments; expected --for with it")
    else:
        chosen = _choose(name, steps)
        heed_errata(chosen, strict)
        add_checkpoints(plan, cache, chosen)
    _refuse_small(plan, budget)
    plan.announce()
    ask_above(plan.to_fetch, yes)
    rows = plan.bring(quiet)
    for checkpoint in chosen[:1]:
        opening.fetch_tokenizer(checkpoint)
    if rows or not plan.failed:
        one = not (experiments or profile)
        show(json.dumps(rows, indent=1) if as_json else "\n".join(_line(row, one) for row in rows))
    plan.tell_failures()
    if plan.failed:
        raise click.exceptions.Exit(1)


def _choose(name: str | None, steps: Steps | None) -> list[Checkpoint]:
    """The checkpoints asked for, each once; of ranges, those that have weights."""
    if name is None:
        raise UsageError("what? expected MODEL with --steps, or --for EXPERIMENTS")
    model = model_named(name)
    if model.repo_id is None and model.own:
        raise UsageError(f"{model.name} is in {model.own.place}; there is nothing to fetch")
    if model.repo_id is None:
        raise _trained_here([model])
    if steps is None:
        raise UsageError("which checkpoints? expected --steps, such as 0,512 or 0-3000, or all")
    chosen = [model.checkpoint(step) for step in steps.among(model.steps, model.name)]
    require_weights(c for c in chosen if steps.names(c.step, model.steps[-1]))
    return with_weights(chosen)


def _trained_here(models: list[Model]) -> UsageError:
    first = models[0]
    command = f"pythia train {first.suite} --models {first.name}"
    return UsageError(f"{first.name} is not on the Hub, it is trained here; run: {command}")


def _refuse_small(plan: Plan, budget: int | None) -> None:
    """A budget below what is asked for would drop the first of it for the last."""
    whole = plan.size_of(CHECKPOINT)
    if budget is not None and whole > budget:
        raise UsageError(
            f"--disk-budget {show_size(budget)}: all of these together need {show_size(whole)}; "
            "fetch fewer, or let a sweep with that budget fetch them one after another"
        )


def _line(row: Row, of_one_model: bool) -> str:
    """A thing that is there, for the screen: what, which version, where."""
    parts = [row.get("model") or row.get("tokenizer") or row.get("repository")]
    parts = [] if of_one_model and "model" in row else parts
    parts += [row["training_data"]] if "training_data" in row else []
    parts += [row["revision"]] if "revision" in row else []
    parts += [row["commit"][:12]] if row.get("commit") else []
    parts += [f"{row['pieces']} pieces"] if "pieces" in row else []
    return "\t".join([*filter(None, parts), row["folder"]])


# --- what runs will need --------------------------------------------------------------------------


def _cells_for(
    name: str | None,
    steps: Steps | None,
    experiments: Iterable[str],
    profile: str | None,
    parameter: Iterable[str],
    strict: bool,
) -> list[Cell]:
    """The cells that `pythia run` would run, of models on the Hub."""
    names = [part.strip() for text in experiments for part in text.split(",")]
    names = [] if "all" in names else names
    models = (model_named(name).name,) if name else ()
    profile = profile or USUAL_PROFILE
    _, cells = cells_asked(names, profile, None, models, steps, parameter, strict)
    found = [cell for cell in cells if cell.checkpoint.model.repo_id is not None]
    if not found:
        raise _trained_here([cell.checkpoint.model for cell in cells])
    return found


def _needs_of(plan: Plan, cells: Iterable[Cell]) -> Needs:
    """What the notebooks of cells will ask of the Hub; what keeps one from telling it is taken down."""
    from pythia_utils.analysis.needs import Needs

    needs = Needs()
    for cell in cells:
        parameters = defaults(cell.notebook) | cell.parameters
        with plan.telling(cell.id, UsageError):
            _add_needs_of(needs, cell, parameters)
    return needs


def _add_needs_of(needs: Needs, cell: Cell, parameters: Mapping[str, Any]) -> None:
    """By the experiments whose code a notebook imports; the checkpoint if none of them says anything."""
    modules = _telling(cell.notebook)
    for name in modules:
        add = importlib.import_module(name).add
        try:
            inspect.signature(add).bind(needs, **parameters)
        except TypeError as failure:
            raise UsageError(f"{cell.notebook.name} does not fit {name}: {failure}") from None
        add(needs, **parameters)
    if not modules:
        needs.checkpoints.append(cell.checkpoint)


@functools.cache
def _telling(notebook: Path) -> list[str]:
    """The modules that say what a notebook needs."""
    paths = (name.split("/") for name in read_code(notebook).package)
    imported = {folder for room, folder, *_ in paths if room == "analysis"}
    modules = {f"pythia_utils.analysis.{name}.needs" for name in imported}
    return sorted(modules.intersection(all_modules()))


def _add_needs(plan: Plan, cache: HubCache, needs: Needs) -> None:
    """Small things first: what they are for can be tried as soon as a checkpoint is there."""
    add_tokenizers(plan, needs.tokenizers)
    add_files(plan, needs.files)
    add_rows(plan, needs.reading.spans)
    add_checkpoints(plan, cache, needs.checkpoints)
