"""What a reader meets first: the card of a chapter, the gallery of all, and little that was not asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.site_server import serve

SCREEN = {"width": 1400, "height": 1000}
PHONE = {"width": 390, "height": 844}
TALLEST = 9000  # pixels of a page
SHOWN = "boxes => boxes.filter(box => box.checkVisibility()).length"
CODE = "details.hide.above-input"


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


@pytest.fixture(scope="module")
def told(built_site) -> list[str]:
    """The pages that open with a card: all chapters, and two others."""
    chapters = sorted(path.stem for path in built_site.glob("experiments/*.html"))
    assert len(chapters) == 10
    return [*(f"experiments/{name}" for name in chapters), "pages/published", "pages/stability"]


def test_the_first_screen_has_the_question_the_answer_and_the_figure(visit, host, told):
    visit.page.set_viewport_size(SCREEN)
    for name in told:
        visit.open(f"{host}/{name}.html")
        card = visit.page.locator(".tag_in-short")
        assert card.count() == 1, name
        box = card.bounding_box()
        assert box["y"] + box["height"] < SCREEN["height"], name
        question = visit.page.get_by_text("Question.", exact=True)
        assert question.bounding_box()["y"] < box["y"], name
        said = card.locator("p").first.inner_text()
        assert said.startswith("In short. "), name
        assert len(said) > 30, name
        assert "to read" in card.inner_text(), name
        figure = card.locator("img")
        if figure.count():
            assert len(figure.get_attribute("alt")) > 40, name
            beside = figure.bounding_box()
            assert beside["height"] <= 381, name
            assert beside["x"] > card.locator("p").first.bounding_box()["x"] + 300, name


def test_no_page_is_taller_than_a_reader_bears(visit, host, told):
    visit.page.set_viewport_size(SCREEN)
    heights = {}
    for name in [*told, "pages/quickstart"]:
        visit.open(f"{host}/{name}.html")
        heights[name] = visit.page.evaluate("document.documentElement.scrollHeight")
    assert {name: height for name, height in heights.items() if height > TALLEST} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_figure_stands_below_the_sentences_and_nothing_overflows(
    browser, host, told, scheme
):
    context = browser.new_context(viewport=PHONE, color_scheme=scheme)
    page = context.new_page()
    for name in (*told, "index"):
        page.goto(f"{host}/{name}.html")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        card = page.locator(".tag_in-short")
        if card.locator("img").count():
            words, figure = card.locator("p").last, card.locator("img")
            assert figure.bounding_box()["y"] >= words.bounding_box()["y"], name
    context.close()


# --- code


def test_one_switch_shows_and_hides_all_code_and_is_remembered(visit, host, told):
    visit.open(f"{host}/{told[0]}.html")
    boxes, page = visit.page.locator(CODE), visit.page
    assert boxes.count() > 3
    assert boxes.evaluate_all(SHOWN) == 0
    switch = page.get_by_role("button", name="Show code", exact=True)
    assert switch.get_attribute("aria-pressed") == "false"
    switch.click()
    opened = page.locator(f"details.fold:not([open]) {CODE}").count()
    assert boxes.evaluate_all(SHOWN) == boxes.count() - opened
    assert boxes.evaluate_all("boxes => boxes.every(box => box.open)")
    visit.open(f"{host}/{told[1]}.html")  # another page
    assert page.locator(CODE).evaluate_all(SHOWN) > 3
    page.get_by_role("button", name="Hide code", exact=True).click()
    assert page.locator(CODE).evaluate_all(SHOWN) == 0
    page.reload()
    assert page.locator(CODE).evaluate_all(SHOWN) == 0
    assert visit.faults == []


def test_without_scripts_each_code_has_a_button_that_says_what_it_shows(browser, host, told):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{host}/{told[0]}.html")
    button = page.locator(f"{CODE} > summary").first
    assert button.is_visible()
    names = page.locator(f"{CODE} .collapsed").all_text_contents()
    assert all(name.startswith("Show the code of ") for name in names)
    button.click()
    assert page.locator(f"{CODE} pre").first.is_visible()
    context.close()


# --- folds


def test_a_box_opens_by_its_summary_and_for_a_link_into_it(visit, host):
    visit.page.set_viewport_size(SCREEN)
    visit.open(f"{host}/experiments/grammar.html")
    box = visit.page.locator("details.fold", has_text="the table of phenomena").first
    assert not box.locator("table").is_visible()
    summary = box.locator("summary").first
    assert summary.inner_text() == "Show the table of phenomena, with an example of each"
    summary.click()
    assert box.locator("table").is_visible()
    assert summary.inner_text().startswith("Hide the table")
    summary.click()
    figure = visit.page.locator("details.fold figure[id]").first
    anchor = figure.get_attribute("id")
    visit.page.evaluate("id => (location.hash = id)", anchor)
    figure.wait_for(state="visible")
    assert 0 <= figure.bounding_box()["y"] < SCREEN["height"]
    visit.open(f"{host}/experiments/grammar.html?again#{anchor}")  # from another page
    assert visit.page.locator(f"details.fold[open] #{anchor}").is_visible()


def test_paper_has_what_is_folded_and_no_code(visit, host):
    visit.open(f"{host}/experiments/grammar.html")
    visit.page.emulate_media(media="print")
    folded = visit.page.locator("details.fold table, details.fold img")
    assert folded.count() > 3
    folded.first.wait_for(state="visible")
    # Pictures come when they are wanted: a printer asks for them, this browser's imitation of one does not.
    assert folded.evaluate_all("parts => parts.every((part) => part.checkVisibility())")
    tables = visit.page.locator("details.fold table")
    assert tables.evaluate_all("all => all.every((one) => one.getBoundingClientRect().height > 0)")
    assert visit.page.locator(CODE).evaluate_all(SHOWN) == 0
    visit.page.emulate_media(media="screen")
    visit.page.wait_for_function("() => !document.querySelector('details.fold[open]')")


def test_third_level_headings_are_listed_and_reachable(visit, host):
    visit.page.set_viewport_size(SCREEN)
    visit.open(f"{host}/experiments/grammar.html")
    headings = visit.page.locator("article h3 .headerlink").count()
    entries = visit.page.locator("#pst-page-toc-nav .toc-h3 > a")
    assert headings > 3
    assert entries.count() == headings
    assert entries.evaluate_all("links => links.every(link => link.checkVisibility())")
    entries.last.scroll_into_view_if_needed()
    assert entries.last.bounding_box()["y"] < SCREEN["height"]


# --- the front page


def test_the_gallery_has_a_card_a_chapter_with_its_question_answer_and_picture(visit, host, told):
    visit.page.set_viewport_size(SCREEN)
    visit.open(f"{host}/index.html", until="networkidle")
    cards = visit.page.locator(".gallery li")
    chapters = [name for name in told if name.startswith("experiments/")]
    assert cards.count() == len(chapters)
    assert cards.first.bounding_box()["y"] < 700  # on the first screen
    columns = {round(card.bounding_box()["x"]) for card in cards.all()}
    assert len(columns) == 3
    found = {}
    for card in cards.all():
        texts = card.locator("p").all_inner_texts()
        found[card.locator("a").get_attribute("href").removesuffix(".html")] = texts
        picture = card.locator("img")
        assert picture.count() == 0 or picture.get_attribute("loading") == "lazy"
    assert sorted(found) == sorted(chapters)
    for name, (title, *_, answer) in found.items():
        visit.open(f"{host}/{name}.html")
        assert visit.page.locator("h1").last.inner_text().startswith(title)
        assert visit.page.locator(".tag_in-short p").first.inner_text() == f"In short. {answer}"


def test_a_click_anywhere_on_a_card_opens_its_chapter(visit, host):
    visit.page.set_viewport_size(SCREEN)
    visit.open(f"{host}/index.html")
    card = visit.page.locator(".gallery li").first
    with visit.page.expect_navigation():
        place = card.locator("p").last.bounding_box()
        visit.page.mouse.click(place["x"] + 5, place["y"] + 5)
    assert "/experiments/" in visit.page.url


def test_the_front_page_says_where_pythias_own_results_are(visit, host):
    visit.page.set_viewport_size(SCREEN)
    visit.open(f"{host}/index.html")
    box = visit.page.locator(".where-pythia")
    assert box.bounding_box()["y"] < 600
    links = [link.get_attribute("href") for link in box.get_by_role("link").all()]
    assert links == ["models/index.html", "pages/published.html"]


def test_on_a_phone_the_gallery_has_one_column(browser, host):
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.goto(f"{host}/index.html")
    places = {round(card.bounding_box()["x"]) for card in page.locator(".gallery li").all()}
    assert len(places) == 1
    context.close()
