"""`dmidecode`: the SMBIOS tables of a machine as text, whole or some types of it (`-t`). Source: DMTF DSP0134 and dmidecode's dmidecode.c.

Own code, because the libraries split the text and no more: sizes, speeds, placeholders and places would be ours anyway. On 74 recorded
reports, jc 1.26 raised `KeyError` at one and read no value of the four whose tabs had become spaces. py-dmidecode 0.1.3 lost 94 of 7,756
structures, those four reports, and each value that has a second colon.
"""

from __future__ import annotations

import re
from collections import Counter

from msgspec import Struct
from msgspec.structs import replace

from engine.parts import Card, Dimm, Firmware, NetPort, Parts, Piece, PowerSupply, Processor, Product
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_HEAD = re.compile(r"\s*Handle (0x[0-9A-Fa-f]{1,8})(?:,\s*DMI type (\d{1,3}))?")
_STARTS = re.compile(r"^Handle 0x[0-9A-Fa-f]+(?:, DMI type \d+|\r?$)", re.MULTILINE)
_OLD_TYPE = re.compile(r"\s+DMI type (\d{1,3}), \d+ bytes\.?$")
"""dmidecode before 2.7: the type has a line of its own, and all is one tab deeper."""
_FASTEST_MEMORY = 20_000
_NO_WATTS = 0x8000
"""DSP0134 7.40: the power is not known. Some firmware has 0xFFFF."""
_NOT_TOLD = re.compile(r"<BAD INDEX>|<OUT OF SPEC>|(?:BAD|Invalid) INDEX|Other|NO DIMM|Not Available|No", re.IGNORECASE)


class Structure(Struct, frozen=True):
    """One SMBIOS structure: its values by key (the first of a repeated key), and the items below each key."""

    handle: str
    type: int
    title: str
    values: dict[str, str]
    items: dict[str, list[str]]

    def get(self, *keys: str) -> str:
        """The first of these values that is told."""
        for key in keys:
            value = told(self.values.get(key, ""))
            if value and not _NOT_TOLD.fullmatch(value):
                return value
        return ""


def looks(text: str) -> bool:
    return text.lstrip("\ufeff \r\n").startswith("# dmidecode ") or bool(_STARTS.search(text))


def read(text: str) -> Parts:
    """What the tables say. Raises Refused if there is no structure of SMBIOS in it."""
    found = structures(text)
    if not found:
        rows = [row for row in plain.lines(text) if not row.startswith("#")]
        raise Refused(f"dmidecode printed no structure; it said: {plain.first(rows) or 'nothing'}")
    return of_structures(found)


def of_structures(found: list[Structure]) -> Parts:
    """What the structures say, whether dmidecode printed them or they are of the table itself."""
    by_type: dict[int, list[Structure]] = {}
    for one in found[:MOST_ITEMS]:
        by_type.setdefault(one.type, []).append(one)
    arrays = [one for one in by_type.get(16, ()) if one.get("Use") in ("", "System Memory")]
    board = next((one for one in by_type.get(2, ()) if one.get("Type") == "Motherboard"), next(iter(by_type.get(2, ())), None))
    tpm = next(iter(by_type.get(43, ())), None)
    return Parts(
        system=_product(next(iter(by_type.get(1, ())), None)),
        board=_product(board),
        chassis=_product(next(iter(by_type.get(3, ())), None)),
        firmware=_firmware(by_type),
        slots=sum(plain.integer(one.get("Number Of Devices"), 4096) for one in arrays),
        processors=tuple(
            _processor(one) for one in by_type.get(4, ()) if "Status" in one.values and one.get("Type") in ("", "Central Processor")
        ),
        dimms=_dimms(by_type),
        ports=_ports(by_type),
        cards=_cards(by_type),
        supplies=tuple(supply for one in by_type.get(39, ()) if (supply := _supply(one)) is not None),
        tpm=Piece(vendor=tpm.get("Vendor ID"), model=tpm.get("Description")) if tpm else None,
        tpm_version=tpm.get("Specification Version") if tpm else "",
    )


def structures(text: str) -> list[Structure]:
    """The structures of the text. A line that a cut left without its end is not read.

    The first line below a handle is the title, where it has no value. The next one's indent is that of the keys; deeper lines are items
    of the key above them. Tools print one tab, and copies have spaces.
    """
    rows = plain.whole_lines(text)
    out: list[Structure] = []
    current: Structure | None = None
    key, depth = "", -1
    for row in rows:
        bare = row.strip()
        if head := _HEAD.match(row):
            current = Structure(handle=head[1], type=int(head[2] or -1), title="", values={}, items={})
            out.append(current)
            key, depth = "", -1
        elif current is None or not bare:
            current = None
        elif current.type < 0 and (old := _OLD_TYPE.match(row)):
            current = out[-1] = replace(current, type=int(old[1]))
        elif not current.title and depth < 0 and not re.match(r"[^:]+:(?: |$)", bare):
            current = out[-1] = replace(current, title=bare)
        else:
            indent = len(row) - len(row.lstrip())
            depth = indent if depth < 0 else depth
            if indent <= depth and ":" in bare:
                for pair in bare.split("\t"):  # dmidecode 3.1 and 3.2 end no line in a TPM 2.0
                    key, _, value = pair.partition(":")
                    current.values.setdefault(key.strip(), value.strip())
            elif key:
                current.items.setdefault(key, []).append(bare)
    return [one for one in out if one.type >= 0]


def _product(one: Structure | None) -> Product | None:
    if one is None:
        return None
    found = Product(
        vendor=one.get("Manufacturer", "Vendor"),
        model=one.get("Product Name", "Product"),
        serial=one.get("Serial Number"),
        family=one.get("Family"),
        sku=one.get("SKU Number"),
        uuid=plain.uuid(one.get("UUID")),
        version=one.get("Version"),
        asset=one.get("Asset Tag"),
        kind=one.get("Type", "Chassis Type") if one.type == 3 else "",
    )
    return found if found != Product() else None


def _firmware(by_type: dict[int, list[Structure]]) -> tuple[Firmware, ...]:
    out = []
    for one in by_type.get(0, ()):
        if version := one.get("Version"):
            out.append(Firmware(part="bios", version=version, name=one.get("Vendor"), date=plain.date(one.get("Release Date", "Release"))))
        if (version := one.get("Firmware Revision")) and version != "0.0":
            out.append(Firmware(part="embedded controller", version=version))
    for one in by_type.get(43, ()):
        if version := one.get("Firmware Revision"):
            out.append(Firmware(part="tpm", version=version))
    for one in by_type.get(45, ()):
        name, version = one.get("Firmware Component Name"), one.get("Firmware Version")
        if name and version:
            out.append(Firmware(part=name, version=version, name=name, date=plain.date(one.get("Release Date"))))
    for one in by_type.get(216, ()):
        if one.title.endswith("Version Indicator") and (version := one.get("Firmware Version String", "Version Data")):
            part = "cpld" if "CPLD" in one.get("Firmware Type") else one.get("Firmware Type")
            out += [Firmware(part=part, version=version, name=one.get("Firmware Name String"))] if part else []
    return tuple(out)


def _ports(by_type: dict[int, list[Structure]]) -> tuple[NetPort, ...]:
    """HPE's own structures: `NIC 1: PCI device 02:00.0, MAC address 02:00:00:00:00:01`.

    Those of iSCSI are other addresses of the same ports.
    """
    out = []
    for one in (one for kind in (209, 221, 233) for one in by_type.get(kind, ())):
        for place, value in one.values.items() if "NIC PCI and MAC" in one.title and "iSCSI" not in one.title else ():
            found = re.fullmatch(r"PCI device ([0-9a-f]{2}:[01][0-9a-f]\.[0-7]), MAC address (\S{17})", value, re.IGNORECASE)
            if found and (address := plain.mac(found[2])):
                out.append(NetPort(place=place, pci=found[1].lower(), mac=address, kind="ethernet"))
    return tuple(out)


def _processor(one: Structure) -> Processor:
    """No `mhz`: `Max Speed` is what the socket allows (DSP0134 7.5), and half of all firmware prints 4000 MHz there.

    Threads are those of all cores. Firmware that counts those of one core instead is not believed.
    """
    place = one.get("Socket Designation")
    if one.values["Status"].startswith("Unpopulated"):
        return Processor(place=place, present=False)
    cores, threads = (plain.integer(one.get(key), 65536) for key in ("Core Count", "Thread Count"))
    disabled = "Disabled By BIOS" in one.values["Status"]
    return Processor(
        place=place,
        health="warning" if disabled else "",
        note=told(one.values["Status"]) if disabled else "",
        vendor=one.get("Manufacturer"),
        model=one.get("Version"),
        number=one.get("Part Number"),
        serial=one.get("Serial Number"),
        cores=cores,
        threads=threads if threads >= cores else 0,
    )


def _dimms(by_type: dict[int, list[Structure]]) -> tuple[Dimm, ...]:
    other = {one.handle for one in by_type.get(16, ()) if one.get("Use") not in ("", "System Memory")}
    found = [
        one
        for one in by_type.get(17, ())
        if "Size" in one.values and one.values.get("Array Handle") not in other and one.get("Type") not in ("Flash", "ROM")
    ]
    often = Counter(one.get("Locator") for one in found)
    return tuple(_dimm(one, often[one.get("Locator")] > 1) for one in found)


def _dimm(one: Structure, ambiguous: bool) -> Dimm:
    """Where several slots have one label, the bank is a part of the place."""
    place = " ".join(filter(None, (one.get("Bank Locator") if ambiguous else "", one.get("Locator"))))
    said = one.values.get("Size", "").strip()
    if re.fullmatch(r"No Module Installed|Not Installed|0( [kMGT]?B(ytes)?)?", said, re.IGNORECASE):
        return Dimm(place=place, present=False)
    total, data = (plain.leading(one.get(key), "bits") for key in ("Total Width", "Data Width"))
    ecc = True if total > data > 0 else False if total == data and data in (32, 64) else None
    return Dimm(
        place=place,
        vendor=one.get("Manufacturer"),
        number=one.get("Part Number"),
        serial=one.get("Serial Number"),
        size=plain.size(said),
        type=one.get("Type"),
        speed=_rate(one.get("Configured Memory Speed", "Configured Clock Speed")),
        rated=_rate(one.get("Speed")),
        ranks=plain.integer(one.get("Rank"), 64),
        ecc=ecc,
        model=one.get("Memory Technology") if "persistent" in one.get("Memory Technology").lower() else "",
    )


def _rate(text: str) -> int:
    """MT/s; 0 for what no memory has."""
    rate = plain.leading(text, r"MT/s|MHz(?: \([0-9.]+ ns\))?")
    return rate if rate <= _FASTEST_MEMORY else 0


def _cards(by_type: dict[int, list[Structure]]) -> tuple[Card, ...]:
    out = []
    for one in by_type.get(9, ()):
        if one.get("Current Usage") == "In Use" and (pci := _pci(one)):
            out.append(Card(place=one.get("Designation"), pci=pci))
    for one in by_type.get(41, ()):
        if one.get("Status") == "Enabled" and (pci := _pci(one)):
            out.append(Card(place=one.get("Reference Designation"), pci=pci, kind=one.get("Type")))
    return tuple(out)


def _pci(one: Structure) -> str:
    """ffff:ff:1f.7 and 0000:ff:.. stand for "no such device"."""
    found = re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", one.get("Bus Address").lower())
    return found[0] if found and not found[0].startswith("ffff:") and found[0][5:7] != "ff" else ""


def _supply(one: Structure) -> PowerSupply | None:
    """None for the entry that boards fill with placeholders, whatever supplies there are."""
    status = told(one.values.get("Status", "Present"))
    present = bool(status)  # `Not Present` is a word for "not told" elsewhere
    word = status.rpartition(",")[2].strip().lower()
    found = PowerSupply(
        place=one.get("Location"),
        present=present,
        vendor=one.get("Manufacturer"),
        model=one.get("Name"),
        number=one.get("Model Part Number"),
        serial=one.get("Serial Number"),
        watts=watts if (watts := plain.leading(one.get("Max Power Capacity"), "W")) < _NO_WATTS else 0,
        health="ok" if word == "ok" else "failed" if word == "critical" else "warning" if word == "non-critical" else "",
        note="" if word in ("ok", "unknown", "present", "") else status,
    )
    bare = not (found.vendor or found.model or found.number or found.serial or found.watts)
    return None if bare and present else found
