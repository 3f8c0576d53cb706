"""The engine's answer goes to the client that asked, and to no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import reasons
from engine.effects import Accept, Acknowledge, BootScript, Refuse, Welcome
from engine.events import Event, Operate
from engine.requests import Asker, Request
from engine.runtime.broker import Broker

NO = reasons.unknown_nonce()
ASKED = Operate(who="ada", verb="hold", node="n1")


def broker(submit: Callable[[Event], bool], told: list[Any] | None = None, failure: str = "") -> Broker:
    return Broker(submit=submit, to_service=(told if told is not None else []).append, failure=lambda: failure)


def test_an_operator_gets_the_answer_to_what_was_asked() -> None:
    def submit(event: Event) -> bool:
        assert isinstance(event, Operate)
        assert event.request is not None
        assert event.request.asker is Asker.OPERATOR
        one.answer(Accept(request=Request(Asker.OPERATOR, event.request.number + 1), message="of somebody else"))
        one.answer(Refuse(request=Request(Asker.HTTP, event.request.number), reason=NO))
        one.answer(Accept(request=event.request, message="done"))
        one.answer(Accept(request=event.request, message="twice"))
        return True

    told: list[Any] = []
    one = broker(submit, told)
    first, second = one.ask(ASKED, 5.0), one.ask(ASKED, 5.0)
    assert isinstance(first, Accept)
    assert (first.message, first.request != second.request) == ("done", True)
    assert [type(answer) for answer in told] == [Refuse, Refuse], "a machine with the same number has its own answer"


@pytest.mark.parametrize(("failure", "why"), [("", "too much waits before this"), ("the disk is full", "the disk is full")])
def test_what_is_not_taken_is_refused_with_the_cause(failure: str, why: str) -> None:
    answer = broker(lambda _event: False, failure=failure).ask(ASKED, 5.0)
    assert isinstance(answer, Refuse)
    assert why in reasons.sentence(answer.reason)


@pytest.mark.parametrize(
    ("answer", "is_told"),
    [
        (Welcome(request=Request(Asker.HTTP, 1), node="n1", name="n1", boot_id="b"), True),
        (BootScript(request=Request(Asker.TFTP, 1), mac="m", node="", environment="", disk=True, nonce=""), True),
        (Refuse(request=Request(Asker.TFTP, 1), reason=NO), True),
        (Acknowledge(attempt="a.0", node="n1"), True),
        (Refuse(request=None, reason=NO), False),
        (Refuse(request=Request(Asker.OPERATOR, 1), reason=NO), False),
        (Accept(request=None, message="done"), False),
    ],
)
def test_machines_are_answered_by_the_services(answer: Any, is_told: bool) -> None:
    told: list[Any] = []
    broker(lambda _event: True, told).answer(answer)
    assert told == ([answer] if is_told else [])
