"""Claims: a boot script carries a nonce, and the environment that it starts says hello with it.

The first claim wins; the same boot_id may repeat it, since its answer may have been lost; another one is refused and shown. After that the
nonce is worthless. An installed system boots its disk, so it says hello with the credential that its install put there; the adapter
has checked it and names the node.
"""

from __future__ import annotations

from msgspec.structs import replace

from .. import reasons
from ..effects import Refuse, Welcome
from ..events import Hello
from ..model import Kind, Node, Sighting, Signal, Way
from ..reasons import Reason
from . import loaders
from .ban import banned_mac
from .bind import bind_discovery
from .boot import failed
from .death import order_probe, suspend
from .identity import Identity, identify, match
from .stages import over_network
from .work import Work

PROTOCOL = 1
"""Version of the agent's calls (images/node/agent says it in its hello). It is raised when an agent of before could not be understood, or
would do something wrong; whatever can be added without that is added without."""
MISBOOTS = 3
"""Wrong environments in a row that are borne; the next one is a problem."""


def hello(w: Work, event: Hello) -> None:
    """Take a claim, or refuse it with a reason that is shown on the node."""
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
        node = w.nodes.get(event.credential)
        if node is None:
            _note(w, event, reasons.bad_credential())
        else:
            _arrived(w, node, event)
        return
    owner = w.nonces.get(event.nonce) if event.nonce else None
    if owner is None:
        _note(w, event, reasons.unknown_nonce())
        return
    by_node: Node | None = w.nodes.get(owner)
    if by_node is not None and by_node.claim == event.nonce:
        if by_node.boot_id == event.boot_id:
            _arrived(w, by_node, event)
        else:
            _refuse(w, by_node, event, reasons.second_claim(mac=by_node.boot_mac))
        return
    sighting: Sighting | None = w.sightings.get(owner) if by_node is None else None
    mac = sighting.mac if sighting is not None else (by_node.boot_mac if by_node is not None else "")
    if mac not in event.macs:
        reason = reasons.mac_not_listed(mac=mac, macs=", ".join(event.macs[:8]) or "none")
        _refuse(w, by_node or sighting, event, reason)
        return
    found = identify(event.uuid, event.serial, event.macs, w.meta.shared)
    if found is None:
        _refuse(w, by_node or sighting, event, reasons.no_identity())
        return
    matched = match(w, found)
    if isinstance(matched, Reason):
        _refuse(w, by_node or sighting, event, matched)
        return
    if by_node is not None and matched is not None and matched.id != by_node.id:
        reason = reasons.identity_conflict(what="MAC", value=mac, node=by_node.name, other=matched.name)
        _refuse(w, by_node, event, reason)
        return
    if by_node is not None and matched is None:
        reason = reasons.identity_conflict(
            what="MAC", value=mac, node=by_node.name, other=f"a machine with {found.by} {found.uuid or found.serial}"
        )
        _refuse(w, by_node, event, reason)
        return
    node = matched if matched is not None else _new_node(w, found, mac, event)
    for one in found.macs:  # its other ports may have asked as well
        seen: Sighting | None = w.sightings.get(one)
        if seen is not None and not seen.node:
            w.put_sighting(replace(seen, node=node.id, boot=None, reason=None, last=w.at))
    if sighting is not None:
        node = loaders.taken_over(node, sighting)
    new_macs = tuple(sorted({*node.macs, *found.macs}))
    node = replace(node, macs=new_macs, boot_mac=mac, uuid=node.uuid or found.uuid, serial=node.serial or found.serial)
    _arrived(w, node, event)


def _new_node(w: Work, found: Identity, mac: str, event: Hello) -> Node:
    w.put(replace(w.meta, nodes=w.meta.nodes + 1))
    domain = w.plan.site.domain if w.plan is not None else "local"
    node = Node(
        id=f"n{w.meta.nodes}",
        name=f"d{mac.replace(':', '-')}.{domain}",
        kind=Kind.SERVER,
        uuid=found.uuid,
        serial=found.serial,
        macs=found.macs,
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
    """The node is up in an environment. A boot_id that no open boot expected is a death seen afterwards."""
    boot = node.boot
    wanted = node.intent.environment if boot is not None else (node.runs or event.environment)
    right = event.environment == wanted
    same = node.boot_id == event.boot_id
    if same and (node.runs == event.environment or node.intent.fresh or not right):
        # It repeats itself, or has not gone down yet for the boot that is due.
        _welcome(w, node, event)
        return
    died = boot is None and bool(node.runs) and not same
    misboots = 0 if right else node.misboots + 1
    problem = None
    if misboots > MISBOOTS:
        problem = reasons.wrong_environment(runs=event.environment, wants=wanted, count=misboots)
    in_memory = over_network(w, event.environment)
    through_firmware = not same and (boot is None or boot.way is not Way.KEXEC)
    new = replace(
        node,
        runs=event.environment,
        boot_id=event.boot_id,
        address=event.address or node.address,
        boot=None,
        off=None,
        boots=node.boots + (1 if through_firmware else 0),
        misboots=misboots,
        problem=problem,
        claim=event.nonce,
        intent=replace(node.intent, fresh=node.intent.fresh and not right),
        alive=in_memory,
        probe=0,
        missed=0,
        signal=Signal.HELLO,
        signal_at=w.at,
        since=w.at,
    )
    w.put_node(new)
    if died:
        suspend(w, new.id)
    if not in_memory:
        # Alive means reached and verified to be that installed system, so it is asked over SSH first.
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
    """Refuse a hello, and show it on the node that one of its MACs belongs to."""
    w.order(Refuse(request=event.request, reason=reason))
    for mac in event.macs:
        owner = w.macs.get(mac)
        if owner is not None:
            w.put_node(replace(w.nodes[owner], notice=reason))
            return
