"""Which training sequences are tested for memorization at a checkpoint: evenly over the whole of training.

Those that the checkpoint has not read yet are a control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import poisson

from pythia_utils.analysis import stats
from pythia_utils.analysis.memorization import published
from pythia_utils.base.errors import UsageError
from pythia_utils.evaluation.memorization import greedy
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.catalog import suite as find_suite
from pythia_utils.training_data.seen import seen_by
from pythia_utils.training_data.source import TrainingData

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PLACES = 500  # in training, from which a sample is taken at most; over HTTP each is a request
COPIES = (1, 2, 8, 32)  # lower ends of the classes in which copies of a text are counted


def usual_length(suite: str) -> int:
    """Tokens of a prompt and of a continuation: 32 for Pythia, as its own evaluations, and yours; 16 for ours.

    Ours are half of a planted document each.

    Raises:
        UsageError: there is no such suite.
    """
    return 16 if find_suite(suite).kind == "local" else 32


def lengths(
    suite: str, prompt: int | None = None, continuation: int | None = None
) -> tuple[int, int]:
    """Tokens of a prompt and of a continuation: as given, else the usual, and as many as the prompt."""
    prompt = prompt or usual_length(suite)
    return prompt, continuation or prompt


def usually_suppressed(suite: str) -> bool:
    """Whether end-of-text is kept from being generated: as Pythia's own evaluations do; not for ours.

    A sequence with end-of-text in its continuation is then never memorized.

    Raises:
        UsageError: there is no such suite.
    """
    return find_suite(suite).kind != "local"


@dataclass(frozen=True, eq=False)
class Sample:
    """Training sequences, evenly over training.

    Attributes:
        table: a row a sequence, in the order of training: position (in training), block (the stretch of
            training that it stands for), place (of the block's middle, 0 to 1), seen (whether the
            checkpoint has read it).
        tokens: int64 (rows, length), the beginnings of the sequences.
    """

    table: pd.DataFrame
    tokens: np.ndarray


def training_sample(
    data: TrainingData,
    checkpoint: Checkpoint,
    sample: int,
    blocks: int,
    length: int,
    places: int = PLACES,
) -> Sample:
    """The beginnings of `sample` training sequences: a few consecutive ones at each of many places.

    The places are the middles of equal stretches of the whole of training, whatever the checkpoint, so
    that all checkpoints of a model are tested on the same sequences. Many places, since the sequences of
    one batch were read by one and the same model; middles, since the first batches of Pythia were
    read at a learning rate of 0 or next to it. Over HTTP a place is one request.

    Args:
        data: what the model reads.
        checkpoint: tells which sequences were seen.
        sample: sequences in all; rounded down, so that all places have as many.
        blocks: equal stretches of training in which the sequences are counted.
        length: tokens of each.
        places: at most; as many in each block.

    Raises:
        UsageError: more sequences or tokens than there are, or fewer places than blocks.
        FetchError: the server does not deliver.
    """
    total = data.total_steps * data.batch_size
    if not 1 <= blocks <= sample <= total:
        raise UsageError(
            f"sample is {sample} in {blocks} blocks; expected 1 to {total:,}, a block or more each"
        )
    if places < blocks:
        raise UsageError(f"{places} places in {blocks} blocks; expected a place or more in each")
    if not 2 <= length <= data.seq_length:
        raise UsageError(
            f"prompt and continuation are {length} tokens; a sequence of {data.name} "
            f"has {data.seq_length}"
        )
    places = min(places, sample) // blocks * blocks
    size = sample // places
    starts = (2 * np.arange(places) + 1) * total // (2 * places) - size // 2
    tokens = np.concatenate([data.sequences(s, s + size)[:, :length] for s in starts.tolist()])
    block = np.repeat(np.arange(places) * blocks // places, size)
    table = pd.DataFrame(
        {
            "position": (starts[:, None] + np.arange(size)).ravel(),
            "block": block,
            "place": (block + 0.5) / blocks,
        }
    )
    seen = table["position"] < seen_by(checkpoint).sequences.stop
    return Sample(table.assign(seen=seen), tokens)


def expectation(model: str, sequences: int) -> str:
    """How many of some training sequences a model may have memorized at the end of training, in a sentence.

    By the published share of all of Pythia's training sequences, with the central 95% of a Poisson
    variable. It tells before a run whether the sample is large enough for what it is to show.
    """
    share = published.counts().set_index("model")["value"].get(model)
    if share is None:
        return f"How many sequences {model} has memorized is not published."
    low, high = poisson.interval(0.95, share * sequences)
    return (
        f"Of all its training sequences {model} has memorized {share:.2%} in the end, as published: of "
        f"{sequences:,}, about {share * sequences:.0f} ({low:.0f} to {high:.0f}) if they are like the rest."
    )


def shares_by_position(table: pd.DataFrame, parts: int) -> pd.DataFrame:
    """The memorized share of a sample's sequences in each of `parts` equal stretches of training.

    Returns:
        Columns number (of the stretch, from 0), value, low, high (Wilson, 95%).
    """
    found = table.groupby((table["place"] * parts).astype(int))["memorized"].agg(["sum", "size"])
    frame = pd.DataFrame({"number": found.index}, index=found.index)
    return stats.with_wilson_interval(frame, found["sum"], found["size"])


def examples(
    model: PreTrainedModel,
    tokenizer: Any,
    tokens: np.ndarray,
    prompt: int,
    suppressed: Sequence[int] = (),
) -> pd.DataFrame:
    """What greedy decoding makes of a few sequences, as text: columns prompt, truth, model."""
    parts = {
        "prompt": tokens[:, :prompt],
        "truth": tokens[:, prompt:],
        "model": greedy(model, tokens[:, :prompt], tokens.shape[1] - prompt, suppressed),
    }
    return pd.DataFrame({name: tokenizer.batch_decode(part) for name, part in parts.items()})
