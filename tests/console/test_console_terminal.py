"""The program in a real terminal: how it is left, what becomes of the engine, and that the shell is as it was."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import CROWBAR, Terminal, alive, cpu, needs_tmux, until

from engine.api.http_client import HttpClient, Refusal
from engine.api.views import Attached, AttachError

pytestmark = needs_tmux


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    yield one
    one.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "store"
    yield where
    pid = engine_of(where)
    if pid:
        with contextlib.suppress(AttachError), Attached(where) as engine:  # it may be ending already
            engine.stop()
        until(lambda: not alive(pid))


def engine_of(store: Path) -> int:
    """Process id of the engine that holds the store; 0: none."""
    try:
        with Attached(store) as engine:
            return int(engine.ping().result["pid"])
    except AttachError:
        return 0


def opened(terminal: Terminal, store: Path) -> int:
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    until(lambda: engine_of(store))
    return engine_of(store)


def through(terminal: Terminal) -> None:
    """Past the wizard, which lies over a store without a plan."""
    terminal.wait("where do you want to begin?")
    terminal.keys("Escape")
    terminal.wait("8 health")


def clean(terminal: Terminal) -> None:
    """The shell has the terminal again, as it was."""
    terminal.wait(lambda text: text.rstrip().endswith("$"))
    assert terminal.flag("alternate_on") == "0"
    assert terminal.flag("mouse_any_flag") == "0"
    assert terminal.flag("cursor_flag") == "1"
    assert terminal.flag("wrap_flag") == "1", "long lines wrap"
    terminal.type("clear; stty -a | grep -c ' echo '", "Enter")
    terminal.wait(lambda text: text.split() == ["1", "$"])


@pytest.mark.slow
def test_the_consoles_own_engine_offers_the_api(terminal: Terminal, store: Path) -> None:
    terminal.type(f"{CROWBAR} --store {store} --api 127.0.0.1:0", "Enter")
    through(terminal)
    terminal.keys("8")
    terminal.wait("http://127.0.0.1:")
    with Attached(store) as engine:
        url = engine.health().result["api"]["url"]
    with pytest.raises(Refusal, match="no valid token"), HttpClient(url, "x") as client:
        client.about()
    terminal.keys("q")
    terminal.wait("the engine keeps running")
    terminal.type(f"clear; {CROWBAR} --store {store} --api 127.0.0.1:0", "Enter")
    terminal.wait("--api counts only when an engine starts")


def test_q_leaves_the_engine_at_work_and_crowbar_attaches_again(terminal: Terminal, store: Path) -> None:
    pid = opened(terminal, store)
    terminal.keys("8")
    terminal.wait("in this process")
    terminal.keys("q")
    terminal.wait(f"the engine keeps running (process {pid})")
    clean(terminal)
    assert engine_of(store) == pid
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    terminal.keys("8")
    terminal.wait(f"in another process   pid {pid}")
    terminal.keys("q")
    clean(terminal)
    assert engine_of(store) == pid, "an attached console leaves, and that is all"
    terminal.type(f"{CROWBAR} --store {store}", "Enter")
    through(terminal)
    terminal.keys("Q")
    terminal.wait("stop the engine?")
    terminal.keys("y")
    terminal.wait("the engine stops")
    until(lambda: not alive(pid))
    clean(terminal)


def test_capital_q_stops_an_engine_inside(terminal: Terminal, store: Path) -> None:
    pid = opened(terminal, store)
    terminal.keys("Q")
    terminal.wait("stop the engine?")
    terminal.keys("y")
    until(lambda: not alive(pid))
    clean(terminal)


def test_a_closed_terminal_leaves_the_engine_at_work(tmp_path: Path, store: Path) -> None:
    (tmp_path / "one").mkdir()
    first = Terminal(tmp_path / "one")
    pid = opened(first, store)
    first.close()
    until(lambda: engine_of(store) == pid and os.readlink(f"/proc/{pid}/fd/0") == "/dev/null")
    before = cpu(pid)
    (tmp_path / "two").mkdir()
    second = Terminal(tmp_path / "two")
    try:
        opened(second, store)
        second.keys("8")
        second.wait(f"in another process   pid {pid}")
        assert cpu(pid) - before < 1.0, "it does not spin"
        second.keys("q")
        clean(second)
    finally:
        second.close()


def test_kill_9_of_an_attached_console_leaves_a_clean_terminal_and_the_engine(terminal: Terminal, store: Path) -> None:
    pid = opened(terminal, store)
    terminal.keys("q")
    terminal.wait("the engine keeps running")
    terminal.type(f"clear; {CROWBAR} --store {store}; echo code $?", "Enter")
    through(terminal)
    console = next(p for p in pids_of(store) if p != pid and parent(p) in pids_of(store))
    os.kill(console, signal.SIGKILL)
    terminal.wait("code 137")
    terminal.type("", "Enter")
    clean(terminal)
    assert engine_of(store) == pid


def test_kill_9_of_the_supervisor_is_like_a_closed_terminal(terminal: Terminal, store: Path) -> None:
    """The shell takes the terminal back at once, so the console ends. It puts the terminal in order; the engine inside goes on."""
    pid = opened(terminal, store)
    os.kill(parent(pid), signal.SIGKILL)
    terminal.wait("the engine keeps running")
    terminal.type("", "Enter")
    clean(terminal)
    assert engine_of(store) == pid


def test_kill_9_of_an_engine_inside_is_a_crash_and_the_next_one_goes_on(terminal: Terminal, store: Path) -> None:
    pid = opened(terminal, store)
    os.kill(pid, signal.SIGKILL)
    terminal.wait("SIGKILL ended the console")
    terminal.type("", "Enter")
    clean(terminal)
    assert opened(terminal, store) != pid


def test_two_consoles_see_what_each_other_does(terminal: Terminal, tmp_path: Path, store: Path) -> None:
    opened(terminal, store)
    (tmp_path / "two").mkdir()
    second = Terminal(tmp_path / "two", term="xterm-256color", columns=100, rows=30)
    try:
        opened(second, store)
        terminal.keys("4", "Down")
        second.keys("7")
        second.wait("started")
        terminal.keys("q")
        terminal.wait("the engine keeps running")
        second.keys("8")
        second.wait(lambda text: re.search(r"works, in another process", text))
        second.keys("q")
        clean(second)
    finally:
        second.close()


def test_sigterm_ends_the_console_and_then_the_engine(terminal: Terminal, store: Path) -> None:
    pid = opened(terminal, store)
    os.kill(pid, signal.SIGTERM)
    terminal.wait("the engine keeps running")
    clean(terminal)
    assert engine_of(store) == pid
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))


def test_resize(terminal: Terminal, store: Path) -> None:
    """Also where the shell exports how large the terminal was when it began, as some do, and as test runners do."""
    terminal.type("COLUMNS=80 LINES=24; export COLUMNS LINES; clear", "Enter")
    opened(terminal, store)
    terminal.resize(120, 40)
    terminal.wait(lambda text: len(text.splitlines()) == 40 and text.splitlines()[-1].rstrip().endswith("? help"))
    terminal.resize(50, 20)
    terminal.wait("too small: 50x20")
    terminal.resize(80, 24)
    terminal.wait(lambda text: len(text.splitlines()) == 24 and "? help" in text.splitlines()[-1])
    terminal.keys("Q", "y")
    clean(terminal)


def pids_of(store: Path) -> list[int]:
    out = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(store).encode() in line.read_bytes() and b"crowbar" in line.read_bytes():
                out.append(int(line.parent.name))
        except OSError:
            continue
    return [p for p in out if b"tmux" not in Path(f"/proc/{p}/cmdline").read_bytes()]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
