"""Cables that are not where the plan has them, in the words of every face: the next step, why, the list of nodes. Pure."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ..core.hardware.topology import Link, Topology


class WrongCable(Struct, frozen=True, kw_only=True):
    node: str
    """The first label of its name."""
    nic: str
    """The port's name on the node, or else the link's name in the plan."""
    check: str
    """`swapped` or `missing`."""
    text: str
    plan: str
    """`switch:port` in the plan."""


def wrong_cables(links: Topology, left: Callable[[Link], bool] = lambda _: False) -> tuple[WrongCable, ...]:
    """Swapped cables, then missing ones, each in the order of the switches' ports, without those that are `left` to somebody."""
    found = [link for check in ("swapped", "missing") for link in links.links if link.check == check and not left(link)]
    return tuple(
        WrongCable(node=link.node, nic=link.nic or link.link, check=link.check, text=_text(link.nic or link.link, link), plan=link.plan)
        for link in found
    )


def _text(nic: str, link: Link) -> str:
    where = f"is in {link.switch}:{link.port}" if link.switch else "is in nowhere"
    return f"{nic} {where}, the plan says {link.plan or 'nothing'}"


def cables_of(links: Topology, node: str) -> tuple[WrongCable, ...]:
    """Those of one node. `node`: its whole name, or the first label."""
    label = node.split(".")[0]
    return tuple(one for one in wrong_cables(links) if one.node == label)


def what_to_do(cable: WrongCable) -> str:
    where = f"plug it into {cable.plan}" if cable.plan else "unplug it, or correct the plan"
    return f"{where}, then rediscover the node: LLDP is heard at discovery"
