"""The saved state of a training: read from its file, and whether it fits the run that would take it up."""

from __future__ import annotations

import operator
from collections.abc import Collection
from pathlib import Path

import torch

from pythia_utils.base.errors import first_line
from pythia_utils.base.progress import say
from pythia_utils.base.schemas import misfit

STATE = "trainer_state.pt"
_SAVED = {"recipe": str, "step": int, "data_digest": str, "losses": torch.Tensor}
_SAVED |= {
    "network": {str: torch.Tensor},
    "optimiser": {"state": {int: {str: torch.Tensor}}, "param_groups": [{"params": [int]}]},
}


def read_state(path: Path, device: str, then: str = "training begins anew") -> dict | None:
    """The saved state; None, saying what happens then, if there is none or the file is no such thing."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        fault = misfit(state, _SAVED)
    except Exception as failure:  # of zip, of pickle, of the disk: each has its own
        fault = f"{type(failure).__name__}: {first_line(failure)[:80]}"
    if fault is None:
        return state
    say(f"{path} is no state of a training ({fault}): {then}")
    return None


def fault_of(
    state: dict,
    network: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    steps: Collection[int],
) -> str | None:
    """Where a saved state is not of a network's names and shapes, or of such a run; None if it is.

    Args:
        state: from `read_state`.
        network: that would take it up.
        optimiser: of the network.
        steps: at which a state may have been saved.
    """
    own = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in state["network"].items()}:
        return "other weights"
    shapes = [p.shape for group in optimiser.param_groups for p in group["params"]]
    wanted = {i: {shape} for i, shape in enumerate(shapes) if state["step"]}
    saved = state["optimiser"]["state"].items()
    if wanted != {i: {t.shape for t in each.values() if t.ndim} for i, each in saved}:
        return "other moments of the optimiser"
    groups = (each["param_groups"] for each in (state["optimiser"], optimiser.state_dict()))
    if operator.ne(*([group | {"lr": 0.0} for group in each] for each in groups)):
        return "other settings of the optimiser"
    if state["step"] not in steps or len(state["losses"]) != state["step"]:
        return f"step {state['step']}, and {len(state['losses'])} losses"
    return None
