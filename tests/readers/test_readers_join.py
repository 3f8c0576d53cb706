"""Several reports of one machine become one record: which pieces are one, which report wins a field, and what contradicts."""

from __future__ import annotations

from typing import Any

import invented
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.parts import BmcLine, Card, Dimm, Drive, Firmware, NetPort, Parts, PowerSupply, Processor, Product, SensorValue
from engine.readers.formats import read_octets
from engine.readers.join import join

TB4 = 4_000_787_030_016


def drives(*reports: tuple[str, Drive]) -> tuple[Drive, ...]:
    return join([(name, Parts(drives=(one,))) for name, one in reports]).drives


def test_a_drive_of_three_tools_is_one_and_the_nearest_tool_wins() -> None:
    (one,) = drives(
        ("lshw-json", Drive(name="sda", serial="S1", model="EXAMPLE SSD", vendor="ATA", size=TB4, firmware="1.0")),
        ("lsblk-json", Drive(name="sda", serial="s1 ", model="EXAMPLE_SSD_4TB", wwn="5002538e40000001", size=TB4, medium="ssd")),
        ("smartctl-json", Drive(name="sda", serial="S1", model="EXAMPLE SSD 4TB", firmware="1.0B", size=TB4, health="ok", hours=7)),
    )
    assert (one.model, one.vendor, one.firmware, one.wwn, one.medium) == ("EXAMPLE SSD 4TB", "ATA", "1.0B", "5002538e40000001", "ssd")
    assert (one.health, one.hours) == ("ok", 7)


@pytest.mark.parametrize(
    ("one", "other", "pieces"),
    [
        (Drive(serial="A", name="sda"), Drive(serial="B", name="sda"), 2),  # names move between starts
        (Drive(serial="A", wwn="5" * 16), Drive(serial="B", wwn="5" * 16), 2),
        (Drive(serial="6XP2FK730000M233QACC", wwn="5000c5004bb62a0f"), Drive(serial="6XP2FK73", wwn="5000c5004bb62a0f"), 1),
        (Drive(serial="6XP2", wwn="5000c5004bb62a0f"), Drive(serial="5000C5004BB62A0F", wwn="5000c5004bb62a0f"), 1),
        (Drive(wwn="5000c5004bb62a0f", name="sda"), Drive(name="sda"), 1),
        (Drive(serial="A", name="nvme0"), Drive(serial="A", name="nvme0n1"), 1),
        (Drive(name="nvme0", health="ok"), Drive(name="nvme0n1", serial="A"), 1),
        (Drive(name="sda"), Drive(name="sdb"), 2),
    ],
)
def test_which_drives_are_one(one: Drive, other: Drive, pieces: int) -> None:
    for pair in ((one, other), (other, one)):
        assert len(drives(("smartctl", pair[0]), ("lsblk-json", pair[1]))) == pieces


def test_two_pieces_of_one_report_are_two() -> None:
    report = Parts(drives=(Drive(name="nvme0n1", serial="A", size=10**12), Drive(name="nvme0n2", serial="A", size=2 * 10**12)))
    assert [one.size for one in join([("nvme-json", report)]).drives] == [10**12, 2 * 10**12]
    assert len(join([("nvme-json", report), ("lsblk-json", report)]).drives) == 2


def test_a_slot_is_one_piece_and_another_serial_number_in_it_is_odd() -> None:
    whole = join(
        [
            ("redfish", Parts(dimms=(Dimm(place="DIMM.Socket.A1", serial="NEW", size=2**34), Dimm(place="A2", serial="X", size=2**34)))),
            ("dmidecode", Parts(dimms=(Dimm(place="A1", serial="OLD", size=2**34, speed=2666), Dimm(place="A2", present=False)))),
        ]
    )
    first, second = whole.dimms
    assert (first.place, first.serial, first.speed) == ("A1", "OLD", 2666)
    assert second.present, "the BMC sees what the last start did not"
    assert any("A1" in line and "OLD" in line and "NEW" in line and "redfish" in line for line in whole.odd)


def test_in_band_wins_for_what_runs_and_out_of_band_adds_what_is_not_seen() -> None:
    whole = join(
        [
            ("redfish", Parts(power="on", ports=(NetPort(mac="aa:bb:cc:00:00:01", speed=0, link=False), NetPort(mac="aa:bb:cc:00:00:02")))),
            ("ethtool", Parts(power="off", ports=(NetPort(mac="aa:bb:cc:00:00:01", name="eno1", speed=10000, link=True),))),
            ("ipmitool-fru", Parts(supplies=(PowerSupply(place="PSU1", serial="P1"), PowerSupply(place="PSU2", present=False)))),
        ]
    )
    assert [(one.name, one.link, one.mac[-1]) for one in whole.ports] == [("eno1", True, "1"), ("", None, "2")]
    assert [one.present for one in whole.supplies] == [True, False]
    assert whole.power == "on", "the BMC knows the power"


def test_the_worst_health_wins_with_its_note() -> None:
    (one,) = drives(
        ("smartctl", Drive(serial="A", health="ok", hours=1)),
        ("storcli", Drive(serial="A", health="failed", note="predictive failure", place="32:4")),
    )
    assert (one.health, one.note, one.place, one.hours) == ("failed", "predictive failure", "32:4", 1)


def test_an_exact_size_wins_and_rounding_is_no_contradiction() -> None:
    whole = join(
        [
            ("nvme", Parts(drives=(Drive(serial="A", size=1_920_000_000_000),))),
            ("lsblk-json", Parts(drives=(Drive(serial="A", size=1_920_383_410_176),))),
        ]
    )
    assert whole.drives[0].size == 1_920_383_410_176
    assert not whole.odd
    other = join([("nvme", Parts(drives=(Drive(serial="A", size=10**12),))), ("lsblk-json", Parts(drives=(Drive(serial="A", size=TB4),)))])
    assert any("size" in line for line in other.odd)


def test_processors_without_a_place_join_in_order_if_there_are_as_many() -> None:
    sockets = Parts(
        processors=(Processor(place="CPU1", cores=12), Processor(place="CPU2", cores=12), Processor(place="CPU3", present=False))
    )
    two = Parts(processors=(Processor(cores=12, mhz=3600, architecture="x86_64"),) * 2)
    found = join([("lscpu", two), ("dmidecode", sockets)]).processors
    assert [(one.place, one.mhz, one.present) for one in found] == [("CPU1", 3600, True), ("CPU2", 3600, True), ("CPU3", 0, False)]
    one = join([("lscpu", Parts(processors=two.processors[:1])), ("dmidecode", sockets)])
    assert [each.mhz for each in one.processors] == [0, 0, 0]
    assert any("lscpu tells 1" in line for line in one.odd)


def test_cards_join_by_their_address_with_or_without_the_domain() -> None:
    whole = join(
        [
            ("dmidecode", Parts(cards=(Card(pci="0000:3b:00.0", place="PCIe Slot 1"),))),
            ("lspci", Parts(cards=(Card(pci="3b:00.0", model="A100", kind="GPU"), Card(pci="00:00.0", kind="Host bridge")))),
        ]
    )
    assert [(one.place, one.model) for one in whole.cards] == [("PCIe Slot 1", "A100"), ("", "")]


def test_the_system_and_its_firmware() -> None:
    whole = join(
        [
            ("redfish", Parts(system=Product(serial="EX2", asset="rack 7"), firmware=(Firmware(part="bios", version="U30 v2.10"),))),
            ("dmidecode", Parts(system=Product(serial="EX1", model="Server"), firmware=(Firmware(part="bios", version="2.10"),))),
            ("ipmitool-mc", Parts(firmware=(Firmware(part="bmc", version="6.10"),))),
            ("lshw-json", Parts(firmware=(Firmware(part="bios", version="1.0"),), memory=2**35)),
        ]
    )
    assert whole.system == Product(serial="EX1", model="Server", asset="rack 7")
    assert [(one.part, one.version) for one in whole.firmware] == [("bios", "2.10"), ("bmc", "6.10")]
    assert whole.memory == 2**35
    assert sum("EX2" in line for line in whole.odd) == 1
    assert sum("bios" in line and "1.0" in line for line in whole.odd) == 1, "U30 v2.10 and 2.10 agree, 1.0 does not"


def test_readings_and_lines_of_the_bmc() -> None:
    a, b = SensorValue(name="Temp", value=20.0), SensorValue(name="Temp", value=21.0)
    whole = join(
        [
            ("ipmitool-sdr", Parts(readings=(a,))),
            ("redfish", Parts(readings=(b,), bmcs=(BmcLine(mac="aa:00:00:00:00:01", vlan=7),))),
            ("ipmitool-lan", Parts(bmcs=(BmcLine(mac="aa:00:00:00:00:01", address="192.0.2.4"),))),
        ]
    )
    assert len(whole.readings) == 1
    assert whole.bmcs == (BmcLine(mac="aa:00:00:00:00:01", vlan=7, address="192.0.2.4"),)


def known(*names: str) -> list[tuple[str, Parts]]:
    return [read_octets((invented.EXAMPLES / name).read_bytes()) for name in names]


def test_reports_of_one_invented_machine() -> None:
    whole = join(known("lshw.txt", "ipmitool-fru.txt", "ipmitool-lan.txt", "smartctl-sas.txt", "lldpcli-json0.json", "lscpu-json.txt"))
    assert whole.system is not None
    assert (whole.system.model, whole.system.asset) == ("SYS-1029U", "rack 7")
    assert [one.serial for one in whole.drives] == ["ZXA012345", "00aabb"]
    assert len(whole.heard) == 2
    assert any("serial" in line for line in whole.odd), "lshw and the FRU tell two machines"


ALL = [one for name in invented.names() if not name.startswith("smartctl-no-device") for one in known(name)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ALL), max_size=6))
def test_joining_again_changes_nothing_and_loses_no_serial_number(reports: list[tuple[str, Parts]]) -> None:
    whole = join(reports)
    assert join([("lsblk-json", whole)]) == whole
    told: dict[str, Any] = {}
    for _, parts in reports:
        for field in ("drives", "dimms", "supplies"):
            told.setdefault(field, set()).update(one.serial.upper() for one in getattr(parts, field) if one.serial)
    for field, serials in told.items():
        kept = {one.serial.upper() for one in getattr(whole, field)}
        assert all(any(one in line.upper() for line in whole.odd) for one in serials - kept)
