"""What discovery reported, as one typed record. An odd field costs only itself, and a fact names it and the barclamp."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.hardware.inventory import Channel, FoundBmc, Inventory, Nic
from engine.core.hardware.neighbours import Neighbour
from engine.reasons import sentence

TOLD: dict[str, Any] = {
    "vendor": "Dell Inc.",
    "product": "PowerEdge R640",
    "firmware": "efi",
    "memory-mb": 65536,
    "cpus": 32,
    "kexec": True,
    "disks": [{"name": "sda", "size": 1 << 40, "serial": "S1", "rotational": False, "signature": "", "transport": "sata"}],
    "media": [{"name": "sr0", "what": "virtual-media", "label": "X"}],
    "nics": [
        {"name": "eno1", "mac": "52:54:00:00:00:01", "speed": 10000, "link": True, "driver": "ixgbe", "pci": "0000:01:00.0"},
        {"name": "ib0", "mac": "80:00", "speed": 0, "link": False, "driver": "mlx5", "pci": "", "type": "infiniband"},
    ],
    "neighbours": [{"nic": "eno1", "chassis": "c", "port": "swp1", "system": "tor1", "port_description": "", "capabilities": ["Bridge"]}],
    "bmc": {"address": "10.0.0.9", "mac": "aa:bb", "clock_off": 90, "channels": [{"channel": 1, "address": "10.0.0.9", "mac": "aa:bb"}]},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "size", "nic", "speed", "address"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def seen(told: Inventory) -> dict[str, Any]:
    return {
        "vendor": told.vendor,
        "product": told.product,
        "firmware": told.firmware,
        "memory-mb": told.memory_mb,
        "cpus": told.cpus,
        "kexec": told.kexec,
        "disks": told.disks,
        "media": told.media,
        "nics": told.nics,
        "neighbours": told.neighbours,
        "bmc": told.bmc,
    }


def test_all_fields_have_their_types() -> None:
    told = Inventory(TOLD)
    assert (told.vendor, told.product, told.firmware) == ("Dell Inc.", "PowerEdge R640", "efi")
    assert (told.memory_mb, told.cpus, told.kexec) == (65536, 32, True)
    assert [(disk.name, disk.size, disk.rotational) for disk in told.disks] == [("sda", 1 << 40, False)]
    assert [medium.what for medium in told.media] == ["virtual-media"]
    assert told.ethernet == (Nic(name="eno1", mac="52:54:00:00:00:01", speed=10000, link=True, driver="ixgbe", pci="0000:01:00.0"),)
    assert told.neighbours == (Neighbour(nic="eno1", chassis="c", port="swp1", system="tor1", capabilities=("Bridge",)),)
    channels = (Channel(channel=1, address="10.0.0.9", mac="aa:bb"),)
    assert told.bmc == FoundBmc(address="10.0.0.9", mac="aa:bb", clock_off=90, channels=channels)
    assert not told.odd


def test_what_was_not_told_is_empty_and_not_odd() -> None:
    told = Inventory({})
    assert not any(seen(told).values()) or seen(told)["bmc"] == FoundBmc()
    assert not told.odd
    assert not told.told("disks")


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("junk", [None, 7.5, ["x"], {"x": 1}, "x" * 3], ids=["null", "number", "list", "map", "text"])
def test_an_odd_field_costs_itself_only(name: str, junk: Any) -> None:
    told = Inventory(TOLD | {name: junk})
    whole, now = seen(Inventory(TOLD)), seen(told)
    assert {other: value for other, value in now.items() if other != name} == {
        other: value for other, value in whole.items() if other != name
    }
    if (name, type(junk)) not in (("bmc", dict), ("vendor", str), ("product", str), ("firmware", str)):  # of the type that is promised
        (reason,) = told.odd
        assert sentence(reason).startswith(f"barclamp discovery reported a wrong value for {name}: ")


@pytest.mark.parametrize(
    ("nic", "left"),
    [
        ({"name": "eno1", "speed": "fast", "link": True}, (Nic(name="eno1", link=True),)),
        ({"name": "eno1", "speed": None, "link": 1}, (Nic(name="eno1"),)),
        ({"name": 7, "speed": 1000}, (Nic(speed=1000),)),
        ("eno1", ()),
    ],
)
def test_an_odd_port_keeps_what_fits(nic: Any, left: tuple[Nic, ...]) -> None:
    told = Inventory({"nics": [nic]})
    assert told.nics == left
    assert [reason.fields["field"] for reason in told.odd] == ["nics"]


@given(st.dictionaries(st.sampled_from(sorted(TOLD)), JSON))
def test_no_machine_s_word_stops_the_core(told: dict[str, Any]) -> None:
    seen(Inventory(told))
    assert all(sentence(reason) for reason in Inventory(told).odd)
