"""The preview of a commit, and the earlier revisions. The user can read a revision and go back to it.

A thread reads, checks and compares the plan file, because that takes a moment on a large rack.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.views import Revision, RevisionView, Step, advice, is_of_a_store, preview, revision_text, revision_views, sentence, short

from ..actions import ask_disks
from ..formats import ago, count, day, stamp
from ..orders import Order
from ..overlays import Typed
from ..page import Listing, Scroll
from ..screen import Hint
from ..session import Session
from ..snapshot import Said, Source
from ..styled import Line, Span, flow, line, width, wrap

if TYPE_CHECKING:
    from engine.api.control import Diff, PlanError

MAX = 1_000_000
"""Largest plan file, in bytes."""
LISTED = 500
"""Most revisions that are listed."""
_WHAT = {
    "new": ("+", "good", "new"),
    "again": ("~", "busy", "runs again"),
    "drift": ("!", "ask", "differs from the installed system; only a redeploy changes it"),
    "gone": ("-", "dim", "no longer in the plan: removed; its work stays on the node"),
    "left": ("-", "dim", "no longer in the plan, and kept"),
}


def preview_file(session: Session, path: str) -> None:
    """Reads a plan file and shows what its commit would change."""
    file = Path(path).expanduser()

    def read() -> tuple[str, str]:
        if is_of_a_store(file):  # and closing it would drop the engine's locks in this process
            raise ValueError(f"{file.name} is a file of a store, not a plan")
        with file.open("rb") as opened:
            body = opened.read(MAX + 1)
        if len(body) > MAX:
            raise ValueError(f"{file.name} is too large for a plan")
        return body.decode("utf-8"), file.name

    _begin(session, read, f"commit {file.name}")


def preview_text(session: Session, text: str, name: str, title: str) -> None:
    _begin(session, lambda: (text, name), title)


def _begin(session: Session, read: Any, title: str) -> None:
    world = session.world
    session.waiting += 1

    def job() -> tuple[str, str, Diff | PlanError]:
        from engine.api.control import PlanError, diff, plan_file

        text, name = read()
        try:
            plan = plan_file.read(text, name, world.base)
        except PlanError as error:
            return text, name, error
        return text, name, diff(world, plan)

    def done(found: Any) -> None:
        session.waiting -= 1
        if isinstance(found, Exception):
            why = found.strerror if isinstance(found, OSError) and found.strerror else str(found)
            session.note(Said(False, f"{title.removeprefix('commit ')} cannot be read: {why.lower()}"))
            return
        text, file, seen = found
        base = max(world.revisions, default=0)  # the preview is of this one
        session.push(CommitScreen(session, title, seen, lambda source: source.commit(text, file, base), file=file))

    session.work(job, done)


class CommitScreen(Scroll):
    name = "commit"

    def __init__(
        self,
        session: Session,
        title: str,
        found: Diff | PlanError,
        send: Callable[[Source], Said],
        file: str = "",
        what: str = "this plan",
    ) -> None:
        """`send` commits what was previewed. `file`: of a plan, for its mistakes. `what`: what would be committed, in words."""
        super().__init__(session)
        self.title = title
        self.found = found
        self.send = send
        self.file = file
        self.what = what

    def ident(self) -> Hashable:
        return ("commit", self.title)

    def crumb(self) -> str:
        return self.title

    @property
    def diff(self) -> Diff | None:
        return None if isinstance(self.found, Exception) else self.found

    def may(self) -> bool:
        return self.diff is not None and not self.diff.same and self.diff.refused is None

    def step(self) -> Step | None:
        if self.diff is None:
            return Step(kind="plan", text="correct the file; esc goes back")
        if self.diff.same:
            return Step(kind="wait", text="nothing to commit; esc goes back")
        if self.diff.refused is not None:
            return Step(kind="plan", text=advice(self.diff.refused) or "correct the plan; esc goes back")
        return Step(kind="plan", text=f"y commits it as revision {self.diff.revision}; esc changes nothing")

    def text(self, columns: int) -> list[Line]:
        found = self.diff
        if found is None:
            mistakes = getattr(self.found, "mistakes", ())
            out = [line((f" {self.file} has {count(len(mistakes), 'mistake')}", "bad")), line()]
            for one in mistakes:
                out += [line("   " if i else " ! ", (text, "")) for i, text in enumerate(wrap(str(one), columns - 4))]
            return out
        if found.same:
            return [line(), line(f" no difference: {self.what} is the current revision {found.revision}"), *_versions(found, columns)]
        told = f"{self.what} would become revision {found.revision}"
        if not found.plan:
            told = f"{self.what} is revision {found.revision}, and its commit would change the rack"
        out = [*(line(" ", (text, "name")) for text in wrap(told, columns - 2)), line()]
        if found.refused is not None:
            out = [line((" ! the engine would refuse it:", "bad"))]
            out += [line("   ", text) for text in wrap(sentence(found.refused), columns - 4)]
            told = advice(found.refused)
            out += [line("   ", (text, "dim")) for text in (wrap(f"try: {told}", columns - 4) if told else [])]
            out.append(line())
        out += _versions(found, columns)
        out += [line((" - ", "bad"), text) for one in found.drops for text in wrap(one, columns - 4)]
        for one in found.chosen:
            first, *rest = wrap(one.words, columns - 21)
            out += [line((" ~ ", "busy"), (f"{short(one.node):<16}", "name"), *([first] if len(short(one.node)) < 16 else []))]
            out += [] if len(short(one.node)) < 16 else [line(" " * 19, first)]
            out += [line(" " * 19, words) for words in rest]
            for cost in one.costs:
                style = "bad" if cost.how == "redeploy" else "ask" if cost.reboots else "dim"
                out += [line(" " * 19, (words, style)) for words in wrap(cost.words, columns - 20)]
        if found.roles:
            many = f"{count(len(found.nodes), 'node')} changed, {count(len(found.roles), 'role')}"
            loss = f", {len(found.destroys)} of them wipe disks" if found.destroys else ""
            out += [line(" ", (many, "name"), (loss, "bad"))]
            for r in found.roles:
                mark, style, what = _WHAT[r.what]
                what += f": {r.why}" if r.why else f", after a step back to stage {r.stage}: asks you, and reboots" if r.back else ""
                wipes = ", wipes disks: approved" if r.approved else ", wipes disks: waits for your approval"
                more = (wipes if r.destructive and r.what == "new" else "", "bad")
                out += _role(line((f" {mark} ", style), (f"{short(r.node):<16}", "name")), r.role, (what, style), more, columns)
                if r.takes or r.leaves:
                    out += [line(" " * 19, (t, "name")) for t in wrap(f"takes {', '.join(r.takes) or 'no disk'}", columns - 20)]
                    for one in r.leaves:
                        out += [line(" " * 19, (t, "dim")) for t in wrap(f"not {one.disk.name}: {sentence(one.reason)}", columns - 20)]
            out.append(line())
        elif found.refused is None:
            out += [line(" no role of any node changes"), line()]
        if found.plan:
            out.append(line((" differences in the plan", "head")))
        for text in found.plan:
            path, _, change = text.partition(": ")
            out += [line("   ", (piece, "busy")) for piece in wrap(path, columns - 4)]
            out += [line("       ", (piece, "")) for piece in wrap(change, columns - 8)]
        return out

    def hints(self) -> list[Hint]:
        return [*([Hint("y", "commit", "commit this plan")] if self.may() else []), Hint("esc", "back"), Hint("up down", "read")]

    def press(self, key: str) -> bool:
        if key == "y" and self.may() and self.session.may_do():
            found = self.diff
            approved = [r for r in found.roles if r.destructive and r.what == "new" and r.approved] if found is not None else []
            if approved:
                nodes = [n for name in dict.fromkeys(r.node for r in approved) if (n := self.session.node(name)) is not None]
                shown = preview(self.session.world, "redeploy", nodes)
                self.session.overlay = typed = Typed(self.session, f"{self.title}: this wipes disks", shown, "wipe", self._commit)
                ask_disks(self.session, typed, "redeploy", nodes)
            else:
                self._commit()
            return True
        return super().press(key)

    def _commit(self) -> None:
        session = self.session
        if session.source is None:
            return
        source = session.source
        session.waiting += 1

        def done(said: Any) -> None:
            told = said if isinstance(said, Said) else Said(False, f"the console failed: {said}")
            session.answered(Order("commit", ""), told)
            if told.ok and session.page is self:
                session.back()

        session.work(lambda: self.send(source), done)


def _versions(found: Diff, columns: int) -> list[Line]:
    """What is here in another version than the plan was saved with, and the settings that stay beside it."""
    settings = (f"beside the plan: {one.words}" for one in found.drift.settings)
    return [
        line((" ! " if i == 0 else "   ", "ask"), part)
        for text in (*found.versions, *settings)
        for i, part in enumerate(wrap(text, columns - 4))
    ]


def _role(head: Line, role: str, what: Span, more: Span, columns: int) -> list[Line]:
    """Node, role, what happens to it, and what it destroys: one line if that is enough, and never cut."""
    start = width(head) + max(len(role), 19) + 1
    texts = wrap(what[0], max(columns - start - 1, 24))
    beside = start + len(texts[0]) < columns
    out = [line(*head, f"{role:<19} ", *([(texts[0], what[1])] if beside else []))]
    out += [line(" " * 19, (text, what[1])) for text in (texts[1:] if beside else texts)]
    if more[0] and width(out[-1]) + len(more[0]) <= columns:
        return [*out[:-1], line(*out[-1], more)]
    return [*out, *([line(" " * 19, (more[0].lstrip(", "), more[1]))] if more[0] else [])]


class RevisionsScreen(Listing):
    """The committed plans, newest first."""

    name = "revisions"
    keeps = False
    empty = "no plan is committed yet"

    def things(self) -> Sequence[RevisionView]:
        return self.session.remember("revisions", lambda: revision_views(self.session.world, LISTED))

    def key_of(self, thing: RevisionView) -> Hashable:
        return thing.number

    def searched_text(self, thing: RevisionView) -> str:
        return f"{thing.number} {thing.who} {thing.words}"

    heads_of_table = ("revision", "by", "when", "current", "words")

    def records(self, thing: RevisionView) -> list[Sequence[str]]:
        return [(str(thing.number), thing.who, stamp(thing.at), "yes" if thing.current else "", thing.words)]

    def heads(self, columns: int) -> list[Line]:
        return [line((f" {'revision':<10}{'by':<16}{'when':<30}", "head"))]

    def draw(self, thing: RevisionView, columns: int, chosen: bool) -> list[Line]:
        when = f"{day(thing.at)}  {ago(self.session.wall(), thing.at)}"
        force = ("current" if thing.current else "", "good")
        told = flow([line(f"{thing.who:<15}"), line((when, "dim")), line(force)], columns - 11)
        out = [line((f" {thing.number:<10}", "name") if i == 0 else " " * 11, *part) for i, part in enumerate(told)]
        return [*out, *(line(" " * 11, (text, "dim")) for text in wrap(thing.words, columns - 12) if thing.words)]

    def list_width(self, columns: int) -> int:
        return 66

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """The plan of the revision under the cursor."""
        thing: RevisionView | None = self.chosen()
        found = self.session.world.revisions.get(thing.number) if thing is not None else None
        if found is None:
            return None
        plan = self.session.remember(("revision", found.number), lambda: revision_text(found).splitlines())
        return [line((f" revision {found.number}", "name")), *(coloured(one) for one in plan[: rows - 1])]

    def hints(self) -> list[Hint]:
        return [Hint("enter", "read", "the plan of that revision"), Hint("b", "go back", "show what going back would change; then y")]

    def press(self, key: str) -> bool:
        thing: RevisionView | None = self.chosen()
        found = self.session.world.revisions.get(thing.number) if thing is not None else None
        if key in ("enter", "b") and found is not None:
            if key == "enter":
                self.session.push(RevisionScreen(self.session, found))
            else:
                go_back(self.session, found)
            return True
        return super().press(key)


class RevisionScreen(Scroll):
    """The text of one revision."""

    name = "revision"

    def __init__(self, session: Session, revision: Revision) -> None:
        super().__init__(session)
        self.revision = revision
        self._plan = revision_text(revision)

    def ident(self) -> Hashable:
        return ("revision", self.revision.number)

    def crumb(self) -> str:
        return f"revision {self.revision.number}"

    def middle(self) -> Line | None:
        return line((f"by {self.revision.who}, {day(self.revision.at)}", ""))

    def text(self, columns: int) -> list[Line]:
        return [coloured(one) for one in self._plan.splitlines()]

    def hints(self) -> list[Hint]:
        return [Hint("b", "go back", "show what going back would change; then y")]

    def press(self, key: str) -> bool:
        if key == "b":
            go_back(self.session, self.revision)
            return True
        return super().press(key)


def go_back(session: Session, revision: Revision) -> None:
    """Shows what going back to an earlier revision would change. The old plan becomes a new revision."""
    preview_text(session, revision_text(revision), f"revision-{revision.number}.yml", f"back to revision {revision.number}")


def coloured(text: str) -> Line:
    """Splits a line into key and value."""
    stripped = text.lstrip()
    key, colon, rest = stripped.partition(":")
    if colon and not stripped.startswith(("-", "{", '"')) and (not rest or rest.startswith(" ")):
        return line((f" {text[: len(text) - len(stripped)]}{key}:", "busy"), rest)
    return line(f" {text}")
