"""Where an engine's socket is, for both ends. Light: a console that attaches loads nothing of the server."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SOCKET = "engine.sock"
"""Name of the socket in the store's directory."""
POWER_S = 90.0
"""Seconds for the slowest request: a soft shutdown is read back for half a minute, after other calls to that BMC."""


class AttachError(Exception):
    """The socket cannot be created, or no engine answers on it. The text is one sentence with advice."""


@contextlib.contextmanager
def short_path(directory: Path) -> Iterator[str]:
    """A name for the socket in this directory that is always short enough."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{SOCKET}"
    finally:
        os.close(fd)
