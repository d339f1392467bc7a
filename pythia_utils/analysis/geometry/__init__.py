"""Geometry of weights and hidden states: norms, spectra, distances, alignment over training and between seeds.

Imports what `analysis` may; no other experiment's folder."""
