"""Carries out power orders: first the boot device, then power, both read back by the BMC's protocol.

If the node has no BMC that may be used but runs sledgehammer, its agent reboots it; an installed system is entered by kexec the same way.
The result of an order is always one `Powered` event; for an operator's own order (`set_power`), one `PowerSet`.

Redfish or IPMI: as attribute `bmc-protocol` says, or else the protocol that worked last (`Bmc.protocol`, which the events above report),
or else what this product's BMC does better (`quirks.BMC_WAYS`); for health and console that row counts before the last one. Otherwise the
BMC is asked for a Redfish service, which it answers without a login; without one the engine uses IPMI. A BMC that does not answer at all
is asked again next time, because it may have been replaced. One that does not answer by its row's protocol is asked by the other one.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from msgspec.structs import replace

from .. import reasons
from ..core.boot.patience import LEAST, of_plan
from ..core.boot.signals import SIGNALS
from ..core.hardware.bmc import theirs, usable, why_not
from ..core.hardware.inventory import inventory_of
from ..core.hardware.outlets import Outlet, by_outlet
from ..core.roles.attributes import of_node
from ..core.world.view import View
from ..doctor.bmc import BmcSaid
from ..doctor.interop import FOLDER as PROFILES
from ..doctor.interop import Interop, interpreter, profile_of, validated
from ..effects import BootNode, Identify, SetPower
from ..events import Powered, PowerSet, Spoken
from ..model import Bmc, Node, Signal, Way
from ..plan import Plan
from ..power import (
    Identity,
    InventoryResult,
    NoteRead,
    Owner,
    Pace,
    Power,
    PowerDone,
    PowerFailed,
    PowerResult,
    PowerState,
    SensorsRead,
    VitalsResult,
)
from ..power.call import opened
from ..power.certificates import Certificates
from ..power.gate import Gates
from ..power.ipmi import IpmiPower, IpmiTarget
from ..power.ipmi_console import SolConsole
from ..power.outlets import BY_WEB, OutletPower, OutletTarget
from ..power.redfish import PORT, RedfishPower, RedfishTarget, speaks_redfish
from ..power.snmp import PORT as SNMP_PORT
from ..power.snmp import SnmpTarget
from ..power.ssh_console import ConsoleWay, SshConsole
from ..quirks import BmcProtocol, BmcUse, bmc_way
from ..store.vitals import VitalRecord, place_of
from ..wire.agent import Kexec, Reboot
from ..wire.reach import IPMI_PORT
from .config import Config

Account = Callable[[Node], tuple[str, str]]
"""User and password of a node's BMC."""
NO_BMC = {kind.code for kind in (reasons.no_power, reasons.bmc_outside, reasons.bmc_not_expected)}
"""Reasons that say that a node has no BMC that could be asked."""
_Result = TypeVar("_Result")
Command = Callable[[str, int, Reboot | Kexec], bool]
"""Gives the node's agent a command for the boot of this generation. False: the agent is not listening."""
Protocol = Literal["ipmi", "redfish", ""]
KNOWN = "known_bmcs"
"""File of the BMCs' certificates, among the keys."""
DOUBTS = frozenset({"bmc_unproven", "bmc_is_anothers"})
"""Reasons why a BMC gets no order, although it answers. The node's own agent may obey instead."""
ABSENT = frozenset({"unreachable", "unsupported"})
"""Failures that say that a BMC does not do it this way."""
_NAMES = {"ipmi": "IPMI", "redfish": "Redfish"}


class PowerOrders:
    """Thread-safe. Calls block for up to twenty seconds, so they run in the worker pool."""

    def __init__(
        self,
        config: Config,
        account: Account,
        command: Command,
        pace: Callable[[], Pace],
        world: Callable[[], View],
        secret: Callable[[str], str] = lambda _name: "",
        may: Callable[[], bool] = lambda: True,
    ) -> None:
        """`secret`: the content of a secret of the plan by its name; empty if there is none. `may`: see `power.gate.Gates`."""
        self._pace = pace
        self._reach = config.reach
        self._store = config.store
        self._account = account
        self._command = command
        self._world = world
        self._secret = secret
        self._certificates = Certificates(config.keys / KNOWN)
        self._gates = Gates(may=may)

    def carry_out(self, order: BootNode, node: Node) -> Powered:
        """Boots the node as ordered."""
        if order.way is Way.OWN:
            return Powered(node=order.node, generation=order.generation)  # it goes down by itself
        failure, spoken = self._kexec(order, node) if order.way is Way.KEXEC else self._power(order, node)
        return Powered(node=order.node, generation=order.generation, failure=failure, bmc=spoken)

    def set_power(self, order: SetPower | Identify, node: Node) -> PowerSet:
        """Carries out an operator's order on the node's BMC, and reads back."""
        action = order.action if isinstance(order, SetPower) else "identify"

        def work(power: Power) -> PowerResult:
            if isinstance(order, Identify):
                return power.identify(order.seconds)
            return power.read() if order.action == "status" else power.set(order.action)

        result, failed, spoken = self._ask(node, work)
        return PowerSet(
            node=order.node,
            action=action,
            who=order.who,
            request=order.request,
            state=_state(result),
            failure=failed,
            bmc=spoken,
            seconds=order.seconds if isinstance(order, Identify) else 0,
            clock_off_s=round(result.clock.off_s) if isinstance(result, PowerDone) and result.clock is not None else None,
        )

    def _power(self, order: BootNode, node: Node) -> tuple[reasons.Reason | None, Spoken]:
        if usable(self._world(), node) is None:
            fed = bool(by_outlet(self._world(), node))
            # An installed system has no agent: a command would wait in vain for it, and the outlets are certain.
            asks = not fed or (order.tries == 1 and not self._world().catalog.in_system(node.stage))
            obeyed = asks and self._command(node.id, order.generation, Reboot())
            if not obeyed and fed:
                return self._ask(node, lambda power: power.boot("network", False, None))[1:]
            return (None if obeyed else why_not(self._world(), node) or reasons.no_power(node=node.name)), ""
        device: Literal["disk", "network"] = "disk" if order.way is Way.DISK else "network"
        _, failed, spoken = self._ask(node, lambda power: power.boot(device, False, _uefi(node)))
        if failed is not None and failed.code in DOUBTS and self._command(node.id, order.generation, Reboot()):
            return None, spoken
        return failed, spoken

    def _kexec(self, order: BootNode, node: Node) -> tuple[reasons.Reason | None, Spoken]:
        if self._command(node.id, order.generation, Kexec(environment=order.environment)):
            return None, ""
        return reasons.refused(node=node.name, attempt="kexec", message="its agent does not listen"), ""

    def shows(self, node: Node, record: int, text: str) -> tuple[reasons.Reason | None, Spoken]:
        """Why the node's BMC does not show this text, which its machine has written: as its name, or as that entry of its event log.
        None: it does. A BMC whose Redfish service does not show it may do so by IPMI."""

        def good(shown: str) -> bool:
            return hmac.compare_digest(shown.encode("utf-8", "replace"), text.encode())

        failure, spoken = self._shows(node, record, good)
        if failure is not None and spoken == "redfish" and failure.code in ("not_shown", "power_failed") and not self._wanted(node):
            by_ipmi, _ = self._shows(node, record, good, by="ipmi")
            return (failure if by_ipmi is not None and by_ipmi.code == "power_failed" and not record else by_ipmi), spoken
        return failure, spoken

    def look(self, node: Node) -> BmcSaid:
        """What the node's BMC says now, and how long it takes for that. Only reads."""
        begun = time.monotonic()
        read, failed, spoken = self._ask(node, lambda power: power.read(), reading=True)
        first_s = time.monotonic() - begun
        if not isinstance(read, PowerDone):
            return BmcSaid(protocol=spoken, failure=failed, read_s=first_s)
        begun = time.monotonic()
        sensors, wrong, _ = self._ask(node, lambda power: power.sensors(), reading=True, use="health")
        told = sensors if isinstance(sensors, SensorsRead) else SensorsRead()
        clock = read.clock or told.clock
        return BmcSaid(
            protocol=spoken,
            state=_state(read),
            device=read.boot_device or "",
            clock_off_s=clock.off_s if clock is not None else None,
            sensors=len(told.sensors),
            failing=tuple(f"{one.name}: {', '.join(one.states) or 'not ok'}"[:120] for one in told.sensors if not one.ok)[:20],
            left_out=len(told.left_out),
            unread=wrong,
            read_s=first_s,
            sensors_s=time.monotonic() - begun,
        )

    def interop(self, node: Node) -> Interop | None:
        """What DMTF's validator says of the node's Redfish service, by the store's profile. None: it is not installed."""
        python = interpreter()
        bmc = usable(self._world(), node)
        if not python or bmc is None:
            return None
        profile = profile_of(self._store)
        if profile is None:
            return Interop(failure=f"the validator is installed, and {self._store / PROFILES} holds no profile (OpenStackIronicProfile)")
        user, password = self._account(node)
        return validated(python, profile, *self._reach(bmc.address, PORT), user, password)

    def vitals(self, node: Node, before: VitalRecord | None) -> tuple[VitalsResult, reasons.Reason | None, Spoken]:
        """The health of the node's machine: what is new since the look `before`. Gives way to orders."""
        return self._ask(node, lambda power: power.vitals(place_of(before)), reading=True, use="health")

    def console(self, node: Node, take: bool) -> SolConsole | SshConsole | PowerFailed:
        """The serial console of the node's machine: by IPMI, also where power goes by Redfish; or by SSH, where the product's BMC does that
        better or gives none by IPMI, and its Redfish service says how."""
        wanted = self._wanted(node) or self._better(node, "console")
        if wanted == "redfish":
            found = self._console_by_ssh(node)
            other = isinstance(found, PowerFailed) and found.kind in ABSENT and not self._wanted(node)
            return self._console_by_ipmi(node, take) if other else found
        by_ipmi = self._console_by_ipmi(node, take)
        if not isinstance(by_ipmi, PowerFailed) or by_ipmi.kind not in ABSENT or wanted:
            return by_ipmi
        by_ssh = self._console_by_ssh(node)
        return by_ipmi if isinstance(by_ssh, PowerFailed) and by_ssh.kind in ABSENT else by_ssh

    def _console_by_ipmi(self, node: Node, take: bool) -> SolConsole | PowerFailed:
        opened_: list[SolConsole] = []

        def work(power: Power) -> NoteRead | PowerFailed:
            found = power.console(take) if isinstance(power, IpmiPower) else PowerFailed(kind="unsupported", message="it is no IPMI BMC")
            if isinstance(found, PowerFailed):
                return found
            opened_.append(found)
            return NoteRead(text="")

        result, failed, _ = self._ask(node, work, by="ipmi", reading=True)
        if opened_:
            return opened_[0]
        assert isinstance(result, PowerFailed)
        return result if failed is None or result.message else replace(result, message=reasons.sentence(failed))

    def _console_by_ssh(self, node: Node) -> SshConsole | PowerFailed:
        """The BMC says by Redfish how, and proves there that it is the node's."""

        def ask(power: Power) -> ConsoleWay | PowerFailed:
            return power.console_way() if isinstance(power, RedfishPower) else PowerFailed(kind="unsupported", message="it has no Redfish")

        way, _, _ = self._ask(node, ask, by="redfish", reading=True)
        if isinstance(way, PowerFailed):
            return way
        bmc = usable(self._world(), node)
        if bmc is None:
            return PowerFailed(kind="not_own", message="its BMC may not be used any more")
        account, pace = self._account(node), self._pace()
        where = self._reach(bmc.address, way.port)

        def log_in(_deadline: float) -> SshConsole:
            return SshConsole(*where, account, way, self._certificates, pace.greet_s * 2)

        return opened(self._gates, where, repr(account).encode(), pace.total_s, log_in, lambda console: console)

    def inventory(self, node: Node) -> tuple[InventoryResult, reasons.Reason | None]:
        """What the node's BMC says of the machine's parts: all of them by Redfish, what stands on the label by IPMI."""

        def work(power: Power) -> InventoryResult:
            if isinstance(power, RedfishPower | IpmiPower):
                return power.inventory()
            return PowerFailed(kind="unsupported", message="an outlet does not tell what a machine is made of")

        result, failed, _ = self._ask(node, work, reading=True)
        return result, failed

    def by_redfish(
        self, node: Node, work: Callable[[RedfishPower], _Result], sure: bool = False
    ) -> tuple[_Result | PowerFailed, reasons.Reason | None]:
        """The result of `work` with the node's BMC by Redfish, and what is wrong. `sure`: the BMC is known to speak it, so a silent one is
        away. Otherwise `unsupported` says that the BMC answers, and not by Redfish."""

        def ask(power: Power) -> _Result | PowerFailed:
            if isinstance(power, RedfishPower):
                return work(power)
            read = power.read() if isinstance(power, IpmiPower) else None
            return read if isinstance(read, PowerFailed) else PowerFailed(kind="unsupported", message="only Redfish can do that")

        result, failed, _ = self._ask(node, ask, by="redfish" if sure and self._wanted(node) != "ipmi" else "")
        return result, failed

    def _shows(self, node: Node, record: int, good: Callable[[str], bool], by: Protocol = "") -> tuple[reasons.Reason | None, Spoken]:
        result, failed, spoken = self._ask(node, lambda power: power.note(record, good), by=by, reading=True)
        if not isinstance(result, NoteRead):
            return failed, spoken
        if good(result.text):
            return None, spoken
        shown = f"it shows {result.text[:20]!r}" if result.text else "it shows nothing"
        address = node.bmc.address if node.bmc is not None else ""
        return reasons.not_shown(node=node.name, address=address, message=shown), spoken

    def _ask(
        self, node: Node, work: Callable[[Power], _Result], by: Protocol = "", reading: bool = False, use: BmcUse = "power"
    ) -> tuple[_Result | PowerFailed, reasons.Reason | None, Spoken]:
        """The result of `work` with the node's BMC, what is wrong, and its protocol. No packet leaves while the BMC may not be used,
        and no order before it has said that it is the node's."""
        world = self._world()
        bmc = usable(world, node)
        outlets = by_outlet(world, node)
        if bmc is None and outlets and not reading:
            return self._by_outlet(node, outlets, work)
        if bmc is None:
            why = why_not(world, node) or reasons.no_power(node=node.name)
            return PowerFailed(kind="not_own", message=reasons.sentence(why)), why, ""
        pace, known = self._pace(), by or self._wanted(node)
        better = None if known else self._better(node, use)
        known = known or ((bmc.protocol or better or "") if use == "power" else (better or bmc.protocol))
        tried = _NAMES[known] if known else "Redfish or IPMI"
        if not known:
            began = time.monotonic()
            known = "redfish" if speaks_redfish(*self._reach(bmc.address, PORT), within_s=pace.greet_s) else "ipmi"
            asked_s = time.monotonic() - began
            pace = replace(pace, total_s=max(pace.total_s / 4, pace.total_s - asked_s), web_s=max(pace.web_s / 4, pace.web_s - asked_s))
        result, doubt = self._work(known, node, bmc, pace, work, reading)
        if isinstance(result, PowerFailed) and result.kind == "unreachable" and known == better:
            known, tried = ("ipmi" if known == "redfish" else "redfish"), "Redfish or IPMI"
            result, doubt = self._work(known, node, bmc, pace, work, reading)
        if not isinstance(result, PowerFailed):
            return result, None, known
        if doubt is not None:
            return result, doubt, known
        silent = result.kind == "unreachable"
        message = f"{result.kind} by {tried if silent else _NAMES[known]}: {result.message}"
        if known == "redfish" and result.kind in ("not_obeyed", "unsupported"):
            message += " (attribute bmc-protocol: ipmi has it tried by IPMI)"
        return result, reasons.power_failed(node=node.name, address=bmc.address, message=message), "unknown" if silent else known

    def _work(
        self, known: Protocol, node: Node, bmc: Bmc, pace: Pace, work: Callable[[Power], _Result], reading: bool
    ) -> tuple[_Result | PowerFailed, reasons.Reason | None]:
        """The result of `work` by this protocol, and why the BMC is not the node's."""
        doubts: list[reasons.Reason] = []
        world = self._world()

        def owner(said: Identity) -> str:
            doubts[:] = [doubt] if (doubt := theirs(world, node, bmc, said.uuids, said.serials, reading=reading)) is not None else []
            return reasons.sentence(doubts[0]) if doubts else ""

        result = work(self._driver(known, node, bmc, pace, owner))
        return result, doubts[0] if isinstance(result, PowerFailed) and result.kind == "not_own" and doubts else None

    def _by_outlet(
        self, node: Node, outlets: tuple[Outlet, ...], work: Callable[[Power], _Result]
    ) -> tuple[_Result | PowerFailed, reasons.Reason | None, Spoken]:
        """The same by the outlets of a machine without a BMC."""
        targets = [self._outlet(one) for one in outlets]
        result = work(OutletPower(targets, gates=self._gates, certificates=self._certificates, pace=self._pace()))
        if not isinstance(result, PowerFailed):
            return result, None, ""
        names = ", ".join(f"{one.pdu}/{one.number}" for one in outlets)
        address = outlets[0].access.address
        return (
            result,
            reasons.power_failed(node=node.name, address=address, message=f"{result.kind} by outlet {names}: {result.message}"),
            "",
        )

    def _outlet(self, outlet: Outlet) -> OutletTarget:
        access = outlet.access
        by_web = access.table in BY_WEB
        host, port = self._reach(access.address, access.port or (PORT if by_web else SNMP_PORT))
        if by_web:
            web = RedfishTarget(address=host, port=port, user=access.user, password=self._secret(access.password))
            return OutletTarget(pdu=outlet.pdu, outlet=outlet.number, table=access.table, redfish=web)
        third = access.version == "3"
        snmp = SnmpTarget(
            address=host,
            port=port,
            version=access.version,
            community="" if third else self._secret(access.community),
            user=access.user if third else "",
            password=self._secret(access.password) if third else "",
            privacy=self._secret(access.privacy) if third else "",
        )
        return OutletTarget(pdu=outlet.pdu, outlet=outlet.number, table=access.table, snmp=snmp)

    def _wanted(self, node: Node) -> Protocol:
        """The configured protocol. Empty: any."""
        found = of_node(self._world(), node, "bmc-protocol")
        return found if found in ("ipmi", "redfish") else ""

    def _better(self, node: Node, use: BmcUse) -> BmcProtocol | None:
        """What the BMC of this node's product does better. None: nothing is known, and it is asked."""
        about = inventory_of(self._world(), node.id)
        return bmc_way(about.vendor, about.product, use)

    def _driver(self, protocol: Protocol, node: Node, bmc: Bmc, pace: Pace, owner: Owner) -> Power:
        user, password = self._account(node)
        if protocol == "redfish":
            host, port = self._reach(bmc.address, PORT)
            redfish = RedfishTarget(address=host, port=port, user=user, password=password, uuid=node.uuid, serial=node.serial)
            return RedfishPower(redfish, gates=self._gates, certificates=self._certificates, pace=pace, owner=owner)
        host, port = self._reach(bmc.address, IPMI_PORT)
        return IpmiPower(IpmiTarget(address=host, port=port, user=user, password=password), gates=self._gates, pace=pace, owner=owner)


def pace_of(config: Config, plan: Plan | None) -> Pace:
    """Of calls to BMCs. They end before the boot's deadline for them does."""
    usual = Pace(rest_s=config.bmc_rest_s)
    if plan is None or plan.patience >= 1:
        return usual
    most = 0.8 * of_plan(plan, dict(SIGNALS[Way.NETWORK])[Signal.POWERED], LEAST)
    return replace(usual, total_s=min(usual.total_s, most), web_s=min(usual.web_s, most), greet_s=of_plan(plan, usual.greet_s, 2.0))


def _state(result: PowerResult) -> Literal["on", "off", ""]:
    if isinstance(result, PowerFailed) or result.state is None:
        return ""
    return "on" if result.state is PowerState.ON else "off"


def _uefi(node: Node) -> bool | None:
    return node.firmware == "efi" if node.firmware else None
