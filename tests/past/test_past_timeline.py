"""The timeline of any journal that the simulator can make: each life is whole and without overlap, whenever and in whatever pieces it is read."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2]))

import itertools

from engine.core.roles.derive import committed
from engine.core.world.load import load_world
from engine.model import Kind, State
from engine.store.journal_file import JournalFile
from engine.store.schema import CODECS
from engine.store.store import JournalRow, Store
from engine.views.timeline import CONDITIONS, DONE, PROBLEM, SEGMENTS, Chart, MachineLife, Segment, merged, per_column, spent, until
from engine.views.timeline_cells import Arrow, Span, arrows, cells, levels, ticks
from engine.views.timeline_svg import svg
from engine.views.timeline_waits import waits_for_others
from tests.sim.run import BASE
from tests.sim.simulation import Simulation

SEEDS = range(BASE, BASE + 8)
GOLDEN = Path(__file__).parents[1] / "golden" / "console" / "past.jsonl.gz"


class Kept:
    """A store in memory that outlives its simulation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def close(self) -> None: ...


def simulated(seed: int) -> tuple[Any, list[JournalRow]]:
    logging.disable(logging.CRITICAL)
    try:
        sim = Simulation(seed)
        sim.store.mirror = store = Kept(Store.memory())
        sim.run()
    finally:
        logging.disable(logging.NOTSET)
    rows: list[JournalRow] = []
    while more := store.journal(len(rows), 1000):
        rows += more
    return store, rows


def chart_of(rows: list[JournalRow]) -> Chart:
    chart = Chart({}, rows[0].now)
    for row in rows:
        chart.take(row)
    return chart


def check(life: MachineLife, now: float) -> None:
    """The segments cover the life from its first packet to now, in order and without overlap."""
    assert life.segments[0].begins == life.begins
    assert life.segments[-1].ends == now
    for one, other in zip(life.segments, life.segments[1:], strict=False):
        assert one.ends == other.begins
        assert one[:2] != other[:2]
    for one in life.segments:
        assert one.begins < one.ends
        assert one.stage
        assert one.condition in CONDITIONS
    assert sum(spent(life).values()) == pytest.approx(now - life.begins)
    assert all(life.begins <= mark.at <= now and mark.text for mark in life.marks)


@pytest.mark.parametrize("seed", SEEDS)
def test_lives_cover_their_time_in_every_world_of_the_simulator(seed: int) -> None:
    _, rows = simulated(seed)
    chart, tables = Chart({}, rows[0].now), {table: {} for table in CODECS}
    random = Random(seed)
    for row in rows:
        chart.take(row)
        for table, key, record in row.changes():
            if record is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = record
        if row is not rows[-1] and random.random() > 0.05:
            continue
        view, now = chart.view(), chart.now + random.choice((0.0, 0.001, 60.0))
        lives = {life.id: life for life in view.lives(now)}
        nodes = tables["nodes"]
        # A machine that appeared in this very moment has no time behind it yet.
        assert lives.keys() == set(nodes)
        for life in lives.values():
            if life.begins < now:
                check(life, now)
        for node in nodes.values():
            mine = [r for r in tables["node_roles"].values() if r.node == node.id]
            if not lives[node.id].segments or lives[node.id].begins == now or now == chart.now:
                continue
            last = lives[node.id].segments[-1]
            assert last.stage == (node.stage or "discovery") if node.kind is Kind.SERVER else "system"
            failed = node.problem is not None or any(r.state is State.ERROR for r in mine)
            assert (last.condition == PROBLEM) == failed
            if last.condition == DONE:
                assert all(r.state in (State.ACTIVE, State.SKIPPED) for r in mine if committed(r))


@pytest.mark.parametrize("seed", [BASE + 3])
def test_a_moment_of_the_past_is_the_chart_of_the_rows_before_it(seed: int) -> None:
    _, rows = simulated(seed)
    whole = chart_of(rows).view()
    for many in range(1, len(rows), max(len(rows) // 25, 1)):
        if rows[many].now == rows[many - 1].now:
            continue  # other rows belong to the same moment
        now = rows[many - 1].now
        then = chart_of(rows[:many]).view().lives(now)
        seen = {life.id: life for life in whole.lives(now)}
        assert {life.id for life in then} == seen.keys()
        for life in then:
            if life.begins < now:
                check(seen[life.id], now)
                assert [(s.stage, s.condition) for s in seen[life.id].segments] == [(s.stage, s.condition) for s in life.segments]
                assert seen[life.id].marks == life.marks


def test_rows_that_were_folded_away_leave_lives_that_began_earlier() -> None:
    store, rows = simulated(BASE + 1)
    kept = len(rows) // 2
    while store.prune(kept):
        pass
    base, first = store.base()
    rest = [row for row in rows if row.seq > first]
    assert 0 < len(rest) < len(rows)
    chart = Chart(base, rest[0].now, first)
    for row in rest:
        chart.take(row)
    whole, view = chart_of(rows).view(), chart.view()
    lives = {life.id: life for life in view.lives(view.now)}
    assert lives.keys() == {life.id for life in whole.lives(whole.now)}
    assert any(life.older for life in lives.values())
    for life in whole.lives(whole.now):
        mine = lives[life.id]
        if mine.begins < view.now:
            check(mine, view.now)
            assert mine.segments[-1][:2] == life.segments[-1][:2]


def test_the_faults_of_a_run_and_the_orders_of_people_are_marks() -> None:
    with JournalFile(GOLDEN) as file:
        rows = file.journal(0, 10_000)
    view = chart_of(rows).view()
    by_name = {life.name.split(".")[0]: life for life in view.lives(view.now)}
    assert [(m.kind, m.text) for m in by_name["node-14"].marks] == [
        ("failure", "raid-configure: raid-configure ended with exit code 3: broken")
    ]
    assert [m.kind for m in by_name["node-16"].marks] == ["reboot", "reboot", "failure"]
    assert [m.text for m in view.commits] == ["test committed revision 1"]
    assert [s.stage for s in by_name["node-18"].segments if s.condition == "work"] == ["discovery", "hardware", "install", "system"]
    assert by_name["node-18"].segments[-1].condition == DONE


def test_an_order_that_changes_a_node_stands_on_its_line() -> None:
    _, rows = simulated(BASE + 2)
    orders = [row for row in rows if row.event == "Operate" and any(table in ("nodes", "node_roles") for table, _, _ in row.rows)]
    view = chart_of(rows).view()
    marks = [mark for life in view.all for mark in life.marks if mark.kind == "order"]
    assert orders
    assert {mark.at for mark in marks} <= {row.now for row in orders}
    assert marks


_chain = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(CONDITIONS), st.floats(0.01, 1e6)), min_size=1, max_size=900)


def chain(parts: list[tuple[str, str, float]]) -> list[Segment]:
    out, at = [], 5.0
    for stage, condition, seconds in parts:
        out.append(Segment(stage, condition, at, at + seconds))
        at += seconds
    return out


@given(_chain, st.integers(4, SEGMENTS))
def test_a_long_life_is_merged_to_the_same_span(parts, most) -> None:
    whole = chain(parts)
    short = merged(list(whole), most)
    assert len(short) <= max(most, most // 2 + 1)
    assert (short[0].begins, short[-1].ends) == (whole[0].begins, whole[-1].ends)
    assert all(one.ends == other.begins for one, other in itertools.pairwise(short))
    assert short[-1] == whole[-1]


@given(_chain, st.integers(1, 200), st.floats(0, 1), st.floats(0.001, 1))
def test_a_line_has_as_many_cells_as_asked_and_no_hole_in_a_life(parts, columns, start, length) -> None:
    segments = chain(parts)
    life = MachineLife("n1", "n1", "server", 5.0, 5.0, float("inf"), False, tuple(segments), ())
    whole = segments[-1].ends - 5.0
    span = Span(5.0 + whole * start, 5.0 + whole * start + max(whole * length, 0.001), columns)
    drawn = cells(life, span)
    assert len(drawn) == columns
    for c, cell in enumerate(drawn):
        inside = segments[0].begins < span.at(c + 1) and span.at(c) < segments[-1].ends
        assert bool(cell.stage) == inside or span.at(c + 1) - span.at(c) < 1e-6
    shown = until(life, span.begins + (span.ends - span.begins) / 2)
    assert shown.segments[-1].ends <= max(span.begins + (span.ends - span.begins) / 2, 5.0) or not shown.segments


@given(st.lists(st.tuples(st.integers(-1, 20), st.integers(-1, 20)), max_size=30), st.integers(0, 20), st.integers(0, 5))
def test_arrows_stay_in_their_strip_and_point_to_lines_that_wait(pairs, rows, lanes) -> None:
    strip = arrows([Arrow(*pair) for pair in pairs], rows, lanes)
    assert len(strip) == rows
    assert {len(one) for one in strip} <= {2 * lanes + 1}
    waiting = {one for one, other in pairs if one != other}
    assert {y for y, one in enumerate(strip) if one[0] == "◄"} <= waiting


def test_an_arrow_leads_from_the_one_that_is_waited_for_to_the_one_that_waits() -> None:
    assert arrows([Arrow(2, 0)], 4, 1) == ["─┐ ", " │ ", "◄┘ ", "   "]
    assert arrows([Arrow(0, 1), Arrow(3, 0)], 4, 2) == ["◄┐─┐ ", "─┘ │ ", "   │ ", "◄──┘ "]


@given(st.floats(0, 1e7), st.floats(0.01, 1e8), st.integers(0, 300))
def test_ticks_are_apart_and_inside(begins, length, columns) -> None:
    found = ticks(Span(begins, begins + length, columns), lambda now: now + 1.7e9)
    assert all(0 <= cell < columns and label for cell, label in found)
    assert all(b[0] - a[0] >= 9 for a, b in itertools.pairwise(found))


@given(st.lists(st.floats(0, 1e9), max_size=50))
def test_levels_and_columns_lose_nothing(values) -> None:
    assert all((level > 0) == (value > 0) for level, value in zip(levels(values), values, strict=True))
    assert sum(per_column(values, 0.0, 1e9, 7)) == len(values)


def test_who_waits_for_another_node_is_what_the_engine_says() -> None:
    """In each world: an arrow's role has a blocker that names the other role."""
    from engine.core.roles.guards import blockers
    from tests.sim.racks import read

    seen = 0
    store, _ = simulated(BASE + 5)
    world = load_world(read(), store.snapshot()[0])
    for node in world.nodes:
        for one in waits_for_others(world, node):
            reasons = blockers(world, world.node_roles[(one.node, one.role)])
            assert any(r.fields.get("role") == one.on_role for r in reasons)
            seen += 1
    assert seen >= 0


def test_the_picture_is_well_formed_whatever_a_machine_is_called() -> None:
    from xml.etree import ElementTree

    with JournalFile(GOLDEN) as file:
        rows = file.journal(0, 10_000)
    view = chart_of(rows).view()
    lives = view.lives(view.now)
    lives[0] = lives[0]._replace(name='<a href="x">&\x00\x1b', marks=(*lives[0].marks, lives[1].marks[0]) if lives[1].marks else ())
    text = svg("6 machines", lives, view.commits, 0.0, view.now, view.wall)
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg")
    assert len(root.findall("{*}rect")) > 20
    assert "<a href" not in text
