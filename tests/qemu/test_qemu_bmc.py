"""A BMC that speaks Redfish sets the BIOS of a QEMU machine and replaces firmware, with a start of the machine only where one is needed. The machine's
own system sees it: a setting is a feature of its processor, and the BIOS's version stands in SMBIOS."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def states(rows: list[dict[str, str]], key: str) -> dict[str, str]:
    return {one[key]: one["state"] for one in rows}


def test_bios_and_firmware_by_the_bmc(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 3600, "seabios", program="scene_bmc.py")
    assert found.get("verdict") == "ready"
    first, one, same, bmc, machine = (
        found[step] for step in ("as it is", "one setting", "the same again", "firmware of the BMC", "firmware of the machine")
    )
    print(f"one setting after {one['took_s']} s, firmware of the machine after {machine['took_s']} s")
    assert [step["boots"] for step in (first, one, same, bmc, machine)] == [1, 2, 2, 2, 3], "a start only where one is needed"
    assert [step["svm"] for step in (first, one, same, bmc, machine)] == [True, False, False, False, False]
    assert [step["version"] for step in (first, one, same, bmc, machine)] == ["1.0.0", "1.0.0", "1.0.0", "1.0.0", "1.1.0"]
    assert first["settings"]["way"] == "redfish"
    assert states(one["settings"]["settings"], "setting") == {"ProcVirtualization": "read back", "ProcAes": "read back"}
    assert states(bmc["firmware"], "part") == {"bmc": "applied"}
    assert states(machine["firmware"], "part") == {"bios": "applied", "bmc": "read back"}
    assert {row["part"]: row["version"] for row in machine["firmware"]} == {"bios": "1.1.0", "bmc": "1.2.0"}
