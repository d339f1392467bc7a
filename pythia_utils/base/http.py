"""Exact byte ranges of files on a web server: the bytes asked for, or one line that says why not.

Every reply is checked before its bytes count: status 206, the very range asked for, its whole
length, no compression. What may pass is tried again with growing waits (status 429 or 5xx, time-outs,
broken connections, short bodies); what will not is an error at once. No file is written.
"""

from __future__ import annotations

import email.utils
import logging
import math
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from pythia_utils.base.errors import UsageError

if TYPE_CHECKING:
    import requests

PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses after which the same request may succeed
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_log = logging.getLogger(__name__)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class FetchError(OSError):
    """A server that did not deliver. Not the user's mistake: the command line exits with 1."""


class MissingFileError(UsageError):
    """The server answers, and has no such file."""


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

    def pause(self, failures: int, asked: float | None) -> float:
        """Seconds to wait after so many failures, of which the server may have `asked` for some."""
        grown = self.wait * 2 ** (failures - 1) * random.uniform(1, 1.5)
        return max(min(grown, self.longest_wait), asked or 0.0)


@dataclass
class Traffic:
    """What went over the wire: requests sent (redirects apart), bytes of bodies read, tries repeated."""

    requests: int = 0
    redirects: int = 0
    retries: int = 0
    bytes: int = 0


class Reply(NamedTuple):
    """A range as delivered.

    Attributes:
        data: exactly the bytes asked for.
        total: bytes of the whole file; None if the server does not tell.
        commit: the Hub's `X-Repo-Commit` or None.
        etag: the server's mark of this version of the file, or None.
    """

    data: bytes
    total: int | None
    commit: str | None
    etag: str | None


class _Again(Exception):
    """A failure that may pass; `after` seconds, if the server said so."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


def checked_url(url: str) -> str:
    """`url`, if it is one of http or https that names a host.

    Raises:
        UsageError: it is not.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address to read from; expected http:// or https://")
    return url


@dataclass
class RangeReader:
    """Reads ranges over connections that it keeps open.

    Attributes:
        retry: patience.
        traffic: the sum over all reads.
        token: for servers that want one. Sent to the host asked, and to no other it redirects to.
    """

    retry: Retry = field(default_factory=Retry)
    traffic: Traffic = field(default_factory=Traffic)
    token: str | None = field(default=None, repr=False)
    _session: requests.Session | None = field(default=None, repr=False)

    def read(self, url: str, start: int, length: int) -> Reply:
        """Bytes `[start, start + length)` of the file at `url`; `length` is at least 1.

        Raises:
            MissingFileError: there is no such file.
            FetchError: the server does not deliver that range; after the last try, or at once if
                trying again is no use.
            UsageError: `url` is not http or https.
        """
        checked_url(url)
        for failures in range(1, self.retry.attempts + 1):
            try:
                return self._try(url, start, length)
            except _Again as failure:
                last = failure
            if failures < self.retry.attempts:
                self._wait(url, failures, last)
        raise FetchError(f"{url}: {last}; gave up after {self.retry.attempts} tries")

    def stream(self, url: str, start: int, size: int) -> Iterator[bytes]:
        """Bytes `[start, size)` of a file of `size` bytes, piece by piece as they come.

        A connection that breaks off goes on where it stopped; tries are counted anew whenever some
        bytes came. Memory stays at a piece, 256 kB.

        Raises:
            FetchError: as `read`; also if the file is not of that size.
            MissingFileError: there is no such file.
        """
        at, failures = start, 0
        while at < size:
            try:
                for piece in self._pieces(url, at, size - at, size):
                    yield piece
                    at, failures = at + len(piece), 0
            except _Again as failure:
                failures += 1
                if failures >= self.retry.attempts:
                    raise FetchError(f"{url}: {failure}; gave up after {failures} tries") from None
                self._wait(url, failures, failure)

    def _pieces(self, url: str, start: int, length: int, size: int) -> Iterator[bytes]:
        with self._opened(url, start, length) as (response, _, total):
            if total not in (None, size):
                raise FetchError(f"{url} has {total} bytes, expected {size}")
            yield from self._body(response, length, ends=math.inf)

    def _wait(self, url: str, failures: int, failure: _Again) -> None:
        seconds = self.retry.pause(failures, failure.after)
        if seconds > self.retry.longest_wait:
            raise FetchError(f"{url}: {failure}; the server asks to wait {seconds:.0f} s")
        _log.warning("%s: %s; trying again in %.0f s", url, failure, seconds)
        self.traffic.retries += 1
        self.retry.sleep(seconds)

    def _try(self, url: str, start: int, length: int) -> Reply:
        ends = time.monotonic() + self.retry.deadline
        with self._opened(url, start, length) as (response, commit, total):
            data = b"".join(self._body(response, length, ends))
            return Reply(data, total, commit, response.headers.get("ETag"))

    @contextmanager
    def _opened(self, url: str, start: int, length: int) -> Iterator[tuple]:
        """A reply with a checked head, the commit and the file's size; what goes wrong is sorted."""
        import requests
        import urllib3

        try:
            response, commit = self._open(url, {"Range": f"bytes={start}-{start + length - 1}"})
            with response:
                yield response, commit, _checked_head(url, response, start, length)
        except (requests.exceptions.InvalidURL, requests.exceptions.SSLError) as failure:
            raise FetchError(f"{url}: {_short(failure)}") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as failure:
            raise _Again(_short(failure)) from None

    def _open(self, url: str, headers: dict) -> tuple[requests.Response, str | None]:
        """The reply at the end of the redirects, body unread, and the commit seen on the way.

        Redirects are followed here, so that each keeps the range and none leaves http and https.
        """
        import requests

        if self._session is None:
            self._session = requests.Session()
        headers = {"Accept-Encoding": "identity", "User-Agent": "pythia-book"} | headers
        timeout = (self.retry.connect_timeout, self.retry.read_timeout)
        commit, at = None, url
        self.traffic.requests += 1
        for _ in range(_MAX_REDIRECTS + 1):
            own = urlsplit(at).netloc == urlsplit(url).netloc
            options = {"auth": _bearer(self.token)} if self.token and own else {}
            options |= {"timeout": timeout, "stream": True, "allow_redirects": False}
            response = self._session.get(at, headers=headers, **options)
            commit = commit or response.headers.get("X-Repo-Commit")
            if response.status_code not in _REDIRECTS:
                return response, commit
            response.close()
            at = _redirect(url, at, response.headers.get("Location"))
            self.traffic.redirects += 1
        raise FetchError(f"{url}: more than {_MAX_REDIRECTS} redirects")

    def _body(self, response: requests.Response, length: int, ends: float) -> Iterator[bytes]:
        """The body, which must be `length` bytes long, as it comes."""
        came = 0
        # `read1` returns what there is: a trickle cannot hide from the deadline.
        while piece := response.raw.read1(1 << 18):
            self.traffic.bytes += len(piece)
            came += len(piece)
            if came > length:
                raise _Again(f"more than the {length} bytes asked for came")
            if time.monotonic() > ends:
                raise _Again(f"{came} of {length} bytes after {self.retry.deadline:.0f} s")
            yield piece
        if came != length:
            raise _Again(f"{came} of {length} bytes came")


def _bearer(token: str) -> Callable:
    """The token as `requests` wants it: a mere header would lose against a `.netrc` file."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorize


def _redirect(url: str, at: str, location: str | None) -> str:
    target = urljoin(at, location or "")
    scheme = urlsplit(target).scheme
    if not location or scheme not in ("http", "https"):
        raise FetchError(f"{url}: redirects to {location!r}, which is no http or https address")
    if scheme == "http" and urlsplit(at).scheme == "https":
        raise FetchError(f"{url}: redirects from https to plain http")
    return target


def _checked_head(url: str, response: requests.Response, start: int, length: int) -> int | None:
    """Total size of the file, if the reply's head promises exactly the range asked for."""
    status, headers = response.status_code, response.headers
    if status in PASSING:
        raise _Again(f"status {status}", retry_after(headers.get("Retry-After")))
    if status in (404, 410):
        raise MissingFileError(f"{url} is missing on the server (status {status})")
    if status == 416:
        raise FetchError(f"{url}: the file ends before byte {start + length} (status 416)")
    if status == 200 and start == 0 and headers.get("Content-Length") == str(length):
        return length  # the range is the whole file, and here it is
    if status == 200:
        raise FetchError(f"{url}: the server ignores byte ranges (status 200 instead of 206)")
    if status != 206:
        raise FetchError(f"{url}: status {status}, expected 206")
    said = headers.get("Content-Range", "none")
    match = _CONTENT_RANGE.match(said)
    if not match or (int(match[1]), int(match[2])) != (start, start + length - 1):
        asked = f"bytes {start}-{start + length - 1}"
        raise FetchError(f"{url}: Content-Range is {said!r}, asked for {asked}")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{url}: the range is compressed ({headers['Content-Encoding']})")
    return None if match[3] == "*" else int(match[3])


def retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After` header: a number, or a date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _short(failure: Exception) -> str:
    """One line of an exception whose text may quote objects, signed addresses and causes."""
    import requests
    import urllib3

    slow = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
    if isinstance(failure, slow) or "timed out" in str(failure).lower():
        return "the server does not answer in time"
    if isinstance(failure, requests.exceptions.SSLError):
        return "its certificate cannot be verified"
    if isinstance(failure, (requests.exceptions.ConnectionError, urllib3.exceptions.HTTPError)):
        return "the connection failed or broke off"
    return type(failure).__name__
