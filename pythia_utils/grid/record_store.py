"""The records of cells on disk: one small Parquet file each, beside the cell's notebook.

There is no other copy of them: what `read` gives is what the files hold now.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError, first_line

if TYPE_CHECKING:
    import pyarrow as pa

# What is the same in all rows of a cell.
_ONE = ("suite", "variant", "n_params", "tokens_seen", "experiment")


def to_bytes(table: pa.Table) -> bytes:
    """The contents of a file: with a checksum on each of its pages, and nothing that only slows reading."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True, store_schema=False)
    return buffer.getvalue()


def read(files: Sequence[Path], schema: pa.Schema) -> pa.Table:
    """All rows of some cells' files, in the order of the files.

    Raises:
        UsageError: one is damaged.
    """
    import pyarrow.dataset as ds

    # Files of a few kilobytes are read in one go: to fetch columns ahead takes longer than to read them.
    checked = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=False)
    form = ds.ParquetFileFormat(default_fragment_scan_options=checked)
    try:
        dataset = ds.dataset([str(f) for f in files], schema=schema, format=form)
        table = dataset.to_table()
        for file in dataset.get_fragments():  # what they say of themselves has just been read
            _refuse_foreign(file.physical_schema, schema)
        _refuse_empty(table)
    except (OSError, ValueError) as error:  # pyarrow's errors are such too
        raise _damaged(files, schema) or error from None
    return table


def as_csv(file: Path) -> tuple[str, int]:
    """All rows of one cell's file as CSV, fractions in seven digits; and how many rows they are.

    What is the model's or the cell's own, such as its parameters' count, is on the cell's page and in no row.

    Raises:
        UsageError: it is damaged.
    """
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as stored:
            table = stored.read(use_threads=False)  # a few kilobytes: threads take longer to start
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} is damaged ({first_line(error)})") from None
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in _ONE}
    for name in columns.keys() & {"value", "stderr"}:
        columns[name] = [_number(each) for each in columns[name]]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
    return text.getvalue(), len(table)


def _number(value: float | None) -> str:
    """In seven digits, or all of a whole number: it may be a count."""
    if value is None:
        return ""
    return f"{value:.0f}" if value.is_integer() else f"{value:.7g}"


def _refuse_foreign(told: pa.Schema, schema: pa.Schema) -> None:
    """Raise ValueError for a file without some column: it would be read as empty, or, without rows, at all."""
    if missing := [name for name in schema.names if name not in told.names]:
        raise ValueError(f"no column {missing[0]}: no records")


def _refuse_empty(table: pa.Table) -> None:
    """Raise ValueError unless each row says what it is."""
    for field in table.schema:
        if not field.nullable and table[field.name].null_count:
            raise ValueError(f"rows without {field.name}: no records")


def _damaged(files: Sequence[Path], schema: pa.Schema) -> UsageError | None:
    """Which of some files cannot be read; asked only once reading them all has failed."""
    import pyarrow.parquet as pq

    for file in files:
        try:
            _refuse_foreign(pq.read_schema(file), schema)
            how = {"partitioning": None, "page_checksum_verification": True}
            _refuse_empty(pq.read_table(file, schema=schema, **how))
        except (OSError, ValueError) as error:
            suite, experiment = file.parts[-4:-2]
            return UsageError(
                f"{file} is damaged ({first_line(error)}); "
                f"its cell is run again by: pythia run {experiment} (suite {suite})"
            )
    return None
