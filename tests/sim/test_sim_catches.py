"""The simulation can fail: engines with one thing wrong, and what it says of each. An invariant that catches none of them proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core import step
from engine.core.boot import boot, hello, leases
from engine.core.operator import power as power_verbs
from engine.core.roles import annealer, death, life, outcomes, reopen
from engine.core.world.work import Work
from engine.events import Outcome
from engine.model import Kind, Node, State
from engine.runtime.loop import Loop

from . import faults
from .run import BASE, one
from .store import SimStore

Patch = pytest.MonkeyPatch
SEEDS = 300


def _effects_first(patch: Patch) -> None:
    """The store says that it is done before it has synced."""
    patch.setattr(SimStore, "__init__", _and(SimStore.__init__, lambda store: setattr(store, "lazy", True)))


def _and(first: Callable[..., Any], then: Callable[[Any], None]) -> Callable[..., None]:
    def both(self: Any, *args: Any, **more: Any) -> None:
        first(self, *args, **more)
        then(self)

    return both


def _lets_go(patch: Patch) -> None:
    """A node that died is free for the next role, though its attempt may run on."""

    def suspend(w: Work, node_id: str) -> None:
        for key in w.roles_of.get(node_id) or ():
            role = w.node_roles[key]
            if role.state is State.TRANSITION:
                w.put_role(replace(role, state=State.WAITING, deadline=None, begun=0.0, leg=0))

    for module in (death, hello, life, power_verbs):
        patch.setattr(module, "suspend", suspend)


def _time_out_ends(patch: Patch) -> None:
    """A time-out is taken for an end."""
    tick = annealer.tick

    def ends(w: Work, key: Any) -> None:
        role = w.node_roles.get(key)
        if role is not None and role.state is State.TRANSITION and role.deadline is not None and role.deadline <= w.now and not role.resume:
            w.put_role(replace(role, state=State.WAITING, deadline=None, begun=0.0, leg=0))
        else:
            tick(w, key)

    patch.setattr(annealer, "tick", ends)


def _approval_stays(patch: Patch) -> None:
    succeeded = outcomes._succeeded

    def keeps(w: Work, role: Any, definition: Any, event: Outcome) -> None:
        succeeded(w, role, definition, event)
        now = w.node_roles[role.key]
        if now.state is State.ACTIVE and role.approved:
            w.put_role(replace(now, approved=role.approved))

    patch.setattr(outcomes, "_succeeded", keeps)


def _wiped_again(patch: Patch) -> None:
    """What is lost is run again, without a look first."""

    def lost(w: Work, role: Any, definition: Any) -> None:
        w.put_role(replace(role, state=State.WAITING, recheck=False, deadline=None, resume=False, begun=0.0, leg=0, failure=None))

    patch.setattr(outcomes, "lost", lost)


def _one_address_for_two(patch: Patch) -> None:
    patch.setattr(leases, "_free", lambda _w, _address, _mac: True)
    patch.setattr(leases, "_from_pool", lambda w, _mac, network: network.ranges["dhcp"].first)


def _merges(patch: Patch) -> None:
    """Every machine is the one that was there first."""
    match = hello.match
    patch.setattr(
        hello, "match", lambda w, found, *more: next((n for n in w.all(Node) if n.kind is Kind.SERVER), None) or match(w, found, *more)
    )


def _no_wakes(patch: Patch) -> None:
    """Deadlines of boots are forgotten."""
    patch.setattr(boot, "deadline", lambda _w, _node: None)
    patch.setattr(life, "deadline", lambda _w, _node: None)


def _not_touched(patch: Patch) -> None:
    """A change of a node does not make anybody look at its roles."""
    patch.setattr(Work, "touch_node", lambda self, node: self.looked.update({node: None}))


def _index_forgotten(patch: Patch) -> None:
    put_node = Work.put_node

    def forgets(self: Work, new: Any) -> None:
        put_node(self, new)
        if not self.loading:
            self.serials.pop(new.serial, None)

    patch.setattr(Work, "put_node", forgets)


def _order_lost(patch: Patch) -> None:
    """An order that waits for a node's agent is not given again after a restart."""
    patch.setattr(reopen, "by_agent", lambda _w, _node, _boot: False)
    patch.setitem(faults.WEIGHTS, "kill with an order", 200)  # else it is rare


def _approves_any_disk(patch: Patch) -> None:
    patch.setattr(outcomes, "other_disks", lambda _w, _node, _before: None)
    for rare in ("another disk", "one more disk"):
        patch.setitem(faults.WEIGHTS, rare, 60)


def _raises(patch: Patch) -> None:
    patch.setattr(step.life, "bye", lambda _w, _event: 1 / 0)


def _tries_for_ever(patch: Patch) -> None:
    """What fails is run again, however often it failed."""

    def failed(w: Work, role: Any, definition: Any, failure: Any) -> None:
        w.put_role(replace(role, state=State.WAITING, deadline=None, begun=0.0, leg=0, failure=None, resume=False))

    patch.setattr(outcomes, "_failed", failed)


def _forgets_a_row(patch: Patch) -> None:
    """The loop publishes rows that are not there."""
    batch = Loop._batch

    def ahead(self: Any, events: Any) -> int:
        many = batch(self, events)
        self._store.seq -= self._store.seq > 30
        return many

    patch.setattr(Loop, "_batch", ahead)


BROKEN: dict[Callable[[Patch], None], tuple[str, ...]] = {
    _effects_first: ("leaves before its commit",),
    _lets_go: ("two tasks on machine", "is wiped again by"),
    _time_out_ends: ("two tasks on machine",),
    _approval_stays: ("its approval is not spent",),
    _wiped_again: ("is wiped again by",),
    _one_address_for_two: ("have the address", "could not be worked on"),
    _merges: ("is welcome as that too", "it waits for ever"),
    _no_wakes: ("it waits for ever",),
    _not_touched: ("nobody looks at it", "it waits for ever"),
    _index_forgotten: ("index serials is",),
    _order_lost: ("the order is lost",),
    _approves_any_disk: ("approved the loss of",),
    _raises: ("could not be worked on",),
    _tries_for_ever: ("it waits for ever", "and no end"),
    _forgets_a_row: ("was published", "the store's journal and tables differ"),
}


AT_ONCE = (_effects_first, _not_touched, _raises)
"""What the first simulations catch. The others take up to a hundred of them."""


def defect(broken: Callable[[Patch], None]) -> Any:
    return pytest.param(broken, marks=() if broken in AT_ONCE else pytest.mark.long, id=broken.__name__.strip("_"))


@pytest.mark.parametrize("broken", map(defect, BROKEN))
def test_it_catches(broken: Callable[[Patch], None], monkeypatch: Patch) -> None:
    broken(monkeypatch)
    said = ""
    for seed in range(BASE, BASE + SEEDS):
        said = one(seed)[0]
        if said:
            break
    assert any(words in said for words in BROKEN[broken]), said or f"{SEEDS} simulations, and it was not caught"
