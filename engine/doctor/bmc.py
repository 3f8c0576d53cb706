"""Is the BMC of a node good enough for what the plan asks? One check for each thing that it must do, with advice. Pure.

`bad`: the machine cannot be installed without hands. `warn`: something that the plan or a person may want does not work.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..core.hardware.bmc import own_account, why_not
from ..core.roles.attributes import effective
from ..core.world.view import View
from ..events import Spoken
from ..model import Node
from ..reasons import Reason, advice, sentence
from .checks import Check
from .interop import Interop

SLOW_S = 10.0
"""Seconds for state and boot device. A rack of 40 such BMCs takes minutes for each step."""
CLOCK_OFF_S = 60.0
SHOWN = 8
"""Points of an interoperability profile that are told one by one."""
OF_REDFISH = {"bios-wanted": "BIOS settings", "raid-wanted": "RAID volumes", "firmware-wanted": "firmware"}
"""Attributes of the plan that a BMC with Redfish can carry out without the machine's own system -> what they want."""


class BmcSaid(Struct, frozen=True, kw_only=True):
    """What a BMC said when it was asked."""

    protocol: Spoken = ""
    failure: Reason | None = None
    """Why it said nothing."""
    state: str = ""
    device: str = ""
    """Boot device that is ordered for the next start."""
    clock_off_s: float | None = None
    sensors: int = 0
    failing: tuple[str, ...] = ()
    left_out: int = 0
    unread: Reason | None = None
    """Why its sensors could not be read."""
    read_s: float = 0.0
    sensors_s: float = 0.0
    interop: Interop | None = None
    """What DMTF's validator found. None: it is not installed, or was not asked."""


def wanted_of(view: View, node: Node) -> tuple[str, ...]:
    """Attributes of `OF_REDFISH` that the plan sets for a role of this node."""
    roles = [view.node_roles[key] for key in sorted(view.roles_of.get(node.id) or ())]
    found = {name: effective(view, role, name) for role in roles for name in OF_REDFISH if wants(view, role.role, name)}
    return tuple(name for name, value in found.items() if value not in (None, {}, [], {"level": "none"}))


def wants(view: View, role: str, name: str) -> bool:
    definition = view.catalog.roles.get(role)
    return definition is not None and any(want.name == name for want in definition.wants)


def bmc_checks(view: View, node: Node, said: BmcSaid, wanted: Iterable[str] = ()) -> list[Check]:
    """`wanted`: as `wanted_of` says."""
    out = [_known(node)]
    if node.bmc is None or not node.bmc.address:
        return out
    out.append(_trusted(view, node))
    out.append(_answers(said))
    if said.failure is not None:
        return out
    out += [_power(said), _boot(said), _clock(said), _sensors(said), _account(view, node)]
    out += _protocol(said, wanted)
    out += _interop(said.interop)
    return out


def _known(node: Node) -> Check:
    if node.bmc is None or not node.bmc.address:
        return Check(
            name="address",
            grade="bad",
            text="nobody knows an address of its BMC",
            advice="connect the BMC's port, or name the BMC in the machine list; discovery asks the machine for it",
        )
    return Check(name="address", grade="ok", text=node.bmc.address)


def _trusted(view: View, node: Node) -> Check:
    why = why_not(view, node)
    if why is None:
        return Check(name="trust", grade="ok", text="it is known to be this machine's, and gets orders")
    return Check(name="trust", grade="bad", text=sentence(why), advice=advice(why))


def _answers(said: BmcSaid) -> Check:
    if said.failure is not None:
        return Check(name="login", grade="bad", text=sentence(said.failure), advice=advice(said.failure))
    slow = said.read_s > SLOW_S
    return Check(
        name="login",
        grade="warn" if slow else "ok",
        text=f"answers by {'Redfish' if said.protocol == 'redfish' else 'IPMI'}, in {said.read_s:.1f} s",
        advice="look for newer firmware of the BMC, or reset it: a rack of such BMCs makes every step slow" if slow else "",
    )


def _power(said: BmcSaid) -> Check:
    if said.state:
        return Check(name="power", grade="ok", text=f"reports that the machine is {said.state}")
    return Check(name="power", grade="bad", text="does not report whether the machine is on", advice="newer firmware of the BMC may")


def _boot(said: BmcSaid) -> Check:
    if said.device:
        return Check(name="boot order", grade="ok", text=f"can be read: {said.device}")
    return Check(
        name="boot order",
        grade="warn",
        text="the device of the next start cannot be read back",
        advice="make the network the first boot device in the machine's firmware",
    )


def _clock(said: BmcSaid) -> Check:
    if said.clock_off_s is None:
        doubt = "read it by hand (ipmitool sel time get) before you believe the times in its event log"
        return Check(name="clock", grade="warn", text="it does not tell its time", advice=doubt)
    off = said.clock_off_s
    if abs(off) <= CLOCK_OFF_S:
        return Check(name="clock", grade="ok", text="right to a minute")
    return Check(
        name="clock",
        grade="warn",
        text=f"{abs(off):.0f} s {'ahead' if off > 0 else 'behind'}",
        advice="set it, or give it an NTP server: certificates and its event log depend on it",
    )


def _sensors(said: BmcSaid) -> Check:
    if said.unread is not None:
        return Check(name="sensors", grade="warn", text=sentence(said.unread), advice=advice(said.unread))
    if said.failing:
        return Check(name="sensors", grade="warn", text="; ".join(said.failing), advice="look at the machine")
    if not said.sensors:
        return Check(name="sensors", grade="warn", text="it has none", advice="heat and failed fans will not be seen")
    left = f", {said.left_out} without a value" if said.left_out else ""
    return Check(name="sensors", grade="ok", text=f"{said.sensors}, all good{left}, in {said.sensors_s:.1f} s")


def _account(view: View, node: Node) -> Check:
    if own_account(view, node):
        return Check(name="account", grade="ok", text="the engine has an account of its own, with a password that no other BMC has")
    return Check(
        name="account",
        grade="warn",
        text="it is used with the site's password, which other BMCs have too",
        advice="give the node the role bmc-account",
    )


def _interop(found: Interop | None) -> list[Check]:
    """What the profile demands and the service lacks. None of it alone keeps the engine from installing the machine."""
    if found is None:
        return []
    name = "interop"
    if found.failure:
        return [Check(name=name, grade="warn", text=found.failure, advice="run the validator by hand, or see docs/hardware.md")]
    failed = [one for one in found.rows if one.grade == "fail"]
    if not failed:
        return [Check(name=name, grade="ok", text=f"fits the profile {found.profile} in {found.passed} points")]
    out = [
        Check(name=name, grade="warn", text=f"{one.path or 'the service'}: {one.name}: {one.text}", advice="newer firmware of the BMC may")
        for one in failed[:SHOWN]
    ]
    if found.failed > SHOWN:
        out.append(Check(name=name, grade="warn", text=f"{found.failed - SHOWN} more points of {found.profile} are not met"))
    return out


def _protocol(said: BmcSaid, wanted: Iterable[str]) -> list[Check]:
    asks = [words for name, words in OF_REDFISH.items() if name in set(wanted)]
    if not asks or said.protocol == "redfish":
        return []
    return [
        Check(
            name="redfish",
            grade="warn",
            text=f"without it {' and '.join(asks)} can be set only by the machine's own system",
            advice="enable Redfish in the BMC, or remove the attribute bmc-protocol: ipmi",
        )
    ]
