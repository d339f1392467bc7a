"""Exact byte ranges of files on a web server: the bytes asked for, or one line that says why not.

Every reply is checked before its bytes count: status 206, the very range asked for, its whole
length, no compression. What may pass is tried again with growing waits (status 429 or 5xx, time-outs,
broken connections, short bodies); what will not is an error at once. No file is written. Small files
whose size nobody told can be read as a whole.
"""

from __future__ import annotations

import email.utils
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from pythia_utils.errors import UsageError

if TYPE_CHECKING:
    import requests

_PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses after which the same request may succeed
_REDIRECTS = {301, 302, 303, 307, 308}
_MAX_REDIRECTS = 5
_log = logging.getLogger(__name__)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class FetchError(OSError):
    """A server that did not deliver. Not the user's mistake: the command line exits with 1."""


class MissingFileError(UsageError):
    """The server answers, and has no such file.

    Attributes:
        code: the Hub's `X-Error-Code`, such as `RevisionNotFound`; empty from another server.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


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


def origin(url: str) -> str:
    """Scheme, host and port of an address: who may see a token that is meant for it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


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
        tokens: by origin (see `origin`), the bearer token to send there, and nowhere else: a
            redirect to another host goes without.
    """

    retry: Retry = field(default_factory=Retry)
    traffic: Traffic = field(default_factory=Traffic)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    _session: requests.Session | None = field(default=None, repr=False)

    def read(self, url: str, start: int, length: int) -> Reply:
        """Bytes `[start, start + length)` of the file at `url`; `length` is at least 1.

        Raises:
            MissingFileError: there is no such file.
            FetchError: the server does not deliver that range; after the last try, or at once if
                trying again is no use.
            UsageError: `url` is not http or https.
        """
        return self._persist(url, lambda ends: self._range(url, start, length, ends))

    def read_whole(self, url: str, limit: int) -> Reply:
        """The whole of a small file, at most `limit` bytes.

        Raises:
            MissingFileError, FetchError, UsageError: as `read`; also if the file is larger.
        """
        return self._persist(url, lambda ends: self._whole(url, limit, ends))

    def _persist(self, url: str, attempt: Callable[[float], Reply]) -> Reply:
        """Try until it works or patience ends; `attempt` is told when its own time is over."""
        checked_url(url)
        for failures in range(1, self.retry.attempts + 1):
            try:
                return self._try(url, attempt)
            except _Again as failure:
                last = failure
            if failures < self.retry.attempts:
                self._wait(url, failures, last)
        raise FetchError(f"{url}: {last}; gave up after {self.retry.attempts} tries")

    def _wait(self, url: str, failures: int, failure: _Again) -> None:
        seconds = self.retry.pause(failures, failure.after)
        if seconds > self.retry.longest_wait:
            raise FetchError(f"{url}: {failure}; the server asks to wait {seconds:.0f} s")
        _log.warning("%s: %s; trying again in %.0f s", url, failure, seconds)
        self.traffic.retries += 1
        self.retry.sleep(seconds)

    def _try(self, url: str, attempt: Callable[[float], Reply]) -> Reply:
        import requests
        import urllib3

        try:
            return attempt(time.monotonic() + self.retry.deadline)
        except (requests.exceptions.InvalidURL, requests.exceptions.SSLError) as failure:
            raise FetchError(f"{url}: {_short(failure)}") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as failure:
            raise _Again(_short(failure)) from None

    def _range(self, url: str, start: int, length: int, ends: float) -> Reply:
        response, commit = self._open(url, {"Range": f"bytes={start}-{start + length - 1}"})
        with response:
            total = _checked_head(url, response, start, length)
            data = self._body(response, length, ends)
            if len(data) != length:
                raise _Again(f"{len(data)} of {length} bytes came")
            return Reply(data, total, commit, response.headers.get("ETag"))

    def _whole(self, url: str, limit: int, ends: float) -> Reply:
        response, commit = self._open(url, {})
        with response:
            _check_status(url, response, 200)
            told = response.headers.get("Content-Length", "")
            if told.isdigit() and int(told) > limit:
                raise FetchError(f"{url}: {told} bytes, expected at most {limit}")
            data = self._body(response, limit, ends)
            if told.isdigit() and len(data) != int(told):
                raise _Again(f"{len(data)} of {told} bytes came")
            return Reply(data, len(data), commit, response.headers.get("ETag"))

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
            response = self._session.get(
                at,
                headers=headers,
                timeout=timeout,
                stream=True,
                allow_redirects=False,
                auth=_bearer(self.tokens.get(origin(at))),
            )
            commit = commit or response.headers.get("X-Repo-Commit")
            if response.status_code not in _REDIRECTS:
                return response, commit
            response.close()
            at = _redirect(url, at, response.headers.get("Location"))
            self.traffic.redirects += 1
        raise FetchError(f"{url}: more than {_MAX_REDIRECTS} redirects")

    def _body(self, response: requests.Response, most: int, ends: float) -> bytes:
        """The body, which must not be longer than `most` bytes."""
        body = bytearray()
        # `read1` returns what there is: a trickle cannot hide from the deadline.
        while chunk := response.raw.read1(1 << 18):
            self.traffic.bytes += len(chunk)
            body += chunk
            if len(body) > most:
                raise _Again(f"more than the {most} bytes expected came")
            if time.monotonic() > ends:
                raise _Again(f"{len(body)} of {most} bytes after {self.retry.deadline:.0f} s")
        return bytes(body)


def _bearer(token: str | None) -> Callable | None:
    """The token as `requests` wants it: a mere header would lose against a `.netrc` file."""

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorize if token else None


def _redirect(url: str, at: str, location: str | None) -> str:
    target = urljoin(at, location or "")
    scheme = urlsplit(target).scheme
    if not location or scheme not in ("http", "https"):
        raise FetchError(f"{url}: redirects to {location!r}, which is no http or https address")
    if scheme == "http" and urlsplit(at).scheme == "https":
        raise FetchError(f"{url}: redirects from https to plain http")
    return target


def _check_status(url: str, response: requests.Response, expected: int) -> None:
    """Raise what a status other than `expected` means."""
    status, headers = response.status_code, response.headers
    code = headers.get("X-Error-Code", "")
    shown = f"status {status}, {code}" if code else f"status {status}"
    if status in _PASSING:
        raise _Again(shown, _retry_after(headers.get("Retry-After")))
    if status in (404, 410):
        raise MissingFileError(f"{url} is missing on the server ({shown})", code)
    if status == 200 and expected == 206:
        raise FetchError(f"{url}: the server ignores byte ranges (status 200 instead of 206)")
    if status != expected:
        raise FetchError(f"{url}: {shown}, expected {expected}")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError(f"{url}: the reply is compressed ({headers['Content-Encoding']})")


def _checked_head(url: str, response: requests.Response, start: int, length: int) -> int | None:
    """Total size of the file, if the reply's head promises exactly the range asked for."""
    if response.status_code == 416:
        raise FetchError(f"{url}: the file ends before byte {start + length} (status 416)")
    _check_status(url, response, 206)
    headers = response.headers
    said = headers.get("Content-Range", "none")
    match = _CONTENT_RANGE.match(said)
    if not match or (int(match[1]), int(match[2])) != (start, start + length - 1):
        asked = f"bytes {start}-{start + length - 1}"
        raise FetchError(f"{url}: Content-Range is {said!r}, asked for {asked}")
    return None if match[3] == "*" else int(match[3])


def _retry_after(value: str | None) -> float | None:
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
