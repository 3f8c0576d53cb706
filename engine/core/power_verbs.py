"""The operator's hand on a node's power: on, off, cycle, soft, status, and its light.

Rules
* A node that an operator switched off is *parked* (`Node.off`): shown as on hold with the reason `powered_off`, and nothing is done about
  its silence. It is not a death to fight: no probe, no power order, no boot. Its attempts are suspended, as they are when a node dies, for
  that is what they will find.
* It is parked before the order leaves, and the order is open until it was read back, so a restart gives it again. An order that failed
  ends the parking, and the node is probed: nothing is assumed.
* Parking ends by `power on`, or when the machine comes up by somebody's hand (its boot ROM asks, or it says hello).
* Cycle, and on for a machine that is not known to run, are boots like the engine's own: into what its stage needs, with deadlines and
  reasons. They forget a problem: the operator has just done something about it.
* Off, soft and cycle while an attempt runs are refused, unless forced: {"action": "off", "force": true}.
* Except for those boots, the answer comes when the BMC's state has been read back.

Traps: a machine in its boot ROM asks for an address in the seconds between the order and its effect, which looks as if somebody switched
it on: what was read back counts, and parks it again. A machine that shuts down softly says bye first: `life.bye` leaves a parked node
alone.
"""

from __future__ import annotations

from typing import Literal, cast

from msgspec.structs import replace

from .. import reasons
from ..definitions import Json
from ..effects import Accept, Identify, Refuse, SetPower
from ..events import Operate, PowerSet
from ..model import Kind, Node, PowerOff
from ..reasons import Reason
from .boot import order_boot
from .death import order_probe, suspend
from .life import found_off, way_to
from .outcomes import want_fresh_boot
from .stages import DISCOVERY, environment_of
from .work import Work
from .world import open_roles

VERBS = ("power", "identify")
ACTIONS = ("on", "off", "cycle", "soft", "status")
Action = Literal["on", "off", "cycle", "soft", "status"]
BLINK_S = 60
"""Seconds that a node's light blinks when nobody says how long."""


def power(w: Work, node: Node, event: Operate) -> Reason | str | None:
    """Carry out `power` or `identify`: a refusal, a receipt, or None: the answer comes with the outcome."""
    if node.kind is Kind.ADMIN:
        return reasons.illegal(verb=event.verb, node=node.name, state="this machine")
    if event.verb == "identify":
        return _identify(w, node, event)
    action, force = _asked(event.value)
    if action is None:
        return reasons.bad_value(what="the value of power", expected=f"one of {', '.join(ACTIONS)}", value=str(event.value)[:40])
    if action != "status" and not node.available:
        return reasons.not_available(node=node.name)
    by_agent = action == "cycle" and node.alive and node.runs == DISCOVERY
    if node.bmc is None and not by_agent:
        return reasons.no_power(node=node.name)
    running = [r for r in open_roles(w, node.id) if not r.resume]
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


def _asked(value: Json) -> tuple[Action | None, bool]:
    """`off`, or a map with `action` and `force`."""
    action, force = (value.get("action"), value.get("force") is True) if isinstance(value, dict) else (value, False)
    return (cast(Action, action), force) if action in ACTIONS else (None, False)


def _identify(w: Work, node: Node, event: Operate) -> Reason | None:
    seconds = BLINK_S if event.value is None else event.value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= 255:
        return reasons.bad_value(what="the value of identify", expected="seconds from 0 to 255", value=str(seconds)[:40])
    if node.bmc is None:
        return reasons.no_power(node=node.name)
    w.order(Identify(node=node.id, seconds=seconds, who=event.who, request=event.request))
    return None


def _boot(w: Work, node: Node, action: str) -> str:
    """A boot as the engine orders them, whatever the node does now."""
    suspend(w, node.id)
    want_fresh_boot(w, node.id)
    node = w.nodes[node.id]
    environment = environment_of(w, node, node.stage) or DISCOVERY
    # Not by kexec: who presses the button wants the firmware to run.
    way = way_to(w, replace(node, kexec=False, alive=False), environment)
    order_boot(w, replace(node, problem=None, misboots=0, missed=0), environment, way)
    word = "switched on" if action == "on" else "power-cycled"
    return f"{node.name} is {word} and shall boot {environment}"


def _park(w: Work, node: Node, off: PowerOff) -> None:
    suspend(w, node.id)
    w.put_node(replace(w.nodes[node.id], off=off, boot=None, alive=False, probe=0, missed=0, since=w.at))


def power_set(w: Work, event: PowerSet) -> None:
    """What came of an order. The operator, if there is one who waits, is answered."""
    node: Node | None = w.nodes.get(event.node)
    if node is not None:
        _settle(w, node, event)
    if not event.request:
        return
    if event.failure is not None:
        w.order(Refuse(request=event.request, reason=event.failure))
    else:
        name = node.name if node is not None else event.node
        w.order(Accept(request=event.request, message=_receipt(name, event)))


def _receipt(name: str, event: PowerSet) -> str:
    if event.action == "identify":
        return f"the light of {name} is set"
    return f"{name} is {event.state or 'of unknown power state'}"


def _settle(w: Work, node: Node, event: PowerSet) -> None:
    if event.action == "status" and event.state == "off":
        found_off(w, node)
    if event.action not in ("off", "soft"):
        if event.action == "on" and event.failure is None and node.off is not None:
            w.put_node(replace(node, off=None, since=w.at))
        return
    if event.failure is not None:
        if node.off is not None and not node.off.done:
            node = replace(node, off=None, notice=event.failure, since=w.at)
            w.put_node(node)
            order_probe(w, node)
        return
    if node.off is None and node.boot is not None and node.boot.ordered:
        return  # it was ordered to boot since
    _park(w, node, PowerOff(who=event.who, soft=event.action == "soft", done=True))
    w.put_node(replace(w.nodes[node.id], runs=""))
