"""What lies over a screen: menus, questions, help. An overlay is a box of lines that takes all keys until it closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.api.views import Disk, NodePreview, Preview, sentence

from . import glyphs as g
from .files import complete
from .formats import ago, size
from .session import Session
from .styled import Line, clean, fit, flow, line, width, wrap


class Box:
    """An overlay with a frame."""

    title = ""
    width = 64
    commands = False

    def __init__(self, session: Session) -> None:
        self.session = session

    def lines(self, columns: int, rows: int) -> list[Line]:
        """The lines inside the box."""
        raise NotImplementedError

    def keys(self) -> str:
        return "esc back"

    def press(self, key: str) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self.session.overlay is self:
            self.session.overlay = None

    def box(self, columns: int, rows: int) -> list[Line]:
        """The box with its frame, at most as large as the body."""
        inner = min(max(self.width, len(self.title) + 4), columns - 6)
        inside = self.lines(inner, rows - 2)
        if (widest := max((width(one) for one in inside), default=0)) > inner:
            inner = min(widest, columns - 6)
            inside = self.lines(inner, rows - 2)
        title = f" {clean(self.title)} "
        if len(title) > inner:  # a question may name a machine: it is not cut
            inside = [*(line((text, "name")) for text in wrap(self.title, inner)), *self.lines(inner, rows - 4)]
            title = ""
        head = g.RULE * (inner + 1 - len(title)) + g.TOP_RIGHT
        out: list[Line] = [line((g.TOP_LEFT + g.RULE, "dim"), (title, "name"), (head, "dim"))]
        out += [line((g.SIDE + " ", "dim"), *fit(one, inner), (" " + g.SIDE, "dim")) for one in inside[: rows - 2]]
        foot = f" {self.keys()} "
        out.append(line((g.LOW_LEFT + g.RULE * (inner + 1 - len(foot)), "dim"), (foot, "dim"), (g.RULE + g.LOW_RIGHT, "dim")))
        return out


class Entry(NamedTuple):
    key: str
    word: str
    help: str
    do: Callable[[], None]


class Menu(Box):
    """A menu: the user chooses by key, or with arrows and enter."""

    width = 76
    commands = True

    def __init__(self, session: Session, title: str, entries: Sequence[Entry]) -> None:
        super().__init__(session)
        self.title = title
        self.entries = list(entries)
        self.index = 0

    def lines(self, columns: int, rows: int) -> list[Line]:
        wide = max([17, *(len(e.word) for e in self.entries)])
        drawn = [self._entry(e, i == self.index, wide, columns) for i, e in enumerate(self.entries)]
        top = self.index
        while top > 0 and sum(len(one) for one in drawn[top - 1 : self.index + 1]) <= rows:
            top -= 1
        return [one for entry in drawn[top:] for one in entry][:rows]

    def _entry(self, e: Entry, chosen: bool, wide: int, columns: int) -> list[Line]:
        """Key, word and what it does, on as many lines as it needs."""
        bar = "+" if chosen else ""
        key = self.session.manner.keymap.shown(e.key)
        texts = wrap(e.help, max(columns - wide - max(len(key), 3) - 3, 20))
        first = fit(((f" {key:<3}", f"key{bar}"), (f"{e.word:<{wide}} ", f"name{bar}"), (texts[0], f"dim{bar}")), columns, bar)
        return [first, *(line(" " * (wide + 5), (more, "dim")) for more in texts[1:])]

    def keys(self) -> str:
        return "a key, or enter   esc back"

    def press(self, key: str) -> None:
        if key in ("escape", "q"):
            self.close()
        elif key in ("up", "k"):
            self.index = max(self.index - 1, 0)
        elif key in ("down", "j"):
            self.index = min(self.index + 1, len(self.entries) - 1)
        elif key == "enter":
            self._do(self.entries[self.index])
        else:
            for entry in self.entries:
                if entry.key == key:
                    self._do(entry)
                    return

    def _do(self, entry: Entry) -> None:
        self.close()
        entry.do()


def told(preview: Preview | None, columns: int, now: float = 0.0) -> list[Line]:
    """A preview in lines: the roles that run, each disk that loses its data, and each other disk with the reason. `now`: wall time,
    for ages."""
    out: list[Line] = []
    for node in preview.nodes if preview is not None else ():
        name = node.node.split(".")[0]
        out += flow([line((name, "name")), line((node.place, "dim")), line(" reboots" if node.reboots else "")], columns, indent=2)
        if node.runs and not (node.destroys and node.runs == node.destroys):
            some = wrap(f"runs {', '.join(node.runs)}", columns - 2)
            out += [line(f"  {text}") for text in some]
        if node.destroys:
            out.append(line("  ", (f"may destroy the data on {'these disks' if len(node.disks) != 1 else 'this disk'}:", "bad")))
            for d in sorted(node.disks, key=lambda d: not (d.use or d.signature)):
                out += _disk(d, columns)
            if not node.disks:
                out.append(line("    ", ("it takes no disk" if node.kept else "the engine does not know its disks yet", "ask")))
            out += [line("  ", (text, "dim")) for text in _seen(node, columns - 2, now)]
            for d in node.kept:
                out += _disk(d, columns)
                out += [line("      ", (text, "dim")) for text in wrap(f"not taken: {d.why}", columns - 6)] if d.why else []
    return out


def _disk(d: Disk, columns: int) -> list[Line]:
    """Name, size, serial, and what it holds."""
    held = d.state or d.use or (f"holds {d.signature}" if d.signature else "blank" if d.size else d.kind)
    serial = f"{d.serial or d.wwn or ('no serial' if d.size else ''):<18}"
    head = line("    ", (f"{d.name:<8}", "name"), f" {size(d.size) if d.size else '':>6}  ", (serial, "ask"))
    first, *rest = wrap(held, max(columns - width(head) - 1, 12))
    return [(*head, *line(f" {first}")), *(line(" " * (width(head) + 1), more) for more in rest)]


def _seen(node: NodePreview, columns: int, now: float) -> list[str]:
    if node.asked:
        return [f"as the node reported {ago(now, node.as_of, 'just now')}"]
    old = f"as of {ago(now, node.as_of)}" if node.as_of and now else ""
    why = sentence(node.unseen) if node.unseen is not None else ""
    return wrap("; ".join(text for text in (old, why) if text), columns, 2) if old or why else []


class Sure(Box):
    """A yes-or-no question. Enter and escape mean no."""

    def __init__(self, session: Session, question: str, help: str, preview: Preview | None, do: Callable[[], None]) -> None:
        super().__init__(session)
        self.title = question
        self._help = help
        self._preview = preview
        self._do = do
        self._top = 0

    def lines(self, columns: int, rows: int) -> list[Line]:
        inside = told(self._preview, columns, self.session.wall())
        self._top = max(min(self._top, len(inside) - (rows - 4)), 0)
        help_ = [line(text) for text in wrap(self._help, columns)]
        room = max(rows - 1 - len(help_), 1)
        if len(inside) > room:
            room = max(room - 1, 1)
            self._top = max(min(self._top, len(inside) - room), 0)
        more = [line((f"{len(inside) - room} more lines: up, down", "dim"))] if len(inside) > room else []
        return [*help_, *([line(), *inside[self._top : self._top + room], *more] if inside else [])]

    def keys(self) -> str:
        return "y yes   n no"

    def press(self, key: str) -> None:
        if key in ("y", "Y"):
            self.close()
            self._do()
        elif key in ("up", "down"):
            self._top += 1 if key == "down" else -1
        elif key in ("n", "N", "escape", "enter", "q"):
            self.close()


class Fingerprints(Sure):
    """A yes-or-no question for claims: the fingerprint of each, as the machine's own screen must show it."""

    def __init__(self, session: Session, question: str, claims: list[tuple[str, str]], do: Callable[[], None]) -> None:
        super().__init__(session, question, "press y only if the screen of each machine itself shows this fingerprint:", None, do)
        self._claims = claims

    def lines(self, columns: int, rows: int) -> list[Line]:
        help_ = [line(text) for text in wrap(self._help, columns)]
        room = max(rows - 2 - len(help_), 1)
        self._top = max(min(self._top, len(self._claims) - room), 0)
        seen = self._claims[self._top : self._top + room]
        more = f"{len(self._claims) - len(seen)} more lines: up, down"
        return [
            *help_,
            line(),
            *(line((f"{fingerprint:<12}", "ask"), (name, "name")) for name, fingerprint in seen),
            *([line((more, "dim"))] if len(seen) < len(self._claims) else []),
        ]


class Typed(Box):
    """A question before an order that destroys data: the user types a text to confirm."""

    width = 72

    def __init__(self, session: Session, question: str, preview: Preview, word: str, do: Callable[[], None]) -> None:
        super().__init__(session)
        self.title = question
        self._preview = preview
        self._word = word
        self._do = do
        self._top = 0
        self.typed = ""
        self.asking = False
        """True while the nodes are being asked for their disks."""

    def show(self, preview: Preview) -> None:
        """Takes the nodes' answers."""
        self._preview, self.asking = preview, False

    def lines(self, columns: int, rows: int) -> list[Line]:
        inside = told(self._preview, columns, self.session.wall())
        room = max(rows - 3, 1)
        self._top = max(min(self._top, len(inside) - room), 0)
        seen = inside[self._top : self._top + room]
        more = f"  ({len(inside) - len(seen)} more lines: up, down)" if len(inside) > len(seen) else ""
        asking = ("   asking the node for its disks now", "busy") if self.asking else ("", "")
        ask = line("type ", (self._word, "ask"), f" to do it:{more}", asking)
        return [*seen, line(), ask, line(("> ", "key"), self.typed, (g.FULL, "ask" if self.typed == self._word else "dim"))]

    def keys(self) -> str:
        return "enter do it   esc back"

    def press(self, key: str) -> None:
        if key == "escape":
            self.close()
        elif key in ("up", "down"):
            self._top += 1 if key == "down" else -1
        elif key == "enter":
            if self.typed == self._word:
                self.close()
                self._do()
        else:
            self.typed = edited(self.typed, key)


class Asked(Box):
    """Asks for a line of text: the name of a file or of a node, for example."""

    width = 72

    def __init__(self, session: Session, question: str, do: Callable[[str], None]) -> None:
        super().__init__(session)
        self.title = question
        self._do = do
        self.typed = ""

    def lines(self, columns: int, rows: int) -> list[Line]:
        seen = self.typed[-(columns - 4) :]
        return [line(("> ", "key"), seen, (g.FULL, "dim"))][:rows]

    def keys(self) -> str:
        return "enter go on   esc back"

    def press(self, key: str) -> None:
        if key == "escape":
            self.close()
        elif key == "enter" and self.typed.strip():
            self.close()
            self._do(self.typed.strip())
        else:
            self.typed = edited(self.typed, key)


class AskedPath(Asked):
    """Asks for the name of a file. Tab completes it, and shows what fits."""

    def __init__(self, session: Session, question: str, do: Callable[[str], None]) -> None:
        super().__init__(session, question, do)
        self._fitting: list[str] = []
        self._said = ""

    def lines(self, columns: int, rows: int) -> list[Line]:
        shown = flow([line((name, "name" if name.endswith("/") else "dim")) for name in self._fitting], columns)
        said = [line((self._said, "dim"))] if self._said else []
        return [*super().lines(columns, rows), *said, *shown[: max(rows - 1 - len(said), 0)]][:rows]

    def keys(self) -> str:
        return "tab complete   enter go on   esc back"

    def press(self, key: str) -> None:
        if key == "tab":
            before = self.typed
            self.session.work(lambda: complete(before), lambda found: self._took(before, found))
            return
        self._fitting, self._said = [], ""
        super().press(key)

    def _took(self, before: str, found: object) -> None:
        if self.session.overlay is not self or self.typed != before or not isinstance(found, tuple):
            return
        self.typed, names = found
        self._fitting = names if len(names) > 1 else []
        self._said = "" if names else "no file or folder begins like this"


class Hidden(Asked):
    """Asks for a secret: stars instead of what is typed. Blanks count."""

    def lines(self, columns: int, rows: int) -> list[Line]:
        return [line(("> ", "key"), "*" * min(len(self.typed), columns - 4), (g.FULL, "dim"))][:rows]

    def press(self, key: str) -> None:
        if key == "enter" and self.typed:
            self.close()
            self._do(self.typed)
        else:
            super().press(key)


class Help(Box):
    width = 72

    def __init__(self, session: Session, title: str, hints: Sequence[tuple[str, str]]) -> None:
        super().__init__(session)
        self.title = title
        self._hints = list(hints)
        self._top = 0
        self._more = 0

    def lines(self, columns: int, rows: int) -> list[Line]:
        all_: list[Line] = []
        for key, text in self._hints:
            first, *rest = wrap(self.session.manner.keymap.words(text), columns - 14) if key else wrap(text, columns)
            all_.append(line((f"{self.session.key(key):<14}", "key"), first) if key else line((first, "head")))
            all_ += [line(" " * 14, more) if key else line((more, "head")) for more in rest]
        self._top = max(min(self._top, len(all_) - rows), 0)
        self._more = len(all_) - rows - self._top
        return all_[self._top : self._top + rows]

    def keys(self) -> str:
        return f"down: {self._more} more lines   esc back" if self._more > 0 else "esc back"

    def press(self, key: str) -> None:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pagedown": 10, "pageup": -10}
        if key in moves:
            self._top = max(self._top + moves[key], 0)
        else:
            self.close()


class Filter(Box):
    """`/`: filters the page while the user types. Drawn in the key line."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.typed = session.page.needle

    def press(self, key: str) -> None:
        if key == "escape":
            self.session.page.filter("")
            self.close()
        elif key == "enter":
            if not self.session.page.wrong:
                self.close()
        elif key in ("up", "down", "pageup", "pagedown"):
            self.session.page.press(key)
        else:
            self.typed = edited(self.typed, key)
            self.session.page.filter(self.typed)


def edited(text: str, key: str) -> str:
    """A line of text that the user edits: letters, backspace, ctrl+u."""
    if key == "backspace":
        return text[:-1]
    if key in ("ctrl+u", "ctrl+w"):
        return "" if key == "ctrl+u" else text.rstrip().rpartition(" ")[0]
    if key == "space":
        return text + " "
    return text + key if len(key) == 1 and key.isprintable() and len(text) < 200 else text
