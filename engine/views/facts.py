"""Odd facts about a machine that stop nothing: an identity that others show too, a wrong clock, several BMC channels, more than one
neighbour on a port. Pure. Shown on the node's page and by `crowbar explain`."""

from __future__ import annotations

from ..core.boot.identity import known_by, shared_with
from ..core.boot.rumour import present
from ..core.hardware.inventory import FoundBmc, inventory_of
from ..core.hardware.topology import Topology, topology
from ..core.hardware.written import odd_writes
from ..core.roles.claims import trusted
from ..core.world.world import World
from ..model import Node
from ..reasons import sentence

CLOCK_S = 60
"""Seconds by which a clock may differ without a fact: a hello may wait some seconds for the engine."""


def node_facts(world: World, node: Node, links: Topology | None = None) -> tuple[tuple[str, str], ...]:
    """Labels and sentences, the most important first."""
    claim = _claim(world, node)
    out = [("claim", claim)] if claim and not node.confirmed else []
    out += [("boot", text) for text in _rumour(node)]
    if node.light is not None and node.light.failure is not None:
        out.append(("light", f"its identify light is still on: {sentence(node.light.failure)}; press i to turn it off"))
    out += [("identity", text) for text in _identity(world, node)]
    if node.clock_off is not None and abs(node.clock_off) >= CLOCK_S:
        out.append(("clock", f"at the last hello, the machine's clock was {_off(node.clock_off)}"))
    told = inventory_of(world, node.id)
    out += _bmc(told.bmc)
    out += [("inventory", sentence(reason)) for reason in (*told.odd, *odd_writes(world, node.id))]
    label = node.name.split(".")[0]
    if world.node_roles.get((node.id, "lldp")) is not None:
        found = links or topology(world)
        out += [("cable", f"{one.nic}: {one.faulty}") for one in found.links if one.node == label and one.faulty]
        out += [("cable", f"{one.nic} also hears {other}") for one in found.links if one.node == label for other in one.others]
    out += [("claim", claim)] if claim and node.confirmed else []
    return tuple(out)


def _rumour(node: Node) -> list[str]:
    """Who asks to boot in the node's name, while no boot of it is open."""
    rumour = node.rumour
    if rumour is None or node.boot is not None:
        return []
    port = f", switch port {rumour.port}" if rumour.port else ""
    follows = "the engine asks whether the node is still up" if present(node) else "the engine waits for its hello"
    return [f"{rumour.mac} at {rumour.address or 'no address'}{port} asks to boot ({rumour.signal.value}); {follows}"]


def _claim(world: World, node: Node) -> str:
    """Whether secrets may go to what the machine runs. Empty: nobody has to know."""
    if not node.fingerprint:
        return ""
    if node.confirmed:
        return f"fingerprint {node.fingerprint}, confirmed by {'its BMC' if node.confirmed == 'bmc' else 'an operator'}"
    if trusted(world, node):
        return ""
    return f"fingerprint {node.fingerprint}: press f if its own screen shows the same"


def _identity(world: World, node: Node) -> list[str]:
    out = []
    by = known_by(world, node)
    for shared in shared_with(world, node):
        names = [world.nodes[n].name.split(".")[0] for n in shared.nodes]
        who = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        verb = "shows" if len(names) == 1 else "show"
        ours = "MACs" if by == "macs" else by
        out.append(f"{who} also {verb} the {shared.what} {shared.value}, so the engine recognises this node by its {ours}")
    return out


def _bmc(told: FoundBmc) -> list[tuple[str, str]]:
    out = []
    if told.clock_off is not None and abs(told.clock_off) >= CLOCK_S:
        out.append(("bmc clock", f"the BMC's clock is {_off(told.clock_off)}"))
    if told.channels:
        each = ", ".join(f"{c.channel}: {c.address or 'no address'} {c.mac}".strip() for c in told.channels[:11])
        out.append(("bmc lan", f"channel {each}"))
    return out


def _off(seconds: int) -> str:
    """`3 h 2 min ahead of the engine's`."""
    left = abs(seconds)
    parts: list[str] = []
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return f"{' '.join(parts)} {'ahead of' if seconds > 0 else 'behind'} the engine's"
