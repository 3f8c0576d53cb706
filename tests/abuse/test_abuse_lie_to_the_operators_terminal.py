"""The attacker's goal: to act on the terminal of whoever looks at the rack, or to make a line say something else than it says, by names and
logs that a machine or a switch reports. Every command that prints passes one rim; so each is run here on a rack full of such names."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "cli"))

from cli_store import NODES, CabledRack, plan_of

from crowbar_tui.cli import main
from crowbar_tui.rim import Plain, plain
from engine.events import Commit, Happened
from engine.files.catalog import shipped
from engine.store.store import Store

HOSTILE = "\x1b[31mred\x9b2J\x07\u202e\u2066evil\u200b\x85\ufeff"
"""CSI as two characters and as one (ECMA-48), a bell, marks that turn the direction of writing, characters without a width, NEL."""
SEEN = "evil"


class LyingRack(CabledRack):
    """Switches and disks with such names. Those of machines are typed when they arrive."""

    def value(self, machine: Any, name: str) -> Any:
        found = super().value(machine, name)
        if name == "neighbours":
            return [{**one, "system": f"tor{HOSTILE}", "port_description": HOSTILE} for one in found]
        if name == "disks":
            return [{**one, "serial": f"{one['serial']}{HOSTILE}", "signature": HOSTILE} for one in found]
        return found


@pytest.fixture(scope="module")
def rack() -> LyingRack:
    made = LyingRack(shipped(), plan_of(), nodes=NODES, seed=5)
    made.run()
    return made


@pytest.fixture
def store(tmp_path: Path, rack: LyingRack) -> Path:
    directory = tmp_path / "store"
    rows = [(table, key, row) for table, records in rack.tables.items() for key, row in records.items()]
    with Store.open(directory) as made:
        told = Commit(who=HOSTILE, plan=rack.plan)
        switches = [one for one in rows if one[0] == "nodes" and SEEN in one[2].name]
        rest = [one for one in rows if one not in switches]
        made.commit([(Happened(1000.0, rack.now, told), rest), (Happened(1001.0, rack.now, told), switches)])
    return directory


NODE = "control-sn0001"
COMMANDS = {
    "status": ["status"],
    "nodes": ["nodes"],
    "roles": ["roles"],
    "events": ["events"],
    "topology": ["topology"],
    "explain": ["explain", NODE],
    "explain role": ["explain", NODE, "network-admin"],
    "explain attribute": ["explain", NODE, "network-admin", "disks"],
    "set": ["set", NODE],
    "plan show": ["plan", "show"],
    "plan save": ["plan", "save"],
    "plan revisions": ["plan", "revisions"],
    "reinstall": ["node", NODE, "reinstall"],
    "no such node": ["explain", HOSTILE],
    "no such command": [HOSTILE],
    "no such verb": ["node", NODE, HOSTILE],
    "no engine": ["packets", HOSTILE],
    "log": ["log", NODE, "--list"],
    "barclamp": ["barclamp", "list"],
}
SHOWS = ("events", "topology", "explain", "explain attribute", "reinstall", "no such node", "no such verb")
"""Commands into whose output such a text comes today."""


def obeyed(text: str) -> list[str]:
    """The characters that a terminal would obey or hide."""
    return sorted({c for c in text if not c.isprintable() and c != "\n"})


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_what_a_terminal_obeys(store: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    with contextlib.suppress(SystemExit):  # argparse's own way to refuse a word
        main(["--store", str(store), *COMMANDS[name]])
    out, err = capsys.readouterr()
    assert not obeyed(out + err)
    assert SEEN in out + err or name not in SHOWS


@pytest.mark.parametrize("words", [["topology"], ["explain", NODE]], ids=lambda words: words[0])
def test_json_still_says_all_of_it(store: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(["--store", str(store), *words, "--json"]) == 0
    out, _ = capsys.readouterr()
    assert not obeyed(out)
    assert HOSTILE in texts([json.loads(line) for line in out.splitlines()])


def texts(value: Any) -> str:
    """All texts of plain data."""
    if isinstance(value, dict):
        value = list(value.values())
    return " ".join(map(texts, value)) if isinstance(value, list) else str(value)


def test_the_rim_leaves_the_rest_as_it_is() -> None:
    said = "Düsseldorf ─ 東京\n  a\tb\u00a0c"
    assert plain(said) == "Düsseldorf ─ 東京\n  a b c"
    assert plain(HOSTILE) == "?[31mred?2J???evil???"
    assert plain("\r\x0b\u2028\ud800") == "????"


def test_octets_pass_beside_the_rim(tmp_path: Path) -> None:
    """A capture file goes to standard output."""
    with (tmp_path / "out").open("w", encoding="utf-8") as file:
        Plain(file).buffer.write(b"\x1b\x9b")
    assert (tmp_path / "out").read_bytes() == b"\x1b\x9b"


@pytest.fixture
def log(store: Path, rack: LyingRack) -> Path:
    """The log of a role's last attempt."""
    role = next(r for r in rack.tables["node_roles"].values() if r.role == "network-admin" and r.node == node_of(rack))
    path = store / "logs" / f"{role.attempt}.0.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"old {HOSTILE}\n", encoding="utf-8")
    return path


def node_of(rack: LyingRack) -> str:
    return str(next(n.id for n in rack.tables["nodes"].values() if n.name.startswith(NODE)))


def test_a_log_that_is_followed_shows_marks_and_controls(store: Path, log: Path) -> None:
    """What was there and what comes: in pieces, also inside of a character."""
    words = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), "log", NODE, "network-admin", "--follow"]
    said = store.parent / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, cwd=Path(__file__).parents[2])

    def shows(text: str) -> bool:
        assert process.poll() is None, said.read_text()
        return text in said.read_text(encoding="utf-8", errors="replace")

    try:
        wait_for(lambda: shows("old "))
        octets = f"new {HOSTILE}\nbegun \u202e".encode()
        with log.open("ab", buffering=0) as file:
            for i in range(len(octets)):
                file.write(octets[i : i + 1])
            wait_for(lambda: shows("new "))
            file.write(b"then\n")
        wait_for(lambda: shows("then"))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    text = said.read_text(encoding="utf-8")
    assert not obeyed(text)
    assert text.splitlines() == ["old red?2J??evil???", "new red?2J??evil???", "begun ?then"]


def wait_for(true: Any) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not come"
        os.sched_yield()
        time.sleep(0.02)
