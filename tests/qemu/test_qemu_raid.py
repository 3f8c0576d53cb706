"""Several volumes by mdadm, on a real machine: they are built, the system starts from its mirror, and a lost disk is replaced by the spare."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_a_raid5_is_built_and_rebuilt_on_its_spare(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 2400, "ovmf", program="scene_raid.py")
    assert [(one["level"], len(one["disks"]), one["boot"]) for one in found["volumes"]] == [("raid1", 2, True), ("raid5", 3, False)]
    root = next(line for line in found["installed"] if line.endswith("ext4"))
    assert root.startswith("/dev/md"), "the system is on the mirror"
    built = "\n".join(found["built"])
    assert "MD_LEVEL=raid5" in built
    assert "MD_DEVICES=3" in built
    rebuilt = "\n".join(found["rebuilt"])
    assert "Active Devices : 3" in rebuilt, "the spare has taken the place of the lost disk"
    assert "Spare Devices : 0" in rebuilt
    assert found["installed"][-1] != found["without"]["boot_id"], "it was started again"
