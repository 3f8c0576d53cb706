"""A distribution's own installer on a simulated machine: answers, hello, the order, its report, and its own reboot, like a real
installer's kernel line and `images/node/installer`.

Rules
* The answers really come over HTTP, by the URL on the kernel line, and a task sees them (`Task.answers`). Without them nothing
  continues: a real installer waits with a question on its screen.
* One order per boot. Another one ends with 192 (reboot, and order again). A verify ends with 1.
* It reboots by itself when its success is acknowledged.
"""

from __future__ import annotations

import asyncio

from .agent import Agent, Attempt, Backoff, Leaving
from .http_client import HttpClient, HttpError
from .machine import Machine, Pace, Result, Task


def answers_url(arguments: tuple[str, ...]) -> str:
    """Where the kernel line names the answers: Anaconda's, cloud-init's, or Debian's word. Empty: not an installer."""
    for word in arguments:
        if word.startswith("inst.ks="):
            return word.removeprefix("inst.ks=")
        if word.startswith("ds=nocloud;s="):
            return word.removeprefix("ds=nocloud;s=") + "user-data"
    found = (word.removeprefix("url=") for word in arguments if word.startswith("url="))
    return next((url for url in found if "/boot/answers/" in url), "")


async def fetch(machine: Machine, http: HttpClient, pace: Pace, url: str) -> str:
    """Fetches the answers, and the files that they name. Retries until there are some."""
    pause = Backoff(pace)
    while True:
        try:
            found = await http.call("GET", url)
            tool = await http.call("GET", url.partition("/boot/answers/")[0] + "/boot/tool/installer")
        except HttpError as wrong:
            machine.screen = f"installer: {url}: {wrong}"
        else:
            if found.status == tool.status == 200:
                return found.body.decode("utf-8", "replace")
            machine.counters.add(f"answers-{found.status}")
            machine.screen = f"installer: no answers: HTTP status {found.status}"
        await pause.wait()


class Installer(Agent):
    """One boot of an installer. `run` ends when the engine orders a reboot, or after a success."""

    answers = ""

    async def run(self) -> Leaving:
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._used = False
        work = asyncio.create_task(super().run())
        self._over.add_done_callback(lambda _: work.cancel())
        try:
            await asyncio.wait({work})
            return "reboot" if work.cancelled() else work.result()
        finally:
            work.cancel()
            await asyncio.wait({work})

    def _refused(self, task: Task) -> Result | None:
        if task.action != "run":
            return Result(exit=1, message="an installer knows of what is on a disk only what it wrote")
        if self._used:
            return Result(exit=192)
        self._used = True
        task.answers = self.answers
        return None

    async def _send(self, id: str, attempt: Attempt) -> None:
        await super()._send(id, attempt)
        result, task = attempt.result, attempt.task
        if result is not None and result.exit == 0 and task is not None and task.action == "run" and not self._over.done():
            self._over.set_result(None)
