"""In which slots of chassis a machine is, by what the chassis' managers say. Pure.

A slot says a place as an outlet does: the plan's place has `outlets: [enc1/3]`. The manager knows the machine by its serial number or UUID.
An answer that names one machine in two slots is two sources, so the contradiction shows.
"""

from __future__ import annotations

from msgspec import Struct

from ...definitions import Json
from ...model import Node
from ..boot.junk import clean_serial, clean_uuid, swapped
from ..world.view import View
from .delegates import label as device_label
from .inventory import lenient

ROLE = "chassis-slots"
"""The role that reads a chassis (barclamp `chassis`), and what it gives."""
MOST = 256


class Slot(Struct, frozen=True, kw_only=True):
    """What a chassis says of one slot. A slot without serial and UUID is empty, or its machine is not known to the manager."""

    slot: str
    serial: str = ""
    uuid: str = ""
    power: str = ""
    """`on`, `off`, or empty: not told."""


def slots_of(view: View, node: Node) -> tuple[str, ...]:
    """`CHASSIS/SLOT` of every slot in which a chassis says that the machine is, sorted."""
    keys = view.bound.get(ROLE) or ()
    if not keys:
        return ()
    table = _table(view)
    serial, uuid = clean_serial(node.serial), clean_uuid(node.uuid)
    names = [f"serial {serial}"] if serial else []
    names += [f"uuid {one}" for one in ({uuid, swapped(uuid)} if uuid else ())]
    return tuple(sorted({slot for name in names for slot in table.get(name, ())}))


def _is_same(one: list[tuple[Json, Node | None]], other: list[tuple[Json, Node | None]]) -> bool:
    return len(one) == len(other) and all(a[0] is b[0] and a[1] is b[1] for a, b in zip(one, other, strict=True))


def _table(view: View) -> dict[str, tuple[str, ...]]:
    """`serial S` or `uuid U` -> slots. Kept until a chassis tells something else."""
    roles = [view.node_roles[key] for key in view.bound.get(ROLE) or ()]
    told_now = [(role.gave.get(ROLE), view.nodes.get(role.node)) for role in roles]
    before = view.memo.get("slots")
    if before is not None and _is_same(before[0], told_now):
        return dict(before[1])
    out: dict[str, tuple[str, ...]] = {}
    for told, device in told_now:
        for item in told[:MOST] if isinstance(told, list) and device is not None else ():
            one = lenient(item, Slot)
            if one is None or not one.slot or device is None:
                continue
            name = f"{device_label(device)}/{one.slot}".lower()
            serial, uuid = clean_serial(one.serial), clean_uuid(one.uuid)
            for key in (f"serial {serial}" if serial else "", f"uuid {uuid}" if uuid else ""):
                if key:
                    out[key] = (*out.get(key, ()), name)
    view.memo["slots"] = (told_now, out)
    return out


def serials_and_uuids(told: object) -> tuple[set[str], set[str]]:
    """The machines that a chassis names: serial numbers and UUIDs."""
    rows = [one for item in (told[:MOST] if isinstance(told, list) else ()) if (one := lenient(item, Slot)) is not None]
    return {clean_serial(one.serial) for one in rows} - {""}, {clean_uuid(one.uuid) for one in rows} - {""}
