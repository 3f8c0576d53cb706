"""Why the engine refuses a command of an operator, or cannot carry it out."""

from __future__ import annotations

from .kind import Who, kind

busy = kind("busy", "node {node} is busy: {what}", "wait until that ends, then try again", who=Who.WAIT)
illegal = kind("illegal", "{verb} is not possible: node {node} is {state}", who=Who.OPERATOR)
proves_nothing = kind(
    "proves_nothing",
    "role {role} does not validate anything",
    "crowbar validate runs all roles that do; a barclamp declares one by `validate: true`",
    who=Who.OPERATOR,
)
proves_earlier = kind(
    "proves_earlier",
    "role {role} tests {node} in stage {stage}, and the node is in stage {present}: its last result counts",
    "to test the machine again, give crowbar role {node} {role} redeploy; that boots it",
    who=Who.OPERATOR,
)
light_on = kind(
    "light_on",
    "the identify light of {node} is on, and only the engine can turn it off",
    "crowbar node {node} identify 0; then delete it",
    who=Who.OPERATOR,
)
bad_value = kind("bad_value", "{what} must be {expected}, not {value}", who=Who.OPERATOR)
secret_value = kind(
    "secret_value",
    "attribute {name} holds a secret, which is never given in the open",
    "crowbar set WHERE {name} --secret-env VARIABLE, or --secret-file FILE; or name its source under `secrets` in the plan",
    who=Who.OPERATOR,
)
made_secret = kind(
    "made_secret",
    "the engine makes the secret {name} itself, and nobody sets it",
    "choose another attribute; docs/attributes.md lists them",
    who=Who.OPERATOR,
)
not_a_secret = kind(
    "not_a_secret",
    "attribute {name} holds no secret, so its value would be shown",
    "give it as an ordinary value; a barclamp declares a secret by `secret: true`",
    who=Who.OPERATOR,
)
bad_secret = kind(
    "bad_secret",
    "the secret for attribute {name} must be {expected}; what was given is not shown",
    "give another one",
    who=Who.OPERATOR,
)
not_sealed = kind(
    "not_sealed", "the secret for attribute {name} cannot be sealed: {message}", "correct that, then set it again", who=Who.OPERATOR
)
no_place = kind(
    "no_place",
    "attribute {name} has no place {pointer}: {why}",
    "look at the value: crowbar explain NODE ROLE {name}",
    who=Who.OPERATOR,
)
which_value = kind(
    "which_value",
    "the roles of {scope} see different values of {name} ({roles}), so one place cannot be set for all of them",
    "name one role (crowbar set NODE/ROLE), or set the whole value",
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
no_token = kind(
    "no_token",
    "the request shows no valid token of an operator",
    "send the header `Authorization: Bearer TOKEN`, or a certificate; make one on the admin node with crowbar api token NAME",
    who=Who.OPERATOR,
)
needs_both = kind(
    "needs_both",
    "this API needs a token and a certificate of the same operator, and the request shows only one of them: {missing} is missing",
    "make a token with crowbar api token NAME, and a certificate with crowbar api certificate NAME -o FOLDER",
    who=Who.OPERATOR,
)
certificate_expired = kind(
    "certificate_expired",
    "the certificate of operator {operator} expired on {until}",
    "make a new one on the admin node with crowbar api certificate {operator} -o FOLDER; check the clocks of both machines",
    who=Who.OPERATOR,
)
certificate_revoked = kind(
    "certificate_revoked",
    "the certificate was revoked, or its making did not end",
    "if the operator may still use the API, make a new one on the admin node with crowbar api certificate NAME -o FOLDER",
    who=Who.OPERATOR,
)
certificate_foreign = kind(
    "certificate_foreign",
    "the client certificate is not of this site's authority for operators",
    "make one on the admin node with crowbar api certificate NAME -o FOLDER",
    who=Who.OPERATOR,
)
certificate_use = kind(
    "certificate_use",
    "the client certificate is not for a client of TLS",
    "make one on the admin node with crowbar api certificate NAME -o FOLDER",
    who=Who.OPERATOR,
)
two_operators = kind(
    "two_operators",
    "the token is of operator {token}, and the certificate of operator {certificate}",
    "send a token and a certificate of the same operator, or only one of them",
    who=Who.OPERATOR,
)
failed_logins = kind(
    "failed_logins",
    "too many requests without a valid token or certificate came from {address}",
    "wait {seconds} s, then send a valid one",
    who=Who.OPERATOR,
)
needs_yes = kind(
    "needs_yes",
    "{verb} may destroy data on the disks of node {node}",
    'check which disks (crowbar {command}), then send the request again with {{"yes": true}}',
    who=Who.OPERATOR,
)
no_route = kind("no_route", "the API has nothing at {path}", "GET /api/v1/openapi.json lists every path", who=Who.OPERATOR)
wrong_method = kind("wrong_method", "{path} takes {methods}, not {method}", "GET /api/v1/openapi.json lists every path", who=Who.OPERATOR)
bad_call = kind("bad_call", "the request is not usable: {message}", "GET /api/v1/openapi.json describes every request", who=Who.OPERATOR)
body_too_large = kind("body_too_large", "the body of this request may have {limit} bytes at most", "send a smaller body", who=Who.OPERATOR)
slow_body = kind("slow_body", "the body of the request took longer than {seconds} s", "send the request again", who=Who.OPERATOR)
api_busy = kind(
    "api_busy", "{who} has {count} requests in work, and the API takes no more now", "wait for an answer, then try again", who=Who.WAIT
)
