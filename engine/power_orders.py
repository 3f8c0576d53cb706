"""Carries out power orders: which device to boot from, then power, both read back by the BMC's protocol.

Where the node has no BMC but runs sledgehammer, its agent reboots it; an installed system is entered by kexec the same way. What comes
of an order is always one `Powered` event; of an operator's own (`set_power`), one `PowerSet`.

Redfish or IPMI: as attribute `bmc-protocol` says; else as the BMC was last talked to (`Bmc.protocol`, which the events above tell); else it
is asked whether it has a Redfish service, which it answers without a login, and IPMI is what it has if not. A BMC that does not answer at
all is asked again next time: it may have been replaced.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from msgspec.structs import replace

from . import reasons
from .config import Config
from .core.attributes import of_node
from .core.world import View
from .effects import BootNode, Identify, SetPower
from .events import Powered, PowerSet, Spoken
from .model import Bmc, Node, Way
from .power import Pace, Power, PowerFailed, PowerResult, PowerState
from .power.certificates import Certificates
from .power.gate import Gates
from .power.ipmi import IpmiPower, IpmiTarget
from .power.redfish import PORT, RedfishPower, RedfishTarget, speaks_redfish
from .reach import IPMI_PORT

Account = Callable[[], tuple[str, str]]
"""User and password of the BMCs."""
Command = Callable[[str, dict[str, str]], bool]
"""Give the node's agent a command; False: it does not listen."""
Protocol = Literal["ipmi", "redfish", ""]
KNOWN = "known_bmcs"
"""File of the BMCs' certificates, among the keys."""
_NAMES = {"ipmi": "IPMI", "redfish": "Redfish"}


class PowerOrders:
    """Thread-safe; calls block for up to twenty seconds, so they run in the worker pool."""

    def __init__(
        self,
        config: Config,
        account: Account,
        command: Command,
        pace: Callable[[], Pace],
        world: Callable[[], View],
    ) -> None:
        self._pace = pace
        self._reach = config.reach
        self._account = account
        self._command = command
        self._world = world
        self._certificates = Certificates(config.keys / KNOWN)
        self._gates = Gates()

    def carry_out(self, order: BootNode, node: Node) -> Powered:
        """Boot the node as ordered."""
        if order.way is Way.OWN:
            return Powered(node=order.node, generation=order.generation)  # it goes down by itself
        failure, spoken = self._kexec(order, node) if order.way is Way.KEXEC else self._power(order, node)
        return Powered(node=order.node, generation=order.generation, failure=failure, bmc=spoken)

    def set_power(self, order: SetPower | Identify, node: Node) -> PowerSet:
        """Carry out an operator's order on the node's BMC, and read back."""
        action = order.action if isinstance(order, SetPower) else "identify"
        if node.bmc is None:
            failure = reasons.no_power(node=node.name)
            return PowerSet(node=order.node, action=action, who=order.who, request=order.request, failure=failure)

        def work(power: Power) -> PowerResult:
            if isinstance(order, Identify):
                return power.identify(order.seconds)
            return power.read() if order.action == "status" else power.set(order.action)

        result, failed, spoken = self._ask(node, node.bmc, work)
        return PowerSet(
            node=order.node, action=action, who=order.who, request=order.request, state=_state(result), failure=failed, bmc=spoken
        )

    def _power(self, order: BootNode, node: Node) -> tuple[reasons.Reason | None, Spoken]:
        if node.bmc is None:
            return (None if self._command(node.id, {"do": "reboot"}) else reasons.no_power(node=node.name)), ""
        device: Literal["disk", "network"] = "disk" if order.way is Way.DISK else "network"
        _, failed, spoken = self._ask(node, node.bmc, lambda power: power.boot(device, False, _uefi(node)))
        return failed, spoken

    def _kexec(self, order: BootNode, node: Node) -> tuple[reasons.Reason | None, Spoken]:
        if self._command(node.id, {"do": "kexec", "environment": order.environment}):
            return None, ""
        return reasons.refused(node=node.name, attempt="kexec", message="its agent does not listen"), ""

    def _ask(
        self, node: Node, bmc: Bmc, work: Callable[[Power], PowerResult]
    ) -> tuple[PowerResult, reasons.Reason | None, Spoken]:
        """What `work` with the node's BMC came to, what is wrong, and what it speaks."""
        pace, known = self._pace(), self._wanted(node) or bmc.protocol
        tried = _NAMES[known] if known else "Redfish or IPMI"
        if not known:
            began = time.monotonic()
            known = "redfish" if speaks_redfish(*self._reach(bmc.address, PORT), within_s=pace.greet_s) else "ipmi"
            asked_s = time.monotonic() - began
            pace = replace(pace, total_s=max(pace.total_s / 4, pace.total_s - asked_s), web_s=max(pace.web_s / 4, pace.web_s - asked_s))
        result = work(self._driver(known, node, bmc, pace))
        if not isinstance(result, PowerFailed):
            return result, None, known
        silent = result.kind == "unreachable"
        message = f"{result.kind} by {tried if silent else _NAMES[known]}: {result.message}"
        if known == "redfish" and result.kind in ("not_obeyed", "unsupported"):
            message += " (attribute bmc-protocol: ipmi has it tried by IPMI)"
        return result, reasons.power_failed(node=node.name, address=bmc.address, message=message), "unknown" if silent else known

    def _wanted(self, node: Node) -> Protocol:
        """What somebody asked for; empty: whichever it speaks."""
        found = of_node(self._world(), node, "bmc-protocol")
        return found if found in ("ipmi", "redfish") else ""

    def _driver(self, protocol: Protocol, node: Node, bmc: Bmc, pace: Pace) -> Power:
        user, password = self._account()
        if protocol == "redfish":
            host, port = self._reach(bmc.address, PORT)
            redfish = RedfishTarget(address=host, port=port, user=user, password=password, uuid=node.uuid, serial=node.serial)
            return RedfishPower(redfish, gates=self._gates, certificates=self._certificates, pace=pace)
        host, port = self._reach(bmc.address, IPMI_PORT)
        return IpmiPower(IpmiTarget(address=host, port=port, user=user, password=password), gates=self._gates, pace=pace)


def _state(result: PowerResult) -> Literal["on", "off", ""]:
    if isinstance(result, PowerFailed) or result.state is None:
        return ""
    return "on" if result.state is PowerState.ON else "off"


def _uefi(node: Node) -> bool | None:
    return node.firmware == "efi" if node.firmware else None
