"""Why a node role does not run, in the order in which the engine tests. The subject of each sentence is the node role."""

from __future__ import annotations

from .kind import Who, kind

proposed = kind("proposed", "the role is proposed and not committed", "commit the deployment", who=Who.OPERATOR)
role_unknown = kind(
    "role_unknown",
    "no barclamp defines role {role}",
    "restore the barclamp, or delete the role from the node",
    who=Who.OPERATOR,
)
failed = kind("failed", "attempt {attempt} of {of} failed: {message}", "fix the cause, then retry role {role}", who=Who.OPERATOR)
unverifiable = kind(
    "unverifiable",
    "the outcome of attempt {attempt} is lost, and the role has no way to verify it",
    "check the node by hand; skip the role if its work is done, else retry role {role}",
    who=Who.OPERATOR,
)
no_node = kind("no_node", "node {node} no longer exists", "delete the role", who=Who.OPERATOR)
not_available = kind(
    "not_available",
    "node {node} is set to unavailable",
    "make the node available: crowbar node {node} available",
    who=Who.OPERATOR,
)
on_hold = kind("on_hold", "node {node} is on hold", "release the hold: crowbar node {node} release", who=Who.OPERATOR)
quarantined = kind(
    "quarantined",
    "{role} failed {tries} times on {node}, so the engine put the node on hold",
    "read the role's log and replace the part that it names; then crowbar node {node} release, and retry {role}",
    who=Who.TECHNICIAN,
)
powered_off = kind("powered_off", "{who} powered node {node} off", "power it on: crowbar node {node} power on", who=Who.OPERATOR)
problem = kind("problem", "node {node} has a problem: {message}", "fix the problem, then retry the node", who=Who.OPERATOR)
plan_follows = kind("plan_follows", "the engine is still binding the plan's roles; nothing starts before all are bound", who=Who.ENGINE)
booting = kind("booting", "the node is booting {environment}: last signal {signal}, next {expected}", who=Who.ENGINE)
boot_held_up = kind(
    "boot_held_up",
    "the boot into {environment} fails so far: {message} (last signal {signal}, next {expected})",
    "{remedy}",
    who=Who.ENGINE,
)
nothing_validates = kind(
    "nothing_validates",
    "all roles of deployment {deployment} are done, and none of them proves that it works",
    "bind a role that validates, for example ready, to its nodes in the plan",
    who=Who.AUTHOR,
)
proof_skipped = kind(
    "proof_skipped",
    "role {role} proves that the deployment works, and it was skipped",
    "redeploy role {role}, so that it runs",
    who=Who.OPERATOR,
)
found_off = kind(
    "found_off",
    "node {node} is powered off, and neither the engine nor an operator did that",
    "find out why, then power it on: crowbar node {node} power on",
    who=Who.OPERATOR,
)
unreachable = kind(
    "unreachable",
    "the node runs {environment} and does not answer",
    "look at the machine's screen; power-cycle the machine if it hangs",
    who=Who.TECHNICIAN,
)
not_answered_yet = kind(
    "not_answered_yet",
    "the node has just started {environment}, and has not answered the engine yet",
    "wait: the engine asks it again and again, and says so if it stays silent",
    who=Who.ENGINE,
)
no_installer = kind(
    "no_installer",
    "no image installs {system} by the method {method}",
    "set install-method to image, or set target-os to a system that has an installer (crowbar image list)",
    who=Who.AUTHOR,
)
environment = kind("environment", "the node runs {runs}, and the role needs {needs}", who=Who.ENGINE, elsewhere=True)
stage = kind("stage", "the role runs in stage {stage}, and the node is in stage {present}", who=Who.ENGINE, elsewhere=True)
not_allocated = kind(
    "not_allocated",
    "the node is discovered and not allocated",
    "allocate the node, or add a rule to the plan",
    who=Who.OPERATOR,
)
backward = kind(
    "backward",
    "going back from stage {present} to stage {stage} needs an approval",
    "approve the move, or reset the node",
    who=Who.OPERATOR,
)
parent = kind("parent", "waiting for {role} on {node}, which is {state}", who=Who.WAIT, elsewhere=True)
not_linked = kind(
    "not_linked",
    "the role needs {role} on each {kind} that {node} is connected to, and the engine has seen no such connection",
    "connect the machine's cables, then discover it again; crowbar topology shows the connections",
    who=Who.TECHNICIAN,
)
delegate_waits = kind(
    "delegate_waits",
    "the delegate of {device} runs on {node}, and cannot now: {message}",
    "bring {node} to its installed system, or name another node as `delegate` of the device",
    who=Who.OPERATOR,
)
parent_missing = kind(
    "parent_missing",
    "the role requires {role}, which no node has",
    "add {role} to the plan, or correct the plan",
    who=Who.AUTHOR,
)
parent_elsewhere = kind(
    "parent_elsewhere",
    "waiting for {role}, which the plan places on other nodes, and none of these is allocated yet",
    "power on and allocate the nodes that the plan gives {role} to",
    who=Who.WAIT,
)
stale_parent = kind(
    "stale_parent",
    "waiting for {role} on {node}, which runs again because its inputs changed",
    who=Who.WAIT,
    elsewhere=True,
)
retry = kind("retry", "attempt {attempt} failed ({message}); the next attempt starts {after:g} s later", who=Who.ENGINE)
again = kind("again", "the role's script asked to be run again a little later", who=Who.ENGINE)
not_confirmed = kind(
    "not_confirmed",
    "nothing has confirmed that what runs on {node} is its machine (fingerprint {fingerprint}), so it gets no secret and destroys nothing",
    "if the machine's own screen shows {fingerprint}, press f (crowbar node {node} confirm {fingerprint}). Its BMC may confirm it before "
    "that. If the screen shows another one or none, the machine at {address} answers in its name: unplug that one, then power-cycle {node}",
    who=Who.TECHNICIAN,
)
approval = kind(
    "approval",
    "the role destroys the data on the disks of {node} and is not approved",
    "approve the role, or let the plan approve it",
    who=Who.OPERATOR,
)
no_disk = kind(
    "no_disk",
    "{node} has no disk: there is nothing to install on",
    "plug a disk in, or enable the disk controller in the firmware; then discover the node again: crowbar node {node} reset",
    who=Who.TECHNICIAN,
)
no_fit_disk = kind(
    "no_fit_disk",
    "no disk of {node} is fit for an install: {why}",
    "name the disk to use: crowbar set {node} root-disk WWN (or its serial number, path or name)",
    who=Who.OPERATOR,
)
no_such_disk = kind(
    "no_such_disk",
    "root-disk names {disk}, and {node} has no such disk",
    "list its disks with crowbar explain {node}; then correct root-disk, or discover the node again: crowbar node {node} reset",
    who=Who.OPERATOR,
)
bad_members = kind(
    "bad_members",
    "cannot make {level} on {node}: it needs {need} disks of one size, and only {have} can be used: {why}",
    "choose another level",
    who=Who.AUTHOR,
)
held = kind("held", "{resource} is in use by {holder}", who=Who.WAIT, elsewhere=True)
suspended = kind("suspended", "attempt {attempt} is suspended until the node answers again", who=Who.WAIT)
in_transition = kind("in_transition", "attempt {attempt} is running", who=Who.WAIT)
resting = kind("resting", "nothing blocks the role: it starts as soon as a slot is free", who=Who.WAIT)
