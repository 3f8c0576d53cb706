"""One `ComputerSystem` of a Redfish service (DMTF DSP0266, DSP2046): its state, and orders to it.

Services accept different values, so their own lists are read first: ResetTypes from `ResetType@Redfish.AllowableValues` or
`@Redfish.ActionInfo`, targets from `BootSourceOverrideTarget@Redfish.AllowableValues`. Without a list their refusals decide. The
requests are ordered so that the first one asks for least:

    a boot order   enabled and target, with the mode if it differs from the shown one (some servers count that as a change of their BIOS
                   set-up); then without the mode; then everything with the shown mode, which other servers require
    where it goes  to the system; if the system refuses, to its `@Redfish.Settings` (DSP0266 9.10), which apply from the next start
    a reset        the plain type; an equivalent one; the power button, if it is offered
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from . import BootDevice, Clock, Device, PowerDone, PowerState, SessionFailed
from .redfish_body import Json, member, rows
from .redfish_line import Answer
from .redfish_session import RedfishSession

RESETS: dict[str, tuple[str, ...]] = {
    "on": ("On", "ForceOn", "PushPowerButton"),
    "off": ("ForceOff",),
    "soft": ("GracefulShutdown", "PushPowerButton"),
}
"""ResetTypes for each action, the plainest first. The button means `on` for a machine that is off and `soft` for one that is on, so it
is used only if it is offered."""
_RESET_TYPES = (
    "On",
    "ForceOff",
    "GracefulShutdown",
    "GracefulRestart",
    "ForceRestart",
    "Nmi",
    "ForceOn",
    "PushPowerButton",
    "PowerCycle",
    "Suspend",
    "Pause",
    "Resume",
    "FullPowerCycle",
)
_STATES = {"on": PowerState.ON, "poweringoff": PowerState.ON, "paused": PowerState.ON, "off": PowerState.OFF, "poweringon": PowerState.OFF}
_DEVICES: dict[str, Device] = {"None": "none", "Pxe": "network", "UefiHttp": "network", "Hdd": "disk"}
_TARGETS: dict[str, tuple[str, ...]] = {"network": ("Pxe", "UefiHttp"), "disk": ("Hdd",)}
_ENABLED, _TARGET, _MODE = "BootSourceOverrideEnabled", "BootSourceOverrideTarget", "BootSourceOverrideMode"


class Order(NamedTuple):
    """A boot order as the service shows it."""

    device: Device
    persistent: bool = False
    uefi: bool = False
    pending: bool = False


class System:
    """Read again for each question."""

    def __init__(self, session: RedfishSession, path: str) -> None:
        self.session = session
        self.path = path
        self.seen: dict[str, Json] = {}
        self.task = ""
        """Task of the last change, while its result is unknown."""
        self.trouble: SessionFailed | None = None
        """Why the last read failed; the next one may succeed."""
        self._answer: Answer | None = None
        self._whole: tuple[str, dict[str, str]] = ("", {})
        """Where the last boot order went, and its text with the present mode."""

    def see(self) -> dict[str, Json]:
        self._answer = self.session.get(self.path)
        self.seen = self._answer.body
        return self.seen

    def glimpse(self) -> bool:
        """Reads the system, if possible now: a restarting BMC breaks off, refuses or knows nothing for a while."""
        self.trouble = None
        try:
            self.see()
        except SessionFailed as error:
            if not error.passing and error.failed.kind != "unsupported":
                raise
            self.trouble = error
        return self.trouble is None

    def change(self, body: Json) -> None:
        self.task = self.session.task_of(self.session.patch(self.path, body, self._answer or self.session.get(self.path)))

    def task_failed(self) -> str:
        """Why the order will not be carried out. Empty: nothing speaks against it."""
        if not self.task:
            return ""
        try:
            return self.session.task_failed(self.task)
        except SessionFailed:
            return ""  # the task vanished; the system's state tells

    # Power

    @property
    def state(self) -> PowerState | None:
        """None: no state, as many services report for a moment after an order."""
        said = self.seen.get("PowerState")
        return _STATES.get(said.strip().lower()) if isinstance(said, str) else None

    def is_moving_to(self, wanted: PowerState) -> bool:
        """True if it is changing to that state, or may be."""
        said = self.seen.get("PowerState")
        way = "poweringon" if wanted is PowerState.ON else "poweringoff"
        return self.trouble is not None or self.state is None or (isinstance(said, str) and said.strip().lower() == way)

    def reset_types(self, action: str) -> list[str]:
        """ResetTypes for `on`, `off` or `soft`, the best first. Raises `SessionFailed` if there is none."""
        about = member(member(self.seen, "Actions"), "#ComputerSystem.Reset")
        if not about:
            raise SessionFailed("unsupported", "its system takes no power orders")
        allowed = self._allowed(about)
        kinds = [one for one in RESETS[action] if one in allowed or (not allowed and one != "PushPowerButton")]
        if not kinds:
            raise SessionFailed("unsupported", f"its system cannot be switched {action}: it takes {_listed(allowed)}")
        return kinds

    def reset(self, kind: str) -> None:
        about = member(member(self.seen, "Actions"), "#ComputerSystem.Reset")
        where = about.get("target") or f"{self.path}/Actions/ComputerSystem.Reset"
        self.task = self.session.task_of(self.session.post(where, {"ResetType": kind}, base=self.path))

    def _allowed(self, about: dict[str, Json]) -> frozenset[str]:
        """ResetTypes that the service lists. Empty: it has no list."""
        named = _types(about.get("ResetType@Redfish.AllowableValues"))
        if named or not about.get("@Redfish.ActionInfo"):
            return named
        with suppress(SessionFailed):  # a link to nothing: then there is no list
            for one in rows(self.session.get(about["@Redfish.ActionInfo"], self.path).body.get("Parameters")):
                if isinstance(one, dict) and one.get("Name") == "ResetType":
                    return _types(one.get("AllowableValues"))
        return frozenset()

    # Boot

    def order_boot(self, device: BootDevice, persistent: bool, uefi: bool | None) -> None:
        bodies = boot_bodies(member(self.see(), "Boot"), device, persistent, uefi)
        first: SessionFailed | None = None
        for place in (self.path, self.settings):
            for body in bodies if place else ():
                try:
                    seen = self._answer if place == self.path else self.session.get(place)
                    assert seen is not None  # seen above
                    self.task = self.session.task_of(self.session.patch(place, {"Boot": body}, seen))
                    self._whole = place, body if _MODE in body else bodies[-1]
                    return
                except SessionFailed as error:
                    if error.passing or error.failed.kind not in ("refused", "unsupported"):
                        raise
                    first = first or error
        assert first is not None  # there is a body
        raise first

    def keep_mode(self) -> bool:
        """Sends the mode too, if the service reset it because the order had none (`quirks.MODE_FORGOTTEN`). True if it did."""
        place, whole = self._whole
        shown = member(self.session.get(place).body if place != self.path else self.seen, "Boot").get(_MODE)
        if not isinstance(shown, str) or whole.get(_MODE, shown) == shown or whole.get(_ENABLED) == "Disabled":
            return False
        try:
            self.session.patch(place, {"Boot": whole}, self.session.get(place))
        except SessionFailed as error:
            if error.failed.kind != "refused":
                raise
            return False
        return True

    @property
    def settings(self) -> str:
        """Where it keeps settings for the next start. Empty: it has no such place."""
        said = member(self.seen, "@Redfish.Settings").get("SettingsObject")
        with suppress(SessionFailed):
            return self.session.path(said, self.path) if said else ""
        return ""

    def order(self, wanted: Device | None = None) -> Order | None:
        """The boot order that it shows: the current one; if that is none or not `wanted`, the pending one. None: not shown."""
        current = boot_order(self.seen)
        if current is not None and (current.device == wanted if wanted else current.device != "none"):
            return current
        with suppress(SessionFailed):
            coming = boot_order(self.session.get(self.settings).body) if self.settings else None
            if coming is not None and (coming.device == wanted if wanted else coming.device != "none"):
                return coming._replace(pending=True)
        return current

    def done(self, order: Order | None, clock: Clock | None = None) -> PowerDone:
        if order is None:
            return PowerDone(state=self.state, clock=clock)
        return PowerDone(
            state=self.state, boot_device=order.device, persistent=order.persistent, uefi=order.uefi, pending=order.pending, clock=clock
        )


def boot_bodies(boot: dict[str, Json], device: BootDevice, persistent: bool, uefi: bool | None) -> list[dict[str, str]]:
    """Requests for a boot order, from the shown `Boot`: each one after a refusal of the previous one. Raises `SessionFailed`."""
    shown = boot.get(_MODE)
    asked = "" if uefi is None else "UEFI" if uefi else "Legacy"
    mode = shown if isinstance(shown, str) and shown else asked
    whole = {_MODE: mode} if mode else {}
    if device == "none":
        off = {_ENABLED: "Disabled"}
        return [off, {**off, _TARGET: "None", **whole}]
    allowed = _strings(boot.get(f"{_TARGET}@Redfish.AllowableValues"))
    target = next((one for one in _TARGETS[device] if not allowed or one in allowed), "")
    if not target:
        raise SessionFailed("unsupported", f"its system cannot be told to boot from {device}: it takes {_listed(allowed)}")
    often = ("Continuous", "Once") if persistent else ("Once", "Continuous")
    offered = _strings(boot.get(f"{_ENABLED}@Redfish.AllowableValues"))
    order = {_ENABLED: next((one for one in often if one in offered), often[0]), _TARGET: target}
    bodies = [order, order | whole]
    if asked and shown not in (None, asked):
        bodies.insert(0, {**order, _MODE: asked})
    return [one for number, one in enumerate(bodies) if one not in bodies[:number]]


def boot_order(system: dict[str, Json]) -> Order | None:
    """None: not shown."""
    boot = member(system, "Boot")
    enabled, target = boot.get(_ENABLED), boot.get(_TARGET)
    if not isinstance(enabled, str):
        return None
    device = _DEVICES.get(target, "other") if isinstance(target, str) else "none"
    if enabled == "Disabled" or device == "none":
        return Order("none")
    return Order(device, enabled == "Continuous", boot.get(_MODE) == "UEFI")


def _strings(found: Json) -> frozenset[str]:
    return frozenset(one for one in found if isinstance(one, str)) if isinstance(found, list) else frozenset()


def _types(found: Json) -> frozenset[str]:
    """ResetTypes, also those that are joined to one word (`quirks.GLUED_RESETS`)."""
    return frozenset(kind for word in _strings(found) for kind in ({word} if word in _RESET_TYPES else _parts(word) or {word}))


def _parts(word: str) -> set[str]:
    """The types that a word consists of. Empty: it consists of something else."""
    if word in _RESET_TYPES:
        return {word}
    for one in _RESET_TYPES:
        if word.startswith(one) and (rest := _parts(word[len(one) :])):
            return {one} | rest
    return set()


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(word for word in words if word.isascii() and word.isalnum()))[:160]
