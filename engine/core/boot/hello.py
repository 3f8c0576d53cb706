"""Claims: a boot script carries a nonce, and the environment that it starts says hello with that nonce.

The first claim wins. The same boot_id may repeat it, because its answer may have been lost. Another boot_id is refused, and the node
shows it. After that the nonce is worthless. An installed system boots from disk, so it says hello with the credential from its install.
The adapter has checked the credential and names the node and the installation. Only the credential of the present installation counts,
and never for an environment in memory.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Refuse, Welcome
from ...events import Hello
from ...model import Kind, Mac, Node, Sighting, Signal, Way
from ...reasons import Reason
from ..plan.bind import bind_discovery
from ..plan.chosen import unnamed
from ..roles.change import change_node
from ..roles.claims import counts, trusted
from ..roles.confirm import refuted
from ..roles.death import look_again, order_probe, suspend
from ..roles.node_moves import NodeMove
from ..roles.stages import DISCOVERY, over_network
from ..world.work import Work
from . import leases, loaders
from .ban import banned_mac
from .boot import failed
from .identity import Identity, identify, match
from .rumour import present, spoken

PROTOCOL = 1
"""Version of the agent protocol (images/node/agent sends it in its hello). It is raised only if an older agent could not be understood,
or would do something wrong."""
MISBOOTS = 3
"""Wrong environments in a row that are tolerated; the next one is a problem."""


def hello(w: Work, event: Hello) -> None:
    """Accepts a claim, or refuses it with a reason that the node shows."""
    barred = banned_mac(w, event)
    if barred:
        _note(w, event, reasons.banned(mac=barred))
        return
    if event.protocol != PROTOCOL:
        key = event.credential or w.nonces.get(event.nonce, "")
        reason = reasons.agent_protocol(theirs=event.protocol, ours=PROTOCOL)
        _refuse(w, w.nodes.get(key) or w.sightings.get(key), event, reason)
        return
    if event.credential:
        _by_credential(w, event)
        return
    owner = w.nonces.get(event.nonce) if event.nonce else None
    if owner is None:
        _note(w, event, reasons.unknown_nonce())
        return
    by_node = w.nodes.get(owner)
    if not over_network(w, event.environment):
        reason = reasons.disk_nonce(environment=event.environment, address=event.address or "an unknown address")
        _refuse(w, by_node or w.sightings.get(owner), event, reason)
    elif by_node is None or by_node.claim != event.nonce or (by_node.boot_id != event.boot_id and _gives_way(by_node)):
        _first_claim(w, event, owner)
    elif by_node.boot_id == event.boot_id:
        _arrived(w, by_node, event)
    else:
        _refuse(w, by_node, event, reasons.second_claim(mac=by_node.boot_mac))
        if not trusted(w, by_node):  # either of the two may be the machine
            spoken(w, w.nodes[by_node.id], Signal.HELLO, by_node.boot_mac, event.address)


def _gives_way(node: Node) -> bool:
    """True if another hello of the same boot takes the place of the present claim: the BMC has refuted it, or nobody is there any more."""
    return refuted(node) or (node.boot is None and not node.confirmed and not present(node))


def _by_credential(w: Work, event: Hello) -> None:
    """An installed system, which names its node."""
    node = w.nodes.get(event.credential)
    if node is None:
        _note(w, event, reasons.bad_credential())
    elif over_network(w, event.environment):
        _question(w, node, event, reasons.memory_credential(environment=event.environment))
    elif not counts(w, node, event.installation):
        _question(w, node, event, reasons.old_credential(node=node.name))
    elif _is_a_copy(node, event):  # or somebody changed the ports of a machine that went away unnoticed
        _question(w, node, event, reasons.copied_credential(macs=", ".join(event.macs[:8])))
    elif node.alive and node.boot is None and over_network(w, node.runs):  # a system on its disk cannot run beside that
        _question(w, node, event, reasons.second_claim(mac=node.boot_mac))
    else:
        _arrived(w, node, event)


def _question(w: Work, node: Node, event: Hello, reason: Reason) -> None:
    """A call that contradicts what the engine knows of the node: refused, shown, and a reason to ask the node itself. It changes nothing
    else."""
    w.order(Refuse(request=event.request, reason=reason))
    w.put_node(node := replace(node, notice=reason))
    order_probe(w, node)


def _first_claim(w: Work, event: Hello, owner: str) -> None:
    """A nonce that nobody has used: which machine is it, and may it be the one that the nonce was made for?"""
    by_node = w.nodes.get(owner)
    sighting = w.sightings.get(owner) if by_node is None else None
    mac = sighting.mac if sighting is not None else _asked_by(by_node, event.nonce)
    if mac not in event.macs:
        reason = reasons.mac_not_listed(mac=mac, macs=", ".join(event.macs[:8]) or "none")
        _refuse(w, by_node or sighting, event, reason)
        return
    found = identify(event.uuid, event.serial, event.macs, w.meta.shared)
    if found is None:
        _refuse(w, by_node or sighting, event, reasons.no_identity())
        return
    matched = _matched(w, by_node, mac, found)
    if isinstance(matched, Reason):
        _refuse(w, by_node or sighting, event, matched)
        return
    if matched is not None and matched.kind is Kind.JOINED:
        _refuse(w, by_node or sighting, event, reasons.joined_boots(node=matched.name))
        return
    if matched is not None and present(matched) and not (matched.claim == event.nonce and _gives_way(matched)):
        _put_off(w, matched, event)
        return
    node = matched if matched is not None else _new_node(w, found, mac, event)
    if sighting is not None:
        node = loaders.taken_over(node, sighting)
    macs = _ports(w, node, found.macs)
    if matched is None or macs != node.macs:
        leases.kept(w, macs)
    node = replace(node, macs=macs, boot_mac=mac, uuid=node.uuid or found.uuid, serial=node.serial or found.serial)
    _arrived(w, node, event)


def _asked_by(node: Node | None, nonce: str) -> Mac:
    """The MAC for which the node's script with this nonce was asked."""
    if node is None:
        return ""
    return node.rumour.mac if node.rumour is not None and node.rumour.nonce == nonce else node.boot_mac


def _put_off(w: Work, node: Node, event: Hello) -> None:
    """Somebody says hello as a node whose machine counts as present. The probes decide; the agent asks again."""
    reason = reasons.live_claim(node=node.name, address=event.address or "no known address")
    w.put_node(replace(node, notice=reason))
    order_probe(w, w.nodes[node.id])
    w.order(Refuse(request=event.request, reason=reason))


def _matched(w: Work, by_node: Node | None, mac: Mac, found: Identity) -> Node | Reason | None:
    """The node that this machine is; None: a new one. A script that was made for a node is for no other machine."""
    matched = match(w, found, w.now, mac)
    if by_node is None or isinstance(matched, Reason):
        return matched
    if matched is None:
        other = f"a machine with {found.by} {found.uuid or found.serial}"
    elif matched.id != by_node.id:
        other = matched.name
    else:
        return matched
    return reasons.identity_conflict(what="MAC", value=mac, node=by_node.name, other=other)


def _ports(w: Work, node: Node, shown: tuple[Mac, ...]) -> tuple[Mac, ...]:
    """The machine's MACs from now on: those in the hello, without those that another node has. A missing port is forgotten, because
    it may be in another machine."""
    macs = tuple(mac for mac in shown if w.macs.get(mac) in (None, node.id))
    for mac in node.macs:
        gone = w.sightings.get(mac) if mac not in macs else None
        if gone is not None and gone.node == node.id and not gone.banned:
            w.put_sighting(replace(gone, node=""))
    for mac in macs:  # its other ports may have asked too
        seen = w.sightings.get(mac)
        if seen is not None and seen.node != node.id:
            w.put_sighting(replace(seen, node=node.id, boot=None, reason=None, last=w.at))
    return macs


def _is_a_copy(node: Node, event: Hello) -> bool:
    """The credential is in a file, so a copied disk shows it too: two boots at once on different ports are two machines."""
    apart = bool(node.macs) and bool(event.macs) and not set(node.macs) & set(event.macs)
    return apart and node.alive and bool(node.runs) and node.boot_id != event.boot_id


def _new_node(w: Work, found: Identity, mac: str, event: Hello) -> Node:
    w.put(replace(w.meta, nodes=w.meta.nodes + 1))
    domain = w.plan.site.domain if w.plan is not None else "local"
    node = Node(
        id=f"n{w.meta.nodes}",
        name=f"{unnamed(mac)}.{domain}",
        kind=Kind.SERVER,
        uuid=found.uuid,
        serial=found.serial,
        macs=tuple(one for one in found.macs if w.macs.get(one) is None),
        boot_mac=mac,
        identity=found.by,
        arch=event.arch,
        stage=w.catalog.stages[0].name,
        since=w.at,
    )
    w.put_node(node)
    refused = bind_discovery(w, node)
    return replace(node, notice=refused) if refused is not None else node


def _arrived(w: Work, node: Node, event: Hello) -> None:
    """The node is up in an environment. If no open boot expected its boot_id, the node had died unseen."""
    boot = node.boot
    wanted = node.intent.environment if boot is not None else (node.runs or event.environment)
    right = event.environment == wanted
    same = node.boot_id == event.boot_id
    if same and event.nonce and event.nonce != node.claim:  # no boot has two nonces
        _question(w, node, event, reasons.second_claim(mac=node.boot_mac))
        return
    if same and (node.runs == event.environment or node.intent.fresh or not right):
        # It repeats itself, or has not gone down yet for the due boot.
        _welcome(w, node, event)
        return
    died = boot is None and bool(node.runs) and not same
    misboots = 0 if right else node.misboots + 1
    problem = None
    if misboots > MISBOOTS:
        problem = reasons.wrong_environment(runs=event.environment, wants=wanted, count=misboots)
    in_memory = over_network(w, event.environment)
    through_firmware = not same and (boot is None or boot.way is not Way.KEXEC)
    new = change_node(
        w,
        node,
        NodeMove.HELLO if in_memory else NodeMove.HELLO_DISK,
        runs=event.environment,
        boot_id=event.boot_id,
        address=event.address or node.address,
        boots=node.boots + (1 if through_firmware else 0),
        misboots=misboots,
        problem=problem,
        claim=event.nonce,
        fingerprint=event.fingerprint,
        intent=replace(node.intent, fresh=node.intent.fresh and not right),
        signal=Signal.HELLO,
        signal_at=w.at,
        since=w.at,
        clock_off=round(event.clock - w.at) if event.clock is not None else None,
        last_sign=w.now,
    )
    if new is None:
        return
    if died:
        suspend(w, new.id)
    if not same and event.environment == DISCOVERY:
        look_again(w, new.id)
    if not in_memory:
        # Alive means that SSH has verified the installed system, so the engine asks it first.
        order_probe(w, w.nodes[new.id])
    _welcome(w, w.nodes[new.id], event)


def _welcome(w: Work, node: Node, event: Hello) -> None:
    w.order(Welcome(request=event.request, node=node.id, name=node.name, boot_id=event.boot_id))


def _refuse(w: Work, whom: Node | Sighting | None, event: Hello, reason: Reason) -> None:
    match whom:
        case Node():
            w.put_node(replace(whom, notice=reason, boot=failed(whom.boot, reason)))
        case Sighting():
            w.put_sighting(replace(whom, reason=reason, boot=failed(whom.boot, reason), last=w.at))
    w.order(Refuse(request=event.request, reason=reason))


def _note(w: Work, event: Hello, reason: Reason) -> None:
    """Refuses a hello, and shows that on the node with one of its MACs."""
    w.order(Refuse(request=event.request, reason=reason))
    for mac in event.macs:
        owner = w.macs.get(mac)
        if owner is not None:
            w.put_node(replace(w.nodes[owner], notice=reason))
            return
