"""Keys that mean the same everywhere, and who gets a key first: what lies over the screen, the screen, then these, then commands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.views.show import short

from . import actions, looking
from .overlays import Command, Filter, Help, Palette, Sure
from .theme import NAMES

if TYPE_CHECKING:
    from .desk import Desk

EVERYWHERE = (
    ("1 ... 8", "nodes, rack, topology, roles, plan, networks, events, health"),
    ("enter esc", "go in, go back"),
    ("up down", "move; also j k, page up and down, g and G"),
    ("w", "why does it wait, or why did it fail"),
    ("l", "the logs of the node: attempts of its roles, serial console"),
    ("A", "settings of the node: what its roles read, and who says so"),
    ("/", "show only what has these words in it; !word: what has not"),
    ("s S", "sort by the next column, reverse"),
    ("space", "mark the node; * marks all that are shown, u none"),
    (".", "everything that can be done to it"),
    (": ctrl+p", "go to anything, do anything, by name"),
    ("n", "notes: the answers to what was done"),
    ("B", "look back at what was; the same key returns to now"),
    ("q Q", "leave, the engine goes on; or stop it too"),
)


def press(desk: Desk, key: str) -> None:
    if desk.overlay is not None:
        if key == "ctrl+c":
            desk.overlay = None
        else:
            desk.overlay.press(key)
        return
    if looking.press(desk, key) or desk.page.press(key) or _common(desk, key):
        return
    actions.press(desk, key)


def _common(desk: Desk, key: str) -> bool:
    page = desk.page
    if len(key) == 1 and "1" <= key <= "8":
        desk.show(int(key) - 1)
    elif key in ("escape", "backspace", "left"):
        if page.needle:
            page.filter("")
        elif desk.back():
            pass
        elif desk.marks:
            desk.marks.clear()
        elif page is not desk.screens[0] and key != "left":
            desk.show(0)
    elif key == "enter":
        open_node(desk)
    elif key == "w":
        open_why(desk)
    elif key == "l":
        open_log(desk)
    elif key == "A":
        open_settings(desk)
    elif key == "?":
        help_(desk)
    elif key == "/" and page.filters:
        desk.overlay = Filter(desk)
    elif key in (":", "ctrl+p"):
        desk.overlay = Palette(desk, commands(desk))
    elif key == "n":
        from .pages.notes import Notes

        desk.push(Notes(desk))
    elif key == ".":
        actions.menu(desk)
    elif key == "u":
        desk.marks.clear()
    elif key in ("q", "ctrl+c", "ctrl+q"):
        desk.leave(False)
    elif key == "B":
        desk.look_back()
    elif key == "Q" and desk.past is not None:
        desk.may_do()
    elif key == "Q":
        question = "stop the engine?"
        told = "nothing is served or started until the next crowbar; machines go on as they are"
        desk.overlay = Sure(desk, question, told, None, lambda: desk.leave(True))
    else:
        return False
    return True


def open_node(desk: Desk, node: str = "") -> None:
    from .pages.node import NodeScreen

    subject = desk.page.subject()
    chosen = node or (subject.nodes[0] if subject.nodes else "")
    if chosen and desk.node(chosen) is not None:
        desk.push(NodeScreen(desk, chosen))


def open_why(desk: Desk) -> None:
    from .pages.why import WhyScreen

    subject = desk.page.subject()
    if subject.nodes and desk.node(subject.nodes[0]) is not None:
        desk.push(WhyScreen(desk, subject.nodes[0], subject.role))
        return
    step = desk.step()
    found = desk.node(step.node) if step.node else None
    if found is not None:
        desk.push(WhyScreen(desk, found.id, step.role))


def open_log(desk: Desk) -> None:
    from .pages.log import LogScreen

    subject = desk.page.subject()
    if subject.nodes and desk.node(subject.nodes[0]) is not None:
        desk.push(LogScreen(desk, subject.nodes[0], subject.role))


def open_settings(desk: Desk) -> None:
    from .pages.attributes import AttributesScreen

    subject = desk.subject()
    nodes = tuple(n for n in subject.nodes if desk.node(n) is not None)
    if nodes:
        desk.push(AttributesScreen(desk, nodes, subject.role))


def help_(desk: Desk) -> None:
    page = desk.page
    hints: list[tuple[str, str]] = []
    if desk.past is not None:
        hints += [("", "looking back"), *(looking.KEYS if desk.beside is not None else looking.KEYS[1:]), ("", "")]
    mine = [(h.key, h.help or h.word) for h in page.hints() if h.help]
    if mine:
        hints += [("", f"on this screen: {page.crumb()}"), *mine, ("", "")]
    subject = desk.subject()
    if subject.nodes and desk.past is None:
        if subject.role:
            hints += [("", f"to {subject.role}"), *((a.key, f"{a.word}: {a.help}") for a in actions.ROLE), ("", "")]
        taken = {a.key for a in actions.ROLE} if subject.role else set()
        hints.append(("", "to the node" if len(subject.nodes) == 1 else f"to {len(subject.nodes)} marked nodes"))
        hints += [(a.key, f"{a.word}: {a.help}") for a in actions.for_nodes(desk) if a.key not in taken]
        hints += [("p", "power: on, off, cycle, soft off, forced, status"), ("", "")]
    everywhere = EVERYWHERE if desk.past is None else [e for e in EVERYWHERE if e[0] not in ("space", ".", "B", "q Q")]
    hints += [("", "everywhere"), *everywhere, *([("q", "leave")] if desk.past is not None else [])]
    desk.overlay = Help(desk, "what can I do here", hints)


def commands(desk: Desk) -> list[Command]:
    from .desk import Order

    out = [Command(page.name, f"screen {i}", partial(desk.show, i - 1)) for i, page in enumerate(desk.screens, 1)]
    subject = desk.subject()
    if desk.past is not None:
        out += looking.commands(desk)
    elif subject.nodes:
        who = short(desk.rows[subject.nodes[0]].name) if len(subject.nodes) == 1 and subject.nodes[0] in desk.rows else "marked nodes"
        out += [Command(f"why {who}", "the chain of reasons", lambda: open_why(desk))]
        if desk.rehearsal:
            out.append(Command(f"mend {who}", "virtual rack: somebody walks there and mends it", lambda: actions.mend(desk)))
        out += [Command(f"log {who}", "of its roles' attempts", lambda: open_log(desk))]
        out += [Command(f"settings {who}", "attributes: look, set, take back", lambda: open_settings(desk))]
        if subject.role:
            out += [Command(f"{a.word} {subject.role}", a.help, partial(actions.start, desk, a)) for a in actions.ROLE]
        out += [Command(f"{a.word} {who}", a.help, partial(actions.start, desk, a)) for a in actions.for_nodes(desk)]
        out += [Command(f"power {a.word} {who}", a.help, partial(actions.start, desk, a)) for a in actions.POWER]
    for mac in sorted(s.mac for s in desk.world.sightings.values() if s.banned and desk.past is None):
        out.append(Command(f"unban {mac}", "lift the ban", partial(desk.give, [Order("unban", mac)])))
    out += [Command(f"theme {name}", "colours", partial(_theme, desk, name)) for name in NAMES]
    out += [
        *([Command("setup", "the wizard: from nothing to a plan", lambda: setup(desk))] if _unplanned(desk) else []),
        Command("look back" if desk.past is None else "now", "at what was; and back to now", desk.look_back),
        Command("notes", "answers to what was done", lambda: press(desk, "n")),
        Command("help", "keys", lambda: help_(desk)),
        Command("quit", "leave; the engine goes on", lambda: desk.leave(False)),
        *([Command("stop engine", "and leave", lambda: press(desk, "Q"))] if desk.past is None else []),
    ]
    out += [Command(short(desk.rows[n].name), f"node, {desk.rows[n].state}", partial(open_node, desk, n)) for n in desk.order]
    return out


def _unplanned(desk: Desk) -> bool:
    return desk.past is None and desk.world.plan is None


def setup(desk: Desk) -> None:
    from .setup.wizard import Wizard

    desk.stack = [Wizard(desk)]


def _theme(desk: Desk, name: str) -> None:
    desk.theme = name
    desk.redye()
