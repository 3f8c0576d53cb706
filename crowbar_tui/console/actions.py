"""What can be done to nodes and node roles: the engine's verbs with their keys, words, and how surely one has to mean them. One table.

    at once   it takes nothing away
    yes       it interrupts or takes away, and can be undone: y or n
    typed     it destroys what is on disks: the preview names them, and the operator types what is asked for

How sure one must be follows from the preview as well: a verb of the middle kind that would destroy something is of the last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.views.show import Node, Preview, preview, short

from .overlays import Asked, Entry, Menu, Sure, Typed
from .source import Said

if TYPE_CHECKING:
    from .desk import Desk


class Action(NamedTuple):
    key: str
    verb: str
    word: str
    help: str
    sure: str = "at once"
    value: Any = None
    when: Callable[[Node], bool] = lambda _node: True
    """Offered for nodes that are so; the engine decides, and says why not."""
    of: str = "node"
    ask: str = ""
    """What is to be typed as its value; empty: nothing."""


NODE: tuple[Action, ...] = (
    Action("r", "retry", "retry", "forget problem and errors, try again"),
    Action("a", "allocate", "allocate", "let the plan's rules take it", when=lambda n: not n.allocated),
    Action("a", "approve", "approve", "approve what waits for a yes; disks are shown first", "yes", when=lambda n: n.allocated),
    Action("h", "hold", "hold", "start nothing new on it", when=lambda n: not n.hold),
    Action("h", "release", "release", "let it go on", when=lambda n: n.hold),
    Action("i", "identify", "identify", "blink its light for a minute"),
    Action("v", "unavailable", "leave alone", "not available: the engine leaves it alone", "yes", when=lambda n: n.available),
    Action("v", "available", "take back", "available again", when=lambda n: not n.available),
    Action("e", "reset", "rediscover", "run the discovery again, after a fresh boot", "yes"),
    Action("I", "reinstall", "reinstall", "write the system anew, and all that follows", "yes"),
    Action("X", "redeploy", "redeploy", "run everything but the discovery again", "yes"),
    Action("t", "install", "install ...", "choose a system, allocate it, approve and write that", "yes"),
    Action("M", "merge", "merge ...", "another record is this machine too, and goes", "yes", ask="name of the record that goes"),
    Action("O", "replace", "replace ...", "another machine takes its place", "yes", ask="name of the new machine"),
    Action("Z", "split", "split", "forget what it is recognised by: it is two machines", "yes"),
    Action("b", "ban", "ban", "leave its MACs alone until the ban is lifted", "yes"),
    Action("D", "delete", "delete", "forget the node; it is discovered anew when it boots", "yes"),
)
POWER: tuple[Action, ...] = (
    Action("o", "power", "on", "switch on", value="on"),
    Action("f", "power", "off", "switch off at once", "yes", value="off"),
    Action("c", "power", "cycle", "off and on: a fresh boot", "yes", value="cycle"),
    Action("s", "power", "soft off", "ask the system to shut down", "yes", value="soft"),
    Action("F", "power", "off, forced", "at once, although a role runs on it", "yes", value={"action": "off", "force": True}),
    Action("C", "power", "cycle, forced", "although a role runs on it", "yes", value={"action": "cycle", "force": True}),
    Action("?", "power", "status", "ask the BMC", value="status"),
)
ROLE: tuple[Action, ...] = (
    Action("r", "retry", "retry", "try the role again", of="role"),
    Action("a", "approve", "approve", "approve what it destroys; disks are shown first", "yes", of="role"),
    Action("x", "skip", "skip", "count it as done: what depends on it goes on", "yes", of="role"),
    Action("X", "redeploy", "redeploy", "run the role again from the start", "yes", of="role"),
)
AS_PLANNED = "as planned"
"""Chosen for an install: no value is given."""
PREVIEWED = ("approve", "reset", "reinstall", "redeploy", "install", "delete")


def for_nodes(desk: Desk) -> list[Action]:
    """What is offered for the subject."""
    nodes = _nodes(desk)
    return [a for a in NODE if nodes and any(a.when(n) for n in nodes)]


def press(desk: Desk, key: str) -> bool:
    """A key of the table, for the subject of the page; true: it was one."""
    subject = desk.subject()
    if not subject.nodes:
        return False
    if subject.role:
        for action in ROLE:
            if action.key == key:
                start(desk, action)
                return True
    if key == "p":
        power_menu(desk)
        return True
    if desk.past is not None and any(action.key == key for action in (*NODE, *ROLE)):
        desk.may_do()
        return True
    for action in for_nodes(desk):
        if action.key == key:
            start(desk, action)
            return True
    return False


def menu(desk: Desk) -> None:
    """Everything that can be done here."""
    subject = desk.subject()
    if not subject.nodes or not desk.may_do():
        return
    who = _who(_nodes(desk))
    entries = []
    if subject.role:
        entries += [Entry(a.key, f"{a.word} {subject.role}", a.help, partial(start, desk, a)) for a in ROLE]
    taken = {e.key for e in entries}
    entries += [Entry(a.key, a.word, a.help, partial(start, desk, a)) for a in for_nodes(desk) if a.key not in taken]
    entries.append(Entry("p", "power ...", "on, off, cycle, soft off, status", lambda: power_menu(desk)))
    if desk.rehearsal:
        entries.append(Entry("m", "mend", "virtual rack: somebody walks there and mends it", lambda: mend(desk)))
    desk.overlay = Menu(desk, f"{who}: what to do", entries)


def power_menu(desk: Desk) -> None:
    nodes = _nodes(desk)
    if nodes and desk.may_do():
        entries = [Entry(a.key, a.word, a.help, partial(start, desk, a)) for a in POWER]
        desk.overlay = Menu(desk, f"power of {_who(nodes)}", entries)


def start(desk: Desk, action: Action) -> None:
    """Ask first where that is needed, then give the orders."""
    if not desk.may_do():
        return
    if action.verb == "install" and action.value is None:
        systems(desk, action)
        return
    if action.ask:
        who = _who(_nodes(desk))
        desk.overlay = Asked(desk, f"{action.verb} {who}: {action.ask}", lambda typed: start(desk, action._replace(value=typed, ask="")))
        return
    nodes = [n for n in _nodes(desk) if action.when(n)]
    role = desk.subject().role if action.of == "role" else ""
    if not nodes:
        return
    found: Preview | None = None
    if action.verb in PREVIEWED:
        found = preview(desk.world, action.verb, nodes, role)
    who = _who(nodes)
    what = f"power {action.word}" if action.verb == "power" else action.verb
    if action.value == AS_PLANNED:
        action = action._replace(value=None)
    other = {
        "merge": f" and {action.value}", "replace": f" by {action.value}", "install": f" with {action.value}" if action.value else "",
    }.get(action.verb, "")  # fmt: skip
    question = f"{what} {role + ' on ' if role else ''}{who}{other}?"
    if found is not None and found.destroys:
        word = short(nodes[0].name) if len(nodes) == 1 else f"{len(nodes)} nodes"
        desk.overlay = Typed(desk, question, found, word, lambda: _give(desk, action, nodes, role))
    elif action.sure == "at once":
        _give(desk, action, nodes, role)
    else:
        desk.overlay = Sure(desk, question, action.help, found, lambda: _give(desk, action, nodes, role))


def mend(desk: Desk) -> None:
    """Of a virtual rack's machines: what is broken and can be mended while it runs."""
    for node in _nodes(desk):
        desk.work(partial(_mend, Path(desk.snapshot_where), [node.uuid, node.serial, *node.macs]), partial(_mended, desk, node))


def _mend(store: Path, identity: list[str]) -> Said:
    from engine.face import RackError, mend

    try:
        return Said(True, mend(store, identity))
    except RackError as error:
        return Said(False, str(error))


def _mended(desk: Desk, node: Node, said: Any) -> None:
    told = said if isinstance(said, Said) else Said(False, str(said))
    desk.note(told._replace(text=f"{short(node.name)}: {told.text}{'; r tries again' if told.ok else ''}"))


def systems(desk: Desk, action: Action) -> None:
    """Which system is installed: the one that the plan says, or another one that there is."""
    entries = [Entry("p", "as planned", "the system that plan and settings say", lambda: start(desk, action._replace(value=AS_PLANNED)))]
    images = sorted((i for i in desk.world.catalog.images.values() if i.kind == "system"), key=lambda i: i.name)
    for number, image in enumerate(images[:9], 1):
        chosen = partial(start, desk, action._replace(value=image.name))
        entries.append(Entry(str(number), image.name, image.description or image.version, chosen))
    desk.overlay = Menu(desk, f"install which system on {_who(_nodes(desk))}?", entries)


def _give(desk: Desk, action: Action, nodes: list[Node], role: str) -> None:
    from .desk import Order

    desk.give([Order(action.verb, node.id, role, action.value) for node in nodes])
    if len(nodes) > 1:
        desk.marks.clear()


def _nodes(desk: Desk) -> list[Node]:
    return [found for n in desk.subject().nodes if (found := desk.node(n)) is not None]


def _who(nodes: list[Node]) -> str:
    return short(nodes[0].name) if len(nodes) == 1 else f"{len(nodes)} marked nodes"
