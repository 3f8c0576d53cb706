"""How a machine goes on to its disk, and images of other processors."""

from __future__ import annotations

import pytest
from catalogs import plan
from loader_rig import US, asks, offered, rig, script, took, with_loaders
from msgspec.structs import replace
from world_rig import WorldRig

from engine.definitions import ImageDef
from engine.effects import SendDhcp
from engine.model import Boot, Signal, Value, Way
from engine.quirks import DISK_BOOT
from engine.wire.dhcp import DhcpKind


@pytest.mark.parametrize("value", [*filter(None, DISK_BOOT), None])
def test_how_a_machine_goes_on_to_its_disk_is_the_node_s_attribute(value: str | None) -> None:
    d = rig()
    boot = Boot(generation=3, way=Way.DISK, environment="debian-12", ordered=True, at=0.0, deadline=d.now + 420.0)
    d.server(boot=boot, runs="", alive=False, boot_id="")
    if value:
        d.put(Value(layer="operator", scope="n1", name="disk-boot", value=value))
    found = script(d)
    assert (found.disk, found.quirk) == (True, value or "")


@pytest.mark.parametrize(("arch", "image"), [(7, ""), (0, ""), (11, "sledgehammer-arm64"), (19, "sledgehammer-arm64")])
def test_another_processor_is_discovered_by_another_image(arch: int, image: str) -> None:
    images = {"sledgehammer-arm64": ImageDef(name="sledgehammer-arm64", kind="discovery", arch="aarch64")}
    d = WorldRig(replace(with_loaders(), images=with_loaders().images | images), plan())
    offered(d, arch=arch)
    found = script(d)
    assert (found.environment, found.image) == ("sledgehammer", image)


@pytest.mark.parametrize("way", list(Way))
def test_a_firmware_that_comes_back_is_answered_whatever_it_was_to_boot(way: Way) -> None:
    """Also a machine that is to boot its disk asks the network first, where its firmware was set so."""
    d = rig()
    d.server(stage="system", allocated=True, runs="", alive=False)
    d.change(boot=Boot(generation=1, way=way, environment="debian-12", ordered=True, signal=Signal.POWERED, at=1.0, deadline=d.now + 900))
    assert offered(d) == "snponly.efi"
    d.feed(asks(DhcpKind.REQUEST, requested=d.one(SendDhcp).reply.yiaddr, server_id=US))
    took(d)
    d.now += 30
    assert offered(d) == "shimx64.efi", "it came back: the signed one is next"
