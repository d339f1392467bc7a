"""What a notebook will ask of the Hub, known before it runs: to be fetched ahead, so that it runs offline.

An experiment says it in `analysis/<name>/needs.py`: a function `add(needs, **parameters)`, which is given all
parameters of its notebook. A checkpoint or a file is named; of training data the notebook's own sampling code
is run with `needs.open` in place of `open_source`, and what it would read is noted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pythia_utils.suites.catalog import Checkpoint, Model, find_model
from pythia_utils.suites.hub.files import HubFiles
from pythia_utils.training_data.noted import Reading
from pythia_utils.training_data.source import TrainingData


@dataclass
class Needs:
    """What has to be at hand.

    Attributes:
        checkpoints: with their tokenizers.
        tokenizers: of models, whichever checkpoint they are from.
        files: of data sets.
        reading: rows of training data.
    """

    checkpoints: list[Checkpoint] = field(default_factory=list)
    tokenizers: list[Model] = field(default_factory=list)
    files: list[HubFiles] = field(default_factory=list)
    reading: Reading = field(default_factory=Reading)

    def checkpoint(self, model: str, step: int, suite: str) -> Checkpoint:
        """The checkpoint, which is needed."""
        found = find_model(model, suite).checkpoint(step)
        self.checkpoints.append(found)
        return found

    def open(self, source: str, **settings) -> TrainingData:
        """In place of `open_source`: what is read of it is needed."""
        return self.reading.open(source, **settings)
