"""What a RAID controller has, in short lines, sorted: the form in which the engine and the node agree on it. Pure.

`images/node/raid have` makes the same lines on the node, from the same reports. A step of an order is carried out only where its lines are
there, so a volume with another number, or an exchanged drive, is never touched by mistake.

| line | |
|---|---|
| `v ID LEVEL PLACE,PLACE` | a volume: its number (of storcli with its group, `0/239`), and its members |
| `w LEVEL PLACE,PLACE` | the same without the number |
| `d PLACE STATE` | `free`, `jbod`, `spare`, `used` or `other` |
| `i PLACE SERIAL` | only its letters, digits and `._:/+-`; `-` where it is not told |
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...parts import Drive, Parts

_OTHER = re.compile(r"[^A-Za-z0-9._:/+-]")
_STATES = {"online": "used", "unused": "free", "jbod": "jbod", "spare": "spare"}


def volume_line(level: str, places: Iterable[str]) -> str:
    return f"w {level} {','.join(sorted(set(places))) or '-'}"


def serial_word(serial: str) -> str:
    """Only characters that mean nothing to a shell, to JSON, or to the steps of an order."""
    return _OTHER.sub("", serial) or "-"


def drive_word(one: Drive) -> str:
    return _STATES.get(one.state, "other")


def lines(have: Parts, controller: str) -> list[str]:
    """The lines of one controller, as its tool spells its place."""
    out = set()
    for volume in have.volumes:
        if volume.controller == controller:
            line = volume_line(volume.level, volume.members)
            out |= {line, f"v {volume.place} {line[2:]}"}
    for one in have.drives:
        if one.controller == controller:
            out |= {f"d {one.place} {drive_word(one)}", f"i {one.place} {serial_word(one.serial)}"}
    return sorted(out)
