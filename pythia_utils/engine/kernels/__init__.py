"""Run one notebook in a kernel of its own, warm or cold, and be able to stop it.

Imports `base` only: nothing here knows of Pythia."""
