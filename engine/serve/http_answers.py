"""Calls that wait for the engine: the HTTP loop assigns numbers, the engine's thread answers.

A number means nothing after a restart.

`expect`, `expect_acknowledgement` and their results belong to the loop. Any thread may call `answer`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from ..effects import Acknowledge, BootScript, Effect, Refuse, Welcome
from ..model import NodeId
from ..requests import Asker, Request

REMEMBERED = 4096


class TooMany(Exception):
    """as many calls wait for the engine as may"""


class Answers:
    def __init__(self, most: int) -> None:
        self._most = most
        self._loop: asyncio.AbstractEventLoop | None = None
        self._number = 0
        self._calls: dict[int, asyncio.Future[Effect]] = {}
        self._results: dict[tuple[NodeId, str], list[asyncio.Future[Effect]]] = {}
        self._told: OrderedDict[tuple[NodeId, str], None] = OrderedDict()
        self.waiting = 0

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The loop that waits. None: nobody waits any more."""
        self._loop = loop

    # -- in the loop ----------------------------------------------------------------------------------------------

    def expect(self) -> tuple[Request, asyncio.Future[Effect]]:
        """The request of an event, and the future of its answer. Raises TooMany."""
        self._enter()
        self._number += 1
        future: asyncio.Future[Effect] = asyncio.get_running_loop().create_future()
        self._calls[self._number] = future
        return Request(Asker.HTTP, self._number), future

    def forget(self, request: Request) -> None:
        """The call is over, with or without an answer."""
        if self._calls.pop(request.number, None) is not None:
            self.waiting -= 1

    def expect_acknowledgement(self, node: NodeId, attempt: str) -> asyncio.Future[Effect]:
        """Raises TooMany."""
        self._enter()
        future: asyncio.Future[Effect] = asyncio.get_running_loop().create_future()
        self._results.setdefault((node, attempt), []).append(future)
        return future

    def forget_acknowledgement(self, node: NodeId, attempt: str, future: asyncio.Future[Effect]) -> None:
        waiting = self._results.get((node, attempt))
        if waiting is not None and future in waiting:
            waiting.remove(future)
            self.waiting -= 1
            if not waiting:
                del self._results[(node, attempt)]

    def _enter(self) -> None:
        if self.waiting >= self._most:
            raise TooMany
        self.waiting += 1

    # -- from any thread ------------------------------------------------------------------------------------------

    def answer(self, effect: Effect) -> bool:
        """Gives an answer to the call that waits for it. False: it is for another service."""
        if isinstance(effect, Acknowledge):
            key = (effect.node, effect.attempt)
            if key not in self._results:
                return False
            self._told[key] = None
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        elif not isinstance(effect, BootScript | Welcome | Refuse) or effect.request is None or effect.request.asker is not Asker.HTTP:
            return False
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._resolve, effect)
            except RuntimeError:
                # The loop was closed between the two lines: the client asks again.
                return True
        return True

    def told(self, node: NodeId, attempt: str) -> bool:
        """True if the node gets this acknowledgement as the answer to a call. Asked once per acknowledgement."""
        key = (node, attempt)
        return self._told.pop(key, key) is None or key in self._results

    def _resolve(self, effect: Effect) -> None:
        if isinstance(effect, Acknowledge):
            futures = self._results.get((effect.node, effect.attempt), [])
        else:
            request = getattr(effect, "request", None)
            future = self._calls.get(request.number) if isinstance(request, Request) else None
            futures = [future] if future is not None else []
        for one in futures:
            if not one.done():
                one.set_result(effect)
