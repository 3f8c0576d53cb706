"""DHCP: which client gets which address, and which file a boot ROM gets (RFC 2131, 4578; UEFI HTTP boot)."""

from __future__ import annotations

from typing import Any

import pytest
from boots_rig import hello, script
from catalogs import ADMIN, USUAL, plan
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine import reasons
from engine.core.boot.leases import DECLINED, DECLINES, FRESH, LEASE, OFFER, STRANGER
from engine.core.boot.strangers import AT_ONCE, EVERYBODY, GONE_S, SLOT_S
from engine.effects import Ignore, SendDhcp
from engine.events import Commit, DhcpAsked, DhcpOverheard, Tick
from engine.model import Allocation, Bmc, Kind, Lease, Node, NodeRole, State
from engine.plan import Range, Rule
from engine.wire.dhcp import DhcpKind, DhcpReply, DhcpRequest, decode, decode_reply, encode, encode_request

PXE = "PXEClient:Arch:00000:UNDI:002001"
US = "10.0.0.1"
A, B = "10.0.0.30", "10.0.0.31"


def asks(kind: DhcpKind, number: int = 1, **fields: Any) -> DhcpAsked:
    values = {"vendor_class": PXE, "arch": 0, **fields}
    return DhcpAsked(request=DhcpRequest(kind=kind, xid=7, mac=mac(number), **values), interface="eth1")


def discover(number: int = 1, **fields: Any) -> DhcpAsked:
    return asks(DhcpKind.DISCOVER, number, **fields)


def request(number: int = 1, **fields: Any) -> DhcpAsked:
    return asks(DhcpKind.REQUEST, number, **fields)


def rig(*leases: Lease, **network: Any) -> WorldRig:
    d = WorldRig(USUAL, plan(networks={"admin": replace(ADMIN, **network)}))
    d.put(*leases)
    return d


def lease(address: str = A, number: int = 1, state: Any = "bound", expires: float = 1e6) -> Lease:
    return Lease(address=address, mac=mac(number), network="admin", state=state, expires=expires)


def reply(d: WorldRig) -> DhcpReply:
    return d.one(SendDhcp).reply


def test_discover_request_ack() -> None:
    d = rig()
    d.feed(discover())
    offer = reply(d)
    assert (offer.kind, offer.server_id, offer.mask, offer.lease_s) == (DhcpKind.OFFER, US, "255.255.255.0", STRANGER)
    assert offer.yiaddr in ADMIN.ranges["dhcp"]
    assert d.world.leases[offer.yiaddr] == lease(offer.yiaddr, state="offered", expires=d.now + OFFER)
    d.feed(request(requested=offer.yiaddr, server_id=US))
    assert (reply(d).kind, reply(d).yiaddr) == (DhcpKind.ACK, offer.yiaddr)
    assert d.world.leases[offer.yiaddr] == lease(offer.yiaddr, expires=d.now + STRANGER)


def test_it_names_the_name_servers_that_the_rack_has() -> None:
    d = rig()
    given: Any = ["10.0.0.1", "fd00::1", "10.0.0.1 ", 7]
    d.put(NodeRole(node="admin", role="dns-server", deployment="system", state=State.ACTIVE, gave={"dns-servers": given}))
    d.feed(discover())
    assert reply(d).dns == (), "nothing was reported yet"
    d.change("admin", "dns-server", succeeded=True)
    d.feed(discover())
    assert (reply(d).dns, reply(d).domain) == (("10.0.0.1",), "r1.example.net")
    assert decode_reply(encode(reply(d))).dns == ("10.0.0.1",)


def test_the_lease_is_in_the_rows_that_are_committed_before_the_answer_leaves() -> None:
    d = rig()
    d.feed(discover())
    assert [table for table, _, row in d.rows if isinstance(row, Lease)] == ["leases"]


@pytest.mark.parametrize(
    ("have", "event", "address"),
    [
        ([lease(A)], discover(), A),
        ([lease(A, state="offered", expires=90.0)], discover(), A),
        ([lease(A)], discover(requested=B), A),
        ([], discover(requested=A), A),
        ([lease(A, 2)], discover(requested=A), "another"),
        ([lease(A, 2, expires=99.0)], discover(requested=A), A),
        ([lease(A, 1, "declined")], discover(requested=A), "another"),
        ([], discover(requested="10.0.0.200"), "another"),
        ([], discover(requested="192.168.7.7"), "another"),
    ],
)
def test_which_address_is_offered(have: list[Lease], event: DhcpAsked, address: str) -> None:
    d = rig(*have)
    d.feed(event)
    got = reply(d).yiaddr
    assert got == address if address != "another" else got not in (A, event.request.requested) and got in ADMIN.ranges["dhcp"]


def test_a_machine_that_comes_again_gets_the_same_address() -> None:
    d = rig()
    d.feed(discover())
    first = reply(d).yiaddr
    d = rig()
    d.feed(discover(2), discover(3), discover())
    assert d.all(SendDhcp)[-1].reply.yiaddr == first


@pytest.mark.parametrize(
    ("have", "event", "answer"),
    [
        # selecting
        ([lease(A, state="offered")], request(requested=A, server_id=US), "ack"),
        ([lease(A, 2)], request(requested=A, server_id=US), "wrong_address"),
        ([], request(requested=A, server_id=US), "wrong_address"),
        # init-reboot
        ([lease(A)], request(requested=A), "ack"),
        ([lease(A, 2)], request(requested=A), "wrong_address"),
        ([], request(requested=A), "ack"),  # the store was made anew under a running rack
        ([], request(requested="192.168.7.7"), "wrong_address"),
        # renewing, rebinding
        ([lease(A)], request(ciaddr=A), "ack"),
        ([lease(A, 2)], request(ciaddr=A), "wrong_address"),
        ([], request(ciaddr=A), "ack"),
        ([lease(A, 1, "declined")], request(requested=A), "wrong_address"),
        ([], request(), "wrong_address"),
    ],
)
def test_requests(have: list[Lease], event: DhcpAsked, answer: str) -> None:
    d = rig(*have)
    d.feed(event)
    if answer == "ack":
        assert (reply(d).kind, reply(d).yiaddr) == (DhcpKind.ACK, A)
        assert d.world.leases[A].state == "bound"
    else:
        assert (reply(d).kind, reply(d).yiaddr, reply(d).server_id) == (DhcpKind.NAK, "", US)
        assert d.one(Ignore).reason.code == answer
        assert dict(d.world.leases) == {row.address: row for row in have}


def test_a_client_that_chose_another_server_gives_our_offer_back() -> None:
    d = rig(lease(A, state="offered"))
    d.feed(request(requested="10.0.0.99", server_id="10.0.0.2"))
    assert not d.all(SendDhcp)
    assert d.one(Ignore).reason == reasons.other_server(mac=mac(1), server="10.0.0.2")
    assert not d.world.leases


def test_a_foreign_server_is_told_of() -> None:
    d = rig()
    d.feed(DhcpOverheard(server="10.0.0.2", server_mac=mac(9), client=mac(1)))
    assert d.one(Ignore).reason == reasons.other_server(mac=mac(1), server="10.0.0.2")


def test_decline_takes_the_address_out_for_some_minutes() -> None:
    d = rig(lease(A))
    d.feed(asks(DhcpKind.DECLINE, requested=A))
    assert d.one(Ignore).reason == reasons.declined(mac=mac(1), address=A)
    assert d.world.leases[A] == lease(A, state="declined", expires=d.now + DECLINED)
    d.feed(discover())
    assert reply(d).yiaddr != A
    assert dict(d.world.lease_of) == dict(d.reload().lease_of)
    d.now += DECLINED
    d.feed(discover(2, requested=A))
    assert reply(d).yiaddr == A
    assert not d.world.declined_by


def declines(d: WorldRig, number: int = 1) -> str:
    """A client gets an address and declines it. Returns the address."""
    d.feed(discover(number))
    address = reply(d).yiaddr
    d.feed(request(number, requested=address, server_id=US))
    d.feed(asks(DhcpKind.DECLINE, number, requested=address))
    return address


def test_a_client_that_declines_again_and_again_is_named_and_takes_no_more_addresses() -> None:
    d = rig()
    taken = [declines(d) for _ in range(DECLINES)]
    assert len(set(taken)) == DECLINES
    for world in (d.world, d.reload()):  # also after a restart
        d.world = world
        again = declines(d)
        assert d.one(Ignore).reason == reasons.declines_again(mac=mac(1), address=again, count=DECLINES, seconds=DECLINED)
        assert again not in d.world.leases, "it is in the pool"
    declines(d, 2)
    assert d.one(Ignore).reason.code == "declined", "another client is believed"
    d.now += DECLINED + 1
    declines(d)
    assert d.one(Ignore).reason.code == "declined"
    assert dict(d.world.declined_by) == dict(d.reload().declined_by)


def test_declines_do_not_empty_the_pool() -> None:
    """Every address was declined, by clients with invented MACs. The oldest is given out again."""
    d = rig(ranges={"dhcp": Range(first="10.0.0.21", last="10.0.0.24")})
    first, *_ = [declines(d, number) for number in range(1, 5)]
    assert {one.state for one in d.world.leases.values()} == {"declined"}
    d.now += 1
    d.feed(discover(9))
    assert reply(d).yiaddr in {f"10.0.0.{i}" for i in range(21, 25)}
    assert first


def test_offers_to_strangers_do_not_empty_the_pool() -> None:
    d = rig(ranges={"dhcp": Range(first="10.0.0.21", last="10.0.0.22")})
    d.server("n8", runs="")
    d.feed(discover(8))
    known = reply(d).yiaddr
    d.feed(discover(1))
    offered = reply(d).yiaddr
    d.feed(discover(2))
    assert d.one(Ignore).reason.code == "pool_empty", "the first stranger has time to take it"
    d.now += FRESH
    d.feed(discover(2))
    assert reply(d).yiaddr == offered
    d.now += FRESH
    d.feed(discover(3))
    assert reply(d).yiaddr == offered, "and a node keeps its offer"
    assert d.world.leases[known].mac == mac(8)


@pytest.mark.parametrize("kind", [DhcpKind.DECLINE, DhcpKind.RELEASE])
def test_nobody_gives_back_what_another_has(kind: DhcpKind) -> None:
    d = rig(lease(A, 2))
    d.feed(asks(kind, requested=A, ciaddr=A))
    assert d.world.leases[A] == lease(A, 2)


@pytest.mark.parametrize(
    "event", [asks(DhcpKind.DECLINE, requested=A, server_id=US), asks(DhcpKind.RELEASE, ciaddr=A), request(requested=B)]
)
@pytest.mark.parametrize("works", [True, False])
def test_a_packet_in_a_node_s_name_does_not_take_its_address_away_while_it_works_there(event: DhcpAsked, works: bool) -> None:
    d = rig(lease(A))
    d.server(address=A, alive=works)
    d.feed(event)
    assert (d.world.leases.get(A) == lease(A)) is works
    assert bool(d.all(Ignore)) is works or event.request.kind is DhcpKind.DECLINE


def test_release_is_silent_and_frees() -> None:
    d = rig(lease(A))
    d.feed(asks(DhcpKind.RELEASE, ciaddr=A))
    assert d.effects == []
    assert not d.world.leases
    assert not d.world.lease_of


def test_inform_is_answered_without_a_lease() -> None:
    d = rig()
    d.feed(asks(DhcpKind.INFORM, ciaddr="10.0.0.77", vendor_class="udhcp 1.35", arch=None, user_class=("iPXE",)))
    assert (reply(d).kind, reply(d).yiaddr, reply(d).lease_s) == (DhcpKind.ACK, "", 0)
    assert not d.world.leases


def test_a_pool_that_is_used_up_says_so_and_gives_out_again_what_ran_out() -> None:
    d = rig(ranges={"dhcp": Range(first="10.0.0.21", last="10.0.0.22")})
    d.feed(discover(1), discover(2))
    given = {e.reply.yiaddr for e in d.all(SendDhcp)}
    assert given == {"10.0.0.21", "10.0.0.22"}
    d.feed(discover(3))
    assert not d.all(SendDhcp)
    assert d.one(Ignore).reason == reasons.pool_empty(range="dhcp", network="admin", size=2)
    d.now += OFFER + 1
    d.feed(discover(3))
    assert reply(d).yiaddr in given


def test_a_full_pool_is_searched_once_and_not_by_each_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a lease in it ends or is given back, also by another batch."""
    looked: list[str] = []
    pool = Range(first=A, last=B)
    d = rig(lease(A, 1), lease(B, 2, expires=200.0), ranges={"dhcp": pool})
    monkeypatch.setattr(type(pool), "__len__", lambda _self: looked.append("") or 2)
    for number in range(3, 9):
        d.feed(discover(number))
        assert not [e for e in d.effects if isinstance(e, SendDhcp)]
    assert len(looked) == 1 + 6, "once to search, and in each refusal"
    d.feed(asks(DhcpKind.RELEASE, 1, ciaddr=A))
    d.feed(discover(9))
    assert reply(d).yiaddr == A
    d.feed(discover(10))
    assert not d.all(SendDhcp)
    d.now += OFFER + 1
    d.feed(discover(10))
    assert reply(d).yiaddr == A, "an offer that was not taken has ended"


def over_the_wire(kind: DhcpKind, client: str, **fields: Any) -> DhcpAsked:
    """As the DHCP service reads it from the packet."""
    packet = encode_request(DhcpRequest(kind=kind, xid=7, mac=client, vendor_class=PXE, arch=0, **fields))
    return DhcpAsked(request=decode(packet), interface="eth1")


def takes(d: WorldRig, client: str) -> str:
    """DISCOVER and REQUEST. Returns the address; empty: it got none."""
    d.feed(over_the_wire(DhcpKind.DISCOVER, client))
    if not d.all(SendDhcp):
        assert d.one(Ignore).reason.code == "pool_empty"
        return ""
    d.feed(over_the_wire(DhcpKind.REQUEST, client, requested=reply(d).yiaddr, server_id=US))
    assert decode_reply(encode(reply(d))).kind is DhcpKind.ACK
    return reply(d).yiaddr


PLANNED, BMC, SWITCH = "52:54:00:00:77:01", "52:54:00:00:77:02", "52:54:00:00:77:03"


def invented(number: int) -> str:
    return f"06:00:00:00:{number >> 8:02x}:{number & 255:02x}"


def test_a_pool_that_invented_machines_took_serves_new_machines_after_minutes_and_known_ones_keep_their_addresses() -> None:
    d = rig(ranges={"dhcp": Range(first="10.0.1.1", last="10.0.1.250")})
    d.feed(Commit(who="test", plan=replace(d.world.plan, rules=(Rule(match={"mac": PLANNED}),))))
    d.server("n1")
    d.put(Node(id=f"sw-{SWITCH.replace(':', '')}", name="tor1", kind=Kind.DEVICE))
    mine = {client: takes(d, client) for client in (mac(1), PLANNED, BMC, SWITCH)}
    d.change("n1", bmc=Bmc(address=mine[BMC], mac=BMC))
    assert takes(d, BMC) == mine[BMC], "it renews, and is a node's BMC now"
    theirs = [takes(d, invented(number)) for number in range(250)]
    assert len({address for address in theirs if address}) == 246, "all that is left"
    assert takes(d, mac(2)) == ""
    d.now += STRANGER + 1
    new = {mac(number): takes(d, mac(number)) for number in range(2, 200)}
    assert all(new.values())
    assert not {*new.values()} & {*mine.values()}
    again = {client: takes(d, client) for client in mine}
    assert again == mine


def test_a_machine_that_becomes_a_node_keeps_its_address_for_as_long_as_a_node() -> None:
    d = rig()
    address = takes(d, mac(1))
    d.feed(replace(script(), address=address), hello(address=address))
    assert d.node().macs == (mac(1),)
    assert d.world.leases[address].expires == d.now + LEASE


def test_what_another_server_leased_to_a_stranger_is_forgotten_with_it() -> None:
    """Else invented machines fill the table of leases beside another DHCP server."""
    d = rig(dhcp="proxy", ranges={})
    for number in range(2 * AT_ONCE):
        d.feed(over_the_wire(DhcpKind.DISCOVER, invented(number)))
        d.feed(over_the_wire(DhcpKind.REQUEST, invented(number), requested=f"10.0.1.{number}", server_id="10.0.0.9"))
    assert len(d.world.leases) == 2 * AT_ONCE
    d.now += GONE_S + SLOT_S
    d.feed(Tick(subjects=(EVERYBODY,)))
    assert not d.world.sightings
    assert not d.world.leases


def test_a_fixed_address_is_not_given_away() -> None:
    d = rig(ranges={"dhcp": Range(first="10.0.0.21", last="10.0.0.22")})
    d.put(Allocation(address="10.0.0.21", network="admin", range="host", node="n9"))
    d.feed(discover(1))
    assert reply(d).yiaddr == "10.0.0.22"
    d.feed(discover(2))
    assert d.one(Ignore).reason.code == "pool_empty"


def test_a_machine_has_one_lease_at_a_time() -> None:
    d = rig(lease(A))
    d.feed(request(requested=B))
    assert set(d.world.leases) == {B}
    assert dict(d.world.lease_of) == dict(d.reload().lease_of)


def test_an_interface_that_no_network_is_served_on() -> None:
    d = rig()
    d.feed(discover(giaddr="172.16.0.1"))
    assert d.one(Ignore).reason == reasons.no_pool(interface="eth1")
    d = rig(ranges={"host": ADMIN.ranges["host"]})
    d.feed(discover())
    assert d.one(Ignore).reason == reasons.no_pool(interface="eth1")


@pytest.mark.parametrize(
    ("vendor", "known", "strangers", "served"),
    [
        (PXE, False, "ignore", True),
        ("HTTPClient:Arch:00016:UNDI:003001", False, "ignore", True),
        ("udhcp 1.35", False, "ignore", False),
        ("udhcp 1.35", False, "lease", True),
        ("", False, "ignore", False),
        ("udhcp 1.35", True, "ignore", True),
        ("iDRAC", False, "ignore", True),
        ("CPQRIB3", False, "ignore", True),
        ("cumulus-linux x86_64", False, "ignore", True),
        ("MSFT 5.0", False, "ignore", False),
    ],
)
def test_who_is_served(vendor: str, known: bool, strangers: Any, served: bool) -> None:
    d = rig(strangers=strangers)
    if known:
        d.server(runs="")
    d.feed(discover(vendor_class=vendor, arch=None))
    assert len(d.all(SendDhcp)) == served
    if not served:
        assert d.one(Ignore).reason.code == "stranger"
        assert not d.world.leases
    elif not vendor.startswith(("PXE", "HTTP")):
        assert reply(d).filename == "", "only what boots from the network is told to"


@pytest.mark.parametrize(
    ("vendor", "arch", "user", "file", "tells"),
    [
        ("PXEClient:Arch:00000", 0, (), "undionly.kpxe", "PXEClient"),
        ("PXEClient:Arch:00007", 7, (), "snponly.efi", "PXEClient"),
        ("PXEClient:Arch:00009", 9, (), "snponly.efi", "PXEClient"),
        ("PXEClient:Arch:00011", 11, (), "snponly-arm64.efi", "PXEClient"),
        ("PXEClient", None, (), "undionly.kpxe", "PXEClient"),
        ("HTTPClient:Arch:00016", 16, (), "http://10.0.0.1/image/loader/snponly.efi", "HTTPClient"),
        ("HTTPClient:Arch:00019", 19, (), "http://10.0.0.1/image/loader/snponly-arm64.efi", "HTTPClient"),
        ("PXEClient:Arch:00007", 7, ("iPXE",), "http://10.0.0.1/boot/script?mac=52:54:00:00:00:01", ""),
    ],
)
def test_what_is_loaded(vendor: str, arch: int | None, user: tuple[str, ...], file: str, tells: str) -> None:
    d = rig()
    d.feed(discover(vendor_class=vendor, arch=arch, user_class=user))
    got = reply(d)
    assert (got.filename, got.vendor_class, got.siaddr) == (file, tells, US)
    assert (got.tftp_server == US) is (tells == "PXEClient")


def test_a_banned_machine_is_not_answered() -> None:
    d = rig()
    d.feed(discover())
    d.put(replace(d.world.sightings[mac(1)], banned=True))
    d.feed(discover())
    assert not d.all(SendDhcp)
    assert d.one(Ignore).reason == reasons.banned(mac=mac(1))


def test_ipxe_in_the_rom_is_a_boot_too() -> None:
    """Some machines have iPXE in the ROM: no other one asks before it."""
    d = rig()
    d.feed(discover(user_class=("iPXE",)))
    assert d.world.sightings[mac(1)].boot is not None
    assert d.world.sightings[mac(1)].kind == "ipxe"


def test_the_kernel_of_a_machine_that_boots_for_the_first_time_is_served() -> None:
    d = rig(strangers="ignore")
    d.feed(discover(vendor_class=PXE))
    offered = reply(d).yiaddr
    d.feed(discover(vendor_class="udhcp 1.35", arch=None))
    assert reply(d).yiaddr == offered


def test_a_relay_tells_where_a_bmc_is_plugged_in() -> None:
    """Option 82: the circuit id is the port, the remote id the switch. It is kept when a later request comes without."""
    d = rig()
    relay = (bytes([1, 2]) + b"10" + bytes([2, 4]) + b"mgmt").hex()
    d.feed(discover(1, vendor_class="iDRAC", arch=None, relay=relay))
    assert (d.world.sightings[mac(1)].kind, d.world.sightings[mac(1)].port) == ("bmc", "mgmt:10")
    d.feed(discover(1, vendor_class="iDRAC", arch=None))
    assert d.world.sightings[mac(1)].port == "mgmt:10"
