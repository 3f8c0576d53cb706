"""The events: everything that `step` takes. Each is a fact of the past, from an adapter, an operator or the clock.

An event travels as `Happened(at, now, event)`: the loop stamps wall time and engine time when it takes the event from its lane. Random
values (nonces, ids) come in the event. Events hold no secrets: the adapter reduces a nonce to its public half, and a credential to
a verdict. So the journal can hold every event unchanged.

`request` says who waits for an answer (`requests.Request`); None: nobody does.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

from .definitions import Json, PowerAction
from .here import Here
from .model import Mac, NodeId, RoleName
from .plan import DeploymentDef, Plan
from .reasons import Reason
from .requests import Request
from .vitals import Ailing
from .wire.dhcp import DhcpRequest


class Event(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Common base of all events. The tag in JSON is the name of the class."""


class Happened(Struct, frozen=True, gc=False):
    """An event with its time: wall seconds since 1970, and engine seconds."""

    at: float
    now: float
    event: Event


# -- from the wire (unauthenticated) ------------------------------------------------------------------------------


class DhcpAsked(Event, frozen=True, kw_only=True, gc=False):
    """A DHCP client sent a request on an interface (RFC 2131)."""

    request: DhcpRequest
    interface: str
    port: int = 67
    """The port that received it: 67, or 4011 for a proxy."""


class DhcpOverheard(Event, frozen=True, kw_only=True, gc=False):
    """Another DHCP server answered on the network."""

    server: str
    server_mac: Mac
    client: Mac


class AddressTaken(Event, frozen=True, kw_only=True, gc=False):
    """A machine answers for an address that is a node's (ARP), on the network that the engine serves. Anybody may answer."""

    address: str
    mac: Mac


class Fetched(Event, frozen=True, kw_only=True, gc=False):
    """A boot file was sent completely: `loader` by TFTP or HTTP, `kernel` (with its initrd) and an installer's `answers` by HTTP."""

    address: str
    what: Literal["loader", "kernel", "answers"]


class ScriptAsked(Event, frozen=True, kw_only=True, gc=False):
    """A loader asked for its boot script. `nonce` is the public half of a fresh nonce (`trust.tokens`), for a boot that has none
    yet."""

    request: Request
    mac: Mac
    address: str
    nonce: str
    uuid: str = ""


class Hello(Event, frozen=True, kw_only=True, gc=False):
    """An environment is up and identifies its machine."""

    request: Request
    nonce: str = ""
    """Public half of the nonce in the hello, verified by the adapter. Empty: none, or one that this engine did not make."""
    credential: NodeId = ""
    """The node of the credential in the hello, verified by the adapter. Empty: no credential, or a wrong one."""
    installation: str = ""
    """The install attempt of that credential. Empty: a credential of an earlier version, which named none."""
    fingerprint: str = ""
    """What the machine's own screen shows for this claim, if the engine accepts it (`Keys.fingerprint`)."""
    boot_id: str
    environment: str
    uuid: str = ""
    serial: str = ""
    macs: tuple[Mac, ...] = ()
    address: str = ""
    arch: str = ""
    protocol: int = 1
    """Version of the agent protocol that the agent speaks."""
    clock: int | None = None
    """The node's clock at boot, in seconds since 1970. None: the agent does not report it."""


# -- from nodes (authenticated by their token) --------------------------------------------------------------------


class Bye(Event, frozen=True, kw_only=True, gc=False):
    """The environment shuts down in order."""

    node: NodeId
    boot_id: str


class Outcome(Event, frozen=True, kw_only=True, gc=False):
    """The outcome of one leg of an attempt. `attempt` is `ID.LEG`."""

    attempt: str
    node: NodeId
    what: Literal["done", "again", "failed", "running", "lost"]
    gives: dict[str, Json] = {}
    reboot: bool = False
    after: float = 0.0
    """`again`: seconds until the next leg."""
    failure: Reason | None = None
    unreachable: bool = False
    """True for `failed` because the node could not be reached: then nothing is known of the attempt."""


# -- from the engine's own hands ----------------------------------------------------------------------------------


Spoken = Literal["", "ipmi", "redfish", "unknown"]
"""The protocol of the BMC. `unknown`: the BMC did not answer. Empty: nobody asked it."""


class Powered(Event, frozen=True, kw_only=True, gc=False):
    """A power order for boot `generation` was carried out and read back, or it failed."""

    node: NodeId
    generation: int
    failure: Reason | None = None
    bmc: Spoken = ""


class PowerSet(Event, frozen=True, kw_only=True, gc=False):
    """The result of an operator's power order (effects SetPower and Identify): the state that was read back, or the failure."""

    node: NodeId
    action: PowerAction | Literal["identify"]
    who: str
    request: Request | None = None
    state: Literal["on", "off", ""] = ""
    failure: Reason | None = None
    bmc: Spoken = ""
    clock_off_s: int | None = None
    """Seconds by which the BMC's clock is ahead of the engine's. None: not read."""
    seconds: int = 0
    """Of `identify`: how long the light was ordered on. 0: off."""


class AilmentsFound(Event, frozen=True, kw_only=True, gc=False):
    """The problems of a machine by its BMC began, ended, or changed: all that are present now."""

    node: NodeId
    ailments: tuple[Ailing, ...] = ()


class Proved(Event, frozen=True, kw_only=True, gc=False):
    """The result of challenge `number`: the node's BMC showed the text that the node's agent was told to write into it, or why not."""

    node: NodeId
    number: int
    failure: Reason | None = None
    bmc: Spoken = ""
    way: str = ""
    """How the agent wrote it (`quirks.PROOF_WAYS`)."""
    took_s: float = 0.0
    """Seconds from the order to the result."""


class Found(Event, frozen=True, kw_only=True, gc=False):
    """A monitor found a fault of a role, or found that it is gone. It says all that it finds of that role, in one reason."""

    node: NodeId
    role: RoleName
    finding: Reason | None = None
    """None: nothing is wrong."""


class Probed(Event, frozen=True, kw_only=True, gc=False):
    """The answer to probe number `probe`: whether the node answers and runs `boot_id`."""

    node: NodeId
    probe: int
    alive: bool
    boot_id: str = ""
    """Of a joined machine: what it runs now. Nothing else tells that it rebooted."""


class Missed(Event, frozen=True, kw_only=True, gc=False):
    """A node that counts as alive was silent for too long. An installed system sends nothing by itself, so the engine asks it first;
    this event follows only if it does not answer (`asked`)."""

    node: NodeId
    asked: bool = False


class NodeDue(Struct, frozen=True, gc=False):
    """Look at this node: a deadline of its boot, or a probe."""

    node: NodeId


class RoleDue(Struct, frozen=True, gc=False):
    """Look at this node role: its deadline, or the time of its next try."""

    node: NodeId
    role: RoleName


class SightingDue(Struct, frozen=True, gc=False):
    """Look at this machine that is not a node yet: the deadline of its boot."""

    mac: Mac


Due = NodeDue | RoleDue | SightingDue


class Wake(NamedTuple):
    """At this engine time, look at that."""

    now: float
    due: Due


class Tick(Event, frozen=True, kw_only=True, gc=False):
    """The engine time of wakes has come."""

    subjects: tuple[Due, ...]


class Continue(Event, frozen=True, kw_only=True, gc=False):
    """The touched list was too long for one step: work on the rest."""


class KeyRemoved(Event, frozen=True, kw_only=True, gc=False):
    """The engine's key was removed from a joined machine that is no node any more, or why it is still there."""

    name: str
    address: str
    failure: Reason | None = None


class Started(Event, frozen=True, kw_only=True, gc=False):
    """The engine started on this store. `installation` and `v6` are used only if the store has none."""

    installation: str
    v6: str = ""
    """40 random bits, as 10 hex digits."""
    admin: str
    """Host name of the admin node."""


class AdminSeen(Event, frozen=True, kw_only=True, gc=False):
    """What this machine is and where it is plugged in: at the start, and when it changes."""

    here: Here


# -- from operators -----------------------------------------------------------------------------------------------


class Commit(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Make this plan the goal, as the next revision. The same plan again changes nothing."""

    request: Request | None = None
    who: str
    plan: Plan
    expects: int | None = None
    """Refused if another revision is in force. None: whatever is in force is replaced."""
    checked: bool = False
    """True for a large commit: it was checked on a snapshot of the world, and is carried out in pieces (`core.plan.pieces`)."""
    refused: Reason | None = None
    """What that check found."""


class Propose(Event, frozen=True, kw_only=True, gc=False):
    """An operator edited one deployment. The edit waits and changes nothing that runs."""

    request: Request | None = None
    who: str
    deployment: str
    wanted: DeploymentDef | None
    """None: delete the deployment."""
    base: int = 0
    """The revision on which the edit was made. 0: the present one."""
    over: float | None = None
    """`Proposal.at` of the waiting edit that this one replaces; 0: none was seen. None: replace any."""


class Recall(Event, frozen=True, kw_only=True, gc=False):
    """Drop the waiting edit of a deployment."""

    request: Request | None = None
    who: str
    deployment: str


class CommitProposals(Event, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Make the waiting edits of these deployments the goal, in one revision."""

    request: Request | None = None
    who: str
    deployments: tuple[str, ...]
    seen: dict[str, float] = {}
    """Deployment -> `Proposal.at` of the edit that the operator saw. An edit that was made since is not committed unseen."""
    checked: bool = False
    refused: Reason | None = None
    """Both as of `Commit`."""


class Operate(Event, frozen=True, kw_only=True, gc=False):
    """An operator's verb on a node or node role (`operator.verbs.VERBS`)."""

    request: Request | None = None
    who: str
    verb: str
    node: str
    """Name or id."""
    role: RoleName = ""
    value: Json = None


class Join(Event, frozen=True, kw_only=True, gc=False):
    """An operator adopts an installed machine. The engine can log in there, and the machine told what it is (`images/node/joined`)."""

    request: Request | None = None
    who: str
    address: str
    port: int = 22
    """Where its SSH server listens."""
    host_key: str
    """The SSH host key that the operator confirmed: `ssh-ed25519 AAAA...`."""
    name: str = ""
    """The first label of its name here. Empty: its own host name."""
    hostname: str = ""
    boot_id: str
    uuid: str = ""
    serial: str = ""
    macs: tuple[Mac, ...] = ()
    arch: str = ""
    system: str
    """What it runs, like `debian-12`."""


class SetAttribute(Event, frozen=True, kw_only=True, gc=False):
    """An operator set (or, with `clear`, removed) a value."""

    request: Request | None = None
    who: str
    layer: Literal["hint", "deployment", "role", "operator"]
    scope: str
    name: str
    value: Json = None
    clear: bool = False
    pointer: str = ""
    """Only this place in the value (`roles.pointer`). Empty: the whole value."""
    sealed: str = ""
    """Instead of `value`, for a secret: the name under which the engine sealed it."""


AnyEvent = (
    DhcpAsked
    | DhcpOverheard
    | AddressTaken
    | Fetched
    | ScriptAsked
    | Hello
    | Bye
    | Outcome
    | Powered
    | PowerSet
    | Proved
    | AilmentsFound
    | Found
    | Probed
    | Missed
    | Tick
    | Continue
    | Started
    | AdminSeen
    | Commit
    | Propose
    | Recall
    | CommitProposals
    | Operate
    | Join
    | KeyRemoved
    | SetAttribute
)

Asked = Commit | Propose | Recall | CommitProposals | Operate | Join | SetAttribute
"""What an operator asks for, and waits for an answer to."""
