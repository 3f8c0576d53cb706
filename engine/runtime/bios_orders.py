"""Sets a node's BIOS by its BMC: the work `bios` of the jig `bmc`.

    accepted    the BMC took the values, and shows them as those of the next start
    applied     the machine has started since, and nothing waits any more
    read back   the BIOS itself shows the value that was wanted

One is never said for another, in the report, the log, or a reason. What differs is decided by `core.hardware.bios_sets`. A reboot is asked
for only if a setting differs that needs one.

Trap: some BMCs show the old values for a while after the start, until the BIOS has handed over the new ones. So a look that finds another
value is repeated before it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from .. import reasons
from ..core.hardware.bios_sets import BiosChange, BiosComparison, WantedBios, compare, wanted_bios
from ..core.hardware.bios_ways import ways_of
from ..core.hardware.inventory import inventory_of
from ..core.world.view import View
from ..definitions import Json
from ..files.bios_file import read_families
from ..files.mistakes import Mistakes
from ..jigs.bmc import BmcTask, not_applied
from ..jigs.outcome import DONE, DONE_REBOOT
from ..power import BiosRead, PowerFailed
from ..reasons import Reason
from ..wire.agent import Ended
from .power_orders import NO_BMC, PowerOrders

MOST_TOLD = 200
"""Settings in a report."""
LOOKS = 4
"""How often a BIOS is looked at that shows other values than the wanted ones."""
LOOK_AGAIN_S = 20.0
"""Seconds between two such looks."""
Word = Literal["accepted", "applied", "read back"]


class _NotOffered(Exception):
    """the machine does not offer this way"""

    def __init__(self, why: Reason) -> None:
        super().__init__(reasons.sentence(why))
        self.why = why


class BiosOrders:
    """Thread-safe."""

    def __init__(self, orders: PowerOrders, world: Callable[[], View], pause_s: Callable[[float], float] = float) -> None:
        """`pause_s`: scales a pause by the plan's patience."""
        self._orders = orders
        self._world = world
        self._pause_s = pause_s

    def __call__(self, task: BmcTask) -> Ended | Reason:
        world = self._world()
        about = inventory_of(world, task.node.id)
        wanted = _wanted(task, about.vendor, about.product)
        if isinstance(wanted, Reason):
            return wanted
        if not wanted.settings and not wanted.offered:
            task.say("no setting is wanted, so nobody is asked")
            return _done("", "no setting is wanted")
        if wanted.sets:
            task.say(f"sets of the family {wanted.family}: {', '.join(wanted.sets)}")
        asked = str(task.get("bios-way") or "auto")
        ways = ways_of(about.vendor, about.product, asked)
        why = f"it is the best way for {about.vendor} {about.product}".rstrip() if asked == "auto" else "bios-way names it"
        if ways[0] != "redfish":
            return self._in_band(task, why)
        try:
            return self._verified(task, wanted, why) if task.verifies else self._set(task, wanted, why)
        except _NotOffered as error:
            if "kernel" not in ways:
                return error.why
            return self._in_band(task, f"the BMC does not offer it: {reasons.sentence(error.why)}")

    def _in_band(self, task: BmcTask, why: str) -> Ended:
        task.say(f"the way is kernel, because {why}; the role bios-configure sets the BIOS")
        return _done("kernel", why)

    # -- run ------------------------------------------------------------------------------------------------------

    def _set(self, task: BmcTask, wanted: WantedBios, why: str) -> Ended | Reason:
        found = self._compared(task, wanted)
        if isinstance(found, Reason):
            return found
        task.say(f"the way is redfish, because {why}")
        _say_difference(task, found)
        if found.refused:
            for other in found.refused[1:]:
                task.say(f"also: {reasons.sentence(other)}")
            return found.refused[0]
        if not found.changes:
            task.say("nothing to change, so no reboot")
            return _done("redfish", why, _so(wanted, found))
        if found.to_write:
            written, failed = self._orders.by_redfish(task.node, lambda power: power.set_bios(found.to_write))
            if failed is not None:
                return failed
            assert not isinstance(written, PowerFailed)
            for one in found.changes:
                if one.name in written.accepted:
                    when = "waits for a start" if one.name in written.waiting else "the BMC does not show it as waiting"
                    task.say(f"accepted: {one.name} = {one.want} ({when})")
        if found.reboot:
            return _done("redfish", why, found.changes, "accepted", DONE_REBOOT)
        return self._verified(task, wanted, why)  # these settings need no start

    # -- verify ---------------------------------------------------------------------------------------------------

    def _verified(self, task: BmcTask, wanted: WantedBios, why: str) -> Ended | Reason:
        for look in range(LOOKS):
            if look:
                task.pause(self._pause_s(LOOK_AGAIN_S))
            found = self._compared(task, wanted)
            if isinstance(found, Reason):
                return found
            if found.refused:
                return found.refused[0]
            if not found.changes:
                rows = _so(wanted, found)
                task.say("applied: nothing waits for a start")
                for one in rows:
                    task.say(f"read back: {one.name} = {one.have}")
                return _done("redfish", why, rows)
            if all(one.waits for one in found.changes):
                break  # only a start applies them
        assert not isinstance(found, Reason)
        lines = [_not_so(one) for one in found.changes]
        for line in lines:
            task.say(line)
        return not_applied("; ".join(lines)[:400])

    def _compared(self, task: BmcTask, wanted: WantedBios) -> BiosComparison | Reason:
        """Have and want. Raises _NotOffered: the machine has no BIOS by Redfish."""
        read, failed = self._orders.by_redfish(task.node, lambda power: power.bios())
        if failed is not None:
            if failed.code in NO_BMC or (isinstance(read, PowerFailed) and read.kind == "unsupported"):
                raise _NotOffered(failed)
            return failed
        assert isinstance(read, BiosRead)
        for one in read.left_out[:5]:
            task.say(f"not read: {one.name}: {one.why}")
        return compare(wanted, read.settings, read.dependencies)


def _done(way: str, why: str, rows: Iterable[BiosChange] = (), word: Word = "read back", code: int = DONE) -> Ended:
    told: list[Json] = [{"setting": one.name, "have": one.have, "want": one.want, "state": word} for one in list(rows)[:MOST_TOLD]]
    return Ended(exit=code, gives={"bios-report": {"way": way, "why": why[:200], "settings": told}})


def _say_difference(task: BmcTask, found: BiosComparison) -> None:
    for one in found.changes:
        task.say(f"{one.name}: have {one.have}, want {one.want}" + (", which waits for a start already" if one.waits else ""))
    if found.same:
        task.say(f"{found.same} settings are as wanted")
    if found.skipped:
        task.say(f"this machine does not have, and need not have: {', '.join(found.skipped)}")


def _not_so(one: BiosChange) -> str:
    if one.waits:
        return f"{one.name} = {one.want} was accepted and is not applied: it still waits for a start"
    return f"{one.name} = {one.want} does not read back: the BIOS shows {one.have}"


def _so(wanted: WantedBios, found: BiosComparison) -> list[BiosChange]:
    """The settings that are as wanted, by their wanted names."""
    pairs = {**wanted.offered, **wanted.settings}.items()
    return [BiosChange(name=name, have=value, want=value) for name, value in pairs if name not in found.skipped]


def _wanted(task: BmcTask, vendor: str, product: str) -> WantedBios | Reason:
    own, name = task.get("bios-wanted"), str(task.get("bios-set") or "")
    settings = {key: value for key, value in own.items() if isinstance(value, str | int)} if isinstance(own, dict) else {}
    if not name:
        return WantedBios(settings=settings)
    mistakes = Mistakes()
    families = read_families(Path(task.order.folder).parents[1] / "sets.yml", mistakes)
    if mistakes.found:
        return reasons.script_failed(role=task.order.role.name, exit=1, line=str(mistakes.found[0])[:160])
    return wanted_bios(families, vendor, product, {"bios-set": name}, settings)
