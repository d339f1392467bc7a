"""Makes `summary.csv` from the suite's published evaluations, which it finds in EleutherAI/pythia.

    python data/published/make_summary.py                               # downloads them
    python data/published/make_summary.py pythia-evals.tar.xz           # or a folder that holds evals/
    python data/published/make_summary.py --records published.parquet   # every task of every checkpoint, too

They are results of lm-evaluation-harness as that repository keeps them under `evals/`: v0 and v1, zero-shot
and five-shot. An archive is read where it lies. What a file holds is read from its own configuration, for
folders and names are not always right: the script prints what is odd about them, and what it did about it.
Sources: Biderman et al. 2023 (arXiv:2304.01373) and the files themselves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import re
import sys
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.grid.records import COLUMNS, identity
from pythia_utils.suites.catalog import Checkpoint, Model, suite

SUMMARY = Path(__file__).with_name("summary.csv")
REPOSITORY = "EleutherAI/pythia"
COMMIT = "a19eecb807ec2c79a39ebf18108816e6ffffc1d5"
# Of the files' names and contents at that commit. Not of the archive: GitHub packs it anew at will.
CONTENTS = "6c7d2b1848eca382083235c4a9b16278b7b7d86e20fa9ab95b14be5d36dfca21"
URL = f"https://codeload.github.com/{REPOSITORY}/tar.gz/{COMMIT}"
EXPERIMENT = "published-{shots}shot"
_PATH = re.compile(r"pythia-(v[01])/(pythia-[^/]+)/(?:(zero|five)-shot/)?([^/]+)\.json")
_NAMED_STEP = re.compile(r"step(\d+)")
_NAMED_SHOTS = re.compile(r"(\d+)shot")
_RESULT = re.compile(r"(?:^|/)(pythia-v[01]/.+\.json)$")
_METRICS = {"acc": "accuracy", "acc_norm": "accuracy_norm", "ppl": "perplexity"}

_KEY = ["model", "step", "shots"]
_COLUMNS = [*_KEY, "metric", "subset", "value", "stderr", "n", "same_as"]
# The metric that stands for a task; LAMBADA has two. CrowS-Pairs measures bias and has no accuracy.
_TASKS = {
    "lambada_openai": ("accuracy", "perplexity"),
    "wikitext": ("word_perplexity",),
    "crows_pairs_english": ("pct_stereotype",),
    "crows_pairs_french": ("pct_stereotype",),
} | dict.fromkeys(
    ("arc_challenge", "arc_easy", "logiqa", "piqa", "sciq", "winogrande", "wsc"), ("accuracy",)
)
_HEADER = f"""\
# Means of the published evaluations of the Pythia suite: {REPOSITORY} at {COMMIT}, Apache-2.0.
# Biderman et al. 2023, arXiv:2304.01373. Files read: sha256 {{digest}}.
# Made by: data/published/make_summary.py
# step: the Hub's revision. subset: a task, or `blimp/` and a field or phenomenon. stderr: over test items.
"""


class Unreadable(Exception):
    """The files are missing, damaged, or not what they should be."""


# --- files ----------------------------------------------------------------------------------------


def result_files(source: str | Path) -> dict[str, bytes]:
    """The contents of every published result file, by its path below `evals/`, sorted.

    Args:
        source: a folder or a .tar.xz, .tar.gz or .tar archive that has `pythia-v0/` and
            `pythia-v1/` somewhere in it.

    Raises:
        Unreadable: no such source, or no result files in it.
    """
    path = Path(source)
    if not path.exists():
        raise Unreadable(f"there is no file or folder {path}")
    files = dict(sorted(_in_folder(path) if path.is_dir() else _in_archive(path)))
    if not files:
        raise Unreadable(f"{path} has no result files; expected evals/pythia-v0/**/*.json in it")
    return files


def contents_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over the names and contents of files, in hex: however they were packed."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _in_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*.json"):
        if match := _RESULT.search(path.as_posix()):
            yield match[1], path.read_bytes()


def _in_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (match := _RESULT.search(member.name)):
                    yield match[1], archive.extractfile(member).read()
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise Unreadable(f"{path} is not a whole archive: {error}") from None


# --- which checkpoint -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """One result file of one checkpoint.

    Attributes:
        file: its path below `evals/`.
        checkpoint: what was evaluated.
        shots: examples in the prompt, by the file's own configuration.
        results: by task, by metric as lm-evaluation-harness names it.
        claims: the shots that folder and name say, where they say any.
    """

    file: str
    checkpoint: Checkpoint
    shots: int
    results: Mapping[str, Mapping[str, float]]
    claims: tuple[int, ...] = ()

    @property
    def misnamed(self) -> bool:
        """Whether its folder or name says another number of shots."""
        return any(claim != self.shots for claim in self.claims)

    @property
    def key(self) -> tuple[str, int, int]:
        return self.checkpoint.model.name, self.checkpoint.step, self.shots


def read_evaluations(
    files: Mapping[str, bytes],
) -> tuple[list[Evaluation], dict[str, list[str]]]:
    """The evaluations in files, and the names of files that are none of the suite's, by reason.

    Raises:
        Unreadable: a file is no result of the harness, or its name contradicts its step.
    """
    models = suite("pythia").models
    evaluations, skipped = [], defaultdict(list)
    for name in files:
        match = _PATH.fullmatch(name)
        if not match:
            skipped["case studies of bias (other tasks, or models trained further)"].append(name)
            continue
        version, folder = match[1], match[2]
        # v1 of 1b was first published as `1b-bf16`, beside a run in fp16 that was withdrawn.
        model = models.get(folder.removesuffix("-bf16") + ("-v0" if version == "v0" else ""))
        if model:
            evaluations.append(_evaluation(name, model, files[name]))
        else:
            skipped["models trained on other batch sizes, not of the suite"].append(name)
    return evaluations, skipped


def _evaluation(name: str, model: Model, content: bytes) -> Evaluation:
    try:
        data = json.loads(content)
        config, results = data["config"], data["results"]
        step, shots = _step(config["model_args"]), int(config["num_fewshot"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"{name} is no result file of the harness: {error!r}") from None
    # v0's evaluations count optimiser steps, also where the Hub counts batches of 2M tokens.
    hub_step = step * model.steps[-1] // model.total_steps
    folder, file = _PATH.fullmatch(name)[3], _PATH.fullmatch(name)[4]
    claims = {"zero": [0], "five": [5], None: []}[folder]
    claims += [int(number) for number in _NAMED_SHOTS.findall(file)]
    named = _NAMED_STEP.search(file)
    if named and int(named[1]) != step:
        raise Unreadable(f"{name} was made at step {step} by its own configuration, not {named[1]}")
    return Evaluation(name, model.checkpoint(hub_step), shots, results, tuple(claims))


def _step(arguments: str | Mapping) -> int:
    """The step that was loaded: GPT-NeoX's own arguments for v0, `key=value,...` for v1."""
    if isinstance(arguments, Mapping):
        return int(arguments["iteration"])
    pairs = dict(part.split("=", 1) for part in arguments.split(","))
    return int(pairs["revision"].removeprefix("step"))


# --- records --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oddity:
    """Something in the files that is not what it seems.

    Attributes:
        kind: `skipped`, `misnamed`, `repeated`, `renumbered` or `equal`.
        text: what it is and what was done, one clause.
        files: which files, sorted.
    """

    kind: str
    text: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """What the files hold.

    Attributes:
        records: columns `records.COLUMNS`, and `same_as`: other checkpoints whose results of as many
            shots are equal to the last digit, separated by `; `, or empty. `step` is the Hub's;
            experiments are `published-0shot` and `published-5shot`; the subset is the harness's task.
        oddities: what was odd.
        digest: of the files that were read.
    """

    records: pd.DataFrame
    oddities: tuple[Oddity, ...]
    digest: str


def read(source: str | Path) -> Published:
    """Read the published evaluations.

    Raises:
        Unreadable: no such source, or a file in it that is no result of the harness.
    """
    files = result_files(source)
    evaluations, skipped = read_evaluations(files)
    if not evaluations:
        raise Unreadable(f"none of {len(files)} files in {source} evaluates a model of the suite")
    kept, repeated = _without_repeats(evaluations)
    same = _equal_results(kept)
    oddities = [*_skipped(skipped), *_misnamed(evaluations), *_renumbered(evaluations)]
    oddities += [*_repeated(repeated), *_equal(kept, same)]
    return Published(_records(kept, same), tuple(oddities), contents_digest(files))


def _without_repeats(evaluations: list[Evaluation]) -> tuple[list, list[tuple]]:
    """One evaluation for each checkpoint and number of shots, and (repeat, the one kept) of others.

    A file whose folder and name are right about its shots goes before one that is not.
    """
    kept: dict[tuple, Evaluation] = {}
    repeats = []
    for each in sorted(evaluations, key=lambda e: (e.misnamed, e.file)):
        if each.key in kept:
            repeats.append((each, kept[each.key]))
        else:
            kept[each.key] = each
    return sorted(kept.values(), key=lambda e: e.file), repeats


def _equal_results(evaluations: list[Evaluation]) -> dict[str, tuple[str, ...]]:
    """For each file the other checkpoints with the very same results: `pythia-70m step1`."""
    groups = defaultdict(list)
    for each in evaluations:
        groups[each.shots, json.dumps(each.results, sort_keys=True)].append(each)
    return {
        each.file: tuple(_shown(other.checkpoint) for other in group if other is not each)
        for group in groups.values()
        for each in group
    }


def _shown(checkpoint: Checkpoint) -> str:
    return f"{checkpoint.model.name} {checkpoint.revision}"


def _skipped(skipped: Mapping[str, list[str]]) -> Iterator[Oddity]:
    for reason, files in skipped.items():
        yield Oddity("skipped", f"{reason}: left out", tuple(files))


def _misnamed(evaluations: list[Evaluation]) -> Iterator[Oddity]:
    groups = defaultdict(list)
    for each in (e for e in evaluations if e.misnamed):
        model = each.checkpoint.model
        said = ", ".join(sorted({str(c) for c in each.claims if c != each.shots}))
        groups[f"{model.size} {model.version or 'v1'}", said, each.shots].append(each.file)
    for (name, said, shots), files in groups.items():
        text = f"{name}: called {said}-shot, evaluated {shots}-shot: counted as {shots}-shot"
        yield Oddity("misnamed", text, tuple(sorted(files)))


def _renumbered(evaluations: list[Evaluation]) -> Iterator[Oddity]:
    files = [e.file for e in evaluations if e.checkpoint.step != e.checkpoint.true_step]
    if files:
        text = "named by optimiser steps of 4M tokens: step N is the Hub's revision of step 2N"
        yield Oddity("renumbered", text, tuple(sorted(files)))


def _repeated(repeats: list[tuple[Evaluation, Evaluation]]) -> Iterator[Oddity]:
    if repeats:
        gaps = [_widest_gap(*pair) for pair in repeats]
        text = (
            f"second evaluations of a checkpoint: left out ({gaps.count(0)} give the same accuracies, "
            f"the others differ by {max(gaps):.3f} at most)"
        )
        yield Oddity("repeated", text, tuple(sorted(repeat.file for repeat, _ in repeats)))


def _widest_gap(repeat: Evaluation, kept: Evaluation) -> float:
    """The largest difference of an accuracy between two evaluations of one checkpoint."""
    shared = repeat.results.keys() & kept.results.keys()
    pairs = [(repeat.results[task].get("acc"), kept.results[task].get("acc")) for task in shared]
    return max((abs(one - other) for one, other in pairs if one is not None), default=0)


def _equal(evaluations: list[Evaluation], same: Mapping[str, tuple]) -> Iterator[Oddity]:
    expected, others = [], []
    for each in evaluations:
        if same[each.file]:
            early = each.checkpoint.step <= 1
            alone = all(name.split()[-1] in ("step0", "step1") for name in same[each.file])
            (expected if early and alone else others).append(each)
    if expected:
        text = "steps 0 and 1, of both variants: equal, as one step at rate 0 should be"
        yield Oddity("equal", text, tuple(e.file for e in expected))
    if others:
        text = "checkpoints that should differ have equal results: marked in `same_as`"
        yield Oddity("equal", text, tuple(e.file for e in others))


def _records(evaluations: list[Evaluation], same: Mapping[str, tuple]) -> pd.DataFrame:
    sizes = _sizes(evaluations)
    rows = []
    for each in evaluations:
        common = identity(each.checkpoint, EXPERIMENT.format(shots=each.shots), "published")
        common |= {"same_as": "; ".join(same[each.file])}
        rows += [common | row for row in _measured(each.results, sizes)]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "same_as"]).astype({"n": "Int64"})
    order = ["n_params", "variant", "model", "step", "experiment"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def _measured(results: Mapping[str, Mapping[str, float]], sizes: Mapping) -> Iterator[dict]:
    for task, values in sorted(results.items()):
        for metric in sorted(name for name in values if not name.endswith("_stderr")):
            yield {
                "metric": _METRICS.get(metric, metric),
                "subset": task,
                "value": float(values[metric]),
                "stderr": float(values.get(f"{metric}_stderr", "nan")),
                "n": sizes.get(task),
            }


def _sizes(evaluations: list[Evaluation]) -> dict[str, int]:
    """How many items each task has, which the files do not say but imply.

    The harness's standard error of a share p of n items is sqrt(p (1 - p) / (n - 1)).
    """
    sizes: dict[str, int] = {}
    for each in evaluations:
        for task, values in each.results.items():
            for metric in ("acc", "pct_stereotype"):
                p, error = values.get(metric), values.get(f"{metric}_stderr")
                if task not in sizes and p is not None and error:
                    sizes[task] = round(p * (1 - p) / error**2 + 1)
    return sizes


# --- means ----------------------------------------------------------------------------------------


def summarise(records: pd.DataFrame) -> pd.DataFrame:
    """Means over the tasks of `read`'s records.

    A mean over paradigms or subjects gives each the same weight, and its standard error is
    sqrt(Σ se²) / k: that of drawing other items, the k paradigms being fixed. Every checkpoint was
    tested on the same items, so differences between checkpoints are surer than these errors say.

    Returns:
        Columns model, step, shots, metric, subset, value, stderr, n (items in all) and same_as.
    """
    shots = records["experiment"].str.extract(r"-(\d+)shot", expand=False).astype(int)
    frame = records.assign(shots=shots)
    parts = [
        frame[(frame["subset"] == task) & (frame["metric"] == metric)]
        for task, metrics in _TASKS.items()
        for metric in metrics
    ]
    parts += [_mean(frame[frame["subset"].isin(tasks)], name) for name, tasks in _groups(records)]
    order = ["n_params", "variant", "model", "shots", "step"]
    table = pd.concat([part for part in parts if len(part)])
    return table.sort_values(order, kind="stable", ignore_index=True)[_COLUMNS]


def _groups(records: pd.DataFrame) -> Iterator[tuple[str, set[str]]]:
    """The tasks that make up each mean, by the mean's name."""
    paradigms = blimp_paradigms()
    yield "blimp", {f"blimp_{name}" for name in paradigms}
    for level in (1, 0):
        for group in sorted({labels[level] for labels in paradigms.values()}):
            own = {f"blimp_{name}" for name, labels in paradigms.items() if labels[level] == group}
            yield f"blimp/{group}", own
    tasks = records["subset"].unique()
    yield "mmlu", {task for task in tasks if task.startswith("hendrycksTest-")}


def _mean(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """The mean accuracy over the tasks in `frame`, for each checkpoint and number of shots."""
    accuracies = frame[frame["metric"] == "accuracy"]
    groups = accuracies.assign(variance=accuracies["stderr"] ** 2).groupby(_KEY, sort=False)
    columns = {column: (column, "first") for column in ("n_params", "variant", "same_as")}
    table = groups.agg(
        value=("value", "mean"), total=("variance", "sum"), n=("n", "sum"), **columns
    )
    table["stderr"] = table.pop("total") ** 0.5 / groups.size()
    return table.reset_index().assign(metric="accuracy", subset=name)


def summary_text(summary: pd.DataFrame, digest: str) -> str:
    """The file's text: a header that cites the source, values of five digits, errors of three."""
    errors = [f"{error:.3g}" if error == error else "" for error in summary["stderr"]]
    table = summary.assign(stderr=errors).to_csv(
        index=False, float_format="%.5g", lineterminator="\n"
    )
    return _HEADER.format(digest=digest) + table


# --- the command ----------------------------------------------------------------------------------


def main() -> None:
    options = _parser().parse_args()
    try:
        found = read(options.source or _downloaded())
        if options.records:
            write = (
                found.records.to_parquet
                if options.records.suffix == ".parquet"
                else found.records.to_csv
            )
            write(options.records, index=False)
        options.output.write_text(summary_text(summarise(found.records), found.digest), "utf-8")
    except (Unreadable, OSError) as error:
        sys.exit(f"make_summary.py: {error}")
    print(report(found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "source", nargs="?", help="a folder or an archive; by default it is downloaded"
    )
    parser.add_argument("--output", type=Path, default=SUMMARY, help="where the means go")
    parser.add_argument("--records", type=Path, help="where every record goes: .csv or .parquet")
    return parser


def _downloaded() -> Path:
    """The public repository at `COMMIT`, checked; a second call finds it in pooch's cache."""
    import pooch

    path = Path(
        pooch.retrieve(URL, known_hash=None, fname=f"pythia-{COMMIT[:7]}.tar.gz", progressbar=True)
    )
    if contents_digest(result_files(path)) != CONTENTS:
        raise Unreadable(
            f"{path} does not hold the files of commit {COMMIT[:7]}: remove it, and try again"
        )
    return path


def report(found: Published) -> str:
    """What was read, and what was odd about it."""
    records = found.records
    checkpoints = len(records[["model", "step", "experiment"]].drop_duplicates())
    lines = [
        f"{len(records):,} records of {checkpoints:,} evaluations of {records['model'].nunique()} "
        f"models; files: sha256 {found.digest}"
    ]
    lines += [f"{o.kind:<10}  {len(o.files):>4} files  {o.text}" for o in found.oddities]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
