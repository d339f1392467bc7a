"""The file of a suite, `data/suites/<name>.yml`, checked: keys, types, and what must fit together.

`catalog` makes models of it, and so may trust it; whoever writes a suite is told a mistake in one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pythia_utils.base import yaml
from pythia_utils.base.errors import UsageError, in_short, unknown
from pythia_utils.base.yaml import (
    check_fields,
    check_name,
    check_text,
    is_whole,
    listed,
    mapping,
    number,
    one_of,
    whole,
)

VARIANTS = ("standard", "deduped")
ERRATA = ("wrong", "partial", "missing", "expected")
_SHAPE = {
    "n_layers": whole(1),
    "d_model": whole(1),
    "n_heads": whole(1),
    "learning_rate": number(0),
}
_TRAINING = {
    "total_steps": whole(1),
    "batch_size": whole(1),
    "seq_length": whole(1),
    "seed": whole(0),
    "dtype": one_of("float16", "bfloat16", "float32"),
    "rotary_pct": number(0, 1),
    "optimizer": check_text,
    "betas": lambda where, value: _pair(where, value, number(0, 1)),
    "eps": number(0),
    "weight_decay": number(0),
    "clip": number(0),
    "schedule": check_text,
    "warmup": number(0, 1),
    "min_lr": number(0, 1),
    "init": check_text,
    "output_init": check_text,
}
_VOCAB = {"vocab_size": whole(1)}
_STEPS = {"then_every": whole(1), "powers_of_two_to": whole(1)}


def read_suite(path: Path) -> dict[str, Any]:
    """What a suite's file says.

    Raises:
        UsageError: no such file, no YAML, or an unknown, missing or wrong entry; with its place.
    """
    where, source = path.name, yaml.read(path, path.name)
    kind = mapping(where, source).get("kind")
    one_of("hub", "local")(f"{where}: kind", kind)
    check_fields(where, source, _fields(kind), _required(kind))
    if source["name"] != path.stem:
        raise UsageError(
            f"{where}: name: expected {path.stem!r}, as the file's, not {source['name']!r}"
        )
    for size, shape in source["sizes"].items():
        _check_heads(f"{where}: sizes.{size}", shape)
    for place, steps in _all_steps(source):
        _check_last(f"{where}: {place}", steps, source["training"]["total_steps"])
    for index, group in enumerate(source["models"], start=1):
        _check_group(f"{where}: models, entry {index}", group, source)
    return source


def _fields(kind: str) -> dict[str, yaml.Check]:
    """The checks of a file's keys."""
    own = {"repo": _check_repo} if kind == "hub" else {"corpus": _check_corpus}
    return own | {
        "name": check_name,
        "kind": check_text,
        "title": check_text,
        "training": _check_training(kind),
        "sizes": _check_sizes,
        "steps": _check_steps,
        "versions": _check_versions,
        "models": _check_groups,
        "errata": _check_errata,
    }


def _required(kind: str) -> set[str]:
    own = "repo" if kind == "hub" else "corpus"
    return {"name", "kind", "title", "training", "sizes", "steps", "models", own}


def _check_repo(where: str, value: Any) -> None:
    check_text(where, value)
    if value.replace("{model}", "").count("{") or "{model}" not in value:
        raise UsageError(f"{where}: expected an address with {{model}} in it, not {value!r}")


def _check_training(kind: str) -> yaml.Check:
    # A suite that is trained here takes the size of its vocabulary from its corpus.
    fields = _TRAINING | (_VOCAB if kind == "hub" else {})
    return lambda where, value: check_fields(where, value, fields, fields)


def _pair(where: str, value: Any, each: yaml.Check) -> None:
    if not isinstance(value, list) or len(value) != 2:
        raise UsageError(f"{where}: expected two numbers in a list, not {in_short(repr(value))}")
    for item in value:
        each(where, item)


# --- sizes, versions ------------------------------------------------------------------------------


def _check_sizes(where: str, value: Any, required: Iterable[str] = tuple(_SHAPE)) -> None:
    fields = _SHAPE | _TRAINING | _VOCAB | {"formerly": _check_size}
    if not mapping(where, value):
        raise UsageError(f"{where}: expected at least one size")
    for size, shape in value.items():
        _check_size(where, size)
        check_fields(f"{where}.{size}", shape, fields, required)


def _check_size(where: str, size: Any) -> None:
    """Raise UsageError for a size that could not be part of a model's name: not as `57k` or `1.4b` is."""
    if not isinstance(size, str):
        raise UsageError(f"{where}: a size is a text such as 57k, not {size!r}")
    check_name(where, size.replace(".", ""))


def _check_heads(where: str, shape: dict) -> None:
    if shape["d_model"] % shape["n_heads"]:
        widths = f"{shape['d_model']} is not a multiple of n_heads, {shape['n_heads']}"
        raise UsageError(f"{where}: d_model {widths}")


def _check_steps(where: str, value: Any) -> None:
    check_fields(where, value, _STEPS, {"then_every"})


def _all_steps(source: dict) -> Iterator[tuple[str, dict]]:
    """The steps of the suite and of each of its versions, with their place in the file."""
    yield "steps", source["steps"]
    for version, release in source.get("versions", {}).items():
        if "steps" in release:
            yield f"versions.{version}.steps", release["steps"]


def _check_last(where: str, steps: dict, total: int) -> None:
    """The last checkpoint is the end of training, and the powers of two lie before it."""
    if total % steps["then_every"]:
        at_end = f"the {total:,} training steps are no multiple of it"
        raise UsageError(f"{where}: then_every is {steps['then_every']:,}; {at_end}")
    if steps.get("powers_of_two_to", 1) >= total:
        raise UsageError(
            f"{where}: powers_of_two_to: expected less than the {total:,} steps of training"
        )


def _check_versions(where: str, value: Any) -> None:
    fields = {
        "steps": _check_steps,
        "sizes": lambda at, sizes: _check_sizes(at, sizes, required=()),
    }
    for version, entry in mapping(where, value).items():
        check_name(where, version)
        check_fields(f"{where}.{version}", entry, fields)


# --- models ---------------------------------------------------------------------------------------


def _all_or(each: yaml.Check) -> yaml.Check:
    """A check for the word `all`, or a list."""
    return lambda where, value: None if value == "all" else listed(each)(where, value)


def _check_groups(where: str, value: Any) -> None:
    fields = {
        "sizes": _all_or(_check_size),
        "variant": one_of(*VARIANTS),
        "version": check_text,
        "seeds": listed(whole(0)),  # of weights and data order alike
        "weight_seeds": listed(whole(0)),  # of these alone: the other is the usual
        "data_seeds": listed(whole(0)),
    }
    if not isinstance(value, list) or not value:
        raise UsageError(f"{where}: expected a list of groups, such as - {{sizes: all}}")
    for index, group in enumerate(value, start=1):
        check_fields(f"{where}, entry {index}", group, fields, {"sizes"})


def _check_group(where: str, group: dict, source: dict) -> None:
    """A group names sizes and a version that the file has."""
    for size in source["sizes"] if group["sizes"] == "all" else group["sizes"]:
        if size not in source["sizes"]:
            raise unknown("size", size, source["sizes"], where=f"in {where}")
    versions = source.get("versions", {})
    if "version" in group and group["version"] not in versions:
        raise unknown("version", group["version"], versions, where=f"in {where}")


# --- corpus, errata -------------------------------------------------------------------------------


def _check_corpus(where: str, value: Any) -> None:
    fields = {"seed": whole(0), "shares": _check_shares} | _VOCAB
    check_fields(where, value, fields, fields)


def _check_shares(where: str, value: Any) -> None:
    for domain, share in mapping(where, value).items():
        check_text(where, domain)
        number(0, 1)(f"{where}.{domain}", share)


def _check_errata(where: str, value: Any) -> None:
    fields = {
        "models": _all_or(check_text),
        "steps": listed(_check_step_or_range),
        "kind": one_of(*ERRATA),
        "text": check_text,
        "source": check_text,
    }
    if not isinstance(value, list):
        raise UsageError(f"{where}: expected a list, not {in_short(repr(value))}")
    for index, entry in enumerate(value, start=1):
        check_fields(f"{where}, entry {index}", entry, fields, fields)


def _check_step_or_range(where: str, value: Any) -> None:
    ends = value if isinstance(value, list) else [value, value]
    whole_ends = len(ends) == 2 and all(is_whole(end) for end in ends)
    if not whole_ends or not 0 <= ends[0] <= ends[1]:
        shown = in_short(repr(value))
        raise UsageError(f"{where}: expected a step, or [first, last], not {shown}")
