"""os-install fetches an image with the real curl, wget and busybox from a real server, which breaks off in the middle of pieces."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import pytest
from writer_lab import image, installer

CLIENTS = {
    "curl": ("curl", 'exec {there} "$@"'),
    "wget": ("wget", 'exec {there} "$@"'),
    "busybox": ("wget", 'exec {there} wget "$@"'),
}
"""Client -> the name by which the role knows it, and what is behind the name."""


@contextmanager
def serving(content: bytes, breaks: list[int]) -> Iterator[str]:
    """The URL of a server that knows ranges. Its first answers end after so many bytes as `breaks` says."""
    left = list(breaks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            first, _, last = (wanted or "bytes=0-").removeprefix("bytes=").partition("-")
            end = int(last) if last else len(content) - 1
            body = content[int(first) : end + 1]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{end}/{len(content)}")
            self.end_headers()
            with suppress(OSError):  # the client may go
                self.wfile.write(body[: left.pop(0)] if left else body)

        def log_message(self, *_words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/image/debian-12/root.tar.zst"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_no_byte_is_lost_or_comes_twice(machine: Any, client: str) -> None:
    there = shutil.which(client)
    if there is None:
        pytest.skip(f"not installed: {client}")
    content = image(large=Random(5).randbytes(3_000_000))
    wanted = installer(machine, content)
    (machine.tools / "curl").unlink()
    name, script = CLIENTS[client]
    machine.tool(name, script.format(there=there))
    machine.tool("sleep", "")
    machine.environment = {"CROWBAR_FETCH_PIECE": "1000000", "CROWBAR_FETCH_PATIENCE_S": "20"}
    # busybox cannot go on in the middle.
    breaks = [] if client == "busybox" else [1, 70_000, 0, 999_999, 123_456]
    with serving(content, breaks) as url:
        wanted["image"]["url"] = url
        done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert done.out.count("MiB came, going on from there") == len(breaks)


@pytest.mark.parametrize("client", sorted(CLIENTS))
def test_what_reads_the_image_ends_first(machine: Any, client: str) -> None:
    """The client notices that nobody reads any more. The role names the cause, and not the client."""
    there = shutil.which(client)
    if there is None:
        pytest.skip(f"not installed: {client}")
    content = image(large=Random(5).randbytes(30_000_000))
    wanted = installer(machine, content)
    (machine.tools / "curl").unlink()
    name, script = CLIENTS[client]
    machine.tool(name, script.format(there=there))
    machine.tool("zstd", 'head -c 10 >/dev/null; echo "zstd: /*stdin*\\: Data corruption detected" >&2; exit 1')
    with serving(content, []) as url:
        wanted["image"]["url"] = url
        done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert done.err.startswith("os-install: the image is damaged, and cannot be unpacked: zstd: ")
