"""A browser for the tests of the site."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from helpers.browser import FLAGS, Visit


@pytest.fixture(scope="module")  # its event loop runs as long: nothing else may want one meanwhile
def browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(
                "no chromium: CI must test the site in a browser (apt-get install chromium)"
            )
        pytest.skip("no chromium on this machine: the site was not opened in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser) -> Iterator[Visit]:
    context = browser.new_context()
    yield Visit(context.new_page())
    context.close()
