"""The engine's own path to the rack: where this machine is plugged in, and what is refused because it would cut that path."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import USUAL, plan
from msgspec import to_builtins
from msgspec.structs import replace
from rack import Rack

from engine.core.hardware.device_ids import device_id
from engine.core.hardware.own_path import is_this_machine, shown_here
from engine.core.hardware.own_port import own_port
from engine.core.hardware.topology import topology
from engine.core.operator import verbs
from engine.core.roles.stages import may_enter
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.effects import Accept, Refuse
from engine.events import AdminSeen, Commit, Join, Operate
from engine.here import HeardPort, Here
from engine.model import Allocation, Kind, Node, Place
from engine.plan import Network, PlaceDef, Plan, RackDef
from engine.requests import Asker, Request
from engine.store.store import JournalRow
from engine.views.story import Story

REQUEST = Request(Asker.OPERATOR, 7)
SWITCH = "52:54:ff:00:00:01"
HEARD = HeardPort(chassis=SWITCH, port="swp48", system="tor1.example.net", port_description="uplink", capabilities=("bridge",))
HERE = Here(
    interface="eno1",
    uuid="4c4c4544-0044-5a10-8054-b7c04f4d3333",
    serial="OWN1",
    macs=("3c:ec:ef:00:00:01",),
    addresses=("10.0.0.1/24", "192.0.2.9/24"),
    neighbours=(HEARD,),
)


@pytest.fixture
def rack() -> Rack:
    made = Rack(USUAL, plan(), nodes=1, seed=1)
    assert made.run()
    made.feed(AdminSeen(here=HERE))
    return made


def put(rack: Rack, *nodes: Node) -> None:
    work = Work(rack.world)
    for node in nodes:
        work.put_node(node)
    rack.world = work.finish()


def asked(rack: Rack, verb: str, node: str = "n1", value: Any = None, role: str = "") -> str:
    """The code of the refusal. Empty: it was not refused at once."""
    out = rack.feed(Operate(request=REQUEST, who="ada", verb=verb, node=node, value=value, role=role))
    return next((e.reason.code for e in out if isinstance(e, Refuse)), "")


def become_us(rack: Rack, **fields: object) -> None:
    """The node is known by what this machine shows: the store came from another admin node."""
    put(rack, replace(rack.world.nodes["n1"], **fields))


CUTS = [verb.name for verb in verbs.VERBS if verb.target == "node" and verb.cuts and verb.name != "power"]
VALUE = {"replace": "n1", "install": None}


@pytest.mark.parametrize("verb", CUTS)
@pytest.mark.parametrize("shown", [{"macs": HERE.macs}, {"uuid": HERE.uuid}, {"uuid": "44454c4c-4400-105a-8054-b7c04f4d3333"}])
def test_this_machine_is_not_ended(rack: Rack, verb: str, shown: dict[str, Any]) -> None:
    become_us(rack, **({"uuid": "", "serial": ""} | shown))
    before = rack.world.nodes["n1"]
    assert asked(rack, verb, value=VALUE.get(verb)) == "own_machine"
    assert rack.world.nodes["n1"] == before


@pytest.mark.parametrize(
    ("value", "code"), [("off", "own_machine"), ({"action": "off", "force": True}, "own_machine"), ("soft", "own_machine")]
)
def test_no_power_off_for_this_machine(rack: Rack, value: Any, code: str) -> None:
    become_us(rack, uuid=HERE.uuid)
    assert asked(rack, "power", value=value) == code
    assert asked(rack, "power", value="status") != code
    assert asked(rack, "power", value="burn") == code  # whatever it may be, it is not harmless


def test_other_machines_are_as_before(rack: Rack) -> None:
    assert is_this_machine(rack.world, rack.world.nodes["n1"]) == ""
    assert asked(rack, "reset") == ""


def test_a_moved_card_makes_no_other_machine_this_one(rack: Rack) -> None:
    assert shown_here(rack.world, "4c4c4544-0044-5a10-8054-aaaaaaaaaaaa", "", HERE.macs) == ""
    assert shown_here(rack.world, "", "OTHER", HERE.macs) == ""
    assert shown_here(rack.world, "", "", HERE.macs) == "MAC 3c:ec:ef:00:00:01"
    assert shown_here(rack.world, "", "OWN1", ()) == "serial OWN1"


def test_a_joined_machine_at_our_own_address(rack: Rack) -> None:
    put(rack, Node(id="j1", name="j1.local", kind=Kind.JOINED, address="192.0.2.9", allocated=True, alive=True))
    assert asked(rack, "delete", "j1") == "own_machine"


def test_this_machine_is_not_joined(rack: Rack) -> None:
    event = Join(
        request=REQUEST,
        who="ada",
        address="10.0.0.77",
        host_key="ssh-ed25519 AAAA",
        hostname="own",
        boot_id="b",
        macs=HERE.macs,
        system="debian-12",
    )
    refused = [e for e in rack.feed(event) if isinstance(e, Refuse)]
    assert [e.reason.code for e in refused] == ["own_machine"]


def test_nothing_boots_or_destroys_this_machine_by_itself(rack: Rack) -> None:
    """A node that the plan moves to another stage stays, and says why."""
    become_us(rack, uuid=HERE.uuid)
    node = rack.world.nodes["n1"]
    barred = may_enter(rack.world, node, rack.world.catalog.stages[0].name)
    assert barred is not None
    assert barred.code == "own_machine"
    assert may_enter(rack.world, node, node.stage) is None


def test_the_switch_that_this_machine_is_plugged_into(rack: Rack) -> None:
    put(
        rack,
        Node(id=device_id(SWITCH), name="tor1.local", kind=Kind.DEVICE, family="switch", alive=True, allocated=True),
        Node(id="sw-2", name="tor2.local", kind=Kind.DEVICE, family="switch", alive=True, allocated=True),
    )
    assert asked(rack, "power", "tor1.local", "off") == "own_switch"
    assert asked(rack, "delete", "tor1.local") == "own_switch"
    assert asked(rack, "delete", "sw-2") == ""


def test_the_router_to_the_bmc_network(rack: Rack) -> None:
    """Of networks that the engine needs, and in which it has no address."""
    work = Work(rack.world)
    work.put(Allocation(address="10.9.0.1", network="bmc", range="node", node="n1"))
    assert work.plan is not None
    bmc = Network(name="bmc", subnet="10.9.0.0/24", router="10.9.0.1")
    work.use(replace(work.plan, networks=work.plan.networks | {"bmc": bmc}), work.catalog)
    rack.world = work.finish()
    assert asked(rack, "power", value="off") == "own_router"
    rack.feed(AdminSeen(here=replace(HERE, addresses=(*HERE.addresses, "10.9.0.5/24"))))
    assert asked(rack, "power", value="off") != "own_router"


# -- commits ----------------------------------------------------------------------------------------------------------


def committed(rack: Rack, new: Plan) -> str:
    out = rack.feed(Commit(request=REQUEST, who="ada", plan=new))
    return next((e.reason.code if isinstance(e, Refuse) else "" for e in out if isinstance(e, Accept | Refuse)), "?")


def of(rack: Rack) -> Plan:
    assert rack.world.plan is not None
    return rack.world.plan


def test_a_plan_that_takes_our_address(rack: Rack) -> None:
    old = of(rack)
    site = replace(old.site, admin=replace(old.site.admin, address="10.0.0.1"))
    assert committed(rack, replace(old, site=site)) == ""
    other = replace(site, admin=replace(site.admin, address="10.0.0.2"))
    assert committed(rack, replace(old, site=other)) == "own_address"
    also_ours = replace(site, admin=replace(site.admin, address="192.0.2.9"))
    moved = {"admin": Network(name="admin", subnet="172.16.0.0/24")}
    assert committed(rack, replace(old, site=site, networks=moved)) == "own_network"
    assert committed(rack, replace(old, site=also_ours)) == ""


def test_a_plan_that_wants_another_cable_in_our_port(rack: Rack) -> None:
    put(rack, replace(rack.world.nodes["n1"], place=Place(rack="r1", unit=10)))
    places = (PlaceDef(unit=10, cables={"1g0": "tor1:swp48"}),)
    new = replace(of(rack), racks=(RackDef(name="r1", places=places),))
    assert committed(rack, new) == "own_port"
    put(rack, replace(rack.world.nodes["n1"], place=None))
    assert committed(rack, new) == ""
    found = own_port(rack.world, rack.world.nodes.values())
    assert found is not None
    assert found.words == "eno1 in tor1 swp48, r1 unit 10"


# -- where we are -----------------------------------------------------------------------------------------------------

RACKS = (RackDef(name="r1", places=(PlaceDef(unit=1, cables={"1g0": "tor1:48"}), PlaceDef(unit=2, cables={"1g0": "tor1:47"}))),)


def world(here: Here | None, racks: tuple[RackDef, ...] = RACKS, *more: Node) -> World:
    empty = Catalog(roles={}, attributes={}, stages=())
    work = Work(World(base=empty, catalog=empty, plan=replace(plan(), racks=racks)))
    for node in (Node(id="admin", name="crowbar.example.net", kind=Kind.ADMIN, here=here), *more):
        work.put_node(node)
    return work.finish()


def test_the_place_follows_from_the_plans_cables() -> None:
    found = topology(world(HERE)).here
    assert found is not None
    assert (found.switch, found.port, found.place) == ("tor1.example.net", "swp48", None)  # swp48 is another port than 48
    heard = replace(HERE, neighbours=(replace(HEARD, port="48"),))
    links = topology(world(heard))
    assert links.here is not None
    assert links.here.words == "eno1 in tor1 48, r1 unit 1"
    assert [(link.node, link.check) for link in links.links if link.switch] == [("crowbar", "right")]


def test_a_port_that_is_anothers() -> None:
    heard = replace(HERE, neighbours=(replace(HEARD, port="48"),))
    there = Node(id="n1", name="node-1.example.net", place=Place(rack="r1", unit=1))
    found = topology(world(heard, RACKS, there)).here
    assert found is not None
    assert (found.place, found.wanted) == (None, "1g0 of node-1 in r1 unit 1")


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (replace(HERE, neighbours=()), "eno1: no switch speaks LLDP there"),
        (replace(HERE, neighbours=(), deaf="it needs the privilege CAP_NET_RAW"), "LLDP cannot be heard: it needs the privilege"),
    ],
)
def test_a_port_that_is_not_known_says_why(here: Here, words: str) -> None:
    found = own_port(world(here))
    assert found is not None
    assert words in found.words
    assert own_port(world(None)) is None


def test_the_story_says_what_this_machine_hears() -> None:
    def told(event: str, **fields: Any) -> str:
        row = JournalRow(seq=1, at=1.0, now=1.0, event=event, fields=fields, rows=[])
        return str(Story().tell(row)["text"])

    assert told("AdminSeen", here=to_builtins(HERE)) == "this machine hears tor1.example.net swp48 on eno1"
    assert told("AdminSeen", here={"interface": "eno1"}) == "this machine hears no switch on eno1"
    assert told("AdminSeen") == "this machine hears no switch on its interface"
    assert told("PowerSet", node="n1", action="identify", seconds=60) == "its light blinks for 60 s"
    assert told("PowerSet", node="n1", action="identify") == "its light is off"
