"""The signals of a boot: which come on each way, in which order, and how long each may take. Pure."""

from __future__ import annotations

from ... import reasons
from ...model import Boot, Signal, Way
from ...reasons import Reason
from ..world.view import View
from .patience import deadline_s

SIGNALS: dict[Way, tuple[tuple[Signal, float], ...]] = {
    Way.NETWORK: (
        (Signal.POWERED, 60.0),
        (Signal.DHCP, 420.0),  # memory training and option ROMs of a large server take up to seven minutes
        (Signal.LOADER, 120.0),  # a megabyte block by block over a line that loses every fifth packet takes most of it
        (Signal.SCRIPT, 60.0),
        (Signal.KERNEL, 300.0),
        (Signal.HELLO, 300.0),
    ),
    Way.INSTALLER: (
        (Signal.POWERED, 60.0),
        (Signal.DHCP, 420.0),
        (Signal.LOADER, 120.0),
        (Signal.SCRIPT, 60.0),
        (Signal.KERNEL, 300.0),
        (Signal.ANSWERS, 900.0),  # some installers fetch a gigabyte of themselves first
        (Signal.HELLO, 300.0),
    ),
    Way.DISK: ((Signal.POWERED, 60.0), (Signal.HELLO, 900.0)),
    Way.KEXEC: ((Signal.POWERED, 60.0), (Signal.HELLO, 300.0)),
    Way.OWN: ((Signal.POWERED, 60.0), (Signal.HELLO, 900.0)),
}
"""Way -> its signals in order, each with the seconds within which it must follow the previous one, at a patience of 1."""

PROVEN = frozenset({Signal.POWERED, Signal.HELLO, Signal.WORKING})
"""Signals that a stranger cannot send: the BMC's answer, and calls with a nonce or a token."""

ORDER = {signal: i for i, signal in enumerate(Signal)}
"""Signal -> its position in the order in which they come."""


def believed(view: View, signal: Signal) -> bool:
    """True if this signal of a known machine shortens or lengthens what the engine waits for. Anybody can send a packet in its name."""
    return signal in PROVEN or (view.plan is not None and view.plan.site.trust == "network")


def expected_next(boot: Boot) -> tuple[Signal, float]:
    """The next signal, and the seconds within which it must come. A boot without an order has no `powered`."""
    for signal, seconds in SIGNALS[boot.way]:
        if ORDER[signal] > ORDER[boot.signal] and (boot.ordered or signal is not Signal.POWERED):
            return signal, seconds
    return Signal.HELLO, SIGNALS[boot.way][-1][1]


def by(view: View, boot: Boot) -> float:
    """Engine time by which the next expected signal must come, if every signal before it took all of its time."""
    signal, _ = expected_next(boot)
    ways = SIGNALS[boot.way]
    last = next((i for i, (name, _) in enumerate(ways) if name is signal), len(ways) - 1)
    return boot.since + sum(deadline_s(view, seconds) for name, seconds in ways[: last + 1] if boot.ordered or name is not Signal.POWERED)


def whole(view: View, way: Way) -> float:
    """Seconds that a boot by this way may take in all."""
    return sum(deadline_s(view, seconds) for _, seconds in SIGNALS[way])


def expected(boot: Boot) -> str:
    return expected_next(boot)[0].value


def within(view: View, boot: Boot) -> float:
    """Seconds within which the next expected signal must come here."""
    return deadline_s(view, expected_next(boot)[1])


def waits_for(boot: Boot) -> Reason:
    """Why a node with this boot waits: the known obstacle, for example the last answer of its BMC, or the next signal. The engine
    repeats the boot when its deadline passes, so an obstacle is shown before that and not as a problem."""
    environment, signal, coming = boot.environment, boot.signal.value, expected(boot)
    if boot.failure is None:
        return reasons.booting(environment=environment, signal=signal, expected=coming)
    message, remedy = reasons.sentence(boot.failure), reasons.advice(boot.failure)
    return reasons.boot_held_up(environment=environment, signal=signal, expected=coming, message=message, remedy=remedy)
