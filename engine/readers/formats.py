"""The table of report formats, and the one way in: the text or the octets of a report -> `Parts`.

Rules
* One line for each format: its name, what it is, its reader, its test, and the command that makes it.
* `looks` is cheap, never raises, and is true of at most one format for any real report.
* The report of an `octets` format (frames, captures) is text in latin-1: one character for each octet.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from engine.parts import Parts
from engine.readers import (
    cardiff,
    cpus,
    dmidecode,
    ethtool,
    frames,
    hdparm,
    ipmi_sensors,
    ipmitool,
    lldpcli,
    lldptool,
    lsblk,
    lshw,
    lspci,
    lsscsi,
    node_facts,
    nvme,
    plain,
    raid_formats,
    redfish_formats,
    smart,
    smart_text,
    smbios,
)
from engine.readers.report import Refused, told


class ReportFormat(Struct, frozen=True):
    about: str
    read: Callable[[str], Parts]
    looks: Callable[[str], bool]
    command: str
    octets: bool = False


FORMATS: dict[str, ReportFormat] = {
    "node-facts": ReportFormat("what the kernel says of a machine", node_facts.read, node_facts.looks, ""),
    "dmidecode": ReportFormat("SMBIOS tables", dmidecode.read, dmidecode.looks, "dmidecode"),
    "smbios": ReportFormat("SMBIOS tables in octets", smbios.read, smbios.looks, "cat /sys/firmware/dmi/tables/DMI", octets=True),
    "lshw-json": ReportFormat("the whole machine", lshw.read_json, lshw.looks_json, "lshw -json"),
    "lshw-xml": ReportFormat("the whole machine", lshw.read_xml, lshw.looks_xml, "lshw -xml"),
    "lshw": ReportFormat("the whole machine, as text", lshw.read_text, lshw.looks_text, "LC_ALL=C lshw"),
    "cardiff": ReportFormat("the whole machine, as tuples", cardiff.read, cardiff.looks, "hardware-detect"),
    "lscpu": ReportFormat("processors, as text or JSON", cpus.read_lscpu, cpus.looks_lscpu, "LC_ALL=C lscpu"),
    "cpuinfo": ReportFormat("processors, as the kernel lists them", cpus.read_cpuinfo, cpus.looks_cpuinfo, "cat /proc/cpuinfo"),
    "lsblk-json": ReportFormat("block devices", lsblk.read_json, lsblk.looks_json, "lsblk --bytes --json --output-all"),
    "lsblk-pairs": ReportFormat("block devices", lsblk.read_pairs, lsblk.looks_pairs, "lsblk --bytes --pairs --output-all"),
    "smartctl-json": ReportFormat("a drive's health, or a scan", smart.read, smart.looks, "smartctl --json --xall DEVICE"),
    "smartctl": ReportFormat("drives' health, as text", smart_text.read, smart_text.looks, "smartctl --xall DEVICE"),
    "nvme-json": ReportFormat("NVMe drives, one's health or identity", nvme.read_json, nvme.looks_json, "nvme list --output-format=json"),
    "nvme": ReportFormat("NVMe drives, as text", nvme.read_text, nvme.looks_text, "nvme list"),
    "hdparm": ReportFormat("ATA drives' identity", hdparm.read, hdparm.looks, "hdparm -I DEVICE"),
    "lspci": ReportFormat("PCI devices, one a line", lspci.read_lines, lspci.looks_lines, "lspci -nn"),
    "lspci-mm": ReportFormat("PCI devices, for programs", lspci.read_mm, lspci.looks_mm, "lspci -mmnn"),
    "lspci-vmm": ReportFormat("PCI devices, a block each", lspci.read_vmm, lspci.looks_vmm, "lspci -vmmnnk"),
    "ethtool": ReportFormat("a network port", ethtool.read, ethtool.looks, "ethtool PORT, ethtool -i PORT, ethtool -m PORT"),
    "ipmitool-fru": ReportFormat("a BMC's field replaceable units", ipmitool.read_fru, ipmitool.looks_fru, "ipmitool fru print"),
    "ipmitool-lan": ReportFormat("a BMC's LAN channel", ipmitool.read_lan, ipmitool.looks_lan, "ipmitool lan print, ipmitool lan6 print"),
    "ipmitool-mc": ReportFormat("a BMC's firmware", ipmitool.read_mc, ipmitool.looks_mc, "ipmitool mc info"),
    "ipmitool-sdr": ReportFormat("a BMC's sensors", ipmi_sensors.read_sdr, ipmi_sensors.looks_sdr, "ipmitool sdr elist"),
    "ipmitool-sel": ReportFormat("a BMC's event log", ipmi_sensors.read_sel, ipmi_sensors.looks_sel, "ipmitool sel elist"),
    "freeipmi": ReportFormat("sensors or events", ipmi_sensors.read_freeipmi, ipmi_sensors.looks_freeipmi, "ipmi-sensors, ipmi-sel"),
    "dcmi": ReportFormat("power", ipmi_sensors.read_dcmi, ipmi_sensors.looks_dcmi, "ipmi-dcmi --get-system-power-statistics"),
    "lsscsi": ReportFormat("SCSI devices", lsscsi.read, lsscsi.looks, "lsscsi"),
    "lldpcli-json": ReportFormat("neighbours", lldpcli.read_json, lldpcli.looks_json, "lldpcli -f json0 show neighbors details"),
    "lldpcli-xml": ReportFormat("neighbours", lldpcli.read_xml, lldpcli.looks_xml, "lldpcli -f xml show neighbors details"),
    "lldpcli-keyvalue": ReportFormat("neighbours", lldpcli.read_keyvalue, lldpcli.looks_keyvalue, "lldpcli -f keyvalue show neighbors"),
    "lldpcli": ReportFormat("neighbours, as text", lldpcli.read_plain, lldpcli.looks_plain, "lldpcli show neighbors details"),
    "lldptool": ReportFormat("a neighbour, as text", lldptool.read, lldptool.looks, "lldptool -t -n -i PORT"),
    "lldp-raw": ReportFormat("neighbours, as TLVs of an inspection", frames.read_raw_tlvs, frames.looks_raw_tlvs, ""),
    "pcap": ReportFormat("neighbours in captured frames", frames.read_pcap, frames.looks_pcap, "tcpdump -w FILE", octets=True),
    "frame": ReportFormat("the neighbour that sent a frame", frames.read_frame, frames.looks_frame, "", octets=True),
}
FORMATS |= {name: ReportFormat(*row) for name, row in (raid_formats.RAID_FORMATS | redfish_formats.ROWS).items()}
"""By name. A reader that serves several formats has a line for each."""


def read(text: str, format: str = "") -> Parts:
    """What the report says. With an empty format the text is recognised. Raises Refused, also for an unknown format."""
    name = format or recognise(text)
    if name not in FORMATS:
        raise Refused(f"there is no format {name!r:.60}; `crowbar hardware formats` lists them")
    one = FORMATS[name]
    return one.read(text) if one.octets else _whole(one, plain.bounded(text))


def _whole(one: ReportFormat, text: str) -> Parts:
    """Also says of a last line without an end that it is not read, where it would tell something."""
    parts = one.read(text)
    if text.endswith(("\n", "}", "]", ">")):
        return parts
    try:
        more = one.read(f"{text}\n")
    except Refused:
        return parts
    if more == parts:
        return parts
    return replace(parts, odd=(*parts.odd[:49], f"the last line has no end and is not read: {told(text.rpartition(chr(10))[2], 60)}"))


def recognise(text: str) -> str:
    """The name of the format that the text has. Raises Refused if it is none of the table."""
    bare = plain.bounded(text)
    for name, one in FORMATS.items():
        if one.looks(bare):
            return name
    raise Refused(f"no format of the table fits; the report begins with: {plain.first(plain.lines(text[:10000]), 80)}")


def read_octets(data: bytes, format: str = "") -> tuple[str, Parts]:
    """(format, what it says) of a report as a file has it: UTF-8, UTF-16, latin-1, or octets. Raises Refused."""
    raw = data.decode("latin-1")
    for name, one in FORMATS.items():
        if one.octets and (name == format or (not format and one.looks(raw))):
            return name, read(raw, name)
    text = as_text(data)
    name = format or recognise(text)
    return name, read(text, name)


def as_text(data: bytes) -> str:
    """Text as a file has it. Octets that are no UTF-8 are taken as latin-1, as the tools copy them from the hardware."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if len(data) > 3 and not any(data[1:200:2]) and all(data[0:200:2]):
        return data.decode("utf-16-le", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
