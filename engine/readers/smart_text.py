"""`smartctl` for people: the pages of ATA, SCSI and NVMe drives, one or several, and `--scan`.

Source: smartmontools' ataprint.cpp, scsiprint.cpp and nvmeprint.cpp.
"""

from __future__ import annotations

import re

from engine.parts import Drive, Health, Parts, Protocol
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told
from engine.readers.smart import MOST_BLOCK, NVME_WARNINGS, device_name, matters, medium_of, refuse_no_drive, scsi_transport, wear_of

_BANNER = re.compile(r"^smartctl (?:version )?\d+\.\d+", re.MULTILINE)
_SCAN = re.compile(r"^(/dev/\S+) -d (\S+) # (/dev/\S+.*?), (ATA|SCSI|NVMe) device", re.MULTILINE)
_ATTRIBUTE = re.compile(
    r"\s*(?P<id>\d{1,3}) (?P<name>[\w-]{3,40})\s+(?P<flags>0x[0-9a-f]{4}|[A-Z-]{6})\s+(?P<left>\d{3}|---)\s+(?:\d{3}|---)\s+"
    r"(?:\d{3}|---)\s+(?:(?P<type>Pre-fail|Old_age)\s+(?:Always|Offline)\s+)?(?P<failed>\S+)\s+(?P<raw>.*)"
)
_MODELS = ("Device Model", "Model Number", "Product", "Device")
_OLD_SCSI = re.compile(r"(.{1,8}?) (?: *)(\S.*?) +Version: *(\S*)")
"""`Device: IBM-ESXS ST3300655SS      Version: BA23`, before smartmontools 5.41."""
_HEALTHS = ("SMART overall-health self-assessment test result", "SMART Health Status")


def looks(text: str) -> bool:
    head = text[:6000]
    return bool(
        _BANNER.search(head) or _SCAN.search(head) or re.search(r"^=== START OF (?:INFORMATION|READ SMART) ", head, re.MULTILINE)
    ) or (
        bool(re.search(r"^User Capacity:\s", head, re.MULTILINE)) and bool(re.search(r"^(?:Device Model|Product):\s", head, re.MULTILINE))
    )


def read(text: str) -> Parts:
    """The drives. Raises Refused where no page tells one."""
    if scanned := _SCAN.findall(text):
        return Parts(drives=tuple(_found(path, kind, word) for path, kind, _, word in scanned[:MOST_ITEMS]))
    body = "\n".join(plain.whole_lines(text))
    starts = [match.start() for match in _BANNER.finditer(body)] or [0]
    pages = [body[a:b] for a, b in zip(starts, [*starts[1:], len(body)], strict=True)]
    drives, odd = [], []
    for page in pages[:MOST_ITEMS]:
        try:
            drive = _drive(page)
        except Refused as refused:
            odd.append(str(refused))
            continue
        if drive != Drive():
            drives.append(drive)
        else:
            odd.append(_complaint(page))
    if not drives:
        raise Refused(f"smartctl told nothing of a drive; it said: {odd[0] or 'nothing'}")
    return Parts(drives=tuple(drives), odd=tuple(one for one in odd[:50] if one))


def _found(path: str, kind: str, word: str) -> Drive:
    behind = "," in kind
    protocol: Protocol = "nvme" if word == "NVMe" else "sata" if word == "ATA" else ""
    return Drive(name="" if behind else device_name(path), place=kind if behind else "", protocol=protocol)


def _complaint(page: str) -> str:
    rows = [row for row in page.splitlines() if row.strip() and not _BANNER.match(row) and not row.startswith(("Copyright", "==="))]
    return plain.first(rows, 160)


def _drive(page: str) -> Drive:
    one = plain.pairs(page.split("\nSMART Error Log")[0].split("\nError Information (NVMe")[0].splitlines())
    one |= plain.pairs(re.findall(r"^ +number of hours powered up = .*$", page, re.MULTILINE), "=")
    lowered = {key.lower(): value for key, value in one.items()}
    attributes = {int(m["id"]): m for row in page.splitlines() if (m := _ATTRIBUTE.fullmatch(row))}
    rate = lowered.get("rotation rate", "")
    rpm = plain.leading(rate, "rpm")
    protocol = _protocol(one)
    type = one.get("Device type", "")
    refuse_no_drive(type)
    medium = medium_of(type, protocol, 0 if rate == "Solid State Device" else rpm or None)
    health, note = _health(one, attributes)
    if old := _OLD_SCSI.fullmatch(one.get("Device", "")):
        one |= {"Vendor": old[1], "Device": old[2], "Revision": old[3]}
    return Drive(
        vendor=told(one.get("Vendor", "")),
        model=next((told(one[key]) for key in _MODELS if told(one.get(key, ""))), ""),
        serial=told(lowered.get("serial number", "")),
        firmware=told(one.get("Firmware Version", "") or one.get("Revision", "")),
        wwn=plain.wwn(one.get("LU WWN Device Id") or one.get("Logical Unit id") or one.get("Namespace 1 IEEE EUI-64")),
        size=_size(one),
        block=_block(one),
        medium=medium,
        protocol=protocol,
        rpm=rpm,
        health=health,
        note=note,
        wear=_wear(one, attributes),
        hours=_hours(one, attributes),
        temperature=_temperature(one, attributes),
        reallocated=_raw(attributes, 5, "Reallocated", "Retired_Block")
        if attributes
        else _whole(one.get("Elements in grown defect list", "")),
        pending=_raw(attributes, 197, "Pending"),
        media_errors=_whole(one.get("Media and Data Integrity Errors", "")) if protocol == "nvme" else _uncorrected(page),
        link=_link(one.get("SATA Version is", "")),
    )


def _whole(text: str, unit: str = "") -> int | None:
    found = re.fullmatch(rf"(\d[\d,.' \u2019\u202f\xa0]{{0,25}}?)\s*{unit}", text.strip())
    return plain.maybe(re.sub(r"[,' \u2019\u202f\xa0]", "", found[1])) if found else None


def _size(one: dict[str, str]) -> int:
    for key in ("User Capacity", "Total NVM Capacity", "Namespace 1 Size/Capacity"):
        if found := re.match(r"([\d,.' \u2019\u202f\xa0]{1,30})(?: bytes)?(?: \[|$)", one.get(key, "")):
            return plain.integer(re.sub(r"\D", "", found[1]), plain.MOST_BYTES)
    return 0


def _block(one: dict[str, str]) -> int:
    text = (
        one.get("Sector Size") or one.get("Sector Sizes") or one.get("Logical block size") or one.get("Namespace 1 Formatted LBA Size", "")
    )
    found = re.match(r"(\d{3,6})(?: bytes\b|$)", text)
    return int(found[1]) if found and int(found[1]) <= MOST_BLOCK else 0


def _protocol(one: dict[str, str]) -> Protocol:
    if "NVMe Version" in one or "Number of Namespaces" in one or "IEEE OUI Identifier" in one:
        return "nvme"
    if word := one.get("Transport protocol", ""):
        return scsi_transport(word)
    return "sata" if one.get("SATA Version is") else ""


def _health(one: dict[str, str], attributes: dict[int, re.Match[str]]) -> tuple[Health, str]:
    word = next((one[key] for key in _HEALTHS if key in one), "")
    warned = re.fullmatch(r"0x([0-9a-f]{2})", one.get("Critical Warning", ""))
    bits = int(warned[1], 16) if warned else 0
    words = "; ".join(text for bit, text in enumerate(NVME_WARNINGS) if bits & 1 << bit)
    names = "; ".join(
        f"{m['name']} below its threshold: {m['failed']}"
        for m in attributes.values()
        if matters(m["failed"], m["type"] == "Pre-fail" or m["flags"].startswith("P"))
    )[:200]
    if word and word.rstrip("!") not in ("PASSED", "OK"):
        return ("failed", words or names or told(word)) if re.match(r"FAILED|.*FAIL|.*IMPENDING|.*THRESHOLD", word) else ("", told(word))
    if words or names:
        return "warning", words or names
    return ("ok", "") if word else ("", "")


def _raw(attributes: dict[int, re.Match[str]], number: int, *names: str) -> int | None:
    one = attributes.get(number)
    found = re.match(r"(\d{1,15})(?![\d/h:])", one["raw"]) if one and any(name in one["name"] for name in names) else None
    return int(found[1]) if found else None


def _wear(one: dict[str, str], attributes: dict[int, re.Match[str]]) -> int | None:
    if (said := _whole(one.get("Percentage Used", one.get("Percentage used endurance indicator", "")), "%")) is not None:
        return said
    left = (wear_of(told(one.get("Device Model", "")), m["name"], plain.integer(m["left"], 100)) for m in attributes.values())
    return next((found for found in left if found is not None), None)


def _hours(one: dict[str, str], attributes: dict[int, re.Match[str]]) -> int | None:
    if (hours := _whole(one.get("Power On Hours", ""))) is not None:
        return hours
    text = one.get("Accumulated power on time, hours", "") or one.get("Accumulated power on time, hours:minutes", "")
    if found := re.match(r"(?:minutes )?(\d{1,8}):\d\d", text):
        return int(found[1])
    if found := re.match(r"(\d{1,8})\.\d\d$", one.get("number of hours powered up", "")):
        return int(found[1])
    if attribute := attributes.get(9):
        found = re.match(r"(\d{1,7})(?:h\+\d+m|$| \()", attribute["raw"]) if "Hours" in attribute["name"] else None
        return int(found[1]) if found else None
    return None


def _temperature(one: dict[str, str], attributes: dict[int, re.Match[str]]) -> int | None:
    for key in ("Current Drive Temperature", "Temperature", "Current Temperature"):
        if found := re.fullmatch(r"(\d{1,3}) (?:C|Celsius)", one.get(key, "")):
            return int(found[1])
    for number in (194, 190):
        found = re.match(r"(\d{1,3})(?:\s|$)", attributes[number]["raw"]) if number in attributes else None
        if found and int(found[1]) < 150:
            return int(found[1])
    return None


def _uncorrected(page: str) -> int | None:
    """The last column of the SCSI error counter log, summed."""
    rows = re.findall(r"^(?:read|write|verify):(?:\s+[\d.]+){6}\s+(\d{1,15})$", page, re.MULTILINE)
    return sum(int(one) for one in rows) if rows else None


def _link(text: str) -> int:
    found = re.search(r"\(current: (\d+\.\d+) Gb/s\)", text)
    return int(float(found[1]) * 1000) if found else 0
