"""N-gram stages: how far a model is from the n-grams of its corpus over training; unigrams first.

Imports what `analysis` may; no other experiment's folder."""
