"""Which network a client is in (RFC 3527, 3011), and by which name the server answers it (RFC 5107), from packets that scapy builds."""

from __future__ import annotations

from typing import Any

import pytest
from catalogs import ADMIN, USUAL, plan
from scapy.layers.dhcp import BOOTP, DHCP
from world_rig import WorldRig, mac

from engine import reasons
from engine.effects import Ignore, SendDhcp
from engine.events import DhcpAsked
from engine.model import Lease
from engine.plan import Network, Range
from engine.wire import dhcp
from engine.wire.dhcp import DhcpKind

US, RELAY, FAR_RELAY = "10.0.0.1", "10.9.0.1", "172.31.255.9"
FAR = Network(
    name="far", subnet="10.9.0.0/24", ranges={"dhcp": Range(first="10.9.0.20", last="10.9.0.80")}, router="10.9.0.1", strangers="lease"
)
WIDE = Network(name="wide", subnet="10.7.0.0/16", ranges={"dhcp": Range(first="10.7.1.1", last="10.7.1.9")}, strangers="lease")
HELD = "10.9.0.33"


def sub(code: int, value: str) -> bytes:
    octets = bytes(map(int, value.split(".")))
    return bytes([code, len(octets)]) + octets


CIRCUIT = b"\x01\x04swp3"
LINK, OTHER_LINK = sub(5, "10.9.0.0"), sub(5, "10.7.0.0")
OVERRIDE = sub(11, RELAY)


def asked(
    kind: str, *, giaddr: str = "0.0.0.0", relay: bytes = b"", source: str = "", ciaddr: str = "0.0.0.0", **options: Any
) -> DhcpAsked:
    """What scapy builds, read by our codec."""
    words: list[Any] = [("message-type", kind), ("vendor_class_id", b"PXEClient:Arch:00000:UNDI:002001")]
    words += [(name.replace("_selection", "-selection"), value) for name, value in options.items()]
    words += [("relay_agent_information", relay)] if relay else []
    packet = BOOTP(op=1, xid=7, giaddr=giaddr, ciaddr=ciaddr, chaddr=bytes.fromhex(mac(1).replace(":", ""))) / DHCP(options=[*words, "end"])
    return DhcpAsked(request=dhcp.decode(bytes(packet), (source or giaddr, 67)), interface="eth1")


def rig(*leases: Lease) -> WorldRig:
    d = WorldRig(USUAL, plan(networks={"admin": ADMIN, "far": FAR, "wide": WIDE}))
    d.put(*leases)
    return d


def lease(address: str = HELD, network: str = "far", state: Any = "bound") -> Lease:
    return Lease(address=address, mac=mac(1), network=network, state=state, expires=1e6)


def read(d: WorldRig) -> tuple[BOOTP, dict[str, Any]]:
    """The one reply as scapy reads it."""
    packet = BOOTP(dhcp.encode(d.one(SendDhcp).reply))
    return packet, {o[0]: o[1] for o in packet[DHCP].options if isinstance(o, tuple)}


@pytest.mark.parametrize(
    ("where", "network"),
    [
        ({}, ADMIN),
        ({"giaddr": RELAY}, FAR),
        ({"giaddr": RELAY, "relay": CIRCUIT}, FAR),
        ({"giaddr": FAR_RELAY, "relay": CIRCUIT + LINK}, FAR),
        ({"giaddr": RELAY, "relay": OTHER_LINK}, WIDE),  # the link counts, not where the relay is
        ({"giaddr": RELAY, "relay": sub(5, "10.9.0.255")}, FAR),  # any address of the link
        ({"giaddr": RELAY, "relay": b"\x05\x03\x0a\x07\x00"}, FAR),  # one that cannot be read is none
        ({"giaddr": RELAY, "relay": sub(5, "0.0.0.0")}, FAR),
        ({"subnet_selection": "10.7.0.0"}, WIDE),
        ({"giaddr": RELAY, "subnet_selection": "10.7.0.0"}, WIDE),
        ({"giaddr": FAR_RELAY, "relay": LINK, "subnet_selection": "10.7.0.0"}, FAR),  # RFC 3527 3: the relay's word first
        ({"relay": LINK}, ADMIN),  # no relay sent it, so it is the client's own word
    ],
)
def test_the_subnet_of_an_offer(where: dict[str, Any], network: Network) -> None:
    d = rig()
    d.feed(asked("discover", **where))
    packet, options = read(d)
    assert packet.yiaddr in network.ranges["dhcp"]
    assert options["subnet_mask"] == network.mask
    assert packet.giaddr == where.get("giaddr", "0.0.0.0")
    assert d.world.leases[packet.yiaddr].network == network.name
    assert options.get("relay_agent_information", b"") == where.get("relay", b"")  # echoed whole
    assert ("subnet-selection" in options) == ("subnet_selection" in where and where.get("relay") != LINK)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (
            {"giaddr": RELAY, "relay": sub(5, "192.168.7.0")},
            reasons.no_network(mac=mac(1), subnet="192.168.7.0", by="its relay's link selection"),
        ),
        ({"subnet_selection": "192.168.7.0"}, reasons.no_network(mac=mac(1), subnet="192.168.7.0", by="its own subnet selection")),
        ({"giaddr": FAR_RELAY}, reasons.no_pool(interface="eth1")),
    ],
)
def test_an_address_of_another_subnet_is_never_given(where: dict[str, Any], reason: reasons.Reason) -> None:
    d = rig()
    d.feed(asked("discover", **where))
    assert d.effects == [Ignore(mac=mac(1), reason=reason)]
    assert not d.world.leases


def test_a_relay_may_stand_for_the_server() -> None:
    """RFC 5107: its address is the server's name from the offer on, and a request that names it is for us."""
    d = rig()
    relay = CIRCUIT + LINK + OVERRIDE
    d.feed(asked("discover", giaddr=FAR_RELAY, relay=relay))
    packet, options = read(d)
    assert options["server_id"] == RELAY
    assert packet.siaddr == US, "the loader is fetched from us"
    offered = packet.yiaddr
    d.feed(asked("request", giaddr=FAR_RELAY, relay=relay, server_id=RELAY, requested_addr=offered))
    packet, options = read(d)
    assert (options["message-type"], packet.yiaddr, options["server_id"]) == (5, offered, RELAY)
    assert d.world.leases[offered].state == "bound"
    # the client renews at the relay, which passes it on with its own name; so does a relay that does not say it
    for more in ({"relay": relay}, {"relay": CIRCUIT}):
        d.feed(asked("request", giaddr=FAR_RELAY if more["relay"] == relay else RELAY, ciaddr=offered, **more))
        packet, options = read(d)
        assert (options["message-type"], packet.yiaddr) == (5, offered)
        assert options["server_id"] == (RELAY if more["relay"] == relay else US)


def test_a_refusal_has_the_relays_name_too() -> None:
    d = rig()
    d.feed(asked("request", giaddr=FAR_RELAY, relay=LINK + OVERRIDE, server_id=RELAY, requested_addr="10.9.0.50"))
    _, options = read(d)
    assert (options["message-type"], options["server_id"]) == (6, RELAY)
    assert options["relay_agent_information"] == LINK + OVERRIDE


def test_a_client_cannot_name_another_server_by_itself() -> None:
    """The suboption counts only in a packet of a relay; else a request that names another server would be taken for ours."""
    d = rig(lease("10.0.0.30", "admin", "offered"))
    d.feed(asked("request", relay=OVERRIDE, server_id=RELAY, requested_addr="10.0.0.30"))
    assert d.one(Ignore).reason == reasons.other_server(mac=mac(1), server=RELAY)


@pytest.mark.parametrize(
    ("have", "where", "answer"),
    [
        (HELD, {"source": HELD}, "ack"),  # renews by unicast, past its relay
        (HELD, {"giaddr": RELAY}, "ack"),  # rebinds: a broadcast that the relay passes on
        (HELD, {"giaddr": FAR_RELAY, "relay": LINK}, "ack"),
        (HELD, {"giaddr": RELAY, "relay": OTHER_LINK}, "nak"),  # it moved to another link
        ("10.0.0.30", {}, "ack"),
        ("10.0.0.30", {"giaddr": RELAY}, "nak"),
        ("192.168.3.3", {"source": "192.168.3.3"}, "nak"),
    ],
)
def test_renewals_and_rebinds(have: str, where: dict[str, Any], answer: str) -> None:
    d = rig(*([lease(have, "admin" if have.startswith("10.0.0") else "far")] if not have.startswith("192") else []))
    d.feed(asked("request", ciaddr=have, **where))
    packet, options = read(d)
    assert options["message-type"] == (5 if answer == "ack" else 6)
    if answer == "ack":
        assert packet.yiaddr == have
        assert options["subnet_mask"] == "255.255.255.0"
        assert options.get("router") == ("10.9.0.1" if have == HELD else None)


def test_nobody_renews_what_another_has_by_naming_its_subnet() -> None:
    d = rig(Lease(address=HELD, mac=mac(2), network="far", state="bound", expires=1e6))
    d.feed(asked("request", ciaddr=HELD, source=HELD))
    assert read(d)[1]["message-type"] == 6
    assert d.world.leases[HELD].mac == mac(2)


def test_inform_gets_the_facts_of_its_own_subnet() -> None:
    d = rig()
    d.feed(asked("inform", ciaddr="10.9.0.200", source="10.9.0.200"))
    _, options = read(d)
    assert (options["message-type"], options.get("router")) == (5, "10.9.0.1")


def test_the_relays_port_is_answered_as_before() -> None:
    """RFC 8357 beside the others."""
    d = rig()
    d.feed(asked("discover", giaddr=RELAY, relay=LINK + OVERRIDE + b"\x13\x00"))
    assert d.one(SendDhcp).reply.to.relay_port == 67
    assert d.one(SendDhcp).reply.kind is DhcpKind.OFFER
