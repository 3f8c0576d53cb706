"""The terminal goes to the shell or to a pager for a while: it is clean there, the engine inside goes on, and the console comes back."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from driving import console, press, shot, still
from terminal import CROWBAR, Terminal, alive, needs_tmux, until
from test_console_terminal import engine_of, store, through

from crowbar_tui.console import aside
from engine.api.views import Attached, AttachError

__all__ = ["store"]


@pytest.fixture(params=["sh", pytest.param("bash", marks=pytest.mark.long)])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    if request.param == "bash":
        one.type("exec bash --norc", "Enter")
        one.type("PS1='$ '; clear", "Enter")
        one.wait(lambda text: text.strip() == "$")
    yield one
    one.close()


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def clean(terminal: Terminal) -> None:
    """As a shell expects its terminal."""
    assert [terminal.flag(name) for name in ("alternate_on", "cursor_flag", "wrap_flag", "mouse_any_flag")] == ["0", "1", "1", "0"]
    terminal.type("stty -a | grep -o ' -\\?echo \\| -\\?icanon' | tr -d ' ' | tr '\\n' ';'", "Enter")
    terminal.wait(lambda text: "icanon;echo;" in text)


@needs_tmux
def test_ctrl_z_gives_the_terminal_back_and_fg_comes_back(terminal: Terminal, store: Path) -> None:
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    until(lambda: engine_of(store))
    pid = engine_of(store)
    for _ in range(2):
        terminal.keys("C-z")
        terminal.wait("fg comes back")
        terminal.wait(lambda text: text.rstrip().endswith("$"))
        clean(terminal)
        assert engine_of(store) == pid, "it answers while the console waits"
        assert state_of(pid) != "T"
        terminal.type("clear; fg", "Enter")
        terminal.wait("8 health")
        assert terminal.flag("alternate_on") == "1"
    terminal.keys("2")
    terminal.wait("rack")
    terminal.keys("C-z")
    terminal.wait("fg comes back")
    terminal.type("clear; bg", "Enter")
    terminal.wait(lambda text: text.rstrip().endswith("$"))
    terminal.type("echo here", "Enter")
    terminal.wait("\nhere")
    terminal.resize(100, 30)
    terminal.type("clear; fg", "Enter")
    terminal.wait(lambda text: "8 health" in text.splitlines()[29] and " > rack" in text)
    terminal.keys("q")
    terminal.wait("the engine keeps running")
    clean(terminal)


@needs_tmux
def test_a_terminal_that_is_closed_meanwhile_leaves_the_engine_at_work(terminal: Terminal, store: Path) -> None:
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    until(lambda: engine_of(store))
    pid = engine_of(store)
    terminal.keys("C-z")
    terminal.wait("fg comes back")
    terminal.close()
    until(lambda: os.getsid(pid) == pid)
    assert engine_of(store) == pid


@needs_tmux
def test_a_console_that_is_killed_meanwhile_says_so_at_fg(terminal: Terminal, store: Path) -> None:
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    until(lambda: engine_of(store))
    pid = engine_of(store)
    terminal.keys("C-z")
    terminal.wait("fg comes back")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    terminal.type("clear; fg", "Enter")
    terminal.wait("SIGKILL ended the console")
    clean(terminal)


@needs_tmux
def test_a_job_that_is_ended_meanwhile_leaves_the_engine_at_work(terminal: Terminal, store: Path) -> None:
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    until(lambda: engine_of(store))
    pid = engine_of(store)
    terminal.keys("C-z")
    terminal.wait("fg comes back")
    terminal.type("kill %1", "Enter")
    until(lambda: os.getsid(pid) == pid)
    terminal.type("fg", "Enter")  # some shells leave a stopped job stopped
    terminal.wait("the engine keeps running")
    assert engine_of(store) == pid
    terminal.type("clear", "Enter")
    clean(terminal)
    assert alive(pid)


@needs_tmux
def test_a_pager_has_the_terminal_and_gives_it_back(tmp_path: Path) -> None:
    rack = tmp_path / "r"
    terminal = Terminal(tmp_path)
    terminal.type(f"PAGER=less; export PAGER; {CROWBAR} --store {rack} rehearse --network loopback", "Enter")
    terminal.wait(lambda text: re.search(" ready +hello", text), 240.0)
    try:
        terminal.keys("l")
        terminal.wait("o pager")
        terminal.wait(lambda text: "reading ..." not in text and "no role of this node has written" not in text, 120.0)
        terminal.keys("o")
        terminal.wait("(END)")
        assert engine_of(rack)
        terminal.keys("C-z")
        terminal.wait("Stopped")
        terminal.type("clear; echo he''re", "Enter")
        terminal.wait(lambda text: text.startswith("here"))
        assert engine_of(rack), "the engine goes on while the pager is stopped"
        terminal.type("clear; fg", "Enter")
        terminal.wait("(END)")
        terminal.keys("C-c")
        terminal.keys("q")
        terminal.wait("o pager")
    finally:
        terminal.keys("Q")
        terminal.keys("y")
        terminal.close()
        pid = engine_of(rack)
        if pid:
            with contextlib.suppress(AttachError), Attached(rack) as engine:
                engine.stop()
            until(lambda: not alive(pid), 120.0)


async def test_without_a_shell_that_waits_it_says_so() -> None:
    source, at = still("working")
    async with console(source, at) as (app, pilot):
        await press(pilot, "ctrl+z")
        assert "no shell waits for this console" in shot(app)
        assert not app.aside.away


def test_a_shell_with_job_control_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """console 30 in job 20, its supervisor 20; the shell is 10 in job 10."""
    jobs, sessions = {10: 10, 20: 20, 30: 20}, {10: 10, 20: 10, 30: 10}
    monkeypatch.setattr(aside.os, "getpgrp", lambda: 20)
    monkeypatch.setattr(aside.os, "getppid", lambda: 20)
    monkeypatch.setattr(aside.os, "getpgid", lambda pid: jobs[pid])
    monkeypatch.setattr(aside.os, "getsid", lambda pid: sessions[pid or 30])
    monkeypatch.setattr(aside.Path, "read_text", lambda path: f"20 (a) b) S {10 if '/20/' in str(path) else 1} 20")
    assert aside.shell_waits()
    sessions[10] = 1  # sshd, for a command without a shell
    assert not aside.shell_waits()
