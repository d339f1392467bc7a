"""Smaller batches where memory is short: `PYTHIA_BATCH_SHARE=0.5` halves them.

A notebook that ran out of memory is run again with half. Batches change memory and speed, not
results.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pythia_utils.base.errors import UsageError

VARIABLE = "PYTHIA_BATCH_SHARE"


def share(env: Mapping[str, str] = os.environ) -> float:
    """The share of the usual tokens of a batch that may be used: in (0, 1], 1 by default.

    Raises:
        UsageError: the variable is not such a number.
    """
    text = env.get(VARIABLE, "1")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise UsageError(f"{VARIABLE}={text!r}: expected a number above 0 and up to 1, such as 0.5")
    return value


def scaled(tokens: int) -> int:
    """So many tokens of a batch as may be used of the usual number. Ask at each call, not on import."""
    return max(1, int(tokens * share()))
