"""What others have published of Pythia's memorization, as the chapter's table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats as distributions

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


def bends(table: pd.DataFrame) -> pd.DataFrame:
    """Whether the counts follow one power of size, or a power that changes with it.

    A parabola of log count on log size, by least squares; its slope at a size is the exponent there. Where
    the interval of the curvature, Student's t with n - 3 degrees of freedom, excludes 0 no single exponent
    describes the counts.

    Args:
        table: of `counts`.

    Returns:
        A row a variant: variant, smallest, largest (models), exponent_small, exponent_large (at them);
        value, low, high (change of the exponent from the one to the other, 95%).
    """
    rows = []
    for variant, part in table.groupby("variant", sort=False):
        part = part.sort_values("n_params")
        x, y = np.log(part["n_params"].to_numpy(float)), np.log(part["memorized"].to_numpy(float))
        centre, span = x.mean(), x[-1] - x[0]
        (curve, slope, _), covariance = np.polyfit(x - centre, y, 2, cov=True)
        ends = slope + 2 * curve * (x[[0, -1]] - centre)
        half = distributions.t.ppf(0.975, len(x) - 3) * 2 * span * covariance[0, 0] ** 0.5
        change = 2 * curve * span
        names = part["model"].iloc[[0, -1]]
        rows.append((variant, *names, *ends, change, change - half, change + half))
    columns = ["variant", "smallest", "largest", "exponent_small", "exponent_large"]
    return pd.DataFrame(rows, columns=[*columns, "value", "low", "high"])
