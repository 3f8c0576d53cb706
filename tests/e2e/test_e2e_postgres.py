"""The whole program on a store in PostgreSQL: a rack comes up, and an engine that is deposed follows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_cluster import Cluster, cluster, missing

from engine.store.copying import differences, examine
from engine.store.database import take_over
from engine.store.place import DATABASE
from engine.store.postgres import connect

ROOT = Path(__file__).resolve().parents[2]
CROWBAR = (sys.executable, "-m", "crowbar_tui.cli")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def postgres() -> Iterator[Cluster]:
    if why := missing():
        pytest.skip(why)
    with cluster() as made:
        yield made


@pytest.fixture()
def name(postgres: Cluster) -> str:
    return postgres.new()


@pytest.fixture()
def store(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / DATABASE).write_text(name)
    return folder


def crowbar(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CROWBAR, *map(str, words)], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_rack_comes_up_and_moves_to_sqlite(store: Path, name: str, tmp_path: Path) -> None:
    ran = crowbar("--store", store, "rehearse", "--nodes", 1, "--speed", "max", "--headless", "--json")
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["ready"] == 1
    assert not (store / "store.db").exists()
    assert crowbar("--store", store, "status", "--json").returncode == 0
    copied = crowbar("store", "copy", name, tmp_path / "copy")
    assert copied.returncode == 0, copied.stderr
    one = examine(name)
    assert (one.first, one.wrong, differences(one, examine(str(tmp_path / "copy")))) == (1, (), [])
    refused = crowbar("--store", store, "rehearse", "--nodes", 1, "--fresh", "--headless")
    assert refused.returncode == 2
    assert "which a rehearsal does not delete" in refused.stderr
    assert examine(name).last == one.last


def test_a_deposed_engine_follows(store: Path, name: str) -> None:
    """At whatever it was: starting, at work, or idle. Then it asks by itself."""
    words = [*CROWBAR, "--store", str(store), "engine", "--name", "one", "--take-over", "600"]
    with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True) as engine:
        db = connect(name)
        try:
            end = time.monotonic() + 120
            while not db.columns("engine") or db.execute("SELECT epoch FROM engine").fetchone()[0] == 0:
                assert engine.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
            took = take_over(db, "two")
            while (shown := json.loads(crowbar("--store", store, "status", "--json").stdout)["leading"]).get("leader") != "two":
                assert engine.poll() is None
                assert time.monotonic() < end, shown
            assert (shown["role"], shown["name"], shown["epoch"]) == ("standby", "one", took)
            assert crowbar("--store", store, "engine", "hand-over").returncode == 1
            assert crowbar("--store", store, "engine", "stop").returncode == 0
            assert engine.wait(120) == 0
            assert engine.stderr is not None
            assert f"epoch {took}, this engine ha" in engine.stderr.read()
        finally:
            engine.kill()
            db.close()
