"""What changes on a running QEMU machine when its faults change: disks that are pulled, plugged and slow, and memory errors. By QMP.

A new disk has a file and a serial number of its own, so the machine cannot take it for the one that was pulled.

Traps: a guest answers the removal of a disk when it likes to, and may not answer at all. Until DEVICE_DELETED comes its id is taken. A
corrected machine check is only bits in a bank, which the guest's kernel reads every few seconds or minutes (Intel SDM volume 3B, chapter
Machine-Check Architecture).
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from . import command
from .qmp import Qmp, QmpError
from .spec import Faults, Guest

log = logging.getLogger("rack")
SLOW_BPS = 4_000_000
"""Octets per second of a slow disk."""
GONE_S = 60.0
"""A guest that keeps a disk for so long does not let go of it."""
ERROR_S = 5.0
"""Seconds between two corrected memory errors: a guest that has read one finds another."""
_BANK = 8
_CORRECTED = 0x8C00_0000_0000_0090
"""Valid, with address and miscellaneous register; 0x90 with a channel in its last four bits: a read from memory."""


class Gone:
    """The devices that the guest has let go of."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def expect(self, device: str) -> asyncio.Event:
        return self._waiting.setdefault(device, asyncio.Event())

    def tell(self, device: str) -> None:
        """QMP said DEVICE_DELETED."""
        if device in self._waiting:
            self._waiting.pop(device).set()


async def pull(qmp: Qmp, gone: Gone, disk: int) -> None:
    """Takes a disk out of a running machine. Raises QmpError."""
    left = gone.expect(f"drive{disk}")
    await qmp.execute("device_del", id=f"drive{disk}")
    try:
        await asyncio.wait_for(left.wait(), GONE_S)
    except TimeoutError as wrong:
        raise QmpError(f"the guest does not let go of disk {disk}") from wrong
    for node in (f"disk{disk}", f"file{disk}"):
        await qmp.execute("blockdev-del", **{"node-name": node})


async def plug(qmp: Qmp, guest: Guest, disk: int, faults: Faults) -> None:
    """Puts a disk into a running machine. Raises QmpError."""
    file, serial = command.disk_of(guest, disk, faults)
    await qmp.execute("blockdev-add", **command.file(disk, file))
    await qmp.execute("blockdev-add", **command.image(disk, f"file{disk}"))
    await qmp.execute("device_add", **command.device(guest, disk, serial))


async def throttle(qmp: Qmp, disk: int, slow: bool) -> None:
    """A slow disk moves SLOW_BPS, in both directions together. Raises QmpError."""
    rows: Any = await qmp.execute("query-block")
    device = next((str(row.get("qdev")) for row in rows if row.get("inserted", {}).get("node-name") == f"disk{disk}"), "")
    if not device:
        raise QmpError(f"no device has disk {disk}")
    none = dict.fromkeys(("bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    await qmp.execute("block_set_io_throttle", id=device, bps=SLOW_BPS if slow else 0, **none)


async def changed(qmp: Qmp, gone: Gone, guest: Guest, before: Faults, after: Faults) -> None:
    """Makes a running machine have the faults `after` instead of `before`, as far as its disks can. What the guest refuses is logged."""
    for disk in range(len(guest.disks)):
        had, has = disk not in before.disks_out, disk not in after.disks_out
        try:
            if had and not has:
                await pull(qmp, gone, disk)
            elif has and not had:
                await plug(qmp, guest, disk, after)
            slow = disk == after.slow_disk
            if has and slow != (had and disk == before.slow_disk):
                await throttle(qmp, disk, slow)
        except QmpError as wrong:
            log.warning("%s: disk %d is left as it is: %s", guest.name, disk, wrong)


def machine_check(channel: int) -> str:
    """The order of QEMU's monitor that puts a corrected error of this memory channel into a bank of processor 0."""
    return f"mce 0 {_BANK} {_CORRECTED | channel:#x} 0 0x12345000 0x8c"


async def memory_errors(qmp: Qmp, channels: list[int]) -> None:
    """Corrected errors of these memory channels, one after the other, until QEMU ends or the task is cancelled."""
    try:
        while True:
            for channel in channels:
                said: Any = await qmp.execute("human-monitor-command", **{"command-line": machine_check(channel)})
                if said:
                    raise QmpError(f"mce: {str(said).strip()[:200]}")
                await asyncio.sleep(ERROR_S)
    except QmpError as wrong:
        log.info("no more memory errors: %s", wrong)
