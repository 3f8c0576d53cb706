"""Volumes by Redfish, against a service that holds them and is odd in the ways that real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_rig import ONE_LOOK, Service, redfish, system

from engine.power import PowerFailed
from engine.power.redfish_volumes import SeenVolume, StorageVolume, VolumesDone, WantedDrive, plan_volumes

STORAGE = "/redfish/v1/Systems/1/Storage/RAID.1"
DRIVES = [f"{STORAGE}/Drives/{n}" for n in range(4)]


class Shelf:
    """A storage controller with four drives."""

    def __init__(self) -> None:
        self.volumes: dict[str, dict[str, Any]] = {}
        self.old = False
        self.task = ""
        self.lies = False
        self.times: list[str] = []
        self.next = 0

    def replies(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "GET /redfish/v1/Systems/1": system(Storage={"@odata.id": "/redfish/v1/Systems/1/Storage"}),
            f"GET {STORAGE}": {"Volumes": {"@odata.id": f"{STORAGE}/Volumes"}, "Drives": [{"@odata.id": one} for one in DRIVES]},
            f"GET {STORAGE}/Volumes": lambda _: self.collection(),
            f"POST {STORAGE}/Volumes": self.make,
            "GET /redfish/v1/Tasks/7": lambda _: {"TaskState": self.task},
        }
        out |= {f"GET {one}": {"SerialNumber": f"SER{n}", "Status": {"Health": "OK"}} for n, one in enumerate(DRIVES)}
        for n in range(8):
            path = f"{STORAGE}/Volumes/{n}"
            out[f"GET {path}"] = lambda _, path=path: self.volumes.get(path, (404, {}, {}))
            out[f"DELETE {path}"] = lambda _, path=path: (204, {}, {}) if self.volumes.pop(path, None) else (404, {}, {})
        return out

    def collection(self) -> dict[str, Any]:
        more = {"@Redfish.OperationApplyTimeSupport": {"SupportedValues": self.times}} if self.times else {}
        return {"Members": [{"@odata.id": one} for one in self.volumes], **more}

    def make(self, service: Service) -> Any:
        body = service.seen[-1][2]
        if self.old and "RAIDType" in body:
            return 400, {}, {"error": {"message": "The property RAIDType is not in the list of valid properties for the resource."}}
        if self.times == ["OnReset"]:
            assert body["@Redfish.OperationApplyTime"] == "OnReset"
            return 202, {}, {}
        if not self.lies and self.task != "Exception":
            self.add(body)
        return (202, {"Location": "/redfish/v1/Tasks/7"}, {}) if self.task else (201, {}, {})

    def add(self, body: dict[str, Any]) -> None:
        path = f"{STORAGE}/Volumes/{self.next}"
        self.next += 1
        names = [{"DurableName": f"600508B1001C{self.next:020X}", "DurableNameFormat": "NAA"}]
        drives = body.get("Drives") or body["Links"]["Drives"]
        kind: dict[str, Any] = {key: body[key] for key in ("RAIDType", "VolumeType") if key in body}
        self.volumes[path] = {"@odata.id": path, "Name": body["Name"], "Identifiers": names, "Links": {"Drives": drives}, **kind}


def volume(level: str, *numbers: int, name: str = "os", serial: str = "SER") -> StorageVolume:
    return StorageVolume(name=name, level=level, drives=tuple(WantedDrive(path=DRIVES[n], serial=f"{serial}{n}") for n in numbers))


def done(result: object) -> VolumesDone:
    assert isinstance(result, VolumesDone), result
    return result


def failed(result: object, *words: str) -> None:
    assert isinstance(result, PowerFailed), result
    assert all(word in result.message for word in words), result.message


def writes(service: Service) -> list[str]:
    return [line.partition(" ")[0] for line, _, _ in service.seen if line.startswith(("POST", "DELETE")) and STORAGE in line]


def test_a_volume_is_made_once_and_reads_back_with_its_wwn(tmp_path: Path) -> None:
    shelf = Shelf()
    with Service(tmp_path, shelf.replies()) as service:
        first = done(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0))
        assert [(one.level, one.wwn) for one in first.volumes] == [("raid1", "600508b1001c00000000000000000001")]
        assert service.asked(f"POST {STORAGE}/Volumes")[0][1] == {
            "Name": "os",
            "RAIDType": "RAID1",
            "Links": {"Drives": [{"@odata.id": DRIVES[0]}, {"@odata.id": DRIVES[1]}]},
        }
        assert done(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0)) == first
        assert writes(service) == ["POST"]


def test_a_wrong_volume_of_the_same_drives_goes(tmp_path: Path) -> None:
    shelf = Shelf()
    with Service(tmp_path, shelf.replies()) as service:
        done(redfish(service.port).volumes(STORAGE, [volume("raid0", 0, 1), volume("raid1", 2, 3, name="keep")], 60.0))
        done(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0))
        assert writes(service) == ["POST", "POST", "DELETE", "POST"]
        assert sorted(one["RAIDType"] for one in shelf.volumes.values()) == ["RAID1", "RAID1"]


def test_a_volume_that_holds_other_drives_stays(tmp_path: Path) -> None:
    shelf = Shelf()
    with Service(tmp_path, shelf.replies()) as service:
        done(redfish(service.port).volumes(STORAGE, [volume("raid5", 0, 1, 2)], 60.0))
        failed(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0), "also holds", DRIVES[2], "nobody chose")
        assert writes(service) == ["POST"]


def test_an_exchanged_drive_is_not_touched(tmp_path: Path) -> None:
    with Service(tmp_path, Shelf().replies()) as service:
        failed(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1, serial="OLD")], 60.0), "SER0", "approved is OLD0")
        assert writes(service) == []


def test_a_service_of_the_old_schema(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.old = True
    with Service(tmp_path, shelf.replies()) as service:
        assert done(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0)).volumes[0].level == "raid1"
        assert service.asked(f"POST {STORAGE}/Volumes")[-1][1]["VolumeType"] == "Mirrored"
        failed(redfish(service.port).volumes(STORAGE, [volume("raid6", 0, 1, 2, 3)], 60.0), "RAIDType")


def test_accepted_for_the_next_start_is_not_made(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.times = ["OnReset"]
    with Service(tmp_path, shelf.replies()) as service:
        assert redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0) == VolumesDone(accepted=("os",))


def test_at_once_where_the_service_can(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.times = ["OnReset", "Immediate"]
    with Service(tmp_path, shelf.replies()) as service:
        assert done(redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0)).volumes
        assert service.asked(f"POST {STORAGE}/Volumes")[0][1]["@Redfish.OperationApplyTime"] == "Immediate"


@pytest.mark.parametrize(("task", "words"), [("Exception", "its task ended as Exception"), ("Completed", "")])
def test_the_task_explains_and_what_reads_back_counts(tmp_path: Path, task: str, words: str) -> None:
    shelf = Shelf()
    shelf.task = task
    with Service(tmp_path, shelf.replies()) as service:
        found = redfish(service.port).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0)
        if words:
            failed(found, words)
        else:
            assert done(found).volumes


def test_a_yes_that_makes_nothing(tmp_path: Path) -> None:
    shelf = Shelf()
    shelf.lies = True
    with Service(tmp_path, shelf.replies()) as service:
        failed(redfish(service.port, ONE_LOOK).volumes(STORAGE, [volume("raid1", 0, 1)], 60.0), "accepted, and does not read back")


def test_the_storage_of_another_system_is_refused(tmp_path: Path) -> None:
    with Service(tmp_path, Shelf().replies()) as service:
        other = STORAGE.replace("Systems/1/", "Systems/12/")
        failed(redfish(service.port).volumes(other, [volume("raid1", 0, 1)], 60.0), "of another system")


def test_the_plan() -> None:
    mirror = SeenVolume(path="/v/0", level="raid1", drives=frozenset(DRIVES[:2]))
    assert plan_volumes([mirror], [volume("raid1", 1, 0)]).make == ()
    assert plan_volumes([mirror], [volume("raid0", 0, 1)]).delete == (mirror,)
    assert plan_volumes([mirror], [volume("raid1", 2, 3)]).delete == ()
    assert "nobody chose" in plan_volumes([mirror], [volume("raid1", 0, 2)]).refused
