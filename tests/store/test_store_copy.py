"""A store moves between the databases, and the copy is proved: counts, digests, the journal without a gap."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postgres_cluster import Cluster
from test_store_records import FULL, happened

from crowbar_tui.cli import main
from engine.model import Deployment, Node
from engine.store.copying import copy, differences, examine
from engine.store.file import FILE, connect, promised
from engine.store.place import DATABASE
from engine.store.postgres import MARK
from engine.store.store import Store, StoreError

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["\0", "a\0b", MARK, f"{MARK}0", f"\0{MARK}1\0", "ä\n'\"\\", "%s ? $1", "\U0010ffff"]
"""PostgreSQL holds no NUL; `MARK` stands for it there."""


@pytest.fixture()
def full(tmp_path: Path) -> Path:
    """A store in SQLite with every table, odd texts, and a journal whose beginning was folded."""
    folder = tmp_path / "from"
    with Store.open(folder) as store:
        store.commit([(happened(1), FULL)])
        store.commit([(happened(i), [("deployments", name, Deployment(name=name, parent=name))]) for i, name in enumerate(NAMES, 2)])
        store.commit([(happened(i), [("nodes", f"m{i}", Node(id=f"m{i}", name=str(i), boots=i))]) for i in range(20, 320)])
        while store.prune(200):
            pass
    return folder


@pytest.mark.long
def test_there_and_back(full: Path, tmp_path: Path, postgres: Cluster) -> None:
    name, back = postgres.new(), tmp_path / "back"
    moved: list[tuple[int, int]] = []
    last = copy(str(full), name, lambda done, many: moved.append((done, many)))
    assert moved[-1] == (200, 200)
    assert copy(name, str(back)) == last == 1 + len(NAMES) + 300
    one, other, third = examine(str(full)), examine(name), examine(str(back))
    assert (one.wrong, one.first, one.last) == ((), last - 199, last)
    assert one == other == third
    assert promised(back) == last
    with Store.read(full) as old, Store.open(back) as new:
        assert old.load() == new.load()
        assert {Deployment(name=name, parent=name) for name in NAMES} <= set(new.load()["deployments"].values())  # type: ignore[arg-type]
        assert old.journal(limit=2000) == new.journal(limit=2000)
        assert new.epoch == 4, "opened, copied, copied back, opened: it never goes back"
        assert new.commit([(happened(321), [("deployments", "cloud", None)])]) == last + 1


@pytest.mark.long
def test_a_folder_that_names_a_database_is_that_database(full: Path, tmp_path: Path, postgres: Cluster) -> None:
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / DATABASE).write_text(f"  {postgres.new()}\n")
    last = copy(str(full), str(folder))
    assert not (folder / FILE).exists()
    assert promised(folder) == last
    with Store.open(folder) as store:
        assert store.seq == last
        assert store.verify() == []
        assert store.examine() == []


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def test_nothing_is_overwritten(full: Path, tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    target = str(tmp_path / "to") if kind == "sqlite" else request.getfixturevalue("postgres").new()
    last = copy(str(full), target)
    with pytest.raises(StoreError, match="already holds a store: name an empty folder or database"):
        copy(str(full), target)
    assert examine(target).last == last


@pytest.mark.long
def test_an_engine_that_runs_on_the_source(full: Path, tmp_path: Path, postgres: Cluster) -> None:
    """SQLite: it is refused. PostgreSQL: the engine is deposed, and all that it promised is in the copy."""
    with Store.open(full), pytest.raises(StoreError, match="another engine .* holds this store"):
        copy(str(full), str(tmp_path / "to"))
    assert not (tmp_path / "to" / FILE).exists()
    folder = tmp_path / "in-postgres"
    folder.mkdir()
    (folder / DATABASE).write_text(postgres.new())
    with Store.open(folder) as store:
        store.commit([(happened(1), FULL)])
        with pytest.raises(StoreError, match="already holds a store"):
            copy((folder / DATABASE).read_text(), str(full))
        with pytest.raises(StoreError, match="cannot connect"):
            copy((folder / DATABASE).read_text(), f"postgresql:///x?host={tmp_path}")
        assert store.commit([(happened(2), [("deployments", "cloud", None)])]) == 2, "a copy that cannot be stops nobody"
        assert copy((folder / DATABASE).read_text(), str(tmp_path / "to")) == 2
        with pytest.raises(StoreError, match="has taken .* over"):
            store.commit([(happened(3), FULL)])


def test_a_difference_is_found(full: Path, tmp_path: Path) -> None:
    copy(str(full), str(tmp_path / "to"))
    db = connect(str(tmp_path / "to" / FILE), tmp_path / "to" / FILE, uri=False)
    db.execute("UPDATE nodes SET boots = 7 WHERE id = 'm20'")
    db.execute("DELETE FROM leases")
    db.close()
    other = examine(str(tmp_path / "to"))
    assert [line.split(":")[0] for line in differences(examine(str(full)), other)] == ["nodes", "leases"]
    assert len(other.wrong) == 2


@pytest.mark.long
def test_a_copy_that_is_killed_leaves_nothing(full: Path, tmp_path: Path, postgres: Cluster) -> None:
    code = (
        "import sys, os\nfrom engine.store.copying import copy\ncopy(sys.argv[1], sys.argv[2], lambda done, _: os.kill(os.getpid(), 9))\n"
    )
    for target in (str(tmp_path / "to"), postgres.new()):
        ran = subprocess.run([sys.executable, "-c", code, full, target], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        with pytest.raises(StoreError):
            examine(target) if Path(target).exists() else Store.read(target)
        end = time.monotonic() + 60
        while True:  # PostgreSQL's half of the connection may live for a moment
            try:
                last = copy(str(full), target)
                break
            except StoreError:
                assert time.monotonic() < end
        assert differences(examine(str(full)), examine(target)) == []
        assert examine(target).last == last


@pytest.mark.long
def test_the_command(full: Path, tmp_path: Path, postgres: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    name = postgres.new()
    assert main(["store", "copy", str(full), name]) == 0
    assert "changes 110 to 309: copied up to change 309, and verified" in capsys.readouterr().out
    assert main(["--store", str(full), "store", "verify", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["last"], body["wrong"]) == (309, [])
    assert main(["store", "verify", str(full), name]) == 0
    assert main(["store", "copy", str(full), name]) == 2
    assert "already holds a store" in capsys.readouterr().err
    with Store.open(full) as store:
        store.commit([(happened(2000), [("deployments", "cloud", None)])])
    assert main(["store", "verify", str(full), name]) == 1
    assert "they differ: deployments: 8 rows" in capsys.readouterr().err
    assert main(["store", "verify", str(tmp_path / "nowhere")]) == 2


@pytest.mark.parametrize("words", [["store", "copy", "FROM", "NAME"], ["store", "verify", "NAME"], ["--store", "NAME", "status"]])
def test_a_password_is_refused_and_not_repeated(full: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("postgresql://crowbar:hunter2@db/x", "postgres://db/x?password=hunter2", "postgresql://a:hunter2@[::x/y"):
        with pytest.raises(SystemExit) as end:
            main([str(full) if word == "FROM" else name if word == "NAME" else word for word in words])
        assert end.value.code == 2
        told = capsys.readouterr()
        assert "hunter2" not in told.err + told.out
        assert os.environ.get("PGPASSWORD") is None
