"""What a result depends on: change any of it, and the plan says in words which part has changed."""

from __future__ import annotations

import ast
import json
import shutil

import pytest
from helpers.commands import ROOT
from helpers.grids import ledger_of, pretend, why
from helpers.hub_server import checkpoint_files, serve_hub
from huggingface_hub import constants

from pythia_utils.base.sources import PACKAGE
from pythia_utils.grid import cells, notebooks
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import chapters, expand
from pythia_utils.grid.notebooks import read_code
from pythia_utils.grid.planning import plan
from pythia_utils.suites import catalog
from pythia_utils.suites.folders import checkpoint_path, corpus_folder
from pythia_utils.suites.hub import hugging_face

REPO = "EleutherAI/pythia-14m"
BOOK = sorted([*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("book/*/*.ipynb")])


def write_notebook(root, code: str) -> None:
    """Let experiment `plain` run this code."""
    path = root / "notebooks" / "plain.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][-1]["source"] = [code]
    parameters = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ()))
    parameters["source"] = [*parameters["source"], "\n", 'source: str = ""  # a file\n']
    path.write_text(json.dumps(notebook))


def one_cell(root, experiment="plain", model="pico-7k", **parameters):
    steps = [catalog.find_model(model).steps[0]]
    where = {"models": [model], "steps": steps, "profile": "tiny"}
    (cell,) = expand(load_config(root), [experiment], **where, parameters=parameters)
    return cell


def reason(cell, root) -> str | None:
    return why([cell], ledger_of(root))[cell.id]


def done(root, *where, **parameters):
    """A cell as if it had been run, which need not run again."""
    cell = one_cell(root, *where, **parameters)
    pretend(cell, ledger_of(root))
    assert reason(cell, root) is None
    return cell


# --- files that parameters name -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my-pairs.csv", "./my-pairs.csv"])
def test_a_file_that_a_parameter_names(root, name):
    (root / "my-pairs.csv").write_text("good,bad\n")
    cell = done(root, "measure", note=name)
    (root / "my-pairs.csv").write_text("bad,good\n")
    assert reason(cell, root) == f"file changed ({name})"
    (root / "my-pairs.csv").unlink()
    assert reason(cell, root) == f"file changed ({name})"


def test_a_folder_that_a_parameter_names(root):
    (root / "shards" / "deep").mkdir(parents=True)
    (root / "shards" / "deep" / "one.bin").write_bytes(b"1")
    cell = done(root, "measure", note=str(root / "shards"))
    (root / "shards" / "two.bin").write_bytes(b"2")
    assert reason(cell, root) == f"file changed ({root / 'shards'})"


def test_a_data_set_of_tokens_is_named_without_its_endings(root):
    (root / "tokens.bin").write_bytes(b"1")
    (root / "tokens.idx").write_bytes(b"1")
    cell = done(root, "measure", note="tokens")
    (root / "tokens.idx").write_bytes(b"2")
    assert reason(cell, root) == "file changed (tokens.idx)"


@pytest.mark.parametrize("name", ["nano", "blimp", "pico-7k", "https://host/x"])
def test_names_and_addresses_are_no_files(root, name):
    if "/" not in name:
        (root / name).mkdir()
        (root / name / "x.csv").touch()
    cell = one_cell(root, "measure", note=name)
    assert cell.parts()["files"] == {}


def test_a_named_file_is_read_once_though_many_cells_name_it(root, monkeypatch):
    (root / "large.bin").write_bytes(b"1")
    grid = expand(load_config(root), ["measure"], profile="wide", parameters={"note": "large.bin"})
    for cell in grid:
        pretend(cell, ledger_of(root))
    assert set(why(grid, ledger_of(root)).values()) == {None}
    monkeypatch.setattr("pythia_utils.base.files.file_digest", lambda path: pytest.fail(str(path)))
    assert set(why(grid, ledger_of(root)).values()) == {None}
    assert grid[0].parts()["files"]  # a worker's, which has no plan


# --- tables and suites ----------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A copy of `data/` to change."""
    folder = tmp_path / "data"
    shutil.copytree(catalog.data_dir(), folder)
    for module in (catalog, cells):
        monkeypatch.setattr(module, "data_dir", lambda: folder)
    yield folder
    monkeypatch.undo()
    read_again()


def read_again() -> None:
    """As another process would."""
    for cached in (catalog._load, catalog._index, cells._checkpoint):
        cached.cache_clear()


def test_a_table_that_the_code_names(root, data):
    write_notebook(root, "from pythia_utils.evaluation import blimp")
    cell = done(root)
    (data / "published" / "summary.csv").write_text("another")
    assert reason(cell, root) is None
    (data / "blimp.csv").write_text("another")
    assert reason(cell, root) == "data changed (blimp.csv)"


def edit(path, old, new) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    read_again()


def test_of_a_suites_file_what_is_said_of_the_checkpoint_counts(root, data):
    (root / "broken").touch()
    other, own = done(root, model="pico-14k"), done(root)
    yml = data / "suites" / "pico.yml"
    edit(yml, yml.read_text(), "# A remark.\n" + yml.read_text())
    assert (reason(own, root), reason(other, root)) == (None, None)
    text = yml.read_text()
    entry = "errata: [{models: [pico-7k], steps: [0], kind: expected, text: odd, source: us}]\n"
    edit(yml, text, text + entry)
    assert reason(own, root) == "data changed (suites/pico.yml)"
    assert reason(other, root) is None
    (chapter,) = chapters(load_config(root), "pico")
    assert "suites/pico.yml" in chapter.parts()["data"]


def test_a_suite_that_the_code_names_counts_too(root, data):
    write_notebook(root, "from pythia_utils.evaluation import validation")
    cell = done(root)
    edit(data / "suites" / "nano.yml", "title: ", "title: Another ")
    assert reason(cell, root) == "data changed (suites/nano.yml)"


# --- corpora, checkpoints, libraries --------------------------------------------------------------


def test_the_corpus_counts_where_it_is_read(root):
    manifest = corpus_folder("pico") / "manifest.json"
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({"sha256": {"standard.bin": "1"}}))
    other = done(root, "measure")
    write_notebook(root, "from pythia_utils.training_data.source import open_source")
    cell = done(root)
    manifest.write_text(json.dumps({"sha256": {"standard.bin": "2"}}))
    assert reason(cell, root) == "corpus changed"
    assert reason(other, root) is None
    shutil.rmtree(manifest.parent)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_all_that_a_checkpoint_is_opened_from(root, name):
    cell = done(root)
    path = checkpoint_path(cell.checkpoint) / name
    before = path.read_bytes() if path.is_file() else None
    path.write_text("another")
    assert reason(cell, root) == "checkpoint changed"
    path.unlink() if before is None else path.write_bytes(before)


def test_libraries_that_compute(root, monkeypatch):
    write_notebook(root, "import torch\nimport click")
    versions = {"torch": "2.13.0+cpu"}
    monkeypatch.setattr(notebooks.metadata, "version", lambda name: versions.get(name, "1"))
    notebooks._version.cache_clear()
    cell, other = done(root), done(root, "measure")
    versions["torch"] = "2.13.0+cu130"  # another build, for another device
    notebooks._version.cache_clear()
    assert reason(cell, root) is None
    versions["torch"] = "2.14.0"
    notebooks._version.cache_clear()
    assert reason(cell, root) == "libraries changed (torch 2.13.0 -> 2.14.0)"
    assert reason(other, root) is None
    notebooks._version.cache_clear()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serve_hub({REPO: {f"step{n}": checkpoint_files(n) for n in (0, 1, 2)}}) as server:
        server.use(monkeypatch, tmp_path / "cache")
        yield server


def test_a_repaired_revision_is_noticed(root, hub, monkeypatch):
    grid = expand(load_config(root), ["plain", "measure"], None, ["pythia-14m"], [0, 1], "tiny")
    ledger = ledger_of(root)
    for cell, _ in plan(grid, ledger):
        pretend(cell, ledger)
    assert set(why(grid, ledger).values()) == {None}
    asked = [request.path for request in hub.requests if "/models/" in request.path]
    assert asked == [f"/api/models/{REPO}/refs"] * 2  # once a plan
    hub.repos[REPO]["step1"] = hub.repos[REPO]["step2"]
    reasons = why(grid, ledger)
    assert [reasons[cell.id] for cell in grid] == [None, "checkpoint changed"] * 2
    # Without the network what the cache has is known, and what nothing tells is no change.
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert set(why(grid, ledger).values()) == {None}
    ref = hugging_face.ref(hugging_face.cache_folder(), REPO, "step0")
    ref.parent.mkdir(parents=True)
    ref.write_text("f" * 40)
    reasons = why(grid, ledger)
    assert [reasons[cell.id] for cell in grid] == ["checkpoint changed", None] * 2


# --- nothing is forgotten -------------------------------------------------------------------------


def sources() -> list:
    return [(path, ast.parse(path.read_text())) for path in sorted(PACKAGE.rglob("*.py"))]


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).split(".")[-1]


def test_tables_are_read_by_their_names():
    """Else a table would be read that no fingerprint holds."""
    users, unnamed, unknown = set(), [], []
    for path, tree in sources():
        for node in ast.walk(tree):
            name = getattr(node, "id", None) or getattr(node, "attr", None)
            if name == "data_dir":
                users.add(path.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.Call) and _called(node) == "data_file":
                literal = isinstance(node.args[0], ast.Constant)
                unnamed += [] if literal else [(path, ast.unparse(node))]
                if literal and not catalog.data_file(node.args[0].value).exists():
                    unknown.append(node.args[0].value)
    # Those of suites count by what they say; the configuration checks names of files.
    assert users == {"suites/catalog.py", "grid/config.py", "grid/cells.py"}
    assert [p.name for p, _ in unnamed] == ["cells.py"]  # the fingerprint itself
    assert not unknown


def is_download(module: str) -> bool:
    return module.startswith("suites/hub/") or module == "base/http.py"


@pytest.mark.parametrize("path", BOOK, ids=lambda path: "/".join(path.parts[-2:]))
def test_a_chapter_that_draws_records_depends_on_no_download(path):
    """Nor on torch. Whatever opens checkpoints or batches may be a download, and shows that it can fail."""
    code = read_code(path)
    opens = {"suites/checkpoints.py", "training_data/source.py"} & code.package.keys()
    assert any(map(is_download, code.package)) == bool(opens)
    assert ("torch" in code.libraries) <= bool(opens)
    if path.parent.name == "experiments":
        assert bool(opens) == (path.stem == "training_data")
        assert "grid/records.py" in code.package
