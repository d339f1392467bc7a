"""What a cell records: one model's distance from the n-grams of its corpus, on text that was held out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis import stats, training_ngrams
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation import validation
from pythia_utils.evaluation.ngram_distance import Distances, distances
from pythia_utils.evaluation.ngrams import NgramModel
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.training_data.source import TrainingData, open_source

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

NAMES = tuple(f"{n}-gram" for n in range(1, training_ngrams.ORDER + 1))


def reference(model: Model) -> Model:
    """The model whose training data are counted: the first of the same variant and usual seed.

    All sizes read the same data, and other seeds the same documents in another order: one count serves all,
    and seeds are compared with the same n-grams.
    """
    if model.trained_on:  # which nobody can open: another's would not be its own
        return model
    others = suite(model.suite).models.values()
    like = [m for m in others if (m.variant, m.version) == (model.variant, model.version)]
    return next((m for m in like if m.has_usual_seed), model)


def corpus_ngrams(model: Model, batches: int = 0) -> NgramModel:
    """The n-grams of a model's corpus, n = 1 to 5.

    Args:
        model: whose corpus.
        batches: training batches to count; 0 for all of ours, and for ten of Pythia's.

    Raises:
        UsageError, FetchError: as `training_ngrams.fitted`.
    """
    return training_ngrams.fitted(reference(model).name, batches=batches or None)


def held_out(
    model: Model, tokenizer: PreTrainedTokenizerBase, rows: int, length: int
) -> np.ndarray:
    """Text that the n-grams were not counted on, packed as training text is.

    Suites trained here: validation documents, domains by their share of the corpus, laid end to end and
    cut. On a text from elsewhere: the middles of chapters, one of each. Pythia's: the beginnings of
    sequences of the last training batch, which only the last checkpoint has read.

    Returns:
        Token ids, int64 (rows, length + 1): the last of a row is only a target.

    Raises:
        UsageError: no rows, rows longer than training's, or more text than there is.
        FetchError: the Hub does not deliver.
    """
    if rows < 1 or not 1 <= length <= model.seq_length:
        raise UsageError(
            f"{rows} rows of {length} tokens; expected 1 or more rows, of 1 to {model.seq_length} tokens"
        )
    if not model.is_trained_here:
        return last_sequences(open_source(reference(model).name), rows, length)
    if suite(model.suite).is_of_text:
        return _excerpts(model.suite, tokenizer, rows, length + 1)
    stream = validation.stream(tokenizer, rows * length + 1)
    starts = np.arange(rows) * length
    return np.stack([stream[start : start + length + 1] for start in starts])


def last_sequences(data: TrainingData, rows: int, length: int) -> np.ndarray:
    """The beginnings of sequences of the last training batch."""
    return data.batch(data.total_steps - 1)[:rows, : length + 1]


def _excerpts(
    suite_name: str, tokenizer: PreTrainedTokenizerBase, rows: int, width: int
) -> np.ndarray:
    """The middle tokens of held-out chapters (rows, width): parts of one chapter would not be independent."""
    (domain,) = validation.domain_shares(suite_name)
    texts = validation.validation_documents(domain, suite_name=suite_name)
    chapters = tokenizer(texts, verbose=False)  # they are longer than the context, and are cut
    long = [ids for ids in chapters["input_ids"] if len(ids) >= width]
    if len(long) < rows:
        raise UsageError(
            f"{rows} rows asked for; {len(long)} held-out chapters have {width} tokens"
        )
    starts = [(len(ids) - width) // 2 for ids in long]
    return np.array([ids[at : at + width] for ids, at in zip(long, starts, strict=True)][:rows])


def measures(model: PreTrainedModel, text: np.ndarray, ngrams: NgramModel) -> pd.DataFrame:
    """Distances of a model from n-grams, on some rows of text.

    Args:
        model: the network.
        text: token ids (rows, length + 1).
        ngrams: of the corpus.

    Returns:
        Columns metric, subset, value, stderr (over rows), n (rows). Metrics: `kl`, D(n-grams || model), and
        `kl_reverse`, D(model || n-grams), nats; `loss`, nats a token, of the model and of the n-grams;
        `pearson_r`, of the log-probability of the tokens that come with that by n-grams; `known`, the
        share of contexts of n - 1 tokens that the counted text has; each by `1-gram` ... `5-gram`. And
        `closest`: the n whose `kl` is least.
    """
    far = distances(model, text, ngrams)
    names = NAMES[: ngrams.order]
    rows = _means("kl", names, far.divergence) + _means("kl_reverse", names, far.reverse)
    rows += _means("loss", ["model", *names], -np.stack([far.model, *far.ngrams]))
    pairs = zip(names, far.ngrams, strict=True)
    rows += [("pearson_r", name, *correlation(far.model, own)) for name, own in pairs]
    rows += _means("known", names, far.known.astype(float))
    rows.append(("closest", "all", _closest(far), None))
    frame = pd.DataFrame(rows, columns=["metric", "subset", "value", "stderr"])
    return frame.assign(n=len(text))


def _closest(far: Distances) -> int:
    return int(far.divergence.mean(axis=(1, 2)).argmin()) + 1


def _means(metric: str, names, values: np.ndarray) -> list[tuple]:
    """A row for each of `values` (names, rows, length). Rows, not tokens, are the independent units."""
    by_row = values.mean(axis=2)
    return [
        (metric, name, *stats.mean_and_stderr(own)) for name, own in zip(names, by_row, strict=True)
    ]


def correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Pearson's r of two arrays (rows, length) over all values, and its jackknife error over rows.

    The error is sqrt((k - 1)/k sum (r_i - mean r_i)²), where r_i leaves row i out (Efron and Tibshirani
    1993, chapter 11); nan of fewer than three rows. r is nan where one of them does not vary.
    """
    sums = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).sum(axis=2)
    total = sums.sum(axis=1)
    r, without = _pearson(total), _pearson(total[:, None] - sums)
    k = len(x)
    error = np.sqrt((k - 1) / k * np.sum((without - without.mean()) ** 2)) if k > 2 else np.nan
    return float(r), float(error)


def _pearson(sums: np.ndarray) -> np.ndarray:
    """r from n and the sums of x, y, x², y² and xy."""
    n, x, y, xx, yy, xy = sums
    spread = (n * xx - x * x) * (n * yy - y * y)
    known = spread > 1e-12 * (n * xx * n * yy)
    return np.where(known, (n * xy - x * y) / np.sqrt(np.where(known, spread, 1)), np.nan)
