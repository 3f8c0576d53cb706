"""Refuses in a plan what belongs to a deployment elsewhere: networks that its roles use, and nodes that it names (`core.plan.owned`).

Only what the text proves is a mistake here. What depends on the facts of the machines, the commit refuses with a reason. An unknown owner
is a mistake by itself, and makes no others.

* A role's network: that of a role `network-NAME`, placed or required. A required role that the plan places itself is checked there.
* A node's owner: known if a rule gives exactly this name, and the rules before it either match other machines, or any machine that it
  matches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..core.plan.network_roles import network_of
from ..core.plan.owned import Line, line_of, may_use, serves
from ..definitions import Catalog, Json
from ..plan import DeploymentDef, Network, Rule
from .element import Element
from .mistakes import shown


def check_owners(
    places: Mapping[tuple[str, str], Element],
    deployments: Mapping[str, DeploymentDef],
    catalog: Catalog,
    networks: Mapping[str, Network],
    rules: tuple[Rule, ...],
) -> None:
    """Checks these `places`: (deployment, role) -> where the plan places it. `catalog` has the roles of the plan's networks."""
    placed = frozenset(role for one in deployments.values() for role in one.roles)
    for (name, role), where in places.items():
        line = line_of(deployments, name)
        for network, by in _networks(catalog, role, placed):
            owner = networks[network].deployment if network in networks else ""
            if owner in deployments and not may_use(owner, line):
                what = f"role {by!r} requires" if network_of(by) != network else "this is the role of"
                where.fail(f"{what} network {network!r}, which only deployment {owner!r} and those below it may use")
        for i, selector in enumerate(deployments[name].roles[role]):
            _node(where, i, selector, line, deployments, rules)


def _networks(catalog: Catalog, role: str, placed: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(Network, role that requires it), each network once."""
    todo, seen = [role], {role}
    if network_of(role):
        yield network_of(role), role
    for by in todo:  # grows meanwhile
        for need in catalog.requirements(by) if by in catalog.roles else ():
            if need.role in seen:
                continue
            seen.add(need.role)
            if network_of(need.role):
                yield network_of(need.role), by
            elif need.role not in placed:
                todo.append(need.role)


def _node(where: Element, i: int, selector: str, line: Line, deployments: Mapping[str, DeploymentDef], rules: tuple[Rule, ...]) -> None:
    kind, _, node = selector.partition(":")
    found = _owner(rules, node) if kind == "node" and node else None
    if found is None or found[0] not in deployments or serves(line_of(deployments, found[0]), line):
        return
    element = where.at((i, "node")) if isinstance(where.json(), list) else where.at(("node",))
    element.fail(
        f"node {shown(node)} belongs to deployment {found[0]!r} (rule {found[1] + 1}), which is neither above nor below {line[0]!r}"
    )


def _owner(rules: tuple[Rule, ...], node: str) -> tuple[str, int] | None:
    """The deployment that owns the node of that name, and the number of the rule. None: the text does not tell."""
    for number, rule in enumerate(rules):
        if rule.name != node:
            continue
        if any(one.name and not _disjoint(one.match, rule.match) for one in rules[:number]):
            return None
        for other, one in enumerate(rules):
            if not one.deployment or _disjoint(one.match, rule.match):
                continue
            return (one.deployment, other) if one.match.items() <= rule.match.items() else None
    return None


def _disjoint(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """True if no machine can meet both: they want different plain values of a fact."""
    plain = (fact for fact in one.keys() & other.keys() if not isinstance(one[fact], dict) and not isinstance(other[fact], dict))
    return any(one[fact] != other[fact] for fact in plain)
