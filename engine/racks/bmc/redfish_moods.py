"""What real Redfish services do differently from the plain one (`redfish_tree`): each oddity by itself, so that a simulated BMC can have
it.

ODDITIES is the one table of them: name in `rack.yml` (`bmc: future`), behaviour, and the product that showed it. The driver has no such
table: it reacts to the answers (`engine.power.redfish_system`, `redfish_line`, `redfish_session`).

An oddity stands between the socket and the tree: `before` may answer instead of the tree, `after` may change the tree's answer. It has a
state, and is made again for each BMC and each change of its mood. A Reply of status 0 breaks off the connection.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from .redfish_reply import ROOT, Reply, Request, refusal
from .redfish_tree import BOOT, CHASSIS, MANAGER, RESET, SESSIONS, SYSTEM, Tree

SETTINGS, TASK, DPU = f"{SYSTEM}/Settings", f"{ROOT}/TaskService/Tasks/7/Monitor", f"{ROOT}/Systems/DPU"
BROKEN_OFF = Reply(status=0)

Json = Any


class Odd:
    """One oddity of one BMC; this one has none."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def before(self, _request: Request) -> Reply | None:
        return None

    def after(self, _request: Request, reply: Reply) -> Reply:
        return reply


class Future(Odd):
    pending: dict[str, str] | None = None

    def before(self, request: Request) -> Reply | None:
        asked = _asked(request)
        if (request.method, request.path) == ("PATCH", SYSTEM) and "Boot" in asked:
            return refusal(400, "PropertyNotWritable", f"The change is wanted at the future state, {SETTINGS}.")
        if request.path == RESET and self.pending is not None and not self.tree.lying:
            self.tree.order_boot(self.pending)
            self.pending = None
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.path == SETTINGS and reply.status == 404:  # else nobody may ask
            if request.method == "PATCH":
                asked = _asked(request).get("Boot")
                if not isinstance(asked, dict) or any(asked[one] not in BOOT.get(one, ()) for one in asked):
                    return refusal(400, "PropertyValueNotInList", "Boot cannot have that value.")
                if not self.tree.lying:
                    self.pending = {name: value for name, value in self.tree.boot().items() if name in BOOT} | asked
                return Reply(status=200, body={"@odata.id": SETTINGS})
            shown = self.pending or self.tree.boot()
            return Reply(status=200, body={"@odata.id": SETTINGS, "Id": "Settings", "Name": "Settings", "Boot": shown})
        return _more(reply, SYSTEM, {"@Redfish.Settings": {"SettingsObject": {"@odata.id": SETTINGS}}})


class Whole(Odd):
    def before(self, request: Request) -> Reply | None:
        asked = _asked(request).get("Boot")
        missing = sorted(set(BOOT) - set(asked)) if request.method == "PATCH" and isinstance(asked, dict) else []
        return refusal(400, "PropertyMissing", f"The property {missing[0]} is a required property.") if missing else None


class Button(Odd):
    def after(self, request: Request, reply: Reply) -> Reply:
        done = request.path == RESET and reply.status == 204
        return refusal(409, "ResourceInUse", "The machine is in that state already.") if done else reply


class Mute(Odd):
    left = 0

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.path == RESET:
            self.left = 2
        elif request.path == SYSTEM and self.left:
            self.left -= 1
            return _more(reply, SYSTEM, {"PowerState": None})
        return reply


class Packs(Odd):
    turn = 0

    def after(self, _request: Request, reply: Reply) -> Reply:
        self.turn += 1
        return _packed(reply, ("gzip", "deflate", "")[self.turn % 3])


class Unplain(Odd):
    def before(self, request: Request) -> Reply | None:
        if "gzip" in request.headers.get("accept-encoding", ""):
            return None
        return refusal(406, "HeaderInvalid", "Nothing acceptable is there.")

    def after(self, _request: Request, reply: Reply) -> Reply:
        return reply if reply.status == 406 else _packed(reply, "gzip")


class Tags(Odd):
    """Shows weak tags, and requires a strong one."""

    def before(self, request: Request) -> Reply | None:
        if request.method == "PATCH" and not request.headers.get("if-match", "").startswith('"'):
            return refusal(428 if "if-match" not in request.headers else 412, "PreconditionRequired", "A strong ETag is needed.")
        return None

    def after(self, _request: Request, reply: Reply) -> Reply:
        tag = reply.headers.get("ETag")
        return replace(reply, headers=reply.headers | {"ETag": f"W/{tag}"}) if tag else reply


class Full(Odd):
    def before(self, request: Request) -> Reply | None:
        if request.method == "POST" and request.path.startswith(SESSIONS):
            return refusal(503, "SessionLimitExceeded", "The session establishment failed due to the number of simultaneous sessions.")
        return None


class Tasks(Odd):
    """A change takes effect after somebody has looked twice; its task is gone by then."""

    later: Callable[[], object] | None = None
    looks = 0

    def before(self, request: Request) -> Reply | None:
        if request.path == TASK:
            return Reply(status=202 if self.later is not None else 404, body={"@odata.id": TASK, "TaskState": "Running"})
        if request.path == SYSTEM and self.later is not None:
            self.looks += request.method == "GET"
            if self.looks > 1 or request.method != "GET":
                self._now()
        return None

    def hold(self, work: Callable[[], object]) -> Reply:
        self._now()
        self.later, self.looks = work, 0
        return Reply(status=202, headers={"Location": TASK}, body={"@odata.id": TASK.removesuffix("/Monitor"), "TaskState": "New"})

    def _now(self) -> None:
        work, self.later = self.later, None
        if work is not None:
            work()


class Restarts(Odd):
    """The BMC restarts after each order and forgets its sessions."""

    deaf = 0

    def before(self, _request: Request) -> Reply | None:
        if self.deaf:
            self.deaf -= 1
            return BROKEN_OFF
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.path != RESET or reply.status != 204:
            return reply
        self.deaf = 3
        self.tree.sessions.clear()
        return BROKEN_OFF


class Busy(Odd):
    turn = 0

    def before(self, _request: Request) -> Reply | None:
        self.turn += 1
        busy = replace(refusal(503, "ServiceTemporarilyUnavailable", "Later."), headers={"Retry-After": "0"})
        return busy if self.turn % 3 == 0 else None


class Moved(Odd):
    """Every resource has moved to a path with a slash at its end."""

    def before(self, request: Request) -> Reply | None:
        if request.path.endswith("/"):
            return None
        return Reply(status=308, headers={"Location": f"https://{request.headers.get('host', '')}{request.path}/"})


class Garbled(Odd):
    """Unexpected forms of links and lists; a byte order mark before the JSON and NULs behind it."""

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.body
        if not isinstance(body, dict):
            return reply
        if "Members" in body and "?page" not in request.path:
            body = {**body, "Members": [], "Members@odata.nextLink": f"{request.path}?page=2"}
        body = _garbled(body, f"https://{request.headers.get('host', '')}")
        octets = b"\xef\xbb\xbf" + json.dumps(body).encode() + b"\0\0\r\n"
        return replace(reply, body=octets, headers=reply.headers | {"content-type": "text/html"})


class Parts(Odd):
    """Its DPU is a system of its own, and comes first."""

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.path == DPU and reply.status == 404:
            return Reply(status=200, body={"@odata.id": DPU, "Id": "DPU", "Name": "DPU", "SystemType": "DPU", "PowerState": "On"})
        return _more(reply, f"{ROOT}/Systems", {"Members": [{"@odata.id": DPU}, {"@odata.id": SYSTEM}], "Members@odata.count": 2})


class Clock(Odd):
    """Its clock restarted with its last battery."""

    def after(self, _request: Request, reply: Reply) -> Reply:
        return _more(reply, MANAGER, {"DateTime": "2019-01-01T00:10:00+00:00", "DateTimeLocalOffset": "+00:00"})


class Alone(Odd):
    """Its system names neither chassis nor manager."""

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.path == f"{CHASSIS}/Thermal" and reply.status == 404:
            rows = [{"Name": "Inlet", "Reading": "21", "Status": {"State": "Enabled"}}, {"Name": "CPU", "Status": {"State": "Absent"}}]
            return Reply(status=200, body={"@odata.id": request.path, "Temperatures": rows})
        return _more(_more(reply, SYSTEM, {"Links": {}}), CHASSIS, {"Thermal": {"@odata.id": f"{CHASSIS}/Thermal"}})


class Oddity(NamedTuple):
    make: Callable[[Tree], Odd]
    does: str
    seen: str


ODDITIES: dict[str, Oddity] = {
    "future": Oddity(Future, "refuses a boot order at the system; takes it at its future state", "AMI (Redfish-Tacklebox#144), iDRAC10"),
    "whole": Oddity(Whole, "refuses a boot order without its mode", "ansible community.general#11542"),
    "button": Oddity(Button, "refuses an order with 409: somebody pressed the button in between", "reports from the field"),
    "mute": Oddity(Mute, "shows PowerState null twice after an order", "reports from the field"),
    "packs": Oddity(Packs, "packs answers, by gzip or deflate, though plain ones are asked for", "reports from the field"),
    "unplain": Oddity(Unplain, "answers 406 where plain answers are asked for", "HPE Gen10 Plus (sushy, connector.py)"),
    "tags": Oddity(Tags, "shows weak ETags, insists on a strong one", "services that sushy, connector.py, has this for"),
    "full": Oddity(Full, "has no session left", "any, after clients that never log out"),
    "tasks": Oddity(Tasks, "answers 202, is done later, and forgets the task", "DSP0266 12.2 allows it"),
    "restarts": Oddity(Restarts, "breaks off at an order, forgets its sessions, is back soon", "any, by its own watchdog"),
    "busy": Oddity(Busy, "answers 503 to each third request", "DSP0266 allows it; while a service starts"),
    "moved": Oddity(Moved, "answers 308: the resource is where a slash is at its end", "services behind a proxy"),
    "garbled": Oddity(Garbled, "whole URLs, double slashes, pages, an object for a list, NULs behind the JSON", "several, each by itself"),
    "parts": Oddity(Parts, "a second system: its DPU", "recorded: Nvidia DGX has two systems (NVIDIA/libredfish)"),
    "clock": Oddity(Clock, "a clock of 2019", "any whose battery is empty"),
    "alone": Oddity(Alone, "a system without links; readings in another field", "DSP2046 has both optional"),
}
"""Name in `rack.yml` -> its class, what it does, where it was seen."""


def _asked(request: Request) -> dict[str, Json]:
    try:
        found = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _more(reply: Reply, path: str, more: dict[str, Json]) -> Reply:
    """The reply with that in the resource of that path."""
    if isinstance(reply.body, dict) and reply.status == 200 and reply.body.get("@odata.id") == path:
        return replace(reply, body=reply.body | more)
    return reply


def _packed(reply: Reply, how: str) -> Reply:
    if not isinstance(reply.body, dict) or not how:
        return reply
    content = json.dumps(reply.body).encode()
    if how == "gzip":
        packed = gzip.compress(content)
    else:
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        packed = packer.compress(content) + packer.flush()
    return replace(reply, body=packed, headers=reply.headers | {"Content-Encoding": how})


def _garbled(body: Json, host: str) -> Json:
    if isinstance(body, list):
        return _garbled(body[0], host) if len(body) == 1 else [_garbled(one, host) for one in body]
    if not isinstance(body, dict):
        return body
    made = {name: _garbled(value, host) for name, value in body.items()}
    link = made.get("@odata.id")
    if len(made) == 1 and isinstance(link, str):
        made["@odata.id"] = f"{host}{link}" if "Chassis" in link or "Managers" in link else link.replace("/v1/", "/v1//") + "#"
    return made
