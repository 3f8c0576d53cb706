"""Machines whose firmware fwupd updates: a stand-in for fwupdtool that holds state, and one for curl that serves the engine's files."""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from node_folder import Machine

Attributes = dict[str, Any]
DEVICE, OTHER = "a45df35ac0e948ee180fe216a5f703f32dda163f", "08d460be0f1f9f128413f816022a6439e0078018"
FWUPDTOOL = r"""#!{python} -IS
import json, sys
from pathlib import Path
state = Path({state!r})
now = json.loads(state.read_text())
words = [one for one in sys.argv[1:] if not one.startswith("--")]
def fail(code, text, end):
    print(json.dumps({{"Error": {{"Domain": "FwupdError", "Code": code, "Message": text}}}})); sys.exit(end)
if words[0] == "get-devices":
    if not now["devices"]:
        fail(9, "No detected devices", 2)
    print(json.dumps({{"Devices": now["devices"]}}))
elif words[0] == "get-history":
    print(json.dumps({{"Devices": [{{"DeviceId": one, "Flags": ["needs-reboot"]}} for one in now["waits"]]}}))
elif words[0] == "install":
    text = Path(words[1]).read_text()
    found = [one for one in now["devices"] if one["DeviceId"] == words[2]]
    if not text.startswith("cab of "):
        fail(18, "FuStructCabHeader requested 0x24 and got 0x8", 1)
    if not found:
        fail(8, "device ID " + words[2] + " was not found", 3)
    version = text.split()[2]
    if version < found[0]["Version"] and "--allow-older" not in sys.argv:
        fail(16, "older", 1)
    if now["lies"]:
        sys.exit(0)
    if "needs-reboot" in found[0]["Flags"]:
        now["waits"][words[2]] = version
    else:
        found[0]["Version"] = version
    state.write_text(json.dumps(now))
else:
    fail(1, "unknown", 1)
"""


class Firmware:
    """What the machine's fwupd knows."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.state = machine.root / "fwupd.json"
        self.change(
            devices=[
                {"DeviceId": DEVICE, "Name": "System Firmware", "Plugin": "uefi_capsule", "Version": "1.0.0", "Flags": ["updatable"]},
                {"DeviceId": OTHER, "Name": 'BCM5719 "quad"', "Plugin": "bcm57xx", "Version": "1.2.2", "Flags": ["updatable"]},
            ],
            waits={},
            lies=False,
        )
        machine.tool("fwupdtool", f"exec '{self.program()}' \"$@\"")
        machine.tool(
            "curl",
            'for one; do last=$one; done\n[ "$(cat)" ] || exit 22\nwhile [ "$1" != -o ]; do shift; done\n'
            f'cp \'{machine.root}/engine/\'"${{last##*/}}" "$2"',
        )

    def program(self) -> str:
        there = self.machine.folder / "fwupdtool.py"
        there.write_text(FWUPDTOOL.format(python=sys.executable, state=str(self.state)))
        there.chmod(0o755)
        return str(there)

    def change(self, **fields: Any) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        now = json.loads(self.state.read_text()) if self.state.exists() else {}
        self.state.write_text(json.dumps(now | fields))

    @property
    def versions(self) -> dict[str, str]:
        return {one["DeviceId"]: one["Version"] for one in json.loads(self.state.read_text())["devices"]}

    def at_next_start(self) -> None:
        """Makes all updates wait for a start."""
        devices = json.loads(self.state.read_text())["devices"]
        self.change(devices=[one | {"Flags": ["updatable", "needs-reboot"]} for one in devices])

    def start(self) -> None:
        now = json.loads(self.state.read_text())
        self.change(devices=[one | {"Version": now["waits"].get(one["DeviceId"], one["Version"])} for one in now["devices"]], waits={})

    def file(self, name: str, content: str) -> dict[str, Any]:
        self.machine.write(f"engine/{name}", content)
        return {name: {"sha256": hashlib.sha256(content.encode()).hexdigest(), "size": len(content)}}


def step(device: str = DEVICE, had: str = "1.0.0", wanted: str = "1.1.0", file: str = "bios.cab", **more: Any) -> dict[str, Any]:
    return {"device": device, "part": "bios", "name": "System Firmware", "had": had, "wanted": wanted, "file": file, "older": False, **more}


def wants(files: dict[str, Any], *steps: dict[str, Any]) -> Attributes:
    source = {"url": "http://10.0.0.1/image/firmware", "ticket": "n1.tag.mac", "files": files}
    return {"firmware-wanted": [], "fwupd-steps": {"steps": list(steps)}, "firmware-source": source}


def fwupd_discover(machine: Machine) -> Attributes:
    Firmware(machine)
    return {}


def firmware_fwupd(machine: Machine) -> Attributes:
    firmware = Firmware(machine)
    files = firmware.file("bios.cab", "cab of 1.1.0\n") | firmware.file("nic.cab", "cab of 1.3.0\n")
    return wants(files, step(), step(OTHER, "1.2.2", "1.3.0", "nic.cab"))


SCENES = {"fwupd-discover": fwupd_discover, "firmware-fwupd": firmware_fwupd}
