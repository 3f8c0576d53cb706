"""What `bios-configure` does to a simulated machine: settings wait in its firmware for the next self test.

A setting that the firmware does not know is refused, as real ones do.
"""

from __future__ import annotations

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

ACCESS_S = 2.0
WRITE_S = 4.0


def text(value: str | int | bool) -> str:
    """As the script gets it from `attribute`."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


async def bios_configure(machine: Machine, task: Task) -> Result:
    nonvolatile = machine.nonvolatile
    wanted = {name: text(value) for name, value in (task.get("bios-wanted") or {}).items()}
    if task.get("bios-by") == "redfish":
        task.print("the BMC sets this machine's BIOS (role bios-bmc)")
        wanted = {}
    await task.work(ACCESS_S)
    if task.action == "verify":
        wrong = sorted(name for name, value in wanted.items() if nonvolatile.bios.get(name) != value)
        for name in wrong:
            task.print(f"{name} is {nonvolatile.bios.get(name)!r}, not {wanted[name]!r}")
        if wrong:
            return Result(exit=1, message=f"not as wanted: {', '.join(wrong)}")
        return Result(gives={"bios-settings": dict(nonvolatile.bios)})
    unknown = sorted(set(wanted) - set(nonvolatile.bios))
    if unknown:
        return Result(exit=2, message=f"the firmware has no setting {', '.join(unknown)}")
    changed = {name: value for name, value in wanted.items() if nonvolatile.bios[name] != value}
    if changed:
        task.progress(50, f"writing {len(changed)} settings")
        await task.work(WRITE_S)
        nonvolatile.bios_pending.update(changed)
        machine.save()
        for name, value in changed.items():
            task.print(f"{name}: {nonvolatile.bios[name]} -> {value}")
    return Result(exit=64 if changed else 0, gives={"bios-settings": {**nonvolatile.bios, **changed}})


ROLES: dict[str, Behaviour] = {"bios-configure": bios_configure}
