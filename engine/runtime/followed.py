"""What a standby gives to the rack: bytes that are the same whoever serves them. Loaders by TFTP; images, packages and wheels by HTTP. It
serves them at an address of its own (`Config.address`), because the plan's is the leader's.

A call that needs a decision is refused with 503, so the machine asks again. A standby has no DHCP.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..core.world.world import World
from ..definitions import Catalog
from ..events import Event
from ..files.key_file import KeyFileError
from ..files.paths import images_folder
from ..images.shelf import with_loaders_there
from ..jigs.agent import AgentJig
from ..jigs.logs import Logs
from ..jigs.ssh import engine_key
from ..serve import ServiceError
from ..store.errors import StoreError, files_of
from ..trust.tokens import site_keys
from .adapters import ENGINE_KEY
from .config import Config
from .last_values import LastValues
from .packet_record import PacketRecord
from .services import Services


class Followed:
    """`http_backend.Decider` of a world that another engine decides: nothing is taken in."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    @property
    def world(self) -> World:
        return self._world()

    def now(self) -> float:
        """The leader's engine time is not known here, so a lease counts until the leader deletes it."""
        return 0.0

    def submit(self, event: Event, *, wait: bool = True) -> bool:
        return False

    def offer(self, event: Event) -> bool:
        return False

    def submit_packets(self, events: Sequence[Event]) -> int:
        return 0


class _Keeps:
    """`http_backend.Keeps`, from the copies of the site's keys. Raises KeyFileError, StoreError."""

    def __init__(self, config: Config) -> None:
        with files_of(config.store):
            self.keys = site_keys(config.keys)
            self.ssh_key = engine_key(config.keys / ENGINE_KEY)
            self.logs = Logs(config.store / "logs")
        self.agent = AgentJig(lambda _event: False, self.logs)


class Bytes:
    """Starts with the first plan that is known, and is started again when that fails. From one thread."""

    def __init__(self, config: Config, catalog: Catalog, world: Callable[[], World | None]) -> None:
        self._config, self._catalog, self._world = config, catalog, world
        self._services: Services | None = None
        self._tried = -config.take_over_s
        self.trouble = "it knows no plan yet" if config.address else "it has no address of its own: start it with --address"
        """Why nothing is served, as a sentence. Empty: it serves."""

    def look(self) -> None:
        """Starts what can be started."""
        world, config = self._world(), self._config
        if self._services is not None or not config.address or world is None or world.plan is None:
            return
        if config.address == world.plan.site.admin.address:
            self.trouble = f"{config.address} is the address at which the leader serves"
            return
        if time.monotonic() - self._tried < config.take_over_s:
            return
        self._tried = time.monotonic()
        values = LastValues(time.time, time.monotonic)
        try:
            catalog = with_loaders_there(self._catalog, images_folder(config.store), config.synthetic)
            record = PacketRecord(values, self._known)
            made = Services(config, catalog, Followed(self._known), _Keeps(config), values, record, lambda: False)
            made.start_bytes(world.plan, config.address)
        except (ServiceError, StoreError, KeyFileError) as error:
            self.trouble = str(error)
            return
        self._services, self.trouble = made, ""

    def _known(self) -> World:
        world = self._world()
        assert world is not None
        return world

    def traffic(self) -> dict[str, int]:
        """See `Services.traffic`."""
        return self._services.traffic() if self._services is not None else {}

    def stop(self) -> None:
        if self._services is not None:
            self._services.stop()
            self._services = None
