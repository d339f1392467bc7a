"""The scaling law and its forecasts, on made-up losses whose law is known."""

import numpy as np
import pandas as pd
import pytest

from pythia_utils.analysis.loss import figures, laws, published, surface
from pythia_utils.analysis.loss.forecast import forecast, hold_out, points
from pythia_utils.analysis.loss.surface import Surface
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import find_model

LAW = Surface(1.8, 30.0, 0.4, 400.0, 0.5)
NAMES = [f"pico-{size}{seed}" for size in ("7k", "14k", "57k", "224k") for seed in ("", "-seed1")]
STEPS = (32, 128, 256, 512, 1000)


def losses(law=LAW, names=NAMES, steps=STEPS, apart=0.0, seed=0) -> pd.DataFrame:
    """Losses of a law; runs lie `apart` from it as a whole, and half as much at each step."""
    rng, rows = np.random.default_rng(seed), []
    for model in map(find_model, names):
        run = rng.normal(0, apart)
        for step in steps:
            tokens = step * model.tokens_per_step
            value = law.predict(model.non_embedding_params, tokens)
            value = float(value * np.exp(run + rng.normal(0, apart / 2)))
            n_params = model.non_embedding_params
            rows.append((model.name, model.variant, n_params, step, tokens, "all", value))
    columns = ["model", "variant", "n_params", "step", "tokens_seen", "subset", "value"]
    return pd.DataFrame(rows, columns=columns)


def fit(frame, floor=None):
    return surface.fit(frame["n_params"], frame["tokens_seen"], frame["value"], floor)


@pytest.mark.parametrize("floor", [None, 1.8])
def test_exact_losses_give_back_their_law(floor):
    found = fit(losses(), floor)
    assert vars(found) == pytest.approx(vars(LAW), rel=1e-3)


def test_a_law_without_a_floor_is_found_to_have_none():
    bare = Surface(0.0, 3.0, 0.05, 100.0, 0.4)
    frame = losses(bare)
    assert fit(frame).floor < 0.4  # of a least loss of 2
    assert vars(fit(frame, 0.0)) == pytest.approx(vars(bare), rel=1e-2)


def test_the_gradient_is_that_of_the_objective():
    frame = losses(apart=0.01)
    logs = np.log(frame[["n_params", "tokens_seen", "value"]].to_numpy(float)).T
    own = surface._Points(logs[0] - logs[0].mean(), logs[1] - logs[1].mean(), logs[2], None)
    theta = np.array([-0.7, 0.3, 0.2, 0.5, 0.6])
    step = 1e-6 * np.eye(5)
    slopes = [(own.objective(theta + h)[0] - own.objective(theta - h)[0]) / 2e-6 for h in step]
    assert own.objective(theta)[1] == pytest.approx(slopes, rel=1e-4)


def test_one_wild_point_moves_the_law_little():
    frame = losses()
    frame.loc[7, "value"] *= 1.5
    assert fit(frame).size_exponent == pytest.approx(LAW.size_exponent, abs=0.02)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (losses(names=NAMES[:2]), "two sizes"),
        (losses(steps=[512]), "two numbers of tokens"),
        (losses(names=NAMES[::4], steps=[512, 1000]), "5 points"),
        (losses().assign(value=0.0), "above zero"),
    ],
)
def test_too_little_for_a_law_is_refused(frame, message):
    with pytest.raises(UsageError, match=message):
        fit(frame)


def test_the_largest_size_and_the_last_quarter_are_held_out():
    fitted, held = hold_out(losses(steps=[512, 750, 751, 1000]))
    assert set(fitted["step"]) == {512, 750}
    assert "pico-224k" not in set(fitted["model"])
    assert len(fitted) + len(held) == len(NAMES) * 4
    assert set(held["step"][held["model"] == "pico-7k"]) == {751, 1000}


def test_points_are_those_of_standard_models_behind_the_warm_up():
    frame = losses(names=[*NAMES, "pico-7k-deduped"], steps=[1, 8, 16, 512])
    kept = points(frame)
    assert set(kept["step"]) == {16, 512}
    assert set(kept["model"]) == set(NAMES)


def test_synthetic_surfaces_and_held_out_runs_lie_in_their_intervals():
    """Of sixteen made-up suites of two seeds a size; 95% would be fifteen, and two seeds are few."""
    truth = pd.Series({"floor": 1.8, "size_exponent": 0.4, "token_exponent": 0.5})
    inside, covered = [], []
    for seed in range(16):
        found = forecast(losses(apart=0.004, seed=seed), draws=40)
        own = found.parameters.set_index("parameter")
        covered.append((own["low"] <= truth) & (truth <= own["high"]))
        inside.append(found.held["inside"].mean())
    assert np.mean(inside) > 0.8
    assert (pd.DataFrame(covered).mean() > 0.7).all()
    assert np.mean(covered) > 0.8


def test_a_forecast_fails_where_the_larger_size_follows_another_law():
    frame = losses(apart=0.004)
    larger = frame["n_params"] == frame["n_params"].max()
    frame.loc[larger, "value"] *= 1.2
    held = forecast(frame, draws=40).held
    assert not held["inside"][held["larger"]].any()
    assert held["inside"][~held["larger"]].mean() > 0.5


def test_the_forecast_of_exact_losses_is_exact():
    found = forecast(losses(), draws=3)
    assert found.held["forecast"].to_numpy() == pytest.approx(found.held["value"], rel=1e-4)
    assert found.held["high"].to_numpy() == pytest.approx(found.held["low"], rel=1e-3)


def test_one_seed_of_each_size_gives_no_interval():
    found = forecast(losses(names=NAMES[::2], apart=0.004))
    assert found.held["low"].isna().all()
    assert found.parameters[["low", "high"]].isna().all(axis=None)
    assert not found.held["inside"].any()


def test_seeds_may_have_fewer_steps():
    frame = losses(apart=0.004)
    few = frame["model"].str.endswith("seed1") & (frame["step"] == 256)
    found = forecast(frame[~few], draws=10)
    assert len(found.fitted) == 6 * 4 - 3
    assert found.held["low"].notna().all()


def test_a_line_without_a_floor_returns_a_tenth_of_the_true_exponent():
    line = laws.line_without_floor()
    assert round(line.exponent, 2) == 0.03
    assert laws.TRUE_EXPONENT == 0.30
    tokens = np.tile(np.geomspace(1e5, 1e6, 6), 2)
    sizes = np.repeat([1e4, 1e5], 6)
    found = surface.fit(sizes, tokens, 2 + 9 * tokens**-0.30 + 1 / sizes, floor=2)
    assert found.token_exponent == pytest.approx(0.30, abs=0.01)


def test_known_floors_are_loss_less_excess():
    frame = losses().assign(metric="loss", subset="echo")
    runs = pd.concat([frame, frame.assign(metric="excess", value=frame["value"] - 1.5)])
    assert laws.floors(runs) == pytest.approx({"echo": 1.5})


def test_domains_with_too_few_models_have_no_law():
    frame = losses(apart=0.004)
    echo = frame[frame["model"] == "pico-7k"].assign(subset="echo")
    found = laws.forecasts(pd.concat([frame, echo]), {"all": 1.8})
    assert list(found) == ["all"]
    assert found["all"].surface.floor == 1.8
    assert laws.without_floor(frame)["all"].surface.floor == 0


def test_the_published_law_is_of_published_curves_alone():
    found = published.curves_forecast()
    assert set(found.fitted["suite"]) == {"pythia"}
    assert set(found.held["model"][found.held["larger"]]) == {"pythia-1.4b-v0"}
    assert set(found.fitted["subset"]) == {"curve"}
    assert found.held["low"].isna().all()


@pytest.mark.parametrize("show_held", [False, True])
def test_held_out_points_are_drawn_only_where_they_are_shown(show_held):
    found = forecast(losses(apart=0.004), draws=3)
    (axes,) = figures.forecasts({"all": found}, show_held).axes
    drawn = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert sum(len(line.get_xdata()) for line in drawn) == show_held * len(found.held)
