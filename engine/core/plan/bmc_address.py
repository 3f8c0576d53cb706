"""The address that a node's BMC gets: reserved in the plan's network of BMCs, for role `bmc-address`, which sets it in band. Pure.

Rules
* Only a node with that role gets one. Other BMCs keep what the site's DHCP or a person gave them.
* Preferred, in this order: the address that the node already has; the one that an operator or the plan entered for its BMC; the plan's
  address for its place; the one that the BMC has now, if it is in the range `host`; the same host part as on the admin network; the first
  free one. So a BMC that is right is left as it is.
* An address of another node's BMC is not free, whether this engine gave it or not.
"""

from __future__ import annotations

from collections.abc import Container

from ... import reasons
from ...model import Allocation, Kind, Node
from ...reasons import Reason
from ..hardware.bmc import ADDRESS_ROLE, entered, in_bmc_network, reported
from ..hardware.bmc_network import bmc_network
from ..roles.attributes import admin_network
from ..world.work import Work
from .addresses import choose, is_free


def give_bmc_address(w: Work, node: Node, roles: Container[str]) -> Reason | None:
    """Reserves the address if the node shall have the role. A reason: the range is used up."""
    network = bmc_network(w.plan)
    if ADDRESS_ROLE not in roles or network is None or node.kind is not Kind.SERVER or (node.id, network.name) in w.address_of:
        return None
    wanted, now = entered(w, node), reported(w, node)
    if wanted is not None and not in_bmc_network(w.plan, wanted.address):
        return None  # `bmc_network_value` says why
    if wanted is not None and is_free(w, node, wanted.address):
        address: str | None = wanted.address
    else:
        address = choose(w, node, network, "host", admin_network(w), now.address if now is not None else "")
    if address is None:
        return reasons.pool_empty(range="host", network=network.name, size=len(network.ranges["host"]))
    w.put(Allocation(address=address, network=network.name, range="host", node=node.id))
    return None
