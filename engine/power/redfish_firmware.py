"""Firmware by Redfish's UpdateService: staged, and then looked at (DSP2046 UpdateService, DSP0266 12.6; DSP0266 13.2 tasks).

Rules
* A file is pushed (`MultipartHttpPushUri`) where the service takes it, because then the BMC needs no way to the admin node; otherwise the
  BMC fetches it by `SimpleUpdate` from a URL.
* Accepted is all that staging can say. `look` says what is seen afterwards: the task, and the version that the inventory shows now.
* A task that is not found has vanished. That is neither a success nor a failure.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Sequence
from typing import Literal

from ..readers.redfish_firmware import software
from . import FirmwareEntry, FirmwareSeen, FirmwareStaged, SessionFailed
from .redfish_body import Json, member, message_ids, rows, words
from .redfish_line import Answer
from .redfish_session import RedfishSession

MOST_BYTES = 512 << 20
MOST_ENTRIES = 256
_FAILED = ("exception", "killed", "cancelled", "interrupted", "failed", "error")
_ENDED = ("completed",)
_GONE = (404, 410)
TaskState = Literal["none", "running", "completed", "failed", "vanished"]


def stage_file(session: RedfishSession, name: str, content: bytes, targets: Sequence[str]) -> FirmwareStaged:
    """Pushes a file. Raises `SessionFailed` if the service takes no file, or refuses this one."""
    service = _service(session)
    place = service.get("MultipartHttpPushUri")
    if not place:
        raise SessionFailed("unsupported", "its update service takes no file")
    if len(content) > MOST_BYTES:
        raise SessionFailed("unsupported", f"the file has {len(content)} bytes, and at most {MOST_BYTES} are pushed")
    most = service.get("MaxImageSizeBytes")
    if isinstance(most, int) and not isinstance(most, bool) and 0 < most < len(content):
        raise SessionFailed("unsupported", f"the file has {len(content)} bytes, and its update service takes {most}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,200}", name):
        raise SessionFailed("unsupported", "the file's name has characters that a service may not take")
    parameters = (
        {"Targets": list(targets), "@Redfish.OperationApplyTime": "Immediate"} if _immediate(service) else {"Targets": list(targets)}
    )
    boundary = secrets.token_hex(16)
    body = _multipart(boundary, parameters, name, content)
    return _staged(session, session.push(place, body, f"multipart/form-data; boundary={boundary}"))


def _multipart(boundary: str, parameters: Json, name: str, content: bytes) -> bytes:
    """The two parts of DSP0266 12.6.2."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="UpdateParameters"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(parameters)}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="UpdateFile"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + content + f"\r\n--{boundary}--\r\n".encode()


def stage_url(session: RedfishSession, url: str, targets: Sequence[str]) -> FirmwareStaged:
    """Lets the BMC fetch a file. Raises `SessionFailed`."""
    about = member(member(_service(session), "Actions"), "#UpdateService.SimpleUpdate")
    target = about.get("target")
    if not target:
        raise SessionFailed("unsupported", "its update service fetches no file (SimpleUpdate)")
    scheme = url.partition(":")[0].upper()
    allowed = about.get("TransferProtocol@Redfish.AllowableValues")
    if isinstance(allowed, list) and allowed and scheme not in [str(one).upper() for one in allowed]:
        raise SessionFailed("unsupported", f"its update service does not fetch by {scheme}, but by {', '.join(map(str, allowed[:8]))}")
    body: dict[str, Json] = {"ImageURI": url, "TransferProtocol": scheme}
    if targets:
        body["Targets"] = list(targets)
    return _staged(session, session.post(target, body))


def entries(session: RedfishSession) -> tuple[FirmwareEntry, ...]:
    """The firmware inventory: each entry with its path. An entry that cannot be read is left out. Raises `SessionFailed`."""
    found: list[FirmwareEntry] = []
    for link in session.members(_service(session).get("FirmwareInventory"), MOST_ENTRIES):
        path = session.path(link).rstrip("/")
        answer = session.tried(path)
        if 200 <= answer.status < 300:
            found += [FirmwareEntry(path=path, firmware=one) for one in software({**answer.body, "@odata.id": path}).firmware]
    return tuple(found)


def _service(session: RedfishSession) -> dict[str, Json]:
    link = session.root.get("UpdateService")
    if not link:
        raise SessionFailed("unsupported", "it has no update service")
    service = session.get(link).body
    if service.get("ServiceEnabled") is False:
        raise SessionFailed("refused", "its update service is switched off")
    return service


def _immediate(service: dict[str, Json]) -> bool:
    found = member(service, "MultipartHttpPushUri@Redfish.OperationApplyTimeSupport")
    values = found.get("SupportedValues")
    return isinstance(values, list) and "Immediate" in values


def _staged(session: RedfishSession, answer: Answer) -> FirmwareStaged:
    """The task, wherever the service names it: DSP0266 says `Location`; Supermicro names it in a message."""
    path = session.task_of(answer)
    if not path:
        said = answer.headers.get("Location") or answer.body.get("@odata.id") or ""
        whole = f"{said} {message_ids(answer.body)} {json.dumps(answer.body)[:8000]}"
        paths = (found[0].rstrip(".") for found in re.finditer(r"/redfish/v1/[A-Za-z0-9./_-]{1,200}", whole))
        named = next((one for one in paths if re.search("(?i)/(task|job)[a-z]*/[^/]", one)), "")
        path = session.path(named) if named else ""
    return FirmwareStaged(task=path)


def look(session: RedfishSession, task: str, entry: str) -> FirmwareSeen:
    """What is seen now. `entry`: path of the firmware in the inventory. Raises `SessionFailed`, for example while the BMC is away."""
    state, said = _task(session, task) if task else ("none", "")
    version = ""
    gone = False
    if entry:
        answer = session.tried(entry)
        if 200 <= answer.status < 300:
            firmware = software({**answer.body, "@odata.id": entry}).firmware
            version = firmware[0].version if firmware else ""
        else:
            gone = answer.status in _GONE
    return FirmwareSeen(version=version, task=state, message=said, gone=gone)


def _task(session: RedfishSession, task: str) -> tuple[TaskState, str]:
    answer = session.tried(task)
    if answer.status in _GONE:
        return "vanished", ""
    state = str(answer.body.get("TaskState") or answer.body.get("JobState") or "").lower()
    messages = [one.get("Message") for one in rows(answer.body.get("Messages")) if isinstance(one, dict)]
    said = (
        next((one[:160] for one in reversed(messages) if isinstance(one, str) and one), "") or str(answer.body.get("Message") or "")[:160]
    )
    status = str(answer.body.get("TaskStatus") or "").lower()
    if any(one in state for one in _FAILED) or (state in _ENDED and status == "critical") or 400 <= answer.status < 500:
        return "failed", said or words(answer.body)
    if state in _ENDED:
        return "completed", said
    return ("running", said) if state or answer.status in (200, 202) else ("none", said)
