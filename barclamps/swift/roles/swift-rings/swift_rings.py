"""The rings of Swift, and the builders with their history, on one node. A ring follows what the storage nodes say that they have.

It asks each storage node by rsync. The values that the engine collects say which nodes there are, not which disks these have.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud import Act, Check, Service, Site
from cloud_api import Fault
from cloud_rings import FOLDER, MODULE, SERVERS, Device, devices_of, follow, from_ring, pack, raw_ring, unpack, wanted

AT_ONCE = 8
"""Storage nodes that are asked at a time."""


@dataclass
class Found:
    """What the storage nodes show: their devices by address, or None; and the newest rings that one of them has."""

    devices: dict[str, list[Device] | None] = field(default_factory=dict)
    rings: str = ""


def service(site: Site) -> Service:
    return Service(
        steps=[Act("rings", lambda: _make(site))],
        checks=[Check("the rings have the devices of all storage nodes", lambda: _proof(site))],
        gives=lambda: {"swift-ring": pack({kind: raw_ring(_load(kind)) for kind in SERVERS})},
    )


def _file(kind: str) -> Path:
    return Path(f"{FOLDER}/{kind}.builder")


def _load(kind: str) -> Any:
    from swift.common.ring import RingBuilder

    return RingBuilder.load(str(_file(kind)))


def _ask(address: str) -> tuple[list[Device] | None, str]:
    with tempfile.TemporaryDirectory() as folder:
        argv = ["rsync", "-rq", "--contimeout=10", "--timeout=30", f"rsync://{address}/{MODULE}/", folder]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"cloud: {address} does not show its devices: {done.stderr.strip().splitlines()[:1]}")
            return None, ""
        said = json.loads((Path(folder) / "devices.json").read_text(encoding="utf-8"))
        rings = Path(folder) / "rings"
        return [Device(one["name"], address, float(one["weight"])) for one in said], rings.read_text("ascii") if rings.exists() else ""


def _look(site: Site) -> Found:
    addresses = site.addresses("swift/nodes")
    if not addresses:
        raise Fault("no node has the role swift-storage: give it to a node in the plan")
    found, newest = Found(), -1
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for address, (devices, rings) in zip(addresses, pool.map(_ask, addresses), strict=True):
            found.devices[address] = devices
            version = from_ring(unpack(rings)["object"], 1).version if rings and not _file("object").exists() else -1
            if version > newest:
                found.rings, newest = rings, version
    return found


def _builder(site: Site, kind: str, found: Found) -> Any:
    from swift.common.ring import RingBuilder

    hours = site("swift-min-part-hours")
    if _file(kind).exists():
        return _load(kind)
    if found.rings:
        print(f"cloud: {_file(kind)} is not there: made of the ring that a storage node has")
        return from_ring(unpack(found.rings)[kind], hours)
    copies = min(site("swift-replicas"), sum(len(devices or ()) for devices in found.devices.values())) or 1
    return RingBuilder(site("swift-part-power"), copies, hours)


def _followed(site: Site) -> list[tuple[str, Any, list[str]]]:
    """For each kind the builder as it should be, and what changed in it."""
    found, out = _look(site), []
    for kind in SERVERS:
        builder = _builder(site, kind, found)
        power = site("swift-part-power")
        if builder.part_power != power:
            raise Fault(f"the rings have the part power {builder.part_power}. It cannot become {power}: set swift-part-power back")
        devices = wanted(devices_of(builder), found.devices)
        said = follow(builder, kind, devices, site("swift-replicas"), site("swift-min-part-hours"), site("swift-accept-loss"))
        out.append((kind, builder, said))
    return out


def _make(site: Site) -> None:
    for kind, builder, said in _followed(site):
        if said or not _file(kind).exists():
            builder.validate()
            _save(kind, builder)
            for line in said:
                print(f"cloud: {kind}: {line}")


def _save(kind: str, builder: Any) -> None:
    fresh = _file(kind).with_suffix(".new")
    builder.save(str(fresh))
    with open(fresh, "rb") as written:
        os.fsync(written.fileno())
    os.replace(fresh, _file(kind))


def _proof(site: Site) -> None:
    for kind, _, said in _followed(site):
        if said:
            raise Fault(f"{kind}: due: {_first(said)}")
        if not _file(kind).exists():
            raise Fault(f"{_file(kind)} is not there")


def _first(said: Sequence[str]) -> str:
    return said[0] + (f", and {len(said) - 1} more" if len(said) > 1 else "")
