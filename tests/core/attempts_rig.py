"""Roles of each kind, and the words of their attempts."""

from __future__ import annotations

from typing import Any

from catalogs import catalog, plan, role
from world_rig import WorldRig

from engine import reasons
from engine.events import Outcome, SetAttribute, Started
from engine.model import State

WORK = role("work", wants=["knob"], gives=("fruit",), attempts=2, delay_s=10.0, timeout_s=100.0)
LOOKED = role("looked", wants=["knob"], gives=("apple",), verify=True, attempts=2, timeout_s=100.0)
CLAIMED = role("claimed", wants=["knob"], gives=("pear",), verify=True, reverify=True)
CAREFUL = role("careful", wants=["knob"], gives=("plum",), verify=True, reverify=True, attempts=3)
WIPE = role("wipe", wants=["knob"], flags=["destructive"], verify=True, timeout_s=100.0)
BLIND = role("blind", flags=["once"])
BIND = catalog(WORK, LOOKED, CLAIMED, CAREFUL, WIPE, BLIND, defaults={"knob": 1})


def rig(*names: str, patience: float = 1.0, **fields: Any) -> WorldRig:
    """A node in the hardware stage whose roles of these names are looked at."""
    out = WorldRig(BIND, plan({}, patience=patience))
    out.server(stage="hardware", allocated=True)
    for name in names:
        out.role(name, state=State.WAITING, **fields)
    out.feed(Started(installation="other", admin="admin"))
    return out


def outcome(d: WorldRig, name: str, what: Any = "done", **fields: Any) -> list[Any]:
    r = d.at(name)
    return d.feed(Outcome(attempt=f"{r.attempt}.{r.leg}", node=r.node, what=what, **fields))


def set_knob(d: WorldRig, value: int) -> None:
    d.feed(SetAttribute(who="op", layer="deployment", scope="system", name="knob", value=value))


def failure(name: str = "work") -> reasons.Reason:
    return reasons.script_failed(role=name, exit=3, line="broken")
