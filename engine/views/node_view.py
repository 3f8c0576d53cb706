"""One node on one page: its life with durations, its boot signal by signal, roles with blockers, ports with neighbours, disks. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from ..core.boot.boot import TRIES
from ..core.boot.identity import known_by
from ..core.boot.patience import deadline_s
from ..core.boot.signals import SIGNALS, expected_next
from ..core.hardware.choices import Choice
from ..core.hardware.disk_choice import media_left, member_choice, root_choice
from ..core.hardware.disk_now import Look, disks_now, seen, system_on
from ..core.hardware.inventory import inventory_of
from ..core.hardware.topology import Link, Topology, topology
from ..core.hardware.written import volumes_of
from ..core.roles.attributes import effective
from ..core.roles.derive import committed, done
from ..core.roles.stages import stage_index
from ..core.world.world import World
from ..definitions import Json
from ..model import Boot, Loader, Node, NodeRole, Signal, State
from ..reasons import sentence
from .carriers import Carrier, carriers
from .facts import node_facts
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
    """Seconds after the previous signal; 0 for the first."""


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
    obstacle: str = ""
    """What it meets: the last answer of the BMC, a refused hello. Empty: nothing known."""


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
    """Bytes."""
    serial: str
    kind: str
    signature: str
    use: str
    wwn: str = ""
    paths: tuple[str, ...] = ()
    remote: bool = False
    chosen: bool = False
    """The installed (or wanted) system, if this disk or its volume holds it."""
    why: str = ""
    """Why the engine does not take this disk."""
    state: str = ""
    """Empty: healthy."""


class NodePage(Struct, frozen=True, kw_only=True):
    row: NodeRow
    serial: str
    uuid: str
    arch: str
    firmware: str
    loader: str
    """The last loader that worked, and how it was loaded: `snponly.efi by pxe-uefi`. Empty: none yet."""
    loaders_failed: tuple[str, ...]
    vendor: str
    memory_mb: int
    cpus: int
    macs: tuple[str, ...]
    bmc: str
    """Its address."""
    bmc_protocol: str
    """The protocol that worked last. Empty: unknown."""
    bmc_clock_off_s: int
    """Seconds by which its clock is ahead of the engine's. 0: within a minute, or not read."""
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
    clock_off: int | None = None
    """Seconds by which its clock was ahead of the engine's at its last hello. None: not reported."""
    networks: tuple[Carrier, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    """Odd facts about the machine that stop nothing: label and sentence (`facts`)."""
    made_of: tuple[tuple[str, str], ...] = ()
    """What its own tools say that it is made of: the facts by which machines are compared, and their values."""
    changed: tuple[str, ...] = ()
    """What of its parts changed since the look before."""
    ailments: tuple[tuple[str, float], ...] = ()
    """What its BMC reports as wrong: sentence, and wall time since when."""


def node_page(world: World, node: Node, links: Topology | None = None) -> NodePage:
    roles = roles_in_order(world, node.id)
    links = links or topology(world)
    found = {link.nic: link for link in links.links if link.node == node.name.split(".")[0]}
    vendor, memory, cpus = (gave(world, node.id, name) for name in ("vendor", "memory-mb", "cpus"))
    parts = inventory_of(world, node.id).parts
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
        bmc_clock_off_s=node.bmc.clock_off_s if node.bmc is not None else 0,
        identity=known_by(world, node),
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
        clock_off=node.clock_off,
        networks=carriers(world, node),
        facts=node_facts(world, node, links),
        made_of=tuple(parts.facts.items()),
        changed=parts.changes,
        ailments=tuple((sentence(one.reason), one.since) for one in node.ailments),
    )


def loader_words(loader: Loader | None) -> str:
    """A loader in words. One without a file is the ROM's own iPXE."""
    return f"{loader.file or 'iPXE of the ROM'} by {loader.way}" if loader is not None else ""


def roles_in_order(world: World, node: str) -> list[NodeRole]:
    """Roles of a node in the order in which they run: by stage, then longest path first."""
    mine = [world.node_roles[k] for k in world.roles_of.get(node, ())]
    return sorted(mine, key=lambda r: (_stage(world, r), -r.rank, r.role))


def gave(world: World, node: str, name: str) -> Json:
    """The value that a role of the node reported under this name. None: nothing yet."""
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
                name=stage.name,
                state=state,
                done=len(finished),
                roles=len(mine),
                began=min(starts, default=0.0),
                ended=max(ends, default=0.0) if state == "done" else 0.0,
            )
        )
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
        generation=boot.generation,
        environment=boot.environment,
        way=boot.way.value,
        ordered=boot.ordered,
        tries=boot.tries,
        of=TRIES,
        at=boot.at,
        lines=tuple(lines),
        obstacle=sentence(boot.failure) if boot.failure is not None else "",
    )


def _role(world: World, role: NodeRole) -> RoleLine:
    definition = world.catalog.roles.get(role.role)
    return RoleLine(
        row=role_row(world, role),
        began=role.started,
        ended=role.ended if role.ended >= role.started else 0.0,
        destructive=definition is not None and definition.destructive,
        approved=role.approved,
        revision=role.revision,
    )


def _nics(world: World, node: Node, found: dict[str, Link]) -> list[Nic]:
    told = gave(world, node.id, "nics")
    out = []
    for nic in told if isinstance(told, list) else ():
        if isinstance(nic, dict) and nic.get("name"):
            name, mac, up = str(nic["name"]), str(nic.get("mac", "")), bool(nic.get("link"))
            out.append(Nic(name=name, mac=mac, speed=int(nic.get("speed") or 0), up=up, link=found.get(name)))
    return out


def disks(world: World, node: str, look: Look | None = None) -> list[Disk]:
    """Disks of a node, as the engine knows them (or as the node reported them just now: `look`), with their use, and why each is not
    the install disk. Last, without a size: devices that look like disks but are not."""
    found = world.nodes.get(node)
    if found is None:
        return []
    known, _ = disks_now(world, found)
    if look is not None and look.at:
        known = seen(known, look)
    choice = choice_of(world, found)
    taken = {one.name for one in choice.taken} | ({*choice.volume.disks} if choice.volume is not None else set())
    inside = {name: volume for volume in volumes_of(world, node) for name in volume.disks}
    out = []
    for one in known:
        volume, why = inside.get(one.name), choice.why(one.name)
        parts = [f"{volume.name} {volume.level}" if volume is not None else "", system_on(world, found, one)]
        use = ", ".join(part for part in (parts if parts[0] or not parts[1] else (one.name, parts[1])) if part)
        if one.used and not use:
            use = f"in use: {one.used}"
        spin = {True: " hdd", False: " ssd", None: ""}[one.rotational]
        out.append(
            Disk(
                name=one.name,
                size=one.size,
                serial=one.serial,
                kind=f"{one.transport}{spin}".strip(),
                signature=one.signature,
                use=use,
                wwn=one.wwn,
                paths=one.paths,
                remote=one.remote,
                chosen=one.name in taken,
                state=one.state,
                why=sentence(why) if why is not None and one.name not in taken else "",
            )
        )
    for name, reason in media_left(world, node):
        out.append(Disk(name=name, size=0, serial="", kind="media", signature="", use="", why=sentence(reason)))
    return out


def choice_of(world: World, node: Node) -> Choice:
    """The disks that the node's next destructive role takes: the members of a volume to make, or the system's disk."""
    raid, install = (world.node_roles.get((node.id, role)) for role in ("raid-configure", "os-install"))
    wanted = effective(world, raid, "raid-wanted") if raid is not None else None
    if raid is not None and raid.state is not State.ACTIVE and isinstance(wanted, dict) and str(wanted.get("level")).startswith("raid"):
        return member_choice(world, node, wanted)
    return root_choice(world, node, effective(world, install, "root-disk") if install is not None else None)
