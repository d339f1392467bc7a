"""What a warm kernel has imported before a notebook asks for it, and the pool of such kernels."""

from __future__ import annotations

import functools
from collections.abc import Callable

from pythia_utils.base.sources import PACKAGE
from pythia_utils.engine.kernels.pool import KernelPool
from pythia_utils.engine.kernels.warm import ForkProvisioner, ForkServer
from pythia_utils.suites.devices import DEVICE, DTYPE

# What notebooks use and takes time to import: of libraries also what they import on first use, as a
# model, a figure or a styled table needs it; behind a colon a function, called for what it keeps. Nothing
# whose import changes what others do: not matplotlib_inline, which looks for IPython, nor our figures,
# which set matplotlib's style.
PRELOAD = (
    # In this order: tqdm chooses the kind of its bars by whether ipykernel is there, and pandas must
    # be asked for by name before another imports it (see fork_server.py).
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "pandas",
    "tqdm.auto",
    "torch",
    "transformers.models.gpt_neox.modeling_gpt_neox",
    "transformers.tokenization_utils_tokenizers",
    "altair",
    "matplotlib.backends.backend_agg",
    "matplotlib.pyplot",
    "pandas.io.formats.style",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.stats",
    "seaborn",
    "tornado.platform.asyncio",
    "pythia_utils.analysis.training_data.batches",
    "pythia_utils.suites.checkpoints",
    "pythia_utils.suites.weights:prepare",
    "pythia_utils.evaluation.sets:minimal_pairs",
    "pythia_utils.grid.records",
    "pythia_utils.evaluation.likelihood",
    "pythia_utils.training_data.seen",
    "pythia_utils.analysis.stats",
    "pythia_utils.training_data.source",
)
# What a kernel is given and nothing reads on import: folders, suite files, and how checkpoints are opened.
_OF_THE_KERNEL = ("PYTHIA_HOME", "PYTHIA_RUNS", "PYTHIA_SUITES", DEVICE, DTYPE)


def kernel_pool() -> KernelPool:
    """Kernels that import what their fingerprint says: after an edit of the package they are new ones."""
    return KernelPool(PRELOAD, PACKAGE, _OF_THE_KERNEL)


@functools.cache
def _pool_of_this_process() -> KernelPool:
    """Of a program that starts its kernels itself. It ends with the process."""
    return kernel_pool()


class WarmProvisioner(ForkProvisioner):
    """For any program that starts kernels by jupyter_client: the entry point `pythia-warm`."""

    @property
    def server(self) -> Callable[[dict[str, str]], ForkServer]:
        """Of the one pool that this process has for such kernels."""
        return _pool_of_this_process().server
