"""A checkpoint's tensors for this experiment, and in words what was read for them."""

from __future__ import annotations

from collections.abc import Iterable

from pythia_utils.base.units import show_size
from pythia_utils.suites import checkpoints
from pythia_utils.suites.catalog import Checkpoint
from pythia_utils.suites.devices import AUTO
from pythia_utils.suites.hub.remote_tensors import HubTensors
from pythia_utils.suites.identity import source_of
from pythia_utils.suites.tensors import Tensors, fetch_tensors, open_tensors


def opened(checkpoint: Checkpoint, tensors_only: bool) -> Tensors:
    """The tensors of a checkpoint.

    Args:
        checkpoint: of any suite.
        tensors_only: refuse one that would have to be fetched as a whole: one without safetensors.

    Raises:
        UsageError, FetchError: as `open_tensors`.
    """
    if not tensors_only:
        return fetch_tensors(checkpoint)
    source = open_tensors(checkpoint.model.name, checkpoint.step, checkpoint.model.suite)
    source.places  # noqa: B018
    return source


def device() -> str:
    """Where matrices are taken apart: a GPU that knows float64, if there is one and it is not refused."""
    chosen = checkpoints.pick_device(checkpoints.asked(AUTO, AUTO)[0])
    return chosen if chosen.startswith("cuda") else "cpu"


def stamp(checkpoint: Checkpoint, source: Tensors) -> str:
    """What a page's watermark says of a checkpoint: of one that was read by ranges its commit, and no hash."""
    if isinstance(source, HubTensors):
        return f"{source_of(checkpoint)} commit {source.revision.commit[:12]} read by ranges"
    return checkpoints.stamp(checkpoint)


def in_words(source: Tensors, past: Iterable[Tensors]) -> str:
    """How many bytes came from the Hub, of how many that the checkpoint has. Markdown; empty if none did."""
    remote = [one for one in (source, *past) if isinstance(one, HubTensors)]
    if not remote:
        return ""
    moved = sum(one.revision.reader.traffic.bytes for one in remote)
    whole = sum(
        one.revision.files[name].size for one in remote for name in sorted(set(one.places.values()))
    )
    return (
        f"Read from the Hub by ranges: {show_size(moved)} of {show_size(whole)}, which the weights of "
        f"{len(remote)} checkpoint{'s' * (len(remote) != 1)} take. Nothing was put on the disk."
    )
