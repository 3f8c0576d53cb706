"""Networks and their addresses as they are shown: BMCs that have an address from elsewhere count too."""

from __future__ import annotations

from catalogs import USUAL, plan
from msgspec.structs import replace
from rack import Rack

from engine.core.world.work import Work
from engine.core.world.world import World
from engine.model import Bmc
from engine.plan import Network, Range
from engine.views.net_view import addresses, networks


def made(bmcs: list[str]) -> World:
    """A rack whose BMCs have these addresses."""
    base = plan()
    more = Network(name="bmc", subnet="10.9.0.0/24", ranges={"dhcp": Range(first="10.9.0.10", last="10.9.0.19")})
    rack = Rack(USUAL, plan(networks={**base.networks, "bmc": more}), nodes=len(bmcs), seed=1, check=False)
    rack.run(seconds=400.0)
    work = Work(rack.world)
    for node, address in zip(sorted(rack.world.nodes.values(), key=lambda n: n.id), bmcs, strict=False):
        work.put_node(replace(node, bmc=Bmc(address=address, mac="52:54:00:00:01:01")))
    return work.finish()


def test_a_bmc_counts_in_the_network_of_its_address() -> None:
    world = made(["10.9.0.11", "10.9.0.12", "10.9.0.200"])
    found = {n.name: n for n in networks(world)}["bmc"]
    assert [(r.used, r.size) for r in found.ranges] == [(2, 10)]
    assert found.outside == 1
    rows = [(a.address, a.kind, bool(a.node)) for a in addresses(world) if a.network == "bmc"]
    assert rows == [("10.9.0.11", "bmc", True), ("10.9.0.12", "bmc", True), ("10.9.0.200", "bmc", True)]


def test_an_address_counts_once_and_a_name_or_a_foreign_address_not_at_all() -> None:
    world = made(["10.9.0.11", "10.9.0.11", "bmc-3.example.net", "192.0.2.7"])
    found = {n.name: n for n in networks(world)}["bmc"]
    assert (sum(r.used for r in found.ranges), found.outside) == (1, 0)
    assert "192.0.2.7" not in {a.address for a in addresses(world)}
