"""A BMC without a network, for tests of everything above `Power`. It has three moods, like real BMCs:

works   obeys at once
empty   accepts orders and does nothing: the state never changes
broken  does not answer
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Literal

from . import (
    Action,
    BootDevice,
    LogPlace,
    NoteRead,
    NoteResult,
    PowerDone,
    PowerFailed,
    PowerResult,
    PowerState,
    SensorResult,
    SensorsRead,
    VitalSigns,
    VitalsResult,
)
from .call import light_disobeyed

Mood = Literal["works", "empty", "broken"]


class FakePower:
    """`Power` in memory. `calls` has the orders, in order; `mood` may change at any time."""

    def __init__(self, mood: Mood = "works", state: PowerState = PowerState.OFF) -> None:
        self.mood: Mood = mood
        self.now = PowerDone(state=state, boot_device="none")
        self.calls: list[str] = []
        self.written = ""
        """What the machine wrote into it."""
        self._lock = threading.Lock()

    def read(self) -> PowerResult:
        with self._lock:
            return self._asked("read") or self.now

    def set(self, action: Action) -> PowerResult:
        with self._lock:
            return self._asked(f"set {action}") or self._switch(action)

    def set_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        with self._lock:
            return self._asked(f"set_boot {device}") or self._order(device, persistent, uefi)

    def boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        with self._lock:
            failed: PowerResult | None = self._asked(f"boot {device}")
            if failed is None:
                ordered = self._order(device, persistent, uefi)
                failed = ordered if isinstance(ordered, PowerFailed) else None
            if failed is None:
                switched = self._switch("cycle")
                failed = switched if isinstance(switched, PowerFailed) else None
            return failed or self.now

    def identify(self, seconds: int) -> PowerResult:
        with self._lock:
            failed = self._asked(f"identify {seconds}")
            if failed is None and self.mood == "empty" and seconds:
                failed = PowerFailed(kind="not_obeyed", message=light_disobeyed(lit=False))
            return failed or PowerDone(state=self.now.state)

    def sensors(self) -> SensorResult:
        with self._lock:
            return self._asked("sensors") or SensorsRead()

    def vitals(self, places: Sequence[LogPlace]) -> VitalsResult:
        with self._lock:
            return self._asked("vitals") or VitalSigns(places=tuple(places))

    def note(self, record: int, good: Callable[[str], bool]) -> NoteResult:  # noqa: ARG002
        with self._lock:
            return self._asked(f"note {record}") or NoteRead(text=self.written)

    def _asked(self, call: str) -> PowerFailed | None:
        self.calls.append(call)
        return PowerFailed(kind="unreachable", message="no answer in time") if self.mood == "broken" else None

    def _switch(self, action: Action) -> PowerResult:
        wanted = PowerState.ON if action in ("on", "cycle") else PowerState.OFF
        now = self.now
        if self.mood == "works":
            self.now = PowerDone(state=wanted, boot_device=now.boot_device, persistent=now.persistent, uefi=now.uefi)
            return PowerDone(state=wanted)
        if now.state is wanted and action != "cycle":
            return PowerDone(state=wanted)
        return PowerFailed(kind="not_obeyed", message=f"ordered {action}, it said yes and is still {now.state}")

    def _order(self, device: BootDevice, persistent: bool, uefi: bool | None) -> PowerResult:
        if self.mood == "works":
            real = device != "none"
            self.now = PowerDone(state=self.now.state, boot_device=device, persistent=persistent and real, uefi=bool(uefi) and real)
        if self.now.boot_device != device:
            return PowerFailed(
                kind="not_obeyed",
                message=f"boot device set to {device}, it said yes and reads back {self.now.boot_device}",
            )
        return self.now
