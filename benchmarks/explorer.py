"""How fast the explorer draws, in Chromium on this machine: python benchmarks/explorer.py SITE [FILE]

SITE is a built website, such as _build/html. The first drawing counts from the moment at which the browser
begins with the page, the scripts and the unpacking of the numbers included; a switch, from the choice until the
chart stands. The fastest and the median of some rounds. FILE gets a table in Markdown.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from helpers.browser import FLAGS

from pythia_utils.base.files import atomic_write

ROUNDS = 9
SWITCHES = {
    "another metric": "{metric: 'margin'}",
    "another experiment": "{source: 'loss', metric: 'loss'}",
    "six panels": "{source: 'grammar', metric: 'margin', subsets: []}",
    "mean and range over seeds": "{seeds: 'mean'}",
    "against another metric": "{view: 'pair', otherSource: 'loss', otherMetric: 'loss'}",
    "by size": "{view: 'size'}",
    "published numbers": "{shown: 'published', view: 'curves', seeds: 'each'}",
}
SWITCH = """async (change) => {
  const begun = performance.now();
  await document.querySelector(".explorer").explorer.choose(eval(`(${change})`));
  return performance.now() - begun;
}"""
DRAWN = "performance.getEntriesByName('explorer drawn')[0].startTime"


def timed(page: Page, address: str) -> dict[str, float]:
    """Milliseconds of the first drawing and of each switch."""
    page.goto("about:blank")
    page.goto(address)
    page.locator(".explorer[data-drawn]").wait_for()
    first = {"first drawing": page.evaluate(DRAWN)}
    return first | {name: page.evaluate(SWITCH, change) for name, change in SWITCHES.items()}


def table(rounds: list[dict[str, float]]) -> str:
    """Markdown."""
    rows = [
        f"| {name} | {min(times):.0f} ms | {statistics.median(times):.0f} ms |"
        for name, times in ((name, [each[name] for each in rounds]) for name in rounds[0])
    ]
    head = "`python benchmarks/explorer.py SITE benchmarks/explorer.md`, in headless Chromium"
    return "\n".join(
        [
            "# The explorer\n",
            f"{head}, {len(rounds)} rounds.\n",
            "| what is drawn | fastest | median |\n|---|---|---|",
            *rows,
            "\nWanted: the first drawing in under 500 ms, a switch in under 100.\n",
        ]
    )


def main() -> None:
    site, *file = map(Path, sys.argv[1:])
    address = (site / "pages" / "explorer.html").resolve().as_uri()
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        page = chromium.new_page(viewport={"width": 1400, "height": 1000})
        rounds = [timed(page, address) for _ in range(ROUNDS)]
        chromium.close()
    print(text := table(rounds))
    for path in file:
        with atomic_write(path) as partial:
            partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
