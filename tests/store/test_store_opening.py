"""Who may open a store, what becomes of older and newer ones, and the one sentence for each thing that can be wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlite_utils

from engine.events import Happened, Tick
from engine.model import Deployment, Lease, Node
from engine.store import schema as store_schema
from engine.store.database import Database
from engine.store.file import FILE, LOCK, PROMISED, connect, held
from engine.store.schema import CODECS, migrate
from engine.store.store import Store, StoreError

ROOT = Path(__file__).resolve().parents[2]


def put(store: Store, name: str) -> int:
    return store.commit([(Happened(1.7e9, 1.0, Tick(subjects=())), [("deployments", name, Deployment(name=name))])])


def one_sentence(error: pytest.ExceptionInfo[StoreError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert ": " in text, "it says what to do"
    return text


def test_modes(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with Store.open(tmp_path / "a" / "b") as store:
            put(store, "x")
            directory = tmp_path / "a" / "b"
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            files = {p.name: stat.S_IMODE(p.stat().st_mode) for p in directory.iterdir()}
    finally:
        os.umask(old)
    assert files == {FILE: 0o600, PROMISED: 0o600, f"{FILE}-wal": 0o600, f"{FILE}-shm": 0o600, LOCK: 0o600}


def test_settings(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        assert store._conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._conn.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_one_engine_a_store(folder: Path) -> None:
    store = Store.open(folder)
    with pytest.raises(StoreError) as error:
        Store.open(folder)
    assert one_sentence(error) == f"another engine (pid {os.getpid()}) holds this store: attach to it or stop it"
    put(store, "still mine")
    store.close()
    store.close()
    with Store.open(folder) as again:
        assert again.load()["deployments"].keys() == {"still mine"}


def test_second_engine_in_another_process(folder: Path) -> None:
    code = (
        "import sys; from engine.store.store import Store, StoreError\n"
        "try: Store.open(sys.argv[1])\nexcept StoreError as e: print(e); sys.exit(7)\n"
    )
    with Store.open(folder):
        ran = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 7, ran.stderr
        assert f"(pid {os.getpid()})" in ran.stdout
    ran = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_stale_lock_file_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text("99999\n")
    with Store.open(tmp_path) as store:
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        put(store, "x")


def test_whoever_asks_does_not_keep_an_engine_out(tmp_path: Path) -> None:
    assert not held(tmp_path)
    Store.open(tmp_path).close()
    assert not held(tmp_path)
    with Store.open(tmp_path):
        assert held(tmp_path)
    enough = threading.Event()

    def ask() -> None:
        while not enough.wait(0.001):
            held(tmp_path)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for _ in range(20):
            Store.open(tmp_path).close()
    finally:
        enough.set()
        thread.join(60)


def test_a_failed_open_gives_the_lock_back(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("this is no database, and long enough to look at " * 40)
    for _ in range(2):  # the second would find the lock taken
        with pytest.raises(StoreError, match="is not a store"):
            Store.open(tmp_path)
    (tmp_path / FILE).unlink()
    Store.open(tmp_path).close()


def test_reader_beside_the_writer(folder: Path) -> None:
    with Store.open(folder) as store:
        put(store, "a")
        with Store.read(folder) as reader:
            assert reader.snapshot()[1] == 1
            put(store, "b")
            assert reader.last_seq() == 2
            assert [row.seq for row in reader.journal(after=1)] == [2]
            assert reader.load()["deployments"].keys() == {"a", "b"}
            with pytest.raises(StoreError) as error:
                put(reader, "c")
            one_sentence(error)
        assert store.verify() == []


def test_reader_without_an_engine(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        put(store, "a")
    with Store.read(tmp_path) as reader:
        assert reader.load()["deployments"].keys() == {"a"}
    with pytest.raises(StoreError, match=r"there is no store in .* start the engine first"):
        Store.read(tmp_path / "nowhere")


def test_closed(folder: Path) -> None:
    store = Store.open(folder)
    put(store, "x")
    put(store, "y")
    store.close()
    for call in (lambda: put(store, "z"), store.load, store.journal, store.verify, lambda: store.prune(1)):
        with pytest.raises(StoreError, match="is closed: start the engine again"):
            call()


@pytest.mark.parametrize("damage", ["text", "directory", "middle", "file as directory", "rows"])
def test_what_is_no_store(tmp_path: Path, damage: str) -> None:
    directory = tmp_path / "store"
    path = directory / FILE
    with Store.open(directory) as store:
        for i in range(200):
            put(store, f"deployment-{i}")
    match damage:
        case "text":
            path.write_text("hello " * 4000)
        case "directory":
            path.unlink()
            path.mkdir()
        case "middle":
            content = bytearray(path.read_bytes())
            content[4096:] = b"\xff" * (len(content) - 4096)
            path.write_bytes(content)
        case "file as directory":
            shutil.rmtree(directory)
            directory.write_text("")
        case "rows":
            conn = sqlite3.connect(path)
            conn.execute("UPDATE deployments SET name = 'x' WHERE name = 'deployment-5'")
            conn.execute("INSERT INTO leases VALUES ('10.0.0.1', 'm', 'n', 'bought', 1.0, '', NULL)")
            conn.commit()
            conn.close()
    with pytest.raises(StoreError) as error, Store.open(directory) as store:
        store.load()
    assert str(directory) in one_sentence(error)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_not_permitted(tmp_path: Path) -> None:
    """A directory of somebody else: root is not stopped by modes, so root tries it as nobody."""
    directory = tmp_path / "theirs"
    Store.open(directory).close()
    directory.chmod(0)
    try:
        if os.getuid():
            with pytest.raises(StoreError, match="this user may not write"):
                Store.open(directory)
            return
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                Store.open(directory)
            except StoreError as error:
                code = 7 if "this user may not write" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        directory.chmod(0o700)


# -- versions -----------------------------------------------------------------------------------------------------


def test_from_version_0(tmp_path: Path) -> None:
    conn = connect(str(tmp_path / FILE), tmp_path / FILE, uri=False)
    assert conn.version() == 0
    migrate(conn)
    assert conn.version() == len(store_schema.MIGRATIONS)
    db = sqlite_utils.Database(conn)
    for table, codec in CODECS.items():
        assert {c.name for c in codec.columns} <= db[table].columns_dict.keys()
    assert db["node_roles"].pks == ["node", "role"]
    assert db["attributes"].pks == ["layer", "scope", "name"]
    migrate(conn)
    conn.close()
    with Store.open(tmp_path) as store:
        assert store.verify() == []


def test_each_migration_runs_once_and_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(folder) as store:
        put(store, "a")

    def second(db: Database) -> None:
        db.execute("UPDATE deployments SET parent = parent || 'x', crc = NULL")

    def third(db: Database) -> None:
        db.execute("CREATE TABLE half (a INTEGER)")
        raise db.errors[0]("no more")

    known = list(store_schema.MIGRATIONS)
    monkeypatch.setattr(store_schema, "MIGRATIONS", [*known, second, third])
    with pytest.raises(StoreError, match="no more"):
        Store.open(folder)
    monkeypatch.setattr(store_schema, "MIGRATIONS", [*known, second])
    with Store.open(folder) as store:
        assert store.load()["deployments"]["a"].parent == "x"  # type: ignore[union-attr]
        assert store._conn.columns("half") == []
    monkeypatch.setattr(store_schema, "MIGRATIONS", known)
    for opener in (Store.open, Store.read):
        with pytest.raises(
            StoreError, match=f"has version {len(known) + 1}, and this program knows versions up to {len(known)}: use the newer program"
        ):
            opener(folder)


def test_reader_of_an_older_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(folder).close()
    monkeypatch.setattr(store_schema, "MIGRATIONS", [*store_schema.MIGRATIONS, lambda db: None])
    with pytest.raises(StoreError, match="older version of this program wrote .*: start the engine on it once"):
        Store.read(folder)


def test_a_new_field_with_a_default_needs_no_migration(folder: Path) -> None:
    lease = Lease(address="10.0.0.5", mac="m", network="a", state="bound", expires=9.5)
    node = Node(id="n1", name="it's", boots=3)
    with Store.open(folder) as store:
        store.commit([(Happened(1.0, 1.0, Tick(subjects=())), [("nodes", "n1", node), ("leases", "10.0.0.5", lease)])])
        for column in ("intent", "alive", "boot", "macs", "since"):  # as if they had not been there
            store._conn.execute(f"ALTER TABLE nodes DROP COLUMN {column}")
    with Store.read(folder) as reader:
        assert reader.load()["nodes"] == {"n1": node}
    with Store.open(folder) as store:
        assert store.load()["nodes"] == {"n1": node}
        put(store, "x")
        assert store.verify() == []


@pytest.mark.parametrize("sql", ["ALTER TABLE leases DROP COLUMN mac", "ALTER TABLE leases ADD COLUMN more TEXT"])
def test_columns_that_need_a_migration(folder: Path, sql: str) -> None:
    with Store.open(folder) as store:
        store._conn.execute(sql)
    with pytest.raises(StoreError, match=r"another version of this program \(column leases\.(mac|more)\)"):
        Store.open(folder)
