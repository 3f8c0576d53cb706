"""Confirming a claim through the node's BMC: when the engine asks, how long it waits, and when it gives up.

The engine makes a challenge, a text that only it can know. The node's agent writes it into its BMC from within the machine. The engine
reads it there over the network. Only a program on the node's own machine can do that, so the claim is the node's (`NodeMove.CONFIRM`).

* A challenge is for one boot of one node, and its number is never used again. So a text that somebody saw earlier is worth nothing.
* The engine asks when the node is allocated and its BMC may be used (`hardware.bmc`), before anything else runs there.
* A claim that the BMC refutes gives way to the next hello of that boot: a stranger that was first does not keep the machine out.
* An answer that does not come, or a BMC that shows something else, is tried TRIES times. Then the claim stays unconfirmed, and the node's
  notice says why. `crowbar node NODE retry` and the next boot begin anew; an operator can confirm the claim by its fingerprint.
* A site with `trust: network` needs no confirmation, so the engine asks for none.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from ... import reasons
from ...effects import Prove
from ...events import NodeDue, Proved
from ...model import Kind, Node, Proof
from ...reasons import Reason
from ..boot.patience import deadline_s, pause_s
from ..hardware.bmc import take_up, usable
from ..world.view import View
from ..world.work import Work
from .change import change_node
from .node_moves import NodeMove
from .stages import over_network

ANSWERED = frozenset({"not_proved", "bmc_moved"})
"""Notices that a confirmation answers."""
TRIES = 3
"""Challenges in one boot before the engine gives up."""
WITHIN_S = 90.0
"""Seconds in which a challenge is written and read. Most take one; a small BMC by Redfish takes a minute at its worst."""
AGAIN_S = 10.0
"""Seconds between a failed challenge and the next."""


def wanted(view: View, node: Node) -> bool:
    """True if a confirmation by the BMC is missing, and possible now."""
    if node.kind is not Kind.SERVER or node.confirmed or node.claim == "" or view.plan is None or view.plan.site.trust == "network":
        return False
    up = node.alive and node.available and node.boot is None and node.off is None and over_network(view, node.runs)
    return up and usable(view, node) is not None


def proof_state(node: Node) -> str:
    """`new`: this boot has had no challenge. `open`: one is under way. `waits`: the next one comes. `over`: the engine gave up."""
    proof = node.proof
    if proof is None or proof.boot_id != node.boot_id:
        return "new"
    if proof.failure is None:
        return "open"
    return "waits" if proof.tries < TRIES else "over"


def refuted(node: Node) -> bool:
    """True if the BMC has shown that the present claim is not its machine's: every challenge stayed unanswered, or was not in the BMC. Then
    the next who says hello in this boot takes its place. Whoever says that it cannot write into its BMC stays, unless that machine could
    before."""
    failure = node.proof.failure if node.proof is not None else None
    if node.confirmed or proof_state(node) != "over" or failure is None:
        return False
    could = node.bmc is not None and node.bmc.proven
    return failure.code in ("not_answered", "not_shown") or (failure.code == "not_written" and could)


def advance(w: Work, node_id: str) -> None:
    """Asks for a confirmation if one is missing and none was asked for in this boot."""
    node = w.nodes.get(node_id)
    if node is not None and node.claim and not node.confirmed and wanted(w, node) and proof_state(node) == "new":
        ask(w, node, tries=1)


def ask(w: Work, node: Node, tries: int) -> None:
    number, deadline = node.proofs + 1, w.now + deadline_s(w, WITHIN_S)
    w.put_node(replace(node, proofs=number, proof=Proof(number=number, boot_id=node.boot_id, deadline=deadline, tries=tries)))
    w.wake(deadline, NodeDue(node.id))
    w.order(Prove(node=node.id, number=number, boot_id=node.boot_id))


def proved(w: Work, event: Proved) -> None:
    """The result of a challenge. One that is not the open challenge of the present boot changes nothing."""
    node = w.nodes.get(event.node)
    if node is None or node.proof is None or node.proof.number != event.number or proof_state(node) != "open" or not wanted(w, node):
        return
    if event.failure is not None:
        failed(w, node, event.failure)
        return
    if node.bmc is not None and not node.bmc.proven:
        w.put_node(node := replace(node, bmc=replace(node.bmc, proven=True)))
    confirm(w, node, "bmc")


def confirm(w: Work, node: Node, by: Literal["bmc", "operator"]) -> Node | None:
    """Records that the present claim is the node's. From now on the BMC that it reports counts. None: the move is not legal."""
    confirmed = change_node(w, node, NodeMove.CONFIRM, confirmed=by)
    if confirmed is None:
        return None
    if confirmed.notice is not None and confirmed.notice.code in ANSWERED:
        w.put_node(confirmed := replace(confirmed, notice=None))
    return take_up(w, confirmed)


def failed(w: Work, node: Node, why: Reason) -> None:
    """The challenge confirmed nothing: the next try comes after a pause, or the engine gives up."""
    assert node.proof is not None
    again = w.now + pause_s(w, AGAIN_S)
    proof = replace(node.proof, failure=why, deadline=again)
    notice = node.notice
    if proof.tries >= TRIES:
        notice = reasons.not_proved(
            node=node.name,
            tries=proof.tries,
            message=reasons.sentence(why),
            fingerprint=node.fingerprint or "none",
            address=node.address or "an unknown address",
        )
    w.put_node(replace(node, proof=proof, notice=notice))
    if proof.tries < TRIES:
        w.wake(again, NodeDue(node.id))


def tick(w: Work, node: Node) -> None:
    """A wake of the node has come: the open challenge may be overdue, or the next one due."""
    proof = node.proof
    if proof is None or proof.deadline > w.now or not wanted(w, node):
        return
    match proof_state(node):
        case "open":
            failed(w, node, reasons.not_answered(node=node.name, seconds=deadline_s(w, WITHIN_S)))
        case "waits":
            ask(w, node, tries=proof.tries + 1)


def retry(w: Work, node: Node) -> bool:
    """Forgets that the engine gave up. False: it did not."""
    if proof_state(node) != "over" or not wanted(w, node):
        return False
    w.put_node(node := replace(node, proof=None))
    advance(w, node.id)
    return True


def reopen(w: Work, node: Node) -> None:
    """After a restart: orders the open challenge again, with time to answer it. A next try keeps its time."""
    proof = node.proof
    if proof is None or not wanted(w, node):
        return
    if proof_state(node) == "open":
        w.put_node(replace(node, proof=replace(proof, deadline=w.now + deadline_s(w, WITHIN_S))))
        w.order(Prove(node=node.id, number=proof.number, boot_id=proof.boot_id))
    if proof_state(node) in ("open", "waits"):
        found = w.nodes[node.id].proof
        assert found is not None
        w.wake(found.deadline, NodeDue(node.id))
