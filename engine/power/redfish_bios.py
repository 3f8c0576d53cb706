"""The settings of a BIOS by Redfish: read with their registry, and written for the next start (DSP2046 Bios, DSP0266 9.10).

Three words, and never one for another:
    accepted   the BMC took the request
    waiting    its settings resource shows the values, and they apply at the next start
    applied    the BIOS itself shows them (`read_bios` after the start)

Rules
* What is written goes to `@Redfish.Settings`, with its ETag and with `@Redfish.SettingsApplyTime` where the service lists `OnReset`.
  A service without such a place takes the values at the Bios itself.
* iDRAC keeps values without an apply time until a job is made for them, so one is made.
* Nothing to write: no request at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..readers import redfish_bios as reader
from ..readers import redfish_tree
from ..readers.redfish_json import path_in
from ..readers.report import Refused
from . import BiosRead, BiosWritten, SessionFailed
from .redfish_body import Json, member, rows
from .redfish_inventory import Walk, named
from .redfish_line import Answer
from .redfish_session import RedfishSession

MOST_SETTINGS = 500
Value = str | int | bool


def read_bios(session: RedfishSession, system: str) -> BiosRead:
    """The settings, what waits for a start, and what the registry allows. Raises `SessionFailed`."""
    path = _path(session, system)
    walk = Walk(session, path)
    walk.run()
    walk.registry()
    try:
        parts = redfish_tree.read_tree(walk.tree)
    except Refused as refusal:
        raise SessionFailed("unsupported", f"its BIOS settings cannot be read: {refusal}") from None
    if not parts.settings:
        raise SessionFailed("unsupported", "its BIOS shows no settings")
    return BiosRead(settings=parts.settings, dependencies=parts.dependencies, left_out=tuple(walk.left_out))


def write_bios(session: RedfishSession, system: str, settings: Mapping[str, Value]) -> BiosWritten:
    """Writes the settings for the next start. Raises `SessionFailed` if the BMC refuses them, or says yes and shows others."""
    if not settings:
        return BiosWritten()
    if len(settings) > MOST_SETTINGS:
        raise SessionFailed("unsupported", f"{len(settings)} settings at once, and at most {MOST_SETTINGS} are written")
    secret = [name for name in settings if reader.is_secret(name)]
    if secret:
        raise SessionFailed("unsupported", f"{secret[0]} is a password, and passwords are not written as settings")
    path = _path(session, system)
    bios = session.get(path)
    about = member(bios.body, "@Redfish.Settings")
    if not about and (link := member(bios.body, "links").get("Settings")):  # iLO 4
        about = {"SettingsObject": named(link)}
    place, answer = _written(session, path, bios, about, dict(settings))
    task = session.task_of(answer)
    if not task and "OnReset" not in _times(about) and "/system.embedded." in path.lower() and place != path:
        task = _dell_job(session, system, place)
    if task and (why := session.task_failed(task)):
        raise SessionFailed("refused", f"it accepted the settings, and {why}")
    shown = reader.attributes_of(session.get(place).body)
    waiting = tuple(name for name, value in settings.items() if shown.get(name) == value)
    other = [name for name, value in settings.items() if name in shown and shown[name] != value]
    now = reader.attributes_of(session.get(path).body)
    applied = tuple(name for name, value in settings.items() if now.get(name) == value)
    if other and not set(other) <= set(applied) and place != path:
        raise SessionFailed("not_obeyed", f"it accepted {other[0]}={settings[other[0]]}, and shows {shown[other[0]]}")
    return BiosWritten(accepted=tuple(settings), waiting=waiting, applied=applied, task=task)


def _path(session: RedfishSession, system: str) -> str:
    body = session.get(system).body
    link = named(body.get("Bios") or member(member(member(body, "Oem"), "Hp"), "links").get("BIOS"))
    if not link:
        raise SessionFailed("unsupported", "its system has no BIOS settings by Redfish")
    return session.path(link, system).rstrip("/")


def _times(about: Json) -> list[str]:
    found = about.get("SupportedApplyTimes")
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _written(session: RedfishSession, path: str, bios: Answer, about: Json, settings: dict[str, Json]) -> tuple[str, Answer]:
    """Where the settings went, and the answer."""
    flat = not isinstance(bios.body.get("Attributes"), dict)  # iLO 4
    body: dict[str, Json] = dict(settings) if flat else {"Attributes": settings}
    if "OnReset" in _times(about):
        body["@Redfish.SettingsApplyTime"] = {"@odata.type": "#Settings.v1_1_0.PreferredApplyTime", "ApplyTime": "OnReset"}
    link = about.get("SettingsObject")
    place = session.path(link, path).rstrip("/") if link else path
    try:
        seen = session.get(place) if place != path else bios
        return place, session.patch(place, body, seen)
    except SessionFailed as error:
        if error.failed.kind != "unsupported" or place == path:
            raise
        return path, session.patch(path, dict(settings) if flat else {"Attributes": settings}, bios)


def _dell_job(session: RedfishSession, system: str, place: str) -> str:
    """Path of the job that applies what waits at `place` (Dell's Redfish guide, `Jobs`)."""
    managers = rows(member(session.get(system).body, "Links").get("ManagedBy"))
    if not managers:
        return ""
    jobs = session.path(managers[0]).rstrip("/") + "/Jobs"
    return path_in(session.post(jobs, {"TargetSettingsURI": place}).headers.get("Location") or "")
