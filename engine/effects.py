"""The effects: every action that `step` orders. The runner carries them out after the commit that records their cause.

An effect never raises: its outcome is the next event. *Open* effects (Start, BootNode, Probe, Prove, SetPower if it parks) follow from
the world (`reopen`), and the engine orders them again after a restart. Attempt ids, boot generations and the numbers of probes and
challenges make a repeated order harmless. Answers are never open: the client asks again.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .definitions import PowerAction
from .model import Mac, NodeId, RoleName, Way
from .reasons import Reason
from .requests import Request
from .wire.dhcp import DhcpReply


class Effect(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Common base of all effects."""


class SendDhcp(Effect, frozen=True, kw_only=True, gc=False):
    """Send this reply. RFC 2131 section 4.1 gives the destination, unless `to` names one."""

    reply: DhcpReply
    interface: str
    port: int = 67
    """The port that the reply leaves from."""
    to: tuple[str, int] | None = None


class Ignore(Effect, frozen=True, kw_only=True, gc=False):
    """Send no answer, for this reason. It is counted, and Health shows it."""

    reason: Reason
    mac: Mac = ""


class BootScript(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a loader: boot `environment` over the network, or the local disk."""

    request: Request
    mac: Mac
    node: NodeId
    """Empty for a machine without identity."""
    environment: str
    disk: bool
    nonce: str
    """Public half of the nonce in the script. Empty: the script has none."""
    quirk: str = ""
    """How the firmware continues to the disk (`disk-boot`). Empty: the platform decides."""
    image: str = ""
    """The image that makes the environment, if its name differs (another architecture)."""


class Welcome(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a hello with the token of (node, boot_id)."""

    request: Request
    node: NodeId
    name: str
    boot_id: str


class Refuse(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a call or an operator with a refusal."""

    request: Request | None
    """None: nobody waits."""
    reason: Reason


class Accept(Effect, frozen=True, kw_only=True, gc=False):
    """Answer an operator: the order is done and recorded."""

    request: Request | None
    """None: nobody waits."""
    message: str


class Acknowledge(Effect, frozen=True, kw_only=True, gc=False):
    """Tell the node that the outcome of `ID.LEG` is recorded or no longer needed, so that the node can delete it."""

    attempt: str
    node: NodeId


class Start(Effect, frozen=True, kw_only=True, gc=False):
    """Run one leg of an attempt, `ID.LEG`, with the role's jig. With `resume` it was ordered before: the node reports what it has of
    it (running, the outcome, or lost), and starts nothing that it does not know."""

    attempt: str
    node: NodeId
    role: RoleName
    action: Literal["run", "verify"]
    resume: bool = False


class BootNode(Effect, frozen=True, kw_only=True, gc=False):
    """Power order: boot the node this way, read the state back, and report with `Powered`."""

    node: NodeId
    generation: int
    way: Way
    environment: str
    tries: int = 1


class SetPower(Effect, frozen=True, kw_only=True, gc=False):
    """An operator's power order or question: carry it out, read the state back, and report with `PowerSet`."""

    node: NodeId
    action: PowerAction
    who: str
    request: Request | None = None


class Identify(Effect, frozen=True, kw_only=True, gc=False):
    """Blink the node's light for so many seconds, 0 to 255; 0 turns it off. `PowerSet` reports the result."""

    node: NodeId
    seconds: int
    who: str
    request: Request | None = None


class Probe(Effect, frozen=True, kw_only=True, gc=False):
    """Ask the node whether it answers and still runs `boot_id`."""

    node: NodeId
    probe: int


class Prove(Effect, frozen=True, kw_only=True, gc=False):
    """Let the node's agent write challenge `number` into its BMC, read it there, and report with `Proved`."""

    node: NodeId
    number: int
    boot_id: str


class RemoveKey(Effect, frozen=True, kw_only=True, gc=False):
    """A joined machine is no node any more: remove the engine's key from it, and report with `KeyRemoved`. Not open: a machine that cannot
    be reached keeps the key."""

    node: NodeId
    name: str
    address: str
    port: int = 22
    host_key: str


Answer = BootScript | Welcome | Refuse | Accept
AnyEffect = (
    SendDhcp
    | Ignore
    | BootScript
    | Welcome
    | Refuse
    | Accept
    | Acknowledge
    | Start
    | BootNode
    | SetPower
    | Identify
    | Probe
    | Prove
    | RemoveKey
)
