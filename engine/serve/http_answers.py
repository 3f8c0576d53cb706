"""Calls that wait for the engine: numbers given out in the HTTP loop, answers from the engine's thread.

A number means nothing after a restart. Numbers begin at FIRST, so that those of other adapters (operators on the
socket), which begin at 1, are never taken for one of these.

`expect`, `expect_acknowledgement` and what they return belong to the loop; `answer` may be called from any thread,
and answers what it is asked in order.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from ..effects import Acknowledge, BootScript, Effect, Refuse, Welcome
from ..model import NodeId

FIRST = 1 << 32
REMEMBERED = 4096


class TooMany(Exception):
    """as many calls wait for the engine as may"""


class Answers:
    def __init__(self, most: int) -> None:
        self._most = most
        self._loop: asyncio.AbstractEventLoop | None = None
        self._number = FIRST
        self._calls: dict[int, asyncio.Future[Effect]] = {}
        self._results: dict[tuple[NodeId, str], list[asyncio.Future[Effect]]] = {}
        self._told: OrderedDict[tuple[NodeId, str], None] = OrderedDict()
        self.waiting = 0

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The loop that waits; None: nobody waits any more."""
        self._loop = loop

    # -- in the loop ----------------------------------------------------------------------------------------------

    def expect(self) -> tuple[int, asyncio.Future[Effect]]:
        """A number for an event, and the future of its answer. Raises TooMany."""
        self._enter()
        self._number += 1
        future: asyncio.Future[Effect] = asyncio.get_running_loop().create_future()
        self._calls[self._number] = future
        return self._number, future

    def forget(self, number: int) -> None:
        """The call is over, answered or not."""
        if self._calls.pop(number, None) is not None:
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
        """Gives an answer to the call that waits for it. False: it is not for a call of this service."""
        if isinstance(effect, Acknowledge):
            key = (effect.node, effect.attempt)
            if key not in self._results:
                return False
            self._told[key] = None
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        elif not isinstance(effect, BootScript | Welcome | Refuse) or effect.request <= FIRST:
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
        """Does the node learn of this acknowledgement as the answer to a call? Asked once per acknowledgement."""
        key = (node, attempt)
        return self._told.pop(key, key) is None or key in self._results

    def _resolve(self, effect: Effect) -> None:
        if isinstance(effect, Acknowledge):
            futures = self._results.get((effect.node, effect.attempt), [])
        else:
            future = self._calls.get(getattr(effect, "request", 0))
            futures = [future] if future is not None else []
        for one in futures:
            if not one.done():
                one.set_result(effect)
