"""Training order and memorization: which texts a model can recite, and why these.

Imports what `analysis` may; no other experiment's folder."""
