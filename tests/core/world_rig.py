"""A world without an engine: a test feeds events one by one, and puts records in place where it does not test the way to them."""

from __future__ import annotations

from typing import Any, TypeVar

from catalogs import USUAL, plan
from msgspec.structs import replace

from engine.core.step import step
from engine.core.world.load import load_world
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.definitions import Catalog
from engine.effects import Effect
from engine.events import Commit, Due, Event, Happened, NodeDue, Probed, RoleDue, ScriptAsked, SightingDue, Started, Tick, Wake
from engine.model import Bmc, Kind, Lease, Node, NodeRole, Row
from engine.plan import Plan

E = TypeVar("E", bound=Effect)


class WorldRig:
    def __init__(self, catalog: Catalog = USUAL, wanted: Plan | None = None, world: World | None = None) -> None:
        self.world = world if world is not None else World.new(catalog)
        self.now = 100.0
        self.effects: list[Effect] = []
        self.wakes: list[Wake] = []
        self.rest = False
        self.leases = True
        """Whoever asks for a script has leased the address. A test of that very rule sets it to False."""
        if world is None:
            self.feed(Started(installation="i5", admin="admin.example.net"))
            self.feed(Commit(who="test", plan=wanted or plan()))

    def feed(self, *events: Event) -> list[Effect]:
        work = Work(self.world)
        for event in events:
            if isinstance(event, ScriptAsked) and self.leases and work.lease_of.get(event.mac) != event.address:
                work.put_lease(Lease(address=event.address, mac=event.mac, network="admin", state="bound", expires=self.now + 3600.0))
            self.rows = step(work, Happened(1e9 + self.now, self.now, event))
        self.rest = work.rest
        self.world, self.effects, self.wakes = work.finish(), work.effects, work.wakes
        return self.effects

    def tick(self, subject: str, seconds: float = 0.0) -> list[Effect]:
        """Of a node's id, `node/role` or a MAC."""
        self.now += seconds
        node, slash, role = subject.partition("/")
        due: Due = RoleDue(node, role) if slash else SightingDue(subject) if ":" in subject else NodeDue(subject)
        return self.feed(Tick(subjects=(due,)))

    def nobody_answers(self, node: str = "n1") -> list[Effect]:
        """The node's machine is gone: its probes fail, until it counts as dead."""
        while self.world.nodes[node].probe:
            self.feed(Probed(node=node, probe=self.world.nodes[node].probe, alive=False))
        return self.effects

    def put(self, *rows: Row) -> None:
        """Records as they are, with their indexes, and nothing that follows."""
        work = Work(self.world)
        for row in rows:
            work.put(row)
        self.world = work.finish(keep_touched=False)

    def server(self, node: str = "n1", **fields: Any) -> Node:
        """A server as it is after its discovery."""
        number = int(node[1:])
        values: dict[str, Any] = {
            "name": f"{node}.r1.example.net",
            "kind": Kind.SERVER,
            "uuid": uuid(number),
            "serial": f"SN{number}",
            "macs": (mac(number),),
            "boot_mac": mac(number),
            "identity": "uuid",
            "stage": "discovery",
            "runs": "sledgehammer",
            "boot_id": "b1",
            "alive": True,
            "bmc": Bmc(address="10.0.1.1"),
            **fields,
        }
        self.put(Node(id=node, **values), replace(self.world.meta, nodes=max(self.world.meta.nodes, number)))
        return self.world.nodes[node]

    def role(self, name: str, node: str = "n1", **fields: Any) -> NodeRole:
        values: dict[str, Any] = {"deployment": "cloud", **fields}
        self.put(NodeRole(node=node, role=name, **values))
        return self.world.node_roles[(node, name)]

    def change(self, node: str = "n1", role: str = "", **fields: Any) -> None:
        record: Any = self.world.node_roles[(node, role)] if role else self.world.nodes[node]
        self.put(replace(record, **fields))

    def node(self, node: str = "n1") -> Node:
        return self.world.nodes[node]

    def at(self, role: str, node: str = "n1") -> NodeRole:
        return self.world.node_roles[(node, role)]

    def all(self, kind: type[E]) -> list[E]:
        """Effects of the last event, of one kind."""
        return [e for e in self.effects if isinstance(e, kind)]

    def one(self, kind: type[E]) -> E:
        found = self.all(kind)
        assert len(found) == 1, self.effects
        return found[0]

    def reload(self) -> World:
        return load_world(self.world.base, tables(self.world))


def tables(world: World) -> dict[str, dict[Any, Any]]:
    from engine.model import TABLES

    return {name: {(): world.meta} if name == "meta" else dict(getattr(world, name)) for name in TABLES}


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def uuid(number: int) -> str:
    return f"4c4c4544-0001-1002-8003-0000000000{number:02x}"
