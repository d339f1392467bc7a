"""Evaluation sets: BLiMP and users' own pairs from any place, and what is said of a file that is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.hub_server import serve_hub

from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError
from pythia_utils.evaluation import sets
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.evaluation.pair_files import read_pairs
from pythia_utils.evaluation.sets import load_pairs, minimal_pairs
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.nano.minimal_pair import MinimalPair

REFERENCE = Path(os.environ.get("PYTHIA_REFERENCE", "../shared/reference"))
GOOD, BAD = "The dog sleeps.", "The dog sleep."


def write_pairs(path: Path, *rows: dict | str) -> Path:
    """A JSONL file; a row that is text already is written as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def blimp_row(paradigm: str, number: int, term: str = "binding", field: str = "syntax") -> dict:
    good = f"{paradigm} {number} good"
    names = {"UID": paradigm, "linguistics_term": term, "field": field, "pairID": str(number)}
    return names | {"sentence_good": good, "sentence_bad": good.replace("good", "bad")}


@pytest.fixture
def small_blimp(tmp_path) -> Path:
    """Two paradigms of 20 pairs, in a folder of BLiMP's layout."""
    folder = tmp_path / "blimp"
    folder.mkdir()
    for name in ("wh_island", "causative"):
        write_pairs(folder / f"{name}.jsonl", *(blimp_row(name, i) for i in range(20)))
    return folder


# ---- Sources


def test_a_file_of_pairs_in_our_columns(tmp_path):
    path = write_pairs(
        tmp_path / "mine.jsonl", {"good": GOOD, "bad": BAD, "phenomenon": "agreement"}
    )
    assert load_pairs(path) == [MinimalPair("agreement", GOOD, BAD, "", "agreement")]


def test_a_phenomenon_that_is_not_named_is_the_paradigm_or_else_the_file(tmp_path):
    path = write_pairs(
        tmp_path / "mine.jsonl",
        {"good": GOOD, "bad": BAD, "paradigm": "p", "field": None},
        {"good": GOOD, "bad": BAD},
    )
    assert [(p.phenomenon, p.paradigm) for p in load_pairs(path)] == [("p", "p"), ("mine", "mine")]


def test_a_file_in_an_archive_gives_its_name_too(tmp_path):
    write_pairs(tmp_path / "mine.jsonl", {"good": GOOD, "bad": BAD})
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(tmp_path / "mine.jsonl", "mine.jsonl")
    assert [pair.phenomenon for pair in load_pairs(tmp_path / "all.tar")] == ["mine"]


def test_csv_with_quotes_and_a_byte_order_mark_reads_like_jsonl(tmp_path):
    rows = [{"good": 'He said "yes", Anna.', "bad": "He said,\nyes.", "field": "syntax"}]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    table = tmp_path / "pairs.csv"
    table.write_text(text.getvalue(), encoding="utf-8-sig", newline="")
    assert load_pairs(table) == load_pairs(write_pairs(tmp_path / "pairs.jsonl", *rows))


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
def test_an_archive_equals_its_folder_and_nothing_is_extracted(small_blimp, suffix, tmp_path):
    path = (
        tmp_path / "nest" / "of" / f"blimp{suffix}"
    )  # so that ../.. is still a folder of this test
    path.parent.mkdir(parents=True)
    with tarfile.open(path, f"w:{suffix[5:]}") as archive:
        archive.add(small_blimp / "wh_island.jsonl", "blimp/wh_island.jsonl")
        archive.add(small_blimp / "causative.jsonl", "../../causative.jsonl")  # must not matter
        link = tarfile.TarInfo("blimp/passwords.jsonl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    assert set(load_pairs(path)) == set(load_pairs(small_blimp))
    assert sorted(tmp_path.rglob("*")) == before


def test_nanos_pairs_carry_their_field():
    pairs = load_pairs("nano", n=2, seed=3)
    assert pairs == minimal_pairs(2, seed=3)
    assert {p.phenomenon: p.field for p in pairs} == {k: v.field for k, v in PHENOMENA.items()}
    assert all(pair.paradigm == pair.phenomenon for pair in pairs)


# ---- Drawing


@pytest.mark.parametrize("source", ["nano", "folder"])
def test_a_smaller_draw_is_part_of_every_larger_one(source, small_blimp):
    source = small_blimp if source == "folder" else source
    few, many = load_pairs(source, n=4, seed=1), load_pairs(source, n=12, seed=1)
    for paradigm in {pair.paradigm for pair in many}:
        own = [pair for pair in many if pair.paradigm == paradigm]
        assert own[:4] == [pair for pair in few if pair.paradigm == paradigm]
        assert len(own) == 12


def test_a_draw_depends_on_its_seed_alone(small_blimp):
    draw = load_pairs(small_blimp, n=5, seed=1)
    assert draw == load_pairs(small_blimp, n=5, seed=1)
    assert draw != load_pairs(small_blimp, n=5, seed=2)
    # Not on what else is in the folder: a paradigm alone gives the same pairs.
    alone = load_pairs(small_blimp / "wh_island.jsonl", n=5, seed=1)
    assert alone == [pair for pair in draw if pair.paradigm == "wh_island"]


def test_a_draw_is_even_over_the_file(tmp_path):
    """Each of 20 pairs has a chance of 5 in 20: over 400 seeds, 100 times, give or take 5 sigma."""
    path = write_pairs(tmp_path / "p.jsonl", *(blimp_row("p", i) for i in range(20)))
    pairs = read_pairs(path)
    drawn = Counter(pair.good for seed in range(400) for pair in load_pairs(path, 5, seed))
    sigma = (400 * 0.25 * 0.75) ** 0.5
    assert all(abs(drawn[pair.good] - 100) < 5 * sigma for pair in pairs)


def test_a_paradigm_with_fewer_pairs_gives_all(small_blimp):
    assert sorted(load_pairs(small_blimp, n=50), key=repr) == sorted(
        load_pairs(small_blimp), key=repr
    )


# ---- BLiMP


def test_blimp_has_67_paradigms_12_phenomena_4_fields():
    table = blimp_paradigms()
    assert len(table) == 67
    assert len({phenomenon for phenomenon, _ in table.values()}) == 12
    assert {field for _, field in table.values()} == {"morphology", "syntax", "semantics"} | {
        "syntax-semantics"
    }


def test_blimps_spellings_are_made_one(tmp_path):
    path = write_pairs(
        tmp_path / "p.jsonl",
        blimp_row("principle_A_case_2", 0, "binding", "syntax/semantics"),
        blimp_row("principle_A_case_1", 0, "binding", "syntax_semantics"),
        blimp_row("animate_subject_trans", 0, "s-selection"),
    )
    assert [(p.phenomenon, p.field) for p in load_pairs(path)] == [
        ("binding", "syntax-semantics"),
        ("binding", "syntax-semantics"),
        ("argument_structure", "syntax"),
    ]


def test_the_published_archive_of_blimp():
    path = REFERENCE / "blimp.tar.xz"
    if not path.exists():
        pytest.skip(f"no reference data at {path}")
    pairs = load_pairs(path)
    assert Counter(pair.paradigm for pair in pairs) == dict.fromkeys(blimp_paradigms(), 1000)
    for pair in pairs:
        assert (pair.phenomenon, pair.field) == blimp_paradigms()[pair.paradigm]
    # Seven of its pairs are no pairs: both sentences are the same, so no model can be right.
    same = Counter(pair.paradigm for pair in pairs if pair.good == pair.bad)
    assert same == {"passive_1": 2, "principle_A_case_2": 5}


# ---- What is wrong, in one line


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", '{"good": "x", "bda": "y"}', "line 1: no column 'bad' or 'sentence_bad'; ne"),
        ("a.jsonl", '{"x": "x"}', "line 1: no column 'good' or 'sentence_good'; its columns: x"),
        ("a.jsonl", '{"good": "x", "bad": "y"}\n\n{"good": 3, "bad": "y"}', "line 3: 'good' is 3;"),
        ("a.jsonl", '{"good": "x", "bad": null}', "line 1: 'bad' is None; expected text"),
        ("a.jsonl", '{"good": "x", "bad": "y", "field": 1}', "line 1: 'field' is 1; expected text"),
        ("a.jsonl", '{"good": "x", "bad": " "}', "line 1: 'bad' is empty"),
        ("a.jsonl", '{"good": "x"', "line 1: not JSON"),
        ("a.jsonl", '["x", "y"]', "line 1: expected a JSON object"),
        ("a.jsonl", "", "holds no minimal pairs"),
        ("a.csv", "good,bad\nx\n", "line 2: expected 2 columns"),
        ("a.csv", "good,bad\nx,y,z\n", "line 2: expected 2 columns"),
        ("a.csv", 'good,bad\nx,"y\n', "not CSV: unexpected end of data"),
        ("a.csv", "good;bad\nx;y\n", "line 2: no column 'good' or 'sentence_good'; nearest: good;"),
        ("a.csv", "good,bad\n", "holds no minimal pairs"),
        ("a.txt", "x\ty\n", "is no file of minimal pairs; expected .jsonl or .csv"),
        ("a.tar.xz", "nothing of the kind", "is not a whole archive"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_pairs(path)
    message = str(caught.value)
    assert expected in message
    assert str(path) in message
    assert "\n" not in message


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("good,bad\na,b\nMädchen,Mädchens\n".encode("latin-1"))
    with pytest.raises(UsageError, match=r"line 3: not UTF-8"):
        load_pairs(path)


def test_an_archive_cut_short_is_told(small_blimp, tmp_path):
    path = tmp_path / "blimp.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(small_blimp, "blimp")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match="is not a whole archive"):
        load_pairs(path)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("blmp", "nearest: blimp"), ("my/pairs.jsonl", "no file or folder my/pairs.jsonl")],
)
def test_an_unknown_source_is_told(source, expected):
    with pytest.raises(UsageError, match=expected):
        load_pairs(source)


def test_a_mistyped_path_names_its_neighbour(small_blimp):
    with pytest.raises(UsageError, match=r"nearest: wh_island\.jsonl"):
        load_pairs(small_blimp / "wh_islnd.jsonl")


def test_n_below_one_is_refused():
    with pytest.raises(UsageError, match="n is 0"):
        load_pairs("nano", n=0)


# ---- BLiMP from the Hub


def blimp_repository(**changed: int) -> dict[str, bytes]:
    """BLiMP as the Hub keeps it, with three pairs a paradigm: a Parquet file each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = {"README.md": b"BLiMP"}
    for name, (phenomenon, field) in blimp_paradigms().items():
        rows = [blimp_row(name, i, phenomenon, field) for i in range(changed.get(name, 3))]
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), buffer)
        files[f"{name}/train-00000-of-00001.parquet"] = buffer.getvalue()
    return files


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Serves a repository in BLiMP's place; the pinned revision is whatever it serves."""
    monkeypatch.setattr(sets, "BLIMP_PAIRS", 3)

    @contextmanager
    def serving(files: dict[str, bytes]):
        repository = f"datasets/{sets.BLIMP_REPOSITORY}"
        with serve_hub({repository: {"main": files}}) as server:
            server.use(monkeypatch, tmp_path / "cache")
            monkeypatch.setattr(sets, "BLIMP_REVISION", server.commit(repository))
            yield server

    return serving


def test_blimp_comes_from_the_hub_once_and_then_from_its_cache(hub):
    with hub(blimp_repository()) as server:
        pairs = load_pairs("blimp")
        assert Counter(pair.paradigm for pair in pairs) == dict.fromkeys(blimp_paradigms(), 3)
        assert not server.sent_of("README.md")
        sent = server.sent_of("parquet")
        assert sent > 0
        assert len(load_pairs("blimp", n=2)) == 2 * 67
        assert server.sent_of("parquet") == sent
    assert load_pairs("blimp") == pairs  # the server is gone


def test_blimp_that_is_not_whole_is_told(hub):
    with (
        hub(blimp_repository(wh_island=2)),
        pytest.raises(UsageError, match=r"has 2 pairs of wh_island; expected 3 of each of its 67"),
    ):
        load_pairs("blimp")


def test_a_cache_that_lacks_a_paradigm_is_completed(hub):
    with hub(blimp_repository()) as server:
        load_pairs("blimp")
        (folder,) = Path(os.environ["HF_HUB_CACHE"]).glob("*/snapshots/*/wh_island")
        shutil.rmtree(folder)
        assert len(load_pairs("blimp")) == 3 * 67
    assert server.sent_of("causative") < 2 * server.sent_of("wh_island")  # that one came once


def test_without_the_hub_one_line_says_what_else_to_name(hub, monkeypatch):
    with hub({}):
        monkeypatch.setattr(sets, "BLIMP_REPOSITORY", "nobody/nothing")  # not served
        with pytest.raises(FetchError, match="a folder or an archive of its files") as caught:
            load_pairs("blimp")
    assert "\n" not in str(caught.value)
