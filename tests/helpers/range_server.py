"""A web server of byte ranges on this machine, which misbehaves when told to, and counts.

`faults` are used up one a request: each takes the handler and the range asked for, and answers in
the server's stead.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Read = Callable[[int, int], bytes]


@dataclass
class RangeServer:
    """Files by path: their sizes and how to read bytes start..stop of them."""

    url: str
    files: Mapping[str, tuple[int, Read]]
    faults: list = field(default_factory=list)
    requests: list = field(default_factory=list)  # (path, Range header)
    sent: int = 0  # bytes of bodies
    stopped: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(files: Mapping[str, bytes | tuple[int, Read]]) -> Iterator[RangeServer]:
    """Serve files at 127.0.0.1 on a free port, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    readable = {path: _readable(file) for path, file in files.items()}
    state = RangeServer(f"http://127.0.0.1:{server.server_port}", readable)
    server.state = state
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _readable(file: bytes | tuple[int, Read]) -> tuple[int, Read]:
    return (len(file), lambda start, stop: file[start:stop]) if isinstance(file, bytes) else file


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps connections open, prints nothing, and knows the `state` of its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    @property
    def state(self):
        return self.server.state


class Handler(QuietHandler):
    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.state.requests.append((self.path, asked))
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        start, stop = (int(match[1]), int(match[2]) + 1) if match else (0, 0)
        try:
            if self.state.faults:
                self.state.faults.pop(0)(self, start, stop)
            else:
                self.answer(start, stop)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, start: int, stop: int) -> None:
        """As a good server does; `Hub` paths redirect to where the bytes lie, questions tell `COMMIT`."""
        if self.path.startswith("/api/"):
            self.reply(200, json.dumps({"id": "set", "sha": COMMIT, "siblings": []}).encode())
            return
        if "/resolve/" in self.path and not self.path.startswith("/elsewhere/"):
            self.redirect(f"/elsewhere{self.path}?signed=yes", {"X-Repo-Commit": COMMIT})
            return
        file = self.file()
        if file is None:
            self.reply(404, b"no such file")
            return
        size, read = file
        if not 0 <= start < stop <= size:
            self.reply(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        self.reply(206, read(start, stop), self.content_range(start, stop))

    def file(self) -> tuple[int, Read] | None:
        path = self.path.split("?")[0].removeprefix("/elsewhere")
        return self.state.files.get(path)

    def content_range(self, start: int, stop: int) -> dict[str, str]:
        return {"Content-Range": f"bytes {start}-{stop - 1}/{self.file()[0]}"}

    def redirect(self, to: str, headers: Mapping[str, str] = {}, status: int = 302) -> None:
        self.reply(status, b"", {"Location": to, **headers})

    def reply(
        self, status: int, body: bytes, headers: Mapping[str, str] = {}, length: int | None = None
    ) -> None:
        """`length`: what the head promises, where that is not what comes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.state.sent += len(body)  # before the client can have it, and look
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        if length is not None:
            self.close_connection = True


# --- faults ---------------------------------------------------------------------------------------


def status(code: int, **headers: str):
    """Another status; `retry_after="3"` becomes `Retry-After: 3`."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda handler, start, stop: handler.reply(code, b"sorry", named)


def whole_file(handler: Handler, start: int, stop: int) -> None:
    """Ignores the range."""
    size, read = handler.file()
    handler.reply(200, read(0, size))


def cut_short(handler: Handler, start: int, stop: int) -> None:
    """Promises the range and closes in the middle."""
    body = handler.file()[1](start, stop)
    headers = handler.content_range(start, stop)
    handler.reply(206, body[: len(body) // 2], headers, length=len(body))


def short_but_consistent(handler: Handler, start: int, stop: int) -> None:
    """Says it is the range, and is a byte short by its own Content-Length."""
    handler.reply(206, handler.file()[1](start, stop - 1), handler.content_range(start, stop))


def too_long(handler: Handler, start: int, stop: int) -> None:
    """Says it is the range, and sends more."""
    body = handler.file()[1](start, stop) + b"more"
    handler.reply(206, body, handler.content_range(start, stop))


def another_range(handler: Handler, start: int, stop: int) -> None:
    """Sends as many bytes as asked for, of another place, and says so."""
    body = handler.file()[1](start, stop)[::-1]
    handler.reply(206, body, handler.content_range(start + 2, stop + 2))


def no_content_range(handler: Handler, start: int, stop: int) -> None:
    handler.reply(206, handler.file()[1](start, stop))


def other_size(handler: Handler, start: int, stop: int) -> None:
    """The right range, of a file that has grown meanwhile."""
    said = {"Content-Range": f"bytes {start}-{stop - 1}/{handler.file()[0] + 10}"}
    handler.reply(206, handler.file()[1](start, stop), said)


def compressed(handler: Handler, start: int, stop: int) -> None:
    headers = handler.content_range(start, stop) | {"Content-Encoding": "gzip"}
    handler.reply(206, handler.file()[1](start, stop), headers)


def chunked(handler: Handler, start: int, stop: int) -> None:
    """The right bytes, in two chunks, without a Content-Length: unusual, and allowed."""
    body = handler.file()[1](start, stop)
    handler.send_response(206)
    handler.send_header("Transfer-Encoding", "chunked")
    for name, value in handler.content_range(start, stop).items():
        handler.send_header(name, value)
    handler.end_headers()
    for part in (body[:3], body[3:], b""):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))


def stall(handler: Handler, start: int, stop: int) -> None:
    """Takes the request and never answers."""
    handler.state.stopped.wait(5)
    handler.close_connection = True


def stall_in_the_middle(handler: Handler, start: int, stop: int) -> None:
    cut_short(handler, start, stop)
    handler.wfile.flush()
    stall(handler, start, stop)


def trickle(handler: Handler, start: int, stop: int) -> None:
    """A byte now and then: never silent for long, never done."""
    body = handler.file()[1](start, stop)
    handler.reply(206, b"", handler.content_range(start, stop), length=len(body))
    for byte in body:
        handler.wfile.write(bytes([byte]))
        if handler.state.stopped.wait(0.05):
            break


def close(handler: Handler, start: int, stop: int) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


def redirected(to: str, code: int = 302):
    return lambda handler, start, stop: handler.redirect(to, status=code)
