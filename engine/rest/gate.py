"""The gate that every call of the API passes: caller, route, query, bounded body; then its handler, in a thread of its own. Runs in the
API's loop.

* The caller comes first. A request without a valid token or certificate gets 401 whatever it asks for, and its body is not read.
* A thread for each call, as the attach socket has: an answer of a BMC may take half a minute. `AT_ONCE` and `OF_ONE` bound them.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from .. import reasons
from ..serve.http_guard import NAMELESS, Guard, certificate_of, peer_of
from . import inputs
from .calls import Backend, Call, Refusal
from .logins import Logins
from .orders import ORDERS
from .reads import READS
from .table import ENDPOINTS, Endpoint, find

AT_ONCE, OF_ONE = 32, 16
"""Calls in work, and those of one operator."""

HANDLERS: dict[str, Callable[[Backend, Call], Any]] = {**READS, **ORDERS}

MALFORMED = Refusal(400, reasons.bad_call(message="it is not HTTP, or its head is too large")).body()

log = logging.getLogger(__name__)


class Gate:
    def __init__(self, backend: Backend, logins: Logins, body_s: float, counters: Counter[str]) -> None:
        if {one.handler for one in ENDPOINTS} != HANDLERS.keys():
            raise ValueError(f"endpoints and handlers differ: {sorted(HANDLERS)}")
        self._backend, self._logins, self._body_s, self._counters = backend, logins, body_s, counters
        self._in_work: Counter[str] = Counter()
        self.guard: Guard | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self.guard is not None
        self.guard.began(request.protocol)
        try:
            response = _json(200, await self._answer(request))
        except Refusal as refusal:
            self._counters[f"refused_{refusal.reason.code}"] += 1
            response = _json(refusal.status, refusal.body(), refusal.headers)
            if request.can_read_body and not request.content.at_eof():
                response.force_close()  # the rest of the body is not worth reading
        except (ConnectionError, asyncio.CancelledError):
            self._counters["gone"] += 1
            raise
        except Exception as error:
            self._counters["broken"] += 1
            log.exception("the HTTP API failed")
            reason = reasons.engine_error(event="a call of the HTTP API", error=type(error).__name__)
            response = _json(500, Refusal(500, reason).body())
            response.force_close()
        finally:
            self.guard.ended(request.protocol)
        self._counters[f"answered_{response.status}"] += 1
        return response

    async def _answer(self, request: web.BaseRequest) -> bytes:
        assert self.guard is not None
        address = peer_of(request.transport)
        who = self._logins.caller(address, request.headers.getall("Authorization", []), certificate_of(request.transport))
        self.guard.proved(request.protocol)
        path, _, query = request.raw_path.partition("?")
        endpoint, parts = _endpoint(request.method, path)
        asked = inputs.query(endpoint, query)
        body = inputs.body(endpoint, await self._read(request, endpoint))
        gone = threading.Event()
        call = Call(endpoint=endpoint, parts=parts, query=asked, body=body, who=who, ends=gone.is_set)
        if endpoint.method != "GET":
            log.info("%s by %s from %s", endpoint.name, who, address)
        try:
            return await self._in_thread(call)
        finally:
            gone.set()

    async def _read(self, request: web.BaseRequest, endpoint: Endpoint) -> bytes:
        """The body, within the endpoint's limits. Raises Refusal."""
        too_large = Refusal(413, reasons.body_too_large(limit=endpoint.most))
        if (request.content_length or 0) > endpoint.most:
            raise too_large
        data = bytearray()
        try:
            async with asyncio.timeout(self._body_s):
                async for chunk in request.content.iter_any():
                    data += chunk
                    if len(data) > endpoint.most:
                        raise too_large
        except TimeoutError:
            raise Refusal(408, reasons.slow_body(seconds=self._body_s)) from None
        except web.RequestPayloadError:
            raise Refusal(422, reasons.bad_call(message="the body is not what its head says")) from None
        return bytes(data)

    async def _in_thread(self, call: Call) -> bytes:
        """The handler's answer as JSON. Its thread ends by itself, even if nobody waits for it any more. Raises Refusal."""
        of_one, in_all = self._in_work[call.who], self._in_work.total()
        if of_one >= OF_ONE or in_all >= AT_ONCE:
            who, count = (call.who, of_one) if of_one >= OF_ONE else ("everyone together", in_all)
            raise Refusal(429, reasons.api_busy(who=who, count=count), Retry_After="1")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()

        def done(answer: bytes, error: BaseException | None) -> None:
            self._in_work[call.who] -= 1
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(answer)

        def work() -> None:
            answer, error = b"", None
            try:
                answer = msgspec.json.encode(HANDLERS[call.endpoint.handler](self._backend, call))
            except BaseException as raised:  # it belongs to whoever waits
                error = raised
            try:
                loop.call_soon_threadsafe(done, answer, error)
            except RuntimeError:
                log.debug("the API has ended before the answer to %s", call.endpoint.name)

        self._in_work[call.who] += 1
        threading.Thread(target=work, name="api-call", daemon=True).start()
        return await future


def _endpoint(method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
    """Raises Refusal."""
    shown = path[:200]
    found = find(path)
    if found is None:
        raise Refusal(404, reasons.no_route(path=shown))
    of_path, parts = found
    if method not in of_path:
        methods = sorted(of_path)
        told = reasons.wrong_method(path=shown, methods=" and ".join(methods), method=method[:20])
        raise Refusal(405, told, Allow=", ".join(methods))
    return of_path[method], parts


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    safe = {**NAMELESS, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})}
    return web.Response(body=body, status=status, content_type="application/json", headers=safe)
