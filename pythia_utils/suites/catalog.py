"""Suites, models and checkpoints by name: `find_model("pythia-70m").checkpoint(512)`.

A suite is one YAML file in `data/suites/`: shapes, training settings, checkpoint steps and errata.
Names, parameter counts and revisions follow from it by rule. Nothing is read but that file.

A suite of your own (`own/file.py`) is a file anywhere. What its models are is looked up where they lie, when
one is asked for, and never for the sake of another suite.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.base.files import local_path, stamp
from pythia_utils.base.sources import PACKAGE
from pythia_utils.suites.forks import fork_of, parts_of
from pythia_utils.suites.home import home
from pythia_utils.suites.models import Checkpoint, Erratum, Model
from pythia_utils.suites.own.file import OwnFile, listed, read_all
from pythia_utils.suites.rows import SEEDS, erratum_of, rows_of
from pythia_utils.suites.suite_file import read_suite

__all__ = [
    "Checkpoint",
    "Erratum",
    "Model",
    "Suite",
    "built_in_suites",
    "data_dir",
    "data_file",
    "find_model",
    "model_names",
    "named_file",
    "renamed",
    "suite",
    "suite_names",
    "suite_table",
]
HUB_ORGANISATION = "EleutherAI/"


@dataclass(frozen=True, eq=False)
class Suite:
    """A family of models that share data, order and steps.

    Attributes:
        name: `pythia`, `nano`, `pico`, `english`, or one of your own.
        kind: `hub` (published weights), `local` (trained here) or `own`.
        title: for headings.
        models: by name, in the order of the file.
        training: settings common to all models, as in the file; of one of your own `seed` and `warmup`
            alone. Shared: copy before changing.
        corpus: how the corpus is made; empty if it is not made here. Shared: copy before changing.
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


# --- suites ---------------------------------------------------------------------------------------


def suite_names() -> list[str]:
    """Names of the suites that have a file: the book's, and your own."""
    return [*built_in_suites(), *_own_suites()]


def built_in_suites() -> list[str]:
    """Names of the book's own suites."""
    return list(_built_in())


@cache
def _built_in() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (data_dir() / "suites").glob("*.yml")))


def suite(name: str) -> Suite:
    """The suite of that name, in any case.

    Raises:
        UsageError: there is none; or one of your own whose models are not where its file says.
    """
    known = _suite_name(name)
    return _load(known) if known in _built_in() else _own_suite(known)


def _suite_name(name: str) -> str:
    if _plain(name) not in suite_names():
        raise unknown("suite", name, suite_names())
    return _plain(name)


@cache
def _load(name: str) -> Suite:
    source = read_suite(data_dir() / "suites" / f"{name}.yml")
    rows = list(rows_of(source))
    _refuse_twice(name, [known for row in rows for known in (row["name"], *row["aliases"])])
    errata = tuple(erratum_of(entry, rows) for entry in source.get("errata", ()))
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


# --- suites of your own ---------------------------------------------------------------------------


def _own_suites() -> dict[str, OwnFile]:
    """The files of your own suites, by name; they may name nothing that the book has."""
    if not (files := listed(home())):
        return {}
    stamped = tuple((path, tuple(stamp(path.stat()))) for path in files)
    taken = (("a suite of the book", _built_in()), ("a model of the book", tuple(_index(None))))
    return read_all(stamped, taken)


def _own_suite(name: str) -> Suite:
    file = _own_suites()[name]
    models = [_own_model(name, key) for key in file.entries]
    title = file.source.get("title", name)
    training = {"seed": models[0].usual_seed, "warmup": file.source.get("warmup", 0)}
    return Suite(name, "own", title, {model.name: model for model in models}, training, {}, ())


def _own_model(suite_name: str, key: str) -> Model:
    file = _own_suites()[suite_name]
    # By name: a result depends on what is found, which its fingerprint holds, and not on the code, the Hub's
    # too, that finds it.
    finder = importlib.import_module("pythia_utils.suites.own_models")
    return finder.own_model(file.path, file.source, file.entries[key])


def _own_names(scope: str | None) -> dict[str, str]:
    """Lower-case names of the models of your own suites, or of one of them, and whose they are."""
    return {
        key: name
        for name, file in _own_suites().items()
        if scope in (None, name)
        for key in file.entries
    }


# --- models ---------------------------------------------------------------------------------------


@cache
def _index(name: str | None) -> dict[str, Model]:
    """Lower-case names, present and former, of the models of one of the book's suites or of all."""
    found = {}
    for each in _built_in() if name is None else [name]:
        for model in _load(each).models.values():
            found |= {known.lower(): model for known in (model.name, *model.aliases)}
    return found


def _plain(name: str) -> str:
    return str(name).strip().lower().removeprefix(HUB_ORGANISATION.lower())


def find_model(name: str, suite: str | None = None) -> Model:
    """Find the model of that name or former name, in any case, with or without `EleutherAI/`.

    Args:
        name: `pythia-70m`, `EleutherAI/pythia-70m`, `pythia-19m`, `nano-57k-seed1`. Of a suite that is
            trained here also a seed that its file does not list, such as `nano-57k-seed77`, and an
            intervention that it does not list, such as `pico-7k-swap-gender-from512`.
        suite: look only there; by default the name tells.

    Returns:
        The model: its shape, its training settings, its checkpoints and what is odd about them.

    Raises:
        UsageError: there is no such model or suite.
    """
    scope, plain = None if suite is None else _suite_name(suite), _plain(name)
    # A name begins with its suite's: the others' files are read only where that one does not have it.
    begins = next((each for each in _built_in() if scope is None and plain.startswith(each)), None)
    if begins and (model := _index(begins).get(plain) or _another_seed(plain, _index(begins))):
        return model
    index = _index(scope) if scope is None or scope in _built_in() else {}
    if model := index.get(plain) or _another_seed(plain, index) or _a_fork(plain, index):
        return model
    if owner := _own_names(scope).get(str(name).strip().lower()):
        return _own_model(owner, str(name).strip().lower())
    # `70m` and `19m` alone are a size: offer the models of that size, under their present names.
    similar = list(dict.fromkeys(m.name for key, m in index.items() if plain in key.split("-")))
    names = similar or model_names(scope)
    raise unknown("model", name, dict.fromkeys(names), where=f"in suite {scope}" if scope else "")


def model_names(suite: str | None = None) -> list[str]:
    """Names of the models of a suite or of all; nothing is looked up for it.

    Raises:
        UsageError: there is no such suite.
    """
    scope = None if suite is None else _suite_name(suite)
    book = [_load(name).models for name in _built_in() if scope in (None, name)]
    own = [file.entries.values() for n, file in _own_suites().items() if scope in (None, n)]
    return [*(n for models in book for n in models), *(e["name"] for each in own for e in each)]


def _another_seed(name: str, index: dict[str, Model]) -> Model | None:
    """`pico-57k-seed77`: of a suite that is trained here, any seed of a size can be."""
    found = re.fullmatch(r"(.+?)-(weight-seed|data-seed|seed)(0|[1-9]\d{0,8})", name)
    first = index.get(found[1]) if found else None
    if first is None or first.fork or not first.is_trained_here or not first.has_usual_seed:
        return None
    if int(found[3]) == first.weight_seed:
        return None  # that is the model without a number
    fields = SEEDS if found[2] == "seed" else [found[2].replace("-", "_")]
    ending = name.removeprefix(found[1])
    return replace(first, name=first.name + ending, **dict.fromkeys(fields, int(found[3])))


def _a_fork(name: str, index: dict[str, Model]) -> Model | None:
    """`pico-57k-swap-gender-from750`: of a model that is trained here, any intervention from any checkpoint."""
    for first, intervention, step in parts_of(name):
        base = index.get(first) or _another_seed(first, index)
        if base and base.is_trained_here and not base.fork:
            return fork_of(base, intervention, step)
    return None


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
        names: suites or models; by default every suite of the book.

    Raises:
        UsageError: a name is neither.
    """
    models: list[Model] = []
    for name in built_in_suites() if names is None else names:
        if _plain(name) in suite_names():
            models += suite(_plain(name)).models.values()
        elif _plain(name) in _index(None) or str(name).strip().lower() in _own_names(None):
            models.append(find_model(name))
        else:
            raise unknown(
                "suite or model", name, [*suite_names(), *_index(None), *_own_names(None)]
            )
    columns = ("name", "suite", "variant", "n_layers", "d_model", "n_heads")
    columns += ("non_embedding_params", "total_params", "trained_on")
    return [
        {column: getattr(model, column) for column in columns}
        | {"fork": model.fork.in_words if model.fork else ""}
        | {"aliases": list(model.aliases), "steps": list(model.steps)}
        for model in models
    ]
