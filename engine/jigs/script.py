"""Jig `script`: runs roles in a node's installed system, over SSH, with the node's own `attempt` tool.

`detached.Detached` does the following; this is the channel to the node. Each look is one short command over a kept connection, so a
thousand attempts need a few workers and no thread each. A short task needs one command: its start brings the outcome and the log.

* A node without the tools gets them once, at a start: an install by another method may lack them, and a joined machine does. A node whose
  tool does not know a call has those of an earlier version of the engine, and gets the present ones.
* If the node cannot be reached, or its answer is not a state: `failed, unreachable`, with the reason. The engine probes, and orders
  again with `resume`. The command may have begun; that does no harm, because the same id starts once.
* If the tool refuses the start: a failure of the attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from .. import reasons
from . import Submit
from .detached import ChannelLost, Detached, Progress, ignore_progress
from .leg_report import LegReport, Seen
from .local import ATTEMPT
from .logs import Logs
from .order import Order
from .ssh import SshFailed, SshPool
from .ssh_attempts import TOOL, Answer, AttemptFault, Attempts


class SshChannel:
    """`attempt` of the order's node, through the pool."""

    def __init__(self, pool: SshPool, tool: Sequence[str] = TOOL, source: Path = ATTEMPT) -> None:
        self._pool = pool
        self._tool = tuple(tool)
        self._source = source

    def begin(self, order: Order, task: bytes, timeout_s: int, patience_s: int, acked: Sequence[str]) -> Seen:
        attempts = self._attempts(order)
        told, log = attempts.start(order.attempt, task, timeout_s, patience_s, acked)
        if isinstance(told, AttemptFault) and told.kind in ("no_tool", "old_tool"):
            failed = self._install(attempts)
            told, log = (failed, b"") if failed is not None else attempts.start(order.attempt, task, timeout_s, patience_s, acked)
        if isinstance(told, AttemptFault) and told.kind != "garbled":
            return Seen(LegReport(id=order.attempt, state="unstarted", error=told.message[:512]))
        return Seen(self._report(order, told), log)

    def look(self, order: Order, offset: int) -> Seen:
        attempts = self._attempts(order)
        told, log = attempts.wait(order.attempt, 0, offset)
        if isinstance(told, AttemptFault) and told.kind == "old_tool":
            failed = self._install(attempts)
            told, log = (failed, b"") if failed is not None else attempts.wait(order.attempt, 0, offset)
        return Seen(self._report(order, told), log)

    def _install(self, attempts: Attempts) -> AttemptFault | SshFailed | None:
        """Puts the tools there. Scripts read attributes with the second one. The first one comes last: a node that has it has both."""
        beside = self._source.with_name("attribute")
        return attempts.install(beside.read_bytes(), beside.name) or attempts.install(self._source.read_bytes())

    def read_log(self, order: Order, offset: int) -> bytes:
        told = self._attempts(order).log(order.attempt, offset)
        return told if isinstance(told, bytes) else self._lost(order, told)

    def forget(self, order: Order) -> None:
        self._report(order, self._attempts(order).ack(order.attempt))

    def _attempts(self, order: Order) -> Attempts:
        if order.target is None:
            raise ChannelLost(reasons.no_address(node=order.node.name or order.node.id))
        return Attempts(self._pool, order.node.id, order.target, self._tool)

    def _report(self, order: Order, told: Answer) -> LegReport:
        return told if isinstance(told, LegReport) else self._lost(order, told)

    def _lost(self, order: Order, told: AttemptFault | SshFailed) -> NoReturn:
        raise ChannelLost(why_lost(order, told))


def why_lost(order: Order, told: AttemptFault | SshFailed) -> reasons.Reason:
    """The failure as a reason for people."""
    node = order.node.name or order.node.id
    address = order.node.address or (order.target.address if order.target is not None else "")
    if isinstance(told, SshFailed) and told.kind == "host_key":
        pinned = order.target is not None and order.target.host_key is not None
        return reasons.host_key(node=node, address=address) if pinned else reasons.no_host_key(node=node, address=address)
    return reasons.unreachable_node(node=node, address=address, message=told.message)


class ScriptJig(Detached):
    """Runs roles on installed systems. Those with the jigs `puppet` and `chef-solo`, too: their tool runs in the attempt
    (`images/node/run-puppet`, `run-chef-solo`)."""

    def __init__(
        self,
        submit: Submit,
        logs: Logs,
        pool: SshPool,
        *,
        tool: Sequence[str] = TOOL,
        workers: int = 64,
        name: str = "jig-script",
        progress: Progress = ignore_progress,
    ) -> None:
        super().__init__(submit, logs, SshChannel(pool, tool), workers=workers, name=name, progress=progress, acks_wait=True)
