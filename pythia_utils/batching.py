"""How many tokens go through a model at a time. `PYTHIA_BATCH_TOKENS` sets another number.

It changes memory and speed, not results. A notebook that runs out of memory is run again with half.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from pythia_utils.errors import UsageError

VARIABLE = "PYTHIA_BATCH_TOKENS"
BATCH_TOKENS = 8192  # padded tokens in one forward pass


def batch_tokens(env: Mapping[str, str] = os.environ) -> int:
    """Padded tokens in one forward pass; read it at each call, not on import.

    Raises:
        UsageError: the variable is not a positive whole number.
    """
    text = env.get(VARIABLE, str(BATCH_TOKENS))
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(
            f"{VARIABLE}={text!r}: expected a number of tokens, such as {BATCH_TOKENS}"
        )
    return int(text)
