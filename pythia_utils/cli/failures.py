"""What is left when a command fails: one line, whatever was raised, and of the unexpected a log.

`main` knows which exceptions are a user's mistake or the world's fault. All others are faults of ours: their
traceback goes to a file, and the line names it. With PYTHIA_DEBUG=1 every traceback is shown as well.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import traceback
from contextlib import suppress
from datetime import datetime
from importlib import metadata
from pathlib import Path

from pythia_utils.base.errors import first_line, one_line, without_logins

UNEXPECTED = 70  # the exit code; EX_SOFTWARE of sysexits.h
REPORT_TO = "https://github.com/pythia-book/pythia-book/issues"


def fail(message: object, code: int) -> int:
    """Print a message as the one line of a failure; gives back the code."""
    if os.environ.get("PYTHIA_DEBUG", "0") not in ("", "0") and sys.exc_info()[1] is not None:
        print(without_logins(traceback.format_exc()), end="", file=sys.stderr)
    print(f"pythia: {one_line(message)}", file=sys.stderr)
    return code


def fail_unexpected(failure: BaseException) -> int:
    """Log an exception that nobody expected, and print the line that says where; gives back the code."""
    told = f"{type(failure).__name__}: {first_line(failure)}"
    log = write_log(failure)
    where = f"traceback in {log}" if log else "PYTHIA_DEBUG=1 shows the traceback"
    return fail(f"a fault of ours, {told}; {where}; please report it: {REPORT_TO}", UNEXPECTED)


def in_words(failure: OSError) -> str:
    """An error of the operating system's, with the file that it is about."""
    if failure.errno is None or failure.filename is not None:
        return str(failure)
    if isinstance(failure, FileNotFoundError) and not _has_working_folder():
        return "the folder in which you are is gone; go to another"
    return f"{failure.strerror or failure} (no file is named; PYTHIA_DEBUG=1 shows where)"


def _has_working_folder() -> bool:
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def write_log(failure: BaseException) -> Path | None:
    """Keep a traceback in a file; None if no folder takes it."""
    version = metadata.version("pythia-book")
    lines = [f"pythia-book {version}, Python {platform.python_version()}, {platform.platform()}\n"]
    text = without_logins("".join([*lines, *traceback.format_exception(failure)]))
    name = f"pythia-{datetime.now():%Y%m%d-%H%M%S-%f}-{os.getpid()}.log"
    for folder in _folders():
        with suppress(OSError, ValueError, RuntimeError):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
    return None


def _folders() -> list[Path]:
    """Where logs go: below PYTHIA_HOME, or the platform's folder for logs; else where temporary files do."""
    import platformdirs

    home = os.environ.get("PYTHIA_HOME")
    own = Path(home, "logs") if home else platformdirs.user_log_path("pythia-book", appauthor=False)
    return [own, Path(tempfile.gettempdir())]
