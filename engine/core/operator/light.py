"""The identify light of a node: on for some seconds, and off by itself. Pure.

* `identify SECONDS` turns it on, `identify 0` off. Without a value it turns on for a minute, or off if it is on. So one key does both.
* It counts as on when the BMC has agreed. The time runs from then.
* By IPMI the BMC counts the seconds (IPMI 2.0 section 28.5). Redfish knows no duration: the engine orders the light off when its time is
  over, also after a restart. If that fails, the engine orders it TRIES times. Then the node's page says that the light is still on.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...effects import Identify
from ...events import NodeDue, Operate, PowerSet
from ...lights import Light
from ...model import Node
from ...reasons import Reason
from ..hardware.bmc import why_not
from ..world.work import Work

BLINK_S = 60
"""Seconds for which it is on by default."""
MOST_S = 255
"""The longest time that IPMI's command can say."""
AGAIN_S = 30.0
"""Seconds from a failed order to turn it off to the next."""
TRIES = 5


def identify(w: Work, node: Node, event: Operate) -> Reason | None:
    """Orders it on or off. Returns a refusal, or None: the answer comes with the outcome."""
    seconds = (0 if node.light is not None else BLINK_S) if event.value is None else event.value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds <= MOST_S:
        return reasons.bad_value(what="the value of identify", expected=f"seconds from 0 to {MOST_S}", value=str(seconds)[:40])
    barred = why_not(w, node)
    if barred is not None:
        return barred
    w.order(Identify(node=node.id, seconds=seconds, who=event.who, request=event.request))
    return None


def receipt(name: str, seconds: int) -> str:
    return f"the light of {name} blinks for {seconds} s" if seconds else f"the light of {name} is off"


def light_set(w: Work, node: Node, event: PowerSet) -> None:
    """The BMC's answer to an order. One that failed for an operator changes nothing."""
    light = node.light
    by_itself = event.request is None
    if event.failure is None:
        if by_itself and light is not None and light.until > w.now:
            return  # somebody turned it on again meanwhile
        new = None
        if event.seconds:
            until = w.now + event.seconds
            new = Light(who=event.who, until=until, ends=w.at + event.seconds, timed=event.bmc == "ipmi")
            w.wake(until, NodeDue(node.id))
        w.put_node(replace(node, light=new))
    elif by_itself and light is not None and light.until <= w.now:
        light = replace(light, tries=light.tries + 1, failure=event.failure)
        w.put_node(replace(node, light=light))
        if light.tries < TRIES:
            w.wake(w.now + AGAIN_S, NodeDue(node.id))


def stays_on(node: Node) -> bool:
    """True if the light is on until the engine turns it off. If the engine has given up, it waits for nobody."""
    return node.light is not None and not node.light.timed and node.light.tries < TRIES


def tick(w: Work, node: Node) -> None:
    """A wake of the node has come: turns the light off if its time is over."""
    light = node.light
    if light is None or light.until > w.now or light.tries >= TRIES:
        return
    if light.timed:
        w.put_node(replace(node, light=None))
    else:
        w.order(Identify(node=node.id, seconds=0, who="engine"))


def reopen(w: Work, node: Node) -> None:
    """After a restart: sets the wake again."""
    if node.light is not None and node.light.tries < TRIES:
        w.wake(node.light.until, NodeDue(node.id))
