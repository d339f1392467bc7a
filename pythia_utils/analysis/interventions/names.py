"""Names that the records of interventions and their readers share. No torch: chapters import it."""

from __future__ import annotations

TOUCHED, PARTLY, UNTOUCHED = "touched", "partly touched", "untouched"  # subsets of phenomena
CHANGED, KEPT = "changed", "kept"  # subsets of facts
