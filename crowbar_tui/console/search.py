"""Search everything from the palette: what is on a label, a port, a disk, in a reason leads to its row. Says what matched.

The first look at 5,000 nodes takes more than half a second, so a job makes it while the user types. A key that comes sooner waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from engine.api.views import Finder, Found

from . import go_to
from .palette import Command
from .session import Session
from .styled import MARK, clean

LEAST = 2
"""Letters from which everything is searched: one letter is in every text."""
BEFORE = 12
"""Letters of a long text that stay before the match."""
FINDS = "a name, serial, MAC, UUID, address, place, port, disk, role, or words of a reason"


class Search:
    """What can be found. A palette asks it to look, then finds in what it saw."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._finder = Finder()
        self._busy = False
        self._then: list[Callable[[], None]] = []
        self.trouble = ""
        """Why the search failed, in a sentence."""

    @property
    def ready(self) -> bool:
        return not self._busy

    def look(self, then: Callable[[], None]) -> None:
        """Takes in the newest snapshot, in a job. `then` is called when that is done."""
        self._then.append(then)
        if self._busy:
            return
        self._busy = True
        session = self._session
        world, links, rows, finder = session.world, session.links(), dict(session.rows), self._finder
        session.work(lambda: finder.take(world, links, rows), self._done)

    def _done(self, result: Any) -> None:
        self._busy = False
        self.trouble = f"the search failed: {result}" if isinstance(result, Exception) else ""
        then, self._then = self._then, []
        for call in then:
            call()

    def commands(self, text: str) -> list[Command]:
        """Everything that fits, the best first. Empty while the search is not ready."""
        if self._busy or self.trouble or len(text.strip()) < LEAST:
            return []
        out = {(one.name, one.help): one for found in reversed(self._finder.find(text)) for one in (_command(self._session, found, text),)}
        return list(reversed(out.values()))


def _command(session: Session, found: Found, text: str) -> Command:
    name = found.name or found.role or found.text
    told = f"{found.kind} {_near(found.text, text) if found.kind in ('reason', 'advice') else clean(found.text)}"
    told = told if found.kind != "name" else f"node, {found.text}"
    return Command(name, told, partial(lead, session, found))


def _near(text: str, needle: str) -> str:
    """The text from shortly before the match on."""
    at = text.lower().find(needle.lower().split()[0])
    return MARK + clean(text[at - BEFORE :]) if at > 2 * BEFORE else clean(text)


def lead(session: Session, found: Found) -> None:
    """To the row of the thing: the cursor stands on it. If it has gone, a note says so."""
    if found.kind in ("port", "switch"):
        key = found.key or next(((x.node, x.nic, x.link) for x in session.links().links if x.switch == found.name), ())
        go_to.cable(session, key)
    elif found.kind == "role":
        go_to.role(session, found.role)
    elif found.kind in ("address", "fixed address", "lease") and go_to.row(session, "networks", found.key[0]):
        pass
    elif found.kind in ("disk", "disk serial", "WWN") or found.role:
        go_to.place(session, found.node, found.role, "")
    elif found.kind == "place":
        go_to.in_rack(session, found.node)
    elif not go_to.row(session, "nodes", found.node):
        session.refuse(f"{found.name or found.text} is not in the list any more")
