"""One call to a BMC, whatever the protocol: its gate, one login, the work, the logout; looking until something is so; and what is made of
single switches: a cycle, and a start after a boot order.

An effect never raises: what goes wrong inside is a `PowerFailed` here. A refused login is told to the gate, which then keeps the account
from being locked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from msgspec import structs

from . import Pace, PowerDone, PowerFailed, PowerResult, PowerState, SessionFailed
from .gate import Gates

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_S = TypeVar("_S")


def call(
    gates: Gates,
    where: tuple[str, int],
    credential: bytes,
    total_s: float,
    log_in: Callable[[float], AbstractContextManager[_S]],
    work: Callable[[_S], _T],
) -> _T | PowerFailed:
    """What `work` returns, or why not. `log_in` is given the deadline (monotonic) and raises `SessionFailed`."""
    with gates.enter(*where, credential, total_s) as gate:
        if isinstance(gate, PowerFailed):
            return gate
        try:
            try:
                session = log_in(time.monotonic() + total_s)
            except SessionFailed as error:
                if error.failed.kind != "authentication":
                    return error.failed
                return structs.replace(error.failed, retry_in_s=gates.refused(gate))
            gates.accepted(gate)
            with session as entered:
                return work(entered)
        except SessionFailed as error:
            return error.failed
        except Exception as error:  # what comes here is a mistake of ours or of a library's
            log.exception("talking to the BMC at %s:%d failed", *where)
            return PowerFailed(kind="unsupported", message=f"its answer could not be handled ({type(error).__name__})")


def look_until(
    look: Callable[[], _T], good: Callable[[_T], bool], deadline: float, pace: Pace, sleep: Callable[[float], None]
) -> _T:
    """Looks until good or the time is over; returns what was seen last, even if the BMC fell silent."""
    pause = pace.poll_s / 8
    found = look()
    while not good(found) and time.monotonic() + pause < deadline:
        sleep(pause)
        pause = min(pace.poll_s, pause * 2)
        try:
            found = look()
        except SessionFailed as error:
            if error.failed.kind != "timeout":
                raise
            break
    return found


# `switch` does `on`, `off` or `soft` and reads back; `rest` waits while the machine is off.


def obeyed(action: str, found: PowerState) -> PowerResult:
    """What an accepted `on`, `off` or `soft` came to, when `found` was seen last."""
    wanted = PowerState.ON if action == "on" else PowerState.OFF
    if found is wanted:
        return PowerDone(state=wanted)
    how = "asked to shut down" if action == "soft" else f"ordered {wanted.value}"
    return PowerFailed(kind="not_obeyed", message=f"{how}, it said yes and is still {found.value}")


def cycled(switch: Callable[[str], PowerResult], rest: Callable[[], None]) -> PowerResult:
    """Off, seen off, some rest, on, seen on."""
    off = switch("off")
    if isinstance(off, PowerFailed):
        return off
    rest()
    return switch("on")


def started(ordered: PowerResult, switch: Callable[[str], PowerResult], rest: Callable[[], None]) -> PowerResult:
    """Makes the machine start with the boot order that was read back: on where it is off, else a cycle."""
    if isinstance(ordered, PowerFailed):
        return ordered
    found = switch("on") if ordered.state is PowerState.OFF else cycled(switch, rest)
    return found if isinstance(found, PowerFailed) else structs.replace(ordered, state=found.state)
