"""An exported journal: redacted, bounded, and refused with its line where it is not what was written."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from engine.definitions import Catalog
from engine.events import Happened, Operate, SetAttribute
from engine.model import Node, NodeRole, Value
from engine.store import journal_file
from engine.store.errors import StoreError
from engine.store.journal_file import JournalFile, export
from engine.store.store import Store

NONE = Catalog(roles={}, attributes={}, stages=())


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / "s") as opened:
        for i in range(6):
            node = Node(id=f"n{i % 2}", name=f"node-{i}")
            opened.commit([(Happened(1000.0 + i, float(i), Operate(who="op", verb="retry", node=node.id)), [("nodes", node.id, node)])])
        yield opened


def lines(path: Path) -> list[dict]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def sealed(path: Path, some: list[dict]) -> Path:
    """Written with a right end line."""
    body = b"".join(json.dumps(one).encode() + b"\n" for one in some)
    base, rows = (sum(one["type"] == kind for one in some) for kind in ("base", "row"))
    end = {"type": "end", "base": base, "rows": rows, "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(body + json.dumps(end).encode() + b"\n")
    return path


def test_it_says_what_it_is_and_all_of_it(store: Store, tmp_path: Path) -> None:
    store.prune(4)
    path = tmp_path / "x.jsonl"
    head = export(store, path, NONE, "9.9", 5.0)
    said = lines(path)
    assert said[0] == {"type": "journal", "version": 1, "program": "9.9", "installation": "", "first": 3, "last": 6, "at": 5.0}
    assert [one["type"] for one in said] == ["journal", "barclamps", "base", "base", "row", "row", "row", "row", "end"]
    assert path.stat().st_mode & 0o777 == 0o600
    with JournalFile(path) as opened:
        assert opened.head == head
        assert opened.base() == store.base()
        assert opened.journal(0, 100) == store.journal(0, 100)
        assert opened.journal(4, 1) == store.journal(4, 1)
        assert opened.journal(6, 9) == []
        assert opened.last_seq() == 6
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["x.jsonl"]


def test_a_store_without_events(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s") as store:
        export(store, tmp_path / "x.gz", NONE, "0", 0.0)
    with JournalFile(tmp_path / "x.gz") as opened:
        assert (opened.head.first, opened.last_seq(), opened.journal()) == (1, 0, [])


def test_what_is_called_a_secret_and_has_a_text_stays_here(store: Store, tmp_path: Path) -> None:
    value = Value(layer="operator", scope="n0", name="bmc-password", value="calvin", who="op")
    other = Value(layer="operator", scope="n0", name="tokens-per-rack", value=7)
    role = NodeRole(
        node="n0", role="bmc", deployment="system", gave={"admin_password": "hunter2", "deep": [{"secret": {"env": "BMC"}}], "port": "swp1"}
    )
    event = SetAttribute(who="op", layer="operator", scope="n0", name="bmc-password", value="calvin")
    store.commit(
        [
            (
                Happened(2000.0, 9.0, event),
                [("attributes", value.key, value), ("attributes", other.key, other), ("node_roles", role.key, role)],
            )
        ]
    )
    path = tmp_path / "x.jsonl"
    export(store, path, NONE, "0", 0.0)
    text = path.read_text()
    assert "calvin" not in text
    assert "hunter2" not in text
    row = lines(path)[-2]
    assert row["fields"]["value"] == "(redacted)"
    assert [r[2].get("value") for r in row["rows"][:2]] == ["(redacted)", 7]
    assert row["rows"][2][2]["gave"] == {"admin_password": "(redacted)", "deep": [{"secret": {"env": "BMC"}}], "port": "swp1"}
    with JournalFile(path) as opened:
        assert opened.journal(6)[0].changes()[0][2] is not None


def test_barclamps_of_another_version_are_left_out(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "x.jsonl", NONE, "0", 0.0)
    with JournalFile(tmp_path / "x.jsonl") as opened:
        assert opened.catalog == NONE
    some = lines(tmp_path / "x.jsonl")[:-1]
    for other in ([some[0], {"type": "barclamps", "catalog": {"roles": 7}}, *some[2:]], [some[0], *some[2:]]):
        with JournalFile(sealed(tmp_path / "y.jsonl", other)) as opened:
            assert opened.catalog is None
            assert len(opened.journal()) == 6


def test_a_file_that_is_there_is_not_overwritten(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("mine")
    with pytest.raises(StoreError, match="already exists"):
        export(store, path, NONE, "0", 0.0)
    assert path.read_text() == "mine"
    with pytest.raises(StoreError, match="cannot write"):
        export(store, tmp_path / "no" / "x.jsonl", NONE, "0", 0.0)


def test_what_is_written_meanwhile_is_not_in_it(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "PIECE", 2)
    with Store.read(store.path.parent) as reader:
        read = reader.journal

        def journal(after: int = 0, limit: int = 1000):
            store.commit([(Happened(3000.0, 10.0, Operate(who="op", verb="hold", node="n1")), [])])
            store.prune(3)
            return read(after, limit)

        monkeypatch.setattr(reader, "journal", journal)
        head = export(reader, tmp_path / "x.jsonl", NONE, "0", 0.0)
    assert (head.first, head.last) == (1, 6)
    with JournalFile(tmp_path / "x.jsonl") as opened:
        assert len(opened.journal()) == 6


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda some: some[1:], "line 1 .* does not begin with a head line"),
        (lambda some: [{**some[0], "version": 2}, *some[1:]], "version 2, this program knows up to 1"),
        (lambda some: [*some[:3], *some[4:]], "line 4 .* does not follow"),
        (lambda some: [*some[:3], *some[2:]], "line 4 .* does not follow"),
        (lambda some: [*some[:2], *some[1:]], "line 3 .* does not follow"),
        (lambda some: [some[0], *some], "line 2 .* does not follow"),
        (lambda some: [some[0], {"type": "base", "table": "wonders", "key": "x", "row": {}}, *some[1:]], "line 2 .* does not know"),
        (lambda some: [*some[:2], {"type": "row", "seq": "two"}], "line 3 .* is not a line of an exported journal"),
        (lambda some: [some[0], {"type": "row"}], "line 2 .* missing required field"),
        (lambda some: some[:5], "does not hold the rows that its head line names"),
    ],
)
def test_a_spoilt_file_is_told(store: Store, tmp_path: Path, spoil, told: str) -> None:
    export(store, tmp_path / "x.jsonl", NONE, "0", 0.0)
    path = sealed(tmp_path / "y.jsonl", spoil(lines(tmp_path / "x.jsonl")[:-1]))
    with pytest.raises(StoreError, match=told):
        JournalFile(path)


def test_a_file_that_is_cut_off_or_changed_is_told(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    export(store, path, NONE, "0", 0.0)
    whole = path.read_bytes()
    for text, told in (
        (whole[: whole.rindex(b'{"type":"end"')], "cut off"),
        (whole[:-20], "not a line"),
        (whole.replace(b"node-3", b"node-9"), "differs from what was exported"),
        (whole + whole[:50], "continues after its end|not a line"),
        (b"", "is empty"),
        (b"\x1f\x8b but no gzip", "cannot read"),
        (gzip.compress(whole)[:-9], "cannot read"),
        (b"\xff\xfe\n", "not a line"),
    ):
        path.write_bytes(text)
        with pytest.raises(StoreError, match=told):
            JournalFile(path)
    with pytest.raises(StoreError, match="cannot read"):
        JournalFile(tmp_path / "nothing")


def test_it_is_bounded(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.jsonl.gz"
    export(store, path, NONE, "0", 0.0)
    for name, most, told in (
        ("LINE_MAX", 200, "a line of more than"),
        ("ROWS_MAX", 3, "more than 3 rows"),
        ("FILE_MAX", 500, "is no packed journal"),
    ):
        with monkeypatch.context() as small:
            small.setattr(journal_file, name, most)
            with pytest.raises(StoreError, match=told):
                JournalFile(path)
