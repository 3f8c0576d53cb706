"""The table of a node role's states. Nothing in the engine changes a state without it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import rack as rack_file
from catalogs import catalog
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict
from test_core_properties import CORE, SEEDS, disturb, new_rack

from engine import reasons
from engine.core.operator.forget import forget
from engine.core.roles import node_moves, transitions
from engine.core.roles.change import change
from engine.core.roles.node_moves import machine_state
from engine.core.roles.transitions import (
    DEFAULTS,
    LEGAL,
    MEANS,
    MOVES,
    RECORD,
    RESETS,
    TABLE,
    Move,
    Now,
    bound,
    in_state,
    legal,
    move,
    state_of,
)
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Ignore
from engine.model import Node, NodeRole, State
from engine.reasons import Reason

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "engine"
COLUMNS = {"state", "resume", "recheck", "claimed"}

FULL = NodeRole(
    node="n1",
    role="raid",
    deployment="cloud",
    parents=(("n1", "inventory"),),
    rank=3.0,
    revision=2,
    attempt="i-7",
    leg=2,
    action="verify",
    tries=1,
    begun=5.0,
    retry_at=9.0,
    deadline=8.0,
    failure=reasons.late(attempt="i-7.1"),
    resumed=True,
    try_hash="t",
    ran_hash="r",
    gave={"a": 1},
    approved="op",
    succeeded=True,
    findings=(reasons.changed_by_hand(role="raid", line="a file was changed by hand"),),
    started=1.0,
    ended=2.0,
    since=3.0,
)
"""No field of it has its default, so that one that is reset by mistake is seen."""

NEW: dict[str, Any] = {
    "attempt": "i-8",
    "leg": 1,
    "begun": 11.0,
    "action": "run",
    "deadline": 12.0,
    "try_hash": "u",
    "ran_hash": "s",
    "started": 13.0,
    "since": 14.0,
    "ended": 15.0,
    "retry_at": 16.0,
    "failure": reasons.old_boot(),
    "tries": 2,
    "gave": {"b": 2},
    "approved": "other",
    "findings": (reasons.not_checked(role="raid", line="no answer"),),
}


def new_values(kind: Move) -> dict[str, Any]:
    return {name: NEW[name] for name in MOVES[kind][0].split()}


# -- the table -----------------------------------------------------------------------------------------------------


def test_every_state_and_move_has_its_words() -> None:
    assert set(MEANS) == set(RECORD) == set(Now)
    assert set(MOVES) == set(LEGAL) == set(Move)
    assert len(set(RECORD.values())) == len(Now)


@pytest.mark.parametrize("table", [TABLE, node_moves.TABLE], ids=["roles", "nodes"])
def test_a_table_fits_on_a_screen(table: str) -> None:
    assert len(table.splitlines()) <= 40
    assert max(len(line) for line in table.splitlines()) <= 140


@pytest.mark.parametrize("now", Now, ids=lambda now: now.value)
def test_a_record_and_its_state_map_both_ways(now: Now) -> None:
    there = in_state(FULL, now)
    assert state_of(there) is now
    assert {k: v for k, v in asdict(there).items() if k not in COLUMNS} == {k: v for k, v in asdict(FULL).items() if k not in COLUMNS}


@pytest.mark.parametrize("columns", list(product(State, *[(False, True)] * 3)), ids=str)
def test_every_stored_record_has_a_state(columns: tuple[State, bool, bool, bool]) -> None:
    """Of a store that an older program wrote as well. The state has the same `state` column, so that `done` and the views agree with it."""
    state, resume, recheck, claimed = columns
    now = state_of(NodeRole(node="n", role="r", deployment="d", state=state, resume=resume, recheck=recheck, claimed=claimed))
    assert RECORD[now][0] is state
    for one, there in zip(RECORD[now][1:], columns[1:], strict=True):
        assert there or not one, "a flag that the record does not have"


@pytest.mark.parametrize(("now", "kind"), list(product(Now, Move)), ids=lambda value: value.value)
def test_every_pair_is_in_the_table_or_refused(now: Now, kind: Move) -> None:
    before = in_state(FULL, now)
    after = move(before, kind, new_values(kind))
    if LEGAL[kind].get(now) is None:
        assert isinstance(after, Reason)
        assert after.code == "no_such_move"
        assert (now.value, kind.value) == (after.fields["state"], after.fields["move"])
        assert legal(before, kind) is (now in LEGAL[kind])
        return
    assert isinstance(after, NodeRole)
    assert legal(before, kind)
    assert state_of(after) is LEGAL[kind][now]
    assert tuple(getattr(after, name) for name in ("state", "resume", "recheck", "claimed")) == RECORD[state_of(after)]
    expected = {**asdict(before), **RESETS[kind], **new_values(kind)}
    assert {k: v for k, v in asdict(after).items() if k not in COLUMNS} == {k: v for k, v in expected.items() if k not in COLUMNS}


def test_what_a_move_resets_nobody_gives_but_for_a_next_leg() -> None:
    for kind, (given_fields, _) in MOVES.items():
        assert not set(given_fields.split()) & RESETS[kind].keys(), kind


def test_all_states_can_be_reached_and_left() -> None:
    """But for `proposed`: only records of a first version are."""
    reached, todo = {Now.WAITING}, [Now.WAITING]
    while todo:
        at = todo.pop()
        for row in LEGAL.values():
            to = row.get(at)
            if to is not None and to not in reached:
                reached.add(to)
                todo.append(to)
    assert reached == set(Now) - {Now.PROPOSED}
    for now in Now:
        assert any(row.get(now) not in (None, now) for row in LEGAL.values()), now


@CORE
@given(st.lists(st.sampled_from(Move), max_size=40))
def test_any_sequence_of_moves_gives_listed_states_only(kinds: list[Move]) -> None:
    role = bound("n1", "raid", "cloud", 1, "", 0.0)
    for kind in kinds:
        now = state_of(role)
        new = move(role, kind, new_values(kind))
        if isinstance(new, Reason):
            assert LEGAL[kind].get(now) is None
            continue
        assert state_of(new) is LEGAL[kind][now]
        assert (new.state, new.resume, new.recheck, new.claimed) in RECORD.values()
        role = new


@given(st.sampled_from(State), st.booleans(), st.booleans(), st.booleans(), st.sampled_from(Move))
def test_a_move_of_an_odd_record_makes_it_one_of_the_table(state: State, resume: bool, recheck: bool, claimed: bool, kind: Move) -> None:
    new = move(
        NodeRole(node="n", role="r", deployment="d", state=state, resume=resume, recheck=recheck, claimed=claimed), kind, new_values(kind)
    )
    assert isinstance(new, Reason) or (new.state, new.resume, new.recheck, new.claimed) in RECORD.values()


def test_a_refused_move_changes_nothing_and_is_reported() -> None:
    work = Work(World.new(catalog()))
    work.put_role(role := in_state(FULL, Now.ACTIVE))
    work.take_changes()
    assert change(work, role, Move.RESUME, deadline=1.0) is None
    assert work.take_changes() == []
    assert work.node_roles[role.key] is role
    assert [e.reason.code for e in work.effects if isinstance(e, Ignore)] == ["no_such_move"]


def test_a_node_whose_role_runs_is_not_forgotten() -> None:
    work = Work(World.new(catalog()))
    work.put_node(node := Node(id="n1", name="n1.example.net"))
    for name, now in (("raid", Now.RUNNING), ("wipe", Now.WAITING)):
        work.put_role(NodeRole(node="n1", role=name, deployment="d", state=RECORD[now][0]))
    work.take_changes()
    forget(work, node)
    assert work.take_changes() == []
    assert [e.reason.fields["move"] for e in work.effects if isinstance(e, Ignore)] == ["delete"]


# -- nothing goes around it ----------------------------------------------------------------------------------------


class Watched(Work):
    """A working copy that looks at each record that is put: is the change one of the tables?"""

    def put_role(self, new: NodeRole, fresh: bool = False) -> None:
        old = self.node_roles.get(new.key)
        if not self.loading:
            assert (new.state, new.resume, new.recheck, new.claimed) in RECORD.values(), new
            to = state_of(new)
            ways = {to} if old is None else {state_of(old), *(row.get(state_of(old)) for row in LEGAL.values())}
            assert to in ways, f"{new.key} went from {state_of(old) if old else None} to {to}"
            assert old is not None or to is Now.WAITING
        super().put_role(new, fresh)

    def put_node(self, new: Node) -> None:
        old = self.nodes.get(new.id)
        if old is not None and not self.loading:
            to = machine_state(new)
            ways = {machine_state(old), *(row.get(machine_state(old)) for row in node_moves.LEGAL.values())}
            assert to in ways, f"{new.id} went from {machine_state(old)} to {to}"
        super().put_node(new)


@CORE
@given(SEEDS)
def test_a_rack_with_faults_makes_moves_of_the_tables_only(seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rack_file, "Work", Watched)
        rack, random = new_rack(seed, check=False)
        disturb(rack, random, faults=random.randint(1, 12))
        rack.bring_up()
    assert not [e for e in rack.effects if isinstance(e, Ignore) and e.reason.code == "no_such_move"]


def files(*words: str) -> Iterator[tuple[str, ast.Module]]:
    """Name and syntax of each file of the engine, but the tables, in which one of these words is."""
    for path in sorted(ENGINE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name not in ("transitions.py", "node_moves.py") and any(word in text for word in words):
            yield str(path.relative_to(ENGINE)), ast.parse(text)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for one in ast.walk(tree):
        if isinstance(one, ast.Call):
            yield one.func.id if isinstance(one.func, ast.Name) else one.func.attr if isinstance(one.func, ast.Attribute) else "", one


OTHER_RECORDS = {
    ("core/boot/leases.py", "lease"),
    ("core/hardware/disk_now.py", "one"),
    ("power/call.py", "ordered"),
    ("views/deployments.py", "there"),
}
"""`replace` of records that have a `state` as well, and are no node roles."""
SPREAD = {("last_values.py", "one"), ("core/hardware/parts_diff.py", "plain")}
"""`replace` with fields that are not written out: of `LAST_VALUES` and of `Parts`, of which a node role has none. Rehearsed racks have records
of their own."""


def test_no_other_file_writes_the_columns_of_a_state() -> None:
    bad, seen = [], 0
    for name, tree in files("replace", "NodeRole"):
        for function, call in calls(tree):
            keywords = {k.arg for k in call.keywords}
            if function == "replace" and call.keywords:
                seen += 1
                first = ast.unparse(call.args[0]) if call.args else ""
                spread = None in keywords and (name, first) not in SPREAD and not name.startswith("racks/")
                if (keywords & COLUMNS or spread) and (name, first) not in OTHER_RECORDS and not name.startswith("readers/"):
                    bad.append(f"{name}:{call.lineno} replace({first})")
            elif function == "NodeRole" and (keywords & COLUMNS or None in keywords):
                bad.append(f"{name}:{call.lineno} NodeRole(...)")
    assert seen > 50
    assert not bad


def test_no_other_file_reads_the_flags_of_a_state() -> None:
    """`start.resume` is an order's field, and `runner.resume()` a call."""
    bad = []
    for name, tree in files(*(f".{column}" for column in COLUMNS - {"state"})):
        called = {id(call.func) for _, call in calls(tree)}
        for one in ast.walk(tree):
            if not isinstance(one, ast.Attribute) or one.attr not in COLUMNS - {"state"} or id(one) in called:
                continue
            if not (isinstance(one.value, ast.Attribute) and one.value.attr == "start"):
                bad.append(f"{name}:{one.lineno} {ast.unparse(one)}")
    assert not bad


NOT_OF_NODES = {"core/hardware/firmware_update.py"}
"""Files whose records have a field of the same name: the update of a firmware has stages too."""
NODE_COLUMNS = {"runs", "alive", "off", "problem", "hold", "available", "allocated", "stage", "backward"}


def test_no_other_file_writes_what_the_table_of_a_node_has() -> None:
    """A signal may change a boot that is open; only the table opens and ends one."""
    bad = []
    for name, tree in files("replace"):
        for function, call in calls(tree):
            for keyword in call.keywords if function == "replace" and name.startswith("core/") else ():
                ends = keyword.arg == "boot" and isinstance(keyword.value, ast.Constant) and ast.unparse(call.args[0]) == "node"
                if (keyword.arg in NODE_COLUMNS or ends) and name not in NOT_OF_NODES:
                    bad.append(f"{name}:{call.lineno} {keyword.arg}")
            born = {k.arg for k in call.keywords} & {"boot", "off", "problem", "hold", "available"} if function == "Node" else ()
            if born:
                bad.append(f"{name}:{call.lineno} Node(...)")
    assert not bad


def given_by(call: ast.Call) -> set[str]:
    """The fields by keyword, or by a dictionary as the last argument."""
    last = call.args[-1]
    return {ast.literal_eval(k) for k in last.keys if k} if isinstance(last, ast.Dict) else {k.arg or "" for k in call.keywords}


def test_whoever_moves_gives_the_fields_of_the_table() -> None:
    seen: set[str] = set()
    tables: dict[str, Any] = {"Move": (Move, MOVES), "NodeMove": (node_moves.NodeMove, node_moves.MOVES)}
    for name, tree in files("change", "move"):
        for function, call in calls(tree):
            if (
                function not in ("change", "move", "change_node", "move_node")
                or not name.startswith("core/")
                or name == "core/roles/change.py"
            ):
                continue
            kinds = [a for arg in call.args for a in ast.walk(arg) if isinstance(a, ast.Attribute) and ast.unparse(a.value) in tables]
            if not kinds:
                assert (name, ast.unparse(call.args[-1])) == ("core/boot/boot.py", "kind"), f"{name}:{call.lineno} makes which move?"
                fields = node_moves.MOVES[node_moves.NodeMove.BOOT][0]
                assert fields == node_moves.MOVES[node_moves.NodeMove.BOOT_SEEN][0]
                assert given_by(call) == set(fields.split())
                continue
            for kind in kinds:
                enum, moves = tables[ast.unparse(kind.value)]
                assert given_by(call) == set(moves[enum[kind.attr]][0].split()), f"{name}:{call.lineno}"
                seen.add(ast.unparse(kind))
    unused = {f"Move.{m.name}" for m in Move} - seen - {"Move.UNBIND", "Move.DELETE"}
    unused |= {f"NodeMove.{m.name}" for m in node_moves.NodeMove} - seen - {"NodeMove.BOOT", "NodeMove.BOOT_SEEN", "NodeMove.DELETE"}
    assert not unused, "moves that nobody makes"


def test_docs_tell_all_states() -> None:
    """docs/states.md is made by `python -m engine.core.roles.transitions > docs/states.md`."""
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == transitions.as_markdown()


def test_a_node_role_begins_as_waiting() -> None:
    assert state_of(bound("n1", "raid", "cloud", 1, "", 0.0)) is Now.WAITING
    assert state_of(DEFAULTS) is Now.PROPOSED
