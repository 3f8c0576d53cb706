"""What the attach socket may do with an engine: the few calls that another process gets, as plain data."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from msgspec import to_builtins

from .. import reasons
from ..definitions import Json
from ..effects import Accept, Refuse
from ..events import Commit, Operate, SetAttribute
from ..files import plan_file
from ..files.mistakes import PlanError
from ..serve import ServiceError
from ..vault import VaultError

if TYPE_CHECKING:
    from ..engine import Engine

log = logging.getLogger(__name__)

MISTAKES = 20
"""Most mistakes of a plan that are told."""


class EngineHost:
    """`attach.Host` of an engine. Called from the threads of the clients."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._committing = threading.Lock()

    @property
    def failure(self) -> str:
        return self._engine.failure

    def ask(self, event: Commit | Operate | SetAttribute, timeout_s: float = 30.0) -> Accept | Refuse:
        return self._engine.ask(event, timeout_s)

    def commit_text(self, text: str, name: str, who: str) -> Accept | Refuse:
        """One at a time: the first commit starts the services."""
        try:
            plan = plan_file.read(text, name, self._engine.world.base)
        except PlanError as error:
            told = "; ".join(str(m) for m in error.mistakes[:MISTAKES])
            return Refuse(request=0, reason=reasons.bad_plan(name=name[:200], message=told))
        with self._committing:
            try:
                return self._engine.commit(plan, who)
            except (VaultError, ServiceError) as error:
                log.warning("commit by %s: %s", who, error)
                return Refuse(request=0, reason=reasons.not_committed(message=str(error)))

    def wait(self, seq: int, timeout_s: float) -> int:
        return self._engine.wait(seq, timeout_s)

    def health(self) -> dict[str, Json]:
        """`loop.Health`, counters, rates and refusals. Tracebacks of dead letters stay in the log."""
        loop, live = self._engine.health(), self._engine.live.snapshot()
        body: dict[str, Json] = to_builtins(loop)
        body["letters"] = [{"at": x.at, "what": x.what, "error": x.error} for x in loop.letters]
        body["counters"], body["rates"] = live.counters, live.rates
        body["refusals"] = {
            code: {"sentence": reasons.sentence(r.reason), "mac": r.mac, "at": r.at, "count": r.count} for code, r in live.refusals.items()
        }
        body["pid"] = os.getpid()
        return body

    def progress(self) -> dict[str, Json]:
        """Node id -> `percent`, `text` and `at` of its task, and `heard`: seconds ago."""
        live, now = self._engine.live.snapshot(), time.monotonic()
        out: dict[str, Json] = {}
        for node, one in live.progress.items():
            out[node] = {"percent": one.percent, "text": one.text, "at": one.at}
        for node, at in live.contact.items():
            out.setdefault(node, {})["heard"] = round(max(now - at, 0.0), 1)
        return {"nodes": out, "seq": self._engine.seq}

    def ask_to_stop(self, who: str) -> None:
        log.warning("%s asked this engine to stop", who)
        self._engine.stop_asked.set()
