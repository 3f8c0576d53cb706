"""The wide terminal: list and detail side by side, racks drawn to height, switches with their ports and wires."""

from __future__ import annotations

import re

import pytest
import worlds
from driving import drawn, still
from msgspec.structs import replace

from crowbar_tui.console.canvas import Canvas
from crowbar_tui.console.frame import draw
from crowbar_tui.console.pages.faceplate import faceplate, wires
from crowbar_tui.console.screens import new_session
from crowbar_tui.console.session import Session
from crowbar_tui.console.styled import columns_of, flow, line, plain, width
from crowbar_tui.console.table import Col, layout
from engine.core.hardware.topology import Link, Topology
from engine.core.world.work import Work
from engine.plan import PlaceDef, RackDef


def opened(name: str, keys: str = "") -> Session:
    source, at = still(name)
    session = new_session(source.snapshot(), wall=lambda: at, where=source.where)
    for key in keys.split():
        session.press(key)
    return session


def screen(session: Session, columns: int, rows: int) -> list[str]:
    return [plain(one).rstrip() for one in draw(session, columns, rows)]


def halves(lines: list[str]) -> tuple[str, str]:
    """The list and the detail."""
    body = [one for one in lines[2:-3] if " │ " in one or one.rstrip().endswith(" │")]
    cut = max((one.rfind(" │ ") for one in body), default=0)
    at = next((i for i in range(40, cut + 1) if all(one[i : i + 3].strip() == "│" for one in body)), 0)
    return "\n".join(one[:at] for one in body), "\n".join(one[at + 3 :] for one in body)


@pytest.mark.parametrize("digit", "1234678")
@pytest.mark.parametrize("size", [(120, 36), (160, 48), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_list_and_its_detail_stand_side_by_side(size: tuple[int, int], digit: str) -> None:
    left, right = halves(screen(opened("faulty", digit), *size))
    assert left.strip()
    assert right.strip()


@pytest.mark.parametrize("digit", "12346")
def test_the_detail_follows_the_cursor(digit: str) -> None:
    session = opened("faulty", digit)
    seen = []
    for _ in range(3):
        seen.append(halves(screen(session, 160, 48))[1])
        session.press("down")
    assert len(set(seen)) == 3


@pytest.mark.parametrize("digit", "123467")
def test_a_narrow_terminal_has_the_same_list(digit: str) -> None:
    """One design: what the list says at 80 columns, it says beside a detail too."""
    narrow = screen(opened("faulty", digit), 119, 36)
    left, right = halves(screen(opened("faulty", digit), 160, 36))
    named = set(re.findall(r"node-\d+", "\n".join(narrow[2:-3])))
    assert named <= set(re.findall(r"node-\d+", left + right))


@pytest.mark.parametrize("size", [(160, 48), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("digit", "1234678")
def test_at_160_columns_no_name_is_cut(size: tuple[int, int], digit: str) -> None:
    """Names as long as a host name may be: 63 letters."""
    source, at = still("faulty")
    work = Work(worlds.load("faulty")[0])
    names = []
    for number, node in enumerate(source.world.nodes.values()):
        if node.kind.value == "server":
            names.append(f"{'compute-storage-hypervisor-in-the-second-row-':-<60}{number:03}")
            work.put_node(replace(node, name=f"{names[-1]}.r1.example.net"))
    source.world = work.finish()
    text = drawn(source, at, size, digit)
    assert all(name in text for name in names) or digit in "78"
    assert "compute-storage" not in " ".join(re.findall(r"\S*~\S*", text))


def test_a_rack_is_drawn_to_height() -> None:
    lines = screen(opened("faulty", "2"), 200, 60)
    units = [int(found[1]) for one in lines if (found := re.match(r" +(\d+)│", one))]
    assert units == list(range(42, 0, -1))


def test_a_low_screen_folds_the_longest_run_of_empty_units_first() -> None:
    lines = screen(opened("faulty", "2"), 120, 36)
    assert any(one.startswith("42-21│") for one in lines)
    assert [one for one in lines if one.startswith("    9│")]
    assert any(one.startswith("  9-1│") for one in screen(opened("faulty", "2"), 80, 24))


def test_each_fault_stands_at_its_place() -> None:
    lines = screen(opened("faulty", "2"), 80, 24)
    at = next(i for i, one in enumerate(lines) if one.startswith("   15│!!!!│"))
    words = " ".join(one[50:].strip() for one in lines[at : at + 3])
    assert words == "attempt 1 of 1 failed: raid-configure ended with exit code 3: broken"
    assert lines[at + 1].startswith("   14│!!!!│")


def racks(many: int) -> Session:
    """The machines of `faulty` in so many racks, and some places without one."""
    source, at = still("faulty")
    work = Work(worlds.load("faulty")[0])
    plan = work.plan
    found = [
        RackDef(name=f"row1-rack{i}", units=42, places=(*plan.racks[0].places, PlaceDef(unit=40, height=2, cables={}))) for i in range(many)
    ]
    work.use(replace(plan, racks=tuple(found)), work.catalog)
    servers = [n for n in source.world.nodes.values() if n.place is not None]
    for number, node in enumerate(servers):
        work.put_node(replace(node, place=replace(node.place, rack=f"row1-rack{number % many}")))
    source.world = work.finish()
    session = new_session(source.snapshot(), wall=lambda: at)
    session.press("2")
    return session


def test_racks_stand_side_by_side() -> None:
    heads = [len(re.findall(r"row1-rack\d", one)) for one in screen(racks(4), 200, 60)]
    assert max(heads) == 4
    wide = screen(racks(3), 160, 48)
    assert max(len(re.findall(r"row1-rack\d", one)) for one in wide) == 3
    assert sum(one.count("!!!!") for one in wide) == 3, "one unit of node-16, two of node-14"


def wired(*links: Link) -> Topology:
    return Topology(switches=(), links=links, checks={})


def cable(node: int, port: int, planned: int, check: str = "") -> Link:
    word = check or ("right" if port == planned else "swapped")
    ends = ("", "") if word in ("missing", "silent") else ("tor1", f"swp{port}")
    return Link(
        node=f"n{node}", nic="eno1", link="1g0", switch=ends[0], port=ends[1], plan=f"tor1:swp{planned}", check=word, why="", up=True
    )  # fmt: skip


def test_wrong_wires_stand_in_front() -> None:
    links = wired(cable(1, 1, 1), cable(2, 4, 2), cable(3, 3, 3), cable(4, 4, 4))
    assert [plain(one).rstrip() for one in wires(links, "tor1", 60, 20)] == [
        "           1  2  3  4",
        " n1 eno1 ──┘  ·  │  ║",
        " n2 eno1 ═══════════╝",
        " n3 eno1 ────────┘  │",
        " n4 eno1 ───────────┘",
    ]


def test_a_missing_and_a_silent_cable_end_before_their_port() -> None:
    lines = [plain(one).rstrip() for one in wires(wired(cable(1, 1, 1, "missing"), cable(2, 2, 2, "silent")), "tor1", 60, 20)]
    assert lines[1:] == [" n1 eno1 ··x", " n2 eno1 ·····?"]


def test_the_wrong_wires_come_first_if_there_is_no_room_for_all() -> None:
    links = wired(*(cable(i, i, i) for i in range(1, 60)), cable(60, 3, 60))
    lines = [plain(one) for one in wires(links, "tor1", 50, 8)]
    assert len(lines) <= 8
    assert any("n60 eno1" in one and "═" in one for one in lines)
    assert lines[-1].strip().startswith("and 5")
    assert all(len(one.rstrip()) <= 50 for one in lines)


@pytest.mark.parametrize("columns", [20, 50, 77, 120])
@pytest.mark.parametrize("many", [1, 2, 7, 48, 128])
def test_a_faceplate_shows_every_port_once(columns: int, many: int) -> None:
    lines = faceplate(wired(*(cable(i, i, i) for i in range(1, many + 1))), "tor1", columns)
    numbers = [int(word) for one in lines for word in re.findall(r"\d+", plain(one))]
    assert sorted(numbers) == list(range(1, many + 1))
    assert {width(one) for one in lines} == {width(lines[0])}
    assert width(lines[0]) <= columns
    assert sum(plain(one).count("█") for one in lines) == many


def test_a_canvas_keeps_what_stands_in_front_and_nothing_outside() -> None:
    paper = Canvas(4, 2)
    paper.text(0, 0, "====", "bad", 2)
    paper.text(0, 0, "----", "good", 1)
    paper.put(9, 9, "x", "bad", 9)
    paper.put(-1, 0, "x", "bad", 9)
    assert [plain(one) for one in paper.lines()] == ["====", "    "]


def test_columns_go_before_names_are_cut() -> None:
    columns = (Col("name", "name", 10, least=8, names=True), Col("text", "text", 20, least=6, grow=1), Col("more", "more", 9, drop=1))
    assert [(c.key, w) for c, w in layout(columns, 50, {"name": 12})] == [("name", 12), ("text", 25), ("more", 9)]
    assert [(c.key, w) for c, w in layout(columns, 30, {"name": 20})] == [("name", 20), ("text", 8)]
    assert [(c.key, w) for c, w in layout(columns, 24, {"name": 20})] == [("name", 16), ("text", 6)]


def test_parts_flow_over_lines() -> None:
    parts = [line("one"), line("two"), line("three"), line("four")]
    assert [plain(one) for one in flow(parts, 11, indent=1)] == ["one  two", " three", " four"] or [
        plain(one) for one in flow(parts, 11, indent=1)
    ] == ["one  two", " three  four"]
    assert [plain(one) for one in columns_of([line("a")], [line("b"), line("c")], 5, 3)] == ["a  b ", "   c "]
