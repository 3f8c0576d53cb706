"""What role `firmware-fwupd` does on a machine: the wishes whose file is one of fwupd's, compared with what fwupd lists there. Pure.

fwupd runs on the machine and knows parts that no BMC shows: NICs, drives, docks, the TPM. A wish is for it if its file ends in `.cab`.
A wish that cannot be carried out refuses all of them, before anything is written. A newer version without `back`, and a part that fwupd
does not list, are left alone.
"""

from __future__ import annotations

import msgspec

from ...definitions import Json
from ...model import Node
from ...readers import fwupd
from ..world.view import View
from .firmware_wanted import FirmwareDifference, FirmwareWish, compare_firmware
from .inventory import inventory_of

TELLER, DEVICES = "fwupd-discover", "fwupd-devices"


def fwupd_steps(view: View, node: Node, wanted: Json) -> Json:
    """The attribute `fwupd-steps`. `wanted`: the value of `firmware-wanted`."""
    try:
        wishes = [one for one in msgspec.convert(wanted or [], list[FirmwareWish]) if one.in_band]
    except msgspec.ValidationError as error:
        return {"refused": f"firmware-wanted cannot be read: {error}"[:160]}
    if not wishes:
        return {"steps": []}
    role = view.node_roles.get((node.id, TELLER))
    told = role.gave.get(DEVICES) if role is not None else None
    found = fwupd.firmware([one for one in told if isinstance(one, dict)] if isinstance(told, list) else [])
    about = inventory_of(view, node.id)
    differences = compare_firmware(wishes, found, about.vendor, about.product)
    refused = [why for one in differences if (why := _refusal(one))]
    if refused:
        return {"refused": "; ".join(refused)[:300]}
    return {"steps": [_step(one) for one in differences if one.have is not None and (one.stage or one.difference == "same")]}


def _refusal(one: FirmwareDifference) -> str:
    if one.stage or one.difference in ("same", "newer", "absent"):
        return ""
    have = one.have.version if one.have is not None else "none"
    return f"{one.wish.part} {have} cannot become {one.wish.version}: {one.why or 'it cannot be installed'}"


def _step(one: FirmwareDifference) -> Json:
    assert one.have is not None
    step: dict[str, Json] = {
        "device": one.have.place,
        "part": one.wish.part,
        "name": one.have.name,
        "had": one.have.version,
        "wanted": one.have.version if one.difference == "same" else one.wish.version,
        "file": one.wish.file,
        "older": one.difference == "newer",
    }
    return step | ({"sha256": one.wish.sha256.lower()} if one.wish.sha256 else {})
