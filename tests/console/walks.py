"""Random walks over the console: keys at random while the world moves, and after each key the whole screen is looked at.

A walk follows from its seed. What holds after each key:
* no part of the screen failed, and no key;
* the screen has exactly its size, and no part of it is blank;
* the terminal, which gets only the changed stretches of lines, shows the same as the lines.
After every CHECK_EVERY keys, what was kept from earlier snapshots is thrown away: the screen drawn anew must be the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from storms import Storm

from crowbar_tui.console import look_back
from crowbar_tui.console.files import Refused
from crowbar_tui.console.frame import LEAST, draw
from crowbar_tui.console.lines_widget import changed
from crowbar_tui.console.session import Session
from crowbar_tui.console.styled import Line, plain, width

CHECK_EVERY = 10
PLAN = Path(__file__).parents[2] / "crowbar_tui" / "plans" / "one-node.yml"
MOVES = "up down j k pageup pagedown home end g G left right tab shift+tab".split()
OPEN = "enter enter escape backspace 1 2 3 4 5 6 7 8 w l P A ? : ctrl+p n . u B f1".split()
ACTS = "/ s S space * p r a f h i v t e I X M O Z b D x c y d o m T Q q F C < > ( ) [ ] { } 0 9 + - = ! ~ ctrl+u ctrl+w ctrl+c é F5 delete V Y N ctrl+@ shift+up shift+down ctrl+d ctrl+s ctrl+z".split()
TYPED = (
    "node-1",
    "!ready",
    "ready",
    "why",
    "theme mono",
    "power",
    "-5m",
    "14:05",
    "3 nodes",
    str(PLAN),
    "/nowhere",
    "unban",
    "zzz",
    "é",
    "10.0.0.9",
    "004",
    "/raid",
    "node-(",
    "(a+)+",
    "save x.csv",
)
SIZES = ((80, 24), (160, 48), (60, 12), (120, 36), (200, 60), (59, 11), (81, 25))


class Wrong(AssertionError):
    """What does not hold. Its words say how to walk again."""


def keys(chance: Random) -> list[str]:
    """The next keys: one, or a word that somebody types."""
    draw_ = chance.random()
    if draw_ < 0.04:
        word = ["space" if letter == " " else letter for letter in chance.choice(TYPED)]
        return [chance.choice([":", "/", "T", "D", "c", "."]), *word, chance.choice(["enter", "escape", "enter"])]
    return [chance.choice(MOVES if draw_ < 0.4 else OPEN if draw_ < 0.75 else ACTS)]


class Walk:
    def __init__(self, session: Session, source: Any, seed: int, size: tuple[int, int], move: Callable[[Random], None] = lambda _: None):
        self.session, self.source, self.seed, self.size, self.move = session, source, seed, size, move
        self.chance = Random(seed)
        self.pressed: list[str] = []
        self.screen: list[list[tuple[str, str]]] = []
        """Cells of the terminal: character and style."""
        self.lines: list[Line] = []
        session.send = lambda orders: [session.answered(o, source.ask(o.verb, o.node, o.role, o.value)) for o in orders]  # type: ignore[func-returns-value]
        session.work = self._work
        session.terminal.save = self._save

    def _save(self, name: str, _text: str, over: bool = False) -> str:
        """Writes nothing: a walk may name any file."""
        if not over and self.chance.random() < 0.3:
            raise FileExistsError
        if self.chance.random() < 0.2:
            raise Refused(f"cannot write {name}: no space left on device")
        return name

    def _work(self, job: Callable[[], Any], done: Callable[[Any], None]) -> None:
        try:
            value: Any = job()
        except Exception as error:  # as the app does
            value = error
        done(value)

    def run(self, many: int) -> None:
        fixed = self.size
        self.look()
        while len(self.pressed) < many:
            for key in keys(self.chance):
                self.pressed.append(key)
                try:
                    self.session.press(key)
                    if self.chance.random() < 0.1:
                        self.session.page.tick()
                    if self.chance.random() < 0.5:
                        self.move(self.chance)
                        self.session.take(self.source.snapshot())
                    elif self.session.past is not None:
                        self.session.take(self.source.snapshot())
                except Exception as error:
                    raise self.wrong(f"{type(error).__name__}: {error}") from error
                if self.chance.random() < 0.02:
                    self.size = self.chance.choice([fixed, fixed, *SIZES])
                self.look()
                if len(self.pressed) % CHECK_EVERY == 0:
                    self.anew()

    # -- what holds --------------------------------------------------------------------------------------------------

    def drawn(self) -> list[Line]:
        lines = draw(self.session, *self.size)
        if self.session.defects.found:
            raise self.wrong("\n".join(str(defect) for defect in self.session.defects.found))
        return lines

    def look(self) -> None:
        columns, rows = self.size
        lines = self.drawn()
        sizes = {width(one) for one in lines}
        if len(lines) != rows or sizes != {columns}:
            raise self.wrong(f"{len(lines)} lines of {sizes} cells, and the terminal has {columns}x{rows}")
        if columns >= LEAST[0] and rows >= LEAST[1]:
            self._not_blank([plain(one) for one in lines])
        self._on_the_terminal(lines)

    def _not_blank(self, text: list[str]) -> None:
        under = look_back.ROWS if self.session.past is not None else 0
        parts = {
            "the title": text[:1],
            "the line below the title": text[1:2],
            "the body": text[2 : -3 - under],
            "the answer line": text[-3 - under : -2 - under],
            "the journal's bar": text[-2 - under : -2] if under else ["-"],
            "the next line": text[-2:-1],
            "the key line": text[-1:],
        }
        for what, some in parts.items():
            if not "".join(some).strip():
                raise self.wrong(f"{what} is blank")
        if len(self.session.stack) == 1 and self.session.page.crumb() not in text[0]:
            raise self.wrong(f"the title does not name the screen {self.session.page.crumb()}")

    def _on_the_terminal(self, lines: list[Line]) -> None:
        """As `LinesWidget` repaints."""
        columns, rows = self.size
        if len(self.screen) != rows or len(self.screen[0]) != columns:
            self.screen, self.lines = [[("?", "")] * columns for _ in range(rows)], []
        for y, now in enumerate(lines):
            before = self.lines[y] if y < len(self.lines) else ()
            cells = [(letter, style) for text, style in now for letter in text]
            if before != now:
                start, end = changed(before, now)
                self.screen[y][start:end] = cells[start:end]
            if self.screen[y] != cells:
                raise self.wrong(f"row {y} of the terminal shows {''.join(c for c, _ in self.screen[y])!r} instead of {plain(now)!r}")
        self.lines = lines

    def anew(self) -> None:
        """Nothing that was kept is out of date, apart from what may be: dear values, and what a world shows that is ahead of its rows."""
        session = self.session
        if isinstance(self.source, Storm) and self.source.behind:
            return
        for dear in (session._links, session._step, session._estimate, session._queue):
            dear.version = -1
        before = self.drawn()
        session._take(session.snapshot._replace(touched=None, told=(), anew=False))
        for dear in (session._links, session._step, session._estimate, session._queue):
            dear.version = -1
        after = self.drawn()
        for y, (kept, new) in enumerate(zip(before, after, strict=True)):
            if plain(kept) != plain(new):
                raise self.wrong(f"row {y} is stale: {plain(kept)!r}, and drawn anew {plain(new)!r}")

    def wrong(self, what: str) -> Wrong:
        shown = "\n".join(plain(one) for one in self.lines)
        return Wrong(
            f"walk {self.seed}, key {len(self.pressed)}, {self.size[0]}x{self.size[1]}: {what}\n"
            f"the last keys: {' '.join(self.pressed[-40:])}\n"
            f"walk it again: CROWBAR_WALK={self.seed} python -m pytest tests/console/test_console_walks.py -k again\n{shown}"
        )
