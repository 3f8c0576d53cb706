"""What shall be done: every effect that `step` orders. The runner carries them out after the commit that records their cause.

An effect never raises: whatever comes of it is the next event. *Open* effects (Start, BootNode, Probe) are a function of the world
(`reopen`) and are ordered again after a restart; attempt id, boot generation and probe number make twice the same as
once. Answers are never open: the client asks again.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from .model import Mac, NodeId, RoleName, Way
from .reasons import Reason
from .wire.dhcp import DhcpReply


class Effect(Struct, frozen=True, kw_only=True, gc=False, tag=True):
    """Common base of all effects."""


class SendDhcp(Effect, frozen=True, kw_only=True, gc=False):
    """Send this reply; where it goes follows from RFC 2131 section 4.1, unless `to` says it."""

    reply: DhcpReply
    interface: str
    port: int = 67
    """The one that it leaves from."""
    to: tuple[str, int] | None = None


class Ignore(Effect, frozen=True, kw_only=True, gc=False):
    """Nothing is answered, and this is why; counted, and shown on Health."""

    reason: Reason
    mac: Mac = ""


class BootScript(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a loader: boot `environment` over the network, or the local disk. With `claim` the script carries the nonce
    of the request."""

    request: int
    mac: Mac
    node: NodeId
    """Empty for a machine without identity."""
    environment: str
    disk: bool
    claim: bool
    quirk: str = ""
    """How its firmware goes on to the disk (`disk-boot`); empty: as its platform does."""
    image: str = ""
    """The image that makes the environment, where it has another name (of another architecture)."""


class Welcome(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a hello: the token of (node, boot_id) goes back."""

    request: int
    node: NodeId
    name: str
    boot_id: str


class Refuse(Effect, frozen=True, kw_only=True, gc=False):
    """Answer a call or an operator with a refusal."""

    request: int
    reason: Reason


class Accept(Effect, frozen=True, kw_only=True, gc=False):
    """Answer an operator: it is done, and recorded."""

    request: int
    message: str


class Acknowledge(Effect, frozen=True, kw_only=True, gc=False):
    """Tell the node that the outcome of `ID.LEG` is recorded (or of no interest any more), so it need not keep it."""

    attempt: str
    node: NodeId


class Start(Effect, frozen=True, kw_only=True, gc=False):
    """Carry out one leg of an attempt, `ID.LEG`, by the role's jig. With `resume` it was ordered before: the node says what it
    has of it (running, the outcome, or lost), and starts nothing that it does not know."""

    attempt: str
    node: NodeId
    role: RoleName
    action: Literal["run", "verify"]
    resume: bool = False


class BootNode(Effect, frozen=True, kw_only=True, gc=False):
    """Power order: boot the node this way, read back, and say so with `Powered`."""

    node: NodeId
    generation: int
    way: Way
    environment: str
    tries: int = 1


class SetPower(Effect, frozen=True, kw_only=True, gc=False):
    """An operator's power order, or question: carry it out, read back, and say so with `PowerSet`."""

    node: NodeId
    action: Literal["on", "off", "cycle", "soft", "status"]
    who: str
    request: int = 0


class Identify(Effect, frozen=True, kw_only=True, gc=False):
    """Blink the node's light for so many seconds, 0 to 255; 0 ends it. `PowerSet` tells what came of it."""

    node: NodeId
    seconds: int
    who: str
    request: int = 0


class Probe(Effect, frozen=True, kw_only=True, gc=False):
    """Ask the node whether it still runs `boot_id` and answers."""

    node: NodeId
    probe: int


Answer = BootScript | Welcome | Refuse | Accept
AnyEffect = (
    SendDhcp | Ignore | BootScript | Welcome | Refuse | Accept | Acknowledge | Start | BootNode | SetPower | Identify | Probe
)
