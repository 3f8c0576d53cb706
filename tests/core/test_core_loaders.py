"""Loaders: the first choice, and which one answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loader_rig import FILES, US, asks, booting, offered, rig, script, took
from world_rig import mac, uuid

from engine.core.boot import loaders
from engine.effects import SendDhcp
from engine.events import Hello
from engine.model import Loader
from engine.requests import Asker, Request


@pytest.mark.parametrize(
    ("arch", "vendor", "file", "firmware", "way"),
    [
        (None, "PXEClient", "undionly.kpxe", "bios", "pxe-bios"),
        (0, "PXEClient", "undionly.kpxe", "bios", "pxe-bios"),
        (7, "PXEClient", "snponly.efi", "efi", "pxe-uefi"),
        (9, "PXEClient", "snponly.efi", "efi", "pxe-uefi"),
        (11, "PXEClient", "grubaa64.efi", "efi", "pxe-uefi"),
        (16, "HTTPClient", "snponly.efi", "efi", "http-uefi"),
        (19, "HTTPClient", "grubaa64.efi", "efi", "http-uefi"),
        (60000, "PXEClient", "snponly.efi", "efi", "pxe-uefi"),
    ],
)
def test_what_each_firmware_is_offered(arch: int | None, vendor: str, file: str, firmware: str, way: str) -> None:
    d = rig()
    assert offered(d, arch=arch, vendor=vendor) == file
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader == Loader(firmware=firmware, way=way, file=file, arch=arch or 0)


def test_a_rom_that_is_ipxe_needs_no_file() -> None:
    d = rig()
    d.feed(asks(arch=0, user_class=("iPXE",)))
    assert d.one(SendDhcp).reply.filename == f"http://{US}/boot/script?mac={mac(1)}"
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader == Loader(firmware="bios", way="pxe-bios", file="", arch=0)


def test_the_ipxe_that_a_rom_loaded_does_not_hide_what_it_was() -> None:
    d = rig()
    offered(d, arch=0)
    took(d)
    d.feed(asks(arch=0, user_class=("iPXE",)))
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader is not None
    assert boot.loader.file == "undionly.kpxe"


@given(
    st.sets(st.sampled_from(sorted(FILES)), min_size=1),
    st.integers(0, 65535),
    st.lists(st.sampled_from(sorted(FILES.values())), max_size=4),
)
def test_only_what_is_there_is_offered(uses: set[str], arch: int, fallen: list[str]) -> None:
    files = {use: FILES[use] for use in uses}
    d = rig(files)
    d.server(loaders_failed=tuple(fallen), loader=None)
    found = loaders.offer(d.world, asks(arch=arch).request).file
    mine = [files[use] for use, _ in loaders.LOADERS[loaders.family(arch)] if use in files]
    assert found in mine or not mine
    left = [name for name in mine if name not in fallen]
    assert found == (left or mine or [loaders.LOADERS[loaders.family(arch)][0][1]])[0]


def test_which_one_answered_is_recorded_and_becomes_the_node_s() -> None:
    d = rig()
    offered(d)
    took(d)
    d.now += 3
    offered(d)
    took(d)
    script(d)
    d.feed(
        Hello(
            request=Request(Asker.HTTP, 9),
            nonce="ab" * 32,
            boot_id="b7",
            environment="sledgehammer",
            uuid=uuid(1),
            serial="SN1",
            macs=(mac(1),),
            address="10.0.0.30",
        )
    )
    node = next(n for n in d.world.nodes.values() if n.macs == (mac(1),))
    assert node.loader == Loader(firmware="efi", way="pxe-uefi", file="shimx64.efi", arch=7)
    assert node.firmware == "efi"
    assert node.loaders_failed == ("snponly.efi", "ipxe.efi")
    assert d.reload().nodes[node.id] == node


def test_a_known_node_s_answer_is_recorded_at_its_script() -> None:
    d = rig()
    booting(d)
    offered(d, arch=16, vendor="HTTPClient")
    took(d)
    script(d)
    assert d.node().loader == Loader(firmware="efi", way="http-uefi", file="snponly.efi", arch=16)
