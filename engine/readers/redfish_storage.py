"""Redfish: storage controllers, drives and volumes; also HPE's SmartStorage of iLO 4 and 5 and the OEM parts of Dell (DSP2046).

Traps
* The link speed of a PCIe drive is that of one lane with iDRAC. Only SAS and SATA speeds are taken.
* A SATA drive behind an expander has the expander's address as its NAA name. Such names begin with 3 (locally assigned) and are not taken.
* iDRAC has a volume of the type RawDevice for each NVMe drive without RAID. It is no volume.
* `Protocol` PCIe means NVMe only where the drive itself says so.
* HPE writes the NAA name of a volume in the form of a UUID.
"""

from __future__ import annotations

import re

from ..parts import Controller, Drive, DriveMedium, DriveState, Firmware, Health, Level, Parts, Protocol, RaidVolume, VolumeState
from .redfish_json import (
    MIB,
    Body,
    Json,
    as_number,
    count,
    first,
    flag,
    health_of,
    inner,
    is_absent,
    label,
    last_of,
    links,
    name_of,
    note_of,
    oem,
    parent_of,
    path_of,
    rows,
    text,
    whole,
)
from .report import told

MOST_BYTES = 1 << 62
_MEDIA: dict[str, DriveMedium] = {"ssd": "ssd", "hdd": "hdd", "smr": "hdd", "solidstatedrive": "ssd", "harddiskdrive": "hdd"}
_PROTOCOLS: dict[str, Protocol] = {
    "sas": "sas",
    "sata": "sata",
    "nvme": "nvme",
    "fc": "fc",
    "fibrechannel": "fc",
    "iscsi": "iscsi",
    "usb": "usb",
    "scsi": "scsi",
    "emmc": "mmc",
}
_LINKS = (1500, 3000, 6000, 12_000, 22_500, 24_000)
LEVELS: dict[str, Level] = {
    "0": "raid0",
    "1": "raid1",
    "1triple": "raid1",
    "1adm": "raid1",
    "4": "raid4",
    "5": "raid5",
    "6": "raid6",
    "10": "raid10",
    "10triple": "raid10",
    "10adm": "raid10",
    "1+0": "raid10",
    "1e": "raid1e",
    "50": "raid50",
    "60": "raid60",
}
_BY_TYPE: dict[str, Level] = {
    "mirrored": "raid1",
    "stripedwithparity": "raid5",
    "spannedmirrors": "raid10",
    "spannedstripeswithparity": "raid50",
}
_STATES: dict[str, DriveState] = {
    "online": "online",
    "ready": "unused",
    "unconfigured": "unused",
    "data": "online",
    "spare": "spare",
    "hotspare": "spare",
    "foreign": "foreign",
    "failed": "failed",
    "rebuilding": "rebuilding",
    "nonraid": "jbod",
    "non-raid": "jbod",
    "raw": "jbod",
    "removed": "missing",
    "missing": "missing",
    "blocked": "other",
    "degraded": "other",
}
_INDICATED: dict[str, DriveState] = {"fail": "failed", "rebuild": "rebuilding", "hotspare": "spare"}


# -- controllers --


def storage(body: Body) -> Parts:
    """A Storage resource: its controllers, and what is written out inside."""
    found: list[Controller] = []
    firmware: list[Firmware] = []
    name = name_of(body)
    inside = rows(body, "StorageControllers")
    for one in inside:
        if is_absent(one) or set(one) <= {"@odata.id"}:
            continue
        made = _controller(one, name, len(inside) > 1, len(rows(body, "Drives")))
        dell = inner(oem(body, "Dell"), "DellController") or inner(oem(one, "Dell"), "DellStorageController")
        made = _with_dell(made, dell, inner(oem(body, "Dell"), "DellControllerBattery"))
        found.append(made)
        firmware += controller_firmware(made)
    place = found[0].place if found else name
    drives = [drive(one, place).drives for one in rows(body, "Drives") if len(one) > 2 and not is_absent(one)]
    volumes = [volume(one, place).volumes for one in rows(inner(body, "Volumes"), "Members") if len(one) > 2]
    return Parts(
        controllers=tuple(found),
        firmware=tuple(firmware),
        drives=tuple(one for group in drives for one in group),
        volumes=tuple(one for group in volumes for one in group),
    )


def controller_firmware(made: Controller) -> list[Firmware]:
    return [Firmware(part="controller", version=made.firmware, place=made.place, name=made.model)] if made.firmware else []


def _controller(body: Body, storage_name: str, several: bool, drives: int) -> Controller:
    own = text(body, "MemberId", "Id")
    place = label(body) or (f"{storage_name} {own}" if several and own and own != storage_name else storage_name or own)
    return Controller(
        place=place,
        vendor=text(body, "Manufacturer"),
        model=text(body, "Model") or text(body, "Name"),
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        firmware=text(body, "FirmwareVersion"),
        cache=whole(inner(body, "CacheSummary"), "TotalCacheSizeMiB", most=1 << 30) * MIB,
        drives=0 if several else drives,
        health=health_of(body),
        note=note_of(body),
    )


def _with_dell(made: Controller, dell: Body, battery: Body) -> Controller:
    if not dell:
        return made
    mode = text(dell, "CurrentControllerMode").lower().replace("enhanced", "").strip()
    state: dict[str, Health] = {"ok": "ok", "degraded": "warning", "error": "failed", "failed": "failed"}
    return Controller(
        place=made.place,
        vendor=made.vendor,
        model=made.model,
        number=made.number,
        serial=made.serial,
        firmware=made.firmware or text(dell, "ControllerFirmwareVersion"),
        driver=text(dell, "DriverVersion"),
        mode="" if mode in ("", "notsupported", "unknown") else mode,
        cache=made.cache or whole(dell, "CacheSizeInMB", most=1 << 30) * MIB,
        drives=made.drives,
        battery=state.get(text(battery, "PrimaryStatus").lower(), ""),
        health=made.health,
        note=made.note,
    )


def controller(body: Body) -> Parts:
    """A StorageController resource (DSP2046 since 2020.2). Its `Settings` twin holds rates and no facts."""
    path = path_of(body)
    if is_absent(body) or path.lower().endswith("/settings"):
        return Parts()
    made = _controller(body, parent_of(path, "Storage") or name_of(body), False, 0)
    made = _with_dell(made, inner(oem(body, "Dell"), "DellStorageController"), {})
    known = made.model or made.serial or made.firmware
    return Parts(controllers=(made,), firmware=tuple(controller_firmware(made))) if known else Parts()


def dell_controller(body: Body) -> Parts:
    """A DellController by itself: only where it names firmware or a slot."""
    made = _with_dell(Controller(place=parent_of(path_of(body), "Storage") or name_of(body)), body, {})
    known = made.firmware or made.cache or made.mode
    return Parts(controllers=(made,), firmware=tuple(controller_firmware(made))) if known else Parts()


def smart_controller(body: Body) -> Parts:
    """A Smart Array controller of iLO 4 or 5."""
    mode = text(body, "CurrentOperatingMode").lower()
    state = text(body, "BackupPowerSourceStatus").lower()
    made = Controller(
        place=text(body, "Location") or name_of(body),
        vendor="HPE" if "hpe" in text(body, "Model", "Name").lower() else "HP",
        model=text(body, "Model"),
        number=text(body, "ControllerPartNumber", "BoardPartNumber"),
        serial=text(body, "SerialNumber"),
        firmware=text(inner(body, "FirmwareVersion", "Current"), "VersionString"),
        mode=mode,
        cache=whole(body, "CacheMemorySizeMiB", most=1 << 30) * MIB,
        battery="ok" if state == "presentandcharged" else "failed" if state == "failed" else "",
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(controllers=(made,), firmware=tuple(controller_firmware(made)))


# -- drives --


def drive(body: Body, controller_place: str = "") -> Parts:
    """A Drive, or the older ones of HPE (`HpSmartStorageDiskDrive`, `HpeSmartStorageDiskDrive`)."""
    if is_absent(body):
        return Parts()
    dell = inner(oem(body, "Dell"), "DellPhysicalDisk") or inner(oem(body, "Dell"), "DellPCIeSSD")
    hpe = oem(body, "Hpe", "Hp")
    protocol = _protocol(body, dell)
    medium = _MEDIA.get(text(body, "MediaType").lower(), "")
    failing = flag(body, "FailurePredicted") is True
    health = health_of(body)
    if failing and health in ("", "ok"):
        health = "warning"
    note = note_of(body) or _reasons(body) or ("a failure is predicted" if failing else "")
    encrypts = body.get("EncryptionAbility")
    found = Drive(
        place=_bay(body),
        vendor=text(body, "Manufacturer"),
        model=text(body, "Model"),
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        wwn=wwn_of(body, told(dell.get("WWN"))),
        size=_size(body),
        block=whole(body, "BlockSizeBytes", most=1 << 20),
        medium=medium,
        protocol=protocol,
        rpm=whole(body, "RotationSpeedRPM", "RotationalSpeedRpm", most=100_000),
        firmware=first((text(body, "FirmwareVersion", "Revision"), text(inner(body, "FirmwareVersion", "Current"), "VersionString"))),
        controller=controller_place,
        state=_state(body, dell),
        wear=_wear(body, hpe, medium),
        hours=count(hpe, "PowerOnHours", most=10_000_000) if "PowerOnHours" in hpe else count(body, "PowerOnHours", most=10_000_000),
        temperature=_celsius(hpe, body),
        media_errors=_errors(body),
        link=_link(body, protocol),
        encrypts=True if encrypts == "SelfEncryptingDrive" else False if encrypts == "None" else None,
        health=health,
        note=note if health not in ("", "ok") else "",
    )
    firmware = (Firmware(part="drive", version=found.firmware, place=found.place, name=found.model),) if found.firmware else ()
    return Parts(drives=(found,), firmware=firmware)


def _bay(body: Body) -> str:
    said = body.get("Location")
    if isinstance(said, str) and told(said):
        return told(said)
    info = [text(one, "Info") for one in rows(body, "PhysicalLocation", "Location") if "bay" in text(one, "InfoFormat").lower()]
    return first((label(body), *info, name_of(body)))


def _reasons(body: Body) -> str:
    said = body.get("DiskDriveStatusReasons")
    reasons = [told(one) for one in said[:8]] if isinstance(said, list) else []
    return ", ".join(one for one in reasons if one and one != "Ok")


def _protocol(body: Body, dell: Body) -> Protocol:
    said = text(body, "Protocol", "InterfaceType").lower().replace(" ", "")
    if said == "pcie":
        names = (dell.get("DeviceProtocol"), body.get("Model"), body.get("Name"), body.get("Id"))
        return "nvme" if any("nvme" in told(one).lower() for one in names) else ""
    return _PROTOCOLS.get(said, "")


def _size(body: Body) -> int:
    """HPE's older drives count blocks exactly, and MiB and GB rounded."""
    exact = whole(body, "CapacityBytes", most=MOST_BYTES)
    if exact:
        return exact
    blocks, block = whole(body, "CapacityLogicalBlocks", most=1 << 50), whole(body, "BlockSizeBytes", most=1 << 20)
    if blocks and block:
        return blocks * block
    return whole(body, "CapacityMiB", most=1 << 42) * MIB or whole(body, "CapacityGB", most=1 << 32) * 1_000_000_000


def wwn_of(body: Body, other: str = "") -> str:
    """Of several names the one that the medium has for the kernel: NAA, NGUID, EUI-64."""
    named = {text(one, "DurableNameFormat").upper(): hexes(one.get("DurableName")) for one in rows(body, "Identifiers")}
    naa = named.get("NAA", "")
    uuid = named.get("UUID", "")
    own = naa if len(naa) in (16, 32) and not naa.startswith("3") else ""
    spare = hexes(other)
    return first(
        (
            own,
            *(one for form in ("NGUID", "EUI") if len(one := named.get(form, "")) in (16, 32)),
            uuid if len(uuid) == 32 and uuid.startswith("6") else "",
            spare if len(spare) in (16, 32) and spare[0] in "56" else "",
        )
    )


def hexes(found: Json) -> str:
    """Lower-case hexadecimal digits without what stands between them; empty: other characters, or all zero."""
    clean = re.sub(r"^(0x|naa\.|eui\.|nguid\.|uuid\.)|[-:.\s]", "", found.lower()) if isinstance(found, str) and len(found) < 100 else ""
    return clean if re.fullmatch("[0-9a-f]{16,32}", clean) and clean.strip("0") and clean.strip("f") else ""


def _state(body: Body, dell: Body) -> DriveState:
    for said in (text(dell, "RaidStatus"), text(body, "DiskDriveUse")):
        if said:
            return _STATES.get(said.lower().replace(" ", ""), "other")
    if state := _INDICATED.get(text(body, "StatusIndicator").lower(), ""):
        return state
    return "spare" if text(body, "HotspareType") in ("Global", "Chassis", "Dedicated") else ""


def _wear(body: Body, hpe: Body, medium: str) -> int | None:
    used = count(body, "SSDEnduranceUtilizationPercentage", most=255)
    if used is None:
        used = count(hpe, "SSDEnduranceUtilizationPercentage", most=255)
    if used is not None:
        return used if medium == "ssd" else None
    left = as_number(body.get("PredictedMediaLifeLeftPercent"))
    return round(100 - left) if left is not None and 0 <= left <= 100 and medium == "ssd" else None


def _celsius(hpe: Body, body: Body) -> int | None:
    said = (hpe.get("CurrentTemperatureCelsius"), body.get("CurrentTemperatureCelsius"), oem(body, "Lenovo").get("Temperature"))
    value = next((one for each in said if (one := as_number(each)) is not None), None)
    return round(value) if value is not None and 0 < value < 150 else None


def _errors(body: Body) -> int | None:
    known = [one for name in ("UncorrectedReadErrors", "UncorrectedWriteErrors") if (one := count(body, name)) is not None]
    return sum(known) if known else None


def _link(body: Body, protocol: Protocol) -> int:
    said = as_number(body.get("NegotiatedSpeedGbs"))
    speed = round(said * 1000) if said is not None else whole(body, "InterfaceSpeedMbps", most=100_000)
    return speed if protocol in ("sas", "sata") and speed in _LINKS else 0


def simple_storage(body: Body) -> Parts:
    """The devices that the firmware knows without a driver of the controller."""
    found = []
    for one in rows(body, "Devices"):
        model, size = text(one, "Model"), whole(one, "CapacityBytes", most=MOST_BYTES)
        if is_absent(one) or not (model or size):
            continue
        found.append(
            Drive(
                place=text(one, "Name"),
                vendor=text(one, "Manufacturer"),
                model=model,
                size=size,
                controller=name_of(body),
                health=health_of(one),
                note=note_of(one),
            )
        )
    return Parts(drives=tuple(found))


# -- volumes --


def volume(body: Body, controller_place: str = "") -> Parts:
    """A Volume with RAID. The members are named by the last part of their links, until `redfish_tree` knows their places."""
    path = path_of(body)
    raid = text(body, "RAIDType")
    kind = text(body, "VolumeType")
    plain = not raid and (kind == "RawDevice" or "NVMeNamespaceProperties" in body)
    if path.lower().endswith("/settings") or is_absent(body) or plain:
        return Parts()
    size = whole(body, "CapacityBytes", most=MOST_BYTES)
    state, progress = _volume_state(body)
    found = RaidVolume(
        place=name_of(body),
        name=first((text(body, "DisplayName"), text(body, "Name"))),
        wwn=wwn_of(body),
        level=_level(raid) if raid else _BY_TYPE.get(kind.lower(), ""),
        size=size,
        stripe=whole(body, "StripSizeBytes", "OptimumIOSizeBytes", most=1 << 30) if text(body, "RAIDType") else 0,
        state=state,
        progress=progress,
        members=tuple(last_of(one) for one in links(inner(body, "Links"), "Drives")),
        spares=tuple(last_of(one) for name in ("DedicatedSpareDrives", "SpareDrives") for one in links(inner(body, "Links"), name)),
        controller=controller_place or parent_of(path, "Storage"),
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(volumes=(found,)) if size or found.level else Parts()


def _level(said: str) -> Level:
    clean = said.upper().replace("RAID", "").replace(" ", "").lower()
    return "" if clean in ("none", "") else LEVELS.get(clean, "other")


def _volume_state(body: Body) -> tuple[VolumeState, int | None]:
    for one in rows(body, "Operations"):
        if re.search("(?i)rebuild|reconstruct|resilver", text(one, "OperationName", "Operation")):
            return "rebuilding", count(one, "PercentageComplete", most=100)
    states: dict[str, VolumeState] = {"ok": "optimal", "warning": "degraded", "failed": "failed"}
    return states.get(health_of(body), ""), None


def smart_volume(body: Body) -> Parts:
    """A logical drive of a Smart Array."""
    progress = count(body, "RebuildCompletionPercentage", most=100)
    said = " ".join(told(one) for one in rows_of_words(body.get("LogicalDriveStatusReasons")))
    rebuilding = "rebuild" in said.lower()
    states: dict[str, VolumeState] = {"ok": "optimal", "warning": "degraded", "failed": "failed"}
    found = RaidVolume(
        place=str(whole(body, "LogicalDriveNumber", most=4096) or "") or name_of(body),
        name=text(body, "LogicalDriveName"),
        wwn=hexes(body.get("VolumeUniqueIdentifier")),
        level=_level(text(body, "Raid")),
        size=whole(body, "CapacityMiB", most=1 << 42) * MIB,
        stripe=whole(body, "StripeSizeBytes", most=1 << 30),
        state="rebuilding" if rebuilding else states.get(health_of(body), ""),
        progress=progress if rebuilding else None,
        controller=parent_of(path_of(body), "ArrayControllers"),
        health=health_of(body),
        note=said if health_of(body) not in ("", "ok") else "",
    )
    return Parts(volumes=(found,))


def rows_of_words(found: Json) -> list[str]:
    return [one for one in found[:16] if isinstance(one, str)] if isinstance(found, list) else []


def enclosure(body: Body) -> Parts:
    """A disk shelf or a backplane: its firmware."""
    version = first((text(inner(body, "FirmwareVersion", "Current"), "VersionString"), text(body, "FirmwareVersion")))
    place = text(body, "Location") or name_of(body)
    return Parts(firmware=(Firmware(part="enclosure", version=version, place=place, name=text(body, "Model")),) if version else ())


def dell_drive(body: Body) -> Parts:
    """A DellPhysicalDisk or DellPCIeSSD by itself says only what RAID does with the drive."""
    state = text(body, "RaidStatus")
    wwn = hexes(body.get("WWN"))
    if not state and not wwn:
        return Parts()
    return Parts(drives=(Drive(place=name_of(body), state=_STATES.get(state.lower(), "other") if state else "", wwn=wwn),))
