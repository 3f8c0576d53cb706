"""The attacker wants a machine to count as dead, so that the engine gives it up or power-cycles it. It speaks in the machine's name as its boot
ROM does: it knows the MAC, the address, the UUID and the serial number."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from crowbar_process import wait_until
from fake_machine import ROM, FakeMachine, plan, running

from engine.events import DhcpAsked
from engine.model import Node
from engine.runtime.engine import Engine
from engine.wire.dhcp import DhcpKind, DhcpRequest


@pytest.fixture()
def engine(tmp_path: Path) -> Iterator[Engine]:
    with running(tmp_path / "store", plan(), silence_s=6.0) as one:
        yield one


@contextmanager
def at_work(engine: Engine) -> Iterator[FakeMachine]:
    """A machine in sledgehammer whose agent asks for orders."""
    victim, over = FakeMachine(engine, 1), threading.Event()
    victim.script()
    assert victim.hello("boot-a").status == 200

    def polls() -> None:
        while not over.is_set():
            victim.call("GET", "/agent/next?wait=5", token=victim.token)

    agent = threading.Thread(target=polls)
    agent.start()
    try:
        yield victim
    finally:
        over.set()
        agent.join()


def node_of(victim: FakeMachine) -> Node:
    return victim.engine.world.nodes[victim.node]


def ask_all(victim: FakeMachine) -> None:
    """Everything that a boot ROM sends."""
    for kind in (DhcpKind.DISCOVER, DhcpKind.REQUEST):
        request = DhcpRequest(kind=kind, xid=7, mac=victim.mac, vendor_class=ROM, arch=0, requested=victim.address)
        assert victim.engine.loop.offer(DhcpAsked(request=request, interface="lo"))
    assert victim.call("GET", f"/boot/script?mac={victim.mac}").status == 200


def test_by_a_script_request_from_another_address(engine: Engine) -> None:
    with at_work(engine) as victim:
        thief = FakeMachine(engine, 9)
        before = node_of(victim)
        refused = thief.call("GET", f"/boot/script?mac={victim.mac}")
        assert (refused.status, refused.code) == (403, "script_elsewhere")
        assert "nonce" not in refused.text
        after = node_of(victim)
        assert (after.runs, after.alive, after.boot, after.problem) == (before.runs, True, None, None)
        assert after.notice is not None
        assert (after.notice.code, after.notice.fields["address"]) == ("script_elsewhere", thief.address)


def test_by_all_packets_of_a_boot_from_its_own_address(engine: Engine) -> None:
    """The machine is asked, answers, and stays what it was. The node shows who spoke."""
    with at_work(engine) as victim:
        for _ in range(5):
            ask_all(victim)
        wait_until(lambda: (n := node_of(victim).notice) is not None and n.code == "not_its_boot", lambda: str(node_of(victim).notice), 30)
        after = node_of(victim)
        assert (after.runs, after.boot_id, after.alive, after.boot, after.problem) == ("sledgehammer", "boot-a", True, None, None)
        assert after.notice is not None
        assert (after.notice.fields["mac"], after.notice.fields["address"]) == (victim.mac, victim.address)
        assert victim.call("GET", "/agent/next?wait=0", token=victim.token).status in (200, 204), "its token is good"


def test_by_a_hello_in_its_name(engine: Engine) -> None:
    """The attacker has the nonce of a script that it got in the machine's name. It is put off for as long as the machine answers."""
    with at_work(engine) as victim:
        thief = FakeMachine(engine, 1)
        thief.script()
        assert thief.nonce
        for _ in range(10):
            refused = thief.hello("boot-of-the-thief")
            assert (refused.status, refused.code) == (503, "live_claim")
        after = node_of(victim)
        assert (after.boot_id, after.alive, after.boot) == ("boot-a", True, None)


def test_a_machine_that_really_went_away_is_back_after_its_next_boot(engine: Engine) -> None:
    """The other side: who is really gone is found dead, and taken back."""
    with at_work(engine) as victim:
        pass
    assert victim.up_again("boot-b").status == 200
    assert node_of(victim).boot_id == "boot-b"
