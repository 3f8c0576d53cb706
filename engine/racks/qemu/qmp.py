"""QEMU's machine protocol: JSON lines over a socket (QEMU's docs/interop/qmp-spec).

`read` is pure: one line to one message. `Qmp` is a connection: it reads the greeting, sends one command at a time and delivers events.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct

LINE = 1 << 20
ANSWER_S = 30.0


class QmpError(Exception):
    """QEMU refused, or its process is gone; the text says which."""


class Greeting(Struct, frozen=True):
    version: str


class Return(Struct, frozen=True):
    value: Any


class Refused(Struct, frozen=True):
    kind: str
    text: str


class Event(Struct, frozen=True):
    name: str
    data: dict[str, Any]


Message = Greeting | Return | Refused | Event


def read(line: bytes) -> Message:
    """One line. Raises QmpError for a line that is not QMP."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise QmpError(f"not JSON: {line[:100]!r}") from wrong
    match found:
        case {"QMP": {"version": {"qemu": {"major": int(major), "minor": int(minor), "micro": int(micro)}}}}:
            return Greeting(f"{major}.{minor}.{micro}")
        case {"event": str(name)}:
            data = found.get("data")
            return Event(name, data if isinstance(data, dict) else {})
        case {"error": {"class": str(kind), "desc": str(text)}}:
            return Refused(kind, text)
        case {"return": value}:
            return Return(value)
    raise QmpError(f"not a message of QMP: {line[:100]!r}")


def write(command: str, **arguments: Any) -> bytes:
    """One command as a line."""
    body: dict[str, Any] = {"execute": command}
    if arguments:
        body["arguments"] = arguments
    return json.dumps(body).encode() + b"\r\n"


class Qmp:
    """A connection. `start` it; `events` is called in the loop for each event; `gone` is set at its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, events: Callable[[Event], None]) -> None:
        self._reader = reader
        self._writer = writer
        self._events = events
        self._answers: asyncio.Queue[Return | Refused | None] = asyncio.Queue()
        self._turn = asyncio.Lock()
        self._greeted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self.gone = asyncio.Event()

    async def start(self) -> str:
        """Waits for the greeting and ends the negotiation; QEMU's version. Raises QmpError."""
        self._task = asyncio.create_task(self._read())
        try:
            version = await asyncio.wait_for(asyncio.shield(self._greeted), ANSWER_S)
        except TimeoutError as wrong:
            raise QmpError("QEMU does not greet") from wrong
        await self.execute("qmp_capabilities")
        return version

    async def execute(self, command: str, **arguments: Any) -> Any:
        """Its return value. Raises QmpError where QEMU refuses or ends."""
        async with self._turn:
            if self.gone.is_set():
                raise QmpError("QEMU has ended")
            try:
                self._writer.write(write(command, **arguments))
                await self._writer.drain()
                answer = await asyncio.wait_for(self._answers.get(), ANSWER_S)
            except TimeoutError as wrong:
                raise QmpError(f"no answer to {command} within {ANSWER_S:.0f} s") from wrong
            except ConnectionError as wrong:
                raise QmpError("QEMU has ended") from wrong
        if answer is None:
            raise QmpError("QEMU has ended")
        if isinstance(answer, Refused):
            raise QmpError(f"{command}: {answer.text} ({answer.kind})")
        return answer.value

    async def close(self) -> None:
        self._writer.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                match read(line):
                    case Greeting(version):
                        if not self._greeted.done():
                            self._greeted.set_result(version)
                    case Event() as event:
                        self._events(event)
                    case answer:
                        self._answers.put_nowait(answer)
        except (ValueError, ConnectionError):  # a line over LINE, or the process was killed
            pass
        except QmpError as wrong:
            if not self._greeted.done():
                self._greeted.set_exception(wrong)
        finally:
            self.gone.set()
            self._answers.put_nowait(None)
            if not self._greeted.done():
                self._greeted.set_exception(QmpError("QEMU ended before it greeted"))
