"""A rack of any size whose plan places fifty roles on each node, for `bench_commit`.

The roles are a chain with fan-in: each requires one or two of those before it, and each eighth one more. Ten of them belong to the hardware
stage, the others to the system. Every fourth role reads what the role before it gave, and all read attributes with a default. Five roles of
each node are placed by its group, one requires a server on the admin node.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "tests" / "core")) if path not in sys.path]

from catalogs import NTP_SERVER, catalog, plan, role, same
from msgspec.structs import replace

from engine.core.plan.bind import allocate, bind_discovery
from engine.core.step import step
from engine.core.world.work import Change, Work
from engine.core.world.world import World
from engine.definitions import Catalog, On, Requirement, RoleDef
from engine.events import Commit, Happened, Started
from engine.model import Kind, Node
from engine.plan import DeploymentDef, Network, Plan, Range, Rule

ROLES = 50
HARDWARE = 10
GROUPED = 5
"""The last roles: one set for each group."""
GROUPS = ("compute", "storage")
ONE = "c07"
"""An attribute that one role reads."""
INTERFACE = "192.168.124.10"


def _roles() -> list[RoleDef]:
    out = []
    for i in range(ROLES):
        needs = {i // 2, max(i - 3, 0), *([i - 1] if i % 8 == 0 else [])}
        wants = [f"a{i % 4}", "hostname", *([f"g{i - 1:02}"] if i % 4 == 1 else []), f"c{i:02}"]
        requires = [same(f"r{j:02}") for j in sorted(needs) if 0 <= j < min(i, ROLES - GROUPED)]
        if i == HARDWARE:
            requires.append(Requirement(role="ntp-server", on=On.ADMIN))
        names = [f"r{i:02}"] if i < ROLES - GROUPED else [f"r{i:02}-{group}" for group in GROUPS]
        stage = "hardware" if i < HARDWARE else "system"
        for name in names:
            given = (name.replace("r", "g", 1),)
            out.append(role(name, stage, requires=tuple(requires), wants=wants, gives=given, seconds=float(10 + i)))
    return out


def fifty() -> Catalog:
    defaults = {f"a{i}": i for i in range(4)} | {f"c{i:02}": i for i in range(ROLES)}
    return catalog(NTP_SERVER, *_roles(), defaults=defaults | {"ntp-upstream": []})


def wanted(roles: bool = True, first: int = 500, **attributes: int) -> Plan:
    """The plan. `first`: how many nodes, by number, are in the first group. `roles` False: it places nothing."""
    network = Network(
        name="admin",
        subnet="192.168.0.0/16",
        ranges={"host": Range(first="192.168.1.1", last="192.168.40.250"), "dhcp": Range(first="192.168.128.1", last="192.168.191.254")},
        strangers="lease",
    )
    placed: dict[str, tuple[str, ...]] = {f"r{i:02}": ("all",) for i in range(ROLES - GROUPED)}
    for group in GROUPS:
        placed |= {f"r{i:02}-{group}": (f"group:{group}",) for i in range(ROLES - GROUPED, ROLES)}
    rules = (Rule(match={"serial": {"max": first}}, group=GROUPS[0]), Rule(group=GROUPS[1]), Rule(name="node-{number}"))
    rules = (Rule(match={"place": {"max": first}}, group=GROUPS[0]), *rules[1:])
    base = plan(networks={"admin": network}, rules=rules)
    cloud = DeploymentDef(name="cloud", roles=placed if roles else {}, attributes=dict(attributes))
    site = replace(base.site, admin=replace(base.site.admin, interface="", address=INTERFACE))
    return replace(base, site=site, deployments={"cloud": cloud})


def rack(nodes: int, catalogue: Catalog | None = None) -> tuple[World, list[tuple[Happened, list[Change]]]]:
    """Allocated nodes in the hardware stage, of a plan that places nothing; and the batch that records it in a store."""
    work = Work(World.new(catalogue or fifty()))
    batch = []
    for event in (Started(installation="bench", admin="admin"), Commit(who="bench", plan=wanted(roles=False))):
        happened = Happened(0.0, 0.0, event)
        batch.append((happened, step(work, happened)))
    for i in range(nodes):
        node = _node(i)
        work.put_node(node)
        assert bind_discovery(work, node) is None
        assert allocate(work, node, "bench") is None
    last = Happened(0.0, 0.0, Commit(who="bench", plan=wanted(roles=False)))
    batch.append((last, step(work, last)))
    return work.finish(), batch


def _node(i: int) -> Node:
    from engine.model import Place

    return Node(
        id=f"n{i:05}",
        name=f"n{i:05}.r1.example.net",
        kind=Kind.SERVER,
        serial=f"S{i}",
        macs=(mac(i),),
        boot_mac=mac(i),
        place=Place(rack=f"k{i // 40}", unit=i),
        stage="hardware",
        runs="sledgehammer",
        boot_id="b",
        alive=True,
    )


def mac(i: int) -> str:
    return f"52:54:00:00:{i >> 8:02x}:{i & 255:02x}"
