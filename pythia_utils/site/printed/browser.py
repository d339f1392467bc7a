"""Chromium, without a window: which one there is, and a document printed by it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pythia_utils.base.errors import UsageError
from pythia_utils.site.notebooks import SiteError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_ON_A_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
_INSTALL = "apt-get install chromium, or brew install --cask google-chrome"
_LONGEST = 600  # seconds that printing may take
# It opens our own file and asks nobody anything. Without `--no-sandbox` it starts neither as root nor in most
# containers. Formulas are set when the document is there: so much time, which passes as fast as it can.
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
_FLAGS += ("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-extensions")
_FLAGS += (
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    "--virtual-time-budget=120000",
)


def find(named: str | None = None) -> str:
    """The browser's program.

    Args:
        named: the one that a user wants: a path or a name.

    Raises:
        UsageError: there is none.
    """
    wanted = (named,) if named else (*NAMES, str(_ON_A_MAC))
    if found := next(filter(None, map(shutil.which, wanted)), None):
        return found
    looked = ", ".join(wanted)
    raise UsageError(f"no browser to print with: looked for {looked}; install one: {_INSTALL}")


def print_pdf(browser: str, document: Path, pdf: Path) -> None:
    """Print a document of this machine.

    Args:
        browser: its program.
        document: the HTML file.
        pdf: the file to write.

    Raises:
        SiteError: no PDF came of it; the message holds the browser's last line.
    """
    # Beside the document: a browser from a snap sees the user's folders, but not the system's temporary one.
    with tempfile.TemporaryDirectory(prefix="browser-", dir=document.parent) as profile:
        own = (f"--user-data-dir={profile}", f"--print-to-pdf={pdf.resolve()}")
        last = _run([browser, *_FLAGS, *own, document.resolve().as_uri()])
    if not pdf.is_file():
        raise SiteError(f"{browser} printed nothing: {last}")


def _run(command: Sequence[str]) -> str:
    """The last line that it says."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=_LONGEST
        )
    except subprocess.TimeoutExpired:
        return f"it was not done in {_LONGEST} seconds"
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}"
