"""What fails in the middle: full disks, values that cannot be written, kill -9. Nothing is lost, and it is said in a
sentence."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.events import Happened, NodeDue, Outcome, Tick
from engine.model import Deployment, Lease, Node, Value
from engine.store.store import Change, Store, StoreError, Unstorable

ROOT = Path(__file__).resolve().parents[2]


def happened(i: int) -> Happened:
    return Happened(1.7e9 + i, float(i), Tick(subjects=(NodeDue(f"n{i}"),)))


def event(i: int, size: int = 10) -> tuple[Happened, list[Change]]:
    return happened(i), [("deployments", f"d{i}", Deployment(name=f"d{i}", parent="p" * size))]


def fill(store: Store) -> tuple[int, StoreError]:
    """Commit until the disk is full; how many went in, and what was said."""
    for i in range(1, 10_000):
        try:
            store.commit([event(i, 20_000)])
        except StoreError as error:
            return i - 1, error
    raise AssertionError("the disk was never full")


def test_full(tmp_path: Path) -> None:
    """SQLite's own limit stands for the disk's: the same error at the same place."""
    with Store.open(tmp_path) as store:
        store._conn.execute("PRAGMA max_page_count = 100")
        done, error = fill(store)
        assert "is full: free some space, then start again" in str(error)
        assert "\n" not in str(error)
        assert store.seq == done > 3
        assert len(store.load()["deployments"]) == done
        assert store.verify() == []
        store._conn.execute("PRAGMA max_page_count = 1000")
        assert store.commit([event(done + 1)]) == done + 1, "it goes on without a gap when there is room"
        assert store.verify() == []


TINY = """
import sys; sys.path[:0] = [{root!r}, {here!r}]
from engine.store.store import Store
from test_store_faults import fill, event
store = Store.open(sys.argv[1] + "/store")
done, error = fill(store)
assert "is full" in str(error) or "disk" in str(error), error
assert store.seq == done == len(store.load()["deployments"]), (store.seq, done)
assert store.verify() == []
store.close()
import os; os.unlink(sys.argv[1] + "/ballast")
store = Store.open(sys.argv[1] + "/store")
assert store.seq == done and store.verify() == []
assert store.commit([event(done + 1)]) == done + 1
store.close()
print("held", error)
"""


@pytest.mark.net
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("missing: unshare -Urm (unprivileged mount namespaces)")
    script = 'mount -t tmpfs -o size=6m none "$1" && head -c 2000000 /dev/zero >"$1/ballast" && exec "$2" -c "$3" "$1"'
    code = TINY.format(root=str(ROOT), here=str(Path(__file__).parent))
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", tmp_path, sys.executable, code],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ran.returncode == 0, ran.stderr
    assert "is full: free some space, then start again" in ran.stdout


@pytest.mark.net
def test_no_room_to_begin(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("missing: unshare -Urm (unprivileged mount namespaces)")
    script = 'mount -t tmpfs -o size=32k none "$1" && exec "$2" -c "$3" "$1"'
    code = (
        "import sys; from engine.store.store import Store, StoreError\n"
        "try: Store.open(sys.argv[1])\nexcept StoreError as e: print(e); sys.exit(7)\n"
    )
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, "sh", tmp_path, sys.executable, code],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert ran.returncode == 7, ran.stderr
    assert "free some space" in ran.stdout or "free space" in ran.stdout


@pytest.mark.parametrize(
    ("change", "index"),
    [
        (("attributes", ("rule", "n", "x"), Value(layer="rule", scope="n", name="x", value={1, object()})), 2),
        (("deployments", "\ud800", Deployment(name="\ud800")), 2),
        (("nodes", "n", Node(id="n", name="n", since=math.nan)), None),
        (("nodes", "n", Node(id="n", name="n", boots=2**70)), None),
        (("leases", "a", Lease(address="a", mac=None, network="", state="bound", expires=0.0)), None),  # type: ignore[arg-type]
        (("leases", "a", Lease(address="a", mac="m", network="", state="bound", expires="soon")), None),  # type: ignore[arg-type]
        (("no_table", "a", Deployment(name="a")), None),
    ],
)
def test_what_cannot_be_written(folder: Path, change: Change, index: int | None) -> None:
    with Store.open(folder) as store:
        store.commit([event(1)])
        with pytest.raises(Unstorable) as error:
            store.commit([event(2), event(3), (happened(4), [change])])
        assert error.value.index == index
        assert store.seq == 1
        assert store.load()["deployments"].keys() == {"d1"}
        assert store.commit([event(2)]) == 2
        assert store.verify() == []


def test_an_event_that_cannot_be_written(folder: Path) -> None:
    with Store.open(folder) as store:
        bad = Happened(1.0, 3.0, Outcome(attempt="a.1", node="n", what="done", gives={"x": object()}))
        with pytest.raises(Unstorable, match="Outcome cannot be stored") as error:
            store.commit([event(1), (bad, event(2)[1])])
        assert error.value.index == 1
        assert store.seq == 0


def test_interrupted(tmp_path: Path) -> None:
    """An exception from anywhere inside of the transaction undoes it."""
    with Store.open(tmp_path) as store:
        store.commit([event(1)])

        def stop(statement: str) -> int:
            raise KeyboardInterrupt

        store._conn.create_function("stop", 1, stop)
        store._conn.execute("CREATE TEMP TRIGGER t BEFORE INSERT ON journal BEGIN SELECT stop(1); END")
        with pytest.raises(StoreError):
            store.commit([event(2)])
        assert not store._conn.in_transaction
        store._conn.execute("DROP TRIGGER t")
        assert store.commit([event(2)]) == 2
        assert store.verify() == []


def test_commit_itself_fails(tmp_path: Path) -> None:
    """The error comes with COMMIT (as that of a full disk may), when all statements went well."""
    with Store.open(tmp_path) as store:
        conn = store._conn
        conn.execute("PRAGMA foreign_keys = ON")
        conn.execute("CREATE TABLE p (id INTEGER PRIMARY KEY)")
        conn.execute("CREATE TABLE c (p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)")
        conn.execute("CREATE TRIGGER t AFTER INSERT ON journal BEGIN INSERT INTO c VALUES (99); END")
        with pytest.raises(Unstorable):
            store.commit([event(1)])
        assert not conn.in_transaction
        assert (store.seq, store.rows, store.load()["deployments"]) == (0, 0, {})
        conn.execute("DROP TRIGGER t")
        assert store.commit([event(1)]) == 1
        assert store.verify() == []


WRITER = """
import sys
sys.path[:0] = [{root!r}, {here!r}]
from engine.store.store import Store
from test_store_faults import event
store = Store.open(sys.argv[1])
i = int(store.now())
while True:
    many = i % 7 + 1
    seq = store.commit([event(k) for k in range(i + 1, i + 1 + many)])
    i += many
    sys.stdout.write(f"{{seq}}\\n"); sys.stdout.flush()
    store.prune(20, at_once=5)
"""


def test_killed(folder: Path) -> None:
    """kill -9 at seeded moments: what was told to be committed is there, seq has no gap, tables and journal agree."""
    rng = random.Random(7)
    code = WRITER.format(root=str(ROOT), here=str(Path(__file__).parent))
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, cwd=ROOT, bufsize=0)
        assert child.stdout is not None
        told = b""
        wanted = rng.randrange(1, 200)
        while told.count(b"\n") < wanted:
            piece = os.read(child.stdout.fileno(), 65536)
            assert piece, "the writer ended by itself"
            told += piece
        os.kill(child.pid, signal.SIGKILL)
        told += child.stdout.read()
        child.stdout.close()
        child.wait()
        with Store.open(folder) as store:
            assert store.verify() == []
            assert store.seq >= int(told.split(b"\n")[-2])
            assert len(store.load()["deployments"]) == store.seq
