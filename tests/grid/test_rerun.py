"""The command that a page prints, read by the command line itself: it runs that very cell."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from helpers.commands import ROOT

from pythia_utils.cli.grid import cells_asked, run_command
from pythia_utils.grid.cells import Cell
from pythia_utils.grid.config import load_config
from pythia_utils.grid.expand import expand
from pythia_utils.grid.rerun import Rerun, rerun
from pythia_utils.grid.selection import models_of
from pythia_utils.suites.catalog import find_model

CONFIG = load_config(ROOT)
GIVEN = (
    {"pairs": 400},
    {"pairs_from": "blimp", "pairs": 7},
    {"pairs_from": 'it\'s "mine" `$(x)`; two\nlines.jsonl'},
    {"pairs_from": "0200", "hardest": 0},
)


def again(cell: Cell, config=CONFIG) -> Rerun:
    suite, model, step = cell.checkpoint_name
    name = cell.id.rsplit("/", 1)[-1]
    experiment = config.experiment(cell.experiment)
    return rerun(config, experiment, find_model(model, suite), step, name, cell.parameters)


def asked(command: str) -> Cell:
    """The one cell that a command line would run, by the command's own parser and planner."""
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("pythia", "run")
    given = run_command.make_context("run", arguments).params
    names = ("names", "profile", "suite", "models", "steps", "parameter", "strict")
    (cell,) = cells_asked(*(given[name] for name in names))[1]
    return cell


@pytest.fixture(autouse=True)
def _the_book(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("pythia_utils.cli.grid.load_config", lambda root: CONFIG)  # read once


def last_of(profile: str, name: str) -> Cell:
    """An experiment's cell of a profile's last model at its last step."""
    grid = CONFIG.grid(CONFIG.experiments[name], profile)
    model = models_of(grid["models"], grid["suite"])[-1]
    step = model.steps[-1] if grid["steps"] == "all" else grid["steps"][-1]
    (cell,) = expand(CONFIG, [name], models=[model.name], steps=[step], profile=profile)
    return cell


@pytest.mark.parametrize("profile", CONFIG.profiles)
def test_each_profiles_cells_are_run_again_by_their_command(profile):
    for name in CONFIG.experiments_of(profile):
        cell = last_of(profile, name)
        told = again(cell)
        assert told.is_exact, cell.id
        assert told.explicit == {}
        found = asked(told.command)
        assert (found, found.parameters) == (cell, cell.parameters)


def test_the_usual_profile_is_not_said_and_another_only_where_it_matters():
    small, full = (again(last_of(name, "grammar")).command for name in ("quick", "full"))
    assert small == "pythia run grammar --model pico-224k --steps 1000"
    assert "--profile" not in full
    assert again(last_of("full", "memorization")).command.endswith(" --profile full")


@pytest.mark.parametrize("given", GIVEN)
def test_parameters_of_one_run_are_given_again_whatever_they_hold(given):
    where = {"models": ["pico-57k"], "steps": [512], "parameters": given}
    (cell,) = expand(CONFIG, ["grammar"], **where)
    told = again(cell)
    assert (told.is_exact, told.explicit) == (True, given)
    found = asked(told.command)
    assert (found, found.parameters) == (cell, cell.parameters)


def test_the_fingerprint_is_the_same(home):
    for cell in expand(CONFIG, ["grammar", "loss"], profile="tiny"):
        assert asked(again(cell).command).parts() == cell.parts()


def test_what_experiments_yml_does_not_say_any_more_is_told():
    (cell,) = expand(CONFIG, ["grammar"], models=["pico-57k"], steps=[512])
    changed = replace(CONFIG.experiments["grammar"], parameters={"pairs": 300})
    config = replace(CONFIG, experiments=CONFIG.experiments | {"grammar": changed})
    told = again(cell, config)
    assert not told.is_exact
    assert told.command == "pythia run grammar --model pico-57k --steps 512 --profile tiny"
