"""Who has a console open: the engine knows it from the kernel, and forgets it with the connection."""

from __future__ import annotations

import os
import pty
import sys
from pathlib import Path

import pytest
from test_attach_socket import FakeHost, host, service, until  # noqa: F401  fixtures

from engine.attach.client import Attached
from engine.attach.server import AttachService, terminal_of

ROOT = Path(__file__).parents[2]

WATCHES = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from engine.attach.client import Attached
with Attached(Path({store!r})) as engine:
    engine.wait(0, 1.0)
    sys.stdin.readline()
"""


def test_a_console_is_who_waits_for_news_and_not_each_command(service: AttachService, tmp_path: Path) -> None:  # noqa: F811
    assert service.consoles() == []
    with Attached(tmp_path) as command:
        command.health()
        assert service.consoles() == []
        with Attached(tmp_path) as console:
            console.wait(0, 1.0)
            (one,) = service.consoles()
            assert one["who"] == f"user{os.getuid()}"
            assert one["pid"] == os.getpid()
            command.health()
            assert len(service.consoles()) == 1
        until(lambda: service.consoles() == [])


def test_the_terminal_of_another_process_is_named(service: AttachService, tmp_path: Path) -> None:  # noqa: F811
    """A real process on a real terminal: the kernel says which."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", WATCHES.format(root=str(ROOT), store=str(tmp_path))])
    try:
        until(lambda: service.consoles() != [])
        (one,) = service.consoles()
        assert one["pid"] == pid
        assert one["where"] == os.path.relpath(os.readlink(f"/proc/{pid}/fd/0"), "/dev")
    finally:
        os.write(terminal, b"\n")
        os.waitpid(pid, 0)
        os.close(terminal)
    until(lambda: service.consoles() == [])
    assert terminal_of(pid) == ""


@pytest.mark.parametrize("pid", [0, -1, 2**40])
def test_a_process_that_is_not_there_has_no_terminal(pid: int) -> None:
    assert terminal_of(pid) == ""
