"""Where a node stands, from what its links hear (LLDP, IEEE 802.1AB) and the plan's cable list."""

from __future__ import annotations

from collections import Counter

from .definitions import Json
from .model import Place
from .plan import Plan


def place_from(plan: Plan, neighbours: Json) -> Place | None:
    """The place whose cables end in the ports that the node hears, by most links; None: no port of the plan was heard."""
    votes: Counter[tuple[str, int]] = Counter()
    heard = {
        f"{n.get('system', '')}:{n.get('port', '')}" for n in neighbours if isinstance(n, dict)
    } if isinstance(neighbours, list) else set()  # fmt: skip
    for rack in plan.racks:
        for place in rack.places:
            votes[(rack.name, place.unit)] += sum(port in heard for port in place.cables.values())
    if not votes:
        return None
    (name, unit), count = max(votes.items(), key=lambda item: (item[1], -item[0][1]))
    return Place(rack=name, unit=unit) if count else None
