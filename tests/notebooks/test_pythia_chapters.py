"""Chapters over Pythia's records: what only our suites have is not there, what Pythia has is, and it fits.

The records are made up, of the form and number of the real ones: ten sizes, two variants, 154 steps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from helpers import made_pythia, made_records
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, serve_hub

from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.grid import records
from pythia_utils.suites.errata import fault

STEPS = (0, 16, 64, 256, 512, 1000, 2000, 4000, 16000, 66000, 133000, 143000)
# Words of what only the suites have that we train: of their text, their pairs, their training.
OURS = re.compile(
    r"\b(?:nano|pico|echo(?! question)|held.out words?|attractor|tempt\w*|planted|dotted line)\b|"
    r"\bour (?:own (?:miniature|suite)|grammar)\b|\bbest n-gram model\b",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One size at all of its steps, all sizes at some, three seeds of one size; steps with errata left out."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"grammar": None, "ngrams": of_ngrams, "induction": of_heads, "lens": of_lens}
    for experiment, made in kinds.items():
        for model in made_pythia.models():
            steps = () if model.name == "pythia-70m" else STEPS
            sound = [step for step in steps if not fault(model.checkpoint(step))]
            made_pythia.write(folder, experiment, [model], sound, made)
        seeds = made_pythia.models(["160m"], ["-seed1", "-weight-seed1", "-data-seed1"])
        made_pythia.write(folder, experiment, seeds, (512, 143000), made)
    return folder


def of_ngrams(model, step: int) -> list[dict]:
    return made_records.ngrams(model.name, step)


def of_heads(model, step: int) -> list[dict]:
    return made_records.induction(model.name, step)


def of_lens(model, step: int) -> list[dict]:
    return made_records.lens(model.name, step, names=["anaphor_agreement", "island_effects"])


@pytest.fixture(autouse=True)
def drawn_to_nowhere():
    pytest.importorskip("matplotlib").use("agg")


def page(name: str, runs, suite: str = "pythia") -> str:
    """All that a chapter or page of the book says and shows of a suite, but figures."""
    places = [ROOT / "book" / folder / f"{name}.ipynb" for folder in ("experiments", "pages")]
    source = next(path for path in places if path.is_file())
    shown = made_records.run_chapter(name, runs, source, suite)
    return "\n".join(data.get("text/html", "") + data.get("text/markdown", "") for data in shown)


@pytest.fixture(scope="module")
def grammar(runs) -> str:
    pytest.importorskip("matplotlib").use("agg")
    return page("grammar", runs)


def tables(shown: str) -> list[list[str]]:
    """The rows of each table but the grid of runs, which has one for each model."""
    shown = re.sub(r'<div class="grid-table.*?</div>', "", shown, flags=re.DOTALL)
    found = re.findall(r"<table.*?</table>", shown, re.DOTALL)
    return [re.findall(r"<tr.*?</tr>", table, re.DOTALL) for table in found]


def test_grammar_tells_of_blimp_and_of_nothing_that_only_our_suites_have(grammar):
    assert OURS.findall(grammar) == []
    assert "pairs of each of 67 paradigms, of 12 phenomena" in grammar
    assert "Measured on the set `blimp`" in grammar
    assert "pythia-2.8b steps 0-53000" in grammar  # an erratum
    assert "N-grams were **not counted** here" in grammar
    assert not re.search(r"\bnan\b", grammar)


def test_no_table_of_grammar_is_longer_than_a_page(grammar):
    assert max(map(len, tables(grammar))) <= 1 + 20
    assert len(tables(grammar)) >= 6


def test_published_numbers_stand_beside_what_was_measured(grammar):
    (beside,) = (rows for rows in tables(grammar) if "first release (v0)" in rows[0])
    assert len(beside) == 1 + 16  # eight published sizes, two variants
    (of_seeds,) = (row for row in beside if ">160m<" in row and ">standard<" in row)
    assert re.search(r"0\.79 \[0\.77, 0\.81\]", of_seeds)  # PolyPythias' ten
    (claims,) = (rows for rows in tables(grammar) if "published (v0)" in rows[0])
    assert all("1 of 1 seed" in row for row in claims[1:])


def test_a_size_without_early_checkpoints_spoils_no_order(grammar):
    """The sound checkpoints of pythia-2.8b begin at step 66,000."""
    assert "by 66,000" in grammar
    assert re.search(r"Across 9 sizes the orders of 12 phenomena agree", grammar)


def test_ngrams_tells_of_a_sample_and_of_published_peaks(runs):
    shown = page("ngrams", runs)
    assert OURS.findall(shown) == []
    assert "from so small a sample" in shown
    assert "Michaelov, Levy and Bergen 2025" in shown
    assert max(map(len, tables(shown))) <= 1 + 20
    assert not re.search(r">66,000<", shown)  # no stage of pythia-2.8b's
    assert "cannot be told here" not in shown


def test_induction_tells_of_random_tokens_and_of_published_jumps(runs):
    shown = page("induction", runs)
    assert OURS.findall(shown) == []
    assert "Measured on the set `random tokens`" in shown
    assert "in all 9 seeds of pythia-70m the best head goes from" in shown
    assert max(map(len, tables(shown))) <= 1 + 20
    assert re.search(r"20 of \d+ rows, the smallest models first", shown)
    assert not re.search(r"\bnan\b", shown)


def test_lens_fits_networks_of_many_layers(runs):
    shown = page("lens", runs)
    kinds = {word.lower() for word in OURS.findall(shown)}
    assert {k for k in kinds if not k.startswith("tempt")} <= {"attractor", "dotted line"}
    assert "pythia-410m 17 of 24" in shown  # published
    assert "over all sizes and seeds" in shown
    assert max(map(len, tables(shown))) <= 1 + 6 * 10  # six depths of each of ten sizes
    assert not re.search(r"\bnan\b", shown)
    assert "cannot be told here" not in shown


def test_seeds_and_stability_has_findings_that_these_records_can_tell(runs):
    shown = page("stability", runs)
    assert {word.lower() for word in OURS.findall(shown)} <= {"attractor"}  # a finding of patching
    assert "4 runs of 1 sizes" in shown
    assert "BLiMP&#x27;s morphology" in shown
    assert "cannot be told here" not in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("grammar", ["never together in training", "What nano can tell"]),
        ("ngrams", ["From the whole training text we count", "was made by a program of ours"]),
    ],
)
def test_our_suites_keep_what_only_they_have(tmp_path, name, words):
    made_records.write(
        tmp_path, name, [(m, s) for m in ("pico-7k", "pico-57k") for s in (0, 16, 512, 1000)]
    )
    shown = page(name, tmp_path, "pico")
    assert [text for text in words if text not in shown] == []
    assert "67 paradigms" not in shown
    assert "known erratum:" not in shown


# --- from the Hub's files to the chapter


BLIMP = [  # a pair each, in the form and of the kind of BLiMP's own files
    (
        "anaphor_gender_agreement",
        "anaphor_agreement",
        "morphology",
        "katherine can't help herself.",
        "katherine can't help himself.",
    ),
    (
        "anaphor_number_agreement",
        "anaphor_agreement",
        "morphology",
        "many teenagers were helping themselves.",
        "many teenagers were helping herself.",
    ),
    (
        "wh_island",
        "island_effects",
        "syntax",
        "who have those men revealed they helped?",
        "who have those men revealed who helped?",
    ),
]


def blimp_folder(folder):
    """Six pairs of each paradigm, a file each, of which one pair cannot be answered."""
    folder.mkdir()
    for uid, phenomenon, field, good, bad in BLIMP:
        assert blimp_paradigms()[uid] == (phenomenon, field)
        rows = [
            (f"{good[:-1]} {day}.", f"{bad[:-1]} {day}.")
            for day in ("today", "now", "here", "there", "again")
        ]
        rows.append((good, good) if uid == "wh_island" else (good, bad))
        lines = [
            json.dumps(
                {
                    "sentence_good": g,
                    "sentence_bad": b,
                    "UID": uid,
                    "linguistics_term": phenomenon,
                    "field": field,
                }
            )
            for g, b in rows
        ]
        (folder / f"{uid}.jsonl").write_text("\n".join(lines))
    return folder


def test_grammar_runs_from_the_hubs_files_to_the_chapter(
    project, trained_home, tmp_path, monkeypatch
):
    """Random weights of the real shape in the place of pythia-14m's, pairs of BLiMP's form from a folder."""
    own = shutil.copytree(
        project, tmp_path / "own", ignore=shutil.ignore_patterns("runs", "_build")
    )
    pairs = blimp_folder(tmp_path / "blimp")
    shape = {"hidden_size": 128, "num_hidden_layers": 6, "num_attention_heads": 4}
    shape |= {"intermediate_size": 512, "vocab_size": 50304, "max_position_embeddings": 2048}
    steps = {f"step{step}": checkpoint_files(seed=step, **shape) for step in (0, 512)}
    repos = {"EleutherAI/pythia-14m": steps, "EleutherAI/pythia-14m-seed1": steps}
    with serve_hub(repos) as hub:
        command = [sys.executable, "-m", "pythia_utils.cli.main", "run", "grammar"]
        command += ["--suite", "pythia", "--model", "pythia-14m", "--steps", "0,512"]
        command += ["--model", "pythia-14m-seed1"]
        command += ["-p", f"pairs_from={pairs}", "-p", "counted=0"]
        env = os.environ | hub.env(tmp_path / "cache") | {"PYTHIA_HOME": str(trained_home)}
        env.pop("PYTHIA_RUNS", None)
        done = subprocess.run(
            command, cwd=own, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    (path, _) = sorted(own.glob("runs/pythia/grammar/pythia-14m/step*.ipynb"))
    cells = json.loads(path.read_text())["cells"]
    assert (
        OURS.findall(
            "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        )
        == []
    )
    frame = records.read("grammar", "pythia", runs=own / "runs")
    inside = frame[frame["metric"] == "accuracy_of_paradigm"]
    assert set(inside["subset"]) == {uid for uid, *_ in BLIMP}
    assert set(frame["model"]) == {"pythia-14m", "pythia-14m-seed1"}
    shown = page("grammar", own / "runs")
    assert "2 models were asked 5 to 6 pairs of each of 3 paradigms, of 2 phenomena" in shown
    assert "1 more, whose sentences are the same, nobody could answer" in shown
    assert OURS.findall(shown) == []
