"""The built discovery system for arm64 on a machine of QEMU: UEFI, GRUB's net image, hello over TLS, all of discovery."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boot_rig import Machine, Site, flash_arm64, nic, why_not
from net_lab import wait_for

from engine.api.control import Reader
from engine.files.paths import images_folder
from engine.images.shelf import image_states

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.qemu]

NAMES = ("loader", "sledgehammer-arm64")
BOOT_S = 1500.0
"""Three times what it took on two busy processors."""


def discovered(site: Site, machine: Machine) -> None:
    """Waits until nothing is left to discover."""
    end, state = time.monotonic() + BOOT_S, ""
    while state != "discovered":
        assert machine.process.poll() is None, machine.console()[-3000:]
        assert time.monotonic() < end, f"{state}\n{machine.console()[-3000:]}"
        time.sleep(1.0)
        with Reader(site.store) as reader:
            state = reader.nodes()[0].state


def test_from_off_to_discovered(begin: Callable[..., Site], tmp_path: Path) -> None:
    if missing := why_not("qemu-system-aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd"):
        pytest.skip(missing)
    folder = images_folder(tmp_path / "none")
    whole = {row["name"]: row["whole"] for row in image_states(tmp_path / "none")}
    if absent := [name for name in NAMES if not whole[name]]:
        pytest.skip(f"the images {', '.join(absent)} are not built, or CROWBAR_IMAGES does not say where they are")
    if not (folder / "loader/grubaa64.efi").is_file():
        pytest.skip("the image loader has no grubaa64.efi: build it after sledgehammer-arm64")

    def images(site: Site) -> None:
        for name in NAMES:
            place = site.store / "images" / name
            place.mkdir(parents=True, exist_ok=True)
            for file in (folder / name).iterdir():
                (place / file.name).unlink(missing_ok=True)
                (place / file.name).symlink_to(file)

    site = begin(before=images)
    words = ("-machine", "virt", "-cpu", "cortex-a57", "-m", "1536", "-no-reboot", *flash_arm64(tmp_path), *nic(romfile=""))
    machine = site.machine(*words, program="qemu-system-aarch64")
    try:
        console = machine.shows("welcome as node", BOOT_S)
        assert "without TLS" not in console
        node: dict[str, Any] = wait_for(site.nodes, "a node")[0]
        assert (node["arch"], node["loader"]["file"], node["loader"]["arch"]) == ("aarch64", "grubaa64.efi", 11)
        assert (node["runs"], node["boots"]) == ("sledgehammer", 1)
        discovered(site, machine)
    finally:
        machine.end()
