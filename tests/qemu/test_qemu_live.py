"""Orders for a real QEMU that has not begun to run: a slow disk, and a memory error. They need no image and no guest."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.racks.qemu import command, live
from engine.racks.qemu.needs import missing
from engine.racks.qemu.qmp import Qmp, QmpError
from engine.racks.qemu.spec import QemuRackSpec, guests

WHY_NOT = missing()
pytestmark = [pytest.mark.qemu, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def by_monitor(folder: Path, bus: str, do: Callable[[Qmp], Awaitable[Any]]) -> Any:
    (guest,) = guests(QemuRackSpec(disks_mb=(16, 16), bus=bus))  # type: ignore[arg-type]
    for disk in guest.disks:
        subprocess.run(command.disk_command(str(folder / disk.file), disk.size_mb), check=True)
    words = [command.QEMU, "-S", "-nodefaults", "-display", "none", "-machine", "q35", *command.accelerated("tcg"), *command.disks(guest)]
    monitor = folder / "monitor"

    async def talk() -> Any:
        qmp = Qmp(*await asyncio.open_unix_connection(str(monitor)), lambda _: None)
        await qmp.start()
        try:
            return await do(qmp)
        finally:
            await qmp.close()

    with subprocess.Popen([*words, "-qmp", f"unix:{monitor},server=on,wait=off"], cwd=folder) as process:
        try:
            until = time.monotonic() + 60
            while not monitor.exists():
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            return asyncio.run(talk())
        finally:
            process.kill()


@pytest.mark.parametrize("bus", ["virtio", "nvme"])
def test_a_disk_is_slow_until_it_is_replaced(tmp_path: Path, bus: str) -> None:
    async def limits(qmp: Qmp) -> list[list[int]]:
        out = []
        for slow in (True, False):
            await live.throttle(qmp, 1, slow)
            out.append([row["inserted"]["bps"] for row in await qmp.execute("query-block")])
        with pytest.raises(QmpError, match="no device has disk 7"):
            await live.throttle(qmp, 7, True)
        return out

    assert by_monitor(tmp_path, bus, limits) == [[0, live.SLOW_BPS], [0, 0]]


def test_qemu_takes_a_machine_check(tmp_path: Path) -> None:
    async def planted(qmp: Qmp) -> str:
        return str(await qmp.execute("human-monitor-command", **{"command-line": live.machine_check(3)}))

    assert by_monitor(tmp_path, "virtio", planted) == ""
