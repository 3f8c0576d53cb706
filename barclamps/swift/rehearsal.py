"""What the roles of `swift` do to a simulated machine: a small Swift, whose objects really lie on the devices that the rings name.

The decisions about rings and disks are those of real racks (`images/node/cloud`); `Builder` stands for Swift's own. Objects have one
name each, without accounts and containers: `PUT /v1/NAME` at the proxy. They are in the installed system of a storage node, so they are
lost with it. A real replicator works all the time. Here each run of `swift-servers` fetches what the rings say that this node keeps.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, Self

from engine.racks.simulated.http_side import Answer, Server, ask
from engine.racks.simulated.keeps import keeps
from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.nonvolatile import System

sys.path.append(str(files("images") / "node" / "cloud"))
rings = importlib.import_module("cloud_rings")
whose = importlib.import_module("cloud_disks")
Fault = importlib.import_module("cloud_api").Fault

RSYNC, OBJECTS, PROXY = 873, 6200, 8080
DEVICES = "/var/lib/crowbar-swift/devices.json"
RING = "/etc/swift/object.ring.gz"
HELD = "/srv/node"
"""File of a storage node -> device -> name of an object -> its content, base64."""
GIB = 1 << 30


# -- the builder --------------------------------------------------------------------------------------------------------


class Builder:
    """Swift's RingBuilder, as far as `cloud_rings.follow` knows it. A ring is its JSON."""

    def __init__(self, power: int, replicas: float) -> None:
        self.part_power, self.replicas, self.version = power, replicas, 0
        self.devs: list[dict[str, Any] | None] = []
        self.devs_changed = False
        self.table: list[list[int]] = []
        """Part -> ids of the devices that keep it."""
        self._gone: set[int] = set()
        self.min_part_seconds_left = 0

    @classmethod
    def load(cls, text: bytes) -> Self:
        found = json.loads(text)
        made = cls(found["power"], found["replicas"])
        made.version, made.devs, made.table = found["version"], found["devs"], found["table"]
        return made

    def dump(self) -> bytes:
        known = {"power": self.part_power, "replicas": self.replicas, "version": self.version, "devs": self.devs, "table": self.table}
        return json.dumps(known, sort_keys=True).encode()

    @property
    def parts(self) -> int:
        return 1 << self.part_power

    @property
    def _replica2part2dev(self) -> list[list[int]]:
        return [list(row) for row in zip(*self.table, strict=True)]

    def _change(self) -> None:
        self.devs_changed = True
        self.version += 1

    def add_dev(self, dev: dict[str, Any]) -> None:
        self.devs.append({**dev, "id": len(self.devs)})
        self._change()

    def remove_dev(self, number: int) -> None:
        self._gone.add(number)
        self._change()

    def set_dev_weight(self, number: int, weight: float) -> None:
        dev = self.devs[number]
        assert dev is not None
        dev["weight"] = weight
        self._change()

    def set_replicas(self, replicas: float) -> None:
        self.replicas = replicas
        self._change()

    def change_min_part_hours(self, hours: int) -> None:
        """Time does not pass in its rings."""

    def copy_from(self, other: Builder) -> None:
        self.__dict__.update(other.__dict__)

    def _shares(self) -> dict[int, float]:
        """Device -> copies that it shall keep."""
        live = {one["id"]: float(one["weight"]) for one in self.devs if one is not None and one["id"] not in self._gone}
        total = sum(live.values())
        return {number: weight / total * self.parts * int(self.replicas) for number, weight in live.items()}

    def get_balance(self) -> float:
        load = Counter(number for held in self.table for number in held)
        return max((abs(load[number] / share - 1) * 100 for number, share in self._shares().items()), default=0.0)

    def rebalance(self, seed: str) -> tuple[int, float, int]:
        """A copy whose device is gone is placed anew. Of other parts, one copy moves at most."""
        del seed
        shares = self._shares()
        at = {one["id"]: one["ip"] for one in self.devs if one is not None}
        table = [[number for number in held if number in shares] for held in self.table or [[]] * self.parts]
        load = Counter(number for held in table for number in held)

        def choose(held: Sequence[int]) -> int:
            """The emptiest device for one copy more, on another node if there is one."""
            here = {at[number] for number in held}
            return min((one for one in shares if one not in held), key=lambda one: (at[one] in here, load[one] / shares[one], one))

        moved = 0
        for held in table:
            before = set(held)
            while len(held) > int(self.replicas):
                load[held.pop()] -= 1
            while len(held) < int(self.replicas):
                held.append(one := choose(held))
                load[one] += 1
            if set(held) == before and len(shares) > len(held):
                full = max(held, key=lambda one: (load[one] / shares[one], one))
                one = choose([other for other in held if other != full])
                if one != full and one not in held and load[full] > shares[full] and load[one] < shares[one]:
                    held[held.index(full)] = one
                    load[full], load[one] = load[full] - 1, load[one] + 1
            moved += set(held) != before
        removed = len(self._gone)
        self.devs = [one if one is not None and one["id"] in shares else None for one in self.devs]
        self.table, self._gone, self.devs_changed = table, set(), False
        self.version += 1
        return moved, self.get_balance(), removed


class Home(NamedTuple):
    device: str
    address: str


@lru_cache(8)
def _ring(text: str) -> Builder:
    return Builder.load(rings.unpack(text)["object"])


def homes(ring: str, name: str) -> tuple[list[Home], list[Home]]:
    """Where an object belongs, and the other devices."""
    builder = _ring(ring)
    part = int.from_bytes(hashlib.md5(name.encode()).digest()[:4]) >> (32 - builder.part_power)
    known = {one["id"]: Home(one["device"], one["ip"]) for one in builder.devs if one is not None}
    first = [known[number] for number in builder.table[part]]
    return first, [one for one in known.values() if one not in first]


# -- roles -----------------------------------------------------------------------------------------------------------------


_rsync = keeps("rsync", "/etc/rsyncd.conf", RSYNC, 3.0, kind="swift-rsync")


async def swift_storage(machine: Machine, task: Task) -> Result:
    result, system = await _rsync(machine, task), machine.system
    if result.exit or system is None:
        return result
    try:
        devices = _devices(machine, task, system)
    except Fault as wrong:
        return Result(exit=1, message=str(wrong))
    if task.action == "verify":
        if system.files.get(DEVICES) != devices:
            return Result(exit=1, message="rsync shows other devices")
    else:
        system.files[DEVICES] = devices
        machine.save()
    return Result(gives={"swift-devices": devices})


def _devices(machine: Machine, task: Task, system: System) -> list[dict[str, Any]]:
    """Raises Fault."""
    disks = machine.listed(running=True)
    volumes = next((one["value"] for one in task.get("disks/volumes") or [] if one["node"].split(".")[0] == system.hostname), None)
    mine = whose.share(disks, volumes, task.get("swift-disks") or [], [])
    spare = [one for one in disks if mine.get(one["name"]) == whose.OBJECTS]
    devices = [{"name": _name("d", one["wwn"] or one["serial"]), "weight": max(1, int(one["size"]) // GIB)} for one in spare]
    return devices or [{"name": _name("f", machine.hardware.uuid), "weight": 1}]


def _name(kind: str, who: str) -> str:
    return kind + hashlib.sha256(who.encode()).hexdigest()[:10]


async def swift_rings(machine: Machine, task: Task) -> Result:
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed")
    await task.work(3.0)
    addresses = sorted(str(one["value"]["address"]) for one in task.get("swift/nodes") or [] if one.get("value"))
    answers: dict[str, Any] = {}
    for address in addresses:
        status, text = await ask(machine, "GET", address, RSYNC, "/devices.json")
        found = json.loads(text) if status == 200 else None
        answers[address] = None if found is None else [rings.Device(one["name"], address, float(one["weight"])) for one in found]
        if found is None:
            task.print(f"cloud: {address} does not show its devices")
    try:
        made, said = await asyncio.to_thread(_followed, task, system, answers)
    except Fault as wrong:
        return Result(exit=1, message=str(wrong))
    if task.action == "verify":
        due = said or [f"{_builder_file(kind)} is not there" for kind in made if _builder_file(kind) not in system.files]
        if due:
            return Result(exit=1, message=f"due: {due[0]}")
    else:
        for line in said:
            task.print(f"cloud: {line}")
        for kind, builder in made.items():
            system.files[_builder_file(kind)] = builder.dump().decode()
        machine.save()
    return Result(gives={"swift-ring": rings.pack({kind: builder.dump() for kind, builder in made.items()})})


def _builder_file(kind: str) -> str:
    return f"/etc/swift/{kind}.builder"


def _followed(task: Task, system: System, answers: dict[str, Any]) -> tuple[dict[str, Builder], list[str]]:
    """For each kind the builder as it shall be, and what changes in it. Raises Fault."""
    copies = min(task.get("swift-replicas"), sum(len(devices or ()) for devices in answers.values())) or 1
    out, said = {}, []
    for kind in rings.SERVERS:
        text = system.files.get(_builder_file(kind))
        builder = Builder.load(text.encode()) if text else Builder(task.get("swift-part-power"), copies)
        devices = rings.wanted(rings.devices_of(builder), answers)
        due = rings.follow(
            builder, kind, devices, task.get("swift-replicas"), task.get("swift-min-part-hours"), task.get("swift-accept-loss")
        )
        said += [f"{kind}: {line}" for line in due]
        out[kind] = builder
    return out, said


_servers = keeps("swift-object-server", "/etc/swift/object-server.conf", OBJECTS, 8.0, "swift-ring", kind="swift-object")
_proxy = keeps("swift-proxy-server", "/etc/swift/proxy-server.conf", PROXY, 8.0, "swift-ring", kind="swift-proxy")


async def swift_servers(machine: Machine, task: Task) -> Result:
    return await _with_ring(_servers, machine, task)


async def swift_proxy(machine: Machine, task: Task) -> Result:
    return await _with_ring(_proxy, machine, task)


async def _with_ring(service: Behaviour, machine: Machine, task: Task) -> Result:
    if task.action != "verify" and machine.system is not None:
        machine.system.files[RING] = task.get("swift-ring")
    result = await service(machine, task)
    if not result.exit and task.action != "verify" and service is _servers:
        task.print(f"cloud: {await replicate(machine)} objects came from other nodes")
    return result


# -- objects ---------------------------------------------------------------------------------------------------------------


def _held(system: System) -> dict[str, dict[str, str]]:
    """The objects of each device of this node."""
    held: dict[str, dict[str, str]] = system.files.setdefault(HELD, {})
    for one in system.files.get(DEVICES) or []:
        held.setdefault(one["name"], {})
    return held


async def replicate(machine: Machine) -> int:
    """Fetches the objects that the rings say that this node keeps, from whoever has them. Returns how many. What belongs elsewhere goes
    when all devices that shall keep it have it."""
    system = machine.system
    assert system is not None
    ring, held = str(system.files[RING]), _held(system)
    others = {Home(one["device"], one["ip"]) for one in _ring(ring).devs if one is not None and one["device"] not in held}
    came = 0
    for other in sorted(others):
        status, listed = await ask(machine, "GET", other.address, OBJECTS, f"/{other.device}")
        for name in json.loads(listed) if status == 200 else []:
            for home in homes(ring, name)[0]:
                if home.device in held and name not in held[home.device]:
                    status, content = await ask(machine, "GET", other.address, OBJECTS, f"/{other.device}/{name}")
                    if status == 200:
                        held[home.device][name] = base64.b64encode(content).decode()
                        came += 1
    for device, objects in held.items():
        for name in [one for one in objects if device not in {home.device for home in homes(ring, one)[0]}]:
            if all([await _has(machine, home, name, held) for home in homes(ring, name)[0]]):
                del objects[name]
    machine.save()
    return came


async def _has(machine: Machine, home: Home, name: str, held: dict[str, dict[str, str]]) -> bool:
    if home.device in held:
        return name in held[home.device]
    status, _ = await ask(machine, "GET", home.address, OBJECTS, f"/{home.device}/{name}")
    return status == 200


async def _rsyncd(machine: Machine, _verb: str, path: str, _body: bytes) -> Answer:
    devices = machine.system.files.get(DEVICES) if machine.system is not None else None
    return (200, json.dumps(devices).encode()) if path == "/devices.json" and devices is not None else (404, b"")


async def _object_server(machine: Machine, verb: str, path: str, body: bytes) -> Answer:
    """`/DEVICE` and `/DEVICE/NAME`. A device that the node does not have is not mounted: 507, as in Swift."""
    _, device, *name = path.split("/", 2)
    if path == "/healthcheck":
        return 200, b"OK"
    objects = _held(machine.system).get(device) if machine.system is not None else None
    if objects is None:
        return 507, b""
    if not name:
        return 200, json.dumps(sorted(objects)).encode()
    if verb == "PUT":
        objects[name[0]] = base64.b64encode(body).decode()
        machine.save()
        return 201, b""
    return (200, base64.b64decode(objects[name[0]])) if name[0] in objects else (404, b"")


async def _proxy_server(machine: Machine, verb: str, path: str, body: bytes) -> Answer:
    """`/v1/NAME`. Like Swift's proxy, it goes on to other devices if those of the ring do not answer, and wants most copies written."""
    if path == "/healthcheck":
        return 200, b"OK"
    if not path.startswith("/v1/") or machine.system is None:
        return 404, b""
    name = path.removeprefix("/v1/")
    first, others = homes(str(machine.system.files[RING]), name)
    written, reached = 0, False
    for home in (*first, *others):
        status, said = await ask(machine, verb, home.address, OBJECTS, f"/{home.device}/{name}", body)
        reached = reached or status in (200, 201, 404)
        if verb == "GET" and status == 200:
            return status, said
        written += verb == "PUT" and status == 201
        if written == len(first):
            break
    if verb == "PUT":
        return (201 if written > len(first) // 2 else 503), b""
    return (404 if reached else 503), b""


ROLES: dict[str, Behaviour] = {
    "swift-storage": swift_storage,
    "swift-rings": swift_rings,
    "swift-servers": swift_servers,
    "swift-proxy": swift_proxy,
}
SERVERS: dict[str, Server] = {"swift-rsync": _rsyncd, "swift-object": _object_server, "swift-proxy": _proxy_server}
