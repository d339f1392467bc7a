"""Make our own suites: grammar, corpus, training.

Imports `base`, `suites` and `training_data`, where what was made is read."""
