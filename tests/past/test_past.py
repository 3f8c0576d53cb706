"""Every moment of a journal is the world that was: indexes too, in whatever order it is looked at, pruned or not, from a store or a file."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import record

from engine.core.world.load import load_world

from catalogs import USUAL, plan  # isort: skip
from rack import Rack  # isort: skip

from engine.core.world.view import MAPS
from engine.core.world.world import World
from engine.plan import Expect
from engine.store.errors import StoreError
from engine.store.journal_file import JournalFile, export
from engine.store.store import Store
from engine.views import past as module
from engine.views.past import Past, Pruned

OWN = ("queues",)
"""Memory of the engine's work, which nobody but the engine has."""


def _run() -> Rack:
    rack = Rack(USUAL, plan(expect=Expect(nodes=3)), nodes=3, seed=5, check=False)
    rack.machines[1].fails = {"raid-configure": 99}
    rack.run(seconds=400.0)
    rack.restart()
    rack.feed(_commit(4))
    rack.machines[1].fails = {}
    rack.feed(_operate("retry", "n2"))
    rack.run(seconds=7200.0)
    rack.feed(_operate("delete", "n1"))
    rack.run(seconds=300.0)
    return rack


def _commit(nodes: int):
    from engine.events import Commit

    return Commit(who="op", plan=plan(expect=Expect(nodes=nodes)))


def _operate(verb: str, node: str):
    from engine.events import Operate

    return Operate(who="op", verb=verb, node=node)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with Store.open(folder) as store:
        moments = record(_run, store)
    return folder, moments


def same(world: World, other: World) -> list[str]:
    out = [name for name in MAPS if name not in OWN and getattr(world, name) != getattr(other, name)]
    return out + [name for name in ("meta", "plan", "catalog") if getattr(world, name) != getattr(other, name)]


def read(journal) -> Past:
    past = Past(journal, USUAL)
    while past.read(97):
        pass
    return past


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch):
    """So few and so far kept worlds that all of it is exercised by a small run."""
    monkeypatch.setattr(module, "EVERY", 7)
    monkeypatch.setattr(module, "KEPT", 8)


def test_every_moment_is_the_world_that_was(run, few) -> None:
    folder, moments = run
    with Store.read(folder) as store:
        past = read(store)
        assert (past.first, past.last) == (0, moments[-1][0])
        assert len(past._seqs) <= 8
        for seq, tables in moments:
            assert same(past.world(seq), load_world(USUAL, tables)) == [], seq


def test_a_step_from_the_moment_before_is_the_same(run) -> None:
    folder, moments = run
    with Store.read(folder) as store:
        past = read(store)
        near = (0, past.world(0))
        for seq, tables in moments[1:]:
            near = (seq, past.world(seq, near))
            assert near[1].nodes == load_world(USUAL, tables).nodes


@given(data=st.data())
def test_in_any_order(run, data) -> None:
    folder, moments = run
    with Store.read(folder) as store:
        past = Past(store, USUAL)
        past._every = data.draw(st.integers(3, 60))
        while past.read(data.draw(st.integers(1, 200))):
            pass
        near = None
        for seq in data.draw(st.lists(st.integers(0, past.last), max_size=6)):
            near = (seq, past.world(seq, near))
            assert same(near[1], load_world(USUAL, moments[seq][1])) == []


def test_a_file_shows_the_same_as_its_store(run, tmp_path: Path, few) -> None:
    folder, moments = run
    for name in ("x.jsonl", "x.jsonl.gz"):
        with Store.read(folder) as store:
            head = export(store, tmp_path / name, USUAL, "0", 1.0)
        assert (head.first, head.last) == (1, moments[-1][0])
        file = JournalFile(tmp_path / name)
        assert file.catalog == msgspec.structs.replace(USUAL, folders={})
        past = read(file)
        for seq, tables in moments[:: max(len(moments) // 40, 1)]:
            assert same(past.world(seq), load_world(USUAL, tables)) == []
        past.close()


# -- retention --------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(run, tmp_path: Path):
    """A store of one's own."""
    (tmp_path / "store.db").write_bytes((run[0] / "store.db").read_bytes())
    return tmp_path, run[1]


def test_a_pruned_journal_begins_where_it_begins(own) -> None:
    folder, moments = own
    with Store.open(folder) as store:
        assert store.prune(30)
    with Store.read(folder) as store:
        past = read(store)
    assert past.first == moments[-1][0] - 30
    with Store.read(folder) as store:
        past = read(store)
        for seq, tables in moments[past.first :]:
            assert same(past.world(seq), load_world(USUAL, tables)) == []
        assert past.world(0) is past.world(past.first)
        assert all(p.seq > past.first for p in past.problems)


def test_what_is_pruned_while_it_is_looked_at_is_gone(own) -> None:
    folder, moments = own
    with Store.read(folder) as store, Store.open(folder) as engine:
        past = read(store)
        while engine.prune(40):
            pass
        with pytest.raises(Pruned, match=f"begins at {past.last - 39} now"):
            past.world(30)
        assert past.first == past.last - 40
        for seq, tables in moments[past.first :]:
            assert same(past.world(seq), load_world(USUAL, tables)) == []
        assert past.by_now(0.0) == past.first
        assert past.at(0) == past.at(past.first) > 0


def test_it_grows_with_the_journal(own) -> None:
    from engine.events import Happened

    folder, _ = own
    with Store.read(folder) as store, Store.open(folder) as engine:
        past = read(store)
        end, at = past.last, past.now(past.last)
        engine.commit([(Happened(5000.0, at + 9, _operate("retry", "n3")), [])])
        assert past.read()
        assert not past.read()
        assert (past.last, past.at(past.last), past.now(past.last)) == (end + 1, 5000.0, at + 9)
        assert past.world(end + 1).nodes == past.world(end).nodes


def test_an_empty_store(tmp_path: Path) -> None:
    with Store.open(tmp_path):
        pass
    with Store.read(tmp_path) as store:
        past = read(store)
        assert (past.first, past.last, past.at(0)) == (0, 0, 0.0)
        assert past.world(5) == load_world(USUAL, {})
        assert past.stretch().problems == ()


def test_a_row_of_another_version_is_told(own) -> None:
    import sqlite3

    folder, _ = own
    conn = sqlite3.connect(folder / "store.db")
    conn.execute("""UPDATE journal SET rows = '[["wonders", "x", {}]]', crc = NULL WHERE seq = 9""")
    conn.commit()
    conn.close()
    with Store.read(folder) as store, pytest.raises(StoreError, match="row 9 of the journal is no row of this program"):
        read(store)


# -- where to go ------------------------------------------------------------------------------------------------------


def test_problems_are_where_they_began(run) -> None:
    folder, moments = run
    with Store.read(folder) as store:
        past = read(store)
        assert past.problems
        for p in past.problems:
            key = (p.node, p.role)

            def bad(seq: int, p=p, key=key) -> bool:
                tables = moments[seq][1]
                if p.role:
                    role = tables.get("node_roles", {}).get(key)
                    return role is not None and role.state.value == "error"
                node = tables.get("nodes", {}).get(p.node)
                return node is not None and node.problem is not None

            assert bad(p.seq)
            assert not bad(p.seq - 1)
        first, last = past.problems[0], past.problems[-1]
        assert past.problem_after(0) == first
        assert past.problem_before(past.last + 1) == last
        assert past.problem_after(last.seq) is None
        assert past.problem_before(first.seq) is None
        stretch = past.stretch()
        assert len(stretch.problems) == len(past.problems)
        assert all(stretch.begins <= a <= b <= stretch.ends for a, b in stretch.bad)
        assert all(any(a <= at <= b for a, b in stretch.bad) for at in stretch.problems)


def test_the_changes_of_a_node_are_rows_that_name_it(run) -> None:
    folder, _ = run
    with Store.read(folder) as store:
        past = read(store)
        seq, seen = 0, []
        while (found := past.change_after("n2", seq)) is not None:
            assert past.change_before("n2", found + 1) == found
            seen.append(found)
            seq = found
        mine = [("nodes", "n2"), *(("node_roles", ["n2", role]) for role in USUAL.roles)]
        rows = [row.seq for row in store.journal(0, 10_000) if any((table, key) in mine for table, key, _ in row.rows)]
        assert seen == rows
        assert past.change_after("nobody", 0) is None
        assert past.change_before("nobody", 9) is None


def test_times_find_rows(run) -> None:
    folder, _ = run
    with Store.read(folder) as store:
        past = read(store)
        rows = store.journal(0, 10_000)
        for row in rows[::7]:
            assert past.by_now(row.now) == max(r.seq for r in rows if r.now <= row.now)
            assert past.by_clock(row.at) == max(r.seq for r in rows if r.at <= row.at)
        assert past.by_clock(0.0) == 0
        assert past.by_clock(1e12) == past.last
