"""Other people at the same engine: what they did, and who opened or closed a console. Pure, apart from the process's own number."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.api.views import JournalRow, Json

MEMORY = 500
"""Own orders that are remembered until the journal shows them."""


class Own:
    """The orders that this console gave, so that it can tell them from those of others under the same name."""

    def __init__(self) -> None:
        self._given: deque[tuple[str, str, str, str]] = deque(maxlen=MEMORY)

    def gave(self, event: str, what: str = "", about: str = "", role: str = "") -> None:
        """Called before the order is sent. `what`: the verb, or the attribute; `about`: what the event names, a node for example."""
        self._given.append((event, what, about, role))

    def has(self, row: JournalRow) -> bool:
        """True if this row is one of these orders; it is then forgotten."""
        fields = row.fields
        match row.event:
            case "Operate":
                given = ("Operate", _text(fields, "verb"), _text(fields, "node"), _text(fields, "role"))
            case "SetAttribute":
                given = ("SetAttribute", _text(fields, "name"), _text(fields, "scope"), "")
            case "Recall":
                given = ("Recall", "", _text(fields, "deployment"), "")
            case "Join":
                given = ("Join", "", _text(fields, "address"), "")
            case "Commit" | "CommitProposals":
                given = (row.event, "", "", "")
            case _:
                return False
        if given in self._given:
            self._given.remove(given)
            return True
        return False


def _text(fields: Mapping[str, Json], name: str) -> str:
    return str(fields.get(name) or "")


def of_others(told: Sequence[dict[str, Any]]) -> str:
    """What others did in these rows, in one sentence. Empty: nothing."""
    did = [one for one in told if one.get("did") and not one.get("mine")]
    if not did:
        return ""
    last = did[-1]
    more = f"; {len(did) - 1} more, see 7" if len(did) > 1 else ""
    return f"{last['who']} {last['did']}{more}"


class Console(NamedTuple):
    """A console that somebody has open."""

    who: str
    where: str
    """Its terminal, like `pts/3`. Empty: not known."""
    since: float
    """Wall time."""
    pid: int


def consoles(health: Mapping[str, Any], own: int) -> list[Console]:
    """Those that the engine knows, except the one of process `own`; the oldest first."""
    found = [one for one in health.get("consoles") or () if isinstance(one, dict)]
    out = [Console(str(o.get("who", "")), str(o.get("where", "")), float(o.get("since", 0.0)), int(o.get("pid", 0))) for o in found]
    return sorted((one for one in out if one.pid != own), key=lambda one: (one.since, one.pid))


def changes(before: Sequence[Console], now: Sequence[Console]) -> str:
    """Who came and who went, in one sentence. Empty: nobody."""
    words = [f"{_name(one)} opened a console" for one in now if one not in before]
    words += [f"{_name(one)} closed the console" for one in before if one not in now]
    return "; ".join(words[:3])


def _name(one: Console) -> str:
    return f"{one.who} ({one.where})" if one.where else one.who
