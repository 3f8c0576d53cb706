"""Corrects which record belongs to which machine: the operator's `replace`, `merge` and `split`.

    replace OLD NEW   NEW gets the name, group, owner, place, addresses and settings of OLD, and its roles start again. OLD is deleted.
    merge ONE OTHER   both records are one machine (its board was changed, or it once had another UUID). ONE stays. It gets all MACs, the
                      newer identity, and the settings and addresses of OTHER that it lacks. OTHER is deleted. Refused if both have
                      written disks, because one of the two histories would be wrong. Refused if a MAC of either is banned, because
                      the ban would silently come to hold for ONE.
    split NODE        the node loses everything that identifies it, so the machine's next hello makes a new node. This record stays for
                      `replace` or `delete`.
    split NODE VALUE  this UUID, serial or MAC no longer identifies anything at this site (two machines have it). `uuid` and `serial`
                      mean the node's own.

None of this happens silently: a hello with evidence for two nodes is a conflict, and waits for one of these orders.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...definitions import Json
from ...model import Allocation, Kind, Node, State, Value
from ...reasons import Reason
from ..boot.ban import is_banned
from ..boot.identity import clean_serial, clean_uuid
from ..plan.bind import bind_wanted
from ..roles.attributes import OF_DEPLOYMENTS
from ..roles.change import change, change_node
from ..roles.guards import busy
from ..roles.node_moves import NodeMove
from ..roles.stages import wanted_stage
from ..roles.transitions import Move
from ..world.work import Work
from .forget import forget

SHARED = 256
"""Most values that may be declared shared."""


def replace_node(w: Work, old: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001  a verb's signature
    """`value` names the new machine."""
    new = _other(w, old, value, "replace")
    if isinstance(new, Reason):
        return new
    if new.allocated:
        return reasons.illegal(verb=f"replace {old.name}", node=new.name, state="already allocated")
    if wanted_stage(w, new):
        return reasons.illegal(verb=f"replace {old.name}", node=new.name, state="not discovered yet")
    if not old.allocated:
        return reasons.illegal(verb="replace", node=old.name, state="not allocated, so there is nothing to take over")
    addresses = [a for a in w.all(Allocation) if a.node == old.id]
    values = _settings(w, old)
    forget(w, old)
    for one in [a for a in w.all(Allocation) if a.node == new.id]:
        w.drop("allocations", one.address)
    for one in addresses:
        w.put(replace(one, node=new.id))
    for value in values:
        w.put_value(_rescoped(value, old.id, new.id))
    w.put_node(new := replace(new, pinned=True))
    place = new.place or old.place
    change_node(w, new, NodeMove.ALLOCATE, name=old.name, group=old.group, deployment=old.deployment, place=place, since=w.at)
    refused = bind_wanted(w, w.nodes[new.id])
    if refused is not None:
        return refused
    return f"{new.name} is replaced: machine {new.serial or new.boot_mac} takes the place of {old.serial or old.boot_mac or old.id}"


def _settings(w: Work, node: Node) -> list[Value]:
    """Values that were set for the node and for its roles. What its discovery found and its roles wish is no setting."""
    scopes = [node.id, *(f"{node.id}/{role}" for _, role in w.roles_of.get(node.id) or ())]
    keys = [key for scope in scopes for key in w.values_of.get(scope) or ()]
    return [w.attributes[key] for key in keys if key[0] not in (*OF_DEPLOYMENTS, "discovery", "wish")]


def _rescoped(value: Value, old: str, new: str) -> Value:
    return replace(value, scope=new + value.scope.removeprefix(old))


def merge(w: Work, one: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001
    """`value` names the record to delete."""
    other = _other(w, one, value, "merge")
    if isinstance(other, Reason):
        return other
    barred = next((mac for mac in (*one.macs, *other.macs) if is_banned(w, mac)), "")
    if barred:
        return reasons.banned(mac=barred)
    wrote_one, wrote_other = _has_written(w, one), _has_written(w, other)
    if wrote_one and wrote_other:
        return reasons.not_one_machine(node=one.name, other=other.name, why="both have written disks")
    if wrote_other or (other.allocated and not one.allocated):
        why = f"{other.name} {'has written disks' if wrote_other else 'is allocated'} and would be deleted; merge the other way round"
        return reasons.not_one_machine(node=one.name, other=other.name, why=why)
    addresses = [a for a in w.all(Allocation) if a.node == other.id and (one.id, a.network) not in w.address_of]
    values = _settings(w, other)
    forget(w, other)
    for allocation in addresses:
        w.put(replace(allocation, node=one.id))
    for value in values:
        moved = _rescoped(value, other.id, one.id)
        if moved.key not in w.attributes:
            w.put_value(moved)
    # The newer record has the machine's present identity.
    newest = other if other.signal_at > one.signal_at else one
    oldest = one if newest is other else other
    w.put_node(
        replace(
            one,
            macs=tuple(sorted({*one.macs, *other.macs})),
            uuid=newest.uuid or oldest.uuid,
            serial=newest.serial or oldest.serial,
            boot_mac=newest.boot_mac or oldest.boot_mac,
            bmc=newest.bmc or oldest.bmc,
            place=one.place or other.place,
            group=one.group or other.group,
            identity=newest.identity,
            notice=None,
            since=w.at,
        )
    )
    _run_again(w, one)
    return f"{other.name} and {one.name} are one machine: {one.name}"


def _run_again(w: Work, node: Node) -> None:
    """A half of a machine is discovered again when it is present. That needs no fresh boot."""
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        waiting = role.state is State.ACTIVE and definition is not None and "discovery" in definition.flags
        if waiting and not node.allocated:
            change(w, role, Move.RERUN, since=w.at)


def _has_written(w: Work, node: Node) -> bool:
    """True if a destructive role succeeded on it, or was begun. A redeploy forgets the attempt, and the disk keeps what was written."""
    for key in w.roles_of.get(node.id) or ():
        role = w.node_roles[key]
        definition = w.catalog.roles.get(role.role)
        if definition is not None and definition.destructive and (role.succeeded or role.attempt or role.started):
            return True
    return False


def split(w: Work, node: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001
    """Without a value the node forgets everything that identifies it. With one, that value identifies nothing from now on."""
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb="split", node=node.name, state="not a server")
    if value is None:
        running = busy(w, node)
        if running is not None:
            return running
        change_node(w, node, NodeMove.SPLIT, since=w.at)
        return f"the engine no longer recognises {node.name}: the next hello of its machine makes a new node"
    text = str(value).strip()
    text = {"uuid": node.uuid, "serial": node.serial}.get(text, text)
    low = text.lower()
    if low in node.macs:
        node, what = replace(node, macs=tuple(m for m in node.macs if m != low)), low
    elif text and clean_uuid(text) == node.uuid:
        node, what = replace(node, uuid=""), clean_uuid(text)
    elif text and clean_serial(text) == node.serial:
        node, what = replace(node, serial=""), text
    else:
        known = ", ".join(x for x in (node.uuid, node.serial, *node.macs) if x)
        return reasons.unknown_thing(what=f"UUID, serial or MAC of {node.name}", name=text[:60] or "(empty)", nearest=known or "none")
    if not (node.uuid or node.serial or node.macs):
        return reasons.illegal(verb="split", node=node.name, state="recognised only by this value; split it without a value, or replace it")
    if len(w.meta.shared) >= SHARED:
        return reasons.too_many(what="shared UUIDs, serials and MACs:", count=len(w.meta.shared), limit=SHARED)
    w.put(replace(w.meta, shared=tuple(sorted({*w.meta.shared, what}))))
    by = "uuid" if node.uuid else "serial" if node.serial else "macs"
    w.put_node(replace(node, identity=by, notice=None, since=w.at))
    return f"{what} no longer identifies a node; the engine recognises {node.name} by its {'MACs' if by == 'macs' else by}"


def _other(w: Work, node: Node, value: Json, verb: str) -> Node | Reason:
    """The second node of a verb, if both are suitable."""
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb=verb, node=node.name, state="not a server")
    name = str(value or "")
    other = w.nodes.get(w.names.get(name) or name)
    if other is None:
        known = [n.name for n in w.all(Node) if n.kind is Kind.SERVER and n.id != node.id]
        return reasons.unknown_thing(what="node", name=name[:60] or "(none given)", nearest=", ".join(sorted(known)[:5]) or "none")
    if other.id == node.id or other.kind is not Kind.SERVER:
        return reasons.not_one_machine(node=node.name, other=other.name, why="the second name must be another server")
    return busy(w, node) or busy(w, other) or other
