"""PostgreSQL as it fails: no quorum, a server that dies while a commit waits, clusters that cannot keep a promise, passwords."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgres_cluster import PASSWORD, Cluster, cluster, missing

from engine.events import Happened, Tick
from engine.model import Deployment
from engine.store.file import PROMISED
from engine.store.place import DATABASE
from engine.store.postgres import MARK, connect, plain, shown
from engine.store.store import Change, Store, StoreError

ROOT = Path(__file__).resolve().parents[2]
NOTHING_OF_IT = """
import sys
from engine.store.store import Store
from engine.api import control, stores, views
from crowbar_tui.cli import parser
parser()
with Store.open(sys.argv[1]) as store:
    store.commit([])
with Store.read(sys.argv[1]) as store:
    store.load()
print([name for name in sys.modules if name.startswith("psycopg")])
"""


def event(i: int) -> tuple[Happened, list[Change]]:
    return Happened(1.7e9, float(i), Tick(subjects=())), [("deployments", f"d{i}", Deployment(name=f"d{i}"))]


def named(folder: Path, name: str) -> Path:
    (folder / DATABASE).write_text(name)
    return folder


def test_nothing_of_it_is_loaded_for_sqlite(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", NOTHING_OF_IT, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_without_psycopg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    for opener in (Store.open, Store.read):
        with pytest.raises(StoreError, match=r"psycopg is missing .*: pip install 'crowbar-tui\[postgres\]'"):
            opener(named(tmp_path, "postgresql:///crowbar"))


@given(st.text(st.characters(codec="utf-8") | st.sampled_from(["\0", MARK, "0", "1"]), max_size=12))
def test_every_text_comes_back(text: str) -> None:
    hidden = plain(text)
    assert "\0" not in hidden
    assert shown((1, hidden, None)) == (1, text, None)


@pytest.mark.parametrize("line", ["", "crowbar", "mysql://h/d", "postgresql:///a\npostgresql:///b", "postgresql:///" + "a" * 5000, "\x00"])
def test_a_file_that_names_no_database(tmp_path: Path, line: str) -> None:
    with pytest.raises(StoreError, match="must hold one line, postgresql://HOST/DATABASE"):
        Store.open(named(tmp_path, line))


def test_a_password_in_the_file_is_refused(tmp_path: Path) -> None:
    for name in ("postgresql://crowbar:hunter2@db/x", "postgresql://db/x?password=hunter2"):
        with pytest.raises(StoreError, match="must hold no password") as error:
            Store.open(named(tmp_path, name))
        assert "hunter2" not in str(error.value)


# -- a real cluster --------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_password_comes_from_a_file_and_is_never_shown(tmp_path: Path, postgres: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    name = postgres.new()
    beside = connect(name)
    beside.execute(f"DO $$ BEGIN CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    beside.execute("GRANT ALL ON SCHEMA public TO guarded")
    beside.close()
    guarded = name.replace("user=crowbar", "user=guarded")
    passwords = tmp_path / "pgpass"
    passwords.write_text("*:*:*:*:wrong-horse\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with pytest.raises(StoreError, match="password authentication failed .*~/.pgpass") as error:
        Store.open(named(tmp_path, guarded))
    assert "wrong-horse" not in str(error.value)
    passwords.write_text(f"*:*:*:*:{PASSWORD}\n")
    with Store.open(tmp_path) as store:
        store.commit([event(1)])
        assert PASSWORD not in str(store.path)
        assert PASSWORD not in Path("/proc/self/cmdline").read_text()
    passwords.write_text("*:*:*:*:wrong-horse\n")
    by_name = tmp_path / "other"
    by_name.write_text(f"*:*:*:*:{PASSWORD}\n")
    by_name.chmod(0o600)
    with Store.open(named(tmp_path, f"{guarded}&passfile={by_name}")) as store:
        assert store.seq == 1


@pytest.mark.long
def test_what_is_said_when_it_cannot_be_used(tmp_path: Path, postgres: Cluster) -> None:
    for name, told in {
        postgres.name("nowhere"): r"cannot connect to .* database \"nowhere\" does not exist\): check the name",
        postgres.name("x", user="nobody_here"): 'role "nobody_here" does not exist',
        f"postgresql:///x?host={tmp_path}": "cannot connect to .* that PostgreSQL runs",
        f"{postgres.name('x')}&colour=red": 'invalid URI query parameter: "colour"',
        postgres.new(encoding="SQL_ASCII"): "has the encoding SQL_ASCII: create the database with --encoding=UTF8",
    }.items():
        with pytest.raises(StoreError, match=told) as error:
            Store.open(named(tmp_path, name))
        assert "\n" not in str(error.value)
    with pytest.raises(StoreError, match=r"there is no store in .* start the engine first"):
        Store.read(named(tmp_path, postgres.new()))


@pytest.mark.long
def test_a_commit_is_synchronous_whatever_the_database_says(tmp_path: Path, postgres: Cluster) -> None:
    name = postgres.new()
    beside = connect(name)
    database = beside.execute("SELECT current_database()").fetchone()[0]
    beside.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    beside.close()
    with Store.open(named(tmp_path, name)) as store:
        assert store.database.execute("SHOW synchronous_commit").fetchone() == ("on",)  # type: ignore[attr-defined]


@pytest.mark.long
def test_a_database_that_ends_before_what_was_promised(tmp_path: Path, postgres: Cluster) -> None:
    """As after a fail-over to a standby that did not have all of it."""
    with Store.open(named(tmp_path, postgres.new())) as store:
        store.commit([event(i) for i in range(1, 6)])
        store.database.execute("DELETE FROM journal WHERE seq > 3")  # type: ignore[attr-defined]
    for opener in (Store.open, Store.read):
        with pytest.raises(StoreError, match="ends at change 3, and changes up to 5 were promised, so it lost its end, in a fail-over"):
            opener(tmp_path)
    (tmp_path / PROMISED).unlink()
    Store.open(tmp_path).close()


@pytest.mark.long
def test_a_key_that_no_index_holds_costs_only_its_event(tmp_path: Path, postgres: Cluster) -> None:
    from random import Random

    from engine.store.store import Unstorable

    name = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=20_000))
    with Store.open(named(tmp_path, postgres.new())) as store:
        with pytest.raises(Unstorable):
            store.commit([event(1), (event(2)[0], [("deployments", name, Deployment(name=name))])])
        assert store.commit([event(1)]) == 1
        assert store.verify() == []


# -- without a quorum ------------------------------------------------------------------------------------------------


@pytest.fixture()
def lonely() -> Iterator[Cluster]:
    """A cluster that waits for a standby which does not exist."""
    if why := missing():
        pytest.skip(why)
    with cluster() as made:
        yield made


def until(what: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.long
def test_a_commit_without_quorum_waits_and_one_that_is_lost_is_a_crash(tmp_path: Path, lonely: Cluster) -> None:
    """It promises nothing while it waits. When the server dies meanwhile, nobody knows; the next start reads what is there."""
    store = Store.open(named(tmp_path, lonely.new()))
    store.commit([event(1)])
    lonely.stop()
    with pytest.raises(StoreError, match="was lost"):
        store.commit([event(2)])
    store.close()
    lonely.start()
    store = Store.open(tmp_path)
    beside = connect(lonely.name("postgres"))
    beside.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    beside.execute("SELECT pg_reload_conf()")
    until(lambda: beside.execute("SHOW synchronous_standby_names").fetchone() == ("nobody",))
    told: list[object] = []

    def commit() -> None:
        try:
            told.append(store.commit([event(2)]))
        except StoreError as error:
            told.append(error)

    thread = threading.Thread(target=commit)
    thread.start()
    until(lambda: beside.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").fetchone() == (1,))
    assert not told
    assert store.seq == 1
    assert (tmp_path / PROMISED).read_text().startswith(f"{1:020d} ")
    beside.close()
    lonely.kill()
    thread.join(60)
    assert isinstance(told[0], StoreError)
    assert "a change under way may be saved or not: start the engine again" in str(told[0])
    with pytest.raises(StoreError):
        store.commit([event(3)])
    store.close()
    lonely.start("synchronous_standby_names=")
    with Store.open(tmp_path) as store:
        assert store.seq == 2, "PostgreSQL had written it, and its standby had not"
        assert store.commit([event(3)]) == 3
        assert store.verify() == []
    lonely.stop()
    lonely.start("fsync=off")
    with pytest.raises(StoreError, match="runs without fsync"):
        Store.open(tmp_path)
