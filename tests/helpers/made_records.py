"""Records as the book's notebooks make them, of made-up numbers; and chapters run on them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from helpers import made_patching
from helpers.commands import ROOT

from pythia_utils.analysis.facts import measures
from pythia_utils.analysis.geometry.names import KINDS, of_layer
from pythia_utils.analysis.grammar import answers
from pythia_utils.analysis.induction import repeated
from pythia_utils.analysis.memorization import rows as measured
from pythia_utils.analysis.ngrams.measures import NAMES
from pythia_utils.evaluation.validation import domain_shares
from pythia_utils.grid import records
from pythia_utils.grid.parts import of_suite
from pythia_utils.nano import entropy
from pythia_utils.nano.grammar import PHENOMENA
from pythia_utils.suites.catalog import Checkpoint, Model, find_model, suite

Cell = tuple[str, int]


def row(metric: str, value: float, subset: str = "all", n: int = 100, stderr: float = 0.03) -> dict:
    return {"metric": metric, "subset": subset, "value": value, "stderr": stderr, "n": n}


def loss(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    height = 5 - 0.3 * np.log2(1 + step) / 10 - find_model(model).non_embedding_params / 1e6
    heights = {n: height * (1 + 0.1 * i) for i, n in enumerate(["all", *domain_shares(), *names])}
    rows = [row(m, high, n) for m in ("loss", "bits_per_byte") for n, high in heights.items()]
    return rows + [row("excess", heights[domain] - 1, domain) for domain in entropy.KNOWN]


def grammar(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """A phenomenon's accuracy falls below chance at first, rises later than that of its predecessor."""
    rows = [row("accuracy", 0.6)]
    for place, name in enumerate([*PHENOMENA, *names]):
        time = np.log2(1 + step)
        value = 0.5 if step == 0 else 0.2 if time < 4 else min(0.99, 0.5 + (time - place / 3) / 20)
        rows += [row("accuracy", round(value, 2), name), row("margin", value, name)]
        rows += [row("accuracy_of_ngrams", 0.52, name, stderr=0.01)]
        rows += [row("accuracy_above_ngrams", round(value, 2) - 0.52, name)]
    rows.append(row("accuracy_above_ngrams", 0.08))
    for name in (*PHENOMENA, *names):
        if "attractor" in name:
            gains = {"attraction": 0.2, "attraction_of_ngrams": 0.01}
            gains["attraction_above_ngrams"] = 0.19
            rows += [row(metric, gain, name) for metric, gain in gains.items()]
    rows.append(row("frequency_correlation", 0.1))
    right = [(r["subset"], r["value"]) for r in rows if r["metric"] == "accuracy"][1:]
    scores = [(name, i / 100 < value) for name, value in right for i in range(100)]
    return rows + answers.as_records(pd.DataFrame(scores, columns=["phenomenon", "correct"]))


def memorization(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    read = step / find_model(model).total_steps
    if find_model(model).repo_id:
        return measured.of_sequences(_sample(model, read))
    place = (np.arange(100) + 0.5) / 100
    table = pd.DataFrame({"position": np.arange(100), "block": np.arange(100) // 10})
    table = table.assign(place=place, seen=place < read, times=np.arange(100) % 40)
    table = table.assign(text=np.arange(100) // 4, chosen=np.arange(100) % 4 > 0)
    table["copying"] = np.arange(100) % 7 == 0
    table["memorized"] = table["seen"] & (table["times"] > 20)
    planted = _planted(read)
    ages = pd.DataFrame({"position": np.arange(120), "age": np.repeat([16, 8, 0], 40)})
    ages["change"] = ages["age"] / 100 + np.arange(120) * 7 % 11 / 10
    ages = ages[ages["age"] > 0] if read == 1 else ages
    shares = [row("memorized", 0.1, name) for name in names]
    made = measured.of_sequences(table) + measured.of_planted(planted) + shares
    return made + (measured.of_ordinary(ages) if step else [])


def _sample(model: str, read: float) -> pd.DataFrame:
    """2,000 of Pythia's sequences: the larger the model, the more it recites of what it has read."""
    place = (np.arange(2000) + 0.5) / 2000
    table = pd.DataFrame({"position": np.arange(2000), "block": np.arange(2000) // 40})
    table = table.assign(place=place, seen=place < read, text=np.arange(2000), chosen=True)
    known = 3 * np.log10(find_model(model).non_embedding_params).round().astype(int)
    known = known if find_model(model).variant == "standard" else known * 3 // 4
    table["memorized"] = table["seen"] & (np.arange(2000) * 997 % 2000 < known * read)
    return table.assign(copying=False)


def _planted(read: float) -> pd.DataFrame:
    placements = ["anywhere"] * 20 + [f"decile-{i % 10}" for i in range(20)] + ["never"] * 10
    copies = [1, 2, 8, 32] * 5 + [16] * 20 + [0] * 10
    planted = pd.DataFrame({"content": range(50), "copies": copies, "placement": placements})
    planted.loc[40:, "content"] = -1
    planted["memorized"] = (planted["copies"] > 8) & (read > 0.5)
    planted["matched"] = planted["copies"] / 40
    planted["loss"] = 5 - read * planted["copies"] / 20 + np.arange(50) % 3 / 10
    return planted


def training_data(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    if find_model(model).repo_id:  # the deduplicated batches do not tell where documents end
        ends = find_model(model).variant == "standard"
        pieces = [
            row("pieces_per_sequence", 3 + step % 7 / 20, n=1024),
            row("piece_length", 690, n=3000),
        ]
        tokens = row("distinct_tokens", 40_000 + step % 11, stderr=float("nan"), n=1024 * 2049)
        return [tokens, *pieces * ends]
    shares = [row("token_share", 0.2, name) for name in (*domain_shares(), *names)]
    return [row("read_before", 0.1 * (step > 0)), row("has_other_copies", 0.3), *shares]


def ngrams(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """A model meets the n-grams of each length two powers of two after those of the one before."""
    time, names = np.log2(1 + step), [*NAMES, *names]
    away = [abs(time - 4 - 2 * place) for place in range(len(names))]
    closest = int(np.argmin(away[: len(NAMES)])) + 1
    rows = [row("closest", closest, stderr=float("nan"))]
    rows += [row("loss", 5 - time / 3, "model"), *(row("loss", 3.5, name) for name in names)]
    for name, distance in zip(names, away, strict=True):
        rows += [row("kl", 0.5 + distance, name), row("kl_reverse", 0.6 + distance, name)]
        rows += [row("pearson_r", 0.9 - distance / 20, name), row("known", 0.8, name)]
    return rows


def _capitals(model: str, step: int) -> list[dict]:
    """64 capitals, known from so many tellings on, fewer to large models; a quarter stands in no batch."""
    told = np.arange(64) % 4 * np.arange(64) ** 2 * step / 100
    right = told > 1e10 / find_model(model).non_embedding_params
    table = pd.DataFrame(
        {"fact": [f"C{i}: The capital of C{i} is" for i in range(64)], "told": told}
    )
    table = table.assign(subject=table["fact"].str.split(":").str[0], wording=1)
    table["correct"] = right | (np.arange(64) % 8 == 3)
    rows = measures.accuracies(table, "accuracy", measures.TENFOLD)
    return [row("chance", 0.125), *rows, *measures.each_fact(table)]


def facts(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """Facts of 30 persons, told up to 90 times by step 1000; those told 20 times or more are known."""
    if find_model(model).repo_id:
        return _capitals(model, step)
    told = np.arange(1, 91) * step // 1000
    table = pd.DataFrame({"fact": [f"P{i // 3}: {'abc'[i % 3]}" for i in range(90)], "told": told})
    table = table.assign(subject=table["fact"].str[:-3], wording=1)
    rows = [row("chance", 0.125), row("shuffled", 0.14)]
    for metric, known in {
        "accuracy": told >= 20,
        "ngram": told >= 1,
        "two_sentences": told >= 20,
        "one_sentence": told >= 1000,
        "one_sentence_ngram": told >= 1000,
    }.items():
        own = table.assign(correct=known | (np.arange(90) % 8 == 0))
        rows += measures.accuracies(own, metric)
        rows += [row(metric, own["correct"].mean(), f"wording {wording}") for wording in (1, 2)]
    known = table.assign(correct=(told >= 20) | (np.arange(90) % 8 == 0))
    return rows + measures.each_fact(known) + [row("accuracy", 0.5, name) for name in names]


def induction(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """Two heads of four, found in all but the smallest size: they carry a gain that is whole at step 1000.

    Tokens are remembered before their order is used; echo documents are copied by distance.
    """
    learns = find_model(model).non_embedding_params > 20_000
    gain = {0: 0.0, 16: 0.05, 64: 0.2, 256: 0.6, 512: 0.9}.get(step, 1.0) * learns
    gains = {"content_gain": gain, "in_order_gain": gain, "cache_gain": 2 * gain}
    usual = repeated.chosen(find_model(model).suite)
    kinds = ["all", *(test.name for test in usual), *names]
    rows = [row(metric, value, kind) for metric, value in gains.items() for kind in kinds]
    rows += _heads(gain) + [row(metric, 2 - gain) for metric in ("in_context", "loss_early")]
    if not find_model(model).repo_id:
        losses = {"8": 2.0, "14": 2.0, "20": 2.0, "26": 4.5, "14+12": 4.6}
        rows += [row("echo_loss", value, length) for length, value in losses.items()]
    if gain > 0.1:
        shares = {"heads found": 0.05, "as many others": 0.9, "worst others": 0.85}
        rows += [row("share_left", share, name) for name, share in shares.items()]
        left = {"no head": 1.0} | shares
        rows += [row("gain_left", gain * share, name) for name, share in left.items()]
    return rows


def _heads(gain: float) -> list[dict]:
    """Previous token: layer 0, head 0; prefix matching: layer 1, head 1."""
    cells = [(layer, head) for layer in (0, 1) for head in (0, 1)]
    name = {cell: f"layer {cell[0]}, head {cell[1]}" for cell in cells}
    rows = []
    for place, cell in enumerate(cells):
        scores = {"prefix_matching": 0.9 * gain if cell == (1, 1) else 0.05 + place / 100}
        scores["previous_token"] = 0.9 * gain if cell == (0, 0) else 0.1 + (3 - place) / 100
        scores |= {"first_token": 0.1 + place / 10, "copying": place * gain - 0.5}
        if gain > 0.1:
            scores["ablation"] = {(0, 0): gain, (1, 1): 0.9 * gain}.get(cell, 0.01)
        rows += [row(metric, value, name[cell]) for metric, value in scores.items()]
    found = [row("found", place, name[cell]) for place, cell in ((1, (0, 0)), (2, (1, 1)))]
    return rows + found * (gain > 0.1)


def lens(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """The answer forms layer by layer, deeper with time; distant words take the last layer."""
    layers, time = find_model(model).n_layers, np.log2(1 + step) / 10
    rows = [
        row("kl", 0.2 + 3 * time, "constant"),
        row("formation_depth", 0.05 + 0.2 * time, stderr=0.005),
    ]
    for depth in range(layers + 1):
        left = 1 - depth / layers
        for which, far in (("logit", 2), ("tuned", 0.3)):
            at = f"{which} {depth}"
            rows += [row("kl", far * left * rows[0]["value"], at), row("entropy", 3 - time, at)]
            rows += [
                row("loss", 6 - time + far * left, at),
                row("agreement", 1 - left / far / 9, at),
            ]
            found = [0.5] * len(PHENOMENA) if step == 0 else _by_depth(depth, layers)
            kinds = dict(
                zip([*PHENOMENA, *names], [*found, *[0.8] * len(list(names))], strict=True)
            )
            kinds["all"] = np.mean(found)
            rows += [row("accuracy", value, f"{name} {at}") for name, value in kinds.items()]
            rows += [row("margin", value - 0.5, f"{name} {at}") for name, value in kinds.items()]
    return rows + made_patching.rows(step, attraction=0.4 + time, twin=2.5 * time)


def _by_depth(depth: int, layers: int) -> list[float]:
    """Argument structure is right at once, all else with the last layers."""
    late = 0.5 + 0.4 * (depth / layers) ** 2
    return [0.9 if name == "argument_structure" else late for name in PHENOMENA]


def geometry(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """Weights that turn away from step 0, the unembedding most; of ours, models that come to see text alike."""
    at = find_model(model).checkpoint(step)
    depth, far = at.model.n_layers, np.log2(1 + step) / 18
    blank = {"n": None, "stderr": float("nan")}
    rows = [row("mean_frobenius", 10 + far, **blank)]
    kinds = [of_layer(kind, layer) for layer in range(depth) for kind in [*KINDS.values()][1:5]]
    for place, name in enumerate(["embedding", "unembedding", *kinds, *names]):
        moved = far * (2 if name == "unembedding" else 1 - place / 1000)
        rows += [row("frobenius", 10 * (1 + moved), name, **blank)]
        rows += [row("effective_rank", 60 * (1 - moved / 4), name, n=64, stderr=float("nan"))]
        rows += [row("cosine_to_start", 1 - moved / 2, name, **blank)] * (step > 0)
    rows += [row("cosine_to_start", 1 - far / 2, **blank)] * (step > 0)
    rows += [row("anisotropy", far / 5, name, **blank) for name in ("embedding", "unembedding")]
    for layer in range(depth + 1):
        name, early = of_layer("stream", layer), 0.5 * (0 < step < 300)
        rows += [row("anisotropy", 0.1 + early, name), row("cka_shuffled", 0.001, f"layer {layer}")]
        rows += [row("matrix_entropy", 3 - early, name), row("length", 3 + layer, name)]
    return rows + (_compared(at, far) if at.model.repo_id is None else [])


def _compared(at: Checkpoint, far: float) -> list[dict]:
    model, rows = at.model, []
    steps = [step for step in model.steps if step != at.step]
    half = [step for step in steps if step <= at.step / 2]
    rows += [row("step_of_half", last) for last in half[-1:]]
    for layer in range(model.n_layers + 1):
        for step in steps:
            gap = abs(np.log2(1 + step) - np.log2(1 + at.step))
            rows.append(row("cka_steps", 1 - gap / 25, f"step {step}, layer {layer}"))
        for other in _relatives(model):
            for theirs in range(other.n_layers + 1):
                alike = 0.3 + far - abs(layer - theirs) / 10 - layer / 50
                name = f"{other.name}, layer {layer} by layer {theirs}"
                rows.append(row("cka_models", min(alike, 0.99), name))
    return rows + [row("cosine_to_model", 0.01, other.name) for other in _relatives(model)]


def _relatives(model: Model) -> list[Model]:
    known = suite(model.suite).models
    names = {f"{model.suite}-{model.size}{ending}" for ending in ("", "-seed1", "-data-seed1")}
    return [known[name] for name in sorted(names - {model.name}) if name in known]


def interventions(model: str, step: int, names: Iterable[str] = ()) -> list[dict]:
    """Agreement .9, new answers .1; an intervention moves what it touches to .2 and .6, by the steps since."""
    known = find_model(model)
    if known.repo_id:
        feminine = 0.5 * known.variant.startswith("intervention")
        kinds = ("feminine noun", "masculine noun", "all", *names)
        return [row("agrees", 0.8, "touched"), *(row("feminine", feminine, n) for n in kinds)]
    fork = known.fork
    done = (step - fork.step) / (known.total_steps - fork.step) if fork else 0
    swapped = done * (fork is not None and fork.intervention == "swap-gender")
    anew = done * (fork is not None and fork.intervention == "change-facts")
    rows = [row("agrees", 0.9 - 0.7 * swapped, "touched"), row("agrees", 0.8, "untouched")]
    rows += [row("old", 0.7 - 0.5 * anew, "changed"), row("new", 0.1 + 0.5 * anew, "changed")]
    rows += [row("old", 0.7 - 0.1 * anew, "kept"), row("preference", 5 * anew - 2, "changed")]
    rows += [row("touched", 1.0, "possessive_gender"), row("feminine", 0.1)]
    rows += [row("agrees", 0.5, name) for name in names]
    if fork:
        counts = {"all": 1000, "changed": 300, "left": 2}
        rows += [row("documents", n, name, stderr=float("nan")) for name, n in counts.items()]
    if anew:
        rows += [row("new", 0.2, "told 1-2 since"), row("new", 0.8, "told 27 or more since")]
    return rows


_OF_TEXTS = (loss, grammar, memorization, training_data, ngrams, facts)
_OF_NETWORKS = (induction, lens, geometry, interventions)
MADE = {f.__name__: f for f in (*_OF_TEXTS, *_OF_NETWORKS)}


def write(
    runs: Path,
    experiment: str,
    cells: Iterable[Cell],
    names: Iterable[str] = (),
    together: bool = False,
) -> None:
    """The records of these cells, with subsets of these `names` besides the usual ones.

    Args:
        runs: the folder of runs.
        experiment: whose records.
        cells: models and steps.
        names: more subsets.
        together: all cells in one file, which chapters read as well, and far sooner.
    """
    names, frames = list(names), []
    for model, step in cells:
        at = find_model(model).checkpoint(step)
        rows = MADE[experiment](model, step, names)
        common = records.identity(at, experiment, _measured_on(at, experiment))
        frame = pd.DataFrame([common | each for each in rows]).astype({"n": "Int64"})
        frames.append(frame)
        if not together:
            _write(runs, at, experiment, frame)
    if together:
        _write(runs, at, experiment, pd.concat(frames))


def _measured_on(at: Checkpoint, experiment: str) -> str:
    if experiment == "interventions" and at.model.repo_id:
        return "pronouns.csv 01234567"
    return "nano" if experiment in ("loss", "grammar", "lens", "interventions") else "own"


def _write(runs: Path, at: Checkpoint, experiment: str, frame: pd.DataFrame) -> None:
    folder = runs / at.model.suite / experiment / at.model.name
    folder.mkdir(parents=True, exist_ok=True)
    records.write(folder / f"step{at.step:06d}.parquet", frame)


def run_chapter(
    experiment: str, runs: Path, source: Path | None = None, suite: str = "pico"
) -> list[dict]:
    """Run a chapter of the book in this process on the records in `runs`; what its cells show, by type.

    Figures are drawn, and not among it; the text between the cells is.

    Raises:
        Exception: what a cell raises.
    """
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    path = source or ROOT / "book" / "experiments" / f"{experiment}.ipynb"
    cells = of_suite(json.loads(path.read_text())["cells"], suite)
    main = sys.modules["__main__"]
    shell, shown = InteractiveShell.instance(), []
    sys.modules["__main__"] = main  # the shell's own would stop multiprocessing from spawning
    shell.reset()
    before = os.environ.get("PYTHIA_RUNS")
    os.environ["PYTHIA_RUNS"] = str(runs)
    try:
        for cell in cells:
            if cell["cell_type"] == "markdown":
                shown.append({"text/markdown": "".join(cell["source"])})
            else:
                with capture_output() as captured:
                    result = shell.run_cell("".join(cell["source"]))
                result.raise_error()
                if "parameters" in cell["metadata"].get("tags", ()):
                    shell.user_ns["suite"] = suite
                shown += [output.data for output in captured.outputs]
                if result.result is not None:
                    shown.append(shell.display_formatter.format(result.result)[0])
                for number in plt.get_fignums():
                    plt.figure(number).canvas.draw()
                plt.close("all")
    finally:
        os.environ.pop("PYTHIA_RUNS")
        os.environ |= {"PYTHIA_RUNS": before} if before else {}
    return shown
