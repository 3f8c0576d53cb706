"""A newcomer's path at 80x24 on a Linux console: from `crowbar` to six ready, with three faults on the way, and back again.

The script knows nothing of the faults. It does what the `next` line says, and reads the cause with `w`, which the help names.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import CROWBAR, Terminal, alive, needs_tmux, until

from engine import racks as rehearsal
from engine.api.views import Attached, AttachError
from engine.racks import RackError

pytestmark = [needs_tmux, pytest.mark.slow]

WAITS_S = 300.0


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    one.type(f"HOME={tmp_path}; XDG_STATE_HOME={tmp_path}/state; export HOME XDG_STATE_HOME; unset CROWBAR_STORE; cd; clear", "Enter")
    one.type(f"alias crowbar={CROWBAR}; clear", "Enter")
    yield one
    one.close()
    for folder in (tmp_path / ".local" / "share").glob("*.rack"):
        pid = engine_of(folder.with_suffix(""))
        if pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not alive(pid))
        with contextlib.suppress(RackError):  # the console stopped it
            rehearsal.connect(folder).stop()
        shutil.rmtree(folder, ignore_errors=True)


def engine_of(store: Path) -> int:
    """Process id of the engine that holds the store; 0: none."""
    try:
        with Attached(store) as engine:
            return int(engine.ping().result["pid"])
    except AttachError:
        return 0


class Newcomer:
    """Reads the screen, and does what it says."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.did: list[str] = []
        self.causes = ""

    def next(self) -> str:
        """What the next line says, on as many lines as it needs."""
        lines = self.terminal.screen().splitlines()
        first = next((y for y, line in enumerate(lines) if line.startswith(" next  ")), None)
        if first is None:
            return ""
        more = itertools.takewhile(lambda line: line.startswith(" " * 7), lines[first + 1 :])
        return " ".join(line.strip() for line in (lines[first].removeprefix(" next  "), *more))

    def on(self, node: str, *keys: str) -> None:
        """Puts the cursor on a node: `/` and its name, as the help says."""
        self.terminal.keys("1", "/", "C-u")
        self.terminal.type(node)
        self.terminal.keys("Enter")
        self.terminal.wait(lambda text: f"/{node}  1 of 6" in text.splitlines()[1])
        self.terminal.keys(*keys)

    def why(self, node: str) -> None:
        self.on(node, "w")
        self.terminal.wait(lambda text: "> why " in text.splitlines()[0])
        self.causes += self.terminal.screen()
        self.terminal.keys("Escape")
        self.terminal.wait(lambda text: "> nodes" in text.splitlines()[0] and "> why" not in text)

    def looks_again(self, node: str) -> None:
        """A question whose answer has changed meanwhile, because the rack has, is asked again."""
        for _ in range(5):
            self.on(node, "e")
            self.terminal.wait(lambda text: re.search(r"y yes|type .* to do it", text))
            if "y yes" in self.terminal.screen():
                self.terminal.keys("y")
            else:
                self.terminal.type(node, "Enter")
            with contextlib.suppress(AssertionError):
                self.terminal.wait(f"the engine discovers {node} again", 5.0)
                return
            self.terminal.keys("Escape")
        raise AssertionError(f"{node} is not discovered again")

    def step(self) -> bool:
        """Does what the next line says. False: there is nothing left to do."""
        said = self.next()
        who = re.match(r"([a-z]+-[a-z0-9-]+)\b", said)
        if said.startswith("nothing to do: all 6 nodes are ready"):
            return False
        if who is None or not re.search(r"press m|press r|e looks again", said):
            self.terminal.wait(lambda _text: self.next() != said, WAITS_S)
            return True
        node = who[1]
        self.did.append(said)
        assert len(self.did) < 40, self.did
        if "press m" in said:
            self.why(node)
            self.on(node, "m")
            self.terminal.wait(lambda text: re.search(r"is replaced|are replaced|is plugged into|nothing to repair", text))
        elif "e looks again" in said:
            self.looks_again(node)
        else:
            self.on(node, "r")
        self.terminal.keys("Escape")
        self.terminal.wait(lambda _text: self.next() not in ("", said), WAITS_S)
        return True


def bare_shell_s(terminal: Terminal, until_text: str) -> float:
    """Longest time in seconds in which the terminal shows no part of Crowbar, until this text comes."""
    longest = 0.0
    since = 0.0
    end = time.monotonic() + WAITS_S
    while until_text not in (text := terminal.screen()):
        now = time.monotonic()
        since = 0.0 if re.search(r"^ (crowbar|rehearsal) > ", text) else since or now
        longest = max(longest, now - since if since else 0.0)
        assert now < end, text
        time.sleep(0.02)
    return longest


def inside_the_box(text: str) -> str:
    """The words of the box on the screen, without what the screen shows beside it."""
    return " ".join(found[1].strip() for line in text.splitlines() if (found := re.search(r"│ (.*) │", line)))


@pytest.mark.timeout(1500)
def test_a_newcomer_repairs_the_first_day_and_finds_the_way_back(terminal: Terminal, tmp_path: Path) -> None:
    terminal.type("crowbar", "Enter")
    text = terminal.wait("where do you want to begin?")
    assert re.search("find each cause on the screen and\n +repair it with m", text), "the wizard names the key"
    terminal.keys("Down", "Enter")
    terminal.wait("a cable, a BMC and disks that fail")
    terminal.keys("Down", "Right")
    terminal.wait("60 x")
    terminal.keys("Enter")
    assert bare_shell_s(terminal, "rehearsal > nodes") < 1.0
    newcomer = Newcomer(terminal)
    terminal.wait(lambda _text: newcomer.next() != "")
    while newcomer.step():
        pass
    terminal.wait("6 ready")
    told = " ".join(newcomer.causes.split())
    assert re.search(r"eno2 is in tor2:swp2, the plan says tor2:swp1|ens1f1 is in tor2:swp1, the plan says tor2:swp2", told)
    assert "unreachable by" in told or "no answer" in told
    assert "raid-configure ended with exit code" in told
    # Away with q, and back with the one word that the message names.
    terminal.keys("q")
    text = terminal.wait("crowbar opens it again")
    [line] = [line for line in text.splitlines() if "the engine keeps running" in line]
    assert line.endswith("crowbar opens it again"), "it fits on the line"
    terminal.type("clear; crowbar", "Enter")
    terminal.wait("6 ready")
    terminal.keys("q")
    terminal.wait(lambda t: t.rstrip().endswith("$"))
    # Killed, and back again.
    store = tmp_path / ".local" / "share" / "crowbar-rehearsal"
    os.kill(engine_of(store), signal.SIGKILL)
    until(lambda: not engine_of(store))
    terminal.type("clear; crowbar", "Enter")
    text = terminal.wait("6 ready", WAITS_S)
    assert text.startswith(" rehearsal > nodes")
    terminal.keys("Q")
    text = terminal.wait(lambda t: "to continue: crowbar --store" in inside_the_box(t))
    assert "stop the engine?" in text
    terminal.keys("y")
    terminal.wait(lambda t: t.rstrip().endswith("$"))
    # Stopped by a person: `crowbar` begins anew.
    terminal.type("clear; crowbar", "Enter")
    terminal.wait("where do you want to begin?")
    terminal.keys("C-q")
    terminal.wait(lambda t: t.rstrip().endswith("$"))
    until(lambda: not engine_of(tmp_path / ".local" / "share" / "crowbar"))
