"""The explorer: all numbers of a suite's runs, and all published ones of Pythia, on one page."""
