"""The commands about training data: `pythia batch` and `pythia config`. Same manners as in `cli`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.cli.options import examples
from pythia_utils.suites.catalog import Model, find_model, renamed

if TYPE_CHECKING:
    import numpy as np

SHOWN_ROWS = 8  # on a screen, unless --rows says otherwise
FORMATS = (".npy", ".parquet")


def _find(name: str) -> Model:
    """The model of that name; what a former name is called now is said on stderr."""
    model = find_model(name)
    if notice := renamed(name):
        click.echo(notice, err=True)
    return model


# --- batch ----------------------------------------------------------------------------------------


@click.command(
    "batch",
    epilog=examples(
        "pythia batch --model pico-57k --step 512 --decode",
        "pythia batch --model pythia-70m --step 3000 --decode --rows 2",
        "pythia batch --model pythia-70m-deduped --step 98000 --output batch.npy",
        "pythia batch --model pythia-70m --step 0 --source /data/pile-standard --output batch.parquet",
        "pythia batch --model pico-7k --step 3 --json | python -m json.tool",
    ),
)
@click.option("--model", "name", required=True, help="Whose training: a model's name.")
@click.option(
    "--step", type=int, required=True, help="Training step, from 0: any, not only checkpoints'."
)
@click.option(
    "--source",
    help="Where the data lie, if not at their usual place: a folder or an address of preshuffled "
    "shards, or the prefix of an .idx/.bin pair.",
)
@click.option("--rows", type=click.IntRange(min=1), help="Only the first rows of the batch.")
@click.option("--decode", is_flag=True, help="Text, with the end of each document marked.")
@click.option(
    "--tokenizer", "tokenizer_file", metavar="FILE", help="A tokenizer.json to decode with."
)
@click.option("--output", metavar="FILE", help="Save the rows: .npy (array) or .parquet (table).")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: where from, and a list of rows."
)
def batch_command(name, step, source, rows, decode, tokenizer_file, output, as_json) -> None:
    """Show or save the very sequences that a training step reads.

    Checkpoint stepN has seen steps 0 to N - 1. Pythia's data are read from the Hub by byte ranges,
    4 MB a batch. A sequence has one token more than the model's context: the last is only a label.
    """
    from pythia_utils.analysis.training_data import batches
    from pythia_utils.training_data.source import open_source

    model = _find(name)
    target = _checked_output(output, decode, as_json)
    tokenizer = batches.open_tokenizer(model, tokenizer_file) if decode else None
    data = open_source(source, model=model.name) if source else open_source(model.name)
    batch = data.batch(step)
    chosen = batch[: _row_count(rows, len(batch), everything=bool(target) or as_json)]
    texts = batches.sequence_texts(chosen, tokenizer) if decode else None
    first = step * data.batch_size
    if target:
        _save(target, chosen, texts, step, first)
        click.echo(target)
    elif as_json:
        origin = {"model": model.name, "step": step, **data.provenance()}
        click.echo(json.dumps(origin | {"rows": _rows(chosen, texts, first)}))
    else:
        _show(chosen, texts, step, first)
        if len(chosen) < len(batch):
            click.echo(f"{len(chosen)} of {len(batch)} rows; --rows for more", err=True)


def _checked_output(output: str | None, decode: bool, as_json: bool) -> Path | None:
    """The file to write, if any; a wish that cannot be met is told before anything is read."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix not in FORMATS:
        raise UsageError(f"--output {output}: expected a name that ends in {' or '.join(FORMATS)}")
    if as_json:
        raise UsageError("--json is for the screen and --output for a file; expected one of them")
    if decode and path.suffix == ".npy":
        raise UsageError(
            f"--output {output}: an array holds no text; expected .parquet with --decode"
        )
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {path.absolute().parent}")
    return path


def _row_count(asked: int | None, there: int, everything: bool) -> int:
    if asked is not None:
        return min(asked, there)
    return there if everything else min(SHOWN_ROWS, there)


def _rows(batch: np.ndarray, texts: list[str] | None, first: int) -> list[dict]:
    """A dict a sequence: row in the batch, position in the training, tokens, and text if decoded."""
    rows = [
        {"row": row, "position": first + row, "tokens": tokens}
        for row, tokens in enumerate(batch.tolist())
    ]
    for row, text in zip(rows, texts or (), strict=False):
        row["text"] = text
    return rows


def _save(path: Path, batch: np.ndarray, texts: list[str] | None, step: int, first: int) -> None:
    with atomic_write(path) as temporary:
        if path.suffix == ".npy":
            import numpy as np

            np.save(temporary, batch)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            rows = [{"step": step, **row} for row in _rows(batch, texts, first)]
            columns = ["step", "row", "position", "tokens"] + ["text"] * (texts is not None)
            types = {"tokens": pa.list_(pa.int32()), "text": pa.string()}
            schema = pa.schema([(name, types.get(name, pa.int64())) for name in columns])
            pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def _show(batch: np.ndarray, texts: list[str] | None, step: int, first: int) -> None:
    """Sequences on the screen: as text under a line that names each, or a line of numbers each."""
    for row, tokens in enumerate(batch.tolist()):
        if texts is None:
            click.echo(" ".join(map(str, tokens)))
        else:
            click.echo(f"--- step {step}, row {row} (sequence {first + row:,} of the training)")
            click.echo(texts[row].rstrip("\n"))


# --- config ---------------------------------------------------------------------------------------


@click.command(
    "config",
    epilog=examples(
        "pythia config pythia-160m",
        "pythia config pythia-160m --gpus 8 --output pythia-160m.yml",
        "pythia config nano-57k --format hf --output config.json",
    ),
)
@click.argument("name", metavar="MODEL")
@click.option(
    "--format",
    "form",
    type=click.Choice(["neox", "hf"]),
    default="neox",
    show_default=True,
    help="GPT-NeoX's training configuration (YAML), or transformers' config.json.",
)
@click.option(
    "--gpus", type=int, help="GPUs to train on. Default: as many as the published run had."
)
@click.option("--output", metavar="FILE", help="Write it there instead of to the screen.")
def config_command(name: str, form: str, gpus: int | None, output: str | None) -> None:
    """Write the configuration that trains a model again."""
    from pythia_utils.suites import neox_config

    model = _find(name)
    if form == "neox":
        text = neox_config.neox_yaml(model, gpus)
    elif gpus is not None:
        raise UsageError("--gpus is for --format neox; config.json says nothing of GPUs")
    else:
        text = json.dumps(neox_config.hf_config(model), indent=2) + "\n"
    if output is None:
        click.echo(text, nl=False)
        return
    path = Path(output)
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {path.absolute().parent}")
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(path)
