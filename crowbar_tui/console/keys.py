"""Keys that mean the same on all screens, and the order in which keys are offered: overlay, screen, these keys, verbs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.api.views import short

from . import actions, look_back
from .overlays import Command, Filter, Help, Palette, Sure
from .pages.attributes import AttributesScreen
from .pages.log import LogScreen
from .pages.node import NodeScreen
from .pages.notes import Notes
from .pages.packets import PacketsScreen
from .pages.why import WhyScreen
from .state import ConsoleState, Order
from .theme import NAMES

EVERYWHERE = (
    ("enter esc", "open, go back"),
    ("up down", "move; also j k, page up and down, g and G"),
    ("w", "why does it wait, or why did it fail"),
    ("l", "logs of the node: attempts of its roles, serial console"),
    ("P", "packets of the machine, and why one got no answer"),
    ("A", "settings of the node: values that its roles read, and their source"),
    ("/", "show only lines with these words; !word: lines without it"),
    ("s S", "sort by the next column; reverse the order"),
    ("space", "mark the node; * marks all shown nodes, u none"),
    (".", "menu of everything you can do to it"),
    (": ctrl+p", "go to anything or do anything, by name"),
    ("n", "notes: the engine's answers to your orders"),
    ("B", "look back at the past; the same key returns to now"),
    ("q Q", "leave and keep the engine running; or stop it too"),
)


def press(state: ConsoleState, key: str) -> None:
    if state.overlay is not None:
        if key == "ctrl+c":
            state.overlay = None
        else:
            state.overlay.press(key)
        return
    if look_back.press(state, key) or state.page.press(key) or _common(state, key):
        return
    actions.press(state, key)


def _common(state: ConsoleState, key: str) -> bool:
    page = state.page
    if key.isascii() and key.isdecimal() and 1 <= int(key) <= len(state.screens):
        state.show(int(key) - 1)
    elif key in ("escape", "backspace", "left"):
        _back(state, key)
    elif key == "/" and page.filters:
        state.overlay = Filter(state)
    elif key in COMMON:
        COMMON[key](state)
    else:
        return False
    return True


def _back(state: ConsoleState, key: str) -> None:
    """Out of the innermost thing that is set or open; at last to the first screen."""
    page = state.page
    if page.needle:
        page.filter("")
    elif state.back():
        pass
    elif state.marks:
        state.marks.clear()
    elif page is not state.screens[0] and key != "left":
        state.show(0)


def _stop(state: ConsoleState) -> None:
    if state.past is not None:
        state.may_do()
        return
    question = "stop the engine?"
    told = "until the next crowbar the engine serves and starts nothing; the machines keep running"
    state.overlay = Sure(state, question, told, None, lambda: state.leave(True))


def open_palette(state: ConsoleState) -> None:
    state.overlay = Palette(state, commands(state))


def open_notes(state: ConsoleState) -> None:
    state.push(Notes(state))


def open_node(state: ConsoleState, node: str = "") -> None:
    subject = state.page.subject()
    chosen = node or (subject.nodes[0] if subject.nodes else "")
    if chosen and state.node(chosen) is not None:
        state.push(NodeScreen(state, chosen))


def open_why(state: ConsoleState) -> None:
    subject = state.page.subject()
    if subject.nodes and state.node(subject.nodes[0]) is not None:
        state.push(WhyScreen(state, subject.nodes[0], subject.role))
        return
    step = state.step()
    found = state.node(step.node) if step.node else None
    if found is not None:
        state.push(WhyScreen(state, found.id, step.role))


def open_log(state: ConsoleState) -> None:
    subject = state.page.subject()
    if subject.nodes and state.node(subject.nodes[0]) is not None:
        state.push(LogScreen(state, subject.nodes[0], subject.role))


def open_packets(state: ConsoleState) -> None:
    state.push(PacketsScreen(state, state.page.machine()))


def every_packet(state: ConsoleState) -> None:
    state.push(PacketsScreen(state))


def open_settings(state: ConsoleState) -> None:
    subject = state.subject()
    nodes = tuple(n for n in subject.nodes if state.node(n) is not None)
    if nodes:
        state.push(AttributesScreen(state, nodes, subject.role))


def help_(state: ConsoleState) -> None:
    page = state.page
    hints: list[tuple[str, str]] = []
    if state.past is not None:
        hints += [("", "looking back"), *(look_back.KEYS if state.beside is not None else look_back.KEYS[1:]), ("", "")]
    mine = [(h.key, h.help or h.word) for h in page.hints() if h.help]
    if mine:
        hints += [("", f"on this screen: {page.crumb()}"), *mine, ("", "")]
    subject = state.subject()
    if subject.nodes and state.past is None:
        if subject.role:
            hints += [("", f"to {subject.role}"), *((a.key, f"{a.word}: {a.help}") for a in actions.ROLE), ("", "")]
        taken = {a.key for a in actions.ROLE} if subject.role else set()
        hints.append(("", "to the node" if len(subject.nodes) == 1 else f"to {len(subject.nodes)} marked nodes"))
        hints += [(a.key, f"{a.word}: {a.help}") for a in actions.for_nodes(state) if a.key not in taken]
        hints += [("p", "power: on, off, cycle, soft off, forced, status"), ("", "")]
    digits = (f"1 ... {len(state.screens)}", ", ".join(screen.name for screen in state.screens))
    everywhere = EVERYWHERE if state.past is None else [e for e in EVERYWHERE if e[0] not in ("space", ".", "B", "q Q")]
    hints += [("", "everywhere"), digits, *everywhere, *([("q", "leave")] if state.past is not None else [])]
    state.overlay = Help(state, "what can I do here", hints)


def commands(state: ConsoleState) -> list[Command]:
    out = [Command(page.name, f"screen {i}", partial(state.show, i - 1)) for i, page in enumerate(state.screens, 1)]
    subject = state.subject()
    if state.past is not None:
        out += look_back.commands(state)
    elif subject.nodes:
        who = short(state.rows[subject.nodes[0]].name) if len(subject.nodes) == 1 and subject.nodes[0] in state.rows else "marked nodes"
        out += [Command(f"why {who}", "the chain of reasons", lambda: open_why(state))]
        if state.rehearsal:
            out.append(Command(f"repair {who}", "virtual rack: repair the machine by hand", lambda: actions.mend(state)))
        out += [Command(f"log {who}", "of its roles' attempts", lambda: open_log(state))]
        out += [Command(f"packets {who}", "what it sent, and the answers", lambda: open_packets(state))]
        out += [Command(f"settings {who}", "attributes: show, set, clear", lambda: open_settings(state))]
        if subject.role:
            out += [Command(f"{a.word} {subject.role}", a.help, partial(actions.start, state, a)) for a in actions.ROLE]
        out += [Command(f"{a.word} {who}", a.help, partial(actions.start, state, a)) for a in actions.for_nodes(state)]
        out += [Command(f"power {a.word} {who}", a.help, partial(actions.start, state, a)) for a in actions.POWER]
    for mac in sorted(s.mac for s in state.world.sightings.values() if s.banned and state.past is None):
        out.append(Command(f"unban {mac}", "lift the ban", partial(state.give, [Order("unban", mac)])))
    out += [Command(f"theme {name}", "colours", partial(_theme, state, name)) for name in NAMES]
    out += [
        *([Command("setup", "the wizard that writes a first plan", lambda: setup(state))] if _unplanned(state) else []),
        Command("look back" if state.past is None else "now", "see the past; and back to now", state.look_back),
        *([Command("packets", "of all machines", lambda: every_packet(state))] if state.past is None else []),
        Command("notes", "the engine's answers to your orders", lambda: press(state, "n")),
        Command("help", "keys", lambda: help_(state)),
        Command("quit", "leave; the engine keeps running", lambda: state.leave(False)),
        *([Command("stop engine", "and leave", lambda: press(state, "Q"))] if state.past is None else []),
    ]
    out += [Command(short(state.rows[n].name), f"node, {state.rows[n].state}", partial(open_node, state, n)) for n in state.order]
    return out


def _unplanned(state: ConsoleState) -> bool:
    return state.past is None and state.world.plan is None


def setup(state: ConsoleState) -> None:
    from .setup.wizard import Wizard  # imports the whole engine, which a console with a plan never needs

    state.stack = [Wizard(state)]


def _theme(state: ConsoleState, name: str) -> None:
    state.theme = name
    state.apply_theme()


def _leave(state: ConsoleState) -> None:
    state.leave(False)


COMMON: dict[str, Callable[[ConsoleState], object]] = {
    "enter": open_node,
    "w": open_why,
    "l": open_log,
    "A": open_settings,
    "P": open_packets,
    "?": help_,
    "f1": help_,
    ":": open_palette,
    "ctrl+p": open_palette,
    "n": open_notes,
    ".": actions.menu,
    "u": lambda state: state.marks.clear(),
    "q": _leave,
    "ctrl+c": _leave,
    "ctrl+q": _leave,
    "B": lambda state: state.look_back(),
    "Q": _stop,
}
"""What a key does on every screen that has no use of its own for it."""
