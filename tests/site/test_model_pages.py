"""The pages of the real models: what they say, that their code runs, and how they are found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from helpers import pythia_hub
from helpers.commands import ROOT
from helpers.hub_server import checkpoint_files, serve_hub, shape_of
from helpers.site_server import serve

from pythia_utils.grid import config as experiments
from pythia_utils.site import model_facts, model_numbers, model_pages
from pythia_utils.suites.catalog import find_model

SECTION = SimpleNamespace(
    title="made <up>",
    told="What was measured: a thing. Source: us.",
    places=("experiments/loss", "experiments/no_such"),
    chart='<div class="vega-chart">chart</div>',
    tables=(("pythia-70m, 0-shot", "<table><tr><td>0.125</td></tr></table>"),),
    count=1,
)
NUMBERS = {
    "pythia-70m": SimpleNamespace(sections=(SECTION,), csv="value\n0.125\n", count=1),
    "pythia-31m-deduped": SimpleNamespace(sections=(), csv="", count=0),
}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return dict(model_pages.files(NUMBERS, experiments.load_config(ROOT)))


def page(files: dict[str, str], name: str) -> str:
    return files[f"models/{name}.md"]


def test_each_main_model_has_a_page_and_the_one_about_all_links_to_it(files):
    names = model_pages.names()
    assert len(names) == 20
    assert {f"models/{name}.md" for name in (*names, "index")} < set(files)
    index = page(files, "index")
    assert [name for name in names if f"[{name}]({name}.md)" not in index] == []
    assert "| 70,426,624 | 18,915,328 | 6 | 512 | 8 | 1e-3 | 141 MB | 1 + – |" in index


def test_a_page_says_how_its_model_was_made(files):
    text = page(files, "pythia-1b")
    assert "| layers | 16 |" in text
    assert "| learning rate | 2.5e-4 at its peak, cosine to 2.5e-5 |" in text
    assert "bfloat16" in text
    assert "gives a peak learning rate of 3e-4" in text  # what the README says
    large = page(files, "pythia-6.9b")
    assert "scaled_normal" in large
    assert "50,432 rows" in large
    assert "299,892,736,000" in large


def test_a_page_tells_what_is_odd_of_the_model_and_its_other_runs(files):
    text = page(files, "pythia-410m")
    assert "| `pythia-410m-seed9` | 40000 | the weights are missing | P#202 |" in text
    assert "`pythia-410m` and 9 others below | 0\\-1 |" in text
    assert "byte for byte" in page(files, "pythia-2.8b")
    told = page(files, "pythia-160m")
    assert "[pythia-160m-seed1](https://huggingface.co/EleutherAI/pythia-160m-seed1), [2](" in told
    assert "71,500 steps of 2,048 sequences" in told
    assert "71,500 steps" not in page(files, "pythia-70m")


def test_the_step_that_is_shown_has_no_known_fault(files):
    for name in model_pages.names():
        step = int(re.search(r'from_pretrained\(".*", revision="step(\d+)"', page(files, name))[1])
        assert not find_model(name).checkpoint(step).errata
    assert 'revision="step66000"' in page(files, "pythia-2.8b")


def test_numbers_are_told_with_source_place_and_file(files):
    text = page(files, "pythia-70m")
    assert "### Made \\<up\\>" in text
    assert "[pythia-70m.csv](pythia-70m.csv)" in text
    assert "Drawn in [Loss over training and size](../experiments/loss.ipynb)." in text
    assert files["models/pythia-70m.csv"] == "value\n0.125\n"
    assert "knows of no number that anybody published" in page(files, "pythia-31m-deduped")
    assert "models/pythia-31m-deduped.csv" not in files
    assert "Published numbers" not in page(files, "pythia-1b")  # nobody told of any


def test_the_source_that_a_page_offers_is_without_its_tables(files):
    light = model_numbers.without_html(page(files, "pythia-70m"))
    assert "0.125" not in light
    assert "<div" not in light
    assert "```python" in light
    assert "What was measured" in light


def test_the_code_of_a_page_runs(files, tmp_path, monkeypatch, capsys):
    """On a Hub of this machine, with made checkpoints of the smallest model's shape."""
    name, made = "pythia-14m", {}
    for step in (0, 512, 3000):
        made[f"step{step}"] = checkpoint_files(step, **shape_of(find_model(name)))
        made[f"step{step}"]["tokenizer.json"] = pythia_hub.tokenizer().to_str().encode()
    blocks = re.findall(r"^```python\n(.*?)^```", page(files, name), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    assert "pythia_utils" not in blocks[0] + blocks[1]  # plain transformers
    with serve_hub({f"EleutherAI/{name}": made}) as hub:
        hub.use(monkeypatch, tmp_path)
        monkeypatch.setenv("PYTHIA_HOME", str(tmp_path / "home"))
        exec("\n".join(blocks), {})
        assert hub.sent_of("model.safetensors") > 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "3 ['step0', 'step512', 'step3000'] step3000"
    assert second.startswith("The Pile is")


def test_the_size_of_a_download_is_two_bytes_a_parameter():
    assert model_facts.download_size(find_model("pythia-12b")) == "23.7 GB"


# --- on the site


@pytest.fixture(scope="module")
def host(built_site) -> Iterator[str]:
    with serve(built_site) as address:
        yield address


def test_the_sidebar_has_them_in_order_behind_the_book(built_site):
    text = (built_site / "models/index.html").read_text(encoding="utf-8")
    side = text.partition('class="bd-links')[2].partition("</nav>")[0]
    captions = re.findall(r'caption-text">([^<]+)<', side)
    assert captions[:3] == ["The book", "The real Pythia", "Experiments"]
    listed = re.findall(r'href="(pythia-[\w.-]+)\.html"', side)
    assert listed == model_pages.names()


@pytest.mark.parametrize("asked", ["pythia-410m", "EleutherAI/pythia-1.4b-deduped"])
def test_search_for_a_model_finds_its_page_first(visit, host, asked):
    visit.open(f"{host}/search.html?q={asked}", until="networkidle")
    first = visit.page.locator("#search-results li a").first
    first.wait_for()
    place = first.get_attribute("href").partition("?")[0]
    assert place.endswith(f"models/{asked.rpartition('/')[2]}.html")


def test_published_numbers_are_no_words_of_the_search(built_site):
    index = (built_site / "searchindex.js").read_text(encoding="utf-8")
    assert "models/pythia-410m" in index
    assert "deduped" in index
    assert not re.search(r'"?463953"?', index)


def test_a_page_draws_its_curves_and_offers_its_numbers(visit, built_site):
    visit.open((built_site / "models/pythia-70m.html").as_uri())
    chart = visit.page.locator(".vega-chart").first
    chart.locator("svg.marks").wait_for()
    assert "LAMBADA: accuracy" in chart.inner_text()
    chart.locator("select").select_option("PIQA: accuracy")
    assert chart.locator("svg.marks text", has_text="PIQA: accuracy").count() == 1
    link = visit.page.locator("a[download]", has_text="pythia-70m.csv").get_attribute("href")
    csv = (built_site / "models" / link).read_text(encoding="utf-8")
    assert csv.startswith("run,step,tokens_seen,")
    assert visit.faults == []


def test_the_pages_together_are_light(built_site):
    pages = [*(built_site / "models").glob("*.html"), *(built_site / "_sources/models").glob("*")]
    pages += (built_site / "_downloads").rglob("pythia-*.csv")
    assert len(pages) > 55
    assert sum(path.stat().st_size for path in pages) < 6_500_000


def test_a_phone_needs_not_scroll_sideways(browser, built_site):
    tab = browser.new_page(viewport={"width": 390, "height": 844})
    for name in ("index", "pythia-160m"):
        tab.goto((built_site / f"models/{name}.html").as_uri())
        tab.locator("article h1").wait_for()
        assert not tab.evaluate("() => document.documentElement.scrollWidth > innerWidth"), name
    tab.close()
