"""What `crowbar status` and the console say about who decides."""

from __future__ import annotations

from typing import Any

import pytest

from crowbar_tui import lines
from crowbar_tui.console import lead

NOW = 10_000.0
LEADER = {"role": "leader", "name": "a", "leader": "a", "epoch": 3, "since": NOW - 192, "standbys": ["b", "c"], "trouble": ""}
STANDBY = {
    "role": "standby", "name": "b", "leader": "a", "epoch": 3, "since": NOW - 192, "silent_s": 0.4, "take_over_s": 10.0,
    "serves_not": "", "trouble": "", "trouble_since": 0.0,
}  # fmt: skip
AWAY = {"trouble": "the database is away", "trouble_since": NOW - 60}


@pytest.mark.parametrize(
    ("shown", "first", "title", "following"),
    [
        ({}, "", "", ""),
        (LEADER, "  a decides, for 3m12s; standbys: b, c", " a decides", ""),
        (LEADER | {"standbys": []}, "  a decides, for 3m12s; standbys: none", " a decides", ""),
        (
            STANDBY,
            "  a decides, for 3m12s; b is a standby: give orders on a",
            " standby",
            "give orders on a, which decides: this engine (b) is a standby",
        ),
        (
            STANDBY | {"leader": ""},
            "  b is a standby, and no engine decides: a standby takes over within 10 s",
            " no leader",
            "wait: no engine decides, and a standby takes over within 10 s",
        ),
        (
            STANDBY | AWAY,
            "  b is a standby, and for 1m00s it cannot see who decides: the database is away",
            " no leader",
            "check PostgreSQL and the network between the admin nodes (1m00s: the database is away)",
        ),
    ],
    ids=["alone", "leader", "leader without", "standby", "no leader", "trouble"],
)
def test_who_decides(shown: dict[str, Any], first: str, title: str, following: str) -> None:
    assert next(iter(lines.leading(shown, NOW)), "") == first
    assert lead.title(shown, 120)[0] == title
    assert lead.following(shown, NOW) == following


def test_a_narrow_title_names_no_leader() -> None:
    assert lead.title(LEADER, 80)[0] == ""
    assert lead.title(STANDBY, 80) == (" standby", "ask")


def test_a_silent_leader_is_told() -> None:
    assert lines.leading(STANDBY | {"silent_s": 7.0}, NOW)[1] == "    a is silent for 7 s; a standby takes over after 10 s"
