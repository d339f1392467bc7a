"""The suite's published evaluations as records: v0 and v1, zero-shot and five-shot.

One record is one metric of one task. `Published.oddities` lists what is odd about the files and what was
done about it. Sources: Biderman et al. 2023 (arXiv:2304.01373) and the files themselves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_utils.analysis.published.files import (
    Evaluation,
    contents_digest,
    read_evaluations,
    result_files,
)
from pythia_utils.base.errors import UsageError
from pythia_utils.grid.records import COLUMNS, identity
from pythia_utils.suites.catalog import Checkpoint

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT = "published-{shots}shot"
_METRICS = {"acc": "accuracy", "acc_norm": "accuracy_norm", "ppl": "perplexity"}


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


def read(source: str | Path | None = None) -> Published:
    """Read the published evaluations.

    Args:
        source: as in `files.result_files`.

    Raises:
        UsageError: no such source, or a file in it that is no result of the harness.
        FetchError: the repository does not deliver.
    """
    files = result_files(source)
    evaluations, skipped = read_evaluations(files)
    if not evaluations:
        raise UsageError(f"none of {len(files)} files in {source} evaluates a model of the suite")
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


# ---- Oddities


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


# ---- Records


def _records(evaluations: list[Evaluation], same: Mapping[str, tuple]) -> pd.DataFrame:
    import pandas as pd

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
