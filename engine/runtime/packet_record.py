"""Takes the services' packets: keeps them in the ring, counts faults by cause, and marks packets with the engine's own reasons."""

from __future__ import annotations

from collections.abc import Callable

from ..core.world.world import World
from ..definitions import Json
from ..packets.drops import Drops
from ..packets.floods import Floods
from ..packets.names import octets
from ..packets.packet import ANSWER_OCTETS, AROUND, as_json
from ..packets.ring import Frame, Ring
from ..reasons import Reason, sentence
from ..wire.recording import Address
from .last_values import LastValues


class PacketRecord:
    """A `wire.recording.Recorder`. `back` turns a peer into an address of the plan; whoever starts the services sets it."""

    def __init__(self, last_values: LastValues, world: Callable[[], World], back: Callable[[str], str] = str) -> None:
        self._last_values = last_values
        self._world = world
        self.back = back
        self.ring = Ring(self._known)
        self.drops = Drops(self._known)
        self.floods = Floods()

    def _known(self, who: bytes) -> bool:
        return len(who) == 6 and who.hex(":") in self._world().macs

    def received(self, kind: str, who: bytes, source: Address, here: Address, data: bytes) -> None:
        self.ring.put(kind, False, who, source, here, data)

    def sent(self, kind: str, who: bytes, here: Address, to: Address, data: bytes) -> None:
        self.ring.put(kind, True, who, here, to, data)

    def cause(self, kind: str, who: bytes, text: str) -> None:
        self.ring.cause(kind, who, text)

    def lost(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        self._last_values.count(f"{kind}.lost.{code}")
        self.ring.cause(kind, who, self.drops.note(kind, who, code, option, answered=False))

    def odd(self, kind: str, who: bytes, code: str, option: int = 0) -> None:
        self._last_values.count(f"{kind}.odd.{code}")
        self.drops.note(kind, who, code, option, answered=True)

    def flood(self, what: str, source: str, who: bytes, port: str = "") -> None:
        source = self.back(source)
        kind = what.partition(" ")[0].lower()
        self._last_values.count(f"flood.{what.replace(' ', '-').lower()}")
        self.ring.cause(kind if kind in ("dhcp", "tftp") else "http", who, f"dropped: {source} sends too many {what}")
        self.floods.note(what, source, who, port)

    def of(self, address: str) -> bytes:
        address = self.back(address)
        lease = self._world().leases.get(address)
        return octets(lease.mac if lease is not None else address)

    def named(self, name: str) -> frozenset[bytes] | None:
        """The machines behind a node's name or id, a MAC or an address. None: there is no such node."""
        world = self._world()
        if found := octets(name):
            lease = world.leases.get(name)
            return frozenset({found, octets(lease.mac)} if lease is not None else {found})
        node = world.node_named(name) or world.nodes.get(name)
        if node is None:
            return None
        leased = [world.lease_of.get(mac, "") for mac in node.macs]
        return frozenset(filter(None, map(octets, (*node.macs, *leased, node.address, node.bmc.mac if node.bmc else ""))))

    def ignored(self, reason: Reason, mac: str) -> None:
        """The engine ignored a packet of this MAC, for this reason."""
        if mac:
            self.ring.cause("dhcp", octets(mac), sentence(reason))

    def health(self) -> dict[str, Json]:
        """`drops`: by cause, with the last example; `drops_of`: the last of each machine; `floods`: who sends too much."""
        return {
            "drops": self.drops.causes(),
            "drops_of": self.drops.machines(),
            "floods": self.floods.as_json(),
            "packets_forgotten": self.ring.forgotten,
        }

    def read(self, of: frozenset[bytes] | None, after: int) -> dict[str, Json]:
        """Packets after this number as plain data (`packet`), as many as one answer holds. `more`: there are others."""
        frames = self.ring.read(of, after)
        out: list[Frame] = []
        room = ANSWER_OCTETS
        for frame in frames:
            room -= len(frame.data) + AROUND
            if room < 0 and out:
                break
            out.append(frame)
        more = len(out) < len(frames)
        plan = self._world().plan
        ours = plan.site.admin.address if plan is not None else ""
        packets: list[dict[str, Json]] = [as_json(frame, ours, self.back) for frame in out]
        return {"packets": packets, "next": out[-1].number if more else self.ring.number, "more": more}
