"""Redfish: the system, its chassis and BMC, processors, memory, TPM and Secure Boot. One resource -> what it says (DSP2046).

Traps
* A BMC of AMI counts DIMMs in decimal megabytes and calls them MiB: 15,625 for a DIMM of 16 GiB. No DIMM has such a size.
* The same BMC's sum is 244 GiB for 256. Of large machines only sums in steps of 8 GiB are taken, since DIMMs come so.
* Supermicro repeats the number of the DIMM as its count of ranks (`Memory/23` has 23). Only counts that exist are taken, and not that one.
* iDRAC says the serial number of the board where the schema has that of the system, and the service tag as its SKU. SMBIOS has the tag.
* HPE leaves slots without a DIMM at Health `OK`; the state says `Absent`, or `DIMMStatus` says `NotPresent`.
* Some services have the brand of a processor in `Version` or in `VendorId`, and a family's name in `Model`.
"""

from __future__ import annotations

import re
from typing import Literal

from ..parts import BmcLine, Card, Dimm, Firmware, Parts, Piece, Processor, Product
from .redfish_json import (
    GIB,
    MIB,
    Body,
    as_number,
    day_of,
    first,
    health_of,
    inner,
    is_absent,
    label,
    last_of,
    mac_of,
    name_of,
    note_of,
    oem,
    path_of,
    rows,
    text,
    uuid_of,
    whole,
    words,
)
from .report import told

_ARCHITECTURES = {
    "x86-64": "x86_64",
    "arm-a64": "aarch64",
    "arm-a32": "arm",
    "powerisa": "ppc64",
    "ia-64": "ia64",
    "mips64": "mips64",
    "mips32": "mips",
}
_RANKS = (1, 2, 4, 8)
_TPMS = {"tpm2_0": "2.0", "tpm1_2": "1.2", "tcm1_0": "TCM 1.0"}
_BRAND = re.compile(r"(?i)\b(xeon|epyc|opteron|ryzen|core\(tm\)|atom|power\d|altra|grace|thunderx|kunpeng|neoverse|ampere)")
_FAMILY_ONLY = re.compile(r"(?i)^(intel xeon processor|central processor|cpu|processor|multi-core .* series|intel|amd)$")
_SMALL_GIB = 32
MOST_SUMMED = 64
"""Processors that a summary counts; more are not believed."""


def system(body: Body) -> Parts:
    """A ComputerSystem; also that of iLO 4, which has other names for some."""
    hpe, dell = oem(body, "Hpe", "Hp"), inner(oem(body, "Dell"), "DellSystem")
    bios = first((text(body, "BiosVersion"), text(inner(body, "Bios", "Current"), "VersionString")))
    modules = [one for one in rows(body, "TrustedModules") or rows(hpe, "TrustedModules") if not is_absent(one)]
    tpm, version, firmware = _tpm(modules)
    if bios:
        date = day_of(
            inner(hpe, "Bios", "Current").get("Date") or inner(body, "Bios", "Current").get("Date") or dell.get("BIOSReleaseDate")
        )
        firmware = (Firmware(part="bios", version=bios, date=date), *firmware)
    summary = inner(body, "MemorySummary")
    gib = as_number(summary.get("TotalSystemMemoryGiB")) or as_number(inner(body, "Memory").get("TotalSystemMemoryGB")) or 0
    return Parts(
        system=Product(
            vendor=text(body, "Manufacturer"),
            model=text(body, "Model"),
            number=text(body, "PartNumber"),
            serial=_tag(body) or text(body, "SerialNumber"),
            sku=text(body, "SKU"),
            uuid=uuid_of(body.get("UUID")),
            asset=text(body, "AssetTag"),
            health=health_of(body),
            note=note_of(body),
        ),
        board=_board(body),
        firmware=firmware,
        memory=int(gib * GIB) if 0 < gib < 1 << 20 and (gib <= _SMALL_GIB or gib % 8 == 0) else 0,
        slots=whole(dell, "MaxDIMMSlots", most=4096),
        processors=_summed(body),
        tpm=tpm,
        tpm_version=version,
        power=_power(body),
    )


def root(body: Body) -> Parts:
    """The ServiceRoot, which is open without a login: Dell and HPE name the machine and the BMC in it."""
    hpe, dell = oem(body, "Hpe", "Hp"), oem(body, "Dell")
    tag, mac = text(dell, "ServiceTag"), mac_of(dell.get("ManagerMACAddress"))
    if tag or mac:
        return Parts(system=Product(vendor="Dell", serial=tag) if tag else None, bmcs=(BmcLine(mac=mac),) if mac else ())
    managers = [(text(one, "ManagerType"), text(one, "ManagerFirmwareVersion")) for one in rows(hpe, "Manager")]
    model = text(body, "Product") if hpe else ""
    return Parts(
        system=Product(vendor=text(body, "Vendor"), model=model) if model else None,
        firmware=tuple(Firmware(part="bmc", version=version, name=name) for name, version in managers if version),
    )


def _power(body: Body) -> Literal["", "on", "off"]:
    said = str(body.get("PowerState") or body.get("Power") or "").strip().lower()
    return "on" if said == "on" else "off" if said == "off" else ""


def _tag(body: Body) -> str:
    """The service tag of a Dell; empty: another make, or not told."""
    sku = text(body, "SKU")
    return sku if text(body, "Manufacturer").lower().startswith("dell") and re.fullmatch("[A-Z0-9]{7}", sku) else ""


def _board(body: Body) -> Product | None:
    serial = first(
        (
            text(oem(body, "Supermicro"), "BoardSerialNumber"),
            text(inner(body, "Oem", "GBTChassisOemProperty"), "Board Serial Number"),
            text(oem(body, "Gbt"), "Board Serial Number", "BoardSerialNumber"),
            text(inner(oem(body, "Dell"), "DellSystem"), "BoardSerialNumber"),
            text(body, "SerialNumber") if _tag(body) and text(body, "SerialNumber") != _tag(body) else "",
        )
    )
    number = first((text(oem(body, "Supermicro"), "BoardPartNumber"), text(inner(oem(body, "Dell"), "DellSystem"), "BoardPartNumber")))
    return Product(serial=serial, number=number) if serial or number else None


def _summed(body: Body) -> tuple[Processor, ...]:
    """As many as the summary counts, if it names them."""
    summary = inner(body, "ProcessorSummary") or inner(body, "Processors")
    model = text(summary, "Model", "ProcessorFamily")
    number = whole(summary, "Count", most=MOST_SUMMED)
    return () if _FAMILY_ONLY.match(model) or not model else tuple(Processor(model=model) for _ in range(number))


def _tpm(modules: list[Body]) -> tuple[Piece | None, str, tuple[Firmware, ...]]:
    for one in modules:
        kind = text(one, "InterfaceType", "ModuleType")
        version = _TPMS.get(kind.lower().replace(".", "_").replace("-", "_"), "")
        if not version and not text(one, "FirmwareVersion", "Model"):
            continue
        piece = Piece(vendor=text(one, "Manufacturer"), model=text(one, "Model"), serial=text(one, "SerialNumber"), health=health_of(one))
        firmware = text(one, "FirmwareVersion")
        return piece, version, (Firmware(part="tpm", version=firmware),) if firmware else ()
    return None, "", ()


def trusted_component(body: Body) -> Parts:
    """Since DSP2046 2022.2: a TPM or another root of trust. Only a TPM is read."""
    if "TPM" not in text(body, "TrustedComponentType", "Name", "Id").upper() or is_absent(body):
        return Parts()
    version = inner(body, "TPM").get("CapabilitiesVersion") or body.get("FirmwareVersion")
    piece = Piece(vendor=text(body, "Manufacturer"), model=text(body, "Model"), serial=text(body, "SerialNumber"), health=health_of(body))
    firmware = text(body, "FirmwareVersion")
    kind = told(inner(body, "TPM").get("Family") or version)
    return Parts(
        tpm=piece,
        tpm_version=kind if kind in ("1.2", "2.0") else "",
        firmware=(Firmware(part="tpm", version=firmware),) if firmware else (),
    )


def secure_boot(body: Body) -> Parts:
    """The state of this boot. `SecureBootEnable` is what the next one does, so it is not taken."""
    said = body.get("SecureBootCurrentBoot")
    return Parts(secure_boot={"Enabled": True, "Disabled": False}.get(said) if isinstance(said, str) else None)


def chassis(body: Body) -> Parts:
    """A chassis. One that is a card or a module of a machine is a card."""
    kind, serial = text(body, "ChassisType"), text(body, "SerialNumber")
    model = text(body, "Model")
    if is_absent(body):
        return Parts()
    if kind in ("Card", "Module", "Component", "Cartridge", "Blade Component") or (kind == "Drive" and model):
        found = Card(
            place=label(body) or name_of(body),
            vendor=text(body, "Manufacturer"),
            model=model,
            number=text(body, "PartNumber"),
            serial=serial,
            health=health_of(body),
            note=note_of(body),
            kind=kind.lower(),
        )
        return Parts(cards=(found,)) if model or serial else Parts()
    version = text(inner(oem(body, "Dell"), "DellChassisEnclosure"), "Version")
    return Parts(
        chassis=Product(
            kind=kind,
            vendor=text(body, "Manufacturer"),
            model=model,
            number=text(body, "PartNumber"),
            serial=_tag(body) or serial,
            sku=text(body, "SKU"),
            uuid=uuid_of(body.get("UUID")),
            asset=text(body, "AssetTag"),
            health=health_of(body),
            note=note_of(body),
        ),
        board=_board(body),
        firmware=(Firmware(part="enclosure", version=version, place=name_of(body)),) if version else (),
    )


def manager(body: Body) -> Parts:
    """A BMC or another management controller: its firmware."""
    hpe = oem(body, "Hpe", "Hp")
    current = inner(hpe, "Firmware", "Current") or inner(body, "Firmware", "Current")
    version = first((text(body, "FirmwareVersion"), text(current, "VersionString")))
    kind = text(body, "ManagerType")
    part = "bmc" if kind in ("", "BMC", "ManagementController", "ManagementController/Bmc") else kind.lower()
    found = [Firmware(part=part, version=version, name=text(body, "Model"), place=_of_main(body), date=day_of(current.get("Date")))]
    more = inner(body, "AdditionalFirmwareVersions")
    for name in ("Bootloader", "Kernel", "Microcode"):
        if said := text(more, name):
            found.append(Firmware(part=f"{part} {name.lower()}", version=said))
    return Parts(firmware=tuple(one for one in found if one.version))


def _of_main(body: Body) -> str:
    """The name of the manager, where a machine has several and this is not the one of the server."""
    name = last_of(path_of(body)) or name_of(body)
    return "" if name.lower() in ("", "1", "self", "bmc", "idrac.embedded.1") else name


def processor(body: Body) -> Parts:
    kind = text(body, "ProcessorType") or "CPU"
    place = first((text(body, "Socket"), label(body), text(body, "Name") if text(body, "Name") != "Processor" else "", name_of(body)))
    if kind in ("Core", "Thread"):
        return Parts()
    if kind not in ("CPU", "OEM"):
        return _accelerator(body, kind, place)
    hpe, dell = oem(body, "Hpe", "Hp"), inner(oem(body, "Dell"), "DellProcessor")
    cores, threads = whole(body, "TotalCores", most=4096), whole(body, "TotalThreads", most=65536)
    model = _brand(body)
    here = not is_absent(body) and inner(hpe, "ConfigStatus").get("Populated") is not False
    return Parts(
        processors=(
            Processor(
                place=place,
                present=here,
                vendor=text(body, "Manufacturer"),
                model=model if here else "",
                number=text(body, "PartNumber"),
                serial=text(body, "SerialNumber"),
                cores=cores,
                threads=threads if threads >= cores else 0,
                mhz=whole(body, "MaxSpeedMHz", most=20_000),
                architecture=_ARCHITECTURES.get(text(body, "InstructionSet").lower().replace("_", "-"), ""),
                virtualization=_virtualizes(hpe, dell),
                health=health_of(body) if here else "",
                note=note_of(body) if here else "",
            ),
        ),
        firmware=_own_firmware(body, "cpu", place),
    )


def _own_firmware(body: Body, part: str, place: str) -> tuple[Firmware, ...]:
    said = text(body, "FirmwareVersion")
    return (Firmware(part=part, version=said, place=place),) if said else ()


def _accelerator(body: Body, kind: str, place: str) -> Parts:
    if is_absent(body):
        return Parts()
    memory = sum(whole(one, "CapacityMiB", most=1 << 31) for one in rows(body, "ProcessorMemory") if "Cache" not in text(one, "MemoryType"))
    summary = whole(inner(body, "MemorySummary"), "TotalMemorySizeMiB", most=1 << 31)
    card = Card(
        place=first((label(body), name_of(body), place)),
        kind=kind,
        vendor=text(body, "Manufacturer"),
        model=text(body, "Model"),
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        memory=(summary or memory) * MIB,
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(cards=(card,), firmware=_own_firmware(body, kind.lower(), card.place))


def _brand(body: Body) -> str:
    said = [text(body, "Model"), text(body, "Version"), text(inner(body, "ProcessorId"), "VendorId")]
    plain = [one for one in said if one and not _FAMILY_ONLY.match(one)]
    return first((first(one for one in plain if _BRAND.search(one)), first(one for one in said[:1] if one)))


def _virtualizes(hpe: Body, dell: Body) -> bool | None:
    said = text(dell, "VirtualizationTechnologyCapable", "VirtualizationTechnology").lower()
    if said in ("yes", "no"):
        return said == "yes"
    return True if "EnhancedVirtualization" in list(words(hpe.get("Characteristics"))) else None


def memory(body: Body) -> Parts:
    """A DIMM or its empty slot. The memory of an accelerator (HBM) is a card's."""
    hpe = oem(body, "Hpe", "Hp")
    status = text(hpe, "DIMMStatus") or text(body, "DIMMStatus")
    size = _size(body)
    kind = text(body, "MemoryDeviceType", "DIMMType").rpartition(".")[2].replace("_SDRAM", "").replace(" SDRAM", "")
    maker = text(body, "Manufacturer")
    here = bool(size or maker) and not is_absent(body) and status.lower() not in ("notpresent", "unknown")
    place = first((text(body, "DeviceLocator", "SocketLocator"), label(body), text(body, "Name"), name_of(body)))
    if kind.startswith("HBM"):
        return Parts(cards=(Card(place=place, kind=kind, vendor=maker, memory=size),)) if here else Parts()
    if not here:
        return Parts(dimms=(Dimm(place=place, present=False),))
    well = health_of(body) or ("ok" if status == "GoodInUse" else "")
    allowed = body.get("AllowedSpeedsMHz")
    speeds = [int(one) for one in allowed[:64] if isinstance(one, int) and 0 < one < 100_000] if isinstance(allowed, list) else []
    ranks = whole(body, "RankCount", "Rank", most=16)
    ecc = text(body, "ErrorCorrection")
    found = Dimm(
        place=place,
        vendor=maker,
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        size=size,
        type=kind or text(body, "MemoryType").replace("DRAM", ""),
        speed=whole(body, "OperatingSpeedMhz", "OperatingSpeedMHz", most=100_000),
        rated=max(speeds, default=0)
        or whole(hpe, "MaxOperatingSpeedMTs", most=100_000)
        or whole(body, "MaximumFrequencyMHz", most=100_000),
        ranks=ranks if ranks in _RANKS and str(ranks) != text(body, "Id") else 0,
        ecc=True if ecc in ("SingleBitECC", "MultiBitECC") else False if ecc == "NoECC" else None,
        health=well,
        note=note_of(body) or ("" if well in ("", "ok") else status),
    )
    return Parts(dimms=(found,))


def _size(body: Body) -> int:
    mib = whole(body, "CapacityMiB", "SizeMB", most=1 << 30)
    decimal = round(mib * MIB / 1_000_000)
    if mib % 256 and decimal % 1024 == 0:
        return decimal * MIB
    kept = max(whole(body, name, most=1 << 30) for name in ("VolatileSizeMiB", "NonVolatileSizeMiB"))
    return (mib or kept) * MIB


def memory_collection(body: Body) -> Parts:
    """HPE sums up each processor's memory and sockets here (`HpeAdvancedMemoryProtection`)."""
    boards = rows(oem(body, "Hpe", "Hp"), "MemoryList")
    total = sum(whole(one, "BoardTotalMemorySize", most=1 << 40) for one in boards)
    return Parts(memory=total * MIB, slots=sum(whole(one, "BoardNumberOfSockets", most=4096) for one in boards))


def assembly_board(body: Body) -> Parts:
    """The board among a machine's assemblies (DSP2046 Assembly)."""
    for one in rows(body, "Assemblies"):
        if text(one, "PhysicalContext") == "SystemBoard" and (text(one, "SerialNumber") or text(one, "PartNumber")):
            return Parts(
                board=Product(
                    vendor=text(one, "Producer", "Vendor"),
                    model=text(one, "Model"),
                    number=text(one, "PartNumber"),
                    serial=text(one, "SerialNumber"),
                    version=text(one, "Version"),
                )
            )
    return Parts()


def graphics(body: Body) -> Parts:
    if is_absent(body):
        return Parts()
    place = label(body) or name_of(body)
    model = text(body, "Model", "Name")
    card = Card(
        place=place,
        kind="display controller",
        vendor=text(body, "Manufacturer"),
        model=model,
        number=text(body, "PartNumber"),
        serial=text(body, "SerialNumber"),
        driver=text(body, "DriverVersion"),
        health=health_of(body),
        note=note_of(body),
    )
    return Parts(cards=(card,), firmware=_own_firmware(body, "gpu", place) or _bios_of(body, place))


def _bios_of(body: Body, place: str) -> tuple[Firmware, ...]:
    said = text(body, "BiosVersion")
    return (Firmware(part="gpu", version=said, place=place),) if said else ()
