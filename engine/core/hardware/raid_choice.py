"""Chooses the drives for the wanted volumes: one decision, with a reason for each drive, taken or not. Pure.

It follows the rules of the original (Digital Rebar's barclamp `raid`, `raid-wanted-volumes`). It treats drives that the kernel
sees and drives behind RAID controllers alike.

Rules
* The volumes are served in their order. Each drive is in one volume only, and a volume takes the whole of its drives.
* Drives are put into groups by controller, medium and protocol. Disks come before SSDs and NVMe, SAS before SATA. No volume mixes groups.
* In a group, drives are of one class if their sizes are in the same 32 GiB. `max` asks the largest class first, `min` the smallest. A size
  in bytes asks the smallest class that is large enough.
* The first class with enough drives is taken. `remaining` takes all its drives; of level jbod, all drives that are left,
  which may be none.
* Least drives: jbod and raid0 1, raid1 exactly 2, raid5 3, raid6 4, raid10 4, raid50 6, raid60 8. The last three have an even number.
* Within a class drives are taken in the order of their places, so the kernel's names and what the drives hold now change nothing. A
  choice that was carried out is therefore chosen again.
* Spares are of the volume's group, and at least as large as its smallest member. The smallest ones that fit are taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType, ValidationError, convert

from ... import reasons
from ...definitions import Json
from ...reasons import Reason

CLASS = 32 << 30
"""Bytes. Drives of one maker's `600 GB` differ by less."""
MOST_VOLUMES = 64
WantedLevel = Literal["raid0", "raid1", "raid5", "raid6", "raid10", "raid50", "raid60", "jbod"]
Medium = Literal["", "disk", "ssd", "nvme"]
LEAST: dict[str, int] = {"jbod": 1, "raid0": 1, "raid1": 2, "raid5": 3, "raid6": 4, "raid10": 4, "raid50": 6, "raid60": 8}
EVEN = ("raid10", "raid50", "raid60")
_MEDIA, _PROTOCOLS = ("disk", "ssd", "nvme", ""), ("sas", "sata", "nvme", "")
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([KMGTP]?)(i?)B?", re.IGNORECASE)
_PARTS = re.compile(r"\d+|\D+")


class WantedVolume(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    level: WantedLevel
    name: str = ""
    """At most 15 characters. Empty: made of its number."""
    size: str | int = "max"
    """`max`, `min`, or bytes that the volume must have at least: a number, or `2T` (powers of ten; `2TiB`: of two)."""
    disks: int | str | UnsetType = UNSET
    """How many members, or `remaining`. Not given: the least for the level; of jbod, `remaining`."""
    medium: Medium = ""
    protocol: Literal["", "sas", "sata", "nvme"] = ""
    controller: str = ""
    """Its place, as the controller's tool spells it."""
    spares: int = 0
    stripe: int = 0
    """KiB. 0: the tool's default."""
    boot: bool = False


SETS: dict[str, tuple[WantedVolume, ...]] = {
    "SingleRaid10": (WantedVolume(name="single", level="raid10", disks="remaining", boot=True),),
    "SingleRaid1": (WantedVolume(name="single", level="raid1", disks=2, boot=True),),
    "SingleRaid0": (WantedVolume(name="single", level="raid0", disks="remaining", boot=True),),
    "JBODOnly": (WantedVolume(name="jbod", level="jbod", disks="remaining"),),
    "R1_JBOD": (WantedVolume(name="os", level="raid1", disks=2, boot=True), WantedVolume(name="jbod", level="jbod", disks="remaining")),
}
"""The sets of the original."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A drive that could be taken, or that is barred."""

    place: str
    """Unique among the candidates of one controller."""
    size: int
    """Bytes."""
    name: str = ""
    """What people call it, if that is not its place."""
    controller: str = ""
    """Empty: the kernel sees the drive, and mdadm makes the volumes."""
    medium: Medium = ""
    protocol: str = ""
    barred: Reason | None = None
    """Why it is never taken."""

    @property
    def key(self) -> tuple[str, str]:
        return self.controller, self.place


class Chosen(Struct, frozen=True, kw_only=True):
    """A volume with its drives."""

    name: str
    want: WantedVolume
    members: tuple[Candidate, ...]
    spares: tuple[Candidate, ...] = ()
    size: int = 0
    """Usable bytes, at most: tools round down. Of jbod, of all drives together."""


class Verdict(Struct, frozen=True, kw_only=True):
    """One drive: which volume took it, or why none did."""

    drive: Candidate
    volume: str = ""
    reason: Reason


class RaidChoice(Struct, frozen=True, kw_only=True):
    volumes: tuple[Chosen, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    """One for each candidate, in their order."""
    refused: Reason | None = None
    """Why nothing is made. Then no drive is taken."""

    def why(self, controller: str, place: str) -> Reason | None:
        return next((one.reason for one in self.verdicts if one.drive.key == (controller, place)), None)


def wanted_volumes(node: str, value: Json) -> tuple[WantedVolume, ...] | Reason:
    """The volumes of `raid-wanted` where it has `set` or `volumes`. A reason: the value contradicts itself. `{level: ...}` has none."""
    if not isinstance(value, dict):
        return ()
    if "set" in value:
        found = SETS.get(str(value["set"]))
        return found or reasons.raid_set_unknown(node=node, set=str(value["set"])[:40], known=", ".join(SETS))
    if "volumes" not in value:
        return ()
    try:
        wanted = convert(value["volumes"], tuple[WantedVolume, ...])
    except ValidationError as error:
        return reasons.raid_wish_odd(node=node, message=str(error)[:160])
    named = [one.name for one in wanted if one.name]
    if len(wanted) > MOST_VOLUMES or len(set(named)) != len(named):
        message = f"more than {MOST_VOLUMES} volumes" if len(wanted) > MOST_VOLUMES else "two volumes have one name"
        return reasons.raid_wish_odd(node=node, message=message)
    for number, one in enumerate(wanted, 1):
        if (wrong := _odd(one)) is not None:
            return reasons.raid_wish_odd(node=node, message=f"volume {one.name or number}: {wrong}")
    return wanted


def choose_drives(node: str, wanted: Sequence[WantedVolume], candidates: Sequence[Candidate]) -> RaidChoice:
    """The drives of all these volumes, or of none. `node`: its name, for reasons."""
    free = {one.key: one for one in candidates if one.barred is None}
    taken: dict[tuple[str, str], tuple[str, Reason]] = {}
    passed: dict[tuple[str, str], Reason] = {}
    volumes: list[Chosen] = []
    used: set[str] = {one.name for one in wanted}
    for want in wanted:
        name = want.name or _name(used)
        found = _volume(node, name, want, list(free.values()), passed)
        if isinstance(found, Reason):
            nothing = reasons.raid_nothing_made()
            none = tuple(Verdict(drive=one, reason=one.barred or passed.get(one.key) or nothing) for one in candidates)
            return RaidChoice(verdicts=none, refused=found)
        volumes.append(found)
        for one in (*found.members, *found.spares):
            del free[one.key]
            role = "a spare" if one in found.spares else "a member"
            taken[one.key] = (name, reasons.raid_taken(role=role, volume=name, why=_why(want, one)))
    verdicts = []
    for one in candidates:
        volume, reason = taken.get(one.key, ("", one.barred or passed.get(one.key) or reasons.raid_not_needed()))
        verdicts.append(Verdict(drive=one, volume=volume, reason=reason))
    return RaidChoice(volumes=tuple(volumes), verdicts=tuple(verdicts))


def usable(level: str, count: int, each: int) -> int:
    """Bytes of a volume of so many members of this size."""
    return each * _data(level, count)


def least_size(size: str | int) -> int | None:
    """Bytes of a wanted size; 0 for `max` and `min`. None: it is none of these."""
    if isinstance(size, int):
        return size if 0 < size < 1 << 62 else None
    if size in ("max", "min"):
        return 0
    found = _SIZE.fullmatch(size.strip())
    if found is None:
        return None
    out = int(float(found[1]) * (1024 if found[3] else 1000) ** " KMGTP".index(found[2].upper() or " "))
    return out if 0 < out < 1 << 62 else None


# -- inside --------------------------------------------------------------------------------------------------------


def _odd(one: WantedVolume) -> str | None:
    """What of this wish contradicts itself."""
    count = one.disks
    least = LEAST[one.level]
    if least_size(one.size) is None:
        return f"the size {str(one.size)[:30]!r} is neither max, min, nor a number of bytes like 2T"
    if isinstance(count, str) and count != "remaining":
        return f"disks is {count[:30]!r}, and must be a number or `remaining`"
    if isinstance(count, int):
        if one.level == "raid1" and count != 2:
            return f"raid1 has 2 disks, not {count}"
        if count < least or count > 240:
            return f"{one.level} has {least} to 240 disks, not {count}"
        if one.level in EVEN and count % 2:
            return f"{one.level} has an even number of disks, not {count}"
    elif one.level == "raid1" and count == "remaining":
        return "raid1 has 2 disks, and `remaining` may be more"
    if not 0 <= one.spares <= 16 or (one.spares and one.level in ("jbod", "raid0")):
        return f"{one.spares} spares" + (
            f": {one.level} survives no loss, so a spare is of no use" if one.level in ("jbod", "raid0") else ""
        )
    if one.stripe and (one.stripe & (one.stripe - 1) or not 4 <= one.stripe <= 4096):
        return f"the stripe {one.stripe} is no power of two between 4 and 4096 KiB"
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,15}", one.name):
        return "its name may have 15 letters, digits, hyphens and underscores"
    return "jbod cannot be the volume to boot from: name the disk in root-disk" if one.boot and one.level == "jbod" else None


def _name(used: set[str]) -> str:
    name = next(f"crowbar{number}" for number in range(MOST_VOLUMES + 1) if f"crowbar{number}" not in used)
    used.add(name)
    return name


def _volume(node: str, name: str, want: WantedVolume, free: list[Candidate], passed: dict[tuple[str, str], Reason]) -> Chosen | Reason:
    """The volume, or why it cannot be made. `passed` gets a reason for each free drive that is not taken."""
    fit = []
    for one in free:
        other = _other(want, one)
        if other is None:
            fit.append(one)
        else:
            passed[one.key] = reasons.raid_other_kind(volume=name, what=other)
    if want.level == "jbod" and want.disks in (UNSET, "remaining"):
        enough = [one for one in fit if one.size >= max(least_size(want.size) or 0, 1)]
        if not enough and (want.size not in ("max", "min") or want.medium or want.protocol or want.controller):
            return _short(node, name, want, fit, 1)
        passed |= {one.key: reasons.raid_too_small(volume=name) for one in fit if one not in enough}
        return Chosen(name=name, want=want, members=tuple(sorted(enough, key=_order)), size=sum(one.size for one in enough))
    for group in _groups(fit):
        for drives in _classes(want, group):
            count = _count(want, len(drives))
            members = sorted(drives, key=_order)[:count]
            if count < LEAST[want.level] or len(members) < count or not _holds(want, members):
                passed |= {one.key: reasons.raid_few_alike(volume=name, count=len(drives)) for one in drives}
                continue
            spares = _spares(want, group, members)
            if spares is None:
                passed |= {one.key: reasons.raid_few_alike(volume=name, count=len(drives)) for one in drives}
                continue
            rest = [one for one in fit if one not in members and one not in spares]
            passed |= {one.key: reasons.raid_others_first(volume=name, chosen=_told(members)) for one in rest}
            size = usable(want.level, count, min(one.size for one in members))
            return Chosen(name=name, want=want, members=tuple(members), spares=spares, size=size)
    return _short(node, name, want, fit, _count(want, 0))


def _other(want: WantedVolume, one: Candidate) -> str | None:
    """What of the drive is not as wanted."""
    if want.controller and one.controller != want.controller:
        return f"it is not on controller {want.controller}"
    if want.medium and one.medium != want.medium:
        return f"it is {_kind(one.medium)}, and wanted is {_kind(want.medium)}"
    if want.protocol and one.protocol != want.protocol:
        return f"it is on {one.protocol or 'an unknown protocol'}, and wanted is {want.protocol}"
    return None


def _kind(medium: str) -> str:
    return {"disk": "a disk", "ssd": "an SSD", "nvme": "an NVMe drive"}.get(medium, "of an unknown medium")


def _groups(fit: list[Candidate]) -> list[list[Candidate]]:
    """By medium, protocol and controller, in the order in which they are tried."""
    found: dict[tuple[int, int, str, tuple[tuple[int, int, str], ...]], list[Candidate]] = {}
    for one in fit:
        known = _PROTOCOLS.index(one.protocol) if one.protocol in _PROTOCOLS else len(_PROTOCOLS)
        found.setdefault((_MEDIA.index(one.medium), known, one.protocol, _natural(one.controller)), []).append(one)
    return [found[key] for key in sorted(found)]


def _classes(want: WantedVolume, group: list[Candidate]) -> list[list[Candidate]]:
    """By size, in the order in which they are tried."""
    found: dict[int, list[Candidate]] = {}
    for one in group:
        found.setdefault(one.size // CLASS, []).append(one)
    return [found[key] for key in sorted(found, reverse=want.size == "max")]


def _count(want: WantedVolume, there: int) -> int:
    if isinstance(want.disks, int):
        return want.disks
    count = there if want.disks == "remaining" else LEAST[want.level]
    return max(count - count % 2 if want.level in EVEN else count, LEAST[want.level])


def _holds(want: WantedVolume, members: list[Candidate]) -> bool:
    least = least_size(want.size) or 0
    each = min(one.size for one in members)
    return (each if want.level == "jbod" else usable(want.level, len(members), each)) >= max(least, 1)


def _spares(want: WantedVolume, group: list[Candidate], members: list[Candidate]) -> tuple[Candidate, ...] | None:
    need = min(one.size for one in members)
    fit = sorted((one for one in group if one not in members and one.size >= need), key=lambda one: (one.size // CLASS, _order(one)))
    return tuple(fit[: want.spares]) if len(fit) >= want.spares else None


def _data(level: str, count: int) -> int:
    """How many members' worth of data a volume holds."""
    lost: Mapping[str, int] = {"raid1": count - 1, "raid5": 1, "raid6": 2, "raid10": count // 2, "raid50": 2, "raid60": 4}
    return max(count - lost.get(level, 0), 0)


def _order(one: Candidate) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    return _natural(one.controller), _natural(one.place)


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts 2 before 10."""
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in _PARTS.findall(text))


def _told(some: Sequence[Candidate]) -> str:
    named = ", ".join(one.name or one.place for one in some[:4])
    return named + (f" and {len(some) - 4} more" if len(some) > 4 else "")


def _gib(size: int) -> str:
    return f"{size / 1e12:.2f} TB" if size >= 10**12 else f"{size / 1e9:.0f} GB"


def _why(want: WantedVolume, one: Candidate) -> str:
    if want.level == "jbod" and want.disks in (UNSET, "remaining"):
        return "jbod takes each disk that is left"
    kind = " ".join(word for word in (_gib(one.size), one.protocol, one.medium) if word)
    order = {"max": "the largest with enough alike", "min": "the smallest with enough alike"}
    return f"{kind}: {order.get(str(want.size), 'the smallest that are large enough, with enough alike')}"


def _short(node: str, name: str, want: WantedVolume, fit: list[Candidate], need: int) -> Reason:
    """The refusal, with the wish in it and what there is instead."""
    words = [want.level, f"of {want.disks if want.disks is not UNSET else need} disks", f"size {want.size}"]
    words += [
        f"{key} {value}" for key, value in (("medium", want.medium), ("protocol", want.protocol), ("controller", want.controller)) if value
    ]
    words += [f"{want.spares} spares"] if want.spares else []
    kinds = [f"{len(some)} of {_gib(some[0].size)}" for group in _groups(fit) for some in _classes(want, group)]
    there = ", ".join(kinds[:6]) + (f" and {len(kinds) - 6} more kinds" if len(kinds) > 6 else "")
    return reasons.raid_no_drives(node=node, volume=name, wanted=", ".join(words), there=there or "none")
