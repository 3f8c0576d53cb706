"""The runner: carries out effects, each by the adapter that can, and turns what comes of it into the next event.

`run` is called by the loop's thread after the commit, so it must be quick: answers are handed over at once, what blocks (power, probes,
SSH) goes to a pool of threads. An effect never raises: time-out, refused connection and exit code 3 are outcomes, so they are events.
Secrets are opened here, as a task or a power order leaves, and nowhere else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from msgspec import Struct

from . import reasons
from .core.attributes import admin_network, inputs
from .core.devices import about
from .core.loaders import discovery_image
from .core.stages import DISCOVERY, over_network
from .core.wishes import task_document
from .core.world import World
from .definitions import Json, RoleDef
from .effects import (
    Accept,
    Acknowledge,
    BootNode,
    BootScript,
    Effect,
    Identify,
    Ignore,
    Probe,
    Refuse,
    SendDhcp,
    SetPower,
    Start,
    Welcome,
)
from .events import Event, Missed, Outcome, Powered, PowerSet, Probed
from .jigs import Jig, Order
from .jigs.ssh import SshTarget
from .live import Live
from .model import Kind, Node, NodeRole, Way
from .power_orders import PowerOrders
from .reach import Reach

log = logging.getLogger(__name__)

POOL = 32
"""Threads for what blocks: power orders and probes, twenty seconds each at most."""

Opener = Callable[[World, Node, Json], Json]
"""Opens a handle (`attributes.HANDLES`) for a node; raises LookupError with a sentence, or NotOpened."""


class NotOpened(LookupError):
    """What stands behind a handle is not there, or not fit; with its reason."""

    def __init__(self, reason: reasons.Reason) -> None:
        super().__init__(reasons.sentence(reason))
        self.reason = reason


class Ports(Struct, frozen=True, kw_only=True):
    """What the runner works with; each is an adapter or a function of one."""

    submit: Callable[[Event], bool]
    world: Callable[[], World]
    send_dhcp: Callable[[list[SendDhcp]], None]
    answer: Callable[[BootScript | Welcome | Refuse | Acknowledge], None]
    """Answers of the HTTP service."""
    answer_operator: Callable[[Accept | Refuse], None]
    jigs: dict[str, Jig]
    power: PowerOrders
    is_there: Callable[[Node, SshTarget | None], bool]
    """Does the node run its boot_id and answer? Blocks for some seconds at most."""
    open_handle: Opener
    secrets: Callable[[], tuple[str, ...]]
    reach: Reach
    live: Live
    no_image: Callable[[str], reasons.Reason | None] = lambda _name: None
    """Why an image cannot be served; None: it can."""


class Runner:
    """Thread-safe. `run` from the loop; everything else is its own."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._pool = ThreadPoolExecutor(POOL, thread_name_prefix="runner")
        self._closed = threading.Event()

    def close(self) -> None:
        """Take no more effects and end the pool; what it does now ends within its own time-outs."""
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
                    self._ports.live.ignored(effect.reason, effect.mac)
                case BootScript() | Welcome():
                    self._ports.answer(effect)
                case Accept():
                    self._ports.answer_operator(effect)
                case Refuse():
                    self._ports.live.ignored(effect.reason)
                    if effect.request < 0:
                        self._ports.answer_operator(effect)
                    elif effect.request > 0:
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
            return  # deleted since: its outcome would be of no interest
        jig = self._ports.jigs.get(definition.jig)
        if jig is None:
            self._failed(effect, reasons.no_jig(jig=definition.jig, role=definition.name))
            return
        try:
            order = self._order(world, effect, node, role, definition)
        except NotOpened as error:
            self._failed(effect, error.reason)
            return
        except LookupError as error:
            self._failed(effect, reasons.refused(node=node.name, attempt=effect.attempt, message=str(error.args[0])))
            return
        jig.start(order)

    def _order(self, world: World, effect: Start, node: Node, role: NodeRole, definition: RoleDef) -> Order:
        opened = {
            name: self._ports.open_handle(world, node, value)
            for name, value in inputs(world, role).items()
            if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$")
        }
        secrets = [v for name, v in opened.items() if name in ("credential",) and isinstance(v, str)]
        return Order(
            start=effect,
            node=node,
            role=definition,
            barclamp=definition.barclamp,
            folder=role_folder(world, definition),
            attributes=task_document(world, role, opened) | about(world, node),
            secrets=(*secrets, *self._ports.secrets()),
            sealed=tuple(sorted(name for name, value in inputs(world, role).items() if isinstance(value, dict) and "$secret" in value)),
            timeout_s=definition.timeout_s,
            target=self.target(world, node),
        )

    def target(self, world: World, node: Node) -> SshTarget | None:
        """Where and how the installed system of a node is reached; None when it has no address yet."""
        address = world.address_of.get((node.id, admin_network(world)))
        if address is None or node.kind is not Kind.SERVER:
            return None
        host, port = self._ports.reach(address, 22)
        return SshTarget(address=host, port=port, user="root", host_key=node.host_key or None)

    def _acknowledge(self, effect: Acknowledge) -> None:
        world = self._ports.world()
        self._ports.answer(effect)
        node = world.nodes.get(effect.node)
        if node is None:
            return
        self._ports.live.finished(node.id)
        here = {Kind.ADMIN: ("local",), Kind.DEVICE: ("device",)}
        for name in here[node.kind] if node.kind in here else ("agent",) if over_network(world, node.runs) else ("script",):
            jig = self._ports.jigs.get(name)
            if jig is not None:
                jig.acknowledge(effect.attempt, effect.node)

    def _failed(self, effect: Start, reason: reasons.Reason) -> None:
        self._ports.submit(Outcome(attempt=effect.attempt, node=effect.node, what="failed", failure=reason))

    # -- what blocks -----------------------------------------------------------------------------------------------

    def _blocking(self, call: Callable[[Effect], Event], effect: Effect) -> None:
        if self._closed.is_set():
            return

        def done(future: Future[Event]) -> None:
            if future.cancelled():
                return
            self._ports.submit(future.result())

        self._pool.submit(call, effect).add_done_callback(done)

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
        """A machine that is to boot over the network is left as it is while its image is missing or damaged."""
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
        return PowerSet(node=effect.node, action=action, who=effect.who, request=effect.request, failure=failure)

    def _probe(self, effect: Effect) -> Event:
        assert isinstance(effect, Probe)
        world = self._ports.world()
        node = world.nodes.get(effect.node)
        alive = False
        if node is not None:
            try:
                alive = self._ports.is_there(node, self.target(world, node))
            except Exception:
                log.exception("probe of %s", node.name)
            if alive:
                self._ports.live.contact(node.id)
        return Probed(node=effect.node, probe=effect.probe, alive=alive)


def role_folder(world: World, definition: RoleDef) -> str:
    """Folder of a role's scripts: `BARCLAMP/roles/ROLE`; a generated role has those of its template."""
    folder = world.catalog.folders.get(definition.barclamp, "")
    return f"{folder}/roles/{definition.scripts or definition.name}" if folder else ""


def silent_nodes(world: World, heard: Callable[[str], float | None], now: float, longer_s: float) -> list[Missed]:
    """Nodes believed alive of which nothing was heard for so many seconds of monotonic time."""
    out = []
    for node in world.nodes.values():
        if node.kind is Kind.SERVER and node.alive and node.available and not node.probe:
            last = heard(node.id)
            if last is None or now - last > longer_s:
                out.append(Missed(node=node.id))
    return out
