"""Firmware by fwupd on the machine itself, from `.cab` files of the bundle and without the network (fwupd's documentation, `fwupdmgr`).

What fwupd says is a claim like a BMC's: `accepted`. Devices that are written at the next start show their old version and `needs-reboot`.
An update counts when the version reads back after that (`engine.core.hardware.firmware_update`).
"""

from __future__ import annotations

import re

from ..readers import fwupd
from ..readers.bios_tools import error_in
from ..readers.report import Refused, told
from . import FirmwareSeen
from .bios_tools import FILE, ToolCommand, ToolOutput, ToolVerdict

_DEVICE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FAILED, _DONE = ("3", "failed", "failed-transient", "5"), ("2", "success")
_WAITS = ("1", "pending", "4", "needs-reboot")


def reading(program: str = "fwupdmgr") -> ToolCommand:
    return ToolCommand(argv=(program, "get-devices", "--json", "--no-unreported-check", "--no-metadata-check"))


def installing(device: str, older: bool, program: str = "fwupdmgr") -> ToolCommand:
    """Installs the file FILE, a `.cab`, on one device. It never reboots by itself. `older`: a lower version is allowed.

    Raises ValueError for a name that is no device's.
    """
    if not _DEVICE.fullmatch(device):
        raise ValueError(f"{device[:60]!r} is no device of fwupd")
    allow = ("--allow-older",) if older else ()
    return ToolCommand(argv=(program, "local-install", FILE, device, "--assume-yes", "--no-reboot-check", "--no-history", *allow))


def verdict(output: ToolOutput) -> ToolVerdict:
    """Exit code 2 means that nothing was to be done."""
    words = error_in(output.said.splitlines()) or told(output.said, 160) or "it printed nothing"
    if output.exit == 2:
        return ToolVerdict(verdict="unchanged", message=words)
    if output.exit:
        return ToolVerdict(verdict="refused", message=f"fwupdmgr ended with {output.exit}: {words}")
    reboot = re.search(r"(?i)reboot|restart|shutdown", output.said) is not None
    return ToolVerdict(verdict="accepted", reboot=reboot)


def seen(output: ToolOutput, device: str) -> FirmwareSeen:
    """What fwupd shows of a device now. A device that is not listed is gone; no answer of fwupd says nothing."""
    try:
        found = [one for one in fwupd.devices(output.said) if one.get("DeviceId") == device]
    except Refused:
        return FirmwareSeen()
    if not found:
        return FirmwareSeen(gone=True)
    state = told(str(found[0].get("UpdateState") or "")).lower()
    message = told(found[0].get("UpdateError"), 160)
    version = told(found[0].get("Version"))
    if state in _FAILED:
        return FirmwareSeen(version=version, task="failed", message=message)
    return FirmwareSeen(version=version, task="completed" if state in _DONE else "running" if state in _WAITS else "none")
