"""The tables of what others published: whose they are, what they say, and how they are made again."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers.commands import ROOT

from pythia_utils.analysis import published_tables
from pythia_utils.base.errors import UsageError
from pythia_utils.suites.catalog import data_dir

REFERENCE = Path(os.environ.get("PYTHIA_REFERENCE", ROOT / "../shared/reference"))
SCRIPT = data_dir() / "published" / "make_tables.py"
NUMBERS = [name for name in published_tables.names() if name != "checkpoint_defects"]
NO_COMMIT = {"huggingface.co/datasets/EleutherAI/pythia-memorized-evals"}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_tables", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def archive() -> Path:
    path = REFERENCE / "published-pythia.tar.xz"
    if not path.is_file():
        pytest.skip(f"no archive of published numbers at {path}; set PYTHIA_REFERENCE")
    return path


def curve(name: str, **columns: object) -> pd.Series:
    """A table's values by step, of the rows whose columns have these values."""
    frame = published_tables.read(name)
    for column, value in columns.items():
        frame = frame[frame[column] == value]
    assert frame["step"].is_unique
    return frame.set_index("step")["value"].sort_index()


# ---- Whose they are


@pytest.mark.parametrize("name", published_tables.names())
def test_every_table_has_paper_repository_commit_and_licence(name):
    readme = (data_dir() / "published" / "README.md").read_text(encoding="utf-8")
    papers = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    assert f"| `{name}` |" in readme
    for each in published_tables.sources(name):
        assert f"{{{each.key}," in papers
        assert each.repository in readme
        assert each.licence in readme
        if re.fullmatch(r"[0-9a-f]{40}", each.commit):
            assert f"{each.repository}, `{each.commit}`" in readme
        else:
            assert each.repository in NO_COMMIT or each.commit.startswith("none (issues ")
        assert each.paper in published_tables.source(name)
        assert each.licence in published_tables.source(name)


@pytest.mark.parametrize("name", published_tables.names())
def test_the_file_cites_its_source(name):
    text = (data_dir() / "published" / f"{name}.csv").read_text(encoding="utf-8")
    title = published_tables.about(name)["title"]
    assert text.startswith(f"# Published: {title}.\n# {published_tables.source(name)}. ")


@pytest.mark.parametrize("name", NUMBERS)
def test_without_a_licence_there_are_aggregates_only(name):
    stated = all(each.licence != "none stated" for each in published_tables.sources(name))
    assert stated != ("aggregate" in published_tables.about(name))
    if not stated:
        frame = published_tables.read(name)
        assert len(frame) < 600
        assert not frame["subset"].str.contains(r"layer \d|L\d+H\d+|\| ").any()


def test_a_caption_names_a_paper_once():
    text = published_tables.source("memorization")
    assert text.count("Emergent and Predictable Memorization") == 1
    assert "pythia-memorized-evals, licence: MIT; EleutherAI/pythia at a19eecb" in text


def test_the_files_are_small_and_all_listed():
    folder = data_dir() / "published"
    sizes = {path.stem: path.stat().st_size for path in folder.glob("*.csv")}
    assert set(published_tables.names()) == set(sizes) - {"summary"}
    assert max(size for name, size in sizes.items() if name != "summary") <= 300_000
    assert sum(sizes.values()) <= 1_500_000


# ---- Reading


@pytest.mark.parametrize("name", NUMBERS)
def test_every_table_has_the_same_columns(name):
    frame = published_tables.read(name)
    assert list(frame)[:12] == list(published_tables.COLUMNS)
    assert list(frame)[12:] == ["suite", "version", "size", "n_params", "tokens_seen"]
    needed = ["model", "variant", "step", "metric", "subset", "value", "tokens_seen"]
    assert frame[needed].notna().all(axis=None)
    assert not frame.duplicated(list(published_tables.COLUMNS[:6])).any()
    ranged = frame[frame["low"].notna()]
    assert (ranged["low"] <= ranged["value"]).all()
    assert (ranged["value"] <= ranged["high"]).all()
    assert len(ranged) == 0 or "over" in published_tables.about(name)


@pytest.mark.parametrize("name", NUMBERS)
def test_rows_are_all_of_one_seed_or_none(name):
    seeded = published_tables.read(name)["seed"].notna()
    assert seeded.all() or not seeded.any()


def test_a_table_read_twice_is_not_shared():
    mine = published_tables.read("attention")
    mine["value"] = 0
    assert published_tables.read("attention")["value"].max() > 0.5


def test_models_versions_and_interventions_are_told_apart():
    first = published_tables.read("arithmetic").iloc[0]
    found = (first["model"], first["variant"], first["version"], first["size"])
    assert found == ("pythia-160m-deduped-v0", "deduped", "v0", "160m")
    variants = set(published_tables.read("winobias")["variant"])
    assert variants == {"deduped"} | {f"deduped-intervention-{n}pct" for n in (7, 21)}
    assert set(published_tables.read("ioi_circuit")["variant"]) == {"unknown"}


@pytest.mark.parametrize("function", ["read", "source", "sources", "about"])
def test_an_unknown_table_names_the_nearest(function):
    with pytest.raises(UsageError, match=r"unknown published table 'inducton'; nearest: induction"):
        getattr(published_tables, function)("inducton")


# ---- What they say


def test_grammar_of_160m_rises_and_falls():
    values = curve("blimp_seeds", seed=0)
    assert (values.idxmax(), round(values.max(), 3)) == (30_000, 0.8)
    assert values.iloc[-1] == pytest.approx(0.775, abs=5e-4)


def test_the_mean_over_seeds_is_that_of_the_seeds():
    seeds = published_tables.read("blimp_seeds").groupby("step")["value"]
    over = published_tables.read("blimp_over_seeds").query("subset == 'blimp'").set_index("step")
    assert over["value"].to_numpy() == pytest.approx(seeds.mean().to_numpy(), abs=1e-4)
    assert over["low"].to_numpy() == pytest.approx(seeds.min().to_numpy(), abs=1e-4)
    assert set(over["n_seeds"]) == {10}


def test_norms_rise_and_fall():
    values = curve("weight_norms", metric="l2_norm")
    assert values[0] == pytest.approx(22.3, abs=0.05)
    assert (values.idxmax(), values.max()) == (41_000, pytest.approx(57.5, abs=0.05))
    assert values[143_000] == pytest.approx(47.9, abs=0.05)


def test_ngrams_are_followed_one_after_the_other():
    peaks = published_tables.read("ngram_peaks")
    at = {n: own.groupby("size")["step"].agg(set) for n, own in peaks.groupby("subset")}
    larger = ["1b", "1.4b", "2.8b", "6.9b", "12b", "70m", "160m"]
    assert all(at["pile_1gram"][size] == {128} for size in larger)
    assert all(at["pile_1gram"][size] == {256} for size in ("14m", "31m", "410m"))
    assert all(at["pile_2gram"][size] == {512} for size in [*larger, "31m", "410m"])
    assert at["pile_2gram"]["14m"] == {1000}
    assert all(at["pile_3gram"][size] <= {1000, 2000} for size in [*larger, "410m"])


def test_peaks_are_those_of_the_seeds():
    peaks = published_tables.read("ngram_peaks").query("size == '410m' and subset == 'pile_1gram'")
    seeds = published_tables.read("ngram_seeds").query("subset == 'pile_1gram'")
    found = seeds.groupby("seed")["value"].max()
    assert peaks.set_index("seed")["value"].to_dict() == found.to_dict()


def test_two_seeds_of_410m_leave_the_others():
    late = published_tables.read("ngram_seeds").query("subset == 'pile_1gram' and step == 128_000")
    values = late.set_index("seed")["value"]
    apart = values[[3, 4]]
    assert apart.round(3).tolist() == [0.556, 0.657]
    assert values.drop([3, 4]).round(3).between(0.527, 0.538).all()
    states = published_tables.read("training_map").query("step == 143_000").set_index("seed")
    assert set(states.index[states["value"] != 4]) == {3, 4}


def test_only_large_models_multiply():
    values = {
        size: curve("arithmetic", size=size, subset="multiplication/16-shot")
        for size in ("160m", "12b")
    }
    assert values["12b"].iloc[[0, -1]].round(2).tolist() == [0.02, 0.45]
    assert values["160m"].max() <= 0.004
    tens = published_tables.read("arithmetic").query("size == '12b' and step == 143_000")
    tens = tens[tens["subset"].str.startswith("multiplication/16-shot/")]
    assert tens["value"].mean() == pytest.approx(values["12b"][143_000], abs=1e-4)


def test_induction_heads_come_between_two_steps():
    seeds = published_tables.read("induction_seeds").query("size in ('70m', '160m')")
    at = seeds.groupby("step")["value"]
    assert set(seeds.groupby("size")["seed"].nunique()) == {9}
    assert at.max()[512] < 0.06
    assert at.min()[1000] > 0.92


def test_losses_are_in_nats():
    final = curve("loss_curves", subset="final model", size="6.9b")
    assert final.tolist() == [pytest.approx(2.692 * 0.6931, abs=1e-3)]


# ---- Defects


def test_steps_0_and_1_are_equal_and_step_2_is_not():
    """As the errata have it; one report says that step 2 is equal, too."""
    frame = published_tables.read("ngram_correlation").pivot_table(
        index=["model", "subset"], columns="step", values="value"
    )
    assert (frame[0] == frame[1]).all()
    assert (frame[0] != frame[2]).groupby("model").any().all()


# ---- Making them


def test_the_script_makes_the_shipped_tables_byte_for_byte(archive, tmp_path):
    command = [sys.executable, str(SCRIPT), str(archive), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name in published_tables.names():
        shipped = data_dir() / "published" / f"{name}.csv"
        assert (tmp_path / shipped.name).read_bytes() == shipped.read_bytes(), name
    assert len(list(tmp_path.iterdir())) == len(published_tables.names())


def test_the_script_makes_each_listed_table_of_files_that_it_names(script):
    assert set(script.TABLES) == set(published_tables.names())
    listed = yaml.safe_load((data_dir() / "published" / "sources.yml").read_text())
    assert all(each["archive"] for each in listed["tables"].values())
    used = {source for each in listed["tables"].values() for source in each["sources"]}
    assert used == set(listed["sources"])


def rows(**changes: object) -> pd.DataFrame:
    """Two sound rows, the second with changes."""
    row = {"model": "pythia-70m", "variant": "v0-deduped", "seed": float("nan"), "step": 13000}
    row |= {"metric": "m", "subset": "s", "value": 0.5, "stderr": None, "n": 5, "source": "x"}
    return pd.DataFrame([row | {"step": 143000}, row | changes])


def test_sound_rows_get_the_packages_names(script):
    found = script.checked("f.csv", rows(variant="v0-deduped-intervention-7pct"))
    assert found["model"].tolist() == ["pythia-70m-deduped-v0"] * 2
    assert found["variant"].fillna("").tolist() == ["", "deduped-intervention-7pct"]
    seeds = script.checked("f.csv", rows(seed=9, variant="standard", step=512))
    assert seeds["model"].tolist() == ["pythia-70m-deduped-v0", "pythia-70m"]


def test_steps_of_4m_tokens_are_doubled_where_the_source_counts_them(script):
    own = rows(model="pythia-1.4b", step=1500)
    assert script.checked("pythia_crows_pairs.csv", own)["step"].tolist() == [143000, 3000]
    with pytest.raises(UsageError, match=r"unknown step 1500 of pythia-1\.4b-deduped-v0"):
        script.checked("f.csv", own)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": float("nan")}, "f.csv: pythia-70m v0-deduped nan 13000.0 m s has no value"),
        ({"value": float("inf")}, "f.csv: .* has no value"),
        ({"step": 143000}, "f.csv: pythia-70m v0-deduped nan 143000.0 m s stands there twice"),
        ({"model": "pythia-71m"}, r"f.csv: unknown model 'pythia-71m-deduped-v0'.*; nearest: "),
        ({"variant": "deduplicated"}, "f.csv: unknown model 'pythia-70m-deduplicated'"),
        ({"step": 13001}, "f.csv: unknown step 13001 of pythia-70m-deduped-v0"),
        ({"step": 2.5}, "f.csv: step 2.5 of pythia-70m-deduped-v0 is not a whole number"),
        ({"step": "main"}, "f.csv: .* main m s: step is no number"),
        ({"step": None}, "f.csv: step nan of pythia-70m-deduped-v0 is not a whole number"),
        ({"seed": 12, "variant": "standard"}, "f.csv: unknown model 'pythia-70m-seed12'"),
    ],
)
def test_a_row_that_is_no_number_of_a_known_checkpoint_is_refused(script, changes, message):
    with pytest.raises(UsageError, match=message):
        script.checked("f.csv", rows(**changes))


def test_a_missing_column_is_refused(script):
    with pytest.raises(UsageError, match=r"f\.csv: no column metric, n"):
        script.checked("f.csv", rows().drop(columns=["metric", "n"]))


def test_a_file_that_is_no_archive_is_told_in_one_line(script, tmp_path, capsys):
    wrong = tmp_path / "wrong.tar.xz"
    wrong.write_text("no archive")
    assert script.main([str(wrong), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {wrong} cannot be read as an archive")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_archive_that_lacks_a_file_is_told_in_one_line(script, tmp_path, capsys):
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("README.md")
        archive.addfile(info, io.BytesIO(b""))
    assert script.main([str(path)]) == 2
    assert re.fullmatch(r"Error: the archive holds no \w+\.csv\n", capsys.readouterr().err)


def test_a_report_that_nothing_is_said_about_is_refused(script):
    frame = pd.DataFrame({"source": ["EleutherAI/pythia issue #999"]})
    with pytest.raises(UsageError, match="nothing is said about #999"):
        script.checkpoint_defects({"checkpoint_defects": frame})


def test_a_paradigm_that_is_not_blimps_is_refused(script):
    frame = pd.DataFrame({"subset": ["ALL", "causativ"]})
    with pytest.raises(UsageError, match=r"not BLiMP's paradigms: .*causativ"):
        script.blimp_over_seeds({"blimp_160m_seeds": frame})
