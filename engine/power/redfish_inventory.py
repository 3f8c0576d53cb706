"""The inventory of a machine by Redfish, before its first boot: a bounded walk over the service's resources, and their record.

Rules
* Only links that lead to hardware are followed, by the type of the resource (`FOLLOWED`). The most useful ones come first, so that a slow
  BMC that runs out of time has told of processors, memory, drives and ports.
* No resource is asked for twice. The walk ends with the call's deadline, after MOST_REQUESTS answers, or after MOST_CHARACTERS of JSON.
  What was left out is in the result, with the reason.
* Nothing leads to another host: `RedfishSession` refuses such links.
* `$expand` is used where the service offers it (DSP0266 7.3.1), and given up after its first refusal.
* Another machine's chassis and BMC, in an enclosure with several, are left out: they name other systems, and not this one.
* Of logs only the hardware's are read, their first MOST_ENTRIES entries.
"""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Iterator, Sequence

from ..readers import redfish_tree
from ..readers.redfish_json import kind_of, path_in, state_of
from ..readers.report import Refused
from . import InventoryRead, LeftOut, SessionFailed
from .redfish_body import Json, member, rows
from .redfish_session import RedfishSession

MOST_REQUESTS, MOST_CHARACTERS, MOST_MEMBERS, MOST_ENTRIES = 2000, 32 << 20, 512, 200
_MOST_LEFT_OUT = 100
_RESERVE_S = 1.0
"""Seconds of the call that are kept for the logout."""
FIRST, SECOND, THIRD, LAST = range(4)
FOLLOWED: dict[str, tuple[tuple[int, str], ...]] = {
    "ServiceRoot": ((FIRST, "Managers"), (SECOND, "UpdateService")),
    "ComputerSystem": (
        *((FIRST, name) for name in ("Processors", "Memory", "Storage", "EthernetInterfaces", "SecureBoot")),
        *((FIRST, f"Links.{name}") for name in ("Chassis", "ManagedBy")),
        *((SECOND, name) for name in ("Bios", "SimpleStorage", "PCIeDevices", "GraphicsControllers")),
        *((SECOND, f"Oem.Hpe.Links.{name}") for name in ("SmartStorage", "NetworkAdapters", "PCIDevices")),
        *((SECOND, f"Oem.Hp.links.{name}") for name in ("SmartStorage", "NetworkAdapters", "PCIDevices")),
        *((SECOND, f"Oem.Hp.links.{name}") for name in ("FirmwareInventory", "Memory", "BIOS")),
        *((SECOND, f"links.{name}") for name in ("Memory", "Processors")),
        (LAST, "LogServices"),
    ),
    "Chassis": (
        *((FIRST, name) for name in ("NetworkAdapters", "Drives", "Links.Drives", "Power", "PowerSubsystem")),
        *((SECOND, name) for name in ("PCIeDevices", "TrustedComponents", "Assembly", "Links.Contains")),
        *((THIRD, name) for name in ("Thermal", "ThermalSubsystem")),
    ),
    "Manager": ((FIRST, "EthernetInterfaces"), (LAST, "LogServices")),
    "Storage": ((FIRST, "Drives"), (FIRST, "Volumes"), (FIRST, "Controllers")),
    "Bios": ((SECOND, "@Redfish.Settings.SettingsObject"),),
    "HpBios": ((SECOND, "links.Settings"),),
    "HpeSmartStorage": ((SECOND, "Links.ArrayControllers"), (SECOND, "Links.HostBusAdapters")),
    "HpSmartStorage": ((SECOND, "links.ArrayControllers"), (SECOND, "links.HostBusAdapters")),
    "HpeSmartStorageArrayController": tuple((SECOND, f"Links.{name}") for name in ("PhysicalDrives", "LogicalDrives", "StorageEnclosures")),
    "HpSmartStorageArrayController": tuple((SECOND, f"links.{name}") for name in ("PhysicalDrives", "LogicalDrives", "StorageEnclosures")),
    "NetworkAdapter": ((FIRST, "NetworkPorts"), (FIRST, "Ports"), (FIRST, "NetworkDeviceFunctions")),
    "PCIeDevice": ((THIRD, "PCIeFunctions"), (THIRD, "Links.PCIeFunctions")),
    "PowerSubsystem": ((FIRST, "PowerSupplies"),),
    "ThermalSubsystem": ((THIRD, "ThermalMetrics"), (THIRD, "Fans")),
    "UpdateService": ((SECOND, "FirmwareInventory"),),
    "LogService": ((LAST, "Entries"),),
}  # fmt: skip
"""Type -> members with links, and how soon they are followed."""
_OTHER_SYSTEM = ((SECOND, "Processors"),)
"""Of a system that is not the machine's own (an accelerator board): where its GPUs are."""
_OWNERS = {"Chassis": "ComputerSystems", "Manager": "ManagerForServers"}
"""Type -> where it names the systems that it belongs to."""
_HARDWARE_LOG = re.compile(r"(?i)(sel|iml|.*systemeventlog|eventlog|event|log1|platformlog|sellogs?|activelog)")
Body = dict[str, Json]


class Walk:
    """One walk: `run`, then `registry`; `tree` and `left_out` are its result. It begins at `system`, or at a BIOS."""

    def __init__(self, session: RedfishSession, system: str) -> None:
        self.session = session
        self.system = system.rstrip("/")
        self.tree: dict[str, Body] = {}
        self.left_out: list[LeftOut] = []
        self.requests = self.characters = 0
        self._queue: list[tuple[int, int, Json]] = []
        self._known: set[str] = set()
        features = member(member(session.root, "ProtocolFeaturesSupported"), "ExpandQuery")
        self._expands = features.get("NoLinks") is True or features.get("ExpandAll") is True

    def run(self) -> None:
        if "/bios" not in self.system.lower():
            self._keep("/redfish/v1", self.session.root)
        self._add(FIRST, {"@odata.id": self.system})
        while self._queue:
            why = self._spent()
            if why:
                self._leave(f"{len(self._queue)} resources", why)
                return
            _, _, link = heapq.heappop(self._queue)
            self._visit(link)

    def _spent(self) -> str:
        if time.monotonic() + _RESERVE_S >= self.session.deadline:
            return "the time of the call was over"
        if self.requests >= MOST_REQUESTS:
            return f"{MOST_REQUESTS} answers were read"
        return f"{self.characters} characters were read" if self.characters >= MOST_CHARACTERS else ""

    def _leave(self, name: str, why: str) -> None:
        if len(self.left_out) < _MOST_LEFT_OUT:
            self.left_out.append(LeftOut(name=name[:200], why=why))

    def _add(self, rank: int, link: Json) -> None:
        try:
            path = self.session.path(named(link)).partition("#")[0].rstrip("/")
        except SessionFailed as error:
            self._leave(str(link)[:100], error.failed.message)
            return
        if path and path.lower() not in self._known:
            self._known.add(path.lower())
            heapq.heappush(self._queue, (rank, len(self._known), path))

    def _visit(self, path: str) -> None:
        try:
            body = self._get(path)
        except SessionFailed as error:
            if error.failed.kind == "authentication" or path.lower() == self.system.lower():
                raise
            self._leave(path, error.failed.message)
            return
        if "Members" in body or member(body, "links").get("Member"):
            self._collection(path, body)
        else:
            self._keep(path, body)

    def _get(self, path: str) -> Body:
        """A collection is asked for with its members, where the service can do that."""
        self.requests += 1
        if self._expands and _is_collection(path) and "?" not in path:
            try:
                return self._counted(self.session.get(f"{path}?$expand=.($levels=1)").body)
            except SessionFailed as error:
                if error.failed.kind in ("authentication", "unreachable", "timeout"):
                    raise
                self._expands = False
                self.requests += 1
        return self._counted(self.session.get(path).body)

    def _counted(self, body: Body) -> Body:
        self.characters += len(repr(body))
        return body

    def _collection(self, path: str, body: Body) -> None:
        """Page by page (`Members@odata.nextLink`), a page at most once."""
        most = MOST_ENTRIES if path.lower().endswith("/entries") else MOST_MEMBERS
        self._keep(path, {name: value for name, value in body.items() if name not in ("Members", "links")})
        pages = {path}
        count = 0
        while True:
            for one in rows(body.get("Members")) + rows(member(body, "links").get("Member")):
                count += 1
                if count > most:
                    self._leave(path, f"only its first {most} members were read")
                    return
                self._member(path, one)
            after = path_in(body.get("Members@odata.nextLink") or body.get("@odata.nextLink"))
            if not after or after in pages or self._spent():
                return
            pages.add(after)
            try:
                body = self._get(after)
            except SessionFailed as error:
                self._leave(after, error.failed.message)
                return

    def _member(self, collection: str, one: Json) -> None:
        if not isinstance(one, dict):
            return
        path = path_in(one)
        if len(one) > 3 and kind_of(one) and path:
            self._known.add(path.lower())
            self._keep(path, one)
        elif not (collection.lower().endswith("/logservices") and not _HARDWARE_LOG.fullmatch(path.rpartition("/")[2])):
            self._add(LAST if "/logservices" in collection.lower() else FIRST if _is_early(collection) else SECOND, one)

    def _keep(self, path: str, body: Body) -> None:
        kind = kind_of(body)
        if kind in _OWNERS and self._is_anothers(body, _OWNERS[kind]):
            return
        self.tree[path] = body
        if state_of(body) in ("absent",):
            return
        links = FOLLOWED.get(kind, ())
        if kind == "ComputerSystem" and path.rstrip("/").lower() != self.system.lower():
            links = _OTHER_SYSTEM
        for rank, names in links:
            for link in _links(body, names):
                self._add(rank, link)
        if path == "/redfish/v1":
            self._roots(body)

    def _roots(self, root: Body) -> None:
        """The services of the root, whose type is missing on some BMCs."""
        for rank, names in (*FOLLOWED["ServiceRoot"], (SECOND, "Systems"), (SECOND, "Chassis")):
            for link in _links(root, names):
                self._add(rank, link)

    def _is_anothers(self, body: Body, name: str) -> bool:
        systems = [path_in(one).lower() for one in rows(member(body, "Links").get(name))]
        return bool(systems) and self.system.lower() not in systems

    def registry(self) -> None:
        """What each setting of the BIOS may be: the registry that the BIOS names, in English or in the first language."""
        bios = next((body for body in self.tree.values() if kind_of(body) == "Bios" and body.get("AttributeRegistry")), {})
        name = str(bios.get("AttributeRegistry") or "")
        if not name or self._spent():
            return
        try:
            listed = [path_in(one) for one in self.session.members(self.session.root.get("Registries") or {"@odata.id": ""}, MOST_MEMBERS)]
            path, sure = _of_bios(listed, name)
            if not path:
                self._leave(name, "the service lists no such registry")
                return
            places = rows(self._get(path).get("Location"))
            english = [place for place in places if str(place.get("Language", "")).lower().startswith("en")]
            for place in (english or places)[:1]:
                uri = place.get("Uri") or place.get("PublicationUri")
                found = self._counted(self.session.get_registry(uri).body)
                if sure or found.get("Id") == name:
                    self.tree[path_in(uri) or f"/redfish/v1/Registries/{name}"] = found
                else:
                    self._leave(name, "the service lists another registry")
        except SessionFailed as error:
            if error.failed.kind == "authentication":
                raise
            self._leave(f"the registry {name}", error.failed.message)


def _of_bios(listed: Sequence[str], name: str) -> tuple[str, bool]:
    """The registry file of this name, and whether it is sure to be it: else the only one for a BIOS. Empty: there is none."""
    last = {path: path.rpartition("/")[2] for path in listed}
    same = [path for path, own in last.items() if own and (own == name or name.startswith(own) or own.startswith(name))]
    if same:
        return same[0], True
    others = [path for path, own in last.items() if own.lower().startswith("biosattributeregistry")]
    return (others[0], False) if len(others) == 1 else ("", False)


def named(link: Json) -> Json:
    """iLO 4 says `href` where DSP0266 says `@odata.id`."""
    return {"@odata.id": link["href"]} if isinstance(link, dict) and "href" in link and "@odata.id" not in link else link


def _is_collection(path: str) -> bool:
    """Whether the last part of a path is a collection's usual name."""
    last = path.rpartition("/")[2].lower()
    return last in ("memory", "storage", "firmwareinventory") or (last.endswith("s") and last not in ("bios", "settings"))


def _is_early(collection: str) -> bool:
    return collection.rpartition("/")[2].lower() in (
        "processors",
        "memory",
        "drives",
        "storage",
        "networkadapters",
        "ports",
        "networkports",
        "volumes",
    )


def _links(body: Body, names: str) -> Iterator[Json]:
    """The links at `A.B.C`; only the first name has dots of its own (`@Redfish.Settings`)."""
    parts = ["@Redfish.Settings", *names.split(".")[2:]] if names.startswith("@Redfish.") else names.split(".")
    found: Json = body
    for name in parts:
        found = found.get(name) if isinstance(found, dict) else None
    yield from rows(found)


def read_inventory(session: RedfishSession, system: str, uuid: str = "", serial: str = "") -> InventoryRead:
    """The record of the machine whose system is at this path. Raises `SessionFailed` if not even the system can be read."""
    walk = Walk(session, system)
    walk.run()
    walk.registry()
    try:
        parts = redfish_tree.read_tree(walk.tree, uuid, serial)
    except Refused as refusal:
        raise SessionFailed("unsupported", f"its resources cannot be read: {refusal}") from None
    return InventoryRead(parts=parts, resources=len(walk.tree), requests=walk.requests, left_out=tuple(walk.left_out))
