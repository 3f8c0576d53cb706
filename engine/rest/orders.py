"""The endpoints that change something. Each becomes a request of the attach socket's protocol, and is carried out by the same desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import UNSET

from .. import reasons
from ..attach.desk import carry_out
from ..attach.protocol import AnyRequest, DoCommit, DoCommitProposals, DoJoin, DoOperate, DoPropose, DoRecall, DoSetAttribute
from ..definitions import Json
from ..reasons import Reason
from . import messages as m
from .calls import Backend, Call, Refusal

STATUS = {
    reasons.bad_request.code: 422,
    reasons.bad_plan.code: 422,
    reasons.bad_value.code: 422,
    reasons.bad_secret.code: 422,
    reasons.secret_value.code: 422,
    reasons.not_a_secret.code: 422,
    reasons.engine_error.code: 500,
}
"""Code of a reason -> HTTP status, where the state of the rack is not to blame. All others: 409."""


def _verb(backend: Backend, call: Call) -> m.Receipt:
    verb, parts = call.endpoint.verb, call.parts
    assert verb is not None
    if verb.destroys and not call.body.yes:
        command = " ".join([verb.target, *(parts[name] for name in ("node", "role") if name in parts), verb.name])
        raise Refusal(409, reasons.needs_yes(verb=verb.name, node=parts["node"], command=command))
    value = call.body.value if isinstance(call.body, m.Valued) else None
    return _carried_out(backend, call, DoOperate(verb=verb.name, node=parts["node"], role=parts.get("role", ""), value=value))


def _commit(backend: Backend, call: Call) -> m.Receipt:
    body: m.PlanToCommit = call.body
    return _carried_out(backend, call, DoCommit(plan=body.plan, name=body.name, secrets=body.secrets, expects=body.if_revision))


def _join(backend: Backend, call: Call) -> m.Receipt:
    body: m.InstalledMachine = call.body
    wanted = DoJoin(
        address=body.address,
        user=body.user,
        name=body.name,
        host_key=body.host_key,
        password=body.password,
        private_key=body.private_key,
    )
    return _carried_out(backend, call, wanted)


def _propose(backend: Backend, call: Call) -> m.Receipt:
    body: m.EditedDeployment = call.body
    name = call.parts["deployment"]
    edit = DoPropose(deployment=name, definition=body.definition, name=body.name, base=body.base, over=body.over)
    return _carried_out(backend, call, edit)


def _propose_delete(backend: Backend, call: Call) -> m.Receipt:
    return _carried_out(backend, call, DoPropose(deployment=call.parts["deployment"]))


def _propose_back(backend: Backend, call: Call) -> m.Receipt:
    body: m.EarlierRevision = call.body
    return _carried_out(backend, call, DoPropose(deployment=call.parts["deployment"], revision=body.revision))


def _recall(backend: Backend, call: Call) -> m.Receipt:
    return _carried_out(backend, call, DoRecall(deployment=call.parts["deployment"]))


def _commit_proposals(backend: Backend, call: Call) -> m.Receipt:
    body: m.EditsToCommit = call.body
    return _carried_out(backend, call, DoCommitProposals(deployments=list(body.deployments), seen=body.seen))


def _set(backend: Backend, call: Call) -> m.Receipt:
    layer, scope = _scope(call.parts)
    body: m.NewValue = call.body
    value: Json = None if body.value is UNSET else body.value
    secret = None if body.secret is UNSET else body.secret
    name = call.parts["attribute"]
    order = DoSetAttribute(layer=layer, scope=scope, name=name, value=value, pointer=body.pointer, secret=secret)
    return _carried_out(backend, call, order)


def _clear(backend: Backend, call: Call) -> m.Receipt:
    layer, scope = _scope(call.parts)
    order = DoSetAttribute(layer=layer, scope=scope, name=call.parts["attribute"], clear=True, pointer=call.query.pointer)
    return _carried_out(backend, call, order)


def _scope(parts: dict[str, str]) -> tuple[Literal["deployment", "operator"], str]:
    return "deployment" if "deployment" in parts else "operator", _scope_of(parts)


def _scope_of(parts: dict[str, str]) -> str:
    """`DEPLOYMENT`, `NODE` or `NODE/ROLE`. Empty: the path names none."""
    return parts.get("deployment") or "/".join(parts[name] for name in ("node", "role") if name in parts)


def _carried_out(backend: Backend, call: Call, request: AnyRequest) -> m.Receipt:
    answer = carry_out(backend.host, request, call.who)
    if answer.ok:
        return m.Receipt(message=answer.message)
    assert answer.reason is not None
    raise Refusal(_status(answer.reason, call), answer.reason)


def _status(reason: Reason, call: Call) -> int:
    if reason.code == reasons.unknown_thing.code:  # named in the path, or by the body
        return 404 if reason.fields["name"] in {*call.parts.values(), _scope_of(call.parts)} else 422
    return STATUS.get(reason.code, 409)


ORDERS: dict[str, Callable[[Backend, Call], Any]] = {
    "verb": _verb,
    "plan-commit": _commit,
    "node-join": _join,
    "propose": _propose,
    "propose-delete": _propose_delete,
    "propose-back": _propose_back,
    "recall": _recall,
    "proposals-commit": _commit_proposals,
    "set": _set,
    "clear": _clear,
}
"""Handler's name -> handler."""
