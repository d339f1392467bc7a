"""The book of the real Pythia, end to end: from stand-ins on a Hub of this machine to pages in a browser."""

from __future__ import annotations

from helpers import pythia_hub

from pythia_utils.grid import records


def test_a_missing_revision_fails_its_cells_alone(pythia_run):
    runs = pythia_run.project / "runs"
    failed = {path.relative_to(runs / "pythia") for path in runs.rglob("*.failed.ipynb")}
    model, step = pythia_hub.FAULTY
    assert {path.parts[1:] for path in failed} == {(model, f"step{step:06d}.failed.ipynb")}
    for experiment in pythia_hub.OWN:
        frame = records.read(experiment, "pythia", runs=runs)
        assert (model, step) not in set(zip(frame["model"], frame["step"], strict=True))
        assert ("pythia-14m", 143000) in set(zip(frame["model"], frame["step"], strict=True))
