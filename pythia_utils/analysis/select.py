"""Parts of an experiment's records that chapters ask for: the last step, the largest model, one seed."""

from __future__ import annotations

import pandas as pd

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
