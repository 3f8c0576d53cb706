"""UUIDs and serials that makers leave in the firmware of thousands of machines: they identify nothing. Pure.

This list only saves time. A value that two machines show identifies neither of them, whatever its text (`identity`). So a default that
is missing here costs a mark on two nodes, and never a wrong machine.

Sources: the default lists of OCS Inventory and GLPI, `dmidecode` records of public hardware probes, Dell's layout of a UUID (the service
tag in ASCII between fixed bytes), and reports from sites.
"""

from __future__ import annotations

import re
from itertools import pairwise

JUNK_UUIDS = frozenset(
    {
        "03000200-0400-0500-0006-000700080009",  # AMI's sample board data
        "12345678-1234-5678-90ab-cddeefaabbcc",  # Supermicro and Gigabyte boards with unset DMI
        "12345678-1234-1234-1234-123456789012",
        "12345678-1234-1234-1234-123456789abc",
        "12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-567890abcdef",
        "12345678-9abc-def0-1234-56789abcdef0",
        "01234567-89ab-cdef-0123-456789abcdef",
        "6ab5b300-538d-1014-9fb5-b0684d007b53",  # seen on boards of several makers
        "11111111-2222-3333-4444-555555555555",
        "00000000-0000-0000-0000-000000000001",
        "80020003-0004-0005-0006-000700080009",
        "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "deadbeef-dead-beef-dead-beefdeadbeef",
    }
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DELL_UNTAGGED = re.compile(r"4c4c4544-00(00|20|ff)-(00|20|ff)10-80(00|20|ff)-(80|a0|ff)c04f((00|20|ff){3})")
"""Dell: bytes of the service tag where a board without one has NUL, a space or all ones."""

_WORDS = frozenset(
    "na none null nil nullstring invalid invalidserial unknown unknow undefined unspecified unset empty blank default defaultstring "
    "notspecified notspecifiedbymanufacturer notavailable notapplicable notsettable notdefined notprovided notpresent notset notfound "
    "noserial noserialnumber nosn noasset noassettag nosmbios nodmi oem oems tobefilledbyoem tobefilledbyoembymorestring tobefilled "
    "tobedefinedbyoem tobedefined filledbyoem fillbyoem pleasefillbyoem oemdefault oemstring oemserialnumber tbd tba tbc todo "
    "eval iatpass test testing sample example demo dummy fake temp placeholder reserved string text tulipcomputers "
    "systemname productname systemmanufacturer manufacturer assettag servicetag partnumber dell hp hpe lenovo ibm intel amd supermicro "
    "asus gigabyte qemu kvm bochs sn123456fvgv3i0b8o5n6n7k sernum serno qwerty abcdef abcdefg abcd1234 "
    "00000000000000000000000000000000 n0000 false true error fail failed invalidvalue badserial private hidden redacted".split()
)
_ASKS_FOR_ONE = re.compile(
    r"(?:(?:please|enter|insert|put|type|your|the|fill|in|set|new|default|system|chassis|enclosure|rack|server|machine|computer|unit|mainboard|"
    r"motherboard|base|board|mb|product|module|device|oem|hw|pc|bios)\W*)*"
    r"(?:serial|s\W?n|serial\W?no|serial\W?num|serial\W?number)\W*(?:number|num|no|here|xx+|##+|00+)?\W*"
)
_PREFIX = re.compile(r"(?:sys|system|sn|s/n|mb|nb|bb|chassis|ser|serial|serial number|serialnumber)[-_ :#]+")
_RUNS = ("0123456789" * 4, "9876543210" * 2, "0123456789abcdef" * 2, "abcdefghijklmnopqrstuvwxyz")


def clean_uuid(text: str) -> str:
    """Canonical lower case, in the machine's byte order. Empty for junk. Firmware differs in the byte order of the first three
    fields, so a default counts in both orders."""
    text = text.strip().strip("{}").lower()
    if not _UUID.fullmatch(text):
        return ""
    return "" if any(_is_default(one) for one in (text, swapped(text))) else text


def _is_default(uuid: str) -> bool:
    octets = bytes.fromhex(uuid.replace("-", ""))
    step = octets[1] - octets[0]
    even = all((b - a - step) % 256 == 0 for a, b in pairwise(octets))
    return even or uuid in JUNK_UUIDS or bool(_DELL_UNTAGGED.fullmatch(uuid))


def swapped(uuid: str) -> str:
    """The same UUID with the first three fields in the other byte order."""
    a, b, c, d, e = uuid.split("-")
    return "-".join([*(bytes.fromhex(f)[::-1].hex() for f in (a, b, c)), d, e])


def clean_serial(text: str) -> str:
    """The serial without spaces at its ends. Empty for junk."""
    text = text.replace("\0", " ").strip()
    return "" if _is_no_serial(text.lower()) else text


def _is_no_serial(low: str) -> bool:
    bare = re.sub(r"[^a-z0-9]", "", low)
    if not bare or bare in _WORDS or _ASKS_FOR_ONE.fullmatch(low):
        return True
    rest = _PREFIX.sub("", low, count=1) if _PREFIX.match(low) else low
    return _is_filler(re.sub(r"[^a-z0-9]", "", rest)) or _is_filler(bare)


def _is_filler(bare: str) -> bool:
    """True for one character over and over, or a run of the keyboard: `0123456789`, `XXXXXXXXXX`, `123456789000`."""
    if not bare or len(set(bare)) == 1:
        return True
    head = bare.rstrip("0") if bare.startswith("1") else bare
    return any(len(one) >= 4 and any(one in run for run in _RUNS) for one in {bare, head})
