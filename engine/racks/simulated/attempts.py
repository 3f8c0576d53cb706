"""`attempt` on a simulated installed system: the output of `images/node/attempt`, for the attempts on the machine's disk.

start ID.LEG TIMEOUT_S [SECONDS [ACKED ...]] <TAR, wait ID.LEG SECONDS [OFFSET], log ID.LEG OFFSET, ack ID.LEG, list: one line of JSON
each. Exit 0 a state was printed, 1 it failed, 2 bad use. The same id never starts twice. A task that ran when the machine went down is
lost.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

from .agent import carry_out
from .behaviours import Behaviours, unpack
from .machine import LOG_BYTES, Fetcher, Machine, Pace, Task
from .nonvolatile import Attempt, System

TOMBSTONES = 2000
LOG_CHUNK = 65536
_ID = re.compile(r"(?![.-])[A-Za-z0-9._-]{1,128}\Z")

Output = tuple[int, bytes]
"""Exit code and output."""


class _Running:
    __slots__ = ("runner", "task")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.runner: asyncio.Task[None] | None = None


class Attempts:
    """The attempts of one boot of an installed system."""

    def __init__(self, machine: Machine, system: System, behaviours: Behaviours, pace: Pace, fetcher: Fetcher) -> None:
        self._machine = machine
        self._system = system
        self._behaviours = behaviours
        self._pace = pace
        self._fetcher = fetcher
        self._running: dict[str, _Running] = {}

    def close(self) -> None:
        """The machine goes down: running tasks end at once, and will be found lost."""
        for one in self._running.values():
            if one.runner is not None:
                one.runner.cancel()

    async def command(self, words: list[str], stdin: bytes) -> Output:
        """Carries out `attempt WORDS`."""
        verb, rest = (words[0], words[1:]) if words else ("", [])
        numbers = {"start": (1, 604800, 99), "wait": (0, 3600, 3), "log": (0, 9999999999, 2)}
        if verb == "list" and not rest:
            shown = b"".join(self._show(id) for id in sorted(self._system.attempts))
            return 0, shown
        if verb == "ack" and len(rest) == 1 and _ID.match(rest[0]):
            return self._acknowledge(rest[0])
        least, most, most_words = numbers.get(verb, (0, 0, 0))
        more = rest[2:3]
        known = 2 <= len(rest) <= most_words and all(map(_ID.match, [rest[0], *rest[3:]]))
        if not known or not all(map(str.isdecimal, rest[1:3])):
            return 2, b"usage: attempt start | wait | log | ack | list\n"
        id, number = rest[0], int(rest[1])
        if not least <= number <= most:
            return 2, b"usage: the number is out of range\n"
        if verb == "log":
            return 0, self._log(id, number)
        if verb == "start":
            for one in rest[3:]:
                self._acknowledge(one)
            code, out = self._start(id, number, stdin)
            if code or not more:
                return code, out
            number = int(more[0])
        runner = self._running[id].runner if id in self._running else None
        if runner is not None and number:
            await asyncio.wait({runner}, timeout=number)
        offset = int(more[0]) if verb == "wait" and more else 0
        return 0, self._show(id) + (self._log(id, offset) if more else b"")

    def _state(self, id: str) -> str:
        if id in self._system.acknowledged:
            return "acknowledged"
        found = self._system.attempts.get(id)
        if found is None:
            return "lost"
        if found.state == "ended":
            return "ended"
        return "running" if id in self._running else "lost"

    def _show(self, id: str) -> bytes:
        state = self._state(id)
        shown: dict[str, Any] = {"id": id, "state": state}
        if state == "running":
            task = self._running[id].task
            if task.text or task.percent:
                shown |= {"percent": task.percent, "text": task.text}
        elif state == "ended":
            found = self._system.attempts[id]
            shown["exit"] = found.exit
            shown["gives"] = found.gives
        return json.dumps(shown, separators=(",", ":")).encode() + b"\n"

    def _log(self, id: str, offset: int) -> bytes:
        found = self._system.attempts.get(id)
        text = found.log.encode("utf-8", "surrogateescape") if found is not None else b""
        if id in self._running:
            text = bytes(self._running[id].task.log)
        return text[offset : offset + LOG_CHUNK]

    def _start(self, id: str, limit_s: int, tar: bytes) -> Output:
        if id in self._system.acknowledged or id in self._system.attempts:
            return 0, self._show(id)
        try:
            task = unpack(tar, id, self._pace, self._fetcher, self._system.os)
            if "run" not in task.files:
                raise ValueError("it has no run")
        except ValueError as wrong:
            line = {"id": id, "state": "unstarted", "error": str(wrong)}
            return 1, json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._system.attempts[id] = Attempt(id=id, role=task.role, barclamp=task.barclamp, action=task.action)
        self._machine.save()
        one = self._running[id] = _Running(task)
        one.runner = asyncio.create_task(self._run(id, one, limit_s))
        return 0, self._show(id)

    async def _run(self, id: str, one: _Running, limit_s: float) -> None:
        task = one.task
        result = await carry_out(self._behaviours, self._machine, task, limit_s)
        if result.message:
            task.print(result.message)
        kept = self._system.attempts.get(id)
        if kept is not None:
            kept.state, kept.exit, kept.gives, kept.message = "ended", result.exit, result.gives, result.message
            kept.log = bytes(task.log[-LOG_BYTES:]).decode("utf-8", "surrogateescape")
            self._machine.save()
        del self._running[id]

    def _acknowledge(self, id: str) -> Output:
        state = self._state(id)
        if state == "running":
            return 1, self._show(id)
        if state != "acknowledged":
            self._system.acknowledged.append(id)
            del self._system.acknowledged[:-TOMBSTONES]
            self._system.attempts.pop(id, None)
            self._machine.save()
        return 0, self._show(id)
