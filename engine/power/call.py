"""One call to a BMC, for every protocol: its gate, one login, the work, the logout; polling until a state is reached; and the
combinations of single orders: a cycle, and a start after a boot order.

An effect never raises: an error inside becomes a `PowerFailed` here. The gate learns of a refused login, and then keeps the account from
being locked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from msgspec import structs

from . import Pace, PowerDone, PowerFailed, PowerResult, PowerState, SessionFailed
from .gate import Gates, Turn

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
    turn: Turn | None = None,
) -> _T | PowerFailed:
    """The result of `work`, or why there is none. `log_in` gets the deadline (monotonic) and raises `SessionFailed`. `turn`: the call
    yields to others (`gate`)."""
    with gates.enter(*where, credential, total_s, turn) as gate:
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
            if error.failed.kind == "authentication":  # a session was lost in the middle, and the BMC no longer accepts its account
                return structs.replace(error.failed, retry_in_s=gates.refused(gate))
            return error.failed
        except Exception as error:  # an error here is a defect of ours or of a library
            log.exception("talking to the BMC at %s:%d failed", *where)
            return PowerFailed(kind="unsupported", message=f"its answer could not be handled ({type(error).__name__})")


def opened(
    gates: Gates,
    where: tuple[str, int],
    credential: bytes,
    total_s: float,
    log_in: Callable[[float], AbstractContextManager[_S]],
    work: Callable[[_S], _T | PowerFailed],
    turn: Turn | None = None,
) -> _T | PowerFailed:
    """As `call`, but a session whose `work` did not fail stays open: what `work` returns ends it. Others may call this BMC meanwhile."""
    kept: list[AbstractContextManager[_S]] = []

    def log_in_once(deadline: float) -> AbstractContextManager[_S]:
        kept.append(log_in(deadline))
        return nullcontext(kept[0].__enter__())

    result: _T | PowerFailed = PowerFailed(kind="unreachable", message="not called")
    try:
        result = call(gates, where, credential, total_s, log_in_once, work, turn)
    finally:
        if isinstance(result, PowerFailed) and kept:
            kept[0].__exit__(None, None, None)
    return result


def look_until(look: Callable[[], _T], good: Callable[[_T], bool], deadline: float, pace: Pace, sleep: Callable[[float], None]) -> _T:
    """Polls until good or the time is over. Returns the last state, even if the BMC fell silent."""
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


def light_disobeyed(lit: bool) -> str:
    """`lit`: what an identify light reads back after an order for the opposite."""
    ordered, reads = ("off", "on") if lit else ("on", "off")
    return f"ordered its light {ordered}, it said yes and reads back {reads}"


def obeyed(action: str, found: PowerState | None) -> PowerResult:
    """The result of an accepted `on`, `off` or `soft`, when `found` was the last state. None: unknown."""
    wanted = PowerState.ON if action == "on" else PowerState.OFF
    if found is wanted:
        return PowerDone(state=wanted)
    how = "asked to shut down" if action == "soft" else f"ordered {wanted.value}"
    now = "does not say whether it has power" if found is None else f"is still {found.value}"
    return PowerFailed(kind="not_obeyed", message=f"{how}, it said yes and {now}")


def cycled(switch: Callable[[str], PowerResult], rest: Callable[[], None]) -> PowerResult:
    """Off, seen off, a pause, on, seen on."""
    off = switch("off")
    if isinstance(off, PowerFailed):
        return off
    rest()
    return switch("on")


def started(ordered: PowerResult, switch: Callable[[str], PowerResult], rest: Callable[[], None]) -> PowerResult:
    """Starts the machine with the boot order that was read back: on if it is off, a cycle otherwise."""
    if isinstance(ordered, PowerFailed):
        return ordered
    found = switch("on") if ordered.state is PowerState.OFF else cycled(switch, rest)
    return found if isinstance(found, PowerFailed) else structs.replace(ordered, state=found.state)
