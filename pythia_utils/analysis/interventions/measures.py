"""What a cell records: pairs by what swapped pronouns touch, and facts by their old and their new answer.

The design is that of Biderman et al. (2023, section 4.1): the end of training is read again with another
text, and the model compared with the one that read the old text. The log-odds of a feminine pronoun are the
difference of two log-likelihoods, as CrowS-Pairs compares sentences (Nangia et al. 2020).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.analysis.interventions.names import CHANGED, KEPT, PARTLY, TOUCHED, UNTOUCHED
from pythia_utils.evaluation.choices import prepare_choices
from pythia_utils.evaluation.minimal_pairs import score_minimal_pairs
from pythia_utils.nano.changed import folder_of
from pythia_utils.nano.documents import FACT_ANSWERS, FACT_PROMPTS
from pythia_utils.nano.interventions import changed_answers, swap_gender
from pythia_utils.nano.minimal_pair import MinimalPair
from pythia_utils.suites.catalog import Checkpoint, Model
from pythia_utils.training_data.corpus import Corpus
from pythia_utils.training_data.forked import manifest
from pythia_utils.training_data.mentions import count_in_rows
from pythia_utils.training_data.source import open_source

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# The least number of tellings of each class, of a new answer since the fork.
CLASSES = (0, 1, 3, 9, 27)
_FEMININE, _MASCULINE = ("she", "her", "hers", "herself"), ("he", "him", "his", "himself")


# --- pairs ----------------------------------------------------------------------------------------


def leaning(pair: MinimalPair) -> int:
    """1 if the good sentence is the one with more feminine pronouns, -1 if the bad one is, else 0."""
    good, bad = (_balance(text) for text in (pair.good, pair.bad))
    return int(np.sign(good - bad))


def _balance(text: str) -> int:
    words = re.findall(r"\w+", text.lower())
    return sum((word in _FEMININE) - (word in _MASCULINE) for word in words)


def answers(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[MinimalPair]
) -> pd.DataFrame:
    """Every pair, answered.

    Returns:
        Columns phenomenon, margin (nats), correct, feminine (log-odds of the sentence with the feminine
        pronoun, nats; nan where the two sentences do not differ so), touched (whether swapping pronouns
        changes the good sentence).
    """
    scores = score_minimal_pairs(network, tokenizer, pairs)
    signs = np.array([leaning(pair) for pair in pairs])
    touched = [swap_gender(pair.good) != pair.good for pair in pairs]
    feminine = np.where(signs == 0, np.nan, signs * scores["margin"])
    return scores[["phenomenon", "margin", "correct"]].assign(feminine=feminine, touched=touched)


def of_pairs(table: pd.DataFrame) -> list[dict]:
    """The records of answered pairs: of each phenomenon, and means over those touched and the others.

    A phenomenon is touched if swapping pronouns changes every good sentence of it, and partly if it changes
    some. Errors are over pairs.

    Args:
        table: of `answers`.
    """
    rows, shares = [], {}
    for name, part in table.groupby("phenomenon", sort=False):
        share, n = part["correct"].mean(), len(part)
        shares[name] = (_kind(part), share, stats.proportion_stderr(share * n, n), n)
        rows.append(_row("agrees", name, share, shares[name][2], n))
        rows.append(_row("touched", name, part["touched"].mean(), None, n))
        if len(feminine := part["feminine"].dropna()):
            rows.append(_row("feminine", name, *_mean(feminine), len(feminine)))
    for subset in (TOUCHED, PARTLY, UNTOUCHED):
        chosen = [own[1:] for own in shares.values() if own[0] == subset]
        if chosen:
            values, errors, counts = zip(*chosen, strict=True)
            rows.append(_row("agrees", subset, *stats.weighted_mean(values, errors), sum(counts)))
    if len(feminine := table["feminine"].dropna()):
        rows.append(_row("feminine", "all", *_mean(feminine), len(feminine)))
    return rows


def _kind(part: pd.DataFrame) -> str:
    """Whether swapping pronouns changes all good sentences of a phenomenon, some or none."""
    return {0: UNTOUCHED, 1: TOUCHED}.get(part["touched"].mean(), PARTLY)


def _mean(values: pd.Series) -> tuple[float, float | None]:
    value, stderr = stats.mean_and_stderr(values)
    return value, stderr if np.isfinite(stderr) else None


def _row(metric: str, subset: str, value: float, stderr: float | None, n: int) -> dict:
    return {"metric": metric, "subset": subset, "value": value, "stderr": stderr, "n": n}


# --- facts ----------------------------------------------------------------------------------------


def facts(
    network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, corpus: Corpus
) -> pd.DataFrame:
    """Every fact of our corpus asked in all its wordings, of eight candidates.

    Returns:
        A row a wording: rank, person, prompt, old and new (answers; new is empty of facts that `change-facts`
        keeps), chosen, preference (log-probability of the new answer less that of the old, nats; nan of
        those kept).
    """
    new = changed_answers(corpus)
    table = pd.DataFrame(
        {"rank": fact.rank, "person": fact.person, "prompt": prompt.format(fact.person)}
        | {"relation": fact.relation, "old": fact.answer, "new": new.get(fact.rank, "")}
        for fact in corpus.facts().itertuples()
        for prompt in FACT_PROMPTS[fact.relation]
    )
    candidates = [FACT_ANSWERS[relation] for relation in table["relation"]]
    scores = prepare_choices(tokenizer, table["prompt"], candidates).score(network)
    places = [
        dict(zip(own, each, strict=True)) for own, each in zip(candidates, scores, strict=True)
    ]
    rows = zip(places, table["old"], table["new"], strict=True)
    preference = [own[new] - own[old] if new else np.nan for own, old, new in rows]
    chosen = [max(own, key=own.get) for own in places]
    return table.assign(chosen=chosen, preference=preference)


def of_facts(table: pd.DataFrame, told: np.ndarray | None = None) -> list[dict]:
    """The records of answered facts.

    `old` and `new` are the shares of wordings answered so, of the facts that `change-facts` changes; `old`
    of those kept is the share right. A person's answers are one cluster of the error.

    Args:
        table: of `facts`.
        told: of each row, how often its model was told the new answer since its fork; None of a model that
            goes on from none.
    """
    changed, kept = table[table["new"] != ""], table[table["new"] == ""]
    rows = [
        _share("old", CHANGED, changed, changed["chosen"] == changed["old"]),
        _share("new", CHANGED, changed, changed["chosen"] == changed["new"]),
        _share("old", KEPT, kept, kept["chosen"] == kept["old"]),
        _row("preference", CHANGED, *_mean(changed["preference"]), changed["rank"].nunique()),
    ]
    if told is None or not told.any():
        return rows
    own = changed.assign(told=told[table["new"] != ""])
    names = own["told"].map(class_name)
    for name in dict.fromkeys(map(class_name, CLASSES)):
        part = own[names == name]
        if len(part):
            rows.append(_share("new", name, part, part["chosen"] == part["new"]))
    return rows


def of_text(model: Model) -> list[dict]:
    """How many documents of its text an intervention changed: `all`, `changed`, and `left` as they were."""
    counts = manifest(folder_of(model))["documents"] if model.fork else {}
    return [_row("documents", name, count, None, counts["all"]) for name, count in counts.items()]


def class_name(told: float) -> str:
    """The class of a number of tellings, as a subset of the records: `told 3-8 since`."""
    place = int(np.searchsorted(CLASSES, told, side="right")) - 1
    first = CLASSES[place]
    if place == len(CLASSES) - 1:
        return f"told {first} or more since"
    last = CLASSES[place + 1] - 1
    return f"told {first} since" if first == last else f"told {first}-{last} since"


def _share(metric: str, subset: str, part: pd.DataFrame, hits: pd.Series) -> dict:
    clusters = hits.groupby(part["person"]).agg(["sum", "size"])
    value, stderr = stats.ratio_and_stderr(clusters["sum"], clusters["size"])
    n = part["rank"].nunique()
    if not stderr > 0:  # one person, or all alike
        stderr = stats.proportion_stderr(value * n, n)
    return _row(metric, subset, value, stderr, n)


def told_since(
    tokenizer: PreTrainedTokenizerBase, table: pd.DataFrame, at: Checkpoint
) -> np.ndarray | None:
    """How often a model was told each new answer, in either wording, since it left its base.

    Args:
        tokenizer: of the model.
        table: of `facts`.
        at: the model's checkpoint.

    Returns:
        int64 (rows,), 0 where nothing was changed; None of a model that goes on from none.
    """
    model = at.model
    if model.fork is None:
        return None
    texts = [f"{row.prompt} {row.new}" for row in table.itertuples() if row.new]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    first, last = (step * model.batch_size for step in (model.fork.step, at.step))
    counts = np.zeros(len(table), np.int64)
    counts[(table["new"] != "").to_numpy()] = count_in_rows(
        open_source(model.name).sequences(first, last), ids
    )
    return table.assign(told=counts).groupby("rank")["told"].transform("sum").to_numpy()
