"""What lies over a screen: menus, questions, the palette, help. An overlay is a box of lines that takes all keys until it closes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.api.views import Disk, NodePreview, Preview, sentence

from . import glyphs as g
from .formats import ago, size
from .session import Session
from .styled import Line, Span, clip, fit, line, wrap


class Box:
    """An overlay with a frame."""

    title = ""
    width = 64

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
        inner = min(self.width, columns - 6)
        inside = self.lines(inner, rows - 2)[: rows - 2]
        title = f" {clip(self.title, inner - 4)} "
        head = g.RULE * (inner + 1 - len(title)) + g.TOP_RIGHT
        out: list[Line] = [line((g.TOP_LEFT + g.RULE, "dim"), (title, "name"), (head, "dim"))]
        out += [line((g.SIDE + " ", "dim"), *fit(one, inner), (" " + g.SIDE, "dim")) for one in inside]
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

    def __init__(self, session: Session, title: str, entries: Sequence[Entry]) -> None:
        super().__init__(session)
        self.title = title
        self.entries = list(entries)
        self.index = 0

    def lines(self, columns: int, rows: int) -> list[Line]:
        top = max(min(self.index - rows + 1, len(self.entries) - rows), 0)
        out = []
        for i, e in enumerate(self.entries[top : top + rows], top):
            bar = "+" if i == self.index else ""
            room = columns - 22
            word = (f"{clip(e.word, 17):<18}", f"name{bar}")
            spans: list[Span] = [(f" {e.key:<3}", f"key{bar}"), word, (clip(e.help, room), f"dim{bar}")]
            out.append(fit(tuple(spans), columns, bar))
        return out

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
        out.append(line((name, "name"), (f"  {node.place}" if node.place else "", "dim"), ("   reboots" if node.reboots else "", "")))
        if node.runs and not (node.destroys and node.runs == node.destroys):
            some = wrap(f"runs {', '.join(node.runs)}", columns - 2, 3)
            out += [line(f"  {text}") for text in some]
        if node.destroys:
            out.append(line("  ", (f"may destroy the data on {'these disks' if len(node.disks) != 1 else 'this disk'}:", "bad")))
            for d in sorted(node.disks, key=lambda d: not (d.use or d.signature)):
                out.append(_disk(d))
            if not node.disks:
                out.append(line("    ", ("it takes no disk" if node.kept else "the engine does not know its disks yet", "ask")))
            out += [line("  ", (text, "dim")) for text in _seen(node, columns - 2, now)]
            for d in node.kept:
                out.append(_disk(d))
                out += [line("      ", (text, "dim")) for text in wrap(f"not taken: {d.why}", columns - 6, 2)] if d.why else []
    return out


def _disk(d: Disk) -> Line:
    held = d.state or d.use or (f"holds {d.signature}" if d.signature else "blank" if d.size else d.kind)
    serial = f"{d.serial or d.wwn or ('no serial' if d.size else ''):<18}"
    return line("    ", (f"{d.name:<8}", "name"), f" {size(d.size) if d.size else '':>6}  ", (serial, "ask"), (f" {held}", "dim"))


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
        return [*help_, *([line(), *inside[self._top : self._top + room]] if inside else [])]

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


class Command(NamedTuple):
    name: str
    help: str
    do: Callable[[], None]


class Palette(Box):
    """The palette: everything by name. Letters of the name in their order are enough."""

    title = "go to, or do"
    width = 70

    def __init__(self, session: Session, commands: Sequence[Command]) -> None:
        super().__init__(session)
        self._commands = list(commands)
        self.typed = ""
        self.index = 0

    def found(self) -> list[Command]:
        hits = [(score, i, c) for i, c in enumerate(self._commands) if (score := fuzzy(self.typed, c.name)) is not None]
        return [c for _, _, c in sorted(hits, key=lambda h: h[:2])]

    def lines(self, columns: int, rows: int) -> list[Line]:
        hits = self.found()
        room = max(min(rows - 2, 14), 1)
        self.index = max(min(self.index, len(hits) - 1), 0)
        top = max(self.index - room + 1, 0)
        out = [line((": ", "key"), self.typed, (g.FULL, "dim")), line()]
        for i, c in enumerate(hits[top : top + room], top):
            bar = "+" if i == self.index else ""
            out.append(fit(((f" {clip(c.name, 30):<31}", f"name{bar}"), (clip(c.help, columns - 32), f"dim{bar}")), columns, bar))
        return out if hits else [*out, line(("nothing has that name", "dim"))]

    def keys(self) -> str:
        return "enter do it   esc back"

    def press(self, key: str) -> None:
        if key == "escape":
            self.close()
        elif key in ("up", "ctrl+p"):
            self.index = max(self.index - 1, 0)
        elif key in ("down", "ctrl+n"):
            self.index += 1
        elif key == "enter":
            hits = self.found()
            self.close()
            if hits:
                hits[min(self.index, len(hits) - 1)].do()
        else:
            before = self.typed
            self.typed = edited(self.typed, key)
            self.index = 0 if self.typed != before else self.index


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


def fuzzy(needle: str, name: str) -> int | None:
    """Distance of a name from the typed letters, less is nearer. None: the name lacks letters in this order."""
    name, needle = name.lower(), needle.lower()
    if needle in name:
        return name.index(needle) - (1000 if name.startswith(needle) else 500)
    at = gaps = 0
    for letter in needle:
        if letter == " ":
            continue
        found = name.find(letter, at)
        if found < 0:
            return None
        gaps += found - at
        at = found + 1
    return gaps


class Help(Box):
    width = 72

    def __init__(self, session: Session, title: str, hints: Sequence[tuple[str, str]]) -> None:
        super().__init__(session)
        self.title = title
        self._hints = list(hints)
        self._top = 0

    def lines(self, columns: int, rows: int) -> list[Line]:
        all_ = [line((f"{key:<14}", "key"), text) if key else line((text, "head")) for key, text in self._hints]
        self._room = rows
        self._top = max(min(self._top, len(all_) - rows), 0)
        return all_[self._top : self._top + rows]

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
