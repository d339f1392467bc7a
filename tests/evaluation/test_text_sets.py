"""Texts by name: WikiText as lm-evaluation-harness reads it, from the Hub, offline, with a token."""

from __future__ import annotations

import json

import pytest
from helpers.hub_server import serve_hub
from helpers.texts import WIKITEXT, parquet, wikitext_repository, wikitext_rows

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError
from pythia_utils.evaluation import text_sets
from pythia_utils.evaluation.text_files import Document
from pythia_utils.evaluation.text_names import HUB_TEXTS, set_name
from pythia_utils.evaluation.text_sets import documents


def harness_pages(text: str) -> list[str]:
    """As `EleutherAI/wikitext_document_level` is made: the file cut at line ends, and before titles."""
    pages, page = [], []
    for line in text.split("\n"):
        bare = line.replace("= = =", "===").replace("= =", "==").strip()
        if bare.startswith("= ") and bare.endswith(" ="):
            pages.append("\n".join(page))
            page = []
        page.append(line)
    pages.append("\n".join(page))
    return [page for page in pages if page.strip()]


def pages(text: str) -> list[Document]:
    rows = wikitext_rows(text)
    return list(
        text_sets.wikitext_pages(Document(r["text"], f"row {i}") for i, r in enumerate(rows, 1))
    )


@pytest.mark.parametrize("text", [WIKITEXT, WIKITEXT.rstrip(" \n") + " \n", WIKITEXT[2:]])
def test_pages_of_wikitext_are_those_of_its_own_file(text):
    found = pages(text)
    assert [page.original for page in found] == harness_pages(text)
    assert len(found) == 2
    assert (
        found[1].place == f"row {wikitext_rows(text).index({'text': ' = Du Fu = ' + chr(10)}) + 1}"
    )


def test_what_wikitext_sets_apart_is_put_back():
    first, second = pages(WIKITEXT)
    assert first.text.startswith(
        ' = Robert Boulter =\n\nRobert Boulter (born 1.5) is an actor, and "he" can'
    )
    assert "3,000 well-known roles: few; the brothers' last 1's!" in first.text
    assert "\n== Career ==\n" in first.text
    assert "\n=== 2000 – 2005 ===\n" in first.text
    assert "20°north." in first.text
    assert "a poet {of} the [Tang] dynasty." in second.text
    assert " @-@ " in first.original


def test_wikitext_comes_from_the_hub_and_then_from_its_cache(monkeypatch, tmp_path):
    from huggingface_hub import constants

    with serve_hub(wikitext_repository()) as hub:
        cache = hub.use(monkeypatch, tmp_path / "cache")
        found = list(documents("wikitext"))
        assert [page.original for page in found] == harness_pages(WIKITEXT)
        assert HUB_TEXTS["wikitext"].commit in found[0].place
        asked = len(hub.requests)
        assert list(documents("wikitext")) == found
        assert len(hub.requests) == asked
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert list(documents("wikitext")) == found
    next(cache.glob("datasets--*/snapshots/*/*/*.parquet")).unlink()
    with pytest.raises(
        FetchError, match=r"wikitext could not be had from the Hub: .*HF_HUB_OFFLINE"
    ):
        list(documents("wikitext"))


def test_the_users_token_is_sent(monkeypatch, tmp_path):
    (repository,) = served = wikitext_repository()
    with serve_hub(served, gated=[repository], tokens=["secret"]) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        with pytest.raises(FetchError, match="gated; ask for access"):
            list(documents("wikitext"))
        monkeypatch.setenv("HF_TOKEN", "secret")
        assert len(list(documents("wikitext"))) == 2


def test_the_piles_samples_are_read_in_parts(monkeypatch, tmp_path):
    import pyarrow as pa

    rows = [{"text": name, "meta": {"pile_set_name": name}} for name in ("ArXiv", "Github")]
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write("\n".join(map(json.dumps, rows)).encode())
    content = {"pile-val": sink.getvalue().to_pybytes(), "pile-10k": parquet(rows)}
    served = {
        f"datasets/{HUB_TEXTS[name].repository}": {
            HUB_TEXTS[name].commit: {HUB_TEXTS[name].file: data}
        }
        for name, data in content.items()
    }
    with serve_hub(served) as hub:
        hub.use(monkeypatch, tmp_path / "cache")
        for name in content:
            assert [(d.text, d.part) for d in documents(name)] == [("ArXiv",) * 2, ("Github",) * 2]


def test_a_set_is_recorded_with_its_commit_or_its_digest(tmp_path):
    assert set_name("wikitext") == "wikitext b08601e0"
    path = tmp_path / "mine.txt"
    path.write_text("x")
    before = set_name(str(path))
    assert before.startswith("mine.txt ")
    path.write_text("y")
    assert set_name(str(path)) != before
    assert text_sets.hub_files(str(path)) is None
    assert text_sets.hub_files("wikitext").repo_id == "Salesforce/wikitext"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("wikitxt", "nearest: wikitext"),
        ("pile", "nearest: pile-"),
        ("no/x.txt", "no file or folder no/x.txt"),
    ],
)
def test_an_unknown_set_is_told(texts, expected):
    for ask in (lambda: list(documents(texts)), lambda: set_name(texts)):
        with pytest.raises(UsageError, match=expected):
            ask()
