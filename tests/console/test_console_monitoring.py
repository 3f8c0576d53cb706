"""What the health page and `crowbar health` show of Nagios and Prometheus."""

from __future__ import annotations

from typing import Any

import pytest
from driving import HEALTH, console, shot, still

from crowbar_tui import lines


def row(node: str, state: str, text: str, role: str = "", **more: Any) -> dict[str, Any]:
    at = {"since": 400.0, "looked": 990.0}
    return {"node": node, "role": role, "check": "x" if role else "", "state": state, "red": False, "text": text, "quiet": "", **at, **more}


ROWS = [
    row("n1.r1.example.net", "critical", "PROCS CRITICAL: 0 processes with command name 'chronyd'", "ntp-client", red=True),
    row("n2.r1.example.net", "down", "No route to host", quiet="ann powered node n2.r1.example.net off"),
    row("n1.r1.example.net", "warning", "DISK WARNING - free space: / 900 MiB (8% inode=98%)", "monitor-client"),
    row("n3.r1.example.net", "waiting", "", "monitor-client", since=0.0),
    row("n1.r1.example.net", "up", "TCP OK - 0.000 second response time on 10.0.0.81 port 22"),
]
SHOWN = {
    "state": "works",
    "at": 996.0,
    "hosts": 2,
    "checks": 7,
    "red": 1,
    "rows": ROWS,
    "why": {},
    "trends": "http://127.0.0.1:9090",
}


@pytest.mark.parametrize("size", [(80, 24), (160, 48)], ids=["80x24", "160x48"])
async def test_the_health_screen_shows_what_nagios_says(size: tuple[int, int], golden) -> None:
    _, at = still("working")
    rows = [{**one, "since": at - 600 if one["since"] else 0.0} for one in ROWS]
    source, at = still("working", health={**HEALTH, "refusals": {}, "monitoring": {**SHOWN, "rows": rows, "at": at - 4}})
    async with console(source, at, size, "8") as (app, _):
        golden(f"health-nagios-{size[0]}x{size[1]}", shot(app))


async def test_the_health_screen_says_why_nobody_checks() -> None:
    why = {"code": "nagios_silent", "sentence": "Nagios has written nothing for 70 s", "advice": "look at the log"}
    _, at = still("working")
    source, at = still("working", health={**HEALTH, "monitoring": {**SHOWN, "state": "trouble", "why": why}})
    async with console(source, at, (118, 60), "8") as (app, _):
        assert "nagios          Nagios has written nothing for 70 s; look at the log" in shot(app)


async def test_a_rack_without_monitoring_has_no_line_of_it() -> None:
    _, at = still("working")
    source, at = still("working", health={**HEALTH, "monitoring": {"state": "off", "trends": ""}})
    async with console(source, at, (118, 60), "8") as (app, _):
        assert "nagios" not in shot(app)


def test_lines_of_a_terminal() -> None:
    assert lines.monitoring(SHOWN) == ["  Nagios: 2 hosts, 7 checks, 1 red; crowbar health shows them"]
    told = lines.checks(SHOWN, ROWS, 1000.0)
    assert told[2] == "critical     10m00s    10s  n1 ntp-client/x: PROCS CRITICAL: 0 processes with command name 'chronyd'"
    assert "no alarm, because ann powered node n2.r1.example.net off" in told[4]
    assert told[-2:] == ["4 more are not shown", "Prometheus listens on http://127.0.0.1:9090"]
    assert lines.checks({"state": "off"}, [], 0.0) == ["the plan has no monitoring: give nodes the role monitor-client"]
