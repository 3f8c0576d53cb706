"""The reports that a simulated machine's own tools give of its parts, as the role `inventory` of a real one sends them.

They have the forms of the real tools (dmidecode, smartctl), so that a rehearsal reads them the same way. The memory is spread over DIMMs
of 16 GiB; a machine with less has one DIMM. `Faults.dimms_out` takes some out.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .spec import DiskDef, Hardware

if TYPE_CHECKING:
    from .machine import Machine

DIMM_MB = 16384
MOST_DIMMS = 32


def bundle(machine: Machine) -> str:
    """A tar of the reports, compressed by gzip, in base64."""
    return packed(reports(machine))


def packed(files: Mapping[str, str]) -> str:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data := text.encode())
            tar.addfile(member, io.BytesIO(data))
    return base64.b64encode(gzip.compress(out.getvalue(), 1, mtime=0)).decode()


def reports(machine: Machine) -> dict[str, str]:
    """Name of a report -> its text."""
    one = machine.hardware
    found = {"node-facts": _facts(one), "dmidecode": _dmidecode(one, machine.faults.dimms_out, machine.versions()["bios"])}
    for about, _ in machine.physical():
        if about.transport != "fc":
            found[f"smartctl-json@{about.name}"] = _smartctl(about)
    return found


def _facts(one: Hardware) -> str:
    lines = ["crowbar-node-facts 1", f"boot-mode {one.firmware}"]
    lines += [f"port {nic.name} mac={nic.mac} pci={nic.pci} driver={nic.driver} functions=" for nic in one.nics]
    return "\n".join(lines) + "\n"


def _dmidecode(one: Hardware, out: int, version: str) -> str:
    many = max(min(one.memory_mb // DIMM_MB, MOST_DIMMS), 1)
    size = one.memory_mb // many
    blocks = [
        _block(0, "BIOS Information", {"Vendor": one.vendor, "Version": version, "Release Date": "03/14/2024"}),
        _block(
            1,
            "System Information",
            {"Manufacturer": one.vendor, "Product Name": one.product, "Serial Number": one.serial, "UUID": one.uuid},
        ),
        _block(
            4,
            "Processor Information",
            {
                "Socket Designation": "CPU1",
                "Type": "Central Processor",
                "Manufacturer": "Intel",
                "Version": "Simulated CPU @ 2.40GHz",
                "Status": "Populated, Enabled",
                "Core Count": str(max(one.cpus // 2, 1)),
                "Thread Count": str(one.cpus),
                "Max Speed": "3500 MHz",
            },
        ),
    ]
    for number in range(many):
        there = number < many - out
        blocks.append(
            _block(
                17,
                "Memory Device",
                {
                    "Locator": f"A{number + 1}",
                    "Size": f"{size} MB" if there else "No Module Installed",
                    "Type": "DDR4" if there else "Unknown",
                    "Speed": "2933 MT/s" if there else "Unknown",
                    "Configured Memory Speed": "2933 MT/s" if there else "Unknown",
                    "Manufacturer": "Simulated" if there else "Not Specified",
                    "Serial Number": f"{one.serial}D{number + 1}" if there else "Not Specified",
                    "Part Number": "SIM-16G" if there else "Not Specified",
                },
            )
        )
    return "# dmidecode 3.4\nGetting SMBIOS data from sysfs.\nSMBIOS 3.2.0 present.\n\n" + "\n".join(blocks)


def _block(kind: int, title: str, fields: Mapping[str, str]) -> str:
    lines = [f"Handle 0x{kind:04X}, DMI type {kind}, 40 bytes", title, *(f"\t{name}: {value}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def _smartctl(about: DiskDef) -> str:
    nvme, rotational = about.transport == "nvme", about.rotational
    found: dict[str, object] = {
        "json_format_version": [1, 0],
        "smartctl": {"version": [7, 3], "exit_status": 0},
        "device": {"name": f"/dev/{about.name}", "type": "nvme" if nvme else "sat", "protocol": "NVMe" if nvme else "ATA"},
        "model_name": "Simulated NVMe" if nvme else "Simulated HDD" if rotational else "Simulated SSD",
        "serial_number": about.serial,
        "firmware_version": "SIM1",
        "user_capacity": {"bytes": about.size},
        "logical_block_size": 512,
        "smart_status": {"passed": True},
    }
    if not nvme:
        found["rotation_rate"] = 7200 if rotational else 0
    digits = about.wwn.lower().removeprefix("naa.").removeprefix("0x")
    if len(digits) == 16 and set(digits) <= set("0123456789abcdef") and not nvme:
        found["wwn"] = {"naa": int(digits[0], 16), "oui": int(digits[1:7], 16), "id": int(digits[7:], 16)}
    return json.dumps(found)
