"""The Pythia Book's package: measure language models across training time and scale.

>>> import pythia_utils
>>> model, tokenizer = pythia_utils.load("pico-57k", step=512)   # doctest: +SKIP

Its rooms are folders, and imports go downwards: `base` < `suites` < `training_data`, `grid` < `nano`,
`engine`, `site` < `evaluation` < `analysis` < `cli`. `pythia_utils.load` and `pythia_utils.sweep` are
imported when they are first used, so that a module of one room does not load the others.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pythia_utils.suites.checkpoints import load
    from pythia_utils.suites.sweep import sweep

__all__ = ["load", "sweep"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from pythia_utils.suites.checkpoints import load

        return load
    if name == "sweep":
        from pythia_utils.suites.sweep import sweep

        return sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
