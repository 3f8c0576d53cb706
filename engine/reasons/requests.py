"""Why the engine refuses a command of an operator, or cannot carry it out."""

from __future__ import annotations

from .kind import Who, kind

busy = kind("busy", "node {node} is busy: {what}", "wait until that ends, then try again", who=Who.WAIT)
illegal = kind("illegal", "{verb} is not possible: node {node} is {state}", who=Who.OPERATOR)
bad_value = kind("bad_value", "{what} must be {expected}, not {value}", who=Who.OPERATOR)
secret_value = kind(
    "secret_value",
    "attribute {name} holds a secret, and a secret cannot be set by hand",
    "name the secret's source under `secrets` in the plan",
    who=Who.OPERATOR,
)
installed = kind(
    "installed",
    "node {node} already has {os} installed",
    "to overwrite its disks: crowbar node {node} reinstall",
    who=Who.OPERATOR,
)
set_by_plan = kind(
    "set_by_plan",
    "the plan sets {name} of {scope}; no operator set it",
    "to change it for now, use crowbar set; to remove it, change the plan and commit it",
    who=Who.OPERATOR,
)
unknown_thing = kind("unknown_thing", "there is no {what} {name}", "known: {nearest}", who=Who.OPERATOR)
no_such_move = kind(
    "no_such_move",
    "{what} is {state}: the move `{move}` is not possible in that state, and the engine changed nothing",
    "report this as a defect of the engine; docs/states.md lists the possible moves",
    who=Who.OPERATOR,
)
engine_error = kind(
    "engine_error",
    "the engine failed on {event} and changed nothing: {error}",
    "report this as a defect, with the engine's log",
    who=Who.OPERATOR,
)
bad_request = kind(
    "bad_request",
    "the engine does not understand the request: {message}",
    "use the crowbar command of the engine's version",
    who=Who.OPERATOR,
)
other_version = kind(
    "other_version",
    "this command speaks version {theirs} of the attach protocol, and the engine speaks version {ours}",
    "use the crowbar command of the engine's version",
    who=Who.OPERATOR,
)
