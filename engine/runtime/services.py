"""The services of an engine, which face the rack: DHCP, TFTP, HTTP and LLDP, with the images that they serve.

They start with the first plan, which says where. A plan with another address needs a restart.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial

from ..core.boot.patience import held_s
from ..core.hardware.own_port import ADMIN
from ..core.plan.address_conflicts import asked
from ..definitions import Catalog, Json
from ..doctor.interfaces import addresses
from ..effects import Acknowledge, BootScript, Refuse, SendDhcp, Welcome
from ..files.firmware_shelf import FirmwareShelf
from ..files.paths import images_folder
from ..here import Here
from ..images.shelf import Images, Shelf
from ..netboot.answers import BootAnswers
from ..netboot.files import BootFiles
from ..plan import Plan
from ..reasons import Reason
from ..serve import Service, started
from ..serve.http import HttpService, Sites
from ..serve.http_guard import Limits
from ..serve.lldp import LldpListener
from ..serve.tftp import TftpService
from ..sources import FOLDER
from ..sources.shelf import file_of
from ..store.errors import files_of
from ..trust.authority import SiteTrust, daemon_certificate, site_trust
from ..wire.reach import Reach
from .address_probe import AddressProbe
from .config import Config
from .dhcp_services import DhcpServices
from .http_backend import Decider, HttpBackend, Keeps
from .last_values import LastValues
from .link import Link
from .own_port import OwnPortWatch
from .packet_record import PacketRecord
from .standings import WorldStandings
from .tenure import always

LOG_SERVER = "crowbar-logging"
"""Name in the certificate of the log server (barclamp `logging`)."""


class Services:
    """None run before `start`. Answers and replies to whoever asked a service that does not run are dropped."""

    def __init__(
        self,
        config: Config,
        catalog: Catalog,
        loop: Decider,
        adapters: Keeps,
        last_values: LastValues,
        record: PacketRecord,
        acts: Callable[[], bool] = always,
    ) -> None:
        """`acts`: see `tenure.Tenure`."""
        self._acts = acts
        self._config, self._catalog, self._loop = config, catalog, loop
        self._adapters, self._last_values, self._record = adapters, last_values, record
        self._shelf: Shelf | None = None
        self.firmware = FirmwareShelf(config.store)
        self.running: list[Service] = []
        self.link: Link | None = None
        self._probe: AddressProbe | None = None
        self._own: OwnPortWatch | None = None
        self._changing = threading.Lock()
        """Held while services start or stop: `watch` opens them again, others end them."""
        self.dhcp: DhcpServices | None = None
        self.files: BootFiles | None = None
        self.tftp: TftpService | None = None
        self.http: HttpService | None = None

    # -- start and end ---------------------------------------------------------------------------------------------

    def start(self, plan: Plan) -> None:
        """All of them, or none. Raises StoreError, KeyFileError and ServiceError."""
        self._prepare(plan, plan.site.admin.address)
        assert self.dhcp is not None
        assert self.tftp is not None
        assert self.http is not None
        address, lldp = plan.site.admin.address, self._lldp(plan)
        with self._changing:
            self.running = started([self.http, self.tftp, self.dhcp, lldp])
            if self._config.reach.lane is None:
                interface = self._interface(plan) or ""
                self.link = Link(interface, address, self._again)
                self._probe = AddressProbe(address, interface, self._asked, self._loop.submit)
                self._probe.start()

    def start_bytes(self, plan: Plan, address: str) -> None:
        """Only what needs no decision, at an address of this machine: loaders by TFTP; images, packages and wheels by HTTP. Raises as
        `start`."""
        self._prepare(plan, address)
        assert self.tftp is not None
        assert self.http is not None
        with self._changing:
            self.running = started([self.http, self.tftp])

    def _prepare(self, plan: Plan, address: str) -> None:
        config = self._config
        with files_of(config.store):
            folder = config.store / "images" if config.synthetic else images_folder(config.store)
            shelf = self._shelf = Shelf(self._catalog, folder, synthetic=config.synthetic)
            trust = site_trust(config.keys, [address])
            daemon_certificate(config.keys, config.store / "services" / ".tls", LOG_SERVER)
        reach = Reach(config.reach.lane, [network.subnet for network in plan.networks.values()])
        standings = WorldStandings(lambda: self._loop.world, reach.back, self._loop.now)
        texts = self._texts(address, trust)
        self.files = self._boot_files(shelf, texts, reach)
        self.dhcp = self._dhcp(plan, standings)
        self.tftp = self._tftp(plan, address, self.files, standings)
        self.http = self._http(
            plan,
            address,
            trust,
            HttpBackend(
                loop=self._loop,
                adapters=self._adapters,
                last_values=self._last_values,
                texts=texts,
                images=shelf,
                reach=reach,
                record=self._record,
                standings=standings,
                firmware=self.firmware,
                acts=self._acts,
            ),
        )
        self._record.back = reach.back

    def stop(self) -> None:
        with self._changing:
            if self._probe is not None:
                self._probe.stop()
            self.link = self._probe = self._own = None
            for service in reversed(self.running):
                service.stop()
            self.running = []

    def look(self) -> None:
        """Whether the interface is there; called now and then."""
        if self.link is not None:
            self.link()
        if self._own is not None:
            self._own.look()

    @property
    def deaf(self) -> bool:
        """True while no machine can reach the engine: then silence says nothing about a machine."""
        return self.link is not None and self.link.trouble is not None

    def _asked(self) -> Iterable[str]:
        """Addresses that nodes will have, as long as the interface can ask for them."""
        return () if self.deaf else asked(self._loop.world)

    def _again(self) -> None:
        """Opens the sockets of the interface, which was made again. HTTP listens on an address, whose sockets stay good. Raises
        ServiceError, and may then be called again."""
        with self._changing:
            for service in self.running:
                if service is not self.http:
                    service.stop()
                    service.start()

    # -- what the engine gives to the rack ---------------------------------------------------------------------------

    def answer(self, effect: BootScript | Welcome | Refuse | Acknowledge) -> None:
        """To the machine that asked, by TFTP or HTTP."""
        if isinstance(effect, BootScript | Refuse) and self.files is not None and self.files.answer(effect):
            return
        if self.http is not None:
            self.http.answer(effect)

    def send_dhcp(self, replies: list[SendDhcp]) -> None:
        if self.dhcp is not None:
            self.dhcp.send(replies)

    def images(self) -> Images | None:
        """Those that can be served now; None: nothing is served yet."""
        return self._shelf.current() if self._shelf is not None else None

    def why_no_image(self, name: str) -> Reason | None:
        """Why an image cannot be served; None: it can, or nothing is served yet."""
        return self._shelf.why_not(name) if self._shelf is not None else None

    def traffic(self) -> dict[str, int]:
        """Counts since the services started: DHCP replies, TFTP transfers, HTTP answers, and octets of files by TFTP and HTTP. Empty: they
        do not run."""
        if self.dhcp is None or self.tftp is None or self.http is None:
            return {}
        tftp = self.tftp.counters
        octets = tftp.octets + self.http.octets()
        return {"dhcp": self.dhcp.counters.sent, "tftp": tftp.done + tftp.failed, "http": self.http.answered(), "octets": octets}

    def packages(self) -> dict[str, Json]:
        """The package cache, with the names of nodes that miss packages. Empty: nothing is served yet."""
        shown = self.http.packages() if self.http is not None else {}
        world = self._loop.world
        for one in shown.get("missing", ()):
            node = world.nodes.get(world.allocations[one["asker"]].node) if one["asker"] in world.allocations else None
            one["node"] = node.name if node is not None else ""
        return shown

    # -- how each is made --------------------------------------------------------------------------------------------

    def _interface(self, plan: Plan) -> str | None:
        """The one that is served: as it was started, else as the plan says; None: all, by address."""
        named = plan.site.admin.interface if self._config.reach.lane is None else ""
        return self._config.interface or named or None

    def _lldp(self, plan: Plan) -> LldpListener:
        """Hears where this machine is plugged in. In a rack without an interface it hears nothing."""
        if self._config.reach.lane is not None:
            return LldpListener(None, self._record)
        interface, address = self._interface(plan) or "", plan.site.admin.address
        if not interface:
            found = [name for name, some in addresses().items() if address in [one.partition("/")[0] for one in some]]
            interface = found[0] if len(found) == 1 else ""

        def known() -> Here | None:
            admin = self._loop.world.nodes.get(ADMIN)
            return admin.here if admin is not None else None

        own = self._own = OwnPortWatch(interface, self._loop.submit, known, lambda: lldp.deaf)
        lldp = LldpListener(interface or None, self._record, own.heard)
        return lldp

    def _texts(self, address: str, trust: SiteTrust) -> BootAnswers:
        host, port = self._config.reach(address, 443)
        return BootAnswers(
            catalog=lambda: self._catalog,
            url=f"http://{address}",
            tls_url=f"https://{address}" if port == 443 else f"https://{host}:{port}",
            authorized_key=self._adapters.ssh_key.public,
            ca=trust.ca,
            world=lambda: self._loop.world,
        )

    def _boot_files(self, shelf: Shelf, texts: BootAnswers, reach: Reach) -> BootFiles:
        loaders = shelf.current().loaders()
        return BootFiles(
            answers=texts,
            loaders=lambda: loaders,
            image=lambda name, file: shelf.current().file(name, file),
            submit=self._loop.offer,
            nonce=self._adapters.keys.nonce,
            back=reach.back,
        )

    def _dhcp(self, plan: Plan, standings: WorldStandings) -> DhcpServices:
        return DhcpServices(
            plan=plan,
            interface=self._interface(plan),
            reach=self._config.reach,
            submit=self._loop.submit_packets,
            record=self._record,
            standings=standings,
        )

    def _tftp(self, plan: Plan, address: str, files: BootFiles, standings: WorldStandings) -> TftpService:
        return TftpService(
            bind=self._config.reach(address, 69),
            interface=self._interface(plan),
            resolve=files.resolve,
            fetched=files.fetched,
            record=self._record,
            standings=standings,
        )

    def _http(self, plan: Plan, address: str, trust: SiteTrust, backend: HttpBackend) -> HttpService:
        reach = self._config.reach
        sites = Sites(
            clear=(reach(address, 80),),
            secure=(reach(address, 443),),
            tls=trust.context,
            packages=self._config.store / "packages",
            mirror=self._config.store / "mirrors" / "current",
            wheels=partial(file_of, self._config.store / FOLDER),
        )
        return HttpService(backend, sites, Limits(poll_s=held_s(plan, Limits().poll_s)))
