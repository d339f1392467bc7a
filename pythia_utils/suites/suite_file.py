"""The file of a suite, `data/suites/<name>.yml`, checked: keys, types, and what must fit together.

`catalog` makes models of it, and so may trust it; whoever writes a suite is told a mistake in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pythia_utils.base import schemas, yaml
from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.schemas import Choice, Only, Several, like, line, number, one_of, whole
from pythia_utils.suites.forks import is_intervention

VARIANTS = ("standard", "deduped", "intervention", "intervention-long")
ERRATA = ("wrong", "partial", "missing", "expected")


# --- what a file says -----------------------------------------------------------------------------


def _size(value: Any) -> str | None:
    """What can be part of a model's name, as `57k` and `1.4b` are."""
    fits = isinstance(value, str) and not schemas.name(value.replace(".", ""))
    return None if fits else "a text such as 57k"


def _repo(value: Any) -> str | None:
    fits = isinstance(value, str) and "{model}" in value and value.isprintable()
    fits = fits and "{" not in value.replace("{model}", "")
    return None if fits else "an address with {model} in it"


def _name_of_size(value: Any) -> str | None:
    fits = isinstance(value, str) and value.count("{size}") == 1
    fits = fits and re.fullmatch(r"[a-z0-9][\w.-]*", value.replace("{size}", "1b"), re.ASCII)
    return None if fits else "a model's name with {size} in it"


def _intervention(value: Any) -> str | None:
    return None if is_intervention(value) else "an intervention's name, such as swap-gender"


def _betas(value: Any) -> str | None:
    fits = isinstance(value, list) and len(value) == 2
    fits = fits and not any(map(number(0, 1), value))
    return None if fits else "two numbers from 0 to 1 in a list"


def _steps(value: Any) -> str | None:
    ends = value if isinstance(value, list) else [value, value]
    fits = len(ends) == 2 and not any(map(whole(0), ends)) and ends[0] <= ends[1]
    return None if fits else "a step, or [first, last]"


_TRAINING = {
    "total_steps": whole(1),
    "batch_size": whole(1),
    "seq_length": whole(1),
    "seed": whole(0),
    "dtype": one_of("float16", "bfloat16", "float32"),
    "rotary_pct": number(0, 1),
    "optimizer": line(),
    "betas": _betas,
    "eps": number(0),
    "weight_decay": number(0),
    "clip": number(0),
    "schedule": line(),
    "warmup": number(0, 1),
    "min_lr": number(0, 1),
    "init": line(),
    "output_init": line(),
}
_VOCAB = {"vocab_size": whole(1)}
_SHAPE = {
    "n_layers": whole(1),
    "d_model": whole(1),
    "n_heads": whole(1),
    "learning_rate": number(0),
}
_STEPS = Only({"then_every": whole(1), "powers_of_two_to?": whole(1)})
_LAST_STEPS = Only({"first": whole(1), "then_every": whole(1)})  # of a run that branches off late


def _maybe(fields: dict[str, Any]) -> dict[str, Any]:
    return {f"{key}?": schema for key, schema in fields.items()}


_OWN_SETTINGS = _maybe(_TRAINING | _VOCAB | {"formerly": _size})  # of a size
_VERSION = {"steps?": _STEPS, "sizes?": {_size: Only(_maybe(_SHAPE) | _OWN_SETTINGS)}}
_GROUP = {"sizes": Choice(one_of("all"), Several(_size)), "variant?": one_of(*VARIANTS)}
_GROUP |= {"version?": line(), "seeds?": Several(whole(0))}  # of weights and data order alike
_GROUP |= {"interventions?": Several(_intervention), "from_steps?": Several(whole(0))}
# Of models whose names follow no rule, whose steps are others, or whose data we cannot open.
_GROUP |= {
    "name?": _name_of_size,
    "steps?": _LAST_STEPS,
    "settings_of?": line(),
    "trained_on?": line(),
}
_GROUP |= _maybe(
    dict.fromkeys(("weight_seeds", "data_seeds"), Several(whole(0)))
)  # the other is the usual
_ERRATUM = {
    "models": Choice(one_of("all"), Several(line())),
    "but?": Several(line()),
    "steps": Several(_steps),
    "kind": one_of(*ERRATA),
    "text": line(),
    "source": line(),
}
_SUITE = {
    "name": schemas.name,
    "kind": line(),
    "title": line(),
    "sizes": {_size: Only(_SHAPE | _OWN_SETTINGS)},
    "steps": _STEPS,
    "versions?": {schemas.name: Only(_VERSION)},
    "models": Several(Only(_GROUP)),
    "errata?": [Only(_ERRATUM)],
}
# A suite that is trained here takes the size of its vocabulary from its corpus.
_CORPUS = {"seed": whole(0)} | _VOCAB
_PACKAGE = like(r"[a-z0-9-]+==[0-9.]+", "a package and its version, such as `name==1.0`")
_CORPUS_OF_KIND = {  # made by our program if it does not say its kind
    None: _CORPUS | {"shares": {line(): number(0, 1)}},
    "text": _CORPUS | {"kind": line(), "package": _PACKAGE},
}
_OF_KIND = {
    "hub": {"repo": _repo, "training": Only(_TRAINING | _VOCAB)},
    "local": {"training": Only(_TRAINING), "corpus": {"kind?": one_of("text")}},
}


# --- reading, and what must fit together ----------------------------------------------------------


def read_suite(path: Path) -> dict[str, Any]:
    """What a suite's file says.

    Raises:
        UsageError: no such file, no YAML, or an unknown, missing or wrong entry; with its place.
    """
    where, source = path.name, yaml.read(path, path.name)
    schemas.check(where, source, {"kind": one_of(*_OF_KIND)})
    schemas.check(where, source, Only(_SUITE | _OF_KIND[source["kind"]]))
    if "corpus" in source:
        corpus = _CORPUS_OF_KIND[source["corpus"].get("kind")]
        schemas.check(where, source, {"corpus": Only(corpus)})
    if source["name"] != path.stem:
        raise UsageError(
            f"{where}: name: expected {path.stem!r}, as the file's, not {source['name']!r}"
        )
    if not source["sizes"]:
        raise UsageError(f"{where}: sizes: expected at least one size")
    for size, shape in source["sizes"].items():
        _check_heads(f"{where}: sizes.{size}", shape)
    for place, steps in _all_steps(source):
        _check_last(f"{where}: {place}", steps, source["training"]["total_steps"])
    for index, group in enumerate(source["models"]):
        _check_group(f"{where}: models[{index}]", group, source)
    return source


def _check_heads(where: str, shape: dict) -> None:
    if shape["d_model"] % shape["n_heads"]:
        widths = f"{shape['d_model']} is not a multiple of n_heads, {shape['n_heads']}"
        raise UsageError(f"{where}: d_model {widths}")


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


def _check_group(where: str, group: dict, source: dict) -> None:
    """A group names sizes and a version that the file has."""
    for size in source["sizes"] if group["sizes"] == "all" else group["sizes"]:
        if size not in source["sizes"]:
            raise unknown("size", size, source["sizes"], where=f"in {where}")
    versions = source.get("versions", {})
    for key in ("version", "settings_of"):
        if key in group and group[key] not in versions:
            raise unknown("version", group[key], versions, where=f"in {where}")
    if ("interventions" in group) != ("from_steps" in group):
        raise UsageError(f"{where}: interventions and from_steps: expected both or neither")
    if "interventions" in group and source["kind"] != "local":
        raise UsageError(
            f"{where}: interventions: expected none in a suite that is not trained here"
        )
    if "steps" in group:
        total, steps = source["training"]["total_steps"], group["steps"]
        if steps["first"] > total or (total - steps["first"]) % steps["then_every"]:
            raise UsageError(
                f"{where}.steps: expected some that end with the {total:,} steps of training"
            )
