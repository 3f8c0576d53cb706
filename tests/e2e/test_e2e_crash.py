"""Safe against kill -9: at every place of the pure core, and at many moments of the whole program.

After each kill the same command runs on the same store. Then all nodes become ready, no disk is wiped twice, the journal has no gap, and
it adds up to the tables.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from crash_everywhere import KilledRack, memory_folder, undisturbed
from crowbar_process import environment, stop_rack
from killer import Run

from engine.racks.namespace import why_not

HERE = Path(__file__).resolve().parent


def everywhere(seed: int, nodes: int) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, str(HERE / "crash_everywhere.py"), "--seed", str(seed), "--nodes", str(nodes)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
        timeout=1200,
    )
    lines = done.stdout.splitlines()
    assert done.returncode == 0, "\n".join(line[:2000] for line in lines[:5]) + done.stderr[-2000:]
    found: dict[str, object] = json.loads(lines[-1])
    return found


@pytest.mark.long
def test_a_kill_at_every_event_and_effect() -> None:
    """Three nodes; half of what is under way is lost."""
    found = everywhere(seed=1, nodes=3)
    assert found["failed"] == 0
    assert int(str(found["places"])) > 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_a_kill_at_every_event_and_effect_with_other_seeds(seed: int) -> None:
    assert everywhere(seed=seed, nodes=3)["failed"] == 0


def killed_often(folder: Path, seed: int, percent: float) -> None:
    random = Random(seed)
    plain = undisturbed(folder / "plain", 3, seed)
    rack = KilledRack(folder / "main", lambda _: random.random() * 100 < percent, 3, seed)
    rack.chance = random
    rack.run(seconds=200_000.0)
    assert rack.kills > 1
    assert rack.wrong(plain) == []


@pytest.fixture()
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where synced writes are cheap."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=memory_folder() or str(tmp_path)) as name:
        yield Path(name)


@pytest.mark.parametrize("seed", range(6))
def test_many_kills_in_one_life(memory: Path, seed: int) -> None:
    """One in ten places kills, also while the engine recovers from the kill before."""
    killed_often(memory, seed, percent=10.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_many_kills_in_one_life_with_other_seeds(memory: Path, seed: int) -> None:
    killed_often(memory, seed, percent=Random(seed).choice([3.0, 10.0, 20.0]))


def killed(store: Path, kills: int, seed: int, rack_kills: int = 0, network: str = "loopback", nodes: int = 20) -> None:
    run = Run(store, nodes=nodes, kills=kills, seed=seed, rack_kills=rack_kills, network=network)
    wrong = run.go()
    if wrong:
        pytest.fail("\n".join(wrong)[:8000])
    assert run.kills == kills


def test_the_process_is_killed_twice(store: Path) -> None:
    killed(store, kills=2, seed=3, nodes=6)


@pytest.mark.long
def test_the_process_is_killed_four_times(store: Path) -> None:
    killed(store, kills=4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_the_process_is_killed_a_hundred_times_over_ten_runs(store: Path, seed: int) -> None:
    killed(store, kills=10, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_the_process_is_killed_a_thousand_times(store: Path, seed: int) -> None:
    """Fifty kills a run: most of them hit an engine that has just come back."""
    killed(store, kills=50, seed=seed)


@pytest.mark.slow
@pytest.mark.net
def test_the_process_is_killed_in_a_namespace(store: Path) -> None:
    """The same with the plan's own addresses and ports."""
    if found := why_not():
        pytest.skip(found)
    killed(store, kills=10, seed=60, network="namespace")


@pytest.mark.slow
def test_the_rack_is_killed_too(store: Path) -> None:
    """A power failure of all machines at once, with the engine's; what the machines remember outlives it."""
    killed(store, kills=6, seed=50, rack_kills=1)
    stop_rack(store)
