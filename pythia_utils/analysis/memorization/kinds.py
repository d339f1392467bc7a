"""What makes a memorized text recited, reconstructed or recollected (Prashanth et al. 2025)."""

from __future__ import annotations

OFTEN = 6  # reads from which on a recital is called recitation (Prashanth et al.: more than five)
RECITE, RECONSTRUCT, RECOLLECT = KINDS = ("recite", "reconstruct", "recollect")
