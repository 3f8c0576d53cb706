"""Images for servers (variant metal) on machines with a server's cards and disks: what Debian's cloud kernel does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from rack_run import ROOT, lacking, run

from engine.files.paths import images_folder
from engine.images.build import locked


def other_variant() -> str:
    """Which images here are not of variant metal, in one line; empty: none."""
    folder = images_folder(ROOT / "no-store")
    found = {name: locked.parse((folder / name / locked.FILE).read_text()).variant for name in ("sledgehammer", "debian-12")}
    others = [name for name, variant in found.items() if variant != "metal"]
    return f"the images {', '.join(others)} are not of variant metal" if others else ""


WHY_NOT = lacking() or other_variant()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.mark.parametrize(("firmware", "bus", "names"), [("seabios", "megasas", ["sda", "sdb"]), ("ovmf", "ahci", ["sda", "sdb"])])
def test_discovery(tmp_path: Path, firmware: str, bus: str, names: list[str]) -> None:
    found = run(tmp_path / "store", 1, 1200, firmware, "e1000e", bus, "discovered", program="scene_metal.py")
    assert found.get("verdict") == "ready"
    assert found["firmware"] == ("bios" if firmware == "seabios" else "efi")
    assert [disk["name"] for disk in found["inventory"]["disks"]] == names
    assert all(disk["serial"] for disk in found["inventory"]["disks"])
    assert {nic["driver"] for nic in found["inventory"]["nics"]} == {"e1000e"}
    print(f"{firmware}, {bus}: hello after {found['hello_s']} s, inventory after {found['inventory_s']} s")


def test_install_on_nvme(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 1, 3000, "ovmf", "e1000e", "nvme", "ready", program="scene_metal.py")
    assert found.get("verdict") == "ready"
    kernel, *lines = found["installed"]
    assert kernel.endswith("amd64")
    assert "cloud" not in kernel
    assert any(line.startswith("nvme0n1p") and line.endswith("part /") for line in lines), lines
    assert lines[-1] == "e1000e"
    assert found["boots"] <= 2
    assert not any("failed" in line and ".service" in line for line in found["slow"]), found["slow"]
    print(f"ready after {found['ready_s']} s\n" + "\n".join(found["slow"]))
