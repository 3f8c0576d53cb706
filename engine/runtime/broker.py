"""Brings each answer of the engine to whoever asked: an operator who waits here, a machine's call over HTTP, or a loader over TFTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import count

from msgspec.structs import replace

from .. import reasons
from ..effects import Accept, Acknowledge, BootScript, Refuse, Welcome
from ..events import Asked, Event
from ..requests import Asker, Request

log = logging.getLogger(__name__)


class Broker:
    """Thread-safe. `submit` hands an event in; `to_service` gets what machines asked for; `failure` says why the engine stopped."""

    def __init__(
        self,
        *,
        submit: Callable[[Event], bool],
        to_service: Callable[[BootScript | Welcome | Refuse | Acknowledge], None],
        failure: Callable[[], str],
    ) -> None:
        self._submit, self._to_service, self._failure = submit, to_service, failure
        self._numbers = count(1)
        self._waiting: dict[Request, Future[Accept | Refuse]] = {}
        self._published = threading.Condition()
        self.seq = 0
        """The newest row of the journal."""

    # -- operators -------------------------------------------------------------------------------------------------

    def ask(self, event: Asked, timeout_s: float = 30.0) -> Accept | Refuse:
        """Hand in what an operator wants, and wait for the receipt or the refusal."""
        request = Request(Asker.OPERATOR, next(self._numbers))
        future: Future[Accept | Refuse] = Future()
        self._waiting[request] = future
        try:
            if self._submit(replace(event, request=request)):
                return future.result(timeout_s)
        except TimeoutError:
            log.debug("%s was not answered in %g s", request, timeout_s)
        finally:
            self._waiting.pop(request, None)
        return Refuse(request=request, reason=reasons.busy(node="the engine", what=self._failure() or "too much waits before this"))

    def wait(self, seq: int, timeout_s: float) -> int:
        """Wait until something after journal row `seq` is committed, or the time is over; the newest seq."""
        with self._published:
            self._published.wait_for(lambda: self.seq > seq or bool(self._failure()), timeout_s)
            return self.seq

    # -- from the loop's thread ------------------------------------------------------------------------------------

    def publish(self, seq: int) -> None:
        """Journal rows up to this one are committed, or the engine stopped."""
        with self._published:
            self.seq = seq
            self._published.notify_all()

    def answer(self, effect: BootScript | Welcome | Accept | Refuse | Acknowledge) -> None:
        """Returns at once. An answer that nobody waits for any more is dropped: the client asks again."""
        if not isinstance(effect, Accept | Refuse):
            self._to_service(effect)
        elif effect.request is None:
            return
        elif effect.request.asker is Asker.OPERATOR:
            future = self._waiting.get(effect.request)
            if future is not None and not future.done():
                future.set_result(effect)
        elif isinstance(effect, Refuse):
            self._to_service(effect)
