"""The next step, why, estimate and preview: pure functions of a world."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL, plan
from world_rig import WorldRig

from engine import reasons
from engine.core.world.world import World
from engine.model import PowerOff, Sighting, State
from engine.plan import Expect, PlaceDef, RackDef
from engine.views.advice import next_step
from engine.views.chain import why_chain
from engine.views.estimate import estimate
from engine.views.preview import preview
from engine.views.summary import node_row

DONE: dict[str, Any] = {"state": State.ACTIVE, "succeeded": True, "started": 10.0, "ended": 20.0}


def rig(**more: Any) -> WorldRig:
    """One allocated server in the hardware stage, its discovery done and the admin node ready."""
    d = WorldRig(wanted=plan(**more))
    d.change("admin", "ntp-server", state=State.SKIPPED)
    d.server("n1", stage="hardware", allocated=True)
    for name in ("inventory", "lldp", "bmc-discover"):
        d.role(name, **DONE)
    return d


def failed(d: WorldRig, node: str = "n1") -> None:
    d.role("bios-configure", node, state=State.ERROR, tries=3, failure=reasons.script_failed(role="bios-configure", exit=1, line="no"))


def step(d: WorldRig) -> tuple[str, str]:
    found = next_step(d.world)
    return found.kind, found.text


def test_no_plan() -> None:
    assert next_step(World.new(USUAL)).kind == "plan"


def test_nothing_seen_yet() -> None:
    assert step(WorldRig(wanted=plan(expect=Expect(nodes=6)))) == (
        "power",
        "power on the machines (6 are expected): they boot from the network",
    )


def test_a_problem_comes_before_everything() -> None:
    d = rig()
    d.server("n2", problem=reasons.boot_timeout(expected="dhcp", seconds=420.0, signal="powered", tries=3))
    d.server("n3", hold=True)
    assert step(d) == ("mend", "n2: read the machine's screen and fix what it shows, then press r")
    assert next_step(d.world).node == "n2.r1.example.net"


def test_the_cause_that_most_nodes_share_comes_first() -> None:
    d = rig()
    failed(d)
    for i in (2, 3):
        d.server(f"n{i}", problem=reasons.boot_timeout(expected="dhcp", seconds=420.0, signal="powered", tries=3))
    found = next_step(d.world)
    assert found.many == 2
    assert found.text.startswith("n2 and 1 more: ")


def test_an_error_names_the_role_and_the_key() -> None:
    d = rig()
    failed(d)
    assert step(d) == ("mend", "n1: bios-configure: read the log of the attempt, then press r")
    assert next_step(d.world).role == "bios-configure"


def test_an_approval_is_asked_for() -> None:
    d = rig()
    d.role("raid-configure", state=State.WAITING)
    kind, text = step(d)
    assert kind == "approve"
    assert "raid-configure destroys the data on the disks: press a" in text
    d.change("n1", "raid-configure", approved="op")
    assert step(d)[0] == "wait"


@pytest.mark.parametrize(
    ("fields", "kind", "words"),
    [
        ({"allocated": False, "stage": "discovery"}, "allocate", "press a to allocate"),
        ({"hold": True}, "release", "press h"),
        ({"available": False}, "release", "press v"),
        ({"off": PowerOff(who="ann", done=True)}, "release", "press p"),
    ],
)
def test_what_waits_for_a_word(fields: dict[str, Any], kind: str, words: str) -> None:
    d = rig()
    d.change(**fields)
    assert step(d)[0] == kind
    assert words in step(d)[1]


def test_a_machine_that_does_not_get_on() -> None:
    d = rig()
    told = reasons.sighting_waits(mac="52:54:00:00:00:09", signal="dhcp", expected="loader", seconds=60.0)
    d.put(Sighting(mac="52:54:00:00:00:09", kind="boot-rom", reason=told))
    assert step(d)[0] == "look"
    assert "52:54:00:00:00:09" in step(d)[1]


def test_machines_that_were_never_seen_after_the_time_of_firmware() -> None:
    d = rig(expect=Expect(nodes=3))
    at = d.world.revisions[1].at
    d.change(since=at + 100)
    assert step(d) == ("wait", "nothing to do yet: 1 of 3 expected machines seen so far")
    d.change(since=at + 1000)
    assert step(d) == ("power", "2 of 3 expected machines never showed up: check their power and boot cable")


def test_a_swapped_cable_when_nothing_else_is_wrong() -> None:
    cables = {"10g0": "tor1:swp1"}
    d = rig(racks=(RackDef(name="r1", places=(PlaceDef(unit=10, cables=cables), PlaceDef(unit=12, cables={"10g0": "tor1:swp2"}))),))
    from engine.model import Place

    d.change(place=Place(rack="r1", unit=10))
    d.change("n1", "inventory", gave={"nics": [{"name": "eno1", "mac": "52:54:00:00:00:01", "speed": 10000, "link": True}]})
    d.change("n1", "lldp", gave={"neighbours": [{"nic": "eno1", "chassis": "c", "port": "swp2", "system": "tor1", "port_description": ""}]})
    assert step(d) == ("cable", "n1 eno1 is in tor1:swp2, the plan says tor1:swp1: see 3")


def test_all_ready() -> None:
    d = rig()
    d.change(stage="system")
    assert step(d) == ("done", "nothing to do: the node is ready")
    assert not next_step(d.world).human


# -- why -----------------------------------------------------------------------------------------------------------


def chained() -> WorldRig:
    d = rig()
    failed(d)
    before = "bios-configure"
    for name in ("raid-configure", "os-install", "network-admin", "ntp-client"):
        d.role(name, state=State.WAITING, parents=(("n1", before),), approved="op")
        before = name
    return d


def test_why_goes_to_the_root() -> None:
    d = chained()
    chain = why_chain(d.world, d.node(), "ntp-client")
    assert [x.subject for x in chain.links] == ["ntp-client", "network-admin", "os-install", "raid-configure", "bios-configure"]
    assert [x.depth for x in chain.links] == [0, 1, 2, 3, 4]
    assert chain.links[0].sentence == "waiting for network-admin on n1.r1.example.net, which is waiting"
    assert chain.links[-1].state == "error"
    assert chain.role == "bios-configure"
    assert chain.advice == "fix the cause, then retry role bios-configure"


def test_why_of_a_node_begins_at_its_last_role() -> None:
    d = chained()
    chain = why_chain(d.world, d.node())
    assert chain.question == "why is n1 not ready?"
    assert chain.links[-1].subject == "bios-configure"


def test_why_of_a_node_on_hold_says_so_at_once() -> None:
    d = chained()
    d.change(hold=True)
    d.change("n1", "bios-configure", state=State.WAITING, failure=None)
    chain = why_chain(d.world, d.node(), "ntp-client")
    assert [x.code for x in chain.links] == ["on_hold"]
    assert chain.advice == "release the hold: crowbar node n1.r1.example.net release"


def test_why_ends_where_roles_wait_for_each_other() -> None:
    d = rig()
    d.role("network-admin", state=State.WAITING, parents=(("n1", "ntp-client"),))
    d.role("ntp-client", state=State.WAITING, parents=(("n1", "network-admin"),))
    assert len(why_chain(d.world, d.node(), "ntp-client").links) == 2


def test_why_names_the_other_node() -> None:
    d = rig()
    d.change("admin", "ntp-server", state=State.ERROR, succeeded=False)
    d.role("ntp-client", state=State.WAITING, parents=(("admin", "ntp-server"),))
    chain = why_chain(d.world, d.node(), "ntp-client")
    assert chain.links[-1].subject == "ntp-server on admin"
    assert chain.node == "admin.example.net"


def test_why_of_a_problem_has_the_last_signal() -> None:
    d = rig()
    d.change(problem=reasons.boot_timeout(expected="dhcp", seconds=420.0, signal="powered", tries=3), signal_at=900.0)
    chain = why_chain(d.world, d.node())
    assert chain.links[0].state == "problem"
    assert ("last signal", 900.0) in [(f.label, f.at) for f in chain.facts]


def test_why_of_what_is_well() -> None:
    d = rig()
    d.change(stage="system")
    chain = why_chain(d.world, d.node())
    assert chain.links[0].sentence == "nothing blocks it"
    assert not chain.advice


# -- rows ----------------------------------------------------------------------------------------------------------


def test_a_row_tells_what_a_person_must_do_before_what_follows_from_it() -> None:
    d = rig()
    d.role("raid-configure", state=State.WAITING)
    d.role("network-admin", state=State.WAITING, parents=(("n1", "raid-configure"),))
    row = node_row(d.world, d.node())
    assert row.why is not None
    assert row.why.code == "approval"


def test_a_row_names_what_runs() -> None:
    d = rig()
    d.role("bios-configure", state=State.TRANSITION, started=77.0)
    row = node_row(d.world, d.node())
    assert (row.task, row.task_since, row.why) == ("bios-configure", 77.0, None)


# -- estimate and preview ------------------------------------------------------------------------------------------


def test_who_waits_for_a_person_is_not_estimated() -> None:
    d = rig()
    failed(d)
    assert estimate(d.world, 150.0).working == 0


def test_a_preview_names_the_disks() -> None:
    d = chained()
    disk = {"name": "sda", "size": 10**12, "serial": "S1", "signature": "ext4", "rotational": False, "transport": "sata"}
    d.change("n1", "inventory", gave={"disks": [disk]})
    found = preview(d.world, "reinstall", [d.node()])
    assert found.nodes[0].runs == ("os-install", "network-admin", "ntp-client")
    assert found.nodes[0].destroys == ("os-install",)
    assert [(x.name, x.serial, x.signature) for x in found.nodes[0].disks] == [("sda", "S1", "ext4")]
    assert found.destroys
    assert found.nodes[0].reboots


def test_what_an_install_wrote_is_not_blank_for_the_plan_nor_for_a_preview() -> None:
    """The inventory is older than the install. A role that a later commit binds must not be approved by it."""
    d = chained()
    disk = {"name": "sda", "size": 10**12, "serial": "S1", "signature": "", "rotational": False, "transport": "sata"}
    d.change("n1", "inventory", gave={"disks": [disk]}, ended=10.0)
    d.change("n1", "os-install", gave={"installed": {"os": "debian-12", "disk": "sdb", "serial": "S1"}}, state=State.ACTIVE, ended=20.0)
    (shown,) = preview(d.world, "reinstall", [d.node()]).nodes
    assert [(x.name, x.signature, x.use) for x in shown.disks] == [("sda", "gpt", "sda, debian-12")], (
        "by its serial number, whatever it was called"
    )
    assert shown.as_of == 20.0
    d.change("n1", "os-install", gave={}, state=State.ERROR, started=30.0, ended=31.0)
    (shown,) = preview(d.world, "reinstall", [d.node()]).nodes
    assert [x.signature for x in shown.disks] == ["unknown"], "it may have begun to write"


@pytest.mark.parametrize(
    ("verb", "role", "runs"),
    [
        ("reset", "", {"inventory", "lldp", "bmc-discover"}),
        ("redeploy", "", {"bios-configure", "raid-configure", "os-install", "network-admin", "ntp-client"}),
        ("redeploy", "bios-configure", {"bios-configure"}),
        ("approve", "", set()),
        ("hold", "", set()),
    ],
)
def test_what_runs_again(verb: str, role: str, runs: set[str]) -> None:
    d = chained()
    assert set(preview(d.world, verb, [d.node()], role).nodes[0].runs) == runs


def test_a_preview_of_approve_names_what_waits_for_it() -> None:
    d = chained()
    d.change("n1", "raid-configure", approved="")
    assert preview(d.world, "approve", [d.node()]).nodes[0].runs == ("raid-configure",)
