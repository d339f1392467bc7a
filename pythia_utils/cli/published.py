"""The command about the suite's own evaluations: `pythia published`. Same manners as in `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.cli.options import examples

FORMATS = (".csv", ".parquet")


@click.command(
    "published",
    epilog=examples(
        "pythia published --output published.parquet",
        "pythia published --from pythia-evals.tar.xz",
        "pythia published --from pythia/evals --summary --output summary.csv",
    ),
)
@click.option(
    "--from",
    "source",
    metavar="PATH",
    help="A folder or an archive of the files. Default: EleutherAI/pythia at a pinned commit, "
    "downloaded once.",
)
@click.option("--summary", is_flag=True, help="Means, as the book ships them, not every task.")
@click.option("--output", metavar="FILE", help="Save the records: .csv or .parquet.")
def published_command(source: str | None, summary: bool, output: str | None) -> None:
    """Read the suite's published evaluations: a record for each task of each checkpoint.

    Without --output it prints what is odd about the files and how each case is handled.
    """
    from pythia_utils.analysis.published import evaluations

    target = _checked_output(output)
    if summary and target is None:
        raise UsageError("--summary needs --output; expected the name of a .csv or .parquet file")
    found = evaluations.read(source)
    if target is None:
        click.echo(_report(found))
        return
    with atomic_write(target) as temporary:
        _write(temporary, found, summary)
    click.echo(target)


def _checked_output(output: str | None) -> Path | None:
    """The file to write, if any; a wish that cannot be met is told before anything is read."""
    if output is None:
        return None
    path = Path(output)
    if path.suffix not in FORMATS:
        raise UsageError(f"--output {output}: expected a name that ends in {' or '.join(FORMATS)}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--output {output}: there is no folder {path.absolute().parent}")
    return path


def _write(path: Path, found, summary: bool) -> None:
    frame = found.records
    if summary:
        from pythia_utils.analysis.published.summary import summarise, summary_text

        frame = summarise(frame)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif summary:
        path.write_text(summary_text(frame, found.digest), encoding="utf-8")
    else:
        frame.to_csv(path, index=False)


def _report(found) -> str:
    records = found.records
    checkpoints = len(records[["model", "step", "experiment"]].drop_duplicates())
    lines = [
        f"{len(records):,} records of {checkpoints:,} evaluations of {records['model'].nunique()} "
        f"models; files: sha256 {found.digest}"
    ]
    lines += [f"{o.kind:<10}  {len(o.files):>4} files  {o.text}" for o in found.oddities]
    return "\n".join(lines)
