"""What the world says of who asks (`serve.standing`)."""

from __future__ import annotations

from collections.abc import Callable

from ..core.boot.strangers import planned_macs
from ..core.world.world import World
from ..model import Kind
from ..plan import Plan
from ..serve.standing import Standing


class WorldStandings:
    """`back` turns a peer into an address of the plan; `now` is engine time."""

    def __init__(self, world: Callable[[], World], back: Callable[[str], str], now: Callable[[], float]) -> None:
        self._world, self._back, self._now = world, back, now
        self._planned: tuple[Plan | None, frozenset[str]] = (None, frozenset())
        self._joined: tuple[object, frozenset[str]] = (None, frozenset())
        """Addresses of the joined machines, which need no allocation; with the nodes from which they come."""

    def of_mac(self, mac: str) -> Standing:
        world = self._world()
        if mac in world.macs or mac in self._named(world):
            return Standing.KNOWN
        return Standing.SEEN if mac in world.lease_of or mac in world.sightings else Standing.STRANGER

    def of_address(self, peer: str) -> Standing:
        world, address = self._world(), self._back(peer)
        if address in world.allocations or (world.plan is not None and address == world.plan.site.admin.address):
            return Standing.KNOWN
        if address in self._of_joined(world):
            return Standing.KNOWN
        lease = world.leases.get(address)
        if lease is None or lease.state == "declined" or lease.expires <= self._now():
            return Standing.STRANGER
        return Standing.KNOWN if lease.mac in world.macs or lease.mac in self._named(world) else Standing.SEEN

    def _of_joined(self, world: World) -> frozenset[str]:
        nodes, joined = self._joined
        if nodes is not world.nodes:
            joined = frozenset(node.address for node in world.nodes.values() if node.kind is Kind.JOINED and node.address)
            self._joined = (world.nodes, joined)
        return joined

    def _named(self, world: World) -> frozenset[str]:
        plan, named = self._planned
        if plan is not world.plan:
            plan, named = self._planned = (world.plan, planned_macs(world.plan))
        return named
