"""Large commits are computed beside the loop: in order among themselves, and what fails there is stepped as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

from msgspec.structs import replace

from engine.events import Commit, Event, NodeDue, Tick
from engine.plan import Plan, Site
from engine.runtime.aside import Aside

PATIENCE_S = 60.0


class Rig:
    """Commits of a person whose name begins with `large` are computed; of `broken` that fails."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.woken = threading.Event()
        self.aside: Aside[str] = Aside(self.checks, self.woken.set)

    def checks(self, world: str, event: Event) -> Callable[[], Event] | None:
        assert isinstance(event, Commit)
        who = event.who

        def check() -> Event:
            assert self.may_end.wait(PATIENCE_S)
            if who == "large broken":
                raise ZeroDivisionError
            return replace(event, checked=True, who=f"{who} on {world}")

        return check if who.startswith("large") else None

    def results(self) -> list[str]:
        assert self.woken.wait(PATIENCE_S)
        self.woken.clear()
        return [event.who for event in self.aside.next("later") if isinstance(event, Commit)]


def commit(who: str) -> Commit:
    return Commit(who=who, plan=Plan(site=Site(name="r1")))


def test_a_small_commit_does_not_overtake_a_large_one() -> None:
    rig = Rig()
    assert not rig.aside.takes("w", commit("small one"))
    assert rig.aside.takes("w", commit("large one"))
    assert rig.aside.takes("w", commit("small two"))
    assert rig.aside.takes("w", commit("large two"))
    assert not rig.aside.takes("w", Tick(subjects=(NodeDue("n1"),))), "other events go on"
    assert rig.aside.next("w") == []
    rig.may_end.set()
    assert rig.results() == ["large one on w"]
    assert [event.who for event in rig.aside.next("w2") if isinstance(event, Commit)] == ["small two"]
    assert rig.aside.busy
    assert rig.results() == ["large two on w2"], "of the world with the commits before it"
    assert not rig.aside.busy


def test_what_fails_is_given_back_as_it_came() -> None:
    rig = Rig()
    rig.may_end.set()
    assert rig.aside.takes("w", commit("large broken"))
    assert rig.results() == ["large broken"]
    assert not rig.aside.busy
