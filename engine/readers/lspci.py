"""`lspci` in each of its forms: a line for each device (with `-nn`, `-n` or `-v`), `-mm`, and `-vmm`. Source: lspci(8) of pciutils.

In the default form a line does not tell where the maker's name ends: then `model` has both.
"""

from __future__ import annotations

import re
import shlex

from msgspec.structs import replace

from engine.parts import Card, Parts
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

_PLACE = r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7]"
_LINE = re.compile(rf"({_PLACE}) ([^:\"]{{3,80}}): (.+)")
_MM = re.compile(rf'{_PLACE} "')
_NUMBERS = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})(?: \(rev \w+\))?(?: \(prog-if .*\))?", re.IGNORECASE)
_CODE = re.compile(r"(.*?)\s*\[([0-9a-f]{4})\]$", re.IGNORECASE)
_BOTH = re.compile(r"(.*?)\s*\[([0-9a-f]{4}:[0-9a-f]{4})\](.*)", re.IGNORECASE)
_DISPLAYS = re.compile(r"(?:VGA compatible|3D|Display) controller|03[0-9a-f]{2}", re.IGNORECASE)
_ACCELERATORS = re.compile(r"Processing accelerators?|1200", re.IGNORECASE)
_GPU_MAKERS = re.compile(r"\b(?:NVIDIA|AMD|ATI|Advanced Micro Devices)\b|^(?:10de|1002):", re.IGNORECASE)
_INTEL = re.compile(r"\bIntel\b|^8086:", re.IGNORECASE)


def looks_lines(text: str) -> bool:
    return any(_LINE.match(row) for row in text[:8000].splitlines())


def looks_mm(text: str) -> bool:
    return bool(re.search(rf'^{_PLACE} "[^"]*" "[^"]*"', text[:8000], re.MULTILINE))


def looks_vmm(text: str) -> bool:
    return bool(re.search(rf"^(?:Slot|Device):\s+{_PLACE}\s*\r?\nClass:\t", text[:8000], re.MULTILINE))


def read_lines(text: str) -> Parts:
    """Raises Refused if there is no device."""
    cards: list[Card] = []
    for row in plain.whole_lines(text):
        if found := _LINE.match(row):
            cards.append(_of_line(found[1], found[2], found[3]))
        elif cards and row.startswith(("\t", "    ")):
            cards[-1] = _detail(cards[-1], row.strip())
    return _made(cards, text)


def read_mm(text: str) -> Parts:
    """Raises Refused if there is no device."""
    cards = []
    for row in plain.whole_lines(text):
        if not _MM.match(row):
            continue
        try:
            place, *words = shlex.split(row[:2000])
        except ValueError:  # a quotation mark without its partner
            continue
        names = [word for word in words if not re.fullmatch(r"-[rp][0-9a-f]{2}", word)]
        cards.append(_of_names(place, *(names + [""] * 5)[:5]))
    return _made(cards, text)


def read_vmm(text: str) -> Parts:
    """Raises Refused if there is no device. In the older `-vm` form the place is under `Device`, as the name is."""
    cards = []
    for block in re.split(r"\n\s*\n", "\n".join(plain.whole_lines(text))):
        rows = [row for row in block.splitlines() if ":" in row]
        place = next((row.partition(":")[2].strip() for row in rows if re.match(rf"(?:Slot|Device):\s+{_PLACE}\s*$", row)), "")
        one = plain.pairs(row for row in rows if not re.match(rf"(?:Slot|Device):\s+{_PLACE}\s*$", row))
        if place and one.get("Class"):
            card = _of_names(place, *(one.get(key, "") for key in ("Class", "Vendor", "Device", "SVendor", "SDevice")))
            cards.append(replace(card, driver=told(one.get("Driver", "")), place=told(one.get("PhySlot", ""))))
    return _made(cards, text)


def _made(cards: list[Card], text: str) -> Parts:
    if not cards:
        raise Refused(f"lspci listed no device; it said: {plain.first(plain.lines(text))}")
    return Parts(cards=tuple(cards[:MOST_ITEMS]))


def _of_line(place: str, kind: str, rest: str) -> Card:
    if numbers := _NUMBERS.fullmatch(rest.strip()):
        ids = f"{numbers[1]}:{numbers[2]}".lower()
        return Card(pci=place, id=ids, kind=kind_of(kind, ids, ""))
    code = _CODE.fullmatch(kind)
    both = _BOTH.fullmatch(rest)
    name = both[1] if both else re.sub(r"(?: \(rev \w+\))?(?: \(prog-if .*\))?$", "", rest)
    ids = both[2].lower() if both else ""
    return Card(pci=place, model=told(name), id=ids, kind=kind_of(code[1] if code else kind, ids, name))


def _of_names(place: str, kind: str, vendor: str, device: str, sub_vendor: str, sub_device: str) -> Card:
    """With `-nn` each name ends in its number; with `-n` it is the number."""
    parted = [_CODE.fullmatch(one) for one in (kind, vendor, device, sub_vendor, sub_device)]
    plain_numbers = all(re.fullmatch(r"[0-9a-f]{4}|", one) for one in (kind, vendor, device, sub_vendor, sub_device))
    numbers = [kind, vendor, device, sub_vendor, sub_device] if plain_numbers else [one[2].lower() if one else "" for one in parted]
    names = ["" if plain_numbers else one[1] if one else raw for one, raw in zip(parted, (kind, vendor, device), strict=False)]
    ids = f"{numbers[1]}:{numbers[2]}" if numbers[1] and numbers[2] else ""
    return Card(
        pci=place,
        vendor=told(names[1]),
        model=told(names[2]),
        id=ids,
        subsystem=f"{numbers[3]}:{numbers[4]}" if numbers[3] and numbers[4] else "",
        kind=kind_of(names[0] or kind, ids, names[1]),
    )


def kind_of(kind: str, ids: str, maker: str) -> str:
    """`GPU` for a display or accelerator of a maker of such; a BMC's VGA (ASPEED, Matrox) keeps its class."""
    of = f"{ids} {maker}".strip()
    display = _DISPLAYS.fullmatch(kind)
    gpu = (display or _ACCELERATORS.fullmatch(kind)) and _GPU_MAKERS.search(of)
    return "GPU" if gpu or (display and _INTEL.search(of)) else told(kind)


def _detail(card: Card, row: str) -> Card:
    key, _, value = row.partition(":")
    if key == "Subsystem":
        numbers = _NUMBERS.fullmatch(value.strip())
        both = _BOTH.fullmatch(value.strip())
        ids = f"{numbers[1]}:{numbers[2]}".lower() if numbers else both[2].lower() if both else ""
        return replace(card, subsystem=ids)
    if key == "Kernel driver in use":
        return replace(card, driver=told(value))
    if key == "Physical Slot":
        return replace(card, place=told(value))
    return card
