"""The sensors of an IPMI BMC: pyghmi's decoding of sensor records, over our session.

Bounded: MOST_RECORDS sensor records are asked for, each a few times. A repository whose records lead in a circle never ends by itself.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

from pyghmi.constants import Health as PyghmiHealth
from pyghmi.exceptions import PyghmiException
from pyghmi.ipmi import sdr
from pyghmi.ipmi.command import Command
from pyghmi.ipmi.oem.generic import OEMHandler

from ..vitals import Health
from . import PowerFailed, Sensor, SensorResult, SensorsRead, SessionFailed
from .ipmi_session import BAD_PACKET, IpmiSession

_STORAGE, _SDR_INFO, _GET_SDR = 0x0A, 0x20, 0x23
_KEPT_SDRS = 64
MOST_RECORDS = 4096
"""Records, or pieces of one. The largest known repository has some 600 records, in up to four pieces each."""
_AGAIN = 12
"""How often a piece may be asked for: pyghmi tries smaller pieces, and new reservations."""
_LONGEST = 80


_NAME_AT = {0x01: 47, 0x02: 31, 0x03: 16, 0x10: 15, 0x11: 15, 0x12: 15}
"""Type of a sensor record -> where its name begins, with one octet for its length (sections 43.1 to 43.9)."""


class _Records(sdr.SDR):  # type: ignore[misc]
    """A record that cannot be understood costs only itself. pyghmi reads names as UTF-8, and BMCs write Latin-1 (a degree sign)."""

    def add_sdr(self, sdrbytes: Any) -> None:
        record = bytearray(sdrbytes)
        at = _NAME_AT.get(record[3], 0) if len(record) > 3 else 0
        if at and at < len(record) and record[at] >> 6 == 3:
            record[at + 1 :] = bytes(octet if octet < 0x80 else ord("?") for octet in record[at + 1 :])
        with suppress(PyghmiException, *BAD_PACKET):
            super().add_sdr(record)


class Decoder(Command):  # type: ignore[misc]
    """pyghmi's sensor records over our session. The vendors' extras are left out, because they speak HTTPS."""

    def __init__(self, session: IpmiSession) -> None:
        self.ipmi_session = session
        self.bmc = session.bmc
        self._sdr: Any = None
        self._sdrcachedir = None
        self._oem, self._oemknown = OEMHandler(None, None), True
        self._asked: Counter[bytes] = Counter()

    def raw_command(self, netfn: int, command: int, *arguments: Any, **named: Any) -> Any:
        if (netfn, command) == (_STORAGE, _GET_SDR):
            piece = bytes(named.get("data") or (0,) * 5)[2:5]  # number of the record, and place in it
            self._asked[piece] += 1
            if self._asked[piece] > _AGAIN or len(self._asked) > MOST_RECORDS:
                raise PyghmiException("they do not end")
        return super().raw_command(netfn, command, *arguments, **named)

    def init_sdr(self) -> Any:
        if self._sdr is None:
            self._sdr = _Records(self, None)
        return self._sdr

    @property
    def records(self) -> Any:
        """The sensor records. Raises as pyghmi does."""
        self.init_sdr()
        return self._sdr


def read_sensors(session: IpmiSession) -> SensorResult:
    repository = session.command(_STORAGE, _SDR_INFO)
    if len(repository) < 3:
        raise SessionFailed("refused", f"answered with {len(repository)} bytes where 3 were due")
    if repository[1] == repository[2] == 0:
        return SensorsRead()
    try:
        readings = list(Decoder(session).get_sensor_data())
    except (PyghmiException, NotImplementedError, *BAD_PACKET) as error:
        return PowerFailed(kind="unsupported", message=f"its sensor records cannot be read: {plain(error)}")
    finally:
        forget_old()
    return SensorsRead(sensors=tuple(_sensor(reading) for reading in readings if not reading.unavailable))


def forget_old() -> None:
    """pyghmi keeps sensor records for ever, one set per firmware and change."""
    if len(sdr.shared_sdrs) > _KEPT_SDRS:
        sdr.shared_sdrs.clear()


def plain(text: object) -> str:
    """A BMC's text without what a terminal would obey."""
    return "".join(c for c in str(text)[:_LONGEST] if c.isprintable()).strip()


def health_of(severity: int) -> Health:
    """pyghmi's flags: the worst of those that are set."""
    if severity & (PyghmiHealth.Critical | PyghmiHealth.Failed):
        return "failed"
    return "warning" if severity & PyghmiHealth.Warning else ""


def _sensor(reading: Any) -> Sensor:
    return Sensor(
        name=plain(reading.name),
        kind=plain(reading.type),
        value=None if reading.value is None else float(reading.value),
        units=plain(reading.units or ""),
        states=tuple(plain(state) for state in (reading.states or ())[:16]),
        ok=not reading.health,
        health=health_of(int(reading.health)),
    )
