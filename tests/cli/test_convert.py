"""`pythia convert`, as a user calls it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from helpers import neox_files
from helpers.bad_inputs import ending
from helpers.commands import pythia
from helpers.hub_server import checkpoint_files
from helpers.neox_files import Shape
from safetensors.torch import load_file


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """A checkpoint of GPT-NeoX in two parts, and one of transformers."""
    folder = tmp_path_factory.mktemp("checkpoints")
    shape = Shape()
    parts = neox_files.random_parts(shape, 2, torch.float16)
    neox_files.save(folder / "global_step512", parts, neox_files.settings(shape, 2))
    (folder / "hf").mkdir()
    for name, content in checkpoint_files().items():
        (folder / "hf" / name).write_bytes(content)
    (folder / "global_step1").mkdir()
    (folder / "global_step1" / "mp_rank_00_model_states.pt").touch()
    return folder


def test_there_and_back_by_the_command(checkpoints, tmp_path):
    there = pythia("convert", "global_step512", str(tmp_path / "hf"), cwd=checkpoints)
    assert (there.returncode, there.stdout) == (0, f"{tmp_path / 'hf'}\n")
    assert "global_step512: 2 layers in 2 parts, float16, " in there.stderr
    again = tmp_path / "global_step512"
    for source, target, *more in (
        (tmp_path / "hf", again, "--parts", "2"),
        (again, tmp_path / "hf2"),
    ):
        assert ending(["convert", str(source), str(target), "--quiet", *more]) == (
            0,
            f"{target}\n",
            "",
        )
    first, second = (load_file(tmp_path / n / "model.safetensors") for n in ("hf", "hf2"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_of_parts_that_differ_the_mean_is_told(checkpoints, tmp_path):
    source = shutil.copytree(checkpoints / "global_step512", tmp_path / "step")
    file = source / "layer_05-model_01-model_states.pt"
    torch.save({name: tensor + 1 for name, tensor in torch.load(file).items()}, file)
    code, out, err = ending(["convert", str(source), str(tmp_path / "out")])
    assert (code, out) == (2, "")
    assert "differ by up to 1; are they of one checkpoint? --average takes the mean" in err
    code, _, err = ending(["convert", str(source), str(tmp_path / "out"), "--average"])
    assert code == 0
    assert "of 2 tensors that differ between parts the mean: gpt_neox.final_layer_norm" in err


MISTAKES = [
    (["no/such", "out"], "no/such is no checkpoint; expected layer_00-model_00-model_states.pt"),
    ([".", "out"], "holds several checkpoints; choose one, such as global_step512"),
    (["global_step1", "out"], "wrote all in one (pipe-parallel-size 0)"),
    (["global_step512", "out", "--parts", "2"], "--parts does not apply: global_step512 is of"),
    (["global_step512", "hf"], "hf is not empty; expected the name of a new folder"),
    (["global_step512", "out", "--config", "no.yml"], "no.yml: No such file"),
    (["global_step512", "out", "--tokenizer", "no.json"], "there is no file no.json"),
    (["hf", "out"], "GPT-NeoX opens folders named by their step; expected such as global_step0"),
    (["hf", "global_step9", "--parts", "3"], "3 parts cannot share 2 attention heads"),
    (["hf", "global_step9", "--parts", "0"], "--parts"),
    (
        ["hf", "global_step9", "--config", "c.yml"],
        "--config does not apply: hf is no checkpoint of",
    ),
    (["hf", "global_step9", "--average"], "--average does not apply"),
    (["hf"], "Missing argument 'TARGET'"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(checkpoints, monkeypatch, arguments, message):
    monkeypatch.chdir(checkpoints)
    before = sorted(checkpoints.rglob("*"))
    code, out, err = ending(["convert", "--quiet", *arguments])
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert message in err
    assert sorted(checkpoints.rglob("*")) == before


def test_help_shows_examples():
    done = pythia("convert", "-h")
    assert "Examples:\n    pythia convert checkpoints/global_step143000 my-model\n" in done.stdout
