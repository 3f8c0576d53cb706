"""Small catalogues and plans for tests of the pure core: the shape of the shipped ones, without files."""

from __future__ import annotations

from typing import Any, Literal

from engine.definitions import AttributeDef, Catalog, On, Requirement, RoleDef, Stage, Want
from engine.plan import Admin, Approve, DeploymentDef, Network, Plan, Range, Rule, Site

STAGES = (
    Stage(name="discovery", doing="discovering", done="discovered", runs="sledgehammer"),
    Stage(name="hardware", doing="hardware-installing", done="hardware-installed", runs="sledgehammer", gate=True),
    Stage(name="install", doing="installing", done="installed", runs="sledgehammer"),
    Stage(name="system", doing="readying", done="ready", runs="installed", power_cycle=False),
)


def same(name: str) -> Requirement:
    return Requirement(role=name, on=On.SAME)


def role(name: str, stage: str = "hardware", jig: str = "", **more: Any) -> RoleDef:
    if not jig:
        jig = "script" if stage == "system" else "agent"
    more["wants"] = tuple(Want(name=w) for w in more.get("wants", ()))
    more["flags"] = frozenset(more.get("flags", ()))
    return RoleDef(name=name, barclamp="test", stage=stage, jig=jig, **more)


def catalog(*roles: RoleDef, defaults: dict[str, Any] | None = None) -> Catalog:
    """Attributes follow from who gives and wants them."""
    attributes: dict[str, AttributeDef] = {}
    defaults = {"target-os": "debian-12", **(defaults or {})}
    owners = {g: r.name for r in roles for g in r.gives}
    names = {*owners, *(w.name for r in roles for w in r.wants), *defaults}
    for name in sorted(names):
        attributes[name] = AttributeDef(name=name, path=name, default=defaults.get(name), role=owners.get(name, ""))
    return Catalog(roles={r.name: r for r in roles}, attributes=attributes, stages=STAGES)


INVENTORY = role(
    "inventory",
    "discovery",
    flags=["discovery"],
    attempts=2,
    delay_s=5.0,
    gives=("product", "vendor", "memory-mb", "cpus", "disks", "nics", "firmware", "kexec"),
)
BIOS = role("bios-configure", "hardware", wants=["bios-wanted"], gives=("bios-settings",), verify=True, reverify=True, attempts=3)
RAID = role(
    "raid-configure",
    "hardware",
    flags=["destructive"],
    requires=(same("bios-configure"),),
    wants=["raid-wanted", "disks"],
    gives=("volumes",),
    verify=True,
)
INSTALL = role(
    "os-install",
    "install",
    flags=["destructive"],
    requires=(same("raid-configure"),),
    wants=["target-os", "hostname", "domain", "admin-network", "image", "credential"],
    gives=("installed", "ssh-host-key"),
    verify=True,
    timeout_s=3600.0,
)
NETWORK = role(
    "network",
    "system",
    flags=["abstract"],
    requires=(same("os-install"),),
    precedes=("ready",),
    wants=["network"],
    gives=("addresses",),
    verify=True,
    attempts=3,
    delay_s=5.0,
)
NTP_SERVER = role(
    "ntp-server",
    "system",
    "local",
    flags=["bootstrap"],
    wants=["ntp-upstream"],
    gives=("ntp-servers",),
    holds=("admin",),
    attempts=3,
    delay_s=5.0,
)
NTP_CLIENT = role(
    "ntp-client",
    "system",
    requires=(Requirement(role="ntp-server", on=On.ADMIN), same("network-admin")),
    precedes=("ready",),
    wants=["ntp-servers"],
    verify=True,
    attempts=3,
    delay_s=5.0,
)
READY = role("ready", "system", "noop", flags=["milestone"], requires=(same("os-install"),), validates=True)

USUAL = catalog(
    INVENTORY,
    role("lldp", "discovery", flags=["discovery"], gives=("neighbours",), attempts=2, delay_s=5.0),
    role("bmc-discover", "discovery", flags=["discovery"], gives=("bmc",), attempts=2, delay_s=5.0),
    BIOS,
    RAID,
    INSTALL,
    NETWORK,
    NTP_SERVER,
    NTP_CLIENT,
    READY,
    defaults={"bios-wanted": {"boot": "uefi"}, "raid-wanted": {"level": "raid1"}, "ntp-upstream": []},
)

ADMIN = Network(
    name="admin",
    subnet="10.0.0.0/24",
    ranges={"dhcp": Range(first="10.0.0.21", last="10.0.0.80"), "host": Range(first="10.0.0.101", last="10.0.0.250")},
)
BMCS = Network(name="bmc", subnet="10.0.1.0/24", conduit="bmc")


def plan(roles: dict[str, tuple[str, ...]] | None = None, trust: Literal["confirmed", "network"] = "network", **more: Any) -> Plan:
    roles = roles if roles is not None else {"ready": ("all",), "ntp-client": ("all",)}
    values: dict[str, Any] = {
        "site": Site(name="r1", domain="r1.example.net", admin=Admin(interface="eth1", address="10.0.0.1"), trust=trust),
        "approve": Approve(wipe="blank"),
        "networks": {"admin": ADMIN, "bmc": BMCS},
        "rules": (Rule(name="node-{number}"),),
        "deployments": {"cloud": DeploymentDef(name="cloud", roles=roles)},
        **more,
    }
    return Plan(**values)
