"""What has become of a firmware that was staged: a state machine over what was seen of it. Pure.

    staged     the request was sent; nothing was heard
    accepted   the BMC took it, and has a task perhaps
    away       the BMC or the device was gone after that
    back       it answers again, and not yet well enough
    applied    it went away, came back, answered well GOOD times one after another, and each time the wanted version was read back
    failed     it was refused, its task failed, or it came back for good with another version after its task had ended
    unknown    the time is over and none of this was seen

Rules
* A task that completed is a claim, and a task that vanished is nothing: only the version that reads back counts.
* A version that reads back without that anything went away is not enough: some BMCs show the staged version at once.
* An answer without a version, an error, or another version begins the count of good answers again.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from .firmware_wanted import same_version

GOOD = 3
Stage = Literal["staged", "accepted", "away", "back", "applied", "failed", "unknown"]
TaskSeen = Literal["none", "running", "completed", "failed", "vanished"]


class FirmwareUpdate(Struct, frozen=True, kw_only=True):
    part: str
    want: str
    had: str = ""
    stage: Stage = "staged"
    task: TaskSeen = "none"
    went: bool = False
    """Whether it was away after it was accepted."""
    good: int = 0
    """Answers with the wanted version, one after another, since it came back."""
    wrong: int = 0
    """Answers with another version, one after another, since it came back."""
    reads: str = ""
    """The version that was read last."""
    why: str = ""

    @property
    def over(self) -> bool:
        return self.stage in ("applied", "failed", "unknown")


def accepted(update: FirmwareUpdate) -> FirmwareUpdate:
    """The BMC took the request."""
    return update if update.over else structs.replace(update, stage="accepted")


def refused(update: FirmwareUpdate, why: str) -> FirmwareUpdate:
    return update if update.over else structs.replace(update, stage="failed", why=why)


def gone(update: FirmwareUpdate) -> FirmwareUpdate:
    """No answer, or the device is not in the inventory, or the machine is off."""
    if update.over or update.stage == "staged":
        return update
    return structs.replace(update, stage="away", went=True, good=0, wrong=0)


def task_seen(update: FirmwareUpdate, task: TaskSeen, words: str = "") -> FirmwareUpdate:
    """What its task says; `vanished`: the BMC does not know it any more, which is usual after a restart and says nothing."""
    if update.over:
        return update
    if task == "failed":
        return structs.replace(update, task=task, stage="failed", why=f"its task failed: {words}" if words else "its task failed")
    if task == "vanished" and update.task == "completed":
        return update
    return _judged(structs.replace(update, task=task))


def answered(update: FirmwareUpdate, version: str) -> FirmwareUpdate:
    """It answered, and this version was read; empty: none."""
    if update.over or update.stage == "staged":
        return update
    if not update.went:
        return structs.replace(update, reads=version or update.reads)
    good = bool(version) and same_version(version, update.want)
    return _judged(
        structs.replace(
            update,
            stage="back",
            reads=version or update.reads,
            good=update.good + 1 if good else 0,
            wrong=update.wrong + 1 if version and not good else 0,
        )
    )


def _judged(update: FirmwareUpdate) -> FirmwareUpdate:
    if update.went and update.good >= GOOD:
        return structs.replace(update, stage="applied", why="")
    if update.went and update.wrong >= GOOD and update.task == "completed":
        return structs.replace(update, stage="failed", why=f"its task completed, and {update.reads} reads back instead of {update.want}")
    return update


def time_over(update: FirmwareUpdate) -> FirmwareUpdate:
    """Nobody waits any longer. What was not seen is unknown, and never a success."""
    if update.over:
        return update
    if update.stage == "staged":
        why = "nobody answered the request"
    elif not update.went:
        shown = f" although it shows {update.reads}" if update.reads and same_version(update.reads, update.want) else ""
        why = f"it was accepted, and nothing went away{shown}"
    elif update.stage == "away":
        why = "it went away and did not come back"
    elif update.reads:
        why = f"it came back, and {update.reads} reads back; {update.want} was seen {update.good} times of {GOOD}"
    else:
        why = "it came back, and shows no version"
    task = {"vanished": "; its task vanished", "completed": "; its task says that it completed", "running": "; its task still runs"}.get(
        update.task, ""
    )
    return structs.replace(update, stage="unknown", why=why + task)
