"""Each network of a plan makes its own role `network-NAME`, from the abstract template role `network` of the catalogue.

If the plan places `switch-ports`, each of these roles requires it on the switches of its node: a VLAN is on the switch before the node
uses it.

A generated role runs the template's scripts (`RoleDef.scripts`) and has the template's wants and gives. The engine computes `network`
for each node role, and gives are kept with the node role, so that two networks on a node cannot mix.
"""

from __future__ import annotations

from msgspec import structs

from ...definitions import Catalog, On, Requirement
from ...plan import Plan
from ..hardware.port_table import ROLE as SWITCH_PORTS

TEMPLATE = "network"
PREFIX = TEMPLATE + "-"


def network_roles(catalog: Catalog, plan: Plan) -> Catalog:
    """The catalogue with one role per network of the plan, and without roles of networks that it does not have."""
    template = catalog.roles.get(TEMPLATE)
    if template is None:
        return catalog
    roles = {name: role for name, role in catalog.roles.items() if role.scripts != TEMPLATE}
    switched = SWITCH_PORTS in roles and any(SWITCH_PORTS in one.roles for one in plan.deployments.values())
    requires = (*template.requires, Requirement(role=SWITCH_PORTS, on=On.LINKED, kind="switch")) if switched else template.requires
    for name in plan.networks:
        roles[PREFIX + name] = structs.replace(
            template,
            name=PREFIX + name,
            description=f"{template.description} (network {name})",
            flags=template.flags - {"abstract"},
            requires=requires,
            scripts=TEMPLATE,
        )
    return structs.replace(catalog, roles=roles)


def network_of(role: str) -> str:
    """The network of a generated role. Empty for any other role."""
    return role.removeprefix(PREFIX) if role.startswith(PREFIX) else ""
