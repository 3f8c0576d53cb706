"""Whose BMC is it, and may the engine use it? The rules for BMC addresses. Pure, but for `take_up`.

A machine reports the address of its BMC (role bmc-discover), and anybody can make a machine that reports another one's. A wrong address
powers another machine off, and a password goes there. So:

* A reported address counts only inside a BMC network of the plan. One that an operator or the plan entered counts anywhere.
* If the plan expects this machine (`machines`), its BMC is the one on the label, whatever the machine reports.
* One node holds an address. A second one that reports it gets none; an entered address wins over a reported one.
* A claim that nothing has confirmed does not move the BMC of a node whose BMC is proven or entered, except to the address that the engine
  itself reserved for it.
* The engine sends no password to a BMC before its node is allocated.
* Before each use the BMC itself says whose it is, by UUID or serial (`theirs`). A value that several nodes show proves nothing. Where
  nothing tells, a challenge (`roles.confirm`) proves it: the machine wrote it, and the engine read it there.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address

from msgspec.structs import replace

from ... import reasons
from ...model import Bmc, Kind, Node
from ...plan import ExpectedMachine, Plan
from ...reasons import Reason
from ..boot.identity import clean_serial, clean_uuid, identify, swapped
from ..roles.attributes import of_node
from ..world.view import View
from ..world.work import Work
from .bmc_network import NAME, bmc_network
from .inventory import FoundBmc, inventory_of, lenient

ATTRIBUTE = "bmc"
ACCOUNT_ROLE = "bmc-account"
"""The role that makes the engine's account in a BMC."""
ADDRESS_ROLE, ADDRESS_SET = "bmc-address", "bmc-address-set"
"""The role that sets the address of a BMC in band, and what it gives."""

# -- where it may be -----------------------------------------------------------------------------------------------


def in_bmc_network(plan: Plan | None, address: str) -> bool:
    """True if the address is inside a BMC network of the plan, and is not the admin node's."""
    try:
        where = ip_address(address)
    except ValueError:
        return False
    if plan is None or address == plan.site.admin.address:
        return False
    for network in plan.networks.values():
        if NAME not in (network.name, network.conduit):
            continue
        if where.version == 4 and where in _subnet(network.subnet):
            return True
        if where.version == 6 and "/" in network.v6prefix and where in IPv6Network(network.v6prefix):
            return True
    return False


@lru_cache(64)
def _subnet(text: str) -> IPv4Network:
    return IPv4Network(text)


def entered(view: View, node: Node) -> Bmc | None:
    """The BMC that an operator or the plan set for this node: by attribute, or among the machines that the plan expects. None: nobody
    did. A MAC on a label leads to an address if this engine leased one to it, inside a BMC network."""
    found = lenient(of_node(view, node, ATTRIBUTE), FoundBmc)
    if found is not None and is_address(found.address):
        return Bmc(address=found.address, mac=found.mac, entered=True)
    known = expected(view, node)
    if known is None:
        return None
    leased = (view.lease_of.get(known.bmc.mac) or "") if known.bmc.mac else ""
    ours = set_by_role(view, node)
    if ours is not None and known.bmc.mac and ours.mac == known.bmc.mac:
        leased = ours.address
    address = known.bmc.address or (leased if in_bmc_network(view.plan, leased) else "")
    return Bmc(address=address, mac=known.bmc.mac, entered=True) if address else None


def expected(view: View, node: Node) -> ExpectedMachine | None:
    """The machine of the plan that has this node's serial. A serial that several nodes show is nobody's."""
    if view.plan is None or not view.plan.machines:
        return None
    serial = clean_serial(node.serial)
    if not serial or len(view.serials.get(node.serial) or ()) > 1:
        return None
    return next((one for one in view.plan.machines if one.serial == serial), None)


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def holder(view: View, node: Node, address: str) -> Node | None:
    """Another node that holds this BMC address."""
    found = view.bmcs.get(address)
    return view.nodes.get(found) if found is not None and found != node.id else None


def refused(view: View, node: Node, bmc: Bmc) -> Reason | None:
    """Why this BMC is not taken for the node's. None: it is."""
    other = holder(view, node, bmc.address)
    if other is not None and not (bmc.entered and other.bmc is not None and not other.bmc.entered):
        return reasons.bmc_is_anothers(node=node.name, address=bmc.address, other=other.name)
    if bmc.entered:
        return None
    known = expected(view, node)
    if known is not None and known.bmc.mac and bmc.mac and bmc.mac != known.bmc.mac:
        return reasons.bmc_not_expected(node=node.name, address=bmc.address[:64], mac=bmc.mac[:32], expected=known.bmc.mac)
    if not in_bmc_network(view.plan, bmc.address):
        return reasons.bmc_outside(node=node.name, address=bmc.address[:64])
    held = node.bmc
    moved = held is not None and held.address != bmc.address and bmc.address != reserved(view, node)
    if held is not None and moved and (held.proven or held.entered) and not node.confirmed:
        return reasons.bmc_moved(node=node.name, address=held.address, reported=bmc.address[:64])
    return None


def reserved(view: View, node: Node) -> str:
    """The address that the engine keeps for the node's BMC. Empty: none."""
    network = bmc_network(view.plan)
    return (view.address_of.get((node.id, network.name)) or "") if network is not None else ""


def set_by_role(view: View, node: Node) -> Bmc | None:
    """The address that role `bmc-address` has set in the node's BMC. None: it did not, or the plan gives the BMC another one since."""
    role = view.node_roles.get((node.id, ADDRESS_ROLE))
    told = lenient(role.gave[ADDRESS_SET], FoundBmc) if role is not None and ADDRESS_SET in role.gave else None
    if told is None or not told.address or told.address != reserved(view, node):
        return None
    return Bmc(address=told.address, mac=told.mac)


def reported(view: View, node: Node) -> Bmc | None:
    """The BMC that the machine itself reports, or the address that the engine had set there. None: it has none, or no address."""
    ours = set_by_role(view, node)
    if ours is not None:
        return ours
    told = inventory_of(view, node.id).bmc
    return Bmc(address=told.address, mac=told.mac) if told.address else None


def take_up(w: Work, node: Node) -> Node:
    """Gives the node the BMC that counts now: the entered one, else the reported one. A refused one changes only the notice."""
    if node.kind is not Kind.SERVER:
        return node
    wanted = entered(w, node) or reported(w, node)
    held = node.bmc
    if wanted is None:
        if held is not None and held.entered:
            w.put_node(node := replace(node, bmc=None))
        return node
    why = refused(w, node, wanted)
    if why is not None:
        kept = held if held is not None and (held.address != wanted.address or why.code == "bmc_moved") else None
        w.put_node(node := replace(node, bmc=kept, notice=why))
        return node
    loser = holder(w, node, wanted.address)
    if loser is not None:
        lost = reasons.bmc_is_anothers(node=loser.name, address=wanted.address, other=node.name)
        w.put_node(replace(loser, bmc=None, notice=lost))
    if held is not None and held.address == wanted.address and (not wanted.mac or held.mac in ("", wanted.mac)):
        wanted = replace(held, mac=wanted.mac or held.mac, entered=wanted.entered)
    if wanted != held:
        w.put_node(node := replace(node, bmc=wanted))
    return node


# -- whether it may be used ----------------------------------------------------------------------------------------


def usable(view: View, node: Node) -> Bmc | None:
    """The node's BMC, if the engine may log in there now."""
    bmc = node.bmc
    if bmc is None or not node.allocated or not (bmc.entered or in_bmc_network(view.plan, bmc.address)):
        return None
    return bmc


def why_not(view: View, node: Node) -> Reason | None:
    """Why the engine cannot use the node's BMC now. None: it can."""
    bmc = node.bmc
    if bmc is None:
        found = reported(view, node)
        return (refused(view, node, found) if found is not None else None) or reasons.no_power(node=node.name)
    if not node.allocated:
        return reasons.bmc_too_early(node=node.name)
    if not (bmc.entered or in_bmc_network(view.plan, bmc.address)):
        return reasons.bmc_outside(node=node.name, address=bmc.address)
    return None


def own_account(view: View, node: Node) -> bool:
    """True if the engine has made an account of its own in the node's BMC. Then it uses no other one."""
    role = view.node_roles.get((node.id, ACCOUNT_ROLE))
    return role is not None and role.succeeded


def theirs(
    view: View, node: Node, bmc: Bmc, told_uuids: tuple[str, ...], told_serials: tuple[str, ...], *, reading: bool = False
) -> Reason | None:
    """Why a BMC that says this of its machine is not used for the node. None: it is the node's. The UUIDs are spellings of one.
    `reading`: only a challenge is read there, which nothing but the machine's own BMC can show."""
    mine = identify(node.uuid, node.serial, (), view.meta.shared)
    own_uuid = mine.uuid if mine is not None and len(_with_uuid(view, mine.uuid)) <= 1 else ""
    own_serial = mine.serial.lower() if mine is not None and len(view.serials.get(mine.serial) or ()) <= 1 else ""
    spellings = (own_uuid, swapped(own_uuid)) if own_uuid else ()
    if any(one.strip().strip("{}").lower() in spellings for one in told_uuids):
        return None
    serials = frozenset(good.lower() for one in told_serials if (good := clean_serial(one)))
    if own_serial and own_serial in serials:
        return None
    uuids = frozenset(good for one in told_uuids if (good := clean_uuid(one)))
    other = _another(view, node, uuids, serials)
    has_its_own = other is not None and other.bmc is not None and other.bmc.address != bmc.address
    if other is not None and not (bmc.entered and has_its_own):
        return reasons.bmc_is_anothers(node=node.name, address=bmc.address, other=other.name)
    if bmc.entered:
        return None
    if (own_uuid and uuids) or (own_serial and serials):
        says = sorted(serials) or sorted(uuids)
        return reasons.bmc_is_anothers(node=node.name, address=bmc.address, other=f"a machine that it calls {says[0][:64]!r}")
    return None if bmc.proven or reading else reasons.bmc_unproven(node=node.name, address=bmc.address)


def _another(view: View, node: Node, uuids: frozenset[str], serials: frozenset[str]) -> Node | None:
    """The one other node that this UUID or serial identifies."""
    for one in sorted(uuids):
        shows = _with_uuid(view, one)
        if len(shows) == 1 and node.id not in shows:
            return view.nodes[shows[0]]
    for serial, shows in ((one, view.serials.get(one) or ()) for one in _spellings(serials)):
        if serial and len(shows) == 1 and node.id not in shows:
            return view.nodes[shows[0]]
    return None


def _spellings(serials: frozenset[str]) -> list[str]:
    return sorted({spelling for one in serials for spelling in (one, one.upper())})


def _with_uuid(view: View, uuid: str) -> tuple[str, ...]:
    """The nodes that show this UUID, in either byte order."""
    if not uuid:
        return ()
    return tuple(sorted({*(view.uuids.get(uuid) or ()), *(view.uuids.get(swapped(uuid)) or ())}))
