"""What others measured on the real Pythia of single layers: which one's vectors serve other tasks best."""

from __future__ import annotations

from pythia_utils.analysis import published_tables
from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import find_model


def best_layers_in_words() -> str:
    """At the last published step of each size, the layer whose vectors serve best. Markdown."""
    table = published_tables.read("layer_quality")
    table = table[table["metric"] == "mteb_best_layer"].sort_values(["n_params", "step"])
    last = table.groupby("model", sort=False).tail(1)
    parts = [
        f"{markdown(row.model)} {row.value:.0f} of {find_model(row.model).n_layers}"
        for row in last.itertuples()
    ]
    return (
        f"The layer whose vectors serve best, at the last published step, the embedding being 0: "
        f"{', '.join(parts)}. Source: {published_tables.source('layer_quality')}."
    )
