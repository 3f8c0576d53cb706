"""Where a problem or the next step leads: the page where a person can act, with the cursor on its thing."""

from __future__ import annotations

from collections.abc import Hashable

from engine.api.views import QueuedProblem, Step, short

from .page import Listing
from .pages.node import NodeScreen
from .pages.rack import RackScreen
from .pages.roles import RolesScreen
from .pages.topology import TopologyScreen
from .session import Session


def problem(session: Session, one: QueuedProblem) -> None:
    place(session, one.node, one.role, one.page)


def next_step(session: Session) -> None:
    """The page of the next step that the screen shows. Without one of its own: the queue of problems."""
    step: Step = session.step()
    if step.kind == "cable":
        place(session, step.node, "", "topology")
    elif step.node or step.kind in ("power", "look"):
        place(session, step.node, step.role, "")
    elif step.kind == "plan":
        session.refuse(step.text)
    else:
        session.refuse("nothing to go to: the engine goes on by itself")


def place(session: Session, node: str, role: str, page: str) -> None:
    """`node`: an id, a name, or the MAC of a machine that is no node. `page`: the name of a screen; empty: the node's own page."""
    found = session.node(node) if node else None
    if page == "topology":
        name = short(found.name) if found is not None else node
        links = [link for link in session.links().links if link.node == name]
        links.sort(key=lambda link: link.check not in ("swapped", "missing"))
        _screen(session, page, (links[0].node, links[0].nic, links[0].link) if links else None)
    elif found is not None:
        shown = NodeScreen(session, found.id)
        session.push(shown)
        if role and isinstance(session.page, NodeScreen):
            session.page.pick(role)
    else:
        _screen(session, "nodes", node or None)


def put(page: Listing, key: Hashable) -> None:
    """The cursor onto the thing with this key, if the page has it."""
    things = page.shown()
    index = next((i for i, thing in enumerate(things) if page.key_of(thing) == key), None)
    if index is not None:
        page.move(index)


def keep_place(session: Session) -> None:
    """Remembers where the cursor is: `g` moves it to the top, and may turn out to be the first half of `g n`."""
    page = session.page
    session.kept_place = (page, page.at, page.moved) if isinstance(page, Listing) else None


def put_back(session: Session) -> None:
    page, at, moved = session.kept_place or (None, None, False)
    if page is session.page and isinstance(page, Listing) and moved:
        put(page, at)


def row(session: Session, name: str, key: Hashable | None) -> bool:
    """The screen with the cursor on the thing with this key. False if it has none."""
    _screen(session, name, key)
    page = session.page
    return isinstance(page, Listing) and page.chosen() is not None and page.key_of(page.chosen()) == key


def cable(session: Session, key: tuple[str, ...]) -> None:
    """The cable of (node, NIC, link). One that is folded together with others is shown by itself."""
    if not row(session, "topology", key) and key and isinstance(session.page, TopologyScreen):
        session.page.unfold()
        put(session.page, key)


def in_rack(session: Session, node: str) -> None:
    """The machine in its rack."""
    _screen(session, "rack", None)
    page = session.page
    if isinstance(page, RackScreen):
        page.put(next((i for i, one in enumerate(page.things()) if one.id == node), page.index))


def role(session: Session, name: str) -> None:
    """The column of a role."""
    _screen(session, "roles", None)
    page = session.page
    if isinstance(page, RolesScreen):
        page.pick(name)


def _screen(session: Session, name: str, key: Hashable | None) -> None:
    number = next((i for i, screen in enumerate(session.screens) if screen.name == name), 0)
    session.show(number)
    page = session.page
    if key is not None and isinstance(page, Listing):
        page.filter("")
        put(page, key)


def turn(session: Session, direction: int) -> None:
    """To the next problem that nobody has acknowledged, or to the previous one, from the one that was gone to last."""
    queue = [one for one in session.queue() if one.open]
    if not queue:
        session.say_so("nothing needs a person")
        return
    at = next((i for i, one in enumerate(queue) if one.key == session.problem_at), None)
    new = (at + direction) % len(queue) if at is not None else (0 if direction > 0 else len(queue) - 1)
    one = queue[new]
    session.problem_at = one.key
    if session.page.name == "problems" and isinstance(session.page, Listing):
        put(session.page, one.key)
        return
    if isinstance(session.page, NodeScreen):
        session.back()
    problem(session, one)
    what = f"{one.role}: {one.sentence}" if one.role else one.sentence
    session.say_so(f"problem {new + 1} of {len(queue)}: {short(one.name)}: {what}")
