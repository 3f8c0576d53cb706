"""The gate that every call passes: route, caller, bounded body, the engine's answer; and the form of every refusal. Runs in the HTTP
loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from .. import reasons
from ..definitions import Json
from ..effects import Effect, Refuse
from ..events import Event
from ..model import NodeId
from ..requests import Request
from ..trust.tokens import Verdict
from .backend import Backend
from .bodies import BadBody, Body, parse
from .http_answers import Answers, TooMany
from .http_guard import Guard, Limits, peer_of
from .image_file import ImageFile
from .rates import Rate, Rates
from .routes import ROUTES, Route, Who, find
from .senders import Cut, Senders
from .standing import Standing

OF_PEER = {Standing.STRANGER: Rate(128, 16.0), Standing.SEEN: Rate(512, 64.0)}
"""Requests of one address that is no node's: it boots."""
PEERS = 4096

log = logging.getLogger(__name__)


class Refusal(Exception):
    """The call is refused: status, code, sentence, and further fields of the answer's body."""

    def __init__(self, status: int, code: str, message: str, more: dict[str, Json] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more or {}


class Caller(Struct, frozen=True):
    """The caller, proved by a token. Both are empty for a call that needs none."""

    node: NodeId = ""
    boot_id: str = ""
    safe: bool = False
    """True if its token was never sent in clear."""


class Call(Struct, frozen=True):
    """A call that passed the gate."""

    request: web.BaseRequest
    route: Route
    segments: dict[str, str]
    """The parts of the path that the route names."""
    caller: Caller

    @property
    def secure(self) -> bool:
        """True if it came over TLS."""
        transport = self.request.transport
        return transport is not None and transport.get_extra_info("sslcontext") is not None


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


class Gate:
    def __init__(self, backend: Backend, limits: Limits, answers: Answers, counters: Counter[str]) -> None:
        self.backend = backend
        self.keys = backend.keys
        self.limits = limits
        self.answers = answers
        self.counters = counters
        self.senders = Senders(counters)
        self.handlers: dict[str, Handler] = {}
        self.guard: Guard | None = None
        self._rates = {standing: Rates[str](rate, PEERS) for standing, rate in OF_PEER.items()}

    def complete(self) -> None:
        """Raises ValueError unless exactly the routes of the table have handlers."""
        if self.handlers.keys() != {route.name for route in ROUTES}:
            raise ValueError(f"routes and handlers differ: {sorted(self.handlers)}")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self.guard is not None
        protocol = request.protocol
        self.guard.began(protocol)
        name = "none"
        try:
            found = find(request.raw_path.partition("?")[0])
            if found is None:
                raise Refusal(404, "no_route", "there is nothing here")
            route, segments = found
            name = route.name
            if request.method not in route.methods:
                raise Refusal(405, "method", f"this path takes {' and '.join(route.methods)}")
            caller = self._caller(request, route, segments)
            if caller.node:
                self.guard.proved(protocol)
            elif not self._in_turn(peer_of(request.transport)):
                raise busy("too_many_requests")
            self._decides(route)
            response = await self.handlers[name](Call(request, route, segments, caller))
            self._decides(route)  # it may have waited for minutes
        except Refusal as refusal:
            self.counters[f"refused_{refusal.code}"] += 1
            response = _refused(refusal)
        except Cut:
            self.counters["cut"] += 1
            raise ConnectionResetError("cut") from None
        except (ConnectionError, asyncio.CancelledError):
            self.counters["gone"] += 1
            raise
        except Exception:
            self.counters["broken"] += 1
            log.exception("route %s broke", name)
            response = _refused(Refusal(500, "broken", "the engine made a mistake; its log says which"))
        finally:
            self.guard.ended(protocol)
        self.counters[f"{name}_{response.status}"] += 1
        return response

    def _decides(self, route: Route) -> None:
        """Raises Refusal for an answer that another engine has to give."""
        if route.decided and not self.backend.acts():
            raise Refusal(503, "not_leading", "another admin node decides now: ask again")

    def _in_turn(self, peer: str) -> bool:
        """False: a peer that is no node asks too often."""
        standing = self.backend.standings.of_address(peer)
        if standing is Standing.KNOWN or self._rates[standing].take(peer, time.monotonic()):
            return True
        self.backend.record.flood("HTTP requests", peer, self.backend.record.of(peer))
        return False

    def _caller(self, request: web.BaseRequest, route: Route, segments: dict[str, str]) -> Caller:
        if route.who in (Who.PUBLIC, Who.NONCE):  # the handler checks the nonce, which proves a boot but no caller
            return Caller()
        # A missing image gets the same refusal as one that needs a token: only callers who may know learn what exists.
        if route.who is Who.IMAGE and _is_public(self.backend.image(segments["image"], segments["file"])):
            return Caller()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        if route.who is Who.IMAGE and (reader := self.keys.check_ticket(token, segments["image"], self.backend.boot_id_of)):
            self.backend.contact(reader)
            return Caller(reader, self.backend.boot_id_of(reader) or "")
        node, verdict = self.keys.check(token, self.backend.boot_id_of)
        if verdict is Verdict.FORGED:
            raise Refusal(401, "unauthorised", reasons.sentence(reasons.unauthorised(route=route.path)))
        if verdict is Verdict.OLD_BOOT:
            sentence = reasons.sentence(reasons.old_boot())
            if route.name == "result":
                # Acknowledged, otherwise the agent would send it forever.
                raise Refusal(200, "old_boot", sentence, {"acknowledged": True})
            raise Refusal(410, "old_boot", sentence)
        self.backend.contact(node)
        return Caller(node, self.backend.boot_id_of(node) or "", self.keys.is_safe(token))

    async def read(self, call: Call) -> bytes:
        """The body, within the route's limits. Raises Refusal."""
        most = call.route.body
        too_large = Refusal(413, "too_large", f"a body here has at most {most} bytes")
        if (call.request.content_length or 0) > most:
            raise too_large
        data = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_s):
                async for chunk in call.request.content.iter_any():
                    data += chunk
                    if len(data) > most:
                        raise too_large
        except TimeoutError:
            raise Refusal(408, "slow_body", f"the body took longer than {self.limits.body_s:g} s") from None
        except web.RequestPayloadError:
            raise Refusal(400, "malformed", "the body is not what its head says") from None
        return bytes(data)

    async def parsed(self, kind: type[Body], call: Call) -> Body:
        """The body as a record. Raises Refusal."""
        try:
            return parse(kind, await self.read(call))
        except BadBody as bad:
            raise Refusal(400, "bad_body", str(bad)) from None

    async def ask(self, event: Callable[[Request], Event]) -> Effect:
        """Gives an event with its request to the engine and waits for its answer. Raises Refusal, also for a refusal by the engine."""
        try:
            request, future = self.answers.expect()
        except TooMany:
            raise busy("too_many_pending") from None
        try:
            self.tell(event(request))
            async with asyncio.timeout(self.limits.answer_s):
                answer = await future
        except TimeoutError:
            raise busy("no_answer") from None
        finally:
            self.answers.forget(request)
        if isinstance(answer, Refuse):
            raise Refusal(
                503 if answer.reason.code == reasons.live_claim.code else 403, answer.reason.code, reasons.sentence(answer.reason)
            )
        return answer

    def tell(self, event: Event) -> None:
        """Gives an event to the engine. Raises Refusal."""
        if not self.backend.submit(event):
            raise busy("lane_full")

    def address(self, call: Call) -> str:
        """The peer's address, in the addresses of the plan."""
        return self.backend.address_of(peer_of(call.request.transport))


def _is_public(image: ImageFile | None) -> bool:
    return image is not None and image.kind in ("discovery", "installer", "loader")


def busy(code: str) -> Refusal:
    return Refusal(503, code, "the engine is busy: ask again")


def as_json(body: dict[str, Json] | Struct, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json", headers=headers)


def _refused(refusal: Refusal) -> web.Response:
    headers = {}
    if refusal.status == 503:
        headers["Retry-After"] = "1"
    elif refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    response = as_json({"code": refusal.code, "message": refusal.message, **refusal.more}, refusal.status, headers)
    if refusal.status in (408, 413):
        # The rest of the body is not worth reading.
        response.force_close()
    return response
