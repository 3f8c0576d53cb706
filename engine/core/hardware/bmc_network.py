"""The network in which the engine gives BMCs their addresses, and what role `bmc-address` reads of it. Pure."""

from __future__ import annotations

from ...definitions import Json
from ...model import Node
from ...plan import Network, Plan
from ..world.view import View

NAME = "bmc"
"""Name of the plan's network of BMCs. A network with this conduit is one too."""


def bmc_network(plan: Plan | None) -> Network | None:
    """The network `bmc`, else the first one with the conduit `bmc`. None: there is none with a range `host`, so BMCs get no address."""
    known = plan.networks.values() if plan is not None else ()
    found = sorted((one for one in known if NAME in (one.name, one.conduit)), key=lambda one: (one.name != NAME, one.name))
    return found[0] if found and "host" in found[0].ranges else None


def bmc_network_value(view: View, node: Node) -> Json:
    """The attribute `bmc-network`: what role `bmc-address` sets, or in `refused` why it sets nothing."""
    network = bmc_network(view.plan)
    if network is None:
        return {"refused": f"the plan has no network {NAME} with a range host"}
    address = view.address_of.get((node.id, network.name))
    if address is None:
        why = "its attribute bmc names one outside, or the plan is not committed"
        return {"refused": f"no address of network {network.name} is reserved for the machine: {why}"}
    return {"address": address, "mask": network.mask, "router": network.router}
