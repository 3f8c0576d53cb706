"""A technician at the rack's console: 80x24, Linux VT, keys only. Six machines with a swapped cable, a dead BMC and disks that fail; each cause is
read off the screen, what stops the rack is mended, and it is ready. (Simulated cables cannot be moved while the rack runs: that one stays, and
is what the next line names in the end.)
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import CROWBAR, Terminal, needs_tmux

from engine import rehearsal
from engine.rehearsal import RackError

pytestmark = [needs_tmux, pytest.mark.slow]

SCENARIO = """\
scenario: 1
faults:
  m2: {cables: {1g1: "tor2:swp6"}}
  m3: {bmc: dead}
  m4: {disk_fails: true}
"""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    yield one
    one.close()
    folder = tmp_path / "store.rack"
    with contextlib.suppress(RackError):  # the console stopped it
        rehearsal.connect(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_from_first_run_to_ready(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "scenario.yml").write_text(SCENARIO)
    terminal.type(f"{CROWBAR} --store {tmp_path}/store rehearse --speed 60 --scenario {tmp_path}/scenario.yml", "Enter")
    terminal.wait("nodes", 60)
    text = terminal.wait(lambda t: "4 ready" in t and "2 problems" in t, 240)
    assert "next" in text
    # The swapped cable.
    terminal.keys("3")
    text = terminal.wait("swapped")
    assert "that port is for 1g1 of" in text
    assert "plan says tor2:swp2" in text
    # The dead BMC and the failing disks: sorted by state, problems stand first.
    terminal.keys("1", "s", "g")
    terminal.wait("by state")
    terminal.keys("w")
    first = terminal.wait("why is")
    terminal.keys("Escape")
    terminal.wait("by state")
    terminal.keys("Down", "w")
    second = terminal.wait("why is")
    both = " ".join((first + second).split())
    assert "unreachable" in both
    assert "check the BMC, its cable and account" in both
    assert "raid-configure ended with exit code" in both
    # Somebody mends them, and says so.
    rack = rehearsal.connect(tmp_path / "store.rack")
    rack.fault("m3", bmc="")
    rack.fault("m4", disk_fails=False)
    terminal.keys("Escape")
    terminal.wait("by state")
    terminal.keys("g", "Space", "Space")
    terminal.wait("2 marked")
    terminal.keys("r")
    terminal.wait("is tried again")
    terminal.wait("6 ready", 240)
    text = terminal.screen()
    assert "is in tor2:swp6, the plan says tor2:swp2: see 3" in text, "the cable is what is left to do"
    terminal.keys("Q")
    terminal.wait("stop the engine?")
    terminal.keys("y")
    terminal.wait(lambda t: t.rstrip().endswith("$"))
