"""Induction: what a model gains by repetition, which heads it takes, and when in training they appear.

Imports what `analysis` may; no other experiment's folder."""
