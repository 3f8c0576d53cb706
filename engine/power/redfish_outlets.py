"""Outlets of a rack PDU by Redfish (DMTF DSP2046, schemas PowerDistribution and Outlet).

`PowerEquipment/RackPDUs/N/Outlets/M` has `PowerState`, and the action `#Outlet.PowerControl` with the property `PowerState`. A service
without `PowerEquipment` may have the PDU under `RackPDUs` of its root (drafts before DSP2046 2020.1). An outlet is found by its `Id` or
its `Name`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType

from ..definitions import Json
from ..readers.redfish_slots import slot_name
from . import SessionFailed
from .certificates import Certificates
from .redfish import RedfishTarget
from .redfish_line import Line
from .redfish_session import RedfishSession

Sleep = Callable[[float], None]
_PDUS = 16
_OUTLETS = 256


class RedfishOutlets:
    """The outlets of the PDU behind one service. Every method raises SessionFailed. One login for all of them."""

    def __init__(
        self, target: RedfishTarget, certificates: Certificates, deadline: float, greet_s: float, sleep: Callable[[float], None]
    ) -> None:
        line = Line(target.address, target.port, deadline=deadline, greet_s=greet_s, sleep=sleep, certificates=certificates)
        self._session = RedfishSession(line, target.user, target.password)
        self._paths: dict[str, str] = {}
        """Id or name of an outlet -> its path."""

    def __enter__(self) -> RedfishOutlets:
        self._session.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._session.__exit__(kind, error, trace)

    def read(self, outlets: Sequence[str]) -> list[bool | None]:
        return [self._state(outlet) for outlet in outlets]

    def switch(self, outlets: Sequence[str], on: bool) -> None:
        for outlet in outlets:
            path = self._path(outlet)
            if not path:
                raise SessionFailed("unsupported", f"the PDU has no outlet {outlet}")
            actions = self._session.get(path).body.get("Actions")
            control = actions.get("#Outlet.PowerControl") if isinstance(actions, dict) else None
            target = control.get("target") if isinstance(control, dict) else None
            if not isinstance(target, str):
                raise SessionFailed("unsupported", f"outlet {outlet} of the PDU cannot be switched")
            self._session.post(target, {"PowerState": "On" if on else "Off"})

    def _state(self, outlet: str) -> bool | None:
        path = self._path(outlet)
        state = self._session.get(path).body.get("PowerState") if path else None
        return {"On": True, "PoweringOff": True, "Off": False, "PoweringOn": False}.get(str(state))

    def _path(self, outlet: str) -> str:
        """Empty: there is no such outlet."""
        if not self._paths:
            for pdu in self._pdus():
                self._learn(self._session.get(pdu).body.get("Outlets"))
        return self._paths.get(outlet.lower(), "")

    def _pdus(self) -> list[Json]:
        equipment = self._session.root.get("PowerEquipment")
        holder = self._session.get(equipment).body if equipment is not None else self._session.root
        racks = holder.get("RackPDUs")
        if racks is None:
            raise SessionFailed("unsupported", "its Redfish service has no rack PDU")
        return self._session.members(racks, _PDUS)

    def _learn(self, collection: Json) -> None:
        for one in self._session.members(collection, _OUTLETS) if collection is not None else ():
            path = self._session.path(one)
            body = self._session.get(one).body
            for name in (body.get("Id"), body.get("Name")):
                if isinstance(name, str) and name:
                    self._paths.setdefault(name.lower(), path)


class RedfishSlots(RedfishOutlets):
    """The slots of a chassis as outlets (schema Chassis): `PowerState`, and the action `#Chassis.Reset`."""

    def switch(self, outlets: Sequence[str], on: bool) -> None:
        for outlet in outlets:
            path = self._path(outlet)
            if not path:
                raise SessionFailed("unsupported", f"the chassis has no slot {outlet}")
            actions = self._session.get(path).body.get("Actions")
            reset = actions.get("#Chassis.Reset") if isinstance(actions, dict) else None
            target = reset.get("target") if isinstance(reset, dict) else None
            if not isinstance(target, str):
                raise SessionFailed("unsupported", f"slot {outlet} of the chassis cannot be switched: it has no action Chassis.Reset")
            self._session.post(target, {"ResetType": "On" if on else "ForceOff"})

    def _path(self, outlet: str) -> str:
        if not self._paths:
            for one in self._session.members(self._session.root.get("Chassis"), _OUTLETS):
                body = self._session.get(one).body
                actions = body.get("Actions")
                if isinstance(actions, dict) and "#Chassis.Reset" in actions:
                    for name in (slot_name(body), body.get("Id"), body.get("Name")):
                        if isinstance(name, str) and name:
                            self._paths.setdefault(name.lower(), self._session.path(one))
        return self._paths.get(outlet.lower(), "")
