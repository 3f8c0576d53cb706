"""What happens: every event that `step` takes. Each is a past fact, written by an adapter, an operator or the clock.

An event travels as `Happened(at, now, event)`: the loop stamps wall time and engine time as it takes the event from its lane.
Randomness (nonces, ids) comes in the event. Events hold no secrets: a nonce or a credential is reduced to its SHA-256 or to a verdict by
the adapter that received it, so the journal can hold every event as it is.

`request` is the number under which the adapter waits for an answer; it means nothing after a restart, when the client
asks again.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .definitions import Json
from .model import Mac, NodeId, RoleName
from .plan import Plan
from .reasons import Reason
from .wire.dhcp import DhcpRequest


class Event(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Common base of all events; the tag in JSON is the class's name."""


class Happened(Struct, frozen=True, gc=False):
    """An event with its time: wall seconds since 1970, and engine seconds."""

    at: float
    now: float
    event: Event


# -- from the wire (unauthenticated) ------------------------------------------------------------------------------


class DhcpAsked(Event, frozen=True, kw_only=True, gc=False):
    """A DHCP client asked something on an interface (RFC 2131)."""

    request: DhcpRequest
    interface: str
    port: int = 67
    """The one that it asked: 67, or 4011 of a proxy."""


class DhcpOverheard(Event, frozen=True, kw_only=True, gc=False):
    """Another DHCP server answered on the wire."""

    server: str
    server_mac: Mac
    client: Mac


class Fetched(Event, frozen=True, kw_only=True, gc=False):
    """A boot file went out whole: `loader` by TFTP or HTTP, `kernel` (with its initrd) and an installer's `answers` by HTTP."""

    address: str
    what: Literal["loader", "kernel", "answers"]


class ScriptAsked(Event, frozen=True, kw_only=True, gc=False):
    """A loader asked for its boot script. `nonce` is the SHA-256 (hex) of a fresh random nonce, which goes into the script
    if the answer is to boot with a claim."""

    request: int
    mac: Mac
    address: str
    nonce: str
    uuid: str = ""


class Hello(Event, frozen=True, kw_only=True, gc=False):
    """An environment is up and says which machine it is on."""

    request: int
    nonce: str = ""
    """SHA-256 (hex) of the nonce that it showed; empty for an installed system."""
    credential: NodeId = ""
    """The node whose credential it showed, verified by the adapter; empty: none or a wrong one."""
    boot_id: str
    environment: str
    uuid: str = ""
    serial: str = ""
    macs: tuple[Mac, ...] = ()
    address: str = ""
    arch: str = ""
    protocol: int = 1
    """Version of the agent's calls that it speaks."""


# -- from nodes (authenticated by their token) --------------------------------------------------------------------


class Bye(Event, frozen=True, kw_only=True, gc=False):
    """The environment goes down in order."""

    node: NodeId
    boot_id: str


class Outcome(Event, frozen=True, kw_only=True, gc=False):
    """What became of one leg of an attempt. `attempt` is `ID.LEG`."""

    attempt: str
    node: NodeId
    what: Literal["done", "again", "failed", "running", "lost"]
    gives: dict[str, Json] = {}
    reboot: bool = False
    after: float = 0.0
    """`again`: seconds until the next leg."""
    failure: Reason | None = None
    unreachable: bool = False
    """`failed` because the node could not be reached: nothing is known of the attempt."""


# -- from the engine's own hands ----------------------------------------------------------------------------------


Spoken = Literal["", "ipmi", "redfish", "unknown"]
"""What a BMC was talked to by; `unknown`: it did not answer at all; empty: it was not asked."""


class Powered(Event, frozen=True, kw_only=True, gc=False):
    """A power order for boot `generation` was carried out and read back, or failed."""

    node: NodeId
    generation: int
    failure: Reason | None = None
    bmc: Spoken = ""


class PowerSet(Event, frozen=True, kw_only=True, gc=False):
    """What came of an operator's power order (effects SetPower and Identify): the state that was read back, or why not."""

    node: NodeId
    action: Literal["on", "off", "cycle", "soft", "status", "identify"]
    who: str
    request: int = 0
    state: Literal["on", "off", ""] = ""
    failure: Reason | None = None
    bmc: Spoken = ""


class Probed(Event, frozen=True, kw_only=True, gc=False):
    """The answer of probe number `probe`: does the node run `boot_id` and answer?"""

    node: NodeId
    probe: int
    alive: bool


class Missed(Event, frozen=True, kw_only=True, gc=False):
    """Nothing was heard of a node that is believed alive for longer than it may be silent."""

    node: NodeId


class Tick(Event, frozen=True, kw_only=True, gc=False):
    """The engine time of wakes has come. Subjects are node ids, node-role keys joined by `/`, or MACs."""

    subjects: tuple[str, ...]


class Continue(Event, frozen=True, kw_only=True, gc=False):
    """The touched list was longer than one step may work on: take up the rest."""


class Started(Event, frozen=True, kw_only=True, gc=False):
    """The engine started on this store. `installation` is used for a new store only."""

    installation: str
    admin: str
    """Host name of the admin node."""


# -- from operators -----------------------------------------------------------------------------------------------


class Commit(Event, frozen=True, kw_only=True, gc=False):
    """Make this plan the wanted state, as the next revision. The same plan again changes nothing."""

    request: int = 0
    who: str
    plan: Plan


class Operate(Event, frozen=True, kw_only=True, gc=False):
    """An operator's verb on a node or node role (`operate.VERBS`)."""

    request: int = 0
    who: str
    verb: str
    node: str
    """Name or id."""
    role: RoleName = ""
    value: Json = None


class SetAttribute(Event, frozen=True, kw_only=True, gc=False):
    """An operator set (or, with `clear`, removed) a value."""

    request: int = 0
    who: str
    layer: Literal["hint", "deployment", "role", "operator"]
    scope: str
    name: str
    value: Json = None
    clear: bool = False


AnyEvent = (
    DhcpAsked
    | DhcpOverheard
    | Fetched
    | ScriptAsked
    | Hello
    | Bye
    | Outcome
    | Powered
    | PowerSet
    | Probed
    | Missed
    | Tick
    | Continue
    | Started
    | Commit
    | Operate
    | SetAttribute
)
