"""What carries the attraction error: measured on one checkpoint, as rows for records.

The network reads a sentence whose attractor tempts ("The key near the boxes today") with parts of it as they
are when it reads its twin ("... near the box today"). Told are, as means over sentences:

- `attraction_nats`: the margin of the right verb in the twin less that in the sentence, in nats: what there
  is to be carried;
- `moved`: what a part's replacement adds to the sentence's margin, in nats;
- `restored`: the same as a share of the attraction, Σ moved / Σ attraction (the normalised effect of Wang et
  al. 2022 and Zhang and Nanda 2024, as a ratio of sums: single sentences have attractions near zero). Into
  the tempted run what does not tempt: such a part suffices ("denoising", Heimersheim and Nanda 2024);
- `broken`: the other way, the share of the attraction that the sentence's part takes from its twin: such a
  part is needed ("noising");
- `moved_by_another`: as `moved`, from the run on another noun of the same number: what changing the word does.

Shares of parts do not add up to 1 where parts work together or do each other's work; `interaction` is what is
missing. Shares are told only where the attraction's interval is above zero. Errors are those of `clusters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pythia_utils.analysis.clusters import as_of_a_normal, linked_mean, linked_proportion
from pythia_utils.analysis.lens.names import BEST, BETWEEN, EVERYTHING, INTERACTION, USUAL
from pythia_utils.analysis.lens.patching_pairs import WORDS, Asked
from pythia_utils.analysis.stats import with_normal_interval
from pythia_utils.evaluation.hooks import n_layers
from pythia_utils.evaluation.patching import (
    PLACES,
    Patch,
    head_patches,
    joint,
    mlp_patches,
    patched_margins,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_COLUMNS = ["metric", "subset", "value", "stderr", "n"]


def single_parts(network: PreTrainedModel) -> dict[str, Patch]:
    """Heads and MLPs, each alone, by name: `head 1.0` is head 0 of layer 1, both counted from zero."""
    heads = {f"head {layer}.{head}": p for (layer, head), p in head_patches(network).items()}
    return heads | {f"mlp {layer}": patch for layer, patch in mlp_patches(network).items()}


def sets_of_parts(network: PreTrainedModel) -> dict[str, Patch]:
    """Parts together: the heads of a layer, all heads, all MLPs, the last token's own way, and everything."""
    heads, mlps = head_patches(network), list(mlp_patches(network).values())
    layers = range(n_layers(network))
    own = {f"attention {k}": joint([p for at, p in heads.items() if at[0] == k]) for k in layers}
    token = Patch(embedding=True)
    own |= {"all heads": joint(list(heads.values())), "all mlps": joint(mlps), "embedding": token}
    return own | {EVERYTHING: joint([*heads.values(), *mlps, token])}


def streams(network: PreTrainedModel) -> dict[str, Patch]:
    """The stream before each layer and at the end, at one kind of place: `stream 1 changed`."""
    return {
        f"stream {layer} {place}": Patch(residual=frozenset([layer]), place=place)
        for layer in range(n_layers(network) + 1)
        for place in PLACES[1:]
    }


def measured(network: PreTrainedModel, asked: Asked) -> pd.DataFrame:
    """All that is told of a checkpoint.

    Args:
        network: a GPT-NeoX network.
        asked: of `patching_pairs.load`.

    Returns:
        Rows for records: metric, subset (a phenomenon; of a part `phenomenon: part`), value, stderr (that of a
        normal interval as wide as Student's of linked sentences; nan of a single item), n (sentences).

    Raises:
        UsageError, NotFiniteError: as `patched_margins`.
    """
    single, together = single_parts(network), sets_of_parts(network)
    there = single | together | streams(network)
    back = single | {name: together[name] for name in ("all heads", "all mlps")}
    own, *changed = patched_margins(network, asked.texts, [Patch(), *there.values()])
    twin, *spoiled = patched_margins(network, asked.texts.exchanged(), [Patch(), *back.values()])
    another = patched_margins(network, asked.others, list(single.values())) - own
    moved = dict(zip(there, np.array(changed) - own, strict=True))
    broken = dict(zip(back, twin - np.array(spoiled), strict=True))
    rows: list[dict] = []
    for name, places in asked.table.groupby("phenomenon", sort=False).indices.items():
        part = _Sentences(name, asked.table.iloc[places])
        rows += part.margins(own[places], twin[places])
        of = {
            "moved": _with_summaries(_at(moved, places), twin[places] - own[places], part.table),
            "broken": _at(broken, places),
            "moved_by_another": _at(dict(zip(single, another, strict=True)), places),
        }
        rows += part.effects(of, twin[places] - own[places])
    rows.append({"metric": "patching_left_out", "subset": "all", "value": len(asked.left_out)})
    return pd.DataFrame(rows, columns=_COLUMNS)


def _at(values: Mapping[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: own[places] for name, own in values.items()}


def _with_summaries(
    moved: dict[str, np.ndarray], attraction: np.ndarray, table: pd.DataFrame
) -> dict[str, np.ndarray]:
    """What parts move, with what all of them together do beyond their sum, and what the best head does.

    The best head is chosen on one half of the items and told on the other, both ways: chosen on the same
    sentences it would be the luckiest one. It stands beside the mean over heads, what one at random does.
    """
    heads = np.array([own for name, own in moved.items() if name.startswith("head ")])
    parts = [own for name, own in moved.items() if name.startswith(("head ", "mlp ", "embedding"))]
    half = pd.factorize(table["item"])[0] % 2
    best = np.empty(len(half))
    for side in (0, 1):
        chosen = heads[:, half != side].sum(axis=1).argmax()
        best[half == side] = heads[chosen, half == side]
    found = {BEST: best} if half.any() else {}
    return moved | found | {USUAL: heads.mean(axis=0), INTERACTION: attraction - np.sum(parts, 0)}


class _Sentences:
    """The sentences of one phenomenon, which are linked by item and words."""

    def __init__(self, name: str, table: pd.DataFrame):
        self.name, self.table, self.n = name, table, len(table)
        self.labels = [table[word] for word in WORDS]

    def margins(self, own: np.ndarray, twin: np.ndarray) -> Iterator[dict]:
        """Both margins and their difference, and how often the verb is right in spite of the attractor."""
        values = {"margin_tempted": own, "margin_twin": twin, "attraction_nats": twin - own}
        for metric, row in values.items():
            value, stderr = self._mean(row)
            yield self._row(metric, "", value, stderr)
        share, error, *_ = linked_proportion(own > 0, self.table["item"], self.labels)
        yield self._row("accuracy_tempted", "", share, error)

    def effects(
        self, of: Mapping[str, Mapping[str, np.ndarray]], attraction: np.ndarray
    ) -> Iterator[dict]:
        """What each part moves, in nats, and as a share of the attraction where there is one."""
        whole = pd.DataFrame([self._mean(attraction)], columns=["value", "stderr"])
        share = float(with_normal_interval(whole)["low"].iloc[0]) > 0
        shares = {"moved": "restored", "broken": "broken"}
        for metric, parts in of.items():
            values = np.array(list(parts.values()))
            if metric != "broken":
                yield from self._rows(metric, parts, *self._mean(values))
            if metric in shares and share:
                yield from self._rows(shares[metric], parts, *self._ratio(values, attraction))

    def _mean(self, values: np.ndarray) -> tuple:
        value, error, freedom = linked_mean(values, self.table["item"], self.labels)
        return value, as_of_a_normal(error, freedom)

    def _ratio(self, values: np.ndarray, whole: np.ndarray) -> tuple:
        """A ratio of means with its linearised error (Cochran 1977, section 2.11)."""
        ratio = values.mean(axis=1) / whole.mean()
        _, error = self._mean((values - ratio[:, None] * whole) / whole.mean())
        return ratio, error

    def _rows(self, metric: str, parts: Mapping, values, errors) -> Iterator[dict]:
        for part, value, error in zip(parts, values, errors, strict=True):
            yield self._row(metric, f"{BETWEEN}{part}", value, error)

    def _row(self, metric: str, part: str, value: float, stderr: float) -> dict:
        where = {"metric": metric, "subset": f"{self.name}{part}"}
        return where | {"value": float(value), "stderr": float(stderr), "n": self.n}
