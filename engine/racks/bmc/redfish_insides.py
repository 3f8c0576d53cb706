"""What a simulated BMC shows of the inside of its machine, and what it takes orders for: BIOS settings, firmware, drives and volumes.

    Systems/1/Bios, Bios/Settings   Registries/Bios   UpdateService, FirmwareInventory   TaskService/Tasks   Systems/1/Storage/RAID1

Rules
* The machine holds the state (`Insides`). So settings wait for its next self test, and outlive a power cut like those of a real one.
* Settings and firmware that the machine cannot have are refused with 400. Nothing is taken in part.
* After its own firmware was replaced, the BMC breaks off all requests until DEAF calls have begun, and has forgotten its tasks.
* A machine with a fault (`Faults.updates`) accepts like any other one. Only what follows is different.

Schemas: DSP2046 Bios, AttributeRegistry, UpdateService, SoftwareInventory, Task, Storage, Drive, Volume.
"""

from __future__ import annotations

import json
import re
from typing import Protocol

from msgspec import Struct

from .redfish_reply import ROOT, Json, Reply, Request, collection, etag_of, link, object_in, refusal

SYSTEM = f"{ROOT}/Systems/1"
BIOS, SETTINGS = f"{SYSTEM}/Bios", f"{SYSTEM}/Bios/Settings"
REGISTRIES, REGISTRY, REGISTRY_FILE = f"{ROOT}/Registries", f"{ROOT}/Registries/Bios", f"{ROOT}/Registries/Bios/Bios.json"
UPDATE, INVENTORY, PUSH = f"{ROOT}/UpdateService", f"{ROOT}/UpdateService/FirmwareInventory", f"{ROOT}/UpdateService/upload"
TASKS = f"{ROOT}/TaskService/Tasks"
STORAGE = f"{SYSTEM}/Storage"
RAID = f"{STORAGE}/RAID1"
VOLUMES = f"{RAID}/Volumes"
DEAF = 2
"""Calls that find a BMC away while it starts again. Each begins with the service root."""
MOST_TASKS, MOST_VOLUMES = 64, 16
IMAGE = re.compile(rb"simulated firmware ([a-z]{2,10}) ([0-9A-Za-z.-]{1,30})\n")
"""How a file begins that a simulated machine takes as firmware: its part and its version."""
LEVELS = {"RAID0": 1, "RAID1": 2, "RAID5": 3, "RAID6": 4, "RAID10": 4}
"""Level -> its least number of drives."""


class InsideDrive(Struct, frozen=True, kw_only=True):
    serial: str
    size: int
    rotational: bool
    protocol: str
    wwn: str = ""


class InsideVolume(Struct, frozen=True, kw_only=True):
    name: str
    level: str
    """`raid1`, ..."""
    serials: tuple[str, ...]
    size: int
    wwn: str


class Insides(Protocol):
    """The inside of a machine. Called from the farm's thread, so methods must be quick and thread-safe."""

    @property
    def updates(self) -> str:
        """`Faults.updates`."""

    def settings(self) -> dict[str, str]: ...

    def waiting(self) -> dict[str, str]:
        """Settings for the next self test."""

    def write(self, settings: dict[str, str]) -> None: ...

    def choices(self) -> dict[str, tuple[str, ...]]: ...

    def numbers(self) -> dict[str, tuple[int, int]]: ...

    def versions(self) -> dict[str, str]:
        """Part -> version of its firmware."""

    def stage(self, part: str, version: str) -> None:
        """The BMC's own is replaced now, any other one at the next self test."""

    def staged(self) -> dict[str, str]: ...

    def drives(self) -> list[InsideDrive]: ...

    def volumes(self) -> list[InsideVolume]: ...

    def make(self, name: str, level: str, serials: list[str]) -> None: ...

    def delete(self, wwn: str) -> None: ...


class _Task(Struct, kw_only=True):
    part: str
    version: str


class Inside:
    """The resources of one BMC."""

    def __init__(self, machine: Insides) -> None:
        self.machine = machine
        self.deaf = 0
        """Calls that are broken off from now on."""
        self._tasks: dict[int, _Task] = {}
        self._number = 0

    def of_root(self) -> dict[str, Json]:
        return {
            "UpdateService": link(UPDATE),
            "Tasks": link(f"{ROOT}/TaskService"),
            "Registries": link(REGISTRIES),
        }

    def of_system(self) -> dict[str, Json]:
        return {"Bios": link(BIOS), "Storage": link(STORAGE)}

    def answer(self, request: Request, path: str, lying: bool) -> Reply | None:
        """None: the path is none of these. `lying`: what is ordered is answered well and dropped."""
        match request.method, path:
            case "PATCH", _ if path == SETTINGS:
                return self._set(request, lying)
            case "POST", _ if path == PUSH:
                return self._push(request, lying)
            case "POST", _ if path == VOLUMES:
                return self._make(request, lying)
            case "DELETE", _ if path.startswith(f"{VOLUMES}/"):
                return self._delete(path, lying)
            case "GET" | "HEAD", _:
                found = self._resource(path)
                return None if found is None else Reply(status=200, body=found, headers={"ETag": etag_of(found)})
        return None

    def _resource(self, path: str) -> Json | None:
        fixed = {
            BIOS: self._bios, SETTINGS: self._settings, REGISTRIES: self._registries, REGISTRY: self._registry,
            REGISTRY_FILE: self._registry_file, UPDATE: self._update, INVENTORY: self._inventory, f"{ROOT}/TaskService": self._task_service,
            TASKS: self._task_list, STORAGE: self._storages, RAID: self._storage, VOLUMES: self._volume_list,
        }  # fmt: skip
        if path in fixed:
            return fixed[path]()
        folder, _, name = path.rpartition("/")
        rest = {INVENTORY: self._software, TASKS: self._task, VOLUMES: self._volume, f"{RAID}/Drives": self._drive}
        return rest[folder](name) if folder in rest else None

    # -- BIOS (DSP2046 Bios, AttributeRegistry) ---------------------------------------------------------------------

    def _values(self, settings: dict[str, str]) -> dict[str, Json]:
        return {name: int(value) if name in self.machine.numbers() else value for name, value in settings.items()}

    def _bios(self) -> Json:
        about = {
            "@odata.type": "#Settings.v1_3_0.Settings",
            "SettingsObject": link(SETTINGS),
            "SupportedApplyTimes": ["OnReset"],
        }
        return {
            "@odata.type": "#Bios.v1_1_0.Bios",
            "@odata.id": BIOS,
            "Id": "Bios",
            "Name": "BIOS",
            "AttributeRegistry": "Bios",
            "Attributes": self._values(self.machine.settings()),
            "@Redfish.Settings": about,
        }

    def _settings(self) -> Json:
        values = self._values({**self.machine.settings(), **self.machine.waiting()})
        return {
            "@odata.type": "#Bios.v1_1_0.Bios", "@odata.id": SETTINGS, "Id": "Settings", "Name": "BIOS Settings",
            "AttributeRegistry": "Bios", "Attributes": values,
        }  # fmt: skip

    def _set(self, request: Request, lying: bool) -> Reply:
        if request.headers.get("if-match", "*") not in ("*", etag_of(self._settings())):
            return refusal(412, "PreconditionFailed", "The ETag supplied did not match.")
        asked = (object_in(request.body) or {}).get("Attributes")
        if not isinstance(asked, dict) or not asked:
            return refusal(400, "PropertyMissing", "Attributes is missing, or empty.")
        for name, value in asked.items():
            if (why := self._wrong(name, value)) is not None:
                return why
        if not lying:
            self.machine.write({name: str(value) for name, value in asked.items()})
        return Reply(status=200, body=self._settings())

    def _wrong(self, name: str, value: Json) -> Reply | None:
        if name not in self.machine.settings():
            return refusal(400, "PropertyUnknown", f"The property {name[:50]} is not in the list of valid properties.")
        span = self.machine.numbers().get(name)
        if span is not None:
            good = isinstance(value, int) and not isinstance(value, bool) and span[0] <= value <= span[1]
        else:
            good = isinstance(value, str) and value in self.machine.choices().get(name, (value,))
        return None if good else refusal(400, "PropertyValueNotInList", f"{name[:50]} cannot have that value.")

    def _registries(self) -> Json:
        return collection(REGISTRIES, "MessageRegistryFileCollection", [REGISTRY])

    def _registry(self) -> Json:
        return {
            "@odata.type": "#MessageRegistryFile.v1_1_0.MessageRegistryFile", "@odata.id": REGISTRY, "Id": "Bios", "Name": "BIOS registry",
            "Registry": "Bios.1.0", "Languages": ["en"], "Location": [{"Language": "en", "Uri": REGISTRY_FILE}],
        }  # fmt: skip

    def _registry_file(self) -> Json:
        rows: list[Json] = []
        for name in self.machine.settings():
            row: dict[str, Json] = {"AttributeName": name, "DisplayName": name, "ReadOnly": False, "ResetRequired": True}
            span = self.machine.numbers().get(name)
            if span is not None:
                row |= {"Type": "Integer", "LowerBound": span[0], "UpperBound": span[1], "ScalarIncrement": 1}
            elif name in self.machine.choices():
                row |= {"Type": "Enumeration", "Value": [{"ValueName": one} for one in self.machine.choices()[name]]}
            else:
                row |= {"Type": "String", "MaxLength": 200}
            rows.append(row)
        return {
            "@odata.type": "#AttributeRegistry.v1_3_0.AttributeRegistry", "Id": "Bios.1.0", "Name": "BIOS registry", "Language": "en",
            "OwningEntity": "Simulated", "RegistryVersion": "1.0.0", "RegistryEntries": {"Attributes": rows},
        }  # fmt: skip

    # -- firmware (DSP0266 12.6, DSP2046 UpdateService, Task) -------------------------------------------------------

    def _update(self) -> Json:
        return {
            "@odata.type": "#UpdateService.v1_8_0.UpdateService", "@odata.id": UPDATE, "Id": "UpdateService", "Name": "Update Service",
            "ServiceEnabled": True, "FirmwareInventory": link(INVENTORY), "MultipartHttpPushUri": PUSH, "MaxImageSizeBytes": 16 << 20,
        }  # fmt: skip

    def _inventory(self) -> Json:
        return collection(INVENTORY, "SoftwareInventoryCollection", [f"{INVENTORY}/{part.upper()}" for part in self.machine.versions()])

    def _software(self, name: str) -> Json | None:
        version = self.machine.versions().get(name.lower())
        if version is None or name != name.upper():
            return None
        return {
            "@odata.type": "#SoftwareInventory.v1_3_0.SoftwareInventory", "@odata.id": f"{INVENTORY}/{name}", "Id": name, "Name": name,
            "Version": version, "Updateable": True, "Status": {"State": "Enabled", "Health": "OK"},
        }  # fmt: skip

    def _push(self, request: Request, lying: bool) -> Reply:
        found = IMAGE.search(request.body)
        if found is None or "multipart/form-data" not in request.headers.get("content-type", ""):
            return refusal(400, "UnsupportedMediaType", "The file is no firmware of this machine.")
        part, version = found[1].decode(), found[2].decode()
        if part not in self.machine.versions():
            return refusal(400, "ResourceMissingAtURI", f"The machine has no {part}.")
        self._number += 1
        self._tasks[self._number] = _Task(part=part, version=version)
        while len(self._tasks) > MOST_TASKS:
            del self._tasks[next(iter(self._tasks))]
        if not lying:
            self.machine.stage(part, version)
            if part == "bmc" and self.machine.updates != "endless":
                self.deaf = DEAF
        return Reply(status=202, headers={"Location": f"{TASKS}/{self._number}"}, body=self._task(str(self._number)))

    def woke(self) -> None:
        """The BMC has started again."""
        self._tasks.clear()

    def _task_service(self) -> Json:
        return {
            "@odata.type": "#TaskService.v1_1_0.TaskService", "@odata.id": f"{ROOT}/TaskService", "Id": "TaskService", "Name": "Tasks",
            "ServiceEnabled": True, "Tasks": link(TASKS),
        }  # fmt: skip

    def _task_list(self) -> Json:
        shown = [] if self.machine.updates == "forgets" else list(self._tasks)
        return collection(TASKS, "TaskCollection", [f"{TASKS}/{one}" for one in shown])

    def _task(self, name: str) -> Json | None:
        task = self._tasks.get(int(name)) if name.isdecimal() and len(name) < 9 else None
        if task is None or self.machine.updates == "forgets":
            return None
        over = self.machine.updates != "endless" and task.part not in self.machine.staged()
        return {
            "@odata.type": "#Task.v1_4_0.Task", "@odata.id": f"{TASKS}/{name}", "Id": name, "Name": f"Update of {task.part}",
            "TaskState": "Completed" if over else "Running", "TaskStatus": "OK",
            "Messages": [{"MessageId": "Update.1.0.Update", "Message": f"{task.part} {task.version}"}],
        }  # fmt: skip

    # -- drives and volumes (DSP2046 Storage, Drive, Volume) --------------------------------------------------------

    def _storages(self) -> Json:
        return collection(STORAGE, "StorageCollection", [RAID])

    def _storage(self) -> Json:
        drives = [link(f"{RAID}/Drives/{n}") for n, _ in enumerate(self.machine.drives())]
        about = {"@odata.id": f"{RAID}#/StorageControllers/0", "MemberId": "0", "Name": "RAID1", "Model": "Simulated RAID"}
        return {
            "@odata.type": "#Storage.v1_8_0.Storage", "@odata.id": RAID, "Id": "RAID1", "Name": "RAID1", "StorageControllers": [about],
            "Drives": drives, "Drives@odata.count": len(drives), "Volumes": link(VOLUMES), "Status": {"State": "Enabled", "Health": "OK"},
        }  # fmt: skip

    def _drive(self, name: str) -> Json | None:
        drives = self.machine.drives()
        if not name.isdecimal() or len(name) > 3 or int(name) >= len(drives):
            return None
        one = drives[int(name)]
        inside = [link(f"{VOLUMES}/{volume.wwn}") for volume in self.machine.volumes() if one.serial in volume.serials]
        names = [{"DurableName": one.wwn.removeprefix("naa."), "DurableNameFormat": "NAA"}] if one.wwn else []
        return {
            "@odata.type": "#Drive.v1_11_0.Drive", "@odata.id": f"{RAID}/Drives/{name}", "Id": name, "Name": f"Drive {name}",
            "SerialNumber": one.serial, "CapacityBytes": one.size, "MediaType": "HDD" if one.rotational else "SSD",
            "Protocol": one.protocol,
            "Identifiers": names, "Status": {"State": "Enabled", "Health": "OK"}, "Links": {"Volumes": inside},
            "PhysicalLocation": {"PartLocation": {"LocationOrdinalValue": int(name), "LocationType": "Bay", "ServiceLabel": f"Bay {name}"}},
        }  # fmt: skip

    def _volume_list(self) -> Json:
        found = collection(VOLUMES, "VolumeCollection", [f"{VOLUMES}/{one.wwn}" for one in self.machine.volumes()])
        return {**found, "@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate"]}}

    def _volume(self, name: str) -> Json | None:
        one = next((volume for volume in self.machine.volumes() if volume.wwn == name), None)
        if one is None:
            return None
        places = {drive.serial: n for n, drive in enumerate(self.machine.drives())}
        return {
            "@odata.type": "#Volume.v1_6_0.Volume", "@odata.id": f"{VOLUMES}/{name}", "Id": name, "Name": one.name,
            "RAIDType": one.level.upper(), "CapacityBytes": one.size, "Status": {"State": "Enabled", "Health": "OK"},
            "Identifiers": [{"DurableName": one.wwn, "DurableNameFormat": "NAA"}],
            "Links": {"Drives": [link(f"{RAID}/Drives/{places[serial]}") for serial in one.serials if serial in places]},
        }  # fmt: skip

    def _make(self, request: Request, lying: bool) -> Reply:
        asked = object_in(request.body) or {}
        level, links = asked.get("RAIDType"), (asked.get("Links") or {}).get("Drives") if isinstance(asked.get("Links"), dict) else None
        name = asked.get("Name")
        if not isinstance(level, str) or level not in LEVELS or not isinstance(links, list) or not isinstance(name, str):
            return refusal(400, "PropertyMissing", "RAIDType, Name and Links/Drives are needed.")
        drives = self.machine.drives()
        places = {f"{RAID}/Drives/{n}": drive.serial for n, drive in enumerate(drives)}
        serials = [places.get(str(one.get("@odata.id"))) if isinstance(one, dict) else None for one in links]
        known = [one for one in serials if one is not None]
        busy = {serial for volume in self.machine.volumes() for serial in volume.serials}
        if len(known) != len(serials) or len(set(known)) != len(known) or busy & set(known) or len(known) < LEVELS[level]:
            return refusal(400, "PropertyValueError", "These drives cannot be joined: one is unknown or in use, or they are too few.")
        if len(self.machine.volumes()) >= MOST_VOLUMES:
            return refusal(400, "CreateLimitReachedForResource", "There are too many volumes.")
        if not lying:
            self.machine.make(name[:15] or "volume", level.lower(), known)
        return Reply(status=201, body={"@odata.id": VOLUMES})

    def _delete(self, path: str, lying: bool) -> Reply:
        name = path.rpartition("/")[2]
        if self._volume(name) is None:
            return refusal(404, "ResourceMissingAtURI", f"The resource at the URI {path[:100]} was not found.")
        if not lying:
            self.machine.delete(name)
        return Reply(status=204)


def image(part: str, version: str) -> bytes:
    """A file that simulated machines take as firmware."""
    return f"simulated firmware {part} {version}\n{json.dumps({'part': part, 'version': version})}\n".encode()
