"""Exact byte ranges of files on a web server: the bytes asked for, or one line that says why not.

Every reply is checked before its bytes count: status 206, the very range asked for, its whole
length, no compression. What may pass is tried again with growing waits (status 429 or 5xx, time-outs,
broken connections, short bodies); what will not is an error at once. No file is written.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from pythia_utils.base.errors import UsageError, quoted, without_logins

if TYPE_CHECKING:
    import requests

PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses after which the same request may succeed
_MAX_REDIRECTS = 5
_log = logging.getLogger(__name__)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")
_T = TypeVar("_T")


class FetchError(OSError):
    """A server that did not deliver. Not the user's mistake: the command line exits with 1."""


class GaveUpError(FetchError):
    """A server that may deliver another time: it could not be reached, or asks to wait too long."""


class MissingFileError(UsageError):
    """The server answers, and has no such file."""


class PassingError(Exception):
    """A failure that may pass.

    Args:
        reason: a clause.
        retry_after: the header by which the server says how long to wait: seconds, or a date.
    """

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Retry:
    """When to try again, and for how long. All times in seconds.

    Attributes:
        attempts: tries in all.
        wait: before the second try; doubled for each further one, plus up to half at random.
        longest_wait: of one pause, whoever asks for it. A server that asks for more is given up.
        connect_timeout: until the server accepts a connection.
        read_timeout: without a byte.
        deadline: for one try in all, so that a trickle ends too.
        sleep: how to wait; tests inject theirs.
    """

    attempts: int = 5
    wait: float = 1.0
    longest_wait: float = 120.0
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 300.0
    sleep: Callable[[float], None] = time.sleep

    def run(self, attempt: Callable[[], _T], what: str) -> _T:
        """What `attempt` gives, called again as long as it raises `PassingError`.

        Raises:
            FetchError: the failure did not pass, or the server asks to wait too long.
        """
        for failures in range(1, self.attempts + 1):
            try:
                return attempt()
            except PassingError as failure:
                last = failure
            if failures < self.attempts:
                self._pause(failures, last, what)
        raise GaveUpError(f"{what}: {last}; gave up after {self.attempts} tries")

    def _pause(self, failures: int, last: PassingError, what: str) -> None:
        grown = self.wait * 2 ** (failures - 1) * random.uniform(1, 1.5)
        seconds = max(min(grown, self.longest_wait), _seconds(last.retry_after))
        if seconds > self.longest_wait:
            raise GaveUpError(f"{what}: {last}; the server asks to wait {seconds:.0f} s")
        _log.warning("%s: %s; trying again in %.0f s", what, last, seconds)
        self.sleep(seconds)


def _seconds(retry_after: str | None) -> float:
    """What a `Retry-After` header asks for; 0 for none that can be read."""
    import urllib3

    try:
        return urllib3.Retry().parse_retry_after(retry_after or "0")
    except urllib3.exceptions.InvalidHeader:
        return 0.0


@dataclass
class Traffic:
    """What went over the wire: requests sent (redirects apart) and bytes of bodies read."""

    requests: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, requests: int = 0, size: int = 0) -> None:
        """Count, from any thread."""
        with self._lock:
            self.requests += requests
            self.bytes += size


class Reply(NamedTuple):
    """A range as delivered.

    Attributes:
        data: exactly the bytes asked for.
        total: bytes of the whole file; None if the server does not tell.
        etag: the server's mark of this version of the file, or None.
    """

    data: bytes
    total: int | None
    etag: str | None


def shown_url(url: str) -> str:
    """An address as it may be shown and recorded: without user, password, and what follows a `?`."""
    bare, query, _ = without_logins(url).partition("?")
    return f"{bare}?..." if query else bare


def holds_password(text: str) -> bool:
    """Whether an address in a text names a user or a password."""
    return without_logins(text) != text


def checked_url(url: str) -> str:
    """`url`, if it is one of http or https that names a host.

    Raises:
        UsageError: it is not.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        sound = sound and url.isprintable() and " " not in url
    except ValueError:  # no port, or half a bracket
        sound = False
    if not sound:
        # A password with a slash in it would end the part that holds the login.
        shown = quoted(shown_url(re.sub(r"(?<=://).*@", "", url)))
        raise UsageError(f"{shown} is no address to read from; expected http:// or https://")
    return url


@dataclass
class RangeReader:
    """Reads ranges over connections that it keeps open, for one thread or a few.

    Attributes:
        retry: patience.
        traffic: the sum over all reads.
        token: for servers that want one. Sent to the host asked, and to no other it redirects to.
    """

    retry: Retry = field(default_factory=Retry)
    traffic: Traffic = field(default_factory=Traffic)
    token: str | None = field(default=None, repr=False)

    @cached_property
    def _session(self) -> requests.Session:
        import requests

        session = requests.Session()
        session.max_redirects = _MAX_REDIRECTS
        session.headers.update({"Accept-Encoding": "identity", "User-Agent": "pythia-book"})
        if self.token:  # not a mere header, which would lose against a `.netrc` file
            bearer = {"Authorization": f"Bearer {self.token}"}
            session.auth = lambda request: request.headers.update(bearer) or request
        return session

    def read(self, url: str, start: int, length: int) -> Reply:
        """Bytes `[start, start + length)` of the file at `url`; `length` is at least 1.

        Raises:
            MissingFileError: there is no such file.
            FetchError: the server does not deliver that range; after the last try, or at once if
                trying again is no use.
            UsageError: `url` is not http or https.
        """
        checked_url(url)
        return self.retry.run(lambda: self._try(url, start, length), shown_url(url))

    def _try(self, url: str, start: int, length: int) -> Reply:
        """One request; what goes wrong is sorted."""
        import requests
        import urllib3

        lasting = (requests.exceptions.SSLError, requests.exceptions.InvalidURL)
        lasting += (requests.exceptions.InvalidSchema, requests.TooManyRedirects)
        try:
            return self._ask(url, start, length)
        except lasting as failure:  # not its own text, which may quote a signed address
            kind = type(failure).__name__
            raise FetchError(
                f"{shown_url(url)}: it, or what it redirects to, cannot be read ({kind})"
            ) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as failure:
            slow = "timed out" in str(failure).lower()
            broken = "the connection failed or broke off"
            reason = "the server does not answer in time" if slow else broken
            raise PassingError(reason) from None

    def _ask(self, url: str, start: int, length: int) -> Reply:
        self.traffic.add(requests=1)
        ends = time.monotonic() + self.retry.deadline
        timeout = (self.retry.connect_timeout, self.retry.read_timeout)
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        with self._session.get(url, headers=headers, timeout=timeout, stream=True) as response:
            total = _checked_head(shown_url(url), response, start, length)
            data = b"".join(self._body(response, length, ends))
            return Reply(data, total, response.headers.get("ETag"))

    def _body(self, response: requests.Response, length: int, ends: float) -> Iterator[bytes]:
        """The body, which must be `length` bytes long, as it comes."""
        came = 0
        # `read1` returns what there is: a trickle cannot hide from the deadline.
        while piece := response.raw.read1(1 << 18):
            self.traffic.add(size=len(piece))
            came += len(piece)
            if came > length:
                raise PassingError(f"more than the {length} bytes asked for came")
            if time.monotonic() > ends:
                raise PassingError(f"{came} of {length} bytes after {self.retry.deadline:.0f} s")
            yield piece
        if came != length:
            raise PassingError(f"{came} of {length} bytes came")


def _checked_head(url: str, response: requests.Response, start: int, length: int) -> int | None:
    """Total size of the file, if the reply's head promises exactly the range asked for."""
    status, headers = response.status_code, response.headers
    if status in PASSING:
        raise PassingError(f"status {status}", headers.get("Retry-After"))
    if status in (404, 410):
        raise MissingFileError(f"{url} is missing on the server (status {status})")
    if status == 416:
        raise FetchError(f"{url}: the file ends before byte {start + length} (status 416)")
    hops = [hop.url.partition(":")[0] for hop in (*response.history, response)]
    if url.startswith("https:") and "http" in hops:
        raise FetchError(f"{url}: redirects from https to plain http")
    if status == 200 and start == 0 and headers.get("Content-Length") == str(length):
        return length  # the range is the whole file, and here it is
    if status == 200:
        raise FetchError(f"{url}: the server ignores byte ranges (status 200 instead of 206)")
    if status != 206:
        raise FetchError(f"{url}: status {status}, expected 206")
    return _total(url, headers, start, length)


def _total(url: str, headers: Mapping[str, str], start: int, length: int) -> int | None:
    said = headers.get("Content-Range", "none")
    match = _CONTENT_RANGE.match(said)
    if not match or (int(match[1]), int(match[2])) != (start, start + length - 1):
        asked = f"bytes {start}-{start + length - 1}"
        raise FetchError(f"{url}: Content-Range is {said!r}, asked for {asked}")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{url}: the range is compressed ({headers['Content-Encoding']})")
    return None if match[3] == "*" else int(match[3])
