"""The plan: typed records for the goal of a rack. `plan_file` reads the files; nothing here does.

The current plan is the one of the last revision. Secrets are references here, never values.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from msgspec import Struct, field

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

FORMAT = 1
"""Version of the plan's format."""

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


class Network(Struct, frozen=True, kw_only=True):
    name: str
    subnet: str
    ranges: dict[str, Range] = {}
    router: str = ""
    vlan: int = 0
    conduit: str = "1g0"
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
