"""Suites, models and checkpoints by name: `find_model("pythia-70m").checkpoint(512)`.

A suite is one YAML file in `data/suites/`: shapes, training settings, checkpoint steps and errata.
Names, parameter counts and revisions follow from it by rule. Nothing is read but that file.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import local_path
from pythia_utils.base.sources import PACKAGE
from pythia_utils.suites.suite_file import read_suite

HUB_ORGANISATION = "EleutherAI/"
_SEEDS = ("weight_seed", "data_seed")


@dataclass(frozen=True)
class Erratum:
    """What is known to be odd about some checkpoints.

    Attributes:
        models: names of the models that it concerns.
        steps: their steps, ascending.
        kind: `wrong` (another step's weights), `partial` (some of them), `missing` (no weights),
            `expected` (as trained, but surprising).
        text: one clause.
        source: where it is reported; `P#205` is issue 205 of EleutherAI/pythia.
    """

    models: tuple[str, ...]
    steps: tuple[int, ...]
    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class Checkpoint:
    """One model after one of its published training steps."""

    model: Model
    step: int

    @property
    def revision(self) -> str:
        """The Hub revision and the local folder: `step512`."""
        return f"step{self.step}"

    @property
    def true_step(self) -> int:
        """Optimiser steps taken: not `step` where revisions count batches of another size."""
        return self.step * self.model.total_steps // self.model.steps[-1]

    @property
    def tokens_seen(self) -> int:
        """Training tokens read so far, repeats included."""
        return self.true_step * self.model.tokens_per_step

    @property
    def errata(self) -> tuple[Erratum, ...]:
        """The errata that name this very checkpoint."""
        return tuple(e for e in self.model.errata if self.step in e.steps)


@dataclass(frozen=True)
class Model:
    """One training run: a shape, a variant of the data and a seed.

    Attributes:
        name: `pythia-70m-deduped`.
        suite: the suite's name.
        variant: `standard` or `deduped` training data.
        version: `v0` for the first release of the real suite, otherwise empty.
        size: `70m`.
        weight_seed: of the initial weights.
        data_seed: of the order of the training data.
        learning_rate: the peak.
        batch_size: sequences a step.
        seq_length: tokens a sequence.
        total_steps: optimiser steps of the whole run.
        steps: the checkpoints' steps as named on the Hub or on disk, ascending.
        repo_id: the Hub repository, None for a suite that is trained here.
        dtype: of the stored weights: `float16` or `bfloat16`.
        aliases: former names.
    """

    name: str
    suite: str
    variant: str
    version: str
    size: str
    weight_seed: int
    data_seed: int
    n_layers: int
    d_model: int
    n_heads: int
    vocab_size: int
    rotary_pct: float
    learning_rate: float
    batch_size: int
    seq_length: int
    total_steps: int
    dtype: str
    repo_id: str | None
    aliases: tuple[str, ...] = ()
    steps: tuple[int, ...] = field(default=(), repr=False)
    errata: tuple[Erratum, ...] = field(default=(), repr=False)

    @property
    def has_usual_seed(self) -> bool:
        """Whether its seeds are those of the suite's first models: one of each size and variant."""
        return {self.weight_seed, self.data_seed} == {suite(self.suite).training["seed"]}

    @property
    def seed_name(self) -> str:
        """How its name ends for its seeds: `seed1`, `weight-seed1`, `data-seed1`; empty for the usual."""
        usual = suite(self.suite).training["seed"]
        if self.weight_seed == self.data_seed:
            return "" if self.has_usual_seed else f"seed{self.weight_seed}"
        weights = self.weight_seed != usual
        return f"weight-seed{self.weight_seed}" if weights else f"data-seed{self.data_seed}"

    @property
    def intermediate(self) -> int:
        """Width of the MLP's hidden layer."""
        return 4 * self.d_model

    @property
    def non_embedding_params(self) -> int:
        """Parameters without embeddings: L (12 d^2 + 13 d) in the layers, 2 d in the last norm."""
        d = self.d_model
        return self.n_layers * (12 * d * d + 13 * d) + 2 * d

    @property
    def total_params(self) -> int:
        """All parameters: input and output embeddings are separate matrices."""
        return self.non_embedding_params + 2 * self.vocab_size * self.d_model

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimiser step trains on."""
        return self.batch_size * self.seq_length

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All checkpoints, in training order."""
        return tuple(Checkpoint(self, step) for step in self.steps)

    def checkpoint(self, step: int | str) -> Checkpoint:
        """The checkpoint named `step`: a number, a revision such as `step3000`, or `main`, the last.

        Raises:
            UsageError: the model has no such checkpoint.
        """
        named = re.fullmatch(r"step([0-9]{1,18})", step) if isinstance(step, str) else None
        step = self.steps[-1] if isinstance(step, str) and step == "main" else step
        try:
            step = int(named[1]) if named else operator.index(step)  # NumPy's integers too
        except TypeError:
            raise UsageError(f"step {step!r} of {self.name} is not a whole number") from None
        if step not in self.steps:
            raise unknown("step", step, self.steps, where=f"of {self.name}")
        return Checkpoint(self, step)


@dataclass(frozen=True, eq=False)
class Suite:
    """A family of models that share data, order and steps.

    Attributes:
        name: `pythia`, `nano`, `pico` or `english`.
        kind: `hub` (published weights) or `local` (trained here).
        title: for headings.
        models: by name, in the order of the file.
        training: settings common to all models, as in the file. Shared: copy before changing.
        corpus: how the corpus is made; empty for a hub suite. Shared: copy before changing.
        errata: all of the suite.
    """

    name: str
    kind: str
    title: str
    models: dict[str, Model]
    training: dict
    corpus: dict
    errata: tuple[Erratum, ...]

    @property
    def is_of_text(self) -> bool:
        """Whether its corpus is a text from elsewhere, and not one that our program made."""
        return self.corpus.get("kind") == "text"

    @property
    def kinds(self) -> frozenset[str]:
        """What it is, for parts of the book that are of some suites only.

        Its name; `ours` if it is trained here; `made-text` if a program of ours made what it reads.
        """
        if self.kind != "local":
            return frozenset({self.name})
        return frozenset({self.name, "ours"} | ({"made-text"} if not self.is_of_text else set()))

    def model(self, name: str) -> Model:
        """The suite's model of that name or former name.

        Raises:
            UsageError: there is none.
        """
        return find_model(name, suite=self.name)


def data_dir() -> Path:
    """The folder of data files: inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "data"
    return inside if inside.is_dir() else PACKAGE.parent / "data"


def data_file(name: str) -> Path:
    """A file or folder of `data/`: `data_file("published/summary.csv")`.

    A result depends on every file that the code it runs names in such a call: so `name` is a text,
    not a variable, and nothing else but `named_file` reads from the folder.
    """
    return data_dir() / name


def named_file(name: str | Path, folder: Path | None = None) -> Path:
    """The file or folder that a user names; `data/NAME` means the package's own where there is no such path.

    So `data/capitals.csv` is the same file in a checkout and for who installed the package, wherever they work.

    Args:
        name: a path.
        folder: that it is relative to; by default the current one.

    Raises:
        UsageError: it could be no path.
    """
    path = local_path(name if str(name).startswith("~") else (folder or Path()) / name)
    first, _, rest = str(name).partition("/")
    shipped = data_dir() / rest
    is_shipped = first == "data" and not os.path.exists(path) and os.path.isfile(shipped)
    return shipped if is_shipped else path


def suite_names() -> list[str]:
    """Names of the suites that have a file."""
    return list(_suite_names())


@cache
def _suite_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (data_dir() / "suites").glob("*.yml")))


def suite(name: str) -> Suite:
    """The suite of that name, in any case.

    Raises:
        UsageError: there is none.
    """
    return _load(_suite_name(name))


def _suite_name(name: str) -> str:
    if _plain(name) not in suite_names():
        raise unknown("suite", name, suite_names())
    return _plain(name)


@cache
def _load(name: str) -> Suite:
    source = read_suite(data_dir() / "suites" / f"{name}.yml")
    rows = list(_rows(source))
    _refuse_twice(name, [known for row in rows for known in (row["name"], *row["aliases"])])
    errata = tuple(_erratum(entry, rows) for entry in source.get("errata", ()))
    models = {}
    for row in rows:
        own = tuple(e for e in errata if row["name"] in e.models)
        models[row["name"]] = Model(**row, errata=own)
    training, corpus = source["training"], source.get("corpus", {})
    return Suite(name, source["kind"], source["title"], models, training, corpus, errata)


def _refuse_twice(suite: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{suite}.yml: {names.count(name)} models would be called {name}")


def _rows(source: dict) -> Iterator[dict]:
    """The fields of each model, from the file's lists of sizes, variants, versions and seeds."""
    for group in source["models"]:
        sizes = source["sizes"] if group["sizes"] == "all" else group["sizes"]
        for size in sizes:
            for seeds in _seeds(group):
                variant, version = group.get("variant", "standard"), group.get("version", "")
                yield _row(source, size, variant, version, seeds)


def _seeds(group: dict) -> list[dict[str, int]]:
    """The seeds of a group's models, by field; without lists of seeds one model of the usual."""
    both = [{"weight_seed": n, "data_seed": n} for n in group.get("seeds", ())]
    apart = [{field: n} for field in _SEEDS for n in group.get(f"{field}s", ())]
    return both + apart or [{}]


def _seed_ending(seeds: dict[str, int]) -> str:
    """`-seed1` of one seed for both, `-weight-seed1`, `-data-seed1`."""
    if len(seeds) == 2:
        return f"-seed{seeds['weight_seed']}"
    return "".join(f"-{field.replace('_', '-')}{n}" for field, n in seeds.items())


def _row(source: dict, size: str, variant: str, version: str, seeds: dict[str, int]) -> dict:
    release = source.get("versions", {}).get(version, {})
    common = {**source["training"], "vocab_size": _vocab_size(source)}
    settings = {**common, **source["sizes"][size], **release.get("sizes", {}).get(size, {})}
    settings |= dict.fromkeys(_SEEDS, settings["seed"]) | seeds
    ending = "-deduped" * (variant == "deduped") + f"-{version}" * bool(version)
    ending += _seed_ending(seeds)
    name = _folder_name(f"{source['name']}-{size}{ending}")
    # Former names stand for today's release, so only models without a version or a number have one.
    former = settings.get("formerly") if not version and not seeds else None
    copied = (*_SEEDS, "n_layers", "d_model", "n_heads", "vocab_size", "rotary_pct")
    copied += ("learning_rate", "batch_size", "seq_length", "total_steps", "dtype")
    # Steps are named in the suite's own batches, whatever the size of this model's.
    last = source["training"]["total_steps"]
    return {key: settings[key] for key in copied} | {
        "name": name,
        "suite": source["name"],
        "variant": variant,
        "version": version,
        "size": size,
        "repo_id": source["repo"].format(model=name) if "repo" in source else None,
        "aliases": (f"{source['name']}-{former}{ending}",) if former else (),
        "steps": _steps(last, **release.get("steps", source["steps"])),
    }


def _folder_name(name: str) -> str:
    """A model's name, which is also that of a folder in the suite's."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        raise UsageError(f"model {name!r}: expected a name of letters, digits, -, _ and dots")
    return name


def _vocab_size(source: dict) -> int:
    """Of a suite trained here it belongs to the corpus, which makes the tokenizer."""
    return source.get("corpus", source["training"])["vocab_size"]


@cache
def _steps(last: int, then_every: int, powers_of_two_to: int | None = None) -> tuple[int, ...]:
    """`0, 1, 2, 4 .. powers_of_two_to` where asked for, then the multiples of `then_every`."""
    if powers_of_two_to is None:
        return tuple(range(then_every, last + 1, then_every))
    early = [0] + [2**n for n in range(powers_of_two_to.bit_length())]
    return tuple(early + [s for s in range(then_every, last + 1, then_every) if s > early[-1]])


def _erratum(entry: dict, rows: list[dict]) -> Erratum:
    # Version 0 is another training run with checkpoints of its own: `all` means today's models.
    current = {row["name"]: row["steps"] for row in rows if not row["version"]}
    names = tuple(current) if entry["models"] == "all" else tuple(entry["models"])
    for name in names:
        if name not in current:
            raise unknown("model", name, current, where=f"in the errata of {rows[0]['suite']}.yml")
    ranges = [item if isinstance(item, list) else [item, item] for item in entry["steps"]]
    known = {step for name in names for step in current[name]}
    steps = tuple(sorted(s for s in known if any(first <= s <= end for first, end in ranges)))
    for first, end in ranges:
        if not any(first <= step <= end for step in steps):
            where = f"in the errata of {rows[0]['suite']}.yml"
            raise unknown("step", first, sorted(known), where=where)
    return Erratum(names, steps, entry["kind"], entry["text"], entry["source"])


@cache
def _index(name: str | None) -> dict[str, Model]:
    """Lower-case names, present and former, of one suite's models or of all."""
    found = {}
    for each in suite_names() if name is None else [name]:
        for model in _load(each).models.values():
            found |= {known.lower(): model for known in (model.name, *model.aliases)}
    return found


def _plain(name: str) -> str:
    return str(name).strip().lower().removeprefix(HUB_ORGANISATION.lower())


def find_model(name: str, suite: str | None = None) -> Model:
    """Find the model of that name or former name, in any case, with or without `EleutherAI/`.

    Args:
        name: `pythia-70m`, `EleutherAI/pythia-70m`, `pythia-19m`, `nano-57k-seed1`. Of a suite that is
            trained here also a seed that its file does not list, such as `nano-57k-seed77`.
        suite: look only there; by default the name tells.

    Returns:
        The model: its shape, its training settings, its checkpoints and what is odd about them.

    Raises:
        UsageError: there is no such model or suite.
    """
    scope = None if suite is None else _suite_name(suite)
    index = _index(scope)
    if model := index.get(_plain(name)) or _another_seed(_plain(name), index):
        return model
    # `70m` and `19m` alone are a size: offer the models of that size, under their present names.
    part = _plain(name)
    similar = list(dict.fromkeys(m.name for key, m in index.items() if part in key.split("-")))
    names = similar or [model.name for model in index.values()]
    raise unknown("model", name, dict.fromkeys(names), where=f"in suite {scope}" if scope else "")


def _another_seed(name: str, index: dict[str, Model]) -> Model | None:
    """`pico-57k-seed77`: of a suite that is trained here, any seed of a size can be."""
    found = re.fullmatch(r"(.+?)-(weight-seed|data-seed|seed)(0|[1-9]\d{0,8})", name)
    first = index.get(found[1]) if found else None
    if first is None or first.repo_id is not None or not first.has_usual_seed:
        return None
    if int(found[3]) == first.weight_seed:
        return None  # that is the model without a number
    fields = _SEEDS if found[2] == "seed" else [found[2].replace("-", "_")]
    ending = name.removeprefix(found[1])
    return replace(first, name=first.name + ending, **dict.fromkeys(fields, int(found[3])))


def renamed(name: str) -> str | None:
    """The notice for a former name: `pythia-19m is now pythia-70m`. None for a name in use.

    Raises:
        UsageError: there is no such model.
    """
    model = find_model(name)
    former = {alias.lower() for alias in model.aliases}
    return f"{_plain(name)} is now {model.name}" if _plain(name) in former else None


def suite_table(names: Iterable[str] | None = None) -> list[dict]:
    """One row a model, ready for JSON: name, suite, aliases, shape, parameter counts, steps.

    Args:
        names: suites or models; by default every suite.

    Raises:
        UsageError: a name is neither.
    """
    models: list[Model] = []
    for name in suite_names() if names is None else names:
        if _plain(name) in suite_names():
            models += suite(_plain(name)).models.values()
        elif _plain(name) in _index(None):
            models.append(find_model(name))
        else:
            raise unknown("suite or model", name, [*suite_names(), *_index(None)])
    columns = ("name", "suite", "variant", "n_layers", "d_model", "n_heads")
    columns += ("non_embedding_params", "total_params")
    return [
        {column: getattr(model, column) for column in columns}
        | {"aliases": list(model.aliases), "steps": list(model.steps)}
        for model in models
    ]
