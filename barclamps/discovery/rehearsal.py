"""What the discovery roles see of a simulated machine: its hardware, what is on its disks now, the LLDP frames on its links, its BMC."""

from __future__ import annotations

from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.reports import bundle
from engine.wire.lldp import Malformed, decode_frame

INVENTORY_S = 3.0
LISTEN_S = 30.0
"""Switches speak every 30 s (IEEE 802.1AB 10.5.1)."""
ASK_BMC_S = 1.0
_OF_A_SWITCH = {"bridge", "router", "repeater", "other"}


async def inventory(machine: Machine, task: Task) -> Result:
    await task.work(INVENTORY_S)
    one = machine.hardware
    return Result(
        gives={
            "product": one.product,
            "vendor": one.vendor,
            "memory-mb": one.memory_mb,
            "cpus": one.cpus,
            "disks": machine.listed(),
            "media": [],
            "nics": [
                {
                    "name": nic.name,
                    "mac": nic.mac,
                    "speed": nic.speed if nic.switch else 0,
                    "fastest": nic.speed,
                    "link": bool(nic.switch),
                    "driver": nic.driver,
                    "pci": nic.pci,
                    **_optics(machine.faults.light.get(nic.link)),
                }
                for nic in one.nics
            ],
            "firmware": one.firmware,
            "kexec": one.kexec,
            "hardware": {"reports": bundle(machine)},
        }
    )


def _optics(receives: float | None) -> dict[str, Any]:
    """What a 10GBASE-SR module measures that receives so many dBm. Nothing for copper."""
    if receives is None:
        return {}
    limits = {"rx_low": -13.9, "rx_high": 3.0, "tx_low": -11.3, "hot": 75.0}
    return {"optics": {"kind": "SFP", "part": "SIM-10G-SR", "temperature": 38.0, "lanes": [{"rx": receives, "tx": -2.3}], "limits": limits}}


async def lldp(machine: Machine, task: Task) -> Result:
    await task.work(LISTEN_S)
    neighbours: list[dict[str, Any]] = []
    for nic, frame in machine.frames():
        try:
            heard = decode_frame(frame)
        except Malformed as wrong:
            task.print(f"{nic}: a frame that is not LLDP ({wrong.reason})")
            continue
        neighbours.append(
            {
                "nic": nic,
                "chassis": heard.chassis_id,
                "port": heard.port_id,
                "system": heard.system_name,
                "port_description": heard.port_description,
                **({"capabilities": list(heard.capabilities)} if set(heard.capabilities) - _OF_A_SWITCH else {}),
            }
        )
    task.print(f"{len(neighbours)} neighbours")
    return Result(gives={"neighbours": neighbours})


async def bmc_discover(machine: Machine, task: Task) -> Result:
    await task.work(ASK_BMC_S)
    one = machine.hardware
    found: dict[str, Any] = {"address": machine.bmc_address(), "mac": one.bmc_mac} if one.bmc_port else {}
    last = machine.faults.bmc_channel
    if found and last > 1:
        empty = [{"channel": n, "address": "", "mac": f"{one.bmc_mac[:-2]}{n:02x}"} for n in range(1, last)]
        found["channels"] = [*empty, {"channel": last, **found}]
    return Result(gives={"bmc": found})


ROLES: dict[str, Behaviour] = {"inventory": inventory, "lldp": lldp, "bmc-discover": bmc_discover}
