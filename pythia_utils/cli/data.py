"""The commands about training data: `pythia batch` and `pythia config`. Same manners as in `cli`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.terminal import show
from pythia_utils.cli.options import (
    COUNT,
    NAME,
    PLACE,
    Whole,
    examples,
    model_named,
    output_option,
    steps_option,
    write,
)
from pythia_utils.cli.search import find

if TYPE_CHECKING:
    import numpy as np
    from tokenizers import Tokenizer

    from pythia_utils.training_data.source import TrainingData

SHOWN_ROWS = 8  # on a screen, unless --rows says otherwise


# --- batch ----------------------------------------------------------------------------------------


@click.command(
    "batch",
    epilog=examples(
        "pythia batch --model pico-57k --steps 512 --decode",
        "pythia batch --model pythia-70m --steps 3000 --decode --rows 2",
        "pythia batch --model pythia-70m-deduped --steps 98000 --output batch.npy",
        "pythia batch --model pythia-70m --steps 0 --source /data/pile-standard --output batch.parquet",
        "pythia batch --model pico-7k --steps 3 --json | python -m json.tool",
        'pythia batch --model pico-57k --find "The cat sleeps" --steps 0-512',
        'pythia batch --model pythia-70m --find " Alan Turing" --steps 1000-1015 --json',
    ),
)
@click.option("--model", "name", type=NAME, required=True, help="Whose training: a model's name.")
@steps_option(
    "Training steps, any and not only checkpoints': one, with --find several.", required=True
)
@click.option(
    "--source",
    type=PLACE,
    help="Where the data lie, if not at their usual place: a folder or an address of preshuffled "
    "shards, or an .idx/.bin pair. Documents are put in the order of training; rows are in it.",
)
@click.option("--rows", type=Whole(min=1), help="Only the first rows of the batch.")
@click.option("--decode", is_flag=True, help="Text, with the end of each document marked.")
@click.option(
    "--find",
    "text",
    metavar="TEXT",
    help="Instead of a batch, the places where training reads this text: step, row, position of the "
    "row in the training, offset of the first token in it. The text's tokens are looked for, so "
    "case and blanks matter. Exit code 1: there is none.",
)
@click.option(
    "--tokenizer",
    "tokenizer_file",
    type=PLACE,
    metavar="FILE",
    help="A tokenizer.json for --decode or --find.",
)
@output_option("Save the rows: .npy (array) or .parquet (table).", ".npy", ".parquet")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: where from, and a list of rows."
)
@click.option("--yes", is_flag=True, help="Do not ask, however much is fetched for --find.")
@click.option("--quiet", is_flag=True, help="No progress.")
def batch_command(
    name, steps, source, rows, decode, text, tokenizer_file, output, as_json, yes, quiet
) -> None:
    """Show or save the very sequences that a training step reads, or find a text in them.

    Checkpoint stepN has seen steps 0 to N - 1. Pythia's data are read from the Hub by byte ranges,
    4 MB a batch. A sequence has one token more than the model's context: the last is only a label.
    """
    from pythia_utils.analysis.training_data import batches
    from pythia_utils.training_data.source import open_source

    model = model_named(name)
    _check_forms(text, rows, decode, output, as_json)
    tokenizer = None
    if decode or text is not None:
        tokenizer = batches.open_tokenizer(model, tokenizer_file)
    data = open_source(source, model=model.name) if source else open_source(model.name)
    chosen = steps.among(range(data.total_steps), data.name)
    if text is not None:
        tokens = batches.tokens_of(text, tokenizer)
        find(data, text, tokens, chosen, as_json=as_json, yes=yes, quiet=quiet)
    elif len(chosen) > 1:
        raise UsageError(f"{len(chosen)} steps; expected one, or --find TEXT to search them")
    else:
        _put(data, chosen[0], rows, tokenizer, output, as_json)


def _check_forms(
    text: str | None, rows: int | None, decode: bool, output: Path | None, as_json: bool
) -> None:
    """A wish that cannot be met is told before anything is read."""
    if text is not None and (rows or decode or output):
        raise UsageError("--find lists places; expected no --rows, --decode or --output with it")
    if output and as_json:
        raise UsageError("--json is for the screen and --output for a file; expected one of them")
    if output and decode and output.suffix == ".npy":
        raise UsageError(
            f"--output {output}: an array holds no text; expected .parquet with --decode"
        )


def _put(
    data: TrainingData,
    step: int,
    rows: int | None,
    tokenizer: Tokenizer | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Read a batch, and show or save it."""
    from pythia_utils.analysis.training_data import batches

    batch = data.batch(step)
    chosen = batch[: rows or (None if output or as_json else SHOWN_ROWS)]
    texts = batches.sequence_texts(chosen, tokenizer) if tokenizer else None
    first = step * data.batch_size
    if output:
        write(_contents(output.suffix, chosen, texts, step, first), output)
    elif as_json:
        origin = {"model": data.model.name, "step": step, **data.provenance()}
        click.echo(json.dumps(origin | {"rows": _rows(chosen, texts, first)}))
    else:
        _show(chosen, texts, step, first)
        if len(chosen) < len(batch):
            click.echo(f"{len(chosen)} of {len(batch)} rows; --rows for more", err=True)


def _rows(batch: np.ndarray, texts: list[str] | None, first: int) -> list[dict]:
    """A dict a sequence: row in the batch, position in the training, tokens, and text if decoded."""
    rows = [
        {"row": row, "position": first + row, "tokens": tokens}
        for row, tokens in enumerate(batch.tolist())
    ]
    for row, text in zip(rows, texts or (), strict=False):
        row["text"] = text
    return rows


def _contents(
    form: str, batch: np.ndarray, texts: list[str] | None, step: int, first: int
) -> bytes:
    """A file's bytes: an array, or a table with a row a sequence."""
    file = io.BytesIO()
    if form == ".npy":
        import numpy as np

        np.save(file, batch)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = [{"step": step, **row} for row in _rows(batch, texts, first)]
        columns = ["step", "row", "position", "tokens"] + ["text"] * (texts is not None)
        types = {"tokens": pa.list_(pa.int32()), "text": pa.string()}
        schema = pa.schema([(name, types.get(name, pa.int64())) for name in columns])
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return file.getvalue()


def _show(batch: np.ndarray, texts: list[str] | None, step: int, first: int) -> None:
    """Sequences on the screen: as text under a line that names each, or a line of numbers each."""
    for row, tokens in enumerate(batch.tolist()):
        if texts is None:
            show(" ".join(map(str, tokens)))
        else:
            show(f"--- step {step}, row {row} (sequence {first + row:,} of the training)")
            show(texts[row])


# --- config ---------------------------------------------------------------------------------------


@click.command(
    "config",
    epilog=examples(
        "pythia config pythia-160m",
        "pythia config pythia-160m --gpus 8 --output pythia-160m.yml",
        "pythia config nano-57k --format hf --output config.json",
    ),
)
@click.argument("name", type=NAME, metavar="MODEL")
@click.option(
    "--format",
    "form",
    type=click.Choice(["neox", "hf"]),
    default="neox",
    show_default=True,
    help="GPT-NeoX's training configuration (YAML), or transformers' config.json.",
)
@click.option(
    "--gpus", type=COUNT, help="GPUs to train on. Default: as many as the published run had."
)
@output_option("Write it there. Default: to stdout.")
def config_command(name: str, form: str, gpus: int | None, output: Path | None) -> None:
    """Write the configuration that trains a model again."""
    from pythia_utils.suites import neox_config

    model = model_named(name)
    if form == "neox":
        text = neox_config.neox_yaml(model, gpus)
    elif gpus is not None:
        raise UsageError("--gpus is for --format neox; config.json says nothing of GPUs")
    else:
        if model.own:
            neox_config.require_known(model)
        text = json.dumps(neox_config.hf_config(model), indent=2) + "\n"
    write(text, output)
