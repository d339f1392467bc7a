"""The commands about the Hub's checkpoints: `pythia fetch`, and the steps of `pythia suites --steps`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click

from pythia_utils.base.errors import UsageError
from pythia_utils.base.progress import Bar
from pythia_utils.base.terminal import aligned, show
from pythia_utils.base.units import parse_size, show_size
from pythia_utils.cli.options import NAME, Steps, ask_above, examples, model_named, steps_option
from pythia_utils.suites import checkpoints as opening
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.suites.errata import heed_errata, in_words, require_weights, with_weights

if TYPE_CHECKING:
    from pythia_utils.suites.hub.api import Revision
    from pythia_utils.suites.hub.cache import HubCache

_AT_A_TIME = 8  # questions to the Hub


# --- steps ----------------------------------------------------------------------------------------


def steps_table(model: Model, steps: Steps) -> list[dict]:
    """A dict for each of these checkpoints: `step`, `revision`, and `erratum`, one line or None."""
    chosen = [model.checkpoint(step) for step in steps.among(model.steps, model.name)]
    return [{"step": c.step, "revision": c.revision, "erratum": in_words(c.errata)} for c in chosen]


def steps_text(rows: list[dict]) -> str:
    """The same for the screen, a line a checkpoint."""
    return aligned([(row["revision"], row["erratum"] or "") for row in rows])


# --- fetch ----------------------------------------------------------------------------------------


@click.command(
    "fetch",
    epilog=examples(
        "pythia fetch pythia-70m --steps 3000",
        "pythia fetch pythia-70m-deduped --steps 0,512,143000",
        "pythia fetch pythia-160m --steps 0,1000-10000 --disk-budget 20GB",
        "pythia fetch pythia-14m --steps all --yes",
    ),
)
@click.argument("name", type=NAME, metavar="MODEL")
@steps_option("The checkpoints.")
@click.option(
    "--disk-budget",
    type=NAME,
    metavar="SIZE",
    help="Most that checkpoints fetched by this program may take, such as 20GB or 4GiB: those not used for "
    "longest are dropped first, never another program's.",
)
@click.option("--yes", is_flag=True, help="Do not ask, however much it is.")
@click.option("--strict", is_flag=True, help="Refuse checkpoints that are known to be wrong.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a checkpoint, in a list.")
@click.option("--quiet", is_flag=True, help="No progress.")
def fetch_command(name, steps, disk_budget, yes, strict, as_json, quiet) -> None:
    """Bring checkpoints from the Hub into the cache that all Hugging Face tools share.

    Each file is verified by its hash. What is there already is not fetched again: a fetch that was cut
    off goes on with the files that were not whole. Asks before it fetches more than 10 GB. Prints the
    step, the commit and the folder of each.
    """
    chosen = _choose(name, steps)
    budget = None if disk_budget is None else parse_size(disk_budget, "--disk-budget")
    heed_errata(chosen, strict)
    cache = opening.hub_cache(budget=budget)
    revisions = _describe(chosen)
    size = _announce(cache, chosen, revisions, budget)
    ask_above(size, yes)
    rows = _fetch(cache, chosen, revisions, size, quiet)
    opening.fetch_tokenizer(chosen[0])
    show(json.dumps(rows, indent=1) if as_json else _lines(rows))


def _choose(name: str, steps: Steps | None) -> list[Checkpoint]:
    """The checkpoints asked for, each once; of ranges, those that have weights."""
    model = model_named(name)
    if model.repo_id is None and model.own:
        raise UsageError(f"{model.name} is in {model.own.place}; there is nothing to fetch")
    if model.repo_id is None:
        command = f"pythia train {model.suite} --models {model.name}"
        raise UsageError(f"{model.name} is not on the Hub, it is trained here; run: {command}")
    if steps is None:
        raise UsageError("which checkpoints? expected --steps, such as 0,512 or 0-3000, or all")
    chosen = [model.checkpoint(step) for step in steps.among(model.steps, model.name)]
    require_weights(c for c in chosen if steps.names(c.step))
    return with_weights(chosen)


def _describe(chosen: list[Checkpoint]) -> list[Revision]:
    """What the Hub has for each checkpoint: a small request or two a checkpoint, some at a time."""
    from pythia_utils.suites.hub import api

    def ask(checkpoint: Checkpoint) -> Revision:
        revision = api.describe(checkpoint.model.repo_id, checkpoint.revision)
        revision.needed()  # reads the index of weights in several files
        return revision

    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return list(pool.map(ask, chosen))


def _announce(
    cache: HubCache, chosen: list[Checkpoint], revisions: list[Revision], budget: int | None
) -> int:
    """Say what is about to be fetched; the bytes. Files that checkpoints share count once."""
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


def _fetch(
    cache: HubCache, chosen: list[Checkpoint], revisions: list[Revision], size: int, quiet: bool
) -> list[dict]:
    rows = []
    with Bar(size, chosen[0].model.name, "B", quiet=quiet) as bar:
        cache.progress = bar.advance
        for checkpoint, revision in zip(chosen, revisions, strict=True):
            bar.label = revision.name
            found = cache.fetch(revision)
            rows.append(
                {"step": checkpoint.step, "revision": revision.name, "commit": found.commit}
                | {"folder": str(found.folder), "files": found.hashes}
            )
    return rows


def _lines(rows: list[dict]) -> str:
    return "\n".join(f"{row['revision']}\t{row['commit'][:12]}\t{row['folder']}" for row in rows)
