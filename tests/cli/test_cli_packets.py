"""`crowbar packets`, and drops in `crowbar status`, on a running engine."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from cli_store import Run, objects
from scapy.utils import rdpcap

import crowbar_tui.commands.packets as command
from crowbar_tui.commands.look import _health
from engine.attach.client import Attached
from engine.runtime.engine import Engine
from engine.wire.dhcp import DhcpKind, DhcpRequest, encode_request

STRANGER = "02:00:00:00:00:07"


def discover(mac: str, **fields: Any) -> bytes:
    return encode_request(
        DhcpRequest(kind=DhcpKind.DISCOVER, xid=7, mac=mac, vendor_class="PXEClient:Arch:00000:UNDI:002001", arch=0, **fields)
    )


def ask(engine: Engine, packet: bytes) -> None:
    """By the engine's own socket; returns when it has it in its ring."""
    before = engine.packets.ring.number
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(packet, engine.config.reach("10.0.0.1", 67))
        for _ in range(2000):
            if engine.packets.ring.number > before:
                return
            threading.Event().wait(0.01)
    raise AssertionError("the engine did not hear it")


@pytest.fixture()
def heard(engine: Engine) -> Engine:
    node = next(n for n in engine.world.nodes.values() if n.macs)
    ask(engine, discover(node.macs[0]))
    ask(engine, discover(STRANGER).replace(b"\x35\x01\x01", b"\x35\x01\x09"))
    ask(engine, discover(STRANGER)[:243] + b"\x39\x01\x05\xff")
    return engine


def test_packets_of_a_node_of_a_mac_and_of_all(heard: Engine, crowbar: Run) -> None:
    node = next(n for n in heard.world.nodes.values() if n.macs)
    code, out, _ = crowbar("packets", "--json")
    assert code == 0
    rows = [row for row in objects(out) if not row["out"]]
    assert [row["mac"] for row in rows] == [node.macs[0], STRANGER, STRANGER]
    assert rows[0]["words"] == "DISCOVER from a boot ROM (BIOS)"
    assert rows[1]["cause"] == "it says no message type of a client"
    assert rows[0]["layers"][0]["name"] == "BOOTP"
    for name in (node.name, node.id, node.macs[0].upper()):
        code, out, _ = crowbar("packets", name, "--json")
        assert (code, {row["mac"] for row in objects(out)}) == (0, {node.macs[0]})
    code, out, _ = crowbar("packets", STRANGER)
    assert code == 0
    assert "not answered: it says no message type of a client" in out
    code, out, _ = crowbar("packets", STRANGER, "--full")
    assert "option vendor_class_id" in out


def test_a_machine_that_nobody_knows_is_refused_and_one_that_was_silent_is_not(heard: Engine, crowbar: Run) -> None:
    code, _, err = crowbar("packets", "no-such-node")
    assert code == 1
    assert "there is no node, MAC or address no-such-node" in err
    code, out, _ = crowbar("packets", "52:54:00:99:99:99")
    assert (code, out) == (0, "the engine has received and sent no packet of 52:54:00:99:99:99 since it started\n")


@pytest.mark.parametrize("name", ["a.pcap", "a.pcapng"])
def test_a_capture_file(heard: Engine, crowbar: Run, tmp_path: Path, name: str) -> None:
    code, out, _ = crowbar("packets", STRANGER, "--pcap", str(tmp_path / name), "--json")
    assert code == 0
    assert objects(out)[0]["packets"] == len(rdpcap(str(tmp_path / name))) >= 2
    code, _, err = crowbar("packets", "--pcap", str(tmp_path / "no" / "such"))
    assert (code, "cannot write" in err) == (1, True)
    code, _, _ = crowbar("packets", "no-such-node", "--pcap", str(tmp_path / "none.pcap"))
    assert code == 1
    assert not (tmp_path / "none.pcap").exists()


def test_follow_gives_what_comes_and_nothing_twice(heard: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "POLL_S", 0.0)
    with Attached(heard.config.store) as attached:
        stream = command.batches(attached, STRANGER, follow=True)
        seen = [p.number for p in next(stream)]
        assert len(seen) >= 2
        ask(heard, discover(STRANGER, hostname="later"))
        for batch in stream:
            if any(not p.out and p.number > seen[-1] for p in batch):
                seen += [p.number for p in batch]
                break
    assert len(set(seen)) == len(seen)


def test_without_an_engine_it_says_so(crowbar: Run) -> None:
    code, _, err = crowbar("packets")
    assert code == 1
    assert "no engine runs on" in err


def test_status_and_health_tell_drops_by_cause(heard: Engine, crowbar: Run) -> None:
    code, out, _ = crowbar("status", "--json")
    lost, odd = json.loads(out)["drops"]
    assert (code, lost["cause"], lost["who"], lost["option"], lost["count"], lost["answered"]) == (0, "kind", STRANGER, 53, 1, False)
    assert (odd["cause"], odd["option"], odd["answered"]) == ("length", 57, True)
    code, out, _ = crowbar("status")
    assert f"1 DHCP packet dropped, the last of {STRANGER}: it says no message type of a client" in out
    health = heard._attach._host.health()
    assert health["drops_of"][STRANGER]["cause"] == "kind"
    assert health["counters"]["dhcp.lost.kind"] == 1
    assert health["counters"]["dhcp.odd.length"] == 1


def test_status_names_who_sends_too_much(heard: Engine, crowbar: Run) -> None:
    """With MAC and switch port, and what to do."""
    relay = (bytes([1, 4]) + b"swp9" + bytes([2, 4]) + b"tor1").hex()
    for _ in range(40):
        ask(heard, discover(STRANGER, giaddr="10.0.0.1", relay=relay))
    told = json.loads(crowbar("status", "--json")[1])
    (flood,) = told["floods"]
    assert (flood["what"], flood["source"], flood["who"], flood["port"]) == ("DHCP packets", "10.0.0.1", STRANGER, "tor1:swp9")
    assert flood["count"] > 10
    assert told["hushed"] == 0
    out = crowbar("status")[1]
    assert f"10.0.0.1 sent more DHCP packets than a stranger may: {flood['count']} were dropped, the last of {STRANGER}" in out
    assert "switch port tor1:swp9" in out


def test_status_of_a_store_without_an_engine_has_no_drops(store: Path, crowbar: Run) -> None:
    assert _health(store) == {}
    told = json.loads(crowbar("status", "--json")[1])
    assert (told["drops"], told["interface"], told["process"]) == ([], {}, {})


def test_hundreds_of_drops_make_no_journal_row(heard: Engine) -> None:
    for number in range(200):
        ask(heard, discover(f"02:00:00:00:01:{number:02x}").replace(b"\x35\x01\x01", b"\x35\x01\x09"))
    assert heard.packets.drops.causes()[0]["count"] >= 200
    with heard.reader() as reader:
        rows = list(reader.journal(0, 1000))
    assert rows
    assert not [row for row in rows if "02:00:00:00:01:" in str(row)]
