"""Train one model of a local suite from scratch, by Pythia's protocol in miniature.

GPT-NeoX architecture from transformers, float32, AdamW, warm-up and cosine; every size reads the
same batches in the same order, which is that of `data_seed`. At each checkpoint step two things are
written: `step<N>/`, float16 weights with config and tokenizer in the layout of `from_pretrained`, and
`trainer_state.pt`, all that is needed to go on to bit-identical weights after a kill at any moment.

A model of an intervention goes on from its base's checkpoint: the weights in float32, the optimiser's
moments and the schedule are the base's, and only the text differs. So what the base was at that step is
kept beside its checkpoints (`trainer_state-step<N>.pt`). Where it was not, the base is trained again up to
there. Either way its weights are compared with the checkpoint's.

Departures from Pythia, both for a model this small: all of each head is rotated (`rotary_pct` 1.0),
and iteration 0 has a learning rate above zero, so that step 1 differs from step 0.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from pythia_utils.base.errors import TrainingError
from pythia_utils.base.files import atomic_folder, atomic_write
from pythia_utils.base.progress import say
from pythia_utils.base.schemas import parse
from pythia_utils.nano.schedule import learning_rate
from pythia_utils.nano.state import STATE, fault_of, read_state
from pythia_utils.nano.trained import (
    base_of,
    kept_state,
    model_folder,
    put_in_place,
    recipe,
    workplace,
)
from pythia_utils.suites.catalog import Model, suite
from pythia_utils.suites.folders import WEIGHTS
from pythia_utils.suites.identity import require, text_digest
from pythia_utils.suites.neox_config import hf_config
from pythia_utils.training_data.corpus import END_OF_TEXT, PADDING, Corpus
from pythia_utils.training_data.forked import training_rows

transformers.utils.logging.disable_progress_bar()  # else a bar for every file of every checkpoint
Progress = Callable[[int, float, float, bool], None]  # step, loss, tokens a second, last step?


def train_model(
    model: Model,
    device: str = "cpu",
    until: int | None = None,
    progress: Progress | None = None,
    keep: Collection[int] = (),
) -> None:
    """Train `model`, going on from where an earlier run stopped.

    Checkpoints that another recipe made stay until those of this run are all there.

    Args:
        model: of a local suite whose corpus has been made, and the text of its intervention, if it has one.
        device: `cpu` or `cuda`. Weights are bit-identical between runs on one device of one
            machine, not between devices.
        until: stop after this checkpoint step; a later call goes on to the same weights.
        progress: called after every step, and after those of the base if it has to be trained again.
        keep: steps from which another model is to go on, beside those from which one of the suite's file does.

    Raises:
        TrainingError: the loss, a gradient or a weight is not finite; the checkpoints before it stay. Or the
            base of a model of an intervention, trained again, has not the weights of its checkpoint.
        UsageError: the base has not been trained.
    """
    run = _Run(model, device)
    if model.fork and not run.step:
        run.take_up(_base_at_fork(model, device, progress).state())
    last = model.steps[-1] if until is None else until
    run.keep = {*keep, *_forked_at(model)}
    if run.step == 0 and 0 in model.steps:
        run.save()
    for _ in _stretch(run, last, progress, last):
        if run.step in model.steps:
            run.save()
    put_in_place(model)


def _stretch(run: _Run, to: int, progress: Progress | None, last: int) -> Iterator[None]:
    """Train on to a step, pausing after each; progress is told of `last` as the end of all."""
    model, data = run.model, training_rows(run.model)
    started, first = time.monotonic(), run.step
    while run.step < to:
        loss = run.advance(data.batch(run.step, model.batch_size))
        yield
        if progress:
            rate = (run.step - first) * model.tokens_per_step / (time.monotonic() - started)
            progress(run.step, loss, rate, run.step == last)


def _forked_at(model: Model) -> set[int]:
    """The steps from which a model of the suite's file goes on."""
    forks = (each.fork for each in suite(model.suite).models.values() if each.fork)
    return {fork.step for fork in forks if fork.base == model.name}


def _base_at_fork(model: Model, device: str, progress: Progress | None) -> _Run:
    """The base at the fork: as its state was kept, or else trained again, and kept from now on."""
    run = _Run(base_of(model), device, resume=False)
    path, step = kept_state(run.model, model.fork.step), model.fork.step
    state = read_state(path, device, "the base is trained again")
    if state and state["recipe"] == run.recipe and state["step"] == step:
        if fault := fault_of(state, run.network, run.optimiser, [step]):
            say(f"{path} is of no such training ({fault}): the base is trained again")
        else:
            run.take_up(state)
    is_kept = run.step == step > 0
    for _ in _stretch(run, step, progress, model.steps[-1]):
        pass
    _require_base(model, run)
    if not is_kept:
        run.write(path)
    return run


def _require_base(model: Model, run: _Run) -> None:
    """Bit for bit, the weights must be those of the base's checkpoint."""
    folder = require(run.model.checkpoint(run.step))
    stored = GPTNeoXForCausalLM.from_pretrained(folder, dtype=torch.float16).state_dict()
    own = {name: tensor.half().cpu() for name, tensor in run.network.state_dict().items()}
    if own.keys() == stored.keys() and all(torch.equal(own[name], stored[name]) for name in own):
        return
    told = parse((folder / "checkpoint.json").read_bytes(), {"device?": str})
    raise TrainingError(
        f"{run.model.name} has other weights when trained on {run.device} to step {run.step} than its "
        f"checkpoint of {told.get('device', 'another device')}, so {model.name} cannot go on there; train on "
        f"that device, or remove {folder.parent} and train {run.model.name} anew"
    )


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


class _Run:
    """The state of one training run: network, optimiser, step, losses, digest of the data read."""

    def __init__(self, model: Model, device: str, resume: bool = True):
        self.model, self.device = model, device
        self.keep: set[int] = set()  # steps at which another run goes on from this one
        self.clip = suite(model.suite).training["clip"]
        self.network = initialise(model).to(device).train()
        self.optimiser = _optimiser(model, self.network)
        self.step, self.losses, self.data_digest = 0, [], ""
        self.recipe = recipe(model)
        self.folder = workplace(model) if resume else model_folder(model)
        if resume and (state := read_state(self.folder / STATE, device)) is not None:
            self._restore(state)

    def _restore(self, state: dict) -> None:
        """Take up a saved state, unless another recipe made it or a checkpoint before it is gone."""
        before = [c.revision for c in self.model.checkpoints if c.step <= state["step"]]
        there = all((self.folder / revision / WEIGHTS).is_file() for revision in before)
        if state["recipe"] != self.recipe or not there:
            return
        if fault := fault_of(state, self.network, self.optimiser, self.model.steps):
            say(f"{self.folder / STATE} is of no such training ({fault}): training begins anew")
            return
        self.take_up(state)

    def take_up(self, state: dict) -> None:
        """Be what a run was when its state was saved."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.data_digest = state["step"], state["data_digest"]
        self.losses = state["losses"].tolist()

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
        if self.step in self.keep:
            self.write(self.folder / kept_state(self.model, self.step).name)
        self.write(self.folder / STATE)

    def state(self) -> dict:
        """All that is needed to go on from here."""
        return {
            "recipe": self.recipe,
            "step": self.step,
            "data_digest": self.data_digest,
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def write(self, path: Path) -> None:
        """Save the state, whole or not at all."""
        with atomic_write(path) as temporary:
            torch.save(self.state(), temporary)

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
            "corpus": text_digest(self.model),
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
