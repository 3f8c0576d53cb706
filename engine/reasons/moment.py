"""A wall time as a field of a reason: text in UTC, because a reason has no time zone.

It does without `datetime`, because the core must not have a clock.
"""

from __future__ import annotations


def moment(at: float) -> str:
    """`at`, seconds since 1970, as `2026-03-01 09:30 UTC`."""
    days, seconds = divmod(int(at), 86400)
    year, month, day = _date(days)
    return f"{year:04}-{month:02}-{day:02} {seconds // 3600:02}:{seconds % 3600 // 60:02} UTC"


def _date(days: int) -> tuple[int, int, int]:
    """Year, month and day of the Gregorian calendar. It counts from 1 March 0000, so that a leap day is the last of its year."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day + 2) // 153
    return era * 400 + year + (month >= 10), month + 3 if month < 10 else month - 9, day - (153 * month + 2) // 5 + 1
