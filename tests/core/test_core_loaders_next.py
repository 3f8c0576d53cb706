"""Loaders: what follows one that came to nothing."""

from __future__ import annotations

from typing import Literal

import pytest
from loader_rig import THEM, asks, booting, offered, rig, took
from world_rig import WorldRig, mac

from engine.core.boot import loaders
from engine.core.boot.boot import TRIES
from engine.core.boot.signals import SIGNALS
from engine.core.roles.reopen import REPEATS_S
from engine.effects import BootNode
from engine.events import Started
from engine.model import Signal, Way
from engine.wire.dhcp import DhcpKind

WAIT = dict(SIGNALS[Way.NETWORK])


@pytest.mark.parametrize("trust", ["network", "confirmed"])
def test_each_that_hangs_is_followed_by_the_next_and_the_node_says_so(trust: Literal["confirmed", "network"]) -> None:
    """Where the network is not trusted, nobody's packet brings the power order nearer: it comes when all steps had all of their time."""
    d = rig(trust=trust)
    booting(d)
    seen = []
    for tries in range(1, TRIES + 1):
        seen.append(offered(d))
        took(d)
        if trust == "confirmed":
            d.tick("n1", WAIT[Signal.SCRIPT] + 1)
            assert not d.all(BootNode)
            d.now = d.node().boot.deadline - WAIT[Signal.SCRIPT]  # type: ignore[union-attr]
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


@pytest.mark.parametrize("known", [True, False])
def test_a_kill_that_lost_its_signal_gives_no_loader_a_bad_name(known: bool) -> None:
    d = rig(trust="network")
    if known:
        booting(d)
    offered(d)
    took(d)
    d.now += WAIT[Signal.SCRIPT] - 1
    d.world = d.reload()
    d.feed(Started(installation="x", admin="a"))
    for seconds, fallen in ((REPEATS_S - 1, ()), (1.0, ("snponly.efi",))):
        d.tick("n1" if known else mac(1), seconds)
        assert (d.node() if known else d.world.sightings[mac(1)]).loaders_failed == fallen


def test_the_node_names_both() -> None:
    d = rig(trust="network")
    booting(d)
    offered(d)
    took(d)
    d.tick("n1", WAIT[Signal.SCRIPT] + 1)
    assert d.node().loaders_failed == ("snponly.efi",)
    assert d.node().notice is not None
    assert d.node().notice.fields == {"loader": "snponly.efi", "way": "pxe-uefi", "signal": "loader", "next": "ipxe.efi"}


def test_a_boot_that_another_server_took_says_nothing_of_the_loader() -> None:
    d = rig()
    booting(d)
    offered(d)
    d.feed(asks(kind=DhcpKind.REQUEST, requested="10.0.0.30", server_id=THEM))
    d.tick("n1", WAIT[Signal.LOADER] + 1)
    assert d.node().loaders_failed == ()


@pytest.mark.parametrize(("after", "expected"), [(loaders.COMEBACK_S - 0.5, "snponly.efi"), (loaders.COMEBACK_S + 0.5, "shimx64.efi")])
def test_a_rom_that_comes_back_with_its_loader_taken_gets_the_next_at_once(after: float, expected: str) -> None:
    """Secure Boot: the firmware fetches what is not signed, refuses it, and goes on to its next way. A request that was late on the wire is none."""
    d = rig()
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


def refused(d: WorldRig) -> None:
    """Secure Boot by PXE: the firmware refuses what it fetched, and goes on to HTTP."""
    offered(d)
    took(d)
    d.now += loaders.COMEBACK_S + 1
    d.feed(asks(arch=16, vendor="HTTPClient"))


@pytest.mark.parametrize("trust", ["network", "confirmed"])
def test_a_node_that_can_be_given_nothing_new_is_power_cycled(trust: Literal["confirmed", "network"]) -> None:
    """The signed GRUB speaks TFTP alone, and firmware tries each of its ways once: nobody shall have to press a key. At once, if the
    engine may believe the network."""
    d = rig(trust=trust)
    booting(d)
    refused(d)
    if trust == "confirmed":
        assert not d.all(BootNode)
        d.now = d.node().boot.deadline  # type: ignore[union-attr]
        d.tick("n1")
    assert d.one(BootNode).tries == 2
    node = d.node()
    assert node.notice is not None
    assert (node.notice.code, node.notice.fields["next"]) == ("loader_refused" if trust == "network" else "loader_failed", "shimx64.efi")
    d.now += 30
    assert offered(d) == "shimx64.efi"
    assert d.node().boot is not None
    assert (d.node().boot.tries, d.node().boot.environment) == (2, "sledgehammer")


def test_a_node_is_not_power_cycled_for_that_without_end() -> None:
    d = rig()
    booting(d, tries=TRIES)
    refused(d)
    assert not [effect for effect in d.effects if isinstance(effect, BootNode)]


def test_a_machine_without_identity_says_that_it_wants_a_reset() -> None:
    d = rig()
    refused(d)
    told = d.world.sightings[mac(1)].reason
    assert told is not None
    assert (told.code, told.fields) == ("loader_reset", {"loader": "snponly.efi", "way": "http-uefi", "next": "shimx64.efi"})
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    assert d.world.sightings[mac(1)].reason == told
    assert offered(d) == "shimx64.efi"


def test_a_bios_that_comes_back_gets_the_other_one() -> None:
    d = rig()
    booting(d)
    offered(d, arch=0)
    took(d)
    d.now += 3
    assert offered(d, arch=0) == "ipxe.pxe"


def test_a_machine_without_identity_gets_the_next_as_well() -> None:
    d = rig()
    assert offered(d) == "snponly.efi"
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    sighting = d.world.sightings[mac(1)]
    assert sighting.reason is not None
    assert sighting.reason.code == "loader_failed"
    assert offered(d) == "ipxe.efi"
    assert d.world.sightings[mac(1)].loaders_failed == ("snponly.efi",)


def test_a_slow_firmware_that_goes_on_to_another_way_was_not_reset() -> None:
    d = rig()
    offered(d)
    took(d)
    d.tick(mac(1), WAIT[Signal.SCRIPT] + 1)
    offered(d, arch=16, vendor="HTTPClient")
    assert d.world.sightings[mac(1)].loaders_failed == ("snponly.efi", "ipxe.efi")
    assert offered(d) == "shimx64.efi"


def test_with_one_loader_it_stays_that_one() -> None:
    d = rig({"efi": "snponly.efi"})
    booting(d)
    for _ in range(TRIES):
        assert offered(d) == "snponly.efi"
        took(d)
        d.tick("n1", WAIT[Signal.SCRIPT] + 1)
    assert d.node().loaders_failed == ()
