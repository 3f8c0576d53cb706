"""The engine: puts the parts together, starts and stops them in order, and takes events from whoever has a hand on it.

    store -> world -> loop -> runner -> services

Everything that happens goes through `submit`; operators who want an answer use `ask`. `world` is the present world, to
be read from any thread. The services (DHCP, TFTP, HTTP) start when a plan is there that says on which address; a new
plan with another address needs a restart.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from itertools import count

from msgspec.structs import replace

from . import reasons
from .attach.host import EngineHost
from .attach.server import AttachService
from .boot_answers import BootAnswers
from .boot_files import BootFiles
from .config import Config
from .core.boot import SIGNALS
from .core.patience import LEAST, LEAST_PAUSE, of_plan
from .core.stages import over_network
from .core.step import step
from .core.work import Work
from .core.world import World
from .definitions import Catalog, Json
from .dhcp_services import DhcpServices
from .effects import Accept, Acknowledge, BootScript, Refuse, SendDhcp, Welcome
from .events import Commit, Event, Operate, SetAttribute, Started
from .files.catalog import shipped
from .heard import Heard
from .images import Shelf, images_folder
from .install_answers import mirrored
from .jigs import Jig
from .jigs.agent import AgentJig
from .jigs.local import LocalJig
from .jigs.logs import Logs
from .jigs.noop import NoopJig
from .jigs.script import ScriptJig
from .jigs.ssh import SshPool, SshTarget, engine_key
from .keys import site_keys
from .live import Live
from .loader_files import with_loaders_there
from .loop import Clock, Health, Loop
from .model import Node, Signal, Way
from .plan import Plan
from .power import Pace
from .power_orders import PowerOrders
from .reach import Reach
from .runner import NotOpened, Ports, Runner, silent_nodes
from .serve import ServiceError
from .serve.http import HttpService, ImageFile
from .serve.http_guard import Limits
from .serve.tftp import TftpService
from .site_trust import SiteTrust, site_trust
from .store.errors import files_of
from .store.store import Store
from .vault import Vault

log = logging.getLogger(__name__)

WATCH_S = 5.0
"""Seconds between looks for silent nodes."""


class Engine:
    """One engine on one store. Raises StoreError, CatalogError, ServiceError, AttachError and VaultError from `start` and `commit`."""

    def __init__(self, config: Config, catalog: Catalog | None = None, clock: Clock | None = None) -> None:
        """`clock`: another one than the machine's, for tests of clocks that jump."""
        self.config = config
        self._clock = clock
        self._catalog = catalog or shipped()
        self._requests = count(-1, -1)
        self._waiting: dict[int, Future[Accept | Refuse]] = {}
        self._published = threading.Condition()
        self.seq = 0
        self.live = Live(time.time, time.monotonic)
        self._services: list[DhcpServices | TftpService | HttpService] = []
        self._dhcp: DhcpServices | None = None
        self._http: HttpService | None = None
        self._files: BootFiles | None = None
        self._images: Shelf | None = None
        self._stopping = threading.Event()
        self._begun = time.monotonic()
        self._attach = AttachService(config.store, EngineHost(self))
        self.stop_asked = threading.Event()
        """Set when another process asked this one to end the engine; whoever started it does so."""

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the store, go on where the last engine stopped, and serve as the plan says. Returns when that is done."""
        config = self.config
        sys.setswitchinterval(0.0005)
        self._catalog = with_loaders_there(self._catalog, images_folder(config.store), config.synthetic)
        self._store = Store.open(config.store)
        try:
            world = self._load()
            with files_of(config.store):
                self._vault = Vault(config.store, config.keys)
                self._keys = site_keys(config.keys)
                self._ssh_key = engine_key(config.keys / "engine_ed25519")
                self._logs = Logs(config.store / "logs")
            self._ssh = SshPool(self._ssh_key)
            self._agent = AgentJig(self._offer, self._logs, in_clear=config.synthetic)
            self._power = PowerOrders(config, self._account, self._command, self._pace, lambda: self.world)
            self._runner = Runner(self._ports())
            self._loop: Loop[World] = Loop(
                store=self._store, world=world, apply=step, work=Work, run_effects=self._runner.run, publish=self._publish,
                clock=self._clock,
            )
            if world.plan is not None:
                self._serve(world.plan)
            self._loop.begin(Started(installation=secrets.token_hex(4), admin=config.admin))
            if self._loop.failure:
                raise ServiceError(self._loop.failure)
        except BaseException:
            self._close_services()
            self._store.close()
            raise
        self._loop.start()
        try:
            self._attach.start()
        except BaseException:
            self.stop()
            raise
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _load(self) -> World:
        """The world of the store. The collector would walk all of it again and again while it grows, and finds nothing: that is a fifth of
        the time; the loop freezes what is there as it starts."""
        collects = gc.isenabled()
        gc.disable()
        try:
            return World.load(self._catalog, self._store.load())
        finally:
            if collects:
                gc.enable()

    def stop(self) -> None:
        """End cleanly: services first, then what is under way, then the loop. Racks go on; the next start resumes."""
        self._stopping.set()
        self._attach.stop()
        self._close_services()
        self._runner.close()
        self._ssh.close_all()
        if self._loop.stop():
            self._store.close()

    @property
    def world(self) -> World:
        return self._loop.world

    @property
    def failure(self) -> str:
        """Why the engine stopped by itself, as a sentence; empty while it works."""
        return self._loop.failure

    def health(self) -> Health:
        """The loop's own figures."""
        return self._loop.health()

    def now(self) -> float:
        """Engine time in seconds."""
        return self._loop.now()

    # -- events ----------------------------------------------------------------------------------------------------

    def submit(self, event: Event) -> bool:
        """Hand in an event. False: its lane is full, or the engine stops."""
        return self._loop.submit(event)

    def _offer(self, event: Event) -> bool:
        """The same for the HTTP service's loop, which must not wait: its clients ask again."""
        return self._loop.submit(event, wait=False)

    def ask(self, event: Commit | Operate | SetAttribute, timeout_s: float = 30.0) -> Accept | Refuse:
        """Hand in what an operator wants, and wait for the receipt or the refusal."""
        request = next(self._requests)
        future: Future[Accept | Refuse] = Future()
        self._waiting[request] = future
        try:
            if self._loop.submit(replace(event, request=request)):
                return future.result(timeout_s)
        except FutureTimeout:
            pass
        finally:
            self._waiting.pop(request, None)
        return Refuse(request=request, reason=reasons.busy(node="the engine", what=self.failure or "too much waits before this"))

    def commit(self, plan: Plan, who: str) -> Accept | Refuse:
        """Make a plan the wanted state: its secrets are sealed, the services are started, then it is committed."""
        with files_of(self.config.store):
            self._vault.seal(plan.secrets, os.environ)
        if not self._services:
            self._serve(plan)
        return self.ask(Commit(who=who, plan=plan))

    def wait(self, seq: int, timeout_s: float) -> int:
        """Wait until something after journal row `seq` is committed, or the time is over; the newest seq."""
        with self._published:
            self._published.wait_for(lambda: self.seq > seq or bool(self._loop.failure), timeout_s)
            return self.seq

    def reader(self) -> Store:
        """The store, read-only, for one thread that follows the journal; close it when done."""
        return Store.read(self.config.store)

    def _publish(self, seq: int) -> None:
        with self._published:
            self.seq = seq
            self._published.notify_all()

    def _answer(self, effect: BootScript | Welcome | Refuse | Acknowledge) -> None:
        if isinstance(effect, BootScript | Refuse) and self._files is not None and self._files.answer(effect):
            return
        if self._http is not None:
            self._http.answer(effect)

    def _answer_operator(self, answer: Accept | Refuse) -> None:
        future = self._waiting.get(answer.request)
        if future is not None and not future.done():
            future.set_result(answer)

    # -- services --------------------------------------------------------------------------------------------------

    def _serve(self, plan: Plan) -> None:
        config, address = self.config, plan.site.admin.address
        with files_of(config.store):
            folder = config.store / "images" if config.synthetic else images_folder(config.store)
            self._images = Shelf(self._catalog, folder, synthetic=config.synthetic)
            trust = site_trust(config.keys, [address])
        loaders = self._images.current().loaders()
        answers = self._boot_answers(address, trust)

        reach = Reach(config.reach.lane, [n.subnet for n in plan.networks.values()])
        self._files = BootFiles(
            answers=answers, loaders=lambda: loaders, image=self._image, submit=self._offer, back=reach.back
        )
        self._dhcp = DhcpServices(
            plan=plan, interface=self._interface(plan), reach=config.reach, submit=self._loop.submit_packets
        )
        tftp = TftpService(
            bind=config.reach(address, 69),
            interface=self._interface(plan),
            resolve=self._files.resolve,
            fetched=self._files.fetched,
        )
        self._http = HttpService(
            sites=[config.reach(address, 80)],
            submit=self._offer,
            keys=self._keys,
            boot_id_of=self._boot_id_of,
            image=self._image,
            boot_script=answers.script, boot_menu=answers.menu,
            site_image=answers.site, first_menu=answers.first_menu, install_answers=answers.install_answers, tool=answers.tool,
            packages=config.store / "packages", upstream=lambda name, path: mirrored(self._catalog, name, path),
            secure_sites=[config.reach(address, 443)],
            tls=trust.context,
            address_of=reach.back,
            mailbox=self._agent,
            live=Heard(self.live, self._logs),
            limits=Limits(poll_s=of_plan(plan, Limits().poll_s, LEAST_PAUSE)),
        )
        started: list[DhcpServices | TftpService | HttpService] = []
        try:
            for service in (self._http, tftp, self._dhcp):
                service.start()
                started.append(service)
        except BaseException:
            for service in started:
                service.stop()
            raise
        self._services = started

    def _interface(self, plan: Plan) -> str | None:
        """The one that is served: as it was started, else as the plan says; None: all, by address."""
        named = plan.site.admin.interface if self.config.reach.lane is None else ""
        return self.config.interface or named or None

    def _close_services(self) -> None:
        for service in reversed(self._services):
            service.stop()
        self._services = []

    def _send_dhcp(self, replies: list[SendDhcp]) -> None:
        if self._dhcp is not None:
            self._dhcp.send(replies)

    def _image(self, name: str, file: str) -> ImageFile | None:
        return self._images.current().file(name, file) if self._images is not None else None

    def _boot_answers(self, address: str, trust: SiteTrust) -> BootAnswers:
        host, port = self.config.reach(address, 443)
        tls = f"https://{address}" if port == 443 else f"https://{host}:{port}"
        return BootAnswers(
            catalog=lambda: self._catalog, url=f"http://{address}", tls_url=tls, authorized_key=self._ssh_key.public, ca=trust.ca,
            world=lambda: self.world,
        )

    def _boot_id_of(self, node: str) -> str | None:
        found = self.world.nodes.get(node)
        return found.boot_id if found is not None else None

    # -- what the runner works with --------------------------------------------------------------------------------

    def _ports(self) -> Ports:
        jigs: dict[str, Jig] = {
            "agent": self._agent,
            "script": ScriptJig(self.submit, self._logs, self._ssh),
            "local": LocalJig(self.submit, self._logs, self.config.store / "local"),
            "device": LocalJig(self.submit, self._logs, self.config.store / "device"),
            "noop": NoopJig(self.submit),
        }
        return Ports(
            submit=self.submit,
            world=lambda: self._loop.world,
            send_dhcp=self._send_dhcp,
            answer=self._answer,
            answer_operator=self._answer_operator,
            jigs=jigs,
            power=self._power,
            is_there=self._is_there,
            open_handle=self._open,
            secrets=self._vault.values,
            reach=self.config.reach, live=self.live,
            no_image=lambda name: self._images.why_not(name) if self._images is not None else None,
        )

    def _silence_s(self) -> float:
        """Seconds without a word after which a node is asked."""
        return of_plan(self.world.plan, self.config.silence_s, LEAST)

    def _pace(self) -> Pace:
        """Of calls to BMCs. They end before the boot's deadline for them does."""
        plan, usual = self.world.plan, Pace(rest_s=self.config.bmc_rest_s)
        if plan is None or plan.patience >= 1:
            return usual
        most = 0.8 * of_plan(plan, dict(SIGNALS[Way.NETWORK])[Signal.POWERED], LEAST)
        return replace(usual, total_s=min(usual.total_s, most), web_s=min(usual.web_s, most), greet_s=of_plan(plan, usual.greet_s, 2.0))

    def _account(self) -> tuple[str, str]:
        return self._vault.open("bmc-user") or self.config.bmc_user, self._vault.open("bmc-password") or ""

    def _command(self, node: str, body: dict[str, str]) -> bool:
        """Give a node's agent a command, if it was heard of lately."""
        found, heard = self.world.nodes.get(node), self.live.last_contact(node)
        # Nobody was heard by an engine that has just started: its agents come back within seconds.
        silent = time.monotonic() - (self._begun if heard is None else heard)
        if found is None or not found.boot_id or silent > self._silence_s():
            return False
        self._agent.command(node, found.boot_id, dict(body))
        return True

    def _is_there(self, node: Node, target: SshTarget | None) -> bool:
        if over_network(self.world, node.runs):
            asked = time.monotonic()
            while not self._stopping.is_set() and time.monotonic() - asked < self._silence_s() / 3:
                heard = self.live.last_contact(node.id)
                if heard is not None and asked - heard < self._silence_s() / 3:
                    return True
                self._stopping.wait(0.2)
            return False
        if target is None:
            return False
        return bool(self._ssh.boot_id(node.id, target) == node.boot_id)

    def _open(self, world: World, node: Node, handle: Json) -> Json:
        ((kind, name),) = handle.items()
        if kind == "$secret":
            return self._keys.credential(node.id) if name == "credential" else self._vault.needed(str(name))
        if kind == "$engine":
            return self._ssh_key.public
        if kind == "$image":
            facts = self._images.current().facts(str(name)) if self._images is not None else None
            if facts is None:
                reason = self._images.current().missing(str(name)) if self._images is not None else reasons.image_missing(image=str(name))
                raise NotOpened(reason)
            address = world.plan.site.admin.address if world.plan is not None else ""
            ticket = self._keys.ticket(node.id, node.boot_id, str(name))
            return {**facts, "url": f"http://{address}{facts['path']}", "ticket": ticket}
        raise LookupError(f"there is no handle {kind}")

    def _watch(self) -> None:
        """Look for nodes that fell silent."""
        while not self._stopping.wait(min(WATCH_S, self._silence_s() / 4)):
            for event in silent_nodes(self.world, self.live.last_contact, time.monotonic(), self._silence_s()):
                self.submit(event)
