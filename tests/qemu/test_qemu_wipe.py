"""Two disks full of a pattern are wiped, with a power cut in the middle: no octet of it is left, as the machine itself reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]
METHODS = {"virtio": {"overwrite"}, "nvme": {"nvme-format", "overwrite"}}


@pytest.mark.parametrize("bus", sorted(METHODS))
def test_no_octet_of_a_pattern_is_left(tmp_path: Path, bus: str) -> None:
    found = run(tmp_path / "store", 1, 2400, bus, program="scene_wipe.py")
    assert found.get("verdict") == "ready"
    print(f"{bus}: wiped {found['wiped_s']} s after the power cut; the pattern was there {found['before']} times")
    assert all(count > 1_000_000 for count in found["before"])
    assert found["after"] == [0, 0]
    assert found["other_than_zeros"] == [0, 0]
    assert {one["serial"] for one in found["certificates"]} == set(found["serials"])
    assert {one["method"] for one in found["certificates"]} <= METHODS[bus]
    assert all((one["result"], one["who"], one["machine_serial"]) == ("wiped", "tests", found["serial"]) for one in found["certificates"])
