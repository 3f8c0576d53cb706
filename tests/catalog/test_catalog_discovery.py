"""The discovery scripts on machines that are folders: golden JSON, and recorded outputs of real hardware."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from engine.rehearsal.qemu.smbios import host_interface

GOLDEN = Path(__file__).parent / "golden"


def server(machine: Any) -> None:
    """Two SATA disks (one in use), an NVMe disk, a USB stick, a CD; two ports on PCI, one bridge; UEFI."""
    w, link = machine.write, machine.link
    w("sys/class/dmi/id/sys_vendor", "Dell Inc.\n")
    w("sys/class/dmi/id/product_name", ' PowerEdge "R640"\t\\x \n')
    w("proc/meminfo", "MemTotal:       131922140 kB\nMemFree: 1 kB\n")
    w("proc/cpuinfo", "processor\t: 0\nmodel name\t: X\n\nprocessor\t: 1\nmodel name\t: X\n")
    w("sys/firmware/efi/systab")
    w("proc/sys/kernel/kexec_load_disabled", "0\n")
    disks = {
        "sda": ("pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0", 1875385008, "0"),
        "sdb": ("pci0000:00/0000:3b:00.0/host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0", 7814037168, "1"),
        "sdc": ("pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/host2/target2:0:0/2:0:0:0", 30310400, "1"),
        "nvme0n1": ("pci0000:00/0000:5e:00.0/nvme/nvme0", 3125627568, "0"),
    }
    for name, (where, sectors, rotational) in disks.items():
        (machine.root / "sys/devices" / where).mkdir(parents=True)
        w(f"sys/block/{name}/size", f"{sectors}\n")
        w(f"sys/block/{name}/queue/rotational", f"{rotational}\n")
        w(f"sys/block/{name}/removable", "1\n" if name == "sdc" else "0\n")
        link(f"sys/block/{name}/device", f"../../devices/{where}")
        w(f"dev/{name}", "x" * 8192)
    w("sys/block/loop0/size", "100\n")
    w("sys/block/sr0/size", "100\n")
    w("sys/block/sda/dev", "8:0\n")
    w("run/udev/data/b8:0", "S:disk\nE:ID_SERIAL=X_S1\nE:ID_SERIAL_SHORT=S470NA0K\n")
    (machine.root / "sys/devices" / disks["sdb"][0] / "vpd_pg80").write_bytes(b"\0\x80\0\x08  ZC1ABCD")
    w(f"sys/devices/{disks['nvme0n1'][0]}/serial", "PHLN0123   \n")
    ports = (("eno1", "0000:3b:00.0", "F4:02:70:aa:bb:01", "10000", "1"), ("eno2", "0000:3b:00.1", "f4:02:70:aa:bb:02", "-1", "0"))
    for name, pci, mac, speed, carrier in ports:
        where = f"sys/devices/pci0000:3a/0000:3a:00.0/{pci}"
        (machine.root / where).mkdir(parents=True)
        link(f"{where}/driver", "../../../../bus/pci/drivers/bnxt_en")
        w(f"sys/class/net/{name}/address", mac + "\n")
        w(f"sys/class/net/{name}/speed", speed + "\n")
        w(f"sys/class/net/{name}/carrier", carrier + "\n")
        link(f"sys/class/net/{name}/device", f"../../../devices/pci0000:3a/0000:3a:00.0/{pci}")
    w("sys/class/net/lo/address", "00:00:00:00:00:00\n")
    w("sys/class/net/br0/address", "f4:02:70:aa:bb:01\n")


def test_inventory_of_a_server(machine: Any) -> None:
    server(machine)
    machine.tool("blkid", 'case "$*" in *PTTYPE*sda) echo gpt ;; *" TYPE "*sdb) echo linux_raid_member ;; *) exit 2 ;; esac')
    machine.tool("kexec", "")
    done = machine.run("inventory")
    assert done.code == 0, done.err
    golden = GOLDEN / "inventory.json"
    assert done.gives == json.loads(golden.read_text())


def test_a_disk_that_cannot_be_looked_at_is_not_blank(machine: Any) -> None:
    server(machine)
    (machine.root / "dev/sda").unlink()
    machine.tool("blkid", "exit 2")
    disks = {disk["name"]: disk["signature"] for disk in machine.run("inventory").gives["disks"]}
    assert disks == {"nvme0n1": "", "sda": "unknown", "sdb": ""}


@pytest.mark.parametrize(
    ("tool", "script", "signature"),
    [
        ("none", "", "unknown"),
        ("blkid", "exit 8", "unknown"),  # ambivalent
        ("wipefs", "echo ext4", "ext4"),
        ("wipefs", "exit 0", ""),
        ("wipefs", "exit 1", "unknown"),
    ],
)
def test_signatures(machine: Any, tool: str, script: str, signature: str) -> None:
    server(machine)
    machine.tool(tool, script)
    assert {disk["signature"] for disk in machine.run("inventory").gives["disks"]} == {signature}


def test_partitions_in_sysfs_are_a_signature(machine: Any) -> None:
    server(machine)
    machine.tool("blkid", "exit 2")
    machine.write("sys/block/sda/sda1/partition", "1\n")
    disks = {disk["name"]: disk["signature"] for disk in machine.run("inventory").gives["disks"]}
    assert disks["sda"] == "partitions"


def test_a_machine_that_tells_nothing(machine: Any) -> None:
    machine.write("proc/meminfo", "")
    machine.write("proc/cpuinfo", "processor : 0\n")
    done = machine.run("inventory")
    assert done.gives == {
        "product": "", "vendor": "", "memory-mb": 0, "cpus": 1, "disks": [], "nics": [], "firmware": "bios", "kexec": False,
    }  # fmt: skip


def lldpcli(machine: Any, text: str) -> None:
    machine.write("heard.json", text)
    machine.tool("lldpcli", f'cat "{machine.root}/heard.json"')
    machine.environment["CROWBAR_LLDP_WAIT"] = "0"


def test_lldp_of_two_ports(machine: Any) -> None:
    def port(name: str, number: int, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "chassis": [{"id": [{"type": "mac", "value": "44:38:39:00:00:01"}], "name": [{"value": 'tor"1'}], **more}],
            "port": [{"id": [{"type": "ifname", "value": f"swp{number}"}], "descr": [{"value": f"to\nm{number}"}]}],
        }

    heard = {"lldp": [{"interface": [port("eno1", 1), port("eno2", 2, capability=[{"type": "Bridge", "enabled": True}])]}]}
    lldpcli(machine, json.dumps(heard))
    done = machine.run("lldp")
    assert done.code == 0, done.err
    assert done.gives["neighbours"] == [
        {"nic": f"eno{i}", "chassis": "44:38:39:00:00:01", "port": f"swp{i}", "system": 'tor"1', "port_description": f"to\nm{i}"}
        for i in (1, 2)
    ]


def test_a_machine_is_not_its_own_neighbour(machine: Any) -> None:
    """Two of its ports on one unmanaged switch hear each other."""
    machine.write("sys/class/net/eno1/address", "F4:02:70:AA:BB:01\n".lower())
    machine.write("sys/class/net/eno1/device/x")

    def port(name: str, chassis: str) -> dict[str, Any]:
        return {"name": name, "chassis": [{"id": [{"type": "mac", "value": chassis}]}], "port": [{"id": [{"type": "mac", "value": "p"}]}]}

    lldpcli(machine, json.dumps({"lldp": [{"interface": [port("eno2", "F4:02:70:aa:bb:01"), port("eno1", "44:38:39:00:00:01")]}]}))
    assert [one["nic"] for one in machine.run("lldp").gives["neighbours"]] == ["eno1"]


def test_lldp_as_lldpd_writes_it(machine: Any, recorded: Path) -> None:
    lldpcli(machine, (recorded / "lldpd-lldpd/lldpcli-json0-neighbors.json").read_text())
    assert machine.run("lldp").gives["neighbours"] == [
        {
            "nic": "eth0",
            "chassis": "00:00:00:00:00:02",
            "port": "00:00:00:00:00:02",
            "system": "ns-2.example.com",
            "port_description": "eth1",
        }
    ]


def test_lldp_without_a_tool_or_a_neighbour(machine: Any) -> None:
    assert machine.run("lldp").gives == {"neighbours": []}
    lldpcli(machine, '{"lldp":[{}]}')
    assert machine.run("lldp").gives == {"neighbours": []}


def test_lldp_says_why_it_failed(machine: Any) -> None:
    machine.tool("lldpcli", "echo unable to connect >&2; exit 1")
    done = machine.run("lldp")
    assert done.code == 1
    assert "unable to connect" in done.err


def ipmitool(machine: Any, channel: int, text: str) -> None:
    machine.write("lan", text)
    machine.write("dev/ipmi0")
    machine.tool("ipmitool", f'[ "$3" = {channel} ] || exit 1; cat "{machine.root}/lan"')


@pytest.mark.parametrize("channel", [1, 8])
def test_bmc_of_a_supermicro(machine: Any, recorded: Path, channel: int) -> None:
    ipmitool(machine, channel, (recorded / "redhat-cip-hardware/ipmi_lan_info").read_text())
    assert machine.run("bmc-discover").gives == {"bmc": {"address": "10.151.68.13", "mac": "00:30:48:f4:4d:83"}}


def test_no_bmc(machine: Any) -> None:
    assert machine.run("bmc-discover").gives == {"bmc": {}}
    machine.tool("ipmitool", "exit 1")
    assert machine.run("bmc-discover").gives == {"bmc": {}}
    ipmitool(machine, 1, "IP Address              : 0.0.0.0\nMAC Address             : 00:30:48:f4:4d:83\n")
    done = machine.run("bmc-discover")
    assert done.gives == {"bmc": {}}
    assert "has no address yet" in done.out


@pytest.mark.parametrize(("address", "found"), [("192.168.125.21", {"address": "192.168.125.21"}), ("169.254.0.17", {}), ("0.0.0.0", {})])
def test_a_bmc_that_only_the_firmware_tells_of(machine: Any, address: str, found: dict[str, str]) -> None:
    """SMBIOS structure 42, for kernels without an IPMI driver; an address that leads to the host itself only does not count."""
    where = machine.root / "sys/firmware/dmi/entries"
    for number, table in enumerate((b"\x2a\x09\x00\x2a\x40\x00\x00\x00\x00\x00\x00", host_interface(str(uuid.UUID(int=1)), "52:54:00:01:01:ff", address))):
        (where / f"42-{number}").mkdir(parents=True)
        (where / f"42-{number}" / "raw").write_bytes(table)
    done = machine.run("bmc-discover")
    assert done.gives == {"bmc": found}, f"{done.out} {done.err}"
