"""Train one model of a local suite from scratch, by Pythia's protocol in miniature.

GPT-NeoX architecture from transformers, float32, AdamW, warm-up and cosine; every size reads the
same batches in the same order, which is that of `data_seed`. At each checkpoint step two things are
written: `step<N>/`, float16 weights with config and tokenizer in the layout of `from_pretrained`, and
`trainer_state.pt`, all that is needed to go on to bit-identical weights after a kill at any moment.

Departures from Pythia, both for a model this small: all of each head is rotated (`rotary_pct` 1.0),
and iteration 0 has a learning rate above zero, so that step 1 differs from step 0.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import operator
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.base.errors import TrainingError, first_line
from pythia_utils.base.files import atomic_folder, atomic_write
from pythia_utils.base.progress import say
from pythia_utils.base.schemas import misfit
from pythia_utils.nano.schedule import learning_rate
from pythia_utils.nano.trained import put_in_place, recipe, workplace
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import WEIGHTS
from pythia_utils.suites.identity import corpus_digest
from pythia_utils.suites.neox_config import hf_config
from pythia_utils.training_data.corpus import END_OF_TEXT, PADDING, Corpus

STATE = "trainer_state.pt"
_SAVED = {"recipe": str, "step": int, "data_digest": str, "losses": torch.Tensor}
_SAVED |= {
    "network": {str: torch.Tensor},
    "optimiser": {"state": {int: {str: torch.Tensor}}, "param_groups": [{"params": [int]}]},
}
transformers.utils.logging.disable_progress_bar()  # else a bar for every file of every checkpoint
Progress = Callable[[int, float, float, bool], None]  # step, loss, tokens a second, last step?


def train_model(
    model: Model, device: str = "cpu", until: int | None = None, progress: Progress | None = None
) -> None:
    """Train `model`, going on from where an earlier run stopped.

    Checkpoints that another recipe made stay until those of this run are all there.

    Args:
        model: of a local suite whose corpus has been made.
        device: `cpu` or `cuda`. Weights are bit-identical between runs on one device of one
            machine, not between devices.
        until: stop after this checkpoint step; a later call goes on to the same weights.
        progress: called after every step.

    Raises:
        TrainingError: the loss, a gradient or a weight is not finite; the checkpoints before it stay.
    """
    run = _Run(model, device)
    last = model.steps[-1] if until is None else until
    data = Corpus(suite(model.suite)).training_data(model.variant, model.data_seed)
    started, first = time.monotonic(), run.step
    if run.step == 0:
        run.save()
    while run.step < last:
        batch = data.batch(run.step, model.batch_size)
        loss = run.advance(batch)
        if run.step in model.steps:
            run.save()
        if progress:
            rate = (run.step - first) * model.tokens_per_step / (time.monotonic() - started)
            progress(run.step, loss, rate, run.step == last)
    put_in_place(model)


def initialise(model: Model) -> GPTNeoXForCausalLM:
    """The network at step 0: GPT-NeoX's small_init and wang_init, drawn from `weight_seed`.

    Every matrix is normal with standard deviation sqrt(2 / 5d) (Nguyen and Salazar 2019), those
    that write to the residual stream 2 / (L sqrt(d)) (Wang and Komatsuzaki 2021); biases are 0.
    """
    torch.manual_seed(model.weight_seed)
    network = GPTNeoXForCausalLM(GPTNeoXConfig.from_dict(hf_config(model)))
    small = math.sqrt(2 / (5 * model.d_model))
    residual = 2 / (model.n_layers * math.sqrt(model.d_model))
    for name, parameter in network.named_parameters():
        writes = name.endswith(("attention.dense.weight", "dense_4h_to_h.weight"))
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=residual if writes else small)
        elif name.endswith("bias"):
            torch.nn.init.zeros_(parameter)
    return network


def _optimiser(model: Model, network: GPTNeoXForCausalLM) -> torch.optim.AdamW:
    training = suite(model.suite).training
    matrices = [p for p in network.parameters() if p.ndim == 2]
    vectors = [p for p in network.parameters() if p.ndim != 2]
    groups = [
        {"params": matrices, "weight_decay": training["weight_decay"]},
        {"params": vectors, "weight_decay": 0.0},
    ]
    betas, eps = tuple(training["betas"]), training["eps"]
    return torch.optim.AdamW(groups, lr=model.learning_rate, betas=betas, eps=eps, fused=True)


def _read_state(folder: Path, device: str) -> dict | None:
    """The saved state; None if there is none, or the file is no such thing: then training begins anew."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        fault = misfit(state, _SAVED)
    except Exception as failure:  # of zip, of pickle, of the disk: each has its own
        fault = f"{type(failure).__name__}: {first_line(failure)[:80]}"
    if fault is None:
        return state
    say(f"{path} is no state of a training ({fault}): training begins anew")
    return None


class _Run:
    """The state of one training run: network, optimiser, step, losses, digest of the data read."""

    def __init__(self, model: Model, device: str):
        self.model, self.device = model, device
        self.clip = suite(model.suite).training["clip"]
        self.network = initialise(model).to(device).train()
        self.optimiser = _optimiser(model, self.network)
        self.step, self.losses, self.data_digest = 0, [], ""
        self.recipe, self.folder = recipe(model), workplace(model)
        if (state := _read_state(self.folder, device)) is not None:
            self._restore(state)

    def _restore(self, state: dict) -> None:
        """Take up a saved state, unless another recipe made it or a checkpoint before it is gone."""
        before = [c.revision for c in self.model.checkpoints if c.step <= state["step"]]
        there = all((self.folder / revision / WEIGHTS).is_file() for revision in before)
        if state["recipe"] != self.recipe or not there:
            return
        if fault := self._misfit(state):
            say(f"{self.folder / STATE} is of no such training ({fault}): training begins anew")
            return
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.data_digest = state["step"], state["data_digest"]
        self.losses = state["losses"].tolist()

    def _misfit(self, state: dict) -> str | None:
        """Where a saved state is not of this network's names and shapes; None if it is."""
        own = {name: tensor.shape for name, tensor in self.network.state_dict().items()}
        if own != {name: tensor.shape for name, tensor in state["network"].items()}:
            return "other weights"
        shapes = [p.shape for group in self.optimiser.param_groups for p in group["params"]]
        wanted = {i: {shape} for i, shape in enumerate(shapes) if state["step"]}
        saved = state["optimiser"]["state"].items()
        if wanted != {i: {t.shape for t in each.values() if t.ndim} for i, each in saved}:
            return "other moments of the optimiser"
        groups = (
            each["param_groups"] for each in (state["optimiser"], self.optimiser.state_dict())
        )
        if operator.ne(*([group | {"lr": 0.0} for group in each] for each in groups)):
            return "other settings of the optimiser"
        if state["step"] not in self.model.steps or len(state["losses"]) != state["step"]:
            return f"step {state['step']}, and {len(state['losses'])} losses"
        return None

    def advance(self, batch: np.ndarray) -> float:
        """One optimiser step on int (batch_size, seq_length + 1) tokens; the loss before it, in nats."""
        digest = hashlib.sha256(self.data_digest.encode() + batch.tobytes())
        self.data_digest = digest.hexdigest()
        rows = torch.as_tensor(batch.astype(np.int64), device=self.device)
        logits = self.network(input_ids=rows[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.clip)
        self._require_finite("the loss", loss)
        self._require_finite("the gradient", norm)
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.model, self.step)
        self.optimiser.step()
        self.step += 1
        self.losses.append(loss.item())
        return self.losses[-1]

    def save(self) -> None:
        """Write the checkpoint, then the state; a kill between the two repeats one stretch of training."""
        self._save_checkpoint()
        state = {
            "recipe": self.recipe,
            "step": self.step,
            "data_digest": self.data_digest,
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_write(self.folder / STATE) as path:
            torch.save(state, path)

    def _require_finite(self, what: str, *values: torch.Tensor) -> None:
        if not all(bool(value.isfinite().all()) for value in values):
            told = f"{self.model.name} step {self.step}: {what} is not finite"
            raise TrainingError(f"{told}; training stops, and the checkpoints before it stay")

    def _save_checkpoint(self) -> None:
        half = copy.deepcopy(self.network).half()
        self._require_finite("a weight, as float16,", *half.parameters())
        with atomic_folder(self.folder / self.model.checkpoint(self.step).revision) as folder:
            half.save_pretrained(folder)
            _tokenizer(self.model).save_pretrained(folder)
            facts = json.dumps(self._facts(), indent=1)
            (folder / "checkpoint.json").write_text(facts, encoding="utf-8")

    def _facts(self) -> dict:
        checkpoint = self.model.checkpoint(self.step)
        return {
            "recipe": self.recipe,
            "corpus": corpus_digest(self.model.suite),
            "suite": self.model.suite,
            "model": self.model.name,
            "step": self.step,
            "tokens_seen": checkpoint.tokens_seen,
            "weight_seed": self.model.weight_seed,
            "data_seed": self.model.data_seed,
            "data_digest": self.data_digest,
            "training_loss": self.losses[-1] if self.losses else None,
            "device": self.device,
            "torch": torch.__version__,
        }


def _tokenizer(model: Model) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_file=str(Corpus(suite(model.suite)).tokenizer_file()),
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        pad_token=PADDING,
        model_max_length=model.seq_length,
    )
