"""The suite's published evaluations: which file is which checkpoint, and that the means are right."""

from __future__ import annotations

import functools
import http.server
import io
import json
import os
import tarfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.commands import ROOT, pythia

from pythia_utils.analysis.published import figures
from pythia_utils.analysis.published import files as published_files
from pythia_utils.analysis.published.comparisons import (
    accuracies,
    distance_range,
    distances,
    falls,
    size_effect,
    variant_distances,
    variant_effect,
    version_distances,
)
from pythia_utils.analysis.published.evaluations import read
from pythia_utils.analysis.published.files import contents_digest, result_files
from pythia_utils.analysis.published.summary import (
    blimp,
    summarise,
    summary,
    summary_path,
    summary_text,
)
from pythia_utils.base.errors import UsageError
from pythia_utils.base.http import FetchError
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.grid.records import COLUMNS

ARCHIVE = Path(os.environ.get("PYTHIA_REFERENCE", "../shared/reference")) / "pythia-evals.tar.xz"


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
    with pytest.raises(UsageError, match=expected) as caught:
        read(folder)
    assert "70m_step2.json" in str(caught.value)


def test_a_name_that_contradicts_its_configurations_step_is_refused(tmp_path):
    name = "pythia-v1/pythia-70m/zero-shot/70m_step2.json"
    with pytest.raises(UsageError, match=r"made at step 4 .*, not 2"):
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


@contextmanager
def web(folder: Path):
    """Serve a folder at 127.0.0.1; yields the address and the paths asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A web server in the public repository's stead: its folder, and what was asked for."""
    monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
    folder = tmp_path / "web"
    folder.mkdir()
    expected = contents_digest({name: json.dumps(each).encode() for name, each in FILES.items()})
    monkeypatch.setattr(published_files, "CONTENTS", expected)
    with web(folder) as (url, asked):
        monkeypatch.setattr(published_files, "URL", f"{url}/tar.gz/commit")
        (folder / "tar.gz").mkdir()
        yield folder / "tar.gz" / "commit", asked


def test_a_folder_and_its_archives_have_the_same_files(tmp_path):
    folder = folder_of(tmp_path, FILES)
    (tmp_path / "a.tar.gz").write_bytes(packed(FILES))
    assert result_files(folder) == result_files(tmp_path / "a.tar.gz")
    assert contents_digest(result_files(folder)) != contents_digest({"x": b""})


def test_the_repository_is_downloaded_once(repository):
    archive, asked = repository
    archive.write_bytes(packed(FILES))
    assert read().digest == published_files.CONTENTS
    assert read().records["value"].tolist() == [0.3]
    assert len(asked) == 1


def test_however_it_is_packed_its_contents_count(repository):
    archive, _ = repository
    archive.write_bytes(packed(FILES, top="another-name"))
    assert read().digest == published_files.CONTENTS


def test_other_contents_are_not_taken_for_the_commits(repository):
    archive, _ = repository
    name = next(iter(FILES))
    archive.write_bytes(packed({name: v1(2, 0, results(301))}))
    with pytest.raises(FetchError, match="does not hold the files of commit a19eecb"):
        read()


def test_an_archive_cut_short_is_not_kept(repository):
    archive, _ = repository
    archive.write_bytes(packed(FILES)[:150])
    with pytest.raises(FetchError, match="is not a whole archive"):
        read()
    archive.write_bytes(packed(FILES))
    assert len(read().records) == 1


def test_a_missing_archive_is_told_in_one_line(repository):
    with pytest.raises(FetchError, match="could not be fetched: 404") as caught:
        read()
    assert "\n" not in str(caught.value)


def test_a_place_without_results_is_told(tmp_path):
    (tmp_path / "evals").mkdir()
    with pytest.raises(UsageError, match="no result files"):
        read(tmp_path)
    with pytest.raises(UsageError, match="there is no file or folder"):
        read(tmp_path / "nowhere")
    folder_of(tmp_path, {"pythia-v0/winobias/19M/eval_results_1.json": {}})
    with pytest.raises(UsageError, match=r"none of 1 files in .* evaluates a model of the suite"):
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


def test_the_shipped_means_of_blimp_hang_together():
    """Fields and phenomena are two ways to split the same 67 paradigms: both must give the mean."""
    whole = summary("blimp").set_index(["model", "step"])["value"]
    for level, index in (("phenomenon", 0), ("field", 1)):
        groups = [labels[index] for labels in blimp_paradigms().values()]
        weights = pd.Series(groups).value_counts()
        frame = blimp(level)
        assert set(frame["subset"]) == set(weights.index)
        frame = frame.assign(part=frame["value"] * frame["subset"].map(weights) / 67)
        mean = frame.groupby(["model", "step"])["part"].sum()
        pd.testing.assert_series_equal(mean, whole.sort_index(), check_names=False, atol=2e-5)


@pytest.mark.parametrize(
    ("subset", "version", "expected"),
    [
        ("blimp", "v0", {"70m": 0.753, "160m": 0.780, "410m": 0.818, "12b": 0.831}),
        ("blimp", "v0", {"70m-deduped": 0.721, "1b-deduped": 0.806, "12b-deduped": 0.835}),
        ("lambada_openai", "v1", {"70m": 0.185, "160m": 0.328, "410m": 0.516, "1b": 0.562}),
        ("lambada_openai", "v1", {"1.4b": 0.616, "2.8b": 0.647, "6.9b": 0.673, "12b": 0.705}),
    ],
)
def test_final_figures_are_the_known_ones(subset, version, expected):
    frame = summary(subset, shots=0, version=version)
    final = frame[(frame["step"] == 143000) & (frame["metric"] == "accuracy")]
    values = final.set_index("model")["value"]
    ending = "-v0" if version == "v0" else ""
    got = {name: round(values[f"pythia-{name}{ending}"], 3) for name in expected}
    assert got == expected


def test_the_shipped_file_cites_its_source_and_is_small():
    text = summary_path().read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    for word in (published_files.REPOSITORY, published_files.COMMIT, "Apache-2.0", "2304.01373"):
        assert word in head
    assert published_files.CONTENTS in head
    assert len(text) < 1.1e6


def test_an_unknown_measure_is_told():
    with pytest.raises(UsageError, match="nearest: lambada_openai"):
        summary("lambada")
    with pytest.raises(UsageError, match="unknown level"):
        blimp("paradigm")


# ---- Distances and effects


def made_up(variant: str, values, items: int, step: int = 1000) -> pd.DataFrame:
    """A size's accuracies on as many tasks as there are values, each of `items` items."""
    p = np.asarray(values, dtype=float)
    common = {"model": f"pythia-70m{'-deduped' * (variant == 'deduped')}", "variant": variant}
    common |= {"size": "70m", "n_params": 18_915_328, "step": step}
    tasks = [f"task{number}" for number in range(len(p))]
    stderr = np.sqrt(p * (1 - p) / (items - 1))
    names = {"subset": tasks, "task": tasks}
    return pd.DataFrame(names | {"value": p, "stderr": stderr}).assign(**common)


def test_a_model_has_no_distance_from_itself():
    frame = made_up("standard", [0.2, 0.5, 0.0], 100)
    (row,) = distances(frame, frame).to_dict("records")
    assert (row["distance"], row["tasks"]) == (0, 3)


def test_the_distance_against_its_definition():
    one, other = (made_up("standard", values, 401) for values in ([0.5, 0.5], [0.6, 0.5]))
    expected = 0.1 / np.sqrt((0.25 + 0.24) / 400) / np.sqrt(2)
    assert distances(one, other)["distance"].tolist() == pytest.approx([expected])


def test_equally_good_models_lie_in_the_expected_range_19_times_in_20():
    """2,000 simulated pairs that answer 9 tasks of 1,000 items independently."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.3, 0.9, 9)
    drawn = rng.binomial(1000, truth, (2, 2000, 9)) / 1000
    pairs = [made_up("standard", rows.ravel(), 1000) for rows in drawn]
    for frame in pairs:
        frame["step"] = np.repeat(np.arange(2000), 9)
        frame["subset"] = np.tile([f"task{number}" for number in range(9)], 2000)
    found = distances(*pairs)["distance"]
    low, high = distance_range(9)
    assert found.between(low, high).mean() == pytest.approx(0.95, abs=0.02)
    assert (found < low).mean() == pytest.approx(0.025, abs=0.012)


def test_the_two_2_8b_of_v1_are_one_model_until_step_43000_and_no_other_size_is():
    """Steps 3000 to 43000 were run twice, with other batches, so they agree to noise, not to digits."""
    table = variant_distances("v1")
    assert (table["tasks"] == 9).all()
    odd = table[table["size"] == "2.8b"].set_index("step")["distance"]
    assert odd.loc[:43000].max() < 0.1
    assert 0.2 < odd.loc[53000:].min() < odd.loc[53000:].max() < distance_range(9)[0]
    assert table[table["size"] != "2.8b"]["distance"].min() > odd.max()


def test_the_effect_of_a_variant_is_a_mean_over_sizes():
    """Against a simulation's truth: a difference of .02 in every size, and its error."""
    frames = []
    for size, base in (("70m", 0.4), ("160m", 0.5), ("410m", 0.6)):
        for variant, gain in (("standard", 0.0), ("deduped", 0.02)):
            frames.append(made_up(variant, [base + gain], 1001).assign(size=size))
    (row,) = variant_effect(pd.concat(frames)).to_dict("records")
    variances = [p * (1 - p) / 1000 for b in (0.4, 0.5, 0.6) for p in (b, b + 0.02)]
    assert row["value"] == pytest.approx(0.02)
    assert row["stderr"] == pytest.approx(np.sqrt(sum(variances)) / 3)
    assert (row["sizes"], row["low"] < 0.02 < row["high"]) == (3, True)


def test_a_model_that_ends_clearly_below_its_best_is_named():
    """4,000 models that stay equal are named rarely; one that loses 5 errors is named."""
    rng = np.random.default_rng(1)
    drawn = rng.binomial(1000, 0.5, (4000, 15)) / 1000
    frame = made_up("standard", drawn.ravel(), 1000)
    frame["model"], frame["step"] = np.repeat(np.arange(4000), 15), np.tile(np.arange(15), 4000)
    assert len(falls(frame)) < 0.08 * 4000
    steady = made_up("standard", [0.5, 0.5, 0.5], 1000).assign(step=[0, 1, 2])
    fallen = steady.assign(value=[0.5, 0.63, 0.5])
    assert falls(steady).empty
    (row,) = falls(fallen).to_dict("records")
    assert (row["model"], row["step"], row["fall"]) == ("pythia-70m", 1, pytest.approx(0.13))


def test_the_smallest_models_of_v1_end_below_their_best_on_lambada():
    frame = accuracies("v1")
    frame = frame[(frame["subset"] == "lambada_openai") & (frame["variant"] == "standard")]
    assert set(falls(frame)["model"]) == {"pythia-70m", "pythia-160m"}


def test_the_effect_of_size_is_largest_minus_smallest():
    frame = pd.concat(
        made_up("standard", [p, 0.5], 101).assign(n_params=n) for p, n in ((0.8, 30), (0.2, 10))
    )
    first, second = size_effect(frame).to_dict("records")
    assert (first["task"], first["value"]) == ("task0", pytest.approx(0.6))
    assert first["stderr"] == pytest.approx(np.sqrt(2 * 0.16 / 100))
    assert second["low"] < 0 < second["high"]


def test_versions_are_compared_where_batches_were_equal():
    table = version_distances(143000)
    assert set(table["size"]) == {"70m", "1b", "2.8b", "6.9b", "12b"}
    assert len(table) == 10
    assert table[table["size"] == "70m"]["distance"].min() > distance_range(9)[1]


# ---- Figures


def test_curves_are_coloured_by_size_and_dotted_where_deduped():
    frame = summary("blimp", version="v0")
    figure = figures.trajectories(frame, "accuracy", reference=0.5)
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert len(lines) == 16
    assert {line.get_linestyle() for line in lines} == {"-", ":"}
    assert len({line.get_color() for line in lines}) == 8
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    sizes = ["70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b"]
    assert labels == [*sizes, "standard", "deduped"]


def test_a_panel_each_and_its_own_chance():
    frame = blimp("field")
    figure = figures.trajectories(
        frame, "accuracy", panels="subset", reference={"syntax": 0.5}, early=True
    )
    titles = {axes.get_title(): axes for axes in figure.axes if axes.get_visible()}
    assert set(titles) == set(frame["subset"])
    flat = {
        name: sum(len(set(line.get_ydata())) == 1 for line in axes.lines)
        for name, axes in titles.items()
    }
    assert flat["syntax"] == 1
    assert sum(flat.values()) == 1


# ---- The real files


@pytest.fixture(scope="module")
def real():
    if not ARCHIVE.exists():
        pytest.skip(f"no reference data at {ARCHIVE}")
    return read(ARCHIVE)


def test_the_shipped_summary_is_what_the_real_files_give(real):
    assert real.digest == published_files.CONTENTS
    table = pd.read_csv(
        io.StringIO(summary_text(summarise(real.records), real.digest)), comment="#"
    )
    shipped = pd.read_csv(summary_path(), comment="#")
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


def test_the_command_tells_oddities_and_writes_records(tmp_path):
    folder = folder_of(tmp_path, FILES | {"pythia-v0/winobias/19M/eval.json": {}})
    told = pythia("published", "--from", str(folder))
    assert told.returncode == 0
    assert "1 records of 1 evaluations of 1 models" in told.stdout
    assert "case studies" in told.stdout
    for name in ("all.csv", "all.parquet"):
        done = pythia("published", "--from", str(folder), "--output", str(tmp_path / name))
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / name))
    frame = pd.read_parquet(tmp_path / "all.parquet")
    assert frame["value"].tolist() == pd.read_csv(tmp_path / "all.csv")["value"].tolist() == [0.3]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--summary"], "--summary needs --output"),
        (["--output", "x.txt"], "expected a name that ends in .csv or .parquet"),
        (["--output", "no/such/x.csv"], "there is no folder"),
        (["--from", "no/such"], "there is no file or folder no/such"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(arguments, expected):
    done = pythia("published", *arguments, cwd=ROOT)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
