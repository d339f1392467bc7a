"""Where a suite's text comes from, for chapters whose prose is about a text that our program made."""

from __future__ import annotations

from pythia_utils.base.markup import markdown
from pythia_utils.suites.catalog import Suite
from pythia_utils.suites.catalog import suite as find_suite


def in_words(suite: str) -> str:
    """Who made the text that a suite's models read, and what of a chapter is then about it. Markdown.

    Raises:
        UsageError: there is no such suite.
    """
    known = find_suite(suite)
    title = markdown(known.title)
    if known.kind == "own":
        return f"**The text.** {_of_your_own(known)} {_NOT_ABOUT}"
    if known.kind == "hub":
        return f"**The text.** {title} was trained on the Pile. {_NOT_ABOUT}"
    if known.is_of_text:
        return (
            f"**The text.** The suite *{title}* reads natural English, the chapters of the King James Version "
            "of the Bible, and is measured on chapters that were held out. They are one domain. Nobody knows "
            "its entropy: there is no least possible loss and no excess, and the floor of a law is fitted. "
            f"{_NOT_ABOUT}"
        )
    return f"**The text.** What the suite *{title}* reads was made by a program of ours, domain by domain."


def _of_your_own(known: Suite) -> str:
    """What each model of a suite of your own read, as its file says; who knows nothing says so."""
    data = {model.name: model.trained_on for model in known.models.values()}
    kinds = list(dict.fromkeys(data.values()))
    title = markdown(known.title)
    if kinds == ["unknown"]:
        return f"What the models of *{title}* read in training is not known."
    if len(kinds) == 1:
        return f"The models of *{title}* were trained on {markdown(kinds[0])}."
    told = (f"{markdown(name)}: {markdown(text)}" for name, text in data.items())
    return f"What the models of *{title}* read in training: {'; '.join(told)}."


_NOT_ABOUT = (
    "What this page says of several domains, of their entropy, or of a grammar that makes the text, is "
    "about our other suites and not about this one. Its findings were made on them, too: which of them hold "
    "here, the table of findings tells."
)
