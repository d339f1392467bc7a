"""Names and bounds that the records of induction and their readers share. No torch: chapters import it."""

from __future__ import annotations

SCORES = (
    "prefix_matching",
    "copying",
    "previous_token",
    "first_token",
)  # of heads: `evaluation.attention`
LEAST = 0.1  # nats: of a smaller gain nobody can tell what it hangs on
ECHO_PERIODS = (
    8,
    20,
)  # symbols, the least and the most, until an echo document of training repeats
