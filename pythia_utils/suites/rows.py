"""From what a suite's file says to the fields of its models: lists of sizes, variants, versions and seeds.

Names, revisions and errata follow from them by rule.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.suites.forks import fork_fields
from pythia_utils.suites.models import Erratum

SEEDS = ("weight_seed", "data_seed")
_COPIED = (*SEEDS, "n_layers", "d_model", "n_heads", "vocab_size", "rotary_pct")
_COPIED += ("learning_rate", "batch_size", "seq_length", "total_steps", "dtype")


def rows_of(source: dict) -> Iterator[dict]:
    """The fields of each model, from the file's lists of sizes, variants, versions and seeds."""
    for group in source["models"]:
        sizes = source["sizes"] if group["sizes"] == "all" else group["sizes"]
        for size in sizes:
            for seeds in _seeds(group):
                row = _row(source, size, group, seeds)
                yield from _forks(row, group) if "interventions" in group else [row]


def _forks(row: dict, group: dict) -> Iterator[dict]:
    """The runs that go on from one that is listed, or may be."""
    base = (row["name"], row["variant"], row["steps"])
    for name, step in itertools.product(group["interventions"], group["from_steps"]):
        yield row | fork_fields(*base, name, step)


def _seeds(group: dict) -> list[dict[str, int]]:
    """The seeds of a group's models, by field; without lists of seeds one model of the usual."""
    both = [{"weight_seed": n, "data_seed": n} for n in group.get("seeds", ())]
    apart = [{field: n} for field in SEEDS for n in group.get(f"{field}s", ())]
    return both + apart or [{}]


def _seed_ending(seeds: dict[str, int]) -> str:
    """`-seed1` of one seed for both, `-weight-seed1`, `-data-seed1`."""
    if len(seeds) == 2:
        return f"-seed{seeds['weight_seed']}"
    return "".join(f"-{field.replace('_', '-')}{n}" for field, n in seeds.items())


def _row(source: dict, size: str, group: dict, seeds: dict[str, int]) -> dict:
    variant, version = group.get("variant", "standard"), group.get("version", "")
    settings = _settings(source, size, group.get("settings_of", version), seeds)
    ending = "-deduped" * (variant == "deduped") + f"-{version}" * bool(version)
    ending += _seed_ending(seeds)
    usual = f"{source['name']}-{size}{ending}"
    name = folder_name(group["name"].format(size=size) if "name" in group else usual)
    # Former names stand for today's release, so only models without a version or a number have one.
    former = settings.get("formerly") if not (version or seeds or "name" in group) else None
    release = source.get("versions", {}).get(version, {})
    steps = group.get("steps", release.get("steps", source["steps"]))
    return {key: settings[key] for key in _COPIED} | {
        "name": name,
        "suite": source["name"],
        "variant": variant,
        "version": version,
        "size": size,
        "repo_id": source["repo"].format(model=name) if "repo" in source else None,
        "aliases": (f"{source['name']}-{former}{ending}",) if former else (),
        # Steps are named in the suite's own batches, whatever the size of this model's.
        "steps": _steps(source["training"]["total_steps"], **steps),
        "usual_seed": source["training"]["seed"],
        "trained_on": group.get("trained_on", ""),
    }


def _settings(source: dict, size: str, version: str, seeds: dict[str, int]) -> dict:
    """Of training: the suite's, the size's and those of a version, each before the one before it."""
    release = source.get("versions", {}).get(version, {})
    common = {**source["training"], "vocab_size": _vocab_size(source)}
    settings = {**common, **source["sizes"][size], **release.get("sizes", {}).get(size, {})}
    return settings | dict.fromkeys(SEEDS, settings["seed"]) | seeds


def folder_name(name: str) -> str:
    """A model's name, which is also that of a folder in the suite's."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UsageError(f"model {name!r}: expected a name of letters, digits, -, _ and dots")
    return name


def _vocab_size(source: dict) -> int:
    """Of a suite trained here it belongs to the corpus, which makes the tokenizer."""
    return source.get("corpus", source["training"])["vocab_size"]


@cache
def _steps(
    last: int, then_every: int, powers_of_two_to: int | None = None, first: int = 0
) -> tuple[int, ...]:
    """`0, 1, 2, 4 .. powers_of_two_to` where asked for, then the multiples of `then_every` from `first` on."""
    if powers_of_two_to is None:
        return tuple(range(first or then_every, last + 1, then_every))
    early = [0] + [2**n for n in range(powers_of_two_to.bit_length())]
    return tuple(early + [s for s in range(then_every, last + 1, then_every) if s > early[-1]])


def erratum_of(entry: dict, rows: list[dict]) -> Erratum:
    """An entry of the errata, its models and steps in full.

    Raises:
        UsageError: a model or a step that the suite does not have.
    """
    # Version 0 is another training run with checkpoints of its own: `all` means today's models.
    current = {row["name"]: row["steps"] for row in rows if not row["version"]}
    where, spared = f"in the errata of {rows[0]['suite']}.yml", entry.get("but", ())
    names = [*current] if entry["models"] == "all" else entry["models"]
    for name in (*names, *spared):
        if name not in current:
            raise unknown("model", name, current, where=where)
    ranges = [item if isinstance(item, list) else [item, item] for item in entry["steps"]]
    known = {step for name in names for step in current[name]}
    steps = tuple(sorted(s for s in known if any(first <= s <= end for first, end in ranges)))
    for first, end in ranges:
        if not any(first <= step <= end for step in steps):
            raise unknown("step", first, sorted(known), where=where)
    # Some begin late: of `all` those that have such a step.
    hit = (name for name in names if name not in spared and not {*steps}.isdisjoint(current[name]))
    return Erratum(tuple(hit), steps, entry["kind"], entry["text"], entry["source"])
