"""Power control of a machine: the `Power` protocol and its result records.

Rules
* Calls block (threads of the worker pool make them), have a time limit, and never raise: a failure is a `PowerFailed` with its kind.
* A BMC's success report is a claim. Each write is read back; `PowerDone` holds what was read, never what was ordered.
* No message holds a password. No message names the BMC's address, because the caller knows it.
* Calls to one BMC are serial, limited in rate, and delayed after refused logins (`gate`): three bad passwords lock an account.

Not here: which node, which generation, whether it may be power-cycled. That is decided before a power order leaves.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from ..parts import BiosDependency, BiosSetting, Firmware, Parts
from ..vitals import LogPlace, Sensor, VitalSigns

__all__ = [
    "Action",
    "BiosRead",
    "BiosWritten",
    "BootDevice",
    "Clock",
    "Device",
    "FailureKind",
    "FirmwareEntry",
    "FirmwareSeen",
    "FirmwareStaged",
    "GaveWay",
    "Identity",
    "InventoryRead",
    "InventoryResult",
    "LeftOut",
    "LogPlace",
    "NoteRead",
    "NoteResult",
    "Owner",
    "Pace",
    "Power",
    "PowerDone",
    "PowerFailed",
    "PowerResult",
    "PowerState",
    "Sensor",
    "SensorResult",
    "SensorsRead",
    "SessionFailed",
    "VitalSigns",
    "VitalsResult",
]

NOTE_S = 3.0
"""Seconds within which a BMC shows what its machine wrote."""

Action = Literal["on", "off", "cycle", "soft"]
"""`cycle` ends in the state that it began with; `soft` asks the operating system to shut down."""
BootDevice = Literal["network", "disk", "none"]
"""Boot devices that can be ordered. `none` withdraws an order, so that the firmware's own sequence applies."""
Device = Literal["network", "disk", "none", "other"]
"""Boot devices that can be read back. `other` is somebody else's order (CD, firmware setup, ...)."""
FailureKind = Literal["unreachable", "refused", "authentication", "timeout", "not_obeyed", "unsupported", "not_own"]


class PowerState(enum.StrEnum):
    ON = "on"
    OFF = "off"


class Pace(Struct, frozen=True, kw_only=True, gc=False):
    """Time limits of a call, in seconds. Read-back polls start at `poll_s / 8` and double up to `poll_s`."""

    total_s: float = 20.0
    """The whole call: login, write, read back, logout. Waiting for the turn at this BMC may take as long again."""
    web_s: float = 30.0
    """The same by Redfish, where each request takes a small BMC up to a second."""
    greet_s: float = 5.0
    """Silence for this long from the first packet is `unreachable`."""
    soft_s: float = 30.0
    """Total for `soft`: an operating system takes longer than a chassis."""
    sensors_s: float = 30.0
    """Total for `sensors`: a repository has hundreds of records, and some BMCs give ten in a second."""
    firmware_s: float = 900.0
    """Total for staging a firmware: some BMCs take a megabyte in ten seconds."""
    inventory_s: float = 300.0
    """Total for `inventory`: a large server has a thousand resources, and small BMCs take a quarter of a second for each."""
    poll_s: float = 0.4
    rest_s: float = 1.0
    """Time off in a cycle. IPMI 2.0 section 28.3 asks for a second at least, so that supplies and disks notice."""


class Clock(Struct, frozen=True, kw_only=True, gc=False):
    """A BMC's own clock."""

    shows: str
    """Date and time in the BMC's own format."""
    off_s: float
    """Seconds by which it is ahead of the engine's; negative: behind. Exact to about a second plus the duration of the call."""


class PowerDone(Struct, frozen=True, kw_only=True, gc=False, tag="done"):
    """The order was carried out and read back. A field that the call did not read is None (or false)."""

    state: PowerState | None = None
    boot_device: Device | None = None
    persistent: bool = False
    uefi: bool = False
    pending: bool = False
    """True if the boot order was read back where the BMC keeps the order for the next start."""
    clock: Clock | None = None


class PowerFailed(Struct, frozen=True, kw_only=True, gc=False, tag="failed"):
    """
    unreachable     no answer at all, or the network says that nobody is there
    refused         it answered and would not: completion code or HTTP status, no free session, another certificate than before
    authentication  user, password or key are wrong, or it is too early to try them again (`retry_in_s`)
    timeout         it answered, then stopped, or another call had it for too long
    not_obeyed      it said yes, and reading back says otherwise
    unsupported     it does not know the command, or the account cannot be said in its protocol
    not_own         by what it says of itself it is not the BMC of the machine that the order is for
    """

    kind: FailureKind
    message: str
    retry_in_s: float = 0.0
    """Seconds within which a call will fail without contacting the BMC; 0: call at any time."""


PowerResult = PowerDone | PowerFailed


class SessionFailed(Exception):
    """Carries its `PowerFailed` from deep inside a protocol to the edge of the adapter."""

    def __init__(self, kind: FailureKind, message: str, *, passing: bool = False) -> None:
        """`passing`: the same request may work in a moment, for example when a BMC is busy or restarts."""
        super().__init__(message)
        self.failed = PowerFailed(kind=kind, message=message)
        self.passing = passing


class GaveWay(SessionFailed):
    """The call ended early, because an order for this BMC waits for its turn."""

    def __init__(self) -> None:
        super().__init__("timeout", "it gave way to an order", passing=True)


class LeftOut(Struct, frozen=True, kw_only=True, gc=False):
    """A sensor that a BMC lists and that is not among the results, with the reason."""

    name: str
    why: str


class SensorsRead(Struct, frozen=True, kw_only=True, gc=False, tag="sensors"):
    """All present sensors. An empty tuple: the BMC has none."""

    sensors: tuple[Sensor, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    clock: Clock | None = None


SensorResult = SensorsRead | PowerFailed
VitalsResult = VitalSigns | PowerFailed


class InventoryRead(Struct, frozen=True, kw_only=True, gc=False, tag="inventory"):
    """What a BMC says of the parts of its machine."""

    parts: Parts
    by: Literal["redfish", "ipmi"] = "redfish"
    resources: int = 0
    """From how many answers the record was made."""
    requests: int = 0
    left_out: tuple[LeftOut, ...] = ()


InventoryResult = InventoryRead | PowerFailed


class BiosRead(Struct, frozen=True, kw_only=True, gc=False, tag="bios"):
    """The settings of a BIOS, with what its registry allows and with what waits for the next start."""

    settings: tuple[BiosSetting, ...] = ()
    dependencies: tuple[BiosDependency, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class BiosWritten(Struct, frozen=True, kw_only=True, gc=False, tag="bios-written"):
    """Names of settings: what the BMC accepted, what it shows for the next start, and what the BIOS has already."""

    accepted: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    applied: tuple[str, ...] = ()
    task: str = ""
    """Path of the task or job that applies them; empty: none."""


class FirmwareEntry(Struct, frozen=True, kw_only=True, gc=False):
    """An entry of a BMC's firmware inventory."""

    path: str
    firmware: Firmware


class FirmwareStaged(Struct, frozen=True, kw_only=True, gc=False, tag="firmware-staged"):
    """The update service accepted a file. That is no more than a promise."""

    task: str = ""
    """Path of its task; empty: the service named none."""


class FirmwareSeen(Struct, frozen=True, kw_only=True, gc=False, tag="firmware-seen"):
    """What is seen of a firmware after it was staged."""

    version: str = ""
    """As the inventory shows it now; empty: it shows none."""
    task: Literal["none", "running", "completed", "failed", "vanished"] = "none"
    message: str = ""
    gone: bool = False
    """The firmware's entry is not in the inventory now."""


class NoteRead(Struct, frozen=True, kw_only=True, gc=False, tag="note"):
    """The text that the machine wrote into its BMC from within."""

    text: str


NoteResult = NoteRead | PowerFailed


class Identity(Struct, frozen=True, kw_only=True, gc=False):
    """What a BMC says of the machine that it belongs to."""

    uuids: tuple[str, ...] = ()
    """Spellings of one UUID."""
    serials: tuple[str, ...] = ()


Owner = Callable[[Identity], str]
"""Why a BMC that says this is not used for the order. Empty: it is. Asked in each call, after the login and before anything else."""


class Power(Protocol):
    """One BMC. Any thread may call it; a second call waits for the first."""

    def read(self) -> PowerResult:
        """State and boot device as they are now."""

    def set(self, action: Action) -> PowerResult:
        """Done when the state reads back as wanted. `cycle` is off, seen off, on, seen on, because a cycle by the BMC itself
        cannot be told from a cycle that it only claims."""

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        """Device for the next boot, or with `persistent` for all boots; `uefi` None: the machine's firmware mode. Done when the
        device reads back. The two flags are reported as read and not enforced, because many BMCs do not keep them."""

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        """`set_boot`, then `set("cycle")`, in one login. A machine that is off is only powered on."""

    def identify(self, seconds: int) -> PowerResult:
        """Blinks for so many seconds, 0 to 255; 0 turns it off. Read back where the BMC reports its light; elsewhere, done means that it
        agreed. Redfish knows no duration, so its light stays on until 0."""

    def sensors(self) -> SensorResult: ...

    def vitals(self, places: Sequence[LogPlace]) -> VitalsResult:
        """Power state, sensors, clock, and the entries of the event log that came after `places`, in one login. It gives way: an order for
        this BMC that waits for its turn ends it at the next answer, with the failure `timeout`."""

    def note(self, record: int, good: Callable[[str], bool]) -> NoteResult:
        """What the machine wrote: into the entry `record` of the event log, or with 0 as its name. Polls for `NOTE_S` until it is
        `good`, because some BMCs show it late; then returns what it shows."""
