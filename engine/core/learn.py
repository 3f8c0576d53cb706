"""What a success tells about the node itself: its BMC, family, kexec, SSH host key, place. Roles report attributes; the
few that the engine's own decisions need are copied to the node here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from ..definitions import Json
from ..events import Spoken
from ..model import Bmc, Node, NodeRole
from .devices import meet
from .topology import place_from
from .work import Work


def _bmc(node: Node, value: Json) -> Node:
    if isinstance(value, dict) and isinstance(value.get("address"), str) and value["address"]:
        return replace(node, bmc=Bmc(address=value["address"], mac=str(value.get("mac", ""))))
    return node


_LEARNT: dict[str, Callable[[Node, Json], Node]] = {
    "bmc": _bmc,
    "product": lambda node, value: replace(node, family=str(value)[:128]),
    "firmware": lambda node, value: replace(node, firmware=str(value)[:16]),
    "kexec": lambda node, value: replace(node, kexec=value is True),
    "ssh-host-key": lambda node, value: replace(node, host_key=str(value)[:1024]),
}


def bmc_speaks(w: Work, node_id: str, spoken: Spoken) -> None:
    """A power order told what the node's BMC speaks."""
    node: Node | None = w.nodes.get(node_id)
    protocol = "" if spoken == "unknown" else spoken
    if spoken and node is not None and node.bmc is not None and node.bmc.protocol != protocol:
        w.put_node(replace(node, bmc=replace(node.bmc, protocol=protocol)))


def learn(w: Work, role: NodeRole) -> None:
    """Take over from what the node role gave."""
    node: Node | None = w.nodes.get(role.node)
    if node is None:
        return
    new = node
    for name, value in role.gave.items():
        if name in _LEARNT:
            new = _LEARNT[name](new, value)
    if "neighbours" in role.gave and w.plan is not None:
        new = replace(new, place=place_from(w.plan, role.gave["neighbours"]) or new.place)
    if new is not node:
        w.put_node(new)
    if "neighbours" in role.gave:
        meet(w, role.gave["neighbours"])
