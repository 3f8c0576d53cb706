"""What is a problem of a machine's health, by its BMC. Pure.

| key | is a problem when | ends |
|---|---|---|
| `sensor:NAME` | a sensor is beyond a critical threshold, or reports a failure | GOOD good looks later |
| `fan:NAME` | a fan that turned stands still while the machine is on | GOOD good looks later |
| `supply:NAME` | a power supply failed, has no input, or was there and is not any more | GOOD good looks later |
| `memory:NAME` | ECC_MANY correctable errors within ECC_S, by the event log | when they are fewer |
| `event:NAME` | the event log reports something critical that no sensor shows | EVENT_S later, or when it is deasserted |
| `log` | the event log is FULL or dropped entries | when it is cleared |
| `clock` | the BMC's clock is wrong by CLOCK_S | when it is right |
| `unread` | SILENT looks in a row failed | at the next look |

A problem keeps its words and its beginning while it is present. One that comes back within FLAP_S is the same one: a sensor that flaps
has one problem, with a count. So the world changes only when a problem begins or ends.

A machine that is off has no voltages and no turning fans: its sensors say nothing then, except for those of its power supplies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from ... import reasons
from ...reasons import Reason
from ...vitals import Ailing, Ailment, HealthMemory, LogEntry, SeenEntry, Sensor, VitalSigns

GOOD, SILENT = 3, 3
FLAP_S = ECC_S = EVENT_S = 86400.0
ECC_MANY = 10
FULL = 0.9
CLOCK_S = 60.0
MOST, MOST_ENDED, MOST_NAMES = 32, 50, 64
_SET = 631152000.0
"""1990-01-01. A clock that shows less was not set."""
_STEADY = ("sensor:", "fan:", "supply:")
"""Keys of what sensors show: one good look may be a glitch."""
_CORRECTABLE = re.compile(r"(?<!un)correctable", re.IGNORECASE)
_MEMORY = re.compile(r"ecc|memory|dimm", re.IGNORECASE)
_SUPPLY, _FAN, _PRESENT = "Power Supply", "Fan", re.compile(r"^presen", re.IGNORECASE)


def judge(node: str, before: HealthMemory, signs: VitalSigns, recent: Sequence[SeenEntry], now: float) -> HealthMemory:
    """The problems after a look. `node`: its name. `recent`: the entries that are kept of its logs. `now`: wall time."""
    unread = any(one.startswith("sensors:") for one in signs.left_out)
    seen = () if unread else signs.sensors
    found, unsure = _of_sensors(node, before, seen, signs.on)
    if unread:
        unsure = {one.key for one in before.ailments if one.key.startswith(_STEADY)}
    told = {key.partition(":")[2] for key in found}
    found |= _of_log(node, recent, told, now)
    for place in signs.places:
        if place.lost or (place.full is not None and place.full >= FULL):
            found["log"] = reasons.bmc_log_full(node=node, percent=round(100 * (1.0 if place.lost else place.full or 0.0)))
    off = signs.clock_off_s
    if off is not None and abs(off) >= CLOCK_S:
        found["clock"] = reasons.bmc_clock_wrong(node=node, seconds=round(abs(off)), way="ahead" if off > 0 else "behind")
    return replace(_remembered(before, seen, signs.on), ailments=_joined(before.ailments, found, unsure, now), failures=0)


def unread(node: str, before: HealthMemory, message: str, now: float) -> HealthMemory:
    """The problems after a look that failed. What was found before stays."""
    failures = before.failures + 1
    kept = {one.key for one in before.ailments if not one.ended}
    found = {"unread": reasons.health_unread(node=node, message=message[:200])} if failures >= SILENT else {}
    return replace(before, failures=failures, ailments=_joined(before.ailments, found, kept - found.keys(), now))


def present(memory: HealthMemory) -> tuple[Ailment, ...]:
    return tuple(one for one in memory.ailments if not one.ended)


def told_of(node: str, memory: HealthMemory) -> tuple[Ailing, ...]:
    """What the world knows: the present problems, by their keys; of very many only the first, and how many more there are."""
    now = sorted(present(memory), key=lambda one: one.key)
    out = tuple(Ailing(reason=one.reason, since=one.since) for one in now[:MOST])
    if len(now) <= MOST:
        return out
    return (*out, Ailing(reason=reasons.more_ailments(node=node, many=len(now) - MOST), since=now[MOST].since))


def moment(at: float | None, off_s: float | None, seen: float, first: bool) -> float:
    """Wall time of an event by the engine's clock. 0: nothing tells it. `at`: by the BMC's clock, in seconds since 1970; None: its entry
    has no time. `off_s`: by how much that clock is ahead. `first`: the log was never read before, so that an entry without a time may be
    of any age."""
    if at is None or at < _SET:
        return 0.0 if first else seen
    stamp = at - (off_s or 0.0)
    if stamp > seen + CLOCK_S:
        return 0.0 if first else seen  # of a clock that was wrong, and is not as wrong any more
    return min(stamp, seen)


# -- sensors -----------------------------------------------------------------------------------------------------------


def _of_sensors(node: str, before: HealthMemory, sensors: Iterable[Sensor], on: bool | None) -> tuple[dict[str, Reason], set[str]]:
    """Problem by key, and the keys of which nothing can be said now."""
    found: dict[str, Reason] = {}
    unsure: set[str] = set()
    listed = set()
    for one in sensors:
        if one.kind == _SUPPLY:
            listed.add(one.name)
            if state := _supply(one, before):
                found.setdefault(f"supply:{one.name}", reasons.supply_lost(node=node, sensor=one.name, state=state))
        elif on is False:
            unsure |= {f"sensor:{one.name}", f"fan:{one.name}"}
        elif one.kind == _FAN and one.value == 0 and (one.health == "failed" or one.name in before.turned):
            found.setdefault(f"fan:{one.name}", reasons.fan_stopped(node=node, sensor=one.name))
        elif one.health == "failed":
            found.setdefault(f"sensor:{one.name}", reasons.sensor_failed(node=node, sensor=one.name, state=_state(one)))
    if listed or before.missing:
        for name in before.supplies:
            if name not in listed and name in before.missing:
                found.setdefault(f"supply:{name}", reasons.supply_lost(node=node, sensor=name, state="the BMC does not list it any more"))
    return found, unsure


def _supply(one: Sensor, before: HealthMemory) -> str:
    """Why a power supply counts as lost. Empty: it does not."""
    if one.health == "failed":
        return _state(one)
    gone = one.name in before.present and not any(_PRESENT.match(state) for state in one.states)
    return "it is not in its bay any more" if gone else ""


def _state(one: Sensor) -> str:
    value = "" if one.value is None else f"{one.value:g} {one.units}".strip()
    return ", ".join(part for part in (value, *one.states) if part)[:120] or "failed"


def _remembered(before: HealthMemory, sensors: Sequence[Sensor], on: bool | None) -> HealthMemory:
    supplies = [one for one in sensors if one.kind == _SUPPLY]
    listed = {one.name for one in supplies}
    turning = (one.name for one in sensors if one.kind == _FAN and one.value and on is not False)
    here = (one.name for one in supplies if any(_PRESENT.match(state) for state in one.states))
    return HealthMemory(
        turned=_names(before.turned, turning),
        supplies=_names(before.supplies, listed),
        present=_names(before.present, here),
        missing=tuple(name for name in before.supplies if name not in listed) if sensors else before.missing,
    )


def _names(before: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*before, *sorted(more)]))[:MOST_NAMES]


# -- the event log -----------------------------------------------------------------------------------------------------


def _of_log(node: str, recent: Sequence[SeenEntry], told: set[str], now: float) -> dict[str, Reason]:
    """`told`: sensors that have a problem already, which their events only repeat."""
    errors: dict[str, int] = {}
    critical: dict[str, LogEntry] = {}
    for one in sorted(recent, key=lambda seen: seen.when):
        entry = one.entry
        if not one.when or now - one.when > max(ECC_S, EVENT_S):
            continue
        words = f"{entry.sensor} {entry.text}"
        if _CORRECTABLE.search(words) and _MEMORY.search(words) and entry.asserted is not False:
            errors[entry.sensor or "memory"] = errors.get(entry.sensor or "memory", 0) + 1
        elif entry.health == "failed" and entry.sensor not in told:
            critical[entry.sensor or entry.text[:40]] = entry
        elif entry.asserted is False:
            critical.pop(entry.sensor, None)
    found = {
        f"memory:{name}": reasons.memory_errors(node=node, sensor=name, many=many, hours=round(ECC_S / 3600))
        for name, many in errors.items()
        if many >= ECC_MANY
    }
    for name, entry in critical.items():
        said = entry.sensor or "an event"
        found[f"event:{name}"] = reasons.bmc_event(node=node, sensor=said, text=entry.text[:120], hours=round(EVENT_S / 3600))
    return found


# -- from look to look -------------------------------------------------------------------------------------------------


def _joined(before: Sequence[Ailment], found: dict[str, Reason], unsure: set[str], now: float) -> tuple[Ailment, ...]:
    known = {one.key: one for one in reversed(before)}  # of two with one key the first counts, which is the present or the newer one
    out: list[Ailment] = []
    for key, reason in found.items():
        old = known.pop(key, None)
        if old is None or (old.ended and now - old.ended > FLAP_S):
            out.append(Ailment(key=key, reason=reason, since=now, last=now))
            if old is not None:
                known[key] = old
        elif old.ended:
            out.append(replace(old, reason=reason, last=now, times=old.times + 1, good=0, ended=0.0))
        else:
            out.append(replace(old, last=now, times=old.times + (old.good > 0), good=0))
    for key, old in known.items():
        if old.ended or key in unsure:
            out.append(old)
            continue
        good = old.good + 1
        over = good >= GOOD or not key.startswith(_STEADY)
        out.append(replace(old, good=good, ended=now if over else 0.0))
    now_present = sorted((one for one in out if not one.ended), key=lambda one: (one.since, one.key))
    ended = sorted((one for one in out if one.ended), key=lambda one: (-one.ended, one.key))
    return (*now_present, *ended[:MOST_ENDED])
