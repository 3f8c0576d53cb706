"""A small HTTP proxy that keeps what it fetched, for installers in a lab without a route to the outside: GET and HEAD of http URLs."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()
    refused = ""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.refused and self.path.endswith(self.refused):
            self.send_error(404)
            return
        kept = self.folder / hashlib.sha256(self.path.encode()).hexdigest()
        if not kept.exists():
            try:
                with OPENER.open(self.path, timeout=120) as answer, open(f"{kept}.{threading.get_ident()}", "wb") as file:
                    shutil.copyfileobj(answer, file)
                os.replace(file.name, kept)
            except urllib.error.HTTPError as error:
                self.send_error(error.code)
                return
            except (OSError, ValueError) as error:
                self.send_error(502, type(error).__name__)
                return
        self.send_response(200)
        self.send_header("Content-Length", str(kept.stat().st_size))
        self.end_headers()
        if self.command == "GET":
            with kept.open("rb") as stored:
                shutil.copyfileobj(stored, self.wfile)

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the tests' output."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away."""


@contextmanager
def serving(address: str, port: int, folder: Path, refused: str = "") -> Iterator[None]:
    """`refused`: the end of URLs that are not there."""
    folder.mkdir(exist_ok=True, parents=True)
    server = Server((address, port), type("Kept", (Handler,), {"folder": folder, "refused": refused}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()

