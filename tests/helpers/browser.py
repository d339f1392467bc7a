"""A tab of a browser, for tests of pages."""

from __future__ import annotations

# The browser itself must not ask anyone anything, or the network log would not be the site's.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


class Visit:
    """One tab, with what it asked for and what went wrong in it."""

    def __init__(self, page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.faults: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("requestfailed", self._failed)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._console)
        page.on("response", self._response)

    def _failed(self, request) -> None:
        if (
            request.failure != "net::ERR_ABORTED"
        ):  # which is what leaving a page does to what it still asks for
            self.faults.append(f"failed: {request.url}")

    def _console(self, message) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _response(self, response) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def open(self, address: str, until: str = "load") -> None:
        """Go there and wait until scripts, formulas and charts are done."""
        self.page.goto(address, wait_until=until)
        self.draw_charts()
        self.page.evaluate("() => window.MathJax?.startup?.promise")

    def draw_charts(self) -> None:
        """Go down to each chart that is not in a closed box, and wait until it is drawn."""
        charts = self.page.locator(".vega-chart")
        for index in range(charts.count()):  # each is drawn when it comes near
            if not charts.nth(index).evaluate("chart => chart.checkVisibility()"):
                continue  # in a box that is closed
            charts.nth(index).evaluate("chart => chart.scrollIntoView()")
            charts.nth(index).locator("svg.marks").wait_for(
                state="attached"
            )  # paper has the picture
        self.page.evaluate("() => window.scrollTo(0, 0)")
