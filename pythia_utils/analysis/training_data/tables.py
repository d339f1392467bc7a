"""What the chapter on training data shows: checkpoints and what they saw, and repeats over training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from pythia_utils.analysis.stats import with_student_interval, with_wilson_interval
from pythia_utils.analysis.training_data.mix import read_before
from pythia_utils.training_data import repeats
from pythia_utils.training_data.seen import seen_by
from pythia_utils.training_data.source import TrainingData

EXPECTED = "deduped, expected"
SIMULATED, ASSUMED = (
    "simulated: both copies shuffled together",
    "assumed: one epoch after the other",
)


def batches_seen(checkpoints: Mapping[str, Iterable[int]]) -> pd.DataFrame:
    """Batches, sequences and tokens that checkpoints have seen, as texts: steps by the model's name."""
    rows = []
    for name, steps in checkpoints.items():
        for step in steps:
            seen = seen_by(name, step)
            batches = f"0 to {len(seen.steps) - 1:,}" if seen.steps else "none"
            counts = f"{len(seen.sequences):,}", f"{seen.tokens:,}"
            rows.append((f"{name} step{step}", batches, *counts))
    return pd.DataFrame(rows, columns=["checkpoint", "batches seen", "sequences", "tokens"])


def batch_shares(records: pd.DataFrame) -> pd.DataFrame:
    """Records of shares of a batch's pieces, with Wilson's 95% interval over these pieces."""
    pieces = records["n"].astype(int)
    return with_wilson_interval(records, (records["value"] * pieces).round(), pieces)


def of_batches(records: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What was measured of single batches, by model and step, with Student's interval where there is an error.

    Returns:
        The records of the metric, sorted; with columns low and high only if each has a standard error.
    """
    order = ["n_params", "variant", "model", "step"]
    found = records[records["metric"] == metric].sort_values(order, ignore_index=True)
    return with_student_interval(found) if found["stderr"].notna().all() else found


def marked(records: pd.DataFrame) -> pd.DataFrame:
    """In how many of the batches read here documents end: columns model, batches, with_ends."""
    cells = records[["model", "step"]].drop_duplicates()
    ends = records.loc[records["metric"] == "pieces_per_sequence", ["model", "step"]]
    there = cells.merge(ends.drop_duplicates(), how="left", indicator=True)["_merge"] == "both"
    table = cells.assign(there=there.to_numpy()).groupby("model", sort=False)["there"]
    return table.agg(batches="size", with_ends="sum").reset_index()


def run_of(data: TrainingData) -> repeats.Run:
    """The counts that decide about repeats, of what a local suite's model reads."""
    sizes = data.packed.indexed.sizes
    batches = data.total_steps, data.batch_size, data.seq_length
    return repeats.Run(len(sizes), int(sizes.sum()), *batches)


def repeat_curves(
    data: Mapping[str, TrainingData], pieces: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """The share read before over training, and what to expect of the deduplicated run.

    Args:
        data: what a model of each variant reads.
        pieces: their `occurrences.occurrences`.

    Returns:
        Columns step, value, low, high, corpus (a variant, or `EXPECTED`).
    """
    lines = [
        read_before(own, data[variant].total_steps).assign(corpus=variant)
        for variant, own in pieces.items()
    ]
    run = run_of(data["deduped"])
    expected = {"step": np.arange(run.steps), "value": repeats.expected_again(run)}
    return pd.concat([*lines, pd.DataFrame(expected | {"corpus": EXPECTED})])


def times_read(data: TrainingData) -> pd.DataFrame:
    """How many documents a run reads 0, 1, 2 ... times, and how many were to be expected."""
    run, sizes = run_of(data), data.packed.indexed.sizes
    found = repeats.repeats_in_order(data.packed.order, sizes, run.steps, run.batch_size)
    return pd.DataFrame(
        {
            "times that a document was read": range(run.epochs + 1),
            "this run": found.shares,
            "expected": repeats.expected_shares(run),
        }
    )


def second_epoch(run: repeats.Run) -> float:
    """The step at which all documents would have been read once, one after the other."""
    return run.tokens / (run.batch_size * run.seq_length)


def simulated_curves(simulated: repeats.Repeats, run: repeats.Run) -> pd.DataFrame:
    """The share read before in each 1,000 steps, beside that of one epoch after the other.

    Returns:
        Columns step, value, run (`SIMULATED` or `ASSUMED`).
    """
    blocks = np.arange(0, run.steps, 1000)
    again, first = (np.add.reduceat(x, blocks) for x in (simulated.again, simulated.first))
    drawn = pd.DataFrame({"step": blocks + 500, "value": again / (again + first), "run": SIMULATED})
    steps = [0, second_epoch(run), second_epoch(run), run.steps]
    assumed = pd.DataFrame({"step": steps, "value": [0, 0, 1, 1], "run": ASSUMED})
    return pd.concat([drawn, assumed])
