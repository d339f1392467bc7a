"""What a model, a checkpoint and an erratum are. Nothing is read here: `catalog` finds them by name."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field

from pythia_utils.base.errors import UsageError, unknown
from pythia_utils.suites.own.run import OwnRun


@dataclass(frozen=True)
class Erratum:
    """What is known to be odd about some checkpoints.

    Attributes:
        models: names of the models that it concerns.
        steps: their steps, ascending.
        kind: `wrong` (another step's weights), `partial` (some of them), `missing` (no weights),
            `expected` (as trained, but surprising).
        text: one clause.
        source: where it is reported; `P#205` is issue 205 of EleutherAI/pythia.
    """

    models: tuple[str, ...]
    steps: tuple[int, ...]
    kind: str
    text: str
    source: str


@dataclass(frozen=True)
class Checkpoint:
    """One model after one of its published training steps."""

    model: Model
    step: int

    @property
    def revision(self) -> str:
        """The Hub revision and the local folder: `step512`, or as a suite of your own calls it."""
        return self.model.revision(self.step)

    @property
    def true_step(self) -> int:
        """Optimiser steps taken: not `step` where revisions count batches of another size."""
        if self.model.own:
            return self.step
        return self.step * self.model.total_steps // self.model.steps[-1]

    @property
    def tokens_seen(self) -> int:
        """Training tokens read so far, repeats included."""
        if self.model.own:
            return self.model.own.tokens[self.step]
        return self.true_step * self.model.tokens_per_step

    @property
    def errata(self) -> tuple[Erratum, ...]:
        """The errata that name this very checkpoint."""
        return tuple(e for e in self.model.errata if self.step in e.steps)


@dataclass(frozen=True)
class Fork:
    """Where a run left another one, to read the rest of its training in a changed text.

    Attributes:
        base: name of the model that it goes on from.
        step: the base's checkpoint from which it does; its own begin behind it.
        intervention: what is done to the text: a name that `nano.interventions` knows.
        reads: the base's variant of the data.
    """

    base: str
    step: int
    intervention: str
    reads: str

    @property
    def in_words(self) -> str:
        """`swap-gender, from step 750 of pico-57k on`."""
        return f"{self.intervention}, from step {self.step:,} of {self.base} on"


@dataclass(frozen=True)
class Model:
    """One training run: a shape, a variant of the data and a seed.

    Attributes:
        name: `pythia-70m-deduped`.
        suite: the suite's name.
        variant: `standard` or `deduped` training data; `intervention` where the end of it was changed
            (`intervention-long`: a longer end; trained here, `swap-gender-from750`); of a suite of your own,
            what its file says.
        version: `v0` for the first release of the real suite, otherwise empty.
        size: `70m`.
        weight_seed: of the initial weights.
        data_seed: of the order of the training data.
        learning_rate: the peak.
        batch_size: sequences a step.
        seq_length: tokens a sequence.
        total_steps: optimiser steps of the whole run.
        steps: the checkpoints' steps as named on the Hub or on disk, ascending.
        repo_id: the Hub repository, None for a suite that is trained here.
        dtype: of the stored weights: `float16` or `bfloat16`.
        aliases: former names.
        usual_seed: of the suite's first models.
        trained_on: what it read, in words, where we cannot open that: an intervention, a suite of your own.
            Empty where it can be opened.
        own: of a suite of your own, where its checkpoints are and what they are; None of ours and Pythia.
        fork: of a run trained here that goes on from another; None of those that begin at step 0.
    """

    name: str
    suite: str
    variant: str
    version: str
    size: str
    weight_seed: int
    data_seed: int
    n_layers: int
    d_model: int
    n_heads: int
    vocab_size: int
    rotary_pct: float
    learning_rate: float
    batch_size: int
    seq_length: int
    total_steps: int
    dtype: str
    repo_id: str | None
    aliases: tuple[str, ...] = ()
    steps: tuple[int, ...] = field(default=(), repr=False)
    errata: tuple[Erratum, ...] = field(default=(), repr=False)
    usual_seed: int = field(default=1234, repr=False)
    trained_on: str = ""
    own: OwnRun | None = field(default=None, repr=False, compare=False)
    fork: Fork | None = field(default=None, repr=False)  # the name says it all

    @property
    def reads(self) -> str:
        """The variant of the data that it reads: a fork that of its base, some of it changed."""
        return self.fork.reads if self.fork else self.variant

    @property
    def is_trained_here(self) -> bool:
        """Whether `pythia train` makes it."""
        return self.repo_id is None and self.own is None

    @property
    def has_usual_seed(self) -> bool:
        """Whether its seeds are those of the suite's first models: one of each size and variant."""
        return {self.weight_seed, self.data_seed} == {self.usual_seed}

    @property
    def seed_name(self) -> str:
        """How its name ends for its seeds: `seed1`, `weight-seed1`, `data-seed1`; empty for the usual."""
        if self.weight_seed == self.data_seed:
            return "" if self.has_usual_seed else f"seed{self.weight_seed}"
        weights = self.weight_seed != self.usual_seed
        return f"weight-seed{self.weight_seed}" if weights else f"data-seed{self.data_seed}"

    @property
    def intermediate(self) -> int:
        """Width of the MLP's hidden layer."""
        return 4 * self.d_model

    @property
    def non_embedding_params(self) -> int:
        """Parameters without embeddings: L (12 d^2 + 13 d) in the layers, 2 d in the last norm.

        Of a suite of your own they are counted (`own.config`).
        """
        if self.own:
            return self.own.parameters[0]
        d = self.d_model
        return self.n_layers * (12 * d * d + 13 * d) + 2 * d

    @property
    def total_params(self) -> int:
        """All parameters: embedding and unembedding are separate matrices."""
        if self.own:
            return self.own.parameters[1]
        return self.non_embedding_params + 2 * self.vocab_size * self.d_model

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimiser step trains on."""
        return self.batch_size * self.seq_length

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All checkpoints, in training order."""
        return tuple(Checkpoint(self, step) for step in self.steps)

    def revision(self, step: int) -> str:
        """How the Hub, or the folder of a checkpoint, names one of its steps."""
        return self.own.revisions[step] if self.own else f"step{step}"

    def checkpoint(self, step: int | str) -> Checkpoint:
        """The checkpoint named `step`: 3000, or as its revision is called, `step3000`; `main` is Pythia's last.

        Raises:
            UsageError: the model has no such checkpoint.
        """
        if isinstance(step, str):
            step = self._numbered(step)
        try:
            step = operator.index(step)  # NumPy's integers too
        except TypeError:
            raise UsageError(f"step {step!r} of {self.name} is not a whole number") from None
        if step not in self.steps:
            raise unknown("step", step, self.steps, where=f"of {self.name}{self._before(step)}")
        return Checkpoint(self, step)

    def _before(self, step: int) -> str:
        """Of a fork, whose a step is that lies before it."""
        if self.fork is None or not 0 <= step <= self.fork.step:
            return ""
        return f" (to step {self.fork.step} it is {self.fork.base})"

    def _numbered(self, name: str) -> int | str:
        """The step that a revision's name says; the name itself if it says none."""
        names = {self.revision(step): step for step in self.steps}
        if not self.own:  # of yours, `main` may be anything
            names["main"] = self.steps[-1]
        named = re.fullmatch(r"step([0-9]{1,18})", name)
        return names.get(name, int(named[1]) if named else name)
