"""Volumes of a storage controller by Redfish (DSP2046 `Volume`, `Storage`): deletes what is wrong, makes what is missing, reads it back.

Rules
* A volume is right if its level and its drives are right. Right volumes stay as they are.
* A volume is deleted only if all its drives are among the wanted ones. Otherwise nothing is done.
* Each drive is read first. If its serial number is another one than was approved, nothing is done.
* A service that makes volumes only at the next start of the machine (`@Redfish.OperationApplyTimeSupport`) has *accepted* them. They are
  made only when they read back.
* What reads back counts, not the answer and not the task. A task that failed ends the wait, and one that vanished says nothing.
* Services before DSP2046 2020.3 know `VolumeType` instead of `RAIDType`. They are asked in the old way if they refuse the new one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from ..definitions import Json
from ..readers.redfish_raid import is_raid
from . import Pace, PowerFailed, SessionFailed
from .call import look_until
from .redfish_body import member, rows
from .redfish_line import Answer
from .redfish_session import RedfishSession

MOST_VOLUMES, MOST_DRIVES, MOST_STORAGES = 64, 512, 16
LEVELS = {f"RAID{level}": f"raid{level}" for level in ("0", "1", "5", "6", "10", "50", "60")}
OLD = {
    "NonRedundant": "raid0", "Mirrored": "raid1", "StripedWithParity": "raid5", "SpannedMirrors": "raid10",
    "SpannedStripesWithParity": "raid50", "RawDevice": "jbod",
}  # fmt: skip
"""`VolumeType` -> the level that it means. It has no word for raid6 and raid60."""


class WantedDrive(Struct, frozen=True, kw_only=True):
    path: str
    """Its `@odata.id`."""
    serial: str = ""
    """The approved one. Empty: not compared."""


class StorageVolume(Struct, frozen=True, kw_only=True):
    """A volume that one storage controller must have, and no other one of these drives."""

    name: str
    level: str
    drives: tuple[WantedDrive, ...]
    spares: tuple[WantedDrive, ...] = ()
    stripe: int = 0
    """Bytes. 0: the service's default."""


class SeenVolume(Struct, frozen=True, kw_only=True):
    path: str
    name: str = ""
    level: str = ""
    drives: frozenset[str] = frozenset()
    wwn: str = ""
    """Hexadecimal digits in lower case, or empty."""


class VolumesDone(Struct, frozen=True, kw_only=True):
    volumes: tuple[SeenVolume, ...] = ()
    """The wanted volumes that read back, in their order."""
    accepted: tuple[str, ...] = ()
    """Names of the volumes that the service makes at the next start of the machine."""


class StorageRead(Struct, frozen=True, kw_only=True):
    """A storage resource that makes volumes."""

    path: str
    name: str
    """The last part of its path."""
    resources: dict[str, Json]
    """Path -> resource, of its drives and volumes."""


class VolumePlan(Struct, frozen=True, kw_only=True):
    delete: tuple[SeenVolume, ...] = ()
    make: tuple[StorageVolume, ...] = ()
    refused: str = ""


def plan_volumes(have: Sequence[SeenVolume], wanted: Sequence[StorageVolume]) -> VolumePlan:
    """What to delete and what to make. Pure."""
    chosen = {one.path for volume in wanted for one in (*volume.drives, *volume.spares)}
    right = {key(one) for one in have} & {wanted_key(one) for one in wanted}
    wrong = [one for one in have if key(one) not in right and one.drives & chosen]
    for one in wrong:
        if others := sorted(one.drives - chosen):
            return VolumePlan(
                refused=f"volume {one.name or one.path} must go, and it also holds {', '.join(others[:4])}, which nobody chose"
            )
    return VolumePlan(delete=tuple(wrong), make=tuple(one for one in wanted if wanted_key(one) not in right))


def key(one: SeenVolume) -> tuple[str, frozenset[str]]:
    return one.level, one.drives


def wanted_key(one: StorageVolume) -> tuple[str, frozenset[str]]:
    return one.level, frozenset(drive.path for drive in one.drives)


def make_volumes(
    session: RedfishSession, storage: str, wanted: Sequence[StorageVolume], pace: Pace, sleep: Callable[[float], None]
) -> VolumesDone | PowerFailed:
    """Makes the volumes of one storage resource. `storage`: its path. Raises `SessionFailed`."""
    about = session.get(storage).body
    collection = session.path(about.get("Volumes"))
    if (why := _strangers(session, wanted)) is not None:
        return PowerFailed(kind="refused", message=why)
    plan = plan_volumes(_seen(session, collection), wanted)
    if plan.refused:
        return PowerFailed(kind="refused", message=plan.refused)
    for one in plan.delete:
        failed = _gone(session, collection, one, pace, sleep)
        if failed is not None:
            return failed
    times = _times(session.get(collection).body)
    accepted = []
    for volume in plan.make:
        at_once = not times or "Immediate" in times
        answer = _posted(session, collection, volume, "Immediate" if "Immediate" in times else "OnReset" if "OnReset" in times else "")
        if at_once:
            failed = _arrived(session, collection, volume, answer, pace, sleep)
            if failed is not None:
                return failed
        else:
            accepted.append(volume.name)
    there = {key(one): one for one in _seen(session, collection)}
    found = tuple(there[wanted_key(one)] for one in wanted if wanted_key(one) in there)
    return VolumesDone(volumes=found, accepted=tuple(accepted))


def read_storages(session: RedfishSession, system: str) -> tuple[StorageRead, ...]:
    """The storage resources that make volumes, with their drives and volumes as they are told. Raises `SessionFailed`."""
    found: list[StorageRead] = []
    collection = session.get(system).body.get("Storage")
    if not collection:
        raise SessionFailed("unsupported", "its system has no storage by Redfish")
    for link in session.members(collection, MOST_STORAGES):
        path = session.path(link).rstrip("/")
        body = session.get(path).body
        if not is_raid(body):
            continue
        links = [*rows(body.get("Drives"))[:MOST_DRIVES], *session.members(body.get("Volumes"), MOST_VOLUMES)]
        resources = {}
        for one in links:
            own = session.path(one).partition("#")[0]
            resources[own] = _pruned(session.get(own).body)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", path.rpartition("/")[2])[:60]
        found.append(StorageRead(path=path, name=name, resources=resources))
    return tuple(found)


def seen_volumes(session: RedfishSession, storage: str) -> tuple[SeenVolume, ...]:
    """The volumes of a storage resource now. Raises `SessionFailed`."""
    return tuple(_seen(session, session.path(session.get(storage).body.get("Volumes"))))


_KEPT = (
    "@odata.type", "Id", "Name", "SerialNumber", "CapacityBytes", "MediaType", "Protocol", "Identifiers", "Status", "Links", "HotspareType",
    "StatusIndicator", "Model", "Manufacturer", "RAIDType", "VolumeType", "DisplayName", "StripSizeBytes", "Operations",
)  # fmt: skip
"""Members of drives and volumes that a report has."""


def _pruned(body: dict[str, Json]) -> dict[str, Json]:
    kept = {name: body[name] for name in _KEPT if name in body}
    dell = member(member(member(body, "Oem"), "Dell"), "DellPhysicalDisk")
    return kept | ({"Oem": {"Dell": {"DellPhysicalDisk": {"RaidStatus": dell["RaidStatus"]}}}} if "RaidStatus" in dell else {})


# -- inside --------------------------------------------------------------------------------------------------------


def _strangers(session: RedfishSession, wanted: Sequence[StorageVolume]) -> str | None:
    """Why a drive is another one than was approved."""
    drives = [one for volume in wanted for one in (*volume.drives, *volume.spares)]
    if len(drives) > MOST_DRIVES or len(wanted) > MOST_VOLUMES:
        return f"{len(wanted)} volumes of {len(drives)} drives are too many"
    for one in drives:
        body = session.get(one.path).body
        serial = str(body.get("SerialNumber") or "").strip()
        if one.serial and serial != one.serial:
            return f"the drive {one.path} has the serial number {serial[:40] or '(none)'}, and approved is {one.serial[:40]}"
        health = member(body, "Status").get("Health")
        if health == "Critical":
            return f"the drive {one.path} is in critical health"
    return None


def _seen(session: RedfishSession, collection: str) -> list[SeenVolume]:
    out = []
    for link in session.members(collection, MOST_VOLUMES):
        path = session.path(link)
        body = link if isinstance(link, dict) and len(link) > 1 else session.get(path).body
        out.append(_volume(session, path, body))
    return out


def _volume(session: RedfishSession, path: str, body: dict[str, Json]) -> SeenVolume:
    level = LEVELS.get(str(body.get("RAIDType")), "") or OLD.get(str(body.get("VolumeType")), "")
    links = rows(member(body, "Links").get("Drives")) or rows(body.get("Drives"))
    names = [
        one.get("DurableName") for one in rows(body.get("Identifiers")) if isinstance(one, dict) and one.get("DurableNameFormat") == "NAA"
    ]
    wwn = str(names[0]).lower().removeprefix("naa.").removeprefix("0x") if names else ""
    name = body.get("DisplayName") or body.get("Name")
    return SeenVolume(
        path=path,
        name=name[:80] if isinstance(name, str) else "",
        level=level,
        drives=frozenset(session.path(one) for one in links[:MOST_DRIVES]),
        wwn=wwn if wwn and all(c in "0123456789abcdef" for c in wwn) else "",
    )


def _times(collection: dict[str, Json]) -> frozenset[str]:
    """When the service can make a volume (DSP0266, `OperationApplyTimeSupport`). Empty: it does not say."""
    about = member(collection, "@Redfish.OperationApplyTimeSupport")
    return frozenset(one for one in rows(about.get("SupportedValues")) if isinstance(one, str))


def _posted(session: RedfishSession, collection: str, volume: StorageVolume, time: str) -> Answer:
    drives = [{"@odata.id": one.path} for one in volume.drives]
    more: dict[str, Json] = {"@Redfish.OperationApplyTime": time} if time else {}
    more |= {"StripSizeBytes": volume.stripe} if volume.stripe else {}
    links: dict[str, Json] = {"Drives": drives}
    if volume.spares:
        links["DedicatedSpareDrives"] = [{"@odata.id": one.path} for one in volume.spares]
    body = {"Name": volume.name, "RAIDType": volume.level.upper(), "Links": links, **more}
    try:
        return session.post(collection, body)
    except SessionFailed as refusal:
        old = next((word for word, level in OLD.items() if level == volume.level), None)
        if refusal.failed.kind not in ("refused", "unsupported") or refusal.passing or old is None or volume.spares:
            raise
        return session.post(collection, {"Name": volume.name, "VolumeType": old, "Drives": drives, **more})


def _gone(session: RedfishSession, collection: str, one: SeenVolume, pace: Pace, sleep: Callable[[float], None]) -> PowerFailed | None:
    """Deletes a volume and waits until it no longer reads back."""
    task = session.task_of(session.delete(one.path))
    why = [""]

    def look() -> bool:
        why[0] = session.task_failed(task) if task else ""
        return why[0] != "" or one.path not in {session.path(link) for link in session.members(collection, MOST_VOLUMES)}

    done = look_until(look, bool, session.deadline, pace, sleep)
    if why[0]:
        return PowerFailed(kind="refused", message=f"volume {one.name or one.path} is not deleted: {why[0]}")
    return None if done else PowerFailed(kind="not_obeyed", message=f"volume {one.name or one.path} still reads back after it was deleted")


def _arrived(
    session: RedfishSession, collection: str, volume: StorageVolume, answer: Answer, pace: Pace, sleep: Callable[[float], None]
) -> PowerFailed | None:
    """Waits until the volume reads back."""
    task = session.task_of(answer)
    why = [""]

    def look() -> bool:
        why[0] = session.task_failed(task) if task else ""
        return why[0] != "" or wanted_key(volume) in {key(one) for one in _seen(session, collection)}

    done = look_until(look, bool, session.deadline, pace, sleep)
    if why[0]:
        return PowerFailed(kind="refused", message=f"volume {volume.name} is not made: {why[0]}")
    return None if done else PowerFailed(kind="not_obeyed", message=f"volume {volume.name} was accepted, and does not read back")
