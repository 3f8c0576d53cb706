"""Brings a node's firmware to the wanted versions by its BMC: the work `firmware` of the jig `bmc`.

    accepted    the BMC took the file
    applied     the BMC (or the machine, for its parts) went away, came back, and showed the wanted version three times
    read back   the inventory shows the wanted version

Each look is a leg of its own, so that hours of waiting keep neither a thread nor a session. What is under way is in a file for each node,
written before the file is pushed: a killed engine goes on looking, and never stages twice. An update whose end was not seen is unknown.

The files lie in the folder `firmware` of the store. A file of fwupd (`.cab`) is not for the BMC.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec.structs import replace

from .. import reasons
from ..core.hardware.firmware_run import OF_BMC, Look, Underway, looked, next_step
from ..core.hardware.firmware_update import GOOD, FirmwareUpdate, accepted
from ..core.hardware.firmware_wanted import FirmwareDifference, FirmwareWish, compare_firmware
from ..core.hardware.inventory import inventory_of
from ..core.world.view import View
from ..definitions import Json
from ..jigs.bmc import BmcTask, not_applied
from ..jigs.outcome import AGAIN, AGAIN_REBOOT, DONE
from ..power import FirmwareEntry, FirmwareSeen, FirmwareStaged, PowerFailed
from ..power.redfish_firmware import MOST_BYTES
from ..reasons import Reason
from ..wire.agent import Ended
from .power_orders import PowerOrders

LOOK_S = 15.0
"""Seconds between two looks."""
SHELF = "firmware"
"""Folder of the store with the makers' files."""
Row = dict[str, Json]


class FirmwareOrders:
    """Thread-safe: a node has one attempt at a time."""

    def __init__(self, orders: PowerOrders, world: Callable[[], View], store: Path, pause_s: Callable[[float], float] = float) -> None:
        self._orders = orders
        self._world = world
        self._shelf = store / SHELF
        self._kept = store / "bmc-firmware"
        self._pause_s = pause_s

    def __call__(self, task: BmcTask) -> Ended | Reason:
        wishes = _wishes(task.get("firmware-wanted"))
        if isinstance(wishes, str):
            return reasons.bad_result(role=task.order.role.name, message=wishes)
        mine = [one for one in wishes if not one.in_band]
        if not mine:
            task.say("no firmware is wanted of the BMC, so nobody is asked")
            return _done([])
        underway = self._load(task.node.id)
        if underway and task.verifies:
            return not_applied(f"the update of {underway[0].update.part} is under way")
        return self._go_on(task, underway, mine) if underway else self._begin(task, mine)

    # -- begin ----------------------------------------------------------------------------------------------------

    def _begin(self, task: BmcTask, wishes: Sequence[FirmwareWish], before: Sequence[Underway] = ()) -> Ended | Reason:
        """`before`: updates of this attempt that have ended well."""
        found, failed = self._orders.by_redfish(task.node, lambda power: power.firmware())
        if failed is not None:
            return failed
        assert not isinstance(found, PowerFailed)
        about = inventory_of(self._world(), task.node.id)
        differences = compare_firmware(wishes, [one.firmware for one in found], about.vendor, about.product)
        had = {one.update.part: one.update.had for one in before}
        rows = [_row(one, had.get(one.wish.part)) for one in differences]
        for row in rows:
            task.say(f"{row['part']}: have {row['version'] or 'none'}, want {row['wanted']}: {row['state']}" + _behind(row["why"]))
        for one in differences:
            if (why := _cannot(one)) is not None:
                return why
        stage = [one for one in differences if one.stage]
        if not stage:
            task.say("nothing to stage")
            return _done(rows)
        if task.verifies:
            return not_applied("; ".join(f"{one.wish.part} does not read back as {one.wish.version}" for one in stage)[:300])
        # The BMC's own comes first, and alone: its start makes many BMCs forget what else was staged.
        own = [one for one in stage if one.wish.part in OF_BMC]
        return self._staged(task, own or stage, found, before)

    def _staged(
        self, task: BmcTask, stage: Sequence[FirmwareDifference], found: Sequence[FirmwareEntry], before: Sequence[Underway]
    ) -> Ended | Reason:
        contents: list[bytes] = []
        for one in stage:
            content = self._content(one.wish)
            if isinstance(content, Reason):
                return content
            contents.append(content)
        pairs = [(one, next(entry.path for entry in found if entry.firmware is one.have)) for one in stage]
        underway = [_new(one, path, task.node.boot_id) for one, path in pairs]
        for at, ((one, path), content) in enumerate(zip(pairs, contents, strict=True)):
            self._save(task.node.id, [*before, *underway[: at + 1]])
            done, failed = self._orders.by_redfish(task.node, _push(one.wish.file, content, path))
            if failed is not None:
                # The others were accepted, and are looked at by the next run.
                kept = underway[: at + 1] if _unheard(done) else underway[:at]
                self._save(task.node.id, [*before, *kept] if kept else ())
                return failed
            assert isinstance(done, FirmwareStaged)
            underway[at] = replace(underway[at], update=accepted(underway[at].update), task=done.task)
            self._save(task.node.id, [*before, *underway[: at + 1]])
            task.say(f"accepted: {one.wish.part} {one.wish.version} from {one.wish.file}" + (f", task {done.task}" if done.task else ""))
        return self._again()

    def _content(self, wish: FirmwareWish) -> bytes | Reason:
        """The file of a wish. Its name is checked by the attribute's schema."""
        file = self._shelf / Path(wish.file).name
        try:
            if file.stat().st_size > MOST_BYTES:
                return reasons.firmware_no_file(part=wish.part, version=wish.version, why=f"{file.name} has more than {MOST_BYTES} bytes")
            content = file.read_bytes()
        except OSError as error:
            return reasons.firmware_no_file(part=wish.part, version=wish.version, why=f"{file.name}: {error.strerror}")
        if wish.sha256 and sha256(content).hexdigest() != wish.sha256.lower():
            return reasons.firmware_no_file(part=wish.part, version=wish.version, why=f"{file.name} has another SHA-256 than is wanted")
        return content

    # -- go on ----------------------------------------------------------------------------------------------------

    def _go_on(self, task: BmcTask, underway: list[Underway], wishes: Sequence[FirmwareWish]) -> Ended | Reason:
        now = [one if one.update.over else self._looked(task, one) for one in underway]
        match next_step(now):
            case "over":
                self._save(task.node.id, ())
                return _bad(task, now) or self._begin(task, wishes, now)
            case "start":
                self._save(task.node.id, now)
                task.say("the machine has to start, so that it takes over what was staged")
                return Ended(exit=AGAIN_REBOOT)
            case _:
                self._save(task.node.id, now)
                return self._again()

    def _looked(self, task: BmcTask, one: Underway) -> Underway:
        seen, _ = self._orders.by_redfish(task.node, lambda power: power.look_firmware(one.task, one.entry), sure=True)
        after = looked(one, _look(seen), task.node.boot_id)
        update = after.update
        if (update.stage, update.good, update.task) != (one.update.stage, one.update.good, one.update.task):
            shown = f", read back {update.reads}" if update.reads else ""
            task.say(f"{update.part}: {update.stage}{shown}, {update.good} of {GOOD} good answers, task {update.task}")
        return after

    def _again(self) -> Ended:
        return Ended(exit=AGAIN, after=self._pause_s(LOOK_S))

    # -- what is under way ----------------------------------------------------------------------------------------

    def _load(self, node: str) -> list[Underway]:
        try:
            return msgspec.json.decode((self._kept / f"{node}.json").read_bytes(), type=list[Underway])
        except FileNotFoundError:
            return []

    def _save(self, node: str, underway: Sequence[Underway]) -> None:
        file = self._kept / f"{node}.json"
        if not underway:
            with suppress(FileNotFoundError):
                file.unlink()
            return
        self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        with open(new, "wb") as out:
            out.write(msgspec.json.encode(list(underway)))
            out.flush()
            os.fsync(out.fileno())
        os.replace(new, file)


def _new(one: FirmwareDifference, path: str, boot_id: str) -> Underway:
    had = one.have.version if one.have is not None else ""
    return Underway(entry=path, boot_id=boot_id, update=FirmwareUpdate(part=one.wish.part, want=one.wish.version, had=had))


def _push(name: str, content: bytes, path: str) -> Callable[..., FirmwareStaged | PowerFailed]:
    return lambda power: power.stage_firmware(name, content, "", [path])


def _unheard(result: object) -> bool:
    """True if the BMC may have taken the file although the call failed."""
    return isinstance(result, PowerFailed) and result.kind == "timeout"


def _look(seen: FirmwareSeen | PowerFailed) -> Look:
    if isinstance(seen, FirmwareSeen):
        return Look(answered=True, version=seen.version, task=seen.task, words=seen.message, gone=seen.gone)
    return Look(answered=seen.kind not in ("unreachable", "timeout"))


def _bad(task: BmcTask, all_: Sequence[Underway]) -> Reason | None:
    """What is wrong with updates that are over. None: all were applied."""
    updates = [one.update for one in all_]
    for one in updates:
        task.say(f"{one.part} {one.want}: {one.stage}" + _behind(one.why))
    for stage, make in (("failed", reasons.firmware_failed), ("unknown", reasons.firmware_unknown)):
        for one in updates:
            if one.stage == stage:
                return make(part=one.part, want=one.want, why=one.why or "its end was not seen")
    return None


def _done(rows: Sequence[Row]) -> Ended:
    return Ended(exit=DONE, gives={"firmware-report": list(rows)[:200]})


def _row(one: FirmwareDifference, had: str | None) -> Row:
    """`had`: the version before the update that has just been applied. None: there was none."""
    have = one.have.version if one.have is not None else ""
    state: str = one.difference
    if state == "same":
        state = "read back" if had is None else "applied"
    return {"part": one.wish.part, "had": had or have, "version": have, "wanted": one.wish.version, "state": state, "why": one.why}


def _cannot(one: FirmwareDifference) -> Reason | None:
    """Why a wish cannot be carried out. A newer version, and a part that the machine does not name, stop nothing."""
    if one.stage or one.difference in ("same", "newer", "absent"):
        return None
    have = one.have.version if one.have is not None else "none"
    return reasons.firmware_cannot(part=one.wish.part, have=have, want=one.wish.version, why=one.why or "it cannot be staged")


def _behind(why: Json) -> str:
    return f" ({why})" if why else ""


def _wishes(value: Json) -> list[FirmwareWish] | str:
    """The wishes, or what is wrong with them."""
    try:
        return list(_read(value))
    except msgspec.ValidationError as error:
        return f"firmware-wanted cannot be read: {error}"[:160]


def _read(value: Json) -> Iterator[FirmwareWish]:
    for one in value if isinstance(value, list) else ():
        yield msgspec.convert(one, FirmwareWish)
