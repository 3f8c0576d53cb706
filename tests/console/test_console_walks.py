"""Random walks over the console: a storm of 300 nodes at 160x48, a look back, and 80x24 (`walks`).

CROWBAR_WALK=SEED walks one of them again. CROWBAR_WALKS is the number in the slow suite.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pasts
import pytest
import storms
from walks import Walk

from crowbar_tui.console.screens import new_session

KEYS = 2000
WALKS = int(os.environ.get("CROWBAR_WALKS", "50"))
AGAIN = os.environ.get("CROWBAR_WALK", "")
NODES = 300


def walk(seed: int, where: Path, nodes: int = NODES, events: int = storms.EVENTS) -> Walk:
    """Walk `seed`: a storm at 160x48, a look back, or a storm at 80x24."""
    if seed % 3 == 1:
        past = pasts.past()
        session = new_session(past.snapshot(), wall=lambda: session.snapshot.at, where=where)
        session.past, session.real, session.source = past, lambda: pasts.real(past), past
        return Walk(session, past, seed, (160, 48) if seed % 2 else (80, 24))
    source = storms.Storm(storms.storm(nodes, events), where, seed)
    session = new_session(source.snapshot(), wall=lambda: source.at, where=where)
    session.source, session.rehearsal = source, seed % 2 == 0

    def move(chance: Random) -> None:
        source.pass_(chance.choice([0, 1, 2, 5, 12]), chance.choice([0, 0, 2, 8]))

    return Walk(session, source, seed, (160, 48) if seed % 3 == 0 else (80, 24), move)


@pytest.mark.parametrize("seed", [1001, 1002, 1005])
def test_a_short_walk(seed: int, tmp_path: Path) -> None:
    walk(seed, tmp_path, nodes=60, events=1500).run(200)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(WALKS))
def test_a_long_walk(seed: int, tmp_path: Path) -> None:
    walk(seed, tmp_path).run(KEYS)


@pytest.mark.skipif(not AGAIN, reason="no walk is named in CROWBAR_WALK")
def test_again(tmp_path: Path) -> None:
    seed = int(AGAIN)
    (walk(seed, tmp_path) if seed < 1000 else walk(seed, tmp_path, nodes=60, events=1500)).run(KEYS)
