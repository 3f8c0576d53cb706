"""Keys that mean the same on all screens, and the order in which keys are offered: overlay, screen, these keys, verbs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from engine.api.views import short

from . import actions, copying, go_to, look_back, repair
from .join import ask_address
from .orders import Order
from .overlays import AskedPath, Filter, Help, Sure
from .pages.attributes import AttributesScreen
from .pages.commit import preview_file
from .pages.log import LogScreen
from .pages.machine_health import MachineHealthScreen
from .pages.node import NodeScreen
from .pages.notes import Notes
from .pages.packets import PacketsScreen
from .pages.problems import ProblemsScreen
from .pages.results import ResultsScreen
from .pages.timeline import TimelineScreen
from .pages.why import WhyScreen
from .palette import Command, Palette
from .repair import SERVER
from .search import Search
from .session import Session
from .theme import NAMES

EVERYWHERE = (
    ("enter esc", "open, go back"),
    ("up down", "move; also the page keys"),
    ("j k g G", "move down, up, to the first line, to the last"),
    ("ctrl+d ctrl+u", "move by half a screen"),
    ("-", "the screen before this one, and back"),
    ("w", "why does it wait, or why did it fail"),
    ("l", "logs of the node: attempts of its roles, serial console"),
    ("P", "packets of the machine, and why one got no answer"),
    ("H", "health of the machine by its BMC: sensors with history, event log"),
    ("A", "settings of the node: values that its roles read, and their source"),
    ("/", "only lines with these words or expressions; !word: without it"),
    ("s S", "sort by the next column; reverse the order"),
    ("space", "mark the node"),
    ("* u", "mark all shown nodes; mark none"),
    ("V", "mark from the last mark to here; also ctrl+space, shift+down"),
    ("m", "in a rehearsal: repair the machine by hand"),
    (".", "menu of everything you can do to it"),
    (": ctrl+p", "go to, find or do anything; up: earlier commands; /: only find"),
    ("Y", "copy the line or a field to your clipboard"),
    ("ctrl+s", "save the screen to a file: text, or .csv"),
    ("ctrl+z", "back to the shell; fg comes back"),
    ("!", "problems: only what needs a person, worst first"),
    ("[ ]", "the previous problem, the next one"),
    ("g n", "goes to what the next line speaks of"),
    ("L", "timeline: the life of each machine as a line"),
    ("R", "results: what the roles that validate found"),
    ("n", "notes: the engine's answers to your orders"),
    ("B", "look back at the past; the same key returns to now"),
    ("f2", "mouse off, so that the terminal selects text; or on"),
    ("q Q", "leave and keep the engine running; or stop it too"),
)


def press(session: Session, key: str) -> None:
    if key == "ctrl+z":
        suspend(session)
        return
    if session.overlay is not None:
        if key == "ctrl+c":
            session.overlay = None
        else:
            session.overlay.press(key)
        return
    before, session.before = session.before, key
    if key == "n" and before == "g":
        go_to.put_back(session)
        go_to.next_step(session)
        return
    if key == "g":
        go_to.keep_place(session)
    if look_back.press(session, key) or session.page.press(key) or _common(session, key):
        return
    actions.press(session, key)


def _common(session: Session, key: str) -> bool:
    page = session.page
    if key.isascii() and key.isdecimal() and 1 <= int(key) <= len(session.screens):
        session.show(int(key) - 1)
    elif key in ("escape", "backspace", "left"):
        _back(session, key)
    elif key == "/" and page.filters:
        session.overlay = Filter(session)
    elif key == "m" and session.rehearsal and session.subject().nodes:
        repair.mend(session)
    elif key in COMMON:
        COMMON[key](session)
    else:
        return False
    return True


def _back(session: Session, key: str) -> None:
    """Out of the innermost thing that is set or open; at last to the first screen."""
    page = session.page
    if page.needle:
        page.filter("")
    elif session.back():
        pass
    elif session.marks:
        session.marks.clear()
    elif page is not session.screens[0] and key != "left":
        session.show(0)


def _stop(session: Session) -> None:
    if not session.may_do():
        return
    if session.manner.captive:
        session.refuse("a captive console stops no engine, because it cannot start it again", "use an account with a shell")
        return
    question = "stop the engine?"
    told = "until the next crowbar the engine serves and starts nothing; the machines keep running"
    if session.rehearsal:
        told = f"the virtual rack stops too, as it is; to continue: crowbar --store {session.snapshot_where}"
    session.overlay = Sure(session, question, told, None, lambda: session.leave(True))


def open_palette(session: Session) -> None:
    session.overlay = Palette(session, commands(session), searching(session))


def searching(session: Session) -> Search:
    if not isinstance(session.search, Search):
        session.search = Search(session)
    return session.search


def open_notes(session: Session) -> None:
    session.push(Notes(session))


def open_node(session: Session, node: str = "") -> None:
    subject = session.page.subject()
    chosen = node or (subject.nodes[0] if subject.nodes else "")
    if chosen and session.node(chosen) is not None:
        session.push(NodeScreen(session, chosen))
    elif not session.page.machine():
        go_to.next_step(session)


def open_why(session: Session) -> None:
    subject = session.page.subject()
    if subject.nodes and session.node(subject.nodes[0]) is not None:
        session.push(WhyScreen(session, subject.nodes[0], subject.role))
        return
    step = session.step()
    found = session.node(step.node) if step.node else None
    if found is not None:
        session.push(WhyScreen(session, found.id, step.role))


def open_log(session: Session) -> None:
    subject = session.page.subject()
    if subject.nodes and session.node(subject.nodes[0]) is not None:
        session.push(LogScreen(session, subject.nodes[0], subject.role))


def open_health(session: Session) -> None:
    subject = session.page.subject()
    if subject.nodes and session.node(subject.nodes[0]) is not None:
        session.push(MachineHealthScreen(session, subject.nodes[0]))


def open_packets(session: Session) -> None:
    session.push(PacketsScreen(session, session.page.machine()))


def open_problems(session: Session) -> None:
    session.push(ProblemsScreen(session))


def open_timeline(session: Session) -> None:
    session.push(TimelineScreen(session))


def open_results(session: Session) -> None:
    session.push(ResultsScreen(session))


def every_packet(session: Session) -> None:
    session.push(PacketsScreen(session))


def open_settings(session: Session) -> None:
    subject = session.subject()
    nodes = tuple(n for n in subject.nodes if session.node(n) is not None)
    if nodes:
        session.push(AttributesScreen(session, nodes, subject.role))


def help_(session: Session) -> None:
    page = session.page
    hints: list[tuple[str, str]] = []
    if session.past is not None:
        hints += [("", "looking back"), *(look_back.KEYS if session.beside is not None else look_back.KEYS[1:]), ("", "")]
    mine = [(h.key, h.help or h.word) for h in page.hints() if h.help]
    if mine:
        hints += [("", f"on this screen: {page.crumb()}"), *mine, ("", "")]
    subject = session.subject()
    if subject.nodes and session.past is None:
        if subject.role:
            hints += [("", f"to {subject.role}"), *((a.key, f"{a.word}: {a.help}") for a in actions.ROLE), ("", "")]
        taken = {a.key for a in actions.ROLE} if subject.role else set()
        hints.append(("", "to the node" if len(subject.nodes) == 1 else f"to {len(subject.nodes)} marked nodes"))
        hints += [(a.key, f"{a.word}: {a.help}") for a in actions.for_nodes(session) if a.key not in taken]
        hints += [("p", "power: on, off, cycle, soft off, forced, status"), ("", "")]
    digits = (f"1 ... {len(session.screens)}", ", ".join(screen.name for screen in session.screens))
    there = ("space", "* u", "V", "-", "m", ".", "B", "q Q")
    everywhere = EVERYWHERE if session.past is None else [e for e in EVERYWHERE if e[0] not in there]
    hints += [("", "everywhere"), digits, *everywhere, *([("q", "leave")] if session.past is not None else [])]
    session.overlay = Help(session, "what can I do here", hints)


def commands(session: Session) -> list[Command]:
    out = [Command(page.name, f"screen {i}", partial(session.show, i - 1)) for i, page in enumerate(session.screens, 1)]
    subject = session.subject()
    if session.past is not None:
        out += look_back.commands(session)
    elif subject.nodes:
        who = short(session.rows[subject.nodes[0]].name) if len(subject.nodes) == 1 and subject.nodes[0] in session.rows else "marked nodes"
        out += [Command(f"why {who}", "the chain of reasons", lambda: open_why(session))]
        if repair.offered(session):
            out.append(Command(f"repair {who}", "virtual rack: repair the machine by hand", lambda: repair.mend(session)))
        out += [Command(f"log {who}", "of its roles' attempts", lambda: open_log(session))]
        out += [Command(f"health {who}", "sensors and event log, by its BMC", lambda: open_health(session))]
        out += [Command(f"packets {who}", "what it sent, and the answers", lambda: open_packets(session))]
        out += [Command(f"settings {who}", "attributes: show, set, clear", lambda: open_settings(session))]
        if subject.role:
            out += [Command(f"{a.word} {subject.role}", a.help, partial(actions.start, session, a)) for a in actions.ROLE]
        out += [Command(f"{a.word} {who}", a.help, partial(actions.start, session, a)) for a in actions.for_nodes(session)]
        out += [Command(f"power {a.word} {who}", a.help, partial(actions.start, session, a)) for a in actions.POWER]
    if SERVER in session.snapshot.repairs and session.past is None:
        out.append(Command("repair DHCP", "virtual rack: unplug the second DHCP server", partial(repair.unplug_server, session)))
    for mac in sorted(s.mac for s in session.world.sightings.values() if s.banned and session.past is None):
        out.append(Command(f"unban {mac}", "lift the ban", partial(session.give, [Order("unban", mac)])))
    out.append(Command(f"mouse {'off' if session.manner.mouse else 'on'}", "or the terminal's own selection", partial(mouse, session)))
    out += [Command(f"theme {name}", "colours", partial(_theme, session, name)) for name in NAMES]
    out += [
        *([Command("setup", "the wizard that writes a first plan", lambda: setup(session))] if _unplanned(session) else []),
        Command("look back" if session.past is None else "now", "see the past; and back to now", session.look_back),
        *([Command("packets", "of all machines", lambda: every_packet(session))] if session.past is None else []),
        *([Command("join a machine", "adopt one that is already installed", lambda: ask_address(session))] if session.past is None else []),
        Command("problems", "only what needs a person", lambda: open_problems(session)),
        Command("next", "go to what the next line speaks of", lambda: go_to.next_step(session)),
        Command("timeline", "the life of each machine as a line", lambda: open_timeline(session)),
        Command("results", "what the roles that validate found", lambda: open_results(session)),
        Command("notes", "the engine's answers to your orders", lambda: press(session, "n")),
        Command("help", "keys", lambda: help_(session)),
        Command("quit", "leave; the engine keeps running", lambda: session.leave(False)),
        Command("copy", "the line or a field, to your clipboard", lambda: copying.menu(session)),
        Command("save", f"{session.page.name} to a file", lambda: copying.ask_file(session), partial(copying.save_to, session)),
        *([Command("commit", "a plan file", lambda: ask_plan(session), partial(plan_file, session))] if session.past is None else []),
        Command("suspend", "back to the shell until fg", lambda: suspend(session)),
        *([Command("stop engine", "and leave", lambda: press(session, "Q"))] if session.past is None else []),
    ]
    out += [Command(short(session.rows[n].name), f"node, {session.rows[n].state}", partial(open_node, session, n)) for n in session.order]
    return out


def ask_plan(session: Session) -> None:
    """Asks for a plan file, and shows what its commit would do."""
    if session.may_do() and session.may_use_machine():
        session.overlay = AskedPath(session, "commit which plan file?", lambda path: preview_file(session, path))


def plan_file(session: Session, path: str) -> None:
    if session.may_do() and session.may_use_machine():
        preview_file(session, path)


def _unplanned(session: Session) -> bool:
    return session.past is None and session.world.plan is None and not session.manner.read_only and not session.manner.captive


def setup(session: Session) -> None:
    from .setup.wizard import Wizard  # imports the whole engine, which a console with a plan never needs

    session.stack = [Wizard(session)]


def suspend(session: Session) -> None:
    """Gives the terminal back to the shell; says why that is not possible."""
    if session.may_use_machine() and (why := session.terminal.suspend()):
        session.refuse(why)


def mouse(session: Session) -> None:
    """Switches the mouse off, so that the terminal's own selection works, or on again."""
    on = not session.manner.mouse
    if not session.manner.switch_mouse(on):
        session.refuse("this terminal reports no mouse to the console")
        return
    session.manner.mouse = on
    session.say_so("mouse on: click and wheel; f2 switches it off" if on else "mouse off: the terminal selects text; f2 switches it on")


def _theme(session: Session, name: str) -> None:
    session.theme = name
    session.apply_theme()


def _leave(session: Session) -> None:
    session.leave(False)


COMMON: dict[str, Callable[[Session], object]] = {
    "enter": open_node,
    "w": open_why,
    "l": open_log,
    "A": open_settings,
    "P": open_packets,
    "H": open_health,
    "!": open_problems,
    "[": lambda session: go_to.turn(session, -1),
    "]": lambda session: go_to.turn(session, 1),
    "L": open_timeline,
    "R": open_results,
    "?": help_,
    "f1": help_,
    ":": open_palette,
    "ctrl+p": open_palette,
    "n": open_notes,
    ".": actions.menu,
    "-": lambda session: session.last_view(),
    "Y": copying.menu,
    "ctrl+s": copying.ask_file,
    "u": lambda session: session.marks.clear(),
    "q": _leave,
    "ctrl+c": _leave,
    "ctrl+q": _leave,
    "B": lambda session: session.look_back(),
    "f2": mouse,
    "Q": _stop,
}
"""What a key does on every screen that has no use of its own for it."""
