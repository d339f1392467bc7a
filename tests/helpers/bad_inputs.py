"""Bad inputs for the command line and its files, drawn by hypothesis, and the judgement of what comes of them.

    world = make_world(folder, trained_home)
    with world.entered():
        fault = judge(world, arguments)       # None, or what is wrong with how it ended

An input ends well if the exit code is 0, 1 or 2, if at most one line on stderr begins `pythia: ` (warnings
and notices aside) and that line is short and names something, if there is no traceback, and if nothing
is left half-written. What is certainly wrong must not end with 0. `benchmarks/bad_inputs.py` counts many.
"""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import os
import re
import shutil
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import click
from helpers import architectures, neox_files
from helpers.grids import NOTEBOOKS
from hypothesis import strategies as st

from pythia_utils.cli import main as door
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.ledger import Ledger, Outcome
from pythia_utils.nano.corpus import is_current
from pythia_utils.nano.trained import is_trained
from pythia_utils.suites.catalog import find_model, suite
from pythia_utils.training_data.corpus import Corpus

SLOW = 10.0  # seconds
MINE = """\
name: mine
training_data: unknown
models:
  - {name: own-llama, folder: llama, revisions: "checkpoint-{step}", batch_size: 4, seq_length: 32, seed: 1}
  - {name: own-hub, repo: me/mine, revisions: "step{step}-tokens{n}B", steps: [5], size: 1b, variant: other}
"""
LONGEST = 700  # characters of the one line
YAML = """\
profiles:
  tiny: {suite: pico, models: [pico-7k], steps: [0, 1, 2]}
experiments:
  measure:
    title: A measurement
    notebook: notebooks/measure.ipynb
    chapter: notebooks/chapter.ipynb
    heatmap: {metric: loss, subset: all}
    parameters: {labels: [a]}
pages:
  start: {notebook: notebooks/chapter.ipynb, models: [pico-7k]}
"""
CLUSTER = "cores: 1\nmemory: 2GB\ninterface: lo\njobs: 2\ngpus: 0\nwalltime: '01:00:00'\n"
# A right call of each command, to which wrong values are added.
USUAL = {
    "audit": ["pico-7k", "--steps", "0", "--no-tensors"],
    "batch": ["--model", "pico-7k", "--steps", "0"],
    "book": ["--suite", "pico", "--experiments", "measure"],
    "config": ["pythia-70m"],
    "convert": ["../files/global_step0", "../files/converted"],
    "fetch": ["pythia-14m", "--steps", "0", "--yes"],
    "records": ["--experiment", "measure"],
    "run": ["measure", "--profile", "tiny", "--dry-run"],
    "status": ["measure", "--profile", "tiny"],
    "suites": ["pico"],
    "train": ["pico", "--models", "7k", "--until", "16"],
}
TEXTS = [
    "",
    " ",
    "²",
    "٣",
    "9" * 5000,
    "1_000",
    "nan",
    "inf",
    "-1",
    "0",
    "1e9",
    "~nosuch",
    "~nosuch/x",
]
TEXTS += [
    "http://[::1",
    "http://",
    "http://h:99999/x",
    "tcp://host:99999",
    "tcp://:80",
    "tcp://[::1:80",
]
TEXTS += [
    "local:0",
    "local:-1",
    "local:1e9",
    "local:²",
    "local:99999999999",
    "slurm",
    "a\0b",
    "a\nb",
]
TEXTS += [
    "x" * 5000,
    "5-1",
    "\x1b[31mred",
    "\udc80",
    "None",
    "[]",
    "{}",
    "{a: b",
    "!!int x",
    "2024-01-01",
]
TEXTS += [
    "0512",
    "*",
    "../..",
    "/",
    "/dev/full",
    "-",
    "é",
    "all",
    "a=b",
    "class=3",
    "labels=[a",
    "=",
    "a=&a [*a]",
]
TEXTS += [
    "labels=!!binary x",
    "labels=2024-13-45",
    "0-",
    "0,,1",
    "pico-7k",
    "20GB",
    "-5GB",
    "1e400GB",
    "1h",
]
TEXTS += [
    "file:///etc/passwd",
    "nosuch/x.npy",
    "x.npy\n",
    "cpu:0",
    "cuda:99",
    "cuda:²",
    "²GB",
    "0x10",
    "+5",
    " 5",
]
TEXTS += [
    "\uff11\uff12",
    "\u2167",
    "pico\u200b",
    "\ufeffpico",
    "\u202epico",
    "e\u0301",
    "0b1",
    "1,5",
    "1;2",
    "1/2",
]
TEXTS += [
    "%s",
    "{0}",
    "$HOME",
    "`id`",
    "$(id)",
    "C:\\x",
    "\\\\host\\x",
    "file:x",
    "--",
    "-h",
    "@x",
    "x" * 256,
]
TEXTS += [
    "https://me:secret@host/x",
    "hf://x",
    "s3://x",
    "x://",
    "//host/x",
    "tls://h:0",
    "tcp://h:1/x",
    "ws://h",
]
TEXTS += [
    "9223372036854775808",
    "-0",
    "1e-400",
    "0x",
    "1__0",
    "1_",
    "true",
    "TRUE",
    "null",
    "on",
    "<<: 1",
    "&a",
    "*a",
]
TEXTS += [
    "0-9999999999999999999",
    "0-0-0",
    "-5",
    "all,all",
    "0,all,",
    "0 - 5",
    "0..5",
    "0:5",
    "[0, 5]",
    "0\t5",
]
TEXTS += [
    "/proc/self/mem",
    "/dev/null/x",
    "/dev/stdin",
    ".",
    "..",
    "./",
    "~",
    "x/",
    "*.yml",
    "a" * 100 + "/" + "b" * 300,
]
TEXTS += ["cuda", "cuda:-1", "cuda:", "CUDA", "mps", "cpu", "float16", "float", "bf16", "half"]
TEXTS += ["1GiB", "1 GB", "GB", "1e3MB", "-0GB", "nanGB", "infh", "1h30", "1d", "0s", "1e400h"]


# --- a world to be wrong in -----------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """A project with a few runs, the home of a trained suite, and other files that options name."""

    root: Path
    home: Path
    files: Path

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This process in the project, with nothing started that would take long."""
        env = {"PYTHIA_HOME": str(self.home), "HF_HUB_OFFLINE": "1", "MPLBACKEND": "agg"}
        before = Path.cwd()
        with mock.patch.dict(os.environ, env), _without_work():
            os.environ.pop("PYTHIA_RUNS", None)
            os.chdir(self.root)
            try:
                yield
            finally:
                os.chdir(before)

    def partial(self) -> list[Path]:
        """What a write that did not end has left."""
        folders = (self.root, self.home, self.files)
        return [path for folder in folders for path in folder.rglob(".partial-*")]


@contextmanager
def _without_work() -> Iterator[None]:
    """Runs, trainings and books do nothing: what goes wrong before them is looked at, in less than a second."""
    with (
        mock.patch("pythia_utils.engine.runner.run", return_value=[]),
        mock.patch("pythia_utils.site.build.publish", return_value=("site", {})),
        mock.patch("pythia_utils.nano.training_run.train_suite", return_value=None),
        mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True),
    ):
        yield


def make_world(folder: Path, trained_home: Path) -> World:
    """A project of one experiment, its cells of three checkpoints run, as far as files tell."""
    world = World(folder / "project", folder / "home", folder / "files")
    own = trained_home / "suites" / "pico"
    for name in ("corpus", "pico-7k"):
        shutil.copytree(own / name, world.home / "suites" / "pico" / name)
    _change_nothing(world.home / "suites" / "pico")
    shutil.copytree(NOTEBOOKS, world.root / "notebooks")
    (world.root / "experiments.yml").write_text(YAML)
    world.files.mkdir()
    (world.files / "cluster.yml").write_text(CLUSTER)
    (world.files / "mine.yml").write_text(MINE)
    architectures.save(world.files / "llama" / "checkpoint-5", "llama")
    for name in ("tokenizer.json", "standard.bin", "standard.idx"):
        shutil.copy(own / "corpus" / name, world.files / name)
    neox_files.save(
        world.files / "global_step0",
        neox_files.random_parts(neox_files.Shape(), 2),
        neox_files.settings(neox_files.Shape(), 2),
    )
    with world.entered():
        _pretend_runs(world)
        ending(["status", "--profile", "tiny"])  # keeps its digests
    return world


def _change_nothing(suite: Path) -> None:
    """What the intervention `control` makes of a corpus, without the work."""
    folder = suite / "interventions" / "control" / "standard"
    folder.mkdir(parents=True)
    for ending in ("bin", "idx"):
        shutil.copy(suite / "corpus" / f"standard.{ending}", folder / f"text.{ending}")
    told = {"recipe": {}, "sha256": {"text.bin": "0"}, "documents": {"all": 1}}
    (folder / "manifest.json").write_text(json.dumps(told))


def _pretend_runs(world: World) -> None:
    history = Ledger(world.root / "runs" / "ledger.jsonl")
    for cell in expand(load_config(world.root), profile="tiny"):
        row = records.identity(cell.checkpoint, "measure") | {"metric": "loss", "subset": "all"}
        row |= {"value": 1.5, "stderr": 0.1, "n": 7}
        cell.output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(cell.notebook, cell.output)
        records.write(cell.records, records._frame([row]))
        parts = cell.parts()
        history.append(
            Outcome(cell.id, "done", 1.0, None, None, cell.fingerprint(parts), parts, rows=1)
        )


# --- judgement ------------------------------------------------------------------------------------


def ending(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    code: object = 0
    with (
        mock.patch.object(sys, "argv", ["pythia", *arguments]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            door.main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
    texts = []
    for stream in (out, err):
        with suppress(ValueError):
            stream.flush()
        texts.append("" if stream.closed else stream.buffer.getvalue().decode())
    return int(code), *texts


def judge(world: World, arguments: list[str], must_fail: bool = False) -> str | None:
    """What is wrong with how a command ends; None if nothing is."""
    start = time.monotonic()
    with _own_hooks(), mock.patch.dict(os.environ):  # `--suites` is for what a process starts, too
        code, out, err = ending(arguments)
    if time.monotonic() - start > SLOW:
        return "slow"
    if left := world.partial():
        left[0].unlink()
        return "half-written"
    return _fault(code, out, err, must_fail)


@contextmanager
def _own_hooks() -> Iterator[None]:
    """`main` sets how warnings are shown; each call begins as a new process does."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def _fault(code: int, out: str, err: str, must_fail: bool) -> str | None:
    told = [line for line in err.splitlines() if line.startswith("pythia: ")]
    lines = [line for line in told if not line.startswith("pythia: warning: ")]
    if "Traceback" in err or code == 70:
        return "traceback"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if must_fail and code == 0:
        return "accepted"
    if code == 2 and len(lines) != 1:
        return "not one line"
    if len(lines) > 1 or (lines and not err.rstrip("\n").endswith(lines[0])):
        return "several lines"
    return _vague(lines[0]) if lines else None


def _vague(line: str) -> str | None:
    if len(line) > LONGEST or re.search(r"(.)\1{200}", line):
        return "long"
    if re.search(r"[\x00-\x1f\x7f]", line):
        return "control characters"
    text = line.removeprefix("pythia: ").strip()
    if len(text) < 12 or re.search(r"\[Errno \d+\] [^:']+$", text):
        return "vague"
    return None


def judge_call(world: World, call: Callable[[], object]) -> str | None:
    """The same of a function of the package: told as `main` would tell it."""
    with mock.patch.object(door.cli, "main", side_effect=lambda **_: call() and 0):
        return judge(world, [])


# --- options --------------------------------------------------------------------------------------


def wrong_values() -> st.SearchStrategy[str]:
    """Texts that hardly any option means."""
    near = st.text("0123456789-+._²e:,=[]{}&*!~/\\'\"\n\0 aAé", max_size=12)
    return st.one_of(st.sampled_from(TEXTS), near, st.text(max_size=20))


@st.composite
def wrong_calls(draw) -> tuple[list[str], bool]:
    """Arguments of some command with one or two wrong values, and whether they certainly are."""
    name = draw(st.sampled_from(sorted(USUAL)))
    command = door.cli.commands[name]
    call, certain = [name, *USUAL[name]], False
    valued = [p for p in command.params if not getattr(p, "is_flag", False)]
    for param in draw(st.lists(st.sampled_from(valued), min_size=1, max_size=2, unique=True)):
        value = draw(wrong_values())
        certain = certain or is_certainly_wrong(param, value)
        # Not `--option value`: a value that begins with a hyphen would be another option.
        call += (
            [f"{max(param.opts, key=len)}={value}"] if isinstance(param, click.Option) else [value]
        )
    return call, certain


def is_certainly_wrong(param: click.Parameter, value: str) -> bool:
    """Whether a parameter must refuse a value: no whole number, nothing, or what no name holds."""
    if isinstance(param.type, click.types.IntParamType):
        return not re.fullmatch(r"-?[0-9]{1,18}", value) or int(value) < param.type.min
    if param.name == "dtype":
        return value not in ("auto", "float32", "bfloat16", "float16")
    if param.name == "text":  # what is looked for may be anything
        return value == ""
    return value.strip() == "" or "\0" in value


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A file that is read, by which call, and how to take it apart: as `json`, `yaml`, `lines` or not."""

    path: Path
    call: Callable[[World], str | None]
    form: str = "bytes"


def targets(world: World) -> dict[str, Target]:
    """Every kind of file."""
    root, own, files = world.root, world.home / "suites" / "pico", world.files
    step, runs, notebooks = own / "pico-7k" / "step0", root / "runs", root / "notebooks"
    tokenizer, cluster = files / "tokenizer.json", files / "cluster.yml"
    own_suite, own_config = files / "mine.yml", files / "llama" / "checkpoint-5" / "config.json"
    batch = ("batch", "--model", "pico-7k", "--steps", "0")
    status, dry = ("status", "--profile", "tiny"), ("run", "--profile", "tiny", "--dry-run")
    search = (*batch, "--find", "the cat", "--tokenizer", str(tokenizer))
    slurm = (*dry, "--scheduler", "slurm", "--cluster-config", str(cluster))

    def command(path: Path, form: str, *arguments: str) -> Target:
        return Target(path, lambda world: judge(world, list(arguments)), form)

    def api(path: Path, form: str, call: Callable[[], object]) -> Target:
        return Target(path, lambda world: judge_call(world, call), form)

    def converted(path: Path, form: str, source: Path, *arguments: str) -> Target:
        return Target(path, lambda world: _convert(world, source, arguments), form)

    neox = files / "global_step0"
    layer = neox / "layer_02-model_01-model_states.pt"
    return {
        "experiments": command(root / "experiments.yml", "yaml", "status"),
        "experiments of a run": command(root / "experiments.yml", "yaml", *dry),
        "experiments of a book": command(root / "experiments.yml", "yaml", "book"),
        "notebook": command(notebooks / "measure.ipynb", "json", *status),
        "chapter": command(notebooks / "chapter.ipynb", "json", "book"),
        "ledger": command(runs / "ledger.jsonl", "lines", *status),
        "ledger as JSON": command(runs / "ledger.jsonl", "lines", *status, "--json"),
        "records": command(_records(runs), "parquet", "records", "--experiment", "measure"),
        "digests": command(runs / ".digests.json", "json", *status),
        "manifest": command(own / "corpus/manifest.json", "json", *batch),
        "manifest of a suite": api(own / "corpus/manifest.json", "json", _is_trained),
        "checkpoint": api(own / "pico-7k/step16/checkpoint.json", "json", _is_trained),
        "manifest of a changed text": command(
            own / "interventions/control/standard/manifest.json",
            "json",
            *("batch", "--model", "pico-7k-control-from8", "--steps", "9"),
        ),
        "state": api(own / "pico-7k/trainer_state.pt", "torch", _read_state),
        "tokenizer": command(tokenizer, "json", *batch, "--decode", "--tokenizer", str(tokenizer)),
        "tokenizer of a search": command(tokenizer, "json", *search),
        "tokenizer of a model": api(step / "tokenizer.json", "json", _load),
        "config of a model": api(step / "config.json", "json", _load),
        "settings of a tokenizer": api(step / "tokenizer_config.json", "json", _load),
        "weights": api(step / "model.safetensors", "bytes", _load),
        "index": command(
            files / "standard.idx", "bytes", *batch, "--source", str(files / "standard")
        ),
        "tokens": command(
            files / "standard.bin", "bytes", *batch, "--source", str(files / "standard")
        ),
        "cluster": command(cluster, "yaml", *slurm),
        "own suite": command(own_suite, "yaml", "--suites", str(own_suite), "suites", "own-llama"),
        "own config": command(
            own_config, "json", "--suites", str(own_suite), "suites", "own-llama"
        ),
        "layer of GPT-NeoX": converted(layer, "torch", neox),
        "settings of GPT-NeoX": converted(neox / "configs" / "tiny.yml", "yaml", neox),
        "tokenizer to convert": converted(tokenizer, "json", neox, "--tokenizer", str(tokenizer)),
        "config to convert": converted(step / "config.json", "json", step),
        "weights to convert": converted(step / "model.safetensors", "bytes", step),
    }


def _convert(world: World, source: Path, arguments: tuple[str, ...]) -> str | None:
    """Into a new folder each time, whose name both directions take."""
    target = world.files / "out" / "global_step1"
    shutil.rmtree(target.parent, ignore_errors=True)
    target.parent.mkdir()
    fault = judge(world, ["convert", str(source), str(target), *arguments])
    left = [path.name for path in target.parent.iterdir() if path != target]
    return fault or (f"left {left}" if left else None)


def _records(runs: Path) -> Path:
    return min(runs.glob("pico/measure/*/step*.parquet"))


def _is_trained() -> None:
    is_current(Corpus(suite("pico")))
    is_trained(find_model("pico-7k"), 16)


def _read_state() -> None:
    from pythia_utils.nano import train

    train._Run(find_model("pico-7k"), "cpu")


def _load() -> None:
    from pythia_utils.suites.checkpoints import load

    _network, tokenizer = load("pico-7k", 0)
    tokenizer("The cat sleeps.")


@contextmanager
def replaced(path: Path, content: bytes | None) -> Iterator[None]:
    """A file with another content, or a folder in its place for None, until the block ends."""
    before = path.read_bytes()
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(before)


@st.composite
def wrong_contents(draw, content: bytes, form: str) -> bytes | None:
    """Another content for a file: its bytes spoilt, or what it says changed in one or two places."""
    if form == "bytes" or draw(st.integers(0, 3)) == 0:
        return draw(_spoilt(content))
    if form == "lines":
        lines = content.splitlines()
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = json.dumps(_changed(draw, json.loads(lines[at]))).encode()
        return b"\n".join(lines) + b"\n"
    if form in ("parquet", "torch"):
        return _foreign(draw, form)
    if form == "yaml":
        import yaml

        return yaml.safe_dump(_changed(draw, yaml.safe_load(content)), allow_unicode=True).encode()
    return json.dumps(_changed(draw, json.loads(content))).encode()


SPOILT = [
    "cut",
    "empty",
    "nul",
    "utf-16",
    "latin-1",
    "flip",
    "folder",
    "noise",
    "twice",
    "mark",
    "utf-32",
    "cp037",
    "crlf",
    "gzip",
    "zip",
    "base64",
]
SPOILT += ["reversed", "html", "link"]


@st.composite
def _spoilt(draw, content: bytes) -> bytes | None:
    kind = draw(st.sampled_from(SPOILT))
    at = draw(st.integers(0, max(0, len(content) - 1)))
    match kind:
        case "cut":
            return content[:at]
        case "empty":
            return b""
        case "nul":
            return content[:at] + b"\0" * 8 + content[at:]
        case "utf-16" | "latin-1" | "utf-32":
            text = content.decode("latin-1")
            return (text[:at] + "é" + text[at:]).encode(kind)
        case "flip":
            return (
                content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :] if content else b"x"
            )
        case "noise":
            return draw(st.binary(max_size=64))
        case "twice":
            return content + content
        case "mark":
            return b"\xef\xbb\xbf" + content
        case "cp037":
            return content.decode("latin-1").encode("cp037", "replace")
        case "crlf":
            return content.replace(b"\n", b"\r\n")
        case "gzip":
            return gzip.compress(content)
        case "zip":
            return _zipped(content)
        case "base64":
            return base64.encodebytes(content)
        case "reversed":
            return content[::-1]
        case "html":
            return b"<!DOCTYPE html><html><body>404 Not Found</body></html>"
        case "link":
            return b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    return None


def _zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("content", content)
    return file.getvalue()


STRANGE = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("nan"),
    "",
    "x",
    "a\nb",
    "x" * 5000,
    [],
    {},
    [[]],
    [1],
    {"a": 1},
    "\0",
    "../../x",
    "~nosuch",
]


def _strange(draw) -> Any:
    # A copy: a second change may be one of it.
    return copy.deepcopy(draw(st.sampled_from(STRANGE)))


def _changed(draw, tree: Any) -> Any:
    """What a file says, changed in a place or two."""
    tree = copy.deepcopy(tree)
    if draw(st.integers(0, 9)) == 0:
        return _strange(draw)
    for _ in range(draw(st.integers(1, 2))):
        places = list(_places(tree, 0))
        if not places:
            return _strange(draw)
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        _change(draw, holder, key)
    return tree


def _places(tree: Any, depth: int) -> Iterator[tuple[Any, Any]]:
    """Each item of a tree, the first few of long ones: a vocabulary is not all there is."""
    if depth > 5:
        return
    items = list(tree.items() if isinstance(tree, dict) else enumerate(tree))[:12]
    for key, value in items:
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value, depth + 1)


def _change(draw, holder: Any, key: Any) -> None:
    kind = draw(st.sampled_from(["drop", "rename", "retype", "retype", "nest"]))
    if kind == "drop":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[draw(st.sampled_from(["x", "", "a\nb", str(key).upper(), "x" * 5000]))] = holder.pop(
            key
        )
    elif kind == "nest":
        holder[key] = [holder[key]]
    else:
        holder[key] = _strange(draw)


def _foreign(draw, form: str) -> bytes:
    """A sound file of a format, of somebody else's."""
    file = io.BytesIO()
    tables = [{"a": [1, 2]}, {"suite": ["x"]}, {"step": ["a"], "value": ["b"]}, {}]
    if form == "parquet":
        import pandas as pd

        pd.DataFrame(draw(st.sampled_from(tables))).to_parquet(file)
    else:
        import torch

        states = [*tables, [1], 3, {"step": "x"}, {"step": 1, "network": {}}]
        torch.save(draw(st.sampled_from(states)), file)
    return file.getvalue()


# --- a Hub ----------------------------------------------------------------------------------------


@st.composite
def wrong_answers(draw, answer: bytes) -> bytes:
    """What a server that is no Hub, or another version of it, may say instead."""
    return draw(wrong_contents(answer, "json").filter(lambda content: content is not None))


# --- files, drawn ---------------------------------------------------------------------------------


def wrong_files(world: World) -> st.SearchStrategy[tuple[str, bytes | None]]:
    """The name of a target, and what its file holds instead."""
    # Read once: some of these files are written again by what reads them.
    known = {name: (each.path.read_bytes(), each.form) for name, each in targets(world).items()}

    @st.composite
    def one(draw) -> tuple[str, bytes | None]:
        name = draw(st.sampled_from(sorted(known)))
        return name, draw(wrong_contents(*known[name]))

    return one()


def judge_file(world: World, name: str, content: bytes | None) -> str | None:
    """What is wrong with how the call ends that reads a file with this content."""
    target = targets(world)[name]
    with replaced(target.path, content):
        return target.call(world)
