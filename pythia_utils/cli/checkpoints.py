"""The commands about the Hub's checkpoints: `pythia fetch`, and the steps of `pythia suites --steps`."""

from __future__ import annotations

import json
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.cli.options import examples
from pythia_utils.suites import checkpoints as opening
from pythia_utils.suites.catalog import Checkpoint, Model, find_model, renamed
from pythia_utils.suites.errata import has_weights, known_bad, require_weights

if TYPE_CHECKING:
    from pythia_utils.suites.hub.api import Revision
    from pythia_utils.suites.hub.cache import HubCache

ASK_ABOVE = 10 * 10**9  # bytes
_AT_A_TIME = 8  # questions to the Hub


# --- steps ----------------------------------------------------------------------------------------


def steps_table(name: str) -> list[dict]:
    """A dict for each checkpoint of a model: `step`, `revision`, and `erratum`, one line or None."""
    return [
        {"step": c.step, "revision": c.revision, "erratum": c.erratum}
        for c in find_model(name).checkpoints
    ]


def steps_text(rows: list[dict]) -> str:
    """The same for the screen, a line a checkpoint."""
    width = max(len(row["revision"]) for row in rows)
    lines = [f"{row['revision']:<{width}}  {row['erratum'] or ''}".rstrip() for row in rows]
    return "\n".join(lines)


# --- fetch ----------------------------------------------------------------------------------------


@click.command(
    "fetch",
    epilog=examples(
        "pythia fetch pythia-70m --step 3000",
        "pythia fetch pythia-70m-deduped --step 0 --step 512 --step 143000",
        "pythia fetch pythia-160m --steps 1000,2000,4000 --disk-budget 20GB",
        "pythia fetch pythia-14m --steps all --yes",
    ),
)
@click.argument("name", metavar="MODEL")
@click.option("--step", "single", type=int, multiple=True, help="A checkpoint; may be repeated.")
@click.option("--steps", "several", help="Checkpoints by commas, or all.")
@click.option(
    "--disk-budget",
    metavar="SIZE",
    help="Most that checkpoints fetched by this program may take, such as 20GB: those not used for "
    "longest are dropped first, never another program's.",
)
@click.option("--yes", is_flag=True, help="Do not ask, however much it is.")
@click.option("--strict", is_flag=True, help="Refuse checkpoints that are known to be wrong.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a checkpoint, in a list.")
@click.option("--quiet", is_flag=True, help="No progress.")
def fetch_command(name, single, several, disk_budget, yes, strict, as_json, quiet) -> None:
    """Bring checkpoints from the Hub into the cache that all Hugging Face tools share.

    Each file is verified by its hash. What is there already is not fetched again: a fetch that was cut
    off goes on with the files that were not whole. Asks before it fetches more than 10 GB. Prints the
    step, the commit and the folder of each.
    """
    from pythia_utils.base.units import parse_size

    chosen = _choose(name, single, several)
    budget = None if disk_budget is None else parse_size(disk_budget)
    for line in known_bad(chosen):
        if strict:
            raise UsageError(f"{line}; refused, as asked (--strict)")
        click.echo(f"pythia: warning: {line}", err=True)
    cache = opening.hub_cache(budget=budget)
    revisions = _describe(chosen)
    size = _announce(cache, chosen, revisions, budget)
    if size > ASK_ABOVE and not yes:
        _ask(size)
    rows = _fetch(cache, chosen, revisions, size, quiet)
    click.echo(json.dumps(rows, indent=1) if as_json else _lines(rows))


def _choose(name: str, single: tuple[int, ...], several: str | None) -> list[Checkpoint]:
    """The checkpoints asked for, each once; of `all`, those that have weights."""
    model = find_model(name)
    if notice := renamed(name):
        click.echo(notice, err=True)
    if model.repo_id is None:
        command = f"pythia train {model.suite} --models {model.name}"
        raise UsageError(f"{model.name} is not on the Hub, it is trained here; run: {command}")
    if not single and not several:
        raise UsageError("which checkpoints? expected --step NUMBER, or --steps all")
    if several == "all":
        chosen = list(model.checkpoints)
        for line in known_bad(c for c in chosen if not has_weights(c)):
            click.echo(f"{line}; left out", err=True)
        return [c for c in chosen if has_weights(c)]
    steps = [*single, *_numbers(several or "", model)]
    chosen = [model.checkpoint(step) for step in dict.fromkeys(steps)]
    require_weights(chosen)
    return chosen


def _numbers(text: str, model: Model) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal():
            raise UsageError(
                f"--steps {part!r}: expected numbers by commas, or all; "
                f"{model.name} has steps {model.steps[0]} to {model.steps[-1]}"
            )
    return [int(part) for part in parts]


def _describe(chosen: list[Checkpoint]) -> list[Revision]:
    """What the Hub has for each checkpoint: a small request or two a checkpoint, some at a time."""
    from pythia_utils.suites.hub import api

    def ask(checkpoint: Checkpoint) -> Revision:
        revision = api.describe(checkpoint.model.repo_id, checkpoint.revision)
        revision.needed()  # reads the index of weights in several files
        return revision

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        asked = [pool.submit(ask, checkpoint) for checkpoint in chosen]
        try:
            return [each.result() for each in asked]
        finally:
            for each in asked:
                each.cancel()


def _announce(
    cache: HubCache, chosen: list[Checkpoint], revisions: list[Revision], budget: int | None
) -> int:
    """Say what is about to be fetched; the bytes. Files that checkpoints share count once."""
    from pythia_utils.base.units import show_size

    files = {file.etag: file.size for revision in revisions for file in revision.needed()}
    missing = {
        hash_: size for revision in revisions for hash_, size in cache.missing(revision).items()
    }
    whole, size = sum(files.values()), sum(missing.values())
    many = f"{len(chosen)} checkpoint{'s' * (len(chosen) != 1)} of {chosen[0].model.name}"
    click.echo(f"{many}: {show_size(size)} to fetch, of {show_size(whole)}", err=True)
    if budget is not None and whole > budget:
        raise UsageError(
            f"--disk-budget {show_size(budget)}: all of these together need {show_size(whole)}; "
            "fetch fewer, or let a sweep with that budget fetch them one after another"
        )
    return size


def _ask(size: int) -> None:
    from pythia_utils.base.units import show_size

    if not sys.stdin.isatty():
        raise UsageError(f"that is more than {show_size(ASK_ABOVE)}; to fetch it, add --yes")
    click.confirm(f"Fetch {show_size(size)}?", abort=True, err=True)


def _fetch(
    cache: HubCache, chosen: list[Checkpoint], revisions: list[Revision], size: int, quiet: bool
) -> list[dict]:
    rows = []
    with _Progress(size, quiet) as progress:
        cache.progress = progress.update
        for checkpoint, revision in zip(chosen, revisions, strict=True):
            progress.name = revision.name
            found = cache.fetch(revision)
            rows.append(
                {"step": checkpoint.step, "revision": revision.name, "commit": found.commit}
                | {"folder": str(found.folder), "files": found.hashes}
            )
    return rows


def _lines(rows: list[dict]) -> str:
    return "\n".join(f"{row['revision']}\t{row['commit'][:12]}\t{row['folder']}" for row in rows)


class _Progress:
    """Bytes fetched, rate and time left: a bar on a terminal, now and then a line elsewhere."""

    every = 5.0  # seconds between lines where there is no terminal

    def __init__(self, total: int, quiet: bool) -> None:
        self.total, self.quiet, self.name = total, quiet, ""
        self.done, self.bar = 0, None
        self.started = self.shown = time.monotonic()

    def __enter__(self) -> _Progress:
        if self.total and not self.quiet and sys.stderr.isatty():
            from tqdm import tqdm

            width = shutil.get_terminal_size().columns
            self.bar = tqdm(
                total=self.total, unit="B", unit_scale=True, file=sys.stderr, ncols=width
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, size: int) -> None:
        self.done += size
        if self.bar is not None:
            self.bar.set_description(self.name, refresh=False)
            self.bar.update(size)
        elif not self.quiet and time.monotonic() - self.shown >= self.every:
            self.shown = time.monotonic()
            click.echo(self._line(), err=True)

    def _line(self) -> str:
        from pythia_utils.base.units import show_size

        rate = self.done / (time.monotonic() - self.started)
        left = max(0, self.total - self.done) / rate
        return (
            f"{self.name}: {show_size(self.done)} of {show_size(self.total)} · "
            f"{show_size(int(rate))}/s · {left:.0f} s left"
        )
