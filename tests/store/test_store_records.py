"""Every record goes through the store unchanged, as the journal and as the tables tell it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import (
    Commit,
    CommitProposals,
    Continue,
    Event,
    Happened,
    NodeDue,
    Operate,
    Outcome,
    Propose,
    Recall,
    RoleDue,
    ScriptAsked,
    SightingDue,
    Started,
    Tick,
)
from engine.model import (
    KEYS,
    TABLES,
    Allocation,
    Bmc,
    Boot,
    Deployment,
    Intent,
    Kind,
    Lease,
    Meta,
    Node,
    NodeRole,
    Place,
    Proposal,
    Revision,
    Row,
    Sighting,
    Signal,
    State,
    Value,
    Watch,
    Way,
)
from engine.plan import Plan, Site
from engine.reasons import died, no_plan
from engine.requests import Asker, Request
from engine.store.news import written
from engine.store.store import Change, JournalRow, Store

FULL: list[tuple[str, object, Row]] = [
    ("meta", (), Meta(installation="ab12", now=17.5, attempts=4, nodes=2, starts=3)),
    (
        "nodes",
        "n1",
        Node(
            id="n1",
            name="node-01.example.net",
            kind=Kind.SERVER,
            macs=("52:54:00:00:00:01", "52:54:00:00:00:02"),
            place=Place(rack="r07", unit=10),
            kexec=True,
            bmc=Bmc(address="192.168.125.21"),
            intent=Intent(environment="debian-12", generation=3, fresh=True),
            boot=Boot(
                generation=3,
                way=Way.NETWORK,
                environment="sledgehammer",
                ordered=True,
                signal=Signal.LOADER,
                at=1.7e9,
                deadline=99.0,
                failure=died(environment="sledgehammer"),
            ),
            alive=True,
            problem=no_plan(),
        ),
    ),
    ("nodes", "n2", Node(id="n2", name='quotes " and \n lines and \u00e4', available=False)),
    (
        "node_roles",
        ("n1", "raid"),
        NodeRole(
            node="n1",
            role="raid",
            deployment="cloud",
            state=State.ERROR,
            parents=(("n1", "bios"), ("n2", "dns")),
            retry_at=12.25,
            failure=died(environment="sledgehammer"),
            gave={"volumes": [{"name": "v0", "size": 2**53, "disks": ["sda"]}], "none": None},
            resume=True,
        ),
    ),
    ("watches", ("n1", "raid"), Watch(node="n1", role="raid", due=12.5, look=3, looks=3, open="i-7-w3.1", repairs=1)),
    ("sightings", "52:54:00:00:00:09", Sighting(mac="52:54:00:00:00:09", kind="stranger", arch=7, banned=True)),
    ("leases", "10.0.0.5", Lease(address="10.0.0.5", mac="52:54:00:00:00:09", network="a", state="bound", expires=9.5)),
    ("allocations", "10.0.0.9", Allocation(address="10.0.0.9", network="a", range="host", node="n1")),
    ("attributes", ("operator", "n1", "x"), Value(layer="operator", scope="n1", name="x", value=None, who="ann")),
    ("attributes", ("rule", "n1", "y"), Value(layer="rule", scope="n1", name="y", value={"a": [1, 2.5, "z", True]})),
    ("deployments", "cloud", Deployment(name="cloud", parent="system")),
    ("proposals", "swift", Proposal(deployment="swift", wanted={"name": "swift"}, base=2, who="ann", at=1.7e9)),
    ("proposals", "nova", Proposal(deployment="nova", base=2, who="bob", at=1.7e9)),
    ("revisions", 2, Revision(number=2, who="ann", at=1.7e9, plan={"site": {"name": "r07"}, "limits": {"jobs": 64}})),
]


def happened(i: int = 1, event: object = None) -> Happened:
    return Happened(1.7e9 + i, float(i), event or Tick(subjects=(NodeDue(f"n{i}"),)))  # type: ignore[arg-type]


def test_each_table_is_tried() -> None:
    assert {table for table, _, _ in FULL} == TABLES.keys() == KEYS.keys()


def test_records_come_back_as_they_went(folder: Path) -> None:
    with Store.open(folder) as store:
        assert store.commit([(happened(), FULL)]) == 1
    with Store.open(folder) as store:
        tables = store.load()
        for table, key, record in FULL:
            assert tables[table][key] == record, table
        assert sum(map(len, tables.values())) == len(FULL)
        (row,) = store.journal()
        assert row.changes() == FULL
        assert store.verify() == []


def test_types_are_strict(folder: Path) -> None:
    """Booleans, enums and tuples are those of the record again, not what SQLite or JSON made of them."""
    with Store.open(folder) as store:
        store.commit([(happened(), FULL)])
        tables = store.load()
    node = tables["nodes"]["n1"]
    assert isinstance(node, Node)
    assert node.alive is True
    assert node.kind is Kind.SERVER
    assert isinstance(node.macs, tuple)
    role = tables["node_roles"][("n1", "raid")]
    assert isinstance(role, NodeRole)
    assert role.resume is True
    assert role.parents[0] == ("n1", "bios")


def test_columns_are_native(tmp_path: Path) -> None:
    """A person with `sqlite3` can ask for what is in error, without reading JSON."""
    with Store.open(tmp_path) as store:
        store.commit([(happened(), FULL)])
        sql = "SELECT node, typeof(retry_at), typeof(resume), failure IS NULL FROM node_roles WHERE state = 'error'"
        assert store._conn.execute(sql).fetchall() == [("n1", "real", "integer", 0)]


def test_a_renamed_field_keeps_its_column(folder: Path) -> None:
    """A store of an older version has the column `heard`."""
    node, sighting = Node(id="n1", name="n1", last_sign=3.0), Sighting(mac="52:54:00:00:00:01", kind="stranger", last_sign=4.0)
    with Store.open(folder) as store:
        store.commit([(happened(), [("nodes", "n1", node), ("sightings", sighting.mac, sighting)])])
        sql = "SELECT heard FROM nodes UNION ALL SELECT heard FROM sightings"
        assert [heard for (heard,) in store._conn.execute(sql)] == [3.0, 4.0]
    with Store.open(folder) as store:
        tables = store.load()
        assert (tables["nodes"]["n1"], tables["sightings"][sighting.mac]) == (node, sighting)


def test_update_and_delete(folder: Path) -> None:
    with Store.open(folder) as store:
        store.commit([(happened(1), FULL)])
        changed = Deployment(name="cloud", parent="root")
        gone: list[Change] = [(table, key, None) for table, key, _ in FULL if table not in ("deployments", "meta")]
        store.commit([(happened(2), gone), (happened(3), [("deployments", "cloud", changed)])])
        tables = store.load()
        assert tables["deployments"] == {"cloud": changed}
        assert {table for table, rows in tables.items() if rows} == {"deployments", "meta"}
        assert store.verify() == []


def test_rows_of_one_batch_are_written_once_and_journalled_each(tmp_path: Path) -> None:
    def lease(n: int) -> list[Change]:
        record = Lease(address="10.0.0.5", mac="52:54:00:00:00:01", network="a", state="offered", expires=float(n))
        return [("leases", "10.0.0.5", record)]

    with Store.open(tmp_path) as store:
        statements: list[str] = []
        store._conn.set_trace_callback(statements.append)
        assert store.commit([(happened(n), lease(n)) for n in range(1, 6)]) == 5
        store._conn.set_trace_callback(None)
        assert sum('INTO "leases"' in s for s in statements) == 1
        assert [row.rows[0][2]["expires"] for row in store.journal()] == [1, 2, 3, 4, 5]  # type: ignore[index]
        assert store.load()["leases"]["10.0.0.5"].expires == 5.0  # type: ignore[union-attr]
        assert store.verify() == []


def test_put_then_deleted_in_one_batch_is_gone(folder: Path) -> None:
    with Store.open(folder) as store:
        made = Deployment(name="x")
        store.commit([(happened(1), [("deployments", "x", made)]), (happened(2), [("deployments", "x", None)])])
        assert store.load()["deployments"] == {}
        assert store.seq == 2
        assert store.verify() == []


def test_which_events_leave_a_row(folder: Path) -> None:
    plan = Plan(site=Site(name="r07"))
    events = [
        Continue(),
        Outcome(attempt="a.1", node="n1", what="running"),
        Started(installation="ab", admin="admin"),
        Commit(who="ann", plan=plan),
        Tick(subjects=(NodeDue("n1"),)),
        Operate(who="ann", verb="hold", node="n1"),
        Propose(who="ann", deployment="x", wanted=None),
        Recall(who="ann", deployment="x"),
        CommitProposals(who="ann", deployments=("x",)),
    ]
    with Store.open(folder) as store:
        assert store.commit([(happened(1, Continue()), [])]) == 0
        assert store.commit([(happened(i, e), []) for i, e in enumerate(events)]) == 6
        rows = store.journal()
    assert [(row.seq, row.event) for row in rows] == list(
        enumerate(("Started", "Commit", "Operate", "Propose", "Recall", "CommitProposals"), 1)
    )
    assert msgspec.convert(rows[1].fields["plan"], Plan) == plan


def test_journal_in_pieces_and_engine_time(folder: Path) -> None:
    with Store.open(folder) as store:
        assert (store.seq, store.now(), store.journal()) == (0, 0.0, [])
        for i in range(1, 8):
            assert store.commit([(happened(i), [("deployments", f"d{i}", Deployment(name=f"d{i}"))])]) == i
        assert [row.seq for row in store.journal(after=2, limit=3)] == [3, 4, 5]
        assert store.journal(after=7) == []
        assert isinstance(store.journal(after=6)[0], JournalRow)
        assert store.now() == 7.0
    with Store.open(folder) as store:
        assert (store.seq, store.rows, store.now()) == (7, 7, 7.0)


NAMES = st.sampled_from("abcd")
CHANGES = st.lists(
    st.one_of(
        NAMES.map(lambda n: ("deployments", n, None)),
        st.builds(lambda n, p: ("deployments", n, Deployment(name=n, parent=p)), NAMES, st.text(max_size=3)),
        st.builds(
            lambda n, v: ("attributes", ("rule", n, "x"), Value(layer="rule", scope=n, name="x", value=v)),
            NAMES,
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers(-9, 9)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(st.characters(codec="utf-8"), max_size=3),
                st.lists,
                max_leaves=4,
            ),
        ),
        NAMES.map(lambda n: ("attributes", ("rule", n, "x"), None)),
        st.integers(0, 9).map(lambda n: ("meta", (), Meta(attempts=n))),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(CHANGES, min_size=1, max_size=4), max_size=8), st.integers(1, 6), st.integers(1, 3))
def test_tables_are_the_sum_of_base_and_journal(batches: list[list[list[Change]]], keep: int, at_once: int) -> None:
    store = Store.memory()
    expected: dict[tuple[str, object], Row] = {}
    now = 0
    for batch in batches:
        stamped = []
        for changes in batch:
            now += 1
            stamped.append((happened(now), changes))
            for table, key, record in changes:
                expected.pop((table, key), None)
                if record is not None:
                    expected[(table, key)] = record
        store.commit(stamped)
        store.prune(keep, at_once)
        assert store.verify() == []
    assert {(t, k): r for t, rows in store.load().items() for k, r in rows.items()} == expected
    assert store.seq == sum(bool(changes) for batch in batches for changes in batch)
    while store.prune(keep):
        pass
    assert store.rows <= keep
    assert store.verify() == []
    store.close()


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("UPDATE deployments SET parent = 'other'", "deployments 'd3': the table has"),
        ("DELETE FROM deployments WHERE name = 'd5'", "deployments 'd5': the table has None"),
        ("DELETE FROM journal WHERE seq = 6", "journal: seq 6 is followed by 7"),
        ("UPDATE journal SET now = 1, crc = NULL WHERE seq = 7", "journal: engine time goes back at seq 7"),
        ("INSERT INTO leases VALUES ('a', 'm', 'n', 'bound', 1.0, '', NULL)", "leases 'a': the table has Lease"),
        ("DELETE FROM journal_base", "the journal None"),
    ],
)
def test_verify_finds(folder: Path, sql: str, says: str) -> None:
    with Store.open(folder) as store:
        store.commit([(happened(i), [("deployments", f"d{i}", Deployment(name=f"d{i}"))]) for i in range(1, 10)])
        assert store.prune(6) == 3
        assert store.verify() == []
        store._conn.execute(sql)
        assert any(says in line for line in store.verify()), store.verify()


def test_prune_keeps_at_least_one_row(folder: Path) -> None:
    """Engine time and seq are those of the last row, so one must stay."""
    with Store.open(folder) as store:
        store.commit([(happened(i), [("deployments", "d", Deployment(name="d", parent=str(i)))]) for i in range(1, 10)])
        assert store.prune(0, at_once=3) == 3
        assert store.prune(0) == 5
        assert store.prune(0) == 0
        assert [row.seq for row in store.journal()] == [9]
    with Store.open(folder) as store:
        assert (store.seq, store.now()) == (9, 9.0)
        assert store.commit([(happened(10), [("deployments", "d", None)])]) == 10
        assert store.verify() == []


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            Tick(subjects=(NodeDue("n1"), RoleDue("n1", "raid"), SightingDue("52:54:00:00:00:01"))),
            '{"type":"Tick","subjects":["n1","n1/raid","52:54:00:00:00:01"]}',
        ),
        (
            Operate(request=Request(Asker.OPERATOR, 3), who="ada", verb="hold", node="n1"),
            '{"type":"Operate","request":-3,"who":"ada","verb":"hold","node":"n1","role":"","value":null}',
        ),
        (
            Operate(who="ada", verb="hold", node="n1"),
            '{"type":"Operate","request":0,"who":"ada","verb":"hold","node":"n1","role":"","value":null}',
        ),
        (
            ScriptAsked(request=Request(Asker.HTTP, 5), mac="m", address="a", nonce="n"),
            '{"type":"ScriptAsked","request":4294967301,"mac":"m","address":"a","nonce":"n","uuid":""}',
        ),
        (
            ScriptAsked(request=Request(Asker.TFTP, 1), mac="m", address="a", nonce="n"),
            '{"type":"ScriptAsked","request":281474976710657,"mac":"m","address":"a","nonce":"n","uuid":""}',
        ),
    ],
)
def test_the_journal_writes_requests_and_wakes_as_it_always_has(event: Event, text: str) -> None:
    assert written(event).decode() == text
