"""Opens the HTTP API of an engine, if its configuration asks for one: on loopback at the start, elsewhere with the first plan, which says
what the admin network is."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Protocol

from .. import reasons
from ..attach.desk import Host
from ..core.world.world import World
from ..definitions import Json
from ..plan import Plan
from ..reasons import Reason
from ..rest import where
from ..rest.logins import Logins
from ..rest.service import ApiService
from ..serve import ServiceError
from ..store.errors import files_of
from ..store.store import JournalRow, Store
from ..trust.authority import API, site_trust
from ..trust.certificates import Certificates, ask_for_certificates, certificates
from ..trust.operators import Operators, operators
from ..wire.recording import Recorder
from .config import Config

CLEAR = (
    "the API on loopback speaks HTTP without TLS, so it cannot ask for a certificate: leave out --api-requires-both, "
    "or give --api an address of the admin network"
)

log = logging.getLogger(__name__)


class Seen(Protocol):
    """What the API needs from an engine (`engine.Engine`)."""

    @property
    def world(self) -> World: ...


class EngineBackend:
    """`rest.calls.Backend` of an engine. Called from the threads of calls."""

    def __init__(self, engine: Seen, host: Host, store: Path) -> None:
        self._engine, self.host, self._store = engine, host, store

    @property
    def world(self) -> World:
        return self._engine.world

    def journal(self, after: int, limit: int) -> list[JournalRow]:
        reader = Store.read(self._store)
        try:
            return reader.journal(after, limit)
        finally:
            reader.close()


class Api:
    """Closed until `open`, which may be called again."""

    def __init__(self, config: Config, engine: Seen, host: Host, record: Recorder) -> None:
        self._config, self._record = config, record
        self._backend = EngineBackend(engine, host, config.store)
        self._opening = threading.Lock()
        self.service: ApiService | None = None
        """None while it is closed."""

    def open(self, plan: Plan | None) -> None:
        """Listens where the configuration says, if it may: `plan` says what the admin network is. Raises ServiceError, StoreError and
        KeyFileError, and then does not listen."""
        with self._opening:
            if not self._config.api or self.service is not None:
                return
            address, port = where.site_of(self._config.api)
            if where.is_loopback(address):
                if self._config.api_requires_both:
                    raise ServiceError(CLEAR)
                self._start((address, port), "")
            elif plan is not None:
                where.check(address, plan)
                self._start(self._config.reach(address, port), address)
            else:
                log.warning("the HTTP API waits for the first plan, which says whether %s is in the admin network", address)

    def shown(self) -> dict[str, Json]:
        """Where it listens, or why it does not: `url`, else `why` (code, sentence, advice). `counters`: answers, and refusals by reason."""
        service = self.service
        if service is not None:
            address, port = service.address
            scheme = "http" if where.is_loopback(where.site_of(self._config.api)[0]) else "https"
            return {"url": f"{scheme}://{address}:{port}", "both": self._config.api_requires_both, "counters": service.counters()}
        why: Reason = reasons.api_waits(address=self._config.api) if self._config.api else reasons.api_off()
        return {"why": {"code": why.code, "sentence": reasons.sentence(why), "advice": reasons.advice(why)}}

    def close(self) -> None:
        with self._opening:
            if self.service is not None:
                self.service.stop()
            self.service = None

    def _start(self, site: tuple[str, int], certified: str) -> None:
        """`certified`: its address by TLS. Empty: in clear."""
        keys = self._config.keys
        with files_of(self._config.store):
            tls = site_trust(keys, (certified, site[0]), API).context if certified else None
            if tls is not None:
                ask_for_certificates(tls, keys)
            if not operators(keys) and not certificates(keys):
                log.warning("no operator may use the HTTP API: make a token with crowbar api token NAME")
        logins = Logins(Operators(keys), Certificates(keys), self._config.api_requires_both)
        service = ApiService(self._backend, logins, site, tls, self._record)
        service.start()
        self.service = service
