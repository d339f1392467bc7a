"""The page "Try it" and a chapter's box as a reader meets them: in Chromium, from the disk, without Sphinx."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from helpers.browser import Visit
from helpers.live_page import make_site, write_page

from pythia_utils.analysis.live import page as live_page
from pythia_utils.analysis.live import places, story
from pythia_utils.analysis.live.examples import Example
from pythia_utils.suites import catalog
from pythia_utils.suites.portable import portable

KEY = Example("the key", "The key near the boxes is", "The key near the boxes are")
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def made(trained_home, tmp_path_factory):
    """The folder of a site with the page `try` and the page `box`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        folder = make_site(tmp_path_factory.mktemp("live"), "pico")
        write_page(folder, "try", live_page.try_it("pico").data)
        write_page(folder, "box", places.box([KEY], ("candidates", "attention"), "pico").data)
        yield folder


@pytest.fixture(scope="module")
def margins(trained_home):
    """What PyTorch says of the page's first sentence: nats, by model and step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHIA_HOME", str(trained_home))
        points = portable(catalog.suite("pico")).items()
        table = story.margins({name: [point.step for point in own] for name, own in points})
    return table.set_index(["model", "step"])["key_boxes"]


class Reader(Visit):
    """A visit of such a page."""

    def look(self, folder, name: str) -> None:
        self.page.goto((folder / f"{name}.html").as_uri())

    def ready(self) -> None:
        """Wait until all that was asked is answered."""
        self.page.locator('.live-app[aria-busy="false"]').wait_for()

    @property
    def verdict(self) -> str:
        return self.page.locator(".live-verdict").inner_text()

    @property
    def fetched(self) -> list[str]:
        return [url for url in self.requests if "/checkpoints/pico" in url]

    def choose(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(value)
        self.ready()

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.ready()


@pytest.fixture
def reader(browser) -> Iterator[Reader]:
    context = browser.new_context()
    yield Reader(context.new_page())
    context.close()


@pytest.fixture
def trying(reader, made) -> Iterator[Reader]:
    """The page "Try it", ready; nothing may go wrong on it, and no other host be asked."""
    reader.look(made, "try")
    reader.ready()
    yield reader
    assert reader.faults == []
    assert [url for url in reader.requests if not url.startswith(("file:", "blob:"))] == []


def told_margin(verdict: str) -> float:
    """The margin that a verdict tells, negative where the second sentence is preferred."""
    nats = float(re.search(r"by ([\d.]+) nats", verdict)[1])
    return nats if "prefers “is”" in verdict else -nats


# ---- the page


def test_before_the_reader_does_something_one_checkpoint_is_fetched(trying):
    assert len(trying.fetched) == 1
    assert len(trying.requests) < 22  # with a page of the book's own they must stay below 25
    assert trying.page.locator(".live-chart").first.locator("circle").count() == 6
    assert trying.page.locator(".live-cues").inner_text().count("pull") == 2


def test_its_verdicts_are_torchs_at_every_step_of_every_model(trying, margins):
    for model in margins.index.unique("model"):
        trying.choose("Model", model)
        slider = trying.page.get_by_label("Training step")
        slider.focus()
        trying.press("Home")
        for step, expected in margins[model].items():
            assert f"At step {step} {model} " in trying.verdict
            assert told_margin(trying.verdict) == pytest.approx(expected, abs=0.006)
            trying.press("ArrowRight")


def test_the_curve_is_computed_anew_and_is_the_one_that_was_known(trying):
    curve = trying.page.locator(".live-chart").first
    known = curve.get_attribute("aria-label")
    trying.page.locator(".live-tour-next").click()
    trying.ready()
    assert len(trying.fetched) == 6
    numbers = [
        re.findall(r"-?\d+\.\d+", text) for text in (known, curve.get_attribute("aria-label"))
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 6


def test_the_tour_leads_through_its_steps_in_words(trying):
    stops = trying.page.locator(".live-tour li button")
    for index in range(stops.count()):
        trying.page.locator(".live-tour-next").click()
        trying.ready()
        title, words = (
            stops.nth(index).inner_text(),
            trying.page.locator(".live-tour-words").inner_text(),
        )
        step = re.search(r"Step (\d+)", title)[1]
        assert f"At step {step} " in trying.verdict
        for verdict in ("right", "wrong"):
            assert (f"which is {verdict}" in words) == (f"which is {verdict}" in trying.verdict)
    assert trying.page.locator(".live-tour-next").is_hidden()


def test_texts_of_ones_own_are_read_unknown_characters_too(trying):
    this = trying.page.get_by_label("This", exact=True)
    this.fill("The cat 🦆 sleeps")
    trying.page.get_by_label("or that", exact=True).fill("")
    trying.page.wait_for_function(
        "document.querySelector('.live-verdict').textContent.includes('nats a token')"
    )
    shown = trying.page.locator(".live-strip").first.inner_text()
    assert shown.count("unknown") == 4  # the bytes of the duck
    assert trying.page.get_by_label("Sentences").input_value() == "your own"
    this.fill("the " * 200)
    trying.page.wait_for_function(
        "document.querySelector('.live-verdict').textContent.includes('first 127 tokens')"
    )
    this.fill("   ")
    trying.page.wait_for_function(
        "document.querySelector('.live-verdict').textContent.startsWith('Type')"
    )


def test_markup_in_a_text_is_text(trying):
    trying.page.get_by_label("This", exact=True).fill("<img src=x onerror=alert(1)> a")
    trying.page.wait_for_function(
        "document.querySelector('.live-verdict').textContent.includes('prefers')"
    )
    assert trying.page.locator(".live-app img").count() == 0


def test_every_pair_of_the_menu_can_be_asked(trying):
    menu = trying.page.get_by_label("Sentences")
    values = menu.locator("option").evaluate_all("options => options.map((option) => option.value)")
    assert len(values) > 20
    for value in values[:-1:5]:
        trying.choose("Sentences", value)
        assert "nats" in trying.verdict


def test_a_head_that_is_switched_off_changes_the_answer_and_back(trying):
    trying.page.get_by_text("Where it looks").click()
    before = trying.verdict
    switch = trying.page.get_by_role("switch").first
    assert switch.get_attribute("aria-checked") == "true"
    switch.click()
    trying.page.wait_for_function(
        "document.querySelector('.live-verdict').textContent.includes('one head off')"
    )
    trying.ready()
    assert told_margin(trying.verdict) != told_margin(before)
    trying.page.get_by_role("switch").first.click()
    trying.page.wait_for_function(
        "!document.querySelector('.live-verdict').textContent.includes('off')"
    )
    assert trying.verdict == before


def test_attention_is_shown_from_the_token_that_is_pointed_at(trying):
    trying.page.get_by_text("Where it looks").click()
    grid = trying.page.locator(".live-grid-table").first
    column = grid.locator("thead button")
    for act in (lambda: column.nth(2).hover(), lambda: column.nth(4).focus()):
        act()
        chosen = grid.locator("thead button[aria-pressed=true]")
        cells = grid.locator("tbody tr").first.locator("td").all_inner_texts()
        weights = [float(cell) for cell in cells if cell]
        names = column.all_inner_texts()
        assert len(weights) == names.index(chosen.inner_text()) + 1
        assert sum(weights) == pytest.approx(1, abs=0.05)
    assert trying.page.locator(".live-maps svg").count() == 2


def test_the_keyboard_goes_through_attention_and_switches_heads(trying):
    trying.page.get_by_text("Where it looks").click()
    trying.page.locator(".live-grid-table thead button").first.focus()
    here = "document.activeElement"
    for index in (1, 2):
        trying.page.keyboard.press("Tab")
        assert trying.page.evaluate(f"{here}.dataset.key") == str(index)
        assert trying.page.evaluate(f"{here}.getAttribute('aria-pressed')") == "true"
    trying.page.get_by_role("switch").first.focus()
    trying.page.keyboard.press("Space")
    trying.page.wait_for_function(f"{here}.getAttribute('aria-checked') === 'false'")


def test_the_lens_ends_with_what_is_expected(trying):
    trying.page.get_by_text("What it expects").click()
    trying.page.get_by_text("Layer by layer").click()
    best = trying.page.locator(".live-candidates .live-word").first.inner_text()
    last = trying.page.locator(".live-lens tbody tr").last.locator("td.live-chosen").inner_text()
    assert last == best.removesuffix(" (this one stands there)")


def test_it_writes_and_the_same_seed_writes_the_same(trying):
    trying.page.get_by_text("Let it write").click()
    written = trying.page.locator(".live-written mark")
    texts = []
    for seed in ("1", "2", "1"):
        trying.page.get_by_label("Seed of chance").fill(seed)
        trying.page.get_by_role("button", name="Write").click()
        trying.page.wait_for_timeout(300)
        texts.append(written.inner_text())
    assert texts[0] == texts[2] != texts[1]


def test_the_arrow_keys_lead_through_a_sentence(trying):
    strip = trying.page.locator(".live-tokens").first
    strip.locator('[aria-pressed="true"]').focus()
    trying.page.keyboard.press("ArrowLeft")
    chosen = strip.locator('[aria-pressed="true"]')
    assert chosen.get_attribute("aria-label").startswith("boxes, surprise ")
    assert chosen.evaluate("element => element === document.activeElement")
    assert strip.locator('[tabindex="0"]').count() == 1


def test_every_control_has_a_name(trying):
    unnamed = trying.page.evaluate(
        """() => [...document.querySelectorAll(".live-app :is(input, select, button, svg[role])")]
             .filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim()))
             .map((e) => e.outerHTML)"""
    )
    assert unnamed == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_overflows_a_phone(trying, theme):
    trying.page.set_viewport_size(PHONE)
    trying.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
    for summary in trying.page.locator(".live-section > summary").all():
        summary.click()
    trying.ready()
    assert trying.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


# ---- without this and that


def test_without_scripts_a_table_of_torchs_numbers_stands_there(browser, made, margins):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((made / "try.html").as_uri())
    told = page.locator("table").inner_text()
    model = re.search(r"pico-[\w-]+", told)[0]
    for step, margin in margins[model].items():
        assert re.search(
            rf"^{step}\s+{re.escape(f'{margin:+.2f}')}\s+{'is' if margin > 0 else 'are'}$",
            told,
            re.M,
        )
    assert page.get_by_text("it knows nothing").is_visible()
    page.goto((made / "box.html").as_uri())
    assert page.get_by_text(KEY.good).is_visible()
    context.close()


def test_without_workers_the_page_computes_itself(browser, made, margins):
    context = browser.new_context()
    context.add_init_script("delete window.Worker")
    reader = Reader(context.new_page())
    reader.look(made, "try")
    reader.ready()
    reader.choose("Model", "pico-7k")
    (step,) = re.findall(r"At step (\d+)", reader.verdict)
    assert told_margin(reader.verdict) == pytest.approx(margins["pico-7k", int(step)], abs=0.006)
    assert reader.faults == []
    context.close()


# ---- a chapter's box


def test_a_box_fetches_nothing_before_it_is_asked_for(reader, made, margins):
    reader.look(made, "box")
    button = reader.page.get_by_role("button", name="Ask the model yourself")
    assert [url.rsplit("/", 1)[-1] for url in reader.requests] == ["box.html", "live.js"]
    button.click()
    reader.ready()
    assert button.count() == 0
    assert "pico-14k" in reader.verdict  # the largest that is there
    assert told_margin(reader.verdict) == pytest.approx(margins["pico-14k", 16], abs=0.006)
    assert reader.faults == []


def test_a_site_without_models_says_so(reader, tmp_path):
    folder = make_site(tmp_path / "site", "pythia")
    write_page(folder, "box", places.box([KEY], (), "pico").data)
    reader.look(folder, "box")
    reader.page.get_by_role("button").click()
    reader.page.get_by_role("alert").wait_for()
    assert "no model of pythia" in reader.page.get_by_role("alert").inner_text()


# ---- what can go wrong


def lose(path, _) -> None:
    path.unlink()


def cut(path, _) -> None:
    path.write_bytes(path.read_bytes()[:20_000])


def change_a_weight(path, _) -> None:
    data = bytearray(path.read_bytes())
    data[5001] ^= 1
    path.write_bytes(data)


def put_another_models(path, folder) -> None:
    text = (folder / "_static/checkpoints/pico-7k/step16.js").read_bytes().decode("utf-16")
    path.write_bytes(text.replace("pico-7k", "pico-14k").encode("utf-16"))


FAULTS = {
    lose: "could not be fetched",
    cut: "the file is broken",
    change_a_weight: "checksum",
    put_another_models: "39,360 weights; the model has 63,648",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_checkpoint_that_cannot_be_used_is_told_and_can_be_asked_again(
    reader, made, tmp_path, spoil
):
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    path = folder / "_static/checkpoints/pico-14k/step16.js"
    whole = path.read_bytes()
    spoil(path, folder)
    reader.look(folder, "box")
    reader.page.get_by_role("button").click()
    alert = reader.page.locator('.live-fault[role="alert"]')
    alert.wait_for()
    assert "pico-14k at step 16" in alert.inner_text()
    assert FAULTS[spoil] in alert.inner_text()
    path.write_bytes(whole)
    alert.get_by_role("button", name="Try again").click()
    alert.wait_for(state="hidden")
    reader.ready()
    assert "prefers" in reader.verdict


def test_a_script_that_is_missing_is_told(reader, made, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(made, folder)
    (folder / "_static/checkpoints/vocabulary.js").unlink()
    reader.look(folder, "box")
    reader.page.get_by_role("button").click()
    alert = reader.page.get_by_role("alert")
    alert.wait_for()
    assert "vocabulary.js did not load" in alert.inner_text()
