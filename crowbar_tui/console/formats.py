"""Short texts for numbers: ages, sizes, speeds, clock times. Pure."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

_LATE_S = 5.0
"""Seconds that the engine may take to turn a light off."""


def age(seconds: float) -> str:
    """At most six cells: `12s`, `3m12s`, `4h05m`, `3d`."""
    s = max(int(seconds), 0)
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m{s % 60:02d}s"
    if s < 172_800:
        return f"{s // 3600}h{s % 3600 // 60:02d}m"
    return f"{s // 86_400}d"


def since(now: float, at: float) -> str:
    """The age of a moment, as `age` writes it. Empty for 0: the moment never was."""
    return age(now - at) if at else ""


def ago(now: float, at: float, never: str = "never") -> str:
    """`3m12s ago`. `never` for 0: the moment never was."""
    return f"{age(now - at)} ago" if at else never


def light_words(now: float, ends: float) -> str:
    """The countdown of an identify light: `light 42s`. Empty for 0: it is off."""
    if not ends:
        return ""
    return f"light {age(ends - now)}" if now < ends + _LATE_S else "light still on"


def left(seconds: float) -> str:
    """A duration as exact as an estimate is: `~40s`, `~12m`, `~2h10m`."""
    s = max(int(seconds), 0)
    if s < 90:
        return f"~{max(s // 10 * 10, 10)}s"
    if s < 5400:
        return f"~{round(s / 60)}m"
    return f"~{s // 3600}h{s % 3600 // 600 * 10:02d}m"


def size(octets: int) -> str:
    """A size in decimal units, as on a disk's label: `480G`, `1.92T`."""
    value, unit = float(octets), ""
    for unit in ("", "K", "M", "G", "T", "P"):
        if value < 1000 or unit == "P":
            break
        value /= 1000
    return f"{value:.0f}{unit}" if value >= 100 or not unit else f"{value:.3g}{unit}"


def speed(mbit: int) -> str:
    if mbit <= 0:
        return ""
    return f"{mbit // 1000}G" if mbit >= 1000 and mbit % 1000 == 0 else f"{mbit}M"


def cut_path(path: str, room: int) -> str:
    """A path, cut at its start: its end tells it from others."""
    return path if len(path) <= room else f"~{path[len(path) - room + 1 :]}"


def clock(at: float) -> str:
    """HH:MM:SS in local time."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def stamp(at: float) -> str:
    """Date and time in local time, to the second. Empty for 0: the moment never was."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if at else ""


def count(many: int, one: str, more: str = "") -> str:
    return f"{many} {one if many == 1 else more or one + 's'}"


_FORMS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_RELATIVE = re.compile(r"([+-])\s*(\d{1,6})\s*([smhd]?)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def moment_of(text: str, at: float, begins: float, ends: float) -> float | None:
    """The wall time for a typed `14:05`, `2026-03-01 14:05:30` or `-5m`, while the user looks at `at` in a span of time. None: not a
    time. A time of day is on the day of `at`, or on the nearest day on which the span contains it."""
    text = text.strip()
    if found := _RELATIVE.fullmatch(text):
        seconds = int(found[2]) * {"": 60, "s": 1, "m": 60, "h": 3600, "d": 86_400}[found[3]]
        return at + (seconds if found[1] == "+" else -seconds)
    if found := _CLOCK.fullmatch(text):
        hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
        if hour > 23 or minute > 59 or second > 59:
            return None
        today = time.localtime(at)
        days = [time.mktime((today.tm_year, today.tm_mon, today.tm_mday + d, hour, minute, second, 0, 0, -1)) for d in range(-400, 401)]
        inside = [d for d in days if begins - 1 < d <= ends]
        return min(inside or days, key=lambda d: abs(d - at))
    for form in _FORMS:
        try:
            return time.mktime(time.strptime(text.replace("T", " "), form))
        except (ValueError, OverflowError):
            continue
    return None


def tests_told(counts: Mapping[str, int]) -> str:
    """`112 passed, 1 failed`: passed always, the other results if there are any."""
    return ", ".join(f"{many} {result}" for result, many in counts.items() if many or result == "passed")
