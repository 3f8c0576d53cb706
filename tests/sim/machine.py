"""A machine as it is: power, disks, what it runs, the attempts that it knows. It is the truth that the engine's records are compared with."""

from __future__ import annotations

from random import Random
from typing import Any

from engine.wire.agent import Ended

from . import disks
from .clock import CancelScope


class Record:
    """What a machine knows of one leg of an attempt."""

    __slots__ = ("acknowledged", "attempt", "destructive", "ended", "role", "running")

    def __init__(self, attempt: str, role: str, destructive: bool) -> None:
        self.attempt, self.role, self.destructive = attempt, role, destructive
        self.running = True
        self.ended: Ended | None = None
        self.acknowledged = False


class System:
    """What an install left on a disk."""

    def __init__(self, os: str, credential: str, host_key: str, address: str) -> None:
        """`credential`: `NODE/ATTEMPT`."""
        self.os, self.credential, self.host_key, self.address = os, credential, host_key, address
        self.attempts: dict[str, Record] = {}
        self.applied: dict[str, str] = {}
        """Role -> what it was carried out with."""
        self.by_hand: set[str] = set()
        """Roles of whose files a person has changed one."""


class Machine:
    def __init__(self, number: int) -> None:
        self.number = number
        self.ports = 0
        """How many times people have changed all of them."""
        self.mac = f"52:54:00:00:00:{number:02x}"
        self.uuid = f"4c4c4544-0000-1000-8000-0000000000{number:02x}"
        self.serial = f"SN{number:04d}"
        self.bmc_address = f"10.0.1.{number}"
        self.note = ""
        """What its own agent wrote into its BMC."""
        self.kexec = number % 2 == 0
        self.power = False
        self.scope = CancelScope()
        """Of this boot."""
        self.runs = ""
        """The environment whose hello went out; empty: off, in its firmware, or hanging."""
        self.boot_id = ""
        self.nonce = ""
        self.node = ""
        """Whom the engine took it for."""
        self.screen = ""
        """The fingerprint that its screen shows."""
        self.token = False
        self.lease = ""
        self.lease_until = 0.0
        """True time until which it believes that it has the address."""
        self.memory: dict[str, Record] = {}
        """Attempts of sledgehammer: gone with the boot."""
        self.fetching: set[str] = set()
        """Attempts whose task is on its way: they count as running."""
        self.settings: dict[str, str] = {}
        """Of its firmware: role -> what it was carried out with."""
        self.batch = 0
        """Counts the disks that people put in."""
        self.disks = [disks.Disk(f"D{number}-0-0", "", "", 10**12, "", "sda")]
        self.system: System | None = None
        self.volumes: dict[str, str] = {}
        """Destructive roles other than the install, on this disk."""
        self.whole: dict[str, str] = {}
        """Destructive role -> attempt that ended well on this disk: wiping for it again, with no new approval, is the sin."""
        self.wipes = 0
        self.legs: dict[str, int] = {}
        self.told: list[tuple[str, str, Ended]] = []
        """Node, attempt and result that it has told once, for a liar to tell again."""
        self.credentials: list[str] = []
        """Of all the systems that were installed on it, as a tenant may have copied them."""
        self.nonces: list[str] = []
        """Of earlier boots."""
        self.firmware_boots = 0
        self.broken = ""
        """A role that fails for ever on this machine."""
        self.well()

    def well(self) -> None:
        """Whatever goes wrong with it goes wrong no more."""
        self.reachable = True
        self.bmc_dead = self.bmc_yes = self.bmc_state = self.bmc_device = 0
        """So many of the next calls: no answer; `yes` and nothing done; a lie about the power; the boot device ignored."""
        self.nothing = (0, 0)
        """Generation of a boot that its agent is to begin, and how many of its calls in a row were told of nothing meanwhile."""
        self.kexec_hangs = self.wrong = self.dies_after = self.dies_wiping = 0
        self.fails: dict[str, int] = {}
        self.false_claims: dict[str, int] = {}
        self.hello_uuid = self.hello_serial = ""

    def gets_ports(self) -> None:
        self.ports += 1
        self.mac = f"52:54:00:00:{self.ports:02x}:{self.number:02x}"
        self.lease, self.lease_until = "", 0.0

    def gets_disks(self, random: Random, count: int) -> None:
        self.disks = disks.made(random, self.number, count, self.batch)

    @property
    def name(self) -> str:
        return f"machine {self.number}"

    @property
    def records(self) -> dict[str, Record]:
        return self.memory if self.runs == "sledgehammer" or self.system is None else self.system.attempts

    @property
    def running(self) -> list[Record]:
        """Attempts that run on it now."""
        known = [*self.memory.values(), *(self.system.attempts.values() if self.system is not None else ())]
        return [record for record in known if record.running]

    def down(self) -> None:
        """Whatever ran on it ends here."""
        self.scope.end()
        self.scope = CancelScope()
        for record in self.running:
            record.running = False
        self.memory, self.fetching = {}, set()
        self.runs, self.token, self.screen = "", False, ""

    def _port(self, name: str, speed: int, bus: int, function: int) -> dict[str, Any]:
        mac = self.mac if bus == 1 else f"{self.mac[:9]}{bus:02x}:{function:02x}:{self.number:02x}"
        pci = f"0000:{bus:02x}:00.{function}"
        return {"name": name, "mac": mac, "speed": speed, "link": True, "driver": "x", "pci": pci}

    def value(self, name: str) -> Any:
        """What it reports of itself."""
        match name:
            case "disks":
                return [disk.told() for disk in self.disks]
            case "media":
                return [{"name": "sdz", "what": "virtual-media", "label": "AMI Virtual CDROM0"}]
            case "kexec":
                return self.kexec
            case "nics":
                fast = 10_000 if self.number % 2 else 25_000
                return [self._port("eno1", 1000, 1, 0), self._port("ens1", fast, 0x3B, 0), self._port("ens2", fast, 0x3B, 1)]
            case "neighbours" | "volumes" | "addresses":
                return []
            case "bmc":
                return {"address": self.bmc_address, "mac": ""}
            case "memory-mb" | "cpus":
                return 64
            case "firmware":
                return "bios"
            case "bios-settings":
                return {}
        return f"{name} of {self.number}"
