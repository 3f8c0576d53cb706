"""Which events have a row in the journal, and what the row holds.

An idle rack's heartbeats have none: they would push out the events that people look for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from ..definitions import Json
from ..events import (
    Commit,
    CommitProposals,
    Due,
    Event,
    Happened,
    Hello,
    Join,
    KeyRemoved,
    NodeDue,
    Operate,
    PowerSet,
    Propose,
    Recall,
    RoleDue,
    ScriptAsked,
    SetAttribute,
    SightingDue,
    Started,
    Tick,
)
from ..last_values import Quiet, behind
from ..requests import Asker, Request
from . import sums
from .schema import Change

_encode = msgspec.json.Encoder().encode

ALWAYS = (Commit, CommitProposals, Join, KeyRemoved, Operate, PowerSet, Propose, Recall, SetAttribute, Started)
"""Events that are journalled even if they change nothing: somebody asked, and the journal must show that."""


def is_news(event: Event, changes: Sequence[Change]) -> bool:
    """True if the event has a journal row: because it changed more than last values, or because a person asked. The engine itself
    asks the BMC of a lost node for its power again and again."""
    for change in changes:
        if type(change) is not Quiet:
            return True
    if isinstance(event, PowerSet):
        return event.request is not None or event.action != "status"
    return isinstance(event, ALWAYS)


def followed(change: Change) -> bool:
    """True if the row of an event that is news holds this change: all but what the journal does not follow (`model.Journalled`)."""
    record = change[2]
    return not behind(record) if record is not None else type(change) is not Quiet


def journalled(seq: int, happened: Happened, rows: list[Any]) -> tuple[int, float, float, str, str, str, int]:
    """A row of the journal."""
    event = happened.event
    at, now, name, fields, text = float(happened.at), float(happened.now), type(event).__name__, written(event), _encode(rows)
    return seq, at, now, name, fields.decode(), text.decode(), sums.of_event(seq, at, now, name, fields, text)


# -- events as the journal has always written them -----------------------------------------------------------------

_FROM = {Asker.HTTP: 1 << 32, Asker.TFTP: 1 << 48}


def written(event: Event) -> bytes:
    """The event as JSON. A request is one number there and a wake one text, since journals of all versions have them so."""
    match event:
        case Tick():
            return _encode({"type": "Tick", "subjects": [due_text(due) for due in event.subjects]})
        case (
            ScriptAsked() | Hello() | Commit() | Propose() | Recall() | CommitProposals() | Operate() | Join() | SetAttribute() | PowerSet()
        ):
            fields: dict[str, Json] = msgspec.to_builtins(event)
            return _encode(fields | {"request": request_number(event.request)})
        case _:
            return _encode(event)


def request_number(request: Request | None) -> int:
    """0: nobody waits. Operators are below, calls of machines above."""
    if request is None:
        return 0
    return -request.number if request.asker is Asker.OPERATOR else _FROM[request.asker] + request.number


def due_text(due: Due) -> str:
    """A node's id, `node/role`, or a MAC."""
    match due:
        case NodeDue():
            return due.node
        case RoleDue():
            return f"{due.node}/{due.role}"
        case SightingDue():
            return due.mac
        case _:
            assert_never(due)
