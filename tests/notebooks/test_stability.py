"""The page on seeds, over made records: every experiment's claims, whether or not seeds can be compared."""

from __future__ import annotations

import re

import pytest
from helpers import made_records
from helpers.commands import ROOT

from pythia_utils.base import yaml

PAGE = ROOT / "book" / "pages" / "stability.ipynb"
EXPERIMENTS = yaml.read(ROOT / "experiments.yml", "experiments.yml")["pages"]["stability"][
    "records"
]
ENDS = ("", "-seed1", "-weight-seed1", "-data-seed1")


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")


def page(tmp_path, models: list[str]) -> str:
    for experiment in EXPERIMENTS:
        made_records.write(
            tmp_path, experiment, [(name, step) for name in models for step in (512, 1000)]
        )
    shown = made_records.run_chapter("stability", tmp_path, PAGE)
    return "\n".join(data.get("text/html", "") + data.get("text/markdown", "") for data in shown)


def test_the_claims_of_every_experiment_are_asked(tmp_path):
    shown = page(tmp_path, [f"pico-{size}{end}" for size in ("7k", "57k") for end in ENDS])
    listed = set(re.findall(r">\s*(\w+)\s*</td>", shown))
    assert set(EXPERIMENTS) <= listed
    assert "8 runs of 2 sizes" in shown


def test_one_seed_a_size_is_told_and_stops_nothing(tmp_path):
    shown = page(tmp_path, ["pico-7k", "pico-14k"])
    assert "cannot be told apart" in shown
    assert "Watermark" in shown
