"""A server of a site as hosts of such sites are: text is gzipped, what is not there is `404.html`."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

_ZIPPED = (".html", ".css", ".js", ".svg", ".json", ".xml", ".txt", ".ipynb")


class _Handler(http.server.BaseHTTPRequestHandler):
    """Of the files in `site`, at addresses that begin with `prefix`."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments, site: Path, prefix: str) -> None:
        self.site, self.prefix = site, prefix
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        file = self.site / path.removeprefix(self.prefix)
        file = file / "index.html" if file.is_dir() else file
        there = path.startswith(self.prefix) and file.is_file()
        file = file if there else self.site / "404.html"
        body = file.read_bytes()
        self.send_response(200 if there else 404)
        if file.suffix in _ZIPPED and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        names = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}
        names |= {".svg": "image/svg+xml", ".png": "image/png"}
        self.send_header("Content-Type", names.get(file.suffix, "text/plain"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(site: Path, prefix: str = "/") -> Iterator[str]:
    """The address of a site's front page, without the last stroke."""
    handler = functools.partial(_Handler, site=site, prefix=prefix)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{prefix}".rstrip("/")
        server.shutdown()
