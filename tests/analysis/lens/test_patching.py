"""Shares and their errors: exact where one head decides, and what they are by definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.one_head import HEADS, LAYERS, network, one_head_decides

from pythia_utils.analysis.lens.patching import measured
from pythia_utils.analysis.lens.patching_pairs import Asked
from pythia_utils.evaluation.patching import Texts

WORDS = 30
ITEMS = 8


def asked(good: int = 1, bad: int = 2, items: int = ITEMS) -> Asked:
    """Two sentences an item, of five tokens of which the fourth differs, or of four, where it is the third."""
    own, other, another = [], [], []
    for item in range(items):
        for length in (4, 5):
            start = [0, *[3 + item] * (length - 3)]  # an item has a subject of its own
            for rows, word in ((own, 15), (other, 20), (another, 16)):
                rows.append([*start, word, 2 + item % 2])
    n = len(own)
    table = pd.DataFrame({"phenomenon": ["p"] * n, "item": [f"i{k // 2}" for k in range(n)]})
    table = table.assign(subject=table["item"], verb="is", attractor=table["item"])
    answers = [good] * n, [bad] * n
    left = pd.DataFrame(columns=["phenomenon", "good", "twin", "why"])
    return Asked(table, Texts(own, other, *answers), Texts(own, another, *answers), left)


def values(frame: pd.DataFrame, metric: str, column: str = "value") -> dict[str, float]:
    rows = frame[frame["metric"] == metric]
    return dict(zip(rows["subset"].str.removeprefix("p: "), rows[column], strict=True))


@torch.inference_mode()
def tempting(model) -> tuple[Asked, pd.DataFrame]:
    """The two words between which the change of the noun decides most evenly: there it is an attractor."""
    texts = asked().texts
    own, twin = (
        torch.stack([model(torch.tensor([row])).logits[0, -1] for row in rows]).numpy()
        for rows in (texts.own, texts.other)
    )
    gain = (twin - own)[:, :, None] - (twin - own)[:, None, :]
    good, bad = np.unravel_index(np.argmax(gain.mean(0) / (gain.std(0) + 1e-3)), (WORDS, WORDS))
    told = asked(int(good), int(bad))
    return told, measured(model, told)


def test_the_head_that_decides_restores_and_breaks_all_and_no_other_part_anything():
    _, frame = tempting(one_head_decides(1, 0, WORDS))
    for metric in ("restored", "broken"):
        share = values(frame, metric)
        single = {name: x for name, x in share.items() if name.startswith(("head", "mlp"))}
        assert len(single) == LAYERS * (HEADS + 1)
        assert share["head 1.0"] == pytest.approx(1, abs=1e-5)
        others = [x for name, x in single.items() if name != "head 1.0"]
        np.testing.assert_allclose(others, 0, atol=1e-5)
    share, error = values(frame, "restored"), values(frame, "restored", "stderr")
    assert share["best head"] == pytest.approx(1, abs=1e-5)
    assert share["mean head"] == pytest.approx(1 / (LAYERS * HEADS), abs=1e-5)
    assert share["interaction"] == pytest.approx(0, abs=1e-5)
    assert error["head 1.0"] == pytest.approx(0, abs=1e-5)  # the same share in every sentence
    whole = values(frame, "attraction_nats")["p"]
    assert values(frame, "moved")["head 1.0"] == pytest.approx(whole, abs=1e-5)


def test_what_is_true_by_definition():
    """Of any network: the stream at its beginning and its end, everything, all heads; and the sums."""
    _, frame = tempting(network(words=WORDS))
    share, margins = values(frame, "restored"), {}
    for name in ("margin_tempted", "margin_twin", "attraction_nats"):
        margins[name] = values(frame, name)["p"]
    ones = ["everything", "all heads", "stream 0 changed", f"stream {LAYERS} last"]
    np.testing.assert_allclose([share[name] for name in ones], 1, atol=1e-5)
    zeros = ["embedding", "stream 0 between", "stream 0 last", f"stream {LAYERS} changed"]
    np.testing.assert_allclose([share[name] for name in zeros], 0, atol=1e-5)
    single = [x for name, x in share.items() if name.startswith(("head", "mlp"))]
    assert share["interaction"] == pytest.approx(1 - sum(single), abs=1e-4)
    assert abs(share["interaction"]) > 0.01
    assert margins["attraction_nats"] == pytest.approx(
        margins["margin_twin"] - margins["margin_tempted"]
    )
    heads = [x for name, x in share.items() if name.startswith("head")]
    assert share["mean head"] == pytest.approx(np.mean(heads), abs=1e-6)
    assert share["best head"] <= max(heads) + 1e-6


def test_errors_of_shares_are_those_of_a_ratio_over_items():
    """Against the formula, item by item: sentences of an item are one unit, and items share no word."""
    model = network(words=WORDS)
    told, frame = tempting(model)
    one = []
    for k in range(ITEMS):
        rows = slice(2 * k, 2 * k + 2)
        texts, others = (
            Texts(*(part[rows] for part in (t.own, t.other, t.good, t.bad)))
            for t in (told.texts, told.others)
        )
        one.append(measured(model, Asked(told.table.iloc[rows], texts, others, told.left_out)))
    moved = np.array([values(f, "moved")["head 1.1"] for f in one])
    whole = np.array([values(f, "attraction_nats")["p"] for f in one])
    ratio = moved.sum() / whole.sum()
    assert values(frame, "restored")["head 1.1"] == pytest.approx(ratio, abs=1e-5)
    residuals = (moved - ratio * whole) / whole.sum()
    plain = np.sqrt(ITEMS / (ITEMS - 1) * np.sum(residuals**2))
    # Student's of seven degrees of freedom, told as of a normal.
    expected = plain * 2.3646 / 1.9600
    assert values(frame, "restored", "stderr")["head 1.1"] == pytest.approx(expected, rel=1e-3)


def test_where_there_is_no_attraction_there_are_no_shares():
    told, frame = tempting(network(words=WORDS))
    other = measured(network(words=WORDS), asked(told.texts.bad[0], told.texts.good[0]))
    assert values(other, "attraction_nats")["p"] == pytest.approx(
        -values(frame, "attraction_nats")["p"]
    )
    assert not set(other["metric"]) & {"restored", "broken"}
    assert {"moved", "moved_by_another"} <= set(other["metric"])


def test_one_item_has_no_error_and_no_share_and_none_is_an_empty_table():
    frame = measured(network(words=WORDS), asked(items=1))
    assert frame.loc[frame["metric"] == "moved", "stderr"].isna().all()
    assert not set(frame["metric"]) & {"restored", "broken"}
    assert not (frame["subset"] == "p: best head").any()  # no other half to choose it by
    (row,) = measured(network(words=WORDS), asked(items=0)).to_dict("records")
    assert (row["metric"], row["value"]) == ("patching_left_out", 0)
