"""The discovery scripts on machines that are folders: golden JSON, and recorded outputs of real hardware."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from disk_folder import Sysfs

from engine.parts import Parts
from engine.racks.qemu.smbios import host_interface
from engine.store.hardware import digest

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
        w(f"sys/block/{name}/removable", "1\n" if name in ("sda", "sdc") else "0\n")
        link(f"sys/block/{name}/device", f"../../devices/{where}")
        w(f"dev/{name}", "x" * 8192)
    w("sys/block/sda/queue/physical_block_size", "4096\n")
    w("sys/class/ata_port/ata1/port_no", "1\n")
    w("sys/block/sda/device/wwid", "naa.5000C500A1B2C3D4\n")
    # Page 83h of a SAS disk: its WWN, and before it the name of its port and a vendor's text, which are not that of the disk.
    port, vendor, unit = (
        b"\x61\x93\0\x08" + bytes.fromhex("5000cca0ee123455"),
        b"\x02\x01\0\x04HGST",
        b"\x01\x03\0\x08" + bytes.fromhex("5000cca0ee123456"),
    )
    pages = port + vendor + unit
    (machine.root / "sys/devices" / disks["sdb"][0] / "vpd_pg83").write_bytes(b"\0\x83" + len(pages).to_bytes(2, "big") + pages)
    w("proc/mounts", f"{machine.root}/dev/sdb /mnt ext4 rw 0 0\n")
    w("sys/block/nvme0n1/queue/logical_block_size", "4096\n")
    w("sys/block/nvme0n1/queue/physical_block_size", "4096\n")
    w("sys/block/nvme0n1/wwid", "eui.0025385b71b0a1c2\n")
    w("sys/block/sdd/size", "30310400\n")
    w("sys/block/sdd/removable", "0\n")
    (machine.root / "sys/devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host3/target3:0:0/3:0:0:0").mkdir(parents=True)
    link("sys/block/sdd/device", "../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/host3/target3:0:0/3:0:0:0")
    w("sys/block/sdd/device/vendor", "AMI     \n")
    w("sys/block/sdd/device/model", "Virtual HDisk0  \n")
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


ETHTOOL = r"""
[ "$1" = eno1 ] || { echo "Settings for $1:"; echo "	Supported link modes:   Not reported"; exit 0; }
cat <<'END'
Settings for eno1:
	Supported ports: [ FIBRE ]
	Supported link modes:   1000baseT/Full
	                        10000baseT/Full
	                        25000baseCR/Full
	Supported pause frame use: Symmetric Receive-only
	Advertised link modes:  100000baseCR4/Full
	Speed: 10000Mb/s
END
"""  # noqa: E101
"""What ethtool 6.1 prints of a port for SFP28 modules, and of one that reports no modes."""


def test_inventory_of_a_server(machine: Any) -> None:
    server(machine)
    machine.tool("ethtool", ETHTOOL)
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
        ("blkid", "exit 1", "unknown"),  # busybox, which knows no -p
        ("blkid", "exit 8", "unknown"),  # ambivalent
        ("wipefs", "echo ext4", "ext4"),
        ("wipefs", "exit 0", ""),
        ("wipefs", "exit 1", "unknown"),
    ],
)
def test_signatures(machine: Any, tool: str, script: str, signature: str) -> None:
    server(machine)
    machine.tool(tool, script)
    assert {disk["signature"] for disk in Sysfs(machine).listed()["disks"]} == {signature}


@pytest.mark.parametrize(
    ("at", "signature"), [(1 << 20, ""), (0, "unknown"), (510, "unknown"), (64 << 10, "unknown"), ((8 << 20) - 512, "unknown")]
)
def test_without_a_tool_a_disk_is_blank_whose_ends_are_zeros(machine: Any, at: int, signature: str) -> None:
    server(machine)
    machine.write("sys/block/sda/size", f"{(8 << 20) // 512}\n")
    disk = bytearray(8 << 20)
    disk[at] = 0x55
    (machine.root / "dev/sda").write_bytes(disk)
    machine.tool("blkid", "exit 1")
    told = {disk["name"]: disk["signature"] for disk in Sysfs(machine).listed()["disks"]}
    assert told["sda"] == signature


def test_partitions_in_sysfs_are_a_signature(machine: Any) -> None:
    server(machine)
    machine.tool("blkid", "exit 2")
    machine.write("sys/block/sda/sda1/partition", "1\n")
    disks = {disk["name"]: disk["signature"] for disk in machine.run("inventory").gives["disks"]}
    assert disks["sda"] == "partitions"


INFINIBAND = "80:00:02:08:fe:80:00:00:00:00:00:00:f4:52:14:03:00:7b:cb:a1"


PORTS = {
    "ib0": (INFINIBAND, 32, "infiniband"),
    "ib1": (INFINIBAND.upper(), 32, "infiniband"),
    "ib2": (INFINIBAND[:47], 32, "infiniband"),
    "ib3": ("01:02:03:04:05:06:07:08", 24, "other"),
    "ib4": ("52:54:00:00:00:07", 65534, "other"),
    "ib5": ("52:54:00:00:00:08", 1, None),
    "ib6": ("00:00:00:00:00:00", 1, ""),
    "ib7": ("", 65534, ""),
    "ib8": ("none", 1, ""),
}
"""Name -> address, type of the kernel, type that is told. `None`: Ethernet, without a type; empty: the port is not listed."""


def test_a_port_that_is_no_ethernet_is_kept_and_typed(machine: Any) -> None:
    server(machine)
    for name, (address, kind, _) in PORTS.items():
        machine.write(f"sys/class/net/{name}/address", address + "\n")
        machine.write(f"sys/class/net/{name}/type", f"{kind}\n")
        machine.link(f"sys/class/net/{name}/device", "../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.1")
    found = {n["name"]: (n["mac"], n.get("type")) for n in machine.run("inventory").gives["nics"] if n["name"] in PORTS}
    assert found == {name: (address.lower(), told) for name, (address, _, told) in PORTS.items() if told != ""}


HARDLY = digest(Parts(boot_mode="bios"))


def test_a_machine_that_tells_nothing(machine: Any) -> None:
    machine.write("proc/meminfo", "")
    machine.write("proc/cpuinfo", "processor : 0\n")
    done = machine.run("inventory")
    assert done.gives == {
        "product": "",
        "vendor": "",
        "memory-mb": 0,
        "cpus": 1,
        "disks": [],
        "media": [],
        "nics": [],
        "firmware": "bios",
        "kexec": False,
        "hardware": {"digest": HARDLY, "facts": {"boot-mode": "bios"}, "changes": [], "gone": 0, "odd": [], "refused": [], "reports": 1},
    }


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


def test_lldp_tells_every_neighbour_of_a_port(machine: Any) -> None:
    """A telephone and the switch behind it, and a port that is named by the operator's alias."""
    for nic in ("eno1", "eno2"):
        machine.write(f"sys/class/net/{nic}/carrier", "1\n")
        machine.write(f"sys/class/net/{nic}/address", f"f4:02:70:aa:bb:0{nic[-1]}\n")
        machine.write(f"sys/class/net/{nic}/device/x")

    def port(nic: str, name: str, id: dict[str, str], *can: str) -> dict[str, Any]:
        caps = [{"type": one.strip("-"), "enabled": not one.startswith("-")} for one in can]
        chassis = {"id": [{"type": "local", "value": name}], "name": [{"value": name}], **({"capability": caps} if caps else {})}
        return {"name": nic, "chassis": [chassis], "port": [{"id": [id], "descr": [{"value": "Gi1/0/4"}]}]}

    phone = port("eno1", "phone", {"type": "mac", "value": "00:11:22:33:44:55"}, "Bridge", "-Router", "Tel")
    switch = port("eno1", "tor1", {"type": "ifname", "value": "Gi1/0/4"}, "Bridge", "Router")
    alias = port("eno2", "tor2", {"type": "ifalias", "value": "to node 1"})
    lldpcli(machine, json.dumps({"lldp": [{"interface": [phone, switch, alias]}]}))
    done = machine.run("lldp")
    told = [(n["nic"], n["system"], n.get("port_kind"), n.get("capabilities")) for n in done.gives["neighbours"]]
    assert told == [("eno1", "phone", None, ["Bridge", "Tel"]), ("eno1", "tor1", None, None), ("eno2", "tor2", "ifalias", None)]
    assert "on 2 ports" in done.out


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
    machine.tool("ipmitool", f'[ "$1" != mc ] || exit 0; [ "$3" = {channel} ] || exit 1; cat "{machine.root}/lan"')


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


UNREADABLE = "Set in Progress         : Set Complete\n"


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("exit 1", "does not answer on the machine's own bus"),
        ('[ "$1" = mc ] || exit 1; [ ! -e "$CROWBAR_ROOT/asked" ] || exit 1; : >"$CROWBAR_ROOT/asked"', "stopped answering at channel 1"),
        (
            f'[ "$1 $3" != "lan 1" ] || printf "{UNREADABLE}"; [ "$1 $3" = "lan 1" ] || [ "$1" = mc ]',
            "nothing that can be read of its LAN channel 1",
        ),
    ],
)
def test_a_bmc_that_is_there_and_silent_is_not_none(machine: Any, tool: str, said: str) -> None:
    machine.write("dev/ipmi0")
    machine.tool("ipmitool", tool)
    done = machine.run("bmc-discover")
    assert done.code == 1
    assert not done.gives
    assert said in done.err
    assert "then retry" in done.err


def test_a_channel_that_fails_once_is_asked_again(machine: Any) -> None:
    machine.write("dev/ipmi0")
    machine.write("lan", lan("10.1.2.3", f"{MAC}1"))
    once = '[ "$1" != mc ] || exit 0; [ "$1 $3" = "lan 1" ] && [ -e "$CROWBAR_ROOT/asked" ] && exec cat "$CROWBAR_ROOT/lan"; : >"$CROWBAR_ROOT/asked"; exit 1'
    machine.tool("ipmitool", once)
    assert machine.run("bmc-discover").gives == {"bmc": {"address": "10.1.2.3", "mac": f"{MAC}1"}}


def test_a_silent_bmc_that_the_firmware_tells_of(machine: Any) -> None:
    machine.write("dev/ipmi0")
    machine.tool("ipmitool", "exit 1")
    (machine.root / "sys/firmware/dmi/entries/42-0").mkdir(parents=True)
    table = host_interface(str(uuid.UUID(int=1)), "52:54:00:01:01:ff", "192.168.125.21")
    (machine.root / "sys/firmware/dmi/entries/42-0/raw").write_bytes(table)
    done = machine.run("bmc-discover")
    assert done.gives == {"bmc": {"address": "192.168.125.21"}}
    assert "does not answer" in done.out


@pytest.mark.parametrize(("address", "found"), [("192.168.125.21", {"address": "192.168.125.21"}), ("169.254.0.17", {}), ("0.0.0.0", {})])
def test_a_bmc_that_only_the_firmware_tells_of(machine: Any, address: str, found: dict[str, str]) -> None:
    """SMBIOS structure 42, for kernels without an IPMI driver; an address that leads to the host itself only does not count."""
    where = machine.root / "sys/firmware/dmi/entries"
    for number, table in enumerate(
        (b"\x2a\x09\x00\x2a\x40\x00\x00\x00\x00\x00\x00", host_interface(str(uuid.UUID(int=1)), "52:54:00:01:01:ff", address))
    ):
        (where / f"42-{number}").mkdir(parents=True)
        (where / f"42-{number}" / "raw").write_bytes(table)
    done = machine.run("bmc-discover")
    assert done.gives == {"bmc": found}, f"{done.out} {done.err}"


# -- a BMC with several channels -----------------------------------------------------------------------------------


def lan(address: str, mac: str, source: str = "DHCP Address") -> str:
    return f"Set in Progress         : Set Complete\nIP Address Source       : {source}\nIP Address              : {address}\nMAC Address             : {mac}\n"


LAN6 = """\
IPv6/IPv4 Support:
    IPv6 only: yes
IPv6/IPv4 Addressing Enables: ipv6
IPv6 Static Address 0:
    Enabled:        no
    Address:        2001:db8::dead/64
    Status:         disabled
IPv6 Static DUID 0:
    Length:   0
IPv6 Dynamic Address 0:
    Source/Type:    SLAAC
    Address:        FE80::5a20:ffff:feff:ffff/64
    Status:         active
IPv6 Dynamic Address 1:
    Source/Type:    DHCPv6
    Address:        ::/0
    Status:         active
IPv6 Dynamic Address 2:
    Source/Type:    DHCPv6
    Address:        2001:DB8:0:1::17/64
    Status:         active
"""


def channels(machine: Any, lans: dict[int, str], six: dict[int, str] | None = None, clock: str = "") -> None:
    machine.write("dev/ipmi0")
    for number in range(1, 12):
        if number in lans:
            machine.write(f"lan-{number}", lans[number])
        if six and number in six:
            machine.write(f"lan6-{number}", six[number])
    if clock:
        machine.write("sel-time", clock)
    machine.tool(
        "ipmitool",
        f'case "$*" in "mc info") ;; "sel time get") cat "{machine.root}/sel-time" ;; *) [ -e "{machine.root}/$1-$3" ] || exit 1; cat "{machine.root}/$1-$3" ;; esac',
    )


MAC = "00:30:48:f4:4d:8"


@pytest.mark.parametrize(("lan1", "found"), [("", None), (lan("10.1.2.3", f"{MAC}1"), {"address": "10.1.2.3", "mac": f"{MAC}1"})])
def test_channels_that_hang_cost_no_more_than_three_waits(machine: Any, lan1: str, found: dict[str, str] | None) -> None:
    machine.write("dev/ipmi0")
    machine.write("lan", lan1)
    machine.tool("timeout", 'shift; exec "$@"')
    machine.tool(
        "ipmitool",
        '[ "$1" != mc ] || exit 0; [ "$1 $3" = "lan 1" ] && [ -s "$CROWBAR_ROOT/lan" ] && exec cat "$CROWBAR_ROOT/lan"; exit 124',
    )
    done = machine.run("bmc-discover")
    assert (done.code, done.gives) == ((1, None) if found is None else (0, {"bmc": found}))
    assert len([call for call in machine.calls if call.startswith("ipmitool lan print")]) == 3 + bool(found)


@pytest.mark.parametrize("where", [1, 2, 3, 7, 8, 9, 11])
def test_the_channel_with_an_address_wins(machine: Any, where: int) -> None:
    empty = [n for n in (1, 2, 5) if n != where]
    lans = {n: lan("0.0.0.0", f"{MAC}{n}") for n in empty} | {where: lan("10.1.2.3", "00:30:48:F4:4D:AA", "Static Address")}
    channels(machine, lans)
    found = machine.run("bmc-discover").gives["bmc"]
    assert (found["address"], found["mac"]) == ("10.1.2.3", "00:30:48:f4:4d:aa")
    assert {(c["channel"], c["address"], c["mac"]) for c in found["channels"]} == {(n, "", f"{MAC}{n}") for n in empty} | {
        (where, "10.1.2.3", "00:30:48:f4:4d:aa")
    }


@pytest.mark.parametrize(
    ("addresses", "address"),
    [
        (("169.254.95.118", "10.1.2.3"), "10.1.2.3"),
        (("10.1.2.3", "10.9.9.9"), "10.1.2.3"),
        (("0.0.0.0", "0.0.0.0"), ""),
        (("169.254.3.254", "0.0.0.0"), ""),
        (("255.255.255.255", "192.168.0.120"), "192.168.0.120"),
    ],
)
def test_of_several_addresses_the_first_that_others_reach(machine: Any, addresses: tuple[str, str], address: str) -> None:
    channels(machine, {n: lan(a, f"{MAC}{n}") for n, a in enumerate(addresses, 1)})
    done = machine.run("bmc-discover")
    assert done.code == 0, done.err
    assert done.gives["bmc"].get("address", "") == address
    assert [c["channel"] for c in done.gives["bmc"]["channels"]] == [1, 2]


def test_a_bmc_with_ipv6_only(machine: Any) -> None:
    channels(machine, {1: lan("0.0.0.0", f"{MAC}1")}, {1: LAN6})
    assert machine.run("bmc-discover").gives == {"bmc": {"address": "2001:db8:0:1::17", "mac": f"{MAC}1"}}


def test_an_ipv4_address_goes_before_an_ipv6_one(machine: Any) -> None:
    channels(machine, {1: lan("0.0.0.0", f"{MAC}1"), 3: lan("10.1.2.3", f"{MAC}3")}, {1: LAN6})
    found = machine.run("bmc-discover").gives["bmc"]
    assert found["address"] == "10.1.2.3"
    assert [c["address"] for c in found["channels"]] == ["2001:db8:0:1::17", "10.1.2.3"]


@pytest.mark.parametrize(
    ("clock", "off"),
    [
        ("11/28/2026 15:20:01", 1),
        ("11/28/26 15:20:00", 0),
        ("01/01/1970 00:00:12", 12 - 1795879200),
        ("02/29/2024 08:09:08", None),
        ("11/28/2026 14:20:00 UTC", -3600),
        ("Unspecified", ""),
        ("13/45/2026 00:00:00", ""),
        ("01/19/2038 03:14:08", 2147483648 - 1795879200),
    ],
)
def test_the_clock_of_a_bmc(machine: Any, clock: str, off: int | str | None) -> None:
    """Against a node whose clock says 2026-11-28 15:20:00 UTC."""
    now = 1795879200
    machine.tool("date", f"echo {now}")
    channels(machine, {1: lan("10.1.2.3", f"{MAC}1")}, clock=clock + "\n")
    found = machine.run("bmc-discover").gives["bmc"]
    if off is None:
        off = int(datetime(2024, 2, 29, 8, 9, 8, tzinfo=UTC).timestamp()) - now
    assert found.get("clock_off", "") == off
