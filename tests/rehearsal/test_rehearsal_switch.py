"""A delegate on the admin node acts on a switch of a simulated rack: jig `device`, with the real `attempt` tool and a real client."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "jigs"))

from jig_orders import Inbox, order, role_folder

from engine.jigs.local import ATTEMPT, LocalJig
from engine.jigs.logs import Logs
from engine.racks.simulated.rack import SimulatedRack
from engine.racks.simulated.spec import SimulatedRackSpec
from engine.rehearsal.session import _free_lane as free_lane
from engine.wire.reach import Reach

needs_curl = pytest.mark.skipif(not ATTEMPT.exists() or shutil.which("curl") is None, reason="needs curl")

DELEGATE = """\
address=$(attribute device/address) || exit 1
put() { curl -sf -X PUT --data "{\\"vlan\\": $2}" "http://$address/ports/$1"; }
attribute -l vlans | while read -r path vlan; do put "${path#vlans/}" "$vlan" || exit 7; done || exit 7
printf '{"ports":%s}' "$(curl -sf "http://$address/ports")" >"$CROWBAR_GIVES"
"""
"""Sets the VLAN of each port, and reports what the switch says then."""


async def ask(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


def rack_of(tmp_path: Path) -> tuple[SimulatedRack, tuple[str, int]]:
    lane = free_lane("192.168.124.10", str(tmp_path))
    rack = SimulatedRack(tmp_path / "rack", SimulatedRackSpec(lane=lane, switches={"tor1": "192.168.125.250"}))
    return rack, Reach(lane)("192.168.125.250", 80)


@needs_curl
def test_a_delegate_sets_ports_of_a_switch_and_reads_them_back(tmp_path: Path) -> None:
    async def work() -> None:
        inbox = Inbox()
        jig = LocalJig(inbox, Logs(tmp_path / "logs"), tmp_path / "device")
        folder = role_folder(tmp_path / "role", DELEGATE)

        def start(attempt: str, vlans: dict[str, object]) -> None:
            about = {"name": "tor1", "id": "sw-5254ff000001", "address": f"{host}:{port}"}
            jig.start(order(attempt, folder=folder, node="sw-5254ff000001", gives=("ports",), attributes={"device": about, "vlans": vlans}))

        for attempt in ("ab-1.0", "ab-2.0"):  # the second time by another process of the rack: what was set stays
            rack, (host, port) = rack_of(tmp_path)
            await rack.start()
            try:
                start(attempt, {"swp3": 12, "swp4": 13} if attempt == "ab-1.0" else {"swp4": 14})
                got = (await asyncio.to_thread(inbox.wait, 1 if attempt == "ab-1.0" else 2))[-1]
            finally:
                await rack.close()
            assert got.what == "done", got
        assert got.gives == {"ports": {"swp3": {"vlan": 12}, "swp4": {"vlan": 14}}}
        jig.close()

    asyncio.run(asyncio.wait_for(work(), 120))


def test_what_is_no_request_changes_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        rack, (host, port) = rack_of(tmp_path)
        await rack.start()
        try:
            for body in (b'{"vlan": 0}', b'{"vlan": "1"}', b'{"vlan": true}', b"[]", b"{", b"\xff"):
                said = await ask(host, port, b"PUT /ports/swp1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                assert said.startswith(b"HTTP/1.1 400 "), body
            for request in (
                b"junk\r\n\r\n",
                b"GET /etc/passwd HTTP/1.1\r\n\r\n",
                b'PUT /ports/../x HTTP/1.1\r\nContent-Length: 11\r\n\r\n{"vlan": 3}',
            ):
                assert (await ask(host, port, request))[9:12] in (b"400", b"404"), request
            assert b" 400 " in await ask(host, port, b"GET /ports HTTP/1.1\r\nContent-Length: 999999\r\n\r\n")
            assert (await ask(host, port, b"GET /ports HTTP/1.1\r\n\r\n")).endswith(b"{}")
            assert rack.counters.all()["switch-refused"] >= 7
        finally:
            await rack.close()

    asyncio.run(asyncio.wait_for(work(), 120))
