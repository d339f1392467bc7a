"""The Pythia Book's package: measure language models across training time and scale.

>>> import pythia_utils
>>> model, tokenizer = pythia_utils.load("pico-57k", step=512)   # doctest: +SKIP
"""

from pythia_utils.checkpoints import load
from pythia_utils.sweep import sweep

__all__ = ["load", "sweep"]
