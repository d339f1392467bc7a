"""The records of an experiment on disk: one small file a cell, and one large file of them all.

Each cell's records lie beside its notebook: they are the truth. Reading thousands of small files is
slow, so `compact` gathers them in `runs/<suite>/<experiment>/records.parquet`, together with the size,
time and inode of each file that went into it. `scan` takes from it the rows of the files that are
still the same and reads the others: a cell that was run again, or removed, is never seen as it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError, first_line
from pythia_utils.base.files import atomic_write, stamp

if TYPE_CHECKING:
    import pyarrow as pa

COMPACTED = "records.parquet"
CELL = "cell"  # a column of the compacted file: `pico-7k/step000512`
_STAMPS = b"pythia.stamps"
Stamps = dict[str, list[int]]


def write_table(path: Path, table: pa.Table) -> None:
    """Write one Parquet file, whole or not at all, with a checksum on each of its pages."""
    import pyarrow.parquet as pq

    with atomic_write(path) as temporary:
        pq.write_table(table, temporary, write_page_checksum=True)


def folders(runs: Path, experiment: str = "*", suite: str = "*") -> list[Path]:
    """The folders `runs/<suite>/<experiment>` that there are, sorted."""
    return sorted(path for path in runs.glob(f"{suite}/{experiment}") if path.is_dir())


def scan(folders: Iterable[Path], schema: pa.Schema) -> pa.Table:
    """All records below some experiments' folders, in the order of the cells' paths.

    Raises:
        UsageError: a cell's file is damaged.
    """
    import pyarrow as pa

    tables = [_drop_cell(_scan_one(folder, schema)[0]) for folder in folders]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def compact(folder: Path, schema: pa.Schema) -> int:
    """Bring an experiment's compacted file up to date.

    Returns:
        How many cells' files were not in it as they are now.

    Raises:
        UsageError: a cell's file is damaged.
    """
    table, present, changed = _scan_one(folder, schema)
    path = folder / COMPACTED
    if not present:
        path.unlink(missing_ok=True)
    elif changed:
        about = {_STAMPS: json.dumps(present).encode()}
        write_table(path, table.replace_schema_metadata(about))
    return changed


def _scan_one(folder: Path, schema: pa.Schema) -> tuple[pa.Table, Stamps, int]:
    """The table with its column `cell`, the files' stamps, and how many differ from the compacted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    present = dict(_present(folder))
    compacted, known = _compacted(folder, schema)
    same = [name for name in known if present.get(name) == known[name]]
    if len(same) < len(known):
        compacted = compacted.filter(pc.is_in(compacted[CELL], pa.array(same, pa.string())))
    changed = sorted(set(present) - set(same))
    if not changed:
        return compacted, present, len(known) - len(same)
    fresh = _read_cells(folder, changed, schema)
    table = pa.concat_tables([compacted, fresh]) if same else fresh
    return table.sort_by(CELL) if same else table, present, len(changed) + len(known) - len(same)


def _present(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The cells that have records now, sorted: name and stamp."""
    with suppress(FileNotFoundError):
        models = sorted(entry.path for entry in os.scandir(folder) if entry.is_dir())
        for model in models:
            # `step*`, not `*`: a killed run may have left a hidden, half-written file.
            entries = [e for e in os.scandir(model) if e.name.startswith("step")]
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.name.endswith(".parquet"):
                    name = f"{os.path.basename(model)}/{entry.name.removesuffix('.parquet')}"
                    yield name, stamp(entry.stat())


def _compacted(folder: Path, schema: pa.Schema) -> tuple[pa.Table, Stamps]:
    """The compacted file's rows and stamps. One that is missing, old or damaged counts as empty."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    expected = _with_cell(schema)
    with suppress(OSError, ValueError, KeyError, TypeError):  # pyarrow's errors are such too
        table = pq.read_table(
            folder / COMPACTED, partitioning=None, page_checksum_verification=True
        )
        stamps = json.loads(table.schema.metadata[_STAMPS])
        if table.schema.remove_metadata() == expected:
            return table.replace_schema_metadata(None), stamps
    return pa.Table.from_pylist([], schema=expected), {}


def _read_cells(folder: Path, names: list[str], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa
    import pyarrow.dataset as ds

    files = [str(folder / f"{name}.parquet") for name in names]
    options = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
    form = ds.ParquetFileFormat(default_fragment_scan_options=options)
    columns = [*schema.names, "__filename"]
    try:
        table = ds.dataset(files, schema=schema, format=form).to_table(columns=columns)
    except (OSError, ValueError) as error:
        raise _damaged(files, schema) or error from None
    cells = dict(zip(files, names, strict=True))
    column = pa.array([cells[path] for path in table["__filename"].to_pylist()], pa.string())
    return table.drop_columns(["__filename"]).append_column(CELL, column)


def _damaged(files: list[str], schema: pa.Schema) -> UsageError | None:
    """Which of some files cannot be read; asked only once reading them all has failed."""
    import pyarrow.parquet as pq

    for file in files:
        try:
            pq.read_table(file, schema=schema, partitioning=None, page_checksum_verification=True)
        except (OSError, ValueError) as error:
            suite, experiment = Path(file).parts[-4:-2]
            return UsageError(
                f"{file} is damaged ({first_line(error)}); "
                f"its cell is run again by: pythia run {experiment} (suite {suite})"
            )
    return None


def _with_cell(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return schema.append(pa.field(CELL, pa.string()))


def _drop_cell(table: pa.Table) -> pa.Table:
    return table.drop_columns([CELL])
