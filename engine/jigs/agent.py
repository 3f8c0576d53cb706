"""Jig `agent`: a mailbox per node, which the node's agent empties with `GET /agent/next`, and the path of its results into the engine.

The engine sends nothing to a node: the node asks. So an order is a command in the mailbox, and an outcome is what the agent posts.

* A command is for one boot. It carries the boot_id that the node had at that time, and a call from another boot never sees it. So the
  newest hello empties the commands of older boots, in whatever order the engine's effects arrive. The engine orders again what it still
  wants.
* An answer to `next` can be lost. So `run` and `query` stay until the agent mentions that id (asks for its task, sends progress, log or
  result). Until then they are handed out again, at growing intervals, so that an agent that works before it asks again is not flooded.
  Handing out twice is harmless, because the same id starts once. (A log does not answer a query: it also precedes a result.) An `ack` is
  handed out once: a node that missed it sends its result again.
* `prove` stays until its answer, and a later one takes its place. Its answer goes to whoever ordered it, and is no outcome.
* `reboot` and `kexec` belong to one open boot, by its generation. They stay as long as that boot is open and the node reports no other
  boot_id. An agent that has obeyed goes down and asks no more, so an agent that asks again has not received the order. The order ends
  with the boot: a late agent must not obey a replaced one.
* A result for an order that this jig does not know (it is late, or the engine has restarted and not ordered it again yet) cannot be
  interpreted, because its meaning depends on the role. The jig reports it as `failed, unreachable`, which claims nothing: a late one is
  acknowledged, and the engine asks for the other one again.
* MAX_COMMANDS and MAX_ORDERS limit a mailbox. The oldest entry is dropped.

Thread-safe: orders come from the engine's thread, calls from the HTTP loop and its helpers. Nothing here waits.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .. import reasons
from ..events import Outcome
from ..model import NodeId
from ..wire.agent import Ack, AnyCommand, Ended, Kexec, Prove, Query, Reboot, Run
from . import Submit
from .logs import Logs
from .order import Order
from .outcome import failed, not_reached, outcome
from .task_tar import TaskTarError, task_tar

MAX_COMMANDS = 32
MAX_ORDERS = 32
AGAIN_S = 0.5
"""Seconds until an unanswered command is handed out again for the first time. Doubles up to AGAIN_MOST_S."""
AGAIN_MOST_S = 30.0


_Id = TypeVar("_Id")
_Thing = TypeVar("_Thing")


class _Waiting(Struct, kw_only=True):
    """A command in a mailbox."""

    boot_id: str
    command: AnyCommand
    stays: bool
    """True until the agent mentions its id."""
    generation: int = 0
    """Generation of the open boot that it belongs to; 0: none."""
    sent: int = 0
    due: float = 0.0


class _Box(Struct):
    commands: dict[tuple[type[AnyCommand], str], _Waiting]
    """By kind and id, which is empty where there is none: a later order of the same kind replaces the earlier in its place."""
    orders: dict[str, Order]
    call_again: bool = False
    """The poll that waits is to end at once, so that the agent shows that it is there."""


class AgentJig:
    """The mailboxes. `wake(node)` is called from the ordering thread when a mailbox has something new."""

    def __init__(
        self,
        submit: Submit,
        logs: Logs,
        clock: Callable[[], float] = time.monotonic,
        in_clear: bool = False,
        open_boot: Callable[[NodeId], int] = lambda _node: 0,
    ) -> None:
        """`in_clear`: secrets may be sent without TLS, because the machines are simulated. `open_boot`: generation of the node's
        open boot, 0 for none."""
        self._in_clear = in_clear
        self._open_boot = open_boot
        self._submit = submit
        self._logs = logs
        self._clock = clock
        self._boxes: dict[NodeId, _Box] = {}
        self._lock = threading.Lock()
        self._wake: Callable[[NodeId], None] = _nobody_waits
        self._told: Callable[[NodeId, str], bool] = _nobody_asked
        self._questions: dict[tuple[NodeId, str], Future[Ended]] = {}
        self._proofs: dict[NodeId, tuple[str, Future[Ended]]] = {}
        """Node -> id and answer of its last challenge."""

    def listen(self, wake: Callable[[NodeId], None], told: Callable[[NodeId, str], bool]) -> None:
        """Sets who is woken, and who knows whether the acknowledgement of a leg reaches the node as the answer to a call.
        Replaces earlier ones."""
        self._wake = wake
        self._told = told

    # -- from the engine ------------------------------------------------------------------------------------------

    def start(self, order: Order) -> None:
        attempt = order.attempt
        self._logs.open(attempt, order.secrets)
        command = Query(id=attempt) if order.start.resume else _run(order)
        with self._lock:
            box = self._box(order.node.id)
            box.commands.pop((Run, attempt), None)
            box.commands.pop((Query, attempt), None)
            box.orders.pop(attempt, None)
            box.orders[attempt] = order
            _trim(box.orders, MAX_ORDERS)
            self._put(box, order.node.boot_id, command, stays=True)
        self._wake(order.node.id)

    def acknowledge(self, attempt: str, node: NodeId, boot_id: str = "") -> None:
        """Tells the agent to delete the outcome, unless the answer to its result does that. The boot is that of the order, if it
        is known here."""
        told = self._told(node, attempt)
        with self._lock:
            box = self._box(node)
            order = box.orders.pop(attempt, None)
            box.commands.pop((Run, attempt), None)
            box.commands.pop((Query, attempt), None)
            boot = boot_id or (order.node.boot_id if order is not None else "")
            if boot and not told:
                self._put(box, boot, Ack(id=attempt), stays=False)
        self._logs.close(attempt)
        if boot and not told:
            self._wake(node)

    def command(self, node: NodeId, boot_id: str, command: Reboot | Kexec, generation: int = 0) -> None:
        """Another command for this boot of the node; with the generation of the boot that it begins."""
        with self._lock:
            self._put(self._box(node), boot_id, command, stays=bool(generation), generation=generation)
        self._wake(node)

    def call_again(self, node: NodeId) -> None:
        """An agent whose poll waits is sent away empty: it calls again at once, and so shows that it is there."""
        with self._lock:
            self._box(node).call_again = True
        self._wake(node)

    def prove(self, node: NodeId, boot_id: str, command: Prove) -> Future[Ended]:
        """Lets the node write a challenge. The answer to an older one is of no interest any more."""
        answer: Future[Ended] = Future()
        with self._lock:
            self._proofs[node] = (command.id, answer)
            self._put(self._box(node), boot_id, command, stays=True)
        self._wake(node)
        return answer

    def question(self, order: Order) -> Future[Ended]:
        """Lets the node run this once for a caller. Nobody else gets its answer: no outcome, no log, no acknowledgement from the
        engine. End with `drop_question`."""
        answer: Future[Ended] = Future()
        with self._lock:
            box = self._box(order.node.id)
            box.orders[order.attempt] = order
            _trim(box.orders, MAX_ORDERS)
            self._questions[order.node.id, order.attempt] = answer
            self._put(box, order.node.boot_id, _run(order), stays=True)
        self._wake(order.node.id)
        return answer

    def drop_question(self, order: Order) -> None:
        """Nobody waits for the answer any more. A later answer is acknowledged like any late outcome."""
        with self._lock:
            self._questions.pop((order.node.id, order.attempt), None)
            box = self._boxes.get(order.node.id)
            if box is not None:
                box.orders.pop(order.attempt, None)
                box.commands.pop((Run, order.attempt), None)

    def forget(self, node: NodeId) -> None:
        """The node was deleted."""
        with self._lock:
            box = self._boxes.pop(node, None)
            self._proofs.pop(node, None)
        for attempt in box.orders if box is not None else ():
            self._logs.close(attempt)

    def close(self) -> None:
        """Stops: agents get no more commands, and continue with what they have."""
        with self._lock:
            self._boxes.clear()

    # -- from the node's calls; `node` and `boot_id` are proved by its token ------------------------------------

    def take(self, node: NodeId, boot_id: str) -> tuple[AnyCommand | None, float]:
        """The next command for this boot, if there is one, and the seconds after which the agent should ask again at the latest
        (inf: when woken; 0: now, by another call)."""
        now = self._clock()
        with self._lock:
            box = self._boxes.get(node)
            if box is None:
                return None, math.inf
            soonest = math.inf
            for key, waiting in list(box.commands.items()):
                if waiting.boot_id != boot_id or (waiting.generation and waiting.generation != self._open_boot(node)):
                    del box.commands[key]
                    continue
                if waiting.due > now:
                    soonest = min(soonest, waiting.due - now)
                    continue
                if waiting.stays:
                    waiting.due = now + min(AGAIN_S * 2**waiting.sent, AGAIN_MOST_S)
                    waiting.sent = min(waiting.sent + 1, 16)
                else:
                    del box.commands[key]
                return waiting.command, math.inf
            if box.call_again:
                box.call_again, soonest = False, 0.0
            if not box.commands and not box.orders:
                del self._boxes[node]
            return None, soonest

    def knows(self, node: NodeId, attempt: str) -> bool:
        """True if this leg was ordered from this node. Its agent mentioned it, so its command is not handed out again."""
        with self._lock:
            box = self._boxes.get(node)
            if box is None or attempt not in box.orders:
                return False
            box.commands.pop((Run, attempt), None)
            return True

    def progress(self, node: NodeId, attempt: str) -> bool:
        """The agent reports that a leg is running. True if it was ordered. This also answers a query, so the engine gets it once."""
        if not self.knows(node, attempt):
            return False
        with self._lock:
            box = self._boxes.get(node)
            asked = box is not None and box.commands.pop((Query, attempt), None) is not None
        if asked:
            # If the engine's lane is full, the engine asks again at the attempt's deadline.
            self._submit(Outcome(attempt=attempt, node=node, what="running"))
        return True

    def task(self, node: NodeId, attempt: str, secure: bool = True, boot_id: str = "") -> bytes | None:
        """The tar of a leg that this boot of the node was told to run; None for any other. Reads files. A role that cannot be packed
        fails the leg, as does a role with secrets if the request did not come over TLS (`secure`)."""
        with self._lock:
            box = self._boxes.get(node)
            order = box.orders.get(attempt) if box is not None else None
        if order is None or order.start.resume or (boot_id and order.node.boot_id != boot_id):
            return None
        if order.sealed and not (secure or self._in_clear):
            self._submit(failed(attempt, node, reasons.secret_in_clear(role=order.role.name, names=", ".join(order.sealed))))
            return None
        try:
            data = task_tar(order)
        except TaskTarError as error:
            self._submit(failed(attempt, node, reasons.script_failed(role=order.role.name, exit=126, line=str(error))))
            return None
        self.knows(node, attempt)
        return data

    def posted(self, node: NodeId, attempt: str, ended: Ended) -> Literal["wait", "told", "full"]:
        """What the agent says of a leg. `wait`: told to the engine, which will
        acknowledge; `told`: nothing more to come; `full`: the engine's lane is full, the agent must send it again."""
        if self._proved(node, attempt, ended):
            return "told"
        with self._lock:
            box = self._boxes.get(node)
            order = box.orders.get(attempt) if box is not None else None
            answer = self._questions.get((node, attempt))
        if answer is not None:
            if ended.state != "running" and not answer.done():
                answer.set_result(ended)
            return "told"
        if order is None:
            why = reasons.unreachable_node(node=node, address="its agent", message="the engine has not asked for this attempt")
            event = not_reached(attempt, node, why)
        else:
            if not ended.log:
                self._logs.flush(attempt)
                tail, cut = self._logs.tail(attempt)
                ended = replace(ended, log=tail, cut=cut)
            event = outcome(
                attempt=attempt,
                node=node,
                role=order.role,
                action=order.start.action,
                timeout_s=order.timeout_s,
                ended=ended,
            )
        if not self._submit(event):
            return "full"
        with self._lock:
            box = self._boxes.get(node)
            if box is not None:
                box.commands.pop((Run, attempt), None)
                box.commands.pop((Query, attempt), None)
        return "wait" if ended.state in ("ended", "unstarted") else "told"

    def _proved(self, node: NodeId, attempt: str, ended: Ended) -> bool:
        """True if that is the answer to the node's challenge."""
        with self._lock:
            found, box = self._proofs.get(node), self._boxes.get(node)
            if found is None or found[0] != attempt:
                return False
            if ended.state == "running":
                return True
            if box is not None:
                box.commands.pop((Prove, ""), None)
        if not found[1].done():
            found[1].set_result(ended)
        return True

    # -- inside, with the lock held -------------------------------------------------------------------------------

    def _box(self, node: NodeId) -> _Box:
        box = self._boxes.get(node)
        if box is None:
            box = self._boxes[node] = _Box({}, {})
        return box

    def _put(self, box: _Box, boot_id: str, command: AnyCommand, stays: bool, generation: int = 0) -> None:
        subject = command.id if isinstance(command, Run | Query | Ack) else ""
        box.commands[(type(command), subject)] = _Waiting(boot_id=boot_id, command=command, stays=stays, generation=generation)
        _trim(box.commands, MAX_COMMANDS)


def _run(order: Order) -> Run:
    return Run(id=order.attempt, timeout=max(1, math.ceil(order.timeout_s)))


def _nobody_waits(_node: NodeId) -> None:
    """Placeholder while no server listens."""


def _nobody_asked(_node: NodeId, _attempt: str) -> bool:
    return False


def _trim(things: dict[_Id, _Thing], most: int) -> None:
    while len(things) > most:
        del things[next(iter(things))]
