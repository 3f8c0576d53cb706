"""The bios and raid scripts with stand-in tools on machines that are folders."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.hardware.disk_choice import members
from engine.core.hardware.disks import read
from engine.reasons import sentence

# -- bios ---------------------------------------------------------------------------------------------------------

ATTRIBUTES = "sys/class/firmware-attributes/dell-wmi-sysman/attributes"


def firmware(machine: Any, pending: str = "0") -> None:
    for name, value, possible in (("Virtualization", "Disabled", "Enabled;Disabled"), ("AssetTag", "", "")):
        machine.write(f"{ATTRIBUTES}/{name}/current_value", value + "\n")
        machine.write(f"{ATTRIBUTES}/{name}/type", "enumeration\n" if possible else "string\n")
        machine.write(f"{ATTRIBUTES}/{name}/possible_values", possible + "\n")
    machine.write(f"{ATTRIBUTES}/pending_reboot", pending + "\n")


def test_bios_is_set_once(machine: Any) -> None:
    firmware(machine)
    wanted = {"bios-wanted": {"Virtualization": "Enabled", "AssetTag": 'r07 "x" $(id)'}}
    assert machine.run("bios-configure", wanted, "verify").code == 1
    done = machine.run("bios-configure", wanted)
    assert (done.code, done.err) == (64, "")
    assert done.gives == {"bios-settings": {"Virtualization": "Enabled", "AssetTag": 'r07 "x" $(id)'}}
    again = machine.run("bios-configure", wanted)
    assert (again.code, again.gives) == (0, done.gives)
    looked = machine.run("bios-configure", wanted, "verify")
    assert (looked.code, looked.gives) == (0, done.gives)


def test_bios_waits_for_the_reboot(machine: Any) -> None:
    firmware(machine, pending="1")
    wanted = {"bios-wanted": {"Virtualization": "Disabled"}}
    assert machine.run("bios-configure", wanted).code == 64
    looked = machine.run("bios-configure", wanted, "verify")
    assert looked.code == 1
    assert "waits for a reboot" in looked.err


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ({"Virtualization": "Enabled", "Turbo": "On"}, "does not offer the settings: Turbo"),
        ({"Virtualization": "Perhaps"}, "cannot be 'Perhaps' on this machine, but Enabled;Disabled"),
        ({"..": "1"}, "does not offer"),
    ],
)
def test_bios_says_what_the_machine_does_not_offer(machine: Any, wanted: dict[str, str], line: str) -> None:
    firmware(machine)
    done = machine.run("bios-configure", {"bios-wanted": wanted})
    assert done.code == 1
    assert line in done.err
    assert machine.read(f"{ATTRIBUTES}/Virtualization/current_value") == "Disabled\n", "nothing is written before"


@pytest.mark.parametrize(
    ("flags", "value", "code"),
    [
        ("flags\t\t: fpu svm de", "enabled", 0),
        ("flags\t\t: vmx", "enabled", 0),
        ("flags\t\t: fpu svm_lock vmxx", "enabled", 1),
        ("vmx flags\t: ept svm fpu\nflags\t\t: fpu", "enabled", 1),
        ("flags\t\t: fpu svm", "disabled", 1),
        ("", "enabled", 1),
    ],
)
def test_virtualization_that_the_processors_show_needs_no_setting_of_the_firmware(machine: Any, flags: str, value: str, code: int) -> None:
    machine.root.joinpath("proc").mkdir(exist_ok=True)
    machine.root.joinpath("proc/cpuinfo").write_text(f"processor\t: 0\n{flags}\npower management:\n")
    for action in ("run", "verify"):
        done = machine.run("bios-configure", {"bios-wanted": {"virtualization": value}}, action)
        assert done.code == code, done.err


def test_bios_with_nothing_wanted(machine: Any) -> None:
    done = machine.run("bios-configure", {"bios-wanted": {}})
    assert (done.code, done.gives) == (0, {"bios-settings": {}})
    assert machine.run("bios-configure", {"bios-wanted": {}}, "verify").code == 0


# -- raid ---------------------------------------------------------------------------------------------------------


def disk(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size, "serial": "S" + name, "rotational": True, "signature": "", "transport": "sas"}


DISKS = [disk("nvme0n1", 50 << 20), disk("sda", 4096000), disk("sdb", 4096000), disk("sdc", 4096000), disk("sdd", 4096000)]

MDADM = r"""
md="$CROWBAR_ROOT/dev/md/crowbar0"
case $1 in
--create)
    mkdir -p "${md%/*}" "$CROWBAR_ROOT/sys/block/md127"
    : >"$CROWBAR_ROOT/dev/md127"; ln -s ../md127 "$md"; echo 8000 >"$CROWBAR_ROOT/sys/block/md127/size"
    for word; do case $word in
    --level=*) level=${word#*=} ;;
    */dev/sd*) printf 'MD_DEVICE_dev_%s_DEV=/dev/%s\n' "${word##*/}" "${word##*/}" ;;
    esac; done >"$CROWBAR_ROOT/detail"
    echo "MD_LEVEL=raid$level" >>"$CROWBAR_ROOT/detail" ;;
--detail) cat "$CROWBAR_ROOT/detail" ;;
esac
exit 0
"""


def rack(machine: Any) -> None:
    machine.tool("mdadm", MDADM)
    machine.tool("wipefs", "")
    for one in DISKS:
        machine.write(f"dev/{one['name']}")
        machine.write(f"sys/block/{one['name']}/size", f"{one['size'] // 512}\n")
        machine.write(f"sys/block/{one['name']}/serial", f"{one['serial']}\n")


def wants(level: str, disks: list[Any] = DISKS, blank: bool = False) -> dict[str, Any]:
    """What the engine gives to the role: its own choice."""
    found = members("n1", read(disks), level)
    named = [{"name": d.name, "wwn": d.wwn, "serial": d.serial, "path": d.path, "size": d.size} for d in found.taken]
    chosen: dict[str, Any] = {"members": named, "blank": blank}
    if found.refused is not None:
        chosen["refused"] = sentence(found.refused)
    return {"raid-wanted": {"level": level}, "disks": disks, "raid-disks": chosen}


@pytest.mark.parametrize(
    ("level", "members", "metadata"),
    [("raid1", ["sda", "sdb"], "1.0"), ("raid0", ["sda", "sdb", "sdc", "sdd"], "1.2"), ("raid10", ["sda", "sdb", "sdc", "sdd"], "1.2")],
)
def test_raid_is_made_once(machine: Any, level: str, members: list[str], metadata: str) -> None:
    rack(machine)
    wanted = wants(level)
    assert machine.run("raid-configure", wanted, "verify").code == 1
    done = machine.run("raid-configure", wanted)
    assert done.code == 0, done.err
    assert done.gives == {"volumes": [{"name": "md127", "level": level, "disks": members, "size": 8000 * 512}]}
    made = [call for call in machine.calls if "--create" in call]
    assert len(made) == 1
    assert f"--raid-devices={len(members)}" in made[0]
    assert f"--metadata={metadata}" in made[0]
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == members
    again = machine.run("raid-configure", wanted)
    assert (again.code, again.gives) == (0, done.gives)
    assert len([call for call in machine.calls if "--create" in call or call.startswith("wipefs")]) == 1 + len(members)
    assert machine.run("raid-configure", wanted, "verify").gives == done.gives


def test_raid_of_another_level_is_made_anew(machine: Any) -> None:
    rack(machine)
    machine.run("raid-configure", wants("raid0"))
    machine.write("sys/block/sda/holders/md127")
    wanted = wants("raid1")
    assert machine.run("raid-configure", wanted, "verify").code == 1
    (machine.root / "dev/md/crowbar0").unlink()
    assert machine.run("raid-configure", wanted).code == 0
    assert any("--stop" in call and call.endswith("/dev/md127") for call in machine.calls)


def test_raid_leaves_disks_alone(machine: Any) -> None:
    rack(machine)
    none = machine.run("raid-configure", wants("none"))
    assert (none.code, none.gives) == (0, {"volumes": []})
    jbod = machine.run("raid-configure", wants("jbod"))
    assert jbod.gives["volumes"][0] == {"name": "nvme0n1", "level": "jbod", "disks": ["nvme0n1"], "size": 50 << 20}
    assert len(jbod.gives["volumes"]) == 5
    assert machine.calls == []


@pytest.mark.parametrize(
    ("level", "disks", "line"),
    [
        ("raid1", DISKS[:2], "cannot make raid1 on n1: it needs 2 disks of one size, and only 1 can be used"),
        ("raid10", DISKS[:4], "cannot make raid10 on n1: it needs 4 disks of one size, and only 3 can be used"),
        ("raid7", DISKS, "'raid7' is not known"),
    ],
)
def test_raid_says_what_is_missing(machine: Any, level: str, disks: list[Any], line: str) -> None:
    rack(machine)
    done = machine.run("raid-configure", wants(level, disks))
    assert done.code == 1
    assert line in done.err


def test_raid_keeps_off_what_is_in_use(machine: Any) -> None:
    rack(machine)
    wanted = wants("raid1")
    machine.write("sys/block/sda/holders/dm-0")
    assert "sda is held by dm-0" in machine.run("raid-configure", wanted).err
    (machine.root / "sys/block/sda/holders/dm-0").unlink()
    machine.write("proc/mounts", f"{machine.root}/dev/sdb1 / ext4 rw 0 0\n")
    assert "sdb is mounted" in machine.run("raid-configure", wanted).err
    assert not any("--create" in call for call in machine.calls)


def test_what_has_nothing_to_do_says_so(machine: Any) -> None:
    none = machine.run("bios-configure", {"bios-wanted": {}})
    assert none.out == "bios-configure: nothing to do: this machine's firmware offers no settings to the kernel, and none are wanted\n"
    wanted = machine.run("bios-configure", {"bios-wanted": {"Turbo": "On"}})
    assert wanted.err == "bios-configure: the settings Turbo cannot be set: this machine's firmware offers none to the kernel\n"
    firmware(machine)
    assert "no setting is wanted" in machine.run("bios-configure", {"bios-wanted": {}}).out
    rack(machine)
    jbod = machine.run("raid-configure", wants("jbod"))
    assert jbod.out == "raid-configure: nothing to do: jbod leaves the disks as they are\n"
