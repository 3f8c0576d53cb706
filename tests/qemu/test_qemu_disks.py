"""A mirror over two disks, on firmware that asks the network first: the machine comes back from its disk, and comes back without its first disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.mark.parametrize("firmware", ["seabios", "ovmf"])
def test_a_mirror_is_installed_and_starts_from_either_half(tmp_path: Path, firmware: str) -> None:
    found = run(tmp_path / "store", 1, 2400, firmware, program="scene_disks.py")
    assert found.get("verdict") == "ready"
    print(
        f"{firmware}: ready after {found['ready_s']} s, again after {found['again']['alive_s']} s, on one disk after {found['without']['alive_s']} s"
    )
    assert found["boots"] <= 2
    (volume,) = found["volumes"]["volumes"]
    assert (volume["level"], volume["disks"]) == ("raid1", ["vda", "vdb"])
    for when, members in (("installed", "[UU]"), ("again", "[UU]"), ("without", "[U_]")):
        seen = found[when] if when == "installed" else found[when]["seen"]
        assert any(members in line or (when == "without" and "[_U]" in line) for line in seen), (when, seen)
        mounts = [line.split() for line in seen if line.startswith("/dev/")]
        assert [(device.startswith("/dev/md"), kind) for device, kind in mounts] == [(True, "ext4"), (True, "vfat")], (when, seen)
        assert any("amd64" in line for line in seen)
    assert not any(line.startswith("vdb") for line in found["without"]["seen"]), "one disk is left, and it is called vda now"
    assert found["again"]["boot_id"] != found["without"]["boot_id"]
    assert found["network_first"] == [True, True], "the network was asked first"
