"""The proposals: edits of single deployments that wait. The user previews, commits and recalls them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from engine.api.views import ProposalView, waiting_edits

from ..formats import ago, stamp
from ..orders import Order
from ..overlays import Sure
from ..page import Listing
from ..screen import Hint
from ..session import Session
from ..snapshot import Said
from ..styled import Line, clip, line, shorten, wrap
from .commit import CommitScreen

if TYPE_CHECKING:
    from engine.api.control import Diff

STYLE = {"new": "good", "changed": "busy", "deleted": "bad"}
MOST = 4
"""Most proposals that the plan's page lists."""


def summary_lines(session: Session, edits: Sequence[ProposalView], columns: int) -> list[Line]:
    """What the plan's page says of them. Empty: none waits."""
    if not edits:
        return []
    many = f"{len(edits)} proposal{'s wait' if len(edits) > 1 else ' waits'}"
    out = [line((f" {many}: press p to preview, commit or recall", "ask"))]
    out += [_row(session, one, columns) for one in edits[:MOST]]
    if len(edits) > MOST:
        out.append(line((f"   and {len(edits) - MOST} more", "dim")))
    return [*out, line()]


def _row(session: Session, one: ProposalView, columns: int) -> Line:
    late = "  overtaken" if one.why is not None else ""
    name = shorten(one.deployment, max(columns - 46 - len(late) - max(len(one.who) - 11, 0), 21))
    when = ago(session.wall(), one.at)
    return line((f"   {name:<21} ", "name"), (f"{one.what:<9}", STYLE[one.what]), f"{one.who:<11} ", (when, "dim"), (late, "bad"))


class ProposalsScreen(Listing):
    name = "proposals"
    keeps = False
    empty = "no proposal waits; make one with crowbar deployment edit NAME"

    def things(self) -> Sequence[ProposalView]:
        return waiting_edits(self.session.world)

    def key_of(self, thing: ProposalView) -> Hashable:
        return thing.deployment

    def searched_text(self, thing: ProposalView) -> str:
        return f"{thing.deployment} {thing.what} {thing.who}"

    heads_of_table = ("deployment", "edit", "by", "when", "overtaken by")

    def records(self, thing: ProposalView) -> list[Sequence[str]]:
        late = self.session.say(thing.why.sentence) if thing.why is not None else ""
        return [(thing.deployment, thing.what, thing.who, stamp(thing.at), late)]

    def heads(self, columns: int) -> list[Line]:
        return [line((f"   {'deployment':<22}{'edit':<9}{'by':<12}when", "head"))]

    def draw(self, thing: ProposalView, columns: int, chosen: bool) -> list[Line]:
        out = [_row(self.session, thing, columns)]
        if thing.why is not None:
            out += [line("     ", (text, "bad")) for text in wrap(self.session.say(thing.why.sentence), columns - 6)]
            out += [line("     ", (text, "dim")) for text in wrap(f"try: {self.session.say(thing.why.advice)}", columns - 6)]
        return out

    def hints(self) -> list[Hint]:
        return [
            Hint("enter", "preview", "show what its commit would change; then y"),
            Hint("a", "preview all", "show what a commit of all of them would change; then y"),
            Hint("x", "recall", "drop it"),
        ]

    def press(self, key: str) -> bool:
        thing: ProposalView | None = self.chosen()
        if key == "enter" and thing is not None:
            preview_edits(self.session, [thing])
        elif key == "a" and thing is not None:
            preview_edits(self.session, self.things())
        elif key == "x" and thing is not None and self.session.may_do():
            text = f"{thing.who} made it {ago(self.session.wall(), thing.at)}; the plan stays as it is"
            self.session.overlay = Sure(self.session, f"drop the proposal of {thing.deployment}?", text, None, lambda: self._recall(thing))
        elif key in ("enter", "a", "x"):
            pass
        else:
            return super().press(key)
        return True

    def _recall(self, thing: ProposalView) -> None:
        session = self.session
        if session.source is None:
            return
        source = session.source
        session.waiting += 1

        def done(said: Any) -> None:
            session.answered(Order("recall", ""), said if isinstance(said, Said) else Said(False, f"the console failed: {said}"))

        session.work(lambda: source.recall(thing.deployment), done)


def preview_edits(session: Session, edits: Sequence[ProposalView]) -> None:
    """Shows what a commit of these would change. What was shown is what a commit then takes."""
    world, seen = session.world, {one.deployment: one.at for one in edits}
    names = ", ".join(seen)
    session.waiting += 1

    def job() -> Diff:
        from engine.api.control import diff_edits

        return diff_edits(world, tuple(seen))

    def done(found: Any) -> None:
        session.waiting -= 1
        if isinstance(found, Exception):
            session.note(Said(False, f"the console failed: {found}"))
            return
        what = "the edit of " + names if len(seen) == 1 else "the edits of " + names
        session.push(CommitScreen(session, f"commit {clip(names, 40)}", found, lambda source: source.commit_proposals(seen), what=what))

    session.work(job, done)
