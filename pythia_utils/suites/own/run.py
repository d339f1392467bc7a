"""What is known of a training run that a suite of your own names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class OwnRun:
    """Where a run's checkpoints are, and what they are.

    Attributes:
        entry: what the file says of it, as JSON: all of it counts in a fingerprint.
        file: the suite's file.
        folder: with its checkpoints; None if they are on the Hub.
        kind: transformers' name of the architecture, such as `llama`.
        revisions: the checkpoints' names, by step, ascending.
        tokens: training tokens read, by step.
        parameters: without embeddings (input, output and positions), and all.
        given: of `batch_size`, `seq_length` and `seed` those that the file tells.
        tokenizer: a folder, or a repository of the Hub, with its tokenizer; empty if it lies with the
            checkpoints.
    """

    entry: str
    file: Path
    folder: Path | None
    kind: str
    revisions: dict[int, str]
    tokens: dict[int, int]
    parameters: tuple[int, int]
    given: dict[str, int]
    tokenizer: str = ""

    @property
    def place(self) -> str:
        """`the folder runs/mine`, or `the Hub`: where somebody would look."""
        return f"the folder {self.folder}" if self.folder else "the Hub"
