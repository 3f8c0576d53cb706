"""100,000 mutated packets for each protocol: each is read or refused with one of the known reasons, and what was read is bounded."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from mutate import mutations

from engine.core.boot.strangers import SIGHTINGS
from engine.core.step import step
from engine.core.world.work import Work
from engine.core.world.world import World
from engine.effects import Ignore, SendDhcp
from engine.events import Commit, DhcpAsked, Happened, Started
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.serve.bodies import GIVES_BYTES, BadBody, ByeBody, HelloBody, ProgressBody, ResultBody, parse, parse_gives, parse_mac
from engine.serve.http_images import names_tag, ranged
from engine.serve.routes import find
from engine.wire import dhcp, lldp, tftp
from engine.wire.dhcp import DhcpKind, DhcpRequest
from engine.wire.faults import DHCP_LOST
from engine.wire.lldp import ChassisKind, LldpNeighbour, PortKind
from engine.wire.malformed import Malformed
from engine.wire.tftp_transfer import Transfer, TransferState

MANY = 100_000
DHCP_REASONS = set(DHCP_LOST)
PLAN = """crowbar: 1
site: {name: a, admin: {address: 192.168.124.10}}
networks: {admin: {subnet: 192.168.124.0/24, ranges: {dhcp: 192.168.124.21-192.168.124.80}, strangers: lease}}
deployments: {}
"""


def dhcp_seeds() -> list[bytes]:
    rom = {
        "vendor_class": "PXEClient:Arch:00007:UNDI:003016",
        "arch": 7,
        "uuid": "4c4c4544-0042-3510-8052-b4c04f4e3432",
        "parameters": (1, 3, 6, 66, 67),
    }
    out = []
    for i, kind in enumerate((DhcpKind.DISCOVER, DhcpKind.REQUEST, DhcpKind.DECLINE, DhcpKind.RELEASE, DhcpKind.INFORM)):
        mac = f"52:54:00:00:00:{i:02x}"
        out.append(dhcp.encode_request(DhcpRequest(kind=kind, xid=i, mac=mac, requested="192.168.124.30", **rom)))  # type: ignore[arg-type]
        out.append(dhcp.encode_request(DhcpRequest(kind=kind, xid=i, mac=mac, ciaddr="192.168.124.31", hostname="a", user_class=("iPXE",))))
        relayed = DhcpRequest(
            kind=kind, xid=i, mac=mac, giaddr="192.168.124.1", relay="0104deadbeef1300", server_id="192.168.124.10", client_id="01aa"
        )
        out.append(dhcp.encode_request(relayed))
    return out


def test_dhcp_packets_are_read_or_refused_and_what_is_read_can_be_decided() -> None:
    """Through the codec and the whole pure core: leases and sightings stay within their bounds, and every reply can be sent."""
    catalog = shipped()
    work = Work(World.new(catalog))
    step(work, Happened(1.0, 1.0, Started(installation="abcd", admin="admin")))
    step(work, Happened(1.0, 1.0, Commit(who="test", plan=read(PLAN, "plan.yml", catalog))))
    work.effects.clear()
    counted: Counter[str] = Counter()
    for number, packet in enumerate(mutations(dhcp_seeds(), MANY, seed=1)):
        try:
            request = dhcp.decode(packet, ("192.168.124.1", 67))
        except Malformed as refused:
            counted[refused.reason] += 1
            continue
        step(work, Happened(1.7e9 + number, 2.0 + number / 1000, DhcpAsked(request=request, interface="eth0")))
        for effect in work.effects:
            if isinstance(effect, SendDhcp):
                assert 300 <= len(dhcp.encode(effect.reply)) <= 1472
                counted["answered"] += 1
            else:
                assert isinstance(effect, Ignore)
                counted["ignored"] += 1
        work.effects.clear()
        counted["read"] += 1
        if number % 1000 == 0:
            work.wakes.clear()
            work = Work(work.finish())
    world = work.finish()
    assert len(world.leases) <= 60
    assert len(world.sightings) <= SIGHTINGS
    assert counted.keys() - {"read", "answered", "ignored"} <= DHCP_REASONS
    assert min(counted["read"], counted["answered"], counted["ignored"]) > 1000
    assert counted["read"] + sum(counted[reason] for reason in DHCP_REASONS) == MANY


def test_tftp_packets_are_read_or_refused_and_move_no_transfer_where_it_may_not_go() -> None:
    seeds = [
        tftp.encode(tftp.Read(filename="undionly.kpxe", mode="octet", blksize=1468, tsize=0, windowsize=16)),
        tftp.encode(tftp.Read(filename="undionly.kpxe", mode="octet")),
        tftp.encode(tftp.Write(filename="x", mode="octet")),
        tftp.data(1, b"x" * 512),
        tftp.ack(1),
        tftp.ack(65535),
        tftp.encode(tftp.Error(code=1, message="no")),
        tftp.encode(tftp.Oack(blksize=1468, tsize=7)),
    ]
    body = bytes(300_000)
    counted: Counter[str] = Counter()
    transfer, sent = Transfer(tftp.Read(filename="x", mode="octet", windowsize=4), body), 0
    transfer.start(0.0)
    for number, packet in enumerate(mutations(seeds, MANY, seed=2)):
        try:
            said = tftp.decode(packet)
        except Malformed as refused:
            counted[refused.reason] += 1
        else:
            counted[type(said).__name__] += 1
            if isinstance(said, tftp.Read):
                assert "\0" not in said.filename
        out = transfer.receive(packet, number / 1000)
        assert len(out) <= 4, "never more than a window for one packet"
        sent += sum(map(len, out))
        if transfer.state is not TransferState.RUNNING:
            transfer = Transfer(tftp.Read(filename="x", mode="octet", windowsize=4), body)
            transfer.start(number / 1000)
    assert sum(counted.values()) == MANY
    assert counted["Read"] > 1000
    assert sent > 0


def test_lldp_frames_are_read_or_refused() -> None:
    kinds = [(ChassisKind.MAC, "52:54:00:00:00:01", PortKind.INTERFACE_NAME, "swp3"), (ChassisKind.LOCAL, "c", PortKind.LOCAL, "7")]
    seeds = [
        lldp.encode_frame(
            LldpNeighbour(
                chassis_kind=ck,
                chassis_id=c,
                port_kind=pk,
                port_id=p,
                ttl_s=120,
                port_description="to n1",
                system_name="tor1",
                system_description="a switch",
                capabilities=("bridge",),
                management=("192.168.124.2",),
                vlan=7,
            ),
            from_mac=b"\x52\x54\0\0\0\1",
        )
        for ck, c, pk, p in kinds
    ]
    counted: Counter[str] = Counter()
    for frame in mutations(seeds, MANY, seed=3):
        try:
            found = lldp.decode_frame(frame)
        except Malformed as refused:
            counted[refused.reason] += 1
        else:
            counted["read"] += 1
            for text in (found.chassis_id, found.port_id, found.system_name, found.port_description, found.system_description):
                assert len(text) <= 1024
                assert text.isprintable() or not text
    assert sum(counted.values()) == MANY
    assert counted["read"] > 1000
    assert len(counted) > 3


def texts(seeds: Sequence[str], seed: int, many: int = MANY) -> list[str]:
    return [data.decode("latin-1") for data in mutations([s.encode("latin-1") for s in seeds], many, seed)]


def test_http_paths_and_headers_are_matched_or_refused() -> None:
    paths = [
        "/boot/script",
        "/image/sledgehammer/vmlinuz",
        "/image/loader/undionly.kpxe",
        "/agent/hello",
        "/agent/task/ab-1.0",
        "/agent/next",
    ]
    counted: Counter[str] = Counter()
    for path in texts(paths, 4):
        found = find(path)
        counted["matched" if found else "refused"] += 1
        for value in (found[1] if found else {}).values():
            assert value.isascii()
            assert not set(value) & set("/\\%\0\r\n "), "one plain segment"
            assert not value.startswith("."), "no segment that is . or .."
    assert counted["matched"] > 1000
    assert counted["refused"] > 10_000
    for header in texts(["bytes=0-99", "bytes=-5", "bytes=7-", "bytes=0-1,5-9", "bytes=18446744073709551616-"], 5):
        part = ranged(header, 1000)
        if isinstance(part, tuple):
            first, count = part
            assert 0 <= first < 1000
            assert 0 < count <= 1000 - first
    for text in texts(["52:54:00:aa:00:01", "52-54-00-aa-00-01", "525400aa0001"], 6):
        mac = parse_mac(text)
        assert mac is None or (len(mac) == 17 and set(mac) <= set("0123456789abcdef:"))
        names_tag(text, "a" * 64)


def test_agent_reports_are_typed_or_refused() -> None:
    said: list[Any] = [
        {
            "nonce": "n" * 32,
            "boot_id": "b-1",
            "environment": "sledgehammer",
            "uuid": "4c4c",
            "serial": "S1",
            "macs": ["52:54:00:aa:00:01"],
            "arch": "x86_64",
        },
        {"id": "ab-1.0", "percent": 40, "text": "half"},
        {
            "id": "ab-1.0",
            "exit": 0,
            "state": "ended",
            "message": "m",
            "log_tail": "x",
            "gives": {
                "disks": [{"name": "sda", "size": 10**12, "signature": ""}],
                "nics": [{"name": "eth0", "neighbours": [{"port": "swp1", "system": None}]}],
            },
        },
        {"reason": "stopping"},
    ]
    seeds = [json.dumps(one).encode() for one in said]
    kinds: tuple[Any, ...] = (HelloBody, ProgressBody, ResultBody, ByeBody)
    counted: Counter[str] = Counter()
    for number, body in enumerate(mutations(seeds, MANY, seed=7)):
        kind = kinds[number % 4]
        try:
            found = parse(kind, body)
            if isinstance(found, ResultBody):
                assert len(json.dumps(parse_gives(found.gives))) <= 8 * GIVES_BYTES
            if isinstance(found, HelloBody):
                assert len(found.macs) <= 64
                assert max(map(len, (found.boot_id, found.environment, found.serial))) <= 256
            counted[kind.__name__] += 1
        except BadBody as refused:
            counted["refused" if 0 < len(str(refused)) <= 220 else "no sentence"] += 1
    assert sum(counted.values()) == MANY
    assert not counted["no sentence"]
    assert min(counted[kind.__name__] for kind in kinds) > 100
    assert counted["refused"] > 10_000


@pytest.fixture(autouse=True)
def _quick() -> Any:
    """Reading 100,000 mutated packets is a matter of seconds of processor; a decoder that takes long for a short packet is a way in, too."""
    before = time.process_time()
    yield
    assert time.process_time() - before < 20
