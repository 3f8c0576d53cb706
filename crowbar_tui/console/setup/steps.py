"""The steps that are not forms: where to begin, the checks, the interface, foreign DHCP, and the plan as it will be written."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import glyphs as g
from ..ink import Line, barred, clip, line, wrap
from ..overlays import Asked, Sure
from ..page import Hint
from ..source import Said
from ..table import Col, head, layout, row
from ..words import age, speed
from .form import Step
from .hands import LISTEN_S

if TYPE_CHECKING:
    from engine.face import Check

    from .wizard import Wizard

GRADES = {"ok": (g.TICK, "good"), "warn": ("?", "ask"), "bad": ("!", "bad")}


class Start(Step):
    name = "start"
    title = "where to begin?"
    CHOICES = (
        ("rehearse", "rehearse", "six virtual machines, from powered off to ready. Nothing real is touched: for a first look"),
        ("faults", "rehearse faults", "the same, and things go wrong: find each cause on the screen, mend it"),
        ("site", "set up this site", "checks, interface, networks, BMCs: ends with a plan file and the rack served"),
        ("file", "take a plan file", "one that was written by hand, or saved from another rack"),
        ("look", "look around", "the console without a plan; :setup comes back here"),
    )

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.index = 0

    def body(self, columns: int, rows: int) -> list[Line]:
        out: list[Line] = [line("   ", "Nothing is planned on this store yet."), line()]
        for i, (_, word, told) in enumerate(self.CHOICES):
            bar = i == self.index
            texts = wrap(told, columns - 25)
            head_ = line((f" {g.NEXT if bar else ' '} ", "key"), (f"{word:<19}", "name"), (texts[0], "dim"))
            out.append(barred(head_, columns) if bar else head_)
            out += [line(" " * 22, (text, "dim")) for text in texts[1:]]
            out.append(line())
        return out

    def press(self, key: str) -> bool:
        if key in ("up", "k", "shift+tab", "down", "j", "tab"):
            self.index = (self.index + (-1 if key in ("up", "k", "shift+tab") else 1)) % len(self.CHOICES)
            return True
        return False

    def go_on(self) -> bool:
        chosen = self.CHOICES[self.index][0]
        if chosen == "look":
            self.wizard.leave()
            return False
        if chosen == "file":
            self.wizard.desk.overlay = Asked(self.wizard.desk, "take which plan file?", self.wizard.take_file)
            return False
        self.wizard.track(chosen)
        return True

    def says(self) -> str:
        return "choose with up and down, then enter"

    def hints(self) -> list[Hint]:
        return [Hint("up down", "choose")]


class Checks(Step):
    name = "checks"
    title = "is this machine fit to serve a rack?"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.found: list[Check] | None = None
        self.looking = 0.0
        self.at = 0.0
        self.top = 0
        self.failed = ""

    def enter(self) -> None:
        if self.found is None and not self.looking:
            self.look()

    def look(self) -> None:
        self.looking = self.wizard.desk.wall()
        self.wizard.desk.work(self.wizard.hands.checks, self._took)

    def _took(self, found: Any) -> None:
        self.looking, self.at = 0.0, self.wizard.desk.wall()
        if isinstance(found, Exception):
            self.failed = str(found)
        else:
            self.found, self.failed = found, ""

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.found is None:
            return [line("   ", (self.failed or "looking ...", "bad" if self.failed else "dim"))]
        count = {grade: sum(c.grade == grade for c in self.found) for grade in GRADES}
        said = f"{count['ok']} right, {count['warn']} to look at, {count['bad']} bad"
        when = "looking again ..." if self.looking else f"{age(self.wizard.desk.wall() - self.at)} ago"
        ink = "bad" if count["bad"] else "ask" if count["warn"] else "good"
        out: list[Line] = [line("   ", (said, ink), (f"   {when}", "dim")), line()]
        lines: list[Line] = []
        wide = max(len(c.name) for c in self.found) + 2
        for check in sorted(self.found, key=lambda c: ("bad", "warn", "ok").index(c.grade)):
            mark, ink = GRADES[check.grade]
            texts = wrap(check.text, columns - wide - 5)
            lines.append(line((f" {mark} ", ink), (f"{check.name:<{wide}}", "" if check.grade == "ok" else "name"), (texts[0], "")))
            lines += [line(" " * (wide + 3), text) for text in texts[1:]]
            if check.grade != "ok" and check.advice:
                told = textwrap.wrap(f"try: {check.advice}", columns - wide - 5, break_on_hyphens=False)
                lines += [line(" " * (wide + 3), (text, "dim")) for text in told]
        room = rows - len(out)
        self.top = max(min(self.top, len(lines) - room), 0)
        return [*out, *lines[self.top : self.top + room]]

    def press(self, key: str) -> bool:
        if key == "r" and not self.looking:
            self.look()
        elif key in ("down", "j", "up", "k", "pagedown", "pageup"):
            self.top = max(self.top + {"down": 1, "j": 1, "up": -1, "k": -1, "pagedown": 10, "pageup": -10}[key], 0)
        else:
            return False
        return True

    def says(self) -> str:
        if self.found is None:
            return self.failed or "wait: this takes a second or two"
        bad = [c for c in self.found if c.grade == "bad"]
        if bad:
            return f"{bad[0].name}: {bad[0].advice or bad[0].text}; r looks again, enter goes on all the same"
        return "enter goes on; what is marked ? can be mended later"

    def hints(self) -> list[Hint]:
        return [Hint("r", "look again", "all checks once more")]


_PORTS = (
    Col("name", "   interface", 15, grow=1, most=24), Col("link", "link", 9), Col("address", "address", 19, grow=1, most=24),
    Col("far", "neighbour (LLDP)", 20, grow=3), Col("mac", "mac", 17, wide=110),
)  # fmt: skip


class Interface(Step):
    name = "interface"
    title = "which interface serves the rack?"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.at = ""
        self.since = 0.0
        self.failed = ""

    def enter(self) -> None:
        self.since = self.since or self.wizard.desk.wall()
        self.wizard.look_ports(self._took)

    def _took(self, problem: str) -> None:
        self.failed = problem
        names = [p.name for p in self.wizard.ports]
        if self.at not in names and names:
            self.at = names[0]

    def body(self, columns: int, rows: int) -> list[Line]:
        if not self.wizard.ports:
            return [line("   ", (self.failed or "looking ...", "bad" if self.failed else "dim"))]
        of = layout(_PORTS, columns - 1)
        out: list[Line] = [head(of)]
        now = self.wizard.hands_clock()
        for p in self.wizard.ports:
            here = p.name == self.at
            link = ("down", "dim") if not p.up else ("no link", "ask") if not p.carrier else (f"up {speed(p.speed)}".strip(), "")
            far: Any = ("virtual", "dim") if p.virtual else ""
            if p.neighbour is not None:
                heard = f" {age(now - p.neighbour.at)}"
                room = next(w for c, w in of if c.key == "far") - len(heard)
                far = line(clip(f"{p.neighbour.switch} {p.neighbour.port}", room), (heard, "dim"))
            cells = {
                "name": ((f" {g.NEXT if here else ' '} ", "key"), (p.name, "name")), "link": link,
                "address": (p.addresses[0] if p.addresses else "none", "" if p.addresses else "dim"), "far": far, "mac": (p.mac, "dim"),
            }  # fmt: skip
            drawn = row(of, cells)
            out.append(barred(drawn, columns) if here else drawn)
            for more in p.addresses[1:3]:
                out.append(row(of, {"address": (more, "dim")}))
        out = out[: rows - 3]
        deaf = self.wizard.deaf
        since = age(self.wizard.desk.wall() - self.since)
        told = f"no LLDP: {deaf}" if deaf else f"listening for LLDP for {since}; switches speak every 30 s"
        return [*out, line(), line("   ", (clip(told, columns - 4), "ask" if deaf else "dim"))]

    def press(self, key: str) -> bool:
        names = [p.name for p in self.wizard.ports]
        if key in ("up", "k", "down", "j") and names:
            at = names.index(self.at) if self.at in names else 0
            self.at = names[max(min(at + (-1 if key in ("up", "k") else 1), len(names) - 1), 0)]
            return True
        if key == "r":
            self.enter()
            return True
        return False

    def go_on(self) -> bool:
        self.wizard.choose(self.at)
        return self.wizard.port is not None

    def says(self) -> str:
        chosen = next((p for p in self.wizard.ports if p.name == self.at), None)
        if chosen is None:
            return "no interface is there: plug one in, then r" if self.wizard.ports == [] and self.since else "wait"
        if not chosen.up:
            return f"{chosen.name} is down: ip link set {chosen.name} up; enter takes it all the same"
        if not chosen.carrier:
            return f"{chosen.name} has no link: check its cable and the switch's port; enter takes it all the same"
        return f"enter takes {chosen.name}: the one that the servers' first cables lead to"

    def hints(self) -> list[Hint]:
        return [Hint("up down", "choose"), Hint("r", "look again")]


class Listen(Step):
    name = "dhcp"
    title = "does anybody else give out addresses there?"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.began = 0.0
        self.at = 0.0
        self.heard: list[str] | str | None = None
        self.on = ""

    def enter(self) -> None:
        port = self.wizard.port
        if port is not None and not self.began and (self.heard is None or self.on != port.name):
            self.listen(port.name)

    def listen(self, interface: str) -> None:
        self.on, self.began, self.heard = interface, self.wizard.desk.wall(), None
        self.wizard.desk.work(lambda: self.wizard.hands.servers(interface), self._took)

    def _took(self, heard: Any) -> None:
        self.began, self.at = 0.0, self.wizard.desk.wall()
        self.heard = str(heard) if isinstance(heard, Exception) else heard

    def body(self, columns: int, rows: int) -> list[Line]:
        wall = self.wizard.desk.wall()
        out: list[Line] = []
        if self.began:
            share = min((wall - self.began) / LISTEN_S, 1.0)
            full, open_ = g.bar(share, 24)
            out += [line("   ", f"asked on {self.on} as a machine that boots would; listening for answers"), line()]
            out.append(line("   ", (full, "busy"), (open_, "dim"), f"  {min(wall - self.began, LISTEN_S):.0f} of {LISTEN_S:.0f} s"))
            return out
        when = (f"   {age(wall - self.at)} ago", "dim")
        if isinstance(self.heard, str):
            text = f"could not listen on {self.on}: {self.heard}"
            out += [line((" ? ", "ask"), (clip(text, columns - 20), ""), when), line()]
            out += [line("   ", (t, "dim")) for t in wrap("try: run as root, or grant CAP_NET_RAW; then r", columns - 6)]
        elif self.heard:
            out += [line((" ! ", "bad"), (f"{', '.join(self.heard)} answered on {self.on}", "name"), when), line()]
            told = (
                "Machines take whoever answers first, so some would boot from there or nowhere. Stop that server, take it off "
                "this network, or give the rack a network of its own; then r listens again."
            )
            out += [line("   ", text) for text in wrap(told, columns - 6)]
        elif self.heard is not None:
            out += [line((f" {g.TICK} ", "good"), f"nobody else answered on {self.on} within {LISTEN_S:.0f} s", when), line()]
            later = "One that comes later is seen as well: the health screen (8) tells."
            out += [line("   ", (t, "dim")) for t in wrap(later, columns - 6)]
        return out

    def press(self, key: str) -> bool:
        if key == "r" and not self.began and self.wizard.port is not None:
            self.listen(self.wizard.port.name)
            return True
        return False

    def says(self) -> str:
        if self.began:
            return "wait a moment, or press enter to go on without an answer"
        if isinstance(self.heard, list) and self.heard:
            return f"silence DHCP server {self.heard[0]}, then r; enter goes on all the same"
        return "enter goes on; r listens again"

    def hints(self) -> list[Hint]:
        return [Hint("r", "listen again")]


class Writing(Step):
    name = "plan"
    title = "the plan, as it will be written"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.top = 0
        self.path: Path | None = None
        self.said: Said | None = None
        self.busy = False
        self._room = 1
        self._many = 1

    def file(self) -> Path:
        return self.path or self.wizard.folder / f"{self.wizard.values()['name'] or 'rack'}.yml"

    def body(self, columns: int, rows: int) -> list[Line]:
        text = self.wizard.text().splitlines()
        out: list[Line] = [line("   ", ("to ", "dim"), (clip(str(self.file()), columns - 8), "name"))]
        if self.busy:
            out.append(line("   ", ("it is written and committed ...", "busy")))
        elif self.said is not None and not self.said.ok:
            both = f"{self.said.text}{f': {self.said.advice}' if self.said.advice else ''}"
            out += [line((" ! " if not i else "   ", "bad"), (t, "bad")) for i, t in enumerate(wrap(both, columns - 6, 3))]
        out.append(line())
        self._room, self._many = rows - len(out), len(text)
        self.top = max(min(self.top, self._many - self._room), 0)
        seen = [line((f"   {g.SIDE} ", "dim"), (t, "dim" if t.lstrip().startswith("#") else "")) for t in text]
        return [*out, *seen[self.top : self.top + self._room]]

    def rule(self) -> str:
        return f"{self.top + 1}-{min(self.top + self._room, self._many)} of {self._many}" if self._many > self._room else ""

    def press(self, key: str) -> bool:
        moves = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": 1 - self._room, "pagedown": self._room - 1}
        if key in moves:
            self.top = max(self.top + moves[key], 0)
        elif key in ("home", "g", "end", "G"):
            self.top = 0 if key in ("home", "g") else self._many
        elif key == "f":
            self.wizard.desk.overlay = Asked(self.wizard.desk, "write the plan to which file?", self._name)
        elif key == "w":
            self._write(False, commit=False)
        else:
            return False
        return True

    def _name(self, typed: str) -> None:
        path, self.said = Path(typed).expanduser(), None
        self.path = path if path.is_absolute() else self.wizard.folder / path

    def go_on(self) -> bool:
        if not self.busy:
            self._write(False, commit=True)
        return False

    def _write(self, over: bool, commit: bool) -> None:
        self.busy, self.said = True, None
        path, text = self.file(), self.wizard.text()
        secret = self.wizard.typed_secret()
        source, hands = self.wizard.desk.source, self.wizard.hands

        def job() -> Said:
            said = hands.write(path, text, over)
            if not said.ok or not commit:
                return said
            if secret:
                hands.keep(secret)
            if source is None:
                return Said(False, "no engine is there to take it")
            return source.commit(text, path.name)

        self.wizard.desk.work(job, lambda said: self._written(said, path, commit))

    def _written(self, said: Any, path: Path, commit: bool) -> None:
        self.busy = False
        if isinstance(said, Exception):
            said = Said(False, f"it failed: {said}")
        if not said.ok and said.advice == "over":
            told = "what stands in it is replaced"
            self.wizard.desk.overlay = Sure(self.wizard.desk, f"overwrite {path.name}?", told, None, lambda: self._write(True, commit))
            self.said = Said(False, said.text, "f gives another name")
            return
        if said.ok and not commit:
            self.said = Said(True, said.text)
            self.wizard.desk.note(Said(True, f"{path} is written, and not committed"))
        elif said.ok:
            self.wizard.desk.note(Said(True, f"{path} is written and committed"))
            self.wizard.leave()
        else:
            self.said = said

    def says(self) -> str:
        if self.said is not None and not self.said.ok:
            return "mend it, then enter again; esc goes back to what was asked"
        return f"enter writes {self.file().name}, commits it, and the rack is served"

    def hints(self) -> list[Hint]:
        return [Hint("f", "file", "another name for the plan file"), Hint("w", "write only", "write the file, commit nothing"),
                Hint("up down", "read")]  # fmt: skip


__all__ = ["Checks", "Interface", "Listen", "Start", "Writing"]
