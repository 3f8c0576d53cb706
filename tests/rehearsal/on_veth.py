"""Run in the outer namespace of a rack: brings its one machine from power off to its installed system, on real addresses and ports.

Prints one JSON line with what was seen.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from fake_admin import FakeAdmin, install_attributes

from engine import racks as rehearsal


async def main(folder: str) -> dict[str, Any]:
    rack = await asyncio.to_thread(rehearsal.connect, folder)
    async with FakeAdmin(None) as admin:
        await asyncio.to_thread(rack.press)
        node = (await admin.hello())["node"]
        installed = await admin.run(node, "a.1", "os-install", "os-install", install_attributes())
        assert installed["exit"] == 0, installed
        admin.order(node, do="kexec")
        second = await admin.hello(2)
        return {
            "giaddr": sorted({request.giaddr for request in admin.requests}),
            "peers": sorted({peer for _, peer in admin.peers}),
            "leases": admin.leases,
            "exit": installed["exit"],
            "environment": second["environment"],
            "wipes": sum(row["wipes"] for row in await asyncio.to_thread(rack.disks)),
            "message": installed["message"],
            "ssh": await banner("192.168.124.81", 22),
        }


async def banner(address: str, port: int) -> str:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 60)
    try:
        return (await asyncio.wait_for(reader.readline(), 60)).decode().strip()
    finally:
        writer.close()


print(json.dumps(asyncio.run(asyncio.wait_for(main(sys.argv[1]), 120))))
