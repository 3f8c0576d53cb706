"""The plan: typed records for the goal of a rack. `plan_file` reads the files; nothing here does.

The current plan is the one of the last revision. Secrets are references here, never values.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct, convert, field

from .definitions import Json

FACTS: dict[str, str] = {
    "place": "number",
    "rack": "text",
    "vendor": "text",
    "product": "text",
    "family": "text",
    "serial": "text",
    "uuid": "text",
    "mac": "text",
    "arch": "text",
    "firmware": "text",
    "memory": "number",
    "cpus": "number",
    "disks.count": "number",
    "disks.size": "number",
    "nics.count": "number",
    "nics.speed": "number",
    "kexec": "truth",
}
"""Fact that a rule can match -> kind of value. `place` is the unit in the rack, `memory` is in MiB, `disks.size` is bytes of all disks
together, `nics.speed` is Mbit/s of the fastest port, `mac` is the port that the node booted from."""

BOX = {fact: kind for fact, kind in FACTS.items() if fact not in ("place", "rack")}
"""Facts that a place may expect of the machine in it."""

SPEEDS = {"10m": 10, "100m": 100, "1g": 1000, "10g": 10_000, "25g": 25_000, "40g": 40_000, "50g": 50_000, "100g": 100_000}
SPEEDS |= {"200g": 200_000, "400g": 400_000}
"""Speed in the name of a link -> Mbit/s."""

FORMAT = 1
"""Version of the plan's format."""

ROUTER = ("address", "v6", "preference")
"""Keys of a network's router that is written as a map."""

NAME_FIELDS = ("place", "rack", "serial", "mac", "number")
"""Fields that a rule's host name template may contain in braces."""


class Admin(Struct, frozen=True, kw_only=True):
    interface: str = ""
    address: str = ""


class Site(Struct, frozen=True, kw_only=True):
    name: str
    domain: str = "local"
    admin: Admin = Admin()
    trust: Literal["confirmed", "network"] = "confirmed"
    """`network`: machines get secrets without a confirmed claim, because the site trusts all that is on its admin network."""


class Expect(Struct, frozen=True, kw_only=True):
    nodes: int = 0
    """How many servers the rack has. 0: any number."""
    within: float = 0.0
    """Seconds; 0: no limit."""


class Approve(Struct, frozen=True, kw_only=True):
    wipe: Literal["nothing", "blank", "foreign", "listed", "all"] = "nothing"
    """Which disks may lose their data: `blank` (no partition table or signature), `foreign` (not written by this installation),
    `listed` (serials in `disks`), `all`."""
    disks: tuple[str, ...] = ()


class Range(Struct, frozen=True, kw_only=True):
    first: str
    last: str

    def __len__(self) -> int:
        return int(IPv4Address(self.last)) - int(IPv4Address(self.first)) + 1

    def __contains__(self, address: object) -> bool:
        return int(IPv4Address(self.first)) <= int(IPv4Address(str(address))) <= int(IPv4Address(self.last))


BondMode = Literal["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"]
BOND_MODES: tuple[BondMode, ...] = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
"""In the order of the kernel's numbers 0 to 6 (Documentation/networking/bonding.rst)."""

LacpRate = Literal["", "slow", "fast"]


class Bond(Struct, frozen=True, kw_only=True):
    """How the links of a conduit work as one."""

    mode: BondMode = "active-backup"
    hash: str = ""
    """What chooses the link of a frame (`xmit_hash_policy`). Empty: the engine's choice for the mode."""
    miimon: int = 100
    """Milliseconds between two looks at the links."""
    lacp_rate: LacpRate = ""
    """Of mode 802.3ad: the partner sends its state each second or every 30 s (IEEE 802.1AX). Empty: slow, as the kernel has it."""


class Network(Struct, frozen=True, kw_only=True):
    name: str
    subnet: str
    ranges: dict[str, Range] = {}
    router: str = ""
    router_v6: str = ""
    preference: int = 0
    """Of the router: a node's default route is by the router with the lowest one. 0: not given."""
    vlan: int = 0
    conduit: str = ""
    """Links by speed and number. Empty: the port that the node booted from, if the network is `admin` or has a VLAN."""
    bond: Bond | None = None
    """None: one link, or several as `core.plan.links.bond_of` says."""
    bridge: str = ""
    """Name of the bridge that has the address. Empty: no bridge."""
    mtu: int = 0
    """Octets of the largest packet. 0: as the system has it."""
    v6prefix: str = ""
    """A /64, `auto`, or empty for IPv4 only."""
    strangers: Literal["ignore", "lease"] = "ignore"
    dhcp: Literal["own", "proxy"] = "own"
    """`proxy`: another server leases the addresses, and the engine only tells boot ROMs what to load."""
    deployment: str = ""
    """The deployment that owns it (`core.plan.owned`). Empty: nobody does, so all may use it."""

    @property
    def mask(self) -> str:
        return str(IPv4Network(self.subnet).netmask)


class PlaceDef(Struct, frozen=True, kw_only=True):
    unit: int
    height: int = 1
    cables: dict[str, str] = {}
    """A node's link (`1g0`, `bmc`) -> `switch:port`."""
    addresses: dict[str, str] = {}
    """Network -> the address that the node in this place gets there. `plan save` writes them."""
    outlets: tuple[str, ...] = ()
    """The PDU outlets that feed the machine here, `PDU/OUTLET`, one for each power supply."""
    expects: dict[str, Json] = {}
    """The box that belongs here: a fact of BOX (`serial`, `product`, ...) -> a value, or a map as in a rule's `match`. Empty: any."""


class RackDef(Struct, frozen=True, kw_only=True):
    """One rack of the plan."""

    name: str
    units: int = 42
    """Its height; unit 1 is the lowest."""
    places: tuple[PlaceDef, ...] = ()


class RoleSettings(Struct, frozen=True, kw_only=True):
    """What a rule sets for one role of the nodes that it matches."""

    attributes: dict[str, Json] = {}
    """Attribute -> value that only this role sees. It wins over the rules' value for the whole node."""


class Rule(Struct, frozen=True, kw_only=True):
    """For each thing that a rule sets, the first matching rule counts. Evaluated when the node is allocated."""

    match: dict[str, Json] = {}
    """Fact (`disks.count`, `memory`, `product`, `place`, ...) -> a value, or a map of `min`, `max`, `is`, `like`."""
    group: str = ""
    name: str = ""
    """Template of the node's host name, with `{place}`, `{serial}`, `{mac}`, `{number}`."""
    deployment: str = ""
    """The deployment that owns the node (`core.plan.owned`). Empty: the rule does not say."""
    attributes: dict[str, Json] = {}
    roles: dict[str, RoleSettings] = {}
    """Role -> its settings on the node. They bind no role."""


class DeploymentDef(Struct, frozen=True, kw_only=True):
    name: str
    parent: str = "system"
    attributes: dict[str, Json] = {}
    roles: dict[str, tuple[str, ...]] = {}
    """Role -> selectors, each `all`, `group:NAME`, `node:NAME` or `admin`."""


class FactoryBmc(Struct, frozen=True, kw_only=True):
    """What stands on a machine's label about its BMC."""

    mac: str = ""
    address: str = ""
    """The address that it has here, if the site gave it one. It counts like one that an operator entered."""
    user: str = ""
    password: str = ""
    """Name of the plan's secret with the factory's password. Empty: the site's account opens this BMC too."""


class ExpectedMachine(Struct, frozen=True, kw_only=True):
    serial: str
    bmc: FactoryBmc = FactoryBmc()
    outlets: tuple[str, ...] = ()
    """PDU outlets that its supplies are plugged into, `PDU/OUTLET`. The place with these outlets is the machine's."""


class BarclampPin(Struct, frozen=True, kw_only=True):
    version: str
    sha256: str = ""
    """Of its files, in hexadecimal. Empty: only the version was written down."""


class Versions(Struct, frozen=True, kw_only=True):
    """What the plan was saved with. It only tells what differs on another admin node."""

    plan: int = FORMAT
    """Version of the plan's format."""
    barclamps: dict[str, BarclampPin] = {}
    images: dict[str, str] = {}
    """Image -> SHA-256 of its manifest, in hexadecimal."""


class Plan(Struct, frozen=True, kw_only=True):
    site: Site
    expect: Expect = Expect()
    approve: Approve = Approve()
    networks: dict[str, Network] = {}
    racks: tuple[RackDef, ...] = ()
    machines: tuple[ExpectedMachine, ...] = ()
    """Machines that the site expects. Which BMC belongs to which machine follows from it without asking the machine."""
    rules: tuple[Rule, ...] = ()
    deployments: dict[str, DeploymentDef] = {}
    attributes: dict[str, Json] = {}
    """Attributes of deployment `system`."""
    limits: dict[str, int] = field(default_factory=lambda: {"jobs": 64})
    """Resource -> size."""
    secrets: dict[str, dict[str, str]] = {}
    """Name -> {env: VARIABLE} or {file: PATH}."""
    allocate: Literal["auto", "ask"] = "auto"
    """`auto`: the plan allocates a discovered node that the rules match."""
    patience: float = 1.0
    """Factor on the engine's own deadlines and pauses (`patience`): above 1 for slow firmware, below 1 for rehearsals."""
    versions: Versions | None = None
    """None: nobody wrote down the versions."""


def from_stored(body: Json) -> Plan:
    """The plan of a revision. Versions that did not know `mtu` stored the conduit `1g0` for a network without one."""
    networks = body.get("networks") if isinstance(body, dict) else None
    if isinstance(networks, dict) and any("mtu" not in one for one in networks.values()):
        body = body | {"networks": {name: _with_conduit(one) for name, one in networks.items()}}
    return convert(body, Plan)


def _with_conduit(network: dict[str, Json]) -> dict[str, Json]:
    return network | {"conduit": ""} if "mtu" not in network and network.get("conduit") == "1g0" else network
