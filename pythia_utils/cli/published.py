"""The command about the suite's own evaluations: `pythia published`. Same manners as in `cli`."""

from __future__ import annotations

from pathlib import Path

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.cli.options import examples, output_option, write


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
@output_option("Save the records: .csv or .parquet.", ".csv", ".parquet")
def published_command(source: str | None, summary: bool, output: Path | None) -> None:
    """Read the suite's published evaluations: a record for each task of each checkpoint.

    Without --output it prints what is odd about the files and how each case is handled.
    """
    from pythia_utils.analysis.published import evaluations

    if summary and output is None:
        raise UsageError("--summary needs --output; expected the name of a .csv or .parquet file")
    found = evaluations.read(source)
    text = _contents(found, summary, output.suffix) if output else _report(found) + "\n"
    write(text, output)


def _contents(found, summary: bool, form: str) -> str | bytes:
    """A file's contents: a table of all records, or of their means."""
    frame = found.records
    if summary:
        from pythia_utils.analysis.published.summary import summarise, summary_text

        frame = summarise(frame)
    if form == ".parquet":
        return frame.to_parquet(index=False)
    return summary_text(frame, found.digest) if summary else frame.to_csv(index=False)


def _report(found) -> str:
    records = found.records
    checkpoints = len(records[["model", "step", "experiment"]].drop_duplicates())
    lines = [
        f"{len(records):,} records of {checkpoints:,} evaluations of {records['model'].nunique()} "
        f"models; files: sha256 {found.digest}"
    ]
    lines += [f"{o.kind:<10}  {len(o.files):>4} files  {o.text}" for o in found.oddities]
    return "\n".join(lines)
