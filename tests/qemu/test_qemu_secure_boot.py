"""Somebody switches Secure Boot on: the firmware refuses what it was given and stands there; the engine finds out and gets it going by its BMC."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import lacking, run

from engine.files.paths import images_folder

WHY_NOT = lacking()
SHIM = images_folder(Path("no-store")) / "loader" / "shimx64.efi"
if not WHY_NOT and not SHIM.is_file():
    WHY_NOT = "the image loader holds no shimx64.efi: apt install shim-signed grub-efi-amd64-signed, and build it again"
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def test_a_node_that_refuses_its_loader_is_power_cycled_and_gets_the_signed_one(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 1800, program="scene_secure.py")
    assert found.get("verdict") == "ready", found.get("why")
    print(f"discovered after {found['discovered_s']} s; with Secure Boot on, hello after {found['hello_s']} s and {found['starts']} starts")
    assert found["before"] == {"loader": "snponly.efi", "failed": []}
    assert "loader_refused" in found["notices"]
    assert found["after"] == {"loader": "shimx64.efi", "failed": ["snponly.efi", "ipxe.efi"], "problem": None}
    assert found["starts"] == 3, "discovered, refused, and started by what is signed"
    refused, last = found["consoles"][1], found["consoles"][-1]
    assert "Access Denied" in refused
    assert "Secure boot enabled" in last
