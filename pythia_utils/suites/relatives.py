"""Which runs of a published suite belong together: a main model, and the others of its size and data."""

from __future__ import annotations

from pythia_utils.suites.catalog import Model, Suite


def main_models(suite: Suite) -> list[Model]:
    """One of each size and variant: of today's release, from its first step, with the suite's usual seed.

    Returns:
        By size; of each size the standard one first.
    """
    main = [model for model in suite.models.values() if _is_main(model)]
    return sorted(main, key=lambda model: (model.non_embedding_params, model.variant == "deduped"))


def _is_main(model: Model) -> bool:
    return model.variant in ("standard", "deduped") and not model.version and not model.seed_name


def relatives(suite: Suite, main: Model) -> list[Model]:
    """The suite's other runs of a main model's size and data: earlier releases, seeds, changed texts."""
    return [
        model
        for model in suite.models.values()
        if model.size == main.size and not _is_main(model) and _data(model) == main.variant
    ]


def _data(model: Model) -> str:
    """`deduped` of an intervention, too: it went on from such a run."""
    return "standard" if model.variant == "standard" else "deduped"
