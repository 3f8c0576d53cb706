"""Proxy DHCP beside another server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loader_rig import THEM, US, asks, rig
from world_rig import WorldRig, mac

from engine.effects import Ignore, SendDhcp
from engine.events import DhcpAsked, Fetched
from engine.model import Loader, Signal
from engine.wire.dhcp import PROXY_PORT, DhcpKind, DhcpReply, DhcpRequest


def proxy() -> WorldRig:
    return rig(ranges={}, dhcp="proxy")


def answer(d: WorldRig) -> DhcpReply:
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
    for d, told in ((rig(), "b00101"), (proxy(), "")):
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


@given(
    st.sampled_from(list(DhcpKind)),
    st.integers(0, 255),
    st.sampled_from([67, PROXY_PORT]),
    st.sampled_from(["", "10.0.0.77", "192.168.9.9"]),
)
def test_a_proxy_gives_no_address_and_no_refusal_whatever_it_is_asked(kind: DhcpKind, arch: int, port: int, address: str) -> None:
    d = proxy()
    d.feed(asks(kind=kind, arch=arch, port=port, requested=address, ciaddr=address, source_ip=address))
    for sent in d.all(SendDhcp):
        assert sent.reply.kind is not DhcpKind.NAK
        assert (sent.reply.yiaddr, sent.reply.lease_s) == ("", 0)
