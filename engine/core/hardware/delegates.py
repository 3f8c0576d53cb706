"""Where the delegate of a device runs: on the admin node, or on the node that the device's entry names (`delegate`). Pure.

Its scripts there must not need the engine's own code, so only SANs have the key. `roles.delegate_ready` says whether that node can carry
it.
"""

from __future__ import annotations

from ...definitions import Json
from ...model import Kind, Node, NodeId
from ..world.view import View

ACCESS = {"switch": "switch-access", "san": "san-access", "chassis": "chassis-access"}
"""Kind of device -> the attribute that says how one is reached, by its name."""


def label(device: Node) -> str:
    """The device's name in the site's attributes. The name of its node may differ, if another node had that name before."""
    prefix = f"{device.family}-"
    return device.id.removeprefix(prefix) if device.family != "switch" else device.name.split(".")[0]


def site_value(view: View, name: str) -> Json:
    """What the whole site's attribute is: an operator's value, or else the plan's."""
    for layer in ("setting", "deployment"):
        found = view.attributes.get((layer, "system", name))
        if found is not None:
            return found.value
    return None


def entry(view: View, device: Node) -> dict[str, Json]:
    """The device's entry: its own one over that of `*`, key by key."""
    every = site_value(view, ACCESS.get(device.family, ""))
    if not isinstance(every, dict):
        return {}
    own = [one for one in (every.get("*"), every.get(label(device))) if isinstance(one, dict)]
    return {key: value for one in own for key, value in one.items()}


def place(view: View, device: Node) -> str:
    """The name of the node on which the device's delegate runs. Empty: the admin node."""
    if device.kind is not Kind.DEVICE or device.family != "san":
        return ""
    named = entry(view, device).get("delegate")
    return named if isinstance(named, str) and named != "admin" else ""


def carrier(view: View, device: Node) -> Node | None:
    """That node. None: the admin node, or a node that nobody knows yet."""
    named = place(view, device)
    return view.nodes.get(view.names.get(named) or "") if named else None


def devices_at(view: View, node: NodeId) -> tuple[NodeId, ...]:
    """The devices whose delegates run on the node."""
    there = [(one, view.nodes.get(one)) for one in planned(view, "san").values()]
    carriers = [(one, carrier(view, device)) for one, device in there if device is not None]
    return tuple(one for one, found in carriers if found is not None and found.id == node)


def planned(view: View, kind: str) -> dict[str, NodeId]:
    """Name -> id of the devices of a kind that the site's attributes name. Switches are not among them: they are heard."""
    every = site_value(view, ACCESS[kind])
    return {str(name): f"{kind}-{name}" for name in sorted(every) if name != "*"} if isinstance(every, dict) else {}
