"""The script that makes data/published/summary.csv: which file is which checkpoint, and the means."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import ROOT

from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.grid.records import COLUMNS

SCRIPT = ROOT / "data" / "published" / "make_summary.py"
ARCHIVE = Path(os.environ.get("PYTHIA_REFERENCE", "../shared/reference")) / "pythia-evals.tar.xz"


def _loaded():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


script = _loaded()
read, result_files, contents_digest = script.read, script.result_files, script.contents_digest
Unreadable, summarise, summary_text = script.Unreadable, script.summarise, script.summary_text


# ---- Files made here


def results(correct: int = 300, **others: tuple[int, int]) -> dict:
    """Results of LAMBADA, and of tasks given as (correct, items), with the harness's own errors."""
    tasks = {"lambada_openai": (correct, 1000)} | others
    shares = {task: (right / n, n) for task, (right, n) in tasks.items()}
    return {
        task: {"acc": p, "acc_stderr": float(np.sqrt(p * (1 - p) / (n - 1)))}
        for task, (p, n) in shares.items()
    }


def v0(step: int, shots: int, found: dict) -> dict:
    return {"results": found, "config": {"num_fewshot": shots, "model_args": {"iteration": step}}}


def v1(step: int, shots: int, found: dict, model: str = "70m") -> dict:
    arguments = f"use_accelerate=True,pretrained=EleutherAI/pythia-v1.1-{model},revision=step{step}"
    return {"results": found, "config": {"num_fewshot": shots, "model_args": arguments}}


def folder_of(root: Path, files: dict[str, dict]) -> Path:
    for name, content in files.items():
        path = root / "evals" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return root


def of_kind(found, kind: str) -> dict[str, int]:
    return {oddity.text: len(oddity.files) for oddity in found.oddities if oddity.kind == kind}


# ---- Which checkpoint


def test_a_file_becomes_records_of_its_checkpoint(tmp_path):
    name = "pythia-v1/pythia-70m-deduped/five-shot/70m-deduped-5shot_step3000.json"
    content = v1(3000, 5, results(300), "70m-deduped")
    content["results"]["lambada_openai"] |= {"ppl": 20.0, "ppl_stderr": 1.5}
    found = read(folder_of(tmp_path, {name: content}))
    assert list(found.records) == [*COLUMNS, "same_as"]
    accuracy, perplexity = found.records.to_dict("records")
    assert accuracy == {
        "suite": "pythia",
        "model": "pythia-70m-deduped",
        "variant": "deduped",
        "n_params": 18_915_328,
        "step": 3000,
        "tokens_seen": 3000 * 2_097_152,
        "experiment": "published-5shot",
        "measured_on": "published",
        "parameters": "",
        "metric": "accuracy",
        "subset": "lambada_openai",
        "value": 0.3,
        "stderr": pytest.approx(np.sqrt(0.3 * 0.7 / 999)),
        "n": 1000,
        "same_as": "",
    }
    assert (perplexity["metric"], perplexity["value"], perplexity["n"]) == (
        "perplexity",
        20.0,
        1000,
    )
    assert not found.oddities


@pytest.mark.parametrize(("size", "hub_step"), [("70m", 1500 * 2), ("160m", 3000)])
def test_v0_counts_optimiser_steps_also_where_a_step_has_4m_tokens(tmp_path, size, hub_step):
    own = 1500 if size == "160m" else 3000
    name = f"pythia-v0/pythia-{size}/zero-shot/pythia-{size}-0shot-global_step{own}_eval.json"
    found = read(folder_of(tmp_path, {name: v0(own, 0, results())}))
    (row,) = found.records.to_dict("records")
    assert (row["model"], row["step"]) == (f"pythia-{size}-v0", hub_step)
    assert row["tokens_seen"] == 3000 * 2_097_152
    assert bool(of_kind(found, "renumbered")) == (size == "160m")


def test_the_configuration_decides_about_shots_not_folder_or_name(tmp_path):
    files = {
        "pythia-v1/pythia-1b-bf16/zero-shot/1b-bf16-5shot_step512.json": v1(512, 0, results()),
        "pythia-v0/pythia-160m/five-shot/pythia-160m-5shot-global_step1500_e.json": v0(
            1500, 0, results()
        ),
    }
    found = read(folder_of(tmp_path, files))
    assert set(found.records["experiment"]) == {"published-0shot"}
    assert set(found.records["model"]) == {"pythia-1b", "pythia-160m-v0"}
    assert len(of_kind(found, "misnamed")) == 2


def test_of_two_evaluations_the_one_that_is_named_right_stays(tmp_path):
    right = "pythia-v0/pythia-160m/zero-shot/pythia-160m-0shot-global_step1500_e.json"
    wrong = "pythia-v0/pythia-160m/five-shot/pythia-160m-5shot-global_step1500_e.json"
    files = {wrong: v0(1500, 0, results(310)), right: v0(1500, 0, results(300))}
    found = read(folder_of(tmp_path, files))
    assert found.records["value"].tolist() == [0.3]
    (text,) = of_kind(found, "repeated")
    assert "0 give the same accuracies, the others differ by 0.010" in text


def test_files_of_other_models_and_case_studies_are_left_out(tmp_path):
    files = {
        "pythia-v0/winobias/19M/eval_results_1.json": {"results": []},
        "pythia-v1/pythia-70m-deduped/intervention/intervention-70m_step3000.json": {},
        "pythia-v1/pythia-160m-0.5MtokBS/160m-0.5MtokBS_step3000.json": {},
        "pythia-v1/pythia-70m/zero-shot/70m_step3000.json": v1(3000, 0, results()),
    }
    found = read(folder_of(tmp_path, files))
    assert set(found.records["model"]) == {"pythia-70m"}
    assert sorted(of_kind(found, "skipped").values()) == [1, 2]


def test_equal_results_are_marked_and_those_of_steps_0_and_1_expected(tmp_path):
    path = "pythia-v1/pythia-{0}/zero-shot/{0}_step{1}.json"
    files = {
        path.format(model, step): v1(step, 0, results(step), model)
        for model in ("70m", "70m-deduped")
        for step in (2, 4, 8)
    }
    files[path.format("70m", 0)] = files[path.format("70m", 1)] = v1(0, 0, results(1))
    files[path.format("70m", 1)] = v1(1, 0, results(1))
    files[path.format("70m", 4)] = v1(4, 0, results(99))
    found = read(folder_of(tmp_path, files))
    marks = found.records.set_index(["model", "step"])["same_as"].to_dict()
    assert marks == {
        ("pythia-70m", 0): "pythia-70m step1",
        ("pythia-70m", 1): "pythia-70m step0",
        ("pythia-70m", 2): "pythia-70m-deduped step2",
        ("pythia-70m", 4): "",
        ("pythia-70m", 8): "pythia-70m-deduped step8",
        ("pythia-70m-deduped", 2): "pythia-70m step2",
        ("pythia-70m-deduped", 4): "",
        ("pythia-70m-deduped", 8): "pythia-70m step8",
    }
    assert sorted(of_kind(found, "equal").values()) == [2, 4]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("{", "no result file"), ('{"results": {}}', "no result file"), ("[]", "no result file")],
)
def test_a_file_that_is_no_result_is_named(tmp_path, content, expected):
    folder = folder_of(tmp_path, {"pythia-v1/pythia-70m/zero-shot/70m_step2.json": {}})
    (folder / "evals/pythia-v1/pythia-70m/zero-shot/70m_step2.json").write_text(content)
    with pytest.raises(Unreadable, match=expected) as caught:
        read(folder)
    assert "70m_step2.json" in str(caught.value)


def test_a_name_that_contradicts_its_configurations_step_is_refused(tmp_path):
    name = "pythia-v1/pythia-70m/zero-shot/70m_step2.json"
    with pytest.raises(Unreadable, match=r"made at step 4 .*, not 2"):
        read(folder_of(tmp_path, {name: v1(4, 0, results())}))


# ---- Where files come from

FILES = {"pythia-v1/pythia-70m/zero-shot/70m_step2.json": v1(2, 0, results())}


def packed(files: dict[str, dict], top: str = "pythia-a19eecb") -> bytes:
    """A .tar.gz as GitHub makes it: one folder, and much that is no result."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        texts = {f"{top}/evals/{name}": json.dumps(each) for name, each in files.items()}
        for name, text in (texts | {f"{top}/README.md": "hello", f"{top}/a.json": "{}"}).items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_a_folder_and_its_archives_have_the_same_files(tmp_path):
    folder = folder_of(tmp_path, FILES)
    (tmp_path / "a.tar.gz").write_bytes(packed(FILES))
    assert result_files(folder) == result_files(tmp_path / "a.tar.gz")
    assert contents_digest(result_files(folder)) != contents_digest({"x": b""})


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """What the public repository's archive is taken to hold, and a file in its stead."""
    archive = tmp_path / "repository.tar.gz"
    contents = {name: json.dumps(each).encode() for name, each in FILES.items()}
    monkeypatch.setattr(script, "CONTENTS", contents_digest(contents))
    monkeypatch.setattr("pooch.retrieve", lambda url, **_: str(archive))
    return archive


def test_however_it_is_packed_the_repositorys_contents_count(downloaded):
    downloaded.write_bytes(packed(FILES, top="another-name"))
    assert read(script._downloaded()).digest == script.CONTENTS


def test_other_contents_are_not_taken_for_the_commits(downloaded):
    name = next(iter(FILES))
    downloaded.write_bytes(packed({name: v1(2, 0, results(301))}))
    with pytest.raises(Unreadable, match="does not hold the files of commit a19eecb"):
        script._downloaded()


def test_an_archive_cut_short_is_told(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(packed(FILES)[:150])
    with pytest.raises(Unreadable, match="is not a whole archive"):
        read(tmp_path / "a.tar.gz")


def test_a_place_without_results_is_told(tmp_path):
    (tmp_path / "evals").mkdir()
    with pytest.raises(Unreadable, match="no result files"):
        read(tmp_path)
    with pytest.raises(Unreadable, match="there is no file or folder"):
        read(tmp_path / "nowhere")
    folder_of(tmp_path, {"pythia-v0/winobias/19M/eval_results_1.json": {}})
    with pytest.raises(Unreadable, match=r"none of 1 files in .* evaluates a model of the suite"):
        read(tmp_path)


# ---- Means


def test_a_mean_weighs_paradigms_alike_and_its_error_is_that_of_new_items(tmp_path):
    """Against the definition: the error of a mean of k independent shares is sqrt(sum se²)/k."""
    rng = np.random.default_rng(0)
    right = {f"blimp_{name}": int(rng.integers(500, 1000)) for name in blimp_paradigms()}
    found = results(300, **{name: (count, 1000) for name, count in right.items()})
    name = "pythia-v0/pythia-70m/zero-shot/pythia-70m-0shot-global_step3000_e.json"
    table = summarise(read(folder_of(tmp_path, {name: v0(3000, 0, found)})).records)
    rows = table.set_index("subset")
    for group in ("blimp", "blimp/syntax", "blimp/binding"):
        own = [
            right[f"blimp_{paradigm}"] / 1000
            for paradigm, labels in blimp_paradigms().items()
            if group == "blimp" or group.removeprefix("blimp/") in labels
        ]
        errors = [p * (1 - p) / 999 for p in own]
        assert rows.loc[group, "value"] == pytest.approx(np.mean(own))
        assert rows.loc[group, "stderr"] == pytest.approx(np.sqrt(sum(errors)) / len(own))
        assert rows.loc[group, "n"] == 1000 * len(own)
    assert rows.loc["lambada_openai", "value"] == pytest.approx(0.3)


# ---- The real files


@pytest.fixture(scope="module")
def real():
    if not ARCHIVE.exists():
        pytest.skip(f"no reference data at {ARCHIVE}")
    return read(ARCHIVE)


def test_the_shipped_summary_is_what_the_real_files_give(real):
    assert real.digest == script.CONTENTS
    table = pd.read_csv(
        io.StringIO(summary_text(summarise(real.records), real.digest)), comment="#"
    )
    shipped = pd.read_csv(script.SUMMARY, comment="#")
    header = [line for line in script.SUMMARY.read_text("utf-8").splitlines() if line[0] == "#"]
    assert "\n".join(header) + "\n" == script._HEADER.format(digest=real.digest)
    # A mean that ends in a 5 may be rounded either way, by the order of a sum.
    pd.testing.assert_frame_equal(table, shipped, rtol=1e-3, atol=1.1e-5)
    assert np.isclose(table["value"], shipped["value"], rtol=2e-5, atol=1.1e-5).all()


def test_every_real_trajectory_is_whole(real):
    every_10000 = list(range(3000, 143001, 10000))
    early = [0, *(2**k for k in range(10)), 1000]
    steps = real.records.groupby(["model", "experiment"])["step"].unique()
    for (model, experiment), own in steps.items():
        first = early if experiment == "published-0shot" and not model.endswith("-v0") else []
        assert sorted(own) == first + every_10000, (model, experiment)
    five = {model for model, experiment in steps.index if experiment == "published-5shot"}
    zero = {model for model, experiment in steps.index if experiment == "published-0shot"}
    sizes = ("160m", "410m", "1.4b")
    assert zero - five == {f"pythia-{s}{v}-v0" for s in sizes for v in ("", "-deduped")}


def test_the_number_of_items_is_recovered_from_the_errors(real):
    sizes = real.records.drop_duplicates("subset").set_index("subset")["n"]
    known = {"lambada_openai": 5153, "arc_easy": 2376, "arc_challenge": 1172, "wsc": 104}
    known |= {"piqa": 1838, "winogrande": 1267, "sciq": 1000, "logiqa": 651}
    assert sizes[list(known)].to_dict() == known
    assert (sizes[sizes.index.str.startswith("blimp_")] == 1000).all()
    assert sizes[sizes.index.str.startswith("hendrycksTest-")].sum() == 14042  # of MMLU's test set


def test_the_known_equal_results_of_2_8b(real):
    """Beyond steps 0 and 1: zero-shot to step 1000, five-shot at 13000 to 43000, and no others."""
    rows = real.records[(real.records["same_as"] != "") & (real.records["step"] > 1)]
    found = rows[["model", "step", "experiment", "same_as"]].drop_duplicates()
    expected = {
        (f"pythia-2.8b{own}", step, experiment, f"pythia-2.8b{other} step{step}")
        for own, other in (("", "-deduped"), ("-deduped", ""))
        for experiment, steps in {
            "published-0shot": [*(2**k for k in range(1, 10)), 1000],
            "published-5shot": [13000, 23000, 33000, 43000],
        }.items()
        for step in steps
    }
    assert set(found.itertuples(index=False, name=None)) == expected


def test_ninety_files_called_five_shot_are_zero_shot(real):
    """Their configuration says so, and their accuracies: those of the zero-shot files, nearly all."""
    oddities = [o for o in real.oddities if o.kind == "misnamed" and " v0" in o.text]
    files = result_files(ARCHIVE)
    gaps = {}
    for name in (file for oddity in oddities for file in oddity.files):
        start = name.replace("five-shot", "zero-shot").replace("5shot", "0shot").split("_eval")[0]
        (twin,) = [other for other in files if other.startswith(f"{start}_eval")]
        own, other = (json.loads(files[each])["results"] for each in (name, twin))
        shared = [task for task in own if "acc" in own[task] and task in other]
        gaps[name] = np.mean([abs(own[t]["acc"] - other[t]["acc"]) for t in shared])
    assert len(gaps) == 90
    # Five examples in the prompt move an accuracy by .03 on average, where they are there.
    assert max(gaps.values()) < 0.003


# ---- The command


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tells_oddities_and_writes_both_tables(tmp_path):
    folder = folder_of(tmp_path, FILES | {"pythia-v0/winobias/19M/eval.json": {}})
    summary, tables = tmp_path / "summary.csv", [tmp_path / "all.csv", tmp_path / "all.parquet"]
    for path in tables:
        done = run(str(folder), "--output", str(summary), "--records", str(path))
        assert done.returncode == 0, done.stderr
    assert "1 records of 1 evaluations of 1 models" in done.stdout
    assert "case studies" in done.stdout
    assert pd.read_csv(summary, comment="#")["value"].tolist() == [0.3]
    assert pd.read_csv(tables[0])["value"].tolist() == [0.3]
    assert pd.read_parquet(tables[1])["value"].tolist() == [0.3]


def test_what_cannot_be_read_is_one_line_and_leaves_the_table(tmp_path):
    summary = tmp_path / "summary.csv"
    summary.write_text("as it was")
    done = run(str(tmp_path / "nowhere"), "--output", str(summary))
    assert done.returncode == 1
    assert "there is no file or folder" in done.stderr
    assert done.stderr.count("\n") == 1
    assert summary.read_text() == "as it was"
