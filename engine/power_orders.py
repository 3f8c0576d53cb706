"""Carries out power orders: which device to boot from, then power, both read back by the BMC's protocol.

Where the node has no BMC but runs sledgehammer, its agent reboots it; an installed system is entered by kexec the same way. What comes
of an order is always one `Powered` event.
"""

from __future__ import annotations

from collections.abc import Callable

from . import reasons
from .effects import BootNode
from .events import Powered
from .model import Node, Way
from .power import Pace, PowerFailed
from .power.gate import Gates
from .power.ipmi import IpmiPower, IpmiTarget
from .reach import Reach

Account = Callable[[], tuple[str, str]]
"""User and password of the BMCs."""
Command = Callable[[str, dict[str, str]], bool]
"""Give the node's agent a command; False: it does not listen."""


class PowerOrders:
    """Thread-safe; calls block for up to ten seconds, so they run in the worker pool."""

    def __init__(self, reach: Reach, account: Account, command: Command, pace: Pace) -> None:
        self._pace = pace
        self._reach = reach
        self._account = account
        self._command = command
        self._gates = Gates()

    def carry_out(self, order: BootNode, node: Node) -> Powered:
        """Boot the node as ordered."""
        failure = self._kexec(order, node) if order.way is Way.KEXEC else self._power(order, node)
        return Powered(node=order.node, generation=order.generation, failure=failure)

    def power_of(self, node: Node) -> IpmiPower | None:
        """The node's BMC; None where it has none."""
        if node.bmc is None:
            return None
        user, password = self._account()
        host, port = self._reach(node.bmc.address, 623)
        return IpmiPower(IpmiTarget(address=host, port=port, user=user, password=password), gates=self._gates, pace=self._pace)

    def _power(self, order: BootNode, node: Node) -> reasons.Reason | None:
        power = self.power_of(node)
        if power is None:
            return None if self._command(node.id, {"do": "reboot"}) else reasons.no_power(node=node.name)
        result = power.boot("network" if order.way is Way.NETWORK else "disk", False, _uefi(node))
        if isinstance(result, PowerFailed):
            address = node.bmc.address if node.bmc else ""
            return reasons.power_failed(node=node.name, address=address, message=f"{result.kind}: {result.message}")
        return None

    def _kexec(self, order: BootNode, node: Node) -> reasons.Reason | None:
        if self._command(node.id, {"do": "kexec", "environment": order.environment}):
            return None
        return reasons.refused(node=node.name, attempt="kexec", message="its agent does not listen")


def _uefi(node: Node) -> bool:
    return node.firmware == "efi"
