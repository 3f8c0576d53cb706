"""Progress over a node's whole life, and the time that is left: shipped expectations until two nodes of a family are ready."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from test_core_advice import DONE, rig

from engine.model import State
from engine.views.estimate import estimate
from engine.views.progress import ROLE_S, STAGE_S, Pace, pace, progress

STAGES = ("discovery", "hardware", "install", "system")
LIVES = (("inventory", 0), ("bios-configure", 1), ("raid-configure", 1), ("os-install", 2), ("network-admin", 3), ("ntp-client", 3))


def at(step: int, weights: tuple[float, ...] = (), allocated: bool = True) -> float:
    """The share after so many of LIVES are done. Before the allocation the node has only the roles of its discovery."""
    d = rig()
    for i, (role, stage) in enumerate(LIVES):
        if allocated or stage == 0:
            if i < step:
                d.role(role, state=State.SKIPPED)
            else:
                d.role(role, state=State.WAITING)
    here = LIVES[min(step, len(LIVES) - 1)][1]
    d.change(stage=STAGES[here if allocated else 0], allocated=allocated, runs="sledgehammer")
    return progress(d.world, d.node(), weights).share()


@given(st.lists(st.floats(0.1, 5000.0), min_size=4, max_size=4))
def test_progress_never_goes_back_at_a_stage_change(weights: list[float]) -> None:
    shares = [round(at(step, tuple(weights)), 9) for step in range(len(LIVES) + 1)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0.0 <= one <= 1.0 for one in shares)


def test_an_allocation_takes_nothing_away() -> None:
    before, after = at(1, allocated=False), at(1)
    assert 0 < before <= after < 0.5, "its discovery is not all of its life"


def test_a_running_role_counts_by_its_percent() -> None:
    d = rig()
    d.change(stage="install")
    d.role("inventory", **DONE)
    d.role("os-install", state=State.TRANSITION, started=10.0)
    one = progress(d.world, d.node())
    assert one.share(0) < one.share(50) < one.share(100) <= 1.0


def test_until_something_is_measured_the_shipped_expectations_count_and_it_says_so() -> None:
    d = rig()
    d.change(family="R640", allocated=True, stage="hardware")
    d.role("inventory", state=State.WAITING)
    d.role("bios-configure", state=State.WAITING)
    found = estimate(d.world, 150.0)
    assert found.seconds is not None
    assert 0 < found.seconds <= STAGE_S["discovery"] + STAGE_S["hardware"]
    assert (found.working, found.guessed) == (1, 1)


def test_what_ended_quicker_scales_what_is_not_measured() -> None:
    d = rig()
    d.change(family="R640", allocated=True, stage="hardware")
    d.role("inventory", state=State.ACTIVE, succeeded=True, started=10.0, ended=10.0 + STAGE_S["discovery"] / 10)
    d.role("bios-configure", state=State.WAITING)
    assert abs(pace(d.world).factor - 0.1) < 0.001
    found = estimate(d.world, 150.0)
    assert found.seconds is not None
    assert found.seconds <= STAGE_S["hardware"] / 10
    assert found.guessed == 1


def test_two_ready_nodes_of_a_family_are_a_measure() -> None:
    d = rig()
    d.change(family="R640", allocated=True, stage="discovery")
    d.role("inventory", state=State.WAITING)
    for n, took in ((2, 300.0), (3, 500.0)):
        d.server(f"n{n}", family="R640", allocated=True, stage="discovery")
        d.role("inventory", f"n{n}", state=State.ACTIVE, succeeded=True, started=10.0, ended=10.0 + took)
        found = estimate(d.world, 10.0)
        assert found.guessed == (n == 2)
    assert found.pace.families["R640"][0] == 400.0
    assert found.seconds is not None
    assert 0 < found.seconds <= 400.0


def test_another_familys_measure_is_a_guess() -> None:
    d = rig()
    d.role("bios-configure", state=State.TRANSITION, started=100.0)
    for n in (2, 3):
        d.server(f"n{n}", family="other", allocated=True, stage="system")
        d.role("inventory", f"n{n}", **DONE)
    assert estimate(d.world, 150.0).guessed == 1


def test_who_waits_for_an_allocation_is_not_at_work() -> None:
    d = rig()
    d.role("inventory", **DONE)
    d.change(stage="discovery", allocated=False)
    assert estimate(d.world, 150.0).seconds is None


def test_the_shipped_roles_are_roles() -> None:
    assert set(ROLE_S) <= set(rig().world.catalog.roles) | {"lldp", "bmc-discover"}
    assert Pace().of(rig().world, "") == tuple(STAGE_S[one] for one in STAGES)


def test_who_waits_for_a_person_is_not_at_work() -> None:
    d = rig()
    d.role("raid-configure", state=State.WAITING)
    d.role("network-admin", state=State.WAITING, parents=(("n1", "raid-configure"),))
    assert estimate(d.world, 150.0).seconds is None, "it waits for an approval"
