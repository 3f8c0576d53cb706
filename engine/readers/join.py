"""Several reports of one machine -> one record. Pure.

Rules
* Two reports tell of one piece if they agree in the most trusted thing that both tell: serial number, WWN, MAC, PCI address, place, name
  (in this order). What is in a slot is one piece, whoever tells of it.
* Of each field the report wins that is nearest to the part (`RANKS`). A report in band wins over one out of band for what runs. What only
  the BMC sees (an unplugged drive, a power supply) comes from it.
* The worst health wins, with its note. A piece that any report sees is present. An exact size wins over a rounded one.
* Contradictions in serial numbers, sizes, counts of cores and firmware go to `odd`, with both reports and both values.
* Pieces without anything to tell them by (a processor of `lscpu`) are joined in order, if there are as many as in the other report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from engine.parts import Parts
from engine.readers.report import MOST_ITEMS

MOST_ODD = 50
OUT_OF_BAND = ("redfish", "ipmi", "ipmitool", "freeipmi", "dcmi", "racadm", "ilorest")
"""First words of the names of formats that come from the BMC."""
_WHOLE = ("lshw", "cardiff")
"""Reports of everything: the least near to each part."""
RANKS: dict[str, tuple[str, ...]] = {
    "drives": ("smartctl", "nvme", "hdparm"),
    "dimms": ("dmidecode",),
    "processors": ("dmidecode", "lscpu", "cpuinfo"),
    "ports": ("ethtool",),
    "cards": ("lspci",),
    "supplies": ("redfish", "ipmitool"),
    "bmcs": ("ipmitool",),
}
"""Of a list: the formats (first words) that win over all others, the nearest first."""
_TRUST = ("serial", "wwn", "mac", "pci", "place", "name", "device")
_SLOTTED = ("dimms", "processors", "supplies")
_PIECES = ("processors", "dimms", "controllers", "drives", "volumes", "ports", "cards", "supplies", "bmcs")
_FACTS = ("serial", "wwn", "size", "cores", "firmware", "watts")
"""Fields in which two reports cannot both be right."""
_WORST = ("failed", "warning", "ok", "")
_ROUNDED = 0.06
"""Two sizes this near are one, told in powers of 1,000 and of 1,024, or rounded."""

Told = tuple[str, Any]
"""(format, piece)"""


def join(reports: Sequence[tuple[str, Parts]]) -> Parts:
    """One record from (format, record) of each report of one machine."""
    odd: list[str] = [line for _, parts in reports for line in parts.odd]
    ranked = sorted(reports, key=lambda report: _rank("", report[0]))
    powered = sorted(reports, key=lambda report: not _is(report[0], OUT_OF_BAND))
    made: dict[str, Any] = {field: _pieces(field, [(name, getattr(parts, field)) for name, parts in reports], odd) for field in _PIECES}
    for field in _HEADS:
        made[field] = _merged(field, [(name, one) for name, parts in ranked if (one := getattr(parts, field)) is not None], odd)
    for field, default in _SINGLE.items():
        values = (getattr(parts, field) for _, parts in (powered if field == "power" else ranked))
        made[field] = next((value for value in values if value != default), default)
    made["firmware"] = _firmware(ranked, odd)
    for field, key in _LISTS.items():
        made[field] = _once((one for _, parts in ranked for one in getattr(parts, field)), key)
    return Parts(**made, odd=tuple(dict.fromkeys(odd))[:MOST_ODD])


_HEADS = ("system", "board", "chassis", "tpm")
_SINGLE: dict[str, Any] = {"memory": 0, "slots": 0, "tpm_version": "", "boot_mode": "", "power": "", "secure_boot": None}
_LISTS: dict[str, tuple[str, ...]] = {
    "readings": ("name",),
    "log": ("id", "at", "sensor", "text"),
    "heard": ("nic", "protocol", "chassis", "port"),
    "settings": ("name",),
}
"""Lists whose items are told apart by these fields; of two equal ones the first counts."""


def _is(name: str, words: Iterable[str]) -> bool:
    return any(name == word or name.startswith(f"{word}-") for word in words)


def _rank(field: str, name: str) -> int:
    """Smaller wins: the nearest tools in their order, other tools in band, those out of band, and those that report everything."""
    nearest = RANKS.get(field, ("dmidecode",))
    for place, word in enumerate(nearest):
        if _is(name, (word,)):
            return place
    return 30 if _is(name, _WHOLE) else 20 if _is(name, OUT_OF_BAND) else 10


def _once(pieces: Iterable[Any], fields: tuple[str, ...]) -> tuple[Any, ...]:
    found: dict[tuple[Any, ...], Any] = {}
    for one in pieces:
        found.setdefault(tuple(getattr(one, field) for field in fields), one)
    return tuple(found.values())[:MOST_ITEMS]


def _pieces(field: str, told: Sequence[tuple[str, Sequence[Any]]], odd: list[str]) -> tuple[Any, ...]:
    """The pieces of one list, those of the nearest report first and in its order."""
    ranked = sorted((report for report in told if report[1]), key=lambda report: _rank(field, report[0]))
    groups: list[list[Told]] = []
    index: dict[tuple[str, str], list[int]] = {}
    bare: list[tuple[str, list[Any], set[int]]] = []
    for name, pieces in ranked:
        used: set[int] = set()
        bare.append((name, [one for one in pieces if not _told_apart(one)], used))
        for one in filter(_told_apart, pieces):
            at = _find(field, one, groups, index, used)
            if at < 0:
                at = len(groups)
                groups.append([])
            used.add(at)
            groups[at].append((name, one))
            for key in _TRUST:
                if value := _value(one, key):
                    index.setdefault((key, value), []).append(at)
    for name, nameless, used in bare:
        _bare(field, name, nameless, groups, used, odd)
    return tuple(_merged(field, group, odd) for group in groups)[:MOST_ITEMS]


def _told_apart(one: Any) -> bool:
    return any(_value(one, key) for key in _TRUST)


def _bare(field: str, name: str, nameless: list[Any], groups: list[list[Told]], used: set[int], odd: list[str]) -> None:
    """Pieces with nothing to tell them by, joined in order with those of other reports that are present, if there are as many."""
    here = [at for at, group in enumerate(groups) if at not in used and all(getattr(one, "present", True) for _, one in group)]
    if not here:
        groups += [[(name, one)] for one in nameless]
    elif len(nameless) == len(here):
        for at, one in zip(here, nameless, strict=True):
            groups[at].append((name, one))
    elif nameless:
        other = groups[here[0]][0][0]
        odd.append(f"{field}: {name} tells {len(nameless)} without a place, {other} tells {len(here)}; those of {name} are left out")


def _find(field: str, one: Any, groups: list[list[Told]], index: dict[tuple[str, str], list[int]], used: set[int]) -> int:
    for key in _TRUST:
        if not (value := _value(one, key)):
            continue
        for at in index.get((key, value), ()):
            if at not in used and all(_compatible(field, key, one, other) for _, other in groups[at]):
                return at
    return -1


def _compatible(field: str, key: str, one: Any, other: Any) -> bool:
    """Whether nothing that is more trusted than the key says that these are two pieces."""
    if field in _SLOTTED and key == "place":
        return True
    for better in _TRUST[: _TRUST.index(key)]:
        mine, theirs = _value(one, better), _value(other, better)
        if mine and theirs and mine != theirs and not (better == "serial" and _serials_agree(one, other, mine, theirs)):
            return False
    return True


def _serials_agree(one: Any, other: Any, mine: str, theirs: str) -> bool:
    """Of a SCSI drive some tools tell the serial number cut, or its WWN for it."""
    wwns = {_value(one, "wwn"), _value(other, "wwn")} - {""}
    return mine.startswith(theirs) or theirs.startswith(mine) or mine.lower() in wwns or theirs.lower() in wwns


def _value(one: Any, key: str) -> str:
    value = getattr(one, key, "")
    if not value or not isinstance(value, str):
        return ""
    if key == "serial":
        return value.strip().upper()
    if key == "pci":
        return value.lower() if value.count(":") == 2 else f"0000:{value.lower()}"
    if key == "place":
        bare = re.sub(r"[^a-z0-9:/]", "", value.lower())
        return re.sub(r"^dimm(?:socket|slot)?(?=[a-z]\d)|^cpusocket|^processor", "", bare) or bare
    return re.sub(r"n\d+$", "", value) if key == "name" and value.startswith("nvme") else value


def _merged(field: str, group: list[Told], odd: list[str]) -> Any:
    """One piece of several. None for none."""
    if len(group) < 2:
        return group[0][1] if group else None
    ranked = sorted(group, key=lambda told: _rank(field, told[0]))
    first = ranked[0][1]
    out = replace(first)
    for about in msgspec.structs.fields(first):
        default = None if about.default is msgspec.NODEFAULT else about.default
        values = [(name, value) for name, one in ranked if (value := getattr(one, about.name)) != default]
        if not values:
            continue
        chosen = values[0][1]
        if about.name == "health":
            chosen = min((value for _, value in values), key=_WORST.index)
            note = next(one.note for _, one in ranked if one.health == chosen)
            force_setattr(out, "note", note)
        elif about.name == "note":
            continue
        elif about.name == "present":
            chosen = all(one.present is False for _, one in ranked) is False
        elif about.name == "size":
            chosen = next((value for _, value in values if value % 10**7 and value % 512 == 0), chosen)
        if about.name in _FACTS:
            _contradictions(field, first, about.name, values, odd)
        force_setattr(out, about.name, chosen)
    return out


def _contradictions(field: str, first: Any, fact: str, values: list[tuple[str, Any]], odd: list[str]) -> None:
    (winner, chosen), *others = values
    for name, value in others:
        if not _agree(fact, chosen, value):
            which = next((text for key in ("place", "name", "serial", "model") if (text := getattr(first, key, ""))), "")
            odd.append(f"{field} {which}: {winner} says {fact} {chosen}, {name} says {value}"[:300])


def _agree(fact: str, one: Any, other: Any) -> bool:
    if fact == "size":
        return bool(abs(one - other) <= _ROUNDED * max(one, other))
    if isinstance(one, str):
        mine, theirs = one.strip().upper(), other.strip().upper()
        return mine in theirs or theirs in mine
    return bool(one == other)


def _firmware(ranked: Sequence[tuple[str, Parts]], odd: list[str]) -> tuple[Any, ...]:
    """By part, and by place and name where it has them. A second version of one part without a place is a contradiction."""
    found: dict[tuple[str, str], Told] = {}
    for name, parts in ranked:
        for one in parts.firmware:
            alone = one.part in ("bios", "bmc")
            key = (one.part, "" if alone else one.place or one.name)
            winner, chosen = found.setdefault(key, (name, one))
            if alone and winner != name and not _agree("firmware", chosen.version, one.version):
                odd.append(f"firmware {one.part}: {winner} says {chosen.version}, {name} says {one.version}"[:300])
            elif not alone and winner == name and chosen is not one:
                found.setdefault((*key[:1], f"{key[1]} {one.version}"), (name, one))
    return tuple(one for _, one in found.values())[:MOST_ITEMS]
