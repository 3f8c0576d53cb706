"""The engine's figures in words: every event has one, and a technician reads no class name."""

from __future__ import annotations

import pytest

from engine import events
from engine.views.health_words import EVENTS, counter, queue, speed, turned_away


def test_each_event_has_its_words() -> None:
    kinds = {
        name
        for name, kind in vars(events).items()
        if isinstance(kind, type) and issubclass(kind, events.Event) and kind is not events.Event
    }
    assert set(EVENTS) == kinds
    assert not [words for words in EVENTS.values() if any(name in words for name in kinds)]


@pytest.mark.parametrize(("took", "good"), [(0.001, True), (0.02, True), (0.021, False), (3.0, False)])
def test_a_slow_step_is_one_that_keeps_machines_waiting(took: float, good: bool) -> None:
    text, well = speed(took, "DhcpAsked")
    assert well is good
    assert f"{took * 1000:.0f} ms" in text
    assert "a DHCP request" in text
    assert "DhcpAsked" not in text


def test_queues_and_losses() -> None:
    assert queue({"packets": 0, "agents": 0}) == ("nothing waits", True)
    assert queue({"agents": 1}) == ("1 message of a machine waits", True)
    text, well = queue({"packets": 600, "outcomes": 2})
    assert (well, text.startswith("600 packets, 2 results and commands wait: the engine is behind")) == (False, True)
    assert turned_away({"packets": 0}) == ("nothing", True)
    assert turned_away({"packets": 3})[0] == "3 packets: more came than the engine could take; machines ask again"


def test_counters_are_words() -> None:
    assert [counter(name) for name in ("dhcp.offer", "tftp.sent", "http_refused_busy")] == ["DHCP offer", "TFTP sent", "HTTP refused busy"]
