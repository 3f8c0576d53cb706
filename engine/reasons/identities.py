"""Why the engine does not accept a call or a hello of a machine, or cannot tell which node it is."""

from __future__ import annotations

from .kind import Who, kind

late = kind("late", "attempt {attempt} is no longer the current attempt", who=Who.WAIT)
old_boot = kind("old_boot", "the call comes from an earlier boot of the machine", who=Who.WAIT)
unknown_nonce = kind(
    "unknown_nonce",
    "a machine said hello with a nonce that belongs to no boot in progress",
    "reboot the machine",
    who=Who.TECHNICIAN,
)
second_claim = kind(
    "second_claim",
    "a second machine claimed the boot of {mac}",
    "look for two machines with this MAC, or for an intruder on the boot network",
    who=Who.TECHNICIAN,
)
disk_nonce = kind(
    "disk_nonce",
    "a machine said hello from {environment}, which starts from a disk, with the nonce of a boot over the network",
    "look for a machine at {address} that speaks in the name of this node",
    who=Who.TECHNICIAN,
)
script_again = kind(
    "script_again",
    "a second request for the boot script of {mac} came from {address}; it got the same script",
    "nothing, if the machine started over; else look for a second machine with this MAC on the boot network",
    who=Who.TECHNICIAN,
)
script_elsewhere = kind(
    "script_elsewhere",
    "{address} asked for the boot script of {mac}, whose leased address is {leased}; it got none",
    "look for the machine at {address}: it asks in the name of another",
    who=Who.TECHNICIAN,
)
live_claim = kind(
    "live_claim",
    "a machine at {address} said hello as {node}, which still answers; the engine asks {node} first",
    "if {node} did not reboot: find the machine at {address}, which speaks in its name",
    who=Who.ENGINE,
)
not_its_boot = kind(
    "not_its_boot",
    "a machine with MAC {mac} at {address} (switch port {port}) asked to boot, but {node} answers: it has not rebooted",
    "look for a second machine with this MAC, or for an intruder on the boot network",
    who=Who.TECHNICIAN,
)
boots_in_vain = kind(
    "boots_in_vain",
    "the machine asked to boot by {mac}, came to {signal}, and has not said hello in the time of a whole boot",
    "read the machine's screen and fix what it shows; if it has no system any more, reinstall the node",
    who=Who.TECHNICIAN,
)
bad_credential = kind(
    "bad_credential",
    "a machine said hello with a credential that this engine did not issue",
    "reinstall the machine",
    who=Who.OPERATOR,
)
old_credential = kind(
    "old_credential",
    "a machine said hello with a credential of an earlier installation of {node}",
    "if it is {node}, reinstall it: crowbar node {node} reinstall; otherwise find the machine that has a copy of its old disk",
    who=Who.OPERATOR,
)
memory_credential = kind(
    "memory_credential",
    "a machine said hello from {environment} with the credential of an installed system, which no environment in memory has",
    "look for an intruder on the boot network",
    who=Who.OPERATOR,
)
wrong_fingerprint = kind(
    "wrong_fingerprint",
    "{given} is not the fingerprint of what runs on {node} now",
    "compare it again with the machine's own screen; if the screen shows another one than the console, find the intruder",
    who=Who.OPERATOR,
)
mac_not_listed = kind("mac_not_listed", "the machine that boots as {mac} lists only other MACs in its hello: {macs}", who=Who.WAIT)
identity_conflict = kind(
    "identity_conflict",
    "{what} {value} belongs to {node} and to {other}",
    "find out which machine it is; then use crowbar node NODE replace, merge or split",
    who=Who.OPERATOR,
)
same_or_not = kind(
    "same_or_not",
    "the machine shows the {what} {value} of {node} and none of its MACs; it is {node} with other ports or another machine ({why})",
    "if it is another machine: crowbar node {node} split VALUE, with the value that both show; if it is {node}: the same, then after "
    "the next hello crowbar node merge",
    who=Who.OPERATOR,
)
copied_credential = kind(
    "copied_credential",
    "a machine with other MACs ({macs}) uses the credential of this node, while this node is alive",
    "find the machine that runs from a copy of this node's disk, and reinstall it",
    who=Who.TECHNICIAN,
)
no_identity = kind(
    "no_identity",
    "the machine reports no usable UUID, serial number or MAC",
    "check the machine's network card and its firmware's system settings",
    who=Who.TECHNICIAN,
)
banned = kind("banned", "{mac} is banned", "to manage this machine, lift the ban: crowbar node {mac} unban", who=Who.OPERATOR)
not_one_machine = kind(
    "not_one_machine",
    "{node} and {other} cannot become one node: {why}",
    "delete the wrong node, or replace it",
    who=Who.OPERATOR,
)
unauthorised = kind("unauthorised", "a call to {route} came without a valid token", who=Who.WAIT)
agent_protocol = kind(
    "agent_protocol",
    "the machine's agent speaks version {theirs} of the protocol, and the engine speaks version {ours}",
    "build the image again (crowbar image build sledgehammer) and reboot the machine; on an installed system, copy the new agent from "
    "images/node to /usr/lib/crowbar",
    who=Who.OPERATOR,
)
parts_gone = kind(
    "parts_gone",
    "since {node} was looked at before: {what}",
    "seat or replace the part; if it was taken out on purpose, acknowledge this (crowbar hardware diff {node} has the rest)",
    who=Who.TECHNICIAN,
)
parts_unexpected = kind(
    "parts_unexpected",
    "{node} is not what {family} is expected to be: {what}",
    "put in what is missing, or take a good machine as the new expectation: crowbar hardware expect NODE",
    who=Who.TECHNICIAN,
)
place_contradiction = kind(
    "place_contradiction",
    "{node} stands in {first}, and in {second}",
    "look where it stands; then correct the label (crowbar node place NODE RACK UNIT), or the cables or outlets in the plan",
    who=Who.TECHNICIAN,
)
wrong_box = kind(
    "wrong_box",
    "by its cables {node} ({seen}) stands in {rack} unit {unit}, where the plan expects {expected}{belongs}",
    "exchange the machines or their cables (crowbar walk lists them) and rediscover them with e, or correct `expects` in the plan",
    who=Who.TECHNICIAN,
)
