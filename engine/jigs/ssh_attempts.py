"""The node's `attempt` tool (images/node/attempt) over SSH: start, wait, log, ack, with typed answers. Each is one command.

`start` and `wait` bring a piece of the log with the state, and `start` acknowledges earlier attempts, so a short task needs one command.
An answer is the node's state, or the reason why there is none: `SshFailed` (the node could not be reached) or `AttemptFault` (it
answered, but not with a state). After an SshFailed that is `begun`, call `wait`: the node knows whether the start arrived. A repeated
`start` with the same id does no harm, except after a reboot into a memory-only image, which has forgotten what it ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from .leg_report import MAX_LINE, LegReport, parse_seen
from .ssh import SshDone, SshFailed, SshPool, SshTarget

TOOL = ("/usr/lib/crowbar/attempt",)
"""Path at which an install puts the tool on a node."""
LOG_CHUNK = 65536
MAX_WAIT_S = 3600
MAX_TIMEOUT_S = 604800
NOT_FOUND = 127
BAD_USE = 2
MAX_ACKED = 90
"""Most attempts that one start acknowledges."""
_ANSWER_S = 30.0
_INSTALL = 'set -e; umask 022; mkdir -p "${1%/*}"; cat >"$1.new.$$"; chmod 755 "$1.new.$$"; mv "$1.new.$$" "$1"'


class AttemptFault(Struct, frozen=True, kw_only=True, gc=False):
    """The node answered, but not with a state."""

    kind: Literal["no_tool", "old_tool", "refused", "garbled"]
    """`no_tool`, `old_tool` (it does not know these words): put it there with `install`;
    `refused`: bad use, or an ack of a running attempt; `garbled`: not the tool's output."""
    message: str


Answer = LegReport | AttemptFault | SshFailed


class Attempts:
    """The tool of one node."""

    def __init__(self, pool: SshPool, node: str, target: SshTarget, tool: Sequence[str] = TOOL) -> None:
        self._pool = pool
        self._node = node
        self._target = target
        self._tool = tuple(tool)

    def start(
        self, attempt: str, task: bytes, limit_s: int, seconds: int = 0, acked: Sequence[str] = (), timeout_s: float = 120.0
    ) -> tuple[Answer, bytes]:
        """Gives it a task (the tar of `task_tar`). The node enforces `limit_s` seconds, from 1 to a week. Returns its state after `seconds`
        or as soon as it has ended, and at most 64 KiB of its output. Attempts that are `acked` need no `ack`, unless it is `unstarted`."""
        words = ["start", attempt, str(min(max(1, limit_s), MAX_TIMEOUT_S)), str(seconds), *acked[:MAX_ACKED]]
        return self._ask(words, attempt, task, timeout_s + seconds)

    def wait(self, attempt: str, seconds: int = 0, offset: int = 0) -> tuple[Answer, bytes]:
        """Its state, after `seconds` or as soon as it has ended, and at most 64 KiB of its output from this byte."""
        seconds = min(max(0, seconds), MAX_WAIT_S)
        return self._ask(["wait", attempt, str(seconds), str(offset)], attempt, b"", seconds + _ANSWER_S)

    def log(self, attempt: str, offset: int) -> bytes | AttemptFault | SshFailed:
        """At most 64 KiB of its output from this byte. Empty: no more yet."""
        done = self._pool.run(
            self._node, self._target, [*self._tool, "log", attempt, str(offset)], timeout_s=_ANSWER_S, stdout_bytes=LOG_CHUNK
        )
        if isinstance(done, SshFailed):
            return done
        return done.stdout if done.exit == 0 else self._fault(done)

    def ack(self, attempt: str) -> Answer:
        """Its outcome is recorded: the node may delete it."""
        return self._ask(["ack", attempt], attempt, b"", _ANSWER_S)[0]

    def install(self, tool: bytes, name: str = "", timeout_s: float = 60.0) -> AttemptFault | SshFailed | None:
        """Installs the tool, completely or not at all; with `name` another one beside it, which it puts into the path of what it runs.
        None: it is installed."""
        path = f"{self._tool[-1].rpartition('/')[0]}/{name}" if name else self._tool[-1]
        done = self._pool.run(self._node, self._target, ["sh", "-c", _INSTALL, "install", path], tool, timeout_s)
        if isinstance(done, SshFailed):
            return done
        return None if done.exit == 0 else self._fault(done)

    def _ask(self, words: list[str], attempt: str, stdin: bytes, timeout_s: float) -> tuple[Answer, bytes]:
        most = MAX_LINE + 1 + LOG_CHUNK
        done = self._pool.run(self._node, self._target, [*self._tool, *words], stdin, timeout_s, stdout_bytes=most)
        if isinstance(done, SshFailed):
            return done, b""
        # exit code 1 says that it failed, and the state says why; an ack of a running attempt shows as such
        if done.exit not in (0, 1) or not done.stdout.strip():
            return self._fault(done), b""
        try:
            seen = parse_seen(done.stdout, attempt)
        except ValueError as error:
            return AttemptFault(kind="garbled", message=str(error)), b""
        if words[0] == "ack" and seen.report.state != "acknowledged":
            return AttemptFault(kind="refused", message=f"the attempt is {seen.report.state}"), b""
        return seen

    def _fault(self, done: SshDone) -> AttemptFault:
        said = done.stderr.decode("utf-8", "replace").strip()[:300]
        if done.exit == NOT_FOUND:
            return AttemptFault(kind="no_tool", message=said or "the node has no attempt tool")
        if done.exit == BAD_USE and said.startswith("usage:"):
            return AttemptFault(kind="old_tool", message=said)
        return AttemptFault(kind="refused", message=said or f"the attempt tool ended with exit code {done.exit}")
