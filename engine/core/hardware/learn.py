"""What a successful role reveals about the node itself: its BMC, family, kexec, SSH host key, place. Roles report attributes; the few
that the engine's own decisions need are copied to the node here, and nowhere else."""

from __future__ import annotations

from msgspec.structs import replace

from ...events import Spoken
from ...model import Node, NodeRole, Place
from ...vitals import Ailing
from ..world.work import Work
from .bmc import ADDRESS_SET, take_up
from .devices import meet
from .found_values import put_found
from .inventory import Inventory
from .location import placed, seen_by_chassis, seen_by_switch
from .port_table import FDB_ROLE
from .slots import ROLE as SLOTS

_LEARNT = frozenset({"bmc", "product", "firmware", "kexec", "ssh-host-key", "neighbours", ADDRESS_SET, FDB_ROLE, SLOTS})
"""What roles give that is taken over."""
CLOCK_S = 60
"""Seconds by which a BMC's clock may differ before that is shown."""


def bmc_speaks(w: Work, node_id: str, spoken: Spoken) -> None:
    """A power order revealed the protocol of the node's BMC."""
    node = w.nodes.get(node_id)
    protocol = "" if spoken == "unknown" else spoken
    if spoken and node is not None and node.bmc is not None and node.bmc.protocol != protocol:
        w.put_node(replace(node, bmc=replace(node.bmc, protocol=protocol)))


def bmc_clock(w: Work, node_id: str, off_s: int | None) -> None:
    """An order read the BMC's own clock. Jitter within a minute is no news."""
    node = w.nodes.get(node_id)
    if off_s is None or node is None or node.bmc is None:
        return
    shown = off_s if abs(off_s) >= CLOCK_S else 0
    if abs(shown - node.bmc.clock_off_s) >= CLOCK_S or not shown:
        bmc = replace(node.bmc, clock_off_s=shown)
        if bmc != node.bmc:
            w.put_node(replace(node, bmc=bmc))


def ailing(w: Work, node_id: str, found: tuple[Ailing, ...]) -> None:
    """The node's BMC reports these problems now."""
    node = w.nodes.get(node_id)
    if node is not None and node.ailments != found:
        w.put_node(replace(node, ailments=found))


def learn(w: Work, role: NodeRole) -> None:
    """Copies from the node role's gives."""
    node = w.nodes.get(role.node)
    if node is None:
        return
    put_found(w, role)
    if _LEARNT.isdisjoint(role.gave):
        return
    told, new = Inventory(role.gave), node
    if told.told("product"):
        new = replace(new, family=told.product[:128])
    if told.told("firmware"):
        new = replace(new, firmware=told.firmware[:16])
    if told.told("kexec"):
        new = replace(new, kexec=told.kexec)
    if isinstance(key := role.gave.get("ssh-host-key"), str):
        new = replace(new, host_key=key[:1024])
    if told.told("neighbours") and w.plan is not None:
        new = replace(new, place=_place(w, new, told))
    if new is not node:
        w.put_node(new)
    if told.told("bmc") or ADDRESS_SET in role.gave:
        take_up(w, new)
    if told.told("neighbours"):
        meet(w, told.neighbours)
    if role.role == SLOTS:
        seen_by_chassis(w, role.gave[SLOTS])
    if role.role == FDB_ROLE:
        seen_by_switch(w, (one["mac"] for one in role.gave[FDB_ROLE] if isinstance(one, dict) and isinstance(one.get("mac"), str)))


def _place(w: Work, node: Node, told: Inventory) -> Place | None:
    """The place that counts with these neighbours. What nothing says any more stays."""
    found = placed(w, node, told.neighbours)
    return found[0].place if found else node.place
