"""The links of the rack in the order in which a person reads them, and the ports of a switch. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from ..core.hardware.port_names import natural
from ..core.hardware.topology import Check, Link, Topology

ORDER: tuple[Check, ...] = ("swapped", "missing", "unknown", "silent", "right")
"""Verdicts, the wrong cables first."""
WRONG = ("swapped", "missing")
"""Verdicts that a person has to act on."""
FOLDED = ("silent", "unknown")
"""Verdicts whose links are shown as one if link and reason are the same: nobody has to act on a single one."""
MOST = 128
"""Most ports of a switch that are filled up with the unused ones between them."""
_PORT = re.compile(r"(.*?)(\d+)")


class LinkGroup(Struct, frozen=True, kw_only=True):
    """Links that say the same: one, or several with the same verdict and reason."""

    links: tuple[Link, ...]

    @property
    def first(self) -> Link:
        return self.links[0]


class Port(Struct, frozen=True, kw_only=True):
    """A port of a switch."""

    name: str
    number: str
    """The last number of its name, as on the faceplate. The name itself if it has none."""
    check: Check | None
    """The worst verdict of the links that end here, or that the plan has here. None: no link."""


def in_order(links: tuple[Link, ...]) -> tuple[LinkGroup, ...]:
    """Wrong cables first; identical links that need nobody are one group. Within a verdict by switch and port, as they come."""
    groups: dict[object, list[Link]] = {}
    for number, link in enumerate(links):
        key: object = (link.check, link.link, link.why) if link.check in FOLDED and not link.faulty else number
        groups.setdefault(key, []).append(link)
    return tuple(LinkGroup(links=tuple(some)) for some in sorted(groups.values(), key=lambda some: _rank(some[0])))


def _rank(link: Link) -> int:
    """A cable without light comes before all that are not wrong."""
    rank = ORDER.index(link.check)
    return min(rank, len(WRONG)) if link.faulty else rank


def switch_of(link: Link) -> str:
    """The switch at which it ends, or else where the plan has it."""
    return link.switch or link.plan.partition(":")[0]


def port_of(link: Link) -> str:
    """The port at which it ends, or else the one that the plan has."""
    return link.port or link.plan.partition(":")[2]


def ports_of(links: Topology, switch: str) -> tuple[Port, ...]:
    """All ports of the switch that were heard or are in the plan, and the unused ones between them, in their order."""
    found: dict[str, Check] = {}
    for link in links.links:
        if switch_of(link) == switch and port_of(link):
            before = found.get(port_of(link))
            found[port_of(link)] = link.check if before is None else min(before, link.check, key=ORDER.index)
        planned, _, port = link.plan.partition(":")
        if planned == switch and port:
            found.setdefault(port, "missing" if link.check in WRONG else link.check)
    names = {**dict.fromkeys(_between(list(found))), **found}
    return tuple(Port(name=name, number=_number(name), check=names[name]) for name in sorted(names, key=natural))


def _number(name: str) -> str:
    found = _PORT.fullmatch(name)
    return found[2] if found is not None else name


def _between(names: list[str]) -> list[str]:
    """Names of the ports from 1 to the last used one, for each prefix."""
    last: dict[str, int] = {}
    for name in names:
        if (found := _PORT.fullmatch(name)) is not None and len(found[2]) <= 3:
            last[found[1]] = max(last.get(found[1], 0), int(found[2]))
    return [f"{prefix}{number}" for prefix, many in last.items() for number in range(1, min(many, MOST) + 1)]
