"""Tables and sentences on repeats and on what checkpoints saw, against counts made by hand."""

import re

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.training_data import tables, text
from pythia_utils.suites.catalog import find_model
from pythia_utils.training_data.repeats import DEDUPED_PILE, Repeats, Run

# Four documents in 4,000 steps; a second epoch would begin at step 2,500.
RUN = Run(documents=4, tokens=5000, steps=4000, batch_size=1, seq_length=2)


def made_up() -> Repeats:
    first, again = np.zeros((2, RUN.steps), np.int64)
    first[[0, 1500, 2500]] = 1
    again[[1200, 1700, 3000]] = 1
    return Repeats(np.array([1, 0, 3]), first, again)


def test_checkpoint_n_has_seen_batches_up_to_n_minus_1():
    rows = tables.batches_seen({"pythia-70m": [0, 512]}).to_numpy().tolist()
    assert rows[0] == ["pythia-70m step0", "none", "0", "0"]
    assert rows[1][1:] == ["0 to 511", f"{512 * 1024:,}", f"{512 * 1024 * 2048:,}"]


def test_shares_of_a_batch_have_wilsons_interval():
    records = pd.DataFrame({"value": [0.25], "n": pd.array([8], "Int64")})
    (row,) = tables.batch_shares(records).itertuples()
    assert row.value == 0.25
    assert (row.low, row.high) == pytest.approx((0.0715, 0.5907), abs=1e-4)


def test_the_second_epoch_would_begin_where_all_tokens_are_read():
    assert tables.second_epoch(RUN) == 2500
    assert tables.second_epoch(DEDUPED_PILE) == pytest.approx(98_786, abs=1)


def test_simulated_and_assumed_shares_are_side_by_side():
    frame = tables.simulated_curves(made_up(), RUN)
    own = {name: part.set_index("step")["value"] for name, part in frame.groupby("run")}
    assert own[tables.SIMULATED].loc[[500, 1500]].tolist() == [0, pytest.approx(2 / 3)]
    assert list(own[tables.ASSUMED].items()) == [(0, 0), (2500, 0), (2500, 1), (4000, 1)]


def test_the_simulation_in_words():
    told = text.simulation(made_up(), RUN)
    assert "step 1200 is the first to read a document again" in told
    assert "75.0% of the documents were read twice, 0.0% once and 25.0% never" in told
    assert "67% come before step 2,500" in told


def test_packing_in_words():
    """Two sequences: one holds an end and a beginning, the other goes on with the same copy."""
    rows = [(0, 0, 0, 5), (0, 0, 1, 0), (0, 1, 1, 3)]
    pieces = pd.DataFrame(rows, columns=["step", "row", "entry", "offset"])
    told = text.packing(pieces, "pico")
    assert "pico's 2 standard sequences, 50% hold pieces of more than one document" in told
    assert "100% begin in the middle of one" in told
    assert "50% are read in several pieces" in told


def test_the_check_of_the_joint_shuffle_expects_what_a_shuffle_gives():
    """200 shuffles of two copies of 2,000 documents, of which the first tenth is searched."""
    run = Run(2000, 2000 * 100, steps=150, batch_size=20, seq_length=100)
    batches = round(0.1 * run.samples / run.batch_size)
    share = batches * run.batch_size / run.samples
    rng, copies = np.random.default_rng(0), np.tile(np.arange(2000), 2)
    again = []
    for _ in range(200):
        read = rng.permutation(copies)[: round(share * 4000)]
        again.append(len(read) - len(np.unique(read)))
    told = text.decisive_check(run, batches)
    number = int(re.search(r"about ([\d,]+) documents are read twice", told)[1].replace(",", ""))
    assert number == pytest.approx(np.mean(again), rel=0.06)
    needed = int(re.search(r"batches for ([\d,]+) of their own documents", told)[1])
    assert 1 - (1 - share) ** needed >= 0.95 > 1 - (1 - share) ** (needed - 1)


def batches(
    model: str, metric: str, steps: list[int], values: list[float], stderr=np.nan
) -> pd.DataFrame:
    model = find_model(model)
    frame = pd.DataFrame(
        {"step": steps, "value": values, "metric": metric, "stderr": stderr, "n": 9}
    )
    return frame.assign(
        model=model.name, variant=model.variant, n_params=model.non_embedding_params
    )


def test_numbers_of_batches_have_an_interval_where_they_have_an_error():
    steps = [0, 1, 2]
    frame = pd.concat(
        [
            batches("pythia-70m", "distinct_tokens", steps, [5, 6, 7]),
            batches("pythia-70m", "pieces_per_sequence", steps, [3, 3, 3], 0.5),
        ]
    )
    assert "low" not in tables.of_batches(frame, "distinct_tokens")
    pieces = tables.of_batches(frame, "pieces_per_sequence")
    assert (pieces["high"] - pieces["value"]).tolist() == pytest.approx([0.5 * 2.306] * 3, abs=1e-3)
    assert tables.of_batches(frame, "piece_length").empty


def test_a_steady_number_and_a_growing_one_in_words():
    steps = [0, 35_750, 71_500, 107_250, 143_000]
    grows = batches("pythia-70m", "distinct_tokens", steps, [1000, 1011, 1019, 1031, 1039])
    told = text.steady(grows, "Different tokens")
    assert told.startswith(
        "**Different tokens**: pythia-70m has 1,000 to 1,039 in 5 batches, changing by +39"
    )
    assert "p < 0.001" in told
    same = batches("pythia-70m", "distinct_tokens", steps, [1000, 1001, 1000, 1001, 1000])
    low, high = re.search(r"\[(\S+), (\S+)\]", text.steady(same, "x")).groups()
    assert float(low) < 0 < float(high)
    assert "changing" not in text.steady(same[:3], "x")
    assert "cannot be told" in text.steady(same[:0], "Pieces")


def test_batches_in_which_no_document_ends_are_counted():
    frame = pd.concat(
        [
            batches("pythia-70m", "distinct_tokens", [0, 1], [5, 6]),
            batches("pythia-70m", "pieces_per_sequence", [0, 1], [5, 6]),
            batches("pythia-70m-deduped", "distinct_tokens", [0, 1, 2], [5, 6, 7]),
            batches("pythia-70m-deduped", "pieces_per_sequence", [2], [5]),
        ]
    )
    told = text.marked(tables.marked(frame))
    assert told == (
        "Documents are seen to end in 2 of 2 batches of pythia-70m, and in 1 of 3 batches of "
        "pythia-70m-deduped."
    )
