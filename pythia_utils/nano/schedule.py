"""The learning rate over training, of suites that are trained here; no torch."""

from __future__ import annotations

import math

from pythia_utils.suites.catalog import Model, suite


def learning_rate(model: Model, iteration: int) -> float:
    """Linear warm-up, then cosine to a tenth of the peak; `iteration` counts from 0."""
    training = suite(model.suite).training
    warmup = max(1, round(training["warmup"] * model.total_steps))
    if iteration < warmup:
        return model.learning_rate * (iteration + 1) / warmup
    floor = training["min_lr"] * model.learning_rate
    done = (iteration - warmup) / max(1, model.total_steps - warmup)
    return floor + (model.learning_rate - floor) * 0.5 * (1 + math.cos(math.pi * done))
