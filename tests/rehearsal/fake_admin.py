"""A small admin node for tests of the simulated rack: DHCP by the wire codec, the real TFTP service, HTTP with the agent's contract.

It decides nothing: a test says what each machine boots and what its agent shall do, and awaits what came.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import secrets
import socket
import tarfile
from collections import defaultdict
from typing import Any

from aiohttp import web

from engine.racks import SimulatedRackSpec
from engine.serve.tftp import Refusal, TftpFile, TftpService
from engine.wire import dhcp
from engine.wire.reach import Reach

ADMIN = "192.168.124.10"
LOADER = os.urandom(1024 * 1024 + 123)
IMAGE = os.urandom(20 * 1024 * 1024)
IMAGE_SHA = hashlib.sha256(IMAGE).hexdigest()
URL = f"http://{ADMIN}"
DEADLINE_S = 60.0


def free_lane() -> int:
    """A lane that nobody uses: tests of several sessions run on one machine."""
    for i in range(150):
        lane = 100 + (os.getpid() + i) % 150
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((f"127.{lane}.124.1", 20067))
            except OSError:
                continue
            return lane
    raise AssertionError("no lane is free")


def rack_spec(lane: int, **more: Any) -> SimulatedRackSpec:
    return SimulatedRackSpec(**{"nodes": 1, "seed": 7, "speed": "max", "lane": lane, **more})


class FakeAdmin:
    """`async with FakeAdmin(lane) as admin`. All in the running loop."""

    def __init__(self, lane: int | None) -> None:
        """Lane None: real addresses, on the interface that leads to a rack with namespaces."""
        self.lane = lane
        self.reach = Reach(lane, ["192.168.124.0/24", "192.168.125.0/24"])
        self.boots: dict[str, str] = defaultdict(lambda: "sledgehammer")
        """MAC -> `sledgehammer`, `disk`, or `silent`."""
        self.leases: dict[str, str] = {}
        self.requests: list[dhcp.DhcpRequest] = []
        self.hellos: list[dict[str, Any]] = []
        self.byes: list[dict[str, Any]] = []
        self.peers: list[tuple[str, str]] = []
        """(path, address) of each call."""
        self.loaded: list[tuple[str, int, bool]] = []
        self.results: list[dict[str, Any]] = []
        self.logs: dict[str, bytes] = defaultdict(bytes)
        self.tasks: dict[str, bytes] = {}
        self.acknowledge = True
        self.task_fetches: list[str] = []
        self._tokens: dict[str, str] = {}
        self._orders: dict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._changed = asyncio.Condition()
        self._nonces: dict[str, str] = {}

    async def __aenter__(self) -> FakeAdmin:
        loop = asyncio.get_running_loop()
        self._dhcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._dhcp.setblocking(False)
        if self.lane is None:
            self._dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            self._dhcp.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"crowbar0\0")
        self._dhcp.bind(("0.0.0.0", 67) if self.lane is None else self.reach(ADMIN, 67))
        loop.add_reader(self._dhcp, self._on_dhcp)
        self._tftp = TftpService(
            bind=self.reach(ADMIN, 69),
            resolve=lambda name, peer: TftpFile(body=LOADER) if name in ("bios", "efi") else Refusal(),
            fetched=lambda peer, name, octets, seconds, ok: self.loaded.append((self.reach.back(peer), octets, ok)),
        )
        self._tftp.start()
        await self.open_http()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close_http()
        asyncio.get_running_loop().remove_reader(self._dhcp)
        self._dhcp.close()
        await asyncio.to_thread(self._tftp.stop)

    async def open_http(self) -> None:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_get("/boot/script", self._script)
        app.router.add_get("/image/{name}/{file}", self._image)
        app.router.add_post("/agent/hello", self._hello)
        app.router.add_get("/agent/next", self._next)
        app.router.add_get("/agent/task/{id}", self._task)
        app.router.add_post("/agent/{what}", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, *self.reach(ADMIN, 80), reuse_address=True).start()

    async def close_http(self) -> None:
        await self._runner.cleanup()

    # -- for tests ------------------------------------------------------------------------------------------------

    async def until(self, so: Any, seconds: float = DEADLINE_S) -> None:
        """Waits until `so()` is true; something that a machine did wakes it."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(so)

    async def hello(self, number: int = 1) -> dict[str, Any]:
        """The hello of that number."""
        await self.until(lambda: len(self.hellos) >= number)
        return self.hellos[number - 1]

    def order(self, node: str, **order: Any) -> None:
        # For the newest boot: the long poll of one that lost its power must not take it
        self._orders[[one["token"] for one in self.hellos if one["node"] == node][-1]].put_nowait(order)

    def put_task(self, id: str, barclamp: str, role: str, attributes: Any, action: str = "run") -> bytes:
        self.tasks[id] = tar = task_tar(barclamp, role, attributes, action, id)
        return tar

    async def run(self, node: str, id: str, barclamp: str, role: str, attributes: Any = None, action: str = "run") -> Any:
        """Orders a role by the agent and awaits its result."""
        self.put_task(id, barclamp, role, attributes or {}, action)
        self.order(node, do="run", id=id, timeout=60)
        return await self.result(id)

    async def result(self, id: str) -> dict[str, Any]:
        def there() -> bool:
            return any(one["id"] == id and one["state"] == "ended" for one in self.results)

        await self.until(there)
        return next(one for one in self.results if one["id"] == id and one["state"] == "ended")

    async def _note(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- services -------------------------------------------------------------------------------------------------

    def _on_dhcp(self) -> None:
        while True:
            try:
                data, source = self._dhcp.recvfrom(4096)
            except BlockingIOError:
                return
            request = dhcp.decode(data, source)
            self.requests.append(request)
            if self.boots[request.mac] == "silent":
                continue
            address = self.leases.setdefault(request.mac, f"192.168.{124 - len(self.leases) // 200}.{21 + len(self.leases) % 200}")
            ipxe = "iPXE" in request.user_class
            if ipxe:
                filename = f"{URL}/boot/script?mac={request.mac}"
            else:
                filename = "efi" if request.arch == 7 else "bios"
            reply = dhcp.DhcpReply(
                kind=dhcp.DhcpKind.OFFER if request.kind is dhcp.DhcpKind.DISCOVER else dhcp.DhcpKind.ACK,
                to=dhcp.reply_to(request),
                yiaddr=address,
                siaddr=ADMIN,
                server_id=ADMIN,
                lease_s=600,
                mask="255.255.255.0",
                filename=filename,
                vendor_class="" if ipxe else "PXEClient",
            )
            to = self.reach(request.giaddr, 67) if request.giaddr else ("255.255.255.255", 68)
            self._dhcp.sendto(dhcp.encode(reply), to)

    def _peer(self, request: web.Request) -> str:
        assert request.remote is not None
        found = self.reach.back(request.remote)
        self.peers.append((request.path, found))
        return found

    async def _script(self, request: web.Request) -> web.Response:
        self._peer(request)
        mac = request.query["mac"]
        if self.boots[mac] == "disk":
            return web.Response(text="#!ipxe\necho to the disk\nexit\n")
        nonce = secrets.token_hex(16)
        self._nonces[nonce] = mac
        return web.Response(
            text="#!ipxe\nimgfree\n"
            f"kernel {URL}/image/sledgehammer/vmlinuz initrd=initrd.img BOOTIF=01-${{netX/mac:hexhyp}}"
            f" crowbar.url={URL} crowbar.environment=sledgehammer crowbar.nonce={nonce} || goto again\n"
            f"initrd --name initrd.img {URL}/image/sledgehammer/initrd.img || goto again\n"
            "boot || goto again\n\n:again\nsleep 10\n"
            f"chain --replace {URL}/boot/script?mac=${{netX/mac}}&uuid=${{uuid}} || goto again\n"
        )

    async def _image(self, request: web.Request) -> web.Response:
        self._peer(request)
        if request.match_info["name"] == "debian-12" and self._node(request) is None:
            return web.Response(status=401)
        return web.Response(body=IMAGE if request.match_info["name"] == "debian-12" else b"\0" * 300_000)

    def _node(self, request: web.Request) -> str | None:
        return self._tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))

    async def _hello(self, request: web.Request) -> web.Response:
        peer = self._peer(request)
        said = json.loads(await request.read())
        if "nonce" in said and self._nonces.get(said["nonce"]) not in said["macs"]:
            return web.json_response({"code": "nonce", "message": "unknown nonce"}, status=403)
        node, token = said["serial"], secrets.token_hex(8)
        self._tokens[token] = node
        self.hellos.append({**said, "node": node, "peer": peer, "token": token})
        await self._note()
        return web.json_response({"node": node, "token": token, "name": node.lower()})

    async def _next(self, request: web.Request) -> web.Response:
        if self._node(request) is None:
            return web.Response(status=401)
        token = request.headers["Authorization"].removeprefix("Bearer ")
        try:
            async with asyncio.timeout(5):
                return web.json_response(await self._orders[token].get())
        except TimeoutError:
            return web.Response(status=204)

    async def _task(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        self.task_fetches.append(id)
        if id not in self.tasks:
            return web.Response(status=404)
        return web.Response(body=self.tasks[id], content_type="application/x-tar")

    async def _post(self, request: web.Request) -> web.Response:
        self._peer(request)
        body = await request.read()
        match request.match_info["what"]:
            case "log":
                id, offset = request.query["id"], int(request.query["offset"])
                self.logs[id] = self.logs[id][:offset] + body
                return web.Response(status=204)
            case "result":
                self.results.append(json.loads(body))
                await self._note()
                return web.json_response({"acknowledged": self.acknowledge})
            case "bye":
                self.byes.append(json.loads(body))
                await self._note()
        return web.json_response({})


def task_tar(barclamp: str, role: str, attributes: Any, action: str, id: str) -> bytes:
    out = io.BytesIO()
    about = {"role": role, "barclamp": barclamp, "action": action, "attempt": id}
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("attributes.json", attributes), ("task.json", about), ("run", "#!/bin/sh")):
            text = json.dumps(data).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return out.getvalue()


def install_attributes(number: int = 81, key: str = "") -> dict[str, Any]:
    return {
        "target-os": "debian-12",
        "root-disk": "",
        "install-disk": {"name": "sda"},
        "hostname": f"node-{number}",
        "domain": "r07.example.net",
        "admin-network": {"address": f"192.168.124.{number}", "mask": "255.255.255.0", "router": ""},
        "engine-key": key,
        "engine-url": URL,
        "credential": "node.secret",
        "image": {
            "name": "debian-12",
            "url": f"{URL}/image/debian-12/root.ext4.zst",
            "sha256": IMAGE_SHA,
            "size": len(IMAGE),
        },
    }
