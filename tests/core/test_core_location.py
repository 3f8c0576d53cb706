"""Where a machine stands: each source alone, the strongest of several, and contradictions as problems."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import catalog, plan, role
from msgspec.structs import replace
from world_rig import WorldRig

from engine import reasons
from engine.core.hardware.location import contradiction, placed
from engine.core.operator.problems import problems_of
from engine.definitions import AttributeDef
from engine.events import Outcome, SetAttribute
from engine.model import Bmc, Place, Sighting, State
from engine.plan import ExpectedMachine, PlaceDef, Plan, RackDef
from engine.requests import Asker, Request

LOCATION = {
    "type": "object",
    "required": ["rack", "unit"],
    "properties": {"rack": {"type": "string"}, "unit": {"type": "integer"}, "by": {"enum": ["person", "label"]}},
}
CATALOG = catalog(
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",)),
    role("switch-addresses", "system", "device", gives=("switch-addresses",)),
    role("chassis-slots", "system", "device", device="chassis", gives=("chassis-slots",)),
)
CATALOG = replace(CATALOG, attributes=CATALOG.attributes | {"location": AttributeDef(name="location", path="location", schema=LOCATION)})
RACK = RackDef(
    name="r1",
    places=tuple(
        PlaceDef(unit=unit, cables={"1g0": f"tor1:swp{unit}", "1g1": f"tor2:swp{unit}", "bmc": f"mgmt:{unit}"}, outlets=(f"pdu1/{unit}",))
        for unit in (7, 8, 9)
    ),
)
SEVEN, EIGHT, NINE = (Place(rack="r1", unit=unit) for unit in (7, 8, 9))


def hears(*ports: str) -> list[dict[str, str]]:
    rows = [port.partition(":") for port in ports]
    return [
        {"nic": f"eno{i}", "chassis": f"52:54:ff:00:00:{ord(switch[-1]):02x}", "port": port, "system": switch, "port_description": ""}
        for i, (switch, _, port) in enumerate(rows)
    ]


def rig(*ports: str, machines: tuple[ExpectedMachine, ...] = (), **node: Any) -> WorldRig:
    body: Plan = replace(plan({}, allocate="ask"), racks=(RACK,), machines=machines)
    d = WorldRig(CATALOG, body)
    d.server(**{"allocated": True, **node})
    listens(d, *ports)
    return d


def listens(d: WorldRig, *ports: str, number: int = 1) -> None:
    d.role("lldp", state=State.TRANSITION, attempt=f"i5-{number}", leg=1, deployment="system")
    d.feed(Outcome(attempt=f"i5-{number}.1", node="n1", what="done", gives={"neighbours": hears(*ports)}))


def label(d: WorldRig, unit: int | None, by: str = "label") -> None:
    value = {"rack": "r1", "unit": unit, "by": by}
    d.feed(
        SetAttribute(
            request=Request(Asker.OPERATOR, 3), who="ada", layer="operator", scope="n1", name="location", value=value, clear=unit is None
        )
    )


def sources(d: WorldRig) -> list[tuple[str, Place, str]]:
    return [(one.source, one.place, one.shown) for one in placed(d.world, d.node())]


def test_by_the_switch_port() -> None:
    d = rig("tor1:swp7", "tor2:swp7")
    assert d.node().place == SEVEN
    assert sources(d) == [("port", SEVEN, "tor1:swp7")]
    assert contradiction(d.world, d.node()) is None


def test_by_a_label_without_any_cable() -> None:
    d = rig()
    assert d.node().place is None
    label(d, 8)
    assert d.node().place == EIGHT
    assert sources(d) == [("label", EIGHT, "")]
    listens(d, number=2)
    assert d.node().place == EIGHT, "a silent port takes nothing back"


def test_a_label_is_stronger_and_the_contradiction_is_a_problem() -> None:
    d = rig("tor1:swp7")
    label(d, 8)
    assert d.node().place == EIGHT
    wanted = reasons.place_contradiction(node=d.node().name, first="r1 unit 8 by label", second="r1 unit 7 by port tor1:swp7")
    assert [one.reason for one in problems_of(d.world, d.node())] == [wanted]
    listens(d, "tor1:swp8", number=2)
    assert not problems_of(d.world, d.node())
    assert d.reload().nodes == d.world.nodes


def test_a_label_that_is_taken_back_leaves_the_port() -> None:
    d = rig("tor1:swp7")
    label(d, 8)
    label(d, None)
    assert d.node().place == SEVEN
    assert not problems_of(d.world, d.node())


def test_by_the_outlet_of_the_expected_machine() -> None:
    d = rig(machines=(ExpectedMachine(serial="SN1", outlets=("pdu1/9",)),))
    assert sources(d) == [("outlet", NINE, "pdu1/9")]
    assert d.node().place == NINE
    listens(d, "tor1:swp7", number=2)
    assert d.node().place == SEVEN
    problem = contradiction(d.world, d.node())
    assert problem is not None
    assert problem.fields["second"] == "r1 unit 9 by outlet pdu1/9"


def test_by_the_port_of_its_bmc() -> None:
    d = rig(bmc=Bmc(address="10.0.1.1", mac="52:54:00:00:0b:01"))
    d.put(Sighting(mac="52:54:00:00:0b:01", kind="bmc", port="mgmt:9"))
    assert sources(d) == [("relay", NINE, "mgmt:9")]


def test_by_a_switchs_table_of_addresses() -> None:
    d = rig()
    listens(d, "tor2:swp99", number=2)  # so that the switch is known
    switch = next(node for node in d.world.nodes.values() if node.family == "switch")
    d.role("switch-addresses", switch.id, state=State.TRANSITION, attempt="i5-9", leg=1)
    row = {"mac": "52:54:00:00:00:01", "port": "swp9", "vlan": 1, "age_s": 5}
    d.feed(Outcome(attempt="i5-9.1", node=switch.id, what="done", gives={"switch-addresses": [row, {"mac": 7}, "x"]}))
    assert d.node().place == NINE
    assert sources(d) == [("table", NINE, "tor2:swp9")]


ENCLOSURE = replace(
    RACK,
    places=(*RACK.places[:1], PlaceDef(unit=8, outlets=("enc1/2",)), PlaceDef(unit=9, outlets=("enc1/3",))),
)


def enclosed(*ports: str) -> WorldRig:
    body = replace(
        plan({"chassis-slots": ("all",)}, allocate="ask"),
        racks=(ENCLOSURE,),
        attributes={"chassis-access": {"enc1": {"address": "10.0.1.9"}}},
    )
    d = WorldRig(CATALOG, body)
    d.server(allocated=True)
    listens(d, *ports)
    return d


def slots(d: WorldRig, *rows: Any) -> None:
    one = d.at("chassis-slots", "chassis-enc1")
    if one.state is not State.TRANSITION:
        d.put(replace(one, state=State.TRANSITION, leg=1, attempt=f"{one.attempt}x"))
        one = d.at("chassis-slots", "chassis-enc1")
    d.feed(Outcome(attempt=f"{one.attempt}.{one.leg}", node="chassis-enc1", what="done", gives={"chassis-slots": list(rows)}))


def slot(slot: str, serial: str = "", uuid: str = "") -> dict[str, str]:
    return {"slot": slot, "serial": serial, "uuid": uuid, "power": ""}


def test_by_the_slot_of_its_chassis() -> None:
    d = enclosed()
    slots(d, slot("2", "SN1"), slot("3", "SN9"), slot("4"), {"slot": 7}, "x", None)
    assert sources(d) == [("slot", EIGHT, "enc1/2")]
    assert d.node().place == EIGHT
    assert d.reload().nodes == d.world.nodes
    slots(d, slot("3", uuid=d.node().uuid.upper()))
    assert sources(d) == [("slot", NINE, "enc1/3")], "by its UUID, too"


def test_a_slot_and_a_cable_that_differ_are_a_problem() -> None:
    d = enclosed("tor1:swp7")
    slots(d, slot("2", "SN1"))
    assert d.node().place == SEVEN, "the cable is stronger"
    found = contradiction(d.world, d.node())
    assert found is not None
    assert (found.fields["first"], found.fields["second"]) == ("r1 unit 7 by port tor1:swp7", "r1 unit 8 by slot enc1/2")


def test_a_machine_in_two_slots_is_a_problem() -> None:
    d = enclosed()
    slots(d, slot("2", "SN1"), slot("3", "SN1"))
    found = contradiction(d.world, d.node())
    assert found is not None
    assert (found.fields["first"], found.fields["second"]) == ("r1 unit 8 by slot enc1/2", "r1 unit 9 by slot enc1/3")


@pytest.mark.parametrize("serial", ["", "0123456789", "To Be Filled By O.E.M.", "N/A"])
def test_a_makers_default_is_no_machine(serial: str) -> None:
    d = enclosed()
    d.put(replace(d.node(), serial=serial))
    slots(d, slot("2", serial))
    assert sources(d) == []


@pytest.mark.parametrize("value", [{"rack": 7}, "r1", None, {"rack": "r1", "unit": "x"}, []])
def test_what_is_no_place_says_nothing(value: Any) -> None:
    from engine.model import Value

    d = rig("tor1:swp7")
    d.put(Value(layer="operator", scope="n1", name="location", value=value))
    assert sources(d) == [("port", SEVEN, "tor1:swp7")]


def test_the_votes_are_those_of_before() -> None:
    from engine.core.hardware.inventory import Inventory
    from engine.core.hardware.topology import place_from

    for ports in (("tor1:swp7", "tor2:swp8"), ("tor1:swp8", "tor2:swp7"), ("tor1:swp7", "tor2:swp7", "tor1:swp8"), ("tor2:swp9",), ()):
        d = rig(*ports)
        assert d.world.plan is not None
        assert d.node().place == place_from(d.world.plan, Inventory({"neighbours": hears(*ports)}).neighbours), ports
