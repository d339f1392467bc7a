"""One model object over many checkpoints: `for step, network in sweep("pythia-70m", steps): ...`.

While the caller works on a checkpoint, a thread fetches and reads the next one. Its weights are then
copied into the model that is there, which costs a copy of memory instead of a model built anew.
"""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pythia_utils.base.errors import UsageError
from pythia_utils.base.units import parse_size
from pythia_utils.suites import checkpoints as opening
from pythia_utils.suites.catalog import Checkpoint, Model, find_model
from pythia_utils.suites.errata import heed_errata, with_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pythia_utils.suites.hub.cache import HubCache


class Stopped(Exception):
    """Raised in a thread that reads ahead when the caller has had enough."""


def sweep(
    model: str,
    steps: Iterable[int | str] | str = "all",
    suite: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    strict: bool = False,
    disk_budget: int | str | None = None,
) -> Iterator[tuple[int, PreTrainedModel]]:
    """Go over checkpoints of a model, one after another, in the same model object.

    The object is the same in every round: what is to be kept of a checkpoint must be computed, or
    copied, before the next. Gradients and optimisers are the caller's affair.

    Args:
        model: a name, as for `load`.
        steps: in the order wanted; `all`: every checkpoint that has weights.
        suite: the suite's name; inferred from the model's name if None.
        device: as for `load`; the model must fit in memory.
        dtype: as for `load`.
        strict: refuse checkpoints that are known to be wrong; otherwise they give a warning.
        disk_budget: bytes, or a text such as `20GB` or `4GiB`, that checkpoints fetched by this program may
            have in the cache. The least recently used of them are dropped first; nothing that
            another program fetched is. One checkpoint must fit.

    Yields:
        The step, and the model with its weights, in evaluation mode.

    Raises:
        UsageError, FetchError, WeightsError: as `load`. What can be checked is checked at once,
            before the first checkpoint is read.
    """
    chosen = choose(find_model(model, suite), steps)
    heed_errata(chosen, strict)
    device, dtype = opening.asked(device, dtype)
    opening.check_memory(chosen[0].model, device, dtype)
    for checkpoint in chosen:
        if checkpoint.model.repo_id is None:
            opening.checkpoint_folder(checkpoint)  # ours: trained, or an error now
    budget = None if disk_budget is None else parse_size(disk_budget, "disk budget")
    return _swept(chosen, device, dtype, budget)


def choose(model: Model, steps: Iterable[int | str] | str) -> list[Checkpoint]:
    """The checkpoints of these steps; of `all`, those without weights are left out with a warning.

    A revision, such as `step3000`, or `main`, may stand for a step, or for all of the list.

    Raises:
        UsageError: an unknown step, or none.
    """
    if isinstance(steps, str):
        if steps == "all":
            return with_weights(model.checkpoints)
        if not re.match("step|main", steps):
            raise UsageError(f"steps {steps!r}: expected a list of steps, or 'all'")
        steps = [steps]
    chosen = [model.checkpoint(step) for step in steps]
    if not chosen:
        raise UsageError(f"no steps of {model.name} to go over")
    return chosen


def _swept(
    chosen: list[Checkpoint], device: str, dtype: str, budget: int | None
) -> Iterator[tuple[int, PreTrainedModel]]:
    from pythia_utils.suites import weights

    stop = threading.Event()
    cache = stoppable_cache(stop, budget)

    def read(checkpoint: Checkpoint):
        folder = opening.checkpoint_folder(checkpoint, cache)
        if (
            checkpoint.model.own
        ):  # names in files differ from those of the network by its architecture
            network = opening.build_network(checkpoint, folder, "cpu", dtype)
            return folder, network.state_dict()
        weights.read_config(folder, checkpoint.model)
        return folder, weights.read(folder, whole=True)

    pool = ThreadPoolExecutor(1, thread_name_prefix="pythia-sweep")
    network = None
    try:
        ahead = pool.submit(read, chosen[0])
        for checkpoint, following in zip(chosen, [*chosen[1:], None], strict=True):
            folder, state = ahead.result()
            if network is None:
                network = opening.build_network(checkpoint, folder, device, dtype)
            else:
                weights.swap(network, state)
            del state
            if following:
                ahead = pool.submit(read, following)
            yield checkpoint.step, opening.name_network(network, checkpoint)
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def stoppable_cache(
    stop: threading.Event,
    budget: int | None = None,
    report: Callable[[int], object] = lambda size: None,
) -> HubCache:
    """A cache whose downloads, and pauses between tries, end when `stop` is set.

    Args:
        stop: what ends them; they raise `Stopped` then.
        budget: as of `HubCache`.
        report: called with the size of each piece that comes.
    """
    from pythia_utils.suites.hub import api

    def check(size: int = 0) -> None:
        if stop.is_set():
            raise Stopped
        report(size)

    def pause(seconds: float) -> None:
        stop.wait(seconds)
        check()

    reader = api.reader(dataclasses.replace(api.RETRY, sleep=pause))
    return opening.hub_cache(budget=budget, progress=check, reader=reader)
