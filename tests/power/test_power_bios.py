"""BIOS settings by Redfish, against a service whose BIOS holds state: settings wait for a start, as on a machine. Makers' habits are
switched on one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redfish_rig import SYSTEM, Service, redfish, system

from engine.core.hardware.bios_sets import WantedBios, compare
from engine.power import BiosRead, BiosWritten, InventoryRead, PowerFailed

BIOS, PLACE = f"{SYSTEM}/Bios", f"{SYSTEM}/Bios/Settings"
JOBS = "/redfish/v1/Managers/iDRAC.Embedded.1/Jobs"
REGISTRY = "/redfish/v1/Registries/BiosRegistry.v1"


class BiosState:
    """A BIOS: what it has, and what waits."""

    def __init__(self, *, times: tuple[str, ...] = ("OnReset",), etag: str = '"e1"', place: str = PLACE, lies: bool = False) -> None:
        self.now: dict[str, Any] = {"ProcVirtualization": "Disabled", "Cores": 0, "Quiet": True}
        self.waits: dict[str, Any] = {}
        self.times, self.etag, self.place, self.lies = times, etag, place, lies
        self.bodies: list[dict[str, Any]] = []

    def start(self) -> None:
        self.now |= self.waits
        self.waits = {}

    def replies(self) -> dict[str, Any]:
        about = {"SettingsObject": {"@odata.id": self.place}, "SupportedApplyTimes": list(self.times)}
        attributes = [
            {
                "AttributeName": "ProcVirtualization",
                "Type": "Enumeration",
                "ResetRequired": True,
                "Value": [{"ValueName": "Enabled"}, {"ValueName": "Disabled"}],
            },
            {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 0, "UpperBound": 8},
        ]
        return {
            f"GET {SYSTEM}": {**system(), "@odata.type": "#ComputerSystem.v1_0_0.ComputerSystem", "Bios": {"@odata.id": BIOS}},
            "GET /redfish/v1/": {
                "RedfishVersion": "1.6.0",
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
                "Registries": {"@odata.id": "/redfish/v1/Registries"},
            },
            "GET /redfish/v1/Registries": {"Members": [{"@odata.id": REGISTRY}]},
            f"GET {REGISTRY}": {"Location": [{"Language": "en", "Uri": "/registry.json"}]},
            "GET /registry.json": {
                "@odata.type": "#AttributeRegistry.v1_3_0.AttributeRegistry",
                "RegistryEntries": {"Attributes": attributes},
            },
            f"GET {BIOS}": lambda _: self._typed(BIOS, self.now, {"AttributeRegistry": "BiosRegistry.v1", "@Redfish.Settings": about}),
            f"GET {PLACE}": lambda _: (200, {"ETag": self.etag}, self._typed(PLACE, {**self.now, **self.waits}, {})),
            f"PATCH {PLACE}": self.patch,
        }

    def _typed(self, path: str, values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        return {"@odata.id": path, "@odata.type": "#Bios.v1_1_0.Bios", "Attributes": dict(values), **more}

    def patch(self, service: Service) -> Any:
        _, headers, body = service.seen[-1]
        self.bodies.append(body)
        if headers.get("if-match") != self.etag:
            return 412, {}, {}
        unknown = [name for name in body["Attributes"] if name not in self.now]
        if unknown:
            return (
                400,
                {},
                {"error": {"@Message.ExtendedInfo": [{"Message": f"The property {unknown[0]} is not in the list of valid properties."}]}},
            )
        if not self.lies:
            self.waits |= body["Attributes"]
        return 200, {}, {}


def converged(found: Any, wanted: WantedBios) -> Any:
    assert isinstance(found, BiosRead), found
    return compare(wanted, found.settings, found.dependencies)


def test_from_have_to_want(tmp_path: Path) -> None:
    """Read, compare, write, wait, start, read back; then there is nothing to write, and no reboot is needed."""
    machine = BiosState()
    wanted = WantedBios(settings={"ProcVirtualization": "enabled", "Cores": 4, "Quiet": True})
    with Service(tmp_path, machine.replies()) as service:
        power = redfish(service.port)
        first = converged(power.bios(), wanted)
        assert first.to_write == {"ProcVirtualization": "Enabled", "Cores": 4}
        assert first.reboot
        written = power.set_bios(first.to_write)
        assert written == BiosWritten(accepted=("ProcVirtualization", "Cores"), waiting=("ProcVirtualization", "Cores"))
        waiting = converged(power.bios(), wanted)
        assert (waiting.to_write, waiting.reboot) == ({}, True)
        machine.start()
        last = converged(power.bios(), wanted)
        assert (last.to_write, last.reboot, last.same) == ({}, False, 3)
        assert power.set_bios(last.to_write) == BiosWritten()
    assert [one["@Redfish.SettingsApplyTime"]["ApplyTime"] for one in machine.bodies] == ["OnReset"]


def test_nothing_to_write_is_no_request(tmp_path: Path) -> None:
    machine = BiosState()
    with Service(tmp_path, machine.replies()) as service:
        assert redfish(service.port).set_bios({}) == BiosWritten()
        assert not [line for line, _, _ in service.seen if line.startswith("PATCH")]


def test_without_apply_times(tmp_path: Path) -> None:
    machine = BiosState(times=())
    with Service(tmp_path, machine.replies()) as service:
        assert isinstance(redfish(service.port).set_bios({"Cores": 2}), BiosWritten)
    assert machine.bodies == [{"Attributes": {"Cores": 2}}]


def test_an_old_tag_is_read_again(tmp_path: Path) -> None:
    machine = BiosState()

    def once(service: Service) -> Any:
        machine.etag = '"e2"'
        service.replies[f"PATCH {PLACE}"] = machine.patch
        return 412, {}, {}

    with Service(tmp_path, {**machine.replies(), f"PATCH {PLACE}": once}) as service:
        written = redfish(service.port).set_bios({"Cores": 2})
    assert isinstance(written, BiosWritten), written
    assert written.waiting == ("Cores",)


def test_a_service_without_a_place_for_settings(tmp_path: Path) -> None:
    """Some take the values at the Bios itself."""
    machine = BiosState(times=())

    def patch(service: Service) -> Any:
        machine.now |= service.seen[-1][2]["Attributes"]
        return {}

    more: dict[str, Callable[[Service], Any] | tuple[int, dict[str, str], Any]] = {f"PATCH {PLACE}": (405, {}, {}), f"PATCH {BIOS}": patch}
    with Service(tmp_path, {**machine.replies(), **more}) as service:
        assert redfish(service.port).set_bios({"Cores": 2}) == BiosWritten(accepted=("Cores",), waiting=("Cores",), applied=("Cores",))


def test_ilo_4(tmp_path: Path) -> None:
    """Its settings stand beside the other members, and its links say `href`."""
    now: dict[str, Any] = {"ProcVirtualization": "Disabled", "Type": "HpBios.1.2.0", "Name": "BIOS Current Settings"}
    waits: dict[str, Any] = {}
    bios = lambda _: {"@odata.id": BIOS, **now, "links": {"Settings": {"href": PLACE}}}  # noqa: E731 - as short as the other replies
    replies = {
        **BiosState().replies(),
        f"GET {BIOS}": bios,
        f"GET {SYSTEM}": {**system(), "Type": "ComputerSystem.1.0.0", "Oem": {"Hp": {"links": {"BIOS": {"href": BIOS}}}}},
        f"GET {PLACE}": lambda _: {"@odata.id": PLACE, **now, **waits},
        f"PATCH {PLACE}": lambda service: waits.update(service.seen[-1][2]) or {},
    }
    with Service(tmp_path, replies) as service:
        power = redfish(service.port)
        found = power.inventory()
        assert isinstance(found, InventoryRead), found
        assert [one.name for one in found.parts.settings] == ["ProcVirtualization"]
        wanted = WantedBios(settings={"ProcVirtualization": "Enabled"})
        first = converged(power.bios(), wanted)
        assert first.to_write == {"ProcVirtualization": "Enabled"}
        assert power.set_bios(first.to_write) == BiosWritten(accepted=("ProcVirtualization",), waiting=("ProcVirtualization",))
    assert waits == {"ProcVirtualization": "Enabled"}


def test_idrac_gets_a_job(tmp_path: Path) -> None:
    """An older iDRAC keeps values until a job applies them."""
    dell = "/redfish/v1/Systems/System.Embedded.1"
    machine = BiosState(times=())
    replies: dict[str, Any] = {}
    for what, reply in machine.replies().items():
        replies[what.replace(SYSTEM, dell)] = reply
    replies[f"GET {dell}"] = {
        **system(),
        "Bios": {"@odata.id": f"{dell}/Bios"},
        "Links": {"ManagedBy": [{"@odata.id": JOBS.removesuffix("/Jobs")}]},
    }
    replies[f"GET {dell}/Bios"] = {
        "Attributes": machine.now,
        "@Redfish.Settings": {"SettingsObject": {"@odata.id": f"{dell}/Bios/Settings"}},
    }
    replies["GET /redfish/v1/Systems"] = {"Members": [{"@odata.id": dell}]}
    replies[f"POST {JOBS}"] = (200, {"Location": f"{JOBS}/JID_1"}, {})
    replies[f"GET {JOBS}/JID_1"] = {"JobState": "Scheduled"}
    with Service(tmp_path, replies) as service:
        written = redfish(service.port).set_bios({"Cores": 2})
        asked = service.asked(f"POST {JOBS}")
    assert isinstance(written, BiosWritten), written
    assert written.task == f"{JOBS}/JID_1"
    assert [body for _, body in asked] == [{"TargetSettingsURI": f"{dell}/Bios/Settings"}]


@pytest.mark.parametrize(
    ("settings", "more", "kind", "words"),
    [
        ({"Nobody": 1}, {}, "refused", "not in the list of valid properties"),
        ({"AdminPassword": "geheim"}, {}, "unsupported", "passwords are not written"),
        ({"Cores": 2}, {f"PATCH {PLACE}": {}}, "not_obeyed", "it accepted Cores=2, and shows 0"),
        ({"Cores": 2}, {f"PATCH {PLACE}": (202, {"Location": "/redfish/v1/T/1"}, {}),
                        "GET /redfish/v1/T/1": {"TaskState": "Exception", "Messages": [{"Message": "A job is running."}]}}, "refused", "ended as Exception"),
        ({"Cores": 2}, {f"GET {SYSTEM}": system()}, "unsupported", "has no BIOS settings by Redfish"),
    ],
)  # fmt: skip
def test_what_fails(settings: dict[str, Any], more: dict[str, Any], kind: str, words: str, tmp_path: Path) -> None:
    machine = BiosState()
    with Service(tmp_path, machine.replies() | more) as service:
        failed = redfish(service.port).set_bios(settings)
    assert isinstance(failed, PowerFailed), failed
    assert (failed.kind, words in failed.message) == (kind, True), failed.message
    assert "geheim" not in failed.message
