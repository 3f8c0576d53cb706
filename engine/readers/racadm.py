"""Dell's racadm: `hwinventory`, `getsysinfo` and `jobqueue view` (Integrated Dell Remote Access Controller, RACADM CLI guide).

Traps
* racadm prints a certificate's warning before everything else, and an error with a code (`ERROR: RAC904`) instead of an answer.
* `hwinventory` writes units behind numbers (`16384 MB`, `2666 MHz`, `480103981056 Bytes`). A number with another unit is not told.
* A job that is not in the queue is unknown; whoever asks for it gets nothing, and never "completed".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from ..parts import (
    BmcLine,
    Card,
    Controller,
    Dimm,
    Drive,
    DriveMedium,
    DriveState,
    Firmware,
    Health,
    NetPort,
    Parts,
    PowerSupply,
    Processor,
    Product,
    Protocol,
    RaidVolume,
)
from .bios_tools import lines_of
from .redfish import bounded, joined
from .redfish_json import MIB, day_of, mac_of, uuid_of
from .redfish_storage import LEVELS
from .report import MOST_ITEMS, Refused, told

Fields = dict[str, str]
_HEALTH: dict[str, Health] = {"ok": "ok", "degraded": "warning", "warning": "warning", "error": "failed", "critical": "failed"}
_RANKS = {"single rank": 1, "double rank": 2, "dual rank": 2, "quad rank": 4, "octal rank": 8}
_MEDIA: dict[str, DriveMedium] = {"hdd": "hdd", "magnetic drive": "hdd", "ssd": "ssd", "solid state drive": "ssd"}
_PROTOCOLS: dict[str, Protocol] = {"sas": "sas", "sata": "sata", "nvme": "nvme", "usb": "usb", "scsi": "scsi"}
_STATES: dict[str, DriveState] = {
    "online": "online",
    "ready": "unused",
    "spare": "spare",
    "foreign": "foreign",
    "failed": "failed",
    "rebuilding": "rebuilding",
    "non-raid": "jbod",
    "removed": "missing",
}
JobState = Literal["waiting", "running", "completed", "failed", "unknown"]


class RacadmJob(Struct, frozen=True, kw_only=True):
    """One job of the lifecycle controller."""

    id: str
    name: str = ""
    state: JobState = "unknown"
    status: str = ""
    """In racadm's words."""
    message: str = ""
    percent: int | None = None


def _error(lines: list[str]) -> None:
    """Raises Refused with racadm's error, if there is one."""
    for line in lines[:200]:
        if re.match(r"\s*ERROR\s*:|\s*(?:RAC|SWC|LC|SUP|STOR)\d{3,5}\s*:", line):
            raise Refused(f"racadm answered with an error: {told(line)}")


# -- hwinventory --


def looks_inventory(said: str) -> bool:
    return re.search(r"(?m)^[ \t]*\[InstanceID: ", said[:100_000]) is not None


def inventory(said: str) -> Parts:
    """Raises Refused: an error, or no component with its type."""
    lines = lines_of(said)
    found: list[Fields] = []
    for line in lines:
        clean = line.strip()
        if head := re.fullmatch(r"\[InstanceID: *(.{1,200})\]", clean):
            if len(found) < MOST_ITEMS:
                found.append({"InstanceID": head[1].strip()})
        elif found and (pair := re.fullmatch(r"([A-Za-z][A-Za-z0-9 _/.()-]{0,80}?) *= *(.*)", clean)):
            found[-1].setdefault(pair[1].replace(" ", "").lower(), pair[2].strip())
    known = [one for one in found if one.get("devicetype")]
    if not known:
        _error(lines)
        raise Refused("it has no component with its device type")
    readers = [(one, _TYPES.get(one["devicetype"].lower().replace(" ", ""))) for one in known]
    return bounded(joined(reader(one) for one, reader in readers if reader is not None))


def _words(found: Fields, *names: str) -> str:
    return next((clean for name in names if (clean := told(found.get(name.lower())))), "")


def _amount(found: Fields, name: str, unit: str) -> int:
    said = re.fullmatch(rf"(\d{{1,18}})(\.0+)? *(?:{unit})?", found.get(name.lower(), ""), re.IGNORECASE)
    return int(said[1]) if said else 0


def _health(found: Fields) -> Health:
    return _HEALTH.get(found.get("primarystatus", found.get("rollupstatus", "")).lower(), "")


def _system(found: Fields) -> Parts:
    tag = _words(found, "ServiceTag")
    bios, cpld = _words(found, "BIOSVersionString"), _words(found, "CPLDVersion")
    power = {"2": "on", "on": "on", "8": "off", "13": "off", "off": "off"}.get(found.get("powerstate", "").lower(), "")
    firmware = [Firmware(part="bios", version=bios, date=day_of(found.get("biosreleasedate")))] if bios else []
    board = _words(found, "BoardSerialNumber"), _words(found, "BoardPartNumber")
    return Parts(
        system=Product(
            vendor=_words(found, "Manufacturer"),
            model=_words(found, "Model"),
            serial=tag,
            uuid=uuid_of(found.get("uuid")),
            asset=_words(found, "AssetTag"),
            health=_health(found),
        ),
        board=Product(serial=board[0], number=board[1]) if any(board) else None,
        firmware=(*firmware, *((Firmware(part="cpld", version=cpld),) if cpld else ())),
        memory=_amount(found, "SysMemTotalSize", "MB") * MIB,
        slots=_amount(found, "MaxDIMMSlots", ""),
        power=power,  # type: ignore[arg-type]  # one of the three texts
    )


def _cpu(found: Fields) -> Parts:
    capable = found.get("virtualizationtechnologycapable", "").lower()
    cores, threads = _amount(found, "NumberOfProcessorCores", ""), _amount(found, "NumberOfEnabledThreads", "")
    enabled = _amount(found, "NumberOfEnabledCores", "")
    model = _words(found, "Model")
    return Parts(
        processors=(
            Processor(
                place=found["InstanceID"],
                vendor=_words(found, "Manufacturer"),
                model=model,
                cores=cores,
                threads=threads if enabled == cores and threads >= cores else 0,
                mhz=_amount(found, "MaxClockSpeed", "MHz"),
                virtualization={"yes": True, "no": False}.get(capable),
                health=_health(found),
            ),
        )
    )


def _memory(found: Fields) -> Parts:
    size = _amount(found, "Size", "MB") * MIB
    dimm = Dimm(
        place=found["InstanceID"],
        present=size > 0,
        vendor=_words(found, "Manufacturer"),
        number=_words(found, "PartNumber"),
        serial=_words(found, "SerialNumber"),
        size=size,
        type=_words(found, "MemoryType").replace("-", "").replace(" ", ""),
        speed=_amount(found, "CurrentOperatingSpeed", "MHz|MT/s"),
        rated=_amount(found, "Speed", "MHz|MT/s"),
        ranks=_RANKS.get(found.get("rank", "").lower(), 0),
        health=_health(found),
    )
    return Parts(dimms=(dimm,))


def _nic(found: Fields) -> Parts:
    place, version = _words(found, "FQDD") or found["InstanceID"], _words(found, "FamilyVersion", "ControllerFirmwareVersion")
    speed = re.fullmatch(r"(\d{2,6}) *(?:Mbps)?|(\d{1,3}) *Gbps", found.get("linkspeed", ""))
    model = re.sub(r" - ([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", "", _words(found, "ProductName"))
    port = NetPort(
        place=place,
        mac=mac_of(found.get("permanentmacaddress")) or mac_of(found.get("currentmacaddress")),
        kind="ethernet",
        vendor=_words(found, "VendorName"),
        model=model,
        firmware=version,
        speed=(int(speed[1]) if speed[1] else int(speed[2]) * 1000) if speed else 0,
    )
    firmware = (Firmware(part="nic", version=version, place=place, name=model),) if version else ()
    return Parts(ports=(port,) if port.mac else (), firmware=firmware, cards=_pci(found))


def _pci(found: Fields) -> tuple[Card, ...]:
    numbers = [found.get(name, "").lower() for name in ("pcivendorid", "pcideviceid", "pcisubvendorid", "pcisubdeviceid")]
    if not all(re.fullmatch("[0-9a-f]{4}", one) for one in numbers[:2]) or numbers[0] in ("0000", "ffff"):
        return ()
    pair = ":".join(numbers[2:]) if all(re.fullmatch("[0-9a-f]{4}", one) for one in numbers[2:]) else ""
    model = _words(found, "ProductName", "Description", "MarketingName")
    name = re.sub(r" - ([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", "", model)
    vendor = _words(found, "VendorName", "Manufacturer")
    return (Card(place=found["InstanceID"], id=":".join(numbers[:2]), subsystem=pair, vendor=vendor, model=name),)


def _disk(found: Fields) -> Parts:
    medium = _MEDIA.get(found.get("mediatype", "").lower(), "")
    left = _amount(found, "RemainingRatedWriteEndurance", "%")
    health = _health(found)
    failing = found.get("predictivefailurestate", "").lower() == "smart alert present"
    version, place, model = _words(found, "Revision"), found["InstanceID"], _words(found, "Model")
    known_left = bool(re.fullmatch(r"\d{1,3} *%?", found.get("remainingratedwriteendurance", ""))) and left <= 100
    drive = Drive(
        place=place,
        vendor=_words(found, "Manufacturer"),
        model=model,
        serial=_words(found, "SerialNumber"),
        number=_words(found, "PPID"),
        firmware=version,
        size=_amount(found, "SizeInBytes", "Bytes"),
        block=_amount(found, "BlockSizeInBytes", "Bytes"),
        medium=medium,
        protocol=_PROTOCOLS.get(found.get("busprotocol", "").lower(), ""),
        state=_STATES.get(found.get("raidstatus", "").lower(), "other" if _words(found, "RaidStatus") else ""),
        wear=100 - left if known_left and medium == "ssd" else None,
        health="warning" if failing and health in ("", "ok") else health,
        note="a failure is predicted" if failing else "",
    )
    return Parts(drives=(drive,), firmware=(Firmware(part="drive", version=version, place=place, name=model),) if version else ())


def _volume(found: Fields) -> Parts:
    states: dict[str, Literal["optimal", "degraded", "failed"]] = {"online": "optimal", "degraded": "degraded", "failed": "failed"}
    level = re.sub(r"[^0-9]", "", found.get("raidtypes", ""))
    volume = RaidVolume(
        place=found["InstanceID"],
        name=_words(found, "Name"),
        level=LEVELS.get(level, "other" if level else ""),
        size=_amount(found, "SizeInBytes", "Bytes"),
        state=states.get(found.get("raidstatus", "").lower(), ""),
        members=tuple(one.strip() for one in found.get("physicaldiskids", "").split(",")[:256] if one.strip()),
        health=_health(found),
    )
    return Parts(volumes=(volume,))


def _controller(found: Fields) -> Parts:
    version, place, model = _words(found, "ControllerFirmwareVersion"), found["InstanceID"], _words(found, "ProductName")
    controller = Controller(
        place=place,
        vendor=_words(found, "DeviceCardManufacturer"),
        model=model,
        firmware=version,
        driver=_words(found, "DriverVersion"),
        cache=_amount(found, "CacheSizeInMB", "MB") * MIB,
        health=_health(found),
    )
    firmware = (Firmware(part="controller", version=version, place=place, name=model),) if version else ()
    return Parts(controllers=(controller,), firmware=firmware)


def _supply(found: Fields) -> Parts:
    version, place, model = _words(found, "FirmwareVersion"), found["InstanceID"], _words(found, "Model")
    supply = PowerSupply(
        place=place,
        vendor=_words(found, "Manufacturer"),
        model=model,
        number=_words(found, "PartNumber"),
        serial=_words(found, "SerialNumber"),
        watts=_amount(found, "TotalOutputPower", "Watts|W"),
        firmware=version,
        health=_health(found),
    )
    return Parts(supplies=(supply,), firmware=(Firmware(part="psu", version=version, place=place, name=model),) if version else ())


def _idrac(found: Fields) -> Parts:
    version, mac = _words(found, "FirmwareVersion"), mac_of(found.get("permanentmacaddress"))
    return Parts(
        firmware=(Firmware(part="bmc", version=version, name=_words(found, "ProductDescription", "Model")),) if version else (),
        bmcs=(BmcLine(mac=mac),) if mac else (),
    )


def _card(found: Fields) -> Parts:
    return Parts(cards=_pci(found))


_TYPES: dict[str, Callable[[Fields], Parts]] = {
    "system": _system,
    "cpu": _cpu,
    "memory": _memory,
    "nic": _nic,
    "infiniband": _nic,
    "physicaldisk": _disk,
    "pciessd": _disk,
    "virtualdisk": _volume,
    "controller": _controller,
    "powersupply": _supply,
    "idraccard": _idrac,
    "pcidevice": _card,
    "video": _card,
    "fc": _card,
}


# -- getsysinfo --


def looks_system(said: str) -> bool:
    return re.search(r"(?m)^RAC Information:|^System Information:\s*$[\s\S]{0,400}^Service Tag", said[:20_000]) is not None


def system_info(said: str) -> Parts:
    """Raises Refused: an error, or neither a firmware version nor a service tag."""
    lines = lines_of(said)
    found: Fields = {}
    ports: list[NetPort] = []
    for line in lines:
        if port := re.fullmatch(r"\s*(\w+\.\w+\.[\w-]+)\s+(?:Ethernet|WWN|iSCSI|FCoE)?\s*=\s*([0-9A-Fa-f:]{17})\s*", line):
            if "Ethernet" in line and (mac := mac_of(port[2])) and len(ports) < MOST_ITEMS:
                ports.append(NetPort(place=port[1], mac=mac, kind="ethernet"))
        elif pair := re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9 /()]{0,60}?)\s*=\s*(.*?)\s*", line):
            found.setdefault(pair[1].replace(" ", "").lower(), pair[2])
    tag, version = _words(found, "ServiceTag"), _words(found, "FirmwareVersion")
    bios, mac = _words(found, "SystemBIOSVersion"), mac_of(found.get("macaddress"))
    if not tag and not version:
        _error(lines)
        raise Refused("it names neither a firmware version nor a service tag")
    line_of_bmc = BmcLine(
        mac=mac,
        address=_address(found.get("currentipaddress", "")),
        mask=_address(found.get("currentipnetmask", "")),
        gateway=_address(found.get("currentipgateway", "")),
        source={"1": "dhcp", "0": "static"}.get(found.get("dhcpenabled", ""), ""),
    )
    power = {"ON": "on", "OFF": "off"}.get(found.get("powerstatus", "").upper(), "")
    return Parts(
        system=Product(vendor="Dell", model=_words(found, "SystemModel"), serial=tag) if tag or _words(found, "SystemModel") else None,
        firmware=tuple(Firmware(part=part, version=said) for part, said in (("bmc", version), ("bios", bios)) if said),
        bmcs=(line_of_bmc,) if mac or line_of_bmc.address else (),
        ports=tuple(ports),
        power=power,  # type: ignore[arg-type]  # one of the three texts
    )


def _address(said: str) -> str:
    return said if re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", said) and said != "0.0.0.0" else ""


# -- jobqueue view --


def looks_jobs(said: str) -> bool:
    return re.search(r"(?m)^[ \t]*\[Job ID=JID_", said[:100_000]) is not None or "JOB QUEUE" in said[:4000]


def jobs(said: str) -> tuple[RacadmJob, ...]:
    """The jobs of the queue; none: it is empty. Raises Refused: an error, or no queue at all."""
    lines = lines_of(said)
    found: list[Fields] = []
    for line in lines:
        if head := re.fullmatch(r"\s*\[Job ID=((?:JID|RID)_\w{1,40})\]\s*", line):
            found.append({"id": head[1]})
        elif found and (pair := re.fullmatch(r"\s*([A-Za-z ]{1,40}?)\s*=\s*\[?(.*?)\]?\s*", line)):
            found[-1].setdefault(pair[1].replace(" ", "").lower(), pair[2])
    if not found:
        _error(lines)
        if "JOB QUEUE" not in said:
            raise Refused("it is no queue of jobs")
    return tuple(_job(one) for one in found[:MOST_ITEMS])


def _job(found: Fields) -> RacadmJob:
    percent = re.fullmatch(r"\d{1,3}", found.get("percentcomplete", ""))
    return RacadmJob(
        id=found["id"],
        name=told(found.get("jobname")),
        state=job_state(found.get("status", "")),
        status=told(found.get("status")),
        message=told(found.get("message")),
        percent=min(100, int(percent[0])) if percent else None,
    )


def job_state(status: str) -> JobState:
    """What a status of the lifecycle controller means; also of Redfish's Dell jobs (`JobState`)."""
    clean = status.lower().replace(" ", "")
    if "error" in clean or "fail" in clean:
        return "failed"
    if clean == "completed":
        return "completed"
    if clean in ("running", "downloading", "downloaded", "readyforexecution", "waiting", "userintervention"):
        return "running"
    return "waiting" if clean in ("new", "scheduled", "scheduling", "pending", "pendingreboot", "rebootpending", "paused") else "unknown"


def jobs_report(said: str) -> Parts:
    """A queue of jobs says nothing of hardware. Raises Refused as `jobs`."""
    jobs(said)
    return Parts()
