"""Facts by the times that training told them: recall, thresholds, and two facts put together.

Imports what `analysis` may; no other experiment's folder."""
