"""What the hardware of a QEMU machine can have: slots, settings, versions, and worn parts. None of it needs QEMU."""

from __future__ import annotations

import msgspec
import pytest
from test_qemu_pure import SIX, SOCKETS, after, device

from engine.files.mistakes import PlanError
from engine.racks import RackFileWrong, scenario
from engine.racks.qemu import command, insides, live, network, nonvolatile
from engine.racks.qemu.spec import Faults, QemuRackSpec, guests, parse


def test_each_disk_has_a_slot_that_stays_when_it_is_pulled_and_a_new_one_is_another_disk() -> None:
    one = guests(QemuRackSpec(disks_mb=(512, 512), firmware="seabios"))[0]
    words = command.command(one, "network", "tcg", SOCKETS, Faults(disks_out=(0,), disks_new=(1,)))
    assert [word for word in words if word.startswith("pcie-root-port")] == [
        "pcie-root-port,id=slot0,chassis=1,slot=1",
        "pcie-root-port,id=slot1,chassis=2,slot=2",
    ]
    assert f"bus=slot1,id=drive1,drive=disk1,serial=N{one.disks[1].serial}" in device(words, "drive1")
    assert any("filename=new-disk1.qcow2" in word for word in words)
    ahci = command.command(guests(QemuRackSpec(bus="ahci"))[0], "network", "tcg", SOCKETS)
    assert not any("pcie-root-port" in word for word in ahci)
    assert device(ahci, "drive1").startswith("ide-hd,bus=ide.1,id=drive1")


def test_a_machine_has_the_settings_and_the_version_that_its_bmc_shows() -> None:
    kept = nonvolatile.NonVolatile()
    one = insides.GuestInsides(lambda: kept, lambda: None)
    assert (one.settings()["ProcVirtualization"], one.versions()) == ("Enabled", {"bios": "1.0.0", "bmc": "1.0.0"})
    one.write({"ProcVirtualization": "Disabled"})
    one.stage("bios", "1.1.0")
    one.stage("bmc", "2.0.0")
    assert (insides.switched_off(kept), one.staged(), one.versions()["bios"]) == ([], {"bios": "1.1.0"}, "1.0.0"), "from the next start on"
    assert one.versions()["bmc"] == "2.0.0"
    insides.at_self_test(kept)
    assert (one.waiting(), one.staged(), one.versions()["bios"]) == ({}, {}, "1.1.0")
    inside = command.Inside(features_off=insides.switched_off(kept), bios=one.versions()["bios"])
    words = command.command(guests(SIX)[0], "network", "tcg", SOCKETS, inside=inside)
    assert after(words, "-cpu") == ["max,svm=off,vmx=off"]
    assert any("type=0" in word and "version=1.1.0" in word for word in after(words, "-smbios"))
    again = msgspec.json.decode(msgspec.json.encode(kept), type=nonvolatile.NonVolatile)
    assert insides.GuestInsides(lambda: again, lambda: None).settings() == one.settings()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("{lossy: {bmc: 3}}", "no link 'bmc'"),
        ("{lossy: {1g0: 101}}", "no link '1g0' that loses 0 to 100 percent"),
        ("{ecc: {DIMM_A1: 3}}", "no memory channel 'DIMM_A1'"),
        ("{ecc: {'15': 1}}", "no memory channel '15'"),
        ("{slow_disk: 2}", "no disk 2"),
        ("{disks_new: [7]}", "no disk 7"),
    ],
)
def test_faults_that_no_machine_can_have(faults: str, words: str) -> None:
    with pytest.raises(RackFileWrong, match=words):
        parse(f"kind: qemu\nnodes: 1\nfaults: {{m1: {faults}}}")


def test_a_scenario_names_links_and_memory_channels_that_qemu_machines_have() -> None:
    good = "scenario: 1\nfaults: {m1: {slow_disk: 0, lossy: {1g1: 2.5}, ecc: {'3': 1}}}\n"
    assert scenario.read(good, "s.yml", 1, "qemu").faults["m1"].ecc == {"3": 1}
    for bad, words in (("lossy: {25g0: 1}", "1g0 and 1g1"), ("ecc: {DIMM_A1: 1}", "memory channels, 0 to 14")):
        with pytest.raises(PlanError, match=words):
            scenario.read(f"scenario: 1\nfaults: {{m1: {{{bad}}}}}\n", "s.yml", 1, "qemu")
        scenario.read(f"scenario: 1\nfaults: {{m1: {{{bad}}}}}\n", "s.yml", 1)


def test_lost_frames_are_rules_of_both_directions() -> None:
    text = network.rules(SIX, {}, {"m2": {"1g1": 2.5}})
    assert [line for line in text.splitlines() if "numgen" in line] == [
        'iifname "m2-1g1" numgen random mod 10000 < 250 drop',
        'oifname "m2-1g1" numgen random mod 10000 < 250 drop',
    ]
    assert "numgen" not in network.rules(SIX, {}, {"m2": {}})
    assert "delete table" in network.rules(SIX, {}, {"m2": {}}), "the rules of before are gone"


@pytest.mark.parametrize(("channel", "status"), [(0, 0x8C00000000000090), (14, 0x8C0000000000009E)])
def test_an_error_of_a_memory_channel_is_a_machine_check(channel: int, status: int) -> None:
    assert live.machine_check(channel).split()[:4] == ["mce", "0", "8", hex(status)]
