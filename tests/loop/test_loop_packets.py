"""Packets that were heard together go into their lane together."""

from __future__ import annotations

import threading

from engine.events import DhcpAsked, Outcome
from engine.runtime.inbox import Inbox
from engine.wire.dhcp import DhcpKind, DhcpRequest


def asked(*numbers: int) -> list[DhcpAsked]:
    return [DhcpAsked(request=DhcpRequest(kind=DhcpKind.DISCOVER, xid=i, mac="52:54:00:00:00:01"), interface="eth0") for i in numbers]


def numbers(inbox: Inbox, limit: int = 99) -> list[int]:
    return [event.request.xid for event in inbox.drain(limit) if isinstance(event, DhcpAsked)]


def test_as_many_as_there_is_room_for_from_the_front_and_the_rest_is_counted() -> None:
    inbox = Inbox(packets=5)
    assert inbox.put_packets(asked(1, 2, 3)) == 3
    assert inbox.put_packets(asked(4, 5, 6, 7)) == 2
    assert inbox.put_packets(asked(8)) == 0
    assert inbox.refused == {"DhcpAsked": 3}
    assert numbers(inbox) == [1, 2, 3, 4, 5]
    assert inbox.put_packets([]) == 0
    assert inbox.put_packets(asked(9)) == 1


def test_they_do_not_overtake_outcomes_and_a_shut_inbox_takes_none() -> None:
    inbox = Inbox()
    inbox.put_packets(asked(1, 2))
    inbox.put(Outcome(attempt="a.1", node="n1", what="done"))
    assert isinstance(inbox.drain(99)[0], Outcome)
    inbox.shut()
    assert inbox.put_packets(asked(1, 2)) == 0
    assert inbox.refused == {"DhcpAsked": 2}


def test_they_wake_whoever_waits() -> None:
    inbox, seen = Inbox(), []
    thread = threading.Thread(target=lambda: (inbox.wait(60), seen.extend(numbers(inbox))))
    thread.start()
    while thread.is_alive():
        if not seen:
            inbox.put_packets(asked(7))
        thread.join(0.01)
    assert seen[0] == 7
