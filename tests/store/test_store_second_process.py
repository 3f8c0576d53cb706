"""Other programs beside a working engine: they open, read, back up and close its store, and nothing that was promised is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from engine.events import Happened, NodeDue, Tick, Wake
from engine.model import Deployment
from engine.runtime.loop import Loop
from engine.store.file import FILE, LOCK
from engine.store.store import EVERY, Store, StoreError

ROOT = Path(__file__).resolve().parents[2]
MOMENTS = 200

ENGINE = """
import sys, threading
sys.path[:0] = [{root!r}, {core!r}, {cli!r}]
from pathlib import Path
from engine.files.paths import keys_beside
from engine.runtime.config import Config
from engine.effects import Accept
from engine.runtime.engine import Engine
from engine.events import SetAttribute
from engine.api.control import Reader, RealProbes, shipped
from engine.wire.reach import Reach
from engine.rehearsal.session import _free_lane
from engine.store.file import held
store = Path(sys.argv[1])
engine = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(_free_lane("10.0.0.1", str(store)))))
engine.start()

def read() -> None:
    # what a console and its commands do in the engine's own process
    while True:
        engine.reader().close()
        with Reader(store) as reader:
            reader.running()
        held(store)
        RealProbes(store).store()

threading.Thread(target=read, daemon=True).start()
for number in range(1, 1_000_000):
    value = [f"10.9.{{number // 250}}.{{number % 250}}"]
    answer = engine.ask(SetAttribute(who="op", layer="deployment", scope="cloud", name="ntp-servers", value=value))
    if not isinstance(answer, Accept):
        print("refused", answer, engine.failure, flush=True)
        raise SystemExit(1)
    print(number, flush=True)
"""

OTHER = """
import os, sqlite3, sys
path = sys.argv[1]
for line in sys.stdin:
    try:
        conn = sqlite3.connect(path, timeout=30)
        if line.strip() == "read":
            conn.execute("SELECT count(*) FROM journal").fetchone()
        elif line.strip() == "all":
            assert conn.execute("PRAGMA quick_check").fetchone() == ("ok",)
        elif line.strip() == "backup":
            copy = sqlite3.connect(":memory:")
            conn.backup(copy)
            assert copy.execute("SELECT count(*) FROM journal").fetchone()[0] > 0
            copy.close()
        elif line.strip() == "checkpoint":
            conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        conn.close()
        print("done", flush=True)
    except Exception as error:
        print("failed", repr(error), flush=True)
"""


@pytest.fixture()
def rack_store(tmp_path: Path) -> Path:
    """A store with a committed plan, made by the pure core (as tests/cli does)."""
    sys.path[:0] = [str(ROOT / "tests" / "cli"), str(ROOT / "tests" / "core")]
    from cli_store import NODES, CabledRack, plan_of

    from engine.events import Commit
    from engine.files.catalog import shipped

    rack = CabledRack(shipped(), plan_of(), nodes=NODES, seed=5)
    assert rack.run()
    directory = tmp_path / "store"
    rows = [(table, key, row) for table, records in rack.tables.items() for key, row in records.items()]
    with Store.open(directory) as made:
        made.commit([(Happened(1000.0, rack.now, Commit(who="test", plan=rack.plan)), rows)])
    return directory


def test_other_programs_lose_nothing(rack_store: Path) -> None:
    """200 moments at which another process opens, reads, backs up and closes the store of a working engine, whose own process reads it
    too; then the engine is killed."""
    code = ENGINE.format(root=str(ROOT), core=str(ROOT / "tests" / "core"), cli=str(ROOT / "tests" / "cli"))
    env = {**os.environ, "CROWBAR_BMC_PASSWORD": "rehearsal"}
    path, log = rack_store / FILE, Path(f"{rack_store / FILE}-wal")
    with subprocess.Popen([sys.executable, "-c", code, rack_store], stdout=subprocess.PIPE, cwd=ROOT, env=env) as engine:
        try:
            assert engine.stdout is not None
            told = [int(engine.stdout.readline())]
            inode = log.stat().st_ino
            with subprocess.Popen([sys.executable, "-c", OTHER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
                assert other.stdin is not None
                assert other.stdout is not None
                for moment in range(MOMENTS):
                    print(("read", "all", "backup", "checkpoint")[moment % 4], file=other.stdin, flush=True)
                    assert other.stdout.readline() == "done\n"
                    assert log.stat().st_ino == inode, f"the write-ahead log was deleted at moment {moment}"
                    told.append(int(engine.stdout.readline()))
                other.stdin.close()
        finally:
            os.kill(engine.pid, signal.SIGKILL)
        told += [int(line) for line in engine.stdout.read().split(b"\n") if line.isdigit()]
    last = told[-1]
    assert told == list(range(1, last + 1))
    with Store.open(rack_store) as store:
        assert store.examine() == []
        value = store.load()["attributes"][("setting", "cloud", "ntp-servers")].value  # type: ignore[union-attr]
        found = int(value[0].split(".")[2]) * 250 + int(value[0].split(".")[3])
        assert found in (last, last + 1)
        asked = [row for row in store.journal(limit=1_000_000) if row.event == "SetAttribute"]
        assert len(asked) == found


OPENED = """
import os, sys, threading
sys.path[:0] = [{root!r}]
opened = []

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        name = os.path.basename(os.fsdecode(arguments[0]))
        if name in ("store.db", "store.db-wal", "store.db-shm"):
            frame, where = sys._getframe(1), []
            while frame is not None:
                where.append(f"{{frame.f_code.co_filename}}:{{frame.f_lineno}}")
                frame = frame.f_back
            opened.append(where[0])

sys.addaudithook(hook)
from pathlib import Path
from crowbar_tui.cli import main
from crowbar_tui.console.past import of_store
from crowbar_tui.console.source import Elsewhere, Embedded
from engine.files.paths import keys_beside
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.api.control import Reader, shipped
from engine.api.running import EngineHost, finished
from engine.wire.reach import Reach
from engine.rehearsal.session import _free_lane
from engine.store.store import Store
store = Path(sys.argv[1])
engine = Engine(Config(store=store, keys=keys_beside(store), reach=Reach(_free_lane("10.0.0.1", str(store)))))
engine.start()
embedded = Embedded(engine, EngineHost(engine), "op")
embedded.snapshot()
embedded.close()
elsewhere = Elsewhere(store)
elsewhere.snapshot()
elsewhere.close()
past = of_store(store)
while not past.read():
    pass
past.end()
finished(store)
for words in (
    ["status"], ["nodes"], ["roles"], ["events"], ["events", "--export", str(store / "x.gz")], ["plan", "save"], ["plan", "revisions"],
    ["doctor"], ["set", "cloud"], ["image", "list"], ["topology"],
):
    main(["--store", str(store), *words])
engine.stop()
with Store.open(store) as again:
    again.examine()
Store.open(store.with_name("another")).close()
print("opened", opened, file=sys.stderr)
sys.exit(bool(opened))
"""


def test_nothing_but_sqlite_opens_the_files_of_a_store(rack_store: Path) -> None:
    """An audit hook hears each `open` of the process: closing one drops SQLite's locks."""
    env = {**os.environ, "CROWBAR_BMC_PASSWORD": "rehearsal"}
    done = subprocess.run(
        [sys.executable, "-c", OPENED.format(root=str(ROOT)), rack_store], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.rstrip().endswith("opened []")


def test_no_other_sqlite_is_in_the_process() -> None:
    """Two copies of the library in one process do not know of each other's locks (sqlite.org/howtocorrupt.html section 2.2.1)."""
    for folder in ("engine", "crowbar_tui", "barclamps"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert not any(f"import {other}" in text for other in ("apsw", "pysqlite3", "sqlean")), path


# -- files that are no longer there --------------------------------------------------------------------------------


def event(number: int) -> tuple[Happened, list[tuple[str, str, Deployment]]]:
    return Happened(1.7e9, float(number), Tick(subjects=())), [("deployments", f"d{number}", Deployment(name=f"d{number}"))]


def gone(store: Path, file: str) -> None:
    (store / file).unlink()


def replaced(store: Path, file: str) -> None:
    shutil.copy(store / file, store / "copy")
    os.replace(store / "copy", store / file)


@pytest.fixture()
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as opened:
        for number in range(1, 6):
            opened.commit([event(number)])
        yield opened


@pytest.mark.parametrize("harm", [gone, replaced])
@pytest.mark.parametrize("file", [FILE, f"{FILE}-wal", f"{FILE}-shm", LOCK])
def test_a_file_that_is_no_longer_the_one_on_the_disk(store: Store, tmp_path: Path, harm, file: str) -> None:
    store.look()
    harm(tmp_path / "store", file)
    with pytest.raises(StoreError) as error:
        store.look()
    assert str(error.value) == (
        f"another program deleted or replaced {tmp_path}/store/{file} while the engine ran, so nothing after change 5 is saved: "
        "stop that program, run crowbar doctor, then start the engine again"
    )
    if file == f"{FILE}-wal":
        with pytest.raises(StoreError, match="while the engine ran"):
            store.commit([event(6)])
        with pytest.raises(StoreError, match="while the engine ran"):
            store.commit([])
    else:  # the loop looks at all of them when nothing waits; where it never rests, commits do
        for number in range(6, EVERY):
            store.commit([event(number)])
        with pytest.raises(StoreError, match="while the engine ran"):
            store.commit([event(EVERY)])


def test_what_was_promised_before_the_log_was_deleted_is_kept(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for number in range(1, 6):
        store.commit([event(number)])
    gone(tmp_path, f"{FILE}-wal")
    with pytest.raises(StoreError):
        store.commit([event(6)])
    store.close()
    with Store.open(tmp_path) as again:
        assert again.load()["deployments"].keys() >= {f"d{number}" for number in range(1, 6)}
        assert again.verify() == []


class Work:
    rest = binds = False

    def __init__(self, world: dict[str, int]) -> None:
        self.effects: list[object] = []
        self.wakes: list[Wake] = []

    def finish(self) -> dict[str, int]:
        return {}


@pytest.mark.parametrize("busy", [True, False])
def test_the_loop_stops_with_the_sentence(store: Store, tmp_path: Path, busy: bool) -> None:
    """With work, after its commit; without any, as it looks."""
    ran: list[object] = []
    loop: Loop[dict[str, int]] = Loop(
        store=store, world={}, apply=lambda work, happened: work.effects.append("promise") or event(6)[1], work=Work, run_effects=ran.extend
    )
    assert loop.turn() == 0
    assert loop.failure == ""
    gone(tmp_path / "store", f"{FILE}-wal")
    if busy:
        loop.submit(Tick(subjects=(NodeDue("x"),)))
    assert loop.turn() == 0
    assert "store.db-wal while the engine ran" in loop.failure
    assert ran == [], "nothing is promised any more"
    assert not loop.submit(Tick(subjects=(NodeDue("y"),)))


def test_an_engine_that_lost_its_lock_file_stops(tmp_path: Path) -> None:
    """A second engine takes a new lock file for its own: the first one must not go on."""
    with Store.open(tmp_path) as first:
        first.commit([event(1)])
        gone(tmp_path, LOCK)
        with Store.open(tmp_path) as second:
            with pytest.raises(StoreError, match="engine.lock while the engine ran"):
                first.look()
            second.look()
            assert second.commit([event(2)]) == 2


def test_closing_a_connection_of_the_same_process_keeps_the_locks(store: Store, tmp_path: Path) -> None:
    """By the letter: after any number of readers came and went, another process cannot have the file for itself."""
    random = Random(3)
    for _ in range(20):
        readers = [Store.read(tmp_path / "store") for _ in range(random.randrange(1, 4))]
        for reader in readers:
            reader.close()
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM journal').fetchone(); c.close()"
    subprocess.run([sys.executable, "-c", code, tmp_path / "store" / FILE], check=True)
    store.look()
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0); c.execute('PRAGMA journal_mode = DELETE')"
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "store" / FILE], capture_output=True, text=True)
    assert "locked" in ran.stderr
