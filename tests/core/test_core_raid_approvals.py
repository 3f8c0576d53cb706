"""An approval of raid-configure that was given before a RAID controller was asked does not cover the controller's drives."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from catalogs import plan
from msgspec.structs import replace
from world_rig import WorldRig

from engine.core.hardware.disk_choice import install_disk, lost_by, raid_disks, root_choice
from engine.events import Outcome
from engine.files.catalog import shipped
from engine.model import State, Value
from engine.plan import Approve

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))

from readers_raid_samples import STORCLI_JSON

SDA = {"name": "sda", "serial": "A", "size": 600 * 10**9, "transport": "sata", "signature": "", "rotational": True}
REPORT = [{"tool": "storcli", "controller": "1", "text": STORCLI_JSON.replace('"Rbld"', '"Onln"')}]
MIRROR = {"volumes": [{"level": "raid1", "name": "os", "medium": "ssd", "boot": True}]}


def rig(wanted: Any) -> WorldRig:
    d = WorldRig(shipped(), replace(plan({}), approve=Approve(wipe="nothing")))
    d.server(stage="hardware", allocated=True)
    d.role("inventory", state=State.ACTIVE, gave={"disks": [SDA]})
    d.role("raid-discover", state=State.TRANSITION, attempt="r-1", leg=1, action="run")
    d.role("raid-configure", state=State.WAITING, approved="op")
    d.put(Value(layer="operator", scope="n1", name="raid-wanted", value=wanted))
    return d


@pytest.mark.parametrize(("report", "left"), [([], "op"), (REPORT, "")])
def test_a_report_of_drives_revokes_what_did_not_show_them(report: Any, left: str) -> None:
    d = rig(MIRROR if report else {"level": "none"})
    d.feed(Outcome(attempt="r-1.1", node="n1", what="done", gives={"raid-report": report}))
    assert d.at("raid-discover").gave == {"raid-report": report}
    assert d.at("raid-configure").approved == left


def test_the_drives_behind_a_controller_are_shown_before_they_are_written() -> None:
    d = rig(MIRROR)
    d.feed(Outcome(attempt="r-1.1", node="n1", what="done", gives={"raid-report": REPORT}))
    lost = lost_by(d.world, d.node(), "raid-configure", "", MIRROR)
    assert [(one.name, one.transport, one.signature) for one in lost] == [("1/252:0", "sata", "unknown"), ("1/252:1", "sata", "unknown")]
    made: Any = raid_disks(d.world, d.node(), d.at("raid-configure"), MIRROR)
    assert made["members"] == []
    assert made["volumes"][0] | {"members": []} == {
        "name": "os",
        "level": "raid1",
        "tool": "storcli",
        "controller": "1",
        "line": "raid1 252:0,252:1",
        "boot": True,
        "wwn": "",
        "members": [],
        "spares": [],
        "stripe": 0,
    }
    assert made["orders"] == [
        {
            "tool": "storcli",
            "controller": "1",
            "drives": ["i 252:0 -", "i 252:1 -"],
            "want": ["w raid1 252:0,252:1"],
            "steps": ["/c1/v@volume set bootdrive=on|||raid1 252:0,252:1"],
        }
    ]


def test_the_system_goes_on_the_volume_to_boot_from_which_its_wwn_names() -> None:
    d = rig(MIRROR)
    volume = {
        "name": "sdq",
        "level": "raid1",
        "disks": ["1/252:0", "1/252:1"],
        "size": 9 * 10**11,
        "wwn": "naa.600508b1001c01",
        "boot": True,
    }
    other = {"name": "md127", "level": "raid1", "disks": ["sda"], "size": 9 * 10**11}
    d.role("raid-configure", state=State.ACTIVE, gave={"volumes": [other, volume]})
    d.role("os-install", state=State.WAITING)
    found = root_choice(d.world, d.node())
    assert found.volume is not None
    assert found.volume.name == "sdq"
    disk: Any = install_disk(d.world, d.node(), d.at("os-install"), "")
    assert {key: disk[key] for key in ("name", "wwn", "size", "serial")} == {
        "name": "sdq",
        "wwn": "naa.600508b1001c01",
        "size": 9 * 10**11,
        "serial": "",
    }
    assert "volume" not in disk
