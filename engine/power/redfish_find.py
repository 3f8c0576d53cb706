"""Finds the node's system behind a Redfish service with several: blades, sleds, and servers whose accelerators and DPUs are systems too.

Rules
* A single system is taken as it is.
* Otherwise the one with the node's UUID, or else with its serial. A UUID counts in any spelling and in either byte order, because
  readers of SMBIOS differ in the first three fields (DSP0134 7.2.1). A value that two systems show identifies neither.
* Otherwise, if only one can be powered at all and is not part of a server, that one: the others are accelerators.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from . import SessionFailed
from .redfish_body import Json, member
from .redfish_session import RedfishSession

_SYSTEMS = 64
_PARTS = ("DPU", "OS", "Composed", "VirtualMachine", "PhysicallyPartitioned", "VirtuallyPartitioned")
Systems = list[tuple[str, dict[str, Json]]]
"""Path and resource of each system."""


def find_system(session: RedfishSession, uuid: str, serial: str) -> str:
    """Path of the node's system. Raises `SessionFailed`."""
    if "Systems" not in session.root:
        raise SessionFailed("unsupported", "its Redfish service has no systems: it is a PDU's")
    members = session.members(session.root["Systems"], _SYSTEMS + 1)
    if not 0 < len(members) <= _SYSTEMS:
        raise SessionFailed("unsupported", "it tells of no system that could be switched")
    if len(members) == 1:
        return session.path(members[0])
    found: Systems = []
    failure: SessionFailed | None = None
    for one in members:
        try:
            found.append((session.path(one), session.get(one).body))
        except SessionFailed as error:  # an empty slot, or a part that is starting
            if error.failed.kind in ("authentication", "timeout", "unreachable"):
                raise
            failure = failure or error
    if not found and failure is not None:
        raise failure
    path = chosen(found, uuid, serial)
    if not path:
        raise SessionFailed("unsupported", f"it has {len(members)} systems, and none (or several) with this node's UUID or serial")
    return path


def chosen(systems: Systems, uuid: str, serial: str) -> str:
    """Path of the node's system among several. Empty: none can be identified."""
    tests: tuple[Callable[[dict[str, Json]], bool], ...] = (
        lambda body: same_uuid(body.get("UUID"), uuid, swapped=False),
        lambda body: same_uuid(body.get("UUID"), uuid, swapped=True),
        lambda body: bool(serial.strip()) and str(body.get("SerialNumber") or "").strip().lower() == serial.strip().lower(),
        lambda body: "#ComputerSystem.Reset" in member(body, "Actions") and body.get("SystemType") not in _PARTS,
    )
    for test in tests:
        good = [path for path, body in systems if test(body)]
        if len(good) == 1:
            return good[0]
    return ""


def same_uuid(said: Json, own: str, *, swapped: bool) -> bool:
    """Do both texts mean one UUID? `swapped`: with the first three fields of one in the other byte order.

    Texts that are no UUIDs are compared as they stand.
    """
    if not isinstance(said, str) or not own:
        return False
    left, right = _uuid(said), _uuid(own)
    if left is None or right is None:
        return not swapped and said.strip().lower() == own.strip().lower()
    return left.bytes == (right.bytes_le if swapped else right.bytes)


def _uuid(text: str) -> UUID | None:
    """Any spelling: upper case, braces, `urn:uuid:`, with dashes or without."""
    try:
        return UUID(text.strip().replace(" ", "")[:64])
    except ValueError:
        return None
