"""The rings of Swift: which devices keep which parts of the data. For the roles of the barclamp `swift`.

A ring is a function of its history. The builder (`/etc/swift/*.builder`, of swift-ring-builder) keeps that history, on one node. `wanted`
and `changes` decide, and know nothing of Swift. `follow` carries it out with Swift's own builder.

* A device belongs to the rings until its storage node says that it has it no more, or leaves the plan. A node that does not answer keeps
  its devices: a node that is down for an hour is no reason to copy all of its data.
* A device is known by its name, which comes from its disk. So a disk that moves to another node keeps its parts.
* At most one copy of a part moves in `min_part_hours`. Copies on a device that is gone are placed anew at once.
* Account, container and object have rings of the same shape, since their builders live through the same changes with the same seed.
"""

from __future__ import annotations

import base64
import copy
import gzip
import lzma
import os
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cloud import File, Site
from cloud_api import Fault

SERVERS = {"account": 6202, "container": 6201, "object": 6200}
"""Swift's servers on a storage node, and their ports."""
FOLDER = "/etc/swift"
DEVICES = "/srv/node"
SHARED = "/var/lib/crowbar-swift"
"""What a storage node shows the others by rsync, read only: its devices and its rings."""
MODULE = "crowbar-swift"
"""The name of that in rsync."""
UNEVEN = 5.0
"""Percent by which a device may differ from its share before parts are moved."""
SEED = "crowbar"
MOST = 240 * 1024
"""Characters of the packed rings. The engine takes 256 KiB of values from a role."""


@dataclass(frozen=True, order=True)
class Device:
    name: str
    address: str
    weight: float
    """GiB."""


@dataclass(frozen=True)
class Change:
    verb: str
    """`add`, `remove`, `move` (to another address), `weigh`."""
    device: Device


def wanted(known: Sequence[Device], answers: Mapping[str, Sequence[Device] | None]) -> list[Device]:
    """The devices that the rings shall have. `answers`: by address of each storage node of the plan its devices, or None if it does not
    answer. Raises Fault."""
    found: dict[str, Device] = {}
    for address, devices in sorted(answers.items()):
        for device in devices or ():
            other = found.setdefault(device.name, replace(device, address=address))
            if other.address != address:
                raise Fault(f"{other.address} and {address} both say that they have the device {device.name}: retry swift-storage on both")
    silent = {address for address, devices in answers.items() if devices is None}
    for device in known:
        if device.address in silent:
            found.setdefault(device.name, device)
    for address in sorted(silent - {device.address for device in known}):
        raise Fault(f"the storage node {address} does not answer on port 873, and the rings have no device of it yet")
    return sorted(found.values())


def changes(known: Sequence[Device], devices: Sequence[Device]) -> list[Change]:
    """What makes the known devices the wanted ones."""
    before, after = ({one.name: one for one in some} for some in (known, devices))
    out = [Change("remove", before[name]) for name in sorted(before.keys() - after.keys())]
    for name in sorted(before.keys() & after.keys()):
        if before[name].address != after[name].address:
            out.append(Change("move", after[name]))
        if before[name].weight != after[name].weight:
            out.append(Change("weigh", after[name]))
    return out + [Change("add", after[name]) for name in sorted(after.keys() - before.keys())]


# -- Swift's builder ------------------------------------------------------------------------------------------------------


def devices_of(builder: Any) -> list[Device]:
    return sorted(Device(one["device"], one["ip"], float(one["weight"])) for one in builder.devs if one is not None)


def lost(builder: Any, due: Sequence[Change]) -> int:
    """How many parts have copies on removed devices only."""
    gone = {change.device.name for change in due if change.verb == "remove"}
    ids = {one["id"] for one in builder.devs if one is not None and one["device"] in gone}
    rows = builder._replica2part2dev or []
    return sum(all(row[part] in ids for row in rows if part < len(row)) for part in range(builder.parts)) if rows and ids else 0


def follow(builder: Any, kind: str, devices: Sequence[Device], replicas: int, hours: int, accept_loss: bool = False) -> list[str]:
    """Changes the builder, and says what it did. Nothing: the builder is as it was. Raises Fault."""
    if not devices:
        raise Fault("no storage node has a device")
    due, said = changes(devices_of(builder), devices), []
    if (parts := lost(builder, due)) and not accept_loss:
        names = ", ".join(f"{change.device.name} of {change.device.address}" for change in due if change.verb == "remove")
        raise Fault(
            f"without {names}, {parts} of {builder.parts} parts of the data have no copy left. Take away fewer devices at once, and wait "
            "until the replicators have run. If the data is lost anyway, set swift-accept-loss to true"
        )
    for change in due:
        _carry_out(builder, kind, change)
        said.append(f"{change.verb} {change.device.name} of {change.device.address}, {change.device.weight:g} GiB")
    copies = min(replicas, len(devices))
    if builder.replicas != copies:
        said.append(f"{copies} copies, not {builder.replicas:g}")
        builder.set_replicas(float(copies))
    builder.change_min_part_hours(hours)
    if builder.devs_changed:
        moved, balance, _removed = builder.rebalance(seed=SEED)
        return [*said, f"{moved} of {builder.parts} parts placed, uneven by {min(balance, 999):.1f} %"]
    return _even_out(builder)


def _carry_out(builder: Any, kind: str, change: Change) -> None:
    device = change.device
    known = next((one for one in builder.devs if one is not None and one["device"] == device.name), None)
    if change.verb == "add":
        place = {"ip": device.address, "port": SERVERS[kind], "replication_ip": device.address, "replication_port": SERVERS[kind]}
        builder.add_dev({"region": 1, "zone": 1, "device": device.name, "weight": device.weight, "meta": "", **place})
        return
    assert known is not None
    if change.verb == "remove":
        builder.remove_dev(known["id"])
    elif change.verb == "weigh":
        builder.set_dev_weight(known["id"], device.weight)
    else:
        known["ip"] = known["replication_ip"] = device.address
        builder.devs_changed = True
        builder.version += 1


def _even_out(builder: Any) -> list[str]:
    """Parts that had to wait for `min_part_hours`. As swift-ring-builder, it takes only what makes the ring better by 1 % or more."""
    before = builder.get_balance()
    if before <= UNEVEN or builder.min_part_seconds_left > 0:
        return []
    trial = copy.deepcopy(builder)
    moved, balance, _removed = trial.rebalance(seed=SEED)
    if not moved or before - balance < 1:
        return []
    builder.copy_from(trial)
    return [f"{moved} of {builder.parts} parts moved: uneven by {balance:.1f} %, not {before:.1f} %"]


def from_ring(raw: bytes, hours: int) -> Any:
    """A builder made of a ring, as `swift-ring-builder write_builder` does it. It has forgotten when parts moved."""
    from swift.common.ring import RingBuilder, RingData

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ring.gz"
        file.write_bytes(gzip.compress(raw))
        ring = RingData.load(str(file))
    rows = ring._replica2part2dev_id
    parts = 1 << (32 - ring._part_shift)
    for one in ring.devs:
        if one is not None:
            one.update(parts=sum(row.count(one["id"]) for row in rows), parts_wanted=0)
    known = {
        "part_power": 32 - ring._part_shift,
        "replicas": sum(len(row) for row in rows) / parts,
        "min_part_hours": hours,
        "parts": parts,
        "devs": ring.devs,
        "devs_changed": False,
        "version": ring.version or 0,
        "_replica2part2dev": rows,
        "_last_part_moves_epoch": None,
        "_last_part_moves": None,
        "_last_part_gather_start": 0,
        "_remove_devs": [],
    }
    return RingBuilder.from_dict(known)


def raw_ring(builder: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ring.gz"
        builder.get_ring().save(str(file))
        return gzip.decompress(file.read_bytes())


# -- rings as a value -----------------------------------------------------------------------------------------------------


def pack(rings: Mapping[str, bytes]) -> str:
    """The same rings give the same text. Three rings of one shape take little more than one. Raises Fault."""
    plain = b"".join(struct.pack("!I", len(rings[kind])) + rings[kind] for kind in SERVERS)
    text = base64.b64encode(lzma.compress(plain, preset=9)).decode()
    if len(text) > MOST:
        raise Fault(f"the rings have {len(text)} characters, more than {MOST}: this many devices need a lower swift-part-power")
    return text


def unpack(text: str) -> dict[str, bytes]:
    plain, out = lzma.decompress(base64.b64decode(text)), {}
    for kind in SERVERS:
        (size,) = struct.unpack_from("!I", plain)
        out[kind], plain = plain[4 : 4 + size], plain[4 + size :]
    return out


def ring_files(text: str) -> dict[str, bytes]:
    """Path -> content of the files that Swift's servers read. They notice a new one by themselves."""
    return {f"{FOLDER}/{kind}.ring.gz": gzip.compress(raw, mtime=0) for kind, raw in unpack(text).items()}


def put_rings(text: str) -> None:
    for path, content in ring_files(text).items():
        there = Path(path)
        if there.exists() and there.read_bytes() == content:
            continue
        handle, fresh = tempfile.mkstemp(dir=there.parent, prefix=".crowbar-")
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.chmod(fresh, 0o644)
        os.replace(fresh, there)
        print(f"cloud: wrote {path}")


def has_rings(text: str) -> None:
    """Raises Fault if the node has other rings."""
    for path, content in ring_files(text).items():
        if not Path(path).exists() or Path(path).read_bytes() != content:
            raise Fault(f"{path} is not the ring that swift-rings made")


def swift_conf(site: Site) -> File:
    """The same on all nodes of Swift. With other texts, no object would be found where it is."""
    hashes = {"swift_hash_path_suffix": site("swift-hash-suffix"), "swift_hash_path_prefix": site("swift-hash-prefix")}
    return File({"swift-hash": hashes, "storage-policy:0": {"name": "Policy-0", "default": "yes"}}, group="swift")
