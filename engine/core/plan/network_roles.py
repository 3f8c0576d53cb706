"""Each network of a plan makes its own role `network-NAME`, from the abstract template role `network` of the catalogue.

A generated role runs the template's scripts (`RoleDef.scripts`) and has the template's wants and gives. The engine computes `network`
for each node role, and gives are kept with the node role, so that two networks on a node cannot mix.
"""

from __future__ import annotations

from msgspec import structs

from ...definitions import Catalog
from ...plan import Plan

TEMPLATE = "network"
PREFIX = TEMPLATE + "-"


def network_roles(catalog: Catalog, plan: Plan) -> Catalog:
    """The catalogue with one role per network of the plan, and without roles of networks that it does not have."""
    template = catalog.roles.get(TEMPLATE)
    if template is None:
        return catalog
    roles = {name: role for name, role in catalog.roles.items() if role.scripts != TEMPLATE}
    for name in plan.networks:
        roles[PREFIX + name] = structs.replace(
            template,
            name=PREFIX + name,
            description=f"{template.description} (network {name})",
            flags=template.flags - {"abstract"},
            scripts=TEMPLATE,
        )
    return structs.replace(catalog, roles=roles)


def network_of(role: str) -> str:
    """The network of a generated role. Empty for any other role."""
    return role.removeprefix(PREFIX) if role.startswith(PREFIX) else ""
