"""The health of a machine on the screen: problems first, each sensor with its history, the newest events; and that it reads the store."""

from __future__ import annotations

from pathlib import Path

import pytest
from driving import console, press, shot, still, until

from crowbar_tui.console.pages.machine_health import shown
from crowbar_tui.console.styled import plain, width
from engine import reasons
from engine.parts import LogEntry
from engine.reasons import sentence
from engine.store.vitals import Reading, VitalRecord, VitalsShelf
from engine.vitals import Ailment, HealthMemory, LogPlace, SeenEntry, Sensor, VitalSigns

NOW = 1_790_000_000.0
HOT = Sensor(name="CPU1 Temp", kind="Temperature", value=97.0, units="C", states=("above critical",), ok=False, health="failed")
FAN = Sensor(name="FAN 1\x1b[2J", kind="Fan", value=5400.0, units="rpm")
WHY = reasons.not_answered(node="node-1", seconds=3)
RECORD = VitalRecord(
    at=NOW - 120,
    tried=NOW - 60,
    took_s=1.25,
    protocol="redfish",
    failed="timeout: it is busy",
    next_s=300,
    signs=VitalSigns(sensors=(FAN, HOT), places=(LogPlace(log="sel", full=0.5),), left_out=("sensors: PSU2 says nothing",)),
    memory=HealthMemory(
        ailments=(
            Ailment(key="sensor:CPU1 Temp", reason=WHY, since=NOW - 3600, last=NOW, times=2),
            Ailment(key="sensor:PSU1", reason=WHY, since=NOW - 9000, last=NOW, ended=NOW - 5000),
        )
    ),
)
READINGS = [Reading(at=NOW - 3600 * n, values={"CPU1 Temp": 60.0 + n}) for n in (3, 2, 1)]
EVENTS = [
    SeenEntry(entry=LogEntry(id="1", at="", sensor="PSU1", text="Power lost", health="failed", asserted=True), seen=NOW, when=NOW - 9000),
    SeenEntry(entry=LogEntry(id="2", at="", sensor="PSU1", text="Power lost", asserted=False), seen=NOW),
]


@pytest.mark.parametrize("columns", [80, 132])
def test_the_worst_comes_first_and_nothing_is_wider_than_the_screen(columns: int) -> None:
    lines = shown(RECORD, READINGS, EVENTS, NOW, columns)
    text = [plain(one) for one in lines]
    assert all(width(one) <= columns for one in lines), [one for one in text if len(one) > columns]
    whole = "\n".join(text)
    assert "by Redfish, in 1.2 s" in text[0]
    assert "the last look failed" in whole
    assert sentence(WHY)[:40] in whole
    assert "2 times" in whole
    assert "ended:" in whole
    hot, fan = (next(i for i, one in enumerate(text) if name in one and "ended" not in one) for name in ("97 C", "5400 rpm"))
    assert hot < fan
    assert text[hot].split()[:3] == ["critical", "CPU1", "Temp"]
    assert "61 to 63" in whole
    assert "50% full" in whole
    assert "not read: sensors: PSU2 says nothing" in whole
    lost = [i for i, one in enumerate(text) if "Power lost" in one]
    assert ["(ended)" in text[i] for i in lost] == [True, False], "the newest first"
    assert "\x1b" not in whole


def test_of_a_machine_that_nobody_has_looked_at() -> None:
    assert "nobody has looked" in plain(shown(None, [], [], NOW, 80)[1])
    bare = "\n".join(plain(one) for one in shown(VitalRecord(), [], [], NOW, 80))
    assert "never seen" in bare
    assert "no sensor" in bare
    assert "no entry" in bare


async def test_the_key_shows_what_the_store_keeps(tmp_path: Path) -> None:
    source, at = still("faulty")
    source.where = tmp_path
    async with console(source, at, keys="down down") as (app, pilot):
        node = app.session.page.subject().nodes[0]
        shelf = VitalsShelf(tmp_path)
        shelf.put(node, RECORD)
        shelf.add(node, EVENTS)
        await press(pilot, "H")
        await until(pilot, lambda: "CPU1 Temp" in shot(app))
        text = shot(app)
        assert "critical" in text
        assert "health" in text.splitlines()[0]
        await press(pilot, "escape")
        await until(pilot, lambda: "CPU1 Temp" not in shot(app))
