"""What a plan needs: its systems, its roles with all that they require, and the packages of these roles. Pure."""

from __future__ import annotations

from ..core.plan.network_roles import TEMPLATE, network_of
from ..definitions import Catalog, Json
from ..plan import Plan
from ..sources.wish import Build, builds_of

DEFAULT_OS = "debian-12"
FAMILY_OF = {"debian": "debian", "ubuntu": "debian", "alma": "redhat", "rocky": "redhat", "fedora": "redhat"}
"""First part of a system's name -> its family of distributions."""
SUITES = {"debian-12": "bookworm", "debian-13": "trixie", "ubuntu-24.04": "noble"}
"""System -> the name of the release in its mirrors."""


def builds(plan: Plan, catalog: Catalog) -> list[Build]:
    """What the plan's roles want from source. Raises SourceError for what no plan can hold."""
    found: dict[Build, None] = {}
    for name in sorted({catalog.roles[role].source for role in roles(plan, catalog)} - {""}):
        for source in values(plan, catalog, f"{name}-source"):
            for requirements in values(plan, catalog, f"{name}-requirements"):
                given = {"requirements": requirements, "wanted": [{"value": source}]}
                for key in ("index", "python"):
                    given[key] = values(plan, catalog, f"source-{key}")[-1]
                found |= dict.fromkeys(builds_of(name, {"source": given}))
    return list(found)


def values(plan: Plan, catalog: Catalog, attribute: str) -> list[Json]:
    """The values that the plan gives to an attribute, or its default if it gives none."""
    rules = [given for rule in plan.rules for given in (rule.attributes, *(one.attributes for one in rule.roles.values()))]
    settings = [plan.attributes, *(one.attributes for one in plan.deployments.values()), *rules]
    given = [one[attribute] for one in settings if attribute in one]
    return given or [catalog.attributes[attribute].default]


def systems(plan: Plan, catalog: Catalog) -> list[str]:
    """The systems that servers of the plan may install, sorted."""
    return sorted({str(one or DEFAULT_OS) for one in values(plan, catalog, "target-os")})


def roles(plan: Plan, catalog: Catalog) -> list[str]:
    """Every role that the plan can bind: those that it places, those that bind themselves, and what these require; sorted."""
    todo = [name for one in plan.deployments.values() for name in one.roles]
    todo += [name for name, role in catalog.roles.items() if role.flags & {"bootstrap", "discovery"}]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        name = TEMPLATE if network_of(name) else name
        if name in found:
            continue
        found.add(name)
        todo += catalog.providers.get(name, ())
        if name in catalog.roles:
            todo += [one.role for one in catalog.requirements(name)]
    return sorted(found & catalog.roles.keys())


def packages(plan: Plan, catalog: Catalog, family: str) -> list[str]:
    """Names of the packages that the plan's roles need on a system of this family, sorted."""
    return sorted({name for role in roles(plan, catalog) for name in catalog.roles[role].packages.get(family, ())})


def family_of(system: str) -> str:
    """Its family of distributions. Empty: unknown."""
    return FAMILY_OF.get(system.partition("-")[0], "")


def sources(system: str, url: str, *, whole: bool) -> list[tuple[str, list[str], str]]:
    """URL, suites and components of the sources of a Debian-like system, as the role `package-sources` writes them. `url`: what stands
    for the mirrors, `URL/packages/SYSTEM`. `whole`: with updates and security updates. Empty: the system's release is unknown."""
    suite = SUITES.get(system, "")
    if not suite:
        return []
    if system.startswith("ubuntu"):
        suites = [suite, f"{suite}-updates", f"{suite}-security"] if whole else [suite]
        return [(f"{url}/packages/{system}/ubuntu", suites, "main universe")]
    more = [(f"{url}/packages/{system}/debian-security", [f"{suite}-security"], "main")]
    return [(f"{url}/packages/{system}/debian", [suite, f"{suite}-updates"] if whole else [suite], "main"), *(more if whole else [])]
