"""The part of iPXE's script language that boot scripts use: text -> commands -> steps. Pure.

Source: ipxe.org/scripting and ipxe.org/cmd. Known: `#!ipxe`, comments, labels, `goto`, `set`, `clear`, `echo`, `dhcp`, `ifopen`,
`isset`, `iseq`, `sleep`, `prompt`, `imgfree`, `kernel`, `initrd`, `imgargs`, `chain`, `boot`, `sanboot`, `exit`, `shell`, `reboot`,
`poweroff`; the operators `&&` and `||`; `${setting}` with the formats `:hexhyp` and `:uristring`.

Rules
* A command that fails ends the script, unless `||` follows, as in iPXE. The result of a whole script is a `Verdict`.
* At most 1,000 commands run without a `sleep`, so that a loop of `goto` ends.
* `chain` never comes back: its target replaces the script, with or without `--replace`. A failed fetch is a failed command.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Literal
from urllib.parse import quote, urljoin

from msgspec import Struct

MAX_SCRIPT = 64 * 1024
MAX_STEPS = 1000

Fetch = Callable[[str], Awaitable[bytes | None]]
"""Fetches a URL; the first 64 KiB, or None where it failed."""
Settings = dict[str, str]


class Kernel(Struct, frozen=True):
    """Start this kernel; it and its initrds were fetched."""

    url: str
    arguments: tuple[str, ...]
    initrds: tuple[str, ...]


class Leave(Struct, frozen=True):
    """The script ended without a kernel: `next` boot device, `disk` by sanboot, `reboot`, `poweroff`, or `failed`."""

    how: Literal["next", "disk", "reboot", "poweroff", "failed"]
    why: str = ""


class _Next(Struct, frozen=True):
    """Go on in this script."""

    script: bytes
    url: str


Verdict = Kernel | Leave
_Step = Kernel | Leave | _Next | bool | str
"""Result of one command. True: it succeeded; False: it failed; a text: go to that label."""
Sleep = Callable[[float], Awaitable[None]]
_SETTING = re.compile(r"\$\{([A-Za-z0-9_./:-]+)\}")
_OPERATOR = re.compile(r"\s+(&&|\|\|)(?:\s+|$)")


def expand(text: str, settings: Settings) -> str:
    """Settings put in for `${name}`; an unknown one is empty, as in iPXE."""

    def put(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        value = settings.get(name, "")
        if form == "hexhyp":
            return value.replace(":", "-")
        if form == "uristring":
            return quote(value, safe="")
        return value

    return _SETTING.sub(put, text)


def is_script(data: bytes) -> bool:
    return data.startswith(b"#!ipxe")


async def run(script: bytes, base: str, settings: Settings, fetch: Fetch, sleep: Sleep) -> Verdict:
    """Carries out a script that came from the URL `base`."""
    one = _Run(settings, fetch, sleep)
    found: Verdict | _Next = _Next(script, base)
    while isinstance(found, _Next):
        found = await one.script(found.script, found.url)
    return found


class _Run:
    def __init__(self, settings: Settings, fetch: Fetch, sleep: Sleep) -> None:
        self.settings = settings
        self.fetch = fetch
        self.sleep = sleep
        self.steps = 0
        self.kernel: str | None = None
        self.arguments: tuple[str, ...] = ()
        self.initrds: list[str] = []

    async def script(self, script: bytes, base: str) -> Verdict | _Next:
        if len(script) > MAX_SCRIPT or not is_script(script):
            return Leave("failed", "not an iPXE script")
        lines = script.decode("utf-8", "replace").replace("\\\n", " ").splitlines()
        labels = {line.split()[0][1:]: i for i, line in enumerate(lines) if re.match(r":\S", line)}
        at = 0
        while at < len(lines):
            line = lines[at].strip()
            at += 1
            if not line or line[0] in "#:":
                continue
            found = await self._line(line, base)
            if isinstance(found, str):
                if found not in labels:
                    return Leave("failed", f"no label {found!r}")
                at = labels[found]
            elif found is False:
                return Leave("failed", f"failed: {line[:200]}")
            elif found is not True:
                return found
        return Leave("next", "the script ended")

    async def _line(self, line: str, base: str) -> _Step:
        parts = _OPERATOR.split(line)
        good: _Step = await self._command(parts[0], base)
        for operator, command in zip(parts[1::2], parts[2::2], strict=True):
            if not isinstance(good, bool):
                return good
            if good == (operator == "&&"):
                good = await self._command(command, base) if command.strip() else True
        return good

    async def _command(self, command: str, base: str) -> _Step:
        self.steps += 1
        if self.steps > MAX_STEPS:
            return Leave("failed", f"more than {MAX_STEPS} commands")
        words = expand(command, self.settings).split()
        if not words:
            return True
        verb, rest = words[0], _plain(words[1:])
        for known in (self._setting, _leaving):
            found = known(verb, rest)
            if found is not None:
                return found
        if verb == "sleep" and rest and rest[0].isdecimal():
            self.steps = 0
            await self.sleep(float(rest[0]))
            return True
        if verb == "goto" and rest:
            return rest[0]
        return await self._image(verb, rest, base)

    def _setting(self, verb: str, rest: list[str]) -> bool | None:
        """Commands that look, set or say something; None for others."""
        match verb:
            case "echo" | "dhcp" | "ifopen" | "ifconf" | "ifstat" | "imgstat" | "login" | "cpuid":
                return True
            case "prompt":
                return False  # nobody presses a key
            case "set" if rest:
                self.settings[rest[0]] = " ".join(rest[1:])
                return True
            case "clear" if rest:
                self.settings.pop(rest[0], None)
                return True
            case "isset":
                return bool(rest)
            case "iseq":
                return len(rest) == 2 and rest[0] == rest[1]
            case _:
                return None

    async def _image(self, verb: str, rest: list[str], base: str) -> _Step:
        """Commands that fetch or start something. An unknown command fails."""
        match verb:
            case "imgfree":
                self.kernel, self.arguments = None, ()
                self.initrds.clear()
                return True
            case "kernel" | "imgselect" | "initrd" | "imgfetch" | "module" if rest:
                url = urljoin(base, rest[0])
                if await self.fetch(url) is None:
                    return False
                if verb in ("kernel", "imgselect"):
                    self.kernel, self.arguments = url, tuple(rest[1:])
                else:
                    self.initrds.append(url)
                return True
            case "imgargs" if rest:
                self.arguments = tuple(rest[1:])
                return True
            case "chain" | "boot" if rest:
                return await self._chain(urljoin(base, rest[0]))
            case "boot" if self.kernel is not None:
                return Kernel(self.kernel, self.arguments, tuple(self.initrds))
            case _:
                return False

    async def _chain(self, url: str) -> _Step:
        found = await self.fetch(url)
        if found is None:
            return False
        return _Next(found, url)


def _leaving(verb: str, rest: list[str]) -> Leave | None:
    """Commands that end the script; None for others."""
    match verb:
        case "sanboot":
            return Leave("disk")
        case "exit":
            return Leave("next") if not rest or rest[0] == "0" else Leave("failed", f"exit {rest[0]}")
        case "reboot" | "poweroff":
            return Leave("reboot" if verb == "reboot" else "poweroff")
        case "shell":
            return Leave("failed", "the script opened a shell")
        case _:
            return None


def _plain(words: list[str]) -> list[str]:
    """Words without options: `--name initrd`, `-n initrd`, `--autofree`, `--drive 0x80`."""
    takes = {"--name", "-n", "--drive", "-d", "--timeout", "-t", "--filename", "-f", "--config", "-c"}
    found: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif not found and word.startswith("-"):
            skip = word in takes
        else:
            found.append(word)
    return found
