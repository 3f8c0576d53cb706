"""The messages between the engine and a node's agent after the hello. `GET /agent/next` answers with a command. The agent reports a leg of
an attempt by `POST /agent/result`. `images/node/agent` is the other side.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..definitions import Json

LegState = Literal["ended", "running", "lost", "unstarted", "acknowledged"]


class Command(Struct, frozen=True, kw_only=True, tag_field="do"):
    """In JSON `do` says which it is."""


class Run(Command, frozen=True, kw_only=True, tag_field="do", tag="run"):
    """Fetch the task of this leg and carry it out."""

    id: str
    """`ID.LEG` of the attempt; in `Query` and `Ack` too."""
    timeout: int
    """Seconds that this leg may take. Then the node ends it."""


class Query(Command, frozen=True, kw_only=True, tag_field="do", tag="query"):
    """Say what became of this leg. It was ordered before; start nothing."""

    id: str


class Ack(Command, frozen=True, kw_only=True, tag_field="do", tag="ack"):
    """The outcome of this leg is recorded: forget it."""

    id: str


class Reboot(Command, frozen=True, kw_only=True, tag_field="do", tag="reboot"):
    """Reboot through the firmware."""


class Kexec(Command, frozen=True, kw_only=True, tag_field="do", tag="kexec"):
    """Start the installed system without the firmware."""

    environment: str


class Prove(Command, frozen=True, kw_only=True, tag_field="do", tag="prove"):
    """Write this text into the machine's BMC over its local interface. Report by `POST /agent/result` which way worked (`way`), and for an
    entry of the event log its number (`record`)."""

    id: str
    text: str
    ways: str
    """Names of `quirks.PROOF_WAYS`, separated by spaces. The agent tries them in this order and stops at the first that works."""


AnyCommand = Run | Query | Ack | Reboot | Kexec | Prove


class Ended(Struct, frozen=True, kw_only=True, gc=False):
    """A node's report of one leg of an attempt, as in `attempt wait` and `POST /agent/result`."""

    state: LegState = "ended"
    """`unstarted`: the start failed before anything ran. `acknowledged`: the engine recorded its outcome once and asks again because
    its store was restored; that outcome is lost."""
    exit: int | None = None
    error: str = ""
    """An error from the node's own record: a failed start, or gives that are not a JSON object."""
    gives: dict[str, Json] = {}
    message: str = ""
    """One sentence of the task or the node about the end, if there is one. Untrusted."""
    log: str = ""
    """Tail of the log, decoded with replacement."""
    cut: bool = False
    """True if the tail may begin in the middle of a line."""
    after: float | None = None
    """Seconds until the next leg, for `again`. None: the role's delay, or 0 if the machine reboots in between."""
