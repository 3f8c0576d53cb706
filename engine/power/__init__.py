"""What the engine asks of a machine's power, and what it may be told: the `Power` protocol and its result records.

Rules
* Calls block (worker pool threads make them), are bounded in time, and never raise: a failure is a `PowerFailed` with
  its kind.
* What a BMC says it did is a claim. Each write is read back; `PowerDone` holds what was read, never what was asked for.
* No message holds a password. No message names the BMC's address: who reports it knows it.
* Calls to one BMC are serial, limited in rate, and backed off after refused logins (`gate`): three bad passwords lock
  an account.

Not here: which node, which generation, whether it may be cycled. That is decided before a power order leaves.
"""

from __future__ import annotations

import enum
from typing import Literal, Protocol

from msgspec import Struct

__all__ = [
    "Action",
    "BootDevice",
    "Device",
    "FailureKind",
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
]

Action = Literal["on", "off", "cycle", "soft"]
"""`cycle` ends on whatever it was before; `soft` asks the operating system to shut down."""
BootDevice = Literal["network", "disk", "none"]
"""What can be ordered; `none` takes an order back, so that the firmware's own sequence holds."""
Device = Literal["network", "disk", "none", "other"]
"""What can be read back: `other` is an order of somebody else (CD, firmware setup, ...)."""
FailureKind = Literal["unreachable", "refused", "authentication", "timeout", "not_obeyed", "unsupported"]


class PowerState(enum.StrEnum):
    ON = "on"
    OFF = "off"


class Pace(Struct, frozen=True, kw_only=True, gc=False):
    """How long a call may take, in seconds. Read-back polls start at `poll_s / 8` and double up to `poll_s`."""

    total_s: float = 20.0
    """The whole call: login, write, read back, logout; waiting for one's turn at this BMC has as much again."""
    web_s: float = 30.0
    """The same by Redfish, where each look is a request that takes a small BMC up to a second."""
    greet_s: float = 5.0
    """Silence from the first packet on for this long is `unreachable`."""
    soft_s: float = 30.0
    """Total for `soft`: an operating system takes longer than a chassis."""
    sensors_s: float = 30.0
    """Total for `sensors`: a repository has hundreds of records, some BMCs give ten in a second."""
    poll_s: float = 0.4
    rest_s: float = 1.0
    """Time off in a cycle. IPMI 2.0 section 28.3 wants a second at least, so that supplies and disks notice."""


class PowerDone(Struct, frozen=True, kw_only=True, gc=False, tag="done"):
    """It was done and has been read back. A field that the call did not read is None (or false)."""

    state: PowerState | None = None
    boot_device: Device | None = None
    persistent: bool = False
    uefi: bool = False


class PowerFailed(Struct, frozen=True, kw_only=True, gc=False, tag="failed"):
    """
    unreachable     no answer at all, or the network says that nobody is there
    refused         it answered and would not: completion code or HTTP status, no free session, another certificate than before
    authentication  user, password or key are wrong, or it is too early to try them again (`retry_in_s`)
    timeout         it answered, then stopped, or another call had it for too long
    not_obeyed      it said yes, and reading back says otherwise
    unsupported     it does not know the command, or the account cannot be said in its protocol
    """

    kind: FailureKind
    message: str
    retry_in_s: float = 0.0
    """A call before this time is over will fail without touching the BMC; 0: at any time."""


PowerResult = PowerDone | PowerFailed


class SessionFailed(Exception):
    """Carries its `PowerFailed` from a protocol's depths to the border of the adapter."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.failed = PowerFailed(kind=kind, message=message)


class Sensor(Struct, frozen=True, kw_only=True, gc=False):
    name: str
    kind: str
    """`Temperature`, `Fan`, `Voltage`, ... (IPMI 2.0 table 42-3)."""
    value: float | None = None
    units: str = ""
    states: tuple[str, ...] = ()
    ok: bool = True


class SensorsRead(Struct, frozen=True, kw_only=True, gc=False, tag="sensors"):
    """All present sensors; an empty tuple is a BMC that has none."""

    sensors: tuple[Sensor, ...] = ()


SensorResult = SensorsRead | PowerFailed


class Power(Protocol):
    """One BMC. Safe to call from any thread; a second call waits for the first."""

    def read(self) -> PowerResult:
        """State and boot device as they are now."""

    def set(self, action: Action) -> PowerResult:
        """Done when the state reads back as wanted. `cycle` is off, seen off, on, seen on: a cycle that
        the BMC does by itself cannot be told from one that it only claims."""

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        """Device for the next boot, or with `persistent` for all; `uefi` None: as the machine's firmware is set. Done when the
        device reads back; the two flags are reported as read and not insisted upon, since many BMCs do not keep them."""

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        """`set_boot`, then `set("cycle")`, in one login; a machine that is off is only switched on."""

    def identify(self, seconds: int) -> PowerResult:
        """Blink for so many seconds, 0 to 255; 0 ends it. Done means that it said yes: IPMI has no way to read it back, Redfish
        knows no time, so that its light stays on until 0."""

    def sensors(self) -> SensorResult: ...
