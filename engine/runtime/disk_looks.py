"""Asks nodes for their disks now, for an operator who is about to confirm a destructive order.

A node in an image in memory is asked through its agent. It runs the scripts of `inventory` once more, as a task without a role, and only
the caller gets the answer. An installed system is asked over SSH with its pinned key: it runs `images/node/disks list`. Both only read.

Rules
* It never waits longer than LOOK_S in total, for any number of nodes. A node that does not answer in time, is at work or booting, or
  cannot be reached gets a reason. The caller then shows the known disks, and the age of that knowledge.
* An answer is the node's own claim. It is typed and bounded like an inventory, and never stored.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import msgspec

from .. import reasons
from ..core.hardware.disk_now import Look
from ..core.hardware.disks import read
from ..core.roles.guards import node_holder
from ..core.roles.stages import over_network
from ..core.world.world import World
from ..definitions import Json
from ..effects import Start
from ..jigs.agent import AgentJig
from ..jigs.node_tools import TOOLS
from ..jigs.order import Order
from ..jigs.ssh import SshFailed, SshPool, SshTarget
from ..model import Node
from .runner import role_folder

LOOK_S = 8.0
"""Seconds for a whole query. An inventory of 24 disks takes 2 to 3."""
NODES = 64
"""Most nodes that are asked at once. The others are reported as not asked."""
_ROLE = "inventory"


class DiskLooks:
    """Thread-safe; `look` blocks only its caller."""

    def __init__(
        self,
        world: Callable[[], World],
        agent: AgentJig,
        ssh: SshPool,
        target: Callable[[World, Node], SshTarget | None],
        finished: Callable[[str], None],
        seconds: float = LOOK_S,
    ) -> None:
        """`target`: address and keys of an installed system. `finished`: removes a node's live progress."""
        self._world = world
        self._agent = agent
        self._ssh = ssh
        self._target = target
        self._finished = finished
        self._seconds = seconds

    def look(self, nodes: list[str]) -> dict[str, Look]:
        """Node id -> its answer, or why there is none. Only known nodes."""
        world, end = self._world(), time.monotonic() + self._seconds
        known = [node for name in dict.fromkeys(nodes) if (node := world.nodes.get(name) or world.node_named(name)) is not None]
        out = {node.id: _not_seen(node, f"more than {NODES} nodes are asked at once") for node in known[NODES:]}
        pool = ThreadPoolExecutor(min(len(known), 16) or 1, thread_name_prefix="disks")
        try:
            asked: dict[Future[Look], Node] = {pool.submit(self._one, world, node, end): node for node in known[:NODES]}
            done, late = wait(asked, timeout=max(end - time.monotonic(), 0.0) + 0.5)
            out |= {asked[one].id: _not_seen(asked[one], f"no answer in {self._seconds:g} s") for one in late}
            out |= {asked[one].id: one.result() for one in done}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        return out

    def _one(self, world: World, node: Node, end: float) -> Look:
        why = _not_now(world, node)
        if why:
            return _not_seen(node, why)
        if over_network(world, node.runs):
            return self._by_agent(world, node, end)
        return self._by_ssh(world, node, end)

    def _by_agent(self, world: World, node: Node, end: float) -> Look:
        definition = world.catalog.roles.get(_ROLE)
        if definition is None:
            return _not_seen(node, f"no barclamp defines {_ROLE}")
        left = max(end - time.monotonic(), 0.1)
        order = Order(
            start=Start(attempt=f"look-{secrets.token_hex(6)}.1", node=node.id, role=_ROLE, action="run"),
            node=node,
            role=definition,
            barclamp=definition.barclamp,
            folder=role_folder(world, definition),
            timeout_s=float(math.ceil(left)),
        )
        answer = self._agent.question(order)
        try:
            ended = answer.result(left)
        except TimeoutError:
            return _not_seen(node, f"its agent gave no answer in {self._seconds:g} s")
        finally:
            self._agent.drop_question(order)
            self._finished(node.id)
        if ended.state != "ended" or ended.exit != 0 or not isinstance(ended.gives.get("disks"), list):
            return _not_seen(node, ended.message or ended.error or f"its inventory ended with {ended.state} {ended.exit}")
        return Look(at=time.time(), disks=tuple(read(ended.gives["disks"])))

    def _by_ssh(self, world: World, node: Node, end: float) -> Look:
        target = self._target(world, node)
        if target is None or target.host_key is None:
            return _not_seen(node, "its installed system has no address or no pinned key yet")
        script = Path(TOOLS / "disks").read_bytes()
        done = self._ssh.run(node.id, target, ["sh", "-s", "list"], script, max(end - time.monotonic(), 0.1))
        if isinstance(done, SshFailed):
            return _not_seen(node, done.message)
        told: Json = None
        if done.exit == 0 and not done.cut:
            try:
                told = msgspec.json.decode(done.stdout)
            except msgspec.DecodeError:
                told = None
        if not isinstance(told, dict) or not isinstance(told.get("disks"), list):
            said = done.stderr.decode("utf-8", "replace").strip()[:120]
            return _not_seen(node, said or f"its list of disks is none (exit code {done.exit})")
        return Look(at=time.time(), disks=tuple(read(told["disks"])))


def _not_now(world: World, node: Node) -> str:
    """Why the node is not asked. Empty: it is asked."""
    if node.boot is not None:
        return f"it is booting {node.boot.environment}"
    if not node.alive:
        return "it does not answer"
    holder = node_holder(world, node.id)
    if holder is not None and over_network(world, node.runs):
        return f"{holder.role} is running on it"
    return ""


def _not_seen(node: Node, message: str) -> Look:
    return Look(unseen=reasons.disks_not_seen(node=node.name, message=message[:200]))
