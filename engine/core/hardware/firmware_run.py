"""The updates of one node's firmware that are under way: what the next look at them is for, and when the machine must start. Pure.

A firmware of the BMC goes away with the BMC. Any other one goes away with the machine: its start shows in another boot_id, which is better
evidence than a BMC's word. So the machine is started once for all of them, after their tasks have taken the files in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from .firmware_update import FirmwareUpdate, TaskSeen, answered, gone, task_seen, time_over

OF_BMC = ("bmc",)
"""Parts that start again by themselves, with the BMC."""
SETTLE = 4
"""Looks after which the machine is started, although the task of a staged firmware still runs: many BMCs end it only then."""
MOST_LOOKS = 240
"""Looks at one update, and no more."""
MOST_WRONG = 40
"""Looks, one after another, that show another version after the machine or the BMC came back."""


class Underway(Struct, frozen=True, kw_only=True):
    """One update that was begun."""

    entry: str
    """Path of the firmware in the BMC's inventory."""
    update: FirmwareUpdate
    task: str = ""
    """Path of the task; empty: the service named none."""
    boot_id: str = ""
    """What the machine ran when it was staged, or at the last start that was seen."""
    looks: int = 0
    ready: bool = False
    """True if nothing but a start of the machine is awaited."""

    @property
    def of_bmc(self) -> bool:
        return self.update.part in OF_BMC


class Look(Struct, frozen=True, kw_only=True):
    """What one look saw of a firmware."""

    answered: bool
    """False: the BMC is away."""
    version: str = ""
    task: TaskSeen = "none"
    words: str = ""
    gone: bool = False
    """The firmware is not in the inventory."""


def looked(one: Underway, look: Look, boot_id: str) -> Underway:
    """The update after this look. `boot_id`: what the machine runs now."""
    update, ready = one.update, one.ready
    if one.of_bmc:
        update = gone(update) if not look.answered or look.gone else update
    elif one.boot_id and boot_id and boot_id != one.boot_id:
        update = gone(update)
    if look.answered and not look.gone:
        update = answered(update, look.version)
    if look.answered and one.task:
        update = task_seen(update, look.task, look.words)
    looks = one.looks + 1
    ready = ready or (not one.of_bmc and (looks >= SETTLE or look.task in ("completed", "vanished")))
    if looks >= MOST_LOOKS or update.wrong >= MOST_WRONG:
        update = time_over(update)
    return replace(one, update=update, looks=looks, ready=ready, boot_id=boot_id or one.boot_id)


def next_step(all_: Sequence[Underway]) -> Literal["over", "start", "look"]:
    """`over`: each has its end. `start`: the machine has to start now. `look`: look again later."""
    open_ = [one for one in all_ if not one.update.over]
    if not open_ or any(one.update.stage == "failed" for one in all_):
        return "over"
    waiting = [one for one in open_ if not one.of_bmc and not one.update.went and one.update.stage != "staged"]
    if waiting and all(one.ready for one in waiting) and not any(one.of_bmc for one in open_):
        return "start"
    return "look"
