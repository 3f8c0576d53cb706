"""What differs between records of parts: two looks at one machine, machines of one family, a machine and what is expected of it.

Two ideas:
* **Differences** compare piece by piece: "DIMM B2 (16 GiB, serial 2F1A) is gone". For two looks at one machine.
* **Facts** are a few lines that any two machines of one kind share: `memory: 256 GiB`, `dimms: 16 x 16 GiB DDR4`. Machines of a family, and
  a machine and its expectation, are compared by them. The expectation is such a map, so a person can read and edit it.

What changes by itself (temperatures, hours, link speeds, sensor values, the event log) is no difference. Health is one. What only a report
decides is none either: the order of pieces, the kernel's names, another spelling of a version, a rounded size. Media that come and go are
not compared: USB drives, and those that a BMC pretends.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from ...parts import Card, Controller, Dimm, Drive, Firmware, NetPort, Parts, Piece, PowerSupply, Processor, RaidVolume

MOST = 200
"""Differences that are told of one pair."""
ENOUGH = 3
"""Machines of a family from which on a minority is told."""
_TRUST = ("serial", "wwn", "mac", "pci", "place", "name")
"""What tells pieces apart, the most trusted first."""
_ALL = "all"
"""Comes first, for pieces that are as they were: makers give several of them one serial number."""
_ROUNDED = 0.01
"""Of a drive's or volume's size: by so much controllers round it, or keep back of it."""
_PRETENDED = re.compile(r"(?i)\b(?:virtual|vKVM|LCDRIVE|remote)[ _-]?(?:cd|dvd|floppy|fd|hdisk|hd|disk|media|usb|image)")


class PartChange(Struct, frozen=True, kw_only=True):
    what: Literal["gone", "new", "moved", "replaced", "changed"]
    kind: str
    """`DIMM`, `drive`, ..., in words."""
    name: str
    """Which one: place and model, as far as told."""
    field: str = ""
    was: str = ""
    now: str = ""

    def __str__(self) -> str:
        who = f"{self.kind} {self.name}".strip()
        match self.what:
            case "gone":
                return f"{who} is gone"
            case "new":
                return f"{who} is new"
            case "moved":
                return f"{who} was in {self.was}, and is in {self.now}"
            case "replaced":
                return f"{who} is another one: serial {self.was} became {self.now}"
        return f"{who}: {self.field} was {self.was or 'not told'}, and is {self.now or 'not told'}"


class _Kind(Struct, frozen=True):
    word: str
    fields: tuple[str, ...]
    """Those whose change is a difference."""


KINDS: dict[str, _Kind] = {
    "processors": _Kind("processor", ("model", "cores", "threads", "health")),
    "dimms": _Kind("DIMM", ("size", "type", "speed", "health")),
    "controllers": _Kind("controller", ("model", "firmware", "mode", "battery", "health")),
    "drives": _Kind("drive", ("model", "size", "firmware", "state", "health")),
    "volumes": _Kind("volume", ("level", "size", "state")),
    "ports": _Kind("port", ("model", "firmware", "fastest", "functions", "health")),
    "cards": _Kind("card", ("model", "id", "health")),
    "supplies": _Kind("power supply", ("watts", "firmware", "health")),
    "bmcs": _Kind("BMC channel", ("address", "mac", "source", "vlan")),
}
"""Field of `Parts` -> its pieces."""
_COMPARED = tuple(sorted({field for kind in KINDS.values() for field in kind.fields}))


# -- two looks at one machine ------------------------------------------------------------------------------------------


def differences(was: Parts, now: Parts) -> tuple[PartChange, ...]:
    """What changed between two looks at one machine. A list that one of the looks does not tell at all is not compared."""
    out: list[PartChange] = []
    for field, kind in KINDS.items():
        before, after = staying(getattr(was, field)), staying(getattr(now, field))
        if before and after:
            out += _pieces(kind, before, after)
    out += _heads(was, now)
    out += _firmware(was.firmware, now.firmware)
    return tuple(out[:MOST])


def present(pieces: Iterable[Any]) -> list[Any]:
    """Those that are there: an empty slot is none."""
    return [piece for piece in pieces if getattr(piece, "present", True)]


def staying(pieces: Iterable[Any]) -> list[Any]:
    """Those that are there and do not come and go by themselves."""
    return [one for one in present(pieces) if not (isinstance(one, Drive) and (one.protocol == "usb" or _PRETENDED.search(one.model)))]


def _pieces(kind: _Kind, before: Sequence[Any], after: Sequence[Any]) -> list[PartChange]:
    out: list[PartChange] = []
    pairs, gone, new = _paired(before, after)
    for old, one in pairs:
        out += _changes(kind, old, one)
    out += [PartChange(what="gone", kind=kind.word, name=label(old)) for old in gone]
    out += [PartChange(what="new", kind=kind.word, name=label(one)) for one in new]
    return out


def _paired(before: Sequence[Any], after: Sequence[Any]) -> tuple[list[tuple[Any, Any]], list[Any], list[Any]]:
    """Pairs of the same piece, or of the same place; those that are gone; those that are new."""
    pairs: list[tuple[Any, Any]] = []
    left, right = list(before), list(after)
    for trust in (_ALL, *_TRUST, ""):
        # "": pieces that nothing tells apart are paired in their order, each only with its like
        waiting: dict[str, list[int]] = {}
        for at in reversed(range(len(right))):
            waiting.setdefault(_told(right[at], trust), []).append(at)
        taken: set[int] = set()
        rest = []
        for old in left:
            mine = _told(old, trust)
            if mine and waiting.get(mine):
                taken.add(at := waiting[mine].pop())
                pairs.append((old, right[at]))
            else:
                rest.append(old)
        left, right = rest, [one for at, one in enumerate(right) if at not in taken]
    return pairs, left, right


def _told(piece: Any, trust: str) -> str:
    if trust == _ALL:
        return repr([getattr(piece, name, "") for name in (*_TRUST[:-1], *_COMPARED)])
    if trust:
        return str(getattr(piece, trust, "") or "")
    return "" if any(getattr(piece, name, "") for name in _TRUST) else f"like:{getattr(piece, 'model', '')}"


def _changes(kind: _Kind, old: Any, one: Any) -> list[PartChange]:
    name = label(one)
    if old.serial and one.serial and not same("serial", old.serial, one.serial):
        return [PartChange(what="replaced", kind=kind.word, name=name, was=old.serial, now=one.serial)]
    out = []
    if old.place and one.place and old.place != one.place and old.serial:
        out.append(PartChange(what="moved", kind=kind.word, name=name, was=old.place, now=one.place))
    for field in kind.fields:
        was, now = getattr(old, field, None), getattr(one, field, None)
        if was and now and not (same(field, was, now) or (field == "size" and kind.word in ("drive", "volume") and _nearly(was, now))):
            out.append(PartChange(what="changed", kind=kind.word, name=name, field=field, was=shown(field, was), now=shown(field, now)))
    return out


def same(field: str, was: object, now: object) -> bool:
    """Whether two values say the same. Reports differ in how they write letters, and of versions in the letter v, zeros and a date."""
    if not isinstance(was, str) or not isinstance(now, str):
        return was == now
    return _version(was) == _version(now) if field in ("firmware", "version") else was.casefold() == now.casefold()


def _version(text: str) -> list[str]:
    """`U30 v2.36 (07/16/2020)` and `u30 2.36` are one. 2.10 is not 2.1."""
    bare = re.sub(r"\(\d\d/\d\d/\d{4}\)", "", text.casefold()).strip()
    words = re.findall(r"[0-9]+|[a-z]+", re.sub(r"\b(?:version|ver|rev|v)[ .:]?(?=[0-9])", "", bare))
    return [word.lstrip("0") or "0" if word.isdecimal() else word for word in words]


def _nearly(was: int, now: int) -> bool:
    return abs(was - now) <= _ROUNDED * max(was, now)


def _heads(was: Parts, now: Parts) -> list[PartChange]:
    out = []
    for field, word in (("system", "system"), ("board", "board"), ("chassis", "chassis"), ("tpm", "TPM")):
        old, one = getattr(was, field), getattr(now, field)
        for name in ("vendor", "model", "serial") if old is not None and one is not None else ():
            before, after = getattr(old, name), getattr(one, name)
            if before and after and not same(name, before, after):
                out.append(PartChange(what="changed", kind=word, name="", field=name, was=before, now=after))
    if was.memory and now.memory and was.memory != now.memory:
        out.append(
            PartChange(what="changed", kind="memory", name="", field="size", was=shown("size", was.memory), now=shown("size", now.memory))
        )
    for field, word in (("secure_boot", "Secure Boot"), ("boot_mode", "boot mode")):
        before, after = getattr(was, field), getattr(now, field)
        if before not in (None, "") and after not in (None, "") and before != after:
            out.append(PartChange(what="changed", kind=word, name="", field="state", was=shown(field, before), now=shown(field, after)))
    return out


def _firmware(was: Sequence[Firmware], now: Sequence[Firmware]) -> list[PartChange]:
    before = {(one.part, one.place, one.name): one.version for one in was}
    out = []
    for one in now:
        old = before.get((one.part, one.place, one.name))
        if old and not same("version", old, one.version):
            name = " ".join(word for word in (one.part, one.place or one.name) if word)
            out.append(PartChange(what="changed", kind="firmware", name=name, field="version", was=old, now=one.version))
    return out


def lasting(parts: Parts) -> Parts:
    """The record without what changes by itself, and without what was odd: two of one machine are equal until something changes."""
    drives = tuple(
        replace(
            one,
            wear=None,
            hours=None,
            temperature=None,
            reallocated=None,
            pending=None,
            media_errors=None,
            link=0,
            note="",
            name="" if one.serial or one.wwn else one.name,
        )
        for one in staying(parts.drives)
    )
    ports = tuple(replace(one, speed=0, link=None, optic=None, note="", name="" if one.mac else one.name) for one in parts.ports)
    supplies = tuple(replace(one, output=None, note="") for one in parts.supplies)
    volumes = tuple(replace(one, progress=None, note="") for one in parts.volumes)
    plain = replace(parts, drives=drives, ports=ports, supplies=supplies, volumes=volumes)
    ordered = {field: tuple(sorted(getattr(plain, field), key=repr)) for field in (*KINDS, "firmware")}
    return replace(plain, **ordered, readings=(), log=(), heard=(), odd=(), power="")


# -- facts -------------------------------------------------------------------------------------------------------------

FactMap = Mapping[str, str]
"""Name of a fact -> its value in words. What is not told has no fact."""


def facts(parts: Parts) -> dict[str, str]:
    """What machines of one kind share. No serial number, no address, nothing that changes by itself."""
    system = parts.system
    found = {
        "system": " ".join(word for word in (system.vendor, system.model) if word) if system is not None else "",
        "processors": counted(present(parts.processors), _processor),
        "memory": shown("size", parts.memory or sum(one.size for one in present(parts.dimms))),
        "dimms": counted(present(parts.dimms), _dimm),
        "drives": counted([one for one in staying(parts.drives) if one.state != "missing"], _drive),
        "controllers": counted(parts.controllers, _controller),
        "ports": counted([one for one in parts.ports if one.kind in ("", "ethernet", "infiniband")], _port),
        "gpus": counted([one for one in parts.cards if one.kind == "GPU"], _card),
        "supplies": counted(present(parts.supplies), _supply),
        "tpm": parts.tpm_version or ("present" if parts.tpm is not None else ""),
        "secure-boot": "" if parts.secure_boot is None else shown("secure_boot", parts.secure_boot),
        "boot-mode": parts.boot_mode,
    }
    versions: dict[str, set[str]] = {}
    for one in parts.firmware:
        versions.setdefault(one.part, set()).add(one.version)
    found |= {f"{part}-version": ", ".join(sorted(some)) for part, some in sorted(versions.items())}
    return {name: value[:500] for name, value in found.items() if value}


class Deviation(Struct, frozen=True, kw_only=True):
    """A fact that is not as it should be."""

    fact: str
    has: str
    """Empty: not told, or not there."""
    wanted: str
    alone: int = 0
    """How many machines have what is wanted; 0: an expectation wants it."""

    def __str__(self) -> str:
        has = self.has or "none"
        if self.alone:
            return f"{self.fact}: {has}, and {self.alone} others of its family have {self.wanted}"
        return f"{self.fact}: {has}, and {self.wanted} is expected"


def unexpected(expected: FactMap, has: FactMap) -> tuple[Deviation, ...]:
    """What differs from the expectation. A fact that it does not name is free."""
    return tuple(
        Deviation(fact=name, has=has.get(name, ""), wanted=wanted) for name, wanted in expected.items() if has.get(name, "") != wanted
    )


def outliers(family: Mapping[str, FactMap]) -> dict[str, tuple[Deviation, ...]]:
    """Machine -> the facts in which it differs from most of its family: at least ENOUGH machines that tell the fact, more than half of one
    mind. A machine that does not tell a fact differs only where all others tell it."""
    out: dict[str, list[Deviation]] = {}
    names = sorted({name for one in family.values() for name in one})
    for name in names:
        told = Counter(one[name] for one in family.values() if name in one)
        most, many = told.most_common(1)[0]
        whole = told.total()
        if whole < ENOUGH or many * 2 <= whole:
            continue
        for machine, one in sorted(family.items()):
            has = one.get(name, "")
            if has != most and (has or whole == len(family) - 1):
                out.setdefault(machine, []).append(Deviation(fact=name, has=has, wanted=most, alone=many))
    return {machine: tuple(found) for machine, found in out.items()}


# -- words -------------------------------------------------------------------------------------------------------------


def counted(pieces: Sequence[Any], word: Callable[[Any], str]) -> str:
    """`2 x A; 8 x B`, the most first."""
    many = Counter(filter(None, map(word, pieces)))
    return "; ".join(f"{number} x {text}" for text, number in sorted(many.items(), key=lambda item: (-item[1], item[0])))


def label(piece: Piece) -> str:
    """Which piece it is, for a person in front of the machine: `A1 (16 GiB, serial 2F1A)`."""
    about = [_WORDS[type(piece)](piece)] if type(piece) in _WORDS else [piece.model]
    if piece.serial:
        about.append(f"serial {piece.serial}")
    inner = ", ".join(filter(None, about))
    where = piece.place or str(getattr(piece, "name", "") or "")
    return f"{where} ({inner})" if where and inner else where or inner or "without a name"


def shown(field: str, value: object) -> str:
    """A value of a record in words."""
    if field in ("size", "memory", "cache") and isinstance(value, int):
        return size_words(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    units = {"speed": " MT/s", "fastest": " Mbit/s", "watts": " W", "mhz": " MHz"}
    return f"{value}{units.get(field, '')}"


def size_words(octets: int) -> str:
    """`256 GiB` for whole powers of two, as memory has; otherwise `480 GB`, as drives are sold. Empty: 0."""
    if not octets:
        return ""
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB")):
        if octets >= 1 << power and octets % (1 << power) == 0:
            return f"{octets >> power} {unit}"
    for factor, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if octets >= factor:
            number = octets / factor
            return f"{number:.2f}".rstrip("0").rstrip(".") + f" {unit}" if unit == "TB" else f"{number:.0f} {unit}"
    return f"{octets} bytes"


def _processor(one: Processor) -> str:
    return " ".join(filter(None, (one.model, f"{one.cores} cores" if one.cores else "")))


def _dimm(one: Dimm) -> str:
    return " ".join(filter(None, (size_words(one.size), one.type, f"{one.speed} MT/s" if one.speed else "")))


def _drive(one: Drive) -> str:
    return " ".join(filter(None, (one.model, size_words(one.size), one.medium)))


def _controller(one: Controller) -> str:
    return one.model


def _port(one: NetPort) -> str:
    return " ".join(filter(None, (one.model or one.driver, f"{one.fastest} Mbit/s" if one.fastest else "")))


def _card(one: Card) -> str:
    return one.model or one.id


def _supply(one: PowerSupply) -> str:
    return " ".join(filter(None, (one.model, f"{one.watts} W" if one.watts else "")))


def _volume(one: RaidVolume) -> str:
    return " ".join(filter(None, (one.level, size_words(one.size))))


_WORDS: dict[type, Callable[[Any], str]] = {
    Processor: _processor,
    Dimm: _dimm,
    Drive: _drive,
    Controller: _controller,
    NetPort: _port,
    Card: _card,
    PowerSupply: _supply,
    RaidVolume: _volume,
}
