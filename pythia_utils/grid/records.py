"""Records: the tidy numbers of the book. One row is one metric of one model at one step.

A notebook calls `record(rows, ...)`, which shows a table and puts the same rows, exactly, into the
output's MIME bundle: the executed notebook is self-contained. The runner copies them to a Parquet
file beside it, and `read(experiment)` gives a whole grid as one DataFrame.

One experiment may have been run on several evaluation sets, and for some checkpoints with explicit
parameters. The columns `measured_on` and `parameters` tell, and `read` gives one at a time.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_utils.base.errors import UsageError, nearest, unknown
from pythia_utils.base.files import atomic_write, local_path
from pythia_utils.base.markup import NO_MATHS, code, html, plain
from pythia_utils.grid import record_store
from pythia_utils.suites.catalog import Checkpoint, find_model
from pythia_utils.suites.catalog import suite as find_suite

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# No page shows this type, and MyST-NB warns of types that it does not know. A site built from these
# notebooks drops it from its copies, or sets `suppress_warnings: [mystnb.unknown_mime_type]`.
MIME = "application/vnd.pythia.records+json"
_TYPES = {
    "suite": "string",
    "model": "string",
    "variant": "string",
    "n_params": "int64",
    "step": "int64",
    "tokens_seen": "int64",
    "experiment": "string",
    "measured_on": "string",
    "parameters": "string",
    "metric": "string",
    "subset": "string",
    "value": "float64",
    "stderr": "float64",
    "n": "int64",
}
COLUMNS = tuple(_TYPES)
_EMPTY = ("value", "stderr", "n")  # columns that may be
_SET = ["measured_on", "parameters"]
_MEASURED = ("metric", "subset", "value", "stderr", "n")
_SHOWN_ROWS = 40
_VALUE = "value ± standard error"
_CAPTION = (
    "± is one standard error, over the units that the text names (documents, pairs, ...); 1.96 of them on "
    "either side make a 95% interval of a mean. n is how many were measured."
)
# What our suites are measured on if nobody asks for anything else: their own training data, and the
# evaluation sets that are made from nano's grammar.
OWN = ("own", "nano")
_UNSAFE = re.compile(r"[^\w.,=+-]|\.failed$", re.ASCII)  # in names of files, pages and addresses
_LONGEST = 80


def runs_dir(root: Path | None = None) -> Path:
    """Where executed notebooks and records are: `PYTHIA_RUNS`, or `runs/` in `root` (here)."""
    folder = os.environ.get("PYTHIA_RUNS")
    return local_path(folder or (root or Path.cwd()) / "runs")


def stem(step: int, parameters: str = "") -> str:
    """The name of a cell's files and page, without ending: `step000512`, `step000512@pairs=400`.

    Args:
        step: training step.
        parameters: as in the records; empty for a usual cell. What no file's name may hold becomes a
            hyphen, what is long is cut, and then a short digest keeps two from being one.
    """
    if not parameters:
        return f"step{step:06d}"
    name = _UNSAFE.sub("-", parameters)
    if name != parameters or len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}~{hashlib.sha256(parameters.encode()).hexdigest()[:8]}"
    return f"step{step:06d}@{name}"


def record(
    rows: Iterable[Mapping[str, Any]],
    *,
    experiment: str,
    suite: str,
    model: str,
    step: int,
    measured_on: str = "own",
) -> pd.DataFrame:
    """Keep a notebook's numbers: show them as a table and carry them in the output.

    Args:
        rows: dicts of `metric` and `value`, and where they apply `subset` (default `all`),
            `stderr` (standard error of `value`; same unit) and `n` (items it was measured on).
        experiment: name of the experiment in experiments.yml.
        suite: name of the suite.
        model: name of the model; a former name is understood.
        step: training step of the checkpoint.
        measured_on: the evaluation set or data, as readers should name it: `nano`, `blimp`, of a file
            its name and a digest. `own`: what the suite itself has.

    Returns:
        The records, with columns `COLUMNS`.

    Raises:
        UsageError: unknown suite, model or step.
        ValueError: a row with an unknown key, without a metric, with an infinite number, or twice.
    """
    checkpoint = find_model(model, suite).checkpoint(step)
    common = identity(checkpoint, experiment, measured_on)
    full = [common | _measured(row) for row in rows]
    keys = [(row["metric"], row["subset"]) for row in full]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"recorded twice: metric {twice[0][0]!r}, subset {twice[0][1]!r}")
    frame = _frame(full)
    _display(frame, full)
    return frame


def identity(checkpoint: Checkpoint, experiment: str, measured_on: str = "own") -> dict[str, Any]:
    """What all records of a checkpoint have in common: the columns that tell what was measured."""
    model = checkpoint.model
    return {
        "suite": model.suite,
        "model": model.name,
        "variant": model.variant,
        "n_params": model.non_embedding_params,
        "step": checkpoint.step,
        "tokens_seen": checkpoint.tokens_seen,
        "experiment": experiment,
        "measured_on": measured_on,
        "parameters": "",
    }


def _measured(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row's own columns as plain Python values, as JSON can carry them: NaN becomes None."""
    if wrong := sorted(set(row) - set(_MEASURED)):
        raise ValueError(f"a record has no {wrong[0]!r}; its keys are {', '.join(_MEASURED)}")
    if "metric" not in row or "value" not in row:
        raise ValueError(f"a record needs a metric and a value, this has neither or one: {row!r}")
    numbers = {key: _number(row, key) for key in ("value", "stderr")}
    n = row.get("n")
    return {
        "metric": str(row["metric"]),
        "subset": str(row.get("subset", "all")),
        **numbers,
        "n": None if n is None or n != n else int(n),
    }


def _number(row: Mapping[str, Any], key: str) -> float | None:
    number = row.get(key)
    if number is None or math.isnan(number):
        return None
    if math.isinf(number):
        raise ValueError(
            f"{row['metric']!r} has an infinite {key}: neither JSON nor a plot holds it"
        )
    return float(number)


def _display(frame: pd.DataFrame, rows: list[dict]) -> None:
    """One output with two faces: readers see the table, programs find every digit beside it."""
    from IPython.display import display

    table = _table(frame)
    escaped = table.map(lambda text: html(plain(text)))
    look = {"index": False, "border": 0, "classes": f"pythia-records {NO_MATHS}"}
    bundle = {
        "text/html": _with_caption(escaped.to_html(escape=False, **look)),
        "text/plain": table.to_string(index=False),
        MIME: {"version": 1, "rows": rows},
    }
    display(bundle, raw=True)


def _with_caption(table: str) -> str:
    """What ± means stands above a table that has one."""
    caption = f"<caption>{_CAPTION}</caption>" if "±" in table.partition("<tbody>")[2] else ""
    return table.replace("<thead>", f"{caption}<thead>", 1)


def _table(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that differ between rows, as texts of few digits."""
    import pandas as pd

    shown = frame.head(_SHOWN_ROWS)
    table = pd.DataFrame(
        {
            "metric": shown["metric"],
            "subset": shown["subset"],
            _VALUE: [_digits(*pair) for pair in zip(shown["value"], shown["stderr"], strict=True)],
            "n": ["" if pd.isna(n) else f"{n:,}" for n in shown["n"]],
        }
    )
    if hidden := len(frame) - len(shown):
        table.loc[len(table)] = ["…", f"and {hidden} more", "", ""]
    return table


def _digits(value: float, stderr: float) -> str:
    if math.isnan(value):
        return "–"
    if stderr == 0:
        return f"{value:.4g}, all alike"  # of items that do not vary; "± 0" would claim to be sure
    return f"{value:.4g}" if math.isnan(stderr) else f"{value:.4g} ± {stderr:.2g}"


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [pa.field(n, getattr(pa, kind)(), nullable=n in _EMPTY) for n, kind in _TYPES.items()]
    )


def _frame(rows: list[dict]) -> pd.DataFrame:
    import pyarrow as pa

    return _to_pandas(pa.Table.from_pylist(rows, schema=_schema()))


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    """`n` may be missing, so it is pandas' nullable integer; a missing float is NaN."""
    return table.to_pandas().astype({"n": "Int64"})


def from_notebook(notebook: Mapping[str, Any], parameters: str = "") -> pd.DataFrame | None:
    """The records that an executed notebook (its JSON) carries, in order; None if it carries none.

    It does not itself know which parameters set its cell apart.
    """
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", ())]
    bundles = [out["data"][MIME] for out in outputs if MIME in out.get("data", {})]
    rows = [row | {"parameters": parameters} for bundle in bundles for row in bundle["rows"]]
    return _frame(rows) if bundles else None


def write(path: Path, frame: pd.DataFrame) -> None:
    """Write records as one Parquet file, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(to_bytes(frame))


def to_bytes(frame: pd.DataFrame) -> bytes:
    """The contents of the file that `write` makes."""
    import pyarrow as pa

    table = pa.Table.from_pandas(frame[list(COLUMNS)], schema=_schema(), preserve_index=False)
    return record_store.to_bytes(table.replace_schema_metadata(None))


def record_files(runs: Path, experiment: str, suite: str = "*") -> list[Path]:
    """The Parquet files of an experiment's cells, sorted by path."""
    # `step*`, not `*`: a killed run may have left a hidden, half-written file.
    return sorted(runs.glob(f"{suite}/{experiment}/*/step*.parquet"))


def read(
    experiment: str, suite: str | None = None, runs: Path | None = None, measured_on: str = ""
) -> pd.DataFrame:
    """An experiment's records on one evaluation set, sorted by size, variant, model and step.

    Args:
        experiment: name of the experiment.
        suite: only that suite's; by default those of every suite that has been run.
        runs: the folder of runs; `runs_dir()` by default.
        measured_on: as for `one_set`.

    Returns:
        A DataFrame with columns `COLUMNS`.

    Raises:
        UsageError: there are none, none on that set, or a file is damaged.
    """
    return one_set(read_all(experiment, suite, runs), measured_on)


def read_all(experiment: str, suite: str | None = None, runs: Path | None = None) -> pd.DataFrame:
    """All records of an experiment, on whatever they were measured. Arguments and errors as `read`."""
    folder = runs_dir() if runs is None else Path(runs)
    files = record_files(folder, experiment, suite or "*")
    table = record_store.read(files, _schema())
    if not len(table):
        raise _nothing_recorded(experiment, suite, folder)
    order = ["n_params", "variant", "model", "step"]
    return _to_pandas(table).sort_values(order, kind="stable", ignore_index=True)


def one_set(frame: pd.DataFrame, measured_on: str = "") -> pd.DataFrame:
    """Of records, those of each suite that are comparable: one evaluation set, the same parameters.

    Args:
        frame: from `read_all`.
        measured_on: the set, of a file the name is enough; by default the suite's own if it is there,
            else the one with most runs. Usual cells are taken before those with explicit parameters.

    Raises:
        UsageError: none of the records are of this set.
    """
    import pandas as pd

    known = sorted(frame["measured_on"].unique())
    named = [name for name in known if _is_called(name, measured_on)]
    if not named:
        raise unknown("evaluation set", measured_on, known)
    cells = frame[["suite", "model", "step", *_SET]].drop_duplicates()
    cells = cells[cells["measured_on"].isin(named)]
    chosen = [(suite, *_first_set(own)) for suite, own in cells.groupby("suite")]
    return frame.merge(pd.DataFrame(chosen, columns=["suite", *_SET]))


def _is_called(name: str, wanted: str) -> bool:
    return not wanted or name == wanted or name.startswith(f"{wanted} ")


def _first_set(cells: pd.DataFrame) -> tuple[str, str]:
    """Which set of a suite to show, with which parameters."""
    count = cells.groupby(_SET).size()
    made = "made-text" in find_suite(cells["suite"].iloc[0]).kinds
    own = OWN if made else OWN[:1]  # nano's pairs are no one else's own
    return min(count.index, key=lambda key: (key[0] not in own, bool(key[1]), -count[key], key))


def set_in_words(shown: pd.DataFrame, everything: pd.DataFrame) -> str:
    """What a chapter says of the records that it shows (`one_set` of everything), and of others. Markdown."""
    (first,) = shown[_SET].drop_duplicates().itertuples(index=False)
    cells = everything[[*_SET, "model", "step"]].drop_duplicates().groupby(_SET).size()
    others = [f"{_set_name(*key)}: {n}" for key, n in cells.items() if key != tuple(first)]
    text = f"Measured on {'the set ' * (first[0] != 'own')}{_set_name(*first)}."
    return text + (
        f" Not shown here are runs on other sets or with other parameters ({'; '.join(others)}). The "
        "chapter's parameter `measured_on` chooses a set; the page *All runs* leads to each run."
        if others
        else ""
    )


def _set_name(measured_on: str, parameters: str) -> str:
    name = "the suite's own data" if measured_on == "own" else code(measured_on)
    return name + (f" with {code(parameters)}" if parameters else "")


def _nothing_recorded(experiment: str, suite: str | None, folder: Path) -> UsageError:
    names = {path.parents[1].name for path in folder.glob("*/*/*/step*.parquet")} - {experiment}
    similar = nearest(experiment, sorted(names))
    hint = f"; nearest: {', '.join(similar)}" if similar else ""
    of_suite = f" in suite {suite!r}" if suite else ""
    return UsageError(
        f"no records of experiment {experiment!r}{of_suite} in {folder}{hint}; "
        f"run: pythia run {experiment}" + (f" --suite {suite}" if suite else "")
    )
