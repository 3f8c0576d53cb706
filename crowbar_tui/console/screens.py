"""The screens in the order of their digits, and a session with these screens and keys. To add a screen, add it here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from .keys import press
from .page import Listing
from .pages.events import EventsScreen
from .pages.health import HealthScreen
from .pages.networks import NetworksScreen
from .pages.node import NodeScreen
from .pages.nodes import NodesScreen
from .pages.plan import PlanScreen
from .pages.rack import RackScreen
from .pages.roles import RolesScreen
from .pages.topology import TopologyScreen
from .screen import Screen
from .session import Session
from .snapshot import Snapshot

SCREENS: Sequence[Callable[[Session], Screen]] = (
    NodesScreen,
    RackScreen,
    TopologyScreen,
    RolesScreen,
    PlanScreen,
    NetworksScreen,
    EventsScreen,
    HealthScreen,
)


def new_session(snapshot: Snapshot, theme: str = "default", wall: Callable[[], float] = time.time, where: Path | str = "") -> Session:
    """A session with all screens and keys."""
    return Session(snapshot, SCREENS, press, theme, wall, where)


def go_where(mine: Session, other: Session) -> None:
    """Opens the screen that the other session shows, as far as it exists here."""
    number = next((i for i, page in enumerate(other.screens) if page is other.stack[0]), 0)
    mine.show(number)
    here, there = mine.page, other.stack[0]
    if isinstance(here, Listing) and isinstance(there, Listing):
        here.at, here.index, here.moved, here.sort, here.reverse = there.at, there.index, there.moved, there.sort, there.reverse
    node = next((page.id for page in other.stack if isinstance(page, NodeScreen)), "")
    if node and mine.node(node) is not None:
        mine.push(NodeScreen(mine, node))
