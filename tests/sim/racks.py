"""The rack of a seed: what its machines are to become, and how many they are."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from random import Random

from msgspec import Struct
from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))

from catalogs import plan as usual_plan
from generated import random_case
from naive import naive

from engine.definitions import AttributeDef, Catalog
from engine.files.catalog import shipped
from engine.plan import Approve, DeploymentDef, Network, Plan, Range

__all__ = ["Case", "case", "naive"]


class Case(Struct, frozen=True):
    catalog: Catalog
    plan: Plan
    machines: int
    behaviour: dict[str, str]
    """Role -> how its task goes: `again`, `again reboot`, `bios` (a reboot where something changed)."""


LOOKS_S = 900.0
"""Least seconds between two looks at a watched role. The clock jumps to what happens next, and an hour of looks would be most of a run."""


@functools.cache
def read() -> Catalog:
    """The shipped catalogue."""
    found = shipped()
    looked_at = {name: replace(role, watch_s=LOOKS_S) for name, role in found.roles.items() if 0 < role.watch_s < LOOKS_S}
    return replace(found, roles=found.roles | looked_at)


def case(seed: int, random: Random) -> Case:
    """Half of the racks become what the shipped catalogue says, half something random."""
    if random.random() < 0.5:
        roles = {"ready": ("all",), "ntp-client": ("all",)}
        if random.random() < 0.3:
            roles["etcd-ready"] = ("all",)
        catalog, plan, machines = read(), usual_plan(roles), random.choice([1, 1, 2, 3])
        behaviour = {"bios-configure": "bios"}
    else:
        catalog, plan, machines, _ = random_case(seed, most_nodes=3)
        catalog = with_watches(catalog)
        behaviour = {name: random.choice(["", "", "", "again", "again reboot", "bios"]) for name in catalog.roles}
        behaviour["inventory"] = ""
        if random.random() < 0.6:  # else they can be booted by their agent alone, or by a person
            catalog = with_bmcs(catalog)
    wipe = random.choice(["blank", "blank", "all", "nothing"])
    allocate = "ask" if random.random() < 0.15 else "auto"
    site = replace(plan.site, trust=Random(f"{seed}/trust").choice(["confirmed", "network"]))
    plan = with_owners(plan, Random(f"{seed}/owners"))
    if catalog is read():
        plan = with_networks(plan, Random(f"{seed}/networks"))
    return Case(catalog, replace(plan, site=site, approve=Approve(wipe=wipe), allocate=allocate), machines, behaviour)


def with_watches(catalog: Catalog) -> Catalog:
    """The engine looks at every second role that can be looked at."""
    fit = [name for name, role in sorted(catalog.roles.items()) if role.verify and role.jig == "script"][::2]
    return replace(catalog, roles=catalog.roles | {name: replace(catalog.roles[name], watch_s=LOOKS_S) for name in fit})


def with_networks(plan: Plan, random: Random) -> Plan:
    """Sometimes the plan says what carries its networks, and has one more, which all nodes have. Every machine has the ports (`Machine`)."""
    admin = plan.networks["admin"]
    conduit, v6prefix = random.choice(["", "1g0"]), random.choice(["", "auto", "fd00:1:2:3::/64"])
    networks = {**plan.networks, "admin": replace(admin, conduit=conduit, v6prefix=v6prefix)}
    if random.random() < 0.5 or "cloud" not in plan.deployments:
        return replace(plan, networks=networks)
    hosts = {"host": Range(first="10.0.7.10", last="10.0.7.200")}
    conduit = random.choice(["", "+10g0,+10g1", "?10g1", "+10g0"])
    networks["storage"] = Network(name="storage", subnet="10.0.7.0/24", ranges=hosts, conduit=conduit, vlan=random.choice([0, 7]))
    cloud = plan.deployments["cloud"]
    cloud = replace(cloud, roles={**cloud.roles, "network-storage": ("all",)})
    return replace(plan, networks=networks, deployments={**plan.deployments, "cloud": cloud})


def with_owners(plan: Plan, random: Random) -> Plan:
    """Sometimes the nodes belong to the only deployment, or to one below it: both serve it."""
    if len(plan.deployments) != 1 or random.random() < 0.5:
        return plan
    (top,) = plan.deployments
    leaf = DeploymentDef(name="leaf", parent=top)
    rules = tuple(replace(rule, deployment=random.choice(["", top, "leaf", "system"])) for rule in plan.rules)
    return replace(plan, deployments={**plan.deployments, "leaf": leaf}, rules=rules)


def with_bmcs(catalog: Catalog) -> Catalog:
    inventory = catalog.roles["inventory"]
    roles = {**catalog.roles, "inventory": replace(inventory, gives=(*inventory.gives, "bmc"))}
    attributes = {**catalog.attributes, "bmc": AttributeDef(name="bmc", path="bmc", role="inventory")}
    return replace(catalog, roles=roles, attributes=attributes)
