"""How an attempt to run a role fails. The subject of each sentence is the attempt or the role."""

from __future__ import annotations

from .kind import Who, kind

script_failed = kind(
    "script_failed",
    "{role} ended with exit code {exit}: {line}",
    "read the log of the attempt (crowbar log NODE {role})",
    who=Who.OPERATOR,
)
timed_out = kind(
    "timed_out",
    "{role} ran longer than {seconds:g} s, and the engine stopped it",
    "read the log of the attempt (crowbar log NODE {role})",
    who=Who.OPERATOR,
)
packages_missing = kind(
    "packages_missing",
    "{role} did not run, because its node could not install packages: {line}",
    "crowbar packages shows what the package cache could not fetch; then retry the role",
    who=Who.OPERATOR,
)
verify_failed = kind("verify_failed", "{role} ran, and its verify script found the role not applied: {line}", who=Who.ENGINE)
changed_by_hand = kind(
    "changed_by_hand",
    "{role} is applied, and {line}",
    "to keep that, change what the role is made from (its attributes); to undo it, retry role {role} (crowbar role NODE {role} retry)",
    who=Who.OPERATOR,
)
not_applied = kind("not_applied", "{role} was active, and does not hold any more: {line}; the engine runs it again", who=Who.ENGINE)
not_checked = kind(
    "not_checked",
    "the engine cannot find out whether {role} still holds: {line}",
    "read the log of the last look (crowbar log NODE {role}); a look that succeeds takes this back",
    who=Who.OPERATOR,
)
not_retried = kind(
    "not_retried",
    "{role} failed, and trying again by itself would do the same harm: {line}",
    "correct what the sentence names, then retry the role (crowbar role NODE {role} retry)",
    who=Who.OPERATOR,
)
lost = kind("lost", "the node no longer knows attempt {attempt}", who=Who.ENGINE)
refused = kind("refused", "{node} refused attempt {attempt}: {message}", who=Who.ENGINE)
unreachable_node = kind("unreachable_node", "the engine could not reach {node} at {address}: {message}", who=Who.ENGINE)
no_host_key = kind(
    "no_host_key",
    "the install of {node} reported no SSH host key, so the engine sent nothing to {address}",
    "reinstall the node, or retry its install role, so that the node reports its key",
    who=Who.OPERATOR,
)
host_key = kind(
    "host_key",
    "{node} at {address} showed a different SSH host key from the one that its install reported",
    "find out which machine answers at that address",
    who=Who.TECHNICIAN,
)
no_address = kind("no_address", "node {node} has no address on the admin network", who=Who.WAIT)
no_jig = kind("no_jig", "role {role} names jig {jig}, and there is no such jig", "correct the barclamp", who=Who.OPERATOR)
no_tool = kind(
    "no_tool",
    "{role} needs {tool}, and {node} does not have it",
    "install it there, for example with a role of the jig script that this role requires; then retry the role",
    who=Who.OPERATOR,
)
no_ansible = kind(
    "no_ansible",
    "{role} needs Ansible, which is not installed with this engine: {message}",
    "install it beside the engine (pip install 'crowbar-tui[ansible]'), then retry the role",
    who=Who.OPERATOR,
)
secret_in_clear = kind(
    "secret_in_clear",
    "{role} needs the secret {names}, and the node's agent asked for it without TLS",
    "add curl or wget to the discovery image and build it: crowbar image build sledgehammer; then retry the role",
    who=Who.OPERATOR,
)
bad_result = kind(
    "bad_result",
    "the result of {role} differs from what the barclamp declares: {message}",
    "correct the role's script",
    who=Who.OPERATOR,
)
