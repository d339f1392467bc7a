"""Which models and checkpoints there are, and opening them; the Hub is in `hub/`.

Imports `base`; knows nothing of training data, evaluation or the grid. Hands on the names of `catalog`.
"""

from pythia_utils.suites.catalog import *  # noqa: F403
