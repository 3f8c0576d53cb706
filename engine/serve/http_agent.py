"""The calls of agents: hello, then, by their token, commands, tasks, progress, logs, results and bye."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Protocol

from aiohttp import web

from .. import reasons
from ..definitions import Json
from ..effects import Welcome
from ..events import Bye, Hello
from ..model import NodeId
from .bodies import BadBody, ByeBody, HelloBody, ProgressBody, ResultBody, parse_gives
from .http_answers import TooMany
from .http_gate import Call, Gate, Refusal, as_json, busy

_ATTEMPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_OFFSET = re.compile(r"[0-9]{1,12}")


class Mailbox(Protocol):
    """The agents' mailboxes (`jigs.agent.AgentJig`, where each method is described)."""

    def listen(self, wake: Callable[[NodeId], None], told: Callable[[NodeId, str], bool]) -> None: ...
    def take(self, node: NodeId, boot_id: str) -> tuple[dict[str, Json] | None, float]: ...
    def knows(self, node: NodeId, attempt: str) -> bool: ...
    def progress(self, node: NodeId, attempt: str) -> bool: ...
    def task(self, node: NodeId, attempt: str, secure: bool) -> bytes | None: ...
    def posted(self, node: NodeId, attempt: str, said: dict[str, Json]) -> Literal["wait", "told", "full"]: ...


class Live(Protocol):
    """Last values that are not events. Called in the HTTP loop: quick, and never raising."""

    def contact(self, node: NodeId) -> None:
        """The node was heard of now, and proved who it is."""

    def progress(self, node: NodeId, attempt: str, percent: float, text: str) -> None: ...

    def log(self, node: NodeId, attempt: str, offset: int, data: bytes) -> int | None:
        """A piece of the log. Returns the byte from which on more is wanted; None: nothing was taken."""


class AgentCalls:
    def __init__(self, gate: Gate, mailbox: Mailbox, live: Live) -> None:
        self._gate = gate
        self._mailbox = mailbox
        self._live = live
        self._polls: dict[NodeId, asyncio.Future[bool]] = {}
        self._closing = False
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="http-task")
        gate.handlers |= {
            "hello": self.hello,
            "next": self.next,
            "task": self.task,
            "progress": self.progress,
            "log": self.log,
            "result": self.result,
            "bye": self.bye,
        }

    def release(self) -> None:
        """Agents that wait are sent home."""
        self._closing = True
        for poll in self._polls.values():
            if not poll.done():
                poll.set_result(False)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self, node: NodeId) -> None:
        """Something new is in this node's mailbox."""
        poll = self._polls.get(node)
        if poll is not None and not poll.done():
            poll.set_result(True)

    async def hello(self, call: Call) -> web.StreamResponse:
        gate = self._gate
        body = await gate.parsed(HelloBody, call)
        known = (gate.keys.check_credential(body.credential) or "") if body.credential else ""
        nonce = hashlib.sha256(body.nonce.encode()).hexdigest() if body.nonce and not body.credential else ""
        address = gate.address(call)
        answer = await gate.ask(
            lambda number: Hello(
                request=number,
                nonce=nonce,
                credential=known,
                boot_id=body.boot_id,
                environment=body.environment,
                uuid=body.uuid,
                serial=body.serial,
                macs=tuple(mac.replace("-", ":").lower() for mac in body.macs),
                address=address,
                arch=body.arch,
                protocol=body.protocol,
            )
        )
        if not isinstance(answer, Welcome):
            raise TypeError(f"{type(answer).__name__} is no answer to a hello")
        self._live.contact(answer.node)
        token = gate.keys.token(answer.node, answer.boot_id, safe=call.secure)
        return as_json({"node": answer.node, "token": token, "name": answer.name})

    async def next(self, call: Call) -> web.StreamResponse:
        node, boot_id = call.caller.node, call.caller.boot_id
        loop = asyncio.get_running_loop()
        until = loop.time() + self._gate.limits.poll_s
        former = self._polls.get(node)
        if former is not None and not former.done():
            # The agent asks anew: the connection of its former question is dead, or soon will be.
            former.set_result(False)
        while True:
            if self._gate.boot_id_of(node) != boot_id:
                raise Refusal(410, "old_boot", reasons.sentence(reasons.old_boot()))
            body, soon = self._mailbox.take(node, boot_id)
            if body is not None:
                return as_json(body)
            left = until - loop.time()
            if left <= 0 or self._closing:
                break
            poll = self._polls[node] = loop.create_future()
            try:
                await asyncio.wait((poll,), timeout=min(left, soon))
            finally:
                if self._polls.get(node) is poll:
                    del self._polls[node]
            if poll.done() and not poll.result():
                break
        return web.Response(status=204)

    async def task(self, call: Call) -> web.StreamResponse:
        node, attempt = call.caller.node, call.segments["id"]
        # Reads and packs files: not in the loop.
        secure = call.secure and call.caller.safe
        data = await asyncio.get_running_loop().run_in_executor(self._pool, self._mailbox.task, node, attempt, secure)
        if data is None:
            raise _late(404, attempt)
        # It may hold secrets of the role.
        return web.Response(body=data, content_type="application/x-tar", headers={"Cache-Control": "no-store"})

    async def progress(self, call: Call) -> web.StreamResponse:
        body = await self._gate.parsed(ProgressBody, call)
        node = call.caller.node
        if not self._mailbox.progress(node, body.id):
            raise _late(409, body.id)
        self._live.progress(node, body.id, body.percent, body.text)
        return as_json({})

    async def log(self, call: Call) -> web.StreamResponse:
        query = call.request.query
        attempt, offset = query.get("id", ""), query.get("offset", "")
        if not _ATTEMPT.fullmatch(attempt) or not _OFFSET.fullmatch(offset):
            raise Refusal(400, "bad_query", "id or offset is not one")
        data = await self._gate.read(call)
        node = call.caller.node
        wanted = self._live.log(node, attempt, int(offset), data) if self._mailbox.knows(node, attempt) else None
        if wanted is None:
            raise _late(409, attempt)
        return as_json({"offset": wanted})

    async def result(self, call: Call) -> web.StreamResponse:
        gate, node = self._gate, call.caller.node
        body = await gate.parsed(ResultBody, call)
        try:
            gives = parse_gives(body.gives)
        except BadBody as bad:
            raise Refusal(400, "bad_body", str(bad)) from None
        try:
            future = gate.answers.expect_acknowledgement(node, body.id)
        except TooMany:
            raise busy("too_many_pending") from None
        said: dict[str, Json] = {
            "state": body.state,
            "exit": body.exit,
            "gives": gives,
            "error": body.error,
            "message": body.message,
            "log": body.log_tail,
            "cut": bool(body.log_tail),
            "after": body.after,
        }
        try:
            match self._mailbox.posted(node, body.id, said):
                case "full":
                    raise busy("lane_full")
                case "told":
                    return as_json({"acknowledged": body.state != "running"})
                case "wait":
                    pass
            async with asyncio.timeout(gate.limits.answer_s):
                await future
        except TimeoutError:
            raise busy("no_answer") from None
        finally:
            gate.answers.forget_acknowledgement(node, body.id, future)
        return as_json({"acknowledged": True})

    async def bye(self, call: Call) -> web.StreamResponse:
        await self._gate.parsed(ByeBody, call)
        self._gate.tell(Bye(node=call.caller.node, boot_id=call.caller.boot_id))
        return as_json({})


def _late(status: int, attempt: str) -> Refusal:
    return Refusal(status, "late", reasons.sentence(reasons.late(attempt=attempt)))
