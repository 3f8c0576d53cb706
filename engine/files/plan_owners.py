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
    known = _Rules(rules)
    for (name, role), where in places.items():
        line = line_of(deployments, name)
        for network, by in _networks(catalog, role, placed):
            owner = networks[network].deployment if network in networks else ""
            if owner in deployments and not may_use(owner, line):
                what = f"role {by!r} requires" if network_of(by) != network else "this is the role of"
                where.fail(f"{what} network {network!r}, which only deployment {owner!r} and those below it may use")
        for i, selector in enumerate(deployments[name].roles[role]):
            _node(where, i, selector, line, deployments, known)


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


def _node(where: Element, i: int, selector: str, line: Line, deployments: Mapping[str, DeploymentDef], rules: _Rules) -> None:
    kind, _, node = selector.partition(":")
    found = rules.owner(node) if kind == "node" else None
    if found is None or found[0] not in deployments or serves(line_of(deployments, found[0]), line):
        return
    element = where.at((i, "node")) if isinstance(where.json(), list) else where.at(("node",))
    owner = f"deployment {found[0]!r} (rule {found[1] + 1})"
    element.fail(f"node {shown(node)} belongs to {owner}, which is neither above nor below {line[0]!r}")


class _Rules:
    """The rules of a plan, by the plain values that they match: a saved plan has a rule for each machine, and may name each of them."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules
        self._named: dict[str, int] = {}
        self._with: dict[tuple[str, Json], list[int]] = {}
        self._plain = [{fact: one for fact, one in rule.match.items() if isinstance(one, str | int | float)} for rule in rules]
        for number, rule in enumerate(rules):
            self._named.setdefault(rule.name, number)
            for item in self._plain[number].items():
                self._with.setdefault(item, []).append(number)
        self._without: dict[str, list[int]] = {}
        self._owned = any(rule.deployment for rule in rules)

    def owner(self, node: str) -> tuple[str, int] | None:
        """The deployment that owns the node of that name, and the number of the rule. None: the text does not tell."""
        number = self._named.get(node) if self._owned and node else None
        if number is None:
            return None
        near = self._near(number)
        if any(self._rules[one].name for one in near if one < number):
            return None
        first = next((one for one in near if self._rules[one].deployment), None)
        if first is None or not self._rules[first].match.items() <= self._rules[number].match.items():
            return None
        return self._rules[first].deployment, first

    def _near(self, number: int) -> list[int]:
        """The rules that may match a machine that this one matches, in order. Not near: both want different plain values of a fact."""
        plain = self._plain[number]
        found = [[*self._with[item], *self._lacking(item[0])] for item in plain.items()]
        near = min(found, key=len, default=range(len(self._rules)))
        return sorted(one for one in near if all(plain[fact] == self._plain[one].get(fact, plain[fact]) for fact in plain))

    def _lacking(self, fact: str) -> list[int]:
        """The rules that match no plain value of this fact."""
        if fact not in self._without:
            self._without[fact] = [number for number, plain in enumerate(self._plain) if fact not in plain]
        return self._without[fact]
