"""fwupd: `fwupdmgr get-devices --json` -> the firmware of each device (fwupd's documentation, FwupdDevice).

Traps
* Old versions print lines before the JSON. `Version` is missing for devices that are not read, and `Flags` has `updatable` or, in old
  versions, `supported` only.
* A device that needs a reboot shows its old version and the state `needs-reboot`: the new one is not running.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..parts import Firmware, Parts
from .redfish_firmware import part_of
from .redfish_json import Body, rows, text, words
from .report import MOST_CHARACTERS, MOST_ITEMS, Refused, told

_PLUGINS = {
    "uefi_capsule": "bios",
    "uefi-capsule": "bios",
    "uefi": "bios",
    "nvme": "drive",
    "ata": "drive",
    "scsi": "drive",
    "emmc": "drive",
    "tpm": "tpm",
    "tpm_eventlog": "tpm",
    "cpu": "cpu",
    "intel_me": "me",
    "intel_spi": "spi",
    "optionrom": "option rom",
    "redfish": "bmc",
    "bcm57xx": "nic",
}


def looks(said: str) -> bool:
    return re.search(r'"Devices"\s*:\s*\[', said[:20_000]) is not None and '"DeviceId"' in said[:200_000]


def devices(said: str) -> list[Body]:
    """The devices. Raises Refused: no JSON, or fwupd's error."""
    if len(said) > MOST_CHARACTERS:
        raise Refused(f"the text has {len(said)} characters, and at most {MOST_CHARACTERS} are read")
    start = said.find("{")
    if start < 0:
        raise Refused(f"fwupd answered without JSON: {told(said, 120) or 'nothing'}")
    try:
        body = json.loads(said[start:], parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        raise Refused("fwupd's JSON is not valid, or nested too deeply") from None
    if not isinstance(body, dict) or not isinstance(body.get("Devices"), list):
        error = body.get("Error") if isinstance(body, dict) else None
        message = told(error.get("Message")) if isinstance(error, dict) else ""
        raise Refused(f"fwupd answered with an error: {message}" if message else "it has no list of devices")
    return rows(body, "Devices")


def read(said: str) -> Parts:
    return Parts(firmware=firmware(devices(said)))


def firmware(listed: Sequence[Body]) -> tuple[Firmware, ...]:
    """The firmware of devices, in fwupd's own words (FwupdDevice). Those without a version are left out."""
    found = []
    for one in listed[:MOST_ITEMS]:
        version, name = text(one, "Version"), text(one, "Name")
        flags = [told(flag) for flag in words(one.get("Flags"))]
        if not version:
            continue
        plugin = text(one, "Plugin")
        found.append(
            Firmware(
                part=_PLUGINS.get(plugin.lower()) or part_of(f"{name} {text(one, 'Summary')}"),
                version=version,
                name=name,
                place=text(one, "DeviceId")[:40],
                updateable="updatable" in flags or ("supported" in flags and "updatable-hidden" not in flags),
            )
        )
    return tuple(found)
