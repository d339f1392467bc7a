"""Make this folder's compact tables from the archive of numbers that others published on Pythia.

    python data/published/make_tables.py published-pythia.tar.xz [FOLDER]

A table is a function below of the same name, from the archive's frames to one frame; `sources.yml` says
which files it reads and whose they are. README.md describes each. Run by hand; the tables are committed.
"""

from __future__ import annotations

import lzma
import math
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from pythia_utils.analysis import published_tables
from pythia_utils.base.errors import UsageError
from pythia_utils.base.files import atomic_write
from pythia_utils.evaluation.blimp import blimp_paradigms
from pythia_utils.suites.catalog import find_model

Archive = Mapping[str, pd.DataFrame]

_KEY = ["model", "variant", "seed", "step", "metric", "subset"]
_COLUMNS = [*_KEY, "value", "stderr", "n", "source"]
_NUMBERS = ("seed", "step", "value")
_DEFECTS = "checkpoint_defects"  # facts in words, not numbers
# Their v0 of 410m and 1.4b counts its own steps, of 4M tokens; the Hub and all else here, of 2M.
_OWN_STEPS = "pythia_crows_pairs"
_INTERVENTION = r"(?P<base>[a-z0-9-]*?)-?(?P<what>intervention-\d+pct)?"
_ORDERS = range(1, 6)
_DIGITS = {"memorization": 7}  # counts are exact; four digits are enough for all else
TABLES: dict[str, Callable[[Archive], pd.DataFrame]] = {}


def table(function: Callable[[Archive], pd.DataFrame]) -> Callable[[Archive], pd.DataFrame]:
    """Register a function as the maker of the table that bears its name."""
    TABLES[function.__name__] = function
    return function


# --- the archive ----------------------------------------------------------------------------------


def read_archive(path: Path) -> dict[str, pd.DataFrame]:
    """The frames that the tables are made of, checked, by file name without its ending.

    Models bear the package's names, and steps are the Hub's.

    Raises:
        UsageError: there is no such archive, or what it holds is not what the tables need.
    """
    wanted = {name for each in TABLES for name in published_tables.about(each)["archive"]}
    try:
        with tarfile.open(path) as archive:
            members = {Path(member.name).name: member for member in archive if member.isfile()}
            return {name: _frame(archive, members, name) for name in sorted(wanted)}
    except (OSError, EOFError, lzma.LZMAError, tarfile.TarError) as error:
        why = str(error).partition("\n")[0] or "it ends too soon"
        raise UsageError(f"{path} cannot be read as an archive: {why}") from None


def _frame(archive: tarfile.TarFile, members: Mapping, name: str) -> pd.DataFrame:
    file = f"{name}.csv"
    if file not in members:
        raise UsageError(f"the archive holds no {file}")
    try:
        frame = pd.read_csv(archive.extractfile(members[file]))
    except ValueError as error:
        raise UsageError(f"{file} is no table: {error}") from None
    return frame if name == _DEFECTS else checked(file, frame)


def checked(file: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame under the package's names; refused if a row is not a number of a known checkpoint.

    Raises:
        UsageError: a column is missing, a value is no finite number, a row occurs twice, or the suite
            has no such model, seed or step.
    """
    if missing := [column for column in _COLUMNS if column not in frame]:
        raise UsageError(f"{file}: no column {', '.join(missing)}")
    frame = frame.assign(**{column: _numbers(file, frame, column) for column in _NUMBERS})
    if (bad := ~frame["value"].abs().lt(math.inf)).any():
        raise UsageError(f"{file}: {_row(frame, bad)} has no value")
    if (twice := frame.duplicated(_KEY)).any():
        raise UsageError(f"{file}: {_row(frame, twice)} stands there twice")
    named = _renamed(file, frame)
    for model, seed, step in (
        named[["model", "seed", "step"]].drop_duplicates().itertuples(index=False)
    ):
        _check_known(file, model, seed, step)
    return named.astype({"step": "int64"})


def _numbers(file: str, frame: pd.DataFrame, column: str) -> pd.Series:
    found = pd.to_numeric(frame[column], errors="coerce").astype("float64")
    if (bad := found.isna() & frame[column].notna()).any():
        raise UsageError(f"{file}: {_row(frame, bad)}: {column} is no number")
    return found


def _row(frame: pd.DataFrame, chosen: pd.Series) -> str:
    return " ".join(str(frame.loc[chosen.idxmax(), column]) for column in _KEY)


def _renamed(file: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The package's names: `pythia-70m`, `v0-deduped` becomes `pythia-70m-deduped-v0`."""
    parts = frame["variant"].str.extract(f"^{_INTERVENTION}$")
    named = frame.assign(
        model=[
            f"{m}{_ending(base)}" for m, base in zip(frame["model"], parts["base"], strict=True)
        ],
        variant=("deduped-" + parts["what"]).where(
            parts["what"].notna(), frame["variant"].where(frame["variant"] == "unknown")
        ),
    )
    if file == f"{_OWN_STEPS}.csv":
        own = frame["model"].isin(["pythia-410m", "pythia-1.4b"])
        named.loc[own & named["model"].str.endswith("-v0"), "step"] *= 2
    return named


def _ending(variant: str) -> str:
    endings = {"standard": "", "unknown": "", "deduped": "-deduped"}
    endings |= {"v0": "-v0", "v0-deduped": "-deduped-v0"}
    return endings.get(variant, f"-{variant}")  # an unknown one makes an unknown model


def _check_known(file: str, model: str, seed: float, step: float) -> None:
    name = f"{model}-seed{seed:.0f}" if seed > 0 else model  # seed 0 is the one without a suffix
    try:
        find_model(name, suite="pythia").checkpoint(int(step) if step.is_integer() else step)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from None


# --- what several tables do -----------------------------------------------------------------------


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean, least and greatest over the seeds; of one seed alone no range."""
    groups = frame.groupby(["model", "step", "metric", "subset"], sort=False)["value"]
    found = groups.agg(value="mean", low="min", high="max", n_seeds="count").reset_index()
    alone = found["n_seeds"] == 1
    return found.assign(low=found["low"].mask(alone), high=found["high"].mask(alone))


def pick(frame: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """The rows whose columns have these values; a list names several."""
    for column, wanted in columns.items():
        frame = frame[frame[column].isin(wanted if isinstance(wanted, list) else [wanted])]
    return frame


def renamed(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """The rows that have one of these names in the column, under the new ones."""
    found = pick(frame, **{column: list(names)})
    return found.assign(**{column: found[column].map(names)})


def at_best(frame: pd.DataFrame, best: str) -> pd.DataFrame:
    """Of each model, step and metric the row of the least or greatest value (`idxmin`, `idxmax`)."""
    groups = frame.groupby(["model", "step", "metric"], sort=False)["value"]
    return frame.loc[getattr(groups, best)()]


def mean_of_layers(frame: pd.DataFrame) -> pd.DataFrame:
    """Of each model, step and metric the mean over layers."""
    groups = frame.groupby(["model", "step", "metric"], sort=False)["value"]
    return groups.agg(value="mean", n="count").reset_index().assign(subset="mean over layers")


def layer_of(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows with the number of the layer that their subset names as the value."""
    layers = frame["subset"].str.removeprefix("layer ").astype("float64")
    return frame.assign(metric=metric, value=layers)


# --- grammar, norms, n-grams ----------------------------------------------------------------------


@table
def blimp_seeds(archive: Archive) -> pd.DataFrame:
    """The mean over the 67 paradigms, of each seed."""
    return pick(archive["blimp_160m_seeds"], subset="ALL").assign(metric="accuracy", subset="blimp")


@table
def blimp_over_seeds(archive: Archive) -> pd.DataFrame:
    """Means over the paradigms of each field and phenomenon, as BLiMP's own files group them."""
    paradigms = archive["blimp_160m_seeds"].query("subset != 'ALL'").assign(metric="accuracy")
    labels = blimp_paradigms()
    if unlike := set(labels).symmetric_difference(paradigms["subset"]):
        raise UsageError(
            f"blimp_160m_seeds.csv: not BLiMP's paradigms: {', '.join(sorted(unlike))}"
        )
    of_phenomenon, of_field = ({p: names[i] for p, names in labels.items()} for i in (0, 1))
    groups = [paradigms.assign(subset="blimp")] + [
        paradigms.assign(subset="blimp/" + paradigms["subset"].map(group))
        for group in (of_field, of_phenomenon)
    ]
    by = ["model", "seed", "step", "metric", "subset"]
    means = pd.concat(groups).groupby(by, sort=False)["value"].mean().reset_index()
    return over_seeds(means)


@table
def weight_norms(archive: Archive) -> pd.DataFrame:
    """Mean over the weight matrices: sum of sizes, Euclidean norm and greatest singular value."""
    names = {"L1": "l1_norm", "L2": "l2_norm", "lambda_max": "lambda_max"}
    return over_seeds(renamed(archive["weight_metrics_160m_seeds"], "metric", names)).drop(
        columns="subset"
    )


def _pearson(archive: Archive, corpora: Mapping[str, str], orders: range = _ORDERS) -> pd.DataFrame:
    names = {f"{old}_{n}gram": f"{new}_{n}gram" for old, new in corpora.items() for n in orders}
    return renamed(pick(archive["ngram_correlation"], metric="pearson_r"), "subset", names)


@table
def ngram_correlation(archive: Archive) -> pd.DataFrame:
    """Over the seeds of each size, with the n-grams of the Pile and of OpenWebText."""
    return over_seeds(_pearson(archive, {"Pile": "pile", "OpenWebText": "openwebtext"}))


@table
def ngram_seeds(archive: Archive) -> pd.DataFrame:
    """Each seed of 410m, of which two leave the others."""
    return pick(_pearson(archive, {"Pile": "pile"}, range(1, 4)), model="pythia-410m")


@table
def ngram_peaks(archive: Archive) -> pd.DataFrame:
    """The greatest correlation of each model and seed; its step is the row's."""
    frame = _pearson(archive, {"Pile": "pile"})
    peaks = frame.loc[frame.groupby(["model", "seed", "subset"])["value"].idxmax()]
    return peaks.assign(metric="peak_pearson_r")


# --- tasks, memorization, loss --------------------------------------------------------------------


@table
def arithmetic(archive: Archive) -> pd.DataFrame:
    """All settings; and of the last step with 16 examples the tens of the first operand apart."""
    whole = archive["pythia_term_frequency_arithmetic"]
    whole = whole.assign(subset=whole["subset"].str.replace(" | ", "/"))
    operand = archive["pythia_term_frequency_arithmetic_by_operand"]
    parts = operand["subset"].str.extract(r"^(?P<task>\w+) \| 16-shot \| x1=(?P<x1>\d+)$")
    chosen = parts["task"].notna() & (operand["step"] == operand["step"].max())
    tens = parts["x1"][chosen].astype("int64") // 10 * 10
    subset = parts["task"][chosen] + "/16-shot/" + tens.map(lambda ten: f"{ten} to {ten + 9}")
    groups = operand[chosen].assign(subset=subset).groupby(["model", "step", "subset"], sort=False)
    by_tens = groups.agg(value=("value", "mean"), n=("n", "sum")).reset_index()
    return pd.concat([whole, by_tens]).assign(metric="accuracy")


@table
def inverse_scaling(archive: Archive) -> pd.DataFrame:
    """As published."""
    return archive["inverse_scaling_tasks"]


@table
def memorization(archive: Archive) -> pd.DataFrame:
    """Counts, and correlations between sizes and between steps; shares follow from counts."""
    names = {"n_memorized_sequences": "memorized_sequences"}
    names |= {
        name: name for name in ("memorized_indicator_pearson_r", "memorization_score_pearson_r")
    }
    frame = renamed(archive["memorization_counts_correlations"], "metric", names)
    counts = frame["metric"] == "memorized_sequences"
    return frame.assign(subset=frame["subset"].mask(counts))


@table
def loss_curves(archive: Archive) -> pd.DataFrame:
    """In nats a token, where the figure has bits."""
    names = {
        "read from curve": "curve",
        "final model, dot of the size-scaling panel": "final model",
        "read from power-law fit drawn over the curve": "fit over the curve",
    }
    frame = renamed(archive["pile_loss_v0_digitized"], "subset", names)
    return frame.assign(metric="loss", value=frame["value"] * math.log(2)).drop(columns="n")


# --- heads, layers, basins ------------------------------------------------------------------------


@table
def induction_seeds(archive: Archive) -> pd.DataFrame:
    """The best head's score, of each seed."""
    found = renamed(archive["induction_summary_seeds"], "subset", {"max over heads": "best head"})
    return found.drop(columns="n")


@table
def induction(archive: Archive) -> pd.DataFrame:
    """The best head, the number of heads above .3, and recall, over seeds."""
    frame = archive["induction_summary_seeds"].query("subset != 'mean over heads'")
    names = {
        "prefix_matching_score": "prefix_matching_score",
        "n_heads_prefix_matching_gt_0.3": "heads_above_.3",
        "assoc_recall_acc": "recall_accuracy",
    }
    frame = renamed(frame, "metric", names)
    best = frame["metric"] == "prefix_matching_score"
    return over_seeds(frame.assign(subset=best.map({True: "best head", False: "all"})))


@table
def attention(archive: Archive) -> pd.DataFrame:
    """The greatest and the mean over all heads, over seeds."""
    frame = pick(archive["attention_prevtoken_firsttoken_seeds"], subset="all layers")
    parts = frame["metric"].str.extract(
        r"^attn_(?P<to>1back|first_token)_(?P<which>max|mean)_head$"
    )
    to = parts["to"].map({"1back": "attention_to_previous", "first_token": "attention_to_first"})
    which = parts["which"].map({"max": "best head", "mean": "mean over heads"})
    return over_seeds(frame.assign(metric=to, subset=which))


@table
def layer_geometry(archive: Archive) -> pd.DataFrame:
    """Of each measure the mean over layers, the least value, and the layer that has it."""
    names = {"entropy_sentence_raw": "sentence_entropy", "infonce_raw": "infonce"}
    frame = renamed(archive["layer_geometry_wikitext"], "metric", names)
    least = at_best(frame, "idxmin")
    layers = layer_of(least, "").assign(metric=least["metric"] + "_layer")
    return pd.concat(
        [mean_of_layers(frame), least.assign(subset="least"), layers.assign(subset="least")]
    )


@table
def layer_quality(archive: Archive) -> pd.DataFrame:
    """The mean score of 32 tasks: of the best layer, which it is, and over layers."""
    frame = renamed(archive["mteb_by_layer"], "metric", {"mteb_mean_32_tasks": "mteb_score"})
    best = at_best(frame, "idxmax").drop(columns="n")
    parts = [mean_of_layers(frame), best, layer_of(best, "mteb_best_layer")]
    return pd.concat([parts[0], *(part.assign(subset="best layer") for part in parts[1:])])


@table
def basin_volume(archive: Archive) -> pd.DataFrame:
    """The mean of the volumes that 500 directions give, as a natural logarithm."""
    names = {"kl_neighborhood_logvolume_logmeanexp": "log_volume"}
    return renamed(archive["basin_volume_31m"], "metric", names).drop(columns="seed")


@table
def crows_pairs(archive: Archive) -> pd.DataFrame:
    """Of all sentences, and of those about gender."""
    names = {"crows_pairs_pct_stereotype": "pct_stereotype"}
    frame = renamed(archive["pythia_crows_pairs"], "metric", names)
    return renamed(frame, "subset", {"ALL": "all", "gender": "gender"})


@table
def winobias(archive: Archive) -> pd.DataFrame:
    """The difference alone: its parts depend much on the prompt."""
    names = {"winobias_gap_pro_minus_anti": "pro_minus_anti"}
    return renamed(archive["pythia_winobias"], "metric", names).drop(columns="subset")


@table
def ioi_circuit(archive: Archive) -> pd.DataFrame:
    """Mean and range over the checkpoints of each 10,000 steps; the step is the last of them."""
    frame = archive["ioi_circuit_size_410m"]
    groups = frame.groupby(["model", "variant", frame["step"] // 10_000], sort=False)
    found = groups.agg(
        value=("value", "mean"),
        low=("value", "min"),
        high=("value", "max"),
        n=("value", "count"),
        last=("step", "max"),
    )
    return (
        found.rename(columns={"last": "step"})
        .reset_index("step", drop=True)
        .reset_index()
        .assign(metric="circuit_edges")
    )


@table
def training_map(archive: Archive) -> pd.DataFrame:
    """The states; their score is of no named unit and is left out."""
    return pick(archive["polypythias_training_map"], metric="hmm_state").drop(columns="subset")


# --- wrong checkpoints ----------------------------------------------------------------------------

# How each report stands to the errata of `data/suites/pythia.yml`, by the issue that comes first.
ERRATA = {
    "#205": "listed",
    "#206": "listed",
    "#83": "listed as expected: the learning rate of the first step is 0. Step 2 measures otherwise, and two "
    "weight seeds have a report of their own",
    "#202": "listed",
    "#203": "listed: step 0 as wrong, since the run did not start there, and the later ones as expected",
    "#108": "not listed: uploaded again in June 2023, so today's weights are others",
    "#107": "not listed: missing until June 2023, and there since",
    "#94": "not listed: missing until April 2023, and there since",
    "#141": "not listed: the report names no steps; what is missing is told when it is fetched",
    "#195": "not listed: concerns checkpoints in GPT-NeoX's own format, not the Hub's weights",
}


@table
def checkpoint_defects(archive: Archive) -> pd.DataFrame:
    """As reported, and whether the suite's errata list it."""
    frame = archive[_DEFECTS]
    issues = frame["source"].str.extract(r"(#\d+)", expand=False)
    if unlike := sorted(set(issues.fillna("no issue")) - set(ERRATA)):
        raise UsageError(f"{_DEFECTS}.csv: nothing is said about {', '.join(unlike)}")
    return frame.assign(errata=issues.map(ERRATA))


# --- files ----------------------------------------------------------------------------------------


def table_text(name: str, frame: pd.DataFrame) -> str:
    """The file's text: a header that cites the source, then rows in the order of the models."""
    title = published_tables.about(name)["title"]
    header = f"# Published: {title}.\n# {published_tables.source(name)}. See README.md.\n"
    if "value" in frame:
        frame, same = _without_repeats(_ordered(frame, _DIGITS.get(name, 4)))
        header += f"{published_tables.EVERY_ROW}{same}\n" if same else ""
    return header + frame.to_csv(index=False, lineterminator="\n")


def _without_repeats(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The columns that vary, and the others as one line: `model=pythia-160m; n_seeds=10`."""
    columns = frame.columns.difference(["step", "value"], sort=False)
    same = [column for column in columns if frame[column].duplicated().iloc[1:].all()]
    line = "; ".join(f"{column}={frame[column].iloc[0]}" for column in same)
    return frame.drop(columns=same), line


def _ordered(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    """Columns and rows in their order, without blank columns; values as text of so many digits."""
    sizes = {name: find_model(name).non_embedding_params for name in frame["model"].unique()}
    table = frame.reindex(columns=list(published_tables.COLUMNS)).assign(
        size=frame["model"].map(sizes)
    )
    order = ["size", "model", "variant", "seed", "metric", "subset", "step"]
    table = table.sort_values(order, kind="stable", na_position="first").drop(columns="size")
    table = table.dropna(axis="columns", how="all")
    whole = {column: "Int64" for column in ("seed", "n_seeds", "n") if column in table}
    places = {"value": digits, "low": digits, "high": digits, "stderr": 2}
    texts = {c: table[c].map(_number(d)) for c, d in places.items() if c in table}
    return table.astype(whole).assign(**texts)


def _number(digits: int) -> Callable[[float], str]:
    return lambda value: "" if math.isnan(value) else f"{value:.{digits}g}"


def make(archive: Path, folder: Path) -> None:
    """Write every table into the folder.

    Raises:
        UsageError: the archive is not what the tables need.
    """
    frames = read_archive(archive)
    texts = {name: table_text(name, maker(frames)) for name, maker in TABLES.items()}
    for name, text in texts.items():
        with atomic_write(folder / f"{name}.csv") as path:
            path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str]) -> int:
    """The command line: 0 done, 2 wrong use."""
    if not 1 <= len(arguments) <= 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(arguments[1]) if len(arguments) == 2 else Path(__file__).parent
    try:
        make(Path(arguments[0]), folder)
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
