"""What the optical module of a port measures, and what that means for the cable, as a sentence. Pure.

Powers are in dBm. The module's own alarm limits count (SFF-8472 table 9-5, SFF-8636 table 6-21). A module without limits is judged only by
whether any light arrives: no common receiver works below NO_LIGHT. A machine is not believed: numbers are bounded, text is bounded.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Level = Annotated[float, Meta(ge=-99, le=199)]
Text = Annotated[str, Meta(max_length=32)]

DARK = -30.0
"""dBm. At or below it nothing but noise is measured, whatever the module's limits say."""
NO_LIGHT = -25.0
"""The same for a module that has no limits."""
FAR_BELOW = 6.0
"""dB below the alarm limit at which the light is not weak but gone."""


class Lane(Struct, frozen=True, kw_only=True, gc=False):
    rx: Level | None = None
    """Received power. None: not measured."""
    tx: Level | None = None
    """Sent power."""


class Limits(Struct, frozen=True, kw_only=True, gc=False):
    """Of the module's alarms. None: it has none."""

    rx_low: Level | None = None
    rx_high: Level | None = None
    tx_low: Level | None = None
    hot: Level | None = None
    """Degrees Celsius."""


class Optics(Struct, frozen=True, kw_only=True, gc=False):
    kind: Text = ""
    """`SFP`, `QSFP28`."""
    part: Text = ""
    """The maker's part number."""
    serial: Text = ""
    temperature: Level | None = None
    """Degrees Celsius."""
    lanes: Annotated[tuple[Lane, ...], Meta(max_length=8)] = ()
    limits: Limits = Limits()


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """What a person reads of a module."""

    state: Literal["good", "dark", "weak", "strong", "laser", "hot"]
    words: str

    @property
    def wrong(self) -> bool:
        return self.state != "good"


def reading(optics: Optics | None) -> Reading | None:
    """The worst that a module reports; or what it measures, if all is well. None: no module, or it measures nothing."""
    if optics is None or not any(lane.rx is not None or lane.tx is not None for lane in optics.lanes):
        return None
    limits = optics.limits
    receives = [(lane.rx, number) for number, lane in enumerate(optics.lanes, 1) if lane.rx is not None]
    sends = [(lane.tx, number) for number, lane in enumerate(optics.lanes, 1) if lane.tx is not None]
    if receives:
        low, number = min(receives)
        where = f" on lane {number}" if len(optics.lanes) > 1 else ""
        if low <= _nothing(limits):
            return Reading(state="dark", words=f"receive power {low:g} dBm{where}: no light; clean or reseat")
        if limits.rx_low is not None and low < limits.rx_low:
            return Reading(
                state="weak", words=f"receive power {low:g} dBm{where}: weak light, the limit is {limits.rx_low:g} dBm; clean or reseat"
            )
        high, number = max(receives)
        where = f" on lane {number}" if len(optics.lanes) > 1 else ""
        if limits.rx_high is not None and high > limits.rx_high:
            words = f"receive power {high:g} dBm{where}: too strong, the limit is {limits.rx_high:g} dBm; use an attenuator"
            return Reading(state="strong", words=words)
    if sends and limits.tx_low is not None and min(sends)[0] < limits.tx_low:
        low, number = min(sends)
        where = f" on lane {number}" if len(optics.lanes) > 1 else ""
        words = f"transmit power {low:g} dBm{where}: the laser is weak or off, the limit is {limits.tx_low:g} dBm; replace the module"
        return Reading(state="laser", words=words)
    if optics.temperature is not None and limits.hot is not None and optics.temperature > limits.hot:
        return Reading(state="hot", words=f"the module has {optics.temperature:g} °C, the limit is {limits.hot:g} °C; check its cooling")
    return Reading(state="good", words=_measured(receives, sends, optics.temperature))


def _nothing(limits: Limits) -> float:
    """The power from which on no light arrives."""
    return NO_LIGHT if limits.rx_low is None else max(DARK, limits.rx_low - FAR_BELOW)


def _measured(receives: list[tuple[float, int]], sends: list[tuple[float, int]], temperature: float | None) -> str:
    parts = [f"receives {min(receives)[0]:g} dBm"] if receives else []
    parts += [f"sends {min(sends)[0]:g} dBm"] if sends else []
    parts += [f"{temperature:g} °C"] if temperature is not None else []
    return ", ".join(parts)
