"""Repairs by hand in a rehearsal: what a technician does at the machine itself. `m` repairs the machine under the cursor.

The watching thread asks the virtual rack which machines have a fault that can be repaired; nothing else is offered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from engine.api.views import Node, Step, short

from .session import Session
from .snapshot import Said

ASK_S = 1.0
"""Seconds between queries to the rack."""
SERVER = "dhcp-server"
"""The mark of the second DHCP server among the repairs. It belongs to no machine."""
UNSEEN = "a machine not seen yet"
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
BOOTING = "wait: the virtual machines power on by themselves"


class RackWatch:
    """Asks the virtual rack beside a store, if there is one. For one thread."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._asked = -ASK_S
        self._found: dict[str, tuple[str, ...]] = {}

    def repairs(self) -> Mapping[str, tuple[str, ...]]:
        """UUID, serial or MAC (lower case) -> faults that can be repaired. Empty without a running rack."""
        if time.monotonic() - self._asked < ASK_S:
            return self._found
        self._asked = time.monotonic()
        if not (self._store.with_name(self._store.name + ".rack") / "rack.yml").exists():
            return self._found
        from engine.api.rehearsals import RackError, faulty

        try:
            self._found = {mark: one.what for one in faulty(self._store) for mark in one.identity or {one.name}}
        except RackError:
            self._found = {}
        return self._found


def of(session: Session, node: Node) -> tuple[str, ...]:
    """The node's faults that a repair removes. Empty: none, or no rehearsal."""
    repairs = session.snapshot.repairs if session.past is None else {}
    return next((repairs[mark] for one in marks(node) if (mark := one.lower()) in repairs), ())


def marks(node: Node) -> list[str]:
    return [one for one in (node.uuid, node.serial, *node.macs) if one]


def unseen(session: Session) -> list[str]:
    """The first MACs of machines that can be repaired and that no node is: once nothing else is left but to look for the missing ones."""
    step = session.step()
    if session.past is not None or step.kind != "power" or step.node:
        return []
    known = {mark.lower() for node in session.world.nodes.values() for mark in marks(node)}
    return sorted(mark for mark in session.snapshot.repairs if _MAC.fullmatch(mark) and mark not in known)


def offered(session: Session) -> bool:
    """True if `m` repairs something here."""
    return any(of(session, node) for node in _nodes(session)) or bool(unseen(session))


def said(session: Session, step: Step) -> str:
    """The text of the next step. In a rehearsal it ends with the key that helps."""
    text = session.say(step.text)
    if not session.rehearsal or session.past is not None:
        return text
    node = session.node(step.node) if step.node else None
    if node is not None and step.kind in ("mend", "cable") and of(session, node):
        head = text.partition(": see 3")[0] if step.kind == "cable" else text.removesuffix(", then press r").removesuffix("; then press r")
        return f"{head}: press m to repair it"
    if step.kind == "cable":
        return f"{text.partition(': see 3')[0]}: e looks again"
    if step.kind != "power" or step.node:
        return text
    left = unseen(session)
    return f"{text.partition(': ')[0]}: press m to repair {'it' if len(left) == 1 else 'them'}" if left else BOOTING


def mend(session: Session) -> None:
    """Repairs the nodes under the cursor or marked."""
    if not session.may_do():
        return
    nodes = _nodes(session)
    able = [node for node in nodes if of(session, node)]
    missing = [] if able else unseen(session)
    if nodes and not able and not missing:
        who = short(nodes[0].name) if len(nodes) == 1 else f"{len(nodes)} nodes"
        session.note(Said(False, f"{who}: nothing to repair by hand", "w shows why it waits"))
    for who, identity in [*((short(node.name), marks(node)) for node in able), *((UNSEEN, [mac]) for mac in missing)]:
        session.work(partial(_repair, Path(session.snapshot_where), identity), partial(_done, session, who))


def _repair(store: Path, identity: list[str]) -> Any:
    from engine.api.rehearsals import RackError, repair

    try:
        return repair(store, identity)
    except RackError as error:
        return Said(False, str(error))


def _done(session: Session, who: str, answer: Any) -> None:
    """Says what was done, with the names that the screen shows."""
    if isinstance(answer, Said | Exception):  # a Said is a tuple too
        told = answer if isinstance(answer, Said) else Said(False, str(answer))
        session.note(told._replace(text=f"{who}: {told.text}"))
        return
    by_mark = {mark.lower(): one for one in session.world.nodes.values() for mark in marks(one)}
    parts, again = [], "r tries again"
    for one in answer:
        owner = next((by_mark[mark] for mark in sorted(one.identity) if mark in by_mark), None)
        parts.append(f"{short(owner.name) if owner is not None else UNSEEN}: {', '.join(one.what)}")
        if any("plugged into" in word for word in one.what):
            again = "e looks again"
    session.note(Said(True, f"{'; '.join(parts)}; {again}"))


def unplug_server(session: Session) -> None:
    """Takes the second DHCP server of a rehearsal off the network."""
    if session.may_do():
        session.work(partial(_unplug, Path(session.snapshot_where)), session.note)


def _unplug(store: Path) -> Said:
    from engine.api.rehearsals import RackError, unplug_server

    try:
        return Said(True, ", ".join(word for one in unplug_server(store) for word in one.what))
    except RackError as error:
        return Said(False, str(error))


def _nodes(session: Session) -> list[Node]:
    return [found for name in session.subject().nodes if (found := session.node(name)) is not None]
