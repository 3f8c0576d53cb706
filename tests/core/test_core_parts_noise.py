"""What is no difference between two looks at one machine: what changes by itself, and what only the report decides."""

from __future__ import annotations

import random
import time

import pytest
from msgspec.structs import replace

from engine.core.hardware.parts_diff import KINDS, differences, facts, lasting, outliers, same
from engine.parts import Card, Dimm, Drive, Firmware, LogEntry, NetPort, Optic, Parts, PowerSupply, Product, SensorValue

DRIVES = tuple(
    Drive(
        place=f"bay {n}",
        serial=f"D{n}",
        wwn=f"5000c5000000000{n}",
        name=f"sd{'abcdefgh'[n]}",
        model="EXAMPLE D8",
        size=8_001_563_222_016,
        firmware="SN04",
        hours=100 + n,
        temperature=30,
        wear=1,
        reallocated=0,
        health="ok",
    )
    for n in range(6)
)
ONE = Parts(
    system=Product(vendor="Example Inc.", model="Server 1", serial="S1"),
    firmware=(Firmware(part="bios", version="U30 v2.36 (07/16/2020)"), Firmware(part="bmc", version="2.04")),
    dimms=tuple(Dimm(place=f"A{n}", serial=f"M{n}", size=16 << 30, type="DDR4", speed=2933) for n in range(8)),
    drives=DRIVES,
    ports=tuple(NetPort(name=f"eno{n}", mac=f"02:00:00:00:00:0{n}", speed=1000, fastest=10000, link=True) for n in range(4)),
    supplies=(PowerSupply(place="PSU 1", serial="P1", watts=800, output=120.0), PowerSupply(place="PSU 2", serial="P2", watts=800)),
    readings=(SensorValue(name="CPU 1", value=40.0, unit="C", health="ok"),),
    power="on",
)
"""A machine of an invented maker."""


def later(seed: int) -> Parts:
    """The same machine at another hour, after a restart, by a report that lists and spells things otherwise."""
    rnd = random.Random(seed)
    drives = [
        replace(
            one,
            name=f"nvme{rnd.randrange(9)}n1",
            hours=(one.hours or 0) + rnd.randrange(9000),
            temperature=rnd.randrange(20, 60),
            wear=rnd.randrange(90),
            reallocated=rnd.randrange(9),
            link=rnd.choice((0, 6000, 12000)),
            size=rnd.choice((one.size, 8_000_000_000_000)),
            firmware=rnd.choice(("SN04", "sn04", "SN4")),
        )
        for one in ONE.drives
    ]
    optic = Optic(kind="SFP", serial="O1", rx=(-2.0,), temperature=40.0)
    ports = [replace(one, name=f"eth{rnd.randrange(9)}", speed=0, link=False, optic=rnd.choice((optic, None))) for one in ONE.ports]
    dimms, supplies = list(ONE.dimms), [replace(one, output=rnd.random() * 400) for one in ONE.supplies]
    for pieces in (drives, ports, dimms, supplies):
        rnd.shuffle(pieces)  # type: ignore[arg-type]
    return replace(
        ONE,
        firmware=(Firmware(part="bmc", version="2.4"), Firmware(part="bios", version="u30 2.36")),
        drives=tuple(drives),
        ports=tuple(ports),
        dimms=tuple(dimms),
        supplies=tuple(supplies),
        readings=(SensorValue(name="CPU 1", value=rnd.random() * 90, unit="C"),),
        log=(LogEntry(id="1", text="Power Supply AC lost"),),
        power="off",
        odd=("a report could not be read",),
    )


@pytest.mark.parametrize("seed", range(30))
def test_a_later_look_at_the_same_machine_is_no_difference(seed: int) -> None:
    assert differences(ONE, later(seed)) == ()
    assert differences(later(seed), later(seed + 1)) == ()


@pytest.mark.parametrize("seed", range(10))
def test_order_and_kernel_names_make_no_new_record(seed: int) -> None:
    rnd = random.Random(seed)
    shuffled = {field: tuple(rnd.sample(getattr(ONE, field), len(getattr(ONE, field)))) for field in KINDS}
    again = replace(ONE, **shuffled)
    again = replace(again, drives=tuple(replace(one, name="sdz", temperature=50) for one in again.drives))
    assert lasting(again) == lasting(ONE)
    assert facts(again) == facts(ONE)


def test_media_that_come_and_go_are_not_compared() -> None:
    stick = Drive(name="sdz", protocol="usb", model="Stick", serial="U1", size=8 * 10**9)
    pretended = Drive(name="sr0", medium="optical", model="Virtual CDROM0")
    more = replace(ONE, drives=(*ONE.drives, stick, pretended))
    assert differences(ONE, more) == differences(more, ONE) == ()
    assert facts(more) == facts(ONE)
    assert outliers({"a": facts(ONE), "b": facts(ONE), "c": facts(more), "d": facts(ONE)}) == {}


def test_what_is_a_difference_stays_one() -> None:
    assert [str(one) for one in differences(ONE, replace(ONE, dimms=ONE.dimms[1:]))] == [
        "DIMM A0 (16 GiB DDR4 2933 MT/s, serial M0) is gone"
    ]
    smaller = replace(ONE, drives=(replace(ONE.drives[0], size=4_000_787_030_016), *ONE.drives[1:]))
    assert [one.field for one in differences(ONE, smaller)] == ["size"]
    flashed = replace(ONE, firmware=(Firmware(part="bios", version="U30 v2.40 (10/26/2020)"),))
    assert [one.now for one in differences(ONE, flashed)] == ["U30 v2.40 (10/26/2020)"]


def test_the_most_pieces_are_compared_in_time_linear_in_their_number() -> None:
    """4,096 without a serial number, none like another: quadratic pairing took a minute."""
    cards = tuple(Card(pci=f"{n:05x}:00.0", model=f"Card {n}") for n in range(4096))
    begun = time.process_time()
    assert differences(Parts(cards=cards), Parts(cards=cards[::-1])) == ()
    assert len(differences(Parts(cards=cards), Parts(cards=tuple(replace(one, pci=f"1{one.pci}") for one in cards)))) == 200
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("was", "now", "equal"),
    [
        ("v2.10", "2.10", True),
        ("Version 2.10", "2.10", True),
        ("02.05.00", "2.5.0", True),
        ("2.10", "2.1", False),
        ("P89 v2.30", "P89 v2.60", False),
        ("1.2.3a", "1.2.3b", False),
        ("HPD2", "HPD3", False),
        ("7.10.30.00", "7.10.30.05", False),
    ],
)
def test_spellings_of_a_version(was: str, now: str, equal: bool) -> None:
    assert same("firmware", was, now) is equal
