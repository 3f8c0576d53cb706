"""A restart in a boot, the end of its tries, and what ends a problem."""

from __future__ import annotations

import pytest
from boots_rig import ask, disk_hello, hello, needs_boot, rig, script
from msgspec.structs import replace
from world_rig import WorldRig

from engine import reasons
from engine.core.boot.boot import TRIES
from engine.core.boot.signals import SIGNALS
from engine.core.roles.guards import blockers
from engine.core.roles.reopen import REPEATS_S
from engine.effects import BootNode, Probe, Start
from engine.events import (
    Operate,
    Powered,
    Started,
)
from engine.model import Bmc, Boot, Sighting, Signal, State, Way
from engine.views.advice import next_step
from engine.views.chain import why_chain
from engine.views.node_view import node_page
from engine.views.summary import node_row, summary


@pytest.mark.parametrize(
    ("way", "bmc", "signal", "again"),
    [
        (Way.KEXEC, True, Signal.OPENED, True),
        (Way.KEXEC, True, Signal.POWERED, True),
        (Way.KEXEC, True, Signal.KERNEL, False),
        (Way.NETWORK, True, Signal.OPENED, True),
        (Way.NETWORK, True, Signal.POWERED, False),  # its BMC was read back, so it is on its way
        (Way.NETWORK, False, Signal.POWERED, True),
        (Way.DISK, False, Signal.POWERED, True),
        (Way.NETWORK, False, Signal.DHCP, False),
        (Way.OWN, False, Signal.POWERED, False),
    ],
)
def test_a_restart_orders_again_what_only_waited_for_an_agent(way: Way, bmc: bool, signal: Signal, again: bool) -> None:
    """An order for a kexec lies in the engine's process until the agent takes it: after a kill it is there no more."""
    boot = Boot(generation=4, way=way, environment="debian-12", ordered=True, signal=signal, at=0.0, deadline=400.0, tries=2)
    d = rig(stage="install", runs="", alive=False, boot=boot, bmc=Bmc(address="10.0.1.1") if bmc else None)
    d.world = d.reload()
    d.feed(Started(installation="x", admin="a"))
    assert [(e.generation, e.way, e.tries) for e in d.all(BootNode)] == ([(4, way, 2)] if again else [])
    d.feed(Powered(node="n1", generation=4))
    before = d.node()
    d.feed(Powered(node="n1", generation=4, failure=reasons.refused(node="n1", attempt="kexec", message="its agent does not listen")))
    assert d.node() == before, "an agent that has obeyed the first order does not listen any more"


@pytest.mark.parametrize(
    ("way", "signal", "seconds"),
    [
        (Way.NETWORK, Signal.OPENED, 60.0),
        (Way.NETWORK, Signal.POWERED, REPEATS_S),
        (Way.NETWORK, Signal.LOADER, REPEATS_S),
        (Way.DISK, Signal.POWERED, REPEATS_S),
        (Way.KEXEC, Signal.POWERED, 300.0),  # ordered again, so the machine may begin only now
    ],
)
def test_a_signal_that_a_kill_lost_may_come_again(way: Way, signal: Signal, seconds: float) -> None:
    """The machine is on its way and repeats itself. A boot ordered in its midst would cost it minutes, and a try."""
    boot = Boot(generation=4, way=way, environment="debian-12", ordered=True, signal=signal, at=0.0, deadline=101.0)
    d = rig(stage="install", runs="", alive=False, boot=boot)
    d.world = d.reload()
    d.feed(Started(installation="x", admin="a"))
    d.tick("n1", seconds - 1)
    assert not d.all(BootNode)
    d.tick("n1", 1.0)
    assert d.one(BootNode).tries == 2


def test_a_restart_shortens_no_boot() -> None:
    boot = Boot(generation=4, way=Way.NETWORK, environment="debian-12", ordered=True, signal=Signal.POWERED, at=0.0, deadline=500.0)
    d = rig(stage="install", runs="", alive=False, boot=boot)
    d.feed(Started(installation="x", admin="a"))
    assert d.node().boot == boot


def test_a_machine_that_starts_over_by_itself_counts_as_tries() -> None:
    d = rig("network")
    needs_boot(d)
    for tries in range(2, TRIES + 1):
        d.feed(ask(), script())
        d.feed(ask())
        assert d.node().boot is not None
        assert d.node().boot.tries == tries  # type: ignore[union-attr]
    d.feed(script())
    d.feed(ask())
    assert d.node().problem is not None


def test_invented_restarts_use_up_no_try_and_put_no_deadline_off() -> None:
    d = rig("confirmed")
    needs_boot(d)
    boot = d.node().boot
    assert boot is not None
    ends = boot.since + sum(seconds for _, seconds in SIGNALS[Way.NETWORK])
    for _ in range(3 * TRIES):
        d.feed(ask(), script())
        d.now += 10
    boot = d.node().boot
    assert boot is not None
    assert (boot.tries, d.node().problem) == (1, None)
    assert boot.deadline <= ends
    d.tick("n1", ends - d.now)
    assert d.one(BootNode).tries == 2


def test_retry_ends_a_problem_with_a_boot() -> None:
    d = rig()
    needs_boot(d)
    d.change(boot=None, problem=reasons.no_plan(), runs="", alive=False)
    d.feed(Operate(who="op", verb="retry", node="n1"))
    assert d.one(BootNode).tries == 1


def test_a_late_hello_ends_a_problem() -> None:
    d = rig()
    needs_boot(d)
    d.feed(script())
    nonce_boot = d.node().boot
    d.change(problem=reasons.no_plan(), runs="", alive=False)
    assert nonce_boot is not None
    d.feed(hello())
    node = d.node()
    assert (node.problem, node.runs, node.alive) == (None, "sledgehammer", True)
    assert d.one(Start).role == "work"


def test_a_late_hello_of_an_installed_system_ends_a_problem() -> None:
    d = rig(stage="system", runs="", alive=False, problem=reasons.no_plan())
    d.role("os-install", state=State.ACTIVE)
    d.feed(disk_hello("b7"))
    assert d.node().problem is None
    assert d.one(Probe).node == "n1"


def _refuses(d: WorldRig) -> None:
    needs_boot(d)
    message = "HTTP 403: the account may not change the power state"
    failure = reasons.power_failed(node="node-1", address="10.0.1.1", message=message)
    d.feed(Powered(node="n1", generation=d.one(BootNode).generation, failure=failure))


def test_the_last_answer_of_a_bmc_is_the_reason_at_once() -> None:
    """Not after the last of three tries, minutes later: until then an operator saw only that the next signal is awaited."""
    d = rig("network")
    _refuses(d)
    boot, tries = d.node().boot, 1
    assert boot is not None
    assert (boot.tries, boot.signal, d.node().problem) == (tries, Signal.OPENED, None)
    (reason, *_) = blockers(d.world, d.at("work"), first=True)
    assert reason.code == "boot_held_up"
    assert "HTTP 403: the account may not change the power state" in reasons.sentence(reason)
    assert reasons.advice(reason) == "check the BMC, its cable and its account"
    assert not reasons.needs_person(reason.code), "the engine repeats the order by itself"
    found = node_row(d.world, d.node()).why
    assert found is not None
    assert "HTTP 403" in found.sentence
    assert "HTTP 403" in next_step(d.world).text
    assert next_step(d.world).node == d.node().name
    page = node_page(d.world, d.node()).boot
    assert page is not None
    assert "HTTP 403" in page.obstacle
    chain = why_chain(d.world, d.node())
    assert "HTTP 403" in chain.links[-1].sentence
    assert ("bmc", "10.0.1.1") in [(fact.label, fact.text) for fact in chain.facts]


def test_an_obeyed_order_lifts_the_obstacle_from_the_reason() -> None:
    d = rig("network")
    _refuses(d)
    boot = d.node().boot
    assert boot is not None
    d.feed(Powered(node="n1", generation=boot.generation))
    assert blockers(d.world, d.at("work"))[0].code == "booting"
    page = node_page(d.world, d.node()).boot
    assert page is not None
    assert page.obstacle == ""


def test_a_machine_without_a_name_shows_what_its_boot_meets() -> None:
    d = rig("network")
    boot = Boot(generation=1, way=Way.NETWORK, environment="sledgehammer", ordered=False, signal=Signal.SCRIPT, at=0.0, deadline=900.0)
    failure = reasons.other_server(mac="52:54:00:00:00:09", server="10.0.0.9")
    d.put(Sighting(mac="52:54:00:00:00:09", kind="ipxe", first=1.0, last=1.0, boot=replace(boot, failure=failure)))
    assert "10.0.0.9" in summary(d.world).waiting["52:54:00:00:00:09"].sentence
