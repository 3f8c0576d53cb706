"""The desk where every request of another process is carried out, whichever way it came: by the attach socket or the HTTP API.

Whoever calls it has found out who asks. So receipts, refusals and the name in the journal are the same for both.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from .. import reasons
from ..core.operator.verbs import is_slow
from ..definitions import Json
from ..effects import Accept, Refuse
from ..events import Asked, Operate, Recall, SetAttribute
from ..reasons import Reason
from .place import POWER_S
from .protocol import (
    VERSION,
    AnyRequest,
    AskBmc,
    AskDisks,
    AskHealth,
    AskPackets,
    AskProgress,
    DoCommit,
    DoCommitProposals,
    DoJoin,
    DoOperate,
    DoPropose,
    DoRecall,
    DoSetAttribute,
    HandOver,
    Ping,
    Reply,
    Stop,
    Wait,
)

log = logging.getLogger(__name__)

ASK_S = 30.0
WAIT_S = 30.0


class Host(Protocol):
    """What the socket needs from the engine."""

    @property
    def failure(self) -> str: ...
    def ask(self, event: Asked, timeout_s: float = ...) -> Accept | Refuse: ...
    def set_secret(self, event: SetAttribute, secret: str) -> Accept | Refuse: ...
    def commit_text(
        self, text: str, name: str, who: str, secrets: Mapping[str, str] | None = None, expects: int | None = None
    ) -> Accept | Refuse: ...
    def propose(self, edit: DoPropose, who: str) -> Accept | Refuse: ...
    def commit_proposals(self, deployments: Sequence[str], seen: Mapping[str, float], who: str) -> Accept | Refuse: ...
    def join(self, wanted: DoJoin, who: str) -> Accept | Refuse: ...
    def wait(self, seq: int, timeout_s: float) -> int: ...
    def health(self) -> dict[str, Json]: ...
    def progress(self) -> dict[str, Json]: ...
    def disks(self, nodes: list[str]) -> dict[str, Json]: ...
    def bmc(self, node: str, inventory: bool, interop: bool = False) -> dict[str, Json] | Reason: ...
    def machine_health(self, node: str) -> dict[str, Json] | Reason: ...

    def packets(self, of: str, after: int) -> dict[str, Json] | Reason: ...
    def hand_over(self, to: str, who: str) -> Accept | Refuse: ...
    def ask_to_stop(self, who: str) -> None: ...


def program_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # loads the parser of mails

    try:
        return version("crowbar-tui")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0"


def carry_out(host: Host, request: AnyRequest, who: str) -> Reply:
    """Carries out a request in the name of `who`, and waits for the engine's answer."""
    match request:
        case Ping():
            here: dict[str, Json] = {"crowbar": VERSION, "version": program_version(), "pid": os.getpid()}
            here |= {"user": who, "failure": host.failure}
            return Reply(id=request.id, ok=True, message="an engine is here", result=here)
        case DoOperate():
            limit = POWER_S if is_slow(request.verb, request.role) else ASK_S
            operate = Operate(who=who, verb=request.verb, node=request.node, role=request.role, value=request.value)
            return _reply(request.id, host.ask(operate, limit))
        case DoCommit():
            return _reply(request.id, host.commit_text(request.plan, request.name, who, request.secrets, request.expects))
        case DoPropose():
            return _reply(request.id, host.propose(request, who))
        case DoRecall():
            return _reply(request.id, host.ask(Recall(who=who, deployment=request.deployment[:100]), ASK_S))
        case DoCommitProposals():
            return _reply(request.id, host.commit_proposals(request.deployments, request.seen, who))
        case DoSetAttribute():
            return _reply(request.id, _set(host, request, who))
        case DoJoin():
            return _reply(request.id, host.join(request, who))
        case AskHealth() | AskProgress() | AskDisks() | AskBmc() | AskPackets():
            found = _asked(host, request)
            return refusal(request.id, found) if isinstance(found, Reason) else Reply(id=request.id, ok=True, result=found)
        case Wait():
            seconds = min(max(request.seconds, 0.0), WAIT_S)
            return Reply(id=request.id, ok=True, result={"seq": host.wait(request.seq, seconds)})
        case HandOver():
            return _reply(request.id, host.hand_over(request.to[:100], who))
        case Stop():
            log.info("%s asked the engine to stop", who)
            host.ask_to_stop(who)
            return Reply(id=request.id, ok=True, message="the engine stops")
        case _:
            assert_never(request)


def _asked(host: Host, request: AskHealth | AskProgress | AskDisks | AskBmc | AskPackets) -> dict[str, Json] | Reason:
    match request:
        case AskHealth():
            return host.health()
        case AskProgress():
            return host.progress()
        case AskDisks():
            return host.disks(request.nodes)
        case AskBmc():
            return host.machine_health(request.node) if request.health else host.bmc(request.node, request.inventory, request.interop)
        case AskPackets():
            return host.packets(request.of, request.after)


def _set(host: Host, request: DoSetAttribute, who: str) -> Accept | Refuse:
    event = SetAttribute(
        who=who,
        layer=request.layer,
        scope=request.scope,
        name=request.name,
        value=request.value,
        clear=request.clear,
        pointer=request.pointer,
    )
    return host.ask(event, ASK_S) if request.secret is None else host.set_secret(event, request.secret)


def _reply(number: int, answer: Accept | Refuse) -> Reply:
    return Reply(id=number, ok=True, message=answer.message) if isinstance(answer, Accept) else refusal(number, answer.reason)


def refusal(number: int, reason: Reason) -> Reply:
    """The answer to a request that is refused."""
    return Reply(id=number, ok=False, reason=reason, sentence=reasons.sentence(reason), advice=reasons.advice(reason))
