"""The agent of a simulated machine in sledgehammer: `hello`, `next`, tasks, results, like `images/node/agent`.

Rules
* It never gives up: while the engine is away the agent asks again, with growing pauses up to 5 s.
* Attempts live in memory: the same id never starts twice in one boot, the outcome is sent until it is acknowledged, and after a reboot
  the answer to a query is `lost`.
* The machine enforces the time limit that came with the order (exit 124).
* `next` continues while a task runs, so the engine can ask about the task.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from .behaviours import Behaviours, unpack
from .http_client import HttpClient, HttpError, Response
from .machine import DiskBroken, Machine, Pace, Refused, Result, Task
from .packages import install_packages
from .proof import prove

Leaving = Literal["reboot", "kexec"]
POLL_S, PATIENT_S = 50, 30
"""Seconds for which an engine holds a poll if its welcome did not say, and after which an answer counts as lost."""
_CHUNK = 32 * 1024


class Downloads:
    """Files for tasks, over the machine's own connection (`machine.Fetcher`)."""

    def __init__(self, http: HttpClient, pace: Pace, headers: Callable[[], dict[str, str]]) -> None:
        self._http = http
        self._pace = pace
        self._headers = headers

    async def download(self, url: str, sink: Callable[[memoryview], object]) -> int:
        pause = Backoff(self._pace)
        while True:
            try:
                got = await self._http.call("GET", url, headers=self._headers(), sink=sink, timeout_s=60)
            except HttpError:
                await pause.wait()
            else:
                if got.status == 200:
                    return got.size
                if got.status < 500 and got.status not in (401, 410, 429):
                    raise Refused(f"{url}: HTTP status {got.status}")
                await pause.wait()
            sink(memoryview(b""))


class Backoff:
    """Pauses between tries: 0.2 s to 5 s in real time, doubling, whatever the speed, because the missing engine is real."""

    def __init__(self, pace: Pace) -> None:
        self._pause_s = pace.retry_s(1.0)

    async def wait(self) -> None:
        await asyncio.sleep(self._pause_s)
        self._pause_s = min(self._pause_s * 2, 5.0)


class Attempt:
    """A leg that was ordered in this boot."""

    __slots__ = ("logged", "result", "runner", "sender", "task")

    def __init__(self) -> None:
        self.task: Task | None = None
        self.result: Result | None = None
        self.runner: asyncio.Task[None] | None = None
        self.sender: asyncio.Task[None] | None = None
        self.logged = 0


class Agent:
    """One boot of sledgehammer. `run` ends when the engine orders a reboot or kexec, and never by itself."""

    def __init__(
        self,
        machine: Machine,
        http: HttpClient,
        behaviours: Behaviours,
        pace: Pace,
        *,
        url: str,
        nonce: str,
        boot_id: str,
        environment: str,
    ) -> None:
        self.machine = machine
        self.boot_id = boot_id
        self._http = http
        self._behaviours = behaviours
        self._pace = pace
        self._url = url.rstrip("/")
        self._nonce = nonce
        self._environment = environment
        self._token = ""
        self._idle = environment
        """Its screen while no task runs."""
        self._poll_s = POLL_S
        self._attempts: dict[str, Attempt] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._downloads = Downloads(http, pace, self._headers)

    async def run(self) -> Leaving:
        try:
            await self._hello()
            await self.machine.milestone("sledgehammer" if self._environment == "sledgehammer" else "installer")
            pause = Backoff(self._pace)
            while True:
                try:
                    found = await self._call("GET", f"/agent/next?wait={self._poll_s}", timeout_s=self._poll_s + PATIENT_S)
                except HttpError:
                    await pause.wait()
                    continue
                if found.status in (401, 403, 410):
                    self._token = ""
                    await pause.wait()
                    await self._hello()
                    continue
                if found.status not in (200, 204):
                    await pause.wait()
                    continue
                pause = Backoff(self._pace)
                if found.status == 200 and (leaving := await self._order(found.body)) is not None:
                    return leaving
        finally:
            for attempt in self._attempts.values():
                for one in (attempt.runner, attempt.sender):
                    if one is not None:
                        one.cancel()
            for report in self._reports:
                report.cancel()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    async def _call(self, method: str, path: str, body: bytes = b"", timeout_s: float = 30.0) -> Response:
        headers = self._headers()
        if body:
            headers["Content-Type"] = "application/json"
        return await self._http.call(method, self._url + path, body=body, headers=headers, timeout_s=timeout_s)

    async def _post(self, path: str, **fields: Any) -> Response:
        return await self._call("POST", path, json.dumps(fields).encode())

    async def _hello(self) -> None:
        hardware, pause = self.machine.hardware, Backoff(self._pace)
        while not self._token:
            self.machine.screen = f"{self._environment}: hello"
            try:
                found = await self._post(
                    "/agent/hello",
                    nonce=self._nonce,
                    boot_id=self.boot_id,
                    environment=self._environment,
                    uuid=hardware.uuid,
                    serial=hardware.serial,
                    macs=[nic.mac for nic in hardware.nics],
                    arch=hardware.arch,
                    address=self.machine.address,
                    clock=self.machine.clock(self.boot_id),
                )
                if found.status == 200:
                    welcome = json.loads(found.body)
                    self._token, self._poll_s = str(welcome["token"]), int(welcome.get("poll", POLL_S))
                    self.machine.clock_set_in = self.machine.clock_set_in or self.boot_id
                    fingerprint = str(welcome.get("fingerprint", ""))
                    self._idle = f"{self._environment}, fingerprint {fingerprint}" if fingerprint else self._environment
                    self.machine.screen = self._idle
                    return
                self.machine.screen = f"{self._environment}: hello refused ({found.status} {found.body[:200]!r})"
                self.machine.counters.add(f"hello-{found.status}")
            except HttpError as wrong:
                self.machine.screen = f"{self._environment}: hello: {wrong}"
            except (ValueError, KeyError, TypeError):
                self.machine.counters.add("hello-malformed")
            await pause.wait()

    async def _order(self, body: bytes) -> Leaving | None:
        try:
            order = json.loads(body)
            do, id, limit_s = str(order["do"]), str(order.get("id", "")), float(order.get("timeout") or 0)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.machine.counters.add("order-malformed")
            await asyncio.sleep(1)
            return None
        match do:
            case "run":
                self._run(id, limit_s)
            case "query":
                await self._query(id)
            case "ack":
                self._forget(id)
            case "prove":
                result = prove(self.machine, str(order.get("text", "")), str(order.get("ways", "")))
                with suppress(HttpError):  # else the engine hands the order out again
                    await self._post("/agent/result", id=id, state="ended", exit=result.exit, gives=result.gives, message=result.message)
            case "kexec" if self.machine.system is None or not self.machine.hardware.kexec:
                self.machine.screen = "sledgehammer: kexec: there is no system to load"
                self.machine.counters.add("kexec-impossible")
            case "reboot" | "kexec":
                await self._bye(do)
                return "kexec" if do == "kexec" else "reboot"
            case _:
                self.machine.counters.add("order-unknown")
                await asyncio.sleep(1)
        return None

    async def _bye(self, reason: str) -> None:
        with suppress(HttpError):
            await self._post("/agent/bye", reason=reason)

    # -- attempts -------------------------------------------------------------------------------------------------

    def _run(self, id: str, limit_s: float) -> None:
        attempt = self._attempts.get(id)
        if attempt is None:
            attempt = self._attempts[id] = Attempt()
            attempt.runner = asyncio.create_task(self._carry_out(id, attempt, limit_s))
        elif attempt.result is not None:
            self._send_soon(id, attempt)

    async def _query(self, id: str) -> None:
        attempt = self._attempts.get(id)
        if attempt is not None and attempt.result is not None:
            self._send_soon(id, attempt)
            return
        with suppress(HttpError):
            await self._post(
                "/agent/result",
                id=id,
                state="lost" if attempt is None else "running",
                exit=0,
                gives={},
                message="",
                log_tail="",
            )

    def _forget(self, id: str) -> None:
        attempt = self._attempts.get(id)
        if attempt is None or attempt.result is None:
            return
        if attempt.sender is not None:
            attempt.sender.cancel()
        attempt.task = None  # the id stays: it must never start again in this boot

    async def _carry_out(self, id: str, attempt: Attempt, limit_s: float) -> None:
        result = await self._fetch_task(id, attempt)
        if result is None and attempt.task is None:
            self._attempts.pop(id, None)  # nothing began, so the same id may be ordered again
            return
        if result is None and attempt.task is not None:
            self.machine.screen = f"{self._environment}: {attempt.task.role} {attempt.task.action}"
            result = self._refused(attempt.task) or await carry_out(self._behaviours, self.machine, attempt.task, limit_s)
            self.machine.screen = self._idle
        attempt.result = result
        self._send_soon(id, attempt)

    def _refused(self, task: Task) -> Result | None:  # noqa: ARG002
        """The result of a task that this environment does not start. None: it starts it."""
        return None

    async def _fetch_task(self, id: str, attempt: Attempt) -> Result | None:
        """Fills in `attempt.task`, or its failure. Neither: the engine does not want the task, and another order will follow."""
        pause = Backoff(self._pace)
        while True:
            try:
                found = await self._call("GET", f"/agent/task/{id}")
            except HttpError:
                await pause.wait()
                continue
            if found.status == 200:
                break
            if found.status == 404:
                return None
            if found.status < 500 and found.status not in (401, 403, 410, 429):
                return Result(exit=126, message=f"the task could not be fetched: HTTP status {found.status}")
            await pause.wait()
        try:
            attempt.task = unpack(found.body, id, self._pace, self._downloads, self._environment)
        except ValueError as wrong:
            return Result(exit=126, message=f"the task could not be unpacked: {wrong}")
        task = attempt.task
        last = 0.0

        def tell() -> None:
            nonlocal last
            now = asyncio.get_running_loop().time()
            if now - last >= 1.0:
                last = now
                report = asyncio.create_task(self._report(id, task))
                self._reports.add(report)
                report.add_done_callback(self._reports.discard)

        task.on_progress = tell
        return None

    async def _report(self, id: str, task: Task) -> None:
        with suppress(HttpError):
            await self._post("/agent/progress", id=id, percent=task.percent, text=task.text)

    def _send_soon(self, id: str, attempt: Attempt) -> None:
        if attempt.sender is None or attempt.sender.done():
            attempt.sender = asyncio.create_task(self._send(id, attempt))

    async def _send(self, id: str, attempt: Attempt) -> None:
        pause, result = Backoff(self._pace), attempt.result
        assert result is not None
        while True:
            try:
                await self._send_log(id, attempt)
                tail = attempt.task.log[-2000:].decode("utf-8", "replace") if attempt.task is not None else ""
                found = await self._post(
                    "/agent/result",
                    id=id,
                    state="ended",
                    exit=result.exit,
                    gives=result.gives,
                    message=result.message,
                    log_tail=tail,
                )
                if found.status == 200 and json.loads(found.body).get("acknowledged") is True:
                    return
                self.machine.counters.add(f"result-{found.status}")
            except HttpError:
                pass
            except (ValueError, AttributeError):
                self.machine.counters.add("result-malformed")
            await pause.wait()

    async def _send_log(self, id: str, attempt: Attempt) -> None:
        """Sends the unsent part of the log. A refused log does not delay the result."""
        while attempt.task is not None and attempt.logged < len(attempt.task.log):
            chunk = bytes(attempt.task.log[attempt.logged : attempt.logged + _CHUNK])
            found = await self._call("POST", f"/agent/log?id={id}&offset={attempt.logged}", chunk)
            if found.status != 200 and found.status != 204:
                self.machine.counters.add(f"log-{found.status}")
                return
            attempt.logged += len(chunk)


def stage_of(task: Task) -> str:
    """The stage of a node that a task belongs to, as scenarios name it."""
    early = "hardware" if task.environment == "sledgehammer" else "system"
    return {"discovery": "discovery", "os-install": "install"}.get(task.barclamp, early)


async def carry_out(behaviours: Behaviours, machine: Machine, task: Task, limit_s: float) -> Result:
    """Runs the role's behaviour to its end or to the limit (seconds, 0 for none). Any exception is a failed task."""
    stage = stage_of(task)
    await machine.milestone(stage, task.role)

    async def at_work(percent: int) -> None:
        await machine.milestone(stage, task.role, percent=max(percent, 1))
        if machine.faults.work_s:
            await asyncio.sleep(machine.faults.work_s)

    task.on_work = at_work
    install_packages(machine, task)
    behaviour = behaviours.find(task.barclamp, task.role)
    if behaviour is None:
        return Result(exit=127, message=f"barclamp {task.barclamp!r} has no rehearsal of role {task.role!r}")
    try:
        async with asyncio.timeout(limit_s or None):
            return await behaviour(machine, task)
    except TimeoutError:
        return Result(exit=124, message=f"not done in {limit_s:.0f} s")
    except DiskBroken as wrong:
        task.print(str(wrong))
        return Result(exit=5, message=str(wrong))
    except Refused as wrong:
        task.print(str(wrong))
        return Result(exit=22, message=str(wrong))
    except Exception as wrong:
        machine.counters.add("behaviour-raised")
        task.print(f"{type(wrong).__name__}: {wrong}")
        return Result(exit=70, message=f"the rehearsal of {task.role!r} broke: {type(wrong).__name__}: {wrong}")
