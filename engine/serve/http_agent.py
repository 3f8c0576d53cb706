"""The calls of agents: hello; then, with their token, commands, tasks, progress, logs, results and bye."""

from __future__ import annotations

import asyncio
import math
import re
import time
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from .. import reasons
from ..effects import Welcome
from ..events import Bye, Hello
from ..model import NodeId
from ..wire.agent import Ended
from .backend import Backend
from .bodies import BadBody, ByeBody, HelloBody, ProgressBody, ResultBody, parse_clock, parse_gives
from .http_answers import TooMany
from .http_gate import Call, Gate, Refusal, as_json, busy

_ATTEMPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_OFFSET = re.compile(r"[0-9]{1,12}")
_SECONDS = re.compile(r"[0-9]{1,4}")


class AgentCalls:
    def __init__(self, gate: Gate, backend: Backend) -> None:
        self._gate = gate
        self._backend = backend
        self._mailbox = backend.mailbox
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
        """Sends waiting agents home."""
        self._closing = True
        for poll in self._polls.values():
            if not poll.done():
                poll.set_result(False)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self, node: NodeId) -> None:
        """This node's mailbox has something new."""
        poll = self._polls.get(node)
        if poll is not None and not poll.done():
            poll.set_result(True)

    async def hello(self, call: Call) -> web.StreamResponse:
        gate = self._gate
        body = await gate.parsed(HelloBody, call)
        known, installation = (gate.keys.check_credential(body.credential) if body.credential else None) or ("", "")
        nonce = gate.keys.check_nonce(body.nonce) if not body.credential else ""
        fingerprint = gate.keys.fingerprint(nonce, body.boot_id) if nonce else ""
        address = gate.address(call)
        answer = await gate.ask(
            lambda request: Hello(
                request=request,
                nonce=nonce,
                credential=known,
                installation=installation,
                fingerprint=fingerprint,
                boot_id=body.boot_id,
                environment=body.environment,
                uuid=body.uuid,
                serial=body.serial,
                macs=tuple(mac.replace("-", ":").lower() for mac in body.macs),
                address=address,
                arch=body.arch,
                protocol=body.protocol,
                clock=parse_clock(body.clock),
            )
        )
        if not isinstance(answer, Welcome):
            raise TypeError(f"{type(answer).__name__} is no answer to a hello")
        self._backend.contact(answer.node)
        token = gate.keys.token(answer.node, answer.boot_id, safe=call.secure)
        poll = math.ceil(gate.limits.poll_s)
        welcome = {"node": answer.node, "token": token, "name": answer.name, "poll": poll, "time": int(time.time())}
        return as_json(welcome | ({"fingerprint": fingerprint} if fingerprint else {}))

    async def next(self, call: Call) -> web.StreamResponse:
        node, boot_id = call.caller.node, call.caller.boot_id
        loop = asyncio.get_running_loop()
        until = loop.time() + self._held_s(call)
        former = self._polls.get(node)
        if former is not None and not former.done():
            # The agent asks again: the connection of its former poll is dead, or soon will be.
            former.set_result(False)
        while True:
            if self._backend.boot_id_of(node) != boot_id:
                raise Refusal(410, "old_boot", reasons.sentence(reasons.old_boot()))
            command, soon = self._mailbox.take(node, boot_id)
            if command is not None:
                return as_json(command)
            left = until - loop.time()
            if left <= 0 or soon <= 0 or self._closing:
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

    def _held_s(self, call: Call) -> float:
        """Seconds for which this poll is held: as the welcome said, but not longer than the agent waits. Its welcome may come
        from an engine with another plan."""
        wait = call.request.query.get("wait")
        if wait is None:
            return self._gate.limits.poll_s
        if not _SECONDS.fullmatch(wait):
            raise Refusal(400, "bad_query", "wait is not a number of seconds")
        return min(self._gate.limits.poll_s, int(wait))

    async def task(self, call: Call) -> web.StreamResponse:
        node, attempt = call.caller.node, call.segments["id"]
        # Reads and packs files: not in the loop.
        secure = call.secure and call.caller.safe
        data = await asyncio.get_running_loop().run_in_executor(self._pool, self._mailbox.task, node, attempt, secure, call.caller.boot_id)
        if data is None:
            raise _late(404, attempt)
        # It may hold secrets of the role.
        return web.Response(body=data, content_type="application/x-tar", headers={"Cache-Control": "no-store"})

    async def progress(self, call: Call) -> web.StreamResponse:
        body = await self._gate.parsed(ProgressBody, call)
        node = call.caller.node
        if not self._mailbox.progress(node, body.id):
            raise _late(409, body.id)
        self._backend.progress(node, body.percent, body.text)
        return as_json({})

    async def log(self, call: Call) -> web.StreamResponse:
        query = call.request.query
        attempt, offset = query.get("id", ""), query.get("offset", "")
        if not _ATTEMPT.fullmatch(attempt) or not _OFFSET.fullmatch(offset):
            raise Refusal(400, "bad_query", "id or offset is not one")
        data = await self._gate.read(call)
        node = call.caller.node
        wanted = self._backend.log(attempt, int(offset), data) if self._mailbox.knows(node, attempt) else None
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
        ended = Ended(
            state=body.state,
            exit=body.exit,
            gives=gives,
            error=body.error,
            message=body.message,
            log=body.log_tail,
            cut=bool(body.log_tail),
            after=body.after,
        )
        try:
            match self._mailbox.posted(node, body.id, ended):
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
