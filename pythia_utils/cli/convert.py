"""`pythia convert`: checkpoints of GPT-NeoX to transformers' layout and back. Same manners as in `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.progress import Bar, say
from pythia_utils.base.units import show_size
from pythia_utils.cli.options import PLACE, Whole, examples


@click.command(
    "convert",
    epilog=examples(
        "pythia convert checkpoints/global_step143000 my-model",
        "pythia convert checkpoints/global_step143000 my-model --tokenizer 20B_tokenizer.json",
        "pythia convert checkpoints/global_step512 my-model --config 70M.yml --config setup.yml",
        "pythia convert my-model checkpoints/global_step143000",
        "pythia convert my-model checkpoints/global_step143000 --parts 2",
    ),
)
@click.argument("source", type=PLACE)
@click.argument("target", type=PLACE)
@click.option(
    "--config",
    "settings",
    type=PLACE,
    metavar="FILE",
    multiple=True,
    help="YAML with which GPT-NeoX trained the model; may be repeated. Default: those in SOURCE/configs/.",
)
@click.option(
    "--tokenizer", type=PLACE, metavar="FILE", help="A tokenizer.json to put beside the weights."
)
@click.option(
    "--average",
    is_flag=True,
    help="Where parts differ that should be the same, as layer norms are, take the mean. Default: refuse them.",
)
@click.option(
    "--parts",
    type=Whole(min=1, max=100),
    help="For GPT-NeoX: cut the weights for so many GPUs (model-parallel-size). Default: 1.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
def convert_command(source, target, settings, tokenizer, average, parts, quiet) -> None:
    """Turn a checkpoint of GPT-NeoX into one that from_pretrained opens, or back.

    SOURCE is a folder: GPT-NeoX's global_stepN with its layer files, whose parts of model parallelism are
    put together; or one with config.json and weights. TARGET is a folder that is not there yet; for
    GPT-NeoX its name is global_step and the step. Weights are copied bit by bit, in their own dtype, a
    layer at a time. No code that a file may hold is run. Prints the folder that was written.
    """
    from pythia_utils.suites import neox_checkpoint

    folder, written = Path(source), Path(target)
    if neox_checkpoint.is_neox(folder):
        _refuse(folder, "of GPT-NeoX", parts=parts)
        _to_hugging_face(folder, written, settings, tokenizer, average, quiet)
    else:
        _require_pretrained(folder)
        _refuse(
            folder,
            "no checkpoint of GPT-NeoX",
            config=settings,
            tokenizer=tokenizer,
            average=average,
        )
        _to_neox(folder, written, parts or 1, quiet)
    click.echo(target)


def _refuse(folder: Path, what: str, **options: object) -> None:
    """Raise for the first of these options that was given: it means nothing for such a source."""
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"--{given[0]} does not apply: {folder} is {what}")


def _require_pretrained(folder: Path) -> None:
    from pythia_utils.suites.neox.files import layer_file, what_instead

    if (folder / "config.json").is_file():
        return
    expected = f"expected {layer_file(0, 0)} and so on, or config.json and weights"
    raise UsageError(what_instead(folder) or f"{folder} is no checkpoint; {expected}")


def _to_hugging_face(
    folder: Path, target: Path, settings: tuple, tokenizer: str | None, average: bool, quiet: bool
) -> None:
    from pythia_utils.suites import neox_checkpoint

    found = neox_checkpoint.open_neox(folder, [Path(file) for file in settings], average)
    if not quiet:
        parts = f"{found.parts} part{'s' * (found.parts != 1)}"
        say(
            f"{folder}: {found.model.num_layers} layers in {parts}, {found.dtype}, {show_size(found.size)}"
        )
    if found.averaged:
        say(
            f"of {len(found.averaged)} tensors that differ between parts the mean: {found.averaged[0]} ..."
        )
    with Bar(found.size, "written", "B", quiet=quiet) as bar:
        file = None if tokenizer is None else Path(tokenizer)
        neox_checkpoint.to_hugging_face(found, target, file, bar.advance)


def _to_neox(folder: Path, target: Path, parts: int, quiet: bool) -> None:
    from pythia_utils.suites import neox_checkpoint

    found = neox_checkpoint.open_pretrained(folder)
    if not quiet:
        say(f"{folder}: {found.model.num_layers} layers, {show_size(found.size)}")
    with Bar(found.size, "written", "B", quiet=quiet) as bar:
        neox_checkpoint.to_neox(found, target, parts, bar.advance)
