"""The drivers of RAID controllers: what a controller has, and the volumes that it must have -> the steps to get there. Pure.

A step is one call of the maker's tool, with the line of `raid_lines` that must be there, or must not, for it to be carried out. So an order
that was cut off in the middle goes on where it stopped, and a step that no longer fits what is there is left out.

Rules
* Right volumes stay as they are. They are recognised by level and members, not by name: not every tool keeps names.
* A volume is deleted only if all its members are among the chosen drives. Otherwise the order is refused: nobody approved the others.
* Drives that belong to no wanted volume are in no step.
* The steps have no spaces inside a word, and only the characters of _WORD: the node splits them at spaces.

Sources: Broadcom, "12Gb/s MegaRAID SAS Software User Guide" (StorCLI, MegaCLI); HPE, "Smart Storage Administrator User Guide".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from ... import reasons
from ...parts import Drive, Parts, RaidVolume
from ...reasons import Reason
from .raid_choice import Chosen, WantedVolume
from .raid_lines import drive_word, serial_word, volume_line

TOOLS = ("storcli", "megacli", "ssacli", "redfish")
_WORD = re.compile(r"[A-Za-z0-9_:,=/.+@\[\]-]+")


class Step(Struct, frozen=True, kw_only=True):
    run: tuple[str, ...]
    """The words after the tool's name. `@volume` stands for the number of the volume `of`, `@array` for ssacli's array of it."""
    where: str = ""
    """A line that must be there. Otherwise the step is left out."""
    unless: str = ""
    """A line that must not be there."""
    of: str = ""


class Order(Struct, frozen=True, kw_only=True):
    """What one controller has to do."""

    tool: str
    controller: str
    drives: tuple[str, ...]
    """Lines `i PLACE SERIAL` of all drives that are touched. If one of them is not there, nothing is done: it is another drive."""
    steps: tuple[Step, ...]
    want: tuple[str, ...]
    """Lines that must be there in the end."""


def order_for(node: str, tool: str, controller: str, have: Parts, chosen: Iterable[Chosen]) -> Order | Reason:
    """The order for one controller. `have`: what its tool reported. `chosen`: its volumes. A reason: it cannot be carried out safely."""
    wanted = list(chosen)
    drives = {one.place: one for one in have.drives if one.controller == controller}
    volumes = [one for one in have.volumes if one.controller == controller]
    driver = _DRIVERS[tool]
    touched = sorted({one.place for volume in wanted for one in (*volume.members, *volume.spares)})
    lines = {line for one in wanted for line in driver.want(one, drives)}
    right = {_line(one) for one in volumes}
    steps: list[Step] = []
    mine = {one.place for volume in wanted for one in (*volume.members, *volume.spares) if volume.want.level != "jbod"}
    mine |= {place for place in touched if place in drives and drives[place].state != "jbod"}
    for one in volumes:
        inside = {*one.members, *one.spares}
        if _line(one) in lines or not inside & mine:
            continue
        if others := sorted(inside - set(touched)):
            return reasons.raid_holds_others(node=node, volume=f"{one.place} {one.name}".strip(), others=", ".join(others[:8]))
        steps.append(Step(run=driver.delete(controller, one), where=f"v {one.place} {_line(one)[2:]}"))
    for place, drive in drives.items():
        if place in mine and drive_word(drive) == "jbod" and f"d {place} jbod" not in lines:
            steps.append(Step(run=driver.free(controller, place), where=f"d {place} jbod"))
    for volume in wanted:
        made = driver.make(controller, volume, drives)
        if isinstance(made, str):
            return reasons.raid_tool_cannot(node=node, tool=tool, controller=controller, what=made)
        steps += [one for one in made if one.unless not in right or not one.unless]
    bad = next((word for step in steps for word in step.run if not _WORD.fullmatch(word)), None)
    if bad is not None:
        return reasons.raid_tool_cannot(node=node, tool=tool, controller=controller, what=f"take the word {bad[:40]!r}")
    names = tuple(f"i {place} {serial_word(drives[place].serial)}" for place in touched if place in drives)
    return Order(tool=tool, controller=controller, drives=names, steps=tuple(steps), want=tuple(sorted(lines)))


def _line(one: RaidVolume) -> str:
    return volume_line(one.level, one.members)


def _places(volume: Chosen) -> list[str]:
    return [one.place for one in volume.members]


class _Driver:
    """What the tools have in common."""

    def __init__(
        self,
        make: Callable[[str, Chosen], list[Step] | str],
        delete: Callable[[str, RaidVolume], tuple[str, ...]],
        free: Callable[[str, str], tuple[str, ...]],
        jbod: Callable[[str, str], tuple[str, ...]] | None,
    ) -> None:
        self._make, self.delete, self.free, self._jbod = make, delete, free, jbod

    def want(self, volume: Chosen, drives: dict[str, Drive]) -> Iterator[str]:
        if volume.want.level == "jbod":
            for place in _places(volume):
                plain = self._jbod is not None or (place in drives and drives[place].state == "jbod")
                yield f"d {place} jbod" if plain else volume_line("raid0", [place])
            return
        yield volume_line(volume.want.level, _places(volume))
        yield from (f"d {one.place} spare" for one in volume.spares)

    def make(self, controller: str, volume: Chosen, drives: dict[str, Drive]) -> list[Step] | str:
        if volume.want.level != "jbod":
            return self._make(controller, volume)
        out: list[Step] = []
        for one in volume.members:
            if drives.get(one.place) is not None and drives[one.place].state == "jbod":
                continue
            if self._jbod is not None:
                out.append(Step(run=self._jbod(controller, one.place), where=f"d {one.place} free"))
            else:  # the controller shows a drive only as a volume
                alone = Chosen(name=volume.name, want=_raid0(volume), members=(one,))
                made = self._make(controller, alone)
                out += made if not isinstance(made, str) else []
        return out


def _raid0(volume: Chosen) -> WantedVolume:
    return replace(volume.want, level="raid0", boot=False)


# -- storcli and perccli -------------------------------------------------------------------------------------------


def _at(place: str) -> str:
    """`252:3` -> `/e252/s3`; `:3` -> `/s3`."""
    enclosure, _, slot = place.partition(":")
    return f"/e{enclosure}/s{slot}" if enclosure else f"/s{slot}"


def _storcli_drives(places: list[str]) -> str:
    return "drives=" + ",".join(place.removeprefix(":") for place in places)


def _storcli_make(controller: str, volume: Chosen) -> list[Step] | str:
    want, line = volume.want, volume_line(volume.want.level, _places(volume))
    words = ["add", "vd", f"r{want.level[4:]}", f"name={volume.name}", _storcli_drives(_places(volume))]
    if want.level in ("raid10", "raid50", "raid60"):
        words.append(f"pdperarray={2 if want.level == 'raid10' else len(volume.members) // 2}")
    words += [f"strip={want.stripe}"] if want.stripe else []
    words += ["spares=" + ",".join(one.place.removeprefix(":") for one in volume.spares)] if volume.spares else []
    steps = [Step(run=(f"/c{controller}", *words), unless=line)]
    if want.boot:
        steps.append(Step(run=(f"/c{controller}/v@volume", "set", "bootdrive=on"), of=line[2:]))
    return steps


_STORCLI = _Driver(
    _storcli_make,
    lambda controller, volume: (f"/c{controller}/v{volume.place.rpartition('/')[2]}", "del", "force"),
    lambda controller, place: (f"/c{controller}{_at(place)}", "set", "good", "force"),
    lambda controller, place: (f"/c{controller}{_at(place)}", "set", "jbod"),
)

# -- MegaCli -------------------------------------------------------------------------------------------------------


def _mega(places: list[str]) -> str:
    return "[" + ",".join(places) + "]"


def _mega_make(controller: str, volume: Chosen) -> list[Step] | str:
    want, places = volume.want, _places(volume)
    if volume.spares:
        return "make a spare for one volume: MegaCli has no order that names the volume. Use storcli"
    line = volume_line(want.level, places)
    strip = [f"-strpsz{want.stripe}"] if want.stripe else []
    if want.level in ("raid10", "raid50", "raid60"):
        each = 2 if want.level == "raid10" else len(places) // 2
        arrays = [places[at : at + each] for at in range(0, len(places), each)]
        if len(arrays) > 8:
            return f"make a {want.level} of {len(arrays)} spans: 8 are the most"
        words = ["-CfgSpanAdd", f"-r{want.level[4:]}", *(f"-Array{n}{_mega(some)}" for n, some in enumerate(arrays)), *strip]
    else:
        words = ["-CfgLdAdd", f"-r{want.level[4:]}", _mega(places), *strip]
    steps = [Step(run=(*words, f"-a{controller}", "-NoLog"), unless=line)]
    if want.boot:
        steps.append(Step(run=("-AdpBootDrive", "-Set", "-L@volume", f"-a{controller}", "-NoLog"), of=line[2:]))
    return steps


_MEGACLI = _Driver(
    _mega_make,
    lambda controller, volume: ("-CfgLdDel", f"-L{volume.place}", "-Force", f"-a{controller}", "-NoLog"),
    lambda controller, place: ("-PDMakeGood", f"-PhysDrv{_mega([place])}", "-Force", f"-a{controller}", "-NoLog"),
    lambda controller, place: ("-PDMakeJBOD", f"-PhysDrv{_mega([place])}", f"-a{controller}", "-NoLog"),
)

# -- ssacli --------------------------------------------------------------------------------------------------------


def _slot(controller: str) -> str:
    """`Slot_0` or `Slot 0` -> `slot=0`."""
    return "slot=" + re.sub(r"^Slot[ _]", "", controller)


def _ssa_make(controller: str, volume: Chosen) -> list[Step] | str:
    want, line = volume.want, volume_line(volume.want.level, _places(volume))
    level = {"raid10": "1+0"}.get(want.level, want.level[4:])
    words = ["create", "type=ld", f"drives={','.join(_places(volume))}", f"raid={level}"]
    words += [f"ss={want.stripe}"] if want.stripe else []
    steps = [Step(run=("ctrl", _slot(controller), *words, "forced"), unless=line)]
    for one in volume.spares:
        run = ("ctrl", _slot(controller), "array", "@array", "add", f"spares={one.place}")
        steps.append(Step(run=run, where=f"d {one.place} free", of=line[2:]))
    if want.boot:
        steps.append(Step(run=("ctrl", _slot(controller), "ld", "@volume", "modify", "bootvolume=primary"), of=line[2:]))
    return steps


_SSACLI = _Driver(
    _ssa_make,
    lambda controller, volume: ("ctrl", _slot(controller), "ld", volume.place, "delete", "forced"),
    lambda controller, place: ("ctrl", _slot(controller), "pd", place, "modify", "clearconfigdata", "forced"),
    None,
)

# -- redfish: the node's BMC (role raid-bmc), which plans deletions by itself -------------------------------------------


def _redfish_make(_controller: str, volume: Chosen) -> list[Step] | str:
    return [Step(run=("make", volume.name), unless=volume_line(volume.want.level, _places(volume)))]


_REDFISH = _Driver(
    _redfish_make,
    lambda _controller, volume: ("delete", volume.place),
    lambda _controller, place: ("free", place),
    None,
)

_DRIVERS = {"storcli": _STORCLI, "megacli": _MEGACLI, "ssacli": _SSACLI, "redfish": _REDFISH}
