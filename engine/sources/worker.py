"""Builds in a process of its own, so that a build of an hour does not keep the admin node from its other roles.

The role's script looks at the worker for SLICE_S and then asks to be run again (exit code 128), which lets other roles of the node run. The
worker holds a lock while it lives. So a worker that was killed is seen at once, and the next look starts another one.

    .worker-NAME        the lock
    .ended-NAME         what the last worker came to, for which attempt
    .log-NAME           what it printed
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ..definitions import Json
from . import SourceError, shelf
from .build import built, resolve
from .shelf import Kept
from .why import why
from .wish import Build, Wish

SLICE_S = 15.0
LOOK_S = 0.2
LOG_BYTES = 1 << 20


class Row(Struct, frozen=True, kw_only=True):
    """One build, as `NAME-wheels` gives it."""

    wish: Wish
    commit: str
    project: str
    version: str
    key: str
    sha256: str
    """Of the manifest."""
    python: str
    machine: str
    pure: bool


class Ended(Struct, frozen=True, kw_only=True):
    """What a worker came to."""

    order: str
    rows: tuple[Row, ...] = ()
    code: str = ""
    """Of the reason, if it failed."""
    line: str = ""


class Order(Struct, frozen=True, kw_only=True):
    """What a worker shall do."""

    id: str
    """Of the attempt, without its leg, and of what it builds."""
    name: str
    builds: tuple[Build, ...]
    sources: str
    hidden: tuple[str, ...] = ()
    proxy: str = ""
    """URL of the HTTP proxy for repositories and the package index. Empty: none."""
    lives_with: int = 0
    """Process with which the worker ends. 0: none."""


def row_of(build: Build, kept: Kept) -> Row:
    about = kept.manifest
    return Row(
        wish=build.wish,
        commit=about.commit,
        project=about.project,
        version=about.version,
        key=kept.key,
        sha256=kept.sha256,
        python=about.python,
        machine=about.machine,
        pure=about.pure,
    )


def plain(rows: Sequence[Row]) -> list[Json]:
    """The rows as JSON. `source` is a wish as the plan has it, so that a node finds its own."""
    out = []
    for row in rows:
        value = msgspec.to_builtins(row)
        wish = value.pop("wish")
        out.append({"source": {key: one for key, one in wish.items() if one is not None}, **value})
    return out


def look(order: Order) -> Ended | None:
    """Starts a worker if none works, and waits for it for SLICE_S at most. None: it still builds."""
    sources = Path(order.sources)
    sources.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = time.monotonic() + SLICE_S
    started = False
    while True:
        if not _works(sources, order.name):
            if (ended := _ended(sources, order)) is not None:
                return ended
            if started:  # it was killed, and said nothing
                return Ended(order=order.id, code="source_build_failed", line="the build was killed")
            _start(sources, order)
            started = True
        elif time.monotonic() > until:
            return None
        time.sleep(LOOK_S)


def log_of(order: Order) -> str:
    """The end of what the worker printed."""
    with contextlib.suppress(FileNotFoundError), (Path(order.sources) / f".log-{order.name}").open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
        return file.read().decode("utf-8", "replace")
    return ""


def work(order: Order) -> None:
    """The worker itself. Its output is the log."""
    sources = Path(order.sources)
    with (sources / f".worker-{order.name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if order.proxy:
            os.environ |= {"http_proxy": order.proxy, "https_proxy": order.proxy}
        if order.lives_with:
            threading.Thread(target=_end_with, args=(order.lives_with,), daemon=True).start()
        ended = _work(sources, order)
        path = sources / f".ended-{order.name}"
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(ended))
        os.replace(fresh, path)


def _work(sources: Path, order: Order) -> Ended:
    rows = []
    try:
        for build in order.builds:
            found = resolve(sources, build)
            print(f"source: {build.wish.repository} {build.wish.revision} is {found.inputs.commit}", flush=True)
            if found.note:
                print(f"source: {found.note}", flush=True)
            rows.append(row_of(build, built(sources, found, [Path(one) for one in order.hidden], sys.stdout.fileno())))
    except SourceError as error:
        line = str(error)
        if error.code == "source_build_failed" and (cause := why(log_of(order))):
            line = f"{line}: {cause}"
        return Ended(order=order.id, code=error.code, line=line)
    except (OSError, subprocess.SubprocessError) as error:
        return Ended(order=order.id, code="source_build_failed", line=f"{type(error).__name__}: {error}"[:300])
    return Ended(order=order.id, rows=tuple(rows))


def _works(sources: Path, name: str) -> bool:
    with (sources / f".worker-{name}").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _ended(sources: Path, order: Order) -> Ended | None:
    try:
        found = msgspec.json.decode((sources / f".ended-{order.name}").read_bytes(), type=Ended)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.order == order.id else None


def _start(sources: Path, order: Order) -> None:
    """Returns when the worker holds its lock, or has ended."""
    with (sources / f".log-{order.name}").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __package__, "work"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin:
        process.stdin.write(msgspec.json.encode(order))
    while process.poll() is None and not _works(sources, order.name):
        time.sleep(LOOK_S / 4)


def _end_with(process: int) -> None:
    while os.path.exists(f"/proc/{process}"):
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)


def finished(order: Order) -> list[Row] | None:
    """The builds, if all of them are on the shelf by what is known here. Nothing is fetched or built. Raises SourceError."""
    sources = Path(order.sources)
    rows = []
    for build in order.builds:
        kept = shelf.find(sources, resolve(sources, build, ask=False).inputs.key)
        if kept is None:
            return None
        rows.append(row_of(build, kept))
    return rows
