"""What a BMC says of its machine before an order, and what the machine wrote into it: by IPMI and by Redfish, over sockets."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import pytest
from ipmi_rig import QUICK
from msgspec.structs import replace

from engine.parts import Product
from engine.power import Identity, InventoryRead, NoteRead, Owner, PowerDone, PowerFailed
from engine.power.certificates import Certificates
from engine.power.gate import Gates
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.power.ipmi_identity import field
from engine.power.redfish import RedfishPower, RedfishTarget
from engine.racks.bmc.farms import in_band
from engine.racks.bmc.label import About, fru
from engine.racks.simulated.proof import prove

TEXT = "abcdefghij234"
ABOUT = About(guid=UUID("4c4c4544-0042-3510-8053-b4c04f4d3732"), vendor="Dell", product="R650", serial="SN7")
PACE = replace(QUICK, total_s=5.0, web_s=5.0)
SPELLINGS = {str(ABOUT.guid), str(UUID(bytes=ABOUT.guid.bytes_le))}
BOTH = pytest.mark.parametrize("protocol", ["ipmi", "redfish"])


class Rig:
    """A BMC and its machine, and the engine's adapters for it."""

    def __init__(self, protocol: str, farm: Any, machine: Any, about: About) -> None:
        self.machine, self.protocol = machine, protocol
        self.sim = farm.add("127.0.0.1", 0, machine, about=about)
        self.bmc = in_band(self.sim)

    def power(self, owner: Owner | None = None) -> IpmiPower | RedfishPower:
        place = {"address": "127.0.0.1", "port": self.sim.port, "user": "root", "password": "calvin"}
        if self.protocol == "ipmi":
            return IpmiPower(IpmiTarget(**place), gates=Gates(), pace=PACE, owner=owner)
        return RedfishPower(RedfishTarget(**place), gates=Gates(), certificates=Certificates(), pace=PACE, owner=owner)

    def read(self, record: int = 0) -> NoteRead | PowerFailed:
        return self.power().note(record, lambda shown: shown == TEXT)


@pytest.fixture
def rig(request: pytest.FixtureRequest, machine: Any) -> Any:
    def made(protocol: str, about: About = ABOUT) -> Rig:
        return Rig(protocol, request.getfixturevalue("farm" if protocol == "ipmi" else "redfish_farm"), machine, about)

    return made


class Within:
    """A simulated machine, as far as a challenge needs it."""

    def __init__(self, rig: Rig) -> None:
        self.bmc = rig.bmc


@BOTH
def test_what_the_machine_wrote_as_its_name(rig: Any, protocol: str) -> None:
    one = rig(protocol)
    began = time.monotonic()
    assert one.read() == NoteRead(text="")
    assert time.monotonic() - began > 2.0, "some BMCs show it late"
    assert prove(Within(one), TEXT, "system-name sel-entry").gives == {"way": "system-name"}  # type: ignore[arg-type]
    assert one.read() == NoteRead(text=TEXT)
    assert prove(Within(one), "zzzzzzzzzz222", "system-name").exit == 0  # type: ignore[arg-type]
    assert one.power().note(0, lambda _shown: True) == NoteRead(text="zzzzzzzzzz222")


def test_what_the_machine_wrote_into_the_event_log(rig: Any) -> None:
    one = rig("ipmi")
    for record in (1, 2):
        assert prove(Within(one), TEXT, "sel-entry").gives == {"way": "sel-entry", "record": record}  # type: ignore[arg-type]
        assert one.read(record) == NoteRead(text=TEXT)
    gone = one.read(3)
    assert isinstance(gone, PowerFailed)
    one.sim.commands.events.append(b"\x02" + bytes(13))  # the BMC's own entry
    own = one.read(3)
    assert isinstance(own, PowerFailed)
    assert "not the machine's" in own.message


def test_redfish_reads_no_event_log(rig: Any) -> None:
    failed = rig("redfish").read(1)
    assert isinstance(failed, PowerFailed)
    assert failed.kind == "unsupported"


def test_a_stranger_on_the_network_writes_nothing_without_an_account(rig: Any) -> None:
    one = rig("ipmi")
    bad = IpmiPower(IpmiTarget(address="127.0.0.1", port=one.sim.port, user="root", password="guess"), gates=Gates(), pace=PACE)
    assert isinstance(bad.note(0, bool), PowerFailed)
    assert (one.sim.commands.system_name, one.sim.commands.events) == (b"", [])
    for command in ((0x06, 0x58), (0x0A, 0x44)):
        assert command not in one.sim.commands.SESSIONLESS
    assert one.sim.commands.execute(0x06, 0x58, bytes((2, 0, 0, 2)) + b"ab", 3)[0] == 0xD4, "an operator of the BMC may not"


@BOTH
def test_it_says_whose_it_is_before_each_order(rig: Any, protocol: str) -> None:
    one = rig(protocol)
    told: list[Identity] = []

    def owner(said: Identity) -> str:
        told.append(said)
        return "" if SPELLINGS & set(said.uuids) and "SN7" in said.serials else "not mine"

    done = one.power(owner).set("on")
    assert isinstance(done, PowerDone), done
    assert SPELLINGS & set(told[-1].uuids)
    assert told[-1].serials == ("SN7",)
    assert len(told) == (2 if protocol == "ipmi" else 1), "the FRU is read only if the GUID does not tell"


@BOTH
def test_one_that_is_another_s_gets_no_order(rig: Any, protocol: str) -> None:
    one = rig(protocol)
    power = one.power(lambda _said: "it is another's")
    calls = [power.read, lambda: power.set("on"), lambda: power.set_boot("disk", False, None), lambda: power.boot("network", False, True)]
    calls += [lambda: power.identify(5), power.sensors, lambda: power.note(0, bool)]  # type: ignore[list-item]
    for call in calls:
        assert call() == PowerFailed(kind="not_own", message="it is another's")
    assert one.machine.log == []


@BOTH
def test_one_that_says_nothing_of_itself(rig: Any, protocol: str) -> None:
    told: list[Identity] = []
    one = rig(protocol, About(guid=UUID(int=0)))
    one.power(lambda said: told.append(said) or "").read()
    assert told[0].serials == () or told[0].serials == ("",)


# -- octets --------------------------------------------------------------------------------------------------------


def test_fields_of_a_fru() -> None:
    label = fru(ABOUT)
    area = label[label[4] * 8 :]
    assert [field(area, 3, i) for i in range(5)] == ["Dell", "R650", "", "", "SN7"]
    assert field(area, 3, 9) == ""
    assert sum(label[:8]) & 0xFF == 0
    assert sum(area) & 0xFF == 0


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\xc3SN7\xc1", "SN7"),
        (b"\x83" + (ord("S") - 32 | (ord("N") - 32) << 6 | (ord("7") - 32) << 12 | (ord("X") - 32) << 18).to_bytes(3, "little"), "SN7X"),
        (b"\x42\x12\x3a", "123"),
        (b"\x02\x01\x02", ""),
        (b"\xc1", ""),
        (b"", ""),
        (b"\xc9SN7", "SN7"),
        (b"\xc4SN7\x00", "SN7"),
    ],
)
def test_types_of_a_field(octets: bytes, text: str) -> None:
    assert field(octets, 0, 0) == text


@pytest.mark.parametrize(
    "label", [b"", b"\x01", b"\x01\x00\x00\x00\xff\x00\x00\x00", b"\x01\x00\x00\x00\x01\x00\x00\xfe\x01\xff", b"\xff" * 64]
)
def test_a_fru_that_is_none(rig: Any, label: bytes) -> None:
    one = rig("ipmi")
    one.sim.commands.fru = label
    told: list[Identity] = []
    read = one.power(lambda said: told.append(said) or ("" if len(told) > 1 else "look again")).read()
    assert isinstance(read, PowerDone)
    assert len(told) == 2


def test_ipmi_tells_the_label_and_the_firmware_of_the_bmc(rig: Any) -> None:
    found = rig("ipmi").power().inventory()
    assert isinstance(found, InventoryRead)
    assert found.by == "ipmi"
    assert found.parts.system is not None
    assert (found.parts.system.vendor, found.parts.system.model, found.parts.system.serial) == ("Dell", "R650", "SN7")
    assert found.parts.system.uuid in SPELLINGS
    assert [one.part for one in found.parts.firmware] == ["bmc"]
    assert found.parts.dimms == found.parts.drives == ()


def area(*fields: bytes, head: bytes = b"\x01\x00\x00") -> bytes:
    octets = head + b"".join(bytes((0xC0 | len(one),)) + one for one in fields) + b"\xc1"
    size = -(-(len(octets) + 1) // 8)
    return (octets[:1] + bytes((size,)) + octets[2:]).ljust(size * 8, b"\0")


def test_board_and_chassis_of_a_fru(rig: Any) -> None:
    one = rig("ipmi")
    chassis = area(b"CH-1", b"CS7", head=b"\x01\x00\x17")
    board = area(b"Maker", b"Board 9", b"BS7", b"BP-3", head=b"\x01\x00\x00\x00\x00\x00")
    one.sim.commands.fru = bytes((1, 0, 1, 1 + len(chassis) // 8, 0, 0, 0, 0)) + chassis + board
    found = one.power().inventory()
    assert isinstance(found, InventoryRead)
    assert found.parts.system is None
    assert found.parts.chassis == Product(number="CH-1", serial="CS7", kind="Rack Mount Chassis")
    assert found.parts.board == Product(vendor="Maker", model="Board 9", serial="BS7", number="BP-3")


@pytest.mark.parametrize("label", [b"", b"\x01", b"\x01\0\0\0\xff\0\0\0", b"\x01\0\x01\x01\x01\0\0\xfe\x01\xff", b"\xff" * 64, b"\0" * 300])
def test_a_fru_that_is_none_tells_no_machine(rig: Any, label: bytes) -> None:
    one = rig("ipmi")
    one.sim.commands.fru = label
    found = one.power().inventory()
    assert isinstance(found, InventoryRead)
    assert (found.parts.board, found.parts.system) == (None, None)
    assert found.parts.firmware


def test_another_s_ipmi_inventory_is_not_read(rig: Any) -> None:
    assert rig("ipmi").power(lambda _said: "it is another's").inventory() == PowerFailed(kind="not_own", message="it is another's")
