"""Proxy DHCP on real ports: what a boot ROM receives on ports 67 and 4011, and that no other client receives anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from net_lab import ADMIN, HERE, EngineProcess, Lab, plan_text, why_no_lab

WHY_NOT = why_no_lab()
pytestmark = [pytest.mark.net, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]

PLAN = plan_text("ignore").replace("ranges: {dhcp: 192.168.124.21-192.168.124.80}, strangers: ignore", "dhcp: proxy")
MINE = "192.168.124.77"
CLIENT = """
import json, socket, sys
from msgspec import to_builtins
from engine.wire.dhcp import DhcpKind, DhcpRequest, decode_reply, encode_request

asked = json.loads(sys.argv[1])
port, source = asked.pop("port"), asked.pop("source")
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
sock.setsockopt(socket.SOL_SOCKET, 25, b"c0\\0")  # SO_BINDTODEVICE
sock.bind(("", source))
sock.settimeout(asked.pop("wait"))
request = DhcpRequest(kind=DhcpKind[asked.pop("kind")], xid=77, **{k: tuple(v) if isinstance(v, list) else v for k, v in asked.items()})
sock.sendto(encode_request(request), (asked.get("to", "255.255.255.255") if port == 67 else "ENGINE", port))
try:
    data, peer = sock.recvfrom(2000)
except TimeoutError:
    print("null")
else:
    print(json.dumps({"peer": peer, **to_builtins(decode_reply(data))}))
""".replace("ENGINE", ADMIN)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab("rom") as lab:
        engine = EngineProcess(lab, tmp_path_factory.mktemp("proxy") / "store", PLAN)
        lab.run("rom", "ip", "address", "add", f"{MINE}/24", "dev", "c0")
        yield lab
        engine.stop()


def ask(lab: Lab, port: int = 67, source: int = 68, wait: float = 20.0, **fields: Any) -> Any:
    said = {"mac": lab.mac("rom"), "kind": "DISCOVER", "vendor_class": "PXEClient:Arch:00007:UNDI:003016", "arch": 7, **fields}
    words = (sys.executable, "-c", CLIENT, json.dumps({"port": port, "source": source, "wait": wait, **said}))
    return json.loads(lab.run("rom", *words, cwd=str(Path(HERE).parents[1])).stdout)


def test_an_offer_without_an_address(lab: Lab) -> None:
    offer = ask(lab)
    assert (offer["kind"], offer["yiaddr"], offer["filename"], offer["server_id"]) == (2, "", "snponly.efi", ADMIN)
    assert offer["peer"] == [ADMIN, 67]


@pytest.mark.parametrize("source", [68, 4011])
def test_4011_answers_to_the_port_that_asked(lab: Lab, source: int) -> None:
    ack = ask(lab, port=4011, source=source, kind="REQUEST", ciaddr=MINE)
    assert (ack["kind"], ack["yiaddr"], ack["filename"], ack["siaddr"]) == (5, "", "snponly.efi", ADMIN)
    assert ack["peer"] == [ADMIN, 4011]


def test_who_is_no_boot_rom_hears_nothing(lab: Lab) -> None:
    assert ask(lab, vendor_class="udhcp 1.35", wait=1.0) is None
    assert ask(lab, vendor_class="udhcp 1.35", kind="REQUEST", requested="192.168.124.99", wait=1.0) is None
