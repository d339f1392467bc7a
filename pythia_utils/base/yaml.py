"""YAML that people write, read without surprises: a mistake is one line that names its place.

What YAML 1.1 and its readers understand differently, or not at all as it looks (`0200`, `yes`, `1_000`,
`~`), is refused, and so is whatever is no plain data: tags, endless aliases. Dates and times are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pythia_utils.base.errors import UsageError, one_line, quoted
from pythia_utils.base.files import local_path
from pythia_utils.base.units import show_size

if TYPE_CHECKING:
    import yaml

LARGEST = 1_000_000  # bytes of a file: ours have at most 10 kB
MOST_VALUES = 100_000  # of a text, with each alias counted as what it stands for
_LONGEST_NUMBER = 100  # digits

_TAG = "tag:yaml.org,2002:"
_AMBIGUOUS = "!ambiguous"  # a tag that no file can give: what has one is refused
_PLAIN = {
    "bool": r"true|True|TRUE|false|False|FALSE",
    "null": r"null|Null|NULL|",
    "int": r"[-+]?(0|[1-9][0-9]*)",
    "float": r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?",
}
# What readers of YAML take for a number, a truth value or nothing, though not all of them for the same.
_REFUSED = re.compile(
    r"(?P<number>[-+]?(0[0-9]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?))"
    r"|(?P<truth>yes|no|on|off)|(?P<nothing>~)|(?P<infinite>[-+]?\.(inf|nan))",
    re.IGNORECASE,
)


def read(path: Path, where: str = "") -> Any:
    """What a file of YAML holds; see `parse`.

    Args:
        path: of the file.
        where: the file's name in messages; by default its path.

    Raises:
        UsageError: no such file, one that is too large or not UTF-8, or no YAML of ours.
    """
    where = where or str(path)
    try:
        with open(local_path(path), "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as failure:
        raise UsageError(f"{where}: {failure.strerror or failure}") from None
    if len(data) > LARGEST:
        raise UsageError(f"{where}: expected at most {show_size(LARGEST)}; is it the right file?")
    try:
        return parse(data.decode("utf-8-sig"), where)
    except UnicodeDecodeError as failure:
        line = data[: failure.start].count(b"\n") + 1
        raise UsageError(f"{where} line {line}: not UTF-8; save the file as UTF-8") from None


def parse(text: str, where: str) -> Any:
    """Plain data from YAML: mappings, lists, text, numbers, true, false and null.

    Raises:
        UsageError: it is no such YAML, or says something twice or in a way that is not read; with the line.
    """
    import yaml

    try:
        loader = _loader_class()(text)
        node = loader.get_single_node()
        for each in _nodes(node):
            _check(each, loader)
        return None if node is None else loader.construct_document(node)
    except _Refused as refused:
        raise UsageError(f"{where}{_line(text, refused.node)}: {refused}") from None
    except yaml.reader.ReaderError as error:
        held = f"the character {error.character:#x}"
        raise UsageError(f"{where}: it holds {held}, which is none of a text") from None
    except yaml.YAMLError as error:
        problem = one_line(getattr(error, "problem", None) or error, 200)
        raise UsageError(f"{where}{_line(text, error)}: {problem}") from None
    except RecursionError:
        raise UsageError(f"{where}: blocks in blocks without end") from None


def _line(text: str, at: Any) -> str:
    """` line 3`, of a node or an error; nothing where there is but one line."""
    mark = getattr(at, "start_mark", None) or getattr(at, "problem_mark", None)
    return f" line {mark.line + 1}" if mark and "\n" in text.strip() else ""


class _Refused(Exception):
    """YAML that is not read, and the node where it stands."""

    def __init__(self, node: yaml.Node, problem: str) -> None:
        super().__init__(problem)
        self.node = node


def _loader_class() -> type[yaml.SafeLoader]:
    """A reader that takes for numbers, truth values and nothing only what looks so to everybody.

    Not PyYAML's C reader: that one crashes, and Python with it, where brackets are nested deeply.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[str, list]] = {}

    for name, pattern in _PLAIN.items():
        Loader.add_implicit_resolver(f"{_TAG}{name}", re.compile(f"(?:{pattern})$"), None)
    Loader.add_implicit_resolver(_AMBIGUOUS, re.compile(f"(?:{_REFUSED.pattern})$", re.I), None)
    return Loader


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once, those within one before it; aliases that would unfold to very much are refused."""
    sizes: dict[int, int] = {}

    def walk(node: yaml.Node) -> Iterator[yaml.Node]:
        if sizes.setdefault(id(node), 0):
            return
        for child in (children := _children(node)):
            if sizes.get(id(child)) == 0:
                raise _Refused(child, "a block that holds itself, by an alias")
            yield from walk(child)
        sizes[id(node)] = 1 + sum(sizes[id(child)] for child in children)
        if sizes[id(node)] > MOST_VALUES:
            raise _Refused(node, f"aliases make more than {MOST_VALUES:,} values of this block")
        yield node

    return walk(root) if root else iter(())


def _children(node: yaml.Node) -> list[yaml.Node]:
    if node.id == "mapping":
        return [part for pair in node.value for part in pair]
    return node.value if node.id == "sequence" else []


def _check(node: yaml.Node, loader: yaml.SafeLoader) -> None:
    """Refuse a node that is not read, or not as it looks."""
    plain = node.id == "scalar" and node.style is None
    kind = _TAG + {"mapping": "map", "sequence": "seq"}.get(node.id, "str")
    usual = loader.resolve(type(node), node.value, (True, False)) if plain else kind
    if node.tag not in (usual, kind):
        tag = node.tag.replace(_TAG, "!!")
        raise _Refused(node, f"the tag {one_line(tag, 60)} is not read; remove it")
    if node.id == "mapping":
        _refuse_twice(node)
    elif node.tag == _AMBIGUOUS:
        match = _REFUSED.fullmatch(node.value)
        meant = _MEANT[match.lastgroup](node.value)
        raise _Refused(node, f"{one_line(node.value, 60)} is ambiguous in YAML; write {meant}")
    elif node.tag in (f"{_TAG}int", f"{_TAG}float"):
        _refuse_huge(node)


def _refuse_twice(node: yaml.MappingNode) -> None:
    keys = [key.value for key, _ in node.value if key.id == "scalar"]
    if len(keys) < len(node.value):
        raise _Refused(node, "a key is a block of its own; expected a name")
    seen: set[str] = set()
    if twice := [key for key in keys if key in seen or seen.add(key)]:
        raise _Refused(node, f"{quoted(twice[0])} is twice in the block that begins here")


def _refuse_huge(node: yaml.ScalarNode) -> None:
    if len(node.value) > _LONGEST_NUMBER:
        raise _Refused(node, f"a number of {len(node.value):,} digits; expected at most 100")
    if not math.isfinite(float(node.value)):
        raise _Refused(node, f"{node.value} is too large for a number")


def _written(number: str) -> str:
    """A number as everybody reads it, and how to write it as a text."""
    digits = number.lstrip("+-").replace("_", "")
    based = digits[:1] == "0" and digits[1:2].isalpha()
    try:
        value = int(digits, 0) if based else float(digits) if "." in digits else int(digits)
    except ValueError:  # no digits after all, or too many
        value = "a plain number"
    sign = "-" if number.startswith("-") else ""
    return f'{sign}{value}, or "{one_line(number, 60)}" for a text'


_MEANT: dict[str, Callable[[str], str]] = {
    "number": _written,
    "truth": lambda word: f'{str(word.lower() in ("yes", "on")).lower()}, or "{word}" for a text',
    "nothing": lambda word: f'null, or "{word}" for a text',
    "infinite": lambda word: f'a number, or "{word}" for a text',
}
