"""Whether nodes are there: when the engine last heard from them, which fell silent, and how one is asked or told something at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ..core.boot.patience import LEAST, of_plan
from ..core.roles.stages import over_network
from ..core.world.world import World
from ..events import Missed
from ..jigs.agent import AgentJig
from ..jigs.ssh import SshPool, SshTarget
from ..model import Kind, Node
from ..wire.agent import Kexec, Reboot
from .config import Config
from .last_values import LastValues


class Contact:
    """Thread-safe. `is_there` blocks for a part of the silence that a node may keep, the rest returns at once."""

    def __init__(self, config: Config, world: Callable[[], World], last_values: LastValues, agent: AgentJig, ssh: SshPool) -> None:
        self._config, self._world, self._last_values, self._agent, self._ssh = config, world, last_values, agent, ssh
        self._begun = time.monotonic()
        self._closed = threading.Event()

    def close(self) -> None:
        """Whoever waits for an answer of a node gets none any more."""
        self._closed.set()

    def silence_s(self) -> float:
        """Seconds without a word after which a node is asked."""
        return of_plan(self._world().plan, self._config.silence_s, LEAST)

    def silent(self) -> list[Missed]:
        """Nodes that are believed alive and kept silent for longer than that."""
        return silent_nodes(self._world(), self._last_values.last_contact, time.monotonic(), self.silence_s())

    def command(self, node: str, generation: int, command: Reboot | Kexec) -> bool:
        """Gives a node's agent a command. False if the engine has not heard from the agent for `silence_s`."""
        found, last_contact = self._world().nodes.get(node), self._last_values.last_contact(node)
        # An engine that has just started has heard from no agent yet: agents come back within seconds.
        silent = time.monotonic() - (self._begun if last_contact is None else last_contact)
        if found is None or not found.boot_id or silent > self.silence_s():
            return False
        self._agent.command(node, found.boot_id, command, generation)
        return True

    def is_there(self, node: Node, target: SshTarget | None) -> bool:
        """Does the node run its boot_id and answer? An agent is made to call and waited for; an installed system is asked. What the agent
        said before the question is no answer: it may have gone down since."""
        if over_network(self._world(), node.runs):
            asked = time.monotonic()
            self._agent.call_again(node.id)
            while not self._closed.is_set() and time.monotonic() - asked < self.silence_s() / 3:
                last_contact = self._last_values.last_contact(node.id)
                if last_contact is not None and last_contact > asked:
                    return True
                self._closed.wait(0.05)
            return False
        if target is None:
            return False
        return bool(self._ssh.boot_id(node.id, target) == node.boot_id)

    def boot_of(self, node: Node, target: SshTarget | None) -> str:
        """The boot_id of what a machine runs now. Empty: it does not answer."""
        return self._ssh.boot_id(node.id, target)[:64] if target is not None else ""


def silent_nodes(world: World, last_contact: Callable[[str], float | None], now: float, longer_s: float) -> list[Missed]:
    """Nodes that count as alive and were silent for so many seconds of monotonic time."""
    out = []
    for node in world.nodes.values():
        if node.kind in (Kind.SERVER, Kind.JOINED) and node.alive and node.available and not node.probe:
            last = last_contact(node.id)
            if last is None or now - last > longer_s:
                out.append(Missed(node=node.id))
    return out
