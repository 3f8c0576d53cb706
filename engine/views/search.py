"""Search everything: from what stands on a label, on a port or in a message to the thing that it belongs to. Pure.

A finder keeps the texts of each node until one of its records changes, so that a key costs milliseconds with 5,000 nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from ..core.hardware.disks import read
from ..core.hardware.topology import Topology
from ..core.world.world import World
from ..model import Kind, Node, NodeRole
from ..reasons import Reason, advice, sentence
from .advice import short
from .node_view import gave
from .summary import NodeRow, Why

LABELS = ("serial", "MAC", "UUID", "BMC MAC", "WWN", "disk serial")
"""What people read off a label, often only its end."""
_KINDS = (
    "name",
    *LABELS,
    "address",
    "BMC address",
    "fixed address",
    "lease",
    "place",
    "port",
    "disk",
    "role",
    "switch",
    "reason",
    "advice",
)
_SEPARATED = frozenset(("MAC", "UUID", "BMC MAC", "WWN"))
"""Kinds of which a label may leave out the signs between the digits, or use others."""
MOST = 200
"""Results that are returned."""


class Found(Struct, frozen=True, kw_only=True):
    """A thing that was looked for."""

    kind: str
    """What matched: `serial`, `MAC`, `port` and so on."""
    text: str
    """The text that matched, as it is spelled."""
    node: str = ""
    """Node id, or the MAC of a machine that is no node. Empty: of no machine."""
    name: str = ""
    """Its short name."""
    role: str = ""
    key: tuple[str, ...] = ()
    """Of a port: node, NIC and link of the cable. Of an address: the address."""


class _Texts(Struct, frozen=True):
    """All texts of a thing, and the records from which they were made."""

    made_of: tuple[object, ...]
    found: tuple[Found, ...]
    whole: str
    """All in lower case, to look into once."""


class Finder:
    """Holds what can be found in the newest world that it was given."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Texts] = {}
        self._tables: tuple[object, ...] = ()
        self._others: _Texts = _Texts((), (), "")
        self._links: tuple[object, dict[str, _Texts]] = (None, {})

    def take(self, world: World, links: Topology, rows: Mapping[str, NodeRow]) -> None:
        """Takes a world, its cables, and the summary of each node by its id. Only nodes with changed records are read again."""
        tables = (world.nodes, world.node_roles)
        if not _same(tables, self._tables):
            self._tables = tables
            self._nodes = {node.id: self._of(world, node, rows.get(node.id)) for node in world.nodes.values()}
        self._others = _others(world, self._others)
        if self._links[0] is not links:
            self._links = links, _of_links(world, links)

    def _of(self, world: World, node: Node, row: NodeRow | None) -> _Texts:
        roles = [world.node_roles[key] for key in world.roles_of.get(node.id) or ()]
        made_of = (node, row, *roles)
        known = self._nodes.get(node.id)
        if known is not None and _same(known.made_of, made_of):
            return known
        return _texts(made_of, _of_node(world, node, roles, row.why if row is not None else None))

    def find(self, text: str) -> list[Found]:
        """The best first, at most MOST: what is equal, then labels that end with the text, then what begins with it, then what contains it.
        Several words must all be in one text."""
        words = text.lower().split()
        if not words:
            return []
        bare = _bare(text)
        hits: list[tuple[tuple[int, int, int], str, Found]] = []
        for texts in (*self._nodes.values(), self._others, *self._links[1].values()):
            if all(word in texts.whole for word in words) or (bare and bare in texts.whole):
                hits += [(rank, one.name, one) for one in texts.found if (rank := _rank(one, words, bare)) is not None]
        return [one for _, _, one in sorted(hits, key=lambda hit: hit[:2])[:MOST]]


def _same(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _texts(made_of: tuple[object, ...], found: Iterable[Found]) -> _Texts:
    some = tuple(one for one in found if one.text)
    parts = [one.text.lower() for one in some]
    parts += [_bare(one.text) for one in some if one.kind in _SEPARATED]
    return _Texts(made_of, some, "\n".join(parts))


def _bare(text: str) -> str:
    """Hexadecimal digits without what stands between them. Empty: the text is something else, or too short."""
    digits = re.sub(r"[-:. ]", "", text.lower())
    return digits if len(digits) >= 3 and re.fullmatch(r"(0x)?[0-9a-f]+", digits) else ""


def _rank(one: Found, words: list[str], bare: str) -> tuple[int, int, int] | None:
    """How well it fits, less is better. None: not at all."""
    text, needle = one.text.lower(), " ".join(words)
    if bare and one.kind in _SEPARATED and bare in (digits := _bare(one.text)):
        text, needle = digits, bare
    elif not all(word in text for word in words):
        return None
    if text == needle:
        how = 0
    elif text.endswith(needle) and one.kind in LABELS:
        how = 1
    else:
        how = 2 if text.startswith(needle) else 3
    return how, _KINDS.index(one.kind), len(text)


def _of_node(world: World, node: Node, roles: list[NodeRole], waits: Why | None) -> Iterator[Found]:
    """`waits`: why the node is not further, in words."""
    name = short(node.name)

    def one(kind: str, text: str, role: str = "", key: tuple[str, ...] = ()) -> Found:
        return Found(kind=kind, text=text, node=node.id, name=name, role=role, key=key)

    yield one("name", node.name)
    yield one("serial", node.serial)
    yield one("UUID", node.uuid)
    yield from (one("MAC", mac) for mac in node.macs)
    yield one("address", node.address, key=(node.address,))
    if node.bmc is not None:
        yield one("BMC MAC", node.bmc.mac)
        yield one("BMC address", node.bmc.address)
    if node.place is not None:
        yield one("place", f"{node.place.rack}:{node.place.unit}")
    for disk in read(gave(world, node.id, "disks")):
        yield one("disk serial", disk.serial)
        yield one("WWN", disk.wwn)
        yield one("disk", f"{disk.name} {disk.model}".strip())
    causes = {(sentence(why), advice(why)): role for role, why in _reasons(node, roles)}
    if waits is not None:
        causes.setdefault((waits.sentence, waits.advice), "")
    for (said, tried), role in causes.items():
        yield one("reason", said, role)
        yield one("advice", tried, role)


def _reasons(node: Node, roles: list[NodeRole]) -> Iterator[tuple[str, Reason]]:
    boot = node.boot.failure if node.boot is not None else None
    yield from (("", why) for why in (node.problem, node.notice, boot) if why is not None)
    for role in roles:
        yield from ((role.role, why) for why in (role.failure, *role.findings) if why is not None)


def _others(world: World, known: _Texts) -> _Texts:
    """Machines that are no nodes, addresses that are given out, and the roles of the rack."""
    made_of = (world.sightings, world.allocations, world.leases, world.bound, world.names)
    if _same(known.made_of, made_of):
        return known
    out: list[Found] = []
    for sighting in world.sightings.values():
        if not sighting.node:
            out.append(Found(kind="MAC", text=sighting.mac, node=sighting.mac, name=sighting.mac))
            if sighting.reason is not None:
                out.append(Found(kind="reason", text=sentence(sighting.reason), node=sighting.mac, name=sighting.mac))
    owners = [("fixed address", a.address, a.node) for a in world.allocations.values()]
    owners += [("lease", lease.address, world.macs.get(lease.mac) or lease.mac) for lease in world.leases.values()]
    for kind, address, owner in owners:
        node = world.nodes.get(owner)
        if node is None or node.address != address:
            out.append(Found(kind=kind, text=address, node=owner, name=short(node.name) if node else owner, key=(address,)))
    out += [Found(kind="role", text=role, role=role) for role in sorted(key for key, _ in world.bound.items())]
    return _texts(made_of, out)


def _of_links(world: World, links: Topology) -> dict[str, _Texts]:
    """By switch: its ports, as they are heard and as the plan has them."""
    out: dict[str, list[Found]] = {}
    ids = {short(node.name): node.id for node in world.nodes.values() if node.kind is not Kind.DEVICE}
    for link in links.links:
        key = (link.node, link.nic, link.link)
        node = ids.get(link.node, "")
        heard = f"{link.switch}:{link.port}" if link.switch else ""
        for port in dict.fromkeys((heard, link.plan)):
            found = Found(kind="port", text=port, node=node, name=f"{link.node} {link.nic or link.link}", key=key)
            out.setdefault(port.partition(":")[0], []).append(found)
    for switch in links.switches:
        for text in dict.fromkeys((switch.name, switch.chassis)):
            out.setdefault(switch.name, []).append(Found(kind="switch", text=text, name=switch.name))
    return {name: _texts((), found) for name, found in out.items()}
