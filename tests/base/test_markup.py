"""Text put where markup is read: what the readers of each markup make of it is that text again."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from helpers.hostile import TEXTS, as_shown

from pythia_utils.base import markup

PLACES = {
    "heading": "# {}",
    "paragraph": "{}",
    "sentence": "and {}",
    "table": "| a |\n|---|\n| {} |",
    "link": "[{}](page.md)",
    "item": "- {}",
    "quotation": "> {}",
}
# What these places are made of, besides the text.
FRAMES = ("heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td", "link")
FRAMES += ("bullet_list", "list_item", "blockquote")


@pytest.fixture(scope="module")
def myst():
    """The parser of the site's pages, with the extensions of _config.yml."""
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    extensions = {"attrs_inline", "colon_fence", "deflist", "dollarmath", "substitution"}
    return create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML)


def leaves(tokens):
    for token in tokens:
        if token.children is not None:
            yield from leaves(token.children)
        elif token.type != "inline":
            yield token


def read(myst, source: str) -> tuple[str, set[str]]:
    """The text of a Markdown source, and the kinds of markup in it besides `FRAMES`."""
    tokens = list(leaves(myst.parse(source, {})))
    plain = ("text", "text_special", "code_inline")
    text = "".join(token.content for token in tokens if token.type in plain)
    frames = {f"{name}_{end}" for name in FRAMES for end in ("open", "close")}
    return text, {token.type for token in tokens} - frames - set(plain)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", [*TEXTS, "+", "12) x", "=", "---", "%", "~~~", "|---|", "a<b>c"])
def test_markdown_reads_the_text_and_no_markup(myst, place, text):
    source = PLACES[place].format(markup.markdown(text))
    before = {"sentence": "and ", "table": "a"}.get(place, "")
    assert read(myst, source) == (before + as_shown(text), set())


@pytest.mark.parametrize("place", [name for name in PLACES if name != "table"])
@pytest.mark.parametrize("text", [*TEXTS, "`", "``", " a` ", "a``b`c"])
def test_code_reads_the_text(myst, place, text):
    source = PLACES[place].format(markup.code(text))
    before = {"sentence": "and "}.get(place, "")
    assert read(myst, source) == (before + as_shown(text), set())


def test_nothing_is_no_code():
    assert markup.code("") == ""


class _Reader(HTMLParser):
    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self.tags = "", []
        self.feed(source)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", TEXTS)
def test_html_reads_the_text_in_elements_and_attributes(text):
    page = _Reader(f'<p title="{markup.html(text)}">{markup.html(text)}</p>')
    shown = text.replace("\x1b", "\u241b")
    assert page.text == shown
    assert page.tags == [("p", {"title": shown})]


@pytest.mark.parametrize("text", TEXTS)
def test_a_chart_stays_in_its_script_element(text):
    data = markup.vega({"title": text, "values": [{text: text}]})
    page = _Reader(f'<script type="application/json">{data}</script><p>after</p>')
    assert [tag for tag, _ in page.tags] == ["script", "p"]
    assert json.loads(page.text.removesuffix("after")) == {"title": text, "values": [{text: text}]}
    assert "<" not in data


@pytest.mark.parametrize("text", TEXTS)
def test_a_label_is_no_mathematics_and_a_legend_has_it(text):
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots()
    label = markup.mathtext(text)
    axes.plot([0, 1], label=label)
    axes.set_title(label)
    shown, is_mathematics = axes.title._preprocess_math(label)
    assert not is_mathematics
    assert as_shown(text).startswith(shown.strip().removesuffix("…"))
    assert len(shown) <= 61
    assert axes.get_legend_handles_labels()[1] == [label]
    axes.legend()
    figure.canvas.draw()
    plt.close(figure)


@pytest.mark.parametrize("text", ["\x00", "\x1b", "\u202e", "\ud800", "\u2028", "\u200f"])
def test_what_controls_a_page_or_cannot_be_written_is_made_visible(text):
    for escaped in (markup.plain, markup.markdown, markup.code, markup.mathtext):
        assert text not in escaped(f"a{text}b")
        assert len(escaped(f"a{text}b").strip("`")) == 3
        escaped(f"a{text}b").encode("utf-8")
    markup.html(text).encode("utf-8")


def test_an_address_has_no_scheme_and_stays_in_its_place():
    assert markup.address("..", "javascript:x", "a/b", "ä") == "../javascript%3Ax/a%2Fb/%C3%A4"
