"""What a simulated machine does after power on: firmware, boot order, loader, kernel, system.

Power can fail at any await: `MachineRunner.power("off")` cancels everything that runs, and only `machine.nonvolatile` is left.

Boot order, like servers of these kinds: first the BMC's device for the next start, or for all starts; then network, then disk. After the
last device the firmware begins again with the first, after a pause, because a machine that gave up for good would need a person. A disk
starts only a completely written system.

ROM, iPXE and kernel each make their own DHCP exchange: as PXEClient, with user class iPXE (https://ipxe.org/howto/dhcpd), and as a
udhcpc that says nothing about booting.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Literal, Protocol

from engine.wire.dhcp import DhcpReply, DhcpRequest

from . import ipxe
from .agent import Agent
from .behaviours import Behaviours
from .daemons import Daemons
from .dhcp_client import ipxe_request, kernel_request, lease, rom_request
from .http_client import HttpClient, HttpError
from .installed import Installed
from .installer import Installer, answers_url
from .installer import fetch as fetch_answers
from .machine import Machine, Pace
from .nonvolatile import System
from .packet_loss import lossy
from .tftp_client import TftpFailed, fetch
from .wiring import DhcpPort, Wiring

log = logging.getLogger(__name__)

LOADER_BYTES = 64 * 1024
_After = Literal["firmware", "kexec", "off"]


class SshSide(Protocol):
    """Where installed systems listen for SSH."""

    def listen(self, address: str, system: System, installed: Installed) -> Callable[[], None]:
        """Starts to listen. Call the result to stop. Raises OSError if the address cannot be used."""


class MachineRunner:
    """Runs one machine from power on to power off. The rack's loop calls its methods."""

    def __init__(self, machine: Machine, wiring: Wiring, port: DhcpPort, behaviours: Behaviours, pace: Pace, ssh: SshSide) -> None:
        self.machine = machine
        self.installed: Installed | None = None
        self._wiring = wiring
        self._port = port
        self._behaviours = behaviours
        self._pace = pace
        self._ssh = ssh
        self._task: asyncio.Task[None] | None = None
        self._held: set[str] = set()
        self._leaving: asyncio.Future[str] | None = None
        self._dhcp = lossy(machine.rng, lambda: (machine.faults.drop_dhcp, machine.faults.double_dhcp, machine.faults.late_dhcp))
        self._tftp = lossy(machine.rng, lambda: (machine.faults.drop_tftp, machine.faults.double_tftp, machine.faults.late_tftp))

    # -- buttons --------------------------------------------------------------------------------------------------

    def power(self, action: str) -> None:
        """on, off, reset, cycle, or soft (the operating system shuts down; without one nothing happens)."""
        nonvolatile = self.machine.nonvolatile
        match action:
            case "on":
                if not nonvolatile.power:
                    self._on()
            case "off":
                self._off()
            case "reset" | "cycle":
                if nonvolatile.power:
                    self._off()
                    self._on()
            case "soft":
                if self._leaving is not None and not self._leaving.done():
                    self._leaving.set_result("poweroff")
            case _:
                self.machine.counters.add("power-unknown")

    def resume(self) -> None:
        """The rack's process started: machines that had power on start as after a power failure."""
        if self.machine.nonvolatile.power and self._task is None:
            self._start()

    def _on(self) -> None:
        self.machine.nonvolatile.power = True
        self.machine.save()
        self._start()

    def _off(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.machine.nonvolatile.power = False
        self.machine.save()
        self._show("off", "")

    def _start(self) -> None:
        before = self._task
        self._task = asyncio.create_task(self._live(before), name=self.machine.name)

    async def stop(self) -> None:
        """The rack's process ends: everything stops, and the power button stays as it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _show(self, screen: str, environment: str | None = None) -> None:
        self.machine.screen = screen
        if environment is not None:
            self.machine.environment = environment

    # -- from power on to power off -------------------------------------------------------------------------------

    async def _live(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        try:
            after: _After = "firmware"
            while after != "off":
                if after == "firmware":
                    await self._self_test()
                    after = await self._boot_order()
                else:
                    system = self.machine.system
                    after = await self._run_disk(system) if system is not None else "firmware"
            self.machine.nonvolatile.power = False
            self.machine.save()
            self._show("off", "")
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("machine %s died of an error in the rehearsal", self.machine.name)
            self.machine.counters.add("machine-broke")
            self._show("broken: see rack.log", "")
        finally:
            self._let_go()

    def _let_go(self) -> None:
        for address in list(self._held):
            self._wiring.detach(address)
        self._held.clear()
        self.machine.address = ""

    def _hold(self, address: str) -> None:
        if address in self._held:
            return
        self._let_go()
        self._wiring.attach(address)
        self._held.add(address)
        self.machine.address = address

    def _http(self) -> HttpClient:
        machine = self.machine
        return HttpClient(
            self._wiring,
            local=machine.address,
            dropped=lambda: machine.lost(machine.faults.drop_http),
            unheard=lambda: machine.lost(machine.faults.repeat_http),
        )

    def _close(self, http: HttpClient) -> None:
        http.close()
        self.machine.counters.add("http-octets", http.octets)

    async def _self_test(self) -> None:
        self._let_go()
        self._show("firmware: self test", "firmware")
        await self.machine.milestone("firmware")
        await self._pace.wait(self.machine.hardware.firmware_s)
        if self.machine.faults.stall_s:
            await asyncio.sleep(self.machine.faults.stall_s)
        self.machine.self_test()

    async def _boot_order(self) -> _After:
        nonvolatile = self.machine.nonvolatile
        first = nonvolatile.boot_next or nonvolatile.boot_always
        if nonvolatile.boot_next:
            nonvolatile.boot_next = ""
            self.machine.save()
        order = ["disk", "network"] if first == "disk" else ["network", "disk"]
        while True:
            for device in order:
                if device == "network":
                    found = await self._network()
                    if found == "disk" and (system := self.machine.system) is not None:
                        return await self._run_disk(system)
                    if found is not None and found != "disk":
                        return found
                elif (system := self.machine.system) is not None:
                    return await self._run_disk(system)
            self._let_go()
            self._show("no bootable device", "firmware")
            await asyncio.sleep(self._pace.retry_s(30.0))

    # -- network --------------------------------------------------------------------------------------------------

    async def _network(self) -> _After | Literal["disk"] | None:
        """What follows a network boot. None: it failed, next device; `disk`: start the disk."""
        machine = self.machine
        self._show("PXE: DHCP")
        await machine.milestone("pxe")
        mac = machine.boot_nic.mac
        offer = await self._lease(rom_request(machine.hardware, mac), needs_file=True)
        if offer is None:
            self._show("PXE: no DHCP or proxyDHCP offers were received")
            return None
        self._hold(offer.yiaddr)
        self._show(f"PXE: TFTP {offer.filename}")
        await machine.milestone("loader")
        try:
            octets = await fetch(
                self._wiring,
                local=offer.yiaddr,
                server=offer.siaddr or offer.tftp_server or offer.server_id,
                filename=offer.filename,
                windowsize=self.machine.hardware.tftp_window,
                first_wait_s=max(0.5, self._pace.retry_s(1.0)),
                copies=self._tftp,
            )
        except (TftpFailed, ValueError) as wrong:
            self._show(f"PXE: TFTP {offer.filename}: {wrong}")
            return None
        self.machine.counters.add("tftp-octets", octets)
        self._show("iPXE: DHCP")
        answer = await self._lease(ipxe_request(machine.hardware, mac), needs_file=True)
        if answer is None:
            self._show("iPXE: no DHCP answer with a file name")
            return None
        self._hold(answer.yiaddr)
        http = self._http()
        try:
            verdict = await self._script(http, answer)
        finally:
            self._close(http)
        if isinstance(verdict, ipxe.Kernel):
            return await self._run_kernel(verdict)
        match verdict.how:
            case "disk":
                return "disk"
            case "reboot":
                return "firmware"
            case "poweroff":
                return "off"
            case _:
                self._show(f"iPXE: {verdict.why or 'exit'}")
                return None

    async def _lease(self, request: DhcpRequest, *, needs_file: bool) -> DhcpReply | None:
        machine = self.machine
        if not machine.boot_nic.switch:
            return None  # no cable
        found = await lease(
            self._port,
            request,
            rng=machine.rng,
            first_wait_s=self._pace.retry_s(4.0),
            needs_file=needs_file,
            copies=self._dhcp,
        )
        machine.counters.add("dhcp-answered" if found is not None else "dhcp-unanswered")
        return found

    async def _script(self, http: HttpClient, answer: DhcpReply) -> ipxe.Verdict:
        hardware = self.machine.hardware
        mac = self.machine.boot_nic.mac
        settings = {
            "net0/mac": mac,
            "netX/mac": mac,
            "mac": mac,
            "net0/ip": answer.yiaddr,
            "netX/ip": answer.yiaddr,
            "ip": answer.yiaddr,
            "next-server": answer.siaddr or answer.server_id,
            "uuid": hardware.uuid,
            "serial": hardware.serial,
            "manufacturer": hardware.vendor,
            "product": hardware.product,
            "platform": "efi" if hardware.firmware == "efi" else "pcbios",
            "buildarch": "x86_64" if hardware.firmware == "efi" else "i386",
            "filename": answer.filename,
        }
        url = ipxe.expand(answer.filename, settings)

        async def get(url: str) -> bytes | None:
            self._show(f"iPXE: {url[:200]}")
            kept = bytearray()

            def keep(block: memoryview) -> None:
                kept.extend(block[: LOADER_BYTES - len(kept)])

            try:
                found = await http.call("GET", url, sink=keep, timeout_s=60)
            except HttpError as wrong:
                self._show(f"iPXE: {url[:200]}: {wrong}")
                return None
            if found.status != 200:
                self._show(f"iPXE: {url[:200]}: HTTP status {found.status}")
                return None
            return bytes(kept)

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(self._pace.retry_s(seconds))

        for _ in range(5):
            script = await get(url)
            if script is not None:
                return await ipxe.run(script, url, settings, get, sleep)
            await sleep(2.0)
        return ipxe.Leave("failed", self.machine.screen)

    async def _run_kernel(self, kernel: ipxe.Kernel) -> _After:
        """Starts what the script named. The kernel line has `crowbar.url`, `crowbar.nonce` and `crowbar.env`."""
        machine = self.machine
        line = dict(word.partition("=")[::2] for word in kernel.arguments)
        environment = line.get("crowbar.env") or "sledgehammer"
        self._show(f"{environment}: kernel", environment)
        await machine.milestone("kernel")
        await self._pace.wait(15.0)
        while (found := await self._lease(kernel_request(machine.boot_nic.mac), needs_file=False)) is None:
            self._show(f"{environment}: no DHCP answer")
            await asyncio.sleep(self._pace.retry_s(10.0))
        self._hold(found.yiaddr)
        if machine.faults.never_calls_back:
            await asyncio.get_running_loop().create_future()
        http = self._http()
        answers = answers_url(kernel.arguments)
        try:
            agent = (Installer if answers else Agent)(
                machine,
                http,
                self._behaviours,
                self._pace,
                url=line.get("crowbar.url", ""),
                nonce=line.get("crowbar.nonce", ""),
                boot_id=str(uuid.uuid4()),
                environment=environment,
            )
            if isinstance(agent, Installer):
                agent.answers = await fetch_answers(machine, http, self._pace, answers)
            leaving = await agent.run()
        finally:
            self._close(http)
        return "kexec" if leaving == "kexec" else "firmware"

    # -- disk -----------------------------------------------------------------------------------------------------

    async def _run_disk(self, system: System) -> _After:
        """Runs an installed system until it goes down by itself."""
        machine = self.machine
        self._let_go()
        self._show(f"{system.os}: kernel", system.os)
        await self._pace.wait(10.0)
        await machine.milestone("disk")
        if system.address:
            self._hold(system.address)
        http = self._http()
        leaving: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def leave(how: str) -> None:
            if not leaving.done():
                leaving.set_result(how)

        installed = Installed(machine, system, http, self._behaviours, self._pace, str(uuid.uuid4()), leave)
        self.installed, self._leaving = installed, leaving
        daemons = Daemons(machine, system, self._wiring, self._behaviours.servers)
        machine.on_listens, machine.remote = daemons.follow, self._wiring.remote
        silence: Callable[[], None] | None = None
        hello: asyncio.Task[None] | None = None
        try:
            await daemons.follow()
            if system.address:
                silence = self._ssh.listen(system.address, system, installed)
            if not machine.faults.never_calls_back:
                hello = asyncio.create_task(installed.hello())
            how = await leaving
            await installed.bye(how)
            return "off" if how == "poweroff" else "firmware"
        finally:
            self.installed, self._leaving = None, None
            machine.on_listens = None
            daemons.close()
            if hello is not None:
                hello.cancel()
            installed.close()
            if silence is not None:
                silence()
            self._close(http)
