"""Parts of an experiment's records that chapters ask for: last steps, a few, the largest model, one seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model


def final(records: pd.DataFrame) -> pd.DataFrame:
    """The records of each model's last step."""
    return records[records["step"] == records.groupby("model")["step"].transform("max")]


def largest(records: pd.DataFrame) -> str:
    """The largest standard model that has records; of several, the first."""
    models = records[["model", "variant", "n_params"]].drop_duplicates()
    order = models.assign(other=models["variant"] != "standard")
    order = order.sort_values(["other", "n_params"], ascending=[True, False], kind="stable")
    return order["model"].iloc[0]


def usual_seed(records: pd.DataFrame) -> pd.DataFrame:
    """The records of models of their suite's usual seed: one of each size and variant."""
    usual = {name: find_model(name).has_usual_seed for name in records["model"].unique()}
    return records[records["model"].map(usual).astype(bool)]


def near_the_end(records: pd.DataFrame) -> pd.DataFrame:
    """The records of each model's last step, of the models that were measured (nearly) to the last step of all.

    Nearly: a tenth of the steps may be missing, for an erratum can take a model's last checkpoints.
    """
    last = final(records)
    return last[last["step"] >= 0.9 * last["step"].max()]


def step_in_words(records: pd.DataFrame) -> str:
    """The step that most models of some records are at, and who is at another: `1,000 (pico-7k: 512)`."""
    own = records.groupby("model", sort=False)["step"].max()
    usual = own.mode().max()
    others = [f"{markdown(name)}: {step:,}" for name, step in own[own != usual].items()]
    return f"{usual:,}" + (f" ({', '.join(others)})" if others else "")


def few_steps(records: pd.DataFrame, most: int = 8) -> pd.DataFrame:
    """The records of at most so many of their steps, evenly over log2(1 + step), the last among them."""
    steps = np.unique(records["step"])
    if len(steps) <= most:
        return records
    time = np.log2(1 + steps)
    wanted = np.linspace(time[0], time[-1], most)
    return records[records["step"].isin(steps[np.abs(time - wanted[:, None]).argmin(axis=1)])]
