"""The command `pythia`: parse, call the package, print. Results on stdout, progress on stderr.

Exit codes: 0 done, 1 something failed, 2 wrong use, 70 a fault of ours, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable

import click

from pythia_utils.base.errors import (
    TrainingError,
    UsageError,
    one_line,
    unknown,
    without_logins,
)
from pythia_utils.base.progress import say
from pythia_utils.base.terminal import aligned
from pythia_utils.cli.audit import audit_command
from pythia_utils.cli.book import book_command
from pythia_utils.cli.checkpoints import fetch_command, steps_table, steps_text
from pythia_utils.cli.convert import convert_command
from pythia_utils.cli.data import batch_command, config_command
from pythia_utils.cli.failures import fail, fail_unexpected, in_words
from pythia_utils.cli.grid import records_command, run_command, status_command
from pythia_utils.cli.options import (
    COUNT,
    NAME,
    PLACE,
    Steps,
    Whole,
    commas,
    examples,
    model_named,
    name_suites,
    steps_option,
)
from pythia_utils.cli.pdf import pdf_command
from pythia_utils.engine.worker import usable_cores
from pythia_utils.suites import catalog
from pythia_utils.suites.errata import CheckpointWarning
from pythia_utils.suites.home import home
from pythia_utils.suites.own.revisions import ask_again

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class _Group(click.Group):
    """A group that offers the nearest command for a mistyped one."""

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            raise unknown("command", args[0], self.commands)
        return super().resolve_command(ctx, args)


def main() -> None:
    """Entry point: turn every exception into one line and an exit code."""
    _open_closed_streams()
    warnings.showwarning = _one_line(warnings.showwarning)
    os.environ["PYTHONSAFEPATH"] = "1"  # what is spawned runs no `random.py` of the working folder
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # the reader, `head` say, has had enough
        code = 0
    except BaseException as failure:
        code = _told(failure)
    sys.exit(code if isinstance(code, int) else 0)


def _open_closed_streams() -> None:
    """A stream that a shell has closed (`>&-`): the next file that is opened takes its number, so this."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _told(failure: BaseException) -> int:
    """Print the one line that a failure is worth; gives the exit code."""
    from pythia_utils.site.build import SiteError

    match failure:
        case UsageError():
            return fail(failure, 2)
        case click.ClickException():
            return fail(failure.format_message(), 2)
        case SiteError() | TrainingError():
            return fail(failure, 1)
        case KeyboardInterrupt() | click.Abort():
            return fail("interrupted", 130)
        case OSError():  # a full disk, a folder that may not be written, the network
            return fail(in_words(failure), 1)
        case Exception():
            return fail_unexpected(failure)
    raise failure


def _one_line(usual: Callable) -> Callable:
    """How to show warnings: those about checkpoints, which are meant for users, without the code's line."""

    def show(message, category, *where, **more) -> None:
        if issubclass(category, CheckpointWarning):
            say(f"pythia: warning: {one_line(message)}")
        else:
            usual(without_logins(str(message)), category, *where, **more)

    return show


@click.group(cls=_Group, context_settings=_CONTEXT, no_args_is_help=True)
@click.version_option(package_name="pythia-book", prog_name="pythia")
@click.option(
    "--suites",
    type=PLACE,
    multiple=True,
    metavar="FILE",
    help="A file that describes models of your own (the page *Bring your own model*), or a folder of such; "
    "may be repeated. Those of PYTHIA_SUITES and of suites.d in PYTHIA_HOME are always known.",
)
def cli(suites: tuple[str, ...]) -> None:
    """Measure the Pythia language models, and our small ones, across training time and scale."""
    name_suites(suites)


# --- suites ---------------------------------------------------------------------------------------


@cli.command(
    "suites",
    epilog=examples(
        "pythia suites",
        "pythia suites pico nano-57k",
        "pythia suites pythia --json",
        "pythia suites pythia-2.8b --steps",
        "pythia suites pythia-2.8b --steps 0-1000",
        "pythia --suites my-suite.yml suites mine",
    ),
)
@click.argument("names", nargs=-1, type=NAME, metavar="[SUITE|MODEL]...")
@steps_option(
    "The checkpoints of one model, and what is odd of them; these, or all.",
    multiple=False,
    type=NAME,
    is_flag=False,
    flag_value="all",
    callback=None,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line of it, in a list.")
def suites_command(names: tuple[str, ...], steps: str | None, as_json: bool) -> None:
    """Print the models: shape, parameters, checkpoints. By default of all the book's suites; yours by name."""
    if steps is not None:
        _print_steps(names, steps, as_json)
        return
    if names:
        ask_again(home() / "own")
    table = catalog.suite_table(names or None)
    if not names and (own := sorted({*catalog.suite_names()} - {*catalog.built_in_suites()})):
        click.echo(f"suites of your own, by name: {', '.join(own)}", err=True)
    if as_json:
        click.echo(json.dumps(table, indent=1))
        return
    for name in names:
        if name.lower() not in catalog.suite_names() and (notice := catalog.renamed(name)):
            click.echo(notice, err=True)
    click.echo(_suites_text(table))


def _print_steps(names: tuple[str, ...], steps: str, as_json: bool) -> None:
    if not re.match(r"\d|step\d|(all|main)\b", steps):  # `suites --steps MODEL`: all of its steps
        names, steps = (steps, *names), "all"
    if len(names) != 1:
        raise UsageError(
            "--steps is for one model; expected such as: pythia suites pythia-70m --steps"
        )
    rows = steps_table(model_named(names[0]), Steps.parse([steps]))
    click.echo(json.dumps(rows, indent=1) if as_json else steps_text(rows))


def _suites_text(table: list[dict]) -> str:
    headings = ("model", "layers", "d_model", "heads", "non-embedding", "total")
    rows = [(*headings, "checkpoints", "was")]  # for one of your own, what it was trained on
    for row in table:
        counts = [row[key] for key in ("n_layers", "d_model", "n_heads")]
        counts += [row["non_embedding_params"], row["total_params"]]
        steps = row["steps"]
        span = f"{len(steps)}: {steps[0]} .. {steps[-1]}"
        last = ", ".join(row["aliases"]) or (
            row["fork"] or (row["trained_on"] and f"trained on: {row['trained_on']}")
        )
        rows.append((row["name"], *(f"{n:,}" for n in counts), span, last))
    return aligned(rows, right=range(1, len(headings)))


# --- train ----------------------------------------------------------------------------------------


@cli.command(
    "train",
    epilog=examples(
        "pythia train pico",
        "pythia train nano --models 7k,14k --workers 2",
        "pythia train nano --models 57k --seeds 1,2,weight-seed1",
        "pythia train nano --device cpu",
        "pythia train pico --until 16",
        "pythia train pico --models 57k --seeds 1,2 --intervention swap-gender --from-step 750",
    ),
)
@click.argument("suite", type=NAME)
@click.option(
    "--models", type=NAME, help="Sizes or model names, by commas. Default: all of the suite."
)
@click.option(
    "--seeds",
    type=NAME,
    help="Only these seeds, by commas: 1, weight-seed1, data-seed1; with --models any number. "
    "Default: all of the suite.",
)
@click.option(
    "--device",
    type=NAME,
    default="auto",
    show_default=True,
    help="cpu, cuda, cuda:1; auto: a GPU if there is one.",
)
@click.option("--workers", type=COUNT, help="Models at a time. Default: one a core.")
@click.option(
    "--until", type=Whole(min=0), help="Stop after this checkpoint step; a later call goes on."
)
@click.option(
    "--intervention",
    type=NAME,
    help="Go on from these models with a changed text: swap-gender, change-facts, control, or one that you "
    "registered. With --from-step.",
)
@click.option(
    "--from-step",
    type=Whole(min=0),
    help="With --intervention: the checkpoint from which on the text is changed.",
)
def train_command(
    suite: str,
    models: str | None,
    seeds: str | None,
    device: str,
    workers: int | None,
    until: int | None,
    intervention: str | None,
    from_step: int | None,
) -> None:
    """Train a suite of ours from scratch: corpus, tokenizer, every model and checkpoint.

    With --intervention the rest of the models' training is read again with another text, in the same order,
    and the result is a model of its own, such as pico-57k-swap-gender-from750. Its base is trained if need be.

    What is there already is kept, and an interrupted training goes on where it stopped, to the same
    weights. Results go to PYTHIA_HOME (default: the platform's cache folder).
    """
    from pythia_utils.nano.training_run import choose_models, train_suite

    chosen = choose_models(suite, commas(models), commas(seeds), until, intervention, from_step)
    train_suite(chosen, device, workers or usable_cores(), until)


cli.add_command(audit_command)
cli.add_command(batch_command)
cli.add_command(book_command)
cli.add_command(config_command)
cli.add_command(convert_command)
cli.add_command(fetch_command)
cli.add_command(pdf_command)
cli.add_command(run_command)
cli.add_command(status_command)
cli.add_command(records_command)


if __name__ == "__main__":
    main()
