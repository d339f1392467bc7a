"""Do the book's findings hold in a seed that nobody looked at? `python benchmarks/replicate.py --seed 77`.

Trains two sizes of a suite with that seed, of weights and data order alike, runs every experiment that states
claims on them at the steps of the `quick` profile, and asks each claim. A claim that compares sizes is asked of
the two. What runs and trains is kept: the suite in PYTHIA_HOME, the runs in `--output`.

    python benchmarks/replicate.py --seed 77
    python benchmarks/replicate.py --seed 78 --sizes 7k,57k --output my-runs

Training bounds it: about a minute and a half for 57k and 224k on two cores, then a second a run.
Exit code: 0 if every claim that could be asked holds, else 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from pythia_utils.analysis.claims import Claim, verdicts
from pythia_utils.analysis.facts.claims import CLAIMS as FACTS
from pythia_utils.analysis.grammar.claims import CLAIMS as GRAMMAR
from pythia_utils.analysis.loss.claims import CLAIMS as LOSS
from pythia_utils.analysis.memorization.claims import CLAIMS as MEMORIZATION
from pythia_utils.analysis.ngrams.claims import CLAIMS as NGRAMS
from pythia_utils.grid import records
from pythia_utils.grid.config import load_config
from pythia_utils.suites.catalog import find_model, suite

ROOT = Path(__file__).resolve().parents[1]
CLAIMS: dict[str, tuple[Claim, ...]] = {
    "loss": LOSS,
    "grammar": GRAMMAR,
    "ngrams": NGRAMS,
    "facts": FACTS,
    "memorization": MEMORIZATION,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, required=True, help="one that the book does not use")
    parser.add_argument("--suite", default="pico")
    parser.add_argument("--sizes", default="57k,224k", help="by commas")
    parser.add_argument("--output", type=Path, help="folder of the runs; default: runs-seedN")
    options = parser.parse_args()
    models = [f"{options.suite}-{size}-seed{options.seed}" for size in options.sizes.split(",")]
    if taken := [name for name in models if name in suite(options.suite).models]:
        parser.error(f"{taken[0]} is in the book; expected a seed that is not")
    runs = (options.output or ROOT / f"runs-seed{options.seed}").absolute()
    pythia("train", options.suite, "--models", ",".join(models), runs=runs)
    for experiment, claims in CLAIMS.items():
        if claims:
            run(experiment, models, runs)
    answers = pd.concat(ask(experiment, options.suite, runs) for experiment in CLAIMS)
    return tell(answers, models)


def pythia(*arguments: str, runs: Path) -> None:
    """The command line, as a reader would call it."""
    command = [sys.executable, "-m", "pythia_utils.cli.main", *arguments]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHIA_RUNS": str(runs)}, check=True)


def run(experiment: str, models: list[str], runs: Path) -> None:
    """The experiment on the models, at the steps that its `quick` profile has for its first models."""
    config = load_config(ROOT)
    grid = config.grid(config.experiment(experiment), "quick")
    steps = find_model(models[0]).steps if grid["steps"] == "all" else grid["steps"]
    chosen = [part for model in models for part in ("--model", model)]
    pythia("run", experiment, *chosen, "--steps", ",".join(map(str, steps)), runs=runs)


def ask(experiment: str, suite: str, runs: Path) -> pd.DataFrame:
    """What the records of one experiment say of its claims."""
    frame = records.one_set(records.read_all(experiment, suite, runs))
    return verdicts(CLAIMS[experiment], frame).assign(experiment=experiment)


def tell(answers: pd.DataFrame, models: list[str]) -> int:
    """Print a line for each claim; 1 if one does not hold."""
    words = {True: "holds", False: "DOES NOT HOLD", None: "cannot be told"}
    print(f"Claims of the book, asked of {', '.join(models)}:\n")
    for row in answers.itertuples():
        print(f"{words[row.holds]:<15}{row.experiment}: {row.text}")
    asked = answers["holds"].dropna().astype(bool)
    print(
        f"\n{asked.sum()} of {len(asked)} hold; {len(answers) - len(asked)} cannot be told of these models"
    )
    return int(not asked.all())


if __name__ == "__main__":
    sys.exit(main())
