"""BMCs from dark to inventoried: `python tests/bench/bench_bmcs.py [NUMBER ...]` (200 1000). `4500` is the fleet of the aim.

A process of its own has all simulated BMCs, every third with Redfish and the others with IPMI; `--redfish` makes all of them Redfish. Another
one is the engine's side, for each number a new one: of each BMC it knows the address and the account. In as many threads as the engine has for
that, it finds out the protocol, keeps the certificate, logs in, asks whose BMC it is, reads what the machine is made of, and keeps the
record in the store (`PowerOrders.inventory`, `HardwareReports.keep`).

A machine by Redfish has 2 processors, 16 DIMMs, 8 drives, 4 ports, 2 power supplies, 12 versions of firmware and 20 sensors in some 55
resources. IPMI tells its label and the BMC's firmware.

The last lines are the ratio of the cost of a BMC at the largest number to that at the one before it: by the engine's processor time.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "bench")]

from bench_rack import cpu_of
from bmc_machine import Machine
from limits import figure, run, waiting_for

from engine.core.world.load import load_world
from engine.files.catalog import shipped
from engine.model import Bmc, Node
from engine.power import InventoryRead, Pace
from engine.racks.bmc.ipmi import OBEDIENT, BmcFarm
from engine.racks.bmc.label import About
from engine.racks.bmc.redfish import RedfishFarm, certificate
from engine.racks.bmc.redfish_tree import CHASSIS, MANAGER, SYSTEM
from engine.racks.bmc.redfish_tree import ROOT as SERVICE
from engine.reasons import sentence
from engine.runtime.config import Config
from engine.runtime.hardware import HardwareLook, HardwareReports
from engine.runtime.power_orders import PowerOrders
from engine.runtime.runner import POOL
from engine.store.hardware import HardwareShelf, ReportRead
from engine.wire.reach import IPMI_PORT, Reach

LIMIT_S = 5400.0
LANE = os.getpid() % 200 + 20
THIRD = 3
ROUNDS = 3
"""In which a BMC is asked that did not answer in time: on a busy machine the simulated ones do not all get to greet."""


def address(number: int) -> str:
    return f"10.0.{number >> 8}.{number & 255}"


def label(number: int) -> About:
    return About(guid=UUID(int=0x5254 << 112 | 4 << 76 | 2 << 62 | number), vendor="Maker", product="Server 1", serial=f"SN{number:06d}")


def by_redfish(number: int, all_redfish: bool) -> bool:
    return all_redfish or number % THIRD == 0


# -- the simulated machines ----------------------------------------------------------------------------------------


def link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


class Hardware:
    """What a machine's Redfish service tells of its parts, by path; made when it is asked for."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __call__(self, path: str) -> dict[str, Any] | None:
        if path in _MEMBERS:
            return {key: link(value) for key, value in _MEMBERS[path].items()}
        collection, _, name = path.rpartition("/")
        if path in _LISTS:
            kind, members = _LISTS[path]
            links = [link(f"{path}/{one}") for one in members]
            return {
                "@odata.type": f"#{kind}Collection.{kind}Collection",
                "@odata.id": path,
                "Members": links,
                "Members@odata.count": len(links),
            }
        if collection in _LISTS and name in _LISTS[collection][1]:
            kind, members = _LISTS[collection]
            body = _KINDS[kind](f"{self._number:06d}{members.index(name):02d}")
            status = {"State": "Enabled", "Health": "OK"}
            return {"@odata.type": f"#{kind}.v1_9_0.{kind}", "@odata.id": path, "Id": name, "Name": name, "Status": status, **body}
        if path == f"{CHASSIS}/Power":
            supply = {"Manufacturer": "Maker", "Model": "P800", "PowerCapacityWatts": 800, "Status": {"State": "Enabled", "Health": "OK"}}
            supplies = [{**supply, "Name": f"PSU {n}", "MemberId": str(n), "SerialNumber": f"PS{self._number:06d}{n}"} for n in range(2)]
            return {"@odata.type": "#Power.v1_6_0.Power", "@odata.id": path, "Id": "Power", "Name": "Power", "PowerSupplies": supplies}
        if path == f"{CHASSIS}/Thermal":
            reading = {"ReadingCelsius": 30, "Status": {"State": "Enabled", "Health": "OK"}}
            return {
                "@odata.type": "#Thermal.v1_6_0.Thermal",
                "@odata.id": path,
                "Id": "Thermal",
                "Name": "Thermal",
                "Temperatures": [{**reading, "Name": f"Temp {n}", "MemberId": str(n)} for n in range(20)],
            }
        return None


_LISTS: dict[str, tuple[str, list[str]]] = {
    f"{SYSTEM}/Processors": ("Processor", [f"CPU{n}" for n in (1, 2)]),
    f"{SYSTEM}/Memory": ("Memory", [f"DIMM{n}" for n in range(16)]),
    f"{SYSTEM}/Storage": ("Storage", ["1"]),
    f"{SYSTEM}/Storage/1/Drives": ("Drive", [f"Bay{n}" for n in range(8)]),
    f"{SYSTEM}/EthernetInterfaces": ("EthernetInterface", [f"NIC{n}" for n in range(4)]),
    f"{SERVICE}/UpdateService/FirmwareInventory": ("SoftwareInventory", [f"Part{n}" for n in range(12)]),
}
_MEMBERS: dict[str, dict[str, str]] = {
    SERVICE: {"UpdateService": f"{SERVICE}/UpdateService"},
    SYSTEM: {name: f"{SYSTEM}/{name}" for name in ("Processors", "Memory", "Storage", "EthernetInterfaces")},
    CHASSIS: {"Power": f"{CHASSIS}/Power", "Thermal": f"{CHASSIS}/Thermal"},
    MANAGER: {},
    f"{SERVICE}/UpdateService": {"FirmwareInventory": f"{SERVICE}/UpdateService/FirmwareInventory"},
}
_KINDS: dict[str, Any] = {
    "Processor": lambda one: {"Model": "Example 6430", "Manufacturer": "Maker", "TotalCores": 32, "TotalThreads": 64, "SerialNumber": one},
    "Memory": lambda one: {"CapacityMiB": 32768, "MemoryDeviceType": "DDR5", "OperatingSpeedMhz": 4800, "SerialNumber": one},
    "Storage": lambda _: {"Drives": [link(f"{SYSTEM}/Storage/1/Drives/Bay{n}") for n in range(8)]},
    "Drive": lambda one: {"CapacityBytes": 8 * 10**12, "MediaType": "HDD", "Protocol": "SAS", "Model": "D8", "SerialNumber": one},
    "EthernetInterface": lambda one: {
        "MACAddress": ":".join(("02" + one[-8:] + "00")[n : n + 2] for n in range(0, 12, 2)),
        "SpeedMbps": 25000,
    },
    "SoftwareInventory": lambda _: {"Version": "1.2.3", "Updateable": True},
}


def simulate(count: int, lane: int, all_redfish: bool, folder: Path) -> None:
    """Serves all BMCs until stdin ends."""
    reach = Reach(lane)
    with RedfishFarm(certificate(folder)) as redfish, BmcFarm() as ipmi:
        for number in range(count):
            if by_redfish(number, all_redfish):
                bmc = redfish.add(*reach(address(number), 443), Machine(), mood=OBEDIENT, about=label(number))
                bmc.tree.more = Hardware(number)
            else:
                ipmi.add(*reach(address(number), IPMI_PORT), Machine(), mood=OBEDIENT, about=label(number))
        print("ready", flush=True)
        sys.stdin.read()


# -- the engine's side ---------------------------------------------------------------------------------------------


def take(count: int, lane: int, all_redfish: bool, simulator: int, folder: Path) -> dict[str, float]:
    nodes = {
        f"n{n}": Node(
            id=f"n{n}",
            name=f"n{n}",
            uuid=str(label(n).guid),
            serial=label(n).serial,
            allocated=True,
            bmc=Bmc(address=address(n), entered=True),
        )
        for n in range(count)
    }
    world = load_world(shipped(), {"nodes": nodes})
    config = Config(store=folder, keys=folder, reach=Reach(lane))
    orders = PowerOrders(config, lambda _node: ("root", "calvin"), lambda *_: False, Pace, lambda: world)
    shelf = HardwareShelf(folder)
    keeper = HardwareReports(shelf)

    def one(node: Node) -> str:
        result, failed = orders.inventory(node)
        if not isinstance(result, InventoryRead):
            return sentence(failed) if failed is not None else result.message
        report = ReportRead(name=result.by, format="", octets=0)
        keeper.keep(node.id, HardwareLook(parts=result.parts, reports=(report,)), result.by)
        return "" if not result.left_out else f"left out: {result.left_out[0]}"

    cpu, theirs, began = time.process_time(), cpu_of(simulator), time.monotonic()
    waiting, again, said = list(nodes.values()), 0, [""]
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(POOL) as pool:
            said = list(pool.map(one, waiting))
        waiting = [node for node, word in zip(waiting, said, strict=True) if word]
        said = [word for word in said if word]
        if not waiting:
            break
        again += len(waiting)
    seconds, cpu, theirs = time.monotonic() - began, time.process_time() - cpu, cpu_of(simulator) - theirs
    if said:
        raise SystemExit(f"{len(said)} of {count} were not inventoried: {said[0]}")
    sample = shelf.now("n0")
    kept = sum(1 for _ in shelf.all())
    if sample is None or (len(sample.parts.dimms), len(sample.parts.drives)) != (16, 8) or kept != count:
        raise SystemExit(f"the records are wrong: {kept} of {count}, {sample and sample.parts}")
    return {
        "seconds": seconds,
        "cpu": cpu,
        "again": again,
        "simulator": theirs,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "disk": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1024,
    }


def measure(count: int, all_redfish: bool) -> dict[str, float]:
    mode = "redfish" if all_redfish else "mixed"
    with tempfile.TemporaryDirectory() as text:
        command = [sys.executable, __file__, "--simulate", str(count), str(LANE), mode, text]
        simulator = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert simulator.stdout is not None
            with waiting_for(f"{count} simulated BMCs"):
                if simulator.stdout.readline() != "ready\n":
                    raise SystemExit(f"the simulated BMCs did not start; {count} need as many open files: ulimit -n {4 * count + 200}")
            store = Path(text) / "store"
            store.mkdir()
            words = [sys.executable, __file__, "--take", str(count), str(LANE), mode, str(simulator.pid), str(store)]
            with waiting_for(f"the inventory of {count} BMCs"):
                done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"bench_bmcs: ended with {done.returncode}")
            found: dict[str, float] = json.loads(done.stdout)
            return found
        finally:
            assert simulator.stdin is not None
            simulator.stdin.close()
            simulator.wait()


def main(words: list[str]) -> None:
    all_redfish = "--redfish" in words
    numbers = [int(word) for word in words if word.isdecimal()] or [200, 1000]
    print(f"load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {POOL} calls at a time, {'Redfish' if all_redfish else 'mixed'}")
    print(
        "| BMCs | seconds | BMCs a minute | engine's CPU, ms a BMC | simulator's | engine's memory, MB | on disk, KiB a BMC | asked again |"
    )
    print("|---|---|---|---|---|---|---|---|")
    costs: list[float] = []
    for count in numbers:
        found = measure(count, all_redfish)
        costs.append(found["cpu"] / count * 1000)
        print(
            f"| {count:,} | {found['seconds']:.1f} | {count / found['seconds'] * 60:.0f} | {costs[-1]:.1f} "
            f"| {found['simulator'] / count * 1000:.1f} | {found['rss']:.0f} | {found['disk'] / count:.1f} | {found['again']:.0f} |",
            flush=True,
        )
        figure(f"{count} BMCs, engine's CPU a BMC", costs[-1], "ms")
        figure(f"{count} BMCs a minute", count / found["seconds"] * 60, "1/min", better="more")
    for (less, first), (more, second) in zip(zip(numbers, costs, strict=True), list(zip(numbers, costs, strict=True))[1:], strict=False):
        print(f"cost of a BMC at {more:,} to that at {less:,}: {second / first:.2f}")
        figure(f"cost at {more} to {less}", second / first, "")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    match sys.argv[1:]:
        case ["--simulate", count, lane, mode, folder]:
            simulate(int(count), int(lane), mode == "redfish", Path(folder))
        case ["--take", count, lane, mode, pid, folder]:
            print(json.dumps(take(int(count), int(lane), mode == "redfish", int(pid), Path(folder))))
        case words:
            raise SystemExit(run("bmcs", lambda: main(words), LIMIT_S))
