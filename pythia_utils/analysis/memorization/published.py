"""What others have published of Pythia's memorization, as the chapter's table."""

from __future__ import annotations

import pandas as pd

from pythia_utils.analysis import stats
from pythia_utils.suites.catalog import data_file, suite


def counts() -> pd.DataFrame:
    """Pythia's published counts of memorized training sequences (data/published/memorized.csv).

    A sequence counts if greedy decoding after its first 32 tokens gives the next 32; all sequences of
    the final checkpoints' training were tested. Their source is in the file.

    Returns:
        Columns model, variant, n_params (non-embedding), memorized, tested, value (the share), low, high
        (Wilson, 95%).
    """
    frame = pd.read_csv(data_file("published/memorized.csv"), comment="#")
    models = [suite("pythia").model(name) for name in frame["model"]]
    frame = frame.assign(
        variant=[model.variant for model in models],
        n_params=[model.non_embedding_params for model in models],
    )
    return stats.with_wilson_interval(frame, frame["memorized"], frame["tested"])
