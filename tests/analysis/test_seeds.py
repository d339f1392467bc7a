"""What differs by a seed alone, and how claims are asked of each."""

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis import seeds
from pythia_utils.analysis.claims import Claim, table, verdicts
from pythia_utils.analysis.plots import line_style
from pythia_utils.suites.catalog import find_model

NAMES = ["pico-57k", "pico-57k-seed1", "pico-57k-weight-seed1", "pico-57k-data-seed1", "pico-7k"]


def made(values: dict[str, float], metric: str = "accuracy") -> pd.DataFrame:
    rows = [
        {"model": name, "variant": find_model(name).variant, "step": 64, "metric": metric}
        | {"n_params": find_model(name).non_embedding_params, "tokens_seen": 65_536}
        | {"subset": "all", "value": value}
        for name, value in values.items()
    ]
    return pd.DataFrame(rows)


def test_seeds_have_names_and_two_numbers():
    found = seeds.label(made(dict.fromkeys(NAMES, 0.0))).set_index("model")
    assert list(found["seed"]) == ["usual", "seed1", "weight-seed1", "data-seed1", "usual"]
    assert list(found["weight_seed"]) == [1234, 1, 1, 1234, 1234]
    assert list(found["data_seed"]) == [1234, 1, 1234, 1, 1234]
    assert list(found["size"]) == ["57k"] * 4 + ["7k"]


def test_another_release_is_no_seed_of_todays():
    records = made({"pythia-70m": 0.1, "pythia-70m-v0": 0.9, "pythia-70m-seed1": 0.3})
    assert [name for name, _ in seeds.each(records)] == ["usual", "seed1", "v0"]
    found = seeds.spread(records).set_index("version")
    assert found["value"].to_dict() == {"": 0.2, "v0": 0.9}


def test_an_intervention_is_no_size_and_no_seed():
    """Nor the long one of the short one's: none of them is in a mean with another."""
    base, short = "pythia-1.4b-deduped", "pythia-intervention-1.4b-deduped"
    long = "pythia-intervention-long-1.4b-deduped"
    records = made({base: 0.1, "pythia-1.4b": 0.2, short: 0.6, long: 0.9})
    found = seeds.spread(records).set_index("variant")["value"].to_dict()
    assert found == {"standard": 0.2, "deduped": 0.1, "intervention": 0.6, "intervention-long": 0.9}
    styles = {line_style(name) for name in (base, short, "pythia-1.4b", "pythia-410m-seed1")}
    assert len(styles) == 4


def test_the_usual_seed_comes_first_and_has_all_sizes():
    parts = dict(seeds.each(made(dict.fromkeys(reversed(NAMES), 0.0))))
    assert list(parts) == ["usual", "data-seed1", "seed1", "weight-seed1"]
    assert set(parts["usual"]["model"]) == {"pico-57k", "pico-7k"}


def test_spread_is_over_the_seeds_of_a_size():
    found = seeds.spread(made(dict(zip(NAMES, (0.1, 0.2, 0.3, 0.4, 0.9), strict=True))))
    found = found.set_index("size")
    assert found.loc["57k", ["value", "lowest", "highest", "seeds"]].tolist() == [0.25, 0.1, 0.4, 4]
    assert np.isnan(found.loc["7k", ["sd", "low", "high"]].astype(float)).all()
    # Student's t at 3 degrees of freedom: 3.182; the error of the mean: sqrt(0.05 / 3 / 4).
    assert found.loc["57k", "high"] - 0.25 == pytest.approx(3.1824 * np.sqrt(0.05 / 12), abs=1e-4)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.241, 0.738, 0.5], "0.24 to 0.74 over 3 seeds"),
        ([0.999, 1.0], "1.00 in each of 2 seeds"),
        ([0.5], "0.50 (one seed)"),
    ],
)
def test_values_over_seeds_in_words(values, told):
    assert seeds.in_words(pd.Series(values)) == told


def test_the_interval_over_seeds_covers_the_mean():
    values = 0.6 + 0.05 * np.random.default_rng(0).standard_normal((400, 4))
    records = pd.concat(
        made(dict(zip(NAMES, row, strict=False))).assign(step=n) for n, row in enumerate(values)
    )
    found = seeds.spread(records)
    assert len(found) == 400
    assert 0.92 < ((found["low"] <= 0.6) & (found["high"] >= 0.6)).mean() < 0.98


def test_an_answer_that_is_no_answer_is_refused_and_rows_without_a_value_are_not_asked():
    records = made({"pico-57k": 0.1, "pico-7k": np.nan})
    with pytest.raises(TypeError, match=r"claim odd answers .*nan"):
        verdicts([Claim("odd", "grammar", "?", lambda part: part["value"].max() * np.nan)], records)
    asked = verdicts([Claim("all", "grammar", "?", lambda part: len(part) == 1)], records)
    assert asked["holds"].tolist() == [True]


def test_a_claim_is_asked_of_each_seed():
    def rises(part: pd.DataFrame) -> bool | None:
        value = part.set_index("model")["value"].filter(like="57k")
        return None if value.empty else value.iloc[0] > 0.15

    claims = [
        Claim("rises", "grammar", "It rises.", rises),
        Claim("no", "grammar", "?", lambda _: None),
    ]
    records = made(dict(zip(NAMES, (0.1, 0.2, 0.3, 0.4, 0.9), strict=True)))
    assert (
        verdicts(claims, records).query("claim == 'rises'")["holds"].tolist()
        == [False] + [True] * 3
    )
    assert table(claims, records).to_dict("records") == [
        {"finding": "It rises.", "holds in": "3 of 4 seeds", "not in": "usual"},
        {"finding": "?", "holds in": "cannot be told here", "not in": ""},
    ]
