"""What the roles of fwupd do to a simulated machine: it lists its BIOS as fwupd's plugin `uefi_capsule` does, and takes a file that begins
like a simulated firmware (`redfish_insides.image`). The next self test writes it, as with a capsule of UEFI. The engine has it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from engine.racks.bmc.redfish_insides import IMAGE
from engine.racks.simulated.machine import Behaviour, Machine, Refused, Result, Task

LOOK_S, WRITE_S = 3.0, 30.0
DEVICES = {"bios": ("a45df35ac0e948ee180fe216a5f703f32dda163f", "System Firmware", "uefi_capsule")}
"""Part -> device of fwupd, its name and plugin."""


async def fwupd_discover(machine: Machine, task: Task) -> Result:
    await task.work(LOOK_S)
    rows: list[dict[str, Any]] = [
        {"DeviceId": device, "Name": name, "Plugin": plugin, "Version": machine.versions()[part], "Flags": ["internal", "updatable"]}
        for part, (device, name, plugin) in DEVICES.items()
    ]
    return Result(gives={"fwupd-devices": rows})


async def _fetch(task: Task, url: str) -> bytes:
    content = bytearray()

    def sink(piece: memoryview) -> None:
        if not piece:
            content.clear()
        content.extend(piece)

    await task.download(url, sink)
    return bytes(content)


async def _staged(machine: Machine, task: Task, step: dict[str, Any]) -> Result | None:
    """What is wrong with the file. None: it is taken."""
    source = task.get("firmware-source") or {}
    known = source.get("files", {}).get(step["file"])
    if known is None:
        return Result(exit=1, message=f"{step['file']} is not in the folder firmware of the engine's store")
    if step.get("sha256", known["sha256"]) != known["sha256"]:
        return Result(exit=66, message=f"{step['file']} in the folder firmware has another SHA-256 than is wanted")
    try:
        content = await _fetch(task, f"{source['url']}/{step['file']}")
    except Refused as refused:
        return Result(exit=1, message=f"{step['file']} cannot be fetched: {refused}")
    found = IMAGE.match(content)
    if hashlib.sha256(content).hexdigest() != known["sha256"] or found is None or found[1].decode() != step["part"]:
        return Result(exit=1, message=f"fwupd: it refuses the file: {step['file']} is no firmware of this machine")
    await task.work(WRITE_S)
    machine.nonvolatile.firmware_pending[str(step["part"])] = found[2].decode()
    machine.save()
    return None


async def firmware_fwupd(machine: Machine, task: Task) -> Result:
    await task.work(LOOK_S)
    if why := task.get("fwupd-steps/refused"):
        return Result(exit=66, message=str(why))
    rows: list[dict[str, Any]] = []
    code = 0
    for step in task.get("fwupd-steps/steps") or ():
        part = str(step["part"])
        shown = machine.versions()[part]
        row = {key: step[key] for key in ("part", "name", "had", "wanted")}
        if shown == step["wanted"]:
            rows.append(row | {"version": shown, "state": "read back" if step["had"] == step["wanted"] else "applied"})
            continue
        if task.action == "verify":
            return Result(exit=1, message=f"{part}: {shown} reads back instead of {step['wanted']}")
        if (wrong := await _staged(machine, task, step)) is not None:
            return wrong
        rows.append(row | {"version": shown, "state": "accepted"})
        code = 64
    return Result(exit=code, gives={"fwupd-report": rows})


ROLES: dict[str, Behaviour] = {"fwupd-discover": fwupd_discover, "firmware-fwupd": firmware_fwupd}
