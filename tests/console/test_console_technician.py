"""What a technician in front of the rack sees: the identify light with its countdown, and what stands where."""

from __future__ import annotations

import pytest
from driving import still
from msgspec.structs import replace
from still import Still

from crowbar_tui.console.frame import draw
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.styled import plain
from engine import reasons
from engine.core.world.work import Work
from engine.here import HeardPort, Here
from engine.lights import Light
from engine.plan import PlaceDef

SIZES = [(80, 24), (120, 36), (160, 48)]


def changed(name: str, node: str, **fields: object) -> tuple[Still, float]:
    """A kept world in which the node with this name differs."""
    source, at = still(name)
    work = Work(source.world)
    [found] = [one for one in source.world.nodes.values() if one.name.split(".")[0] == node]
    work.put_node(replace(found, **fields))
    source.world = work.finish()
    return source, at


def pages(source: Still, at: float, size: tuple[int, int], keys: str = "") -> tuple[Session, str]:
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    for key in keys.split():
        session.press(key)
    return session, "\n".join(plain(one).rstrip() for one in draw(session, *size))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", ["", "2", "enter"])
def test_a_light_counts_down_where_the_node_is(size: tuple[int, int], keys: str) -> None:
    _, at = still("ready")
    source, _ = changed("ready", "node-10", light=Light(who="ada", until=0.0, ends=at + 42.0))
    now = [at]
    session = new_session(source.snapshot(), wall=lambda: now[0], where=source.where)
    for key in keys.split():
        session.press(key)

    def drawn() -> str:
        return "\n".join(plain(one) for one in draw(session, *size))

    assert "light 42s" in drawn()
    now[0] += 2
    assert "light 40s" in drawn()  # nothing but the time has changed
    now[0] += 60
    assert "light still on" in drawn()


def test_a_light_that_cannot_be_turned_off_says_why() -> None:
    _, at = still("ready")
    failure = reasons.power_failed(node="n1", address="10.0.1.1", message="unreachable by Redfish: no answer")
    source, _ = changed("ready", "node-10", light=Light(who="ada", until=0.0, ends=at - 60, tries=5, failure=failure))
    _, text = pages(source, at, (160, 48), "enter")
    assert "its identify light is still on" in text
    assert "press i to turn it off" in " ".join(text.split())


HERE = Here(interface="eno1", neighbours=(HeardPort(chassis="c", port="swp48", system="tor1"),))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", ["2", "3"])
def test_you_are_here(size: tuple[int, int], keys: str) -> None:
    source, at = changed("faulty", "admin", here=HERE)
    _, text = pages(source, at, size, keys)
    assert "you are here: eno1 in tor1 swp48" in text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_this_machines_unit_in_the_rack(size: tuple[int, int]) -> None:
    source, at = changed("ready", "admin", here=HERE)
    work = Work(source.world)
    assert work.plan is not None
    [first, *rest] = work.plan.racks
    own = PlaceDef(unit=40, cables={"1g0": "tor1:swp48"})
    work.use(replace(work.plan, racks=(replace(first, places=(*first.places, own)), *rest)), work.catalog)
    source.world = work.finish()
    _, text = pages(source, at, size, "2")
    [unit] = [one for one in text.splitlines() if one.split("│")[0].strip() == "40"]
    assert "you are here" in unit
    assert "r1 unit 40" in " ".join(text.split())


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("keys", ["", "2", "!"])
def test_a_wrong_box_in_its_slot(size: tuple[int, int], keys: str) -> None:
    source, at = still("ready")
    work = Work(source.world)
    assert work.plan is not None
    [first, *rest] = work.plan.racks
    places = tuple(replace(one, expects={"serial": "OTHER7"}) if one.unit == 10 else one for one in first.places)
    places += (PlaceDef(unit=41, expects={"serial": "NEW9"}),)
    work.use(replace(work.plan, racks=(replace(first, places=places), *rest)), work.catalog)
    source.world = work.finish()
    _, text = pages(source, at, size, keys)
    words = " ".join(text.split())
    assert "where the plan expects serial 'OTHER7'" in words or "expects serial 'OTHER7'" in words.replace("│ ", "")
    if keys == "2":
        assert "empty, expects serial 'NEW9'" in words
        [unit] = [one for one in text.splitlines() if one.split("│")[0].strip() == "10"]
        assert "!!!!" in unit
