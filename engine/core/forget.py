"""Forgetting a node: its roles, addresses, values and sightings go with it. Bans stay, for they belong to MACs."""

from __future__ import annotations

from msgspec.structs import replace

from ..model import Key, Node, Sighting
from .work import Work


def forget(w: Work, node: Node) -> None:
    """Drop the node and all that belongs to it. It is discovered like any other when it boots again."""
    keys: tuple[Key, ...] = w.roles_of.get(node.id) or ()
    scopes = [node.id, *(f"{node.id}/{role}" for _, role in keys)]
    for key in reversed(keys):
        w.drop_role(key)
    for network in sorted(w.plan.networks if w.plan is not None else ()):
        address = w.address_of.get((node.id, network))
        if address is not None:
            w.drop("allocations", address)
    for scope in scopes:
        for value_key in w.values_of.get(scope) or ():
            w.drop("attributes", value_key)
    for mac in node.macs:
        sighting: Sighting | None = w.sightings.get(mac)
        if sighting is not None and sighting.banned:
            w.put_sighting(replace(sighting, node=""))
        elif sighting is not None:
            w.drop("sightings", mac)
    w.drop("nodes", node.id)
