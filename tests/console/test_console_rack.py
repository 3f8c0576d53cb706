"""A technician at the rack's console: 80x24, Linux VT, keys only.

Two consoles on a virtual rack. (A newcomer's path through a rehearsal with faults: `test_console_newcomer`.)

And on an interface of a network namespace, behind which a rack waits that nobody has planned: from the wizard's questions to ready.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import CROWBAR, ROOT, Terminal, needs_tmux

from engine import racks as rehearsal
from engine.files.catalog import shipped
from engine.images.shelf import open_images
from engine.racks import RackError, SimulatedRackSpec, namespace

pytestmark = [needs_tmux, pytest.mark.slow]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    one = Terminal(tmp_path)
    yield one
    one.close()
    for folder in tmp_path.glob("*.rack"):
        with contextlib.suppress(RackError):  # the console stopped it
            rehearsal.connect(folder).stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_two_consoles_see_each_others_verbs(terminal: Terminal, tmp_path: Path) -> None:
    """One holds the node and the other lets it go; a setting of one is taken back by the other."""
    terminal.type(f"{CROWBAR} --store {tmp_path}/store rehearse --nodes 1 --speed max --network loopback", "Enter")
    terminal.wait("1 ready", 240)
    (tmp_path / "two").mkdir()
    second = Terminal(tmp_path / "two", term="xterm-256color", columns=100, rows=30)
    try:
        second.type(f"{CROWBAR} --store {tmp_path}/store", "Enter")
        second.wait("1 ready")
        terminal.keys("h")
        terminal.wait("is on hold: the engine starts nothing new on it")
        second.wait("hold")
        second.keys("7")
        second.wait(": hold")
        second.keys("1", "h")
        second.wait("is no longer on hold")
        terminal.wait(lambda text: "1 ready" in text and "hold" not in text.split("next")[0].split("is on hold")[0])
        terminal.keys("7")
        terminal.wait(": release")
        terminal.keys("1", "A", "/")
        terminal.type("raid-wanted")
        terminal.keys("Enter", "Enter", "C-u")
        terminal.type("{level: jbod}", "Enter")
        terminal.wait("is set")
        second.wait("1 ready")
        second.keys("A", "/")
        second.type("raid-wanted")
        second.keys("Enter")
        second.wait(lambda text: '"jbod"' in text and "operator" in text)
        second.keys("x")
        second.wait("clear raid-wanted of")
        second.keys("y")
        terminal.wait(lambda text: '"jbod"' not in text and "operator" not in text)
        second.keys("C-q")
        second.wait(lambda text: text.rstrip().endswith("$"))
    finally:
        second.close()
    terminal.keys("Escape")
    terminal.wait("raid-wanted")
    terminal.keys("Q")
    terminal.wait("stop the engine?")
    terminal.keys("y")
    terminal.wait(lambda t: t.rstrip().endswith("$"))


def built_images(folder: Path) -> None:
    """Images of which the bytes mean nothing, as if they had been built: what simulated machines boot."""
    made = open_images(shipped(), folder, synthetic=True)
    for name, files in made.files.items():
        (folder / name).mkdir(exist_ok=True)
        sums = []
        for file, one in files.items():
            shutil.copyfile(one.path, folder / name / file)
            sums.append(f"{hashlib.sha256(Path(one.path).read_bytes()).hexdigest()}  {file}\n")
        (folder / name / "SHA256SUMS").write_text("".join(sums))


def test_from_the_wizards_questions_to_ready(terminal: Terminal, tmp_path: Path) -> None:
    if os.geteuid() != 0 or namespace.why_not():
        pytest.skip(namespace.why_not() or "a /sys of the namespace's own can be mounted by root only")
    networks = {"admin": "192.168.124.0/24", "bmc": "192.168.125.0/24"}
    there = SimulatedRackSpec(
        nodes=2, seed=3, speed="max", namespace=True, admin="192.168.124.10", relay="192.168.124.1", networks=networks
    )
    folder = rehearsal.create(tmp_path / "machines.rack", there)
    rack = rehearsal.start(folder)
    images = tmp_path / "images"
    images.mkdir()
    built_images(images)
    inside = f"mount -t sysfs none /sys; CROWBAR_IMAGES={images} exec {CROWBAR} --store {tmp_path}/store"
    words = namespace.command(folder, ["unshare", "--mount", "sh", "-c", f"'{inside}'"])
    terminal.type(f"cd {tmp_path}; clear; PYTHONPATH={ROOT} {' '.join(words)}", "Enter")
    terminal.wait("where do you want to begin?")
    terminal.keys("Down", "Down", "Enter")
    terminal.wait("port 67/udp")
    terminal.keys("Enter")
    text = terminal.wait("192.168.124.10/24")
    assert "crowbar0" in text
    terminal.keys("Enter")
    terminal.wait("no other server answered on crowbar0")
    terminal.keys("Enter")
    terminal.wait("what is the name of this site?")
    terminal.type("R 7")
    terminal.wait("expected a site's name, not 'R 7'")
    terminal.keys("C-u")
    terminal.type("r07")
    terminal.wait("node-1.r07.internal")
    terminal.keys("Enter")
    text = terminal.wait("which addresses will the rack use?")
    assert "192.168.124.21-192.168.124.94" in text or "192.168.124.2" in text
    assert "192.168.125.0/24" in text
    terminal.keys("Enter")
    terminal.wait("how does the engine power machines on?")
    terminal.keys("Down")
    terminal.type("rehearsal")
    terminal.wait("*********")
    terminal.keys("Enter")
    terminal.wait("what will the rack become?")
    terminal.type("2")
    terminal.keys("Down", "Down", "Left")  # simulated machines take secrets from an engine that knows that they are simulated
    terminal.wait("discover only")
    terminal.keys("Enter")
    terminal.wait("the plan that the wizard will write")
    terminal.keys("Enter")
    terminal.wait("power on the machines (2 are expected)", 60)
    assert (tmp_path / "r07.yml").exists()
    assert "rehearsal" not in (tmp_path / "r07.yml").read_text()
    rack.press("all")
    terminal.wait("2 ready", 120)
    terminal.keys("Q")
    terminal.wait("stop the engine?")
    terminal.keys("y")
    terminal.wait(lambda t: t.rstrip().endswith("$"))
