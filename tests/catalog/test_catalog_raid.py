"""raid-discover and raid-configure with the tools of RAID controllers, which are stand-ins that hold state; and several volumes of mdadm."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import test_catalog_generic as generic
from node_folder import Machine
from raid_stand_in import start
from scenes import SCENES

from engine.core.hardware.disk_choice import _orders
from engine.core.hardware.disks import read
from engine.core.hardware.raid_wish import ToolReport, Wish, wish_of
from engine.reasons import sentence

STAND_IN = Path(__file__).parent / "raid_stand_in.py"
TOOLS = {"storcli": "storcli64", "megacli": "MegaCli64", "ssacli": "ssacli"}
R1_JBOD = {"set": "R1_JBOD"}
OS = {
    "volumes": [
        {"level": "raid1", "name": "os", "size": "min", "boot": True},
        {"level": "raid5", "name": "data", "spares": 1, "stripe": 256},
    ]
}
MIRRORS = {"volumes": [{"level": "raid1", "name": "os", "size": "min", "boot": True}, {"level": "raid10", "name": "data"}]}


def places(tool: str, count: int) -> list[str]:
    return [f"1I:1:{n + 1}" if tool == "ssacli" else f"252:{n}" for n in range(count)]


def shelf(machine: Machine, tool: str, sizes: list[int]) -> Path:
    """A controller with free drives of these sizes in GB."""
    state = machine.folder / "controller.json"
    start(state, [(place, f"SER{n}", gb) for n, (place, gb) in enumerate(zip(places(tool, len(sizes)), sizes, strict=True))])
    machine.tool(TOOLS[tool], f"exec '{sys.executable}' -I -S '{STAND_IN}' {tool} '{state}' \"$@\"")
    machine.write("sys/block/.keep")
    return state


def discovered(machine: Machine) -> list[ToolReport]:
    done = machine.run("raid-discover")
    assert done.code == 0, done.err
    return [ToolReport(**one) for one in done.gives["raid-report"]]


def wish(machine: Machine, wanted: Any, disks: list[Any] | None = None, blank: bool = False) -> Wish:
    found = wish_of("n1", [(one, None) for one in read(disks or [])], discovered(machine), wanted, blank)
    assert found is not None
    return found


def wants(machine: Machine, wanted: Any, disks: list[Any] | None = None) -> dict[str, Any]:
    """What the engine gives to raid-configure, of the report of this machine as it is now."""
    return {"raid-wanted": wanted, "disks": disks or [], "raid-disks": _orders(wish(machine, wanted, disks), False, {}), "raid-report": []}


def volumes(state: Path) -> list[tuple[str, list[str], list[str]]]:
    return sorted((one["level"], sorted(one["members"]), one["spares"]) for one in json.loads(state.read_text())["volumes"].values())


def calls(machine: Machine) -> list[str]:
    """Orders that change something."""
    words = (" add vd", " del ", " set ", "-Cfg", "-PDMake", "-AdpBoot", " create ", " delete", " modify", " add spares")
    return [call for call in machine.calls if any(word in call for word in words)]


@pytest.mark.parametrize("tool", TOOLS)
def test_volumes_are_made_once(machine: Machine, tool: str) -> None:
    state = shelf(machine, tool, [300, 300, 600, 600, 600, 600])
    where = places(tool, 6)
    wanted = wants(machine, MIRRORS)
    assert machine.run("raid-configure", wanted, "verify").code == 1
    done = machine.run("raid-configure", wanted)
    assert done.code == 0, done.err
    assert volumes(state) == [("raid1", where[:2], []), ("raid10", where[2:], [])]
    assert json.loads(state.read_text())["boot"] == "0"
    controller = "Slot_0" if tool == "ssacli" else "0"
    expected = [
        ("raid1", [f"{controller}/{one}" for one in where[:2]], True),
        ("raid10", [f"{controller}/{one}" for one in where[2:]], False),
    ]
    assert [(one["level"], one["disks"], one["boot"]) for one in done.gives["volumes"]] == expected
    assert done.gives["volumes"][0]["wwn"] == "naa.600508b1001c00000000000000000001"
    assert done.gives["volumes"][0]["name"] == "sdx"
    assert machine.run("raid-configure", wanted, "verify").gives == done.gives
    before = [call for call in calls(machine) if "oot" not in call]
    again = machine.run("raid-configure", wants(machine, MIRRORS))
    assert (again.code, again.gives) == (0, done.gives)
    assert [call for call in calls(machine) if "oot" not in call] == before, "the right volumes stay as they are"


def test_spares_and_stripes(machine: Machine) -> None:
    state = shelf(machine, "storcli", [300, 300, 600, 600, 600, 600])
    wanted = wants(machine, OS)
    assert machine.run("raid-configure", wanted).code == 0
    assert ("raid5", ["252:2", "252:3", "252:4"], ["252:5"]) in volumes(state)
    assert any("strip=256" in call for call in machine.calls)
    assert machine.run("raid-configure", wanted, "verify").code == 0
    assert wish(machine, OS).orders[0].steps[0].run[-1] == "bootdrive=on", "only the boot volume is named again"
    assert len(wish(machine, OS).orders[0].steps) == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_one_mirror_and_the_rest_as_single_disks(machine: Machine, tool: str) -> None:
    state = shelf(machine, tool, [600, 600, 600, 600])
    wanted = wants(machine, R1_JBOD)
    done = machine.run("raid-configure", wanted)
    assert done.code == 0, done.err
    where = places(tool, 4)
    found = json.loads(state.read_text())
    if tool == "ssacli":  # it shows a drive only as a volume
        assert volumes(state) == [("raid0", where[2:3], []), ("raid0", where[3:], []), ("raid1", where[:2], [])]
    else:
        assert [found["drives"][one]["state"] for one in where] == ["used", "used", "jbod", "jbod"]
    assert machine.run("raid-configure", wanted, "verify").code == 0


def test_wrong_volumes_of_chosen_drives_go_and_others_stay(machine: Machine) -> None:
    state = shelf(machine, "storcli", [300, 300, 600, 600])
    first = wants(machine, {"volumes": [{"level": "raid0", "disks": 2, "size": "min"}, {"level": "raid1", "name": "keep"}]})
    assert machine.run("raid-configure", first).code == 0
    wanted = wants(machine, {"volumes": [{"level": "raid1", "name": "os", "size": "min"}]})
    assert machine.run("raid-configure", wanted).code == 0
    assert volumes(state) == [("raid1", ["252:0", "252:1"], []), ("raid1", ["252:2", "252:3"], [])]


def test_a_volume_that_holds_other_drives_too_is_never_deleted(machine: Machine) -> None:
    shelf(machine, "storcli", [600, 600, 600])
    assert machine.run("raid-configure", wants(machine, {"volumes": [{"level": "raid5", "disks": 3}]})).code == 0
    found = wish(machine, {"volumes": [{"level": "raid1", "name": "os"}]})
    assert found.refused is not None
    assert "it also holds drives that are not chosen: 252:2" in sentence(found.refused)
    done = machine.run("raid-configure", wants(machine, {"volumes": [{"level": "raid1", "name": "os"}]}))
    assert done.code == 1
    assert "also holds drives" in done.err


def test_an_exchanged_drive_is_not_touched(machine: Machine) -> None:
    state = shelf(machine, "storcli", [600, 600])
    wanted = wants(machine, {"volumes": [{"level": "raid1"}]})
    now = json.loads(state.read_text())
    now["drives"]["252:1"]["serial"] = "OTHER"
    state.write_text(json.dumps(now))
    done = machine.run("raid-configure", wanted)
    assert (done.code, done.err) == (1, "raid-configure: drive 252:1 SER1 is not there any more: discover the machine again\n")
    assert calls(machine) == []


def test_a_volume_with_another_number_is_not_deleted(machine: Machine) -> None:
    """Between the look and the order a person made the volumes anew, of other drives."""
    state = shelf(machine, "storcli", [600, 600, 600, 600])
    machine.run("raid-configure", wants(machine, {"volumes": [{"level": "raid0", "disks": 2}]}))
    wanted = wants(machine, {"volumes": [{"level": "raid1", "name": "os"}]})
    assert any(" del force|" in step for step in wanted["raid-disks"]["orders"][0]["steps"])
    now = json.loads(state.read_text())
    now["volumes"] = {"0": {"level": "raid0", "members": ["252:2", "252:3"], "spares": [], "name": "theirs"}}
    for place, one in now["drives"].items():
        one["state"] = "used" if place in ("252:2", "252:3") else "free"
    state.write_text(json.dumps(now))
    assert machine.run("raid-configure", wanted).code == 0
    assert ("raid0", ["252:2", "252:3"], []) in volumes(state)


def test_drives_in_a_bad_state_are_left_alone(machine: Machine) -> None:
    state = machine.folder / "controller.json"
    shelf(machine, "storcli", [600, 600, 600, 600])
    now = json.loads(state.read_text())
    now["drives"]["252:0"]["state"], now["drives"]["252:1"]["state"] = "bad", "foreign"
    state.write_text(json.dumps(now))
    found = wish(machine, {"volumes": [{"level": "raid1", "name": "os"}]})
    assert [one.place for one in found.choice.volumes[0].members] == ["252:2", "252:3"]
    assert {sentence(one.reason) for one in found.choice.verdicts if not one.volume} == {
        "the controller calls the drive UBad",
        "the controller calls the drive UGood",
    }


def test_a_jbod_drive_becomes_a_member(machine: Machine) -> None:
    state = shelf(machine, "storcli", [600, 600])
    assert machine.run("raid-configure", wants(machine, {"set": "JBODOnly"})).code == 0
    assert wish(machine, {"set": "JBODOnly"}).writes == frozenset()
    assert machine.run("raid-configure", wants(machine, {"set": "SingleRaid1"})).code == 0
    assert volumes(state) == [("raid1", ["252:0", "252:1"], [])]


def test_a_plan_that_approves_blank_disks_does_not_approve_drives_behind_a_controller(machine: Machine) -> None:
    shelf(machine, "storcli", [600, 600])
    found = wish(machine, {"set": "SingleRaid1"}, blank=True)
    assert found.refused is not None
    assert sentence(found.refused) == ("what the drives of controller 0 of n1 hold cannot be seen, and the plan approves blank disks only")


def test_what_the_tool_refuses_is_told(machine: Machine) -> None:
    shelf(machine, "storcli", [600, 600])
    wanted = wants(machine, {"set": "SingleRaid1"})
    wanted["raid-disks"]["orders"][0]["steps"][0] = "/c0 add vd r9|||"
    done = machine.run("raid-configure", wanted)
    assert done.code == 1
    assert "storcli refused: /c0 add vd r9" in done.err


def test_a_controller_without_a_tool_is_named(machine: Machine) -> None:
    machine.write("sys/bus/pci/devices/0000:3b:00.0/class", "0x010400\n")
    done = machine.run("raid-discover")
    assert (done.code, done.gives) == (0, {"raid-report": []})
    assert "0000:3b:00.0 is a RAID controller, and no tool for it is in this image" in done.out


def test_a_disk_that_a_controller_shows_too_is_the_controllers(machine: Machine) -> None:
    shelf(machine, "storcli", [600, 600])
    disks = [
        {"name": "sda", "size": 600 * 10**9, "serial": "SER0", "rotational": True, "signature": "", "transport": "sas"},
        {"name": "sdb", "size": 960 * 10**9, "serial": "V", "rotational": True, "signature": "", "transport": "scsi"},
        {"name": "sdc", "size": 960 * 10**9, "serial": "K", "rotational": False, "signature": "", "transport": "sata"},
    ]
    found = wish(machine, {"volumes": [{"level": "jbod"}]}, disks)
    told = {one.drive.name or one.drive.place: (one.volume, sentence(one.reason)) for one in found.choice.verdicts}
    assert told["sda"] == ("", "the drive is one of controller 0, by 252:0")
    assert told["sdb"] == ("", "the kernel's disk is volume (not told which) of controller 0")
    assert told["sdc"][0] == "crowbar0"


# -- mdadm ---------------------------------------------------------------------------------------------------------

MDADM = r"""
state="$CROWBAR_ROOT/arrays"; mkdir -p "$state" "$CROWBAR_ROOT/dev/md"
case $1 in
--create)
    name=${2##*/}; n=127
    while [ -e "$CROWBAR_ROOT/dev/md$n" ]; do n=$((n - 1)); done
    for word; do case $word in
    --level=*) echo "MD_LEVEL=raid${word#*=}" ;;
    */dev/sd*) printf 'MD_DEVICE_dev_%s_DEV=/dev/%s\n' "${word##*/}" "${word##*/}" ;;
    esac; done >"$state/$name"
    mkdir -p "$CROWBAR_ROOT/sys/block/md$n"; echo 8000 >"$CROWBAR_ROOT/sys/block/md$n/size"
    : >"$CROWBAR_ROOT/dev/md$n"; ln -sf ../md$n "$CROWBAR_ROOT/dev/md/$name" ;;
--detail) cat "$state/${3##*/}" ;;
esac
exit 0
"""
KERNEL: list[dict[str, Any]] = [
    {
        "name": f"sd{letter}",
        "size": size,
        "serial": f"S{letter}",
        "rotational": True,
        "signature": "",
        "transport": "sata",
        "wwn": "",
        "path": "",
    }
    for letter, size in zip("abcdefg", [300 * 10**9] * 2 + [600 * 10**9] * 5, strict=True)
]


def plain(machine: Machine) -> None:
    machine.tool("mdadm", MDADM)
    machine.tool("wipefs", "")
    for one in KERNEL:
        machine.write(f"dev/{one['name']}")
        machine.write(f"sys/block/{one['name']}/size", f"{one['size'] // 512}\n")
        machine.write(f"sys/block/{one['name']}/serial", f"{one['serial']}\n")


def test_several_volumes_of_mdadm(machine: Machine) -> None:
    plain(machine)
    wanted = wants(machine, OS, KERNEL)
    assert machine.run("raid-configure", wanted, "verify").code == 1
    done = machine.run("raid-configure", wanted)
    assert done.code == 0, done.err
    made = [call for call in machine.calls if "--create" in call]
    assert "--level=1 --raid-devices=2 --metadata=1.0 --bitmap=none --assume-clean" in made[0]
    assert "--level=5 --raid-devices=3 --spare-devices=1 --chunk=256 --metadata=1.2 --bitmap=none" in made[1]
    assert "--assume-clean" not in made[1], "the parity has to be made"
    assert [(one["level"], one["disks"], one["boot"]) for one in done.gives["volumes"]] == [
        ("raid1", ["sda", "sdb"], True),
        ("raid5", ["sdc", "sdd", "sde"], False),
    ]
    assert machine.run("raid-configure", wanted, "verify").gives == done.gives
    assert machine.run("raid-configure", wanted).gives == done.gives
    assert len([call for call in machine.calls if "--create" in call]) == 2


def test_mdadm_keeps_off_what_is_in_use(machine: Machine) -> None:
    plain(machine)
    wanted = wants(machine, OS, KERNEL)
    machine.write("sys/block/sda/holders/dm-0")
    assert "sda is held by dm-0" in machine.run("raid-configure", wanted).err
    (machine.root / "sys/block/sda/holders/dm-0").unlink()
    machine.write("proc/mounts", f"{machine.root}/dev/sdb1 / ext4 rw 0 0\n")
    assert "sdb is mounted" in machine.run("raid-configure", wanted).err
    assert not any("--create" in call for call in machine.calls)


def test_mdadm_makes_no_nested_levels(machine: Machine) -> None:
    plain(machine)
    disks = [one | {"name": f"sd{n}", "serial": f"N{n}"} for n, one in enumerate([KERNEL[-1]] * 6)]
    found = wish(machine, {"volumes": [{"level": "raid50", "name": "v"}]}, disks)
    assert found.refused is not None
    assert sentence(found.refused) == "mdadm makes no raid50, which volume v of n1 has"


# -- the four tests of every role ----------------------------------------------------------------------------------


def controller_scene(tool: str) -> Callable[[Machine], dict[str, Any]]:
    def scene(machine: Machine) -> dict[str, Any]:
        shelf(machine, tool, [600, 600, 600])
        return wants(machine, R1_JBOD)

    return scene


def mdadm_scene(machine: Machine) -> dict[str, Any]:
    plain(machine)
    two = {"volumes": [{"level": "raid1", "name": "os", "size": "min", "boot": True}, {"level": "raid1", "name": "data"}]}
    return wants(machine, two, KERNEL[:4])


FOUR = pytest.mark.parametrize(
    "scene",
    [controller_scene("storcli"), pytest.param(controller_scene("ssacli"), marks=pytest.mark.slow), mdadm_scene],
    ids=["storcli", "ssacli", "mdadm"],
)
TESTS = {
    "run-twice": generic.test_run_twice,
    "redeployed-twice": generic.test_redeployed_twice,
    "error": lambda role, folder: generic.test_an_error_at_each_step(role, "some", folder),
    "power-off": lambda role, folder: generic.test_power_off_at_each_step(role, "some", folder),
}


EACH = [
    pytest.param("run-twice"),
    pytest.param("redeployed-twice", marks=pytest.mark.long),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("error", "power-off")),
]
"""All but the first take up to half a minute each. The role's usual scene has them among the generic tests."""


@FOUR
@pytest.mark.parametrize("name", EACH)
def test_the_four_tests(scene: Callable[[Machine], dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(SCENES, "raid-configure", scene)
    test: Any = TESTS[name]
    test("raid-configure", tmp_path)
