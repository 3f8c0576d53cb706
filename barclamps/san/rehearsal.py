"""What the roles of a SAN do to simulated machines: one that carries a SAN, and those that use its LUNs.

The decisions are those of the real delegate (`images/node/san/san_model.py`); the data and the targets are the rack's (`san_side`).
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task
from engine.racks.simulated.san_side import ManagedSan

WORK_S = 2.0
FOLDER = "/var/lib/crowbar-san/"


def _model() -> Any:
    """The module is beside the programs of nodes, which are no package."""
    path = Path(__file__).resolve().parents[2] / "images" / "node" / "san" / "san_model.py"
    spec = importlib.util.spec_from_file_location("san_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def san_target(machine: Machine, task: Task) -> Result:
    await task.work(WORK_S)
    if machine.system is None:
        return Result(exit=2, message="no system is installed")
    if task.action == "verify":
        return Result(exit=0 if machine.system.listens.get("3260") else 1, message="san-target: tgtd does not answer")
    await machine.listen(3260, "tcp", "tgtd")
    return Result()


async def san_luns(machine: Machine, task: Task) -> Result:
    model, (side, name) = _model(), _side(machine, task)
    await task.work(WORK_S)
    if side is None:
        return Result(exit=2, message=f"san: the rack has no SAN {name}")
    try:
        wanted = _wanted(model, task, name)
        known = {one: model.Lun(**row) for one, row in side.settings.get("known", {}).items()}
        luns = model.admitted(known, wanted)
        secrets = json.loads(task.get("san-accounts") or "{}")
        want = model.exports(name, luns, wanted, secrets, lambda lun: f"rack/{lun.serial}")
    except model.SanError as error:
        return Result(exit=1, message=f"san: {error}")
    have = {
        target: model.Export(target, one["initiator"], one["user"], {int(n): model.Unit(f"rack/{s}", s) for n, s in one["units"].items()})
        for target, one in side.targets.items()
    }
    other = {one.target for one in want.values() if one.target in have and side.targets[one.target]["secret"] != one.secret}
    steps = model.changes(have, want, other)
    if task.action == "verify" and (steps or luns.keys() != known.keys()):
        return Result(exit=1, message=f"san: to do: {steps[0].words()}" if steps else "san: a LUN is not made yet")
    _apply(side, luns, steps)
    for step in steps:
        task.print(step.words())
    return Result(gives={"san-luns": _gives(task, luns, want)})


def _apply(side: ManagedSan, luns: dict[str, Any], steps: list[Any]) -> None:
    side.settings["known"] = {one: vars(lun) for one, lun in luns.items()}
    for lun in luns.values():
        side.luns.setdefault(lun.serial, lun.size)
    for step in steps:
        if step.verb == "unexpose":
            side.drop("targets", step.target)
        elif step.verb == "expose":
            one = step.export
            units = {str(number): unit.serial for number, unit in one.units.items()}
            side.expose(step.target, {"initiator": one.initiator, "user": one.user, "secret": one.secret, "units": units})
        elif step.verb == "take":
            side.drop("targets", step.target, str(step.number))
        else:
            side.targets[step.target]["units"][str(step.number)] = step.export.units[step.number].serial
    side.save()


def _gives(task: Task, luns: dict[str, Any], want: dict[str, Any]) -> dict[str, Any]:
    by_serial = {one.serial: one for one in luns.values()}
    rows = []
    for target, one in sorted(want.items()):
        for number, unit in sorted(one.units.items()):
            lun = by_serial.pop(unit.serial)
            row = {"node": lun.node, "name": lun.name, "size": lun.size, "serial": lun.serial, "target": target, "number": number}
            rows.append({**row, "portal": f"{task.get('device/address')}:3260", "initiator": one.initiator, "user": one.user})
    kept = [{"lun": one.id, "serial": one.serial, "size": one.size} for one in by_serial.values()]
    return {"luns": rows, "kept": sorted(kept, key=lambda one: str(one["lun"]))}


async def san_remove(machine: Machine, task: Task) -> Result:
    model, (side, name) = _model(), _side(machine, task)
    await task.work(WORK_S)
    if side is None:
        return Result(exit=2, message=f"san: the rack has no SAN {name}")
    doomed = task.get("san-remove") or []
    known = {one: model.Lun(**row) for one, row in side.settings.get("known", {}).items()}
    exposed = {serial for one in side.targets.values() for serial in one["units"].values()}
    try:
        gone = model.removable(known, _wanted(model, task, name), doomed, exposed)
    except model.SanError as error:
        return Result(exit=1, message=f"san: {error}")
    for lun in gone:
        side.drop("luns", lun.serial)
        side.settings["known"].pop(lun.id)
    side.save()
    return Result(gives={"san-removed": sorted(str(one["lun"]) for one in doomed)})


async def san_disk(machine: Machine, task: Task) -> Result:
    system, rows = machine.system, (task.get("san-disks-wanted") or {}).get("disks") or []
    if system is None or machine.sans is None:
        return Result(exit=2, message="no system is installed")
    await task.work(WORK_S)
    files: dict[str, str] = {}
    gives: list[dict[str, Any]] = []
    for row in rows:
        seen = machine.sans.log_in(row["target"], row["initiator"], row["user"], str(task.get("san-account") or ""))
        if seen is None:
            return Result(exit=1, message=f"san-disk: {row['target']} does not let {row['initiator']} in")
        if seen.get(str(row["number"])) != (row["serial"], row["size"]):
            return Result(exit=1, message=f"san-disk: {row['target']} shows no disk with the serial number {row['serial']} ({row['name']})")
        files[f"{FOLDER}{row['san']}.{row['name']}"] = row["serial"]
        gives.append(
            {key: row[key] for key in ("name", "san", "serial", "size")} | {"device": f"sd{chr(110 + len(gives) % 13)}", "wwn": ""}
        )
    mine = {path: text for path, text in system.files.items() if path.startswith(FOLDER)}
    if task.action == "verify":
        return Result(exit=0 if mine == files else 1, message="san-disk: the node sees other LUNs", gives={"san-disks": gives})
    for path in mine.keys() - files.keys():
        del system.files[path]
    system.files.update(files)
    machine.save()
    return Result(gives={"san-disks": gives})


def _side(machine: Machine, task: Task) -> tuple[ManagedSan | None, str]:
    name = str(task.get("device/name") or "")
    return (machine.sans.sans.get(name) if machine.sans is not None else None), name


def _wanted(model: Any, task: Task, name: str) -> Any:
    named = sorted(one for one in task.get("san-access") or {} if one != "*")
    return model.wishes(task.get("san/wanted") or (), name, named[:1] == [name])


ROLES: dict[str, Behaviour] = {
    "san-target": san_target,
    "san-luns": san_luns,
    "san-remove": san_remove,
    "san-disk": san_disk,
}
