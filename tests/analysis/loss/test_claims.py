"""The claims of the chapter on loss: true and false of made-up records, and silent where these cannot tell."""

import pandas as pd
import pytest

from pythia_utils.analysis.loss.claims import CLAIMS
from pythia_utils.suites.catalog import find_model

NAMES = ["pico-7k", "pico-57k", "pico-7k-deduped"]
ASK = {claim.name: claim.holds for claim in CLAIMS}


def records(names=NAMES, steps=(0, 128, 1000)) -> pd.DataFrame:
    rows = []
    for place, model in enumerate(map(find_model, names)):
        common = {"model": model.name, "variant": model.variant, "stderr": 0.01}
        common["n_params"] = model.non_embedding_params
        for step in steps:
            height = 5 - step / 500 - place / 10
            at = common | {"step": step}
            rows.append(at | {"metric": "loss", "subset": "all", "value": height})
            for domain, more in {"echo": 2, "facts": 0, "arithmetic": 1}.items():
                rows.append(at | {"metric": "excess", "subset": domain, "value": height + more})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", ASK)
def test_holds_of_records_that_show_it(name):
    assert ASK[name](records()) is True


@pytest.mark.parametrize("name", ASK)
def test_says_nothing_of_records_that_cannot_tell(name):
    assert ASK[name](records(["pico-7k-deduped"])) is None
    assert ASK[name](records().iloc[:0]) is None


def changed(metric, subset, model, step, value) -> pd.DataFrame:
    frame = records()
    at = (frame["metric"] == metric) & (frame["subset"] == subset)
    at &= (frame["model"] == model) & (frame["step"] == step)
    assert at.any()
    frame.loc[at, "value"] = value
    return frame


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("loss-falls-with-training", changed("loss", "all", "pico-7k", 1000, 4.9)),
        ("larger-models-end-lower", changed("loss", "all", "pico-57k", 1000, 3.5)),
        ("no-loss-below-the-entropy", changed("excess", "facts", "pico-7k", 128, -0.03)),
        (
            "echo-stays-farther-from-its-floor-than-facts",
            changed("excess", "facts", "pico-7k", 1000, 9.0),
        ),
    ],
)
def test_fails_of_records_that_show_the_contrary(name, frame):
    assert ASK[name](frame) is False


def test_half_trained_models_say_nothing_of_the_end():
    assert ASK["echo-stays-farther-from-its-floor-than-facts"](records(steps=(0, 128))) is None


def test_an_excess_without_its_error_is_not_compared():
    assert ASK["no-loss-below-the-entropy"](records().assign(stderr=None)) is None
