"""S3-compatible servers for tests, and a connection to them that can be cut."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

S3RVER = "s3rver@3.7.1"
"""A server of its own kind, from the npm registry: nothing of it is shared with moto."""
KEY = "S3RVER"
"""Its only user, and his password; moto knows everybody."""
REGION = "us-east-1"


@dataclass
class Line:
    """A connection to a server, which counts what comes through it and can be cut."""

    port: int = 0
    cut_after: int | None = None
    """Bytes of answers after which the connection breaks off, once; None: it does not."""
    cut_always: bool = False
    came: int = 0
    """Bytes of answers so far."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What `crystallize` is told of it."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def may_pass(self, count: int) -> int:
        """How many of these bytes come through; fewer: then it is cut."""
        with self.lock:
            if self.cut_after is None:
                self.came += count
                return count
            passing = min(count, self.cut_after)
            self.came += passing
            self.cut_after -= passing
            if passing < count:
                self.cut_after = 0 if self.cut_always else None
            return passing


@contextmanager
def line_to(server_port: int) -> Iterator[Line]:
    """A connection to a server on this machine, while entered."""
    line = Line()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", server_port)) as server:
                sender = threading.Thread(target=_pump, args=(self.request, server))
                sender.start()
                with suppress(OSError):
                    while data := server.recv(1 << 16):
                        passing = line.may_pass(len(data))
                        self.request.sendall(data[:passing])
                        if passing < len(data):
                            break
                for end in (self.request, server):
                    with suppress(OSError):
                        end.shutdown(socket.SHUT_RDWR)
                sender.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        line.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def moto_server() -> Iterator[int]:
    """Moto's server; its port."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


@contextmanager
def s3rver_server(installed: Path, folder: Path) -> Iterator[int]:
    """The server of `installed_s3rver`; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(installed), "--directory", str(folder), "--address", "127.0.0.1", "--port", str(port), "--silent"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()


def installed_s3rver(folder: Path) -> Path:
    """Installs it below `folder`; skips the test where that cannot be."""
    if shutil.which("npm") is None:
        pytest.skip("NO SECOND S3 SERVER: there is no npm to install s3rver with")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), S3RVER]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NO SECOND S3 SERVER: s3rver cannot be installed: {done.stderr.strip()[-200:]}")
    return folder / "node_modules" / ".bin" / "s3rver"


def bucket_at(url: str, name: str) -> Any:
    """A new bucket, to put objects into."""
    import boto3
    from obstore.store import S3Store

    known = {"aws_access_key_id": KEY, "aws_secret_access_key": KEY, "region_name": REGION}
    boto3.client("s3", endpoint_url=url, **known).create_bucket(Bucket=name)
    return S3Store(
        name,
        endpoint=url,
        access_key_id=KEY,
        secret_access_key=KEY,
        region=REGION,
        client_options={"allow_http": True},
    )


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError), ExitStack() as stack:
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            return
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.05)
