"""An operator's power orders for a node: on, off, cycle, soft, status, and its light (`light`).

Rules
* A node that an operator powered off is *parked* (`Node.off`): it is shown as on hold with the reason `powered_off`, and the engine
  ignores its silence. It sends no probe, no power order and no boot. The node's attempts are suspended, as when a node dies, because
  they will find the same.
* It is parked before the order leaves. The order is open until it was read back, so a restart gives it again. A failed order ends the
  parking, and the engine probes the node: it assumes nothing.
* Parking ends with `power on`, or when the machine comes up by a person's hand (its boot ROM asks, or it says hello).
* Cycle, and on for a machine that is not known to run, are boots like the engine's own: into what its stage needs, with deadlines and
  reasons. They clear a problem, because the operator has just done something about it.
* Off, soft and cycle are refused while an attempt runs, unless forced: {"action": "off", "force": true}.
* Except for those boots, the answer comes when the BMC's state has been read back.

Traps: a machine in its boot ROM may ask for an address in the seconds between the order and its effect, as if a person had powered it
on. The state that was read back counts, and parks it again. A machine that shuts down softly says bye first: `life.bye` leaves a parked
node alone.
"""

from __future__ import annotations

from typing import cast, get_args

from ... import reasons
from ...definitions import Json, PowerAction
from ...effects import Accept, Refuse, SetPower
from ...events import Operate, PowerSet
from ...model import Kind, Node, PowerOff
from ...reasons import Reason
from ..boot.boot import firmware_way, order_boot
from ..hardware.bmc import why_not
from ..hardware.outlets import by_outlet
from ..roles.change import change_node
from ..roles.death import order_probe, suspend
from ..roles.life import found_off
from ..roles.node_moves import NodeMove
from ..roles.outcomes import want_fresh_boot
from ..roles.stages import DISCOVERY, environment_of
from ..roles.transitions import runs
from ..world.view import open_roles
from ..world.work import Work
from . import light
from .verbs import IDENTIFY


def power(w: Work, node: Node, event: Operate) -> Reason | str | None:
    """Carries out `power` or `identify`. Returns a refusal, a receipt, or None: the answer comes with the outcome."""
    if node.kind is Kind.ADMIN:
        return reasons.illegal(verb=event.verb, node=node.name, state="this machine")
    if event.verb == IDENTIFY.name:
        return light.identify(w, node, event)
    action, force = _asked(event.value)
    if action is None:
        known = ", ".join(get_args(PowerAction))
        return reasons.bad_value(what="the value of power", expected=f"one of {known}", value=str(event.value)[:40])
    if action != "status" and not node.available:
        return reasons.not_available(node=node.name)
    by_agent = action == "cycle" and node.alive and node.runs == DISCOVERY
    barred = why_not(w, node) if not by_outlet(w, node) else None
    if barred is not None and not by_agent:
        return barred
    running = [r for r in open_roles(w, node.id) if runs(r)]
    if running and not force and action in ("off", "soft", "cycle"):
        return reasons.busy(node=node.name, what=f"{running[0].role} is running")
    known_on = node.off is None and (node.boot is not None or bool(node.runs))
    boots = node.kind is Kind.SERVER and (action == "cycle" or (action == "on" and not known_on))
    if boots:
        return _boot(w, node, action)
    if action in ("off", "soft"):
        _park(w, node, PowerOff(who=event.who, soft=action == "soft"))
    w.order(SetPower(node=node.id, action=action, who=event.who, request=event.request))
    return None


def _asked(value: Json) -> tuple[PowerAction | None, bool]:
    """`off`, or a map with `action` and `force`."""
    action, force = (value.get("action"), value.get("force") is True) if isinstance(value, dict) else (value, False)
    return (cast(PowerAction, action), force) if action in get_args(PowerAction) else (None, False)


def _boot(w: Work, node: Node, action: str) -> str:
    """A boot like the engine's own, whatever the node does now."""
    suspend(w, node.id)
    want_fresh_boot(w, node.id)
    node = w.nodes[node.id]
    environment = environment_of(w, node, node.stage) or DISCOVERY
    # Not by kexec: the operator wants the firmware to run.
    cleared = change_node(w, node, NodeMove.RETRY, since=w.at) or node
    order_boot(w, cleared, environment, firmware_way(w, environment))
    word = "powered on" if action == "on" else "power-cycled"
    return f"{node.name} is {word} and will boot {environment}"


def _park(w: Work, node: Node, off: PowerOff) -> None:
    suspend(w, node.id)
    change_node(w, w.nodes[node.id], NodeMove.OFF if off.done else NodeMove.PARK, off=off, since=w.at, last_sign=w.now)


def power_set(w: Work, event: PowerSet) -> None:
    """The outcome of an order. Answers the operator, if one waits."""
    node = w.nodes.get(event.node)
    if node is not None and event.action == IDENTIFY.name:
        light.light_set(w, node, event)
    elif node is not None:
        _settle(w, node, event)
    if event.request is None:
        return
    if event.failure is not None:
        w.order(Refuse(request=event.request, reason=event.failure))
    else:
        name = node.name if node is not None else event.node
        w.order(Accept(request=event.request, message=_receipt(name, event)))


def _receipt(name: str, event: PowerSet) -> str:
    if event.action == "identify":
        return light.receipt(name, event.seconds)
    return f"{name} is {event.state or 'in an unknown power state'}"


def _settle(w: Work, node: Node, event: PowerSet) -> None:
    if event.action == "status" and event.state == "off":
        found_off(w, node)
    if event.action not in ("off", "soft"):
        if event.action == "on" and event.failure is None and node.off is not None:
            change_node(w, node, NodeMove.UNPARK, notice=node.notice, since=w.at)
        return
    if event.failure is not None:
        if node.off is not None and not node.off.done:
            node = change_node(w, node, NodeMove.UNPARK, notice=event.failure, since=w.at) or node
            order_probe(w, node)
        return
    if node.off is None and node.boot is not None and node.boot.ordered:
        return  # the engine has ordered a boot since
    _park(w, node, PowerOff(who=event.who, soft=event.action == "soft", done=True))
