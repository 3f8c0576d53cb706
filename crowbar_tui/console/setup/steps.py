"""The steps without a form: start, checks, interface, foreign DHCP, and the plan."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import glyphs as g
from ..formats import ago, since, speed
from ..overlays import AskedPath, Sure
from ..screen import Hint
from ..snapshot import Said
from ..styled import Line, barred, clip, line, wrap
from ..table import Col, head, layout, row
from .admin_node import LISTEN_S
from .first_run import FirstRun
from .form import Step

if TYPE_CHECKING:
    from engine.api.control import Check


GRADES = {"ok": (g.TICK, "good"), "warn": ("?", "ask"), "bad": ("!", "bad")}


class Start(Step):
    name = "start"
    title = "where do you want to begin?"
    CHOICES = (
        ("rehearse", "rehearse", "for a first look: six virtual machines, from powered off to ready. Touches no real machine"),
        ("faults", "rehearse faults", "the same with faults: find each cause on the screen and repair it with m"),
        ("site", "set up this site", "checks, interface, networks, BMCs; at the end it writes a plan and serves the rack"),
        ("file", "use a plan file", "use a plan that you wrote by hand or saved from another rack"),
        ("look", "look around", "open the console without a plan; :setup returns here"),
    )

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.index = 0

    def body(self, columns: int, rows: int) -> list[Line]:
        out: list[Line] = [line("   ", "This store has no plan yet."), line()]
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
            self.run.leave()
            return False
        if chosen == "file":
            self.run.session.overlay = AskedPath(self.run.session, "use which plan file?", self.run.take_file)
            return False
        self.run.track(chosen)
        return True

    def says(self) -> str:
        return "select with up and down, then press enter"

    def hints(self) -> list[Hint]:
        return [Hint("up down", "choose")]


class Checks(Step):
    name = "checks"
    title = "can this machine serve a rack?"

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.found: list[Check] | None = None
        self.checking_since = 0.0
        self.at = 0.0
        self.top = 0
        self.failed = ""

    def enter(self) -> None:
        if self.found is None and not self.checking_since:
            self.look()

    def look(self) -> None:
        self.checking_since = self.run.session.wall()
        self.run.session.work(self.run.admin.checks, self._took)

    def _took(self, found: Any) -> None:
        self.checking_since, self.at = 0.0, self.run.session.wall()
        if isinstance(found, Exception):
            self.failed = str(found)
        else:
            self.found, self.failed = found, ""

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.found is None:
            return [line("   ", (self.failed or "checking ...", "bad" if self.failed else "dim"))]
        count = {grade: sum(c.grade == grade for c in self.found) for grade in GRADES}
        said = f"{count['ok']} ok, {count['warn']} to look at, {count['bad']} bad"
        when = "checking again ..." if self.checking_since else ago(self.run.session.wall(), self.at)
        style = "bad" if count["bad"] else "ask" if count["warn"] else "good"
        out: list[Line] = [line("   ", (said, style), (f"   {when}", "dim")), line()]
        lines: list[Line] = []
        wide = max(len(c.name) for c in self.found) + 2
        for check in sorted(self.found, key=lambda c: ("bad", "warn", "ok").index(c.grade)):
            mark, style = GRADES[check.grade]
            texts = wrap(check.text, columns - wide - 5)
            lines.append(line((f" {mark} ", style), (f"{check.name:<{wide}}", "" if check.grade == "ok" else "name"), (texts[0], "")))
            lines += [line(" " * (wide + 3), text) for text in texts[1:]]
            if check.grade != "ok" and check.advice:
                told = textwrap.wrap(f"try: {check.advice}", columns - wide - 5, break_on_hyphens=False)
                lines += [line(" " * (wide + 3), (text, "dim")) for text in told]
        room = rows - len(out)
        self.top = max(min(self.top, len(lines) - room), 0)
        return [*out, *lines[self.top : self.top + room]]

    def press(self, key: str) -> bool:
        if key == "r" and not self.checking_since:
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
            return f"{bad[0].name}: {bad[0].advice or bad[0].text}; r checks again, enter continues anyway"
        return "enter continues; you can fix the lines marked ? later"

    def hints(self) -> list[Hint]:
        return [Hint("r", "check again", "run all checks again")]


_PORTS = (
    Col("name", "   interface", 15, grow=1, most=24),
    Col("link", "link", 9),
    Col("address", "address", 19, grow=1, most=24),
    Col("far", "neighbour (LLDP)", 20, grow=3),
    Col("mac", "mac", 17, wide=110),
)


class Interface(Step):
    name = "interface"
    title = "which interface serves the rack?"

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.at = ""
        self.since = 0.0
        self.failed = ""

    def enter(self) -> None:
        self.since = self.since or self.run.session.wall()
        self.run.look_ports(self._took)

    def _took(self, problem: str) -> None:
        self.failed = problem
        names = [p.name for p in self.run.ports]
        if self.at not in names and names:
            self.at = names[0]

    def body(self, columns: int, rows: int) -> list[Line]:
        if not self.run.ports:
            return [line("   ", (self.failed or "checking ...", "bad" if self.failed else "dim"))]
        of = layout(_PORTS, columns - 1)
        out: list[Line] = [head(of)]
        now = self.run.clock()
        for p in self.run.ports:
            here = p.name == self.at
            link = ("down", "dim") if not p.up else ("no link", "ask") if not p.carrier else (f"up {speed(p.speed)}".strip(), "")
            far: Any = ("virtual", "dim") if p.virtual else ""
            if p.neighbour is not None:
                heard = f" {since(now, p.neighbour.at)}"
                room = next(w for c, w in of if c.key == "far") - len(heard)
                far = line(clip(f"{p.neighbour.switch} {p.neighbour.port}", room), (heard, "dim"))
            cells = {
                "name": ((f" {g.NEXT if here else ' '} ", "key"), (p.name, "name")),
                "link": link,
                "address": (p.addresses[0] if p.addresses else "none", "" if p.addresses else "dim"),
                "far": far,
                "mac": (p.mac, "dim"),
            }
            drawn = row(of, cells)
            out.append(barred(drawn, columns) if here else drawn)
            for more in p.addresses[1:3]:
                out.append(row(of, {"address": (more, "dim")}))
        out = out[: rows - 3]
        deaf = self.run.deaf
        listened = since(self.run.session.wall(), self.since)
        told = f"no LLDP: {deaf}" if deaf else f"listening for LLDP for {listened or '0s'}; switches speak every 30 s"
        return [*out, line(), line("   ", (clip(told, columns - 4), "ask" if deaf else "dim"))]

    def press(self, key: str) -> bool:
        names = [p.name for p in self.run.ports]
        if key in ("up", "k", "down", "j") and names:
            at = names.index(self.at) if self.at in names else 0
            self.at = names[max(min(at + (-1 if key in ("up", "k") else 1), len(names) - 1), 0)]
            return True
        if key == "r":
            self.enter()
            return True
        return False

    def go_on(self) -> bool:
        self.run.choose(self.at)
        return self.run.port is not None

    def says(self) -> str:
        chosen = next((p for p in self.run.ports if p.name == self.at), None)
        if chosen is None:
            return "this machine has no interface: plug one in, then press r" if self.run.ports == [] and self.since else "wait"
        if not chosen.up:
            return f"{chosen.name} is down: ip link set {chosen.name} up; enter takes it anyway"
        if not chosen.carrier:
            return f"{chosen.name} has no link: check its cable and the switch port; enter takes it anyway"
        return f"enter takes {chosen.name}; it must be the interface to the servers' boot ports"

    def hints(self) -> list[Hint]:
        return [Hint("up down", "choose"), Hint("r", "check again")]


class Listen(Step):
    name = "dhcp"
    title = "does another DHCP server answer there?"

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.began = 0.0
        self.at = 0.0
        self.answered: list[str] | str | None = None
        self.on = ""

    def enter(self) -> None:
        port = self.run.port
        if port is not None and not self.began and (self.answered is None or self.on != port.name):
            self.listen(port.name)

    def listen(self, interface: str) -> None:
        self.on, self.began, self.answered = interface, self.run.session.wall(), None
        self.run.session.work(lambda: self.run.admin.servers(interface), self._took)

    def _took(self, answered: Any) -> None:
        self.began, self.at = 0.0, self.run.session.wall()
        self.answered = str(answered) if isinstance(answered, Exception) else answered

    def body(self, columns: int, rows: int) -> list[Line]:
        wall = self.run.session.wall()
        out: list[Line] = []
        if self.began:
            share = min((wall - self.began) / LISTEN_S, 1.0)
            full, open_ = g.bar(share, 24)
            out += [line("   ", f"asked on {self.on} like a booting machine; listening for answers"), line()]
            out.append(line("   ", (full, "busy"), (open_, "dim"), f"  {min(wall - self.began, LISTEN_S):.0f} of {LISTEN_S:.0f} s"))
            return out
        when = (f"   {ago(wall, self.at, '')}", "dim")
        if isinstance(self.answered, str):
            text = f"could not listen on {self.on}: {self.answered}"
            out += [line((" ? ", "ask"), (clip(text, columns - 20), ""), when), line()]
            out += [line("   ", (t, "dim")) for t in wrap("try: run as root, or grant CAP_NET_RAW; then press r", columns - 6)]
        elif self.answered:
            out += [line((" ! ", "bad"), (f"{', '.join(self.answered)} answered on {self.on}", "name"), when), line()]
            told = (
                "Machines take the first answer, so some would boot from that server or not at all. Stop that server, remove it "
                "from this network, or use another network for the rack; then press r to listen again."
            )
            out += [line("   ", text) for text in wrap(told, columns - 6)]
        elif self.answered is not None:
            out += [line((f" {g.TICK} ", "good"), f"no other server answered on {self.on} within {LISTEN_S:.0f} s", when), line()]
            later = "The engine keeps listening: the health screen (8) shows a later one."
            out += [line("   ", (t, "dim")) for t in wrap(later, columns - 6)]
        return out

    def press(self, key: str) -> bool:
        if key == "r" and not self.began and self.run.port is not None:
            self.listen(self.run.port.name)
            return True
        return False

    def says(self) -> str:
        if self.began:
            return "wait a moment, or press enter to continue without an answer"
        if isinstance(self.answered, list) and self.answered:
            return f"stop DHCP server {self.answered[0]}, then press r; enter continues anyway"
        return "enter continues; r listens again"

    def hints(self) -> list[Hint]:
        return [Hint("r", "listen again")]


class Writing(Step):
    name = "plan"
    title = "the plan that the wizard will write"

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.top = 0
        self.path: Path | None = None
        self.said: Said | None = None
        self.busy = False
        self._room = 1
        self._many = 1

    def file(self) -> Path:
        return self.path or self.run.folder / f"{self.run.values()['name'] or 'rack'}.yml"

    def body(self, columns: int, rows: int) -> list[Line]:
        text = self.run.text().splitlines()
        out: list[Line] = [line("   ", ("to ", "dim"), (clip(str(self.file()), columns - 8), "name"))]
        if self.busy:
            out.append(line("   ", ("writing and committing the plan ...", "busy")))
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
            self.run.session.overlay = AskedPath(self.run.session, "write the plan to which file?", self._name)
        elif key == "w":
            self._write(False, commit=False)
        else:
            return False
        return True

    def _name(self, typed: str) -> None:
        path, self.said = Path(typed).expanduser(), None
        self.path = path if path.is_absolute() else self.run.folder / path

    def go_on(self) -> bool:
        if not self.busy:
            self._write(False, commit=True)
        return False

    def _write(self, over: bool, commit: bool) -> None:
        self.busy, self.said = True, None
        path, text = self.file(), self.run.text()
        secret = self.run.typed_secret()
        source, admin = self.run.session.source, self.run.admin

        def job() -> Said:
            said = admin.write(path, text, over)
            if not said.ok or not commit:
                return said
            if secret:
                admin.keep(secret)
            if source is None:
                return Said(False, "no engine runs to take the plan")
            return source.commit(text, path.name)

        self.run.session.work(job, lambda said: self._written(said, path, commit))

    def _written(self, said: Any, path: Path, commit: bool) -> None:
        self.busy = False
        if isinstance(said, Exception):
            said = Said(False, f"it failed: {said}")
        if not said.ok and said.advice == "over":
            told = "this replaces its content"
            self.run.session.overlay = Sure(self.run.session, f"overwrite {path.name}?", told, None, lambda: self._write(True, commit))
            self.said = Said(False, said.text, "f: another name")
            return
        if said.ok and not commit:
            self.said = Said(True, said.text)
            self.run.session.note(Said(True, f"{path} is written and not committed"))
        elif said.ok:
            self.run.session.note(Said(True, f"{path} is written and committed"))
            self.run.leave()
        else:
            self.said = said

    def says(self) -> str:
        if self.said is not None and not self.said.ok:
            return "fix it, then press enter again; esc goes back to the questions"
        return f"enter writes {self.file().name}, commits it and serves the rack"

    def hints(self) -> list[Hint]:
        return [
            Hint("f", "file", "another name for the plan file"),
            Hint("w", "write only", "write the file without a commit"),
            Hint("up down", "read"),
        ]


__all__ = ["Checks", "Interface", "Listen", "Start", "Writing"]
