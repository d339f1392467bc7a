"""The quickstart's lines for Pythia, which its page shows and does not run, do run."""

from __future__ import annotations

import json
import re

import pytest
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, make_tiny, serve_hub

PAGE = ROOT / "book/pages/quickstart.ipynb"
STEPS = (0, 16, 128, 512, 1000, 4000, 16000, 143000)


def sources(kind: str) -> list[str]:
    cells = json.loads(PAGE.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub with the revisions that the lines name, of tiny models of the right number of layers."""
    layers = {"num_hidden_layers": 6, "max_position_embeddings": 128}
    branches = {f"step{step}": checkpoint_files(step, **layers) for step in STEPS}
    large = {"step512": checkpoint_files(0, "sharded", vocab_size=128)}
    repos = {"EleutherAI/pythia-70m-deduped": branches, "EleutherAI/pythia-12b": large}
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    make_tiny(monkeypatch, "pythia-70m-deduped", n_layers=6, seq_length=128)
    with serve_hub(repos) as server:
        server.use(monkeypatch, tmp_path / "cache")
        yield server


def _told() -> str:
    """The page's text without its exercises, whose solutions are run elsewhere."""
    return "\n".join(text for text in sources("markdown") if "{exercise}" not in text)


def test_the_lines_for_pythia_run(hub, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", _told(), re.M | re.S)
    (generate,) = [source for source in sources("code") if "def continued" in source]
    names: dict = {}
    exec(generate[: generate.index("\nprint(")], names)
    for block in blocks:
        exec(block.replace("minimal_pairs(20)", "minimal_pairs(1)"), names)  # seconds, not minutes
    assert len(blocks) == 2
    printed = capsys.readouterr().out
    measured = re.findall(r"^(\d+) [01]\.", printed, re.M)
    assert [int(step) for step in measured] == list(STEPS)
    assert "revisions of pythia-70m-deduped" in printed
    assert names["found"]["gpt_neox.embed_in.weight"].shape == (100, 16)
