"""What a source passes to the console: one immutable value, and the interface of a source. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from engine.api.views import DecodedPacket, JournalRow, Look, Reason, Stretch, World, advice, sentence

from .playback import Playback


class TaskProgress(NamedTuple):
    """Progress of a node's task."""

    percent: float
    text: str
    at: float


class Setting(NamedTuple):
    """A value of an attribute, to set or clear."""

    layer: str
    """`operator` (of a node, or of `NODE/ROLE`) or `deployment`."""
    name: str
    value: Any = None
    clear: bool = False


class Said(NamedTuple):
    """The answer to a command: a receipt, or a refusal with its reason."""

    ok: bool
    text: str
    advice: str = ""


class Moment(NamedTuple):
    """The position of a look back."""

    seq: int
    first: int
    """Sequence number before the oldest kept row."""
    last: int
    now: float
    """Engine time."""
    begins: float
    ends: float
    """Wall times of the oldest and the newest row."""
    stretch: Stretch
    told: dict[str, Any]
    """The last row, in words. Empty before the first."""
    speed: str
    playing: bool
    growing: bool
    """True if an engine still writes this journal."""


class Snapshot(NamedTuple):
    world: World
    seq: int
    told: tuple[dict[str, Any], ...]
    """Journal rows since the previous snapshot, in words."""
    touched: frozenset[str] | None
    """Ids of the nodes with a changed record since then. None: any node may have changed."""
    progress: dict[str, TaskProgress]
    silence_s: dict[str, float]
    """Node id -> seconds since it was last heard, as of `at`."""
    health: dict[str, Any]
    connection: str
    """`embedded`, `attached`, `alone` (no engine runs), `failed`, or `past` (a look back)."""
    trouble: str
    """Why no engine runs, or why it stopped. Empty if all is well."""
    at: float
    """Wall time of the snapshot. In a look back: the moment."""
    anew: bool = False
    """True if `told` replaces all earlier events instead of adding to them."""
    moment: Moment | None = None
    """In a look back: its position."""
    said: Said | None = None
    """A message to show once."""
    repairs: Mapping[str, tuple[str, ...]] = {}
    """In a rehearsal: UUID, serial or MAC of a machine (lower case) -> its faults that a person can repair by hand."""


class LookBack(Protocol):
    """A source that shows the past. Any thread may move its moment."""

    def do(self, what: Callable[[Playback], Any]) -> None:
        """Moves the moment. The console shows the answer if it is a sentence."""
        ...

    def go_to(self, text: str) -> Said | None:
        """Moves to a typed time; refuses a text that is not a time."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    @property
    def where(self) -> Path:
        """The store's folder, or the file of an exported journal."""
        ...

    def snapshot(self) -> Snapshot: ...
    def wait(self, seconds: float) -> None:
        """Waits until a commit after the last snapshot, or until the time is over."""
        ...

    def ask(self, verb: str, node: str, role: str, value: Any) -> Said: ...
    def set_attribute(self, scope: str, what: Setting) -> Said: ...
    def commit(self, text: str, name: str, expects: int | None = None) -> Said: ...
    def commit_proposals(self, seen: dict[str, float]) -> Said:
        """Commits the proposals of these deployments, as they were seen: deployment -> `Proposal.at`."""
        ...

    def recall(self, deployment: str) -> Said: ...
    def join(self, address: str, host_key: str, password: str | None) -> Said | Reason:
        """Adopts an installed machine, as root. Takes seconds. A reason: why not."""
        ...

    def disks(self, nodes: list[str]) -> dict[str, Look]:
        """The nodes' disks as they report them now, by id. Takes seconds. Empty if no engine answers."""
        ...

    def packets(self, who: str, after: int) -> tuple[list[DecodedPacket], int]:
        """Decoded packets of a machine (or of all) after this number, and the number for the next call. Raises PacketsError."""
        ...

    def stop_engine(self) -> Said: ...
    def close(self) -> None: ...


class PacketsError(Exception):
    """The packets are not available. The text is a sentence."""


def nodes_of(row: JournalRow) -> set[str]:
    """Ids of the nodes in a journal row."""
    out = set()
    for table, key, _ in row.rows:
        if table == "nodes":
            out.add(str(key))
        elif table == "node_roles":
            out.add(str(key[0]))
    return out


def refused(reason: Reason) -> Said:
    return Said(False, sentence(reason), advice(reason))
