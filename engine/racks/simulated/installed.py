"""One boot of the operating system on a simulated machine's disk.

It has the static address and the SSH host key from its install. It says hello with its credential until the engine has received it, and
bye when it goes down in order. It carries out SSH commands: the `attempt` tool and the few commands that an engine or a person runs on a
node. There is no shell: words come split as a shell splits them, and an unknown command is `not found` (127).
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from contextlib import suppress

from .agent import Backoff, Downloads
from .attempts import Attempts
from .behaviours import Behaviours
from .http_client import HttpClient, HttpError
from .machine import Machine, Pace
from .nonvolatile import System


class Installed:
    """`leave` is called with `reboot` or `poweroff` when the system goes down by itself."""

    def __init__(
        self,
        machine: Machine,
        system: System,
        http: HttpClient,
        behaviours: Behaviours,
        pace: Pace,
        boot_id: str,
        leave: Callable[[str], None],
    ) -> None:
        self.machine = machine
        self.system = system
        self.boot_id = boot_id
        self._http = http
        self._pace = pace
        self._leave = leave
        self._token = ""
        self._commands: set[asyncio.Future[tuple[int, bytes, bytes]]] = set()
        self.attempts = Attempts(machine, system, behaviours, pace, Downloads(http, pace, self._headers))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def hello(self) -> None:
        """Repeats until the engine has received it."""
        hardware, pause = self.machine.hardware, Backoff(self._pace)
        body = json.dumps(
            {
                "credential": self.system.credential,
                "boot_id": self.boot_id,
                "environment": self.system.os,
                "uuid": hardware.uuid,
                "serial": hardware.serial,
                "macs": [nic.mac for nic in hardware.nics],
                "arch": hardware.arch,
                "address": self.system.address,
                "clock": self.machine.clock(self.boot_id),
            }
        ).encode()
        while True:
            try:
                found = await self._http.call(
                    "POST", f"{self.system.url}/agent/hello", body=body, headers={"Content-Type": "application/json"}
                )
                if found.status == 200:
                    self._token = str(json.loads(found.body)["token"])
                    self.machine.screen = f"{self.system.os}: login"
                    return
                self.machine.screen = f"{self.system.os}: hello refused ({found.status} {found.body[:200]!r})"
                self.machine.counters.add(f"hello-{found.status}")
            except HttpError as wrong:
                self.machine.screen = f"{self.system.os}: hello: {wrong}"
            except (ValueError, KeyError, TypeError):
                self.machine.counters.add("hello-malformed")
            await pause.wait()

    async def bye(self, reason: str) -> None:
        with suppress(HttpError):
            body = json.dumps({"reason": reason}).encode()
            headers = {"Content-Type": "application/json", **self._headers()}
            await self._http.call("POST", f"{self.system.url}/agent/bye", body=body, headers=headers, timeout_s=3)

    def close(self) -> None:
        """The machine goes down: everything ends at once."""
        self.attempts.close()
        for one in self._commands:
            one.cancel()

    async def command(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """Carries out a command that came by SSH: exit code, output, errors. Cancelled when the machine goes down."""
        self.machine.counters.add("ssh-commands")
        one = asyncio.ensure_future(self._command(argv, stdin))
        self._commands.add(one)
        try:
            return await one
        finally:
            self._commands.discard(one)

    async def _command(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        words = argv
        if len(words) == 3 and words[:2] == ["sh", "-c"]:
            try:
                words = shlex.split(words[2])
            except ValueError as wrong:
                return 2, b"", f"sh: {wrong}\n".encode()
        while words and ("=" in words[0].split("/")[0] or words[0] in ("exec", "sudo", "env")):
            words = words[1:]
        if not words:
            return 0, b"", b""
        program, rest = words[0].rpartition("/")[2], words[1:]
        system = self.system
        match program, rest:
            case "attempt", _:
                code, out = await self.attempts.command(rest, stdin)
                return (code, b"", out) if code == 2 else (code, out, b"")
            case "sh", ["-s", "list"] if b"disks list" in stdin:
                return 0, json.dumps({"disks": self.machine.listed(running=True), "media": []}).encode() + b"\n", b""
            case "true" | ":" | "sync", _:
                return 0, b"", b""
            case "pkill", [*_, name]:
                return await self._kill(name), b"", b""
            case "hostname", [] | ["-s"] | ["-f"]:
                domain = f".{system.domain}" if rest == ["-f"] else ""
                return 0, f"{system.hostname}{domain}\n".encode(), b""
            case "uname", _:
                return 0, b"Linux\n", b""
            case "id", _:
                return 0, b"0\n" if rest == ["-u"] else b"uid=0(root) gid=0(root) groups=0(root)\n", b""
            case "echo", _:
                return 0, (" ".join(rest) + "\n").encode(), b""
            case "cat", _:
                return self._cat(rest)
            case ("reboot" | "poweroff", _) | ("systemctl", ["reboot" | "poweroff"]):
                asyncio.get_running_loop().call_later(0.05, self._leave, rest[0] if rest else program)
                return 0, b"", b""
            case _:
                return 127, b"", f"sh: 1: {program[:100]}: not found\n".encode()

    async def _kill(self, name: str) -> int:
        """The process is gone until a role starts it again, and its port is closed. pkill fails for one that does not run."""
        if name in self.system.killed:
            return 1
        self.system.killed = [*self.system.killed, name][-64:]
        self.machine.save()
        if self.machine.on_listens is not None:
            await self.machine.on_listens()
        return 0

    def _cat(self, names: list[str]) -> tuple[int, bytes, bytes]:
        out = b""
        for name in names:
            found = self._files().get(name)
            if found is None:
                return 1, out, f"cat: {name[:200]}: No such file or directory\n".encode()
            out += found.encode()
        return 0, out, b""

    def _files(self) -> dict[str, str]:
        system = self.system
        name, _, version = system.os.rpartition("-")
        return {
            "/etc/os-release": f'ID={name or system.os}\nVERSION_ID="{version}"\nPRETTY_NAME="{system.os} (rehearsal)"\n',
            "/etc/hostname": f"{system.hostname}\n",
            "/proc/sys/kernel/random/boot_id": f"{self.boot_id}\n",
            "/proc/uptime": "100.00 100.00\n",
        } | {path: str(text) for path, text in system.files.items()}
