"""Runs the real app without a terminal, and waits for what shall be on its screen."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import worlds
from still import Still

from crowbar_tui.console.app import Console
from crowbar_tui.console.frame import draw
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.snapshot import TaskProgress
from crowbar_tui.console.styled import plain

HEALTH = {
    "now": 1316.0,
    "seq": 213,
    "events": 240,
    "batches": 221,
    "refused": 0,
    "waiting": {"outcomes": 0, "agents": 1, "packets": 0},
    "turned_away": {"packets": 3},
    "wakes": 12,
    "slowest_s": 0.0123,
    "slowest": "Commit",
    "letters": [],
    "failure": "",
    "pid": 4711,
    "counters": {"dhcp.offer": 12, "tftp.sent": 6},
    "rates": {"dhcp.offer": 0.4},
    "refusals": {
        "other_server": {
            "sentence": "52:54:00:00:00:04 chose the DHCP server 10.0.0.3",
            "mac": "52:54:00:00:00:04",
            "at": 990.0,
            "count": 4,
        },
        "stranger": {
            "sentence": "02:00:00:00:00:01 (stranger) is not booting from the network, so it gets no address",
            "mac": "",
            "at": 995.0,
            "count": 7,
        },
    },
}


def still(name: str, **more: Any) -> tuple[Still, float]:
    world, at = worlds.load(name)
    told = [
        {"seq": 1, "at": at - 300, "type": "started", "node": "admin", "text": "system / admin"},
        {"seq": 2, "at": at - 299, "type": "commit", "node": "", "text": "revision 1 by op; ntp-server transition"},
        {"seq": 3, "at": at - 120, "type": "hello", "node": "n3", "text": "discovery / sledgehammer"},
        {"seq": 4, "at": at - 60, "type": "outcome", "node": "n3", "text": "raid-configure error", "roles": {"raid-configure": "error"}},
        {"seq": 5, "at": at - 5, "type": "operate", "node": "n1", "text": "op: retry"},
    ]
    progress = {n.id: TaskProgress(43.0, "image 412 of 780 MB", at - 1) for n in world.nodes.values() if n.id in ("n1", "n3", "n4")}
    values = {"health": HEALTH, "progress": progress if name == "working" else {}, **more}
    return Still(world, Path("/var/lib/crowbar"), told, at=at, **values), at


SIZES = [(80, 24), (120, 36), (160, 48), (200, 60)]
"""Terminals for which the golden screens are kept."""
APP = SIZES[::2]
"""Those at which the whole app runs. At the others the session is drawn without it."""


SIGNS = {
    "colon": ":",
    "full_stop": ".",
    "left_parenthesis": "(",
    "minus": "-",
    "question_mark": "?",
    "right_square_bracket": "]",
    "slash": "/",
}
"""Textual's name of a key -> what the session gets."""


def drawn(source: Any, at: float, size: tuple[int, int], keys: str = "", past: bool = False) -> str:
    """What the app would show after these keys, drawn without it. `past`: the source is a look back."""
    session = new_session(source.snapshot(), wall=lambda: session.snapshot.at if past else at, where=source.where)
    session.source, session.rehearsal, session.real = source, False, lambda: at
    session.work = lambda job, done: done(_result(job))
    session.past = source if past else None
    for key in keys.split():
        draw(session, *size)
        session.press(SIGNS.get(key, key))
        if past:
            session.take(source.snapshot())
    return "\n".join(plain(line).rstrip() for line in draw(session, *size)) + "\n"


def _result(job: Callable[[], Any]) -> Any:
    try:
        return job()
    except Exception as error:  # as the app's thread does
        return error


@asynccontextmanager
async def console(source: Still, at: float, size: tuple[int, int] = (80, 24), keys: str = "", theme: str = "default"):
    app = Console(source, theme=theme, wall=lambda: at)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(app.lines_widget.lines))
        await press(pilot, keys)
        yield app, pilot


async def press(pilot: Any, keys: str) -> None:
    """Keys with spaces between."""
    for key in keys.split():
        await pilot.press(key)
    await pilot.pause()


async def until(pilot: Any, seen: Callable[[], Any], seconds: float = 60.0) -> None:
    """Until `seen` is true; the event loop turns meanwhile."""
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it did not come"
        await pilot.pause()


def shot(app: Console) -> str:
    """What the terminal shows: from the compositor, not from the session."""
    rows = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows) + "\n"


__all__ = ["APP", "SIZES", "console", "drawn", "press", "shot", "still", "until"]
