"""What a BMC does when it is asked, or says that it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine import reasons
from engine.events import Spoken
from engine.model import Node

from . import boots
from .machine import Machine

if TYPE_CHECKING:
    from .simulation import Simulation

Answer = tuple[Literal["on", "off", ""], reasons.Reason | None, Spoken]
"""The state that it tells, what is wrong, and what it speaks."""


def ask(sim: Simulation, node: Node, machine: Machine | None, action: str) -> Answer:
    """`action`: on, off, cycle, soft, status, identify, or `boot disk` and `boot network`."""
    if machine is None or machine.bmc_dead:
        if machine is not None:
            machine.bmc_dead -= 1
        sim.counters.hit("a BMC does not answer")
        address = node.bmc.address if node.bmc is not None else ""
        return "", reasons.power_failed(node=node.name, address=address, message="unreachable"), "unknown"
    if machine.bmc_yes and action not in ("status", "identify"):
        machine.bmc_yes -= 1
        sim.counters.hit("a BMC says yes and does nothing")
        return ("off" if action in ("off", "soft") else "on"), None, "ipmi"
    match action:
        case "off" | "soft":
            boots.off(sim, machine)
        case "on" if not machine.power:
            boots.power_cycle(sim, machine)
        case "cycle":
            boots.power_cycle(sim, machine)
        case "boot disk" | "boot network":
            disk = action == "boot disk"
            if machine.bmc_device:
                machine.bmc_device -= 1
                sim.counters.hit("a BMC ignores the boot device")
                disk = False
            boots.power_cycle(sim, machine, disk)
    if machine.bmc_state:
        machine.bmc_state -= 1
        sim.counters.hit("a BMC lies about the power")
        return ("off" if machine.power else "on"), None, "ipmi"
    return ("on" if machine.power else "off"), None, "ipmi"
