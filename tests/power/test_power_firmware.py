"""Firmware by Redfish against BMCs that hold state and have bad habits: the file that arrives, and what is seen until it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redfish_rig import IMPATIENT, Service, redfish

from engine.core.hardware import firmware_update as update
from engine.core.hardware.firmware_update import FirmwareUpdate
from engine.power import FirmwareSeen, FirmwareStaged, PowerFailed

SERVICE, ENTRY, TASK = "/redfish/v1/UpdateService", "/redfish/v1/UpdateService/FirmwareInventory/BMC", "/redfish/v1/TaskService/Tasks/1"
PUSH, FETCH = f"{SERVICE}/push", f"{SERVICE}/Actions/UpdateService.SimpleUpdate"
IMAGE = bytes(range(256)) * 40
URL = "https://10.0.0.1/bundle/bmc.bin"


class FirmwareState:
    """A BMC with an update service. `habit`: what it does wrongly."""

    def __init__(self, habit: str = "") -> None:
        self.habit = habit
        self.version, self.staged = "1.0.0", ""
        self.task = "Running"
        self.away = 0
        self.pushed: list[tuple[dict[str, str], Any]] = []

    def replies(self) -> dict[str, Any]:
        push = {} if self.habit == "only fetches" else {"MultipartHttpPushUri": PUSH}
        fetch = {"#UpdateService.SimpleUpdate": {"target": FETCH, "TransferProtocol@Redfish.AllowableValues": ["HTTPS"]}}
        return {
            "GET /redfish/v1/": {
                "RedfishVersion": "1.6.0",
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
                "UpdateService": {"@odata.id": SERVICE},
            },
            f"GET {SERVICE}": {"ServiceEnabled": True, "Actions": fetch, **push},
            f"POST {FETCH}": self.accept,
            f"GET {ENTRY}": lambda _: {
                "Id": "BMC",
                "@odata.type": "#SoftwareInventory.v1_2_0.SoftwareInventory",
                "Name": "BMC",
                "Version": self.version,
            },
            f"GET {TASK}": self.task_reply,
        }

    def accept(self, service: Service) -> Any:
        self.pushed.append(service.seen[-1][1:])
        self.staged = "2.0.0"
        if self.habit == "shows it at once":
            self.version = "2.0.0"
        if self.habit == "names the task in a message":
            return (
                202,
                {},
                {
                    "@odata.context": "/redfish/v1/$metadata#x",
                    "Accepted": {"code": "Base.v1_10_3.Accepted", "@Message.ExtendedInfo": [{"MessageArgs": [TASK]}]},
                },
            )
        return 202, {"Location": TASK}, {}

    def task_reply(self, _: Service) -> Any:
        return (
            (404, {}, {}) if self.task == "gone" else {"TaskState": self.task, "Messages": [{"Message": "the image is for another board"}]}
        )

    def restart(self) -> None:
        """It comes back with the staged version, and without its tasks."""
        if self.habit != "forgets it":
            self.version = self.staged or self.version
        self.task = "gone"


def staged(state: FirmwareState, service: Service) -> FirmwareStaged | PowerFailed:
    return redfish(service.port).stage_firmware("bmc.bin", IMAGE, URL, [ENTRY])


def stepped(now: FirmwareUpdate, seen: FirmwareSeen | PowerFailed) -> FirmwareUpdate:
    """One look, as the state machine takes it."""
    if isinstance(seen, PowerFailed):
        return update.gone(now) if seen.kind in ("unreachable", "timeout") else now
    return update.gone(now) if seen.gone else update.answered(update.task_seen(now, seen.task, seen.message), seen.version)


def test_fetched_restarted_and_read_back(tmp_path: Path) -> None:
    state = FirmwareState("only fetches")
    now = FirmwareUpdate(part="bmc", want="2.0.0", had="1.0.0")
    with Service(tmp_path, state.replies()) as service:
        found = staged(state, service)
        assert found == FirmwareStaged(task=TASK)
        power = redfish(service.port)
        now = stepped(update.accepted(now), power.look_firmware(TASK, ENTRY))
        assert (now.stage, now.task, now.reads) == ("accepted", "running", "1.0.0")
    _, body = state.pushed[0]
    assert body == {"ImageURI": URL, "TransferProtocol": "HTTPS", "Targets": [ENTRY]}
    state.restart()
    now = stepped(now, redfish(service.port, IMPATIENT).look_firmware(TASK, ENTRY))  # nobody listens now
    assert (now.stage, now.went) == ("away", True)
    with Service(tmp_path, state.replies()) as service:
        power = redfish(service.port)
        stages = []
        for _ in range(3):
            now = stepped(now, power.look_firmware(TASK, ENTRY))
            stages.append(now.stage)
    assert stages == ["back", "back", "applied"]


@pytest.mark.parametrize("habit", ["shows it at once", "forgets it"])
def test_a_claim_is_not_enough(habit: str, tmp_path: Path) -> None:
    """One shows the new version and never restarts; the other restarts with the old one, and its task is gone."""
    state = FirmwareState(habit)
    now = FirmwareUpdate(part="bmc", want="2.0.0")
    with Service(tmp_path, {**state.replies(), f"POST {PUSH}": (405, {}, {})}) as service:
        service.replies[f"GET {SERVICE}"] = {k: v for k, v in service.replies[f"GET {SERVICE}"].items() if k != "MultipartHttpPushUri"}
        assert isinstance(staged(state, service), FirmwareStaged)
        now = update.accepted(now)
        if habit == "forgets it":
            now = update.gone(now)
            state.restart()
        for _ in range(5):
            now = stepped(now, redfish(service.port).look_firmware(TASK, ENTRY))
    ended = update.time_over(now)
    assert ended.stage == "unknown"
    assert ("nothing went away" in ended.why) == (habit == "shows it at once")
    assert ("1.0.0 reads back" in ended.why) == (habit == "forgets it")


def test_a_pushed_file_arrives_whole(tmp_path: Path) -> None:
    got: list[tuple[str, bytes]] = []

    class Receiver(Service):
        def _turn(self, sock: Any, lines: Any) -> bool:
            first = lines.peek(5)[:5]
            if first != b"POST ":
                return super()._turn(sock, lines)
            lines.readline()
            headers = {}
            while (line := lines.readline().decode().strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = lines.read(int(headers["content-length"]))
            if "multipart" in headers.get("content-type", ""):
                got.append((headers["content-type"], body))
            sock.sendall(f"HTTP/1.1 202 Accepted\r\nLocation: {TASK}\r\nContent-Length: 0\r\n\r\n".encode())
            return True

    state = FirmwareState()
    with Receiver(tmp_path, state.replies()) as service:
        assert staged(state, service) == FirmwareStaged(task=TASK)
    kind, body = got[0]
    boundary = kind.partition("boundary=")[2].encode()
    parts = body.split(b"--" + boundary)
    assert len(parts) == 4
    assert parts[3] == b"--\r\n"
    assert b'name="UpdateParameters"' in parts[1]
    assert f'{{"Targets": ["{ENTRY}"]}}'.encode() in parts[1]
    assert parts[2].endswith(b"\r\n\r\n" + IMAGE + b"\r\n")


def test_a_task_that_is_named_in_a_message(tmp_path: Path) -> None:
    state = FirmwareState("names the task in a message")
    replies = state.replies()
    replies[f"GET {SERVICE}"].pop("MultipartHttpPushUri")
    with Service(tmp_path, replies) as service:
        assert staged(state, service) == FirmwareStaged(task=TASK)


@pytest.mark.parametrize(
    ("reply", "task"),
    [
        ({"TaskState": "Running"}, "running"),
        ({"TaskState": "Completed", "TaskStatus": "OK"}, "completed"),
        ({"TaskState": "Completed", "TaskStatus": "Critical"}, "failed"),
        ({"TaskState": "Exception", "Messages": [{"Message": "wrong"}]}, "failed"),
        ({"JobState": "CompletedWithErrors"}, "failed"),
        ({"JobState": "Failed"}, "failed"),
        ((404, {}, {}), "vanished"),
        ((202, {}, {}), "running"),
        ((403, {}, {}), "failed"),
    ],
)
def test_what_a_task_says(reply: Any, task: str, tmp_path: Path) -> None:
    with Service(tmp_path, {**FirmwareState().replies(), f"GET {TASK}": reply}) as service:
        seen = redfish(service.port).look_firmware(TASK, ENTRY)
    assert isinstance(seen, FirmwareSeen), seen
    assert (seen.task, seen.version) == (task, "1.0.0")


@pytest.mark.parametrize(
    ("more", "kind", "words"),
    [
        ({f"GET {SERVICE}": {"ServiceEnabled": False}}, "refused", "its update service is switched off"),
        ({f"GET {SERVICE}": {"Actions": {}}}, "unsupported", "fetches no file"),
        ({f"GET {SERVICE}": {"Actions": {"#UpdateService.SimpleUpdate": {"target": FETCH, "TransferProtocol@Redfish.AllowableValues": ["TFTP"]}}}}, "unsupported", "not fetch by HTTPS, but by TFTP"),
        ({f"GET {SERVICE}": {"MultipartHttpPushUri": PUSH, "MaxImageSizeBytes": 10}}, "unsupported", "fetches no file"),
        ({"GET /redfish/v1/": {"RedfishVersion": "1", "Systems": {"@odata.id": "/redfish/v1/Systems"}}}, "unsupported", "it has no update service"),
        ({f"POST {FETCH}": (400, {}, {"error": {"@Message.ExtendedInfo": [{"Message": "The image is not signed."}]}}),
          f"GET {SERVICE}": {"Actions": {"#UpdateService.SimpleUpdate": {"target": FETCH}}}}, "refused", "The image is not signed."),
    ],
)  # fmt: skip
def test_what_cannot_be_staged(more: dict[str, Any], kind: str, words: str, tmp_path: Path) -> None:
    state = FirmwareState()
    with Service(tmp_path, state.replies() | more) as service:
        failed = staged(state, service)
    assert isinstance(failed, PowerFailed), failed
    assert (failed.kind, words in failed.message) == (kind, True), failed.message
