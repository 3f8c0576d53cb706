"""Which consoles are recorded, when, and what the file says when one is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.core.hardware.console_wish import LINGER_S, recorded, takes
from engine.core.world.load import load_world
from engine.core.world.world import World
from engine.files.catalog import shipped
from engine.model import Bmc, Boot, Node, Value, Way
from engine.power import PowerFailed, SessionFailed
from engine.runtime import console_records
from engine.runtime.console_records import Console, ConsoleRecords
from engine.store.console_log import console_files

NODE = Node(id="n1", name="n1", allocated=True, bmc=Bmc(address="10.0.0.9", entered=True))
BOOTS = replace(NODE, boot=Boot(generation=1, environment="sledgehammer", way=Way.NETWORK, ordered=True, at=0.0, deadline=0.0))
EVER = float("inf")


def world_of(node: Node, **attributes: object) -> World:
    values = [Value(layer="operator", scope="n1", name=name.replace("_", "-"), value=value) for name, value in attributes.items()]
    return load_world(shipped(), {"nodes": {node.id: node}, "attributes": {one.key: one for one in values}})


@pytest.mark.parametrize(
    ("node", "wish", "booted_s", "real", "is_recorded"),
    [
        (NODE, "", EVER, True, False),
        (BOOTS, "", 0.0, True, True),
        (NODE, "", LINGER_S - 1, True, True),
        (NODE, "", LINGER_S + 1, True, False),
        (BOOTS, "", 0.0, False, False),
        (BOOTS, "boots", 0.0, False, True),
        (BOOTS, "never", 0.0, True, False),
        (NODE, "always", EVER, False, True),
        (replace(NODE, allocated=False), "always", EVER, True, False),
    ],
    ids=["rests", "boots", "booted", "booted-long-ago", "rehearsal", "wished", "never", "always", "not-allocated"],
)
def test_which_consoles_are_recorded(node: Node, wish: str, booted_s: float, real: bool, is_recorded: bool) -> None:
    world = world_of(node, **({"console_record": wish} if wish else {}))
    assert recorded(world, node, booted_s, real) is is_recorded
    assert takes(world, node) is False
    assert takes(world_of(node, console_take=True), node) is True


class Prints:
    """A console that prints what it is given, and then ends or stays silent."""

    def __init__(self, *pieces: bytes, ends: str = "") -> None:
        self.pieces, self.ends, self.closed = list(pieces), ends, threading.Event()

    def read(self, wait_s: float) -> bytes:
        if self.pieces:
            return self.pieces.pop(0)
        if self.ends:
            raise SessionFailed("refused", self.ends)
        time.sleep(min(wait_s, 0.02))
        return b""

    def close(self) -> None:
        self.closed.set()


def text(folder: Path) -> str:
    return "".join(path.read_text() for path in reversed(console_files(folder, "n1")))


def until(good: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not good():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_console_is_recorded_given_back_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_records, "SCAN_S", 0.02)
    monkeypatch.setattr(console_records, "FIRST_S", 0.02)
    consoles: list[Console | PowerFailed] = [
        PowerFailed(kind="refused", message="another session has the serial console"),
        PowerFailed(kind="refused", message="another session has the serial console"),
        Prints(b"kernel: key hunter2-key\r\n", ends="the BMC ended the serial console"),
        last := Prints(b"again \x1b[2J\r\n"),
    ]
    records = ConsoleRecords(
        world=lambda: world_of(NODE, console_record="always"),
        open_console=lambda _node, _take: consoles.pop(0),
        store=tmp_path,
        secrets=lambda: ("hunter2-key",),
        real=True,
    )
    records.start()
    until(lambda: "again" in text(tmp_path))
    records.stop()
    until(lambda: last.closed.is_set() and "the engine ends it" in text(tmp_path))
    found = text(tmp_path)
    assert found.count("not recorded: another session has the serial console") == 1
    assert "kernel: key ***\n" in found
    assert "the record ends: the BMC ended the serial console" in found
    assert "hunter2" not in found
    assert "\x1b" not in found
