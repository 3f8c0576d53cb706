"""Commands to nodes and node roles: the engine's table of verbs (`verbs`), by keys and menus. The console asks as much as a verb can
cost.

    at once   takes nothing away
    yes       interrupts or takes something away, and can be undone: y or n
    typed     destroys data on disks: the preview names the disks, and the operator types the node's name

If the preview of a `yes` verb shows that it destroys data, the console treats it as `typed`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from engine.api.views import Node, Preview, preview, short, verbs

from . import receipts, repair
from .orders import Order
from .overlays import Asked, Entry, Fingerprints, Menu, Sure, Typed
from .session import Session


class Action(NamedTuple):
    """A verb with its key, and with its value once that is known."""

    row: verbs.Verb
    key: str
    word: str
    help: str
    sure: str = "at once"
    value: Any = None
    ask: str = ""
    """The prompt for the verb's value. Empty: none."""

    @property
    def verb(self) -> str:
        return self.row.name

    def when(self, node: Node) -> bool:
        """True if the console offers it for this node. The engine decides by itself, and gives the reason for a refusal."""
        return self.row.offered_for(node)


def _action(verb: verbs.Verb, choice: verbs.Choice | None = None) -> Action:
    """A row of the table of verbs, or one value of it, as the console offers it."""
    if choice is not None:
        return Action(verb, choice.key, choice.word, choice.help, choice.sure, choice.sent)
    return Action(verb, verb.key, verb.shown, verb.help, verb.sure, ask=verb.takes.ask if verb.takes is not None else "")


NODE = tuple(_action(verb) for verb in verbs.VERBS if verb.target == "node" and verb.key)
ROLE = tuple(_action(verb) for verb in verbs.VERBS if verb.target == "role" and verb.key)
POWER = tuple(_action(verbs.POWER, choice) for choice in verbs.POWER.takes.choices) if verbs.POWER.takes is not None else ()
AS_PLANNED = "as planned"
"""For an install: the choice of the plan's system, so no value is sent."""


def for_nodes(session: Session) -> list[Action]:
    """The actions for the subject."""
    nodes = _nodes(session)
    return [a for a in NODE if nodes and any(a.when(n) for n in nodes)]


def press(session: Session, key: str) -> bool:
    """Handles a key of the table for the subject of the page. False if the key is not in the table."""
    subject = session.subject()
    if not subject.nodes:
        return False
    if subject.role:
        for action in ROLE:
            if action.key == key:
                start(session, action)
                return True
    if key == "p":
        power_menu(session)
        return True
    if (session.past is not None or session.manner.read_only) and any(action.key == key for action in (*NODE, *ROLE)):
        session.may_do()
        return True
    for action in for_nodes(session):
        if action.key == key:
            start(session, action)
            return True
    return False


def menu(session: Session) -> None:
    """All actions that are possible here."""
    subject = session.subject()
    if not subject.nodes or not session.may_do():
        return
    who = _who(_nodes(session))
    entries = []
    if repair.offered(session):
        entries.append(Entry("m", "repair", "virtual rack: repair the machine by hand", lambda: repair.mend(session)))
    if subject.role:
        entries += [Entry(a.key, f"{a.word} {subject.role}", a.help, partial(start, session, a)) for a in ROLE]
    taken = {e.key for e in entries}
    entries += [Entry(a.key, a.word, a.help, partial(start, session, a)) for a in for_nodes(session) if a.key not in taken]
    entries.append(Entry("p", "power ...", "on, off, cycle, soft off, status", lambda: power_menu(session)))
    session.overlay = Menu(session, f"{who}: what to do", entries)


def power_menu(session: Session) -> None:
    nodes = _nodes(session)
    if nodes and session.may_do():
        entries = [Entry(a.key, a.word, a.help, partial(start, session, a)) for a in POWER]
        session.overlay = Menu(session, f"power of {_who(nodes)}", entries)


def start(session: Session, action: Action) -> None:
    """Asks first if the verb needs it, then gives the orders."""
    if not session.may_do():
        return
    takes = action.row.takes
    if takes is not None and takes.kind == "system" and action.value is None:
        systems(session, action)
        return
    if action.ask:
        who = _who(_nodes(session))
        session.overlay = Asked(
            session, f"{action.verb} {who}: {action.ask}", lambda typed: start(session, action._replace(value=typed, ask=""))
        )
        return
    nodes = [n for n in _nodes(session) if action.when(n)]
    role = session.subject().role if action.row.target == "role" else ""
    if not nodes:
        return
    if takes is not None and takes.kind == "fingerprint":
        confirm(session, action, nodes)
        return
    found: Preview | None = None
    if action.row.previewed:
        found = preview(session.world, action.verb, nodes, role)
    who = _who(nodes)
    what = f"{action.verb} {action.word}" if takes is not None and takes.choices else action.verb
    if action.value == AS_PLANNED:
        action = action._replace(value=None)
    other = f" {takes.joined} {action.value}" if takes is not None and takes.joined and action.value else ""
    question = f"{what} {role + ' on ' if role else ''}{who}{other}?"
    if found is not None and found.destroys:
        word = short(nodes[0].name) if len(nodes) == 1 else f"{len(nodes)} nodes"
        session.overlay = typed = Typed(session, question, found, word, lambda: _give(session, action, nodes, role))
        ask_disks(session, typed, action.verb, nodes, role)
    elif action.sure == "at once":
        _give(session, action, nodes, role)
    else:
        session.overlay = Sure(session, question, action.help, found, lambda: _give(session, action, nodes, role))


def confirm(session: Session, action: Action, nodes: list[Node]) -> None:
    """Shows the fingerprint of each node. What is sent is what was shown: the engine refuses it if another claim came meanwhile."""
    claims = [(short(node.name), node.fingerprint) for node in nodes]
    orders = [Order(action.verb, node.id, "", node.fingerprint) for node in nodes]

    def give() -> None:
        session.give(orders, partial(receipts.show, session))
        if len(orders) > 1:
            session.marks.clear()

    session.overlay = Fingerprints(session, f"{action.verb} {_who(nodes)}?", claims, give)


def ask_disks(session: Session, overlay: Typed, verb: str, nodes: list[Node], role: str = "") -> None:
    """Asks the nodes for their disks now, and shows the answer in the open question."""
    source = session.source
    if source is None:
        return

    def done(looks: Any) -> None:
        if session.overlay is overlay:
            overlay.show(preview(session.world, verb, nodes, role, looks if isinstance(looks, dict) else None))

    overlay.asking = True
    session.work(lambda: source.disks([node.id for node in nodes]), done)


def systems(session: Session, action: Action) -> None:
    """Menu of the systems to install: the plan's, or another one with an image."""
    entries = [
        Entry(
            "p", "as planned", "the system that the plan and the settings name", lambda: start(session, action._replace(value=AS_PLANNED))
        )
    ]
    images = sorted((i for i in session.world.catalog.images.values() if i.kind == "system"), key=lambda i: i.name)
    for number, image in enumerate(images[:9], 1):
        chosen = partial(start, session, action._replace(value=image.name))
        entries.append(Entry(str(number), image.name, image.description or image.version, chosen))
    session.overlay = Menu(session, f"install which system on {_who(_nodes(session))}?", entries)


def _give(session: Session, action: Action, nodes: list[Node], role: str) -> None:
    session.give([Order(action.verb, node.id, role, action.value) for node in nodes], partial(receipts.show, session))
    if len(nodes) > 1:
        session.marks.clear()


def _nodes(session: Session) -> list[Node]:
    return [found for n in session.subject().nodes if (found := session.node(n)) is not None]


def _who(nodes: list[Node]) -> str:
    return short(nodes[0].name) if len(nodes) == 1 else f"{len(nodes)} marked nodes"
