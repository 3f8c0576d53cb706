"""What a machine's BMC tells of its health: sensors, the event log, the clock; and the ailments that follow from them.

Everything here comes from a BMC, which is not believed to be well-behaved: texts are printable and short, and each list has a limit.
"""

from __future__ import annotations

from msgspec import Struct

from .parts import Health, LogEntry
from .reasons import Reason

__all__ = ["Ailment", "Health", "LogEntry", "LogPlace", "Sensor", "VitalSigns"]


class Sensor(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    name: str
    kind: str
    """`Temperature`, `Fan`, `Voltage`, ... (IPMI 2.0 table 42-3)."""
    value: float | None = None
    units: str = ""
    states: tuple[str, ...] = ()
    ok: bool = True
    health: Health = ""
    """How bad it is, if it is not `ok`: `warning` or `failed`."""


class LogPlace(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """How far one log of a BMC was read."""

    log: str
    """`sel`, or the path of a Redfish LogService."""
    last: str = ""
    """Id of the newest entry that was read. Empty: none was."""
    stamp: str = ""
    """Changes when the log does: its counts and times, as the BMC tells them."""
    content: str = ""
    """Digest of the entry `last`. If the BMC shows another one under that id, the log was cleared or has wrapped."""
    behind: bool = False
    """True if the log has more entries than one look reads. The next look goes on."""
    entries: int = 0
    full: float | None = None
    """0 to 1. None: the BMC does not tell, or the log overwrites its oldest entries."""
    lost: bool = False
    """True if the BMC says that it dropped entries because the log was full."""


class VitalSigns(Struct, frozen=True, kw_only=True, gc=False):
    """One look at a machine through its BMC."""

    on: bool | None = None
    """Whether the machine has power. None: not told."""
    sensors: tuple[Sensor, ...] = ()
    log: tuple[LogEntry, ...] = ()
    """Entries that were not read before, the oldest first."""
    places: tuple[LogPlace, ...] = ()
    clock_off_s: float | None = None
    """Seconds by which the BMC's clock is ahead of the engine's. None: not told."""
    left_out: tuple[str, ...] = ()
    """What could not be read, with the reason."""


class Ailment(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Something that is wrong with a machine. A sensor that flaps has one, however often it comes and goes."""

    key: str
    """What is wrong with which part, like `sensor:CPU1 Temp`."""
    reason: Reason
    """As it was when it began, so that its words stay the same while values move."""
    since: float
    """Wall time."""
    last: float
    """Wall time of the last look that found it."""
    times: int = 1
    """How often it began."""
    good: int = 0
    """Good looks since the last one that found it."""
    ended: float = 0.0
    """Wall time. 0: it is present."""


class SeenEntry(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """An entry of an event log, as it is kept."""

    entry: LogEntry
    seen: float
    """Wall time at which the engine read it."""
    when: float = 0.0
    """Wall time of the event by the engine's clock. 0: nothing tells it."""
    log: str = ""


class HealthMemory(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What is remembered of a machine from one look to the next."""

    ailments: tuple[Ailment, ...] = ()
    """The present ones first, then those that ended, the newest first."""
    turned: tuple[str, ...] = ()
    """Fans that were seen turning."""
    supplies: tuple[str, ...] = ()
    """Power supplies that were listed."""
    present: tuple[str, ...] = ()
    """Those of them that said that they are present."""
    missing: tuple[str, ...] = ()
    """Those that the last look missed: a sensor may be left out once."""
    failures: int = 0
    """Looks in a row that could not be made."""


class Ailing(Struct, frozen=True, kw_only=True, gc=False):
    """Something that is wrong with a machine by its BMC, since this wall time (`core.hardware.ailments`)."""

    reason: Reason
    since: float
