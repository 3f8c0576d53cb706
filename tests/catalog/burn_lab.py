"""Machines to burn in, as folders: stand-ins for stress-ng, memtester, fio, iperf3 and dmesg, whose findings a test plants."""

from __future__ import annotations

import json
import shutil
from typing import Any

from disk_folder import Sysfs
from node_folder import Machine

FIO = r"""
for word; do case $word in --output=*) out=${word#*=} ;; */job) job=$word ;; esac; done
awk -v slow="$(cat "$CROWBAR_ROOT/slow" 2>/dev/null)" '
    function tell() {
        if (job == "") return
        bw = file == slow ? 50e6 : 180e6
        printf "%s{\"jobname\":\"%s\",\"error\":%d,\"read\":{\"bw_bytes\":%d,\"clat_ns\":{\"percentile\":{\"99.000000\":12000000}}}}", n++ ? "," : "", job, 0, bw
    }
    BEGIN { printf "fio: a warning\n{\"jobs\":[" }
    /^\[(read|randread)-/ { tell(); job = substr($0, 2, length($0) - 2) }
    /^filename=/ { sub(/.*\//, ""); file = $0 }
    END { tell(); print "]}" }' "$job" >"$out"
"""
IPERF3 = r"""
case "$*" in
"-s "*)
    while [ $# -gt 0 ]; do case $1 in -I) pid=$2 ;; -B) at=$2 ;; esac; shift; done
    echo 77 >"$pid"; mkdir -p "$CROWBAR_ROOT/proc/77"; printf 'iperf3\0-s\0-B\0%s\0-p\0' "$at" >"$CROWBAR_ROOT/proc/77/cmdline" ;;
*" -u "*) echo '{"end":{"sum":{"lost_packets":0,"packets":1000}}}' ;;
*) echo '{"end":{"sum_sent":{"retransmits":0},"sum_received":{"bits_per_second":9400000000.5}}}' ;;
esac
"""


def tools(machine: Machine) -> None:
    for name in ("cut", "seq", "date"):
        there = machine.folder / "base" / name
        if not there.exists():
            there.symlink_to(shutil.which(name) or "/bin/false")
    machine.tool("sleep", "")
    machine.tool("timeout", 'while case $1 in -s) shift 2 ;; -*) shift ;; *) false ;; esac; do :; done; shift; exec "$@"')
    machine.tool("dmesg", 'cat "$CROWBAR_ROOT/kernel.log"')
    machine.write("kernel.log", "[    0.000000] Linux version 6.1\n")


def edac(machine: Machine, label: str = "CPU0_DIMM_A1", corrected: int = 0, uncorrected: int = 0, number: int = 0) -> None:
    at = f"sys/devices/system/edac/mc/mc0/dimm{number}"
    machine.write(f"{at}/dimm_label", f"{label}\n")
    machine.write(f"{at}/dimm_location", f"channel {number} slot 0\n")
    machine.write(f"{at}/size", "16384\n")
    machine.write(f"{at}/dimm_ce_count", f"{corrected}\n")
    machine.write(f"{at}/dimm_ue_count", f"{uncorrected}\n")


def load(machine: Machine) -> dict[str, Any]:
    tools(machine)
    machine.tool("stress-ng", 'echo "stress-ng: info:  [7] successful run completed in 1.00s"')
    machine.write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3\n")
    machine.write("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "3\n")
    machine.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n")
    machine.write("sys/devices/system/cpu/cpu0/topology/core_id", "0\n")
    return {"burn-in-load-seconds": 1}


def memory(machine: Machine) -> dict[str, Any]:
    tools(machine)
    edac(machine)
    machine.write("proc/meminfo", "MemTotal:  2000000 kB\nMemAvailable:    1000000 kB\n")
    machine.write("proc/cpuinfo", "processor\t: 0\n")
    machine.tool("memtester", 'echo "  Stuck Address       : ok"; echo Done.')
    return {"burn-in-memory-seconds": 1, "burn-in-memory-percent": 50}


def disk(machine: Machine) -> dict[str, Any]:
    tools(machine)
    machine.tool("blkid", "exit 2")
    machine.tool("fio", FIO)
    sysfs = Sysfs(machine)
    for number, name in enumerate(("sda", "sdb", "sdc"), 1):
        sysfs.sata(name, number, wwn=f"naa.5000c500{number:08x}", serial=f"S-{number}")
    machine.write(f"sys/devices/{SLOT}/enclosure_device:Slot 02/status", "OK\n")
    limits = {"slower": 30, "hdd": 60, "ssd": 150, "nvme": 400, "wait_ms": 500}
    return {"burn-in-disk-seconds": 2, "burn-in-disk-limits": limits}


FIO_WRITES = r"""
for word; do case $word in --output=*) out=${word#*=} ;; */job) job=$word ;; esac; done
awk -v bad="$(cat "$CROWBAR_ROOT/bad" 2>/dev/null)" '
    function tell() {
        if (job != "") printf "%s{\"jobname\":\"%s\",\"error\":%d,\"write\":{\"bw_bytes\":%d}}", n++ ? "," : "", job, file == bad ? 84 : 0, 180e6
    }
    BEGIN { printf "{\"jobs\":[" }
    /^\[disk-/ { tell(); job = substr($0, 2, length($0) - 2) }
    /^filename=/ { sub(/.*\//, ""); file = $0 }
    END { tell(); print "]}" }' "$job" >"$out"
[ ! -s "$CROWBAR_ROOT/bad" ]
"""
SIZE = 8 << 20


def written(name: str, number: int, **more: Any) -> dict[str, Any]:
    wwn = f"naa.5000c500{number:08x}"
    where = f"pci-0000:00:17.0-ata-{number}"
    return {"name": name, "wwn": wwn, "serial": f"S-{number}", "path": where, "size": SIZE, "model": "M", "kind": "hdd", **more}


def write(machine: Machine) -> dict[str, Any]:
    """Three blank disks, which are files."""
    tools(machine)
    machine.tool("blkid", "exit 2")
    machine.tool("fio", FIO_WRITES)
    machine.tool("date", "echo 1790000000")  # the report tells how long it took
    (machine.folder / "base/dd").symlink_to(shutil.which("dd") or "/bin/false")
    sysfs = Sysfs(machine)
    for number, name in enumerate(("sda", "sdb", "sdc"), 1):
        sysfs.sata(name, number, size=SIZE, wwn=f"naa.5000c500{number:08x}", serial=f"S-{number}")
        machine.write(f"dev/{name}").write_bytes(bytes(SIZE))
    return {
        "burn-in-write-wanted": [],
        "burn-in-write-percent": 50,
        "burn-in-write-limits": {"slower": 40, "hdd": 40},
        "burn-in-write-disks": {"who": "ada", "disks": [written(name, n) for n, name in enumerate(("sda", "sdb", "sdc"), 1)]},
    }


SLOT = "pci0000:00/0000:00:17.0/ata2/host2/target2:0:0/2:0:0:0"


def port(node: int, number: int = 0, **more: Any) -> dict[str, Any]:
    tail = f"{node:02x}:{number:02x}"
    about = {
        "node": f"n{node}",
        "name": f"eno{number + 1}",
        "mac": f"52:54:00:00:{tail}",
        "address": f"fe80::5054:ff:fe00:{tail.replace(':', '')}",
    }
    return {**about, "speed": 10000, "switch": f"tor{number + 1}", "port": f"swp{node}", **more}


def peers(ports: int = 1) -> dict[str, Any]:
    return {"node": "n1", "ports": [{**port(1, n), "peers": [port(2, n), port(3, n)]} for n in range(ports)]}


def server(machine: Machine) -> dict[str, Any]:
    tools(machine)
    machine.tool("iperf3", IPERF3)
    return {"burn-in-peers": peers()}


def network(machine: Machine) -> dict[str, Any]:
    tools(machine)
    machine.tool("iperf3", IPERF3)
    machine.write("sys/class/net/eno1/statistics/rx_crc_errors", "0\n")
    machine.write("sys/class/net/eno1/carrier_changes", "1\n")
    return {"burn-in-peers": peers(), "burn-in-network-seconds": 1, "burn-in-network-limits": {"least": 80, "lost": 10, "most": 9000}}


def errors(machine: Machine) -> dict[str, Any]:
    disk(machine)
    edac(machine)
    machine.write("sys/bus/pci/devices/0000:3b:00.0/aer_dev_correctable", "RxErr 0\nBadTLP 0\nTOTAL_ERR_COR 0\n")
    return {"burn-in-error-limits": {"memory": 0, "pci": 100}}


def failed(gives: Any, name: str) -> dict[str, str]:
    """Name -> line of the failed tests of a report."""
    report = gives[name]
    return {test["name"]: test["line"] for group in report["groups"] for test in group["tests"] if test["result"] == "failed"}


SCENES = {
    "burn-in-load": load,
    "burn-in-memory": memory,
    "burn-in-disk": disk,
    "burn-in-write": write,
    "burn-in-server": server,
    "burn-in-network": network,
    "burn-in-errors": errors,
}
__all__ = ["SCENES", "edac", "failed", "json", "peers", "port"]
