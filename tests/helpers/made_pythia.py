"""Records of Pythia as its profiles make them, of made-up numbers: 154 steps, ten sizes, two variants."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from helpers.made_records import row

from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.evaluation.text_names import set_name
from pythia_utils.grid import records
from pythia_utils.suites.catalog import Model, find_model, suite
from pythia_utils.suites.errata import fault

SIZES = ("14m", "31m", "70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
PAIRS = 200  # of each paradigm


def models(sizes: Iterable[str] = SIZES, endings: Iterable[str] = ("", "-deduped")) -> list[Model]:
    """The suite's models of these sizes; those that it does not have are left out."""
    known = suite("pythia").models
    names = [f"pythia-{size}{ending}" for size in sizes for ending in endings]
    return [known[name] for name in names if name in known]


def of_blimp(n_params: int, step: int) -> pd.DataFrame:
    """Accuracies of the 67 paradigms: larger models are earlier, a third of the paradigms dips below chance."""
    time, early = np.log2(1 + step), np.log10(n_params) - 6
    rows = []
    for place, (name, (phenomenon, _)) in enumerate(blimp_paradigms().items()):
        rise = 1 / (1 + np.exp(8 + place / 12 - early - time))
        dip = 0.2 * np.exp(-((time - 5 - place / 30) ** 2) / 4) if place % 3 == 0 else 0
        right = round(PAIRS * (0.5 + (0.45 - place % 12 / 20) * rise - dip))
        rows.append((name, phenomenon, right / PAIRS))
    return pd.DataFrame(rows, columns=["paradigm", "phenomenon", "value"])


def grammar(model: Model, step: int) -> list[dict]:
    """What the notebook records of a model on BLiMP: no n-grams, no attractors, but paradigms."""
    found = of_blimp(model.non_embedding_params, step)
    rows = [row("accuracy", found["value"].mean(), n=67 * PAIRS, stderr=0.004)]
    rows += [row("unanswerable", 7, n=67 * PAIRS), row("frequency_correlation", 0.1)]
    for name, part in found.groupby("phenomenon"):
        n = PAIRS * len(part)
        rows.append(row("accuracy", part["value"].mean(), name, n, stderr=0.5 / n**0.5))
    for name, phenomenon, value in found.itertuples(index=False):
        rows.append(row("accuracy_of_paradigm", value, name, PAIRS, stderr=0.03))
        bits = np.packbits(np.arange(PAIRS) < round(value * PAIRS)).tobytes().hex()
        rows.append(row("answers", value * PAIRS, f"{phenomenon} > {name} {bits}", PAIRS))
    return rows


def loss(model: Model, step: int) -> list[dict]:
    """What the notebook records of a model on WikiText: of a law in size and tokens, from chance at step 0."""
    tokens = max(model.checkpoint(step).tokens_seen, 1)
    law = 1.7 + 140 * model.non_embedding_params**-0.34 + 400 * tokens**-0.28
    nats = min(10.8, law) * (1.01 if model.variant == "deduped" else 1)
    rows = [row("loss", nats, n=62), row("bits_per_byte", nats / 3, n=62)]
    rows += [row("word_perplexity", np.exp(1.2 * nats), n=62, stderr=0.5)]
    rows += [row("byte_perplexity", 2 ** (nats / 3), n=62), row("tokens", 280_000, n=62)]
    return [*rows, row("empty", 0, n=62)]


MADE = {"grammar": grammar, "loss": loss}
SETS = {"induction": "random tokens", "grammar": "blimp", "loss": set_name("wikitext")}


def write(
    runs: Path, experiment: str, wanted: Iterable[Model], steps: Iterable[int] = (), made=None
) -> int:
    """The records of these models, a file a model; of their checkpoints without errata if no steps are given.

    Args:
        made: makes the rows of a model and step, by default those of `MADE`.

    Returns:
        How many checkpoints that were.
    """
    of, cells = made or MADE[experiment], 0
    for model in wanted:
        rows = []
        for step in steps or [c.step for c in model.checkpoints if not fault(c)]:
            at = find_model(model.name).checkpoint(step)
            common = records.identity(at, experiment, SETS.get(experiment, "own"))
            rows += [common | each for each in of(model, step)]
            cells += 1
        folder = runs / "pythia" / experiment / model.name
        folder.mkdir(parents=True, exist_ok=True)
        records.write(folder / "step000000.parquet", pd.DataFrame(rows).astype({"n": "Int64"}))
    return cells
