"""Carries out challenges (`core.roles.confirm`): the node's agent writes one into its BMC, and the engine reads it there.

Waiting for the agent blocks no thread. The text is made of the site's key, the boot and the challenge's number, so nothing is stored, and
an engine that was restarted orders the same challenge again.
"""

from __future__ import annotations

import time
from concurrent.futures import Future

from .. import reasons
from ..effects import Prove
from ..events import Proved, Spoken
from ..jigs.agent import AgentJig
from ..model import Node
from ..quirks import PROOF_WAYS
from ..trust.tokens import Keys
from ..wire import agent
from ..wire.agent import Ended
from .power_orders import PowerOrders

_MOST_RECORD = 0xFFFE
"""Largest id of an entry of an event log (IPMI 2.0, 31.5); FFFFh means the last one."""


class Proofs:
    """Thread-safe."""

    def __init__(self, keys: Keys, mailbox: AgentJig, power: PowerOrders) -> None:
        self._keys, self._mailbox, self._power = keys, mailbox, power
        self._begun: dict[str, float] = {}
        """Node -> when its last challenge left (monotonic)."""

    def write(self, order: Prove, node: Node, ways: tuple[str, ...]) -> Future[Ended]:
        """Tells the node's agent to try these ways (`quirks.proof_ways`). The result comes when the agent has answered, or never."""
        self._begun[node.id] = time.monotonic()
        text = self._keys.challenge(node.id, order.boot_id, order.number)
        command = agent.Prove(id=f"prove-{order.number}", text=text, ways=" ".join(ways))
        return self._mailbox.prove(node.id, order.boot_id, command)

    def read(self, order: Prove, node: Node, ended: Ended) -> Proved:
        """What the BMC shows now. Blocks as long as a call to a BMC may take."""
        failure: reasons.Reason | None = None
        spoken: Spoken = ""
        way, record = ended.gives.get("way"), ended.gives.get("record", 0)
        known = isinstance(way, str) and way in PROOF_WAYS
        if ended.exit != 0 or not known or not isinstance(record, int) or not 0 <= record <= _MOST_RECORD:
            said = ended.message[:200] or "it did not say why"
            failure = reasons.not_written(node=node.name, message=said)
        else:
            text = self._keys.challenge(node.id, order.boot_id, order.number)
            failure, spoken = self._power.shows(node, record, text)
        return Proved(
            node=order.node,
            number=order.number,
            failure=failure,
            bmc=spoken,
            way=str(way) if known else "",
            took_s=round(time.monotonic() - self._begun.pop(node.id, time.monotonic()), 3),
        )
