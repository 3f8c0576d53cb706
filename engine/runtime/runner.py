"""The runner: carries out each effect with its adapter, and turns the result into the next event.

The loop's thread calls `run` after the commit, so it must be quick: answers are passed on at once, and blocking work (power, probes,
SSH) goes to a pool of threads. An effect never raises: time-out, refused connection and exit code 3 are outcomes, so they are events.
Secrets are opened here, when a task or a power order leaves, and nowhere else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

from msgspec import Struct

from .. import reasons
from ..core.boot.loaders import discovery_image
from ..core.boot.patience import limit_s
from ..core.hardware.delegates import carrier, place
from ..core.hardware.devices import about
from ..core.hardware.inventory import inventory_of
from ..core.plan.joined import jig_of
from ..core.roles.attributes import admin_network, handles
from ..core.roles.claims import not_confirmed
from ..core.roles.stages import DISCOVERY, over_network
from ..core.roles.wishes import task_document
from ..core.world.world import World
from ..definitions import JIGS, Json, RoleDef
from ..effects import (
    Accept,
    Acknowledge,
    BootNode,
    BootScript,
    Effect,
    Identify,
    Ignore,
    Probe,
    Prove,
    Refuse,
    RemoveKey,
    SendDhcp,
    SetPower,
    Start,
    Welcome,
)
from ..events import Event, KeyRemoved, Missed, Outcome, Powered, PowerSet, Probed, Proved
from ..jigs import Jig, Order
from ..jigs.ssh import SshTarget
from ..model import Kind, Node, NodeRole, Way
from ..quirks import proof_ways
from ..wire.agent import Ended
from ..wire.reach import Reach
from .handles import NotOpened
from .last_values import LastValues
from .packet_record import PacketRecord
from .power_orders import PowerOrders
from .proofs import Proofs

log = logging.getLogger(__name__)

SIMULATED_PORT = 80
"""Where a simulated device has its management (`racks.simulated.switch_side`, `san_side`)."""
DELEGATED = "script"
"""The jig that carries out a device's roles on another node than the admin node."""
POOL = 32
"""Threads for blocking work: power orders and probes, twenty seconds each at most."""

Opener = Callable[[World, Node, Json], Json]
"""Opens a handle (`attributes.HANDLES`) for a node. Raises LookupError with a sentence, or NotOpened."""


class Ports(Struct, frozen=True, kw_only=True):
    """What the runner works with: adapters, or single functions of them."""

    submit: Callable[[Event], bool]
    world: Callable[[], World]
    send_dhcp: Callable[[list[SendDhcp]], None]
    answer: Callable[[BootScript | Welcome | Accept | Refuse | Acknowledge], None]
    """Brings an answer to whoever asked."""
    jigs: dict[str, Jig]
    power: PowerOrders
    proofs: Proofs
    is_there: Callable[[Node, SshTarget | None], bool]
    """True if the node answers and runs its boot_id. Blocks for some seconds at most."""
    open_handle: Opener
    secrets: Callable[[], tuple[str, ...]]
    reach: Reach
    last_values: LastValues
    packets: PacketRecord | None = None
    synthetic: bool = False
    """True if the machines and switches are simulated."""
    no_image: Callable[[str], reasons.Reason | None] = lambda _name: None
    """Why an image cannot be served. None: it can."""
    boot_of: Callable[[Node, SshTarget | None], str] = lambda _node, _target: ""
    """The boot_id of what a joined machine runs now. Empty: it does not answer. Blocks for some seconds at most."""
    remove_key: Callable[[RemoveKey], reasons.Reason | None] = lambda _effect: None
    """Removes the engine's key from a machine. Returns why it is still there. Blocks for some seconds at most."""
    may: Callable[[], bool] = lambda: True
    """False: another engine decides now, so an effect that has not begun is dropped. Blocks as long as the store does."""


class Runner:
    """Thread-safe. `run` from the loop; everything else is its own."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._pool = ThreadPoolExecutor(POOL, thread_name_prefix="runner")
        self._closed = threading.Event()
        self._asked: set[str] = set()
        """Silent nodes that are being asked."""

    def close(self) -> None:
        """Takes no more effects and ends the pool. Running work ends within its own time-outs."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for jig in self._ports.jigs.values():
            jig.close()

    def run(self, effects: list[Effect]) -> None:
        replies: list[SendDhcp] = []
        for effect in effects:
            match effect:
                case SendDhcp():
                    replies.append(effect)
                case Ignore():
                    self._ports.last_values.ignored(effect.reason, effect.mac)
                    if self._ports.packets is not None:
                        self._ports.packets.ignored(effect.reason, effect.mac)
                case BootScript() | Welcome() | Accept():
                    self._ports.answer(effect)
                case Refuse():
                    self._ports.last_values.ignored(effect.reason)
                    self._ports.answer(effect)
                case Acknowledge():
                    self._acknowledge(effect)
                case Start():
                    self._start(effect)
                case BootNode():
                    self._blocking(self._boot, effect)
                case SetPower() | Identify():
                    self._blocking(self._set_power, effect)
                case Probe():
                    self._blocking(self._probe, effect)
                case Prove():
                    self._prove(effect)
                case RemoveKey():
                    self._blocking(self._remove_key, effect)
                case _:
                    raise TypeError(f"no way to carry out {type(effect).__name__}")
        if replies:
            self._ports.send_dhcp(replies)

    # -- tasks -----------------------------------------------------------------------------------------------------

    def _start(self, effect: Start) -> None:
        world = self._ports.world()
        node, role = world.nodes.get(effect.node), world.node_roles.get((effect.node, effect.role))
        definition = world.catalog.roles.get(effect.role)
        if node is None or role is None or definition is None:
            return  # deleted since, so its outcome does not matter
        name = DELEGATED if place(world, node) else jig_of(node, definition)
        jig = self._ports.jigs.get(name)
        if jig is None:
            self._failed(effect, reasons.no_jig(jig=name, role=definition.name))
            return
        try:
            order = self._order(world, effect, node, role, definition)
        except NotOpened as error:
            self._failed(effect, error.reason)
            return
        except LookupError as error:
            self._failed(effect, reasons.refused(node=node.name, attempt=effect.attempt, message=str(error.args[0])))
            return
        if not order.start.resume and not_confirmed(world, node, definition) is not None:
            return  # it booted since, in the same batch: the engine asks again when the new claim is confirmed
        jig.start(order)

    def _order(self, world: World, effect: Start, node: Node, role: NodeRole, definition: RoleDef) -> Order:
        closed = handles(world, role)
        opened = {name: self._ports.open_handle(world, node, value) for name, value in closed.items()}
        secrets = [v for name, v in opened.items() if name in ("credential",) and isinstance(v, str)]
        return Order(
            start=effect,
            node=node,
            role=definition,
            barclamp=definition.barclamp,
            deployment=role.deployment,
            folder=role_folder(world, definition),
            attributes=task_document(world, role, opened) | self._about(world, node),
            secrets=(*secrets, *self._ports.secrets()),
            sealed=secret_names(world, definition, closed),
            timeout_s=limit_s(world, definition.timeout_s),
            target=self.target(world, carrier(world, node) or node),
        )

    def _about(self, world: World, node: Node) -> dict[str, Json]:
        """What a delegate learns about its device; of a simulated one, where its management is."""
        told = about(world, node)
        address = told["device"]["address"] if told else ""
        if self._ports.synthetic and address:
            host, port = self._ports.reach(address, SIMULATED_PORT)
            told["device"] = told["device"] | {"simulated": f"{host}:{port}"}
        return told

    def target(self, world: World, node: Node) -> SshTarget | None:
        """Address and keys of a node's installed system. None if it has no address yet."""
        address = node.address if node.kind is Kind.JOINED else world.address_of.get((node.id, admin_network(world)), "")
        if not address or node.kind not in (Kind.SERVER, Kind.JOINED):
            return None
        host, port = self._ports.reach(address, node.ssh_port)
        return SshTarget(address=host, port=port, user="root", host_key=node.host_key or None)

    def _acknowledge(self, effect: Acknowledge) -> None:
        world = self._ports.world()
        self._ports.answer(effect)
        node = world.nodes.get(effect.node)
        if node is None:
            return
        self._ports.last_values.finished(node.id)
        there = {node.kind.value if node.kind in (Kind.ADMIN, Kind.DEVICE) else "memory" if over_network(world, node.runs) else "installed"}
        if place(world, node):
            there.add(JIGS[DELEGATED].serves)
        for kind in JIGS.values():
            jig = self._ports.jigs.get(kind.name) if kind.serves in there else None
            if jig is not None:
                jig.acknowledge(effect.attempt, effect.node)

    def _failed(self, effect: Start, reason: reasons.Reason) -> None:
        self._ports.submit(Outcome(attempt=effect.attempt, node=effect.node, what="failed", failure=reason))

    # -- silence ---------------------------------------------------------------------------------------------------

    def ask(self, silent: list[Missed]) -> None:
        """Asks installed systems that fell silent. An answer is no news, so it is no event. Agents report by themselves."""
        world = self._ports.world()
        for missed in silent:
            node = world.nodes.get(missed.node)
            if node is None or node.id in self._asked or self._closed.is_set():
                continue
            if over_network(world, node.runs):
                self._ports.submit(missed)
            else:
                self._asked.add(node.id)
                try:
                    self._pool.submit(self._ask, node, self.target(world, node))
                except RuntimeError:  # the pool was closed meanwhile: the engine stops
                    return

    def _ask(self, node: Node, target: SshTarget | None) -> None:
        try:
            if not self._answers(node, target):
                self._ports.submit(Missed(node=node.id, asked=True))
        finally:
            self._asked.discard(node.id)

    def _answers(self, node: Node, target: SshTarget | None) -> bool:
        try:
            alive = self._ports.is_there(node, target)
        except Exception:
            log.exception("probe of %s", node.name)
            return False
        if alive:
            self._ports.last_values.contact(node.id)
        return alive

    # -- what blocks -----------------------------------------------------------------------------------------------

    def _blocking(self, call: Callable[[Effect], Event], effect: Effect) -> None:
        if self._closed.is_set():
            return

        def done(future: Future[Event]) -> None:
            if future.cancelled() or isinstance(future.exception(), CancelledError):
                return
            self._ports.submit(future.result())

        self._pool.submit(self._if_may, call, effect).add_done_callback(done)

    def _if_may(self, call: Callable[[Effect], Event], effect: Effect) -> Event:
        if not self._ports.may():
            raise CancelledError
        return call(effect)

    def _boot(self, effect: Effect) -> Event:
        assert isinstance(effect, BootNode)
        node = self._ports.world().nodes.get(effect.node)
        if node is None:
            return Powered(node=effect.node, generation=effect.generation)
        if why := self._nothing_to_boot(effect, node):
            return Powered(node=effect.node, generation=effect.generation, failure=why)
        try:
            return self._ports.power.carry_out(effect, node)
        except Exception as error:
            log.exception("power order for %s", node.name)
            address = node.bmc.address if node.bmc else ""
            reason = reasons.power_failed(node=node.name, address=address, message=f"{type(error).__name__}: {error}"[:200])
            return Powered(node=effect.node, generation=effect.generation, failure=reason)

    def _nothing_to_boot(self, effect: BootNode, node: Node) -> reasons.Reason | None:
        """A machine that must boot over the network is left alone while its image is missing or damaged."""
        if effect.way not in (Way.NETWORK, Way.INSTALLER):
            return None
        other = discovery_image(self._ports.world(), node.boot_mac) if effect.environment == DISCOVERY else ""
        return self._ports.no_image(other or effect.environment)

    def _set_power(self, effect: Effect) -> Event:
        assert isinstance(effect, SetPower | Identify)
        node = self._ports.world().nodes.get(effect.node)
        action = effect.action if isinstance(effect, SetPower) else "identify"
        failure = reasons.no_node(node=effect.node)
        if node is not None:
            try:
                return self._ports.power.set_power(effect, node)
            except Exception as error:
                log.exception("power order for %s", node.name)
                address = node.bmc.address if node.bmc else ""
                failure = reasons.power_failed(node=node.name, address=address, message=f"{type(error).__name__}: {error}"[:200])
        seconds = effect.seconds if isinstance(effect, Identify) else 0
        return PowerSet(node=effect.node, action=action, who=effect.who, request=effect.request, failure=failure, seconds=seconds)

    def _prove(self, effect: Prove) -> None:
        """The agent writes, which blocks nobody; then the engine reads. If the agent never answers, the challenge's deadline passes."""
        world = self._ports.world()
        node = world.nodes.get(effect.node)
        if node is None or node.boot_id != effect.boot_id or self._closed.is_set():
            return
        found = inventory_of(world, node.id)

        def read(written: Future[Ended]) -> None:
            if not written.cancelled():
                self._blocking(lambda _effect: self._read_proof(effect, written.result()), effect)

        self._ports.proofs.write(effect, node, proof_ways(found.vendor, found.product)).add_done_callback(read)

    def _read_proof(self, effect: Prove, ended: Ended) -> Event:
        node = self._ports.world().nodes.get(effect.node)
        if node is None:
            return Proved(node=effect.node, number=effect.number, failure=reasons.no_node(node=effect.node))
        try:
            return self._ports.proofs.read(effect, node, ended)
        except Exception as error:
            log.exception("challenge of %s", node.name)
            failure = reasons.not_written(node=node.name, message=f"{type(error).__name__}: {error}"[:200])
            return Proved(node=effect.node, number=effect.number, failure=failure)

    def _probe(self, effect: Effect) -> Event:
        assert isinstance(effect, Probe)
        world = self._ports.world()
        node = world.nodes.get(effect.node)
        if node is not None and node.kind is Kind.JOINED:
            boot_id = self._ports.boot_of(node, self.target(world, node))
            if boot_id:
                self._ports.last_values.contact(node.id)
            return Probed(node=effect.node, probe=effect.probe, alive=bool(boot_id), boot_id=boot_id)
        alive = node is not None and self._answers(node, self.target(world, node))
        return Probed(node=effect.node, probe=effect.probe, alive=alive)

    def _remove_key(self, effect: Effect) -> Event:
        assert isinstance(effect, RemoveKey)
        try:
            failure = self._ports.remove_key(effect)
        except Exception as error:
            log.exception("the engine's key on %s", effect.name)
            failure = reasons.key_stays(name=effect.name, address=effect.address, message=f"{type(error).__name__}: {error}"[:200])
        return KeyRemoved(name=effect.name, address=effect.address, failure=failure)


def secret_names(world: World, definition: RoleDef, closed: dict[str, Json]) -> tuple[str, ...]:
    """Attributes of the role that hold secrets: those that it reads, and those that it gives."""
    known = world.catalog.attributes
    given = {name for name in definition.gives if name in known and known[name].secret}
    return tuple(sorted(given | {name for name, value in closed.items() if "$secret" in value}))


def role_folder(world: World, definition: RoleDef) -> str:
    """Folder of a role's scripts: `BARCLAMP/roles/ROLE`. A generated role uses those of its template."""
    folder = world.catalog.folders.get(definition.barclamp, "")
    return f"{folder}/roles/{definition.scripts or definition.name}" if folder else ""
