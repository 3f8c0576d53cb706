"""The vocabulary of what is: records of the world, frozen, typed, with nothing that decides.

Records are msgspec structs: their constructor, `replace` and JSON run in C, which is where most of the time of a step
went in a spike with dataclasses (122 us a finished role), and the store gets its columns from the same declarations.
`gc=False` is safe: no record can reach itself.

Rules
* What is stored is what cannot be derived. Shown states, wanted stages, todo and blocked are functions (`life`,
  `annealer`).
* `at` is wall time in seconds since 1970, for people. `now`, `since`, `deadline`, `expires`, `retry_at` are engine time: seconds
  that the engine has run, ever.
* Each stored record has a `key`: the primary key of its row.
"""

from __future__ import annotations

import enum
from typing import Literal

from msgspec import Struct

from .definitions import Json
from .reasons import Reason

NodeId = str
RoleName = str
Mac = str
"""Six octets, lower case, with colons."""
Key = tuple[NodeId, RoleName]
"""Of a node role: a role is bound to a node at most once."""


class Kind(enum.Enum):
    """What a node is. A server has all stages, the others the system stage only."""

    SERVER = "server"
    ADMIN = "admin"
    DEVICE = "device"
    JOINED = "joined"


class State(enum.Enum):
    """Stored state of a node role. `todo` and `blocked` are WAITING seen through `annealer.blockers`."""

    PROPOSED = "proposed"
    WAITING = "waiting"
    TRANSITION = "transition"
    ACTIVE = "active"
    ERROR = "error"
    SKIPPED = "skipped"


class Way(enum.Enum):
    """How a boot gets to its environment; each has its own list of expected signals (`boot.SIGNALS`). `own`: what runs now ends by
    itself and the machine goes on to its disk, as an installer does; nothing is ordered."""

    NETWORK = "network"
    DISK = "disk"
    KEXEC = "kexec"
    OWN = "own"
    INSTALLER = "installer"


class Signal(enum.Enum):
    """What was last seen of a boot, in the order in which they come."""

    OPENED = "opened"
    POWERED = "powered"
    DHCP = "dhcp"
    LOADER = "loader"
    SCRIPT = "script"
    KERNEL = "kernel"
    ANSWERS = "answers"
    HELLO = "hello"
    WORKING = "working"


class Loader(Struct, frozen=True, kw_only=True, gc=False):
    """What a machine's firmware was given to load (`core.loaders`)."""

    firmware: str
    """`bios` or `efi`."""
    way: str
    """`pxe-bios`, `pxe-uefi`, `http-uefi`, or `proxy` beside another DHCP server."""
    file: str = ""
    """Empty: the ROM is iPXE itself and needs none."""
    arch: int = 0
    """As the firmware names it (RFC 4578 section 2.1)."""


class Boot(Struct, frozen=True, kw_only=True, gc=False):
    """An open boot, of a node or of a sighting. It ends with a hello in an environment that will do."""

    generation: int
    way: Way
    environment: str
    ordered: bool
    """Opened by a power order of the engine, not by a machine that asked."""
    signal: Signal = Signal.OPENED
    at: float
    """Wall time of the last signal."""
    deadline: float
    """Engine time by which the next expected signal must come."""
    tries: int = 1
    nonce: str = ""
    """SHA-256 (hex) of the nonce in the script that was served last; the nonce itself is stored nowhere."""
    claimed: str = ""
    """boot_id of the hello that claimed it."""
    failure: Reason | None = None
    """What stands in its way as far as is known: a failed power order, a refused hello, another DHCP server."""
    loader: Loader | None = None
    """What its firmware was last told to load."""


class Intent(Struct, frozen=True, kw_only=True, gc=False):
    """What the node shall run next. A fresh intent is met only by a hello with a new boot_id."""

    environment: str
    generation: int = 0
    fresh: bool = False


class Bmc(Struct, frozen=True, kw_only=True, gc=False):
    address: str
    mac: str = ""
    protocol: Literal["", "ipmi", "redfish"] = ""
    """What it was last talked to by; empty: not known (any more)."""


class Place(Struct, frozen=True, kw_only=True, gc=False):
    rack: str
    unit: int


class PowerOff(Struct, frozen=True, kw_only=True, gc=False):
    """An operator switched the node off: it is parked, and nothing is done about its silence (`power_verbs`)."""

    who: str
    soft: bool = False
    done: bool = False
    """Read back; until then the order is open."""


class Node(Struct, frozen=True, kw_only=True, gc=False):
    id: NodeId
    name: str
    kind: Kind = Kind.SERVER
    uuid: str = ""
    serial: str = ""
    macs: tuple[Mac, ...] = ()
    boot_mac: Mac = ""
    identity: Literal["uuid", "serial", "macs", "given"] = "given"
    family: str = ""
    """Vendor and product; durations are measured per family."""
    arch: str = ""
    firmware: str = ""
    """`bios` or `efi`."""
    place: Place | None = None
    group: str = ""
    stage: str = ""
    """The stage last entered."""
    runs: str = ""
    """Environment it is known to run; empty: off, booting or unknown."""
    boot_id: str = ""
    address: str = ""
    """IPv4 address it was last reached at."""
    host_key: str = ""
    """SSH host key of the installed system, pinned from the install's authenticated report: `ssh-ed25519 AAAA...`."""
    kexec: bool = False
    bmc: Bmc | None = None
    intent: Intent = Intent(environment="sledgehammer")
    boot: Boot | None = None
    boots: int = 0
    """Boots through firmware since discovery."""
    misboots: int = 0
    loader: Loader | None = None
    """The one that answered last: it asked for a script."""
    loaders_failed: tuple[str, ...] = ()
    """Files of those that were offered and came to nothing."""
    alive: bool = False
    available: bool = True
    allocated: bool = False
    hold: bool = False
    off: PowerOff | None = None
    problem: Reason | None = None
    notice: Reason | None = None
    """The last refused call that concerns this node; shown, never decided upon."""
    probe: int = 0
    """Number of the unanswered probe; 0: none."""
    probes: int = 0
    missed: int = 0
    backward: bool = False
    """The operator approved a move to an earlier stage."""
    claim: str = ""
    """SHA-256 of the nonce of the last hello: the same boot_id may repeat it, nobody else."""
    signal: Signal = Signal.OPENED
    """Last signal of the last boot."""
    signal_at: float = 0.0
    """Wall time of that signal."""
    since: float = 0.0
    """Wall time at which its stage, environment or liveness last changed."""


class NodeRole(Struct, frozen=True, kw_only=True, gc=False):
    node: NodeId
    role: RoleName
    deployment: str
    state: State = State.PROPOSED
    parents: tuple[Key, ...] = ()
    rank: float = 0.0
    """Longest remaining path in seconds, of the revision that bound it."""
    revision: int = 0
    attempt: str = ""
    """Id of the last attempt, without leg; empty before the first."""
    leg: int = 0
    action: Literal["run", "verify"] = "run"
    tries: int = 0
    """Attempts that ended in failure since the last success or retry."""
    begun: float = 0.0
    """Engine time at which the attempt's first leg started; the role's time-out spans the legs."""
    retry_at: float | None = None
    """Blocked until the tick of this engine time."""
    deadline: float | None = None
    """Engine time at which the engine asks after the attempt."""
    failure: Reason | None = None
    resume: bool = False
    """The attempt is suspended: it goes on, before all else, when the node is back."""
    resumed: bool = False
    """It was suspended once, so the node may know nothing of it any more: ordered again, it asks and never starts."""
    recheck: bool = False
    """The node died since: `verify` decides before it counts as done."""
    try_hash: str = ""
    ran_hash: str = ""
    """Hash of the inputs that the last success was started with."""
    gave: dict[str, Json] = {}
    approved: str = ""
    """Who approved its next success, for a destructive role; empty: nobody."""
    succeeded: bool = False
    claimed: bool = False
    """A run said that it is done; the second look that `reverify` asks for is due."""
    started: float = 0.0
    ended: float = 0.0
    """Wall times of the last attempt."""
    since: float = 0.0

    @property
    def key(self) -> Key:
        return (self.node, self.role)


class Sighting(Struct, frozen=True, kw_only=True, gc=False):
    """Something seen on the wire, by its MAC, that is not (or not yet) a node."""

    mac: Mac
    kind: str
    """Class of the client: `boot-rom`, `ipxe`, `sledgehammer`, `installed`, `bmc`, `switch`, `stranger`."""
    uuid: str = ""
    arch: int | None = None
    vendor: str = ""
    address: str = ""
    first: float = 0.0
    last: float = 0.0
    boot: Boot | None = None
    node: NodeId = ""
    """The node it became."""
    reason: Reason | None = None
    banned: bool = False
    port: str = ""
    """`SWITCH:PORT` as a relay told it (option 82), as it is spelt there; empty: no relay did."""
    loaders_failed: tuple[str, ...] = ()


class Lease(Struct, frozen=True, kw_only=True, gc=False):
    """A DHCP lease, durable before the answer that promises it leaves (RFC 2131 section 3.1)."""

    address: str
    mac: Mac
    network: str
    state: Literal["offered", "bound", "declined", "foreign"]
    """`foreign`: another server leased it, seen from beside (proxy DHCP)."""
    expires: float


class Allocation(Struct, frozen=True, kw_only=True, gc=False):
    """A fixed address of a node on a network."""

    address: str
    network: str
    range: str
    node: NodeId


class Value(Struct, frozen=True, kw_only=True, gc=False):
    """One attribute value in one layer (`attributes.LAYERS`). Scope: node id, deployment, or `node/role`."""

    layer: str
    scope: str
    name: str
    value: Json
    who: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.layer, self.scope, self.name)


class Deployment(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    parent: str = ""


class Revision(Struct, frozen=True, kw_only=True, gc=False):
    """A committed plan: who, when and what. The last one is in force."""

    number: int
    who: str
    at: float
    plan: Json
    """`plan.Plan` as JSON; secrets are references."""


class Meta(Struct, frozen=True, kw_only=True, gc=False):
    """The one row about the installation itself."""

    installation: str = ""
    """Random id, so that attempts of a store that was made anew are never taken for older ones."""
    now: float = 0.0
    """Engine time of the last committed event."""
    attempts: int = 0
    nodes: int = 0
    starts: int = 0
    shared: tuple[str, ...] = ()
    """UUIDs, serials and MACs of which an operator said that they identify nothing (`node split`)."""


Row = Node | NodeRole | Sighting | Lease | Allocation | Value | Deployment | Revision | Meta


TABLES: dict[str, type[Row]] = {
    "meta": Meta,
    "nodes": Node,
    "node_roles": NodeRole,
    "sightings": Sighting,
    "leases": Lease,
    "allocations": Allocation,
    "attributes": Value,
    "deployments": Deployment,
    "revisions": Revision,
}
"""Table -> record. The columns of a table are the fields of its record."""

KEYS: dict[str, tuple[str, ...]] = {
    "meta": (),
    "nodes": ("id",),
    "node_roles": ("node", "role"),
    "sightings": ("mac",),
    "leases": ("address",),
    "allocations": ("address",),
    "attributes": ("layer", "scope", "name"),
    "deployments": ("name",),
    "revisions": ("number",),
}
"""Table -> the fields that are its primary key, in the order in which the world's maps are keyed; `meta` has one row.
A map with one key field is keyed by the bare value, one with more by the tuple."""
