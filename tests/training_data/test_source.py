"""Any source by one call; who has seen what, against plain loops; repeats, against the real order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.range_server import COMMIT, serve
from helpers.spans import spans_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.indexed_dataset import write_indexed_dataset
from pythia_utils.training_data.order import PackedDataset, build_order, neox_num_samples
from pythia_utils.training_data.repeats import (
    DEDUPED_PILE,
    Run,
    expected_again,
    expected_shares,
    repeats_in_order,
    simulate_repeats,
)
from pythia_utils.training_data.seen import document_steps, find_tokens, seen_by
from pythia_utils.training_data.shards import HUB_SHARD_BYTES, shard_name
from pythia_utils.training_data.source import TrainingData, open_source, read_batch

SETTINGS = {"seq_length": 7, "batch_size": 3, "steps": 12, "seed": 5}


def small_documents(vocabulary: int = 60) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(vocabulary, size=size) for size in rng.integers(0, 30, size=25)]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("indexed") / "docs"
    write_indexed_dataset(path, small_documents(), np.uint16)
    return path


@pytest.fixture
def data(prefix) -> TrainingData:
    return open_source(prefix, **SETTINGS)


# --- sources --------------------------------------------------------------------------------------


def test_a_model_of_ours_is_what_it_was_trained_on(home):
    """The trainer keeps a chained digest of every batch it has read: ours must come to the same."""
    for name in ("pico-7k", "pico-7k-deduped"):
        data, digest = open_source(name), ""
        for step in range(16):
            digest = hashlib.sha256(digest.encode() + data.batch(step).tobytes()).hexdigest()
        facts = json.loads((home / "suites/pico" / name / "step16/checkpoint.json").read_text())
        assert digest == facts["data_digest"]
    assert data.packed is not None
    assert data.provenance()["source"] == "pico/corpus/deduped"
    assert len(data.provenance()["revision"]) == 64


def test_our_files_by_their_prefix(home):
    prefix = home / "suites" / "pico" / "corpus" / "deduped"
    ours = read_batch("pico-7k-deduped", 500)
    np.testing.assert_array_equal(read_batch(prefix, 500, model="pico-7k-deduped"), ours)


@pytest.mark.parametrize(
    ("model", "seed"),
    [
        ("nano-57k-seed1", 1),
        ("nano-57k-data-seed2", 2),
        ("nano-57k-weight-seed2", 1234),
        ("pythia-70m-seed1", 1),
        ("pythia-160m-weight-seed1", 1234),
    ],
)
def test_the_order_is_that_of_the_models_data_seed(prefix, model, seed):
    found = open_source(prefix, model=model, **SETTINGS | {"seed": None})
    np.testing.assert_array_equal(
        found.batch(2), read_batch(prefix, 2, **SETTINGS | {"seed": seed})
    )


def test_an_indexed_data_set_is_put_in_order(prefix, data):
    from pythia_utils.training_data.indexed_dataset import IndexedDataset

    order = build_order(IndexedDataset(prefix).sizes, 7, neox_num_samples(12, 3), seed=5)
    packed = PackedDataset(IndexedDataset(prefix), order)
    for source in (prefix, str(prefix), f"{prefix}.idx", f"{prefix}.bin"):
        np.testing.assert_array_equal(read_batch(source, 11, **SETTINGS), packed.batch(11, 3))
    np.testing.assert_array_equal(data.sequences(2, 5), packed.sequences(2, 5))
    assert data.provenance() == {"source": f"{prefix}.bin", "order": "seed 5"}


def test_the_same_run_preshuffled(prefix, data, tmp_path):
    """Written in the order of training and cut into shards, it reads the same."""
    whole = data.sequences(0, 36).astype("<u2").tobytes()
    for number in range(3):
        part = whole[number * 200 : (number + 1) * 200]
        (tmp_path / shard_name("document", number, 2)).write_bytes(part)
    shape = {"seq_length": 7, "batch_size": 3}
    files = {f"/{path.name}": path.read_bytes() for path in tmp_path.iterdir()}
    with serve(files) as server:
        url = f"{server.url}/{shard_name('document', 0, 2)}"
        over_http = open_source(url.replace("://", "://user:secret@"), **shape)
        assert "secret" not in f"{over_http} {over_http.rows.shards} {over_http.provenance()}"
        assert over_http.provenance() == {"source": f"{server.url}/"}
        folder = open_source(tmp_path, **shape)
        assert over_http.total_steps == folder.total_steps == 12
        for step in range(12):
            np.testing.assert_array_equal(folder.batch(step), data.batch(step))
            np.testing.assert_array_equal(over_http.batch(step), data.batch(step))
    assert folder.packed is None
    assert folder.provenance() == {"source": str(tmp_path)}


def spellings(folder: Path, stem: str, files: list[str]) -> list[str]:
    """All the ways to write where a set lies, with its folder as HOME, and one folder up as this one."""
    link = folder.parent / "link"
    link.symlink_to(folder)
    ways = [f"{folder}", f"{folder}/", f"{folder}/{stem}", *(f"{folder}/{name}" for name in files)]
    ways += [folder.name, f"./{folder.name}/{stem}", f"{folder.name}/../{folder.name}/{files[0]}"]
    return [
        *ways,
        "~",
        f"~/{stem}",
        f"~/{files[0]}",
        f"{link}",
        f"{link}/{stem}",
        f"{link}/{files[0]}",
    ]


@pytest.fixture
def place(tmp_path, monkeypatch):
    folder = tmp_path / "pile.v2"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


SHAPE = {"seq_length": 7, "batch_size": 3}


def test_a_preshuffled_pair_is_read_as_it_is_stored_however_it_is_named(place, data):
    """It was shuffled and cut a second time where its prefix was given."""
    rows = data.sequences(0, 36)
    write_indexed_dataset(place / "document", rows, np.uint16)
    for way in spellings(place, "document", ["document.idx", "document.bin"]):
        found = open_source(way, **SHAPE)
        assert (found.total_steps, found.packed) == (12, None), way
        np.testing.assert_array_equal(found.sequences(0, 36), rows)
        assert Path(found.provenance()["source"]).samefile(place)


def test_shards_are_read_however_they_are_named(place, data):
    rows = data.sequences(0, 36)
    whole = rows.astype("<u2").tobytes()
    names = [shard_name("rows", number, 2) for number in range(3)]
    for number, name in enumerate(names):
        (place / name).write_bytes(whole[number * 200 : (number + 1) * 200])
    for way in spellings(place, "rows", names):
        np.testing.assert_array_equal(open_source(way, **SHAPE).sequences(0, 36), rows)
    (place / "other.bin").write_bytes(b"of another set")
    np.testing.assert_array_equal(open_source(place / "rows", **SHAPE).sequences(0, 36), rows)


def test_a_pair_of_documents_is_put_in_order_however_it_is_named(place, data):
    """As the tokenised Pile is published: its folder was read as if it were preshuffled."""
    write_indexed_dataset(place / "text_document", small_documents(), np.uint16)
    for way in spellings(place, "text_document", ["text_document.bin", "text_document.idx"]):
        found = open_source(way, **SETTINGS)
        np.testing.assert_array_equal(found.batch(11), data.batch(11))
        assert found.provenance()["order"] == "seed 5"


def test_rows_of_another_type_are_documents(place):
    """Only what can be read as a preshuffled set is taken for one."""
    write_indexed_dataset(place / "document", np.arange(96).reshape(12, 8), np.int32)
    assert open_source(place, **SETTINGS | {"steps": 2}).packed is not None


def test_documents_in_shards_are_not_taken_for_rows(place):
    write_indexed_dataset(place / "text", small_documents(), np.uint16)
    (place / "text.bin").rename(place / shard_name("text", 0, 0))
    with pytest.raises(
        UsageError, match=r"not in the order of training, .* merge them to text\.bin"
    ):
        open_source(place, **SETTINGS)


def test_an_index_of_more_rows_than_there_are(place, data):
    write_indexed_dataset(place / "document", data.sequences(0, 36), np.uint16)
    rows = (place / "document.bin").read_bytes()
    (place / "document.bin").write_bytes(rows[:-16])
    with pytest.raises(
        UsageError, match=r"document\.idx, byte 17: expected rows of 560 bytes in all"
    ):
        open_source(place, **SHAPE)


def test_a_seed_for_what_is_in_order_already(place, data):
    write_indexed_dataset(place / "document", data.sequences(0, 36), np.uint16)
    with pytest.raises(
        UsageError, match="is stored in the order of training; no seed can be given"
    ):
        open_source(place, seed=1, **SHAPE)


def test_the_home_of_nobody(tmp_path):
    with pytest.raises(UsageError, match=r"^~nosuch/set: whose folder that is, is not known$"):
        open_source("~nosuch/set", **SHAPE)


def test_a_small_index_takes_no_memory_for_sizes_that_are_not_so(place):
    """862 bytes that tell of 41 documents of two billion tokens."""
    write_indexed_dataset(place / "docs", [[1, 2]] * 41, np.uint16)
    index = bytearray((place / "docs.idx").read_bytes())
    assert len(index) == 862
    for number in range(40):
        index[34 + 4 * number : 38 + 4 * number] = (2**31 - 1).to_bytes(4, "little")
    (place / "docs.idx").write_bytes(index)
    with pytest.raises(UsageError, match=r"docs\.idx, byte 206: expected offset 4294967294"):
        open_source(place / "docs", model="pythia-70m")


def test_a_long_run_over_very_little(place):
    write_indexed_dataset(place / "docs", [np.zeros(50_000)] * 41, np.uint16)
    with pytest.raises(UsageError, match="has 2050000 tokens, the run reads them 147"):
        open_source(place / "docs", model="pythia-70m")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Both published sets at their true size; tokens tell their place in the set."""

    def tokens(shard: int, variant: int):
        def read(start: int, stop: int) -> bytes:
            place = np.arange(start // 2, stop // 2 + 1) + shard * (HUB_SHARD_BYTES // 2)
            values = (place * 7 + variant) % 50_000
            return values.astype("<u2").tobytes()[start % 2 :][: stop - start]

        return read

    sizes = [HUB_SHARD_BYTES] * 20 + [78_336_000]
    files = {}
    for variant, name in enumerate(("standard", "deduped")):
        base = f"/datasets/EleutherAI/pile-{name}-pythia-preshuffled/resolve/{COMMIT}/"
        for shard, size in enumerate(sizes):
            files[base + shard_name("document", shard, 20)] = (size, tokens(shard, variant))
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path))
    with serve(files) as server:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def hub_rows(start: int, stop: int, variant: int = 0) -> np.ndarray:
    return ((np.arange(start * 2049, stop * 2049) * 7 + variant) % 50_000).reshape(-1, 2049)


@pytest.mark.parametrize(
    ("model", "step", "requests"),
    [
        ("pythia-70m", 0, 1),
        ("pythia-70m", 7148, 1),  # the last batch in the first shard
        ("pythia-70m", 7149, 2),  # crosses to the second
        ("pythia-70m", 142_999, 1),
        ("pythia-12b-deduped", 64_341, 2),  # 9 x 30 GB / 4 MB
    ],
)
def test_a_batch_of_the_hub(hub, model, step, requests):
    data = open_source(model)
    data.provenance()  # resolves the revision
    hub.requests.clear()
    hub.sent = 0
    expected = hub_rows(step * 1024, (step + 1) * 1024, "deduped" in model)
    np.testing.assert_array_equal(data.batch(step), expected)
    assert data.rows.shards.reader.traffic.requests == requests
    assert hub.sent == 1024 * 2049 * 2
    variant = "deduped" if "deduped" in model else "standard"
    source = f"EleutherAI/pile-{variant}-pythia-preshuffled"
    assert data.provenance() == {"source": source, "revision": COMMIT}

    hub.requests.clear()
    np.testing.assert_array_equal(read_batch(model, step), expected)
    assert hub.requests == []  # from the cache, by another opening


def test_v0_has_batches_of_its_own(hub):
    """Its step 100 reads what steps 200 and 201 of the others read."""
    batch = read_batch("pythia-160m-v0", 100)
    assert batch.shape == (2048, 2049)
    np.testing.assert_array_equal(batch, hub_rows(200 * 1024, 202 * 1024))
    assert open_source("pythia-160m-v0").total_steps == 71_500
    with pytest.raises(
        UsageError, match=r"step of pythia-160m-v0: 71500 is out of range; .* 71499"
    ):
        read_batch("pythia-160m-v0", 71_500)


def test_open_data_are_returned_as_they_are(data):
    assert open_source(data) is data
    np.testing.assert_array_equal(read_batch(data, 3), data.batch(3))


@pytest.mark.parametrize(
    ("source", "given", "says"),
    [
        ("pico-8k", {}, r"unknown source 'pico-8k' .* nearest: pico-7k"),
        (
            np.zeros((2, 8), int),
            SETTINGS,
            "ndarray is no source; expected a model's name, an address",
        ),
        (None, SETTINGS, "NoneType is no source"),
        ("nowhere/docs", {}, r"nowhere/docs.bin is missing"),
        (Path("docs"), {}, r"docs.bin is missing"),
        ("ftp://host/set", {}, "expected http:// or https://"),
        ("pythia-70m-seed3", {"batch_size": 8}, "pythia-70m-seed3 has settings of its own"),
        ("pico-7k", {"batch_size": 16}, "pico-7k has settings of its own; batch_size cannot"),
        ("pico-7k", {"model": "pythia-70m"}, "pico-7k has settings of its own; model cannot"),
        ("PREFIX", {}, "does not tell its seq_length; give it, or a model"),
        ("PREFIX", SETTINGS | {"batch_size": 0}, "batch_size is 0; expected at least 1"),
        ("PREFIX", SETTINGS | {"seed": -1}, "seed is -1; expected at least 0"),
        ("PREFIX", {"model": "pythia-70m"}, r"has \d+ tokens, the run reads them \d+ times"),
        ("PREFIX", {"model": "pico-70m"}, "unknown model 'pico-70m'"),
        ("FOLDER", {"seq_length": 7, "batch_size": 3}, "holds no shard; expected files like docu"),
    ],
)
def test_what_cannot_be_opened(prefix, tmp_path, source, given, says):
    places = {"PREFIX": prefix, "FOLDER": tmp_path}
    source = places.get(source, source) if isinstance(source, str) else source
    with pytest.raises(UsageError, match=says) as error:
        open_source(source, **given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("step", [-1, 12])
def test_a_step_out_of_range(data, step):
    with pytest.raises(UsageError, match=f"{step} is out of range; expected 0 to 11"):
        data.batch(step)


def test_tokens_that_the_model_does_not_know(tmp_path):
    """Files of another run, or read at a wrong place, do not pass for the model's."""
    write_indexed_dataset(tmp_path / "docs", [np.full(1_100_000, 2000)], np.uint16)
    with pytest.raises(UsageError, match="holds token 2000; pico-7k knows tokens 0 to 1023"):
        read_batch(tmp_path / "docs", 0, model="pico-7k")


# --- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "step", "steps", "sequences"),
    [
        ("pythia-70m", 0, 0, 0),
        ("pythia-70m", 3000, 3000, 3_072_000),
        ("pythia-160m-v0", 3000, 1500, 3_072_000),  # named in batches of half the size
        ("pythia-70m-v0", 3000, 3000, 3_072_000),
        ("pico-7k", 512, 512, 4096),
    ],
)
def test_seen_by_a_checkpoint(model, step, steps, sequences):
    seen = seen_by(model, step)
    assert (seen.steps, seen.sequences) == (range(steps), range(sequences))
    assert seen.tokens == sequences * find_model(model).seq_length
    assert seen_by(find_model(model).checkpoint(step)) == seen


def test_a_batch_is_its_sequences(data):
    for step in range(12):
        np.testing.assert_array_equal(data.batch(step), data.sequences(3 * step, 3 * step + 3))


def test_steps_of_documents(data):
    """Every token of every batch is told, once, as the document's that it is."""
    steps = document_steps(data)
    batches = np.stack([data.batch(step) for step in range(12)])
    told = np.zeros_like(batches)
    documents = small_documents()
    for document, _, step, row, at, offset, length in zip(*steps, strict=True):
        part = documents[document][offset : offset + length]
        np.testing.assert_array_equal(batches[step, row, at : at + length], part)
        told[step, row, at : at + length] += 1
    assert (told == 1).all()
    assert steps.step.max() == 11  # not what the order holds behind the run's end
    some = document_steps(data, [3, 9])
    wanted = np.isin(steps.document, [3, 9])
    for column, everything in zip(some, steps, strict=True):
        np.testing.assert_array_equal(column, everything[wanted])
    with pytest.raises(UsageError, match="25 is out of range; expected 0 to 24"):
        document_steps(data, [25])


def test_a_preshuffled_set_knows_no_documents(tmp_path):
    (tmp_path / "document.bin").write_bytes(bytes(160))
    data = open_source(tmp_path, seq_length=7, batch_size=5)
    with pytest.raises(UsageError, match="does not know its documents"):
        document_steps(data, [1])


def plainly_found(batches: np.ndarray, wanted: list[int]) -> list[tuple[int, int, int]]:
    return [
        (step, row, offset)
        for step, batch in enumerate(batches.tolist())
        for row, sequence in enumerate(batch)
        for offset in range(len(sequence) - len(wanted) + 1)
        if sequence[offset : offset + len(wanted)] == wanted
    ]


def places(found) -> list[tuple[int, int, int]]:
    """Step, row and offset of each occurrence."""
    columns = (zip(*map(np.ndarray.tolist, each), strict=True) for each in found)
    return [place for each in columns for place in each]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(0, 12), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_search_finds_every_place_and_no_other(tmp_path_factory, wanted, start, stop):
    start, stop = min(start, stop), max(start, stop)
    path = tmp_path_factory.getbasetemp() / "few_tokens"
    if not path.with_suffix(".idx").exists():
        write_indexed_dataset(path, small_documents(vocabulary=3), np.uint16)
    data = open_source(path, **SETTINGS)
    batches = np.stack([data.batch(step) for step in range(12)])
    found = find_tokens(data, wanted, range(start, stop))
    expected = [place for place in plainly_found(batches, wanted) if start <= place[0] < stop]
    assert places(found) == expected


def test_search_goes_step_by_step_in_the_order_asked_for(data):
    wanted = data.batch(4)[2, 1:]
    assert (4, 2, 1) in places(find_tokens(data, wanted))
    each = list(find_tokens(data, wanted, [7, 4]))
    assert [(4, 2, 1) in places([found]) for found in each] == [False, True]


@pytest.mark.parametrize(
    ("wanted", "steps", "says"),
    [
        ([], None, "cannot search for 0 tokens; expected 1 to 8"),
        ([1] * 9, None, "cannot search for 9 tokens"),
        ([1.5], None, "expected 1 to 8 integers"),
        ([3, -1], None, "cannot search for token -1; no token is below 0"),
        ([float("nan")], None, "expected 1 to 8 integers"),
        ([1], range(-1, 3), "-1 is out of range; expected 0 to 11"),
        ([1], range(13), "12 is out of range"),
    ],
)
def test_impossible_searches_are_told_before_anything_is_read(data, wanted, steps, says):
    with pytest.raises(UsageError, match=says):
        find_tokens(data, wanted, steps)


def test_a_search_for_what_the_model_cannot_have_read(home):
    with pytest.raises(
        UsageError, match="cannot search for token 1024; pico-7k knows tokens 0 to 1023"
    ):
        find_tokens(open_source("pico-7k"), [3, 1024])


def test_bytes_of_a_batch(home, data):
    assert data.batch_bytes == 3 * 8 * 2
    assert not data.is_remote
    assert open_source("pythia-70m").batch_bytes == 1024 * 2049 * 2
    assert open_source("pythia-70m").is_remote


# --- repeats --------------------------------------------------------------------------------------

SMALL = Run(documents=40_000, tokens=40_000 * 50, steps=360, batch_size=64, seq_length=128)


def test_counts_of_the_deduplicated_run():
    assert DEDUPED_PILE.epochs == 2
    assert DEDUPED_PILE.samples == (2 * 207_170_414_058 - 1) // 2048
    never, once, twice = expected_shares()
    assert (round(never, 2), round(once, 2), round(twice, 2)) == (0.08, 0.40, 0.52)
    assert never + once + twice == pytest.approx(1)


def test_simulation_is_the_real_order_of_equal_documents():
    """Shares and their course: GPT-NeoX's own order, the draw and the formula agree."""
    sizes = np.full(SMALL.documents, 50, np.int32)
    order = build_order(sizes, 128, neox_num_samples(SMALL.steps, SMALL.batch_size), seed=1)
    assert (order.epochs, len(order)) == (SMALL.epochs, SMALL.samples)
    real = repeats_in_order(order, sizes, SMALL.steps, SMALL.batch_size)
    drawn = simulate_repeats(SMALL, seed=1)
    for found in (real, drawn):
        assert found.times.sum() == SMALL.documents
        assert found.first.sum() == found.times[1:].sum()
        assert found.again.sum() == found.times[2]
        np.testing.assert_allclose(found.shares, expected_shares(SMALL), atol=0.012)
        tenths = found.again.reshape(10, -1).sum(1) / (found.first + found.again).reshape(
            10, -1
        ).sum(1)
        np.testing.assert_allclose(tenths, expected_again(SMALL).reshape(10, -1).mean(1), atol=0.03)
        assert found.first_repeat < 10  # repeats begin at once


def test_repeats_in_an_order_of_any_documents(prefix):
    """Against counting copy by copy: more epochs, lengths that differ, empty documents."""
    steps = 120
    data = open_source(prefix, **SETTINGS | {"steps": steps})
    order, sizes = data.packed.order, np.asarray(data.packed.indexed.sizes)
    begins = {}  # entry: the first sample that holds a token of it, when that is read, document
    for position in range(len(order)):
        for span in spans_of(data.packed, position):
            at = (int(order.shuffle_idx[position]), position, span.document)
            begins[span.entry] = min(begins.get(span.entry, at), at)
    times, first, again = np.zeros(25, int), np.zeros(steps, int), np.zeros(steps, int)
    for _, position, document in sorted(begins.values(), key=lambda at: at[1]):
        if position < steps * 3:
            (again if times[document] else first)[position // 3] += 1
            times[document] += 1
    assert order.epochs > 2
    found = repeats_in_order(order, sizes, steps, 3)
    np.testing.assert_array_equal(found.first, first)
    np.testing.assert_array_equal(found.again, again)
    np.testing.assert_array_equal(found.times, np.bincount(times, minlength=order.epochs + 1))


def test_a_simulation_too_large():
    with pytest.raises(UsageError, match="expected fewer than 2"):
        simulate_repeats(Run(10, 10, 2**23, 1024, 2048))


def test_progress_of_a_simulation():
    told = []
    simulate_repeats(SMALL, progress=lambda *done: told.append(done))
    assert told == [(40_000, 40_000)]
