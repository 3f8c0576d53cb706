"""R: what the roles that validate the deployments found: passed, failed, skipped, and the first failing line of each failed test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from engine.api.views import Case, Proof, proofs, short, validation

from ..formats import age, ago, stamp, tests_told
from ..orders import Order
from ..page import Listing
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, clip, line, shorten, wrap

_STYLE = {"failed": "bad", "running": "busy", "waiting": "ask", "skipped": "dim", "excluded": "dim", "passed": "good"}
_INDENT = 12
_NODE, _ROLE = 16, 18


class Shown(NamedTuple):
    """A line of the page: a role that validates, or one of its tests."""

    proof: Proof
    group: str = ""
    case: Case | None = None


class ResultsScreen(Listing):
    name = "results"
    empty = "no role validates: bind one that does in the plan, for example ready"
    keeps = False

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.passed = False
        """True: tests that passed are shown, too."""

    def _proofs(self) -> list[Proof]:
        return self.session.remember("results", lambda: proofs(self.session.world))

    def things(self) -> Sequence[Shown]:
        out = []
        for proof in self._proofs():
            out.append(Shown(proof))
            tests = proof.report.tests("failed", "skipped", "excluded", *(["passed"] if self.passed else [])) if proof.report else []
            tests.sort(key=lambda one: list(_STYLE).index(one[1].result))
            out += [Shown(proof, group.name, case) for group, case in tests]
        return out

    def key_of(self, thing: Shown) -> Hashable:
        return (thing.proof.node, thing.proof.role, thing.group, thing.case.name if thing.case is not None else "")

    def searched_text(self, thing: Shown) -> str:
        case = f"{thing.group}.{thing.case.name} {thing.case.result} {thing.case.line}" if thing.case is not None else thing.proof.result
        return f"{short(thing.proof.node)} {thing.proof.role} {thing.proof.deployment} {case}"

    heads_of_table = ("node", "role", "deployment", "group", "test", "result", "seconds", "line", "ended")

    def records(self, thing: Shown) -> list[Sequence[str]]:
        proof, case = thing.proof, thing.case
        who = (short(proof.node), proof.role, proof.deployment)
        if case is not None:
            return [(*who, thing.group, case.name, case.result, f"{case.seconds:.3f}", case.line, stamp(proof.ended))]
        return [(*who, "", "", proof.result, f"{proof.seconds:.3f}", self._told(proof), stamp(proof.ended))]

    def heads(self, columns: int) -> list[Line]:
        found = validation(self._proofs())
        if not found.roles:
            return []
        style = "bad" if found.failed else "good" if found.passed == found.roles else "ask"
        tests = f"; tests: {tests_told(found.tests)}" if found.tests else ""
        failed = f", {found.failed} failed" if found.failed else ""
        told = f"{found.passed} of {found.roles} validating roles passed{failed}{tests}"
        head = f" {'result':<9}  {'node':<{_NODE}}{'role':<{_ROLE}}{'took':>6}  {'ended':<10}  tests"
        return [
            *(line(" ", (text, style)) for text in wrap(told, columns - 2)),
            line((clip(head, columns), "head")),
        ]

    def draw(self, thing: Shown, columns: int, chosen: bool) -> list[Line]:
        return self._draw_case(thing, thing.case, columns, chosen) if thing.case is not None else self._draw_proof(thing.proof, columns)

    def _draw_proof(self, proof: Proof, columns: int) -> list[Line]:
        style = _STYLE[proof.result]
        ended = ago(self.session.wall(), proof.ended) if proof.ended else ""
        took = age(proof.seconds) if proof.ended else ""
        front = f"{'! ' if proof.result == 'failed' else '  '}"
        counts = _counts(proof)
        room = columns - 9 - 2 - _NODE - _ROLE - 6 - 2 - 10 - 3
        out = [
            line(
                (f"{front}{proof.result:<{10}}", style),
                (f"{clip(short(proof.node), _NODE - 1):<{_NODE}}", "name"),
                f"{clip(proof.role, _ROLE - 1):<{_ROLE - 1}}",
                (f"{took:>6}  {ended:<10}  ", "dim"),
                (counts if len(counts) <= room else "", style if proof.result == "failed" else ""),
            )
        ]
        told = [counts] if counts and len(counts) > room else []
        told += [self._told(proof)] if self._told(proof) else []
        return [*out, *(line(" " * _INDENT, (text, style)) for one in told for text in wrap(one, columns - _INDENT - 1))]

    def _told(self, proof: Proof) -> str:
        """Why it failed or waits. What a report says is not said twice."""
        if proof.why is None or (proof.report is not None and proof.report.tests("failed")):
            return ""
        return self.session.say(proof.why.sentence)

    def _draw_case(self, thing: Shown, case: Case, columns: int, chosen: bool) -> list[Line]:
        style = _STYLE[case.result]
        front = f"    {case.result:<9} "
        took = f"{case.seconds:.1f} s" if case.seconds else ""
        name = shorten(case.name, columns - len(front) - len(took) - 2)
        out = [line((front, style), (name, "name" if chosen else ""), (f"  {took}", "dim"))]
        if chosen:
            out += [line(" " * len(front), (text, "dim")) for text in wrap(thing.group, columns - len(front) - 1)]
        if case.line:
            out += [line(" " * len(front), (text, style)) for text in wrap(case.line, columns - len(front) - 1, 0 if chosen else 1)]
        return out

    def hints(self) -> list[Hint]:
        return [
            Hint("enter", "the node"),
            Hint("l", "log", "the log of the role's last attempt"),
            Hint("v", "validate", "runs this role again; no node boots"),
            Hint("t", "fewer tests" if self.passed else "all tests", "also the tests that passed"),
        ]

    def subject(self) -> Subject:
        thing = self.chosen()
        found = self.session.world.node_named(thing.proof.node) if thing is not None else None
        return Subject((found.id,), thing.proof.role) if thing is not None and found is not None else Subject()

    def machine(self) -> str:
        subject = self.subject()
        return subject.nodes[0] if subject.nodes else ""

    def press(self, key: str) -> bool:
        if key == "t":
            self.passed = not self.passed
            self._cache = None
            return True
        if key == "v":
            subject = self.subject()
            if subject.nodes and self.session.may_do():
                self.session.give([Order("validate", subject.nodes[0], subject.role, None)])
            return True
        return super().press(key)


def _counts(proof: Proof) -> str:
    if proof.report is None:
        return ""
    return tests_told({result: getattr(proof.report, result) for result in ("passed", "failed", "skipped", "excluded")})
