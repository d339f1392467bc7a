"""A suite of one's own: tiny random networks of four architectures, saved as the Trainer does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import architectures

KINDS = ("gpt_neox", "llama", "olmo2", "gpt2")
STEPS = (0, 100, 200)
TEXT = """name: mine
title: My models
training_data: unknown
models:
""" + "".join(
    f"  - {{name: tiny-{kind}, folder: runs/{kind}, revisions: 'checkpoint-{{step}}', tokens_per_step: 128}}\n"
    for kind in KINDS
)


@pytest.fixture(scope="session")
def saved(tmp_path_factory) -> Path:
    """The folders of the runs and the file; not to be written to."""
    root = tmp_path_factory.mktemp("saved")
    for kind in KINDS:
        for seed, step in enumerate(STEPS):
            architectures.save(root / "runs" / kind / f"checkpoint-{step}", kind, seed)
    (root / "mine.yml").write_text(TEXT)
    return root


@pytest.fixture
def mine(saved, tmp_path, monkeypatch) -> Path:
    """A copy to change; its file is the one that PYTHIA_SUITES names."""
    root = tmp_path / "mine"
    shutil.copytree(saved, root)
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHIA_SUITES", str(root / "mine.yml"))
    return root / "mine.yml"
