"""Published checkpoints that are not what their name says: warned of when they are opened, or refused.

Which ones they are, and who found out, is in `data/suites/`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from pythia_utils.errors import UsageError, nearest
from pythia_utils.suites import Checkpoint, Erratum


class CheckpointWarning(UserWarning):
    """A published checkpoint that is not what its name says. Loaded nevertheless."""


def known_bad(checkpoints: Iterable[Checkpoint]) -> list[str]:
    """What is wrong with some checkpoints of a model, one line for each erratum that hits them."""
    hits: dict[Erratum, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        for erratum in checkpoint.errata:
            if erratum.kind != "expected":  # as trained: surprising, not wrong
                hits.setdefault(erratum, []).append(checkpoint)
    return [_erratum_line(erratum, bad) for erratum, bad in hits.items()]


def _erratum_line(erratum: Erratum, bad: list[Checkpoint]) -> str:
    steps = ", ".join(str(checkpoint.step) for checkpoint in bad[:4])
    more = f" and {len(bad) - 4} more" if len(bad) > 4 else ""
    return f"{bad[0].model.name} step {steps}{more}: {erratum.text} ({erratum.source})"


def has_weights(checkpoint: Checkpoint) -> bool:
    """Whether the suite published weights for the checkpoint, as far as is known."""
    return all(erratum.kind != "missing" for erratum in checkpoint.errata)


def require_weights(checkpoints: Iterable[Checkpoint]) -> None:
    """Raise UsageError for the first checkpoint whose weights are known to be missing."""
    for checkpoint in checkpoints:
        if not has_weights(checkpoint):
            others = [c.step for c in checkpoint.model.checkpoints if has_weights(c)]
            choices = ", ".join(nearest(checkpoint.step, others))
            raise UsageError(f"{known_bad([checkpoint])[0]}; nearest: {choices}")


def heed_errata(checkpoints: Sequence[Checkpoint], strict: bool) -> None:
    """Warn of checkpoints that are known to be wrong.

    Raises:
        UsageError: with `strict`, instead of the warning; and always if weights are missing.
    """
    require_weights(checkpoints)
    for line in known_bad(checkpoints):
        if strict:
            raise UsageError(f"{line}; refused, as asked (strict)")
        warnings.warn(line, CheckpointWarning, stacklevel=3)  # whoever loads
