"""What a simulated BMC answers to a Redfish request: its resources, logins and changes. Pure: the caller passes time and tokens.

    /redfish/v1/  Systems/1  Chassis/1  Managers/1  SessionService/Sessions  $metadata  odata

Rules
* The machine decides, as with IPMI (`bmc.commands`): power, boot device and light go to its `Chassis`. Kept here are the flags of the
  boot order, the last order to the light, and the sessions.
* A lying BMC answers 200 or 204 and forwards nothing; a GET shows the true state.
* It reports nothing that does not exist: no accounts, and sensors and a log only if the machine has some (`redfish_health`).
* Bounded: 16 sessions; those idle for longest are dropped.

Sections of DMTF DSP0266 are named at the functions; resources and property names are those of DSP2046 (DSP8010 schemas).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from .accounts import Accounts
from .commands import Chassis
from .label import About
from .redfish_insides import Inside
from .redfish_reply import ROOT, Json, Reply, Request, collection, etag_of, link, object_in, refusal

SYSTEM, CHASSIS, MANAGER = f"{ROOT}/Systems/1", f"{ROOT}/Chassis/1", f"{ROOT}/Managers/1"
SESSIONS = f"{ROOT}/SessionService/Sessions"
RESET, RESET_INFO = f"{SYSTEM}/Actions/ComputerSystem.Reset", f"{SYSTEM}/ResetActionInfo"
_SESSIONS, _IDLE_S = 16, 600.0
_RESETS = {"On": "on", "ForceOff": "off", "GracefulShutdown": "soft", "ForceRestart": "reset", "PowerCycle": "cycle", "Nmi": "diag"}
_NEEDS_POWER = ("ForceRestart", "PowerCycle", "Nmi")
_TARGETS = {"None": "none", "Pxe": "network", "UefiHttp": "network", "Hdd": "disk", "Cd": "cdrom", "BiosSetup": "setup"}
_SHOWN = {"none": "None", "network": "Pxe", "disk": "Hdd", "cdrom": "Cd", "setup": "BiosSetup"}
BOOT = {
    "BootSourceOverrideEnabled": ("Disabled", "Once", "Continuous"),
    "BootSourceOverrideTarget": tuple(_TARGETS),
    "BootSourceOverrideMode": ("Legacy", "UEFI"),
}


class _Session:
    def __init__(self, number: int, token: str, now: float) -> None:
        self.number, self.token, self.used = number, token, now


class Tree:
    """The service of one BMC. `lying` and `locked` are set by its mood before each call."""

    def __init__(
        self,
        chassis: Chassis,
        about: About,
        host_name: Callable[[], str] = str,
        accounts: Accounts | None = None,
        inside: Inside | None = None,
    ) -> None:
        """`host_name`: what the machine wrote as its name, by IPMI. `accounts`: those of IPMI; None: the one on the label. `inside`: BIOS,
        firmware and drives; None: the service shows none."""
        self.inside = inside
        self.accounts = accounts or Accounts(chassis)
        self.host_name = host_name
        self.chassis = chassis
        self.about = about
        self.lying = self.locked = False
        self.more: Callable[[str], dict[str, Json] | None] = lambda _path: None
        """What the service tells beyond its own resources, by path: members of one of those, or a resource."""
        self.logins = self.refused = 0
        self.sessions: dict[str, _Session] = {}
        """By token."""
        self._number = 0
        self._persistent = False
        self._mode = "Legacy"
        self._target = "None"

    def answer(self, request: Request, now: float, token: str) -> Reply:
        """`token`: random, for a session that this request may open. Raises what the chassis raises."""
        path, _, query = request.path.partition("?")
        path = path.rstrip("/") or "/"
        if query.startswith("$") or "&$" in query:
            return refusal(501, "QueryNotSupported", "Querying is not supported by the implementation.")
        opened = self._open(path, request, now, token)
        if opened is not None:
            return opened
        if not (path in ("/redfish", ROOT, f"{ROOT}/$metadata", f"{ROOT}/odata") or self._knows(request, now)):
            refused = refusal(401, "InsufficientPrivilege", "The request needs a session or an account.")
            return Reply(status=401, body=refused.body, headers={"WWW-Authenticate": 'Basic realm="BMC"'})
        inside = self.inside.answer(request, path, self.lying) if self.inside is not None else None
        if inside is not None:
            return inside
        found = self._resource(path)
        if found is None and path != RESET:
            return refusal(404, "ResourceMissingAtURI", f"The resource at the URI {path[:100]} was not found.")
        match request.method, path:
            case (("GET" | "HEAD"), _) if found is not None:
                tag = {"ETag": etag_of(found)} if isinstance(found, dict) and path != "/redfish" else {}
                return Reply(status=200, body=found, headers=tag)
            case "PATCH", _ if path == SYSTEM:
                return self._change(request)
            case "POST", _ if path == RESET:
                return self._reset(request)
            case "DELETE", _ if path.startswith(SESSIONS + "/"):
                self.sessions = {t: s for t, s in self.sessions.items() if f"{SESSIONS}/{s.number}" != path}
                return Reply(status=204)
            case _:
                refused = refusal(405, "OperationNotAllowed", f"{request.method[:20]} is not allowed here.")
                return Reply(status=405, body=refused.body, headers={"Allow": _allowed(path)})

    # -- who asks (13.3) -------------------------------------------------------------------------------------------

    def _open(self, path: str, request: Request, now: float, token: str) -> Reply | None:
        """A new session, which is asked for without one (13.3.4.2)."""
        if (request.method, path) not in (("POST", SESSIONS), ("POST", f"{SESSIONS}/Members")):
            return None
        asked = object_in(request.body)
        if asked is None:
            return refusal(400, "MalformedJSON", "The request body is no JSON object.")
        if not self._is_account(str(asked.get("UserName", "")), str(asked.get("Password", ""))):
            return refusal(401, "ResourceAtUriUnauthorized", "The user name or password is wrong.")
        if len(self.sessions) >= _SESSIONS:
            oldest = min(self.sessions.values(), key=lambda one: one.used)
            if now - oldest.used < _IDLE_S:
                return refusal(503, "SessionLimitExceeded", "All sessions are in use.")
            del self.sessions[oldest.token]
        self._number += 1
        self.sessions[token] = session = _Session(self._number, token, now)
        where = f"{SESSIONS}/{session.number}"
        return Reply(status=201, body=self._session(session), headers={"X-Auth-Token": token, "Location": where})

    def _knows(self, request: Request, now: float) -> bool:
        token = request.headers.get("x-auth-token")
        if token is not None:
            session = self.sessions.get(token)
            if session is None or now - session.used > _IDLE_S:
                self.sessions.pop(token, None)
                return False
            session.used = now
            return True
        kind, _, account = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(account, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return self._is_account(user, password)

    def _is_account(self, user: str, password: str) -> bool:
        good = self.accounts.accepts(user, password) and not self.locked
        self.logins += good
        self.refused += not good
        return good

    # -- what is changed -------------------------------------------------------------------------------------------

    def _change(self, request: Request) -> Reply:
        """PATCH of the system (7.8). Changes nothing unless all of it is possible."""
        wanted = request.headers.get("if-match", "*")
        if wanted not in ("*", etag_of(self._system())):
            return refusal(412, "PreconditionFailed", "The ETag supplied did not match.")
        asked = object_in(request.body)
        if not asked:
            return refusal(400, "MalformedJSON", "The request body is no JSON object, or an empty one.")
        for name, value in asked.items():
            if name == "Boot" and isinstance(value, dict):
                wrong = next((one for one in value if value[one] not in BOOT.get(one, ())), None)
                if wrong is not None:
                    return refusal(400, "PropertyValueNotInList", f"Boot/{wrong[:50]} cannot have that value, or is not there.")
            elif name != "LocationIndicatorActive" or not isinstance(value, bool):
                return refusal(400, "PropertyUnknown", f"The property {name[:50]} is not there, or cannot have that value.")
        if not self.lying:
            if "Boot" in asked:
                self.order_boot(asked["Boot"])
            if "LocationIndicatorActive" in asked:
                self.chassis.light.identify(-1 if asked["LocationIndicatorActive"] else 0)
        found = self._system()
        return Reply(status=200, body=found, headers={"ETag": etag_of(found)})

    def order_boot(self, asked: dict[str, str]) -> None:
        boot = {name: shown for name, shown in self.boot().items() if name in BOOT} | asked
        self._mode = boot["BootSourceOverrideMode"]
        self._target = boot["BootSourceOverrideTarget"]
        enabled = boot["BootSourceOverrideEnabled"]
        device = "none" if enabled == "Disabled" else _TARGETS[self._target]
        self._persistent = device != "none" and enabled == "Continuous"
        self.chassis.set_boot_device(device, self._persistent, device != "none" and self._mode == "UEFI")

    def _reset(self, request: Request) -> Reply:
        if request.method != "POST":
            return refusal(405, "OperationNotAllowed", "An action is asked for by POST.")
        kind = (object_in(request.body) or {}).get("ResetType")
        if not isinstance(kind, str) or kind not in _RESETS:
            return refusal(400, "ActionParameterNotSupported", "ResetType is missing, or not one of those that are allowed.")
        if kind in _NEEDS_POWER and not self.chassis.power_state():
            return refusal(409, "ResourceInStandby", "The machine is off.")
        if not self.lying:
            self.chassis.power(_RESETS[kind])
        return Reply(status=204)

    # -- what is told ----------------------------------------------------------------------------------------------

    def _resource(self, path: str) -> Json:
        make, more = self._RESOURCES.get(path), self.more(path)
        if make is not None:
            return {**made, **more} if more is not None and isinstance(made := make(self), dict) else make(self)
        if more is not None:
            return more
        if path.startswith(SESSIONS + "/"):
            return next((self._session(one) for one in self.sessions.values() if f"{SESSIONS}/{one.number}" == path), None)
        return None

    def _service_root(self) -> Json:
        return {
            "@odata.type": "#ServiceRoot.v1_5_0.ServiceRoot",
            "@odata.id": f"{ROOT}/",
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": "1.8.0",
            "UUID": str(self.about.guid),
            "Systems": link(f"{ROOT}/Systems"),
            "Chassis": link(f"{ROOT}/Chassis"),
            "Managers": link(f"{ROOT}/Managers"),
            "SessionService": link(f"{ROOT}/SessionService"),
            "Links": {"Sessions": link(SESSIONS)},
            **(self.inside.of_root() if self.inside is not None else {}),
        }

    def _system(self) -> Json:
        about = self.about
        return {
            "@odata.type": "#ComputerSystem.v1_14_0.ComputerSystem",
            "@odata.id": SYSTEM,
            "Id": "1",
            "Name": "System",
            "SystemType": "Physical",
            "UUID": str(about.guid),
            "Manufacturer": about.vendor or None,
            "Model": about.product or None,
            "SerialNumber": about.serial or None,
            "HostName": self.host_name() or None,
            "Status": {"State": "Enabled", "Health": "OK"},
            "PowerState": "On" if self.chassis.power_state() else "Off",
            "Boot": self.boot(),
            "LocationIndicatorActive": self.chassis.light.shown != "off",
            "Links": {"Chassis": [link(CHASSIS)], "ManagedBy": [link(MANAGER)]},
            **(self.inside.of_system() if self.inside is not None else {}),
            "Actions": {"#ComputerSystem.Reset": {"target": RESET, "@Redfish.ActionInfo": RESET_INFO}},
        }

    def boot(self) -> dict[str, Json]:
        """A used one-time order shows as Disabled, as DSP2046 defines it for `Once`."""
        device = self.chassis.boot_device()
        same = _TARGETS[self._target] == device
        enabled = "Disabled" if device == "none" else "Continuous" if self._persistent else "Once"
        return {
            "BootSourceOverrideEnabled": enabled,
            "BootSourceOverrideMode": self._mode,
            "BootSourceOverrideTarget": self._target if same and device != "none" else _SHOWN[device],
            "BootSourceOverrideTarget@Redfish.AllowableValues": list(_TARGETS),
        }

    def _reset_info(self) -> Json:
        return {
            "@odata.type": "#ActionInfo.v1_1_2.ActionInfo",
            "@odata.id": RESET_INFO,
            "Id": "ResetActionInfo",
            "Name": "Reset Action Info",
            "Parameters": [{"Name": "ResetType", "Required": True, "DataType": "String", "AllowableValues": list(_RESETS)}],
        }

    def _chassis(self) -> Json:
        about = self.about
        return {
            "@odata.type": "#Chassis.v1_10_0.Chassis",
            "@odata.id": CHASSIS,
            "Id": "1",
            "Name": "Chassis",
            "ChassisType": "RackMount",
            "Manufacturer": about.vendor or None,
            "Model": about.product or None,
            "SerialNumber": about.serial or None,
            "Status": {"State": "Enabled", "Health": "OK"},
            "PowerState": "On" if self.chassis.power_state() else "Off",
            "Links": {"ComputerSystems": [link(SYSTEM)], "ManagedBy": [link(MANAGER)]},
        }

    def _manager(self) -> Json:
        return {
            "@odata.type": "#Manager.v1_5_0.Manager",
            "@odata.id": MANAGER,
            "Id": "1",
            "Name": "Manager",
            "ManagerType": "BMC",
            "FirmwareVersion": self.inside.machine.versions().get("bmc", "1.0") if self.inside is not None else "1.0",
            "Status": {"State": "Enabled", "Health": "OK"},
            "PowerState": "On",
            "Links": {"ManagerForServers": [link(SYSTEM)], "ManagerForChassis": [link(CHASSIS)]},
        }

    def _session_service(self) -> Json:
        return {
            "@odata.type": "#SessionService.v1_1_6.SessionService",
            "@odata.id": f"{ROOT}/SessionService",
            "Id": "SessionService",
            "Name": "Session Service",
            "ServiceEnabled": True,
            "SessionTimeout": int(_IDLE_S),
            "Sessions": link(SESSIONS),
        }

    def _session(self, session: _Session) -> Json:
        return {
            "@odata.type": "#Session.v1_2_1.Session",
            "@odata.id": f"{SESSIONS}/{session.number}",
            "Id": str(session.number),
            "Name": "Session",
            "UserName": self.chassis.user,
        }

    def _sessions(self) -> Json:
        return collection(SESSIONS, "SessionCollection", [f"{SESSIONS}/{one.number}" for one in self.sessions.values()])

    _RESOURCES: dict[str, Callable[[Tree], Json]] = {
        "/redfish": lambda _: {"v1": f"{ROOT}/"},
        ROOT: _service_root,
        f"{ROOT}/odata": lambda tree: _odata(tree._service_root()),
        f"{ROOT}/$metadata": lambda _: _metadata(),
        f"{ROOT}/Systems": lambda _: collection(f"{ROOT}/Systems", "ComputerSystemCollection", [SYSTEM]),
        f"{ROOT}/Chassis": lambda _: collection(f"{ROOT}/Chassis", "ChassisCollection", [CHASSIS]),
        f"{ROOT}/Managers": lambda _: collection(f"{ROOT}/Managers", "ManagerCollection", [MANAGER]),
        f"{ROOT}/SessionService": _session_service,
        SYSTEM: _system,
        RESET_INFO: _reset_info,
        CHASSIS: _chassis,
        MANAGER: _manager,
        SESSIONS: _sessions,
    }


_SCHEMAS = (
    "ServiceRoot",
    "ComputerSystemCollection",
    "ComputerSystem",
    "ChassisCollection",
    "Chassis",
    "ManagerCollection",
    "Manager",
    "SessionService",
    "SessionCollection",
    "Session",
    "ActionInfo",
    "Message",
    "Bios",
    "AttributeRegistry",
    "UpdateService",
    "SoftwareInventory",
    "TaskService",
    "Task",
    "StorageCollection",
    "Storage",
    "Drive",
    "VolumeCollection",
    "Volume",
    "Thermal",
    "Power",
    "LogServiceCollection",
    "LogService",
    "LogEntryCollection",
    "LogEntry",
)


def _metadata() -> str:
    """The OData metadata document (8.4.1): where the schemas of all resources are."""
    references = "".join(
        f'<edmx:Reference Uri="http://redfish.dmtf.org/schemas/v1/{name}_v1.xml"><edmx:Include Namespace="{name}"/></edmx:Reference>\n'
        for name in _SCHEMAS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<edmx:Edmx xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx" Version="4.0">\n'
        f'{references}<edmx:DataServices><Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="Service">'
        '<EntityContainer Name="Service" Extends="ServiceRoot.v1_5_0.ServiceContainer"/></Schema></edmx:DataServices>\n</edmx:Edmx>\n'
    )


def _odata(root: dict[str, Json]) -> Json:
    """The service document (8.4.2)."""
    rows = [{"name": "Service", "kind": "Singleton", "url": f"{ROOT}/"}]
    links = {name: found["@odata.id"] for name, found in root.items() if isinstance(found, dict) and "@odata.id" in found}
    rows += [{"name": name, "kind": "Singleton", "url": url} for name, url in links.items()]
    return {"@odata.context": f"{ROOT}/$metadata", "value": rows}


def _allowed(path: str) -> str:
    if path == RESET:
        return "POST"
    if path == SESSIONS:
        return "GET, HEAD, POST"
    return "GET, HEAD, PATCH" if path == SYSTEM else "GET, HEAD, DELETE" if path.startswith(SESSIONS + "/") else "GET, HEAD"
