"""Carries out power orders: which device to boot from, then power, both read back by the BMC's protocol.

Where the node has no BMC but runs sledgehammer, its agent reboots it; an installed system is entered by kexec the same way. What comes
of an order is always one `Powered` event; of an operator's own (`set_power`), one `PowerSet`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from . import reasons
from .effects import BootNode, Identify, SetPower
from .events import Powered, PowerSet
from .model import Node, Way
from .power import Pace, PowerFailed, PowerResult, PowerState
from .power.gate import Gates
from .power.ipmi import IpmiPower, IpmiTarget
from .reach import Reach

Account = Callable[[], tuple[str, str]]
"""User and password of the BMCs."""
Command = Callable[[str, dict[str, str]], bool]
"""Give the node's agent a command; False: it does not listen."""


class PowerOrders:
    """Thread-safe; calls block for up to twenty seconds, so they run in the worker pool."""

    def __init__(self, reach: Reach, account: Account, command: Command, pace: Callable[[], Pace]) -> None:
        self._pace = pace
        self._reach = reach
        self._account = account
        self._command = command
        self._gates = Gates()

    def carry_out(self, order: BootNode, node: Node) -> Powered:
        """Boot the node as ordered."""
        if order.way is Way.OWN:
            return Powered(node=order.node, generation=order.generation)  # it goes down by itself
        failure = self._kexec(order, node) if order.way is Way.KEXEC else self._power(order, node)
        return Powered(node=order.node, generation=order.generation, failure=failure)

    def set_power(self, order: SetPower | Identify, node: Node) -> PowerSet:
        """Carry out an operator's order on the node's BMC, and read back."""
        action = order.action if isinstance(order, SetPower) else "identify"
        power = self.power_of(node)
        if power is None:
            failure = reasons.no_power(node=node.name)
            return PowerSet(node=order.node, action=action, who=order.who, request=order.request, failure=failure)
        if isinstance(order, Identify):
            result = power.identify(order.seconds)
        else:
            result = power.read() if order.action == "status" else power.set(order.action)
        failed, state = _failure(result, node), _state(result)
        return PowerSet(node=order.node, action=action, who=order.who, request=order.request, state=state, failure=failed)

    def power_of(self, node: Node) -> IpmiPower | None:
        """The node's BMC; None where it has none."""
        if node.bmc is None:
            return None
        user, password = self._account()
        host, port = self._reach(node.bmc.address, 623)
        return IpmiPower(IpmiTarget(address=host, port=port, user=user, password=password), gates=self._gates, pace=self._pace())

    def _power(self, order: BootNode, node: Node) -> reasons.Reason | None:
        power = self.power_of(node)
        if power is None:
            return None if self._command(node.id, {"do": "reboot"}) else reasons.no_power(node=node.name)
        result = power.boot("disk" if order.way is Way.DISK else "network", False, _uefi(node))
        return _failure(result, node)

    def _kexec(self, order: BootNode, node: Node) -> reasons.Reason | None:
        if self._command(node.id, {"do": "kexec", "environment": order.environment}):
            return None
        return reasons.refused(node=node.name, attempt="kexec", message="its agent does not listen")


def _failure(result: PowerResult, node: Node) -> reasons.Reason | None:
    if not isinstance(result, PowerFailed):
        return None
    address = node.bmc.address if node.bmc else ""
    return reasons.power_failed(node=node.name, address=address, message=f"{result.kind}: {result.message}")


def _state(result: PowerResult) -> Literal["on", "off", ""]:
    if isinstance(result, PowerFailed) or result.state is None:
        return ""
    return "on" if result.state is PowerState.ON else "off"


def _uefi(node: Node) -> bool:
    return node.firmware == "efi"
