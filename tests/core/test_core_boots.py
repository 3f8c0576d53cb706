"""Boots: signals, deadlines, bounded retries, the problem at their end, and machines that boot by themselves or into something else."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from desk import Desk, mac

from engine import reasons
from engine.core.attributes import drift
from engine.core.boot import SIGNALS, TRIES
from engine.core.guards import blockers
from engine.effects import BootNode, BootScript, Ignore, Probe, SetPower, Start, Welcome
from engine.events import (
    Bye,
    DhcpAsked,
    Fetched,
    Hello,
    Missed,
    Operate,
    Outcome,
    Powered,
    PowerSet,
    Probed,
    ScriptAsked,
    SetAttribute,
    Started,
    Tick,
)
from engine.model import Signal, State, Way
from engine.wire.dhcp import DhcpKind, DhcpRequest

WORK = role("work", "hardware", attempts=2)
WIPE = role("wipe", "hardware", flags=["destructive"], verify=True, timeout_s=600.0)
INSTALL = role("os-install", "install", flags=["destructive"], wants=["target-os"], verify=True)
SERVE = role("serve", "system", verify=True)
BOOTS = catalog(WORK, WIPE, INSTALL, SERVE)


def desk(**fields: Any) -> Desk:
    out = Desk(BOOTS, plan({}))
    out.server(**{"stage": "hardware", "allocated": True, **fields})
    return out


def ask(kind: DhcpKind = DhcpKind.DISCOVER, number: int = 1, ipxe: bool = False, requested: str = "") -> DhcpAsked:
    return DhcpAsked(
        request=DhcpRequest(
            kind=kind, xid=1, mac=mac(number), vendor_class="PXEClient:Arch:00000:UNDI:002001", arch=0, user_class=("iPXE",) if ipxe else (),
            requested=requested, server_id="10.0.0.1" if requested else "",
        ),
        interface="eth1",
    )  # fmt: skip


def script(nonce: str = "h1", number: int = 1) -> ScriptAsked:
    return ScriptAsked(request=5, mac=mac(number), address="10.0.0.30", nonce=nonce)


def hello(boot_id: str = "b2", environment: str = "sledgehammer", nonce: str = "h1", **fields: Any) -> Hello:
    from desk import uuid

    values: dict[str, Any] = {"uuid": uuid(1), "serial": "SN1", "macs": (mac(1),), "address": "10.0.0.30", **fields}
    return Hello(request=6, nonce=nonce, boot_id=boot_id, environment=environment, **values)


def disk_hello(boot_id: str, environment: str = "debian-12") -> Hello:
    return hello(boot_id, environment, nonce="", credential="n1")


def needs_boot(d: Desk, runs: str = "debian-12") -> BootNode:
    """A node that has to come up in sledgehammer."""
    d.change(runs=runs)
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    return d.one(BootNode)


# -- no need, no boot ----------------------------------------------------------------------------------------------


def test_a_node_that_runs_what_is_needed_is_not_booted() -> None:
    d = desk()
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "work"


def test_a_node_that_needs_another_environment_is_booted_once() -> None:
    d = desk()
    order = needs_boot(d)
    assert (order.way, order.environment, order.generation, order.tries) == (Way.NETWORK, "sledgehammer", 1, 1)
    assert blockers(d.world, d.at("work"))[0].code == "booting"
    d.feed(Started(installation="x", admin="a"))
    assert d.one(BootNode) == order, "the same order again"


@pytest.mark.parametrize("field", ["hold", "problem", "unavailable"])
def test_a_node_that_is_not_to_be_touched_is_not_booted(field: str) -> None:
    d = desk(runs="debian-12", **{
        "hold": {"hold": True}, "problem": {"problem": reasons.no_plan()}, "unavailable": {"available": False}
    }[field])  # fmt: skip
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert not d.all(Start)


def test_an_installed_system_is_entered_by_kexec_where_it_can_be() -> None:
    for kexec, way in ((True, Way.KEXEC), (False, Way.DISK)):
        d = desk(stage="install", kexec=kexec)
        d.role("os-install", state=State.ACTIVE)
        d.role("serve", state=State.WAITING, parents=(("n1", "os-install"),))
        d.feed(Started(installation="x", admin="a"))
        assert (d.one(BootNode).way, d.one(BootNode).environment) == (way, "debian-12")


def test_another_target_is_drift_and_no_reason_to_boot_an_installed_node() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE, gave={"installed": {"os": "debian-12"}})
    d.role("serve", state=State.WAITING)
    d.feed(SetAttribute(who="op", layer="operator", scope="n1", name="target-os", value="debian-13"))
    d.feed(Started(installation="x", admin="a"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "serve"
    assert drift(d.world, d.at("os-install"))


# -- signals, deadlines, retries -----------------------------------------------------------------------------------


def test_each_signal_is_shown_and_sets_the_next_deadline() -> None:
    d = desk()
    order = needs_boot(d)
    steps: list[tuple[Any, Signal]] = [
        (Powered(node="n1", generation=order.generation), Signal.POWERED),
        (ask(), Signal.DHCP),
        (ask(DhcpKind.REQUEST, requested="10.0.0.30"), Signal.DHCP),
    ]
    for event, signal in steps:
        d.now += 5
        d.feed(event)
        boot = d.node().boot
        assert boot is not None
        assert (boot.signal, d.node().signal) == (signal, signal)
    (address,) = d.world.leases
    for event, signal in ((Fetched(address=address, what="loader"), Signal.LOADER), (ask(ipxe=True), Signal.LOADER),
                          (script(), Signal.SCRIPT), (Fetched(address=address, what="kernel"), Signal.KERNEL)):  # fmt: skip
        d.now += 5
        d.feed(event)
        boot = d.node().boot
        assert boot is not None
        assert boot.signal is signal
    assert boot.deadline == d.now + dict(SIGNALS[Way.NETWORK])[Signal.HELLO]
    d.feed(hello())
    node = d.node()
    assert (node.boot, node.runs, node.boot_id, node.alive, node.boots) == (None, "sledgehammer", "b2", True, 1)
    assert d.one(Start).role == "work"


def test_a_signal_that_is_skipped_does_no_harm_and_an_earlier_one_does_not_go_back() -> None:
    d = desk()
    needs_boot(d)
    d.feed(script())
    d.feed(Powered(node="n1", generation=1))
    assert d.node().boot is not None
    assert d.node().boot.signal is Signal.SCRIPT  # type: ignore[union-attr]


def test_a_deadline_that_passes_orders_the_boot_again_and_at_last_it_is_a_problem() -> None:
    d = desk()
    needs_boot(d)
    for tries in range(2, TRIES + 1):
        d.tick("n1", 60.0)
        assert (d.one(BootNode).tries, d.one(BootNode).generation) == (tries, tries)
    d.tick("n1", 60.0)
    assert not d.all(BootNode)
    assert d.node().problem == reasons.boot_timeout(expected="powered", seconds=60.0, signal="opened", tries=TRIES)
    assert blockers(d.world, d.at("work"))[0].code == "problem"


def test_a_tick_before_the_deadline_changes_nothing() -> None:
    d = desk()
    needs_boot(d)
    d.now += 59.0
    assert d.tick("n1") == []


def test_the_answer_to_an_older_power_order_says_nothing() -> None:
    d = desk()
    needs_boot(d)
    d.tick("n1", 60.0)
    d.feed(Powered(node="n1", generation=1))
    assert d.node().signal is Signal.OPENED
    d.feed(Powered(node="n1", generation=2))
    assert d.node().signal is Signal.POWERED


def test_what_the_bmc_said_is_the_problem_where_it_failed() -> None:
    d = desk()
    needs_boot(d)
    why = reasons.power_failed(node="n1", address="10.0.1.1", message="no answer")
    for tries in range(1, TRIES + 1):
        d.feed(Powered(node="n1", generation=tries, failure=why))
        assert d.node().boot is not None, "the next try comes with the deadline"
        d.tick("n1", 60.0)
    assert d.node().problem == why


def test_a_kexec_that_does_not_come_back_goes_to_the_disk() -> None:
    d = desk(stage="install", kexec=True)
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    d.feed(Powered(node="n1", generation=1))
    d.tick("n1", 300.0)
    assert (d.one(BootNode).way, d.one(BootNode).tries) == (Way.DISK, 2)


def test_a_machine_that_starts_over_by_itself_counts_as_tries() -> None:
    d = desk()
    needs_boot(d)
    for tries in range(2, TRIES + 1):
        d.feed(ask(), script())
        d.feed(ask())
        assert d.node().boot is not None
        assert d.node().boot.tries == tries  # type: ignore[union-attr]
    d.feed(script())
    d.feed(ask())
    assert d.node().problem is not None


def test_retry_ends_a_problem_with_a_boot() -> None:
    d = desk()
    needs_boot(d)
    d.change(boot=None, problem=reasons.no_plan(), runs="", alive=False)
    d.feed(Operate(who="op", verb="retry", node="n1"))
    assert d.one(BootNode).tries == 1


def test_a_late_hello_ends_a_problem() -> None:
    d = desk()
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
    d = desk(stage="system", runs="", alive=False, problem=reasons.no_plan())
    d.role("os-install", state=State.ACTIVE)
    d.feed(disk_hello("b7"))
    assert d.node().problem is None
    assert d.one(Probe).node == "n1"


# -- fresh ---------------------------------------------------------------------------------------------------------


def test_a_fresh_boot_is_met_by_a_new_boot_id_only() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done", reboot=True))
    assert d.one(BootNode).way is Way.DISK
    d.feed(disk_hello("b1"))
    assert d.node().boot is not None, "it has not gone down yet"
    assert d.one(Welcome).boot_id == "b1"
    d.feed(disk_hello("b2"))
    assert d.node().boot is None
    assert not d.node().intent.fresh


def test_a_boot_that_is_not_fresh_is_met_by_a_node_that_is_there_after_all() -> None:
    d = desk(stage="system", runs="debian-12", boots=3)
    d.role("os-install", state=State.ACTIVE)
    d.feed(Bye(node="n1", boot_id="b1"))
    assert d.node().boot is not None
    d.feed(disk_hello("b1"))
    assert d.node().boot is None
    assert d.node().boots == 3


def test_no_boot_is_asked_for_twice() -> None:
    """After a problem, a node that turns out to run the right thing is left as it is."""
    d = desk()
    needs_boot(d)
    d.feed(script())
    for _ in range(TRIES):
        d.tick("n1", 400.0)
    assert d.node().problem is not None
    d.change(boot=None)
    d.put(d.node())
    d.feed(Operate(who="op", verb="hold", node="n1"))
    d.feed(Operate(who="op", verb="retry", node="n1"))
    d.change(claim="h1", boot_id="b9")
    d.feed(hello("b9"))
    d.feed(Operate(who="op", verb="release", node="n1"))
    assert not d.all(BootNode)
    assert d.one(Start).role == "work"


# -- by itself -----------------------------------------------------------------------------------------------------


def test_a_boot_rom_that_nobody_expects_is_a_death() -> None:
    d = desk()
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    d.feed(ask())
    node = d.node()
    assert d.at("work").resume
    assert (node.runs, node.alive) == ("", False)
    assert node.boot is not None
    assert (node.boot.ordered, node.boot.signal) == (False, Signal.DHCP)
    d.feed(script())
    assert d.one(BootScript).environment == "sledgehammer"
    d.feed(hello())
    assert [(s.role, s.resume) for s in d.all(Start)] == [("work", True)]


def test_a_new_boot_id_that_nobody_expects_is_a_death() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(disk_hello("b2"))
    assert d.at("serve").resume
    assert not d.node().alive, "alive is what was asked over SSH"
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert [(s.role, s.resume) for s in d.all(Start)] == [("serve", True)]


def test_an_installed_node_that_asks_the_network_boots_its_disk() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.feed(ask())
    d.feed(script())
    answer = d.one(BootScript)
    assert (answer.disk, answer.claim) == (True, False)


def test_a_boot_that_nobody_ordered_and_that_does_not_come_is_ordered() -> None:
    d = desk()
    d.feed(ask())
    waits = dict(SIGNALS[Way.NETWORK])[Signal.LOADER]
    assert d.tick("n1", waits - 1.0) == []
    d.tick("n1", 1.0)
    assert d.one(BootNode).tries == 2


def test_in_the_system_stage_it_is_left_to_a_person() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.feed(Bye(node="n1", boot_id="b1"))
    assert ("n1" in [s for _, s in d.wakes]), "its deadline is watched"
    d.tick("n1", 899.0)
    assert d.node().problem is None
    d.tick("n1", 1.0)
    assert not d.all(BootNode)
    assert d.node().problem == reasons.boot_timeout(expected="hello", seconds=900.0, signal="opened", tries=1)


def test_bye_is_known_at_once_and_that_of_an_older_boot_is_not_believed() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    d.feed(Bye(node="n1", boot_id="b0"))
    assert d.one(Ignore).reason == reasons.old_boot()
    assert d.node().alive
    d.feed(Bye(node="n1", boot_id="b1"))
    assert not d.node().alive
    assert d.at("serve").resume
    assert d.node().notice == reasons.died(environment="debian-12")


@pytest.mark.parametrize("times", [1, 2, 3, 4])
def test_the_fourth_wrong_environment_in_a_row_is_a_problem(times: int) -> None:
    d = desk()
    needs_boot(d)
    for number in range(times):
        d.feed(disk_hello(f"w{number}"))
    if times < 4:
        assert d.one(BootNode).environment == "sledgehammer"
        assert d.node().problem is None
    else:
        assert not d.all(BootNode)
        assert d.node().problem == reasons.wrong_environment(runs="debian-12", wants="sledgehammer", count=4)


def test_the_right_environment_in_between_starts_the_count_again() -> None:
    d = desk()
    needs_boot(d)
    d.feed(disk_hello("w1"))
    d.feed(script())
    d.feed(hello("b5"))
    assert d.node().misboots == 0


# -- lost nodes ----------------------------------------------------------------------------------------------------


def lose(d: Desk) -> None:
    d.feed(Missed(node="n1"))
    for _ in range(3):
        d.feed(Probed(node="n1", probe=d.node().probe, alive=False))


def test_a_node_that_was_lost_is_cycled_where_the_stage_allows() -> None:
    d = desk()
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert d.at("work").resume
    assert d.one(BootNode).way is Way.NETWORK


def test_in_its_own_system_a_lost_node_is_asked_again_and_never_cycled() -> None:
    d = desk(stage="system", runs="debian-12")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert not d.all(BootNode)
    assert [r.code for r in blockers(d.world, d.at("serve"))] == ["suspended", "unreachable"]
    d.tick("n1", 30.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert d.one(Start).resume


def test_a_lost_node_is_not_cycled_while_something_destructive_may_run_there() -> None:
    d = desk()
    d.role("wipe", state=State.TRANSITION, attempt="i5-9", leg=1, begun=d.now, approved="op")
    lose(d)
    assert not d.all(BootNode)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert not d.all(BootNode)
    d.tick("n1", 301.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert d.one(BootNode).way is Way.NETWORK, "its time has gone by"


def test_a_lost_node_whose_power_is_off_is_switched_on_though_an_attempt_is_unresolved() -> None:
    d = desk()
    d.role("wipe", state=State.TRANSITION, attempt="i5-9", leg=1, begun=d.now, approved="op")
    lose(d)
    asked = d.one(SetPower)
    assert (asked.action, asked.request) == ("status", 0)
    assert not d.all(BootNode), "it may be cut off and still write"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="on"))
    assert not d.all(BootNode)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert d.one(SetPower).action == "status", "asked again as often as it is probed"
    d.feed(PowerSet(node="n1", action="status", who="engine", failure=reasons.no_power(node="n1")))
    assert not d.all(BootNode)
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert d.one(BootNode).way is Way.NETWORK
    assert d.at("wipe").resume, "its attempt is asked after when it is back"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert not d.all(BootNode), "it boots"


def test_only_who_is_lost_is_switched_on_for_being_off() -> None:
    d = desk()
    d.feed(PowerSet(node="n1", action="status", who="op", state="off"))
    assert not d.all(BootNode)
    d = desk(stage="system", runs="debian-12", boot_id="s1")
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.TRANSITION, attempt="i5-9", leg=1)
    lose(d)
    assert d.one(SetPower).action == "status"
    d.feed(PowerSet(node="n1", action="status", who="engine", state="on"))
    assert d.node().problem is None
    d.feed(PowerSet(node="n1", action="status", who="engine", state="off"))
    assert not d.all(BootNode), "in its system it is the operator's"
    assert d.node().problem == reasons.found_off(node=d.node().name)
    d.tick("n1", 300.0)
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=False))
    assert not d.all(SetPower), "it is known"
    d.feed(disk_hello("s2"))
    assert d.node().problem is None, "somebody switched it on"


def test_an_answered_probe_of_an_older_number_says_nothing() -> None:
    d = desk()
    d.feed(Missed(node="n1"))
    d.feed(Probed(node="n1", probe=7, alive=False))
    assert (d.node().probe, d.node().missed) == (1, 0)


def test_a_node_that_is_not_available_is_neither_asked_nor_acted_on() -> None:
    d = desk()
    d.role("work", state=State.TRANSITION, attempt="i5-9", leg=1, deadline=d.now)
    d.feed(Operate(who="op", verb="unavailable", node="n1"))
    d.feed(Missed(node="n1"))
    assert d.effects == []
    assert d.tick("n1/work") == []
    assert d.feed(Started(installation="x", admin="a")) == []
    d.feed(Outcome(attempt="i5-9.1", node="n1", what="done"))
    assert d.at("work").state is State.ACTIVE, "what it says itself is recorded"


def test_available_again_it_is_asked() -> None:
    d = desk(stage="system", runs="debian-12", alive=False, available=False)
    d.role("os-install", state=State.ACTIVE)
    d.role("serve", state=State.WAITING)
    d.feed(Operate(who="op", verb="available", node="n1"))
    d.feed(Probed(node="n1", probe=d.one(Probe).probe, alive=True))
    assert d.one(Start).role == "serve"


def test_a_boot_of_a_node_that_is_not_available_waits_until_it_is() -> None:
    d = desk()
    needs_boot(d)
    d.feed(Operate(who="op", verb="unavailable", node="n1"))
    assert d.tick("n1", 100.0) == []
    d.feed(Operate(who="op", verb="available", node="n1"))
    assert d.one(BootNode).generation == 1
    assert (d.node().boot.deadline, "n1") in d.wakes  # type: ignore[union-attr]


# -- machines without identity -------------------------------------------------------------------------------------


def test_a_sighting_s_deadline_gives_a_reason_and_no_power_action() -> None:
    d = Desk(BOOTS, plan({}))
    d.feed(ask(number=9))
    when, subject = d.wakes[-1]
    assert subject == mac(9)
    d.now = when
    assert d.feed(Tick(subjects=(subject,))) == []
    assert d.world.sightings[mac(9)].reason == reasons.sighting_waits(
        mac=mac(9), signal="dhcp", expected="loader", seconds=dict(SIGNALS[Way.NETWORK])[Signal.LOADER]
    )
    d.feed(script(number=9))
    assert d.world.sightings[mac(9)].reason is None
    assert d.one(BootScript).environment == "sledgehammer"


def test_a_node_with_no_identity_is_not_banned_by_another_one_s_ban() -> None:
    d = Desk(BOOTS, plan({}))
    d.feed(ask(number=9), ask(number=8))
    from msgspec.structs import replace

    d.put(replace(d.world.sightings[mac(9)], banned=True))
    d.feed(script(number=9))
    assert d.one(BootScript).disk
    d.feed(script(number=8))
    assert not d.one(BootScript).disk
