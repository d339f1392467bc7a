"""What staging makes of cards: minutes, text alternative, gallery and thumbnails."""

from __future__ import annotations

import base64
import io
from types import SimpleNamespace

import pytest

from pythia_utils.analysis import in_short
from pythia_utils.site import cards

assert cards.KIND == in_short.KIND  # two rooms, which do not import each other
QUESTION = "# A title\n\n**Question.** Does it *fall*?\nAnd why?"


def picture(width: int = 880, height: int = 680) -> bytes:
    image = pytest.importorskip("PIL.Image").new("RGB", (width, height), "white")
    image.paste((0, 100, 200), (40, 40, width - 40, 60))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def notebook(words: int = 400) -> dict:
    told = {"sentences": ["It *falls* by 3.", "So it is."], "words": ["loss", "seed_1"]}
    shown = [
        {"data": {cards.KIND: told, "text/markdown": "as in the notebook"}, "metadata": {}},
        {
            "data": {"image/png": base64.b64encode(picture()).decode()},
            "metadata": {"image/png": {"alt": "Lines of loss."}},
        },
    ]
    return {
        "cells": [
            {"cell_type": "markdown", "metadata": {}, "source": QUESTION},
            {
                "cell_type": "code",
                "metadata": {"tags": [cards.TAG]},
                "source": "",
                "outputs": shown,
            },
            {"cell_type": "markdown", "metadata": {}, "source": "word " * words},
        ]
    }


def test_a_card_holds_the_first_question_and_the_first_sentence():
    card = cards.card_of(notebook())
    assert (card.question, card.answer, card.alt) == (
        "Does it *fall*?",
        "It *falls* by 3.",
        "Lines of loss.",
    )
    assert card.picture == picture()
    assert cards.card_of({"cells": []}) == cards.Card()


def test_a_card_says_how_long_the_page_takes_and_which_words_to_know():
    done = cards.completed(notebook())["cells"][1]
    text = done["outputs"][0]["data"]["text/markdown"]
    assert text.startswith("**In short.** It *falls* by 3.\n\nSo it is.\n\n2 minutes to read.")
    assert r"Words to know: *loss*, *seed\_1* ({ref}`what they mean <words-used>`)." in text
    assert done["metadata"]["mystnb"]["image"] == {"alt": "Lines of loss."}


def test_words_that_the_glossary_has_are_links_to_it():
    page = "# Glossary\n\n```{glossary}\nLoss\n  How surprised.\n\nSeed_1\n: A number.\n```\n\nMore"
    terms = cards.terms_of(page)
    assert terms == ["Loss", "Seed_1"]
    done = cards.completed(notebook(), terms)["cells"][1]
    text = done["outputs"][0]["data"]["text/markdown"]
    assert text.endswith("Words to know: {term}`loss`, {term}`seed_1`.")
    assert cards.terms_of("no glossary") == []


def test_minutes_grow_with_words_and_figures_and_not_with_code():
    assert [cards.minutes(notebook(n)) for n in (0, 400, 2000)] == [1, 2, 10]
    longer = notebook(2000)
    longer["cells"].append(
        {"cell_type": "code", "source": "x = 1\n" * 5000, "metadata": {}, "outputs": []}
    )
    assert cards.minutes(longer) == 10
    figure = {"data": {"image/png": ""}}
    longer["cells"][-1]["outputs"] = [figure] * 10
    assert cards.minutes(longer) == 12


def test_a_gallery_has_an_item_a_chapter_in_parts_in_their_order():
    experiments = [
        SimpleNamespace(name=name, part=part)
        for name, part in (("loss", "Learnt"), ("lens", "Inside"), ("facts", "Learnt"), ("own", ""))
    ]
    titles = {"loss": "Loss", "lens": "Lens", "facts": "Facts", "own": "Mine"}
    known = cards.card_of(notebook())
    told = {"loss": known, "lens": known, "own": cards.Card()}
    text = cards.gallery(experiments, titles, told)
    assert [part for part in ("**Learnt**", "**Inside**", "**More**") if part in text] == [
        "**Learnt**",
        "**Inside**",
        "**More**",
    ]
    assert (
        text.index("Learnt") < text.index("[Loss](/experiments/loss.ipynb)") < text.index("Inside")
    )
    assert "facts" not in text  # has no chapter here
    assert text.count(":loading: lazy") == 2
    assert ':alt: "Lines of loss."' in text
    assert [name for name, _ in cards.thumbnails(told)] == [
        "parts/thumbnails/loss.png",
        "parts/thumbnails/lens.png",
    ]
    alone = cards.gallery(experiments[:1], titles, told)
    assert "**Learnt**" not in alone  # one part needs no name


def test_a_thumbnail_is_small_and_keeps_its_form():
    small = cards.thumbnail(picture())
    assert len(small) < 10_000
    image = pytest.importorskip("PIL.Image").open(io.BytesIO(small))
    assert image.width <= 320
    assert image.width / image.height == pytest.approx(880 / 680, rel=0.02)
