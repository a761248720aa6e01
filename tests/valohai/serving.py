"""A small HTTP server for tests: files in a dict, with versions and ranges, that may break off or count requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Files:
    """What is served, and what was asked."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.asked: list[tuple[str, str, str]] = []
        """(method, path, range header)"""
        self.break_after: int | None = None
        """Bytes after which the next answer breaks off; then answers are whole again."""
        self.versions = True
        self.url = ""


@contextmanager
def serving() -> Iterator[Files]:
    """Serves on a free port of the loopback while entered."""
    files = Files()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            wanted = self.headers.get("Range", "")
            files.asked.append((self.command, self.path, wanted))
            data = files.contents.get(self.path.partition("?")[0])
            if data is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            if files.versions:
                self.send_header("ETag", f'"{sha1(data).hexdigest()}"')
            self.end_headers()
            if with_body:
                body = data[start:]
                if files.break_after is not None:
                    body, files.break_after = body[: files.break_after], None
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
