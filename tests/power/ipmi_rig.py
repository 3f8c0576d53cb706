"""An adapter that is quick about simulated BMCs."""

from __future__ import annotations

import time

from pyghmi.ipmi.private import session as pyghmi_session

from engine.power import Pace
from engine.power.gate import Gates, Limits
from engine.power.ipmi import IpmiPower, IpmiTarget
from engine.power.ipmi_session import IpmiSession

EAGER = Limits(burst=1000)
QUICK = Pace(total_s=20.0, rest_s=0.0, poll_s=0.05)


def power_of(port: int, *, host: str = "127.0.0.1", password: str = "calvin", gates: Gates | None = None, pace: Pace = QUICK) -> IpmiPower:
    target = IpmiTarget(address=host, port=port, user="root", password=password)
    return IpmiPower(target, gates=gates or Gates(limits=EAGER), pace=pace)


def open_session(port: int, seconds: float = 10.0) -> IpmiSession:
    deadline = time.monotonic() + seconds
    return IpmiSession("127.0.0.1", port, "root", "calvin", None, deadline=deadline, greet_s=seconds)


def assert_pyghmi_untouched() -> None:
    shared = pyghmi_session.Session
    tables = (
        shared.bmc_handlers,
        shared.initting_sessions,
        shared.waiting_sessions,
        shared.keepalive_sessions,
        shared.socketpool,
        pyghmi_session.iosockets,
    )
    assert [len(table) for table in tables] == [0] * 6
    assert pyghmi_session.iothread is None
