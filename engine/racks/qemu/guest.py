"""One running QEMU machine: its power, its process, its console, its bus to the BMC.

Orders are carried out one after another. A machine that is off has no process. A process is one start through firmware: the guest's
reset ends it, and the next one starts at once with the boot order of that moment.

Rules
* `nonvolatile.power` is what the BMC reports. It is set before the process starts and before it is killed.
* The start that uses a one-time boot device removes the order.
* A process that ends without an order from guest or rack is a defect: the machine is off, and the last line of its errors is logged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ..counters import Counters
from . import command, insides, live, nonvolatile, smbios
from .ipmi_bus import Bus, Execute
from .qmp import Event, Qmp, QmpError
from .serial_log import Recorder
from .spec import Faults, Guest, wiring

log = logging.getLogger("rack")
KILL_S = 5.0
RESTARTS = 20
"""Resets within RESTARTS_S after which the machine stays off: firmware that resets forever takes the whole processor."""
RESTARTS_S = 60.0


class Run:
    """One process and its connections."""

    def __init__(self, process: asyncio.subprocess.Process, qmp: Qmp, recorder: Recorder) -> None:
        self.process = process
        self.qmp = qmp
        self.recorder = recorder
        self.why = ""
        """Why the guest ended, in QMP's words."""
        self.killed = False
        self.tasks: list[asyncio.Task[None]] = []
        self.gone = live.Gone()
        self.errors: asyncio.Task[None] | None = None
        """Plants memory errors."""


class Machine:
    """Drive it in one loop. `prepare` first; `close` at the end."""

    def __init__(self, guest: Guest, folder: Path, accel: str, slots: asyncio.Semaphore, counters: Counters, faults: Faults) -> None:
        self.guest = guest
        self.folder = folder
        self.faults = faults
        self.accel = accel
        self.screen = ""
        self.execute: Execute | None = None
        """The BMC's side of the bus."""
        self.on_start: Callable[[], object] = lambda: None
        self._slots = slots
        self._counters = counters
        self._file = folder / "state.json"
        self.nonvolatile = nonvolatile.NonVolatile()
        self._run: Run | None = None
        self._orders: asyncio.Queue[str] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._resets: list[float] = []

    @property
    def pid(self) -> int:
        """Id of its process. 0: it has none."""
        return self._run.process.pid if self._run is not None else 0

    async def prepare(self) -> None:
        """Makes missing files, and continues where the machine was: with power on, it starts. Raises OSError, msgspec.DecodeError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.nonvolatile = nonvolatile.load(self._file)
        for disk in self.guest.disks:
            if not (self.folder / disk.file).exists():
                await self._make(command.disk_command(f"{disk.file}.new", disk.size_mb))
                (self.folder / f"{disk.file}.new").replace(self.folder / disk.file)
        for number in self.faults.disks_new:
            await self._make_new(number)
        table = smbios.host_interface(self.guest.uuid, self.guest.bmc_mac, self.guest.bmc_address)
        (self.folder / "host-interface.bin").write_bytes(table)
        self._task = asyncio.create_task(self._obey())
        if self.nonvolatile.power:
            self._orders.put_nowait("on")

    async def _make(self, words: list[str]) -> None:
        made = await asyncio.create_subprocess_exec(*words, cwd=self.folder, stderr=asyncio.subprocess.PIPE)
        _, errors = await made.communicate()
        if made.returncode:
            raise OSError(f"{words[0]}: {errors.decode(errors='replace').strip()[:300]}")

    def power(self, action: str) -> None:
        """on, off, cycle, reset, soft, diag. The effect on `nonvolatile.power` is visible at once."""
        if action in ("on", "cycle") or (action == "reset" and self.nonvolatile.power):
            self._set_power(True)
        elif action == "off":
            self._set_power(False)
        self._orders.put_nowait(action)

    def set_boot(self, device: str, persistent: bool) -> None:
        """The boot device for the next or for all starts: network, disk; anything else withdraws the order."""
        chosen: command.Boot | str = device if device in ("network", "disk") else ""
        self.nonvolatile.boot_next = "" if persistent else chosen  # type: ignore[assignment]  # narrowed by the line above
        self.nonvolatile.boot_always = chosen if persistent else ""  # type: ignore[assignment]
        self.save()

    async def close(self) -> None:
        """Ends the process. The power stays as it is, so that the machine starts again with the rack."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._end()

    async def link(self, nic: int, up: bool) -> None:
        """Puts a cable in or pulls it."""
        if self._run is not None:
            with suppress(QmpError):
                await self._run.qmp.execute("set_link", name=f"nic{nic}", up=up)

    async def fail_disks(self, failing: bool) -> None:
        """From now on each write to a disk ends in an I/O error, or no longer does: a failing layer comes between image and file."""
        if self._run is None:
            return
        qmp = self._run.qmp
        for i in range(len(self.guest.disks)):
            try:
                if failing:
                    await qmp.execute("blockdev-add", **command.failing(i))
                await qmp.execute("blockdev-reopen", options=[command.image(i, f"bad{i}" if failing else f"file{i}")])
                if not failing:
                    await qmp.execute("blockdev-del", **{"node-name": f"bad{i}"})
            except QmpError as wrong:  # it was pulled, or the machine ends
                log.warning("%s: disk %d is left as it is: %s", self.guest.name, i, wrong)

    async def change(self, before: Faults, after: Faults) -> None:
        """The running machine has other faults of its disks and its memory from now on."""
        for disk in set(after.disks_new) - set(before.disks_new):
            try:
                await self._make_new(disk)
            except OSError as wrong:
                log.error("%s: there is no new disk %d: %s", self.guest.name, disk, wrong)
        if self._run is not None:
            await live.changed(self._run.qmp, self._run.gone, self.guest, before, after)
            if before.ecc != after.ecc:
                self._plant(self._run)

    async def _make_new(self, disk: int) -> None:
        """A blank disk for that place. Raises OSError."""
        name, _ = command.disk_of(self.guest, disk, Faults(disks_new=(disk,)))
        if not (self.folder / name).exists():
            await self._make(command.disk_command(f"{name}.new", self.guest.disks[disk].size_mb))
            (self.folder / f"{name}.new").replace(self.folder / name)

    def _plant(self, run: Run) -> None:
        """The memory errors of this moment, and no earlier ones."""
        if run.errors is not None:
            run.errors.cancel()
        if channels := [int(channel) for channel, count in self.faults.ecc.items() if count]:
            run.errors = asyncio.create_task(live.memory_errors(run.qmp, channels))
            run.tasks.append(run.errors)

    # -- orders ----------------------------------------------------------------------------------------------------

    async def _obey(self) -> None:
        while True:
            order = await self._orders.get()
            try:
                await self._carry_out(order)
            except (OSError, QmpError) as wrong:
                self._counters.add("qemu-failed")
                log.error("%s: %s failed: %s", self.guest.name, order, wrong)
                await self._end()
                if order != "soft":
                    self._set_power(False)

    async def _carry_out(self, order: str) -> None:
        match order:
            case "on":
                if self._run is None and self.nonvolatile.power:
                    await self._begin()
            case "off":
                await self._end()
            case "cycle" | "reset" | "again":
                if self.nonvolatile.power:
                    await self._end()
                    await self._begin()
            case "soft" if self._run is not None:
                await self._run.qmp.execute("system_powerdown")
            case "diag" if self._run is not None:
                await self._run.qmp.execute("inject-nmi")

    async def _begin(self) -> None:
        """Starts the process. Waits for a free place if only so many may run. Powering the machine off meanwhile ends the wait."""
        while True:
            try:
                await asyncio.wait_for(self._slots.acquire(), 0.5)
                break
            except TimeoutError:
                if not self.nonvolatile.power:
                    return
        try:
            self._run = await self._start()
        except BaseException:
            self._slots.release()
            raise
        run = self._run
        run.tasks.append(asyncio.create_task(self._watch(run)))
        for nic, (switch, _) in enumerate(wiring(self.guest, self.faults)):
            if not switch:
                await self.link(nic, False)
        if self.faults.disk_fails:
            await self.fail_disks(True)
        if self.faults.slow_disk >= 0 and self.faults.slow_disk not in self.faults.disks_out:
            await live.throttle(run.qmp, self.faults.slow_disk, True)
        self._plant(run)

    async def _start(self) -> Run:
        boot = nonvolatile.next_boot(self.nonvolatile)
        self.nonvolatile.boots += 1
        self.nonvolatile.boot_next = ""
        insides.at_self_test(self.nonvolatile)
        self.save()
        near, far = zip(*(socket.socketpair() for _ in range(2)), strict=True)
        bus = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        bus.bind("")  # a free abstract name (unix(7)), known in this network namespace only
        bus.listen(1)
        far = (*far, bus)
        address = bus.getsockname()
        sockets = command.Sockets(qmp=far[0].fileno(), serial=far[1].fileno(), ipmi=far[2].fileno())
        self._variables()
        words = [*command.bound_to(os.getpid()), *command.command(self.guest, boot, self.accel, sockets, self.faults, self._inside())]
        recorder = Recorder(self.folder, self.nonvolatile.boots)
        process: asyncio.subprocess.Process | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            with open(self.folder / "qemu.log", "wb") as errors:  # noqa: ASYNC230 - a local file, empty
                process = await asyncio.create_subprocess_exec(
                    *words,
                    cwd=self.folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    pass_fds=[one.fileno() for one in far],
                )
            for one in far:
                one.close()
            reader, writer = await asyncio.open_unix_connection(sock=near[0], limit=1 << 20)
            run = Run(process, Qmp(reader, writer, self._event), recorder)
            run.tasks = tasks
            tasks.append(asyncio.create_task(self._record(near[1], recorder)))
            self._run = run
            await run.qmp.start()
            tasks.append(asyncio.create_task(self._bus(address)))
        except BaseException as wrong:
            self._run = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for one in (*near, *far):
                one.close()
            recorder.close()
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()
            if isinstance(wrong, QmpError):
                raise QmpError(f"{wrong}: {self._said()}") from wrong
            raise
        self._counters.add("qemu-starts")
        log.info("%s: start %d from %s, process %d", self.guest.name, self.nonvolatile.boots, boot, process.pid)
        self.on_start()
        return run

    def _inside(self) -> command.Inside:
        """Settings and version of the firmware, of a machine whose BMC speaks of them."""
        if self.guest.bmc_protocol != "redfish":
            return command.Inside()
        return command.Inside(features_off=insides.switched_off(self.nonvolatile), bios=insides.versions(self.nonvolatile)["bios"])

    def _variables(self) -> None:
        """The variables of UEFI, from the factory if there are none yet. Raises OSError."""
        kept, fresh = command.variables(self.guest, command.is_secure(self.guest, self.faults))
        if kept and not (self.folder / kept).exists():
            shutil.copyfile(fresh, self.folder / f"{kept}.new")
            (self.folder / f"{kept}.new").replace(self.folder / kept)

    async def _end(self) -> None:
        """Ends the process, if there is one, and frees its place."""
        run, self._run = self._run, None
        if run is None:
            return
        run.killed = True
        with suppress(QmpError):
            await run.qmp.execute("quit")
        try:
            await asyncio.wait_for(run.process.wait(), KILL_S)
        except TimeoutError:
            run.process.kill()
            await run.process.wait()
        await self._clean(run)

    async def _clean(self, run: Run) -> None:
        await run.qmp.close()
        for task in run.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*(t for t in run.tasks if t is not asyncio.current_task()), return_exceptions=True)
        self.screen = run.recorder.screen
        run.recorder.close()
        self._slots.release()

    async def _watch(self, run: Run) -> None:
        """What happens to the machine when its process ends by itself."""
        code = await run.process.wait()
        await run.qmp.gone.wait()  # its last event may still be on the way
        if run.killed or self._run is not run:
            return
        self._run = None
        await self._clean(run)
        if run.why == "guest-reset" and not self._loops():
            self._orders.put_nowait("again")
            return
        if run.why not in ("guest-shutdown", "guest-reset"):
            self._counters.add("qemu-died")
            log.error("%s: QEMU ended with %d (%s): %s", self.guest.name, code, run.why or "no reason", self._said())
        self._set_power(False)

    def _loops(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._resets = [at for at in self._resets if now - at < RESTARTS_S] + [now]
        if len(self._resets) > RESTARTS:
            log.error("%s: %d resets within %.0f s, so it is left off", self.guest.name, len(self._resets), RESTARTS_S)
            return True
        return False

    def _event(self, event: Event) -> None:
        if self._run is None:
            return
        if event.name == "SHUTDOWN":
            self._run.why = str(event.data.get("reason", ""))
        elif event.name == "DEVICE_DELETED":
            self._run.gone.tell(str(event.data.get("device", "")))

    async def _record(self, sock: socket.socket, recorder: Recorder) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=sock)
        try:
            while data := await reader.read(65536):
                recorder.write(data)
                self.screen = recorder.screen
        except ConnectionError:
            pass
        except OSError as wrong:
            log.error("%s: its console cannot be recorded: %s", self.guest.name, wrong)
            while await reader.read(65536):  # the guest must not wait for us
                pass
        finally:
            writer.close()

    async def _bus(self, address: str | bytes) -> None:
        reader, writer = await asyncio.open_unix_connection(os.fsdecode(address))
        execute = self.execute
        bus = Bus(execute if execute is not None else lambda *_: (0xC1, b""))
        try:
            writer.write(bus.hello())
            while data := await reader.read(4096):
                if self.faults.bmc != "dead" and (answer := bus.feed(data)):
                    writer.write(answer)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _said(self) -> str:
        """The last line of its errors."""
        try:
            lines = (self.folder / "qemu.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1][:300] if lines else "it said nothing"

    def _set_power(self, on: bool) -> None:
        if self.nonvolatile.power != on:
            self.nonvolatile.power = on
            self.save()

    def save(self) -> None:
        try:
            nonvolatile.save(self._file, self.nonvolatile)
        except OSError as wrong:
            self._counters.add("state-not-saved")
            log.error("%s: its file state.json cannot be saved: %s", self.guest.name, wrong)
