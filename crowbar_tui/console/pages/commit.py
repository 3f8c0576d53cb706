"""What committing a plan would do, before it is done; and the revisions that were, each of which can be looked at and gone back to.

A plan file is read, judged and compared in a thread: on a large rack that takes a moment.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.views.show import Revision, advice, sentence, short

from ..ink import Line, clip, line, wrap
from ..overlays import Typed
from ..page import Hint, Listing, Scroll
from ..source import Said
from ..words import age, count, day

if TYPE_CHECKING:
    from engine.face import Diff, PlanError

    from ..desk import Desk

MAX = 1_000_000
"""Octets of a plan file."""
_WHAT = {
    "new": ("+", "good", "new"),
    "again": ("~", "busy", "runs again"),
    "drift": ("!", "ask", "differs from what is installed: only a redeploy acts on it"),
    "gone": ("-", "dim", "is asked for no more: unbound, what it did stays"),
    "left": ("-", "dim", "is asked for no more, and stays"),
}


def preview_file(desk: Desk, path: str) -> None:
    """Read a plan file and show what its commit would do."""
    file = Path(path).expanduser()

    def read() -> tuple[str, str]:
        with file.open("rb") as opened:
            body = opened.read(MAX + 1)
        if len(body) > MAX:
            raise ValueError(f"{file.name} is too large for a plan")
        return body.decode("utf-8"), file.name

    _begin(desk, read, f"commit {file.name}")


def preview_text(desk: Desk, text: str, name: str, title: str) -> None:
    _begin(desk, lambda: (text, name), title)


def _begin(desk: Desk, read: Any, title: str) -> None:
    world = desk.world
    desk.waiting += 1

    def job() -> tuple[str, str, Diff | PlanError]:
        from engine.face import PlanError, diff, plan_file

        text, name = read()
        try:
            plan = plan_file.read(text, name, world.base)
        except PlanError as error:
            return text, name, error
        return text, name, diff(world, plan)

    def done(found: Any) -> None:
        desk.waiting -= 1
        if isinstance(found, Exception):
            why = found.strerror if isinstance(found, OSError) and found.strerror else str(found)
            desk.note(Said(False, f"{title.removeprefix('commit ')} cannot be read: {why.lower()}"))
            return
        desk.push(CommitScreen(desk, title, *found))

    desk.work(job, done)


class CommitScreen(Scroll):
    name = "commit"

    def __init__(self, desk: Desk, title: str, text: str, file: str, found: Diff | PlanError) -> None:
        super().__init__(desk)
        self.title = title
        self.plan = text
        self.file = file
        self.found = found

    def ident(self) -> Hashable:
        return ("commit", self.title)

    def crumb(self) -> str:
        return self.title

    @property
    def diff(self) -> Diff | None:
        return None if isinstance(self.found, Exception) else self.found

    def may(self) -> bool:
        return self.diff is not None and not self.diff.same and self.diff.refused is None

    def step(self) -> Any:
        from engine.views.show import Step

        if self.diff is None:
            return Step(kind="plan", text="correct the file; esc goes back")
        if self.diff.same:
            return Step(kind="wait", text="nothing to commit; esc goes back")
        if self.diff.refused is not None:
            return Step(kind="plan", text=advice(self.diff.refused) or "correct the plan; esc goes back")
        return Step(kind="plan", text=f"y commits it as revision {self.diff.revision}; esc leaves everything as it is")

    def text(self, columns: int) -> list[Line]:
        found = self.diff
        if found is None:
            mistakes = getattr(self.found, "mistakes", ())
            out = [line((f" {self.file} is not a right plan: {count(len(mistakes), 'mistake')}", "bad")), line()]
            for one in mistakes:
                out += [line("   " if i else " ! ", (text, "")) for i, text in enumerate(wrap(str(one), columns - 4))]
            return out
        if found.same:
            return [line(), line(f" no difference: it is revision {found.revision}, which is in force")]
        out = [line(" ", (f"it would be revision {found.revision}", "name")), line()]
        if found.refused is not None:
            out = [line((" ! it would be refused: ", "bad"), clip(sentence(found.refused), columns - 25)), line()]
        if found.roles:
            many = f"{count(len(found.nodes), 'node')} touched, {count(len(found.roles), 'role')}"
            loss = f", {len(found.destroys)} of them wipe disks" if found.destroys else ""
            out += [line(" ", (many, "name"), (loss, "bad"))]
            for r in found.roles:
                mark, ink, what = _WHAT[r.what]
                what += f": {r.why}" if r.why else ""
                wipes = ", wipes disks: approved" if r.approved else ", wipes disks: waits for your yes"
                more = (wipes if r.destructive and r.what == "new" else "", "bad")
                head = line((f" {mark} ", ink), (f"{clip(short(r.node), 15):<16}", "name"))
                out.append(line(*head, f"{clip(r.role, 19):<20}", (what, ink), more))
            out.append(line())
        elif found.refused is None:
            out += [line(" no role of any node changes"), line()]
        out.append(line((" what differs in the plan", "head")))
        for text in found.plan:
            path, _, change = text.partition(": ")
            out += [line("   ", (path, "busy"))]
            out += [line("       ", (piece, "")) for piece in wrap(change, columns - 8, 3)]
        return out

    def hints(self) -> list[Hint]:
        return [*([Hint("y", "commit", "make it the wanted state")] if self.may() else []), Hint("esc", "back"), Hint("up down", "read")]

    def press(self, key: str) -> bool:
        if key == "y" and self.may() and self.desk.may_do():
            found = self.diff
            approved = [r for r in found.roles if r.destructive and r.what == "new" and r.approved] if found is not None else []
            if approved:
                from engine.views.show import preview

                nodes = [n for name in dict.fromkeys(r.node for r in approved) if (n := self.desk.node(name)) is not None]
                shown = preview(self.desk.world, "redeploy", nodes)
                self.desk.overlay = Typed(self.desk, f"{self.title}: disks are wiped", shown, "wipe", self._commit)
            else:
                self._commit()
            return True
        return super().press(key)

    def _commit(self) -> None:
        desk = self.desk
        if desk.source is None:
            return
        source, text, file = desk.source, self.plan, self.file
        desk.waiting += 1

        def done(said: Any) -> None:
            from ..desk import Order

            told = said if isinstance(said, Said) else Said(False, f"the console failed over it: {said}")
            desk.answered(Order("commit", ""), told)
            if told.ok and desk.page is self:
                desk.back()

        desk.work(lambda: source.commit(text, file), done)


class RevisionsScreen(Listing):
    """What was committed, newest first."""

    name = "revisions"
    empty = "no plan is committed yet"

    def things(self) -> Sequence[Revision]:
        return sorted(self.desk.world.revisions.values(), key=lambda r: -r.number)

    def key_of(self, thing: Revision) -> Hashable:
        return thing.number

    def words(self, thing: Revision) -> str:
        return f"{thing.number} {thing.who}"

    def heads(self, columns: int) -> list[Line]:
        return [line((f" {'revision':<10}{'by':<16}{'when':<30}", "head"))]

    def draw(self, thing: Revision, columns: int, chosen: bool) -> list[Line]:
        when = f"{day(thing.at)}  {age(self.desk.wall() - thing.at)} ago"
        force = ("in force" if thing.number == max(self.desk.world.revisions) else "", "good")
        return [line((f" {thing.number:<10}", "name"), f"{clip(thing.who, 15):<16}", (f"{when:<30}", "dim"), force)]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "read", "the plan of that revision"), Hint("b", "go back", "what going back to it would do; then y")]

    def press(self, key: str) -> bool:
        thing: Revision | None = self.chosen()
        if key in ("enter", "b") and thing is not None:
            if key == "enter":
                self.desk.push(RevisionScreen(self.desk, thing))
            else:
                go_back(self.desk, thing)
            return True
        return super().press(key)


class RevisionScreen(Scroll):
    """The text of one."""

    name = "revision"

    def __init__(self, desk: Desk, revision: Revision) -> None:
        super().__init__(desk)
        self.revision = revision
        self._plan = text_of(revision)

    def ident(self) -> Hashable:
        return ("revision", self.revision.number)

    def crumb(self) -> str:
        return f"revision {self.revision.number}"

    def middle(self) -> Line | None:
        return line((f"by {self.revision.who}, {day(self.revision.at)}", ""))

    def text(self, columns: int) -> list[Line]:
        from .plan import coloured

        return [coloured(one) for one in self._plan.splitlines()]

    def hints(self) -> list[Hint]:
        return [Hint("b", "go back", "what going back to it would do; then y")]

    def press(self, key: str) -> bool:
        if key == "b":
            go_back(self.desk, self.revision)
            return True
        return super().press(key)


def go_back(desk: Desk, revision: Revision) -> None:
    """Show what making an earlier revision the wanted state again would do. It becomes a new revision."""
    preview_text(desk, text_of(revision), f"revision-{revision.number}.yml", f"back to revision {revision.number}")


def text_of(revision: Revision) -> str:
    from engine.views.show import revision_text

    return revision_text(revision)
