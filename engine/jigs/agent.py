"""Jig `agent`: a mailbox per node, which the node's agent empties by `GET /agent/next`, and the way of its results
into the engine.

Nothing is sent to a node: it asks. So an order is a command in the mailbox, and an outcome is what the agent posts.

* A command is for one boot: it carries the boot_id that the node had when it was put, and a call of another boot
  never sees it. The newest hello thereby empties what belonged to older boots, whatever the order in which the
  engine's effects arrive; the engine orders again what it still wants.
* An answer to `next` can be lost on the way, so `run` and `query` stay until the agent speaks of that id (asks for
  its task, sends progress, log or result). Until then they are handed out again, at growing distance: an agent that
  starts its work before it asks for more is not flooded. Handing out twice is harmless, since the same id starts
  once. (A log does not answer a query: it also precedes a result.) `ack`, `reboot` and `kexec` are handed out once:
  a node that missed an ack sends its result again; a power order has its own deadline.
* A result for an order that this jig does not know (the engine restarted and has not ordered it again yet, or it is
  late) cannot be read: what it means depends on the role. It is told to the engine as `failed, unreachable`, which
  claims nothing: a late one is thereby noted and acknowledged, the other is asked for again.
* MAX_COMMANDS and MAX_ORDERS bound a mailbox; the oldest goes.

Thread-safe: orders come from the engine's thread, calls from the HTTP loop and its helpers. Nothing here waits.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from .. import reasons
from ..definitions import Json
from ..events import Outcome
from ..model import NodeId
from . import Submit
from .bundle import BundleError, bundle
from .logs import Logs
from .order import Order
from .outcome import Ended, failed, not_reached, outcome

MAX_COMMANDS = 32
MAX_ORDERS = 32
AGAIN_S = 0.5
"""Until the first handing out again of an unheeded command; doubles up to AGAIN_MOST_S."""
AGAIN_MOST_S = 30.0


_Id = TypeVar("_Id")
_Thing = TypeVar("_Thing")


class _Command(Struct, kw_only=True):
    boot_id: str
    body: dict[str, Json]
    stays: bool
    """Until the agent speaks of its id."""
    sent: int = 0
    due: float = 0.0


class _Box(Struct):
    commands: dict[tuple[str, str], _Command]
    """(do, id), or (do, ""): a later order of the same kind replaces the earlier in its place."""
    orders: dict[str, Order]


class AgentJig:
    """The mailboxes. `wake(node)` is called, from the thread that ordered, when something new is in one."""

    def __init__(self, submit: Submit, logs: Logs, clock: Callable[[], float] = time.monotonic, in_clear: bool = False) -> None:
        """`in_clear`: secrets may go out without TLS, since the machines are simulated."""
        self._in_clear = in_clear
        self._submit = submit
        self._logs = logs
        self._clock = clock
        self._boxes: dict[NodeId, _Box] = {}
        self._lock = threading.Lock()
        self._wake: Callable[[NodeId], None] = _nobody_waits
        self._told: Callable[[NodeId, str], bool] = _nobody_asked

    def listen(self, wake: Callable[[NodeId], None], told: Callable[[NodeId, str], bool]) -> None:
        """Who is to be woken, and who knows whether the acknowledgement of a leg goes to the node as the answer of a
        call; replaces those before."""
        self._wake = wake
        self._told = told

    # -- from the engine ------------------------------------------------------------------------------------------

    def start(self, order: Order) -> None:
        attempt = order.attempt
        self._logs.open(attempt, order.secrets)
        do = "query" if order.start.resume else "run"
        body: dict[str, Json] = {"do": do, "id": attempt}
        if do == "run":
            body["timeout"] = max(1, math.ceil(order.timeout_s))
        with self._lock:
            box = self._box(order.node.id)
            box.commands.pop(("run", attempt), None)
            box.commands.pop(("query", attempt), None)
            box.orders.pop(attempt, None)
            box.orders[attempt] = order
            _trim(box.orders, MAX_ORDERS)
            self._put(box, order.node.boot_id, body, stays=True)
        self._wake(order.node.id)

    def acknowledge(self, attempt: str, node: NodeId, boot_id: str = "") -> None:
        """Tell the agent to forget the outcome, unless the answer to its result tells it. The boot is that of the
        order, where it is known here."""
        told = self._told(node, attempt)
        with self._lock:
            box = self._box(node)
            order = box.orders.pop(attempt, None)
            box.commands.pop(("run", attempt), None)
            box.commands.pop(("query", attempt), None)
            boot = boot_id or (order.node.boot_id if order is not None else "")
            if boot and not told:
                self._put(box, boot, {"do": "ack", "id": attempt}, stays=False)
        self._logs.close(attempt)
        if boot and not told:
            self._wake(node)

    def command(self, node: NodeId, boot_id: str, body: dict[str, Json]) -> None:
        """Another command for this boot of the node: `{"do": "reboot"}`, `{"do": "kexec", ...}`."""
        with self._lock:
            self._put(self._box(node), boot_id, body, stays=False)
        self._wake(node)

    def forget(self, node: NodeId) -> None:
        """The node was deleted."""
        with self._lock:
            box = self._boxes.pop(node, None)
        for attempt in box.orders if box is not None else ():
            self._logs.close(attempt)

    def close(self) -> None:
        """Agents find nobody, and go on with what they have."""
        with self._lock:
            self._boxes.clear()

    # -- from the node's calls; `node` and `boot_id` are proved by its token ------------------------------------

    def take(self, node: NodeId, boot_id: str) -> tuple[dict[str, Json] | None, float]:
        """The next command for this boot, if there is one, and in how many seconds at the latest it is worth to ask
        again (inf: when woken)."""
        now = self._clock()
        with self._lock:
            box = self._boxes.get(node)
            if box is None:
                return None, math.inf
            soonest = math.inf
            for key, command in list(box.commands.items()):
                if command.boot_id != boot_id:
                    del box.commands[key]
                    continue
                if command.due > now:
                    soonest = min(soonest, command.due - now)
                    continue
                if command.stays:
                    command.due = now + min(AGAIN_S * 2**command.sent, AGAIN_MOST_S)
                    command.sent = min(command.sent + 1, 16)
                else:
                    del box.commands[key]
                return command.body, math.inf
            if not box.commands and not box.orders:
                del self._boxes[node]
            return None, soonest

    def knows(self, node: NodeId, attempt: str) -> bool:
        """Is this leg ordered from this node? Its agent spoke of it, so its command is not handed out again."""
        with self._lock:
            box = self._boxes.get(node)
            if box is None or attempt not in box.orders:
                return False
            box.commands.pop(("run", attempt), None)
            return True

    def progress(self, node: NodeId, attempt: str) -> bool:
        """The agent says that a leg is at work; True if it was ordered. That is also the answer to a query: told to
        the engine, once."""
        if not self.knows(node, attempt):
            return False
        with self._lock:
            box = self._boxes.get(node)
            asked = box is not None and box.commands.pop(("query", attempt), None) is not None
        if asked:
            # Where its lane is full, the engine asks once more by the attempt's deadline.
            self._submit(Outcome(attempt=attempt, node=node, what="running"))
        return True

    def task(self, node: NodeId, attempt: str, secure: bool = True) -> bytes | None:
        """The tar of a leg that this node was told to run; None for any other. Reads files. A role that cannot be
        packed fails the leg, as does one with secrets that was not asked for over TLS (`secure`)."""
        with self._lock:
            box = self._boxes.get(node)
            order = box.orders.get(attempt) if box is not None else None
        if order is None or order.start.resume:
            return None
        if order.sealed and not (secure or self._in_clear):
            self._submit(failed(attempt, node, reasons.secret_in_clear(role=order.role.name, names=", ".join(order.sealed))))
            return None
        try:
            data = bundle(order)
        except BundleError as error:
            self._submit(
                failed(attempt, node, reasons.script_failed(role=order.role.name, exit=126, line=str(error)))
            )
            return None
        self.knows(node, attempt)
        return data

    def posted(self, node: NodeId, attempt: str, said: dict[str, Json]) -> Literal["wait", "told", "full"]:
        """What the agent says of a leg, as the fields of `outcome.Ended`. `wait`: told to the engine, which will
        acknowledge; `told`: nothing more to come; `full`: the engine's lane is full, the agent must send it again."""
        with self._lock:
            box = self._boxes.get(node)
            order = box.orders.get(attempt) if box is not None else None
        ended = Ended(**said)
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
                box.commands.pop(("run", attempt), None)
                box.commands.pop(("query", attempt), None)
        return "wait" if ended.state in ("ended", "unstarted") else "told"

    # -- inside, with the lock held -------------------------------------------------------------------------------

    def _box(self, node: NodeId) -> _Box:
        box = self._boxes.get(node)
        if box is None:
            box = self._boxes[node] = _Box({}, {})
        return box

    def _put(self, box: _Box, boot_id: str, body: dict[str, Json], stays: bool) -> None:
        box.commands[(str(body["do"]), str(body.get("id", "")))] = _Command(boot_id=boot_id, body=body, stays=stays)
        _trim(box.commands, MAX_COMMANDS)


def _nobody_waits(_node: NodeId) -> None:
    """No server listens yet."""


def _nobody_asked(_node: NodeId, _attempt: str) -> bool:
    return False


def _trim(things: dict[_Id, _Thing], most: int) -> None:
    while len(things) > most:
        del things[next(iter(things))]
