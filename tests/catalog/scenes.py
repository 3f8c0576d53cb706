"""For each role with scripts: a folder that stands for a machine, on which the scripts run, and their attributes.

A new role needs a scene here, or a reason in NOT_HERE why its scripts cannot run in a folder. `test_catalog_generic` checks that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from node_folder import Machine
from raid_stand_in import start

sys.path.append(str(Path(__file__).parents[1] / "install"))

import burn_lab
import daemons
import device_lab
import fwupd_lab
import names
import ports_folder
import test_catalog_discovery as discovery
import test_catalog_etcd as etcd
import test_catalog_hardware as hardware
import test_catalog_system as system
import wipe_lab as wiping
import writer_lab as writer

Attributes = dict[str, Any]


def inventory(machine: Machine) -> Attributes:
    discovery.server(machine)
    machine.tool("blkid", 'case "$*" in *PTTYPE*sda) echo gpt ;; *" TYPE "*sdb) echo linux_raid_member ;; *) exit 2 ;; esac')
    machine.tool("kexec", "")
    return {}


def lldp(machine: Machine) -> Attributes:
    machine.write("sys/class/net/eno1/address", "f4:02:70:aa:bb:01\n")
    one = {
        "name": "eno1",
        "chassis": [{"id": [{"type": "mac", "value": "44:38:39:00:00:01"}], "name": [{"value": "tor1"}]}],
        "port": [{"id": [{"type": "ifname", "value": "swp1"}], "descr": [{"value": "to m1"}]}],
    }
    discovery.lldpcli(machine, json.dumps({"lldp": [{"interface": [one]}]}))
    return {}


def bmc_discover(machine: Machine) -> Attributes:
    discovery.ipmitool(machine, 1, "IP Address              : 10.151.68.13\nMAC Address             : 00:30:48:f4:4d:83\n")
    return {}


def bios_configure(machine: Machine) -> Attributes:
    hardware.firmware(machine)
    return {"bios-wanted": {"Virtualization": "Enabled", "AssetTag": "r07"}}


BMC_USERS = r"""
users="$CROWBAR_ROOT/bmc"
case "$*" in
"lan print 1") echo "MAC Address             : 00:30:48:f4:4d:83" ;;
"-c user list 1") for n in 1 2 3 4; do echo "$n,$(sed -n 1p "$users/name$n" 2>/dev/null),true,false,true,ADMINISTRATOR"; done ;;
"user set name "*) echo "$5" >"$users/name$4" ;;
"user enable "*) echo on >"$users/on$3" ;;
"channel setaccess 1 "*) echo "ADMINISTRATOR" >"$users/level$4" ;;
"channel getaccess 1 "*)
    echo "IPMI Messaging       : enabled"
    echo "Privilege Level      : $(sed -n 1p "$users/level$4" 2>/dev/null)"
    [ -e "$users/on$4" ] || echo "Enable Status        : disabled"
    ;;
"exec "*)
    read -r _ what a b c _ <"$2"
    case $what in
    set) echo "$c" >"$users/password$b" && echo "Set User Password command successful" ;;
    test) [ "$c" = "$(sed -n 1p "$users/password$a" 2>/dev/null)" ] && echo Success || { echo "Failure: password incorrect"; exit 1; } ;;
    esac
    ;;
*) exit 1 ;;
esac
"""
"""What ipmitool does to the users of a BMC, which are files here. tests/catalog/test_catalog_bmc.py has a BMC instead."""


BMC_CLOCK = r"""
clock="$CROWBAR_ROOT/bmc-clock"
case "$*" in
"raw 0x0a 0x48") cat "$clock" ;;
"raw 0x0a 0x49 "*) printf ' %02x %02x %02x %02x\n' "$4" "$5" "$6" "$7" >"$clock" ;;
*) exit 1 ;;
esac
"""
"""What ipmitool does to the clock of a BMC, which is a file here and stands still."""


def bmc_clock(machine: Machine) -> Attributes:
    machine.write("dev/ipmi0")
    machine.write("bmc-clock", " 00 00 00 20\n")
    machine.tool("ipmitool", BMC_CLOCK)
    machine.tool("date", "echo 1700000000")
    return {}


def bmc_account(machine: Machine) -> Attributes:
    machine.write("dev/ipmi0")
    machine.write("bmc/name2", "ADMIN\n")
    machine.tool("ipmitool", BMC_USERS)
    return {"bmc-account": "aB3-xxxx_yyyyZZ9"}


BMC_LAN = r"""
lan="$CROWBAR_ROOT/lan"
value() { sed -n 1p "$lan/$1"; }
case "$*" in
"lan print 1")
    echo "Set in Progress         : Set Complete"
    echo "IP Address Source       : $(value source)"
    echo "IP Address              : $(value address)"
    echo "Subnet Mask             : $(value mask)"
    echo "MAC Address             : 00:30:48:F4:4D:83"
    echo "Default Gateway IP      : $(value router)"
    echo "Default Gateway MAC     : 00:00:00:00:00:00"
    ;;
"lan set 1 ipsrc static") echo "Static Address" >"$lan/source" ;;
"lan set 1 ipaddr "*) [ "$(value source)" = "Static Address" ] && echo "$5" >"$lan/address" ;;
"lan set 1 netmask "*) echo "$5" >"$lan/mask" ;;
"lan set 1 defgw ipaddr "*) echo "$6" >"$lan/router" ;;
*) exit 1 ;;
esac
"""
"""What ipmitool does to the LAN channel of a BMC, which is files here."""


def bmc_address(machine: Machine) -> Attributes:
    machine.write("dev/ipmi0")
    lan = {"source": "DHCP Address", "address": "10.9.9.9", "mask": "255.0.0.0", "router": "0.0.0.0"}
    for name, value in lan.items():
        machine.write(f"lan/{name}", f"{value}\n")
    machine.tool("ipmitool", BMC_LAN)
    machine.tool("sleep", "")
    return {"bmc-network": {"address": "192.168.125.21", "mask": "255.255.255.0", "router": "192.168.125.1"}}


def raid_configure(machine: Machine) -> Attributes:
    hardware.rack(machine)
    return hardware.wants("raid1")


def raid_discover(machine: Machine) -> Attributes:
    start(machine.folder / "controller.json", [(f"252:{n}", f"SER{n}", 600) for n in range(3)])
    program = Path(__file__).parent / "raid_stand_in.py"
    machine.tool("storcli64", f"exec '{sys.executable}' -I -S '{program}' storcli '{machine.folder}/controller.json' \"$@\"")
    return {}


def os_install(machine: Machine) -> Attributes:
    wanted = writer.installer(machine, writer.image())
    machine.tool("sleep", "")
    (machine.folder / "home/agent").mkdir(parents=True)
    (machine.folder / "home/agent/curl.conf").write_text("")
    return wanted


def network(machine: Machine) -> Attributes:
    ports_folder.ports(machine)
    machine.write("ip", "eno1 192.168.124.81/24\n")
    machine.write(
        "etc/systemd/network/50-crowbar-admin.network",
        "[Match]\nMACAddress=f4:02:70:aa:bb:01\nType=ether\n[Network]\nAddress=192.168.124.81/24\n",
    )
    more = {"vlan": 200, "mtu": 9000, "bridge": "br-storage", "router": "10.1.0.1", "preference": 20}
    return ports_folder.network(bond=ports_folder.bond(), links=ports_folder.on("eno1", "eno3"), **more)


def ntp_server(machine: Machine) -> Attributes:
    machine.tool("service", daemons.SERVICE)
    machine.tool("chronyc", "echo 7F7F0101,,10,0,0,0,0")
    return {
        "ntp-upstream": ["10.0.0.1"],
        "ntp-serve": True,
        "admin-address": "192.168.124.10",
        "admin-subnets": ["192.168.124.0/24"],
    }


def ntp_client(machine: Machine) -> Attributes:
    machine.tool("systemctl", system.SYSTEMCTL)
    (machine.root / "etc/chrony").mkdir(parents=True)
    return {"ntp-servers": ["10.0.0.1", "ntp.example"]}


OBJECTS = ["define host {", "}", "define service {", "}"]


def monitor_server(machine: Machine) -> Attributes:
    machine.tool("service", daemons.SERVICE)
    machine.tool("nagios4", "")
    machine.tool("id", "echo 0")
    return {"monitor/objects": OBJECTS, "monitor-interval": 20}


OPENSSL = r"""
while [ $# -gt 0 ]; do
    case $1 in
    -keyout | -out) echo "$1" >"$2" && shift ;;
    esac
    shift
done
"""


def monitor_client(machine: Machine) -> Attributes:
    for path in ("usr/sbin/nrpe", "usr/lib/nagios/plugins/check_procs", "usr/bin/prometheus-node-exporter"):
        machine.write(path)
    machine.tool("systemctl", system.SYSTEMCTL)
    machine.tool("openssl", OPENSSL)
    machine.tool("chgrp", "")
    return {
        "admin-address": "192.168.124.10",
        "admin-network": {"name": "admin", "address": "192.168.124.81"},
        "node-checks": [
            {"command": "ntp-client.process", "plugin": "check_procs", "arguments": "-c 1: -C chronyd"},
            {"command": "web.own", "plugin": "/usr/local/lib/web/check", "arguments": ""},
        ],
    }


def trends_server(machine: Machine) -> Attributes:
    machine.tool("service", daemons.SERVICE)
    machine.tool("prometheus", "")
    return {
        "admin-address": "192.168.124.10",
        "trends-listen": "loopback",
        "trends-days": 30,
        "trends-gigabytes": 10,
        "trends/nodes": [
            {"node": "node-1", "role": "monitor-client", "value": {"address": "192.168.124.81"}},
            {"node": "node-2", "role": "monitor-client", "value": None},
        ],
    }


def package_sources(machine: Machine) -> Attributes:
    machine.write("etc/os-release", 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n')
    machine.write("etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n")
    machine.write("usr/share/keyrings/debian-archive-keyring.gpg", "keys\n")
    return {"package-sources": "cache", "package-dates": False, "package-mirror": "", "engine-url": "http://192.168.124.10"}


def log_server(machine: Machine) -> Attributes:
    machine.tool("service", daemons.SERVICE)
    tls = machine.folder / "state/.tls"
    tls.mkdir(parents=True)
    for name in ("ca.crt", "crowbar-logging.crt", "crowbar-logging.key"):
        (tls / name).write_text(f"-----BEGIN {name}-----\n")
    machine.write("proc/net/tcp", "   0: 0A7CA8C0:09D2 00000000:0000 0A 00000000:00000000\n")
    return {
        "log-keep": {"megabytes": 8, "files": 3, "days": 30, "total": 4096},
        "admin-address": "192.168.124.10",
        "logging/nodes": [{"node": "n1.r1.test", "role": "log-client", "value": {"address": "192.168.124.81"}}],
    }


def log_client(machine: Machine) -> Attributes:
    machine.tool("systemctl", system.SYSTEMCTL)
    machine.tool("logger", "")
    (machine.root / "etc/rsyslog.d").mkdir(parents=True)
    machine.write("proc/net/tcp", "   0: 517CA8C0:D2F0 0A7CA8C0:09D2 01 00000000:00000000\n")
    server = {"address": "192.168.124.10", "port": 2514, "name": "crowbar-logging", "ca": "-----BEGIN CERTIFICATE-----\nabc\n"}
    return {"log-server": server, "log-queue": 64}


def etcd_member(machine: Machine) -> Attributes:
    (machine.root / "etc/default").mkdir(parents=True)
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.tool("systemctl", etcd.SYSTEMCTL)
    machine.tool("etcdctl", etcd.ETCDCTL)
    machine.tool("etcd", "")
    machine.write("healthy", "10.0.0.82\n")
    return etcd.wanted()


def example_motd(machine: Machine) -> Attributes:
    machine.write("etc/motd", "old\n")
    return {"example-message": 'It\'s "so"', "hostname": "node-1"}


def ansible_python(machine: Machine) -> Attributes:
    machine.tool("python3", "")
    return {}


def about_page(machine: Machine) -> Attributes:
    machine.tool("systemctl", system.SYSTEMCTL)
    machine.tool("from-source", "")
    machine.tool("python3", "echo gunicorn 20.1.0")
    machine.write("usr/bin/gunicorn", "#!/bin/sh\necho 'gunicorn (version 20.1.0)'\n").chmod(0o755)
    address = {"name": "admin", "interface": "eno1", "address": "192.168.124.81", "prefix": 24}
    return {"admin-network": address, "hostname": "n1.r1.test", "about-port": 8020}


SCENES: dict[str, Callable[[Machine], Attributes]] = {
    "inventory": inventory,
    "lldp": lldp,
    "bmc-discover": bmc_discover,
    "bios-configure": bios_configure,
    "bmc-account": bmc_account,
    "bmc-clock": bmc_clock,
    "bmc-address": bmc_address,
    "raid-discover": raid_discover,
    "raid-configure": raid_configure,
    "os-install": os_install,
    "network": network,
    "ntp-server": ntp_server,
    "ntp-client": ntp_client,
    "dns-server": names.server,
    "dns-records": names.records,
    "dns-client": names.client,
    "monitor-server": monitor_server,
    "monitor-client": monitor_client,
    "trends-server": trends_server,
    "package-sources": package_sources,
    "log-server": log_server,
    "log-client": log_client,
    "etcd-member": etcd_member,
    "example-motd": example_motd,
    "ansible-python": ansible_python,
    "about-page": about_page,
    "disk-wipe": wiping.scene,
    **burn_lab.SCENES,
    **fwupd_lab.SCENES,
    **device_lab.SCENES,
}
ON_DEBIAN = (
    *("swift-storage", "swift-rings", "swift-servers", "swift-proxy", "retriever"),
    *("openstack-database", "openstack-messages", "openstack-cache", "openstack-front", "keystone", "tempest"),
    *(
        "glance",
        "placement",
        "nova-controller",
        "nova-compute",
        "nova-hosts",
        "neutron-server",
        "neutron-compute",
        "cinder",
        "cinder-volume",
    ),
    "horizon",
)
"""Roles whose scripts are descriptions of services, which only real daemons can try."""
BY_BMC = ("bios-bmc", "firmware-bmc", "raid-discover-bmc", "raid-bmc")
"""Roles of the jig `bmc`, which have no scripts."""
NOT_HERE: dict[str, str] = {
    "ready": "a milestone: there is no script",
    "etcd-ready": "a milestone: there is no script",
    "sysctl": "a playbook: tests/jigs/test_jigs_shipped.py runs it with Ansible",
    "accounts": "a manifest: tests/jigs/test_jigs_shipped.py applies it with Puppet",
    "gunicorn-wheels": "it starts a part of the engine, which tests/sources runs on real repositories",
    "keystone-wheels": "it starts a part of the engine, which tests/sources runs on real repositories",
    **dict.fromkeys(BY_BMC, "the engine talks to the BMC: tests/faults/test_faults_bmc_roles.py"),
    **dict.fromkeys(ON_DEBIAN, "tests/openstack runs it on Debian with the real daemons"),
    "chassis-slots": "it starts a part of the engine, which only reads: tests/power/test_power_chassis.py runs it on real sessions",
    "banner": "a cookbook: tests/jigs/test_jigs_shipped.py converges it with a stand-in for Chef",
}
"""Roles whose scripts are not run in a folder, and why."""
LENIENT: dict[str, str] = {
    "inventory": "what cannot be read of the hardware is told as not known, and never as a disk that is blank",
    "bmc-discover": "what cannot be read of one answer is left out; a BMC that does not answer at all fails the role",
    "burn-in-disk": "a disk whose own counters cannot be read is judged by what fio measures",
    "burn-in-network": "a port whose counters cannot be read is judged by what iperf3 measures",
    "burn-in-errors": "a disk that is not named by the inventory is named as the kernel's log does",
}
"""Roles that look only, and may end well with less than there is where a command failed, and why. What they give fits its schema all the same."""
MAY_DIFFER: dict[str, tuple[str, ...]] = {
    "dns-server": ("looked",),
    "network": ("crowbar/network/change/", "crowbar/network/.new/", "crowbar/network/.change/"),
}
"""Files that may differ from those of one clean run after an error or a power cut, by role: parts of their names."""
