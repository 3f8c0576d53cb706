"""One node on one page: its life with durations, its boot signal by signal, roles with blockers, ports with neighbours, disks. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..core.boot import SIGNALS, TRIES, expected_next
from ..core.derive import committed, done
from ..core.patience import deadline_s
from ..core.stages import stage_index
from ..core.topology import Link, Topology, topology
from ..core.world import World
from ..definitions import Json
from ..model import Boot, Loader, Node, NodeRole, Signal, State
from .summary import NodeRow, RoleRow, node_row, role_row


class StageLife(Struct, frozen=True, kw_only=True):
    name: str
    state: Literal["done", "now", "error", "todo"]
    done: int
    roles: int
    began: float
    ended: float
    """Wall times of its first start and its last end; 0: not yet."""


class BootLine(Struct, frozen=True, kw_only=True):
    signal: str
    state: Literal["seen", "last", "next", "todo"]
    within: float
    """Seconds after the one before; 0 for the first."""


class BootView(Struct, frozen=True, kw_only=True):
    generation: int
    environment: str
    way: str
    ordered: bool
    tries: int
    of: int
    at: float
    """Wall time of the last signal."""
    lines: tuple[BootLine, ...]


class RoleLine(Struct, frozen=True, kw_only=True):
    row: RoleRow
    began: float
    ended: float
    """Wall times of the last attempt."""
    destructive: bool
    approved: str
    revision: int


class Nic(Struct, frozen=True, kw_only=True):
    name: str
    mac: str
    speed: int
    """Mbit/s."""
    up: bool
    link: Link | None


class Disk(Struct, frozen=True, kw_only=True):
    name: str
    size: int
    """Octets."""
    serial: str
    kind: str
    signature: str
    use: str


class NodePage(Struct, frozen=True, kw_only=True):
    row: NodeRow
    serial: str
    uuid: str
    arch: str
    firmware: str
    loader: str
    """Which loader answered last, and how it was loaded: `snponly.efi by pxe-uefi`; empty: none yet."""
    loaders_failed: tuple[str, ...]
    vendor: str
    memory_mb: int
    cpus: int
    macs: tuple[str, ...]
    bmc: str
    """Its address."""
    bmc_protocol: str
    """What it was last talked to by; empty: not known."""
    identity: str
    alive: bool
    available: bool
    allocated: bool
    hold: bool
    off: bool
    stage: str
    problem: bool
    stages: tuple[StageLife, ...]
    boot: BootView | None
    roles: tuple[RoleLine, ...]
    nics: tuple[Nic, ...]
    disks: tuple[Disk, ...]


def node_page(world: World, node: Node, links: Topology | None = None) -> NodePage:
    roles = roles_in_order(world, node.id)
    found = {link.nic: link for link in (links or topology(world)).links if link.node == node.name.split(".")[0]}
    vendor, memory, cpus = (gave(world, node.id, name) for name in ("vendor", "memory-mb", "cpus"))
    return NodePage(
        row=node_row(world, node),
        serial=node.serial,
        uuid=node.uuid,
        arch=node.arch,
        firmware=node.firmware,
        loader=loader_words(node.loader),
        loaders_failed=node.loaders_failed,
        vendor=str(vendor or ""),
        memory_mb=memory if isinstance(memory, int) else 0,
        cpus=cpus if isinstance(cpus, int) else 0,
        macs=node.macs,
        bmc=node.bmc.address if node.bmc is not None else "",
        bmc_protocol=node.bmc.protocol if node.bmc is not None else "",
        identity=node.identity,
        alive=node.alive,
        available=node.available,
        allocated=node.allocated,
        hold=node.hold,
        off=node.off is not None,
        stage=node.stage,
        problem=node.problem is not None,
        stages=tuple(_stages(world, node, roles)),
        boot=boot_view(node.boot, world) if node.boot is not None else None,
        roles=tuple(_role(world, r) for r in roles),
        nics=tuple(_nics(world, node, found)),
        disks=tuple(disks(world, node.id)),
    )


def loader_words(loader: Loader | None) -> str:
    """A loader in words; one without a file is the ROM's own iPXE."""
    return f"{loader.file or 'iPXE of the ROM'} by {loader.way}" if loader is not None else ""


def roles_in_order(world: World, node: str) -> list[NodeRole]:
    """Of a node, in the order in which they run: by stage, then longest path first."""
    mine = [world.node_roles[k] for k in world.roles_of.get(node, ())]
    return sorted(mine, key=lambda r: (_stage(world, r), -r.rank, r.role))


def gave(world: World, node: str, name: str) -> Json:
    """What a role of the node reported under this name; None: nothing yet."""
    owner = world.catalog.attributes[name].role if name in world.catalog.attributes else ""
    role = world.node_roles.get((node, owner)) if owner else None
    return role.gave.get(name) if role is not None else None


def _stage(world: World, role: NodeRole) -> int:
    definition = world.catalog.roles.get(role.role)
    return (stage_index(world, definition.stage) if definition is not None else None) or 0


def _stages(world: World, node: Node, roles: list[NodeRole]) -> list[StageLife]:
    out = []
    here = stage_index(world, node.stage)
    for i, stage in enumerate(world.catalog.stages):
        mine = [r for r in roles if committed(r) and _stage(world, r) == i]
        finished = [r for r in mine if done(world, r)]
        state: Literal["done", "now", "error", "todo"] = "todo"
        if mine and len(finished) == len(mine):
            state = "done"
        elif any(r.state is State.ERROR for r in mine) or (node.problem is not None and i == here):
            state = "error"
        elif i == here:
            state = "now"
        starts = [r.started for r in mine if r.started]
        ends = [r.ended for r in mine if r.ended]
        out.append(
            StageLife(
                name=stage.name, state=state, done=len(finished), roles=len(mine), began=min(starts, default=0.0),
                ended=max(ends, default=0.0) if state == "done" else 0.0,
            )
        )  # fmt: skip
    return out


def boot_view(boot: Boot, world: World) -> BootView:
    order = list(Signal)
    lines = [BootLine(signal=Signal.OPENED.value, state="last" if boot.signal is Signal.OPENED else "seen", within=0.0)]
    coming, _ = expected_next(boot)
    for signal, seconds in SIGNALS[boot.way]:
        if signal is Signal.POWERED and not boot.ordered:
            continue
        state: Literal["seen", "last", "next", "todo"] = "todo"
        if signal is boot.signal:
            state = "last"
        elif order.index(signal) < order.index(boot.signal):
            state = "seen"
        elif signal is coming:
            state = "next"
        lines.append(BootLine(signal=signal.value, state=state, within=deadline_s(world, seconds)))
    return BootView(
        generation=boot.generation, environment=boot.environment, way=boot.way.value, ordered=boot.ordered, tries=boot.tries, of=TRIES,
        at=boot.at, lines=tuple(lines),
    )  # fmt: skip


def _role(world: World, role: NodeRole) -> RoleLine:
    definition = world.catalog.roles.get(role.role)
    return RoleLine(
        row=role_row(world, role), began=role.started, ended=role.ended if role.ended >= role.started else 0.0,
        destructive=definition is not None and definition.destructive, approved=role.approved, revision=role.revision,
    )  # fmt: skip


def _nics(world: World, node: Node, found: dict[str, Link]) -> list[Nic]:
    told = gave(world, node.id, "nics")
    out = []
    for nic in told if isinstance(told, list) else ():
        if isinstance(nic, dict) and nic.get("name"):
            name, mac, up = str(nic["name"]), str(nic.get("mac", "")), bool(nic.get("link"))
            out.append(Nic(name=name, mac=mac, speed=int(nic.get("speed") or 0), up=up, link=found.get(name)))
    return out


def disks(world: World, node: str) -> list[Disk]:
    """Of a node, with what each is used for: the volume that it is part of, the system that it holds."""
    told, volumes, system = (gave(world, node, name) for name in ("disks", "volumes", "installed"))
    use: dict[str, str] = {}
    for volume in volumes if isinstance(volumes, list) else ():
        if isinstance(volume, dict):
            for disk in volume.get("disks", ()):
                use[str(disk)] = f"{volume.get('name')} {volume.get('level', '')}".strip()
    holds = str(system.get("disk", "")) if isinstance(system, dict) else ""
    out = []
    for disk in told if isinstance(told, list) else ():
        if not isinstance(disk, dict):
            continue
        name = str(disk.get("name", ""))
        part = use.get(name, "")
        if holds and holds in (name, part.split(" ")[0]):
            part = f"{part or name}, {system.get('os')}"
        kind = str(disk.get("transport", "")) + (" hdd" if disk.get("rotational") else " ssd" if "rotational" in disk else "")
        out.append(
            Disk(
                name=name, size=int(disk.get("size") or 0), serial=str(disk.get("serial", "")), kind=kind.strip(),
                signature=str(disk.get("signature", "")), use=part,
            )
        )  # fmt: skip
    return out
