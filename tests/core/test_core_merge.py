"""Replace, merge, split, ban: the operator says which record belongs to which machine."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL, catalog, plan, role
from rack import Machine, Rack

from engine.core.roles.guards import blockers
from engine.core.roles.stages import node_state
from engine.core.world.work import Work
from engine.definitions import On, Requirement
from engine.effects import Accept, BootScript, Ignore, Refuse
from engine.events import Hello, ScriptAsked, SetAttribute
from engine.model import Allocation, Kind, Node, State, Value
from engine.plan import Approve
from engine.requests import Asker, Request


def bring_up(nodes: int = 1, **more: Any) -> Rack:
    rack = Rack(USUAL, plan(**more), nodes=nodes, seed=3)
    assert rack.run(), "\n".join(rack.state())
    return rack


def add(rack: Rack, number: int) -> Machine:
    machine = Machine(number)
    rack.machines.append(machine)
    rack.power_on(machine)
    return machine


def servers(rack: Rack) -> dict[str, Node]:
    return {n.id: n for n in rack.world.nodes.values() if n.kind is Kind.SERVER}


def done(rack: Rack, verb: str, node: str, value: Any = None) -> str:
    answer = rack.operate(verb, node, value=value)
    assert isinstance(answer, Accept), answer
    return answer.message


def refused(rack: Rack, verb: str, node: str, value: Any = None) -> str:
    before = rack.world
    answer = rack.operate(verb, node, value=value)
    assert isinstance(answer, Refuse), answer
    assert (rack.world.nodes, rack.world.node_roles, rack.world.meta) == (before.nodes, before.node_roles, before.meta)
    return answer.reason.code


# -- replace -------------------------------------------------------------------------------------------------------


@pytest.fixture()
def spare() -> Rack:
    """A node that is ready, and a discovered one that waits to be allocated."""
    rack = Rack(USUAL, plan(allocate="ask"), nodes=1, seed=3)
    assert rack.run(lambda: "n1" in rack.world.nodes and node_state(rack.world, rack.world.nodes["n1"]) == "discovered")
    done(rack, "allocate", "n1")
    assert rack.run(), "\n".join(rack.state())
    add(rack, 2)
    assert rack.run(lambda: "n2" in rack.world.nodes and node_state(rack.world, rack.world.nodes["n2"]) == "discovered")
    return rack


def test_the_new_machine_stands_where_the_old_one_stood(spare: Rack) -> None:
    old = spare.world.nodes["n1"]
    spare.feed(
        SetAttribute(
            request=Request(Asker.OPERATOR, 1), who="ada", layer="operator", scope="n1", name="raid-wanted", value={"level": "raid0"}
        )
    )
    address = spare.world.address_of[("n1", "admin")]
    spare.machines[0].reachable = False
    done(spare, "replace", old.name, "n2")
    assert set(servers(spare)) == {"n2"}
    new = spare.world.nodes["n2"]
    assert (new.name, new.group, new.allocated) == (old.name, old.group, True)
    assert (new.uuid, new.macs) == (spare.machines[1].uuid, (spare.machines[1].mac,))
    assert spare.world.address_of[("n2", "admin")] == address
    assert ("n1", "admin") not in spare.world.address_of
    assert spare.world.attributes[("operator", "n2", "raid-wanted")].value == {"level": "raid0"}
    assert spare.world.node_roles[("n2", "os-install")].state is State.WAITING
    spare.indexes_agree()
    spare.machines.pop(0)
    assert spare.run(seconds=7200.0), "\n".join(spare.state())
    assert node_state(spare.world, spare.world.nodes["n2"]) == "ready"
    assert spare.machines[0].wipes == {"raid-configure": 1, "os-install": 1}


def test_what_required_the_old_one_requires_the_new_one() -> None:
    what = catalog(
        *USUAL.roles.values(),
        role("base", "system"),
        role("watch", "system", "local", requires=(Requirement(role="base", on=On.DEPLOYMENT),)),
    )
    rack = Rack(what, plan({"base": ("all",), "watch": ("admin",)}, allocate="ask"), nodes=2, seed=3)
    assert rack.run(lambda: [node_state(rack.world, one) for one in servers(rack).values()] == ["discovered", "discovered"])
    watch = ("admin", "watch")
    assert [one.code for one in blockers(rack.world, rack.world.node_roles[watch])] == ["parent_elsewhere"]
    done(rack, "allocate", "n1")
    assert rack.world.node_roles[watch].parents == (("n1", "base"),)
    done(rack, "hold", "n1")
    assert rack.run(lambda: rack.operate("replace", "n1", value="n2") is not None and "n1" not in rack.world.nodes)
    assert rack.world.node_roles[watch].parents == (("n2", "base"),)
    rack.indexes_agree()


def test_what_cannot_be_replaced_is_refused(spare: Rack) -> None:
    assert refused(spare, "replace", "n2", "n1") == "illegal", "n1 is allocated already"
    assert refused(spare, "replace", "n1", "n1") == "not_one_machine"
    assert refused(spare, "replace", "n1", "admin") == "not_one_machine"
    assert refused(spare, "replace", "n1", "n9") == "unknown_thing"
    assert refused(spare, "replace", "n1") == "unknown_thing"
    add(spare, 3)
    assert spare.run(lambda: "n3" in spare.world.nodes)
    assert refused(spare, "replace", "n1", "n3") in ("illegal", "busy"), "it is not discovered yet"


# -- merge ---------------------------------------------------------------------------------------------------------


def two_records() -> Rack:
    """Two records of discovered machines; the second is what became of the first with a new board."""
    rack = Rack(USUAL, plan(allocate="ask"), nodes=2, seed=3)
    assert rack.run(lambda: len(servers(rack)) == 2 and all(node_state(rack.world, n) == "discovered" for n in servers(rack).values()))
    return rack


def test_two_records_become_one_machine() -> None:
    rack = two_records()
    one, other = rack.world.nodes["n1"], rack.world.nodes["n2"]
    newest = max(one, other, key=lambda n: n.signal_at)
    done(rack, "merge", "n1", "n2")
    merged = servers(rack)
    assert set(merged) == {"n1"}
    assert set(merged["n1"].macs) == {*one.macs, *other.macs}
    assert (merged["n1"].uuid, merged["n1"].serial) == (newest.uuid, newest.serial)
    rack.indexes_agree()
    # The machine with the newer identity is recognised as the one that is left.
    machine = next(m for m in rack.machines if m.uuid == newest.uuid)
    rack.machines.remove(next(m for m in rack.machines if m is not machine))
    rack.reboot(machine)
    assert rack.run(lambda: node_state(rack.world, rack.world.nodes["n1"]) == "discovered", seconds=7200.0), "\n".join(rack.state())
    assert set(servers(rack)) == {"n1"}


def test_settings_and_addresses_of_the_record_that_goes_are_taken_over() -> None:
    """Where the one that stays has none of its own."""
    rack = two_records()
    work = Work(rack.world)
    for node, value in (("n1", "mine"), ("n2", "theirs")):
        work.put(Value(layer="operator", scope=node, name="target-os", value=value, who="test"))
    work.put(Value(layer="operator", scope="n2", name="role-mode", value="x", who="test"))
    work.put(Value(layer="discovery", scope="n2", name="seen", value="x", who="engine"))
    work.put(Allocation(address="10.0.0.77", network="admin", range="host", node="n2"))
    rack.world = work.finish(keep_touched=False)
    done(rack, "merge", "n1", "n2")
    assert rack.world.attributes[("operator", "n1", "target-os")].value == "mine"
    assert rack.world.attributes[("operator", "n1", "role-mode")].value == "x"
    assert ("discovery", "n1", "seen") not in rack.world.attributes
    assert rack.world.allocations["10.0.0.77"].node == "n1"
    assert not [v for v in rack.world.attributes.values() if v.scope.startswith("n2")]


def test_two_histories_of_written_disks_are_not_merged() -> None:
    rack = bring_up(nodes=2)
    assert refused(rack, "merge", "n1", "n2") == "not_one_machine"


def test_a_redeploy_does_not_blank_the_disk_of_its_history() -> None:
    """The machine runs what the redeployed record installed. Merged into the other, its credential would name nobody."""
    rack = bring_up(2, allocate="auto", approve=Approve(wipe="all"))
    done(rack, "redeploy", "n2")
    assert not rack.world.node_roles[("n2", "os-install")].succeeded
    assert refused(rack, "merge", "n1", "n2") == "not_one_machine"


@pytest.mark.parametrize("banned", ["n1", "n2"])
def test_a_banned_record_is_not_merged(banned: str) -> None:
    """The ban of one would hold for the other without a word."""
    rack = two_records()
    done(rack, "ban", banned)
    assert refused(rack, "merge", "n1", "n2") == "banned"
    done(rack, "unban", banned)
    done(rack, "merge", "n1", "n2")


def test_the_record_with_a_history_stays(spare: Rack) -> None:
    assert refused(spare, "merge", "n2", "n1") == "not_one_machine"
    done(spare, "merge", "n1", "n2")
    assert spare.world.node_roles[("n1", "os-install")].succeeded
    assert set(spare.world.nodes["n1"].macs) == {m.mac for m in spare.machines}


# -- split ---------------------------------------------------------------------------------------------------------


def test_a_split_node_is_recognised_no_more() -> None:
    rack = bring_up()
    done(rack, "split", "n1")
    rack.indexes_agree()
    machine = rack.machines[0]
    machine.installed = ""
    rack.power_on(machine)
    assert rack.run(lambda: "n2" in rack.world.nodes, seconds=3600.0), "\n".join(rack.state())
    assert rack.world.nodes["n2"].uuid == machine.uuid
    assert rack.world.node_roles[("n1", "os-install")].succeeded, "the record is still there, for replace or delete"


def test_twin_serials_are_told_apart_without_a_person() -> None:
    rack = bring_up()
    twin = Machine(2)
    twin.serial = rack.machines[0].serial
    rack.machines.append(twin)
    rack.power_on(twin)
    assert rack.run(seconds=14400.0), "\n".join(rack.state())
    assert {n.uuid for n in servers(rack).values()} == {m.uuid for m in rack.machines}
    rack.indexes_agree()
    rack.reboot(rack.machines[0])
    assert rack.run(seconds=14400.0), "\n".join(rack.state())
    assert len(servers(rack)) == 2


def test_what_a_split_names_identifies_nothing() -> None:
    rack = bring_up()
    twin = Machine(2)
    twin.uuid = rack.machines[0].uuid
    done(rack, "split", "n1", "uuid")
    assert rack.world.meta.shared == (twin.uuid,)
    rack.machines.append(twin)
    rack.power_on(twin)
    assert rack.run(seconds=14400.0), "\n".join(rack.state())
    assert {n.serial for n in servers(rack).values()} == {m.serial for m in rack.machines}
    rack.reboot(rack.machines[0])
    assert rack.run(seconds=14400.0), "\n".join(rack.state())
    assert len(servers(rack)) == 2


def test_a_split_leaves_something_to_recognise() -> None:
    rack = bring_up()
    node, machine = rack.world.nodes["n1"], rack.machines[0]
    assert refused(rack, "split", "n1", "52:54:00:ff:ff:ff") == "unknown_thing"
    done(rack, "split", "n1", "serial")
    done(rack, "split", "n1", machine.uuid.upper())
    assert rack.world.nodes["n1"].identity == "macs"
    assert refused(rack, "split", "n1", machine.mac) == "illegal"
    assert node.macs == (machine.mac,)
    assert refused(rack, "split", "admin") == "illegal"


# -- ban -----------------------------------------------------------------------------------------------------------


def test_a_banned_machine_gets_nothing() -> None:
    rack = bring_up()
    machine = rack.machines[0]
    done(rack, "ban", "n1")
    node = rack.world.nodes["n1"]
    assert not node.available
    boots, before = node.boots, len(rack.effects)
    machine.installed = ""
    rack.power_on(machine)
    rack.run(lambda: False, seconds=1800.0)
    ignored = {e.reason.code for e in rack.effects[before:] if isinstance(e, Ignore)}
    assert ignored == {"banned"}
    assert rack.world.nodes["n1"].boots == boots


def test_a_banned_machine_is_sent_to_its_disk_and_not_welcomed() -> None:
    rack = bring_up()
    machine = rack.machines[0]
    done(rack, "ban", "n1")
    effects = rack.feed(ScriptAsked(request=Request(Asker.HTTP, 91), mac=machine.mac, address="10.0.0.30", nonce="x"))
    assert [e.disk for e in effects if isinstance(e, BootScript)] == [True]
    for nonce, credential in (("x", ""), ("", "n1")):
        hello = Hello(
            request=Request(Asker.HTTP, 92),
            nonce=nonce,
            credential=credential,
            boot_id="b9",
            environment="debian-12",
            uuid=machine.uuid,
            macs=(machine.mac,),
        )
        assert [e.reason.code for e in rack.feed(hello) if isinstance(e, Refuse)] == ["banned"]
    assert refused(rack, "ban", "admin") == "illegal"


def test_a_ban_outlives_the_node_and_can_be_lifted() -> None:
    rack = bring_up()
    machine = rack.machines[0]
    done(rack, "ban", "n1")
    done(rack, "delete", "n1")
    assert rack.world.sightings[machine.mac].banned
    assert servers(rack) == {}
    rack.indexes_agree()
    done(rack, "unban", machine.mac)
    assert refused(rack, "unban", machine.mac) == "illegal"
    machine.installed, machine.whole, machine.applied = "", set(), {}
    rack.power_on(machine)
    assert rack.run(seconds=14400.0), "\n".join(rack.state())
    assert set(servers(rack)) == {"n2"}


def test_a_stranger_is_banned_by_its_mac() -> None:
    rack = bring_up()
    done(rack, "ban", "52-54-00-00-00-02")
    add(rack, 2)
    rack.run(lambda: False, seconds=1800.0)
    assert set(servers(rack)) == {"n1"}
    assert rack.world.sightings["52:54:00:00:00:02"].banned
    assert refused(rack, "ban", "nobody") == "unknown_thing"


# -- install -------------------------------------------------------------------------------------------------------


def test_install_allocates_and_approves_in_one_word() -> None:
    rack = Rack(USUAL, plan(allocate="ask", approve=Approve()), nodes=1, seed=3)
    assert rack.run(lambda: "n1" in rack.world.nodes and node_state(rack.world, rack.world.nodes["n1"]) == "discovered")
    done(rack, "install", "n1")
    assert rack.world.nodes["n1"].allocated
    assert rack.world.node_roles[("n1", "os-install")].approved
    assert rack.run(lambda: node_state(rack.world, rack.world.nodes["n1"]) == "ready", seconds=14400.0), "\n".join(rack.state())
    assert refused(rack, "install", "n1") == "installed"
