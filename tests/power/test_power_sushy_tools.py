"""The Redfish adapter against somebody else's service: the emulator of OpenStack's sushy-tools, with its fake machines.

It knows no sessions, takes no `Disabled` without a target, and calls each order continuous. A change of power takes it up to eleven
seconds, as it takes a server; here one.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from msgspec import structs
from redfish_rig import QUICK, redfish

from engine.power import BiosRead, BiosWritten, InventoryRead, PowerDone, PowerFailed, PowerState, SensorsRead
from engine.power.redfish import speaks_redfish
from engine.power.redfish_volumes import StorageVolume, WantedDrive
from engine.racks.bmc.redfish import certificate

pytestmark = pytest.mark.client
ONE, TWO = "11111111-9e44-4fa7-8e91-f3527a1ef094", "22222222-9e44-4fa7-8e91-f3527a1ef094"
_PROGRAM = """
import random, sys
from sushy_tools.emulator import main
from sushy_tools.emulator.resources.systems.fakedriver import FakeDriver

FACTORY = {"ProcTurboMode": "Enabled", "QuietBoot": "true", "NumCores": 10}
random.randint = lambda least, most: least

def get_bios(self, identity):
    return {**FACTORY, **self._get(identity).get("bios", {})}

def set_bios(self, identity, attributes):
    system = self._get(identity)
    self._update(system, bios={**system.get("bios", {}), **attributes})

FakeDriver.get_bios, FakeDriver.set_bios = get_bios, set_bios
FakeDriver.find_or_create_storage_volume = lambda self, volume: volume["Id"]
sys.exit(main.main())
"""
"""Its machines have no BIOS and no volumes, which its web service knows: they hold the state, and the service asks for it."""
_CONFIG = """
SUSHY_EMULATOR_LISTEN_IP = "127.0.0.1"
SUSHY_EMULATOR_LISTEN_PORT = {port}
SUSHY_EMULATOR_SSL_CERT = SUSHY_EMULATOR_SSL_KEY = {pem!r}
SUSHY_EMULATOR_AUTH_FILE = {accounts!r}
SUSHY_EMULATOR_STATE_DIR = {folder!r}
SUSHY_EMULATOR_FAKE_DRIVER = True
SUSHY_EMULATOR_FAKE_SYSTEMS = [
    {{"uuid": uuid, "name": name, "power_state": "Off", "external_notifier": False, "nics": []}}
    for name, uuid in (("one", "{one}"), ("two", "{two}"))
]
SUSHY_EMULATOR_STORAGE = {{"{one}": [{{"Id": "1", "Name": "RAID", "StorageControllers": [{{"MemberId": "0", "Name": "RAID", "SpeedGbps": 12}}],
    "Drives": ["A1", "A2"]}}]}}
SUSHY_EMULATOR_DRIVES = {{("{one}", "1"): [{{"Id": one, "Name": one, "CapacityBytes": 899527000000, "Protocol": "SAS"}} for one in ("A1", "A2")]}}
SUSHY_EMULATOR_VOLUMES = {{("{one}", "1"): [{{"libvirtPoolName": "p", "libvirtVolName": "v", "Id": "1", "Name": "old", "VolumeType": "Mirrored",
    "CapacityBytes": 23748}}]}}
"""


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("sushy_tools", reason="sushy-tools is not installed (pip install sushy-tools)")
    folder: Path = tmp_path_factory.mktemp("sushy")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    accounts = folder / "accounts"
    accounts.write_text("root:" + bcrypt.hashpw(b"calvin", bcrypt.gensalt(4)).decode() + "\n")
    config = folder / "emulator.conf"
    pem = str(certificate(folder))
    config.write_text(_CONFIG.format(port=port, pem=pem, accounts=str(accounts), folder=str(folder), one=ONE, two=TWO))
    with (folder / "out").open("w") as out:
        command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, "--config", str(config)]
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while not speaks_redfish("127.0.0.1", port, 5.0):
            assert process.poll() is None, (folder / "out").read_text()
            assert time.monotonic() < deadline, (folder / "out").read_text()
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(60)


def test_inventory(emulator: int) -> None:
    found = redfish(emulator, uuid=ONE).inventory()
    assert isinstance(found, InventoryRead), found
    assert found.parts.system is not None
    assert found.parts.system.uuid == ONE
    assert found.parts.power in ("on", "off")
    assert found.parts.chassis is not None
    assert [one.part for one in found.parts.firmware] == ["bmc", "controller", "drive", "drive"]


def test_firmware(emulator: int) -> None:
    """Its fake machines take none. The update service reads the request, and says so in its words."""
    failed = redfish(emulator, uuid=ONE).stage_firmware("bios.bin", b"x", "https://192.0.2.1/bios.bin", [f"/redfish/v1/Systems/{ONE}"])
    assert isinstance(failed, PowerFailed), failed
    assert "HTTP 5" in failed.message or "BIOS" in failed.message
    none = redfish(emulator, uuid=ONE).stage_firmware("bios.bin", b"x", "https://192.0.2.1/bios.bin")
    assert isinstance(none, PowerFailed), none
    assert "HTTP 400" in none.message  # without targets


def test_bios(emulator: int) -> None:
    """The settings with what its registry allows; a change is accepted, and reads back. The service has no apply time."""
    power = redfish(emulator, uuid=ONE)
    read = power.bios()
    assert isinstance(read, BiosRead), read
    have = {one.name: one for one in read.settings}
    assert have["ProcTurboMode"].value == "Enabled"
    assert {"Enabled", "Disabled"} <= set(have["ProcTurboMode"].allowed)
    done = power.set_bios({"ProcTurboMode": "Disabled"})
    assert isinstance(done, BiosWritten), done
    assert done.accepted == ("ProcTurboMode",)
    again = power.bios()
    assert isinstance(again, BiosRead)
    assert {one.name: one.value for one in again.settings}["ProcTurboMode"] == "Disabled"
    other = redfish(emulator, uuid=TWO).bios()
    assert isinstance(other, BiosRead)
    assert {one.name: one.value for one in other.settings}["ProcTurboMode"] == "Enabled", "the other machine has its own"
    assert isinstance(power.set_bios({"AdminPassword": "x"}), PowerFailed), "a password is no setting"


def test_storage(emulator: int) -> None:
    """Drives and volumes are read. It makes a volume of no drives, so nothing counts as made."""
    power = redfish(emulator, uuid=ONE)
    found = power.storages()
    assert not isinstance(found, PowerFailed), found
    [storage] = found
    drives = [path for path in storage.resources if "/Drives/" in path]
    assert len(drives) == 2
    seen = power.seen_volumes(storage.path)
    assert not isinstance(seen, PowerFailed), seen
    assert [one.name for one in seen] == ["old"]
    volume = StorageVolume(name="os", level="raid1", drives=tuple(WantedDrive(path=one, serial="1234570") for one in drives))
    made = power.volumes(storage.path, [volume], 20.0)
    assert isinstance(made, PowerFailed) or made.volumes == (), made
    none = redfish(emulator, uuid=TWO).storages()
    assert isinstance(none, PowerFailed) or none == ()


def test_power(emulator: int) -> None:
    power = redfish(emulator, uuid=ONE)
    assert power.set("on") == PowerDone(state=PowerState.ON)
    assert power.set("cycle") == PowerDone(state=PowerState.ON)
    assert power.set("soft") == PowerDone(state=PowerState.OFF)
    read = redfish(emulator, uuid=TWO.replace("-", "").upper()).read()
    assert isinstance(read, PowerDone), read
    assert structs.replace(read, clock=None) == PowerDone(state=PowerState.OFF, boot_device="disk", persistent=True, uefi=True)
    assert read.clock is not None
    assert abs(read.clock.off_s) < 5  # it runs on this machine


def test_boot(emulator: int) -> None:
    power = redfish(emulator, uuid=TWO.upper())
    done = power.boot("network", persistent=True, uefi=False)
    assert done == PowerDone(state=PowerState.ON, boot_device="network", persistent=True)
    assert power.set_boot("disk", persistent=True, uefi=True) == PowerDone(
        state=PowerState.ON, boot_device="disk", persistent=True, uefi=True
    )
    done = power.set_boot("none", persistent=False, uefi=None)  # it refuses `Disabled` by itself, and takes the whole of it
    assert done == PowerDone(state=PowerState.ON, boot_device="none")


def test_the_rest(emulator: int) -> None:
    power = redfish(emulator, uuid=ONE)
    assert isinstance(power.identify(5), PowerDone)
    read = power.sensors()
    assert isinstance(read, SensorsRead), read
    assert {sensor.kind for sensor in read.sensors} <= {"Temperature", "Fan", "Voltage", "Power", "Power Supply"}


def test_a_wrong_password(emulator: int) -> None:
    refused = redfish(emulator, QUICK, uuid=ONE, password="wrong").read()
    assert isinstance(refused, PowerFailed)
    assert refused.kind == "authentication"
