"""The suite's published evaluations: as records, compared, and drawn.

Imports what `analysis` may; no other experiment's folder."""
