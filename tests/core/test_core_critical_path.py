"""The chain of node roles that a bring-up waited for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.model import NodeRole
from engine.views.critical_path import critical_path


def ran(node: str, role: str, begun: float, ended: float, *parents: tuple[str, str]) -> NodeRole:
    return NodeRole(node=node, role=role, deployment="cloud", parents=parents, started=begun, ended=ended)


def test_it_goes_over_what_was_waited_for_last() -> None:
    roles = [
        ran("n1", "os-install", 10, 40),
        ran("n1", "keystone", 50, 60, ("n1", "os-install")),
        ran("n2", "os-install", 10, 30),
        ran("n2", "nova-compute", 61, 70, ("n2", "os-install"), ("n1", "keystone")),
        ran("n2", "ntp-client", 31, 33, ("n2", "os-install")),
        ran("n2", "never-ran", 0, 0),
    ]
    found = critical_path(roles, {"n1": "control"})
    assert [(one.node, one.role, one.waited) for one in found.steps] == [
        ("control", "os-install", 0),
        ("control", "keystone", 10),
        ("n2", "nova-compute", 1),
    ]
    assert (found.seconds, found.busy, found.roles, found.total) == (60, 49, 5, 71)


def test_a_node_does_one_thing_at_a_time() -> None:
    """Neither requires the other, but the second waited for the node."""
    found = critical_path([ran("n1", "a", 10, 20), ran("n1", "b", 20, 25)], {})
    assert [one.role for one in found.steps] == ["a", "b"]


def test_nothing_has_run() -> None:
    found = critical_path([ran("n1", "a", 0, 0), ran("n1", "b", 10, 0)], {})
    assert (found.steps, found.seconds, found.roles, found.total) == ((), 0, 0, 0)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 9), st.integers(0, 9), st.integers(0, 17)), max_size=12))
def test_it_ends_whatever_the_times_are(told: list[tuple[int, int, int, int, int]]) -> None:
    """Clocks go back, roles take no time, parents ran later than their children."""
    roles = {
        (str(node), str(role)): ran(str(node), str(role), begun, ended, (str(parent % 3), str(parent // 3)))
        for node, role, begun, ended, parent in told
    }
    found = critical_path(roles.values(), {})
    assert len(found.steps) == len({(one.node, one.role) for one in found.steps}) <= found.roles
    assert all(one.seconds >= 0 and one.waited >= 0 for one in found.steps)
