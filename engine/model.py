"""The vocabulary of the world: frozen, typed records that decide nothing.

Records are msgspec structs, because in a trial with dataclasses their constructors, `replace` and JSON took most of the time of a step. The
store gets its columns from the same declarations. `gc=False` is safe because no record can reach itself.

* The store holds only what cannot be derived. Shown states, wanted stages, todo and blocked are functions (`life`, `annealer`).
* `at` is wall time in seconds since 1970, for people. `now`, `since`, `deadline`, `expires`, `retry_at` are engine time (seconds run).
* Each stored record has a `key`: the primary key of its row.
"""

from __future__ import annotations

import enum
from typing import Literal

from msgspec import Struct, field

from .definitions import Json
from .here import Here
from .lights import Light
from .reasons import Reason
from .vitals import Ailing

NodeId = str
RoleName = str
Mac = str
"""Six bytes in lower-case hex, with colons."""
SSH_PORT = 22
Key = tuple[NodeId, RoleName]
"""(node, role): a node has a role at most once."""


class Kind(enum.Enum):
    """The kind of a node. A server passes all stages, the others only the system stage."""

    SERVER = "server"
    ADMIN = "admin"
    DEVICE = "device"
    JOINED = "joined"


class State(enum.Enum):
    """Stored state of a node role. `todo` and `blocked` are WAITING, distinguished by `annealer.blockers`."""

    PROPOSED = "proposed"
    WAITING = "waiting"
    TRANSITION = "transition"
    ACTIVE = "active"
    ERROR = "error"
    SKIPPED = "skipped"


PROPOSED, WAITING, TRANSITION, ACTIVE, ERROR, SKIPPED = State
"""For what every step asks dozens of times: Python 3.11 finds a member of an enum in 90 ns, and a global in 10."""


class Way(enum.Enum):
    """How a boot reaches its environment (`signals.SIGNALS`). `own`: it ends by itself and goes on to its disk, as an installer does."""

    NETWORK = "network"
    DISK = "disk"
    KEXEC = "kexec"
    OWN = "own"
    INSTALLER = "installer"


class Signal(enum.Enum):
    """The last signal of a boot, in the order in which signals come."""

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
    """The loader that the engine offered to a machine's firmware (`core.boot.loaders`)."""

    firmware: str
    """`bios` or `efi`."""
    way: str
    """`pxe-bios`, `pxe-uefi`, `http-uefi`, or `proxy` beside another DHCP server."""
    file: str = ""
    """Empty: the ROM is iPXE itself and needs no loader."""
    arch: int = 0
    """The architecture number of the firmware (RFC 4578 section 2.1)."""


class Boot(Struct, frozen=True, kw_only=True, gc=False):
    """An open boot of a node or a sighting. It ends with a hello from a suitable environment."""

    generation: int
    way: Way
    environment: str
    ordered: bool
    """True if a power order of the engine opened it; false if the machine asked by itself."""
    signal: Signal = Signal.OPENED
    at: float
    """Wall time of the last signal."""
    deadline: float
    """Engine time by which the next expected signal must come."""
    tries: int = 1
    since: float = 0.0
    """Engine time at which it was opened. 0: by an older version, which did not record it."""
    nonce: str = ""
    """The public half of the nonce in this boot's script (`trust.tokens`): one for each boot."""
    claimed: str = ""
    """boot_id of the hello that claimed this boot."""
    failure: Reason | None = None
    """The known obstacle: a failed power order, a refused hello, another DHCP server."""
    loader: Loader | None = None
    """The loader that the engine offered last."""


class Rumour(Struct, frozen=True, kw_only=True, gc=False):
    """A boot of a node that somebody on the network speaks of, and that nothing proves (`core.boot.rumour`)."""

    mac: Mac
    address: str = ""
    """Where it was spoken from."""
    port: str = ""
    """`SWITCH:PORT` from a relay (option 82). Empty: no relay reported it."""
    environment: str
    """What the machine boots, if it does."""
    signal: Signal
    at: float
    """Wall time of the last word of it."""
    deadline: float
    """Engine time by which the machine's hello must come."""
    passes: int = 1
    """How often the deadline began."""
    nonce: str = ""
    """The public half of the nonce in its script."""


class Intent(Struct, frozen=True, kw_only=True, gc=False):
    """The environment that the node must run next. Only a hello with a new boot_id meets a fresh intent."""

    environment: str
    generation: int = 0
    fresh: bool = False


class Bmc(Struct, frozen=True, kw_only=True, gc=False):
    address: str
    mac: str = ""
    protocol: Literal["", "ipmi", "redfish"] = ""
    """The protocol that worked last. Empty: unknown."""
    clock_off_s: int = 0
    """Seconds by which the BMC's clock is ahead of the engine's; negative: behind. 0: within a minute, or not read."""
    entered: bool = False
    """True if an operator or the plan entered this address. False: the machine reported it."""
    proven: bool = False
    """True if a challenge went from the machine through this BMC to the engine: the BMC is the machine's."""


class Proof(Struct, frozen=True, kw_only=True, gc=False):
    """The last challenge by which a claim proves itself through the node's BMC (`core.roles.confirm`)."""

    number: int
    boot_id: str
    """The boot that the challenge was made for. It is worthless in any other."""
    deadline: float
    """Engine time by which the answer must come; after a failure, at which the engine asks again."""
    tries: int = 1
    failure: Reason | None = None
    """Why the last challenge confirmed nothing. None: it is open."""


class Place(Struct, frozen=True, kw_only=True, gc=False):
    rack: str
    unit: int


class PowerOff(Struct, frozen=True, kw_only=True, gc=False):
    """An operator powered the node off: it is parked, and the engine ignores its silence (`power_verbs`)."""

    who: str
    soft: bool = False
    done: bool = False
    """True once the power was read back as off. Until then the order is open."""


class Acknowledged(Struct, frozen=True, kw_only=True, gc=False):
    """A person has seen a problem of a node (`core.operator.problems`). `problem` is its mark, `at` the wall time."""

    problem: str
    who: str
    at: float
    note: str


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
    """The product, as its inventory calls it. Durations are measured per family."""
    arch: str = ""
    firmware: str = ""
    """`bios` or `efi`."""
    place: Place | None = None
    group: str = ""
    deployment: str = "system"
    """The deployment that owns it (`core.plan.owned`)."""
    stage: str = ""
    """The stage that the node entered last."""
    runs: str = ""
    """The environment that it is known to run. Empty: off, booting or unknown."""
    boot_id: str = ""
    address: str = ""
    """The last IPv4 address at which the node was reached."""
    ssh_port: int = SSH_PORT
    """Where the SSH server of a joined machine listens."""
    host_key: str = ""
    """SSH host key of the installed system, from the authenticated report of its install: `ssh-ed25519 AAAA...`."""
    installing: str = ""
    """The last attempt to install a system: its task held the credential of that installation."""
    installation: str = ""
    """The attempt that installed the present system. No other credential counts. Empty: none, or an earlier version installed it."""
    kexec: bool = False
    bmc: Bmc | None = None
    intent: Intent = Intent(environment="sledgehammer")
    boot: Boot | None = None
    boots: int = 0
    """Boots through the firmware since discovery."""
    misboots: int = 0
    loader: Loader | None = None
    """The last loader that worked: it asked for a script."""
    loaders_failed: tuple[str, ...] = ()
    """File names of the offered loaders that failed."""
    alive: bool = False
    available: bool = True
    allocated: bool = False
    pinned: bool = False
    """True if an operator chose its name, group and owner (`replace`), so that the plan's rules do not."""
    hold: bool = False
    off: PowerOff | None = None
    light: Light | None = None
    problem: Reason | None = None
    notice: Reason | None = None
    """The last refused call that concerns this node. Shown, never used for a decision."""
    acknowledged: tuple[Acknowledged, ...] = ()
    ailments: tuple[Ailing, ...] = ()
    """What its BMC reports as wrong. Shown, never used for a decision."""
    here: Here | None = None
    """Of the admin node: what it is and where it is plugged in (`core.hardware.own_port`). None: it was not looked at, or another node."""
    rumour: Rumour | None = None
    """What the network says of a boot that no open boot expects. It changes nothing."""
    probe: int = 0
    """Number of the unanswered probe. 0: none."""
    probes: int = 0
    missed: int = 0
    backward: bool = False
    """True if the operator approved a move to an earlier stage."""
    claim: str = ""
    """Public half of the nonce of the last hello. The same boot_id may repeat that hello, no other."""
    confirmed: Literal["", "bmc", "operator"] = ""
    """What confirmed that the present environment in memory runs on this node's machine. Empty: nothing has."""
    fingerprint: str = ""
    """What the machine's own screen shows, if the present environment in memory runs there (`Keys.fingerprint`)."""
    proof: Proof | None = None
    proofs: int = 0
    """Challenges so far. The number of the next one is new for ever."""
    signal: Signal = Signal.OPENED
    """Last signal of the last boot. `signal_at`: its wall time."""
    signal_at: float = 0.0
    since: float = 0.0
    """Wall time of the last change of stage, environment or liveness."""
    clock_off: int | None = None
    """Seconds by which its clock was ahead of the engine's at the last hello, before the agent set it. None: not reported."""
    last_sign: float = field(default=0.0, name="heard")
    """Engine time of the last sign of life of a machine that is not alive; 0: none. A live one has `alive`. Stored as `heard`."""


class NodeRole(Struct, frozen=True, kw_only=True, gc=False):
    node: NodeId
    role: RoleName
    deployment: str
    state: State = State.PROPOSED
    parents: tuple[Key, ...] = ()
    seeks: tuple[str, ...] = ()
    """Names of required roles that the plan places on other nodes. It waits for those that none of its parents meets."""
    kept: Literal["", "runs", "wrote", "needed"] = ""
    """Why it is still bound if the plan does not want it: it runs, it wrote disks, or another such role requires it. Empty: it does."""
    rank: float = 0.0
    """Longest remaining path in seconds, from the revision that bound the role."""
    revision: int = 0
    attempt: str = ""
    """Id of the last attempt, without the leg. Empty before the first."""
    leg: int = 0
    action: Literal["run", "verify"] = "run"
    tries: int = 0
    """Failed attempts since the last success or retry."""
    begun: float = 0.0
    """Engine time at which the attempt's first leg started. The role's time limit covers all legs."""
    retry_at: float | None = None
    """The role is blocked until this engine time."""
    deadline: float | None = None
    """Engine time at which the engine asks for the state of the attempt."""
    failure: Reason | None = None
    resume: bool = False
    """True if the attempt is suspended: it continues, before anything else, when the node is back."""
    resumed: bool = False
    """True if it was suspended once, so the node may have forgotten it: when ordered again, it asks and never starts."""
    recheck: bool = False
    """True if the node died since: `verify` decides before the role counts as done."""
    try_hash: str = ""
    ran_hash: str = ""
    """Hash of the inputs of the last success."""
    gave: dict[str, Json] = {}
    approved: str = ""
    """Who approved the next success of a destructive role. Empty: nobody."""
    succeeded: bool = False
    claimed: bool = False
    """True if a run reported success and the `verify` that `reverify` asks for is due."""
    findings: tuple[Reason, ...] = ()
    """What is wrong with it although it is active: a file was changed by hand, a check is red. A retry runs it again."""
    started: float = 0.0
    ended: float = 0.0
    """Wall times of the last attempt."""
    since: float = 0.0

    @property
    def key(self) -> Key:
        return (self.node, self.role)


class Watch(Struct, frozen=True, kw_only=True, gc=False):
    """When an active role is looked at next (`core.roles.watch`)."""

    node: NodeId
    role: RoleName
    due: float = 0.0
    """Engine time of the next look; while one is open, at which the engine asks about it."""
    look: int = 0
    """Number of the open look. 0: none."""
    looks: int = 0
    open: str = ""
    """Id of the open look."""
    repairs: int = 0
    """Repairs in a row without a look that found the role applied."""

    @property
    def key(self) -> Key:
        return (self.node, self.role)


Journalled = Literal["", "never", "older"]
"""What the journal knows of a stranger's record: all, nothing, or an older state. In a flood, strangers change more than it may hold."""


class Sighting(Struct, frozen=True, kw_only=True, gc=False):
    """Something seen on the network, by its MAC, that is not a node (yet)."""

    mac: Mac
    kind: str
    """Class of the client: `boot-rom`, `ipxe`, `sledgehammer`, `installed`, `bmc`, `switch`, `stranger`."""
    uuid: str = ""
    arch: int | None = None
    vendor: str = ""
    address: str = ""
    first: float = 0.0
    last: float = 0.0
    last_sign: float = field(default=0.0, name="heard")
    """Engine time of the last signal. 0: an older version did not record it. Stored as `heard`."""
    boot: Boot | None = None
    node: NodeId = ""
    """The node that it became."""
    reason: Reason | None = None
    banned: bool = False
    port: str = ""
    """`SWITCH:PORT` from a relay (option 82), in the relay's spelling. Empty: no relay reported it."""
    loaders_failed: tuple[str, ...] = ()
    journal: Journalled = ""


class Lease(Struct, frozen=True, kw_only=True, gc=False):
    """A DHCP lease. It is durable before the answer that promises it leaves (RFC 2131 section 3.1)."""

    address: str
    mac: Mac
    network: str
    state: Literal["offered", "bound", "declined", "foreign"]
    """`foreign`: another server leased it (proxy DHCP)."""
    expires: float
    journal: Journalled = ""


class Allocation(Struct, frozen=True, kw_only=True, gc=False):
    """A fixed address of a node on a network."""

    address: str
    network: str
    range: str
    node: NodeId


class Value(Struct, frozen=True, kw_only=True, gc=False):
    """One value of an attribute in one layer (`attributes.LAYERS`). Scope: node id, deployment, or `node/role`."""

    layer: str
    scope: str
    name: str
    value: Json
    """Of a secret: a handle with the name under which it is sealed (`attributes.HANDLES`)."""
    who: str = ""
    at: float = 0.0
    """Wall time in seconds at which an operator set it. 0: it follows from a plan or from the node, or an older version set it."""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.layer, self.scope, self.name)


class Deployment(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    parent: str = ""


class Proposal(Struct, frozen=True, kw_only=True, gc=False):
    """An operator's edit of one deployment. It changes nothing until it is committed."""

    deployment: str
    wanted: Json = None
    """`plan.DeploymentDef` as JSON. None: the deployment is to be deleted."""
    base: int
    """The revision on which the edit was made."""
    who: str
    at: float


class Revision(Struct, frozen=True, kw_only=True, gc=False):
    """A committed plan: who, when and what. The last one is current."""

    number: int
    who: str
    at: float
    plan: Json
    """`plan.Plan` as JSON; secrets are references."""


BEGUN = "begun"


class Meta(Struct, frozen=True, kw_only=True, gc=False):
    """The one row about the installation itself."""

    installation: str = ""
    """Random id, so that a new store does not take an older store's attempts for its own."""
    now: float = 0.0
    """Engine time of the last committed event."""
    attempts: int = 0
    nodes: int = 0
    starts: int = 0
    shared: tuple[str, ...] = ()
    """UUIDs, serials and MACs that identify nothing, by an operator's order (`node split`)."""
    v6: str = ""
    """40 random bits for IPv6 prefixes, as 10 hex digits (`core.plan.v6`)."""
    networks: dict[str, int] = {}
    """Network -> its number in such prefixes. No other gets it."""
    bound: str = ""
    """What the whole graph of node roles was last bound by (`core.plan.bound_by`). Empty: unknown. BEGUN: some nodes are to be bound."""


Row = Node | NodeRole | Watch | Sighting | Lease | Allocation | Value | Deployment | Proposal | Revision | Meta

TABLES: dict[str, type[Row]] = {
    "meta": Meta,
    "nodes": Node,
    "node_roles": NodeRole,
    "watches": Watch,
    "sightings": Sighting,
    "leases": Lease,
    "allocations": Allocation,
    "attributes": Value,
    "deployments": Deployment,
    "proposals": Proposal,
    "revisions": Revision,
}
"""Table -> record. The columns of a table are the fields of its record."""

KEYS: dict[str, tuple[str, ...]] = {"meta": (), "nodes": ("id",), "node_roles": ("node", "role"), "watches": ("node", "role")}
KEYS |= {"sightings": ("mac",), "leases": ("address",), "allocations": ("address",), "attributes": ("layer", "scope", "name")}
KEYS |= {"deployments": ("name",), "proposals": ("deployment",), "revisions": ("number",)}
"""Table -> the fields of its primary key; `meta` has one row. The world's maps are keyed by the plain value of one field, or by a tuple."""
