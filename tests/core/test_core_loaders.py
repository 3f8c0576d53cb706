"""Loaders: which is offered, which answered, what follows one that came to nothing; proxy DHCP beside another server; how a machine goes on to its disk."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, plan
from desk import Desk, mac, uuid
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core import disk_boot, loaders
from engine.core.boot import SIGNALS, TRIES
from engine.definitions import Catalog, ImageDef
from engine.effects import BootNode, BootScript, Ignore, SendDhcp
from engine.events import DhcpAsked, Fetched, Hello, ScriptAsked
from engine.model import Boot, Loader, Node, Signal, Value, Way
from engine.wire.dhcp import PROXY_PORT, DhcpKind, DhcpReply, DhcpRequest

US, THEM = "10.0.0.1", "10.0.0.2"
FILES = {
    "bios": "undionly.kpxe", "efi": "snponly.efi", "bios-second": "ipxe.pxe", "efi-second": "ipxe.efi", "efi-signed": "shimx64.efi",
    "efi-arm64-grub": "grubaa64.efi",
}  # fmt: skip
WAIT = dict(SIGNALS[Way.NETWORK])


def with_loaders(files: dict[str, str] = FILES) -> Catalog:
    return replace(USUAL, images={"loader": ImageDef(name="loader", kind="loader", files=files)})


def desk(files: dict[str, str] = FILES, **network: Any) -> Desk:
    return Desk(with_loaders(files), plan(networks={"admin": replace(ADMIN, **network)}))


def asks(kind: DhcpKind = DhcpKind.DISCOVER, arch: int | None = 7, vendor: str = "PXEClient", port: int = 67, **fields: Any) -> DhcpAsked:
    request = DhcpRequest(kind=kind, xid=7, mac=mac(1), arch=arch, vendor_class=f"{vendor}:Arch:{arch or 0:05}:UNDI:003016", **fields)
    return DhcpAsked(request=request, interface="eth1", port=port)


def offered(d: Desk, **fields: Any) -> str:
    d.feed(asks(**fields))
    return d.one(SendDhcp).reply.filename.rpartition("/")[2]


def took(d: Desk) -> None:
    """The loader went out whole to the address that the machine holds."""
    found = next(iter(d.world.leases.values()))
    d.feed(Fetched(address=found.address, what="loader"))


def script(d: Desk, number: int = 1) -> BootScript:
    d.feed(ScriptAsked(request=5, mac=mac(number), address="10.0.0.30", nonce="ab" * 32))
    return d.one(BootScript)


# -- the first choice ----------------------------------------------------------------------------------------------


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
    d = desk()
    assert offered(d, arch=arch, vendor=vendor) == file
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader == Loader(firmware=firmware, way=way, file=file, arch=arch or 0)


def test_a_rom_that_is_ipxe_needs_no_file() -> None:
    d = desk()
    d.feed(asks(arch=0, user_class=("iPXE",)))
    assert d.one(SendDhcp).reply.filename == f"http://{US}/boot/script?mac={mac(1)}"
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader == Loader(firmware="bios", way="pxe-bios", file="", arch=0)


def test_the_ipxe_that_a_rom_loaded_does_not_hide_what_it_was() -> None:
    d = desk()
    offered(d, arch=0)
    took(d)
    d.feed(asks(arch=0, user_class=("iPXE",)))
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader is not None
    assert boot.loader.file == "undionly.kpxe"


@given(st.sets(st.sampled_from(sorted(FILES)), min_size=1), st.integers(0, 65535), st.lists(st.sampled_from(sorted(FILES.values())), max_size=4))
def test_only_what_is_there_is_offered(uses: set[str], arch: int, fallen: list[str]) -> None:
    files = {use: FILES[use] for use in uses}
    d = desk(files)
    d.server(loaders_failed=tuple(fallen), loader=None)
    found = loaders.offer(d.world, asks(arch=arch).request).file
    mine = [files[use] for use, _ in loaders.LOADERS[loaders.family(arch)] if use in files]
    assert found in mine or not mine
    left = [name for name in mine if name not in fallen]
    assert found == (left or mine or [loaders.LOADERS[loaders.family(arch)][0][1]])[0]


# -- the next ones -------------------------------------------------------------------------------------------------


def booting(d: Desk, signal: Signal = Signal.POWERED, **fields: Any) -> Node:
    boot = Boot(generation=3, way=Way.NETWORK, environment="sledgehammer", ordered=True, signal=signal, at=0.0, deadline=d.now + 420.0, **fields)
    return d.server(boot=boot, runs="", alive=False, boot_id="")


def test_each_that_hangs_is_followed_by_the_next_and_the_node_says_so() -> None:
    d = desk()
    booting(d)
    seen = []
    for tries in range(1, TRIES + 1):
        seen.append(offered(d))
        took(d)
        d.tick("n1", WAIT[Signal.SCRIPT] + 1)
        if tries < TRIES:
            assert d.one(BootNode).tries == tries + 1
    assert seen == ["snponly.efi", "ipxe.efi", "shimx64.efi"]
    node = d.node()
    assert node.problem is not None
    assert node.problem.code == "boot_timeout"
    assert node.notice is not None
    assert node.notice.code == "loader_failed"
    assert node.loaders_failed == ()  # all of them: the next boot begins anew


def test_the_node_names_both() -> None:
    d = desk()
    booting(d)
    offered(d)
    took(d)
    d.tick("n1", WAIT[Signal.SCRIPT] + 1)
    assert d.node().loaders_failed == ("snponly.efi",)
    assert d.node().notice is not None
    assert d.node().notice.fields == {"loader": "snponly.efi", "way": "pxe-uefi", "signal": "loader", "next": "ipxe.efi"}


def test_a_boot_that_another_server_took_says_nothing_of_the_loader() -> None:
    d = desk()
    booting(d)
    offered(d)
    d.feed(asks(kind=DhcpKind.REQUEST, requested="10.0.0.30", server_id=THEM))
    d.tick("n1", WAIT[Signal.LOADER] + 1)
    assert d.node().loaders_failed == ()


@pytest.mark.parametrize(("after", "expected"), [(loaders.COMEBACK_S - 0.5, "snponly.efi"), (loaders.COMEBACK_S + 0.5, "shimx64.efi")])
def test_a_rom_that_comes_back_with_its_loader_taken_gets_the_next_at_once(after: float, expected: str) -> None:
    """Secure Boot: the firmware fetches what is not signed, refuses it, and goes on to its next way. A request that was late on the wire is none."""
    d = desk()
    booting(d)
    offered(d)
    took(d)
    d.now += after
    assert offered(d) == expected
    assert d.node().boot is not None
    assert d.node().boot.tries == 1
    if expected == "shimx64.efi":
        assert d.node().notice is not None
        assert d.node().notice.code == "loader_refused"
        # The signed GRUB speaks TFTP alone, so over HTTP there is nothing that such a firmware takes; what was learnt stays.
        assert offered(d, arch=16, vendor="HTTPClient") == "snponly.efi"
        took(d)
        d.now += after
        assert offered(d) == "shimx64.efi"


def refused(d: Desk) -> None:
    """Secure Boot by PXE: the firmware refuses what it fetched, and goes on to HTTP."""
    offered(d)
    took(d)
    d.now += loaders.COMEBACK_S + 1
    d.feed(asks(arch=16, vendor="HTTPClient"))


def test_a_node_that_can_be_given_nothing_new_is_power_cycled_at_once() -> None:
    """The signed GRUB speaks TFTP alone, and firmware tries each of its ways once: nobody shall have to press a key."""
    d = desk()
    booting(d)
    refused(d)
    assert d.one(BootNode).tries == 2
    node = d.node()
    assert node.notice is not None
    assert (node.notice.code, node.notice.fields["next"]) == ("loader_refused", "shimx64.efi")
    d.now += 30
    assert offered(d) == "shimx64.efi"
    assert d.node().boot is not None
    assert (d.node().boot.tries, d.node().boot.environment) == (2, "sledgehammer")


def test_a_node_is_not_power_cycled_for_that_without_end() -> None:
    d = desk()
    booting(d, tries=TRIES)
    refused(d)
    assert not [effect for effect in d.effects if isinstance(effect, BootNode)]


def test_a_machine_without_identity_says_that_it_wants_a_reset() -> None:
    d = desk()
    refused(d)
    told = d.world.sightings[mac(1)].reason
    assert told is not None
    assert (told.code, told.fields) == ("loader_reset", {"loader": "snponly.efi", "way": "http-uefi", "next": "shimx64.efi"})
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    assert d.world.sightings[mac(1)].reason == told
    assert offered(d) == "shimx64.efi"


def test_a_bios_that_comes_back_gets_the_other_one() -> None:
    d = desk()
    booting(d)
    offered(d, arch=0)
    took(d)
    d.now += 3
    assert offered(d, arch=0) == "ipxe.pxe"


def test_a_machine_without_identity_gets_the_next_as_well() -> None:
    d = desk()
    assert offered(d) == "snponly.efi"
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    sighting = d.world.sightings[mac(1)]
    assert sighting.reason is not None
    assert sighting.reason.code == "loader_failed"
    assert offered(d) == "ipxe.efi"
    assert d.world.sightings[mac(1)].loaders_failed == ("snponly.efi",)


def test_a_slow_firmware_that_goes_on_to_another_way_was_not_reset() -> None:
    d = desk()
    offered(d)
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    offered(d, arch=16, vendor="HTTPClient")
    assert d.world.sightings[mac(1)].loaders_failed == ("snponly.efi", "ipxe.efi")
    assert offered(d) == "shimx64.efi"


def test_with_one_loader_it_stays_that_one() -> None:
    d = desk({"efi": "snponly.efi"})
    booting(d)
    for _ in range(TRIES):
        assert offered(d) == "snponly.efi"
        took(d)
        d.tick("n1", WAIT[Signal.SCRIPT] + 1)
    assert d.node().loaders_failed == ()


def test_which_one_answered_is_recorded_and_becomes_the_node_s() -> None:
    d = desk()
    offered(d)
    took(d)
    d.now += 3
    offered(d)
    took(d)
    script(d)
    d.feed(Hello(request=9, nonce="ab" * 32, boot_id="b7", environment="sledgehammer", uuid=uuid(1), serial="SN1", macs=(mac(1),), address="10.0.0.30"))
    node = next(n for n in d.world.nodes.values() if n.macs == (mac(1),))
    assert node.loader == Loader(firmware="efi", way="pxe-uefi", file="shimx64.efi", arch=7)
    assert node.firmware == "efi"
    assert node.loaders_failed == ("snponly.efi", "ipxe.efi")
    assert d.reload().nodes[node.id] == node


def test_a_known_node_s_answer_is_recorded_at_its_script() -> None:
    d = desk()
    booting(d)
    offered(d, arch=16, vendor="HTTPClient")
    took(d)
    script(d)
    assert d.node().loader == Loader(firmware="efi", way="http-uefi", file="snponly.efi", arch=16)


# -- beside another server -----------------------------------------------------------------------------------------


def proxy() -> Desk:
    return desk(ranges={}, dhcp="proxy")


def answer(d: Desk) -> DhcpReply:
    return d.one(SendDhcp).reply


def test_a_rom_is_told_what_to_load_and_given_nothing() -> None:
    d = proxy()
    d.feed(asks())
    reply = answer(d)
    assert (reply.kind, reply.yiaddr, reply.lease_s, reply.mask, reply.routers) == (DhcpKind.OFFER, "", 0, "", ())
    assert (reply.filename, reply.siaddr, reply.vendor_class, reply.vendor_options) == ("snponly.efi", US, "PXEClient", "060108ff")
    assert not d.world.leases
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert boot.loader == Loader(firmware="efi", way="proxy", file="snponly.efi", arch=7)


def test_the_other_server_s_lease_is_overheard_and_never_refused() -> None:
    d = proxy()
    d.feed(asks())
    d.feed(asks(kind=DhcpKind.REQUEST, requested="10.0.0.77", server_id=THEM))
    assert d.all(SendDhcp) == []
    lease = d.world.leases["10.0.0.77"]
    assert (lease.mac, lease.state) == (mac(1), "foreign")
    d.feed(Fetched(address="10.0.0.77", what="loader"))
    boot = d.world.sightings[mac(1)].boot
    assert boot is not None
    assert (boot.signal, boot.failure) == (Signal.LOADER, None)


@pytest.mark.parametrize("kind", [DhcpKind.REQUEST, DhcpKind.INFORM])
def test_port_4011_is_answered_where_it_was_asked_from(kind: DhcpKind) -> None:
    d = proxy()
    d.feed(asks(kind=kind, port=PROXY_PORT, ciaddr="10.0.0.77", source_ip="10.0.0.77", source_port=4011))
    sent = d.one(SendDhcp)
    assert (sent.port, sent.to) == (PROXY_PORT, ("10.0.0.77", 4011))
    assert (sent.reply.kind, sent.reply.filename, sent.reply.yiaddr) == (DhcpKind.ACK, "snponly.efi", "")


def test_ipxe_waits_for_a_proxy_only_where_there_is_one() -> None:
    for d, told in ((desk(), "b00101"), (proxy(), "")):
        d.feed(asks(arch=0, user_class=("iPXE",)))
        assert answer(d).ipxe_options == told


def test_ipxe_gets_its_script_from_the_proxy() -> None:
    d = proxy()
    d.feed(asks(arch=0, user_class=("iPXE",)))
    reply = answer(d)
    assert (reply.filename, reply.vendor_class, reply.siaddr) == (f"http://{US}/boot/script?mac={mac(1)}", "PXEClient", US)


@pytest.mark.parametrize("kind", list(DhcpKind))
def test_nobody_else_hears_from_a_proxy(kind: DhcpKind) -> None:
    d = proxy()
    d.feed(DhcpAsked(request=DhcpRequest(kind=kind, xid=1, mac=mac(3), vendor_class="udhcp", ciaddr="10.0.0.9"), interface="eth1"))
    assert d.all(SendDhcp) == []
    assert d.one(Ignore).reason.code == "proxy_only"


@given(st.sampled_from(list(DhcpKind)), st.integers(0, 255), st.sampled_from([67, PROXY_PORT]), st.sampled_from(["", "10.0.0.77", "192.168.9.9"]))
def test_a_proxy_gives_no_address_and_no_refusal_whatever_it_is_asked(kind: DhcpKind, arch: int, port: int, address: str) -> None:
    d = proxy()
    d.feed(asks(kind=kind, arch=arch, port=port, requested=address, ciaddr=address, source_ip=address))
    for sent in d.all(SendDhcp):
        assert sent.reply.kind is not DhcpKind.NAK
        assert (sent.reply.yiaddr, sent.reply.lease_s) == ("", 0)


# -- on to the disk ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [*disk_boot.QUIRKS, None])
def test_how_a_machine_goes_on_to_its_disk_is_the_node_s_attribute(value: str | None) -> None:
    d = desk()
    boot = Boot(generation=3, way=Way.DISK, environment="debian-12", ordered=True, at=0.0, deadline=d.now + 420.0)
    d.server(boot=boot, runs="", alive=False, boot_id="")
    if value:
        d.put(Value(layer="operator", scope="n1", name="disk-boot", value=value))
    found = script(d)
    assert (found.disk, found.quirk) == (True, value or "")


# -- arm64 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arch", "image"), [(7, ""), (0, ""), (11, "sledgehammer-arm64"), (19, "sledgehammer-arm64")])
def test_another_processor_is_discovered_by_another_image(arch: int, image: str) -> None:
    images = {"sledgehammer-arm64": ImageDef(name="sledgehammer-arm64", kind="discovery", arch="aarch64")}
    d = Desk(replace(with_loaders(), images=with_loaders().images | images), plan())
    offered(d, arch=arch)
    found = script(d)
    assert (found.environment, found.image) == ("sledgehammer", image)
