"""A device that is a file in a machine's folder, for the delegates' roles: the management of simulated racks, with its exchanges counted.

A step of a delegate is an exchange with its device. Exchange number `fail` is answered by nothing. At exchange number `die` the delegate's
whole process group is killed before the device has heard it, as by a power cut of the machine that carries the delegate.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from node_folder import REPO, Done, Machine

from engine.racks.counters import Counters
from engine.racks.simulated.managed import Answer, Managed
from engine.racks.simulated.san_side import ManagedSan
from engine.racks.simulated.switch_side import ManagedSwitch

Attributes = dict[str, Any]


class Device:
    """The device of a machine, in a thread. It listens until the test process ends."""

    def __init__(self, machine: Machine, kind: type[Managed]) -> None:
        self.machine, self.fail, self.die = machine, 0, 0
        self.calls: list[str] = []
        self.managed = kind(machine.root / "device.json", Counters())
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True).start()
        assert self._ready.wait(60)

    async def _listen(self) -> None:
        told = self.managed.answer

        def answer(verb: str, path: str, body: bytes) -> Answer:
            self.calls.append(f"{verb} {path}")
            if len(self.calls) == self.die:
                _kill(self.machine)
            if len(self.calls) in (self.fail, self.die):
                raise ConnectionResetError
            return told(verb, path, body)

        self.managed.answer = answer  # type: ignore[method-assign]
        server = await asyncio.start_server(self.managed.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()


def _kill(machine: Machine) -> None:
    """Kills the process groups whose environment names this machine's file of gives."""
    mine = f"CROWBAR_GIVES={machine.folder / 'gives.json'}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and int(entry.name) != os.getpid() and mine in (entry / "environ").read_bytes().split(b"\0"):
                os.killpg(os.getpgid(int(entry.name)), signal.SIGKILL)
        except OSError:
            continue  # it has just ended, or is another user's


class CountedDevice:
    """As `calls.Counted`, for a delegate."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.device = DEVICES[str(machine.folder)]

    def run(self, role: str, attributes: Attributes, action: str = "run", fail: int = 0, die: int = 0) -> Done:
        self.device.calls.clear()
        self.device.fail, self.device.die = fail, die
        try:
            return self.machine.run(role, attributes, action, tidy=not (fail or die))
        finally:
            self.device.fail = self.device.die = 0

    @property
    def calls(self) -> list[str]:
        return self.device.calls


DEVICES: dict[str, Device] = {}
"""Folder of a machine -> its device."""


def _device(machine: Machine, name: str, kind: type[Managed]) -> Attributes:
    device = DEVICES[str(machine.folder)] = Device(machine, kind)
    machine.environment |= {"CROWBAR_PYTHON": sys.executable, "CROWBAR_CODE": str(REPO)}
    machine.tool("python3", f"exec '{sys.executable}' \"$@\"")
    return {"device": {"name": name, "id": name, "address": "10.0.0.9", "simulated": f"127.0.0.1:{device.port}"}}


def switch_ports(machine: Machine) -> Attributes:
    ports = [
        {"port": "swp1", "untagged": 10, "tagged": [200, 300], "description": "node-1 1g0", "why": "lldp"},
        {"port": "swp2", "tagged": [200], "lag": "node-2 bond", "mode": "lacp", "description": "node-2 1g0", "why": "lldp"},
        {"port": "swp3", "tagged": [200], "lag": "node-2 bond", "mode": "lacp", "description": "node-2 1g1", "why": "lldp"},
    ]
    wanted = {"ports": ports, "left": {"swp9": "two nodes both seem to end there"}, "own": {"port": "", "macs": []}}
    return {**_device(machine, "tor1", ManagedSwitch), "switch-ports-wanted": wanted, "switch-access": {"*": {"driver": "cumulus"}}}


def switch_addresses(machine: Machine) -> Attributes:
    return {**_device(machine, "tor1", ManagedSwitch), "switch-access": {"*": {"driver": "cumulus"}}}


SERIALS = {"n1/data": "a1" * 16, "n1/logs": "b2" * 16, "n2/data": "c3" * 16}
SECRETS = '{"n1": "Abcdefgh12345678", "n2": "Zyxwvuts87654321"}'


def _luns(machine: Machine, made: str) -> None:
    """The delegate has admitted these LUNs, so that each run has the same serial numbers."""
    rows = [
        f'{{"node": "{one[:2]}", "name": "{one[3:]}", "size": 1048576, "serial": "{serial}", "number": {number}, "made": {made}}}'
        for number, (one, serial) in enumerate(SERIALS.items(), 1)
    ]
    there = machine.folder / "state/san/san1.luns.json"
    there.parent.mkdir(parents=True)
    there.write_text(f"[{', '.join(rows)}]")


def san_luns(machine: Machine) -> Attributes:
    told = _device(machine, "san1", ManagedSan)
    _luns(machine, "false")
    wanted = [
        {"node": "n1.r1.test", "role": "san-disk", "value": [{"name": "data", "size": 1048576}, {"name": "logs", "size": 1048576}]},
        {"node": "n2.r1.test", "role": "san-disk", "value": [{"name": "data", "size": 1048576}]},
    ]
    return {**told, "san-access": {"san1": {}}, "san/wanted": wanted, "san-accounts": SECRETS}


def san_remove(machine: Machine) -> Attributes:
    told = _device(machine, "san1", ManagedSan)
    _luns(machine, "true")
    managed = DEVICES[str(machine.folder)].managed
    managed.settings.update({"luns": dict.fromkeys(SERIALS.values(), 1048576), "targets": {}})
    managed.save()
    doomed = [{"lun": one, "serial": SERIALS[one]} for one in ("n1/data", "n2/data")]
    return {**told, "san-access": {"san1": {}}, "san/wanted": [], "san-remove": doomed}


ISCSIADM = r"""
while [ $# -gt 0 ]; do
    case $1 in -T) target=$2 ;; -p) portal=$2 ;; -o) what=$2 ;; --login) what=login ;; esac
    shift
done
record="$CROWBAR_ROOT/etc/iscsi/nodes/$target/$(echo "$portal" | tr : ,)"
case ${what:-} in
new) mkdir -p "$record" && printf '# BEGIN RECORD\nnode.startup = manual\n# END RECORD\n' >"$record/crowbar" ;;
delete) rm -r "$CROWBAR_ROOT/etc/iscsi/nodes/$target" ;;
login) grep -q 'auth.password = Abcdefgh12345678' "$record/crowbar" || exit 24 ;;
esac
"""


def san_disk(machine: Machine) -> Attributes:
    for name, serial in (("sda", "SYSTEM"), ("sdb", SERIALS["n1/data"]), ("sdc", SERIALS["n1/logs"])):
        device = machine.write(f"sys/class/block/{name}/size", "2048\n").parent / "device"
        device.mkdir()
        (device / "vpd_pg80").write_bytes(bytes([0, 0x80, 0, len(serial)]) + serial.encode())
        machine.write(f"dev/{name}", "\0" * 4096)
    old = machine.write("etc/iscsi/nodes/iqn.2026-01.test.r1:san1.old/10.0.0.9,3260,1/crowbar", "node.startup = automatic\n")
    assert old.exists()
    machine.tool("iscsiadm", ISCSIADM)
    machine.tool("python3", f"exec '{sys.executable}' \"$@\"")
    machine.environment |= {"CROWBAR_SAN_WAIT": "0.1"}
    row = {"san": "san1", "size": 1048576, "target": "iqn.2026-01.test.r1:san1.n1", "portal": "10.0.0.9:3260", "user": "san1.n1"}
    row["initiator"] = "iqn.2026-01.test.r1:n1"
    names = [(1, "data"), (2, "logs")]
    disks = [{**row, "name": name, "number": number, "serial": SERIALS[f"n1/{name}"]} for number, name in names]
    return {"san-disks-wanted": {"disks": disks}, "san-account": "Abcdefgh12345678"}


def san_target(machine: Machine) -> Attributes:
    machine.tool("systemctl", 'case "$*" in "cat "*) exit 1 ;; "enable --now"*) : >"$CROWBAR_ROOT/active" ;; esac')
    machine.tool("tgtadm", '[ -e "$CROWBAR_ROOT/active" ]')
    return {}


SCENES = {
    "switch-ports": switch_ports,
    "switch-addresses": switch_addresses,
    "san-luns": san_luns,
    "san-remove": san_remove,
    "san-disk": san_disk,
    "san-target": san_target,
}
BY_DEVICE = frozenset({"switch-ports", "switch-addresses", "san-luns", "san-remove"})
"""Roles whose steps are exchanges with a device."""
