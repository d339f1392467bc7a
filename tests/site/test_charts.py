"""Charts of a chapter as a reader questions them: pointed at, filtered, stepped through, saved, printed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from helpers.browser import Visit
from helpers.site_server import serve

from pythia_utils.analysis.grammar import acquisition
from pythia_utils.grid import records

CHAPTER = "experiments/grammar.html"
FIRST, OTHER = 0, 1  # figures of it that have the same models
# What Vega has drawn of one kind of mark: each item's datum, with its place in the window.
MARKS = """(chart, kind) => [...chart.querySelectorAll("svg.marks *")]
  .filter(({__data__: item}) => item?.mark?.marktype === kind && item.mark.role === "mark")
  .map((element) => [element.__data__, element.getBoundingClientRect()])
  .map(([{datum, opacity, size}, box]) => ({...(datum.datum ?? datum), size,
    x: box.x + box.width / 2, y: box.y + box.height / 2}))"""


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


class Chapter:
    """A chapter in a window, its charts drawn."""

    def __init__(
        self,
        visit: Visit,
        host: str,
        width: int = 1400,
        name: str = CHAPTER,
        unfolded: bool = True,
    ) -> None:
        self.visit, self.page = visit, visit.page
        self.page.set_viewport_size({"width": width, "height": 1000})
        visit.open(f"{host}/{name}")
        if unfolded:
            self.page.evaluate(
                "document.querySelectorAll('.fold').forEach(box => (box.open = true))"
            )
            visit.draw_charts()
        # those of curves, of which the page's bar knows
        self.charts = self.page.locator(".vega-chart:has(.chart-tools):not(.failed)")

    def marks(self, index: int, kind: str) -> list[dict]:
        self.charts.nth(index).scroll_into_view_if_needed()
        return self.charts.nth(index).evaluate(MARKS, kind)

    def lines(self, index: int) -> set[str]:
        """The models that a chart shows."""
        return {mark["m"] for mark in self.marks(index, "symbol")}

    def chip(self, index: int, name: str):
        return self.charts.nth(index).get_by_role("button", name=name, exact=True)

    def point(self, index: int, **wanted) -> dict:
        """Of the measurements that are drawn the one that is farthest from others, in the window."""
        marks = self.marks(index, "symbol")

        def alone(mark: dict) -> float:
            others = (
                o for o in marks if (o["m"], o["s"], o["p"]) != (mark["m"], mark["s"], mark["p"])
            )
            return min(abs(o["x"] - mark["x"]) + abs(o["y"] - mark["y"]) for o in others)

        return max((m for m in marks if wanted.items() <= m.items()), key=alone)

    def settle(self) -> None:
        self.page.wait_for_timeout(150)


@pytest.fixture
def chapter(visit, host) -> Chapter:
    return Chapter(visit, host)


# --- pointing


def test_pointing_tells_the_value_interval_and_count_of_the_records(chapter, tiny_run, monkeypatch):
    monkeypatch.setenv("PYTHIA_RUNS", str(tiny_run / "runs"))
    runs = records.read_all("grammar", "pico")
    curves = acquisition.curves(runs[(runs["metric"] == "accuracy")])
    point = chapter.point(FIRST, s=16)
    model = point["m"]
    own = curves.query("model == @model and step == 16 and parameters == ''")
    (row,) = own[own["subset"].str.replace("_", " ") == point["p"]].itertuples()
    chapter.page.mouse.move(point["x"], point["y"])
    tooltip = chapter.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert tooltip.locator("h2").inner_text() == model
    cells = dict(
        tooltip.locator("tr").evaluate_all(
            "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
        )
    )
    assert cells["step"] == "16"
    assert cells["accuracy"] == f"{row.value:.3f}"
    assert cells["95% interval"] == f"{row.low:.3f} to {row.high:.3f}"
    assert cells["n"] == f"{row.pairs:,.0f}"
    assert chapter.visit.faults == []


def test_a_click_on_a_point_opens_its_notebook_and_a_middle_click_in_another_tab(
    chapter, built_site, host
):
    point = chapter.point(FIRST, m="pico-7k", s=16)
    with chapter.page.context.expect_page() as opened:
        chapter.page.mouse.click(point["x"], point["y"], button="middle")
    opened.value.wait_for_url("**/cells/**")
    page = f"{host}/cells/pico/grammar/pico-7k/step000016.html"
    assert opened.value.url == page
    with chapter.page.expect_navigation():
        chapter.page.mouse.click(point["x"], point["y"])
    assert chapter.page.url == page
    assert (built_site / page.removeprefix(f"{host}/")).is_file()


def test_every_point_of_records_has_a_page(chapter, built_site):
    addresses = chapter.page.evaluate(
        """() => [...document.querySelectorAll(".vega-chart > script")]
             .map((script) => JSON.parse(script.textContent))
             .filter((spec) => spec.usermeta?.curves?.pages)
             .flatMap((spec) => spec.data.values.trim().split("\\n").slice(1).map((row) => row.split(","))
               .map(([m, s]) => window.bookCharts.pageOf(spec, {m, s})))"""
    )
    assert len(addresses) > 10
    missing = {a for a in addresses if not (built_site / "experiments" / a).resolve().is_file()}
    assert missing == set()


# --- the page's choice


def test_a_size_of_the_legend_is_shown_alone_in_all_figures(chapter):
    both = {"pico-7k", "pico-14k"}
    assert chapter.lines(FIRST) == both
    chapter.chip(FIRST, "7k").click()
    chapter.settle()
    assert chapter.lines(FIRST) == chapter.lines(OTHER) == {"pico-7k"}
    assert chapter.chip(OTHER, "14k").get_attribute("aria-pressed") == "false"
    chapter.chip(OTHER, "14k").click(modifiers=["Shift"])
    chapter.settle()
    assert chapter.lines(FIRST) == chapter.lines(OTHER) == both
    chapter.chip(FIRST, "14k").focus()
    chapter.page.keyboard.press("Enter")
    chapter.settle()
    assert chapter.lines(FIRST) == {"pico-14k"}
    chapter.page.keyboard.press("Enter")
    chapter.settle()
    assert chapter.lines(FIRST) == both


def marked(chapter: Chapter, index: int) -> set[int]:
    """The steps at which a chart has a line from its foot to its top."""
    return {mark["s"] for mark in chapter.marks(index, "rule") if "c" in mark}


def points_at(chapter: Chapter, step: int) -> list[dict]:
    return [mark for mark in chapter.marks(OTHER, "symbol") if mark["s"] == step]


def test_the_step_of_the_bar_is_marked_in_all_figures_and_kept(chapter, built_site):
    assert marked(chapter, FIRST) == set()
    slider = chapter.page.locator(".chart-bar").get_by_role("slider")
    slider.focus()
    chapter.page.keyboard.press("Home")
    chapter.settle()
    assert marked(chapter, FIRST) == marked(chapter, OTHER) == {0}
    chapter.page.keyboard.press("End")
    chapter.settle()
    assert marked(chapter, FIRST) == marked(chapter, OTHER) == {16}
    assert slider.get_attribute("aria-valuetext") == "step 16"
    read_out = {mark["w"] for mark in chapter.marks(OTHER, "text") if mark.get("s") == 16}
    assert read_out == {
        f"{mark['v']:.3f}".replace("-", "\N{MINUS SIGN}") for mark in points_at(chapter, 16)
    }
    chapter.page.reload()
    again = Chapter(chapter.visit, chapter.page.url.rsplit("/", 2)[0])
    assert marked(again, FIRST) == {16}
    chapter.page.get_by_role("button", name="Mark no step").click()
    chapter.settle()
    assert marked(again, FIRST) == set()


def test_the_bar_lists_the_notebooks_of_its_step_and_can_be_closed(chapter, host, built_site):
    bar = chapter.page.locator(".chart-bar")
    chapter.charts.nth(FIRST).scroll_into_view_if_needed()
    bar.get_by_role("slider").fill("1")
    bar.locator(".chart-bar-notebooks summary").click()
    links = bar.locator(".chart-bar-notebooks a")
    assert links.all_inner_texts() == ["pico-7k", "pico-14k"]
    for link in links.all():
        assert link.evaluate("link => link.href").startswith(f"{host}/cells/pico/grammar/pico-")
        place = link.evaluate("link => link.href").removeprefix(host + "/")
        assert (built_site / place).is_file()
    bar.locator(".chart-bar-models summary").click()
    bar.get_by_role("button", name="14k", exact=True).click()
    chapter.settle()
    assert chapter.lines(FIRST) == {"pico-7k"}
    assert bar.locator(".chart-bar-models summary").inner_text().startswith("Models: ")
    bar.get_by_role("button", name="All", exact=True).click()
    bar.get_by_role("button", name="Close the bar of models and step").click()
    assert not bar.get_by_role("slider").is_visible()
    bar.get_by_role("button", name="Models and step").click()
    assert bar.get_by_role("slider").is_visible()


def test_a_map_of_heads_goes_along_with_the_step_of_the_bar(visit, host):
    chapter = Chapter(visit, host, name="experiments/induction.html")
    chapter.charts.first.scroll_into_view_if_needed()
    chapter.page.locator(".chart-bar").get_by_role("slider").fill("0")
    chapter.settle()
    assert "at step 0" in " ".join(
        chapter.page.locator(".vega-chart svg.marks").all_text_contents()
    )


# --- without scripts, in print, as a file


def test_without_scripts_there_are_pictures(browser, host):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{host}/{CHAPTER}")
    pictures = page.locator(".vega-chart .figure-picture img")
    assert pictures.count() > 3
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.bounding_box()["height"] > 100
    assert page.locator(".chart-tools, .vega-chart-view, .chart-bar").count() == 0
    context.close()


def test_in_print_there_are_pictures(chapter):
    picture = chapter.charts.nth(FIRST).locator(".figure-picture img")
    drawn = chapter.charts.nth(FIRST).locator("svg.marks")
    assert drawn.is_visible()
    assert not picture.is_visible()
    chapter.page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    chapter.page.emulate_media(media="print")
    picture.wait_for()
    assert picture.is_visible()
    assert not drawn.is_visible()
    assert not chapter.page.locator(".chart-tools, .chart-bar").filter(visible=True).count()


@pytest.mark.parametrize("kind", ["SVG", "PNG"])
def test_a_chart_can_be_saved_by_keyboard(chapter, kind, tmp_path):
    menu = chapter.charts.nth(OTHER).locator(".chart-save")
    menu.locator("summary").focus()
    chapter.page.keyboard.press("Enter")
    menu.get_by_role("button", name=f"Save as {kind}").focus()
    with chapter.page.expect_download() as saved:
        chapter.page.keyboard.press("Enter")
    saved.value.save_as(tmp_path / "chart")
    data = (tmp_path / "chart").read_bytes()
    assert saved.value.suggested_filename.endswith(f".{kind.lower()}")
    if kind == "SVG":
        text = data.decode()
        assert text.startswith("<svg")
        assert all(f">{name}</text>" in text for name in ("pico-7k", "pico-14k"))  # its legend
    else:
        assert data.startswith(b"\x89PNG")


# --- looks

TEXTS = """chart => [...chart.querySelectorAll("svg.marks text")]
  .filter((text) => text.textContent && text.getAttribute("opacity") !== "0")
  .map((text) => [text.textContent, parseFloat(getComputedStyle(text).fontSize), text.getBoundingClientRect()])
  .map(([text, size, box]) => [text, size, box.left, box.right, box.top, box.bottom])"""


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("name", [CHAPTER, "pages/published.html"])
def test_words_are_large_enough_and_do_not_touch(visit, host, width, name):
    chapter = Chapter(visit, host, width, name)
    assert chapter.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    for chart in chapter.charts.all():
        words = chart.evaluate(TEXTS)
        inside = chart.bounding_box()
        assert len(words) > 4
        assert min(size for _, size, *_ in words) >= 11
        for text, _, left, right, *_ in words:
            assert left >= inside["x"] - 1, text
            assert right <= inside["x"] + inside["width"] + 1, text
        words.sort(key=lambda word: (round(word[4]), word[2]))
        for (one, _, _, right, top, _), (other, _, left, _, below, _) in pairwise(words):
            assert round(top) != round(below) or left >= right - 1, (one, other)


def test_nothing_moves_when_charts_are_drawn(visit, host):
    page = visit.page
    page.add_init_script(
        """window.moved = 0; new PerformanceObserver((list) => list.getEntries()
             .forEach((entry) => (window.moved += entry.value)))
             .observe({type: "layout-shift", buffered: true})"""
    )
    Chapter(visit, host, unfolded=False)
    assert page.evaluate("() => window.moved") < 0.05


def test_a_chart_is_drawn_when_it_comes_near(visit, host):
    visit.page.goto(f"{host}/{CHAPTER}", wait_until="networkidle")
    drawn = visit.page.locator(".vega-chart svg.marks").count()
    assert drawn < visit.page.locator(".vega-chart").count()
    assert (drawn > 0) == any("vega.min.js" in url for url in visit.requests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_on_the_page_have_the_colours_of_its_theme(browser, host, scheme):
    context = browser.new_context(color_scheme=scheme)
    chapter = Chapter(Visit(context.new_page()), host)
    found = chapter.charts.nth(OTHER).evaluate(
        """chart => {
             const {lines} = JSON.parse(chart.querySelector("script").textContent).usermeta.curves;
             const drawn = [...chart.querySelectorAll("g.mark-line path")]
               .map((path) => path.getAttribute("stroke"));
             return [lines.map((line) => line.colour), lines.map((line) => line.dark), drawn];
           }"""
    )
    light, dark, drawn = map(set, found)
    assert drawn == (light if scheme == "light" else dark)
    context.close()
