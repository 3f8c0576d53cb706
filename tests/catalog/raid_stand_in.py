"""A stand-in for storcli, MegaCli and ssacli that holds state: `python raid_stand_in.py TOOL STATE WORDS..`.

STATE is a JSON file: the drives of one controller, and its volumes. A volume that is made becomes a disk of the kernel, in CROWBAR_ROOT.
Orders that the real tools refuse are refused: a drive that is not free, a level with too few drives, a number that is not there.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

State = dict[str, Any]
WWN = "600508b1001c{:020x}"


def start(path: Path, drives: list[tuple[str, str, int]], states: dict[str, str] | None = None) -> None:
    """Writes the state of a controller whose drives are free: place, serial number, GB."""
    found = {place: {"serial": serial, "gb": gb, "state": (states or {}).get(place, "free")} for place, serial, gb in drives}
    path.write_text(json.dumps({"drives": found, "volumes": {}, "next": 0, "boot": None}))


class Refusal(Exception):
    pass


class Controller:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.state: State = json.loads(path.read_text())
        self.drives, self.volumes = self.state["drives"], self.state["volumes"]

    def save(self) -> None:
        self.path.write_text(json.dumps(self.state))

    def drive(self, place: str) -> dict[str, Any]:
        if place not in self.drives:
            raise Refusal(f"drive {place} is not there")
        found: dict[str, Any] = self.drives[place]
        return found

    def make(self, level: str, places: list[str], spares: list[str], name: str = "") -> str:
        least = {"raid0": 1, "raid1": 2, "raid5": 3, "raid6": 4, "raid10": 4, "raid50": 6, "raid60": 8}[level]
        for place in (*places, *spares):
            if self.drive(place)["state"] != "free":
                raise Refusal(f"drive {place} is not free")
        if len(places) < least:
            raise Refusal("too few drives")
        number = str(self.state["next"])
        self.state["next"] += 1
        for place in places:
            self.drive(place)["state"] = "used"
        for place in spares:
            self.drive(place)["state"] = "spare"
        self.volumes[number] = {"level": level, "members": places, "spares": spares, "name": name}
        self.disk(number, True)
        return number

    def delete(self, number: str) -> None:
        if number not in self.volumes:
            raise Refusal("no such volume")
        one = self.volumes.pop(number)
        for place in (*one["members"], *one["spares"]):
            self.drive(place)["state"] = "free"
        self.disk(number, False)

    def change(self, place: str, before: str, after: str) -> None:
        if self.drive(place)["state"] != before:
            raise Refusal(f"drive {place} is {self.drive(place)['state']}")
        self.drive(place)["state"] = after

    def disk(self, number: str, there: bool) -> None:
        """The kernel's disk of a volume."""
        root = Path(os.environ["CROWBAR_ROOT"])
        name = f"sd{'xyzuvw'[int(number) % 6]}"
        place = root / f"sys/devices/pci0000:00/0000:00:01.0/host0/target0:2:{number}/0:2:{number}:0"
        block = place / "block" / name
        link = root / "sys/block" / name
        link.unlink(missing_ok=True)
        if there:
            block.mkdir(parents=True, exist_ok=True)
            (block / "size").write_text("2000000\n")
            (block / "device").unlink(missing_ok=True)
            (block / "device").symlink_to("../..")
            (place / "wwid").write_text(f"naa.{WWN.format(int(number) + 1)}\n")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(block.resolve())


# -- storcli -------------------------------------------------------------------------------------------------------

STATES = {"free": "UGood", "used": "Onln", "spare": "DHS", "jbod": "JBOD", "bad": "UBad", "foreign": "UGood"}
HEAD = "CLI Version = 007.1804.0000.0000 May 08, 2021\nOperating system = Linux 6.1\nController = 0\nStatus = {}\nDescription = {}\n\n"


def storcli(box: Controller, words: list[str]) -> tuple[str, int]:
    said = HEAD.format("Success", "None")
    if words == ["show", "ctrlcount"]:
        return said + "Controller Count = 1\n", 0
    try:
        return said + _storcli(box, words), 0
    except Refusal as refused:
        return HEAD.format("Failure", refused), 0


def _storcli(box: Controller, words: list[str]) -> str:
    match words:
        case ["/c0", "show"]:
            return _storcli_tables(box)
        case ["/c0/eall/sall", "show", "all"]:
            return "\n".join(
                f"Drive /c0/e{place.split(':')[0]}/s{place.split(':')[1]} Device attributes :\n=====\nSN = {one['serial']}\nWWN = 5000C500{at:08X}\n"
                for at, (place, one) in enumerate(box.drives.items())
            )
        case ["/c0/vall", "show", "all"]:
            return "".join(f"VD{n} Properties :\n=====\nStrip Size = 64 KB\nSCSI NAA Id = {WWN.format(int(n) + 1)}\n" for n in box.volumes)
        case [at, "show", "all"] if found := re.fullmatch(r"/c0/v(\d+)", at):
            if found[1] not in box.volumes:
                raise Refusal("no such volume")
            return f"SCSI NAA Id = {WWN.format(int(found[1]) + 1)}\n"
        case ["/c0", "add", "vd", level, *rest]:
            given = dict(one.split("=") for one in rest)
            enclosure, _, slots = given["drives"].partition(":")
            places = given["drives"].split(",") if slots.count(":") else [f"{enclosure}:{slot}" for slot in slots.split(",")]
            spares = [one for one in given.get("spares", "").split(",") if one]
            if level in ("r10", "r50", "r60") and "pdperarray" not in given:
                raise Refusal("pdperarray is missing")
            box.make(f"raid{level[1:]}", places, spares, given["name"])
            return ""
        case [at, "del", "force"]:
            box.delete(at.removeprefix("/c0/v"))
            return ""
        case [at, "set", "bootdrive=on"]:
            if at.removeprefix("/c0/v") not in box.volumes:
                raise Refusal("no such volume")
            box.state["boot"] = at.removeprefix("/c0/v")
            return ""
        case [at, "set", what, *_] if found := re.fullmatch(r"/c0/e(\d+)/s(\d+)", at):
            box.change(f"{found[1]}:{found[2]}", *(("jbod", "free") if what == "good" else ("free", "jbod")))
            return ""
    raise Refusal(f"syntax error: {' '.join(words)}")


def _storcli_tables(box: Controller) -> str:
    groups = {place: number for number, one in box.volumes.items() for place in (*one["members"], *one["spares"])}
    rule = "-" * 82
    out = ["Product Name = PERC H755", "Serial Number = SV1", "Driver Name = megaraid_sas", "", "TOPOLOGY :", "========", "", rule]
    out += ["DG Arr Row EID:Slot DID Type  State BT      Size PDC  PI SED DS3  FSpace TR", rule]
    for number, one in box.volumes.items():
        out.append(f"{number} -   -   -        -   {one['level'].upper()} Optl  N  931.512 GB dflt N  N   dflt N      N")
        for row, place in enumerate((*one["members"], *one["spares"])):
            state = STATES[box.drives[place]["state"]]
            out.append(f"{number} 0   {row}   {place}    {row}   DRIVE {state}  N  931.512 GB dflt N  N   dflt -      N")
    out += [rule, "", "VD LIST :", "=======", "", rule, "DG/VD TYPE  State Access Consist Cache Cac sCC       Size Name", rule]
    out += [
        f"{n}/{n}   {one['level'].upper()} Optl  RW     Yes     RWBD  -   ON  931.512 GB {one['name']}" for n, one in box.volumes.items()
    ]
    out += [rule, "", "PD LIST :", "=======", "", rule, "EID:Slt DID State DG       Size Intf Med SED PI SeSz Model  Sp Type", rule]
    for number, (place, one) in enumerate(box.drives.items()):
        group = "F" if one["state"] == "foreign" else groups.get(place, "-")
        gib = one["gb"] * 10**9 / (1 << 30)
        out.append(f"{place} {number} {STATES[one['state']]} {group} {gib:.3f} GB SAS HDD N N 512B ST{one['gb']}NM U -")
    return "\n".join([*out, rule, ""])


# -- MegaCli -------------------------------------------------------------------------------------------------------

MEGA = {"free": "Unconfigured(good), Spun Up", "used": "Online, Spun Up", "jbod": "JBOD", "spare": "Hotspare, Spun Up", "bad": "Failed"}


def megacli(box: Controller, words: list[str]) -> tuple[str, int]:
    try:
        said = _megacli(box, [word for word in words if word != "-NoLog"])
    except Refusal as refused:
        return f"Adapter 0: failed: {refused}\n\nExit Code: 0x03\n", 3
    return said + "\n\nExit Code: 0x00\n", 1 if words[0] == "-adpCount" else 0


def _mega_drive(place: str, one: dict[str, Any]) -> str:
    enclosure, _, slot = place.partition(":")
    sectors = one["gb"] * 10**9 // 512
    size = f"{one['gb'] * 10**9 / (1 << 30):.3f} GB [{sectors:#x} Sectors]"
    data = f"{'SEAGATE':8}{'ST600MM0026':16}0001{one['serial']}"
    kinds = f"Firmware state: {MEGA[one['state']]}\nInquiry Data: {data}\nForeign State: None\nMedia Type: Hard Disk Device"
    return f"Enclosure Device ID: {enclosure}\nSlot Number: {slot}\nPD Type: SAS\nRaw Size: {size}\n{kinds}\n"


def _megacli(box: Controller, words: list[str]) -> str:
    places = [one for word in words for found in re.findall(r"\[([^]]*)\]", word) for one in found.split(",")]
    match words:
        case ["-adpCount"]:
            return "\nController Count: 1.\n"
        case ["-PDList", "-a0"]:
            return "\nAdapter #0\n\n" + "\n".join(_mega_drive(place, one) for place, one in box.drives.items())
        case ["-LdPdInfo", "-a0"]:
            return f"\nAdapter #0\n\nNumber of Virtual Disks: {len(box.volumes)}\n" + "".join(_mega_volume(box, n) for n in box.volumes)
        case ["-CfgLdAdd", level, *_]:
            box.make(f"raid{level.removeprefix('-r').partition('[')[0]}", places, [])
            return "Adapter 0: Created VD 0"
        case ["-CfgSpanAdd", level, *_]:
            box.make(f"raid{level.removeprefix('-r')}", places, [])
            return "Adapter 0: Created VD 0"
        case ["-CfgLdDel", number, *_]:
            box.delete(number.removeprefix("-L"))
            return "Adapter 0: Deleted Virtual Drive"
        case ["-AdpBootDrive", "-Set", number, "-a0"] if number.removeprefix("-L") in box.volumes:
            box.state["boot"] = number.removeprefix("-L")
            return "Boot Virtual Drive set"
        case ["-PDMakeGood", *_]:
            box.change(places[0], "jbod", "free")
            return ""
        case ["-PDMakeJBOD", *_]:
            box.change(places[0], "free", "jbod")
            return ""
    raise Refusal(f"Invalid input: {' '.join(words)}")


def _mega_volume(box: Controller, number: str) -> str:
    one = box.volumes[number]
    spans = len(one["members"]) // 2 if one["level"] == "raid10" else 1
    level = "1" if one["level"] == "raid10" else one["level"][4:]
    head = f"Virtual Drive: {number} (Target Id: {number})\nName                :\nRAID Level          : Primary-{level}, Secondary-0, RAID Level Qualifier-0\n"
    head += f"Size                : 557.861 GB\nState               : Optimal\nSpan Depth          : {spans}\nNumber of Spans: {spans}\n"
    drives = (f"PD: {n} Information\n{_mega_drive(place, box.drives[place])}" for n, place in enumerate(one["members"]))
    return head + "Span: 0 - Number of PDs: 2\n\n" + "\n".join(drives) + "\n"


# -- ssacli --------------------------------------------------------------------------------------------------------

KINDS = {"free": "Unassigned Drive", "used": "Data Drive", "spare": "Spare Drive"}


def ssacli(box: Controller, words: list[str]) -> tuple[str, int]:
    try:
        return _ssacli(box, words), 0
    except Refusal as refused:
        return f"\nError: {refused}\n\n", 1


def _ssacli(box: Controller, words: list[str]) -> str:
    if words == ["ctrl", "all", "show"]:
        return "\nSmart Array P440ar in Slot 0 (Embedded)    (sn: PDNLH0)\n\n"
    if words[:2] != ["ctrl", "slot=0"]:
        raise Refusal("The controller identified by slot is not there")
    match words[2:]:
        case ["show", "config", "detail"]:
            return _ssa_config(box)
        case ["ld", number, "show", "detail"] if number in box.volumes:
            return f"\n      Logical Drive: {number}\n         Unique Identifier: {WWN.format(int(number) + 1).upper()}\n"
        case ["create", "type=ld", drives, level, *_]:
            level = {"1+0": "raid10"}.get(level.removeprefix("raid="), f"raid{level.removeprefix('raid=')}")
            box.make(level, drives.removeprefix("drives=").split(","), [])
            return ""
        case ["array", array, "add", spares]:
            place = spares.removeprefix("spares=")
            number = str(ord(array) - ord("A"))
            if number not in box.volumes:
                raise Refusal("no such array")
            box.change(place, "free", "spare")
            box.volumes[number]["spares"].append(place)
            return ""
        case ["ld", number, "delete", "forced"]:
            box.delete(number)
            return ""
        case ["ld", number, "modify", "bootvolume=primary"] if number in box.volumes:
            box.state["boot"] = number
            return ""
    raise Refusal(f"Invalid syntax: {' '.join(words)}")


def _ssa_drive(place: str, one: dict[str, Any]) -> str:
    return (
        f"      physicaldrive {place}\n         Status: OK\n         Drive Type: {KINDS[one['state']]}\n         Interface Type: SAS\n"
        f"         Size: {one['gb']} GB\n         Rotational Speed: 10000\n         Firmware Revision: HPD1\n         Serial Number: {one['serial']}\n"
    )


def _ssa_config(box: Controller) -> str:
    out = ["", "Smart Array P440ar in Slot 0 (Embedded)    (sn: PDNLH0)", "   Controller Status: OK", "   Controller Mode: RAID", ""]
    for number, one in box.volumes.items():
        level = {"raid10": "1+0"}.get(one["level"], one["level"][4:])
        out += [f"   Array: {chr(ord('A') + int(number))}", "      Interface Type: SAS", "", f"      Logical Drive: {number}"]
        out += ["         Size: 558.7 GB", f"         Fault Tolerance: {level}", "         Status: OK"]
        out += [f"         Unique Identifier: {WWN.format(int(number) + 1).upper()}", ""]
        out += [_ssa_drive(place, box.drives[place]) for place in (*one["members"], *one["spares"])]
    out += ["   Unassigned", ""]
    out += [_ssa_drive(place, one) for place, one in box.drives.items() if one["state"] == "free"]
    return "\n".join(out)


if __name__ == "__main__":
    tool, where, *given = sys.argv[1:]
    controller = Controller(Path(where))
    text, code = {"storcli": storcli, "megacli": megacli, "ssacli": ssacli}[tool](controller, given)
    controller.save()
    print(text)
    sys.exit(code)
