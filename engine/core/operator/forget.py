"""Deleting a node: its roles, addresses, values and sightings go with it. Bans stay, because they belong to MACs."""

from __future__ import annotations

from msgspec.structs import replace

from ...effects import Ignore
from ...model import Key, Kind, Node
from ..plan.rebind import rebind
from ..plan.wanted import ADMIN
from ..roles.attributes import OF_DEPLOYMENTS
from ..roles.transitions import Move, not_legal
from ..world.work import Work


def forget(w: Work, node: Node) -> None:
    """Deletes the node and everything that belongs to it. At its next boot it is discovered like any other."""
    keys: tuple[Key, ...] = w.roles_of.get(node.id) or ()
    scopes = [node.id, *(f"{node.id}/{role}" for _, role in keys)]
    refused = next((reason for key in keys if (reason := not_legal(w.node_roles[key], Move.DELETE))), None)
    if refused is not None:
        w.order(Ignore(reason=refused))
        return
    for key in reversed(keys):
        w.drop_role(key)
    for network in sorted(w.plan.networks if w.plan is not None else ()):
        address = w.address_of.get((node.id, network))
        if address is not None:
            w.drop("allocations", address)
    for scope in scopes:
        for value_key in w.values_of.get(scope) or ():
            if value_key[0] not in OF_DEPLOYMENTS:  # a deployment may have the same name as a node
                w.drop("attributes", value_key)
    for mac in node.macs:
        sighting = w.sightings.get(mac)
        if sighting is not None and sighting.banned:
            w.put_sighting(replace(sighting, node=""))
        elif sighting is not None:
            w.drop("sightings", mac)
    w.drop("nodes", node.id)
    _rebind(w, [role for _, role in keys])


def _rebind(w: Work, left: list[str]) -> None:
    """The node roles that required roles of the node require others now, or wait for them."""
    before = w.checkpoint()
    refused = rebind(w, [one for one in w.all(Node) if one.id == ADMIN or one.kind is Kind.DEVICE], left)
    if refused is not None:
        w.rollback(before)
        w.order(Ignore(reason=refused))
