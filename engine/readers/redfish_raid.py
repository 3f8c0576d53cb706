"""Redfish: the drives and volumes of one RAID controller, as the role `raid-discover-bmc` hands them over (DSP2046 Storage, Drive, Volume).

The report is a JSON object: the path of the Storage, and each of its resources by its path. Drives are named by the last part of their
paths, as volumes name their members. Two drives of one name are refused: nobody could tell which one an order means.
"""

from __future__ import annotations

from msgspec import Struct, structs

from ..parts import Drive, Parts
from .redfish_json import Body, inner, last_of, object_of, path_of
from .redfish_storage import drive, volume
from .report import Refused


class RaidStorage(Struct, frozen=True, kw_only=True):
    path: str
    parts: Parts
    drives: dict[str, str]
    """Place of a drive -> its path."""


def read(said: str) -> Parts:
    """Raises Refused."""
    return read_storage(said).parts


def read_storage(said: str) -> RaidStorage:
    """Raises Refused."""
    tree = object_of(said)
    path, name = tree.get("storage"), tree.get("name")
    bodies = tree.get("resources")
    if not isinstance(path, str) or not isinstance(name, str) or not isinstance(bodies, dict):
        raise Refused("it is no report of a storage by Redfish")
    kept = [{"@odata.id": key, **body} for key, body in bodies.items() if isinstance(body, dict)]
    volumes = [one for body in kept if _is_volume(body) for one in volume(body, name).volumes]
    inside = {place: one.place for one in volumes for place in one.members}
    spares = {place for one in volumes for place in one.spares}
    drives: dict[str, Drive] = {}
    paths: dict[str, str] = {}
    for body in kept:
        for one in () if _is_volume(body) else drive(body, name).drives:
            place = last_of(path_of(body))
            if place in drives:
                raise Refused(f"two drives are called {place[:40]}")
            drives[place] = _placed(one, place, inside.get(place, ""), place in spares)
            paths[place] = path_of(body)
    return RaidStorage(path=path, parts=Parts(drives=tuple(drives.values()), volumes=tuple(volumes)), drives=paths)


def _is_volume(body: Body) -> bool:
    return "/volumes/" in path_of(body).lower()


def _placed(one: Drive, place: str, of: str, spare: bool) -> Drive:
    """The drive with its state. A service without the maker's own words says no more than whose member it is."""
    state = "online" if of and one.state in ("", "unused", "online") else "spare" if spare and not one.state else one.state or "unused"
    return structs.replace(one, place=place, volume=of, state=state)


def is_raid(body: Body) -> bool:
    """False for a controller that says that it makes no volumes."""
    controllers = body.get("StorageControllers")
    said = [one.get("SupportedRAIDTypes") for one in controllers if isinstance(one, dict)] if isinstance(controllers, list) else []
    told = [one for one in said if isinstance(one, list)]
    return bool(inner(body, "Volumes")) and (not told or any(kind not in ("None", None) for one in told for kind in one))
