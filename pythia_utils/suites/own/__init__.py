"""Suites of your own: a file that names checkpoints on the Hub or in a folder, and what they turn out to be.

Imports `base` and `suites/hub`; knows no `Model` and no experiment.
"""
