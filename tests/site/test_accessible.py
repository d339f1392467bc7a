"""Pages for those who do not see them, who use no mouse, or who have them on paper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import axe
from helpers.browser import Visit
from helpers.site_server import serve

from pythia_utils.site.accessible import repaired
from pythia_utils.site.print_style import printed_light

PAGES = ("index", "pages/quickstart", "runs", "status", "suites", "api", "add-experiment")
PAGES += ("search", "404", "references")  # and a chapter, and the page of a run
WIDE, PHONE, A4 = ({"width": w, "height": h} for w, h in ((1400, 1000), (390, 844), (720, 1000)))
COLOURS = ("color-contrast", "link-in-text-block")


@pytest.fixture(scope="module")
def address(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


@pytest.fixture(scope="module")
def chapter(built_site) -> str:
    """The chapter with the most kinds of figures: one of them is interactive."""
    assert (built_site / "experiments/induction.html").is_file()
    return "experiments/induction"


@pytest.fixture(scope="module")
def run(built_site) -> str:
    last = sorted((built_site / "cells").rglob("*.html"))[-1]
    return last.relative_to(built_site).with_suffix("").as_posix()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    yield context.new_page()
    context.close()


def go(page, address: str, name: str) -> None:
    Visit(page).open(f"{address}/{name}.html")


def in_the_dark(page) -> None:
    page.evaluate("() => (document.documentElement.dataset.theme = 'dark')")


# --- axe


def test_axe_finds_nothing_serious_on_any_kind_of_page_light_or_dark(page, address, chapter, run):
    found = {}
    for name in (*PAGES, chapter, run):
        go(page, address, name)
        found[name, "light"] = axe.faults(page)
        in_the_dark(page)
        found[name, "dark"] = axe.faults(page, COLOURS)
    assert {place: lines for place, lines in found.items() if lines} == {}


@pytest.mark.parametrize("kind", ["index", "run"])
def test_axe_finds_nothing_serious_on_a_phone(page, address, run, kind):
    page.set_viewport_size(PHONE)
    go(page, address, {"run": run}.get(kind, kind))
    assert axe.faults(page) == []


def test_axe_would_find_grey_on_grey_and_a_button_without_a_name(page, address):
    go(page, address, "404")
    bad = "<p style='color:#999;background:#aaa'>Hardly to be read.</p><button></button>"
    page.evaluate(
        "html => document.querySelector('article').insertAdjacentHTML('beforeend', html)", bad
    )
    assert [line.split()[0] for line in axe.faults(page)] == ["button-name", "color-contrast"]


# --- names


NAMES = """() => [...document.querySelectorAll("article :is(summary, button)")]
  .filter((each) => each.checkVisibility()).map((element) => {
  const written = element.innerText.trim().split("\\n")[0];
  const drawn = element.querySelector("title")?.textContent;
  return [element.getAttribute("aria-label") ?? (written || drawn || ""), written];
})"""


def test_what_folds_and_unfolds_says_what_it_shows(page, address, chapter):
    go(page, address, chapter)
    page.get_by_role("button", name="Show code").first.click()
    names = page.evaluate(NAMES)
    assert len(names) > 3
    assert [name for name, _ in names if not name or "hidden content" in name.lower()] == []
    assert [pair for pair in names if pair[1].lower() not in pair[0].lower()] == []  # by voice


def test_an_empty_corner_of_a_table_is_no_heading():
    corner = '<tr><th class="blank level0" scope="col">&nbsp;</th><th scope="col">step</th></tr>'
    kept = '<tr><td class="blank level0">&nbsp;</td><th scope="col">step</th></tr>'
    assert repaired(corner) == kept
    assert repaired('<th class="head"><p></p></th>') == '<td class="head"><p></p></td>'


def test_text_that_looks_like_a_fault_stays_as_it_is():
    text = "<code>&lt;th&gt;&lt;/th&gt; aria-label=&quot;Toggle hidden content&quot;</code>"
    assert repaired(text) == text


# --- the keyboard

FOCUS = """async () => {
  await Promise.all(document.getAnimations().map((animation) => animation.finished));
  const element = document.activeElement, box = element.getBoundingClientRect();
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
  return {
    name: element.innerText || element.ariaLabel || element.title || element.placeholder ||
      element.querySelector("title")?.textContent || element.labels?.[0]?.innerText,
    seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    marked: (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none",
    place: [...document.querySelectorAll("*")].indexOf(element),
  };
}"""


def test_the_first_stop_of_the_tab_key_skips_to_the_text(page, address, chapter):
    go(page, address, chapter)
    page.keyboard.press("Tab")
    first = page.evaluate(FOCUS)
    assert "main content" in first["name"].lower()
    assert first["seen"]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "() => document.activeElement.closest('#main-content') !== null"
    assert page.evaluate(inside)


def test_the_tab_key_goes_down_the_page_and_shows_where_it_is(page, address, chapter):
    go(page, address, chapter)
    stops = []
    for _ in range(40):
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUS))
    assert [stop for stop in stops if not (stop["seen"] and stop["marked"] and stop["name"])] == []
    places = [stop["place"] for stop in stops]
    assert places == sorted(places)


# --- paper

# Every visible text: its colour and the first ground below it that is not transparent, as luminances.
INK = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parts(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return light(colour);
    }
    return 1;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const told = walker.currentNode.textContent.trim();
    const shown = element.checkVisibility({ visibilityProperty: true });
    if (!told || !shown || element.closest("svg, .grid-table")) continue;
    found.push([told.slice(0, 60), light(getComputedStyle(element).color), ground(element)]);
  }
  return found;
}"""
LEFT_OUT = """() => [...document.querySelectorAll("nav, header, button, [role=search], .prev-next-footer")]
  .filter((element) => element.checkVisibility() && element.getBoundingClientRect().height > 1)
  .filter((element) => !element.closest("#jb-print-toc"))
  .map((element) => element.outerHTML.slice(0, 120))"""
CUT_OFF = """() => [...document.querySelectorAll("article :is(table, pre, img)")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""


@pytest.fixture
def paper(page):
    """A page that is in its dark mode and about to be printed."""
    page.set_viewport_size(A4)
    page.emulate_media(media="print", color_scheme="dark")
    return page


@pytest.mark.parametrize("kind", ["chapter", "run", "suites"])
def test_print_from_dark_mode_is_black_on_white(paper, address, chapter, run, kind):
    go(paper, address, {"chapter": chapter, "run": run}.get(kind, kind))
    in_the_dark(paper)
    texts = paper.evaluate(INK)
    assert len(texts) > 50
    assert [text for text in texts if text[2] < 0.95] == []  # the ground is white
    assert [text for text in texts if (text[2] + 0.05) / (text[1] + 0.05) < 4.5] == []
    of_prose = paper.evaluate("() => getComputedStyle(document.querySelector('article p')).color")
    assert of_prose == "rgb(0, 0, 0)"


@pytest.mark.parametrize("kind", ["chapter", "run", "suites"])
def test_paper_has_the_text_and_no_navigation_and_cuts_no_table_off(
    paper, address, chapter, run, kind
):
    go(paper, address, {"chapter": chapter, "run": run}.get(kind, kind))
    assert paper.evaluate(LEFT_OUT) == []
    assert paper.evaluate(CUT_OFF) == []
    hidden = "() => getComputedStyle(document.querySelector('#pst-primary-sidebar')).display"
    assert paper.evaluate(hidden) == "none"


def test_dark_rules_are_for_screens_and_light_ones_for_all_paper():
    dark, light = 'html[data-theme="dark"]', "html[data-theme=light]"
    styled = printed_light(f"/* a */ .a:is(b, c),{dark} p{{x:y}}\n{light}{{--t:#000}}")
    assert f"@media screen{{{dark} p{{x:y}}}}" in styled
    assert ".a:is(b, c){x:y}" in styled
    assert f"{light}{{--t:#000}}" in styled
    assert f"@media print{{{dark}{{--t:#000}}}}" in styled
    assert printed_light("p{x:y} @media print{a{b:c}}") == "p{x:y} @media print{a{b:c}}"
