"""The engine: puts the parts together, starts and stops them in order, and takes events from whoever has a hand on it.

    store -> loop -> adapters -> services -> runner -> watch

Everything that happens goes through `submit`. Operators who want an answer use `ask`. Any thread may read `world`.
The services (DHCP, TFTP, HTTP) start with the first plan. A plan with another address needs a restart.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from .. import reasons
from ..attach.protocol import DoJoin
from ..attach.server import AttachService, terminal_of
from ..core.plan.follow import unfit
from ..core.plan.pieces import checked
from ..core.step import step
from ..core.world.load import load_world
from ..core.world.work import Work
from ..core.world.world import World
from ..definitions import Catalog, Json
from ..effects import Accept, Effect, Refuse
from ..events import Asked, Commit, Event, Started
from ..files.clamps.site import site_catalog, stages_of
from ..files.mistakes import CatalogError, PlanMistake
from ..files.paths import images_folder
from ..images.shelf import with_loaders_there
from ..plan import Plan
from ..reasons import advice, sentence
from ..serve import ServiceError
from ..store.errors import Deposed, files_of
from ..store.store import Store
from ..store.vitals import VitalsShelf
from ..trust.vault import at_hand
from .adapters import Adapters, daemons_of
from .adoption import Adoption
from .api_host import Api
from .attach_host import EngineHost
from .broker import Broker
from .config import Config
from .console_records import ConsoleRecords
from .disk_looks import DiskLooks
from .handles import Handles
from .health import Health
from .health_looks import HealthLooks
from .last_values import LastValues
from .lead import Lead, shown, taken
from .left_daemons import LeftDaemons
from .loop import Clock, Loop
from .monitoring import Monitoring
from .packet_record import PacketRecord
from .runner import Ports, Runner
from .sealing import Sealing
from .services import Services
from .tenure import Tenure
from .watch import Chores, Watch


class Engine:
    """One engine on one store. `start` and `commit` raise StoreError, CatalogError, ServiceError, AttachError, KeyFileError, VaultError."""

    def __init__(self, config: Config, catalog: Catalog | None = None, clock: Clock | None = None) -> None:
        """`clock`: another one than the machine's, for tests of clocks that jump."""
        self.config = config
        self.catalog = catalog or site_catalog(config.store)
        self._clock = clock
        self.last_values = LastValues(time.time, time.monotonic)
        self.packets = PacketRecord(self.last_values, lambda: self.world)
        self._broker = Broker(submit=self.submit, to_service=lambda answer: self.services.answer(answer), failure=lambda: self.failure)
        host = EngineHost(self)
        self._attach = AttachService(config.store, host)
        self.api = Api(config, self, host, self.packets)
        self.console: tuple[str, float] | None = None
        """User and wall time, while this process has a console open itself."""
        self.tenure: Tenure | None = None
        """How long it may act, on a store that several engines share. None: nobody else can lead."""
        self.hands_over: Callable[[str], Accept | Refuse] = self._cannot_hand_over
        """Carries out `crowbar engine hand-over`; whoever runs this engine beside standbys sets it (`member`)."""
        self.stop_asked = threading.Event()
        """Set when another process asked this one to end the engine; whoever started it does so."""

    # -- start and end ---------------------------------------------------------------------------------------------

    def start(self, lead: Lead | None = None) -> None:
        """Open the store, go on where the last engine stopped, and serve as the plan says. Returns when that is done. `lead`: the store is
        open, and this engine leads it."""
        sys.setswitchinterval(0.0005)
        self.catalog = with_loaders_there(self.catalog, images_folder(self.config.store), self.config.synthetic)
        lead = lead or taken(self.config)
        self._store, self.tenure = lead.store, lead.tenure
        try:
            self._make(_loaded(self.catalog, self._store, self.config.store))
            self._begin()
        except BaseException:
            lead.close()
            raise
        self.loop.start()
        try:
            self._attach.start()
            self.api.open(self.world.plan)
        except BaseException:
            self.stop()
            raise
        self._watch.start()
        self.looks.start()
        self._consoles.start()

    def _make(self, world: World) -> None:
        """Every part, from the loop outward."""
        self.loop = Loop(
            store=self._store,
            world=world,
            apply=step,
            work=Work,
            run_effects=self._run,
            publish=self._broker.publish,
            checks=checked,
            clock=self._clock,
        )
        self.adapters = Adapters(self.config, self.loop, self.last_values, self._confirms)
        self.services = Services(self.config, self.catalog, self.loop, self.adapters, self.last_values, self.packets, self.acts)
        self._adoption = Adoption(lambda: self.world, self.adapters.ssh, self.adapters.ssh_key, self.config.reach, self.ask)
        self._runner = Runner(self._ports())
        self.disks = DiskLooks(lambda: self.world, self.adapters.agent, self.adapters.ssh, self._runner.target, self.last_values.finished)
        self.looks = HealthLooks(
            world=lambda: self.world,
            ask=self.adapters.power.vitals,
            shelf=VitalsShelf(self.config.store),
            submit=self.loop.submit,
            least_s=self.config.health_s,
        )
        self._consoles = ConsoleRecords(
            world=lambda: self.world,
            open_console=self.adapters.power.console,
            store=self.config.store,
            secrets=self.adapters.vault.values,
            real=self.config.rack is None and not self.config.synthetic and self.config.reach.lane is None,
        )
        contact = self.adapters.contact
        self.monitoring = Monitoring(lambda: self.world, self.loop.submit)
        self._watch = Watch(
            silent=lambda: [] if self.services.deaf else contact.silent(),
            ask=self._runner.ask,
            silence_s=contact.silence_s,
            chores=Chores(
                self.loop.submit,
                self.adapters.logs,
                link=self.services.look,
                nagios=self.monitoring.look,
                daemons=LeftDaemons(lambda: self.world, daemons_of(self.config)).look,
            ),
        )

    def _begin(self) -> None:
        """Serve as the plan says, and take up what was open."""
        try:
            if self.world.plan is not None:
                self.services.start(self.world.plan)
            self.loop.begin(Started(installation=secrets.token_hex(4), v6=secrets.token_hex(5), admin=self.config.admin))
            if self.failure:
                raise Deposed(self.failure) if self.deposed else ServiceError(self.failure)
            self.sealing.sweep()
        except BaseException:
            self.services.stop()
            raise

    def _ports(self) -> Ports:
        """What the runner carries out effects with."""
        to, services = self.adapters, self.services
        handles = Handles(
            keys=to.keys,
            vault=to.vault,
            public_key=to.ssh_key.public,
            images=services.images,
            folder=self.config.keys,
            firmware=services.firmware,
        )
        return Ports(
            submit=self.loop.submit,
            world=lambda: self.world,
            send_dhcp=services.send_dhcp,
            answer=self._broker.answer,
            jigs=to.jigs,
            power=to.power,
            proofs=to.proofs,
            is_there=to.contact.is_there,
            boot_of=to.contact.boot_of,
            remove_key=self._adoption.remove_key,
            open_handle=handles.open,
            secrets=to.vault.values,
            reach=self.config.reach,
            last_values=self.last_values,
            packets=self.packets,
            synthetic=self.config.synthetic,
            no_image=services.why_no_image,
            may=self._confirms,
        )

    def acts(self) -> bool:
        """False: another engine decides now, or may do so soon. What has not begun is left to it."""
        return self.tenure is None or self.tenure.acts()

    def _confirms(self) -> bool:
        return self.tenure is None or self.tenure.confirms()

    def _run(self, effects: list[Effect]) -> None:
        if self.acts():
            self._runner.run(effects)

    def resign(self, to: str = "") -> bool:
        """Decides nothing more after the batch under way, and lets a standby take a shared store over, the one called `to` if named. The
        next call is `stop`. False: the loop is still in a commit that does not end."""
        ended = self.loop.stop(self.config.take_over_s)
        self.services.stop()
        if self.tenure is not None:
            self.tenure.end(to)
        return ended

    def stop(self) -> bool:
        """End cleanly: services first, then what is under way, then the loop. Racks go on; the next start resumes. False: the loop is
        still in a commit that does not end, and only the end of the process ends it."""
        self._watch.stop()
        self.looks.stop()
        self._consoles.stop()
        self.adapters.contact.close()
        self.api.close()
        self._attach.stop()
        self.services.stop()
        self._runner.close()
        self.adapters.close()
        ended = self.loop.stop()
        if self.tenure is not None:
            self.tenure.end()
        if ended:
            self._store.close()
        return ended

    # -- what others see of it -------------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        return self.loop.world

    @property
    def failure(self) -> str:
        """Why the engine stopped by itself, as a sentence; empty while it works."""
        return self.loop.failure or ("" if self.acts() or self.tenure is None else self.tenure.lost)

    def leading(self) -> dict[str, Json]:
        """What it is among the engines that share the store (`lead.shown`). Empty: the store is not shared."""
        return shown(self.config, self.tenure) if self.tenure is not None else {}

    def _cannot_hand_over(self, _to: str) -> Refuse:
        return Refuse(request=None, reason=reasons.one_engine() if self.tenure is None else reasons.not_a_member())

    def hand_over(self, to: str) -> Accept | Refuse:
        """Lets a standby take over, the one called `to` if named."""
        return self.hands_over(to)

    @property
    def deposed(self) -> bool:
        """True if it stopped because another engine has taken its store over."""
        return self.loop.deposed

    @property
    def seq(self) -> int:
        """The newest row of the journal."""
        return self._broker.seq

    @property
    def sealing(self) -> Sealing:
        """Keeps what operators and roles give as secrets."""
        return self.adapters.sealing

    def health(self) -> Health:
        """The loop's own figures."""
        return self.loop.health()

    def interface(self) -> dict[str, Json]:
        """The interface that is served, and what is wrong with it (`Link.as_json`). Empty: none is served."""
        link = self.services.link
        return link.as_json() if link is not None else {}

    def consoles(self) -> list[dict[str, Json]]:
        """Who has a console open: the one of this process first, then those of others (`AttachService.consoles`)."""
        if self.console is None:
            return self._attach.consoles()
        who, since = self.console
        own: dict[str, Json] = {"who": who, "pid": os.getpid(), "since": since, "where": terminal_of(os.getpid())}
        return [own, *self._attach.consoles()]

    def traffic(self) -> dict[str, int]:
        """What the boot services answered (`Services.traffic`)."""
        return self.services.traffic()

    def package_cache(self) -> dict[str, Json]:
        """Size, hits and shortages of the package cache (`Services.packages`)."""
        return self.services.packages()

    def now(self) -> float:
        """Engine time in seconds."""
        return self.loop.now()

    def wait(self, seq: int, timeout_s: float) -> int:
        """Wait until something after journal row `seq` is committed, or the time is over; the newest seq."""
        return self._broker.wait(seq, timeout_s)

    def reader(self) -> Store:
        """The store, read-only, for one thread that follows the journal; close it when done."""
        return Store.read(self.config.store)

    # -- what others ask of it -------------------------------------------------------------------------------------

    def submit(self, event: Event) -> bool:
        """Hand in an event. False: its lane is full, or the engine stops."""
        return self.loop.submit(event)

    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse:
        """Hand in what an operator wants, and wait for the receipt or the refusal."""
        return self._broker.ask(event, timeout_s)

    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse:
        """Adopt an installed machine. Blocks until its SSH server has answered, half a minute at most."""
        return self._adoption.join(wanted, who)

    def commit(self, plan: Plan, who: str, secrets: Mapping[str, str] | None = None, expects: int | None = None) -> Accept | Refuse:
        """Make a plan the wanted state: its secrets are sealed, the services are started, then it is committed.

        `secrets`: name -> what a client read where the plan says; then this process opens no file. None: it reads all by itself. `expects`:
        the revision that must be in force."""
        found = at_hand(plan.secrets, os.environ, files=secrets is None)
        with files_of(self.config.store):
            self.adapters.vault.seal(plan.secrets, found | dict(secrets or {}))
        self.api.open(plan)
        if not self.services.running:
            self.services.start(plan)
        return self.ask(Commit(who=who, plan=plan, expects=expects))


def _loaded(catalog: Catalog, store: Store, folder: Path) -> World:
    """The world of the store. The collector would walk all of it again and again while it grows, and finds nothing: that is a fifth of
    the time; the loop freezes what is there as it starts."""
    collects = gc.isenabled()
    gc.disable()
    try:
        world = load_world(catalog, store.load())
        own = stages_of(folder)
        if own is not None and (why := unfit(catalog, world)) is not None:
            told = f"{sentence(why)}: {advice(why)}"
            raise CatalogError([PlanMistake(file=str(own), line=1, path="", expected=told)])
        return world
    finally:
        if collects:
            gc.enable()
